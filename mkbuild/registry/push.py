"""Pushing in two phases: blobs and manifests by digest first, tags last, when all is there.

Layers may begin their way while they are written (:meth:`Pusher.push_early`).
"""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import field, replace
from functools import partial

from mkbuild.digest import Digest
from mkbuild.errors import CancelledError
from mkbuild.events import Published, Transfer
from mkbuild.frozen import frozen
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.oci.reference import Reference
from mkbuild.registry import blobs
from mkbuild.registry.blobs import BlobSource, Moved
from mkbuild.registry.client import Client
from mkbuild.registry.clients import Clients
from mkbuild.registry.stream import can_stream, stream
from mkbuild.store.protocol import BlobStore, Follower

_WORTH_STREAMING = 4 << 20
"""From this size on, a layer's upload begins before its end: in bytes, compressed."""


@frozen
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


@frozen
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
        self._moved: dict[tuple[str, str], dict[Digest, Moved]] = defaultdict(dict)
        """How blobs went that were on their way early, by registry and repository."""

    def is_current(
        self, reference: Reference, digest: Digest, layers: Iterable[Digest] = ()
    ) -> bool:
        """Whether a tag stands for a digest already: one HEAD.

        ``layers``: of what has that digest. Where the repository lacked one of them a moment ago
        nobody is asked: no tag of it stood for what holds that one.
        """
        moved = self._moved[reference.registry, reference.repository]
        if any(moved.get(layer) is Moved.UPLOADED for layer in layers):
            return False
        client = self._clients.get(reference.registry, reference.repository)
        found = client.head(reference.repository, reference.tag)
        return found is not None and found.digest == digest

    def push_early(
        self, reference: Reference, follower: Follower, stop: Callable[[], bool]
    ) -> None:
        """Bring a layer that is being written into the repository of ``reference``, in one attempt.

        Raises RegistryError, after which :meth:`push` brings it; CancelledError where the layer was
        given up or ``stop`` says so.
        """
        client = self._clients.get(
            reference.registry, reference.repository, lambda settings: replace(settings, retries=0)
        )
        growth, early = follower.growth, self._moved[reference.registry, reference.repository]
        if growth.wait(_WORTH_STREAMING) > _WORTH_STREAMING and can_stream(client):
            whole, sent = stream(client, reference.repository, follower, stop)
            moved = Moved.UPLOADED if sent else Moved.EXISTED
            with self._lock:
                self._known[reference.registry, whole.digest].append(reference.repository)
            done = Transfer("push", whole.digest, whole.size, whole.size, finished=True)
            self._clients.report(done)
        else:
            found = growth.finish()
            if found is None or stop():
                raise CancelledError("the layer was given up")
            whole = found
            descriptor = Descriptor("application/octet-stream", whole.digest, whole.size)
            with self._lock:
                # Where a layer was lacking, so are those built upon it.
                new = Moved.UPLOADED in early.values()
            moved = self._blob(client, reference, descriptor, BlobSource(self._store, new=new))
        with self._lock:
            early[whole.digest] = moved

    def push(self, reference: Reference, image: PushImage) -> Pushed:
        """Bring blobs and manifests into the repository of ``reference``, and touch no tag.

        What is there is left alone, so an interrupted push goes on where it was. Raises
        RegistryError; KeyError where a blob is nowhere to be had.
        """
        client = self._clients.get(reference.registry, reference.repository)
        layers = _each_once(layer for manifest in image.images() for layer in manifest.layers)
        configs = _each_once(manifest.config for manifest in image.images())
        with ThreadPoolExecutor(max(1, client.settings.concurrency), "push") as pool:

            def bring(descriptor: Descriptor, *, new: bool = False) -> Moved:
                others = _repositories(image.origins.get(descriptor.digest, ()), reference)
                source = BlobSource(self._store, others, image.provide, new)
                return self._blob(client, reference, descriptor, source)

            moved = list(pool.map(bring, layers))
            # A config names its layers: where one was not there, neither is it.
            moved += pool.map(partial(bring, new=Moved.UPLOADED in moved), configs)
        # An index after its manifests: registries refuse it otherwise.
        documents = {document.digest: document for document in (*image.images(), image.document)}
        for document in documents.values():
            # To ask first whether it is there would be a request as well.
            client.put_document(reference.repository, document.digest, document)
        uploaded = [
            descriptor.size
            for descriptor, how in zip((*layers, *configs), moved, strict=True)
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
            self.move(reference, document)
        return Published(str(reference), document.digest, moved)

    def move(self, reference: Reference, document: Manifest | Index) -> None:
        """Let a tag stand for a document that was pushed."""
        client = self._clients.get(reference.registry, reference.repository)
        client.put_document(reference.repository, reference.tag, document)

    def _blob(
        self, client: Client, reference: Reference, descriptor: Descriptor, source: BlobSource
    ) -> Moved:
        key = (reference.registry, descriptor.digest)
        with self._lock:
            gate = self._gates[key]
        # One at a time for a blob: who comes second mounts what the first one uploaded.
        with gate:
            known = self._known[key]
            if reference.repository in known:
                early = self._moved[reference.registry, reference.repository]
                return early.pop(descriptor.digest, Moved.EXISTED)
            mount_from = tuple(dict.fromkeys((*known, *source.mount_from)))
            source = replace(source, mount_from=mount_from)
            moved = blobs.push(client, reference.repository, descriptor, source)
            known.append(reference.repository)
            return moved


def _each_once(descriptors: Iterable[Descriptor]) -> tuple[Descriptor, ...]:
    return tuple({descriptor.digest: descriptor for descriptor in descriptors}.values())


def _repositories(origins: Iterable[Reference], target: Reference) -> tuple[str, ...]:
    """Return the repositories that are in the same registry as where something goes."""
    return tuple(origin.repository for origin in origins if origin.registry == target.registry)
