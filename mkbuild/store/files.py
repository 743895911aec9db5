"""The blob store on disk: one file a blob, named by its digest.

Layout below the root: ``blobs/sha256/<2 digits>/<64 digits>``, ``tmp/`` (blobs being written),
``quarantine/`` (blobs whose bytes were wrong), ``leases/`` (running invocations), ``unsynced/``
(names of blobs that may not be on the disk yet), ``use.lock`` (shared while a blob is marked as
used, exclusive while one is looked at and removed).

A blob's mtime is when it was last used. See :mod:`mkbuild.store.gc` for why that is sound.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.store.growth import Growth, Whole
from mkbuild.store.locks import exclusive, shared
from mkbuild.store.memory import check
from mkbuild.store.temp import TempArea
from mkbuild.store.unsynced import Unsynced
from mkbuild.store.use import GATE, place


class FileStore:
    """A :class:`~mkbuild.store.protocol.BlobStore` of files, shared by any number of processes.

    Durability: a blob is written beside, noted, then renamed (:mod:`mkbuild.store.unsynced`). After
    a power cut, and once :meth:`settle` was called, a new blob may be lost, never wrong.
    """

    def __init__(self, root: Path) -> None:
        """Open the store in ``root``, which is made at the first write."""
        self.root = root
        self._blobs = root / "blobs" / "sha256"
        self._gate = root / GATE
        self._quarantine = root / "quarantine"
        self._temp = TempArea(root)
        self.unsynced = Unsynced(root)

    def settle(self) -> None:
        """Set aside what an earlier boot left torn; to be called before anything is used."""
        self.unsynced.settle(self._look)

    def _look(self, digest: Digest) -> None:
        with suppress(FileNotFoundError):
            with self._file(digest).open("rb") as stream:
                found = hashlib.file_digest(stream, "sha256").hexdigest()
            if digests.from_hex(found) != digest:
                self.quarantine(digest)

    def _file(self, digest: Digest) -> Path:
        return self.root / place(digests.parse(digest))

    def _use(self, digest: Digest) -> Path:
        """Mark a blob as used and return its file; KeyError where absent."""
        path = self._file(digest)
        try:
            with shared(self._gate):
                os.utime(path)
        except FileNotFoundError:
            raise KeyError(digest) from None
        return path

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        try:
            self._use(digest)
        except KeyError:
            return False
        return True

    def size(self, digest: Digest) -> int:
        """Size in bytes; KeyError where absent."""
        return self._use(digest).stat().st_size

    def open(self, digest: Digest) -> BinaryIO:
        """Open for reading; KeyError where absent. The bytes are not checked."""
        return self._use(digest).open("rb")

    def read(self, digest: Digest) -> bytes:
        """Read a whole blob; KeyError where absent or corrupt: that one is set aside."""
        data = self._use(digest).read_bytes()
        if digests.of(data) != digest:
            self.quarantine(digest)
            raise KeyError(digest)
        return data

    def path(self, digest: Digest) -> Path:
        """Return the blob's file; KeyError where absent."""
        return self._use(digest)

    def put(self, data: bytes) -> Digest:
        """Store some bytes; a no-op where they are here already."""
        digest = digests.of(data)
        if not self.has(digest):
            with self.writer() as blob:
                blob.write(data)
                blob.commit(digest)
        return digest

    @contextmanager
    def writer(self) -> Iterator["FileBlobWriter"]:
        """Begin a blob; without commit every trace of it goes when the context ends."""
        path = self._temp.name("blob-")
        try:
            with path.open("x+b", buffering=0) as stream:
                writer = FileBlobWriter(stream, lambda digest: self._publish(path, digest))
                try:
                    yield writer
                finally:
                    writer.growth.end(published=False)
        finally:
            path.unlink(missing_ok=True)

    def _publish(self, temporary: Path, digest: Digest) -> None:
        if self.has(digest):
            return
        target = self._file(digest)
        target.parent.mkdir(parents=True, exist_ok=True)
        self.unsynced.note(digest)
        temporary.rename(target)

    def delete(self, digest: Digest) -> None:
        """Remove a blob; a no-op where it is absent."""
        self._file(digest).unlink(missing_ok=True)

    def quarantine(self, digest: Digest) -> None:
        """Set a corrupt blob aside, for whoever wants to know why."""
        path = self._file(digest)
        self._quarantine.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            path.rename(self._quarantine / path.name)

    def __iter__(self) -> Iterator[Digest]:
        for path in self._blobs.glob("??/*"):
            with suppress(ValueError):
                yield digests.from_hex(path.name)

    def last_use(self, digest: Digest) -> tuple[int, int] | None:
        """Return when a blob was last used (ns) and its size, without using it; None if absent."""
        try:
            status = self._file(digest).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_size

    def remove_unused(self, digest: Digest, bound: int) -> bool:
        """Remove a blob that was not used since ``bound`` (ns); whether it was removed."""
        with exclusive(self._gate):
            use = self.last_use(digest)
            if use is None or use[0] >= bound:
                return False
            self._file(digest).unlink()
            return True

    def purge_quarantine(self, bound: int) -> None:
        """Remove blobs that were last used before ``bound`` (ns) and set aside since."""
        for path in self._quarantine.glob("*"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime_ns < bound:
                    path.unlink()

    def close(self) -> None:
        """Remove the temporary files of this process."""
        self._temp.close()


class FileBlobWriter:
    """A blob being written to a temporary file."""

    def __init__(self, stream: BinaryIO, publish: Callable[[Digest], None]) -> None:
        self._stream = stream
        self._publish = publish
        self._hash = hashlib.sha256()
        self._size = 0
        self.growth = Growth()

    def write(self, data: bytes | memoryview, /) -> int:
        """Append bytes, all of them."""
        view = memoryview(data).cast("B")
        self._hash.update(view)
        size = len(view)
        while view:
            view = view[self._stream.write(view) :]
        self._size += size
        self.growth.advance(self._size)
        return size

    def follow(self) -> "FileFollower":
        """Return a reader of what is written from now on and was before; it is to be closed."""
        return FileFollower(os.dup(self._stream.fileno()), self.growth)

    def commit(self, expected: Digest | None = None) -> tuple[Digest, int]:
        """Publish the blob; ArchiveError where it is not the expected one."""
        digest = digests.from_hex(self._hash.hexdigest())
        check(expected, digest)
        self.growth.seal(Whole(digest, self._size))
        self._publish(digest)
        self.growth.end(published=True)
        return digest, self._size


class FileFollower:
    """Reads the file of a blob that is being written."""

    def __init__(self, descriptor: int, growth: Growth) -> None:
        """Take over a descriptor."""
        self._descriptor = descriptor
        self.growth = growth

    def read(self, offset: int, size: int) -> bytes:
        """Return at most ``size`` bytes from an offset, waiting for one; none at the end."""
        there = self.growth.wait(offset)
        return os.pread(self._descriptor, min(size, there - offset), offset)

    def close(self) -> None:
        """Close the descriptor."""
        os.close(self._descriptor)
