"""Writes canonical tars: ustar headers, pax records only where ustar cannot say it (pax(1)).

The same diff is the same bytes: entries in the order of the TOC, no names of owners, records
sorted by key, no field that depends on the machine. ``tarfile`` costs 0.3 ms an entry; a header
that is packed by hand, some microseconds.
"""

import hashlib
import operator
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from mkbuild.errors import StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, Identity, Settled, Source, identity
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot import contents

_MAGIC = b"ustar\x0000"
_NO_SUM = 8 * ord(" ")
"""What the checksum counts in its own place."""
_TYPES = {
    toc.FILE: b"0",
    toc.WHITEOUT: b"0",
    toc.HARDLINK: b"1",
    toc.SYMLINK: b"2",
    toc.CHAR: b"3",
    toc.BLOCK: b"4",
    toc.DIRECTORY: b"5",
    toc.FIFO: b"6",
}
_NAME, _PREFIX = 100, 155
_COALESCE = 1 << 16
_SMALL = 1 << 18
"""Bytes below which a file is read in one piece: a generator each costs as much as the reading."""
_END = bytes(1024)


def stream(diff: Diff) -> Iterator[bytes]:
    """Yield the tar of a diff in pieces of any size (small ones are joined).

    Raises StepError where a regular file's bytes are not those the TOC names, or where it is gone.
    Files are read a megabyte at a time.
    """
    parts: list[bytes] = []
    length = 0
    for entry in diff.toc.entries:
        head = headers(entry)
        parts.append(head)
        length += len(head)
        if entry.type == toc.FILE and entry.size:
            for piece in content(entry, diff.sources):
                parts.append(piece)
                length += len(piece)
                if length >= _COALESCE:
                    yield b"".join(parts)
                    parts, length = [], 0
            padding = -entry.size % 512
            if padding:
                parts.append(bytes(padding))
                length += padding
        if length >= _COALESCE:
            yield b"".join(parts)
            parts, length = [], 0
    parts.append(_END)
    yield b"".join(parts)


def headers(entry: Entry) -> bytes:
    """Return all header blocks of an entry; an opaque directory's marker follows it."""
    path = _encode(entry.path) if entry.path else b"."
    if entry.type == toc.WHITEOUT:
        directory, slash, name = path.rpartition(b"/")
        return _header(directory + slash + b".wh." + name, Entry(entry.path, toc.WHITEOUT))
    if entry.type == toc.DIRECTORY:
        head = _header(path + b"/", entry)
        if entry.opaque:
            head += _header(path + b"/.wh..wh..opq", Entry(entry.path, toc.WHITEOUT))
        return head
    return _header(path, entry)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _header(path: bytes, entry: Entry) -> bytes:
    records: dict[bytes, bytes] = {}
    name, prefix = _split(path)
    if name is None:
        records[b"path"] = path
        name = path[:_NAME]
    link = b""
    if entry.link:
        link = _encode(entry.link)
        if len(link) > _NAME or not link.isascii():
            records[b"linkpath"] = link
            link = link[:_NAME]
    for key, value in entry.xattrs:
        records[_xattr(key, entry)] = value
    numbers = (entry.mode, entry.uid, entry.gid, entry.size, entry.mtime)
    if any(map(operator.gt, numbers, _MOST)) or entry.mtime < 0:
        numbers = _fitting(numbers, records)
    device = entry.device or (0, 0)
    block = _block((name, prefix), _TYPES[entry.type], numbers, link, device)
    if not records:
        return block
    data = b"".join(_record(key, records[key]) for key in sorted(records))
    pax = _block((b"././@PaxHeader", b""), b"x", (0, 0, 0, len(data), 0))
    return b"".join((pax, data, bytes(-len(data) % 512), block))


_Numbers = tuple[int, int, int, int, int]
"""Mode, uid, gid, size, mtime: the order of ustar."""

_MOST = (0o7777, 0o7777777, 0o7777777, 0o77777777777, 0o77777777777)


def _fitting(numbers: _Numbers, records: dict[bytes, bytes]) -> _Numbers:
    """Move what ustar's octal digits cannot hold to pax records."""
    mode, *rest = numbers
    for i, (key, most) in enumerate(
        zip((b"uid", b"gid", b"size", b"mtime"), _MOST[1:], strict=True)
    ):
        if not 0 <= rest[i] <= most:
            records[key] = b"%d" % rest[i]
            rest[i] = 0
    uid, gid, size, mtime = rest
    return mode, uid, gid, size, mtime


