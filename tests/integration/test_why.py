"""why, -d explain, plan and --expect-cached: what changed, in words, on real builds."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from mkbuild.engine.log import Log
from tests.integration.test_since import append, swap
from tests.support.bases import bases
from tests.support.gitrepo import commit

pytestmark = pytest.mark.root

FILES = {
    "BUILD.yaml": """\
version: 1
variables: {VERSION: {default: "1.2"}}
images:
  tool: {context: tool}
  api: {context: services/api, args: {VERSION: "${VERSION}"}, labels: {team: red}}
  plain: {context: plain}
""",
    "tool/Dockerfile": "FROM busybox:stable\nCOPY script /script\nRUN sh /script\n",
    "tool/script": "echo one > /made\n",
    "services/api/Dockerfile": """\
FROM busybox:stable
ARG VERSION
COPY requirements.txt app.py /app/
RUN cat /app/requirements.txt > /installed
RUN echo $VERSION > /version
COPY --from=tool /made /made
CMD ["run"]
""",
    "services/api/requirements.txt": "one==1\n",
    "services/api/app.py": "print(1)\n",
    "plain/Dockerfile": "FROM busybox:stable\nLABEL a=b\n",
}
Run = Callable[..., str]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "work"
    for name, text in FILES.items():
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)
    shutil.copytree(bases("busybox") / "library" / "busybox", tmp_path / "mirror/library/busybox")
    mirrors = {"docker.io": {"mirrors": [f"oci-layout:{tmp_path / 'mirror'}"]}}
    (tmp_path / "registries").write_text(json.dumps(mirrors))
    monkeypatch.chdir(place)
    monkeypatch.setenv("MKBUILD_REGISTRIES", str(tmp_path / "registries"))
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    return place


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Return what runs a command, and returns its output; errors where it must fail."""

    def run(*args: str, status: int = 0) -> str:
        capsys.readouterr()
        assert main(list(args)) == status, capsys.readouterr().err
        captured = capsys.readouterr()
        return captured.err if status else captured.out

    return run


def became(old: str, new: str) -> str:
    one, two = (hashlib.sha256(text.encode()).hexdigest()[:12] for text in (old, new))
    return f"sha256 {one}… → {two}…"


ONE_TWO = became("one==1\n", "one==2\n")
SCRIPT = became("echo one > /made\n", "echo two > /made\n")


def last(work: Path) -> str:
    return Log(work.parent / "store").names()[-1]


def move_base(work: Path, command: str, *args: str) -> None:
    image = f"{work.parent / 'mirror/library/busybox'}:stable"
    subprocess.run(["umoci", command, "--image", image, *args], check=True)


def test_a_file(work: Path, run: Run) -> None:
    run("api")
    name = last(work)
    assert run("why", "api") == (f"api is up to date: the same as in run {name}\n")
    (work / "services/api/requirements.txt").write_text("one==2\n")
    shown = run("why", "api")
    assert (
        shown
        == f"""\
api differs from run {name}:
  services/api/requirements.txt: {ONE_TWO}
    services/api/Dockerfile:3:1  COPY requirements.txt app.py /app/
    services/api/Dockerfile:4:1  RUN cat /app/requirements.txt > /installed
    services/api/Dockerfile:5:1  RUN echo $VERSION > /version
    services/api/Dockerfile:6:1  COPY --from=tool /made /made
    → api
"""
    )
    found = json.loads(run("why", "api", "--json"))
    assert found["version"] == 1
    answer = found["targets"]["api"]
    assert answer["verdict"] == "steps"
    assert answer["against"]["run"] == name
    (reason,) = answer["reasons"]
    assert reason["changes"] == [f"services/api/requirements.txt: {ONE_TWO}"]
    assert [step["location"] for step in reason["chain"]] == [
        f"services/api/Dockerfile:{line}:1" for line in (3, 4, 5, 6)
    ]
    assert answer["settings"] == answer["missing"] == []


def test_an_argument_and_a_command(run: Run, work: Path) -> None:
    run("api")
    shown = run("why", "api", "--var", "VERSION=1.3")
    assert "  ARG VERSION: 1.2 → 1.3\n    services/api/Dockerfile:4:1  RUN" in shown
    swap("services/api/Dockerfile", "> /installed", "> /put")(work)
    shown = run("why", "api")
    assert "RUN cat /app/requirements.txt > /installed became RUN cat" in shown
    append("services/api/Dockerfile", "RUN true\n")(work)
    assert "  RUN true is new\n" in run("why", "api", "-v")


