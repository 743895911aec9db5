"""Extended attributes: which belong to an image, and which are overlayfs's own.

Kept are ``user.*`` and ``security.capability``: the rest (SELinux labels, ACLs, ``trusted.*``)
describes the machine a step ran on. What overlayfs writes never leaves.
"""

import errno
import os

_OVERLAY = ("trusted.overlay.", "user.overlay.")


def kept(name: str) -> bool:
    """Whether an attribute is part of an image."""
    return name == "security.capability" or (
        name.startswith("user.") and not name.startswith("user.overlay.")
    )


def valid(name: str, value: bytes) -> bool:
    """Whether the kernel takes a value: capabilities are of revision 2 or 3 (capabilities(7))."""
    return name != "security.capability" or (len(value), value[3:4]) in {(20, b"\2"), (24, b"\3")}


def overlay(name: str) -> bool:
    """Whether an attribute is overlayfs's."""
    return name.startswith(_OVERLAY)


def opaque(*, userxattr: bool) -> str:
    """Return the name of the attribute that marks an opaque directory (kernel overlayfs.rst)."""
    return "user.overlay.opaque" if userxattr else "trusted.overlay.opaque"


def names(path: str) -> list[str]:
    """List a path's attributes, no link followed; empty where the filesystem has none."""
    try:
        return os.listxattr(path, follow_symlinks=False)
    except OSError as error:
        if error.errno == errno.ENOTSUP:
            return []
        raise


def read(path: str, found: list[str]) -> tuple[tuple[str, bytes], ...]:
    """Read those of some attributes that are part of an image, sorted."""
    return tuple(
        (name, os.getxattr(path, name, follow_symlinks=False))
        for name in sorted(found)
        if kept(name)
    )


def write(target: int | str, pairs: tuple[tuple[str, bytes], ...]) -> None:
    """Set attributes of a descriptor or path.

    One that this filesystem or user namespace cannot hold is left out: the TOC keeps it, and the
    layer too.
    """
    for name, value in pairs:
        try:
            if isinstance(target, int):
                os.setxattr(target, name, value)
            else:
                os.setxattr(target, name, value, follow_symlinks=False)
        except OSError as error:
            if error.errno not in {errno.ENOTSUP, errno.EPERM}:
                raise


def strip(path: str, found: list[str]) -> None:
    """Remove those of some attributes that are overlayfs's."""
    for name in found:
        if overlay(name):
            os.removexattr(path, name, follow_symlinks=False)
