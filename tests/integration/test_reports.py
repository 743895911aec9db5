"""What real runs leave behind: records of runs that succeed, fail, are refused, find no base."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from mkbuild.cli.main import main
from mkbuild.engine.record import Log, Record
from mkbuild.progress.timeline import critical_path, read
from tests.support.bases import bases

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
    (tmp_path / "BUILD.yaml").write_text(BUILD)
    (tmp_path / "words").write_text("one two\n")
    for name, text in DOCKERFILES.items():
        (tmp_path / f"{name}.Dockerfile").write_text(text)
    mirror = f"oci-layout:{bases('busybox')}"
    (tmp_path / "registries").write_text(json.dumps({"docker.io": {"mirrors": [mirror]}}))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MKBUILD_REGISTRIES", str(tmp_path / "registries"))
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    return tmp_path


def latest(workspace: Path) -> Record:
    return next(Log(workspace / "store").latest())


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


def test_nothing_is_recorded_where_nothing_was_wanted(workspace: Path) -> None:
    assert main(["nowhere"]) == 4
    assert Log(workspace / "store").names() == []
