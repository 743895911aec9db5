"""Turns a layer's tar into its TOC and, where asked for, a tree on disk.

No path of an archive reaches the kernel: each is cleaned and resolved as a value first, inside a
view of what the layer has brought so far (OCI image spec, layer.md "Applying Changesets"). Its
symlinks, hard links and ``..`` therefore lead nowhere but into the layer itself, as with a tar
that is unpacked in a root of its own.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn

from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, BuildError, StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry, Toc
from mkbuild.snapshot import contents, xattrs
from mkbuild.snapshot.compression import open_decompressed
from mkbuild.snapshot.readahead import ReadAhead
from mkbuild.snapshot.tarreader import Header, TarReader
from mkbuild.snapshot.treewriter import TreeWriter

_TYPES = {
    "0": toc.FILE,
    "7": toc.FILE,
    "2": toc.SYMLINK,
    "3": toc.CHAR,
    "4": toc.BLOCK,
    "5": toc.DIRECTORY,
    "6": toc.FIFO,
}
_WHITEOUT, _OPAQUE, _AUFS = ".wh.", ".wh..wh..opq", ".wh..wh."
_OWN, _IMPLICIT = "layer", ""
_MAX_NAME = 255
_MAX_LINK = 4095


@dataclass(frozen=True, slots=True)
class Limits:
    """What an archive may be at most: bytes decompressed, entries, bytes of all paths together.

    Directories that an archive leaves out count as entries.
    """

    size: int = 1 << 38
    entries: int = 4_000_000
    names: int = 1 << 29


@dataclass(frozen=True, slots=True)
class LayerContent:
    """What a layer holds.

    ``dependent``: TOC or tree hold something of the base (a hard link to one of its files, a
    directory that the layer leaves out), so the tree is good above this base only.
    """

    toc: Toc
    dependent: bool


Locate = Callable[[Located], Path]
"""Finds the file on this machine that holds a regular file's bytes."""


def unpack(  # noqa: PLR0913 -- what a disk and a base are
    raw: BinaryIO,
    tree: Path | None,
    *,
    base: Index | None = None,
    locate: Locate | None = None,
    limits: Limits | None = None,
    archives: bool = False,
    userxattr: bool = False,
    single_id: bool = False,
) -> tuple[LayerContent, Digest]:
    """Read a (compressed) layer; returns its content and diff ID.

    ``archives``: accept what ADD accepts too (bzip2, xz). Otherwise as :func:`read_layer`.
    """
    limits = limits or Limits()
    blocks = open_decompressed(raw, limit=limits.size, archives=archives)
    with ReadAhead(blocks) as ahead:
        content = read_layer(
            iter(ahead),
            tree,
            base=base,
            locate=locate,
            limits=limits,
            userxattr=userxattr,
            single_id=single_id,
        )
        return content, ahead.digest()


def read_layer(  # noqa: PLR0913 -- what a disk and a base are
    blocks: Iterator[bytes],
    tree: Path | None,
    *,
    base: Index | None = None,
    locate: Locate | None = None,
    limits: Limits | None = None,
    userxattr: bool = False,
    single_id: bool = False,
) -> LayerContent:
    """Read a layer's tar, and write it to ``tree``, an empty directory, in overlay form.

    ``base``: the state below, which gives directories that the layer leaves out their attributes,
    and with ``locate`` the files that it links to; without it, such a link is an error. Raises
    ArchiveError for anything that the archive does wrong, BuildError where the disk gives out.
    """
    if tree is None:
        return _Layer(None, base, locate, limits or Limits()).read(TarReader(blocks))
    try:
        with TreeWriter(tree, userxattr=userxattr, single_id=single_id) as writer:
            return _Layer(writer, base, locate, limits or Limits()).read(TarReader(blocks))
    except OSError as error:
        message = f"cannot unpack a layer: {error}"
        raise BuildError(message) from error


