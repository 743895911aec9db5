"""Each exit status of the command line's table that a build can end with."""

import json
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from tests.support.bases import bases
from tests.support.command import Mkbuild

pytestmark = pytest.mark.root

BUILD = """\
version: 1
images:
  good: {context: ., dockerfile: good.Dockerfile, tags: ["localhost:1/acme/good:1"]}
  bad: {context: ., dockerfile: bad.Dockerfile}
  lost: {context: ., dockerfile: lost.Dockerfile}
  syntax: {context: ., dockerfile: syntax.Dockerfile}
  first: {context: ., dockerfile: first.Dockerfile}
  second: {context: ., dockerfile: second.Dockerfile}
groups: {default: [good]}
"""
DOCKERFILES = {
    "good": "FROM busybox:stable\nRUN echo yes > /yes\n",
    "bad": "FROM busybox:stable\nRUN echo words; exit 3\n",
    "lost": "FROM localhost:1/nowhere:1\n",
    "syntax": "FROM busybox:stable\nRUNN true\n",
    "first": "FROM second\n",
    "second": "FROM first\n",
}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "BUILD.yaml").write_text(BUILD)
    for name, text in DOCKERFILES.items():
        (tmp_path / f"{name}.Dockerfile").write_text(text)
    mirror = f"oci-layout:{bases('busybox')}"
    (tmp_path / "registries").write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MKBUILD_REGISTRIES", str(tmp_path / "registries"))
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    return tmp_path


def test_0_built() -> None:
    assert main([]) == 0


def test_0_the_last_of_more_runs_than_can_be_counted() -> None:
    assert main(["log", "-n", "99999999999999999999"]) == 0


@pytest.mark.parametrize("text", ["noon", "99999999999999999999"])
def test_2_a_time_of_the_environment_that_is_none(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert main(["good"]) == 2
    assert "SOURCE_DATE_EPOCH" in capsys.readouterr().err


def test_1_a_step_failed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["bad"]) == 1
    shown = capsys.readouterr().err
    assert ">    2 | RUN echo words; exit 3" in shown
    assert "| words" in shown
    assert "exit status 3" in shown


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (126, "exit status 126\n"),
        (137, "exit status 137 (Killed)\n"),
        (192, "exit status 192 (Real-time signal 30)\n"),
        (193, "exit status 193\n"),
        (255, "exit status 255\n"),
    ],
)
def test_1_whatever_a_step_ends_with(
    workspace: Path, status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "bad.Dockerfile").write_text(f"FROM busybox:stable\nRUN exit {status}\n")
    assert main(["bad"]) == 1
    assert f"ended with {words}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["cache", "gc", "--storage", "BUILD.yaml"], 1, "BUILD.yaml cannot be used: File exists"),
        (["doctor", "--storage", "BUILD.yaml"], 1, "BUILD.yaml cannot be used: File exists"),
        (["good", "--allow", "everything"], 2, "no such right"),
        (["good", "first.tar", "--iidfile", "id"], 4, "no target 'first.tar'"),
        (["good", "bad", "--iidfile", "id"], 2, "--iidfile takes one image, not 2"),
        (["diff", "nope.tar", "other.tar"], 2, "nope.tar: there is no such file"),
        (["diff", "./nope", "busybox"], 2, "./nope: there is no such file"),
    ],
)
def test_what_cannot_be_is_said_at_once(
    args: list[str], status: int, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == status
    shown = capsys.readouterr().err
    assert words in shown
    assert "IMAGE" not in shown, "nothing was built before"


def test_0_the_graph_names_files_as_they_are_seen_from_here(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "BUILD.yaml").write_text(
        "version: 1\nimages:\n  good: {dockerfile: good.Dockerfile}\n"
    )
    assert main(["graph", "--format", "json", "good"]) == 0
    (target,) = json.loads(capsys.readouterr().out)["targets"]
    assert target["location"] == "BUILD.yaml:3:3"


def test_1_also_with_keep_going(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-k", "-j1", "bad", "good"]) == 1
    assert "RUN echo yes" in capsys.readouterr().err


def test_1_a_base_cannot_be_had() -> None:
    assert main(["lost"]) == 1


@pytest.mark.parametrize("name", ["syntax", "first"])
def test_2_dockerfiles(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([name]) == 2
    assert f"{name}.Dockerfile:" in capsys.readouterr().err


def test_2_build_file(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace / "BUILD.yaml").write_text("version: 1\nimages:\n  a: {contxt: .}\n")
    assert main([]) == 2
    assert capsys.readouterr().err.startswith("error: BUILD.yaml:3:7: ")


def test_3_lint(workspace: Path) -> None:
    (workspace / "good.Dockerfile").write_text("FROM busybox:stable\nMAINTAINER me\n")
    assert main(["lint", "good"]) == 3


def test_4_nothing_selected() -> None:
    assert main(["nothing"]) == 4


def test_5_expected_cached(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--expect-cached"]) == 5
    assert "good.Dockerfile:2" in capsys.readouterr().err
    assert main([]) == 0
    assert main(["--expect-cached"]) == 0


def test_7_published() -> None:
    assert main(["--push"]) == 7


def test_37_internal(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def planted(*given: object, **_named: object) -> int:
        return len(given) // 0

    monkeypatch.setattr("mkbuild.engine.build.build", planted)
    monkeypatch.setenv("XDG_STATE_HOME", str(workspace / "state"))
    assert main(["--storage", "elsewhere"]) == 37
    shown = capsys.readouterr().err
    assert "Please report it with the trace in " in shown
    trace = Path(shown.rstrip().rpartition(" ")[2])
    assert trace.parent == workspace / "state" / "mkbuild"
    text = trace.read_text()
    assert "arguments: ['--storage', 'elsewhere']" in text
    assert "ZeroDivisionError" in text


def test_3_a_build_file_is_not_formatted(workspace: Path) -> None:
    assert main(["fmt", "--check"]) == 0
    (workspace / "BUILD.yaml").write_text(BUILD + "\n\n")
    assert main(["fmt", "--check"]) == 3
    assert main(["fmt", "--diff"]) == 0
    assert (workspace / "BUILD.yaml").read_text() == BUILD


def test_6_the_lock_lacks_a_base(workspace: Path) -> None:
    assert main(["build", "--locked"]) == 6
    (workspace / "BUILD.lock").write_text("version: 1\n")
    assert main(["build", "--locked"]) == 6
    assert main(["build", "--no-locked"]) == 0


def test_6_the_plan_says_otherwise(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--json"]) == 0
    (workspace / "plan.json").write_text(capsys.readouterr().out)
    (workspace / "good.Dockerfile").write_text("FROM busybox:stable\nRUN echo no > /no\n")
    assert main(["build", "--plan", "plan.json"]) == 6
    assert "RUN echo no > /no is not in the plan" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--nothing"], ["-j", "none"], ["./good.Dockerfile"], ["--plan", "nowhere"]]
)
def test_2_command_line(arguments: list[str]) -> None:
    assert main(arguments) == 2


def test_130_interrupted(workspace: Path) -> None:
    (workspace / "good.Dockerfile").write_text("FROM busybox:stable\nRUN echo go; sleep 1000\n")
    mkbuild = Mkbuild(workspace, workspace / "store", workspace / "registries")
    done = mkbuild.interrupt("build", "--progress=plain", at="| go")
    assert done.returncode == 130
    assert done.stderr.endswith("interrupted\n")


def test_1_out_of_date() -> None:
    assert main(["-q"]) == 1
    assert main([]) == 0
    assert main(["-q"]) == 0
