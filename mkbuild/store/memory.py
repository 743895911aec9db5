"""A blob store in memory: for tests, and for what never needs a disk."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.store.growth import Growth, Whole


class MemoryBlobStore:
    """A :class:`~mkbuild.store.protocol.BlobStore` that forgets all with the process."""

    def __init__(self) -> None:
        self._blobs: dict[Digest, bytes] = {}
        self._lock = threading.Lock()

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        return digest in self._blobs

    def size(self, digest: Digest) -> int:
        """Size in bytes; KeyError where absent."""
        return len(self._blobs[digest])

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading; KeyError where absent."""
        return io.BytesIO(self._blobs[digest])

    def read(self, digest: Digest) -> bytes:
        """Read a blob; KeyError where absent."""
        return self._blobs[digest]

    def put(self, data: bytes) -> Digest:
        """Store some bytes."""
        digest = digests.of(data)
        with self._lock:
            self._blobs.setdefault(digest, bytes(data))
        return digest

    @contextmanager
    def writer(self) -> Iterator["MemoryBlobWriter"]:
        """Begin a blob."""
        blob = MemoryBlobWriter(self)
        try:
            yield blob
        finally:
            blob.growth.end(published=False)

    def path(self, digest: Digest) -> None:
        """Return None: no blob is a file here."""

    def delete(self, digest: Digest) -> None:
        """Remove a blob; a no-op where it is absent."""
        with self._lock:
            self._blobs.pop(digest, None)

    quarantine = delete

    def __iter__(self) -> Iterator[Digest]:
        with self._lock:
            return iter(list(self._blobs))


class MemoryBlobWriter:
    """A blob being written to memory."""

    def __init__(self, store: MemoryBlobStore) -> None:
        self._store = store
        self._data = bytearray()
        self.growth = Growth()

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes."""
        self._data += data
        self.growth.advance(len(self._data))
        return len(data)

    def follow(self) -> "MemoryFollower":
        """Return a reader of what is written from now on and was before."""
        return MemoryFollower(self._data, self.growth)

    def commit(self, expected: Digest | None = None) -> tuple[Digest, int]:
        """Publish the blob; ArchiveError where it is not the expected one."""
        data = bytes(self._data)
        check(expected, digests.of(data))
        digest = self._store.put(data)
        self.growth.seal(Whole(digest, len(data)))
        self.growth.end(published=True)
        return digest, len(data)


class MemoryFollower:
    """Reads a blob that is being written to memory."""

    def __init__(self, data: bytearray, growth: Growth) -> None:
        self._data = data
        self.growth = growth

    def read(self, offset: int, size: int) -> bytes:
        """Return at most ``size`` bytes from an offset, waiting for one; none at the end."""
        there = self.growth.wait(offset)
        return bytes(self._data[offset : min(offset + size, there)])

    def close(self) -> None:
        """Do nothing: memory needs no closing."""


def check(expected: Digest | None, actual: Digest) -> None:
    """Raise ArchiveError where bytes are not the expected ones."""
    if expected is not None and expected != actual:
        raise ArchiveError(f"wrong content: expected {expected}, got {actual}")
