"""Annotations, the step summary, outputs of GitHub Actions."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.location import Location
from mkbuild.progress import github
from tests.support import runs

HERE = github.placed("/work/repo/sub", {"GITHUB_WORKSPACE": "/work/repo"})


@pytest.mark.parametrize(
    ("file", "shown"),
    [
        ("Dockerfile", "sub/Dockerfile"),
        ("../a/Dockerfile", "a/Dockerfile"),
        ("/work/repo/b", "b"),
        ("/elsewhere/b", ""),
        ("../../b", ""),
        ("https://example.com/repo.git#main:Dockerfile", ""),
    ],
)
def test_files_are_named_from_the_checkout(file: str, shown: str) -> None:
    assert HERE(file) == shown


def test_without_a_checkout_files_are_named_from_here() -> None:
    assert github.placed("/work/repo", {})("a/b") == "a/b"


def test_an_annotation() -> None:
    place = Location("Dockerfile", 3, 1)
    line = github.annotation("error", "a: b, c", "50%\nof it", place, HERE)
    assert line == "::error file=sub/Dockerfile,line=3,title=a%3A b%2C c::50%25%0Aof it"
    assert github.annotation("warning", "t", "m", None, HERE) == "::warning title=t::m"
    nowhere = Location("/elsewhere/Dockerfile", 3)
    assert github.annotation("error", "t", "m", nowhere, HERE) == "::error title=t::m"


@given(st.text(), st.text(), st.text(min_size=1))
def test_what_is_escaped_comes_back(title: str, message: str, file: str) -> None:
    line = github.annotation("error", title, message, Location(file, 1), lambda name: name)
    assert "\n" not in line
    assert "\r" not in line
    head, _, data = line.removeprefix("::error ").partition("::")
    properties = dict(item.split("=", 1) for item in head.split(","))
    codes = {"%0A": "\n", "%0D": "\r", "%3A": ":", "%2C": ",", "%25": "%"}

    def unescaped(text: str) -> str:
        for code, character in codes.items():
            text = text.replace(code, character)
        return text

    assert (unescaped(properties["title"]), unescaped(properties["file"])) == (title, file)
    assert unescaped(data) == message


def test_failed_steps_are_annotated() -> None:
    assert github.annotations(runs.document(), HERE) == []
    (line,) = github.annotations(runs.document(ok=False), HERE)
    assert line.startswith(
        "::error file=sub/api/Dockerfile,line=6,title=api%3A COPY --from=x a /::"
    )
    assert "exit status 2%0A100%25 done, nearly" in line


def test_the_summary() -> None:
    lines = github.summary(runs.document()).splitlines()
    assert lines[0] == "### mkbuild: built in 10s"
    rows = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    assert {len(row) for row in rows} == {7}
    assert [cell.strip() for cell in rows[3]] == [
        "api",
        "built",
        "`0123456789ab`",
        "4",
        "3",
        "8.0s",
        "`example.com/acme/api:1`",
    ]


def test_the_summary_of_a_failure_shows_the_output() -> None:
    shown = github.summary(runs.document(ok=False))
    assert "| api | not built |  | 4 | 3 | 8.0s |  |" in shown
    assert "````text\napi/Dockerfile:6:1: ended with exit status 2" in shown
    assert shown.count("````") == 2


def test_the_summary_of_a_run_that_never_began() -> None:
    nothing = runs.document() | {"steps": {}, "order": {}, "targets": {}, "wanted": []}
    assert "no such file" in github.summary(nothing | {"ok": False, "error": "no such file"})


def test_outputs() -> None:
    found = github.outputs(runs.document()["targets"], "DELIMITER").split("DELIMITER\n")
    names, values = [n.removesuffix("<<") for n in found[0::2]], found[1::2]
    assert names == ["digests", "metadata", ""]
    assert json.loads(values[0]) == {"base": runs.DIGEST, "api": runs.DIGEST}
    assert json.loads(values[1])["api"]["image.name"] == "acme/api:1"


def test_one_image_is_an_output_of_its_own() -> None:
    found = github.outputs(runs.document(ok=False)["targets"], "D")
    assert found.endswith(f"digest<<D\n{runs.DIGEST}\nD\n")
