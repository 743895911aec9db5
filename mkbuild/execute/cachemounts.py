"""Cache mounts (RUN --mount=type=cache): directories that outlive a build (Dockerfile reference).

Each is kept apart by id, architecture, owner and mode; the directory's name is a digest, so no id
reaches the filesystem. ``sharing=locked`` waits for other users on this machine, ``private`` takes
another directory while the first is in use, ``shared`` lets everybody in.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.digest import Canonical
from mkbuild.frozen import frozen
from mkbuild.store.temp import TempArea, remove_tree

Fill = Callable[[Path], None]
"""Writes the first content of a new cache directory (``from=``) into an empty one."""


@frozen
class CacheMount:
    """What makes a cache directory itself."""

    id: str
    architecture: str
    sharing: str = "shared"
    uid: int = 0
    gid: int = 0
    mode: int = 0o755

    def name(self) -> str:
        """Return the directory's name."""
        value: Canonical = [self.id, self.architecture, self.uid, self.gid, self.mode]
        return digests.hex_of(digests.of_value("mkbuild.cachemount.v1", value))[:40]


class CacheMounts:
    """The cache directories of a store."""

    def __init__(self, root: Path, *, single_id: bool = False) -> None:
        """Keep them below ``root``; with ``single_id`` all are the only user's there is."""
        self._root = root
        self._single_id = single_id
        self._emptied: set[str] = set()

    @contextmanager
    def use(
        self, mount: CacheMount, fill: Fill | None = None, *, fresh: bool = False
    ) -> Iterator[Path]:
        """Hold a cache directory for one command.

        ``fresh``: it begins empty, where this is the first of our commands that has it.
        """
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
        number = 0
        while True:
            name = f"{mount.name()}.{number}" if number else mount.name()
            lock = os.open(
                self._root / f"{name}.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600
            )
            try:
                if not _lock(lock, mount.sharing):
                    number += 1
                    continue
                os.utime(lock)
                if fresh and name not in self._emptied:
                    self._empty(self._root / name)
                self._emptied.add(name)
                yield self._directory(self._root / name, mount, fill)
                return
            finally:
                os.close(lock)

    def _empty(self, path: Path) -> None:
        """Take a directory away; whoever has it open elsewhere keeps what he has."""
        with TempArea(self._root) as area:
            gone = area.name()
            with suppress(FileNotFoundError):
                path.rename(gone)
                remove_tree(gone)

    def _directory(self, path: Path, mount: CacheMount, fill: Fill | None) -> Path:
        try:
            path.mkdir()
        except FileExistsError:
            return path
        if fill is not None:
            fill(path)
        if not self._single_id:
            os.chown(path, mount.uid, mount.gid)
        path.chmod(mount.mode)
        return path


def _lock(descriptor: int, sharing: str) -> bool:
    """Lock as the sharing mode says; False where a private directory is in use already."""
    if sharing == "private":
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
    fcntl.flock(descriptor, fcntl.LOCK_EX if sharing == "locked" else fcntl.LOCK_SH)
    return True
