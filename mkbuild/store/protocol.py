"""What a blob store promises."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Protocol

from mkbuild.digest import Digest
from mkbuild.store.growth import Growth


class BlobWriter(Protocol):
    """A blob being written; nothing of it is visible before :meth:`commit`."""

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes; returns how many (all of them)."""
        ...

    def follow(self) -> "Follower":
        """Return a reader of what is written from now on and was before; it is to be closed."""
        ...

    def commit(self, expected: Digest | None = None) -> tuple[Digest, int]:
        """Publish the blob; returns digest and size.

        Raises ArchiveError where the bytes are not the expected ones; the blob is then gone.
        """
        ...


class Follower(Protocol):
    """Reads a blob while it is being written, and after."""

    growth: Growth

    def read(self, offset: int, size: int) -> bytes:
        """Return at most ``size`` bytes from an offset, waiting for one; none at the end."""
        ...

    def close(self) -> None:
        """Let go of the bytes."""
        ...


class BlobSink(Protocol):
    """What blobs are written to."""

    def writer(self) -> AbstractContextManager[BlobWriter]:
        """Begin a blob; leaving the context without commit removes every trace of it."""
        ...


class BlobStore(BlobSink, Protocol):
    """Content by digest.

    A blob is whole or absent, whatever was killed when. Reading an absent blob raises KeyError.
    Asking for a blob (has, size, open, read, path) counts as use: garbage collection spares what
    was used since the oldest running invocation began.
    """

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        ...

    def size(self, digest: Digest) -> int:
        """Size in bytes; KeyError where absent."""
        ...

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading, seekable; KeyError where absent."""
        ...

    def read(self, digest: Digest) -> bytes:
        """Read a whole (small) blob and check its digest: corrupt counts as absent (KeyError)."""
        ...

    def put(self, data: bytes) -> Digest:
        """Store some bytes; a no-op where they are here already."""
        ...

    def path(self, digest: Digest) -> Path | None:
        """Return the file that holds the blob, None where the store keeps none.

        KeyError where the store keeps files, but not this blob.
        """
        ...

    def delete(self, digest: Digest) -> None:
        """Remove a blob; a no-op where it is absent."""
        ...

    def quarantine(self, digest: Digest) -> None:
        """Set a blob aside whose bytes turned out to be wrong: it is absent from now on."""
        ...

    def __iter__(self) -> Iterator[Digest]:
        """Iterate over the digests of all blobs."""
        ...
