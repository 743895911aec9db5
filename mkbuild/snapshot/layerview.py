"""What a layer has brought so far: as a view in memory and, where asked for, as a tree on disk.

Every path is cleaned and resolved in the view; only what comes out of that reaches the disk.
"""

import hashlib
import os
from collections.abc import Iterable
from typing import NoReturn

from mkbuild.errors import ArchiveError, StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry
from mkbuild.frozen import frozen
from mkbuild.snapshot import contents
from mkbuild.snapshot.treewriter import TreeWriter

OWN, IMPLICIT = "layer", ""
"""Origins in the view: entries of the layer, and directories that it left out."""

_MAX_NAME = 255
_MAX_LINK = 4095
_MAX_PATH = 1 << 14


@frozen
class Limits:
    """What an archive may be at most: bytes decompressed, entries, bytes of all paths together.

    Directories that an archive leaves out count as entries.
    """

    size: int = 1 << 38
    entries: int = 4_000_000
    names: int = 1 << 29


class LayerView:
    """The entries of a layer, in ``index`` and by ``writer``.

    ``dependent``: something of the base has come in. ``at``: what errors name as their place.
    """

    def __init__(self, writer: TreeWriter | None, base: Index | None, limits: Limits) -> None:
        """Begin with a root directory."""
        self.writer = writer
        self.base = base
        self.index = Index()
        self.index.put(Located(Entry("", toc.DIRECTORY, 0o755), IMPLICIT, ""))
        self.embedded: dict[str, bytes] = {}
        self.dependent = False
        self.at = ""
        self._limits = limits
        self._places: dict[str, str] = {}
        self._count = 0
        self._names = 0

    def inode(self) -> str:
        """Return a name for an inode of the entry that is being read."""
        return str(self._count)

    def fail(self, what: str) -> NoReturn:
        """Raise an ArchiveError that names the entry."""
        message = f"{self.at[:200]!r}: {what}"
        raise ArchiveError(message)

    def budget(self, length: int) -> None:
        """Count an entry and the length of its names against the limits."""
        self._count += 1
        self._names += length
        if self._count > self._limits.entries:
            self.fail(f"more than {self._limits.entries} entries")
        if self._names > self._limits.names:
            self.fail(f"more than {self._limits.names} bytes of names")

    def put(self, entry: Entry, content: Iterable[bytes | memoryview]) -> None:
        """Set a path, replacing what is there; ``content`` is read for regular files only."""
        path, writer = entry.path, self.writer
        old = self.index.get(path)
        both = old is not None and old.entry.type == entry.type == toc.DIRECTORY
        if old is not None and not both:
            self.remove(path)
        if entry.type == toc.DIRECTORY:
            if writer is not None:
                writer.directory(entry, exists=both)
        elif entry.type == toc.FILE:
            entry = self._file(entry, content)
        else:
            if entry.type == toc.SYMLINK:
                if not 0 < len(os.fsencode(entry.link)) <= _MAX_LINK:
                    self.fail("a symlink whose target is empty or too long")
                self._places.clear()
            if writer is not None:
                writer.special(entry)
        self.index.put(Located(entry, OWN, self.inode()))

    def _file(self, entry: Entry, content: Iterable[bytes | memoryview]) -> Entry:
        hashed = hashlib.sha256()
        embedded: bytearray | None = bytearray() if toc.embeds(entry) else None
        fd = None if self.writer is None else self.writer.create(entry.path, entry.mode)
        try:
            for piece in content:
                hashed.update(piece)
                if embedded is not None:
                    embedded += piece
                if fd is not None:
                    contents.write(fd, piece)
            if self.writer is not None and fd is not None:
                sealed, fd = fd, None
                self.writer.seal(sealed, entry)
        finally:
            if fd is not None:
                os.close(fd)
        if embedded is not None:
            self.embedded[entry.path] = bytes(embedded)
        return entry._replace(content=hashed.digest())

    def remove(self, path: str) -> None:
        """Remove a path and all below it."""
        self.index.remove(path)
        self.embedded.pop(path, None)
        self._places.clear()
        if self.writer is not None:
            self.writer.remove(path)

    def resolve(self, path: str, *, follow_last: bool = True) -> str:
        """Follow symlinks inside the layer."""
        try:
            return self.index.resolve(path, follow_last=follow_last)
        except StepError as error:
            self.fail(error.message)

    def place(self, path: str) -> str:
        """Return where a cleaned path lies, symlinks of its parents followed, parents made."""
        self.check(path)
        parent, slash, name = path.rpartition("/")
        if not slash:
            return path
        place = self._places.get(parent)
        if place is None:
            place = self.resolve(parent)
            self.make(place)
            self._places[parent] = place
        return f"{place}/{name}" if place else name

    def check(self, path: str) -> None:
        """Refuse names that no filesystem holds, and paths far beyond PATH_MAX."""
        # Four bytes a character at most: most paths need no more than this.
        if len(path) * 4 <= _MAX_NAME:
            return
        encoded = os.fsencode(path)
        if len(encoded) > _MAX_PATH:
            self.fail(f"a path longer than {_MAX_PATH} bytes")
        if any(len(part) > _MAX_NAME for part in encoded.split(b"/")):
            self.fail("a name longer than 255 bytes")

    def make(self, path: str) -> None:
        """Make the directories that the archive leaves out, like those of the base."""
        missing = []
        while True:
            found = self.index.get(path)
            if found is not None:
                break
            missing.append(path)
            path = path.rpartition("/")[0]
        if found.entry.type != toc.DIRECTORY:
            self.fail(f"{path!r} is no directory")
        for step in reversed(missing):
            self.budget(len(step))
            entry = plain = Entry(step, toc.DIRECTORY, 0o755)
            below = None if self.base is None else self.base.get(step)
            if below is not None and below.entry.type == toc.DIRECTORY:
                entry = below.entry
                self.dependent |= entry != plain
            self.index.put(Located(entry, IMPLICIT, step))
            if self.writer is not None:
                self.writer.directory(entry)

    def link(self, path: str, leader: str) -> None:
        """Make a path another name of an entry of this layer, which is no directory."""
        found = self.index.get(leader)
        assert found is not None  # noqa: S101 -- the caller has looked
        if path in self.index:
            if leader.startswith(path + "/"):
                self.fail("a hard link that replaces the directory its target is in")
            self.remove(path)
        if found.entry.type == toc.SYMLINK:
            self._places.clear()
        self.index.put(found._replace(entry=found.entry._replace(path=path)))
        if leader in self.embedded:
            self.embedded[path] = self.embedded[leader]
        if self.writer is not None:
            self.writer.link(path, leader)
