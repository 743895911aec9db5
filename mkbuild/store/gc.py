"""Garbage collection of blobs while any number of invocations use the store.

Every use of a blob sets its mtime under the store's shared lock, and every invocation holds a
lease for as long as it runs. A collection takes B, the earlier of its own start and of the start
of the oldest living lease. Blob by blob, under the exclusive lock, it looks at the mtime and
removes the blob only where that is before B.

So a use is either before the look, which then sees an mtime of B or later if the user still runs,
or after the removal, and then the user is told that the blob is absent. Nobody is told that a blob
is here, and loses it while running. A minute is taken off B for clocks that are set back.
"""

import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.frozen import frozen
from mkbuild.oci import mediatype
from mkbuild.oci.model import Index, Manifest
from mkbuild.store.files import FileStore
from mkbuild.store.locks import exclusive, oldest_lease
from mkbuild.store.protocol import BlobStore
from mkbuild.store.temp import sweep

SECOND = 1_000_000_000
_SLACK = 60 * SECOND


@frozen
class Collected:
    """What a collection did: blobs and bytes removed, and what stays."""

    removed: int
    removed_bytes: int
    kept: int
    kept_bytes: int


def use_bound(store: FileStore, now: int) -> int:
    """Return the time (ns) since when a use counts as a use by somebody who still runs."""
    lease = oldest_lease(store.root)
    return min(now, lease if lease is not None else now) - _SLACK


def collect(
    store: FileStore,
    roots: Iterable[Digest],
    *,
    ttl: float,
    max_size: int | None = None,
    clock: Callable[[], int] = time.time_ns,
) -> Collected:
    """Remove what was unused for ``ttl`` seconds, then the least recently used above ``max_size``.

    ``roots`` (with all that the manifests among them refer to) and what a running invocation used
    are never removed. Leftovers of dead processes go too. ``max_size`` is in bytes.
    """
    store.root.mkdir(parents=True, exist_ok=True)
    with exclusive(store.root / "gc.lock"):
        now = clock()
        sweep(store.root)
        store.purge_quarantine(now - int(ttl * SECOND))
        bound = use_bound(store, now)
        kept = reachable(store, roots)
        known = [(use, digest) for digest in store if (use := store.last_use(digest)) is not None]
        total = sum(size for (_, size), _ in known)
        count, freed = 0, 0
        for (used, size), digest in sorted(known):
            expired = used < now - int(ttl * SECOND)
            too_much = max_size is not None and total - freed > max_size
            if digest in kept or used >= bound or not (expired or too_much):
                continue
            if store.remove_unused(digest, bound):
                count, freed = count + 1, freed + size
        return Collected(count, freed, len(known) - count, total - freed)


def reachable(store: BlobStore, roots: Iterable[Digest]) -> frozenset[Digest]:
    """Return the roots and every blob that manifests and indexes among them refer to.

    A root that is absent, or whose bytes are no manifest, refers to nothing.
    """
    seen: set[Digest] = set()
    pending = list(roots)
    while pending:
        digest = pending.pop()
        if digest not in seen:
            seen.add(digest)
            pending += _references(store, digest)
    return frozenset(seen)


_MAX_DOCUMENT = 4 << 20


def _references(store: BlobStore, digest: Digest) -> list[Digest]:
    with suppress(KeyError, ArchiveError):
        if store.size(digest) <= _MAX_DOCUMENT:
            data = store.read(digest)
            if data.startswith(b"{"):
                return _document_references(data)
    return []


def _document_references(data: bytes) -> list[Digest]:
    if b'"manifests"' in data:
        return [manifest.digest for manifest in Index.parse(data, mediatype.OCI_INDEX).manifests]
    manifest = Manifest.parse(data)
    return [manifest.config.digest, *(layer.digest for layer in manifest.layers)]
