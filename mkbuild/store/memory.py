"""A blob store in memory: for tests, and for what never needs a disk."""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError


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
        yield MemoryBlobWriter(self)

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

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes."""
        self._data += data
        return len(data)

    def commit(self, expected: Digest | None = None) -> tuple[Digest, int]:
        """Publish the blob; ArchiveError where it is not the expected one."""
        data = bytes(self._data)
        check(expected, digests.of(data))
        return self._store.put(data), len(data)


def check(expected: Digest | None, actual: Digest) -> None:
    """Raise ArchiveError where bytes are not the expected ones."""
    if expected is not None and expected != actual:
        raise ArchiveError(f"wrong content: expected {expected}, got {actual}")
