"""ADD of a local archive: its entries, placed into a state (BuildKit's unpacking, as values).

The destination is the archive's root: names, symlinks and hard links lead nowhere but into it. No
name of an archive reaches the kernel; contents are spooled to files with numbers for names.
"""

import hashlib
import posixpath
import struct
from collections.abc import Iterable
from pathlib import Path
from typing import NoReturn

from mkbuild.errors import ArchiveError
from mkbuild.execute.copy import DIRECTORY_MODE, Attributes, Destination
from mkbuild.execute.place import MAX_NAME, Placer
from mkbuild.execute.select import CAPABILITY, normalize
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Source
from mkbuild.filesystem.index import MAX_LINKS, Located
from mkbuild.filesystem.source import SourceTree
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot.compression import open_decompressed
from mkbuild.snapshot.layerview import Limits
from mkbuild.snapshot.tarreader import BLOCK, Header, TarReader

_TYPES = {
    "0": toc.FILE,
    "7": toc.FILE,
    "2": toc.SYMLINK,
    "3": toc.CHAR,
    "4": toc.BLOCK,
    "5": toc.DIRECTORY,
    "6": toc.FIFO,
}
_MAX_PATH = 4095
_SMALL, _IN_MEMORY = 1 << 14, 1 << 26
"""Files up to the first size stay in memory, up to the second of all together."""
_CHECKSUM = slice(148, 156)


def limit_for(compressed: int) -> int:
    """Bytes that an archive of a size may decompress to: room for all but what is made to burst."""
    return min(Limits().size, max(1 << 32, compressed << 8))


def is_archive(path: Path) -> bool:
    """Whether a file begins, once decompressed, with the header of a tar entry.

    So an empty tar is none, nor is one of another format, however it is compressed.
    """
    head = b""
    try:
        with path.open("rb") as raw:
            for block in open_decompressed(raw, limit=Limits().size, archives=True):
                head += block
                if len(head) >= BLOCK:
                    break
    except ArchiveError:
        # What cannot be decompressed is a file like any other.
        return False
    if len(head) < BLOCK:
        return False
    head = head[:BLOCK]
    stored = head[_CHECKSUM].strip(b" \0")
    if not stored or stored.strip(b"01234567"):
        return False
    summed = head[: _CHECKSUM.start] + b" " * 8 + head[_CHECKSUM.stop :]
    # Old writers summed signed bytes.
    return int(stored, 8) in {sum(summed), sum(struct.unpack(f"{BLOCK}b", summed))}


def unpack(  # noqa: PLR0913 -- what a state, an archive and their places are
    placer: Placer,
    path: Path,
    destination: Destination,
    attributes: Attributes,
    *,
    scratch: Path,
    parent: SourceTree | None,
) -> None:
    """Unpack an archive.

    ``scratch``: where contents are kept. ``parent``: has the files of the state below that the
    archive may link to. The destination is made where it is missing. --chown is the owner of every
    entry; --chmod does not count. Raises ArchiveError for anything that the archive does wrong.
    """
    root = placer.view.resolve(destination.path)
    placer.make_directories(root, DIRECTORY_MODE, attributes.parent_ids)
    unpacking = _Unpacking(placer, root, attributes, _Spool(scratch), parent)
    limit = limit_for(path.stat().st_size)
    with path.open("rb") as raw:
        reader = TarReader(open_decompressed(raw, limit=limit, archives=True))
        for header in reader:
            unpacking.entry(header, reader)


def _capability(header: Header) -> tuple[tuple[str, bytes], ...]:
    return tuple(pair for pair in header.xattrs if pair[0] == CAPABILITY)


