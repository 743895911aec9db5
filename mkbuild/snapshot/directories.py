"""Directory descriptors: reach any path below a root by steps that never follow a link.

Every component is opened with O_NOFOLLOW relative to its parent, so neither a symlink nor a path
longer than PATH_MAX (path_resolution(7)) leads anywhere else.
"""

import os
from pathlib import Path
from typing import Self

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Directories:
    """Descriptors of directories below a root, the ones used last kept open.

    Paths are relative and clean, ``""`` is the root. A descriptor is good until the next call, and
    belongs to this object. One thread at a time.
    """

    def __init__(self, root: Path, keep: int = 64) -> None:
        """Open the root; at most ``keep`` (at least 8) further descriptors stay open."""
        self._keep = keep
        self._fds: dict[str, int] = {"": os.open(root, _DIRECTORY)}

    def fd(self, path: str) -> int:
        """Return a descriptor of a directory; OSError where it is none."""
        found = self._fds.get(path)
        if found is not None:
            return found
        missing = [path]
        while True:
            parent = missing[-1].rpartition("/")[0]
            fd = self._fds.get(parent)
            if fd is not None:
                break
            missing.append(parent)
        for step in reversed(missing):
            opened = os.open(step.rpartition("/")[2], _DIRECTORY, dir_fd=fd)
            self._remember(step, opened)
            fd = opened
        return fd

    def _remember(self, path: str, fd: int) -> None:
        self._fds[path] = fd
        if len(self._fds) > self._keep:
            # The oldest but the root, which stands first: never the one just opened.
            names = iter(self._fds)
            next(names)
            os.close(self._fds.pop(next(names)))

    def parent(self, path: str) -> tuple[int, str]:
        """Return a descriptor of a path's directory, and the path's last name."""
        directory, _, name = path.rpartition("/")
        return self.fd(directory), name

    def forget(self, path: str) -> None:
        """Close what is held of a path and all below it: it is about to go or to be replaced."""
        inside = path + "/"
        for name in [n for n in self._fds if n and (n == path or n.startswith(inside))]:
            os.close(self._fds.pop(name))

    def close(self) -> None:
        """Close every descriptor."""
        for fd in self._fds.values():
            os.close(fd)
        self._fds.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
