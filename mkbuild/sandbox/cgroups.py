"""The cgroups of one RUN: made by its supervisor, joined by pid 1, removed after it. Child side.

The supervisor holds a lock on the directory of each (flock): a directory whose lock is free belongs
to nobody any more, and whoever comes next removes it.
"""

import errno
import fcntl
import os
import sys

TYPE_CHECKING = False  # typing costs the child 10 ms
if TYPE_CHECKING:
    from collections.abc import Iterable

PREFIX = "mkbuild-"
_COUNTERS = (
    # file, the word in it, what has been reached where its number is not 0
    ("memory.events", "oom_kill", "memory"),
    ("memory.oom_control", "oom_kill", "memory"),
    ("pids.events", "max", "pids"),
)


class Groups:
    """The cgroups of one RUN; none until :meth:`make` is called."""

    __slots__ = ("_held",)

    def __init__(self) -> None:
        self._held: list[tuple[str, int]] = []

    def make(self, wanted: "Iterable[tuple[str, tuple[tuple[str, str], ...]]]") -> None:
        """Make one below each parent, and write its limits; raises OSError."""
        for parent, files in wanted:
            path, lock = make(parent)
            self._held.append((path, lock))
            for name, text in files:
                write(f"{path}/{name}", text)

    def join(self) -> None:
        """Put this process into all of them."""
        for path, _ in self._held:
            write(f"{path}/cgroup.procs", "0")

    def reached(self) -> tuple[str, ...]:
        """Return which limits were met."""
        found = [
            limit
            for path, _ in self._held
            for name, word, limit in _COUNTERS
            if _count(f"{path}/{name}", word)
        ]
        return tuple(found)

    def remove(self) -> None:
        """Remove them; every process in them has ended."""
        for path, lock in self._held:
            remove(path)
            os.close(lock)
        self._held = []


def make(parent: str) -> tuple[str, int]:
    """Make a cgroup; returns its directory, and the descriptor that holds its lock."""
    while True:
        path = f"{parent}/{PREFIX}{os.urandom(6).hex()}"
        try:
            os.mkdir(path, 0o755)
        except OSError as error:
            raise OSError(error.errno, os.strerror(error.errno or 0), parent) from error
        lock = _lock(path)
        if lock >= 0:
            return path, lock


def _lock(path: str) -> int:
    """Lock a directory; -1 where somebody has removed it or is about to."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return -1
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # a directory that was removed meanwhile has no name any more
        if os.path.samestat(os.fstat(fd), os.stat(path)):
            return fd
    except (BlockingIOError, FileNotFoundError):
        pass
    os.close(fd)
    return -1


def sweep(parent: str) -> None:
    """Remove what is left below a directory of RUNs that were killed with their supervisors."""
    for name in os.listdir(parent):
        path = f"{parent}/{name}"
        if name.startswith(PREFIX) and (lock := _lock(path)) >= 0:
            remove(path)
            os.close(lock)


def remove(path: str) -> None:
    """Remove a cgroup, unless a process is still in it: then the next sweep does."""
    try:
        os.rmdir(path)
    except OSError as error:
        if error.errno not in (errno.EBUSY, errno.ENOENT):
            raise


def enter() -> None:
    """Join the cgroup that the argument names, and exit with the number of what went wrong."""
    try:
        write(f"{sys.argv[1]}/cgroup.procs", "0")
    except OSError as error:
        sys.exit(error.errno)


def write(path: str, text: str) -> None:
    """Write a file of a cgroup, in one call; raises OSError that names it."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text.encode())
    except OSError as error:
        raise OSError(error.errno, os.strerror(error.errno or 0), path) from error
    finally:
        os.close(fd)


def _count(path: str, word: str) -> int:
    try:
        with open(path, encoding="ascii") as stream:
            lines = [line.split() for line in stream]
    except FileNotFoundError:
        return 0
    return sum(int(line[1]) for line in lines if line[0] == word)
