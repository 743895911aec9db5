"""Putting entries into a state the way a process inside it would put files.

A name that begins with ``.wh.`` cannot be in a layer: there it means that something is deleted (OCI
image spec, layer.md "Whiteouts"), and so it does here, as it comes to with every builder.
"""

import hashlib
import posixpath
from pathlib import Path

from mkbuild.errors import ArchiveError, StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, DiffBuilder, Source
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry

Ids = tuple[int, int]
"""A user id and a group id."""

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
RESERVED = ".wh..wh."
"""Names that a union filesystem of old kept for itself; they are never shown."""


class Placer:
    """A state as changed so far; all paths are relative, clean and without symlinks above them."""

    def __init__(self, base: Index, created: int) -> None:
        """Begin at a state; ``created`` is the mtime of the directories that are made."""
        self._builder = DiffBuilder(base)
        self._placed: set[str] = set()
        self._created = created

    @property
    def view(self) -> Index:
        """The state as changed so far."""
        return self._builder.view

    def type(self, path: str) -> str | None:
        """Return the type of what is at a path, None where nothing is."""
        found = self.view.get(path)
        return None if found is None else found.entry.type

    def make_directories(self, path: str, mode: int, ids: Ids) -> None:
        """Make a directory and what is missing above it; what exists keeps mode and owner.

        Raises StepError where something on the way is no directory.
        """
        kind = self.type(path)
        if kind == toc.DIRECTORY:
            return
        if kind is not None:
            raise StepError(f"/{path} is not a directory")
        self.make_directories(posixpath.dirname(path), mode, ids)
        self.put(Entry(path, toc.DIRECTORY, mode, *ids, mtime=self._created))

    def put(self, entry: Entry, source: Source | None = None) -> None:
        """Set a path whose parent is a directory; a directory keeps what it holds."""
        path = entry.path
        directory, _, name = path.rpartition("/")
        if name.startswith(WHITEOUT):
            self._hide(directory, name)
            return
        embedded = _read(entry, source) if source is not None and toc.embeds(entry) else None
        self._builder.put(entry, source, embedded=embedded)
        self._placed.add(path)

    def link(self, path: str, leader: str) -> None:
        """Make a path another name of a file that was put; its parent is a directory."""
        if path.rpartition("/")[2].startswith(WHITEOUT) or leader not in self._placed:
            return
        self._builder.link(path, leader)
        self._placed.add(path)

    def remove(self, path: str) -> None:
        """Remove a path and all below it, if it is there."""
        if path in self.view:
            self._builder.remove(path)

    def finish(self) -> Diff:
        """Return the canonical diff."""
        return self._builder.finish()

    def _hide(self, directory: str, name: str) -> None:
        if name == OPAQUE:
            names = self.view.children(directory)
        elif name.startswith(RESERVED):
            return
        else:
            names = [name[len(WHITEOUT) :]]
        for hidden in names:
            if hidden in {"", ".", ".."}:
                raise ArchiveError(f"{name!r} in /{directory} deletes nothing that could exist")
            path = posixpath.join(directory, hidden)
            if path not in self._placed:
                self.remove(path)


def _read(entry: Entry, source: Source) -> bytes:
    """Read what is kept in the state itself (/etc/passwd): small, and of the digest expected."""
    data = source.read_bytes() if isinstance(source, Path) else source
    if hashlib.sha256(data).digest() != entry.content:
        raise StepError(f"what becomes /{entry.path} changed while it was being read")
    return data
