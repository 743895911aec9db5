"""Which saves a build would see, and what has to be watched for them."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.engine.inputs import Inputs, Pattern, Watched

CONTEXT = Watched("/w/app", "*.log\n!keep.log\n", frozenset({("src",), ("*.txt",), ("a", "b")}))
INPUTS = Inputs(
    files=frozenset({"/w/BUILD.yaml", "/w/app/Dockerfile", "/w/app/.dockerignore"}),
    globs=frozenset({("/w", "more/*/BUILD.yaml"), ("/w", "all/**/BUILD.yaml")}),
    contexts=frozenset({CONTEXT}),
    own=frozenset({"/w/app/src/out", "/w/app/x.txt"}),
)


@pytest.mark.parametrize(
    "path",
    [
        *("/w/BUILD.yaml", "/w/app/Dockerfile", "/w/app/.dockerignore"),
        *("/w/more/new", "/w/more/new/BUILD.yaml", "/w/more", "/w/all/deep/er/BUILD.yaml"),
        *("/w/app/src", "/w/app/src/deep/er", "/w/app/one.txt", "/w/app/keep.txt"),
        *("/w/app/a", "/w/app/a/b", "/w/app/a/b/c", "/w/app"),
        "/w/app/src/outer",
    ],
)
def test_what_matters(path: str) -> None:
    assert INPUTS.reads(path)


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/w",
            "/w/README",
            "/w/app/README",
            "/w/app/one.text",
            "/w/app/a/c",
            "/w/application/src",
        ),
        *("/w/app/x.log", "/w/more/new/README", "/w/more/new/deep/BUILD.yaml", "/v"),
        *("/w/app/src/out", "/w/app/src/out/y", "/w/app/x.txt"),
        *("/w/app/src/.a.swp", "/w/app/src/a~", "/w/app/src/.#a", "/w/app/src/4913"),
    ],
)
def test_what_does_not(path: str) -> None:
    assert not INPUTS.reads(path)


def test_a_context_that_is_read_whole() -> None:
    whole = Inputs(contexts=frozenset({Watched("/w", "", frozenset({()}))}))
    assert whole.reads("/w/any/thing")
    assert not whole.reads("/v/any/thing")


@given(st.lists(st.sampled_from(["a", "b", "cc"]), min_size=1, max_size=5), st.data())
def test_whatever_lies_on_the_way_to_what_is_read_or_below_it(
    parts: list[str], data: st.DataObject
) -> None:
    pattern: Pattern = tuple(
        data.draw(st.sampled_from([part, "*", "?" * len(part)])) for part in parts
    )
    context = Watched("/w", "", frozenset({pattern}))
    length = data.draw(st.integers(1, len(parts)))
    below = data.draw(st.lists(st.sampled_from(["x", "y"]), max_size=2))
    assert context.reads("/".join(parts[:length]))
    assert context.reads("/".join([*parts, *below]))
    assert not context.reads("/".join([*parts[: length - 1], "other", *below])) or "*" in pattern


def test_directories_to_watch(tmp_path: Path) -> None:
    for name in ("app/src", "app/inner", "more/one", "docker"):
        (tmp_path / name).mkdir(parents=True)
    every = frozenset({()})
    inputs = Inputs(
        files=frozenset(f"{tmp_path}/{n}" for n in ("BUILD.yaml", "docker/x", "gone/deep/y")),
        globs=frozenset({(str(tmp_path), "more/*/BUILD.yaml")}),
        contexts=frozenset(
            Watched(f"{tmp_path}/{name}", "", every) for name in ("app", "app/inner", "missing")
        ),
    )
    assert inputs.trees() == {f"{tmp_path}/app"}
    assert inputs.directories() == {
        str(tmp_path),
        *(f"{tmp_path}/{name}" for name in ("docker", "more", "more/one")),
    }
    assert (inputs | Inputs()) == inputs
