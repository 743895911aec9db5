"""Diffs: what a step changed, as a TOC and the places where the bytes lie.

A canonical diff leaves out what equals the state below, holds every ancestor directory of what it
holds, hides by explicit whiteouts only (OCI image spec, layer.md), and ignores a directory's own
mtime: so the same change is the same diff, whichever sandbox or copy made it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry, Toc
from mkbuild.frozen import frozen

Identity: TypeAlias = tuple[int, int, int, int, int]
"""Device, inode, size, mtime and ctime (ns): what a file is known by."""

identity: Callable[[Any], Identity] = attrgetter(
    "st_dev", "st_ino", "st_size", "st_mtime_ns", "st_ctime_ns"
)
"""Takes it from a status."""


class Settled(NamedTuple):
    """A file whose bytes are those that were hashed for as long as it has this identity.

    That is: any change from then on gives it another ctime.
    """

    path: str
    identity: Identity


Source: TypeAlias = str | bytes | Settled
"""Where a regular file's bytes are: the path of a file on this machine, or the bytes themselves.

No :class:`pathlib.Path`: there are as many as files, and each would cost what reading it costs.
"""


@frozen
class Diff:
    """A canonical diff; ``sources`` maps the raw SHA-256 of each regular file to its bytes.

    Empty files need no source. A file whose bytes no longer have its digest when it is read is an
    error (it changed while it was being built from).
    """

    toc: Toc
    sources: Mapping[bytes, Source] = field(default_factory=dict)


ContentOf: TypeAlias = Callable[[Located], bytes]
"""Gives the raw SHA-256 of a regular file of the state below whose entry lacks it."""

NEW = ""
"""Origin of what a builder has put: it lies in no tree yet."""


class DiffBuilder:
    """Changes a state step by step, and tells the difference in the end."""

    def __init__(self, base: Index) -> None:
        """Begin at a state; ``view`` is always the state as changed so far."""
        self.base = base
        self.view = base.copy()
        self._touched: dict[str, None] = {}
        self._inodes = 0
        self._sources: dict[bytes, Source] = {}
        self._embedded: dict[str, bytes] = {}

    def put(
        self, entry: Entry, source: Source | None = None, *, embedded: bytes | None = None
    ) -> None:
        """Set a path; its parent must be a directory of the view. Directories keep their content.

        ``embedded`` is the content of a file of :data:`toc.EMBEDDED` (see :func:`toc.embeds`).
        """
        # An inode of its own: what is put at this path later is not what links to it shared.
        self._inodes += 1
        self.view.put(Located(entry, NEW, str(self._inodes)))
        self._touched[entry.path] = None
        if entry.content is not None and source is not None:
            self._sources.setdefault(entry.content, source)
        if embedded is not None:
            self._embedded[entry.path] = embedded
            self.view.embed({entry.path: embedded})

    def link(self, path: str, leader: str) -> None:
        """Make a path another name of one that this builder has put."""
        found = self.view.get(leader)
        assert found is not None  # noqa: S101 -- the caller has put it
        self.view.put(Located(found.entry._replace(path=path), NEW, found.inode))
        self._touched[path] = None

    def remove(self, path: str) -> None:
        """Remove a path and all below it."""
        self.view.remove(path)
        self._touched[path] = None

    def finish(self, content_of: ContentOf | None = None) -> Diff:
        """Return the canonical diff between the base and the view.

        ``content_of`` as for :func:`canonical_entries`.
        """
        entries = canonical_entries(self.base, self.view, self._touched, content_of)
        kept = {entry.content for entry in entries}
        sources = {key: source for key, source in self._sources.items() if key in kept}
        paths = {entry.path for entry in entries}
        embedded = {path: data for path, data in self._embedded.items() if path in paths}
        return Diff(toc.make(entries, embedded), sources)


def same(new: Entry, old: Entry) -> bool:
    """Whether an entry equals the one below; a directory's mtime does not count."""
    if new.type != old.type:
        return False
    if new.type == toc.DIRECTORY:
        return new[2:5] == old[2:5] and new.xattrs == old.xattrs
    if new.content is None or old.content is None:
        return new == old and new.size == 0
    return new == old


def canonical_entries(
    base: Index, view: Index, touched: Iterable[str], content_of: ContentOf | None = None
) -> list[Entry]:
    """List what differs at the touched paths: entries, whiteouts, and all their ancestors.

    A name that equals the one below is listed all the same where it shares its inode with one that
    does not: else the new name would become a file of its own. ``content_of`` is asked where a
    file of the base equals the new one in all but a content that its entry does not tell; without
    it such a file counts as changed.
    """
    found: dict[str, Entry] = {}
    leaders: dict[tuple[str, str], str] = {}
    paths = sorted(touched, key=toc.order)
    pairs = [(path, view.get(path), base.get(path)) for path in paths]
    changed = {
        path: new
        for path, new, old in pairs
        if new is not None and (old is None or not _unchanged(new, old, content_of))
    }
    inodes = {_inode(new) for new in changed.values()}
    for path, new, old in pairs:
        if new is None:
            if old is not None and _is_directory(view, path.rpartition("/")[0]):
                found[path] = Entry(path, toc.WHITEOUT)
            continue
        if path in changed or (new is not old and _inode(new) in inodes):
            leader = path
            if new.entry.type != toc.DIRECTORY:
                leader = leaders.setdefault((new.origin, new.inode), path)
            found[path] = new.entry if leader == path else Entry(path, toc.HARDLINK, link=leader)
        if old is not None and old.entry.type == new.entry.type == toc.DIRECTORY:
            for name in base.children(path):
                child = f"{path}/{name}" if path else name
                if child not in view:
                    found[child] = Entry(child, toc.WHITEOUT)
    for path in list(found):
        _add_ancestors(path, view, found)
    return list(found.values())


def _inode(located: Located) -> tuple[str, str]:
    return located.origin, located.inode


def _unchanged(new: Located, old: Located, content_of: ContentOf | None) -> bool:
    if new is old:
        return True
    below = old.entry
    if (
        content_of is not None
        and below.type == toc.FILE
        and below.content is None
        and below == new.entry._replace(content=None)
    ):
        below = below._replace(content=content_of(old))
    return same(new.entry, below)


def _is_directory(view: Index, path: str) -> bool:
    found = view.get(path)
    return found is not None and found.entry.type == toc.DIRECTORY


def _add_ancestors(path: str, view: Index, found: dict[str, Entry]) -> None:
    while path:
        path = path.rpartition("/")[0]
        if not path or path in found:
            return
        ancestor = view.get(path)
        assert ancestor is not None  # noqa: S101 -- an entry's parent is in its view
        found[path] = ancestor.entry
