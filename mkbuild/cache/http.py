"""A cache over HTTP in the Bazel remote-cache layout: ``/ac/<key>`` and ``/cas/<sha256>``.

Serves: nginx with DAV, bazel-remote, BuildBuddy and their like. Since such servers take only
SHA-256 as keys, an entry's key is the digest of its name.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence

from mkbuild import digest as digests
from mkbuild.cache import actionresult
from mkbuild.cache.aging import Aging
from mkbuild.cache.parallel import each
from mkbuild.cache.protocol import Record
from mkbuild.cache.transfer import receive
from mkbuild.cache.web import WebClient
from mkbuild.digest import Digest
from mkbuild.store.protocol import BlobStore

_PUT_THREADS = 8


class HttpCache:
    """KeyValue and BlobCarrier on an HTTP server.

    ``aging`` says how long entries live; a use is noted by writing the entry again,
    only where ``writable``. ``headers`` go with each request.
    """

    def __init__(
        self,
        url: str,
        *,
        aging: Aging,
        headers: Mapping[str, str],
        writable: bool = True,
    ) -> None:
        self._web = WebClient(url, headers)
        self.name = f"the HTTP cache {self._web.base}"
        self._aging = aging
        self._writable = writable

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Look up keys side by side: the protocol has no batch."""
        paths = {_entry(key): key for key in keys}
        found: dict[str, bytes] = {}
        stale: dict[str, bytes] = {}
        for path, data in self._web.get_all(list(paths)).items():
            aged = self._aging.open(actionresult.decode(data))
            if aged is None:
                continue
            found[paths[path]] = aged.value
            if aged.stale and self._writable:
                stale[path] = actionresult.replaced(data, self._aging.seal(aged.value))
        each(lambda item: self._put(*item), stale.items(), _PUT_THREADS)
        return found

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store entries side by side; a living one is left alone."""
        there = {} if replace else self.get_many(list(records))
        todo = {
            _entry(key): actionresult.encode(self._aging.seal(record.value), record.blobs)
            for key, record in records.items()
            if key not in there
        }
        each(lambda item: self._put(*item), todo.items(), _PUT_THREADS)

    def close(self) -> None:
        """Close the connections."""
        self._web.close()

    def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
        """Download a blob."""
        chunks = self._web.download(_blob(digest))
        if chunks is None:
            return False
        receive(digest, size, chunks, into)
        return True

    def has_many(self, wanted: Iterable[Digest]) -> frozenset[Digest]:
        """Ask for blobs side by side."""
        blobs = list(wanted)
        there = self._web.head_all([_blob(digest) for digest in blobs])
        return frozenset(digest for digest, found in zip(blobs, there, strict=True) if found)

    def send(self, digest: Digest, source: BlobStore) -> None:
        """Upload a blob; KeyError where it is not in the store."""
        if not self._web.head(_blob(digest)):
            with source.open(digest) as stream:
                self._web.put(_blob(digest), stream, source.size(digest))

    def _put(self, path: str, data: bytes) -> None:
        self._web.put(path, data, len(data))


def _entry(key: str) -> str:
    return f"ac/{hashlib.sha256(key.encode()).hexdigest()}"


def _blob(digest: Digest) -> str:
    return f"cas/{digests.hex_of(digest)}"
