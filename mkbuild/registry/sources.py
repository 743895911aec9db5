"""Where images come from: registries, their mirrors, directories of OCI layouts."""

from pathlib import Path
from typing import Protocol

from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, RegistryError
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.oci.reference import Reference
from mkbuild.registry import blobs
from mkbuild.registry.client import Client
from mkbuild.registry.clients import Clients
from mkbuild.registry.config import LAYOUT_MIRROR, canonical_registry
from mkbuild.registry.documents import parse_document
from mkbuild.store.layout import Layout
from mkbuild.store.protocol import BlobSink


class Source(Protocol):
    """A repository that can be read. Failures are RegistryError."""

    @property
    def name(self) -> str:
        """How messages call it."""
        ...

    @property
    def place(self) -> str:
        """What is out of reach together: the registry, or the directory."""
        ...

    def find(self, target: str) -> Descriptor | None:
        """Ask what a tag or digest stands for; None where it is not there."""
        ...

    def document(self, digest: Digest) -> Manifest | Index:
        """Fetch a manifest or index, checked against its digest."""
        ...

    def fetch(self, descriptor: Descriptor, into: BlobSink) -> None:
        """Bring a blob into a store, checked against its digest."""
        ...


class RegistrySource:
    """A repository of a registry."""

    def __init__(self, client: Client, repository: str) -> None:
        self._client = client
        self._repository = repository
        self.name = f"{client.registry}/{repository}"
        self.place = client.registry

    def find(self, target: str) -> Descriptor | None:
        """Ask the registry (HEAD)."""
        return self._client.head(self._repository, target)

    def document(self, digest: Digest) -> Manifest | Index:
        """Fetch by digest."""
        return self._client.document(self._repository, digest)

    def fetch(self, descriptor: Descriptor, into: BlobSink) -> None:
        """Download; a foreign layer that the registry lacks comes from where it says."""
        try:
            blobs.download(self._client, self._repository, descriptor, into)
        except RegistryError:
            if not descriptor.urls:
                raise
            blobs.download(self._client, self._repository, descriptor, into, url=descriptor.urls[0])


class LayoutSource:
    """An OCI layout directory."""

    def __init__(self, path: Path) -> None:
        self._layout = Layout(path)
        self.name = self.place = f"{LAYOUT_MIRROR}{path}"

    def find(self, target: str) -> Descriptor | None:
        """Look into index.json."""
        try:
            return self._layout.find(target)
        except ArchiveError as error:
            raise RegistryError(error.message, hint=error.hint) from error

    def document(self, digest: Digest) -> Manifest | Index:
        """Read from blobs/."""
        try:
            descriptor = self._layout.resolve(digest)
            data = self._layout.read(descriptor)
        except ArchiveError as error:
            raise RegistryError(error.message, hint=error.hint) from error
        return parse_document(data, descriptor.media_type, f"{self.name}@{digest}")

    def fetch(self, descriptor: Descriptor, into: BlobSink) -> None:
        """Copy from blobs/."""
        try:
            self._layout.copy_blob(descriptor, into)
        except ArchiveError as error:
            raise RegistryError(error.message) from error


def sources_of(clients: Clients, reference: Reference) -> tuple[Source, ...]:
    """Return where to look for a reference, in order: its mirrors, then its own registry.

    A directory of layouts is left out where it holds none for the repository.
    """
    registry, repository = reference.registry, reference.repository
    found: list[Source] = []
    for mirror in clients.registries.settings(registry, repository).mirrors:
        if mirror.startswith(LAYOUT_MIRROR):
            layout = _layout_of(Path(mirror.removeprefix(LAYOUT_MIRROR)), reference)
            if layout is not None:
                found.append(LayoutSource(layout))
        else:
            host, _, prefix = mirror.partition("/")
            host, path = canonical_registry(host), "/".join(filter(None, (prefix, repository)))
            found.append(RegistrySource(clients.get(host, path), path))
    found.append(RegistrySource(clients.get(registry, repository), repository))
    return tuple(found)


def _layout_of(directory: Path, reference: Reference) -> Path | None:
    repository = reference.repository
    for name in (reference.name, repository, repository.removeprefix("library/")):
        if Layout.exists(directory / name):
            return directory / name
    return None
