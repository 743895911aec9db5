"""Release automation end to end: push, promote without building, roll back, resume."""

import json
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.command import Mkbuild, registries
from tests.support.faults import FakeRegistry, Handler
from tests.support.registry import RealRegistry

pytestmark = [pytest.mark.root, pytest.mark.registry]

BUILD = """\
version: 1
variables: {REGISTRY: {default: nowhere}}
images:
  tool: {context: ., dockerfile: base.Dockerfile, publish: false, tags: ["nowhere/tool:1"]}
  base: {context: ., dockerfile: base.Dockerfile, tags: ["${REGISTRY}/acme/base:1"]}
  app: {context: ., dockerfile: app.Dockerfile, tags: ["${REGISTRY}/acme/app:1"]}
"""


@pytest.fixture
def first(tmp_path: Path) -> Iterator[RealRegistry]:
    with RealRegistry(tmp_path / "first") as registry:
        yield registry


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    work = tmp_path / "work"
    work.mkdir()
    (work / "BUILD.yaml").write_text(BUILD)
    (work / "base.Dockerfile").write_text("FROM busybox:stable\nRUN echo base > /base\n")
    (work / "app.Dockerfile").write_text("FROM base\nCOPY version /\n")
    (work / "version").write_text("1")
    return Mkbuild(work, tmp_path / "store", registries(tmp_path))


def tagged(registry: str, repository: str, tag: str) -> str:
    """Ask with a foreign eye what a tag stands for."""
    found = subprocess.run(
        [
            "skopeo",
            "inspect",
            "--tls-verify=false",
            "--format={{.Digest}}",
            f"docker://{registry}/{repository}:{tag}",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip()


def test_release(first: RealRegistry, mkbuild: Mkbuild, tmp_path: Path) -> None:
    where = ("--var", f"REGISTRY={first.address}")
    done = mkbuild.run("build", *where, "--push", "--metadata-file", "one.json")
    assert done.returncode == 0, done.stderr
    (mkbuild.directory / "version").write_text("2")
    done = mkbuild.run("build", *where, "--push", "--metadata-file", "two.json")
    assert done.returncode == 0, done.stderr
    one, two = (
        json.loads((mkbuild.directory / f"{name}.json").read_text()) for name in ("one", "two")
    )
    assert one["base"] == {**two["base"], "steps": one["base"]["steps"]}
    before, after = (run["app"]["containerimage.digest"] for run in (one, two))
    assert before != after

    # Somewhere else: no build file, no sources, an empty store.
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    release = Mkbuild(elsewhere, tmp_path / "fresh", mkbuild.registries)
    with RealRegistry(tmp_path / "second") as second:
        to = ("--tag", "v1.2", "--to", f"{second.address}/prod")
        for name, digest in (("two", after), ("one", before), ("one", before)):
            done = release.run("promote", str(mkbuild.directory / f"{name}.json"), *to)
            assert done.returncode == 0, done.stderr
            assert tagged(second.address, "prod/app", "v1.2") == digest
        assert "0 tags moved, 2 unchanged" in done.stdout
        assert tagged(first.address, "acme/app", "1") == after  # where it came from is as it was

    done = release.run("promote", str(mkbuild.directory / "two.json"), "--tag", "stable")
    assert done.returncode == 0, done.stderr
    assert tagged(first.address, "acme/app", "stable") == after


def test_what_was_pushed_elsewhere_is_promoted_from_there(
    first: RealRegistry, mkbuild: Mkbuild
) -> None:
    report = mkbuild.build(f"--push={first.address}")
    names = {label: target["image.name"] for label, target in report.items()}
    assert names == {
        "tool": "",
        "base": f"{first.address}/nowhere/acme/base:1",
        "app": f"{first.address}/nowhere/acme/app:1",
    }
    (mkbuild.directory / "result.json").write_text(json.dumps(report))
    done = mkbuild.run("promote", "result.json", "--tag", "v1")
    assert done.returncode == 0, done.stderr
    assert tagged(first.address, "nowhere/acme/app", "v1") == report["app"]["containerimage.digest"]
    for place in ("", "https://registry.example.com", "a b/c", "host/UPPER"):
        done = mkbuild.run("promote", "result.json", "--tag", "v1", "--to", place)
        assert (done.returncode, f"--to {place}: " in done.stderr) == (2, True), done.stderr


def test_what_has_no_name_was_pushed_nowhere(mkbuild: Mkbuild) -> None:
    mkbuild.run("build", "tool", "--push", "--metadata-file", "tool.json")
    done = mkbuild.run("promote", "tool.json", "--tag", "v1")
    assert done.returncode == 2
    assert "no image of " in done.stderr
    assert "so none was pushed" in done.stderr


class Killer:
    """Lets the first tag move, and kills the publisher when it wants to move the second."""

    def __init__(self) -> None:
        self.victim: subprocess.Popen[bytes] | None = None
        self._turn = threading.Lock()
        self._moved = 0

    def __call__(self, handler: Handler) -> None:
        with self._turn:
            self._moved += 1
            if self._moved == 1:
                handler.answer()
                return
            assert self.victim is not None
            os.killpg(self.victim.pid, signal.SIGKILL)
            handler.reset()


def test_a_publication_killed_between_two_tags_is_finished_by_the_next(mkbuild: Mkbuild) -> None:
    with FakeRegistry() as registry:
        killer = Killer()
        registry.fail("PUT", "/manifests/1$", *[killer] * 2)
        where = ("--var", f"REGISTRY={registry.address}")
        killer.victim = subprocess.Popen(
            mkbuild.command("build", *where, "--push"),
            cwd=mkbuild.directory,
            env=mkbuild.env,
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        assert killer.victim.wait() == -signal.SIGKILL
        there = {repository for repository, tag in registry.manifests if tag == "1"}
        assert len(there) == 1
        # The next one publishes something else, and does what was left undone first.
        done = mkbuild.run(
            "build",
            *where,
            "base",
            "--push",
            "--set",
            "base.tags=" + (f"{registry.address}/other:2"),
        )
        assert done.returncode == 0, done.stderr
        there = {repository for repository, tag in registry.manifests if tag == "1"}
        assert there == {"acme/base", "acme/app"}
        assert not list((mkbuild.storage / "publications").glob("*.json"))


def test_the_summary_comes_last(mkbuild: Mkbuild) -> None:
    with FakeRegistry() as registry:
        where = ("--var", f"REGISTRY={registry.address}", "--progress", "json")
        done = mkbuild.run("build", *where, "--push")
        assert done.returncode == 0, done.stderr
        events = [json.loads(line)["event"] for line in done.stdout.splitlines()]
        assert events[-1].lower().replace("-", "") == "runfinished"
        registry.fail("PUT", "/manifests/1$", *[lambda handler: handler.error(400, "NO")] * 20)
        (mkbuild.directory / "version").write_text("2")
        done = mkbuild.run("build", *where, "--push")
        assert done.returncode == 7
        last = json.loads(done.stdout.splitlines()[-1])
        assert last["ok"] is False
