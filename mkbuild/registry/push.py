"""Pushing in two phases: blobs and manifests by digest first, tags last, when all is there."""

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from mkbuild.digest import Digest
from mkbuild.events import Published
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.oci.reference import Reference
from mkbuild.registry import blobs
from mkbuild.registry.blobs import BlobSource, Moved
from mkbuild.registry.client import Client
from mkbuild.registry.clients import Clients
from mkbuild.store.protocol import BlobStore


@dataclass(frozen=True, slots=True)
class PushImage:
    """What is pushed: a manifest, or an index with its manifests.

    ``origins``: repositories that are known to have a blob (a base's layers): mounted from there
    where the registry is the same. ``provide`` brings a blob into the store that is neither there
    nor in the registry.
    """

    document: Manifest | Index
    manifests: tuple[Manifest, ...] = ()
    origins: Mapping[Digest, Sequence[Reference]] = field(default_factory=dict)
    provide: Callable[[Descriptor], None] = lambda _: None

    def images(self) -> tuple[Manifest, ...]:
        """Return every image manifest."""
        return (self.document,) if isinstance(self.document, Manifest) else self.manifests


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push moved: blobs by how they got there, bytes uploaded."""

    digest: Digest
    uploaded: int
    mounted: int
    existed: int
    bytes: int


class Pusher:
    """Pushes images; each blob once a registry, however many images share it. Thread-safe."""

    def __init__(self, clients: Clients, store: BlobStore) -> None:
        """Open nothing yet."""
        self._clients = clients
        self._store = store
        self._lock = threading.Lock()
        self._known: dict[tuple[str, Digest], list[str]] = defaultdict(list)
        self._gates: dict[tuple[str, Digest], threading.Lock] = defaultdict(threading.Lock)

    def is_current(self, reference: Reference, digest: Digest) -> bool:
        """Whether a tag stands for a digest already: one HEAD."""
        client = self._clients.get(reference.registry, reference.repository)
        found = client.head(reference.repository, reference.tag)
        return found is not None and found.digest == digest

    def push(self, reference: Reference, image: PushImage) -> Pushed:
        """Bring blobs and manifests into the repository of ``reference``, and touch no tag.

        What is there is left alone, so an interrupted push goes on where it was. Raises
        RegistryError; KeyError where a blob is nowhere to be had.
        """
        client = self._clients.get(reference.registry, reference.repository)
        wanted = {
            descriptor.digest: descriptor
            for manifest in image.images()
            for descriptor in (*manifest.layers, manifest.config)
        }
        with ThreadPoolExecutor(max(1, client.settings.concurrency), "push") as pool:
            moved = list(
                pool.map(
                    lambda descriptor: self._blob(client, reference, image, descriptor),
                    wanted.values(),
                )
            )
        # An index after its manifests: registries refuse it otherwise.
        documents = {document.digest: document for document in (*image.images(), image.document)}
        for document in documents.values():
            if client.head(reference.repository, document.digest) is None:
                client.put_document(reference.repository, document.digest, document)
        uploaded = [
            descriptor.size
            for descriptor, how in zip(wanted.values(), moved, strict=True)
            if how is Moved.UPLOADED
        ]
        return Pushed(
            image.document.digest,
            len(uploaded),
            moved.count(Moved.MOUNTED),
            moved.count(Moved.EXISTED),
            sum(uploaded),
        )

    def publish(self, reference: Reference, document: Manifest | Index) -> Published:
        """Let a tag stand for a document that was pushed; left alone where it does already."""
        moved = not self.is_current(reference, document.digest)
        if moved:
            client = self._clients.get(reference.registry, reference.repository)
            client.put_document(reference.repository, reference.tag, document)
        return Published(str(reference), document.digest, moved)

    def _blob(
        self, client: Client, reference: Reference, image: PushImage, descriptor: Descriptor
    ) -> Moved:
        key = (reference.registry, descriptor.digest)
        with self._lock:
            gate = self._gates[key]
        # One at a time for a blob: who comes second mounts what the first one uploaded.
        with gate:
            known = self._known[key]
            if reference.repository in known:
                return Moved.EXISTED
            origins = [
                origin.repository
                for origin in image.origins.get(descriptor.digest, ())
                if origin.registry == reference.registry
            ]
            source = BlobSource(
                self._store, tuple(dict.fromkeys((*known, *origins))), image.provide
            )
            moved = blobs.push(client, reference.repository, descriptor, source)
            known.append(reference.repository)
            return moved