def test_settings_alone(work: Path, run: Run) -> None:
    run("api")
    swap("services/api/Dockerfile", 'CMD ["run"]', 'CMD ["go"]\nENV A=b')(work)
    swap("BUILD.yaml", "red", "blue")(work)
    shown = run("why", "api")
    assert shown.splitlines()[0].endswith(", but no step has to run:")
    assert "  CMD: run → go\n" in shown
    assert "  ENV A: now b\n" in shown
    assert "  LABEL team: red → blue\n" in shown
    assert json.loads(run("why", "api", "--json"))["targets"]["api"]["verdict"] == "settings"
    assert "0 steps would run" in run("plan", "api")


def test_a_base_moved(work: Path, run: Run) -> None:
    run("api", "plain")
    move_base(work, "config", "--config.label", "moved=yes")
    shown = run("why", "api", "--pull")
    assert "base image busybox:stable moved: " in shown
    assert "  LABEL moved: nothing → yes\n" in shown
    assert json.loads(run("why", "api", "--pull", "--json"))["targets"]["api"]["reasons"] == []
    move_base(work, "insert", str(work / "BUILD.yaml"), "/file")
    shown = run("why", "api", "--pull")
    lines = shown.splitlines()
    assert lines[1].startswith("  base image busybox:stable moved: ")
    assert lines[2] == "    services/api/Dockerfile:3:1  COPY requirements.txt app.py /app/"
    shown = run("why", "plain", "--pull")
    assert "  base image busybox:stable moved: " in shown


def test_another_target(work: Path, run: Run) -> None:
    run("api")
    (work / "tool/script").write_text("echo two > /made\n")
    assert run("why", "api").splitlines()[1:] == [
        f"  tool/script: {SCRIPT}",
        "    tool/Dockerfile:2:1  tool COPY script /script",
        "    tool/Dockerfile:3:1  tool RUN sh /script",
        "    services/api/Dockerfile:6:1  COPY --from=tool /made /made",
        "    → api",
    ]


def test_never_built_and_gone_from_every_cache(work: Path, run: Run) -> None:
    assert run("why", "api") == "api was not built here before: all its steps are new\n"
    run("api")
    (work.parent / "store" / "cache.sqlite").unlink()
    shown = run("why", "api")
    assert ", and in no cache any more:\n" in shown
    assert "  tool/Dockerfile:2:1  tool COPY script /script\n" in shown
    assert "nothing changed, but its result is in no cache any more" in run("plan", "api")


def test_a_named_run(work: Path, run: Run) -> None:
    run("api")
    first = last(work)
    append("services/api/app.py")(work)
    run("api")
    run("plain")
    assert "up to date" in run("why", "api")
    assert "services/api/app.py: sha256" in run("why", "api", "--against", first)
    assert "services/api/app.py: sha256" in run("why", "api", "--against", first[:-1])
    said = run("why", "api", "--against", last(work), status=2)
    assert "did not build api; it built plain" in said
    said = run("why", "api", "--against", f"{first}0", status=2)
    assert f"did you mean '{first}'?" in said
    assert "there is no target 'apj'" in run("why", "apj", status=4)
    assert "Missing argument" in run("why", status=2)


def test_a_git_ref(work: Path, run: Run) -> None:
    commit(work)
    (work / "services/api/requirements.txt").write_text("one==2\n")
    swap("BUILD.yaml", "1.2", "1.3")(work)
    shown = run("why", "api", "--against", "HEAD")
    assert shown.startswith("api differs from HEAD (")
    assert f"  services/api/requirements.txt: {ONE_TWO}\n" in shown
    assert "  ARG VERSION: 1.2 → 1.3\n" in shown
    assert "up to date" in run("why", "tool", "--against", "HEAD")
    said = run("why", "api", "--against", "maim", status=2)
    assert "there is no run and no git ref" in said
    assert "did you mean 'main'?" in said
    swap("BUILD.yaml", "images:\n", "images:\n  more: {context: tool}\n")(work)
    assert run("why", "more", "--against", "HEAD").startswith("more was not there in HEAD (")


