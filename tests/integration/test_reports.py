"""What real runs leave behind: records of runs that succeed, fail, are refused, find no base."""

import json
import os
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from mkbuild.cli.main import main
from mkbuild.context.digests import is_settled
from mkbuild.engine.log import Log, Record
from mkbuild.engine.schemas import SCHEMAS
from mkbuild.progress.timeline import critical_path, read
from tests.support.bases import bases
from tests.support.command import Mkbuild
from tests.support.registry import RealRegistry

pytestmark = pytest.mark.root

BUILD = """\
version: 1
images:
  base: {context: ., dockerfile: base.Dockerfile}
  good: {context: ., dockerfile: good.Dockerfile, tags: ["localhost:1/acme/good:1"]}
  bad: {context: ., dockerfile: bad.Dockerfile}
  lost: {context: ., dockerfile: lost.Dockerfile}
groups: {default: [good]}
"""
DOCKERFILES = {
    "base": "FROM busybox:stable\nRUN echo base > /base\n",
    "good": "FROM base\nRUN sleep 0.2; echo yes > /yes\nCOPY words /\n",
    "bad": "FROM base\nRUN echo some words; exit 3\nRUN true\n",
    "lost": "FROM localhost:1/nowhere:1\nRUN true\n",
}


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    work = tmp_path / "work"
    work.mkdir()
    (work / "BUILD.yaml").write_text(BUILD)
    (work / "words").write_text("one two\n")
    for name, text in DOCKERFILES.items():
        (work / f"{name}.Dockerfile").write_text(text)
    mirror = f"oci-layout:{bases('busybox')}"
    (tmp_path / "registries").write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
    monkeypatch.chdir(work)
    monkeypatch.setenv("MKBUILD_REGISTRIES", str(tmp_path / "registries"))
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    return work


def log(workspace: Path) -> Log:
    return Log(workspace.parent / "store")


def latest(workspace: Path) -> Record:
    return log(workspace).find("latest").record


def statuses(document: Mapping[str, Any]) -> dict[str, str]:
    return {step["instruction"]: step["status"] for step in document["steps"].values()}


def test_a_build(workspace: Path) -> None:
    assert main([]) == 0
    document = latest(workspace).document
    assert document["ok"]
    assert document["wanted"] == ["good"]
    assert set(statuses(document).values()) == {"ran"}
    names = [phase["name"] for phase in document["phases"]]
    assert names == ["load", "plan", "resolve", "run", "finish", "write", "publish"]
    assert len(document["layers"]) == 3
    timeline = read(document)
    path = [link.bar.title for link in critical_path(timeline) if link.bar.kind == "step"]
    assert path == ["RUN echo base > /base", "RUN sleep 0.2; echo yes > /yes", "COPY words /"]
    for bar in (*timeline.steps, *timeline.layers, *timeline.phases):
        assert 0 <= bar.begin <= bar.end <= timeline.seconds + 0.01


def test_a_step_failed(workspace: Path) -> None:
    assert main(["bad"]) == 1
    document = latest(workspace).document
    assert not document["ok"]
    assert "exit status 3" in document["error"]
    assert statuses(document) == {
        "RUN echo base > /base": "ran",
        "RUN echo some words; exit 3": "failed",
        "RUN true": "skipped",
    }
    failed = next(step for step in document["steps"].values() if step["status"] == "failed")
    assert failed["output"] == ["some words"]


def test_pushing_failed(workspace: Path) -> None:
    assert main(["--push"]) == 7
    document = latest(workspace).document
    assert not document["ok"]
    assert set(statuses(document).values()) == {"ran"}
    assert document["targets"].keys() == {"good"}


def test_a_base_cannot_be_had(workspace: Path) -> None:
    assert main(["lost"]) == 1
    document = latest(workspace).document
    assert "localhost:1" in document["error"]
    assert document["wanted"] == ["lost"]
    assert document["steps"] == {}


def test_more_would_run_than_was_expected(workspace: Path) -> None:
    assert main(["--expect-cached"]) == 5
    document = latest(workspace).document
    assert not document["ok"]
    assert set(statuses(document).values()) == {"skipped"}


def out(capsys: pytest.CaptureFixture[str], *args: str) -> str:
    capsys.readouterr()
    assert main(list(args)) == 0
    return capsys.readouterr().out


