# ruff: noqa: PTH208
"""However a RUN ends, nothing of it is left: no process, no mount."""

import dataclasses
import os
import select
import signal
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mkbuild.errors import CancelledError, SandboxError
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.namespace import NamespaceSandbox
from mkbuild.sandbox.spec import RunSpec, Sandbox
from tests.support.sandbox_users import User, busybox_root, encode, make_user, public_directory

pytestmark = pytest.mark.root


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    yield from public_directory()


def processes(marker: str) -> list[int]:
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (place / "cmdline").read_bytes().split(b"\0"):
                found.append(int(place.name))
        except (FileNotFoundError, ProcessLookupError):
            continue
    return found


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [found for child in map(int, children) for found in (child, *descendants(child))]


def command(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes().strip(b"\0")


def mounts() -> int:
    return len(Path("/proc/self/mountinfo").read_text().splitlines())


def spec(sandbox: Sandbox, place: Path, script: str) -> RunSpec:
    lower = busybox_root(place / "lower")
    (place / "upper").mkdir()
    (place / "work").mkdir()
    upper, work = str(place / "upper"), str(place / "work")
    argv, env = ("/bin/sh", "-c", script), {"PATH": "/bin"}
    if sandbox.mode == "chroot":
        return RunSpec(argv, env, tree=str(lower), work=work)
    return RunSpec(argv, env, lowers=(str(lower),), upper=upper, work=work)


@pytest.fixture(params=[NamespaceSandbox, ChrootSandbox])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    made: Sandbox = request.param()
    return made


def marker(tmp_path: Path) -> str:
    """Return a duration that no other process sleeps."""
    return str(1_000_000 + hash(tmp_path) % 1_000_000)


def test_a_daemon_dies_with_its_run(sandbox: Sandbox, tmp_path: Path) -> None:
    unique, before = marker(tmp_path), mounts()
    script = f"setsid sleep {unique} & (setsid sleep {unique} &); exit 4"
    outcome = sandbox.run(spec(sandbox, tmp_path, script), lambda _fd, _data: None)
    assert outcome.status == 4
    assert (processes(unique), mounts()) == ([], before)


def test_cancel_ends_everything(sandbox: Sandbox, tmp_path: Path) -> None:
    unique, before = marker(tmp_path), mounts()

    def output(_fd: int, data: bytes) -> None:
        assert data == b"ready\n"
        sandbox.cancel()

    script = f"sleep {unique} & echo ready; sleep {unique}"
    with pytest.raises(CancelledError):
        sandbox.run(spec(sandbox, tmp_path, script), output)
    assert (processes(unique), mounts()) == ([], before)
    with pytest.raises(CancelledError):
        sandbox.run(RunSpec(("true",), {}, tree="/", work="/"), output)


def test_cancel_from_another_thread(sandbox: Sandbox, tmp_path: Path) -> None:
    ready = threading.Event()

    def cancel() -> None:
        ready.wait()
        sandbox.cancel()

    canceller = threading.Thread(target=cancel)
    canceller.start()
    with pytest.raises(CancelledError):
        sandbox.run(spec(sandbox, tmp_path, "echo; sleep 1000000"), lambda _f, _d: ready.set())
    canceller.join()


def test_many_threads_share_a_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    def one(number: int) -> list[int]:
        place = tmp_path / str(number)
        place.mkdir()
        made = spec(sandbox, place, f"exit {number}")
        statuses = []
        for turn in range(3):
            upper, work = place / f"upper{turn}", place / f"work{turn}"
            upper.mkdir()
            work.mkdir()
            top = made.upper and str(upper)
            fresh = dataclasses.replace(made, upper=top, work=str(work))
            statuses.append(sandbox.run(fresh, lambda _fd, _data: None).status)
        return statuses

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(8))) == [[number] * 3 for number in range(8)]


def test_no_descriptor_is_left_open(sandbox: Sandbox, tmp_path: Path) -> None:
    made = spec(sandbox, tmp_path, "true")
    before = os.listdir("/proc/self/fd")
    assert sandbox.run(made, lambda _fd, _data: None).status == 0
    sandbox.cancel()
    with pytest.raises(CancelledError):
        sandbox.run(made, lambda _fd, _data: None)
    assert os.listdir("/proc/self/fd") == before


def test_an_error_of_the_receiver_ends_the_run(sandbox: Sandbox, tmp_path: Path) -> None:
    unique = marker(tmp_path)

    def output(_fd: int, _data: bytes) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sandbox.run(spec(sandbox, tmp_path, f"echo; sleep {unique}"), output)
    assert processes(unique) == []


def test_the_supervisors_death_is_told_and_ends_the_run(tmp_path: Path) -> None:
    unique, sandbox = marker(tmp_path), NamespaceSandbox()

    def output(_fd: int, _data: bytes) -> None:
        [supervisor] = [pid for pid in descendants(os.getpid()) if command(pid) == b"init"][:1]
        os.kill(supervisor, signal.SIGKILL)

    with pytest.raises(SandboxError, match="without a report"):
        sandbox.run(spec(sandbox, tmp_path, f"echo; sleep {unique}"), output)
    assert processes(unique) == []


def test_the_zygotes_death_hurts_neither_its_runs_nor_those_after_it(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    def output(_fd: int, _data: bytes) -> None:
        zygote = descendants(os.getpid())[0]
        os.kill(zygote, signal.SIGKILL)

    places = [tmp_path / "one", tmp_path / "two"]
    for place in places:
        place.mkdir()
        assert sandbox.run(spec(sandbox, place, "echo; exit 4"), output).status == 4


def test_a_closed_sandbox_leaves_no_process(sandbox: Sandbox, tmp_path: Path) -> None:
    before = descendants(os.getpid())
    assert sandbox.run(spec(sandbox, tmp_path, "true"), lambda _fd, _data: None).status == 0
    assert len(descendants(os.getpid())) == len([*before, "zygote"])
    sandbox.close()
    assert descendants(os.getpid()) == before


@pytest.mark.userns
@pytest.mark.parametrize("mode", ["root", "ranges", "one-id"])
def test_nothing_survives_kill_9_of_the_build(mode: str, tmp_path: Path) -> None:
    user: User = make_user(mode, tmp_path)
    user.own(tmp_path)
    unique, before = marker(tmp_path), mounts()
    lower = busybox_root(tmp_path / "lower")
    script = f"setsid sleep {unique} & sleep {unique} & echo ready; sleep {unique}"
    with subprocess.Popen(
        [*user.command(), "--stream"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    ) as build:
        assert build.stdin is not None
        assert build.stdout is not None
        build.stdin.write(encode([user.spec(lower, script)]))
        build.stdin.close()
        ready = build.stdout.readline()
        watched = [os.pidfd_open(pid) for pid in descendants(build.pid)]
        os.killpg(build.pid, signal.SIGKILL)
    assert ready == b"ready\n"
    assert len(watched) >= len(["supervisor", "init", "shell", "sleep", "sleep"])
    for fd in watched:
        assert select.select([fd], [], [], 20)[0], "it lives on"
        os.close(fd)
    assert (processes(unique), mounts()) == ([], before)
