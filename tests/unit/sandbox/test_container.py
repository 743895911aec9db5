"""What tells a container from a machine: signs in files, those of this test in a directory."""

import os
import sys
from pathlib import Path

import pytest

from mkbuild.sandbox import container, launch

OVERLAY = (
    "30 1 0:50 / / rw,relatime - overlay overlay rw,lowerdir=/a\n"
    "31 30 0:51 / /proc rw - proc proc rw\n"
    "32 30 0:52 / /dev rw - tmpfs tmpfs rw\n"
    "33 32 0:53 / /dev/pts rw - devpts devpts rw\n"
    "34 30 254:1 /var/lib/docker/containers/1/hosts /etc/hosts rw - ext4 /dev/vda1 rw\n"
    "35 30 254:1 /data /with\\040blank rw - ext4 /dev/vda1 rw\n"
)


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A throwaway container's root."""
    for name in ("container", "KUBERNETES_SERVICE_HOST"):
        monkeypatch.delenv(name, raising=False)
    write(tmp_path, "proc/1/comm", "sh\n")
    write(tmp_path, "proc/self/mountinfo", OVERLAY)
    write(tmp_path, ".dockerenv", "")
    return str(tmp_path)


def write(top: Path | str, path: str, text: str) -> None:
    file = Path(top) / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_mount_points_without_those_below_others(top: str) -> None:
    assert container.mount_points(top) == ("/dev", "/etc/hosts", "/proc", "/with blank")


def test_a_file_of_the_same_filesystem_is_a_mount_point(top: str) -> None:
    assert container.is_mount_point("/etc/hosts", top)
    assert container.is_mount_point("/dev/pts", top)
    assert not container.is_mount_point("/etc", top)
    assert not container.is_mount_point("/", top)


def test_a_throwaway_container_has_no_sign(top: str) -> None:
    assert container.host_signs(top) == ()


@pytest.mark.parametrize(
    ("path", "text", "sign"),
    [
        ("proc/1/comm", "systemd\n", "process 1 is systemd"),
        ("proc/1/comm", "init\n", "process 1 is init"),
        ("proc/2/comm", "kthreadd\n", "the kernel's threads are visible"),
        ("boot/vmlinuz-6.1", "", "/boot holds vmlinuz-6.1"),
        ("boot/grub/x", "", "/boot holds grub"),
        (
            f"lib/modules/{os.uname().release}/x",
            "",
            f"/lib/modules holds the modules of this kernel ({os.uname().release})",
        ),
        ("home/ann/.ssh/id_ed25519", "", "/home/ann has ssh keys"),
        (
            "proc/self/mountinfo",
            "30 1 254:1 / / rw - ext4 /dev/vda1 rw\n",
            "/ is a whole disk or partition",
        ),
    ],
)
def test_each_sign_of_a_machine(top: str, path: str, text: str, sign: str) -> None:
    write(top, path, text)
    assert container.host_signs(top) == (sign,)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("lib/modules/0.0.1-other/x", ""),
        ("boot/config", ""),
        ("proc/2/comm", "sh\n"),
        # a bind of a disk's directory is a container's root all the same
        ("proc/self/mountinfo", "30 1 254:1 /layers/1 / rw - ext4 /dev/vda1 rw\n"),
    ],
)
def test_what_is_no_sign(top: str, path: str, text: str) -> None:
    write(top, path, text)
    assert container.host_signs(top) == ()


def test_something_has_to_say_that_it_is_a_container(
    top: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (Path(top) / ".dockerenv").unlink()
    [sign] = container.host_signs(top)
    assert sign == "nothing says that this is a container, and process 1 is not mkbuild"
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1")
    assert container.container_marks(top) == ("KUBERNETES_SERVICE_HOST",)
    assert container.host_signs(top) == ()


@pytest.mark.parametrize(
    ("path", "text", "mark"),
    [
        ("run/.containerenv", "", "/run/.containerenv"),
        ("proc/1/cgroup", "4:memory:/kubepods/pod1/2\n", "cgroup kubepods"),
        ("proc/1/cgroup", "0::/system.slice/docker-1.scope\n", "cgroup docker"),
    ],
)
def test_each_mark_of_a_container(top: str, path: str, text: str, mark: str) -> None:
    (Path(top) / ".dockerenv").unlink()
    write(top, path, text)
    assert container.container_marks(top) == (mark,)
    assert container.host_signs(top) == ()


def test_our_own_files_are_code_interpreter_and_libraries() -> None:
    found = container.own_files()
    assert str(launch.ROOT) in found
    assert os.path.realpath(sys.executable) in found
    assert any("/libc.so" in path or "/libc-" in path for path in found)
    assert all(Path(path).is_absolute() and not path.startswith("/dev/") for path in found)
    assert list(found) == sorted(set(found))


def test_what_would_be_lost() -> None:
    assert container.lost(frozenset()) == container.own_files()
    root = str(launch.ROOT).lstrip("/")
    assert str(launch.ROOT) not in container.lost(frozenset({root}))
    # a name that begins alike is another
    assert str(launch.ROOT) in container.lost(frozenset({root[:-1]}))