def test_the_log_of_builds(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["log"]) == 0
    assert capsys.readouterr().err == "no such run yet\n"
    settle(workspace)
    assert main([]) == 0
    assert main(["bad"]) == 1
    assert main([]) == 0
    time.sleep(0.002)  # as processes would, the two have names of their own
    assert main([]) == 0
    rows = json.loads(out(capsys, "log", "--json"))
    assert [(row["targets"], row["result"], row["ran"], row["hits"]) for row in rows] == [
        (["good"], "ok", 0, 3),
        (["good"], "ok", 0, 3),
        (["bad"], "failed", 0, 1),
        (["good"], "ok", 3, 0),
    ]
    assert [bool(row["repeats"]) for row in rows] == [True, True, False, False]
    assert [row["failed"] for row in rows] == [0, 0, 1, 0]
    lines = out(capsys, "log", "b*").splitlines()
    assert len(lines) == 2
    assert lines[1].split()[1:] == ["failed", *lines[1].split()[2:-1], "bad"]
    assert len(out(capsys, "log", "-n", "2").splitlines()) == 3
    assert max(map(len, out(capsys, "log").splitlines())) <= 80


def settle(workspace: Path) -> None:
    """Wait until every change from now on gets another timestamp than the last one."""
    newest = max((path.stat() for path in workspace.iterdir()), key=lambda s: s.st_ctime_ns)
    while not is_settled(newest, time.time_ns()):
        time.sleep(0.001)


