"""Reads tar streams of any origin: v7, ustar, GNU long names, PAX (POSIX.1-2001 pax(1)).

Nothing but ArchiveError is raised for what a stream holds, and no header makes it hold more than
a megabyte. GNU sparse files are refused, as BuildKit refuses them.
"""

import struct
from collections.abc import Iterator
from typing import NamedTuple, NoReturn
from zlib import adler32

from mkbuild.errors import ArchiveError

BLOCK = 512
EXTENDED_LIMIT = 1 << 20
"""Most bytes of an extended header or a long name."""

_FIELDS = struct.Struct("100s8s8s8s12s12s8sc100s6s2s32s32s8s8s155s12x")
_HEADER_ONLY = frozenset("123456")
_KNOWN = frozenset("01234567")
_MAX_ID = (1 << 32) - 2
_MAX_TIME = 1 << 34
_MAX_MAJOR, _MAX_MINOR = (1 << 12) - 1, (1 << 20) - 1
_DIGITS = 20
_XATTR = b"SCHILY.xattr."
_IDENTITY = frozenset({b"path", b"linkpath", b"size"})
_ZERO = bytes(BLOCK)


class Header(NamedTuple):
    """One entry of a tar. Names as the archive has them; ``offset``: where its header begins."""

    name: str
    type: str
    mode: int
    uid: int
    gid: int
    size: int
    mtime: int
    link: str
    device: tuple[int, int]
    xattrs: tuple[tuple[str, bytes], ...]
    offset: int


def _sum(data: bytes) -> int:
    """Sum up to 512 bytes: the low half of an Adler-32 is a sum and one, modulo 65521."""
    return (adler32(data[:256]) & 0xFFFF) + (adler32(data[256:]) & 0xFFFF) - 2


