"""Writes a diff as a layer: tar, diff ID, compression, store, side by side on the cores there are.

The tar is cut into blocks of a megabyte, whatever its entries; each is compressed on its own. (With
the 32 KiB before it as dictionary it would be 0.1 % smaller, and take a tenth longer.) So the bytes
of a blob depend on the diff, the compression and the versions of isal, zlib and zstd, never on the
number of threads.
"""

import hashlib
import struct
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, assert_never

from mkbuild.action import LayerRecord
from mkbuild.digest import Digest
from mkbuild.filesystem.diff import Diff
from mkbuild.frozen import frozen
from mkbuild.oci import mediatype
from mkbuild.snapshot import tarwriter
from mkbuild.store.protocol import BlobStore, BlobWriter
from mkbuild.store.tocs import put_toc

if TYPE_CHECKING:
    from concurrent.futures import Future

BLOCK = 1 << 20
_AHEAD = 4
"""Blocks in flight at most, each with its compressed form: what bounds the memory."""

# RFC 1952: no name, no time, an unknown system; no flags, as levels differ by library.
_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"

Algorithm = Literal["gzip", "zstd", "none"]
Level = Literal["speed", "default", "size"]


@frozen
class Compression:
    """How a layer is compressed; part of no key."""

    algorithm: Algorithm = "gzip"
    level: Level = "default"

    @property
    def media_type(self) -> str:
        """Layer media type (OCI image spec, layer.md)."""
        match self.algorithm:
            case "gzip":
                return mediatype.OCI_LAYER_GZIP
            case "zstd":
                return mediatype.OCI_LAYER_ZSTD
            case "none":
                return mediatype.OCI_LAYER
        assert_never(self.algorithm)


_NAMED = {
    "none": Compression("none"),
    "no": Compression("none"),
    "gzip": Compression("gzip"),
    "default": Compression("gzip"),
    "speed": Compression("gzip", "speed"),
    "size": Compression("gzip", "size"),
    "zstd": Compression("zstd"),
    "zstd-speed": Compression("zstd", "speed"),
    "zstd-size": Compression("zstd", "size"),
}


def named(word: str) -> Compression:
    """Return what ``compression:`` means by a word; raises ValueError for others.

    ``no``, ``speed``, ``default`` and ``size`` are Makisu's; ``zstd``, ``zstd-speed`` and
    ``zstd-size`` take the other algorithm.
    """
    found = _NAMED.get(word)
    if found is None:
        message = f"unknown compression {word!r}: one of {', '.join(_NAMED)}"
        raise ValueError(message)
    return found


def write_layer(  # noqa: PLR0913 -- what a layer is made of, and who takes part in it
    diff: Diff,
    store: BlobStore,
    compression: Compression,
    *,
    threads: int = 2,
    follow: Callable[[BlobWriter], None] = lambda _: None,
    toc: Digest | None = None,
) -> LayerRecord:
    """Write a diff's layer into a store, and its TOC beside it.

    ``threads``: how many compress; the bytes do not depend on it. ``follow`` is given the blob
    before its first byte. ``toc``: the TOC's digest, where the store has it already. Raises
    StepError where a source changed while it was read: nothing of the layer is then in the store.
    """
    diff_id = hashlib.sha256()
    blocks = _cut(tarwriter.stream(diff))
    with store.writer() as writer:
        follow(writer)
        match compression.algorithm:
            case "none":
                _copy(blocks, diff_id.update, writer)
            case "gzip":
                _gzip(blocks, diff_id.update, writer, compression.level, threads)
            case "zstd":
                _zstd(blocks, diff_id.update, writer, compression.level)
            case _:
                assert_never(compression.algorithm)
        digest, size = writer.commit()
    return LayerRecord(
        digest,
        size,
        compression.media_type,
        Digest("sha256:" + diff_id.hexdigest()),
        toc or put_toc(store, diff.toc),
    )


def _cut(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Cut a stream into blocks of equal size, the last one shorter."""
    parts: list[bytes | memoryview] = []
    length = 0
    for piece in pieces:
        # A view: to cut a megabyte off would copy it once more.
        rest: bytes | memoryview = piece if length + len(piece) < BLOCK else memoryview(piece)
        while length + len(rest) >= BLOCK:
            cut = BLOCK - length
            parts.append(rest[:cut])
            yield b"".join(parts)
            parts, length, rest = [], 0, rest[cut:]
        if rest:
            parts.append(rest)
            length += len(rest)
    if parts:
        yield b"".join(parts)


def _copy(blocks: Iterable[bytes], update: Callable[[bytes], None], writer: BlobWriter) -> None:
    for block in blocks:
        update(block)
        writer.write(block)


def _gzip(
    blocks: Iterable[bytes],
    update: Callable[[bytes], None],
    writer: BlobWriter,
    level: Level,
    threads: int,
) -> None:
    """Gzip (RFC 1952) of one member; blocks end at a byte by an empty stored block."""
    from isal import isal_zlib

    compress = _deflate(level)
    check = size = 0
    writer.write(_GZIP_HEAD)

    def consume(block: bytes) -> None:
        nonlocal check, size
        update(block)
        check = isal_zlib.crc32(block, check)
        size += len(block)

    for data in _in_order(blocks, consume, compress, threads):
        writer.write(data)
    # The last block of deflate, empty: fixed codes, end of block.
    writer.write(b"\x03\x00" + struct.pack("<II", check, size & 0xFFFFFFFF))


def _deflate(level: Level) -> Callable[[bytes], bytes]:
    """Return what compresses a block (raw deflate, RFC 1951)."""
    module: Any
    if level == "size":
        # isal gives up too much here; zlib is slower, and as small as Go's and GNU's.
        import zlib as module

        number = 7
    else:
        from isal import isal_zlib as module

        number = 0 if level == "speed" else 2

    def compress(block: bytes) -> bytes:
        deflate = module.compressobj(number, module.DEFLATED, -15)
        data: bytes = deflate.compress(block) + deflate.flush(module.Z_SYNC_FLUSH)
        return data

    return compress


def _in_order(
    blocks: Iterable[bytes],
    consume: Callable[[bytes], None],
    compress: Callable[[bytes], bytes],
    threads: int,
) -> Iterator[bytes]:
    """Compress blocks on several threads, and hash them on this one; yield results in order."""
    iterator = iter(blocks)
    first = next(iterator, b"")
    second = next(iterator, None)
    if second is None:
        # Most layers of a RUN: not worth a thread.
        consume(first)
        yield compress(first)
        return
    from concurrent.futures import ThreadPoolExecutor

    pending: deque[Future[bytes]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for block in _chain(first, second, iterator):
            pending.append(pool.submit(compress, block))
            # Here, and not in a thread: it lets go of the GIL, which the others wait for.
            consume(block)
            if len(pending) > _AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()


def _chain(first: bytes, second: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield second
    yield from rest


_ZSTD_LEVELS: dict[Level, int] = {"speed": 1, "default": 3, "size": 12}


def _zstd(
    blocks: Iterable[bytes], update: Callable[[bytes], None], writer: BlobWriter, level: Level
) -> None:
    """Zstd (RFC 8878) in one frame: its own jobs depend on its parameters only."""
    import zstandard

    # Two workers always: the frame of one differs from that of none, not from that of many.
    frame = zstandard.ZstdCompressor(level=_ZSTD_LEVELS[level], threads=2).compressobj()
    for block in blocks:
        update(block)
        data = frame.compress(block)
        if data:
            writer.write(data)
    writer.write(frame.flush())