def test_a_lone_directory(work: Path, run: Run) -> None:
    run("./tool", "-t", "x:1")
    (work / "tool/script").write_text("echo two > /made\n")
    assert f"  tool/script: {SCRIPT}\n" in run("why", "./tool")
    commit(work)
    (work / "tool/script").write_text("echo three > /made\n")
    found = became("echo two > /made\n", "echo three > /made\n")
    assert f"  tool/script: {found}\n" in run("why", "./tool", "--against", "HEAD")
    os.chdir(work / "tool")
    found = became("echo one > /made\n", "echo three > /made\n")
    assert f"  script: {found}\n" in run("why", ".")


def test_expect_cached(work: Path, run: Run) -> None:
    run("api", "tool")
    assert run("api", "--expect-cached") == ""
    (work / "tool/script").write_text("echo two > /made\n")
    said = run("api", "tool", "--expect-cached", status=5)
    assert said.startswith(f"""\
error: --expect-cached, but 3 steps would run, at first
  tool/Dockerfile:2:1: COPY script /script
    tool/script: {SCRIPT}
    → tool/Dockerfile:3:1: RUN sh /script
    → tool
  hint: mkbuild why tool says more""")
    assert "all of them" not in said
    said = run("api", "--expect-cached", "-v", status=5)
    assert (
        "  services/api/Dockerfile:6:1: COPY --from=tool /made /made\n"
        "    follows from tool/Dockerfile:3:1 RUN sh /script\n"
    ) in said


def test_expect_cached_where_nothing_was_built(work: Path, run: Run) -> None:
    commit(work)
    (work / "services/api/requirements.txt").write_text("one==2\n")
    said = run("api", "--expect-cached", status=5)
    assert "api was not built before" in said or "tool was not built before" in said
    assert "--against REF takes a git ref instead" in said
    said = run("api", "--expect-cached", "--against", "HEAD", "-v", status=5)
    assert f"    services/api/requirements.txt: {ONE_TWO}\n" in said
    assert "  tool/Dockerfile:2:1: COPY script /script\n    nothing changed, but its result" in said
    assert f"\n      services/api/requirements.txt: {ONE_TWO}\n" in run(
        "plan", "api", "--against", "HEAD"
    )
    said = run("api", "--expect-cached", "--against", "nowhere", status=2)
    assert "there is no run and no git ref of that name" in said
    run("api")
    first = last(work)
    append("services/api/app.py")(work)
    run("api")
    append("services/api/app.py")(work)
    planned = run("plan", "api", "--against", first, "--json")
    (reason,) = (
        step["why"]
        for step in json.loads(planned)["targets"]["api"]
        if step["instruction"].startswith("COPY requirements")
    )
    texts = ["print(1)\n" + "\n# more\n" * times for times in (0, 2)]
    assert reason == f"services/api/app.py: {became(*texts)}"


def test_explain(work: Path, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    run("api")
    (work / "tool/script").write_text("echo two > /made\n")
    planned = run("plan", "api", "--json")
    steps = {step["instruction"]: step for step in json.loads(planned)["targets"]["api"]}
    assert steps["COPY script /script"]["why"] == f"tool/script: {SCRIPT}"
    assert steps["RUN cat /app/requirements.txt > /installed"]["why"] == ""
    assert main(["api", "-d", "explain", "--progress", "plain"]) == 0
    lines = capsys.readouterr().err.splitlines()
    at = lines.index("tool > [stage-0] COPY script /script")
    assert lines[at - 1] == (f"tool ? tool/Dockerfile:2:1: tool/script: {SCRIPT}")
    assert main(["api", "-d", "explain", "--progress", "plain"]) == 0
    assert " ? " not in capsys.readouterr().err
    events = run("api", "-B", "-d", "explain", "--progress", "json").splitlines()
    started = [event for event in map(json.loads, events) if event["event"] == "step-started"]
    assert {event["why"] for event in started} == {"-B: all is run again"}


def test_it_says_nothing_of_another_workspace(work: Path, run: Run) -> None:
    run("api")
    other = work.parent / "other"
    shutil.copytree(work, other)
    os.chdir(other)
    assert "was not built here before" in run("why", "api")
    said = run("why", "api", "--against", last(work), status=2)
    assert f"was one of {work}" in said