class _Layer:
    """A layer being read."""

    def __init__(
        self, writer: TreeWriter | None, base: Index | None, locate: Locate | None, limits: Limits
    ) -> None:
        self._writer = writer
        self._base = base
        self._locate = locate
        self._limits = limits
        self._view = Index()
        self._view.put(Located(Entry("", toc.DIRECTORY, 0o755), _IMPLICIT, ""))
        self._places: dict[str, str] = {}
        self._whiteouts: dict[str, None] = {}
        self._opaque: dict[str, None] = {}
        self._embedded: dict[str, bytes] = {}
        self._dependent = False
        self._count = 0
        self._names = 0
        self._at = ""

    def read(self, reader: TarReader) -> LayerContent:
        for header in reader:
            self._at = header.name
            self._budget(len(header.name) + len(header.link))
            self._entry(header, reader)
        entries = self._finish()
        if self._writer is not None:
            self._writer.finish()
        embedded = {p: data for p, data in self._embedded.items() if p in self._view}
        return LayerContent(toc.make(entries, embedded), self._dependent)

    def _fail(self, what: str) -> NoReturn:
        message = f"{self._at[:200]!r}: {what}"
        raise ArchiveError(message)

    def _budget(self, length: int) -> None:
        self._count += 1
        self._names += length
        if self._count > self._limits.entries:
            self._fail(f"more than {self._limits.entries} entries")
        if self._names > self._limits.names:
            self._fail(f"more than {self._limits.names} bytes of names")

    def _entry(self, header: Header, reader: TarReader) -> None:
        path = _clean(header.name)
        if not path and header.type != "5":
            self._fail("the root of an archive must be a directory")
        if _WHITEOUT in path and self._marker(path):
            return
        path = self._place(path)
        if header.type == "1":
            self._hardlink(path, _clean(header.link))
            return
        kind = _TYPES[header.type]
        if kind == toc.CHAR and header.device == (0, 0):
            # On disk it would be one.
            self._whiteouts[path] = None
            return
        entry = Entry(
            path,
            kind,
            header.mode if kind != toc.SYMLINK else 0o777,
            header.uid,
            header.gid,
            header.size if kind == toc.FILE else 0,
            header.mtime,
            header.link if kind == toc.SYMLINK else "",
            header.device if kind in {toc.CHAR, toc.BLOCK} else None,
            tuple(pair for pair in header.xattrs if xattrs.kept(pair[0])) if header.xattrs else (),
        )
        self._put(entry, reader.content())

    def _put(self, entry: Entry, content: Iterable[bytes | memoryview]) -> None:
        """Set a path, replacing what is there; ``content`` is read for regular files only."""
        path, writer = entry.path, self._writer
        old = self._view.get(path)
        both = old is not None and old.entry.type == entry.type == toc.DIRECTORY
        if old is not None and not both:
            self._remove(path)
        if entry.type == toc.DIRECTORY:
            if writer is not None:
                writer.directory(entry, exists=both)
        elif entry.type == toc.FILE:
            entry = self._file(entry, content)
        else:
            if entry.type == toc.SYMLINK:
                if not 0 < len(os.fsencode(entry.link)) <= _MAX_LINK:
                    self._fail("a symlink whose target is empty or too long")
                self._places.clear()
            if writer is not None:
                writer.special(entry)
        self._view.put(Located(entry, _OWN, str(self._count)))

    def _file(self, entry: Entry, content: Iterable[bytes | memoryview]) -> Entry:
        hashed = hashlib.sha256()
        embedded: bytearray | None = bytearray() if toc.embeds(entry) else None
        fd = None if self._writer is None else self._writer.create(entry.path, entry.mode)
        try:
            for piece in content:
                hashed.update(piece)
                if embedded is not None:
                    embedded += piece
                if fd is not None:
                    contents.write(fd, piece)
            if self._writer is not None and fd is not None:
                sealed, fd = fd, None
                self._writer.seal(sealed, entry)
        finally:
            if fd is not None:
                os.close(fd)
        if embedded is not None:
            self._embedded[entry.path] = bytes(embedded)
        return entry._replace(content=hashed.digest())

    def _remove(self, path: str) -> None:
        self._view.remove(path)
        self._embedded.pop(path, None)
        self._places.clear()
        if self._writer is not None:
            self._writer.remove(path)

    def _hardlink(self, path: str, target: str) -> None:
        """Make a path another name of an entry of this layer, or a copy of one of the base."""
        leader = self._resolve(target, follow_last=False)
        if leader == path and leader in self._view:
            return
        found = self._view.get(leader)
        if found is None or found.origin == _IMPLICIT:
            self._foreign(path, target)
            return
        if found.entry.type == toc.DIRECTORY:
            self._fail("a hard link to a directory")
        if path in self._view:
            if leader.startswith(path + "/"):
                self._fail("a hard link that replaces the directory its target is in")
            self._remove(path)
        if found.entry.type == toc.SYMLINK:
            self._places.clear()
        self._view.put(found._replace(entry=found.entry._replace(path=path)))
        if leader in self._embedded:
            self._embedded[path] = self._embedded[leader]
        if self._writer is not None:
            self._writer.link(path, leader)

    def _foreign(self, path: str, target: str) -> None:
        below = None
        if self._base is not None:
            try:
                below = self._base.get(self._base.resolve(target, follow_last=False))
            except StepError as error:
                self._fail(error.message)
        if below is None or below.entry.type == toc.DIRECTORY:
            self._fail(f"a hard link to {target!r}, which does not exist")
        self._dependent = True
        entry = below.entry._replace(path=path)
        if entry.type != toc.FILE:
            self._put(entry, ())
        elif self._locate is not None:
            self._put(entry, contents.pieces(contents.open_file(self._locate(below)), entry.size))
        elif self._writer is None and entry.content is not None:
            if path in self._view:
                self._remove(path)
            self._view.put(Located(entry, _OWN, str(self._count)))
        else:
            self._fail(f"a hard link to {target!r} of another layer")

    def _marker(self, path: str) -> bool:
        """Take a whiteout or opaque marker; returns False for an ordinary name."""
        parts = path.split("/")
        name = parts.pop()
        if any(part.startswith(_AUFS) for part in parts):
            return True
        if any(part.startswith(_WHITEOUT) for part in parts):
            self._fail("a whiteout that holds entries")
        if not name.startswith(_WHITEOUT):
            return False
        if name.startswith(_AUFS):
            # Aufs's own files (.wh..wh.plnk and others) say nothing here.
            if name == _OPAQUE:
                self._opaque[self._resolve("/".join(parts))] = None
            return True
        if name[len(_WHITEOUT) :] in {"", ".", ".."}:
            self._fail("a whiteout of nothing, or of a directory itself")
        parent = self._resolve("/".join(parts))
        hidden = name[len(_WHITEOUT) :]
        self._whiteouts[f"{parent}/{hidden}" if parent else hidden] = None
        return True

    def _resolve(self, path: str, *, follow_last: bool = True) -> str:
        try:
            return self._view.resolve(path, follow_last=follow_last)
        except StepError as error:
            self._fail(error.message)

    def _place(self, path: str) -> str:
        """Return where a cleaned path lies, symlinks of its parents followed, parents made."""
        if len(path) * 4 > _MAX_NAME and any(
            len(part) > _MAX_NAME for part in os.fsencode(path).split(b"/")
        ):
            self._fail("a name longer than 255 bytes")
        parent, slash, name = path.rpartition("/")
        if not slash:
            return path
        place = self._places.get(parent)
        if place is None:
            place = self._resolve(parent)
            self._make(place)
            self._places[parent] = place
        return f"{place}/{name}" if place else name

    def _make(self, path: str) -> None:
        """Make the directories that the archive leaves out, like those of the base."""
        missing = []
        while True:
            found = self._view.get(path)
            if found is not None:
                break
            missing.append(path)
            path = path.rpartition("/")[0]
        if found.entry.type != toc.DIRECTORY:
            self._fail(f"{path!r} is no directory")
        for step in reversed(missing):
            self._budget(len(step))
            entry = Entry(step, toc.DIRECTORY, 0o755)
            below = None if self._base is None else self._base.get(step)
            if below is not None and below.entry.type == toc.DIRECTORY:
                entry = below.entry._replace(opaque=False)
                self._dependent |= entry[2:5] != (0o755, 0, 0) or bool(entry.xattrs)
            self._view.put(Located(entry, _IMPLICIT, step))
            if self._writer is not None:
                self._writer.directory(entry)

    def _finish(self) -> list[Entry]:
        """Return the entries, markers included, and put those on disk."""
        self._at = "markers"
        hidden = [path for path in self._whiteouts if self._hides(path)]
        for path in self._opaque:
            if path:
                self._mark(path)
            elif self._base is not None:
                # Overlayfs does not look for the mark on a layer's root.
                names = self._base.children("")
                hidden += [n for n in names if n not in self._view and n not in self._whiteouts]
                self._dependent = True
        for path in hidden:
            self._hide(path)
        leaders: dict[str, str] = {}
        entries = [Entry(path, toc.WHITEOUT) for path in hidden]
        for entry, origin, inode in self._view.walk():
            if origin == _IMPLICIT:
                continue
            leader = leaders.setdefault(inode, entry.path)
            entries.append(
                entry if leader == entry.path else Entry(entry.path, toc.HARDLINK, link=leader)
            )
        return entries

    def _hides(self, path: str) -> bool:
        """Whether a whiteout is kept: one of what the layer itself brings is a replacement."""
        parent = path
        found = self._view.get(path)
        while found is None:
            parent = parent.rpartition("/")[0]
            found = self._view.get(parent)
        if found.entry.type != toc.DIRECTORY:
            return False
        if parent == path:
            self._opaque[path] = None
            return False
        return True

    def _mark(self, path: str) -> None:
        """Make a directory opaque."""
        found = self._view.get(path)
        if found is None:
            try:
                self._make(path)
            except ArchiveError:
                # Below something that is no directory: the layer itself hides it all.
                return
            found = self._view.get(path)
        if found is None or found.entry.type != toc.DIRECTORY:
            return
        entry = found.entry._replace(opaque=True)
        self._view.put(Located(entry, _OWN, found.inode if found.origin else f"/{path}"))
        if self._writer is not None:
            self._writer.directory(entry, exists=True)

    def _hide(self, path: str) -> None:
        """Put a whiteout on disk; where the base has no such directory, it hides nothing."""
        parent = path.rpartition("/")[0]
        if parent not in self._view:
            if self._base is not None:
                below = self._base.get(parent)
                if below is None or below.entry.type != toc.DIRECTORY:
                    self._dependent = True
                    return
            self._make(parent)
        if self._writer is not None:
            self._writer.whiteout(path)


def _clean(name: str) -> str:
    """Make a path relative, without ``.``, ``..`` or empty parts; ``..`` stops at the root."""
    name = name.rstrip("/")
    if not name or (name[0] not in "./" and "//" not in name and "/." not in name):
        return name
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)
