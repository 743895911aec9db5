import os
from pathlib import Path

import pytest

from mkbuild.snapshot import xattrs


@pytest.mark.parametrize(
    ("name", "kept", "overlay"),
    [
        ("user.mine", True, False),
        ("security.capability", True, False),
        ("security.selinux", False, False),
        ("system.posix_acl_access", False, False),
        ("trusted.overlay.opaque", False, True),
        ("user.overlay.opaque", False, True),
        ("trusted.other", False, False),
    ],
)
def test_what_belongs_to_an_image(name: str, kept: bool, overlay: bool) -> None:
    assert (xattrs.kept(name), xattrs.overlay(name)) == (kept, overlay)


def test_reading_writing_and_stripping(tmp_path: Path) -> None:
    path = str(tmp_path)
    xattrs.write(path, (("user.b", b"2"), ("user.a", b"1"), ("user.overlay.x", b"3")))
    names = xattrs.names(path)
    assert xattrs.read(path, names) == (("user.a", b"1"), ("user.b", b"2"))
    xattrs.strip(path, names)
    assert sorted(os.listxattr(path)) == ["user.a", "user.b"]


def test_what_a_file_cannot_hold_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "l").symlink_to("x")
    xattrs.write(str(tmp_path / "l"), (("user.a", b"1"),))
    assert xattrs.names(str(tmp_path / "l")) == []


def test_filesystems_without_attributes_have_none() -> None:
    assert xattrs.names("/proc/self/status") == []
