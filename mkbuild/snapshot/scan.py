"""What a RUN changed in a full tree (chroot mode): stats from before against stats from after."""

import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.snapshot import xattrs
from mkbuild.snapshot.observe import Observer, ReadBase, Times


class Stat(NamedTuple):
    """What cannot all stay the same when a file changes: the kernel alone sets ``ctime_ns``."""

    device: int
    inode: int
    mode: int
    links: int
    uid: int
    gid: int
    size: int
    mtime_ns: int
    ctime_ns: int


Record = Mapping[str, Stat]
"""Every path of a tree but its root, by relative path."""


def record(tree: Path, ignore: frozenset[str] = frozenset()) -> Record:
    """Take the stats of a tree before a RUN; ``ignore`` and other filesystems are left out."""
    observer = Observer(tree, Index(), Times(0, None), single_id=False)
    with observer.directories:
        return {path: _stat(info) for path, info in _walk(observer, ignore)}


def scan(  # noqa: PLR0913 -- what a step is made of
    tree: Path,
    base: Index,
    before: Record,
    read_base: ReadBase | None,
    *,
    started_ns: int,
    epoch: int | None,
    single_id: bool = False,
    ignore: frozenset[str] = frozenset(),
) -> Diff:
    """Return the canonical diff between ``base`` and a tree that a RUN has written to.

    ``before``: the tree's :func:`record` from before. ``read_base``: where base files can still be
    read as they were; without it, a changed file whose old digest is not known counts as changed.
    ``ignore``: paths not looked at. Times on disk become those of the diff, and sockets go: the
    next step sees what another machine would see. Otherwise as :func:`upper.normalise`.
    """
    observer = Observer(tree, base, Times(started_ns, epoch), single_id=single_id)
    with observer.directories:
        after = set()
        sockets = []
        for path, info in _walk(observer, ignore):
            if stat.S_ISSOCK(info.st_mode):
                sockets.append(path)
                continue
            after.add(path)
            if before.get(path) != _stat(info):
                observer.record(path, info, xattrs.names(observer.place(path)))
        for path in sockets:
            fd, name = observer.directories.parent(path)
            os.unlink(name, dir_fd=fd)
        for path in before:
            if path not in after and path in observer.builder.view:
                observer.builder.remove(path)
        observer.root(tree.stat())
        diff = observer.finish(read_base)
        _set_times(diff, observer)
        return diff


def _set_times(diff: Diff, observer: Observer) -> None:
    entries = {entry.path: entry for entry in diff.toc.entries}
    for path in reversed(observer.seen):
        view = observer.builder.view.get(path)
        if view is not None and entries.get(path, view.entry).type != toc.HARDLINK:
            observer.touch(view.entry)


def _walk(observer: Observer, ignore: frozenset[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path, stat) of all but the root and what is mounted, directories first."""
    device = os.fstat(observer.directories.fd("")).st_dev
    todo = observer.listing("")[::-1]
    while todo:
        _, path, info = todo.pop()
        if path in ignore or info.st_dev != device:
            continue
        yield path, info
        if stat.S_ISDIR(info.st_mode):
            todo.extend(observer.listing(path)[::-1])


def _stat(info: os.stat_result) -> Stat:
    return Stat(
        info.st_dev,
        info.st_ino,
        info.st_mode,
        info.st_nlink if not stat.S_ISDIR(info.st_mode) else 0,
        info.st_uid,
        info.st_gid,
        info.st_size if not stat.S_ISDIR(info.st_mode) else 0,
        info.st_mtime_ns,
        info.st_ctime_ns,
    )
