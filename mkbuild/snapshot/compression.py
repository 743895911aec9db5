"""Compressed streams, told apart by their magic, decompressed in bounded memory."""

import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from mkbuild.errors import ArchiveError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
"""Most bytes of a decompressed block."""

_CHUNK = 1 << 20
_GZIP, _ZSTD, _BZIP2, _XZ = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh", b"\xfd7zXZ\0"
_SKIPPABLE = tuple(bytes([n]) + b"\x2a\x4d\x18" for n in range(0x50, 0x60))
_MEMORY = 1 << 27
"""Most memory that a decompressor may want: zstd's window, xz's dictionary."""


class _Decompressor(Protocol):
    """What igzip, bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def open_decompressed(raw: BinaryIO, *, limit: int, archives: bool = False) -> Iterator[bytes]:
    """Yield a stream's decompressed blocks, none over :data:`BLOCK`.

    gzip (any number of members; what follows them is ignored), zstd and plain; with ``archives``
    also bzip2 and xz. Raises ArchiveError where it is damaged or cut off, or where there are more
    than ``limit`` bytes.
    """
    total = 0
    for block in _open(raw, archives=archives):
        total += len(block)
        if total > limit:
            message = f"more than {limit} bytes when decompressed"
            raise ArchiveError(message, hint="raise the limit if this archive is to be trusted")
        yield block


def _open(raw: BinaryIO, *, archives: bool) -> Iterator[bytes]:
    head = raw.read(_CHUNK)
    while head and len(head) < len(_XZ):
        more = raw.read(_CHUNK)
        if not more:
            break
        head += more
    if head.startswith(_GZIP):
        from isal import igzip_lib

        make = lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP)  # noqa: E731
        return _members(raw, head, _GZIP, make, cast("type[Exception]", igzip_lib.IsalError))
    if head.startswith((_ZSTD, *_SKIPPABLE)):
        return _zstd(raw, head)
    if archives and head.startswith(_BZIP2):
        import bz2

        return _members(raw, head, _BZIP2, bz2.BZ2Decompressor, OSError, ValueError)
    if archives and head.startswith(_XZ):
        import lzma

        unpack = lambda: lzma.LZMADecompressor(memlimit=_MEMORY)  # noqa: E731
        return _members(raw, head, _XZ, unpack, lzma.LZMAError)
    return _plain(raw, head)


def _plain(raw: BinaryIO, head: bytes) -> Iterator[bytes]:
    while head:
        yield head
        head = raw.read(BLOCK)


def _members(
    raw: BinaryIO,
    data: bytes,
    magic: bytes,
    make: Callable[[], _Decompressor],
    *errors: type[Exception],
) -> Iterator[bytes]:
    caught: tuple[type[Exception], ...] = (EOFError, MemoryError, *errors)
    while data.startswith(magic):
        member = make()
        while not member.eof:
            if member.needs_input:
                chunk = data or raw.read(_CHUNK)
                data = b""
                if not chunk:
                    raise ArchiveError("compressed data that ends too early")
            else:
                chunk = b""
            try:
                block = member.decompress(chunk, BLOCK)
            except caught as error:
                message = f"compressed data that cannot be read: {error}"
                raise ArchiveError(message) from error
            if block:
                yield block
        data = member.unused_data
        while len(data) < len(magic):
            more = raw.read(_CHUNK)
            if not more:
                return
            data += more


_SENTINEL = b"\xa5" * 4096


class _Sentinel(io.RawIOBase):
    """A file with one frame more at its end.

    zstandard's reader takes a frame that is cut off for the end of the data. Where the last frame
    is whole, this one comes out behind it; where it is not, it cannot.
    """

    def __init__(self, raw: BinaryIO, head: bytes, frame: bytes) -> None:
        super().__init__()
        self._raw, self._head, self._frame = raw, head, frame

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        size = len(memoryview(buffer))
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
        else:
            data = self._raw.read(size)
            if not data:
                data, self._frame = self._frame[:size], self._frame[size:]
        memoryview(buffer)[: len(data)] = data
        return len(data)


def _zstd(raw: BinaryIO, head: bytes) -> Iterator[bytes]:
    import zstandard

    frame = zstandard.ZstdCompressor().compress(_SENTINEL)
    source = io.BufferedReader(_Sentinel(raw, head, frame), _CHUNK)
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MEMORY)
    reader = decompressor.stream_reader(
        source,
        read_size=_CHUNK,
        read_across_frames=True,
    )
    held = b""
    while True:
        try:
            block = reader.read(BLOCK - len(_SENTINEL))
        except (zstandard.ZstdError, MemoryError) as error:
            message = f"compressed data that cannot be read: {error}"
            raise ArchiveError(message) from error
        if not block:
            break
        held += block
        if len(held) > len(_SENTINEL):
            yield held[: -len(_SENTINEL)]
            held = held[-len(_SENTINEL) :]
    if held != _SENTINEL:
        raise ArchiveError("compressed data that ends too early")
