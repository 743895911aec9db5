"""File locks (flock): they end with the process that holds them, however it ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from mkbuild.store.lockfile import lock


@contextmanager
def shared(path: Path) -> Iterator[None]:
    """Hold a shared lock; waits for an exclusive one to end."""
    yield from _hold(path, fcntl.LOCK_SH)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold the exclusive lock; waits for every other one to end."""
    yield from _hold(path, fcntl.LOCK_EX)


@contextmanager
def try_exclusive(path: Path) -> Iterator[bool]:
    """Hold the exclusive lock where nobody else has one; yields whether it was had."""
    handle = lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=True)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def acquire(path: Path, waiting: Callable[[], None]) -> int:
    """Take the exclusive lock; ``waiting`` is called where that is not possible at once.

    Returns the open descriptor: the lock ends when it, and every child's copy of it, is closed.
    """
    handle = lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=True)
    if handle is None:
        waiting()
        handle = lock(path, fcntl.LOCK_EX, create=True)
    assert handle is not None  # noqa: S101 - a blocking lock is had, or raises
    return handle


def _hold(path: Path, operation: int) -> Iterator[None]:
    handle = lock(path, operation, create=True)
    assert handle is not None  # noqa: S101 - a blocking lock is had, or raises
    try:
        yield
    finally:
        os.close(handle)


class OwnedFile:
    """A lock file whose existence says that its maker lives; removed on close.

    One that a killed process left is told from a live one by its lock: see :func:`abandoned`.
    """

    def __init__(self, directory: Path) -> None:
        """Make and lock a file of a new name in ``directory``, which is made where missing."""
        directory.mkdir(parents=True, exist_ok=True)
        self.path = directory / f"{os.getpid()}-{os.urandom(6).hex()}.lock"
        self._handle = lock(self.path, fcntl.LOCK_EX, create=True)

    def close(self) -> None:
        """Remove the file and give the lock up; may be called again."""
        if self._handle is not None:
            self.path.unlink(missing_ok=True)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@contextmanager
def abandoned(path: Path) -> Iterator[bool]:
    """Yield whether the owner of a lock file is dead; if so, the file is removed at the end."""
    handle = lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB, create=False)
    try:
        yield handle is not None
        if handle is not None:
            path.unlink(missing_ok=True)
    finally:
        if handle is not None:
            os.close(handle)


class Lease(OwnedFile):
    """Says that an invocation uses a store: what it uses from now on is not collected.

    Take it before the first question to the store, and keep it to the end of the invocation.
    """

    def __init__(self, root: Path) -> None:
        """Take a lease on the store in ``root``."""
        super().__init__(_leases(root))


def _leases(root: Path) -> Path:
    return root / "leases"


def oldest_lease(root: Path) -> int | None:
    """When the oldest living lease began (mtime in ns); removes the leases of the dead."""
    begun: list[int] = []
    directory = _leases(root)
    for path in directory.glob("*.lock") if directory.is_dir() else ():
        with abandoned(path) as dead:
            if not dead:
                try:
                    begun.append(path.stat().st_mtime_ns)
                except FileNotFoundError:
                    continue  # its owner ended between the two looks
    return min(begun, default=None)