def test_each_workspace_has_its_own_runs(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["base"]) == 0
    other = workspace.parent / "other"
    other.mkdir()
    (other / "BUILD.yaml").write_text("version: 1\nimages: {a: {context: .}}\n")
    (other / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    assert main(["-C", str(other), "a"]) == 0
    assert [row["targets"] for row in json.loads(out(capsys, "log", "--json"))] == [["a"]]
    os.chdir(workspace)
    assert [row["targets"] for row in json.loads(out(capsys, "log", "--json"))] == [["base"]]
    rows = json.loads(out(capsys, "log", "--json", "--all"))
    assert [row["targets"] for row in rows] == [["a"], ["base"]]
    os.chdir(workspace.parent)
    assert len(json.loads(out(capsys, "log", "--json"))) == 2
    assert json.loads(out(capsys, "log", "what-ran", "--json"))["targets"] == ["a"]


def test_what_ran(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["base"]) == 0
    assert main(["bad"]) == 1
    lines = out(capsys, "log", "what-ran").splitlines()
    assert "failed" in lines[0]
    words = [line.split()[0] for line in lines[2:] if not line.startswith(" " * 4)]
    assert words == ["hit-local", "failed", "skipped"]
    rows = json.loads(out(capsys, "log", "what-ran", "--json", "-2"))
    assert [(s["status"], s["location"]) for s in rows["steps"]] == [("ran", "base.Dockerfile:2:1")]
    name = rows["name"]
    assert json.loads(out(capsys, "log", "what-ran", name, "--json")) == rows
    assert main(["log", "what-ran", "x"]) == 2
    assert main(["log", "critical-path", "latest", "latest"]) == 2


def test_the_critical_path(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    found = json.loads(out(capsys, "log", "critical-path", "--json"))
    steps = [row["location"] for row in found["path"] if row["kind"] == "step"]
    assert steps[:2] == ["base.Dockerfile:2:1", "good.Dockerfile:2:1"]
    assert 0 < sum(row["share"] for row in found["path"]) <= 1.001
    shown = out(capsys, "log", "critical-path")
    assert "good RUN sleep 0.2; echo yes > /yes" in shown
    assert max(map(len, shown.splitlines())) <= 80


def trace_of(path: Path) -> dict[str, dict[str, Any]]:
    """Return the events of a trace by name, its names of processes and threads left out."""
    found = json.loads(path.read_text())["traceEvents"]
    return {event["name"]: event for event in found if event["ph"] != "M"}


def test_a_trace_of_a_run_that_fails(workspace: Path) -> None:
    assert main(["bad", "--trace", "out/trace.json", "--junit", "out/junit.xml"]) == 1
    events = trace_of(workspace / "out" / "trace.json")
    assert {"load", "plan", "resolve", "run", "finish"} <= events.keys()
    failed = events["bad RUN echo some words; exit 3"]
    assert failed["args"]["status"] == "failed"
    assert events["base RUN echo base > /base"]["ph"] == "X"
    assert main(["bad", "--trace", "out/trace.json"]) == 1
    assert trace_of(workspace / "out" / "trace.json")["base RUN echo base > /base"]["ph"] == "i"
    suites = ET.parse(workspace / "out" / "junit.xml").getroot()  # noqa: S314 -- made here
    (failure,) = suites.findall("testsuite[@name='bad']/testcase/failure")
    assert failure.text == "some words"


def test_a_trace_of_a_run_that_never_begins(workspace: Path) -> None:
    assert main(["nowhere", "--trace", "trace.json", "--junit", "junit.xml"]) == 4
    assert trace_of(workspace / "trace.json").keys() == {"load"}
    suites = ET.parse(workspace / "junit.xml").getroot()  # noqa: S314 -- made here
    assert len(suites.findall("testsuite/testcase/error")) == 1


def test_a_report_that_cannot_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["base", "--trace", "words/trace.json"]) == 1
    assert "words/trace.json" in capsys.readouterr().err
    assert main(["bad", "--trace", "words/trace.json"]) == 1
    shown = capsys.readouterr().err
    assert "warning: cannot write" in shown
    assert "exit status 3" in shown.splitlines()[-1]


def test_a_trace_of_a_run_that_is_interrupted(
    workspace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace / "base.Dockerfile").write_text("FROM busybox:stable\nRUN echo go; sleep 1000\n")
    mkbuild = Mkbuild(workspace, workspace.parent / "store", workspace.parent / "registries")
    done = mkbuild.interrupt("base", "--trace", "trace.json", "--progress=plain", at="| go")
    assert done.returncode == 130
    step = trace_of(workspace / "trace.json")["base RUN echo go; sleep 1000"]
    assert step["args"]["status"] == "skipped"
    assert step["dur"] > 0
    assert latest(workspace).document["error"] == "interrupted"
    assert json.loads(out(capsys, "log", "--json"))[0]["result"] == "stopped"


@pytest.fixture
def workflow(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run as in a workflow whose checkout is one directory up."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(workspace.parent))
    for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"):
        (workspace.parent / name).write_text("before\n")
        monkeypatch.setenv(name, str(workspace.parent / name))
    return workspace.parent


def commands(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line for line in capsys.readouterr().err.splitlines() if line.startswith("::")]


def test_a_workflow(workflow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-k", "bad", "good"]) == 1
    (command,) = commands(capsys)
    assert command.startswith("::error file=work/bad.Dockerfile,line=2,title=bad%3A RUN echo some")
    assert command.endswith("exit status 3%0Asome words")
    shown = (workflow / "GITHUB_STEP_SUMMARY").read_text()
    assert shown.startswith("before\n### mkbuild: failed")
    assert "| good | built |" in shown
    assert "| bad | not built |" in shown
    digest = latest(workflow / "work").document["targets"]["good"]["containerimage.digest"]
    written = (workflow / "GITHUB_OUTPUT").read_text()
    assert written.startswith("before\ndigests<<mkbuild-")
    assert f'{{"good": "{digest}"}}\n' in written


def test_a_workflow_in_which_nothing_changed(workflow: Path) -> None:
    settle(workflow / "work")
    for _ in range(2):
        assert main([]) == 0
    assert (workflow / "GITHUB_OUTPUT").read_text().count("digest<<") == 2


def test_a_failure_that_no_file_has(workflow: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inline = BUILD.replace(
        "dockerfile: bad.Dockerfile", 'dockerfile_inline: "FROM busybox:stable\\nRUN false"'
    )
    (workflow / "work" / "BUILD.yaml").write_text(inline)
    assert main(["bad"]) == 1
    (command,) = commands(capsys)
    assert command.startswith("::error title=bad%3A RUN false::")


def test_a_failure_in_a_dockerfile_within_the_build_file(
    workflow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    inline = "version: 1\nimages:\n  bad:\n    dockerfile_inline: |\n      FROM busybox:stable\n"
    (workflow / "work" / "BUILD.yaml").write_text(f"{inline}\n      RUN false\n")
    assert main(["bad"]) == 1
    (command,) = commands(capsys)
    assert command.startswith("::error file=work/BUILD.yaml,line=7,title=bad%3A RUN false::")


def test_mistakes_in_build_files_are_annotated(
    workflow: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (workflow / "work" / "BUILD.yaml").write_text("version: 1\nimages:\n  a: {contxt: .}\n")
    assert main([]) == 2
    (command,) = commands(capsys)
    assert command.startswith("::error file=work/BUILD.yaml,line=3,title=mkbuild::")


def test_a_record_says_which_cache_had_a_step(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cache = "cache: {remotes: [{type: directory, path: ../shared}]}\n"
    (workspace / "BUILD.yaml").write_text(BUILD + cache)
    assert main([]) == 0
    monkeypatch.setenv("MKBUILD_STORAGE", str(workspace.parent / "other"))
    assert main([]) == 0
    found = json.loads(out(capsys, "log", "what-ran", "--json"))
    assert {step["status"] for step in found["steps"]} == {"hit-remote"}
    assert all("shared" in step["source"] for step in found["steps"])
    assert out(capsys, "log", "what-ran").count("from ") == 3


@pytest.mark.registry
def test_a_record_says_what_was_pushed(workspace: Path, registry: RealRegistry) -> None:
    text = BUILD.replace("localhost:1/", f"{registry.address}/")
    (workspace / "BUILD.yaml").write_text(text)
    assert main(["--push", "--trace", "trace.json"]) == 0
    assert main(["--push"]) == 0
    second, first = (run.record.document for run in islice(log(workspace).runs(), 2))
    name = f"{registry.address}/acme/good:1"
    digest = first["targets"]["good"]["containerimage.digest"]
    assert first["published"] == [{"name": name, "digest": digest, "moved": True}]
    assert second["published"] == [{"name": name, "digest": digest, "moved": False}]
    pushed = {t["what"]: t for t in first["transfers"] if t["verb"] == "push"}
    layers = {layer["digest"]: layer["size"] for layer in first["layers"]}
    assert len(layers) == 3
    assert layers.items() <= {digest: t["size"] for digest, t in pushed.items()}.items()
    assert all(
        0 < t["begin"] <= t["begin"] + t["seconds"] < first["seconds"] for t in pushed.values()
    )
    assert second["transfers"] == []
    events = trace_of(workspace / "trace.json")
    assert events["publish"]["dur"] > 0
    assert sum(name.startswith("push ") for name in events) == len(pushed)


def validated(name: str, document: Any) -> Any:
    jsonschema.Draft202012Validator(SCHEMAS[name]()).validate(document)
    return document


def test_the_metadata_of_a_build(workspace: Path) -> None:
    for status in ("ran", "hit-local"):
        assert main(["good", "base", "--metadata-file", "metadata.json"]) == 0
        found = validated("metadata", json.loads((workspace / "metadata.json").read_text()))
        assert found.keys() == {"good", "base"}
        steps = found["good"]["steps"]
        assert [step["status"] for step in steps] == [status] * 3
        layers = {step["layer"] for step in steps}
        assert len(layers) == 3
        assert all(layer.startswith("sha256:") for layer in layers)
        assert [step["layer"] for step in found["base"]["steps"]] == [steps[0]["layer"]]


def test_a_plan_before_and_after(capsys: pytest.CaptureFixture[str]) -> None:
    first = validated("plan", json.loads(out(capsys, "plan", "--json", "good")))
    assert main([]) == 0
    second = validated("plan", json.loads(out(capsys, "plan", "--json", "good")))
    steps = zip(first["targets"]["good"], second["targets"]["good"], strict=True)
    assert [(a["status"], b["status"]) for a, b in steps] == [("miss", "hit-local")] * 3
    assert second["targets"]["good"][0]["bytes"] > 0


def test_the_events_of_a_build(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["-k", "bad", "good", "--progress=json"]) == 1
    lines = [validated("events", json.loads(line)) for line in capsys.readouterr().out.splitlines()]
    kinds = {line["event"] for line in lines}
    assert {"step-started", "step-output", "layer-finished", "phase-finished"} <= kinds
    assert lines[-1]["event"] == "run-finished"
    assert not lines[-1]["ok"]


def test_nothing_is_recorded_where_nothing_was_wanted(workspace: Path) -> None:
    assert main(["nowhere"]) == 4
    assert log(workspace).names() == []
