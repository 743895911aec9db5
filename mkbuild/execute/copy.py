"""COPY: what a selection becomes in a state (BuildKit's file copy, without a root filesystem)."""

import posixpath
from collections.abc import Callable
from typing import Self

from mkbuild.errors import StepError
from mkbuild.execute.place import Ids, Placer
from mkbuild.execute.select import CAPABILITY, Part, Pick, normalize
from mkbuild.execute.times import Times
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Source
from mkbuild.filesystem.index import Located
from mkbuild.filesystem.toc import Entry
from mkbuild.frozen import frozen

DIRECTORY_MODE = 0o755

Mode = Callable[[int, bool], int]
"""From permission bits and whether it is a directory to the bits that --chmod makes of them."""


@frozen
class Destination:
    """Where to: ``path`` clean and relative to the root; ``directory``: written as one (``x/``)."""

    path: str
    directory: bool

    @classmethod
    def parse(cls, workdir: str, dest: str) -> Self:
        """Read a destination; what is not absolute is relative to the working directory."""
        directory = dest in {"", "."} or dest.endswith(("/", "/."))
        path = normalize(posixpath.join(workdir, dest))
        return cls(path, directory or not path)


@frozen
class Attributes:
    """What becomes of the attributes of sources.

    ``ids``: --chown, also for the directories that are made. ``mode``: --chmod. ``parent_mode``:
    of directories that are made. ``context``: sources have no owners and xattrs of their own.
    ``archive``: sources keep both, and so does a directory that is made of one.
    """

    times: Times
    ids: Ids | None = None
    mode: Mode | None = None
    parent_mode: int = DIRECTORY_MODE
    context: bool = False
    archive: bool = False

    @property
    def parent_ids(self) -> Ids:
        """Owner of the directories that are made."""
        return self.ids or (0, 0)

    def entry(self, source: Entry, path: str, content: bytes | None) -> Entry:
        """Return what a source entry becomes at a path."""
        ids = self.ids
        if ids is None:
            drop = self.context and not self.archive
            ids = (0, 0) if drop else (source.uid, source.gid)
        mode = source.mode
        if source.type == toc.SYMLINK:
            mode = 0o777
        elif self.mode is not None:
            mode = self.mode(mode, source.type == toc.DIRECTORY)
        xattrs = () if self.context else source.xattrs
        return Entry(
            path,
            source.type,
            mode,
            *ids,
            source.size,
            self.times.of(source.mtime, context=self.context),
            source.link,
            source.device,
            tuple(pair for pair in xattrs if pair[0] == CAPABILITY),
            content,
        )


def copy(
    placer: Placer,
    pick: Pick,
    destination: Destination,
    attributes: Attributes,
    content: Callable[[Located], tuple[bytes, Source]],
) -> None:
    """Copy one pick; ``content`` gives a regular file's digest and the place of its bytes.

    The destination is resolved through symlinks; what lies below it is not. A directory is copied
    *as* the destination, anything else *into* it where it is a directory. Raises StepError where a
    directory would replace something else, or the other way round.
    """
    make = destination.path if destination.directory else posixpath.dirname(destination.path)
    view = placer.view
    placer.make_directories(view.resolve(make), attributes.parent_mode, attributes.parent_ids)
    target = view.resolve(destination.path)
    kind = placer.type(target)
    parts = pick.parts
    if pick.top.entry.type == toc.DIRECTORY:
        if kind not in {None, toc.DIRECTORY}:
            raise StepError(f"cannot copy a directory to /{target}, which is not a directory")
        parts = parts[1:]
    elif kind == toc.DIRECTORY:
        target = posixpath.join(target, pick.name)
    # A dangling symlink may have led to where even the parent is missing.
    placer.make_directories(
        posixpath.dirname(target), attributes.parent_mode, attributes.parent_ids
    )
    if kind is None and pick.top.entry.type == toc.DIRECTORY:
        placer.put(_top(pick.top.entry, target, attributes))
    _copy_parts(placer, parts, target, attributes, content)


def _top(source: Entry, target: str, attributes: Attributes) -> Entry:
    """Return the directory that is made for what a source directory holds."""
    entry = attributes.entry(source, target, None)
    if not source.path:
        # A tree's own root has no time worth keeping.
        entry = entry._replace(mtime=attributes.times.created)
    if attributes.archive:
        return entry
    uid, gid = attributes.parent_ids
    return entry._replace(mode=attributes.parent_mode, uid=uid, gid=gid, xattrs=())


def _copy_parts(
    placer: Placer,
    parts: tuple[Part, ...],
    target: str,
    attributes: Attributes,
    content: Callable[[Located], tuple[bytes, Source]],
) -> None:
    leaders: dict[tuple[str, str], str] = {}
    prefix = f"{target}/" if target else ""
    for part in parts:
        located = part.located
        path = prefix + part.path if part.path else target
        source = located.entry
        if source.type == toc.DIRECTORY:
            _copy_directory(placer, part, path, attributes)
            continue
        if placer.type(path) == toc.DIRECTORY:
            raise StepError(f"cannot replace the directory /{path} by /{source.path}")
        if source.type != toc.FILE:
            placer.put(attributes.entry(source, path, None))
            continue
        leader = leaders.setdefault((located.origin, located.inode), path)
        if leader != path and path not in toc.EMBEDDED:
            placer.link(path, leader)
        else:
            digest, place = content(located)
            placer.put(attributes.entry(source, path, digest), place)


def _copy_directory(placer: Placer, part: Part, path: str, attributes: Attributes) -> None:
    """Copy a directory's attributes; what is at its place must be a directory or nothing."""
    source = part.located.entry
    entry = attributes.entry(source, path, None)
    existing = placer.view.get(path)
    if part.parent:
        entry = entry._replace(mtime=attributes.times.created)
    if existing is not None:
        old = existing.entry
        if old.type != toc.DIRECTORY:
            raise StepError(f"cannot copy a directory to /{path}, which is not a directory")
        if part.parent:
            entry = old._replace(mode=source.mode)
    placer.put(entry)
