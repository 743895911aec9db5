"""Garbage collection of a whole store: blobs, trees, cache mounts, cache entries.

What a running invocation uses, or has used since it began, stays (see mkbuild.store.gc).
"""

import os
import time
from collections.abc import Callable
from pathlib import Path

from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.engine.session import make_storage
from mkbuild.frozen import frozen
from mkbuild.snapshot.trees import TreeStore
from mkbuild.store import gc
from mkbuild.store.files import FileStore
from mkbuild.store.locks import try_exclusive
from mkbuild.store.temp import remove_tree

DEFAULT_TTL = 14 * 86400
SECOND = 1_000_000_000


@frozen
class Usage:
    """What one part of a store takes: how many things, how many bytes."""

    part: str
    count: int
    bytes: int


@frozen
class Freed:
    """What a collection removed from one part, and what stays there."""

    part: str
    removed: int
    removed_bytes: int
    kept: int
    kept_bytes: int


def usage(storage: Path) -> list[Usage]:
    """Measure a store."""
    store = FileStore(storage)
    sizes = [use[1] for digest in store if (use := store.last_use(digest)) is not None]
    trees = list(TreeStore(storage / "snapshots"))
    mounts = _mounts(storage)
    return [
        Usage("blobs", len(sizes), sum(sizes)),
        Usage("snapshots", len(trees), sum(tree.size for tree in trees)),
        Usage("cache mounts", len(mounts), sum(map(_size, mounts))),
    ]


def collect(
    storage: Path,
    *,
    ttl: int = DEFAULT_TTL,
    max_size: int | None = None,
    warn: Callable[[str], None],
) -> list[Freed]:
    """Remove what was unused for ``ttl`` seconds, then the oldest above ``max_size`` bytes."""
    store = FileStore(storage)
    make_storage(storage)
    known = SqliteKeyValue(storage / "cache.sqlite", ttl=ttl, warn=warn)
    if ttl:
        known.collect()
    known.close()
    bound = gc.use_bound(store, time.time_ns()) / SECOND
    mounts = _collect_mounts(storage, ttl, bound)
    trees = _collect_trees(storage, ttl, max_size, bound)
    left = None if max_size is None else max(0, max_size - trees.kept_bytes)
    store.settle()
    store.unsynced.sync()
    blobs = gc.collect(store, (), ttl=ttl, max_size=left)
    return [
        Freed("blobs", blobs.removed, blobs.removed_bytes, blobs.kept, blobs.kept_bytes),
        trees,
        mounts,
    ]


def _collect_trees(storage: Path, ttl: int, max_size: int | None, bound: float) -> Freed:
    trees = TreeStore(storage / "snapshots")
    trees.clean()
    # What stays outlasts a power cut from here on; no build waits for its own trees to be synced.
    trees.sync()
    known = sorted(trees, key=lambda tree: tree.used)
    total = sum(tree.size for tree in known)
    oldest = time.time() - ttl
    removed, freed = 0, 0
    for tree in known:
        too_much = max_size is not None and total - freed > max_size
        if tree.used >= bound or not (tree.used < oldest or too_much):
            continue
        if trees.remove(tree.name):
            removed, freed = removed + 1, freed + tree.size
    return Freed("snapshots", removed, freed, len(known) - removed, total - freed)


def _mounts(storage: Path) -> list[Path]:
    root = storage / "mounts"
    return (
        [path for path in root.iterdir() if path.is_dir() and path.name != "tmp"]
        if root.is_dir()
        else []
    )


def _collect_mounts(storage: Path, ttl: int, bound: float) -> Freed:
    """Remove cache mounts by when a command last had them; one in use is locked, and stays."""
    oldest = time.time() - ttl
    removed, freed, kept, kept_bytes = 0, 0, 0, 0
    for path in _mounts(storage):
        size = _size(path)
        with try_exclusive(path.with_name(f"{path.name}.lock")) as free:
            used = path.with_name(f"{path.name}.lock").stat().st_mtime
            if free and used < min(oldest, bound):
                remove_tree(path)
                removed, freed = removed + 1, freed + size
            else:
                kept, kept_bytes = kept + 1, kept_bytes + size
    return Freed("cache mounts", removed, freed, kept, kept_bytes)


def _size(directory: Path) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            total += os.lstat(f"{place}/{name}").st_size
    return total
