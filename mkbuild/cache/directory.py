"""A cache in a directory, such as a network file system: entries and blobs are plain files.

Layout: ``ac/<key>`` and ``cas/<sha256>``, as over HTTP. A file's mtime is its last use.
"""

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.cache.aging import Aging
from mkbuild.cache.protocol import Record
from mkbuild.cache.transfer import CHUNK, receive
from mkbuild.digest import Digest
from mkbuild.store.protocol import BlobStore

_MAX_VALUE = 1 << 16
_ABANDONED = 86400
"""Seconds after which an unfinished file has no writer any more."""


class DirectoryCache:
    """KeyValue and BlobCarrier on a directory; it is made when the first entry is stored.

    ``aging`` says how long entries live; uses are noted only where ``writable``.
    """

    def __init__(
        self,
        root: Path,
        *,
        aging: Aging,
        writable: bool = True,
    ) -> None:
        self.name = f"the cache directory {root}"
        self._entries = root / "ac"
        self._blobs = root / "cas"
        self._aging = aging
        self._writable = writable

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Read the files of entries."""
        found = {}
        for key in keys:
            path = self._entries / key
            with contextlib.suppress(FileNotFoundError), path.open("rb") as stream:
                used = os.fstat(stream.fileno()).st_mtime
                if not self._aging.expired(used):
                    found[key] = stream.read(_MAX_VALUE)
                    self._use(path, used)
        return found

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Write files of entries, each whole or not at all."""
        for key, record in records.items():
            path = self._entries / key
            if not (replace or self._missing(path)):
                continue
            with self._new(path) as temporary:
                temporary.write_bytes(record.value)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
        """Copy a blob from the directory into a store."""
        path = self._blobs / digests.hex_of(digest)
        try:
            with path.open("rb") as stream:
                used = os.fstat(stream.fileno()).st_mtime
                receive(digest, size, iter(lambda: stream.read(CHUNK), b""), into)
        except FileNotFoundError:
            return False
        self._use(path, used)
        return True

    def has_many(self, wanted: Iterable[Digest]) -> frozenset[Digest]:
        """Return which blobs are there."""
        return frozenset(d for d in wanted if not self._missing(self._blobs / digests.hex_of(d)))

    def send(self, digest: Digest, source: BlobStore) -> None:
        """Copy a blob from a store into the directory; KeyError where it is not in the store."""
        path = self._blobs / digests.hex_of(digest)
        if not self._missing(path):
            return
        with (
            source.open(digest) as stream,
            self._new(path) as temporary,
            temporary.open("wb") as out,
        ):
            for chunk in iter(lambda: stream.read(CHUNK), b""):
                out.write(chunk)

    def collect(self) -> None:
        """Delete entries and blobs that were not used for their life time."""
        now = self._aging.now()
        for path in [*self._entries.glob("*"), *self._blobs.glob("*")]:
            with contextlib.suppress(FileNotFoundError):
                used = path.stat().st_mtime
                abandoned = path.name.startswith(".") and used + _ABANDONED < now
                if abandoned or self._aging.expired(used):
                    path.unlink()

    def _missing(self, path: Path) -> bool:
        """Whether a file is absent or has expired; notes the use of one that is there."""
        try:
            used = path.stat().st_mtime
        except FileNotFoundError:
            return True
        if self._aging.expired(used):
            return True
        self._use(path, used)
        return False

    def _use(self, path: Path, used: float) -> None:
        if self._writable and self._aging.stale(used):
            # Another machine may have collected it, or own it: neither makes it less of a hit.
            with contextlib.suppress(FileNotFoundError, PermissionError):
                os.utime(path, (self._aging.now(), self._aging.now()))

    @contextlib.contextmanager
    def _new(self, path: Path) -> Iterator[Path]:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}")
        try:
            yield temporary
            os.utime(temporary, (self._aging.now(), self._aging.now()))
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
