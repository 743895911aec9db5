"""Ctrl-C: the build ends, and nothing of it stays."""

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from mkbuild.cli.main import main
from mkbuild.engine.executor import Executor
from mkbuild.engine.invocation import Invocation
from tests.support.command import Mkbuild, registries

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.root


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_build(tmp_path: Path, number: signal.Signals) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text(
        "FROM busybox:stable\nRUN echo started as $$; exec sleep 1000\n"
    )
    command = [
        *(sys.executable, "-m", "mkbuild", "build", "./context", "--progress", "plain"),
        *("--storage", str(tmp_path / "store"), "--registries", str(registries(tmp_path))),
    ]
    env = {"PYTHONPATH": str(ROOT), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        seen = ""
        while "| started as" not in seen:
            line = process.stderr.readline()
            assert line, f"it ended before: {seen}"
            seen += line
        inside = children(process.pid)
        assert inside
        process.send_signal(number)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert "FAILED" not in rest
    assert rest.endswith("interrupted\n")
    assert [pid for pid in inside if runs(pid)] == []
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def test_a_signal_before_the_first_sandbox_is_made_is_not_missed(tmp_path: Path) -> None:
    (tmp_path / "context").mkdir()
    (tmp_path / "context" / "Dockerfile").write_text("FROM busybox:stable\nRUN exec sleep 1000\n")
    mkbuild = Mkbuild(tmp_path, tmp_path / "store", registries(tmp_path))
    done = mkbuild.interrupt("build", "./context", "--progress", "plain", at="context > ")
    assert done.returncode == 130
    assert done.stderr.endswith("interrupted\n")


def test_whoever_interrupts_the_last_step_wants_no_push(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It ends all the same, as what runs is never cut in half."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "BUILD.yaml").write_text("version: 1\nimages: {a: {context: .}}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    write = Executor._write_layer
    cancelled = threading.Event()

    def interrupted(*given: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        assert cancelled.wait(30)
        return write(*given)

    monkeypatch.setattr(Executor, "_write_layer", interrupted)
    monkeypatch.setattr(Invocation, "_cancel", lambda _: cancelled.set())
    outputs = ("-o", f"type=oci,dest={tmp_path / 'out.tar'}")
    assert main(["a", *outputs]) == 130
    assert not (tmp_path / "out.tar").exists()
    assert capsys.readouterr().err.endswith("interrupted\n")


@pytest.mark.parametrize("early", [True, False])
def test_a_registry_that_does_not_answer_holds_nobody_up(tmp_path: Path, *, early: bool) -> None:
    """Neither while layers are sent early, nor afterwards."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "BUILD.yaml").write_text(
            f"version: 1\nimages: {{a: {{context: ., tags: ['{address}/a:1']}}}}\n"
        )
        mkbuild = Mkbuild(tmp_path, tmp_path / "store")
        if not early:
            mkbuild.build("a")
        with subprocess.Popen(
            mkbuild.command("a", "--push", "--progress", "plain"),
            cwd=tmp_path,
            env=mkbuild.env,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stderr is not None
            asked, _ = silent.accept()
            process.send_signal(signal.SIGINT)
            try:
                status = process.wait(25)  # it would wait a minute for an answer, several times
            finally:
                process.kill()
                asked.close()
            assert status == 130
            assert process.stderr.read().endswith("interrupted\n")


def children(pid: int) -> set[int]:
    """Return all descendants of a process."""
    names = (path.name for path in Path("/proc").iterdir())
    parents = {int(name): stat(name)[1] for name in names if name.isdecimal()}
    found = {pid}
    while grown := {child for child, parent in parents.items() if int(parent) in found} - found:
        found |= grown
    return found - {pid}


def runs(pid: int) -> bool:
    """Whether a process is there; one that only waits to be reaped by the machine's init is not."""
    return stat(str(pid))[0] not in ("Z", "X")


def stat(pid: str) -> list[str]:
    """Return state and parent of a process; X and 0 where it has ended."""
    try:
        text = Path("/proc", pid, "stat").read_text()
    except OSError:
        return ["X", "0"]
    return text.rpartition(")")[2].split()[:2]
