"""Trees kept by name: unpacked layers and snapshots, safe against kills, power cuts and each other.

On disk, below the root (all names are the hex digits of a digest, or random)::

    trees/<name>         the tree
    records/<name>       JSON: the boot it was made in, whether it was synced, its bytes on disk
    locks/<name>         flock: shared while a lease lasts, exclusive to publish and remove
    temp/<random>        being written, or on its way out
    temp/<random>.lock   flock: held by the process that writes it

A tree counts only with its record. A record counts where it says ``synced``, which it does after
syncfs(2) of its tree, or while the boot is the one it names (DESIGN section 10).
"""

import contextlib
import fcntl
import json
import os
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from mkbuild import digest as digests
from mkbuild.filesystem.diff import Diff
from mkbuild.snapshot.directories import remove_tree
from mkbuild.snapshot.materialise import write_tree


class Kept(NamedTuple):
    """A tree of the store: its name, when it was last used (seconds), and its bytes."""

    name: str
    used: float
    size: int


@dataclass(frozen=True, slots=True)
class Temp:
    """A tree being written: ``tree`` is an empty directory; it goes when its lock is let go."""

    tree: Path
    lock: int


class TreeStore:
    """Trees by name (a digest). Any number of processes and threads share one."""

    def __init__(self, root: Path, *, userxattr: bool = False, single_id: bool = False) -> None:
        """Use or make a store; ``userxattr`` and ``single_id`` as for TreeWriter."""
        self.root = root
        self._userxattr = userxattr
        self._single_id = single_id
        self._boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        for part in ("trees", "records", "locks", "temp"):
            (root / part).mkdir(parents=True, exist_ok=True, mode=0o700)

    def path(self, name: str) -> Path:
        """Return where a tree lies, whether or not it is there."""
        return self.root / "trees" / digests.hex_of(digests.parse(name))

    def has(self, name: str) -> bool:
        """Whether a tree is here and counts. Only under a lease does it stay."""
        return self._record(digests.hex_of(digests.parse(name))) is not None

    def _record(self, key: str) -> dict[str, object] | None:
        try:
            record = json.loads((self.root / "records" / key).read_bytes())
            counts = record["synced"] is True or record["boot"] == self._boot
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # A power cut may leave an empty or torn record: then the tree does not count.
            return None
        return record if counts else None

    @contextmanager
    def begin(self) -> Iterator[Temp]:
        """Begin a tree; what is not published by the end of the context goes."""
        temp = self._temp()
        try:
            yield temp
        finally:
            self._drop(temp)

    def _temp(self) -> Temp:
        name = secrets.token_hex(16)
        tree = self.root / "temp" / name
        lock = _lock(self.root / "temp" / f"{name}.lock", fcntl.LOCK_EX)
        assert lock is not None  # noqa: S101 -- it waits
        tree.mkdir(mode=0o755)
        return Temp(tree, lock)

    def _drop(self, temp: Temp) -> None:
        remove_tree(temp.tree)
        temp.tree.with_suffix(".lock").unlink(missing_ok=True)
        os.close(temp.lock)

    def publish(self, temp: Temp, name: str, size: int = 0) -> Path:
        """Give a tree that is complete its name; returns where it lies.

        Where somebody else was first, theirs stays and this one goes. ``size``: its bytes.
        """
        path = self.path(name)
        if self._record(path.name) is not None:
            # Without the lock, which waits for those who have it in use.
            return path
        with self._exclusive(path.name):
            if self._record(path.name) is None:
                self._remove(path.name)
                temp.tree.rename(path)
                self._write_record(path.name, synced=False, size=size)
        return path

    def materialise(self, diff: Diff, name: str) -> Path:
        """Write a diff as a tree in overlay form; a no-op where it is here already.

        Raises StepError where a source changed while it was read.
        """
        if not self.has(name):
            with self.begin() as temp:
                write_tree(diff, temp.tree, userxattr=self._userxattr, single_id=self._single_id)
                self.publish(temp, name, sum(entry.size for entry in diff.toc.entries))
        return self.path(name)

    @contextmanager
    def lease(self, names: Iterable[str]) -> Iterator[list[Path]]:
        """Keep trees from being removed; yields their paths, in order.

        Raises KeyError with the name of the first one that is not here. Marks them as used now.
        """
        paths = []
        with contextlib.ExitStack() as stack:
            for name in names:
                path = self.path(name)
                lock = _lock(self.root / "locks" / path.name, fcntl.LOCK_SH)
                assert lock is not None  # noqa: S101 -- it waits
                stack.callback(os.close, lock)
                if self._record(path.name) is None:
                    raise KeyError(name)
                os.utime(self.root / "records" / path.name)
                paths.append(path)
            yield paths

    def sync(self) -> None:
        """Make the trees of this boot outlast a power cut: syncfs, then their records again."""
        waiting = []
        for path in (self.root / "records").iterdir():
            record = self._record(path.name)
            if record is not None and record["synced"] is not True:
                waiting.append(path.name)
        if not waiting:
            return
        _syncfs(self.root)
        for key in waiting:
            lock = _lock(self.root / "locks" / key, fcntl.LOCK_SH)
            assert lock is not None  # noqa: S101 -- it waits
            try:
                record = self._record(key)
                if record is not None:
                    size = record.get("size", 0)
                    self._write_record(key, synced=True, size=size if isinstance(size, int) else 0)
            finally:
                os.close(lock)

    def remove(self, name: str) -> bool:
        """Remove a tree; False where it is in use (it then stays)."""
        key = digests.hex_of(digests.parse(name))
        lock = _lock(self.root / "locks" / key, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if lock is None:
            return False
        try:
            self._remove(key)
            (self.root / "locks" / key).unlink(missing_ok=True)
        finally:
            os.close(lock)
        return True

    def __iter__(self) -> Iterator[Kept]:
        """Iterate over the trees that count, in no order."""
        for path in (self.root / "records").iterdir():
            record = self._record(path.name)
            if record is None:
                continue
            with contextlib.suppress(FileNotFoundError):
                used = path.stat().st_mtime
                size = record.get("size", 0)
                name = "sha256:" + path.name
                yield Kept(name, used, size if isinstance(size, int) else 0)

    def clean(self) -> None:
        """Remove what processes that are dead left behind, never what a live one writes."""
        for path in (self.root / "temp").glob("*.lock"):
            lock = _lock(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if lock is not None:
                self._drop(Temp(path.with_suffix(""), lock))
        for path in (self.root / "trees").iterdir():
            if self._record(path.name) is None:
                # Killed between rename and record, or from before a power cut.
                self.remove("sha256:" + path.name)

    @contextmanager
    def _exclusive(self, key: str) -> Iterator[None]:
        lock = _lock(self.root / "locks" / key, fcntl.LOCK_EX)
        assert lock is not None  # noqa: S101 -- it waits
        try:
            yield
        finally:
            os.close(lock)

    def _remove(self, key: str) -> None:
        """Remove a tree and its record, under its exclusive lock."""
        (self.root / "records" / key).unlink(missing_ok=True)
        with self.begin() as grave, contextlib.suppress(FileNotFoundError):
            (self.root / "trees" / key).rename(grave.tree)

    def _write_record(self, key: str, *, synced: bool, size: int) -> None:
        record = {"boot": self._boot, "synced": synced, "size": size}
        with self.begin() as temp:
            path = temp.tree / "record"
            path.write_text(json.dumps(record))
            path.rename(self.root / "records" / key)


def _lock(path: Path, operation: int) -> int | None:
    """Lock a file, made where it is missing; None where LOCK_NB finds it taken.

    Whoever holds an exclusive lock may unlink its file: so the file locked must still be the one
    that the path names.
    """
    while True:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, operation)
            if os.path.samestat(os.fstat(fd), path.stat()):
                return fd
        except BlockingIOError:
            os.close(fd)
            return None
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(fd)
            raise
        os.close(fd)


def _syncfs(root: Path) -> None:
    """Write a filesystem out (syncfs(2)); os.sync would wait for every filesystem there is."""
    import ctypes

    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(fd):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(root))
    finally:
        os.close(fd)
