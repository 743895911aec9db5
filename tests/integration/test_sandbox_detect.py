"""What this machine can do, and which sandbox is taken."""

from pathlib import Path

import pytest

from mkbuild.errors import SandboxError
from mkbuild.sandbox import detect
from mkbuild.sandbox.chroot import ChrootSandbox
from mkbuild.sandbox.namespace import NamespaceSandbox

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
    assert found["namespace sandbox"].works
    assert found["overlayfs sandbox"].works
    assert found["chroot sandbox"].works
    assert all(finding.detail for finding in found.values())
    assert list(tmp_path.iterdir()) == []
