"""What a RUN changed: an overlay upper becomes a canonical diff, and on disk the same.

Before an upper becomes a lower it is made what its layer would be when unpacked: so the next local
step sees what another machine would see (DESIGN section 8).
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.snapshot import xattrs
from mkbuild.snapshot.observe import Observer, ReadBase, Times
from mkbuild.snapshot.treewriter import TreeWriter


def prepare(upper: Path, base: Index, *, single_id: bool = False) -> None:
    """Give an upper that is to be mounted the mode and owner of the state's root directory.

    Overlayfs shows the upper's own; and :func:`normalise` counts what differs as the step's doing.
    """
    root = base.get("")
    assert root is not None  # noqa: S101 -- every state has a root
    if not single_id:
        os.chown(upper, root.entry.uid, root.entry.gid)
    upper.chmod(root.entry.mode)


def normalise(  # noqa: PLR0913 -- what a step is made of
    upper: Path,
    base: Index,
    read_base: ReadBase,
    *,
    started_ns: int,
    epoch: int | None,
    userxattr: bool = False,
    single_id: bool = False,
    ignore: frozenset[str] = frozenset(),
) -> Diff:
    """Return an upper's canonical diff relative to ``base``, and make the upper equal to it.

    Copy-ups that changed nothing, sockets and whiteouts that hide nothing go; opaque directories
    become explicit whiteouts; overlayfs's own attributes go; times follow :class:`Times`.
    ``started_ns``: when the step began, by the clock of the upper's filesystem or of the process.
    ``epoch``: seconds since 1970, None to preserve times. ``ignore``: paths (of stubs of mounts)
    that go where they are new and still empty. The diff's sources lie in the upper. Nothing else
    may use the upper meanwhile. Raises OSError.
    """
    with TreeWriter(upper, userxattr=userxattr, single_id=single_id) as writer:
        _drop_stubs(writer, base, ignore)
        observer = Observer(upper, base, Times(started_ns, epoch), single_id=single_id)
        with observer.directories:
            whiteouts = _observe(observer, base, xattrs.opaque(userxattr=userxattr))
            observer.root(upper.stat())
            diff = observer.finish(read_base)
            _equalise(diff, observer, writer, whiteouts)
            return diff


def _drop_stubs(writer: TreeWriter, base: Index, ignore: frozenset[str]) -> None:
    for path in sorted(ignore, reverse=True):
        if path in base:
            continue
        try:
            fd, name = writer.directories.parent(path)
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat.S_ISDIR(info.st_mode):
            with os.scandir(writer.directories.fd(path)) as found:
                empty = not any(found)
        else:
            empty = stat.S_ISREG(info.st_mode) and not info.st_size
        if empty:
            writer.discard(path)


def _observe(observer: Observer, base: Index, opaque: str) -> set[str]:
    """Record everything in the upper; returns the whiteouts it holds."""
    whiteouts = set()
    for path, info in _walk(observer):
        mode = info.st_mode
        if stat.S_ISSOCK(mode) or (stat.S_ISCHR(mode) and info.st_rdev == 0):
            observer.seen[path] = info.st_mtime_ns
            if not stat.S_ISSOCK(mode):
                whiteouts.add(path)
            if path in observer.builder.view:
                observer.builder.remove(path)
            continue
        names = xattrs.names(observer.place(path))
        observer.record(path, info, names)
        if opaque in names and os.getxattr(observer.place(path), opaque) == b"y":
            for child in base.children(path):
                observer.builder.remove(f"{path}/{child}")
        if names:
            xattrs.strip(observer.place(path), names)
    xattrs.strip(observer.place(""), xattrs.names(observer.place("")))
    return whiteouts


def _walk(observer: Observer) -> Iterator[tuple[str, os.stat_result]]:
    """Yield (path, stat) of all but the root, a directory before what it holds."""
    todo = observer.listing("")[::-1]
    while todo:
        _, path, info = todo.pop()
        yield path, info
        if stat.S_ISDIR(info.st_mode):
            todo.extend(observer.listing(path)[::-1])


def _equalise(diff: Diff, observer: Observer, writer: TreeWriter, whiteouts: set[str]) -> None:
    """Make the upper hold what the diff says."""
    entries = {entry.path: entry for entry in diff.toc.entries}
    for path in reversed(observer.seen):
        entry = entries.get(path)
        if entry is None or (entry.type == toc.WHITEOUT) != (path in whiteouts):
            observer.directories.forget(path)
            writer.discard(path)
    for path, entry in entries.items():
        if entry.type == toc.WHITEOUT and path not in whiteouts:
            writer.whiteout(path)
    for path in reversed(entries):
        entry = entries[path]
        if path and entry.type not in {toc.WHITEOUT, toc.HARDLINK}:
            observer.touch(entry)