class _Spool:
    """Keeps contents: small ones in memory, others in a directory of ours."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._number = sum(1 for _ in directory.iterdir())
        self._memory = 0

    def keep(self, pieces: Iterable[memoryview], size: int) -> tuple[bytes, Source]:
        """Read a content to its end; return its digest and its place."""
        if size <= _SMALL and self._memory + size <= _IN_MEMORY:
            data = b"".join(pieces)
            self._memory += len(data)
            return hashlib.sha256(data).digest(), data
        self._number += 1
        path = self._directory / str(self._number)
        hashed = hashlib.sha256()
        with path.open("xb") as file:
            for piece in pieces:
                hashed.update(piece)
                file.write(piece)
        return hashed.digest(), str(path)


class _Unpacking:
    """One archive on its way into a state."""

    def __init__(
        self,
        placer: Placer,
        root: str,
        attributes: Attributes,
        spool: _Spool,
        parent: SourceTree | None,
    ) -> None:
        self._placer = placer
        self._root = root
        self._attributes = attributes
        self._spool = spool
        self._parent = parent
        self._limits = Limits()
        self._count = self._bytes = 0
        self._at = ""

    def entry(self, header: Header, reader: TarReader) -> None:
        """Place one entry; an earlier one of the same name is replaced."""
        self._at = header.name
        self._budget(header)
        name = normalize(header.name)
        if not name:
            self._top(header)
            return
        directory, _, last = name.rpartition("/")
        path = posixpath.join(self._directory(directory), last)
        self._check_name(path)
        kind = self._placer.type(path)
        if kind is not None and not (kind == toc.DIRECTORY and header.type == "5"):
            self._placer.remove(path)
            # It may have been the link that led here.
            self._directory(directory, make=False)
        if header.type == "1":
            self._link(header, path)
            return
        entry = self._entry(header, path)
        if entry.type == toc.FILE:
            content, source = self._spool.keep(reader.content(), header.size)
            self._placer.put(entry._replace(content=content), source)
        else:
            self._placer.put(entry)

    def _fail(self, what: str) -> NoReturn:
        raise ArchiveError(f"{self._at[:200]!r}: {what}")

    def _spend(self, length: int) -> None:
        self._count += 1
        self._bytes += length
        if self._count > self._limits.entries or self._bytes > self._limits.names:
            self._fail("the archive has too many entries")

    def _budget(self, header: Header) -> None:
        self._spend(len(header.name) + len(header.link))
        if len(header.link.encode("utf-8", "surrogateescape")) > _MAX_PATH:
            self._fail("the target of a link is too long")
        if len(header.name) > _MAX_PATH:
            self._fail("a name is too long")

    def _top(self, header: Header) -> None:
        """Take the archive's root, which must not be a link.

        Written as ``./`` (or not at all) it leaves the destination as it is, as ``/`` it does not.
        """
        if header.type in {"1", "2"}:
            self._fail("the root of an archive must be a directory")
        if header.name.startswith("/"):
            if header.type != "5":
                self._fail("the root of an archive must be a directory")
            self._placer.put(self._entry(header, self._root))

    def _entry(self, header: Header, path: str) -> Entry:
        kind = _TYPES[header.type]
        attributes = self._attributes
        return Entry(
            path,
            kind,
            0o777 if kind == toc.SYMLINK else header.mode,
            *(attributes.ids or (header.uid, header.gid)),
            header.size if kind == toc.FILE else 0,
            attributes.times.of(max(0, header.mtime), context=False),
            header.link if kind == toc.SYMLINK else "",
            header.device if kind in {toc.CHAR, toc.BLOCK} else None,
            _capability(header),
        )

    def _directory(self, name: str, *, make: bool = True) -> str:
        """Follow a directory's name inside the root; what is missing is made, 0755 root.

        Nothing is made behind a symlink: there it would be missing for a process, too.
        """
        todo = [(part, make) for part in reversed(name.split("/"))]
        done: list[str] = []
        links = 0
        while todo:
            part, may_make = todo.pop()
            if part == "..":
                del done[-1:]
            elif part not in {"", "."}:
                link = self._step(posixpath.join(self._root, *done, part), make=may_make)
                if link is None:
                    done.append(part)
                    continue
                links += 1
                if links > MAX_LINKS:
                    self._fail("too many levels of symbolic links")
                if link.startswith("/"):
                    done.clear()
                todo.extend((step, False) for step in reversed(link.split("/")))
        return posixpath.join(self._root, *done)

    def _step(self, place: str, *, make: bool) -> str | None:
        """Go into one directory; return where a symlink leads instead."""
        self._check_name(place)
        found = self._placer.view.get(place)
        if found is None:
            if not make:
                self._fail(f"/{place} does not exist")
            self._spend(len(place))
            self._placer.make_directories(place, DIRECTORY_MODE, (0, 0))
        elif found.entry.type == toc.SYMLINK:
            return found.entry.link
        elif found.entry.type != toc.DIRECTORY:
            self._fail(f"/{place} is not a directory")
        return None

    def _check_name(self, path: str) -> None:
        encoded = path.encode("utf-8", "surrogateescape")
        if len(encoded) > _MAX_PATH or len(encoded.rpartition(b"/")[2]) > MAX_NAME:
            self._fail("a name is too long")

    def _link(self, header: Header, path: str) -> None:
        """Give a file another name; the header's attributes become those of all its names."""
        directory, _, last = normalize(header.link).rpartition("/")
        target = posixpath.join(self._directory(directory, make=False), last)
        found = self._placer.view.get(target)
        if found is None:
            self._fail(f"there is no /{target} to link to")
        old = found.entry
        if old.type == toc.DIRECTORY:
            self._fail(f"a hard link to the directory /{target}")
        attributes = self._attributes
        uid, gid = attributes.ids or (header.uid, header.gid)
        if old.type == toc.SYMLINK:
            self._placer.put(old._replace(path=path, uid=uid, gid=gid))
            return
        entry = old._replace(
            mode=header.mode,
            uid=uid,
            gid=gid,
            mtime=attributes.times.of(max(0, header.mtime), context=False),
            xattrs=_capability(header),
        )
        if not self._placer.has_put(target):
            self._take_over(entry, found)
        elif entry != old:
            self._placer.change(entry)
        self._placer.link(path, target)

    def _take_over(self, entry: Entry, found: Located) -> None:
        """Put a file of the state below, with new attributes, so that it can be linked to."""
        if self._parent is None:
            self._fail(f"links to /{entry.path}, whose bytes are not at hand")
        content = entry.content or self._parent.digests([found])[0]
        self._placer.put(entry._replace(content=content), self._parent.source(found))
