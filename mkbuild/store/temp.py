"""Temporary files and directories that a killed process leaves to nobody.

Each process has one directory below ``tmp`` and a lock file beside it. Who finds a directory whose
lock is free removes it: its owner is dead. One whose lock is held is never touched.
"""

import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from mkbuild.store.locks import OwnedFile, abandoned


class TempArea:
    """A process's own directory below ``root/tmp``, removed on close or by the next sweep."""

    def __init__(self, root: Path) -> None:
        """Prepare an area; nothing is made on disk before the first use."""
        self._parent = root / "tmp"
        self._lock = threading.Lock()
        self._owner: OwnedFile | None = None

    def _directory(self) -> Path:
        with self._lock:
            if self._owner is None:
                self._owner = OwnedFile(self._parent)
                self._owner.path.with_suffix("").mkdir(mode=0o700)
            return self._owner.path.with_suffix("")

    def name(self, prefix: str = "") -> Path:
        """Return a path in the area that nothing has yet."""
        return self._directory() / f"{prefix}{os.urandom(8).hex()}"

    @contextmanager
    def directory(self, prefix: str = "") -> Iterator[Path]:
        """Make a directory, removed at the end with all that is in it."""
        path = self.name(prefix)
        path.mkdir(mode=0o700)
        try:
            yield path
        finally:
            remove_tree(path)

    def close(self) -> None:
        """Remove the area; may be called again."""
        with self._lock:
            if self._owner is not None:
                remove_tree(self._owner.path.with_suffix(""))
                self._owner.close()
                self._owner = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def sweep(root: Path) -> int:
    """Remove what dead processes left below ``root/tmp``; returns how many areas.

    An area that cannot be removed (another user's) keeps its lock file, for a sweep that can.
    """
    parent, count = root / "tmp", 0
    for path in parent.glob("*.lock") if parent.is_dir() else ():
        try:
            with abandoned(path) as dead:
                if dead:
                    remove_tree(path.with_suffix(""))
                    count += 1
        except PermissionError:
            continue
    return count


_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_tree(path: Path) -> None:
    """Remove a tree of any depth, whatever its modes; a no-op where it is absent.

    Follows no symbolic link. Raises PermissionError where it belongs to somebody else.
    """
    try:
        here = _enter(path, None)
    except FileNotFoundError:
        return
    # Going up by ".." keeps one descriptor and no long path, however deep the tree is.
    above: list[list[str]] = []
    try:
        below = _unlink_files(here)
        while below or above:
            if below:
                child = _enter(below[-1], here)
                os.close(here)
                here = child
                above.append(below)
                below = _unlink_files(here)
            else:
                parent = os.open("..", _OPEN, dir_fd=here)
                os.close(here)
                here = parent
                below = above.pop()
                os.rmdir(below.pop(), dir_fd=here)
    finally:
        os.close(here)
    path.rmdir()


def _enter(name: str | Path, parent: int | None) -> int:
    try:
        handle = os.open(name, _OPEN, dir_fd=parent)
    except PermissionError:
        os.chmod(name, stat.S_IRWXU, dir_fd=parent)
        handle = os.open(name, _OPEN, dir_fd=parent)
    if os.fstat(handle).st_mode & stat.S_IRWXU != stat.S_IRWXU:
        os.fchmod(handle, stat.S_IRWXU)
    return handle


def _unlink_files(directory: int) -> list[str]:
    """Remove all but the subdirectories, and return their names."""
    below: list[str] = []
    with os.scandir(directory) as entries:
        for entry in list(entries):
            if entry.is_dir(follow_symlinks=False):
                below.append(entry.name)
            else:
                os.unlink(entry.name, dir_fd=directory)
    return below
