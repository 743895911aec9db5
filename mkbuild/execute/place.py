"""Putting entries into a state the way a process inside it would put files.

Two things that no layer can hold are what they come to with every builder: a name that begins with
``.wh.`` deletes (OCI image spec, layer.md "Whiteouts"), and so does a character device 0:0.
"""

import hashlib
import os
import posixpath
from pathlib import Path

from mkbuild.errors import ArchiveError, StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import ContentOf, Diff, DiffBuilder, Settled, Source
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry

Ids = tuple[int, int]
"""A user id and a group id."""

WHITEOUT = ".wh."
OPAQUE = ".wh..wh..opq"
RESERVED = ".wh..wh."
"""Names that a union filesystem of old kept for itself; they are never shown."""


MAX_NAME = 255
"""Bytes of a name in a directory (NAME_MAX)."""
_SHOWN = 40


def require_possible(path: str) -> None:
    """Raise StepError where a relative path has a name that no filesystem holds."""
    if "\0" in path:
        raise StepError(f"{'/' + path!r}: no file's name can hold a NUL character")
    # Four bytes a character at most: most paths need no more than this.
    if len(path) * 4 > MAX_NAME:
        for name in os.fsencode(path).split(b"/"):
            if len(name) > MAX_NAME:
                shown = name[:_SHOWN].decode("utf-8", "replace")
                message = f"the name {shown}... has {len(name)} bytes, and a file's can have"
                raise StepError(f"{message} {MAX_NAME}")


class Placer:
    """A state as changed so far; all paths are relative, clean and without symlinks above them."""

    def __init__(self, base: Index, created: int) -> None:
        """Begin at a state; ``created`` is the mtime of the directories that are made."""
        self._builder = DiffBuilder(base)
        self._placed: dict[str, Source | None] = {}
        self._names: dict[str, list[str]] = {}
        self._created = created

    @property
    def view(self) -> Index:
        """The state as changed so far."""
        return self._builder.view

    def type(self, path: str) -> str | None:
        """Return the type of what is at a path, None where nothing is."""
        found = self.view.get(path)
        return None if found is None else found.entry.type

    def has_put(self, path: str) -> bool:
        """Whether what is at a path was put here, and not there before."""
        return path in self._placed

    def make_directories(self, path: str, mode: int, ids: Ids) -> None:
        """Make a directory and what is missing above it; what exists keeps mode and owner.

        Raises StepError where something on the way is no directory.
        """
        missing: list[str] = []
        while path not in self.view:
            missing.append(path)
            path = posixpath.dirname(path)
        if self.type(path) != toc.DIRECTORY:
            raise StepError(f"/{path} is not a directory")
        for place in reversed(missing):
            self.put(Entry(place, toc.DIRECTORY, mode, *ids, mtime=self._created))

    def put(self, entry: Entry, source: Source | None = None) -> None:
        """Set a path whose parent is a directory; a directory keeps what it holds."""
        path = entry.path
        require_possible(path)
        directory, _, name = path.rpartition("/")
        if name.startswith(WHITEOUT):
            if entry.type == toc.DIRECTORY:
                raise StepError(f"/{path}: no layer can hold a directory of this name")
            self._hide(directory, name)
        elif entry.type == toc.CHAR and entry.device == (0, 0):
            self.remove(path)
        else:
            embedded = _read(entry, source) if source is not None and toc.embeds(entry) else None
            self._builder.put(entry, source, embedded=embedded)
            self._placed[path] = source

    def link(self, path: str, leader: str) -> None:
        """Make a path another name of a file that was put; its parent is a directory."""
        require_possible(path)
        directory, _, name = path.rpartition("/")
        found = self.view.get(leader)
        if name.startswith(WHITEOUT):
            self._hide(directory, name)
        elif found is None or leader not in self._placed:
            # The first name was a whiteout: nothing there to link to.
            self.remove(path)
        elif path in toc.EMBEDDED:
            # Its bytes belong to the structure, which only files have.
            self.put(found.entry._replace(path=path), self._placed[leader])
        else:
            self._builder.link(path, leader)
            self._placed[path] = self._placed[leader]
            self._names.setdefault(found.inode, [leader]).append(path)

    def change(self, entry: Entry) -> None:
        """Change the attributes of a file that was put, under all its names."""
        found = self.view.get(entry.path)
        names = [] if found is None else self._names.pop(found.inode, [])
        shared = [
            name
            for name in names
            if name != entry.path
            and (other := self.view.get(name)) is not None
            and other.inode == (found and found.inode)
        ]
        self.put(entry, self._placed[entry.path])
        for name in shared:
            self.link(name, entry.path)

    def remove(self, path: str) -> None:
        """Remove a path and all below it, if it is there."""
        if path in self.view:
            self._builder.remove(path)
            self._placed.pop(path, None)

    def finish(self, content_of: ContentOf | None = None) -> Diff:
        """Return the canonical diff; ``content_of`` as for DiffBuilder."""
        return self._builder.finish(content_of)

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
    path = source.path if isinstance(source, Settled) else source
    data = path if isinstance(path, bytes) else Path(path).read_bytes()
    if hashlib.sha256(data).digest() != entry.content:
        raise StepError(f"what becomes /{entry.path} changed while it was being read")
    return data
