import bz2
import gzip
import io
import lzma
import os
import tracemalloc
from collections import deque
from collections.abc import Callable

import pytest
import zstandard

from mkbuild.errors import ArchiveError
from mkbuild.snapshot.compression import BLOCK, open_decompressed

DATA = os.urandom(1 << 16) + b"words " * 300_000


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


FORMATS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
    "plain": lambda data: data,
}
each = pytest.mark.parametrize("name", FORMATS)
compressed = pytest.mark.parametrize("name", [name for name in FORMATS if name != "plain"])


def read(data: bytes, limit: int = 1 << 30) -> bytes:
    return b"".join(open_decompressed(io.BytesIO(data), limit=limit, archives=True))


@each
def test_formats_are_told_by_their_magic(name: str) -> None:
    packed = FORMATS[name](DATA)
    assert read(packed) == DATA
    assert all(
        len(block) <= BLOCK
        for block in open_decompressed(io.BytesIO(packed), limit=1 << 30, archives=True)
    )


@each
def test_members_follow_each_other(name: str) -> None:
    pack = FORMATS[name]
    assert read(pack(DATA) + pack(b"more")) == DATA + b"more"


@compressed
def test_what_is_cut_off_is_an_error(name: str) -> None:
    packed = FORMATS[name](DATA)
    for length in (len(packed) - 1, len(packed) // 2, 20):
        with pytest.raises(ArchiveError, match=r"ends too early|cannot be read"):
            read(packed[:length])


@compressed
def test_what_is_damaged_is_an_error(name: str) -> None:
    packed = bytearray(FORMATS[name](DATA))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = b"\xff" * 40
    if name == "zstd":
        # Without a checksum a literal may change unseen: so damage the head.
        packed[4:8] = b"\xff" * 4
    with pytest.raises(ArchiveError):
        read(bytes(packed))


def test_what_follows_gzip_is_ignored() -> None:
    assert read(gzip.compress(DATA) + b"garbage") == DATA
    assert read(gzip.compress(DATA) + bytes(1000)) == DATA


@each
def test_the_limit_holds_in_bounded_memory(name: str) -> None:
    packed = FORMATS[name](bytes(64 << 20) if name != "plain" else bytes(20 << 20))
    source = io.BytesIO(packed)
    tracemalloc.start()
    found = open_decompressed(source, limit=10 << 20, archives=True)
    with pytest.raises(ArchiveError, match="more than"):
        deque(found, maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 24 << 20  # xz has a dictionary of 8 MiB


def test_bzip2_and_xz_are_for_archives_only() -> None:
    packed = bz2.compress(b"x")
    assert b"".join(open_decompressed(io.BytesIO(packed), limit=1000)) == packed


def test_the_empty_stream_is_empty() -> None:
    assert read(b"") == b""
    assert read(gzip.compress(b"")) == b""
    assert read(zstd(b"")) == b""


def test_a_stream_of_tiny_reads() -> None:
    class Drip(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            super().__init__()
            self.data = data

        def readable(self) -> bool:
            return True

        def read(self, _size: int = -1) -> bytes:
            data, self.data = self.data[:1], self.data[1:]
            return data

    for pack in (gzip.compress, zstd):
        packed = pack(b"hello" * 100) * 2
        found = open_decompressed(Drip(packed), limit=10_000)  # type: ignore[arg-type]
        assert b"".join(found) == b"hello" * 200
