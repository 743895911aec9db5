"""Pulling: what a reference stands for on a platform, and its blobs, each fetched once."""

from collections.abc import Callable, Sequence
from dataclasses import field
from typing import TypeAlias, TypeVar

from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, MkbuildError, PullError, RegistryError
from mkbuild.events import Message
from mkbuild.frozen import frozen
from mkbuild.oci.model import Descriptor, ImageConfig, Index, Manifest, Platform
from mkbuild.oci.platform import matches, select
from mkbuild.oci.reference import Reference
from mkbuild.registry.client import MAX_DOCUMENT
from mkbuild.registry.clients import Clients
from mkbuild.registry.documents import parse_document
from mkbuild.registry.flight import InFlight
from mkbuild.registry.retry import UnavailableError
from mkbuild.registry.sources import Source, sources_of
from mkbuild.store.layout import document_type
from mkbuild.store.protocol import BlobSink, BlobStore

T = TypeVar("T")
Failure: TypeAlias = tuple[Source, MkbuildError]

_MAX_NESTING = 4


@frozen
class RemoteImage:
    """An image for one platform; its manifest and config are in the store, layers may not be.

    ``top``: what the reference stands for, an index or the manifest: what a lock file pins.
    ``sources``: where its blobs are, the one that answered first.
    """

    reference: Reference
    top: Descriptor
    manifest: Manifest
    config: ImageConfig
    sources: tuple[Source, ...] = field(compare=False, repr=False)


class Resolver:
    """Finds images and fetches their blobs into one store; safe to use from many threads."""

    def __init__(self, clients: Clients, store: BlobStore) -> None:
        """Open nothing yet."""
        self._clients = clients
        self._store = store
        self._flight = InFlight()
        self._down: set[str] = set()

    def pin(self, reference: Reference) -> Descriptor:
        """Ask what a reference stands for now: one HEAD. Raises PullError."""
        sources = sources_of(self._clients, reference)
        return self._first(reference, sources, lambda source: _find(source, reference))

    def resolve(self, reference: Reference, platform: Platform) -> RemoteImage:
        """Find the image for a platform; raises PullError that says what was tried.

        What the store has is not fetched again: a pinned image that was pulled before needs no
        connection.
        """
        sources = sources_of(self._clients, reference)

        def image_from(source: Source) -> RemoteImage:
            stored = self._stored(reference.digest) if reference.digest else None
            top = stored or self._document(source, _find(source, reference).digest)
            ordered = (source, *(other for other in sources if other is not source))
            return self._image(reference, platform, top, ordered)

        return self._first(reference, sources, image_from)

    def _image(
        self,
        reference: Reference,
        platform: Platform,
        top: Manifest | Index,
        sources: tuple[Source, ...],
    ) -> RemoteImage:
        document = top
        for _ in range(_MAX_NESTING):
            if isinstance(document, Manifest):
                break
            chosen = select(document, platform)
            document = self._document(sources[0], chosen.digest)
        if isinstance(document, Index):
            raise RegistryError(f"{reference.familiar()}: indexes of indexes without end")
        if document.config.size > MAX_DOCUMENT:
            raise RegistryError(f"{reference.familiar()}: the config is too large")
        self.fetch(sources, document.config)
        try:
            config = ImageConfig.parse(self._store.read(document.config.digest))
        except ArchiveError as error:
            raise RegistryError(
                f"{reference.familiar()}: {error.message}",
                hint="an artifact that is no image cannot be built on",
            ) from error
        if isinstance(top, Manifest) and not matches(platform, config.platform):
            # As docker does: an image without an index is taken, whatever it is for.
            name = reference.familiar()
            text = f"{name} is for {config.platform}, not for {platform}: it is used nevertheless"
            self._clients.report(Message("warning", text))
        return RemoteImage(reference, top.descriptor(), document, config, sources)

    def _stored(self, digest: Digest) -> Manifest | Index | None:
        try:
            data = self._store.read(digest)
            return parse_document(data, document_type(data), digest)
        except (KeyError, ArchiveError):
            return None

    def _document(self, source: Source, digest: Digest) -> Manifest | Index:
        stored = self._stored(digest)
        if stored is not None:
            return stored
        document = source.document(digest)
        self._store.put(document.raw)
        return document

    def fetch(
        self, sources: Sequence[Source], descriptor: Descriptor, into: BlobSink | None = None
    ) -> None:
        """Bring a blob into the store from the first source that has it.

        A no-op where it is there; one transfer however many threads ask. ``into``: what a transfer
        writes to on its way into the store. Raises RegistryError.
        """
        sink = into or self._store

        def transfer() -> None:
            if not self._store.has(descriptor.digest):
                self._ask(
                    sources,
                    lambda source: source.fetch(descriptor, sink),
                    lambda failures: failures[0][1],
                )

        if not self._store.has(descriptor.digest):
            self._flight.run(descriptor.digest, transfer)

    def _first(
        self, reference: Reference, sources: Sequence[Source], ask: Callable[[Source], T]
    ) -> T:
        """Return the answer of the first source that has one; PullError names them all."""

        def failed(failures: Sequence[Failure]) -> PullError:
            tried = "; ".join(f"{source.name}: {error.message}" for source, error in failures)
            return PullError(
                f"cannot get {reference.familiar()}: {tried}",
                hint=failures[-1][1].hint or "check the name, or name a mirror under registries:",
            )

        return self._ask(sources, ask, failed)

    def _ask(
        self,
        sources: Sequence[Source],
        ask: Callable[[Source], T],
        failed: Callable[[Sequence[Failure]], MkbuildError],
    ) -> T:
        """Ask one source after the other; a place that was out of reach is not asked again.

        Where nothing else is left, it is.
        """
        within_reach = [source for source in sources if source.place not in self._down]
        failures: list[Failure] = []
        for source in within_reach or sources:
            try:
                return ask(source)
            except (RegistryError, PullError) as error:
                failures.append((source, error))
                if isinstance(error, UnavailableError):
                    self._down.add(source.place)
                if source is not sources[-1] and not isinstance(error, _AbsentError):
                    self._clients.report(Message("warning", f"mirror passed over: {error.message}"))
        raise failed(failures) from failures[-1][1]


class _AbsentError(PullError):
    """A source that works, but has no such image."""


def _find(source: Source, reference: Reference) -> Descriptor:
    found = source.find(reference.target)
    if found is None:
        raise _AbsentError(f"there is no {reference.target}")
    return found
