"""From within a RUN nothing gets out: as root, with ranges of subordinate ids, with a single id."""

import json
import os
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.sandbox_users import (
    HOST_USR,
    Result,
    User,
    host_root,
    make_user,
    public_directory,
    public_python,
)

MARKER = "mkbuild-escape-marker"
SCRIPT = (Path(__file__).parents[1] / "support/escapes.py").read_bytes()

# What the control, a RUN with security=insecure by root, must be able to do: it shows that the
# attempts are real. The rest fails there for want of something to attack, or is too dangerous.
POSSIBLE = {
    "write_core_pattern",
    "write_proc_sys",
    "write_irq",
    "write_sys",
    "read_keys",
    "trace_pid_1",
    "root_of_pid_1",
    "descriptors_of_pid_1",
    "mount_tmpfs",
    "mount_proc",
    "bind_something",
    "new_mount_api",
    "unshare_mounts",
    "unshare_users",
    "clone_users",
    "clone3",
    "enter_namespace",
    "make_disk",
    "make_and_open_devices",
    "use_keys",
    "add_key",
    "load_bpf",
    "io_uring",
    "page_faults",
    "performance_events",
    "take_descriptor",
    "memory_of_pid_1",
    "executable_of_pid_1",
    "host_name",
    "abstract_socket",
    "loopback_listener",
}

MODES = [
    pytest.param("root", marks=pytest.mark.root),
    pytest.param("ranges", marks=[pytest.mark.root, pytest.mark.userns]),
    pytest.param("one-id", marks=[pytest.mark.root, pytest.mark.userns]),
]


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    yield from public_directory()


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[dict[str, object]]:
    """Give the things outside that an attempt could reach."""
    (tmp_path / "secret-file").write_text("outside")
    with (
        socket.socket(socket.AF_UNIX) as abstract,
        socket.create_server(("127.0.0.1", 0)) as listener,
        subprocess.Popen(["sleep", "1000"], env={"MARKER": MARKER}) as host,
    ):
        name = f"mkbuild-test-{os.getpid()}-{tmp_path.name}"
        abstract.bind(f"\0{name}")
        abstract.listen()
        yield {
            "marker": f"sleep\0{1000}",
            "pid": host.pid,
            "file": str(tmp_path / "secret-file"),
            "abstract": name,
            "port": listener.getsockname()[1],
            "null": "/dev/null",
        }
        host.kill()


def attack(user: User, tmp_path: Path, outside: dict[str, object], **spec: Any) -> Result:
    lower = host_root(tmp_path / "lower")
    (lower / "mnt").mkdir()
    cache = user.directory(tmp_path / "cache")
    mounts = [
        HOST_USR,
        {"type": "tmpfs", "target": "/scratch"},
        {"type": "cache", "target": "/cache", "source": str(cache), "writable": True},
    ]
    return user.run(
        lower,
        ["/usr/bin/python3", "-IB", "-", json.dumps(outside)],
        stdin=SCRIPT,
        mounts=mounts,
        **spec,
    )


@pytest.mark.parametrize("mode", MODES)
def test_every_attempt_fails(mode: str, tmp_path: Path, outside: dict[str, object]) -> None:
    result = attack(make_user(mode, tmp_path), tmp_path, outside, network="none")
    assert (result.error, result.status) == ("", 0), result
    assert json.loads(result.out) == {}
    assert stat.S_IMODE(Path("/dev/null").stat().st_mode) == 0o666


NOT_STOPPED_BY_CHROOT = {
    "see_host_processes",
    "kill_host_process",
    "abstract_socket",
    "loopback_listener",
}
"""With mount rights, on the host's network; without them the outer container is the boundary."""


@pytest.mark.root
def test_what_chroot_does_not_stop(tmp_path: Path, outside: dict[str, object]) -> None:
    user = make_user("root", tmp_path, chroot=True)
    result = attack(user, tmp_path, outside)
    assert (result.error, result.status) == ("", 0), result
    assert set(json.loads(result.out)) == NOT_STOPPED_BY_CHROOT


OWN_EXECUTABLE = """
import os
found = os.stat("/proc/self/exe")
fd = os.open("/proc/self/exe", os.O_RDONLY)
print(found.st_dev, found.st_ino)
"""


def require_a_copy(user: User, tmp_path: Path) -> None:
    # what is executed through the link would hold the machine's file (CVE-2019-5736 of runc)
    argv = ["/proc/self/exe", "-I", "-S", "-c", OWN_EXECUTABLE]
    python = Path(sys.executable if user.mode == "root" else public_python()).resolve()
    home = str(python.parents[1])
    own = {"type": "bind", "target": home, "source": home}
    mounts = [HOST_USR] if home == "/usr" else [HOST_USR, own]
    result = user.run(host_root(tmp_path / "lower"), argv, mounts=mounts)
    assert (result.error, result.status) == ("", 0), result
    assert result.out.split() != [str(python.stat().st_dev), str(python.stat().st_ino)]


@pytest.mark.parametrize("mode", MODES)
def test_the_link_to_our_interpreter_leads_to_a_copy(mode: str, tmp_path: Path) -> None:
    require_a_copy(make_user(mode, tmp_path), tmp_path)


@pytest.mark.root
def test_the_link_to_our_interpreter_leads_to_a_copy_in_chroot_mode(tmp_path: Path) -> None:
    require_a_copy(make_user("root", tmp_path, chroot=True), tmp_path)


KEYRING = """
import ctypes, platform
number = {"x86_64": 250, "aarch64": 219}[platform.machine()]
print(ctypes.CDLL(None).syscall(ctypes.c_long(number), 0, -3, 0))
"""


@pytest.mark.root
def test_the_session_keyring_is_a_new_one(tmp_path: Path) -> None:
    # without the filter, which would not let it ask
    user, lower = make_user("root", tmp_path), host_root(tmp_path / "lower")
    argv = ["/usr/bin/python3", "-c", KEYRING]
    inside = [user.run(lower, argv, mounts=[HOST_USR], insecure=True).out for _ in range(2)]
    outside = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert len({int(text) for text in (*inside, outside) if int(text) > 0}) == 3


@pytest.mark.root
def test_attempts_are_real(tmp_path: Path, outside: dict[str, object]) -> None:
    result = attack(make_user("root", tmp_path), tmp_path, outside, insecure=True)
    assert (result.error, result.status) == ("", 0), result
    assert set(json.loads(result.out)) >= POSSIBLE, result.err


@pytest.mark.root
def test_host_network_reaches_the_host_only_when_asked(
    tmp_path: Path, outside: dict[str, object]
) -> None:
    result = attack(make_user("root", tmp_path), tmp_path, outside)
    assert set(json.loads(result.out)) == {"abstract_socket", "loopback_listener"}, result
