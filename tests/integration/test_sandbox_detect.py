"""What this machine can do, and which sandbox is taken."""

from pathlib import Path

import pytest

from mkbuild.errors import SandboxError
from mkbuild.sandbox import detect
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.modes import modes
from mkbuild.sandbox.namespace import NamespaceSandbox
from tests.support.command import Mkbuild
from tests.support.users import become, own

pytestmark = pytest.mark.root


def test_auto_takes_namespaces(tmp_path: Path) -> None:
    entered = detect.enter("auto")
    assert entered is not None
    assert entered.mode == "root"
    choice = detect.choose("auto", tmp_path)
    assert isinstance(choice.sandbox, NamespaceSandbox)
    assert choice.overlay
    assert list(tmp_path.iterdir()) == []


def test_chroot_is_taken_when_asked_for(tmp_path: Path) -> None:
    assert detect.enter("chroot") is None
    choice = detect.choose("chroot", tmp_path)
    assert isinstance(choice.sandbox, ChrootSandbox)
    assert (choice.overlay, choice.reason) == (False, "chosen")


def test_no_overlay_on_proc(tmp_path: Path) -> None:
    (tmp_path / "a-file").touch()
    with pytest.raises((SandboxError, OSError)):
        detect.choose("namespace", tmp_path / "a-file")


def test_the_table(tmp_path: Path) -> None:
    found = {finding.name: finding for finding in detect.examine(tmp_path)}
    assert found["overlayfs"].works
    assert found["limits of a RUN"].works
    assert all(finding.detail for finding in found.values())
    assert list(tmp_path.iterdir()) == []


def test_the_modes_of_root(tmp_path: Path) -> None:
    found = {mode.name: mode for mode in modes(tmp_path)}
    assert [mode.taken for mode in found.values()] == [True, False, False]
    assert found["namespace"].detail == "as root; overlayfs"
    assert found["chroot"].keeps_from == "the machine, but for its processes and sockets"
    assert found["modifyfs"].detail.startswith("/ looks like a real machine's: ")


@pytest.mark.userns
@pytest.mark.parametrize(
    ("ranges", "how"), [(True, "with subordinate ids"), (False, "with a single id")]
)
def test_doctor_of_a_user(tmp_path: Path, *, ranges: bool, how: str) -> None:
    (tmp_path / "account").mkdir()
    prefix = become(tmp_path / "account", ranges=ranges)
    own(tmp_path)
    done = Mkbuild(tmp_path, tmp_path / "store", prefix=prefix).run("doctor")
    assert done.returncode == 0, done.stderr
    table = done.stdout[done.stdout.index("sandbox    works") :]
    assert f"  in a user namespace, {how}; overlayfs\n" in table
    assert "\nnamespace  yes *  the machine; with --network=none" in table
    assert "\nchroot     no     nothing: the container" in table
    assert "  needs root with CAP_SYS_CHROOT\n" in table
    assert "  needs to be root in a container\n" in table
    assert max(map(len, table.splitlines())) <= 80


def test_doctor_where_namespaces_and_mounts_are_not_allowed(tmp_path: Path) -> None:
    # no user namespace below this one, and no right to mount: as docker leaves it
    limit = "echo 0 > /proc/sys/user/max_user_namespaces; exec capsh --drop=cap_sys_admin -- -c"
    prefix = ("unshare", "-U", "-r", "-m", "sh", "-c", limit + ' \'exec "$0" "$@"\' "$0" "$@"')
    done = Mkbuild(tmp_path, tmp_path / "store", prefix=prefix).run("doctor")
    assert done.returncode == 0, done.stderr
    table = " ".join(done.stdout[done.stdout.index("sandbox    works") :].split())
    assert "namespace no the machine" in table
    assert "the kernel refuses a user namespace" in table
    assert "chroot yes * nothing: the container around it is the boundary mounts are emul" in table