def _block(
    name: tuple[bytes, bytes],
    kind: bytes,
    numbers: _Numbers,
    link: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    front = b"%b%07o\0%07o\0%07o\0%011o\0%011o\0" % (name[0].ljust(_NAME, b"\0"), *numbers)
    back, known = _back(kind, link, device, name[1])
    return b"%b%06o\0 %b" % (front, sum(front) + known, back)


@lru_cache(256)
def _back(kind: bytes, link: bytes, device: tuple[int, int], prefix: bytes) -> tuple[bytes, int]:
    """Return what follows the checksum, most often the same, and its share of the checksum."""
    fields = (kind, link.ljust(_NAME, b"\0"), _MAGIC, bytes(64), *device, prefix.ljust(167, b"\0"))
    back = b"%b%b%b%b%07o\0%07o\0%b" % fields
    return back, sum(back) + _NO_SUM


def _split(path: bytes) -> tuple[bytes | None, bytes]:
    """Split a path over ustar's name and prefix; None where they cannot hold it."""
    if not path.isascii():
        return None, b""
    if len(path) <= _NAME:
        return path, b""
    cut = path.find(b"/", len(path) - _NAME - 1, len(path) - 1)
    if cut <= 0 or cut > _PREFIX:
        return None, b""
    return path[cut + 1 :], path[:cut]


def _xattr(key: str, entry: Entry) -> bytes:
    if "=" in key:
        message = f"/{entry.path}: a tar cannot hold the extended attribute {key!r}"
        raise StepError(message, hint="remove the attribute, or rename it without '='")
    return b"SCHILY.xattr." + _encode(key)


def _record(key: bytes, value: bytes) -> bytes:
    """Return a pax record, whose length counts its own digits."""
    body = len(key) + len(value) + 3
    length = body + len(str(body))
    length = body + len(str(length))
    return b"%d %b=%b\n" % (length, key, value)


def content(entry: Entry, sources: Mapping[bytes, Source]) -> Iterable[bytes]:
    """Return a regular file's bytes, in one piece where it is small.

    Raises StepError where they are not those that its entry names, or are gone.
    """
    assert entry.content is not None  # noqa: S101 -- diffs are made with it
    source = sources.get(entry.content)
    if source is None:
        message = f"/{entry.path}: its content is not at hand"
        raise StepError(message)
    if isinstance(source, bytes):
        # As they were when they were hashed: nobody can change them.
        return (source,)
    place = source if isinstance(source, Settled) else (source, None)
    reading = _Reading(entry, *place)
    return reading.pieces() if entry.size >= _SMALL else (reading.whole(),)


class _Reading:
    """A file being read, which has to be what its entry says: by its identity, else by its bytes.

    To hash a large file once more takes as long as to compress a quarter of it.
    """

    def __init__(self, entry: Entry, path: str, identity: Identity | None) -> None:
        self._entry = entry
        self._path = path
        self._identity = identity

    def whole(self) -> bytes:
        """Read a small file, and a byte more where it has grown."""
        size = self._entry.size
        try:
            fd = contents.open_file(self._path)
            try:
                data = os.read(fd, size + 1)
                # Some filesystems (FUSE) give less than there is.
                while len(data) < size and (more := os.read(fd, size + 1 - len(data))):
                    data += more
                stands = self._stands(fd)
            finally:
                os.close(fd)
        except OSError as error:
            raise self._changed() from error
        if not stands and hashlib.sha256(data).digest() != self._entry.content:
            raise self._changed()
        return data

    def pieces(self) -> Iterator[bytes]:
        """Yield what a large file holds; whoever takes the last piece knows that all were right."""
        try:
            fd = contents.open_file(self._path)
        except OSError as error:
            raise self._changed() from error
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise self._changed()
            hashed = None if self._stands(fd) else hashlib.sha256()
            left = self._entry.size
            for piece in contents.pieces(os.dup(fd), left):
                if hashed is not None:
                    hashed.update(piece)
                left -= len(piece)
                if left < 0:
                    break
                yield piece
            right = self._stands(fd) if hashed is None else hashed.digest() == self._entry.content
            if left or not right:
                raise self._changed()
        finally:
            os.close(fd)

    def _stands(self, fd: int) -> bool:
        """Whether the file is known to be what was hashed."""
        return self._identity is not None and identity(os.fstat(fd)) == self._identity

    def _changed(self) -> StepError:
        message = f"/{self._entry.path} ({self._path}) changed while it was built from"
        return StepError(message, hint="run the build again once nothing writes to it")
