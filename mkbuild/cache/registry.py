"""A cache in a registry: layers live in a repository, and a small manifest stands for each entry.

The entry's key is the manifest's tag (so parallel jobs do not race), its record an annotation (so
a look-up is one request), and its layers the blobs that it names (so the registry's garbage
collection keeps them as long as the tag is there).
"""

import base64
import binascii
import contextlib
import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from mkbuild import digest as digests
from mkbuild.cache.aging import Aging
from mkbuild.cache.parallel import each
from mkbuild.cache.protocol import Record
from mkbuild.digest import Digest
from mkbuild.errors import MkbuildError, RegistryError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor, Manifest
from mkbuild.registry import blobs as registry_blobs
from mkbuild.registry.blobs import BlobSource
from mkbuild.registry.client import NOT_FOUND, OK, Client, Request, pull_scope
from mkbuild.registry.config import RegistrySettings
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore

_BLOB_TYPE = "application/octet-stream"
_ARTIFACT_TYPE = "application/vnd.mkbuild.cache.entry.v1"
_RECORD = "dev.mkbuild.cache.record"
_EMPTY = b"{}"
_EMPTY_DESCRIPTOR = Descriptor(mediatype.OCI_EMPTY, digests.of(_EMPTY), len(_EMPTY))
"""What a manifest needs where it has no config or layers (manifest.md, "empty descriptor")."""

_THREADS = 8
_SECONDS = 4.0


def impatient(settings: RegistrySettings) -> RegistrySettings:
    """Return settings for a cache: what a push would wait for or try again, it does without."""
    return replace(
        settings, timeout=min(settings.timeout, _SECONDS), retries=0, concurrency=_THREADS
    )


class RegistryCache:
    """KeyValue and BlobCarrier on one repository of a registry.

    ``client`` should be made with :func:`impatient` settings. ``aging`` says how long entries
    live; a use is noted by storing the manifest anew, only where
    ``writable``. ``mount_from``: repositories of the registry that blobs can be mounted from.
    """

    def __init__(
        self,
        client: Client,
        repository: str,
        *,
        aging: Aging,
        writable: bool = True,
        mount_from: Sequence[str] = (),
    ) -> None:
        self.name = f"the cache {client.registry}/{repository}"
        self._client = client
        self._repository = repository
        self._aging = aging
        self._writable = writable
        self._mount_from = tuple(mount_from)
        self._has_empty = False
        self._lock = threading.Lock()

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        """Fetch the manifests of entries side by side."""
        with _plain_errors():
            manifests = dict(zip(keys, each(self._manifest, keys, _THREADS), strict=True))
            found: dict[str, bytes] = {}
            stale: list[tuple[str, Manifest]] = []
            for key, manifest in manifests.items():
                if manifest is None:
                    continue
                aged = self._aging.open(_record(manifest))
                if aged is None:
                    continue
                found[key] = aged.value
                if aged.stale and self._writable:
                    stale.append((key, self._entry(aged.value, manifest.layers)))
            each(lambda item: self._store(*item), stale, _THREADS)
        return found

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        """Store manifests; the blobs that they name must be in the repository."""
        there = {} if replace else self.get_many(list(records))
        with _plain_errors():
            self._send_empty()
            todo = [(key, record) for key, record in records.items() if key not in there]
            each(lambda item: self._put(*item), todo, _THREADS)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
        """Download a blob of the repository."""
        descriptor = Descriptor(_BLOB_TYPE, digest, size)
        with _plain_errors():
            if not self._has(digest):
                return False
            registry_blobs.download(self._client, self._repository, descriptor, into)
        return True

    def has_many(self, wanted: Iterable[Digest]) -> frozenset[Digest]:
        """Ask for blobs side by side."""
        found = list(wanted)
        with _plain_errors():
            there = each(self._has, found, _THREADS)
        return frozenset(digest for digest, yes in zip(found, there, strict=True) if yes)

    def send(self, digest: Digest, source: BlobStore) -> None:
        """Upload or mount a blob; KeyError where it would have to be uploaded, but is not here."""
        descriptor = Descriptor(_BLOB_TYPE, digest, source.size(digest))
        with _plain_errors():
            registry_blobs.push(
                self._client,
                self._repository,
                descriptor,
                BlobSource(source, mount_from=self._mount_from),
            )

    def _has(self, digest: Digest) -> bool:
        answer, _ = self._client.request(
            Request(
                "HEAD",
                self._client.url(self._repository, "blobs", digest),
                (pull_scope(self._repository),),
                f"asking for blob {digest} of {self._repository}",
                frozenset({OK, NOT_FOUND}),
            )
        )
        return answer.status == OK

    def _manifest(self, key: str) -> Manifest | None:
        answer, data = self._client.request(
            Request(
                "GET",
                self._client.url(self._repository, "manifests", key),
                (pull_scope(self._repository),),
                f"looking up {key} in {self._repository}",
                frozenset({OK, NOT_FOUND}),
                {"Accept": mediatype.OCI_MANIFEST},
            )
        )
        return Manifest.parse(data) if answer.status == OK else None

    def _entry(self, value: bytes, layers: tuple[Descriptor, ...]) -> Manifest:
        document = {
            "schemaVersion": 2,
            "mediaType": mediatype.OCI_MANIFEST,
            "artifactType": _ARTIFACT_TYPE,
            "config": _EMPTY_DESCRIPTOR.to_json(),
            "layers": [layer.to_json() for layer in layers or (_EMPTY_DESCRIPTOR,)],
            "annotations": {_RECORD: base64.b64encode(self._aging.seal(value)).decode()},
        }
        return Manifest.parse(json.dumps(document, separators=(",", ":")).encode())

    def _put(self, key: str, record: Record) -> None:
        layers = [Descriptor(blob.media_type, blob.digest, blob.size) for blob in record.blobs]
        self._store(key, self._entry(record.value, tuple(layers)))

    def _store(self, key: str, manifest: Manifest) -> None:
        self._client.put_document(self._repository, key, manifest)

    def _send_empty(self) -> None:
        # One at a time: docker-registry denies to have a blob while it is pushed once more.
        with self._lock:
            if not self._has_empty:
                store = MemoryBlobStore()
                store.put(_EMPTY)
                source = BlobSource(store)
                registry_blobs.push(self._client, self._repository, _EMPTY_DESCRIPTOR, source)
                self._has_empty = True


def _record(manifest: Manifest) -> bytes:
    text = manifest.annotations.get(_RECORD)
    if not isinstance(text, str):
        message = "a manifest without a record"
        raise ValueError(message)  # noqa: TRY004 -- bad data, not a bad call
    try:
        return base64.b64decode(text, validate=True)
    except binascii.Error as error:
        message = "a record that is no base64"
        raise ValueError(message) from error


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Turn what the registry's client raises into what a KeyValue and a BlobCarrier raise."""
    try:
        yield
    except RegistryError as error:
        raise OSError(error.message) from error
    except MkbuildError as error:
        raise ValueError(error.message) from error
