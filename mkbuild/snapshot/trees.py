"""Trees kept by name: unpacked layers and snapshots, safe against kills, power cuts and each other.

On disk, below the root (all names are the hex digits of a digest, or random)::

    trees/<name>         the tree
    records/<name>       JSON: the boot it was made in, whether it was synced, its bytes
    locks/<name>         flock: shared while a lease lasts, exclusive to publish and remove
    tmp/                 what is being written or on its way out (mkbuild.store.temp)

A tree counts only with its record. A record counts where it says ``synced``, which it does after
syncfs(2) of its tree, or while the boot is the one it names (DESIGN section 10).
"""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from mkbuild import digest as digests
from mkbuild.filesystem.diff import Diff
from mkbuild.frozen import frozen
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store import boot
from mkbuild.store.locks import shared, try_exclusive
from mkbuild.store.temp import TempArea, sweep
from mkbuild.store.unsynced import write_out


class Kept(NamedTuple):
    """A tree of the store: its name, when it was last used (seconds), and its bytes."""

    name: str
    used: float
    size: int


@frozen
class Temp:
    """A tree being written: ``tree`` is an empty directory."""

    tree: Path


class TreeStore:
    """Trees by name (a digest). Any number of processes and threads share one."""

    def __init__(self, root: Path, *, userxattr: bool = False, single_id: bool = False) -> None:
        """Use or make a store; ``userxattr`` and ``single_id`` as for TreeWriter."""
        self.root = root
        self._userxattr = userxattr
        self._single_id = single_id
        self._boot = boot.current()
        for part in ("trees", "records", "locks"):
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
        with TempArea(self.root) as area, area.directory() as tree:
            tree.chmod(0o755)
            yield Temp(tree)

    def publish(self, temp: Temp, name: str, size: int = 0) -> Path:
        """Give a tree that is complete its name; returns where it lies.

        Where somebody else was first, theirs stays and this one goes. ``size``: its bytes.
        """
        path = self.path(name)
        lock = self._lock(path.name)
        # Never wait for the exclusive lock: whoever was first may have the tree in use for long.
        while self._record(path.name) is None:
            with try_exclusive(lock) as free:
                if free and self._record(path.name) is None:
                    self._remove(path.name)
                    temp.tree.rename(path)
                    self._write_record(path.name, synced=False, size=size)
            if not free:
                with shared(lock):  # which waits for the one who is publishing
                    continue
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
                stack.enter_context(shared(self._lock(path.name)))
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
        write_out(self.root)
        for key in waiting:
            with shared(self._lock(key)):
                record = self._record(key)
                if record is not None:
                    self._write_record(key, synced=True, size=_size(record))

    def remove(self, name: str) -> bool:
        """Remove a tree; False where it is in use (it then stays)."""
        key = digests.hex_of(digests.parse(name))
        with try_exclusive(self._lock(key)) as free:
            if free:
                self._remove(key)
                self._lock(key).unlink(missing_ok=True)
            return free

    def __iter__(self) -> Iterator[Kept]:
        """Iterate over the trees that count, in no order."""
        for path in (self.root / "records").iterdir():
            record = self._record(path.name)
            if record is None:
                continue
            with contextlib.suppress(FileNotFoundError):
                used = path.stat().st_mtime
                yield Kept("sha256:" + path.name, used, _size(record))

    def clean(self) -> None:
        """Remove what processes that are dead left behind, never what a live one writes."""
        sweep(self.root)
        for path in (self.root / "trees").iterdir():
            if self._record(path.name) is None:
                # Killed between rename and record, or from before a power cut.
                self.remove("sha256:" + path.name)

    def _lock(self, key: str) -> Path:
        return self.root / "locks" / key

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


def _size(record: dict[str, object]) -> int:
    size = record.get("size")
    return size if isinstance(size, int) else 0