class TarReader:
    """Headers of a tar stream; :meth:`content` is the content of the one that came last."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        """Read from blocks of any size."""
        self._blocks = blocks
        self._buffer = b""
        self._at = 0
        self._base = 0
        self._left = 0
        self._padding = 0
        self._globals: dict[bytes, bytes] = {}

    @property
    def offset(self) -> int:
        """Bytes consumed."""
        return self._base + self._at

    def _fail(self, what: str) -> NoReturn:
        message = f"tar: {what} at byte {self.offset}"
        raise ArchiveError(message)

    def _fill(self) -> bool:
        """Get the next block once the buffer is used up; False at the end."""
        for block in self._blocks:
            if block:
                self._base += len(self._buffer)
                self._buffer, self._at = block, 0
                return True
        return False

    def _take(self, size: int) -> bytes:
        """Return exactly so many bytes."""
        end = self._at + size
        if end <= len(self._buffer):
            data = self._buffer[self._at : end]
            self._at = end
            return data
        parts = []
        while size:
            if self._at == len(self._buffer) and not self._fill():
                self._fail("it ends too early")
            part = self._buffer[self._at : self._at + size]
            self._at += len(part)
            size -= len(part)
            parts.append(part)
        return b"".join(parts)

    def content(self) -> Iterator[memoryview]:
        """Yield the content of the current entry in pieces; what is not asked for is skipped."""
        while self._left:
            if self._at == len(self._buffer) and not self._fill():
                self._fail("it ends too early")
            piece = memoryview(self._buffer)[self._at : self._at + self._left]
            self._at += len(piece)
            self._left -= len(piece)
            yield piece

    def _skip(self) -> None:
        if self._left:
            for _ in self.content():
                pass
        if self._padding:
            self._take(self._padding)
            self._padding = 0

    def __iter__(self) -> Iterator[Header]:
        """Yield the headers to the end of the archive."""
        extended: dict[bytes, bytes] = {}
        while True:
            self._skip()
            if self._at == len(self._buffer) and not self._fill():
                # As Go and GNU tar do: the two blocks of zeros may be missing.
                if extended:
                    self._fail("it ends after an extended header")
                return
            offset = self.offset
            block = self._take(BLOCK)
            if block == _ZERO:
                self._end(extended)
                return
            fields = self._unpack(block)
            kind = fields[7].decode("latin-1")
            if kind in "xgLK":
                self._extend(kind, fields, extended)
                continue
            yield self._header(kind, fields, extended, offset)
            extended = {}

    def _end(self, extended: dict[bytes, bytes]) -> None:
        if extended:
            self._fail("it ends after an extended header")
        if (self._at < len(self._buffer) or self._fill()) and self._take(BLOCK) != _ZERO:
            self._fail("a lone block of zeros")

    def _unpack(self, block: bytes) -> tuple[bytes, ...]:
        fields: tuple[bytes, ...] = _FIELDS.unpack(block)
        stored = self._number(fields[6], "checksum")
        field = fields[6]
        if stored != _sum(block) - _sum(field) + 256:
            # Old writers summed signed bytes.
            signed = sum(struct.unpack("512b", block)) - sum(struct.unpack("8b", field)) + 256
            if stored != signed:
                self._fail("a header whose checksum is wrong")
        return fields

    def _number(self, field: bytes, what: str) -> int:
        """Read an octal or base-256 number."""
        text = field.rstrip(b"\0 ")
        if text.strip(b"01234567"):
            if field[0] & 0x80:
                value = int.from_bytes(field, "big")
                bits = 8 * len(field)
                return value - (1 << bits) if field[0] & 0x40 else value - (1 << (bits - 1))
            text = field.partition(b"\0")[0].strip(b" ")
            if text.strip(b"01234567"):
                self._fail(f"a {what} that is no number")
        return int(text, 8) if text else 0

    def _extend(self, kind: str, fields: tuple[bytes, ...], extended: dict[bytes, bytes]) -> None:
        size = self._number(fields[4], "size")
        if not 0 <= size <= EXTENDED_LIMIT:
            self._fail(f"an extended header of {size} bytes")
        data = self._take(size)
        self._padding = -size % BLOCK
        match kind:
            case "L":
                extended[b"path"] = data.partition(b"\0")[0]
            case "K":
                extended[b"linkpath"] = data.partition(b"\0")[0]
            case "x":
                extended.update(self._records(data))
            case _:
                records = self._records(data)
                # One name for every entry that follows would be no archive.
                self._globals.update({k: v for k, v in records.items() if k not in _IDENTITY})
                if sum(map(len, self._globals.values())) > EXTENDED_LIMIT:
                    self._fail("too many global headers")

    def _records(self, data: bytes) -> dict[bytes, bytes]:
        """Read pax records: length, space, key, ``=``, value, newline; it counts all of them."""
        records: dict[bytes, bytes] = {}
        at = 0
        while at < len(data):
            space = data.find(b" ", at, at + 9)
            digits = data[at:space] if space > at else b""
            if not digits.isdigit():
                if not data[at:].strip(b"\0"):
                    break
                self._fail("a pax record without a length")
            end = at + int(digits)
            record = data[space + 1 : end]
            key, equals, value = record[:-1].partition(b"=")
            if end > len(data) or end <= space + 1 or record[-1:] != b"\n" or not equals or not key:
                self._fail("a pax record that is malformed")
            if key.startswith(b"GNU.sparse."):
                self._fail("a sparse file, which is not supported,")
            records[key] = value
            at = end
        return records

    def _header(
        self, kind: str, fields: tuple[bytes, ...], own: dict[bytes, bytes], offset: int
    ) -> Header:
        if kind not in _KNOWN and kind != "\0":
            self._fail(
                "a sparse file, which is not supported,"
                if kind == "S"
                else f"an entry of the unknown type {kind!r}"
            )
        pax = {**self._globals, **own} if self._globals else own
        name, link = fields[0].partition(b"\0")[0], fields[8].partition(b"\0")[0]
        # GNU's magic is "ustar  ": it keeps other things where ustar has the prefix.
        if fields[9] == b"ustar\0" and fields[15][0]:
            name = fields[15].partition(b"\0")[0] + b"/" + name
        name = pax.get(b"path") or name
        link = pax.get(b"linkpath") or link
        if b"\0" in name or b"\0" in link:
            self._fail("a name with a NUL")
        kind = "0" if kind in "\x007" else kind
        if kind == "0" and name.endswith(b"/"):
            kind = "5"
        size = 0
        if kind not in _HEADER_ONLY:
            size = (
                self._whole(pax.get(b"size"))
                if pax.get(b"size")
                else self._number(fields[4], "size")
            )
            if size < 0:
                self._fail("a negative size")
        self._left, self._padding = size, -size % BLOCK
        return Header(
            name.decode("utf-8", "surrogateescape"),
            kind,
            self._number(fields[1], "mode") & 0o7777,
            self._id(pax.get(b"uid"), fields[2], "uid"),
            self._id(pax.get(b"gid"), fields[3], "gid"),
            size,
            self._time(pax.get(b"mtime"), fields[5]),
            link.decode("utf-8", "surrogateescape"),
            self._device(fields) if kind in "34" else (0, 0),
            self._xattrs(pax) if pax else (),
            offset,
        )

    def _whole(self, text: bytes | None) -> int:
        if text is None or not text.isdigit() or len(text) > _DIGITS:
            self._fail("a pax number that is none")
        return int(text)

    def _id(self, pax: bytes | None, field: bytes, what: str) -> int:
        value = self._whole(pax) if pax else self._number(field, what)
        if not 0 <= value <= _MAX_ID:
            self._fail(f"a {what} out of range")
        return value

    def _time(self, pax: bytes | None, field: bytes) -> int:
        """Whole seconds, rounded down; what no filesystem can hold becomes 0, as in containerd."""
        if pax:
            whole, _, fraction = pax.partition(b".")
            digits = whole.removeprefix(b"-")
            if (
                not digits.isdigit()
                or len(digits) > _DIGITS
                or (fraction and not fraction.isdigit())
            ):
                self._fail("a pax time that is none")
            value = int(whole)
            if whole.startswith(b"-") and fraction.strip(b"0"):
                value -= 1
        else:
            value = self._number(field, "time")
        return value if -_MAX_TIME < value < _MAX_TIME else 0

    def _device(self, fields: tuple[bytes, ...]) -> tuple[int, int]:
        major = self._number(fields[13], "device")
        minor = self._number(fields[14], "device")
        if not (0 <= major <= _MAX_MAJOR and 0 <= minor <= _MAX_MINOR):
            self._fail("a device out of range")
        return major, minor

    def _xattrs(self, pax: dict[bytes, bytes]) -> tuple[tuple[str, bytes], ...]:
        return tuple(
            sorted(
                (key[len(_XATTR) :].decode("utf-8", "surrogateescape"), value)
                for key, value in pax.items()
                if key.startswith(_XATTR)
            )
        )
