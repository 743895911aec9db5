"""OCI image layouts (image-layout.md): reading directories, writing directories and tars."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError, PullError
from mkbuild.frozen import frozen
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.store.protocol import BlobSink, BlobStore
from mkbuild.store.reading import open_regular

if TYPE_CHECKING:
    from tarfile import TarFile

REF_NAME = "org.opencontainers.image.ref.name"
_CONTAINERD_NAME = "io.containerd.image.name"
_MARKER = b'{"imageLayoutVersion":"1.0.0"}'
_CHUNK = 1 << 20
_MAX_DOCUMENT = 4 << 20
"""Largest manifest, index or config, in bytes."""


@frozen
class Layout:
    """An image layout directory, read only. Nothing is opened before it is asked for."""

    path: Path

    @classmethod
    def exists(cls, path: Path) -> bool:
        """Whether a directory is an image layout."""
        return (path / "oci-layout").is_file() and (path / "index.json").is_file()

    def index(self) -> Index:
        """Read index.json; ArchiveError where this is no layout."""
        try:
            data = _small(self.path / "index.json")
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ArchiveError(
                f"{self.path} is no OCI image layout: it has no index.json",
                hint="name the directory that holds oci-layout, index.json and blobs/",
            ) from error
        except OSError as error:
            raise _unreadable(self.path / "index.json", error) from error
        return Index.parse(data)

    def find(self, target: str) -> Descriptor | None:
        """Find an image by tag, full name or digest; None where there is none."""
        for manifest in self.index().manifests:
            if target == manifest.digest or target in _names(manifest):
                return manifest
        # A digest may also be that of a manifest below an index, or of an image without a name.
        return self._by_digest(target) if target.startswith("sha256:") else None

    def resolve(self, target: str = "") -> Descriptor:
        """Find an image by tag, full name or digest; the only one where nothing is asked for.

        Raises PullError that lists what there is.
        """
        manifests = self.index().manifests
        if not target and len(manifests) == 1:
            return manifests[0]
        wanted = target or "latest"
        found = self.find(wanted)
        if found is None:
            known = ", ".join(sorted({n for m in manifests for n in _names(m)})) or "no names"
            raise PullError(f"{self.path} holds no image {wanted!r}; it has: {known}")
        return found

    def _by_digest(self, text: str) -> Descriptor | None:
        try:
            digest = digests.parse(text)
            data = self.read(Descriptor("", digest, _MAX_DOCUMENT))
            return Descriptor(document_type(data), digest, len(data))
        except (ValueError, ArchiveError):
            return None

    def read(self, descriptor: Descriptor) -> bytes:
        """Read a document and check its digest; ArchiveError where absent, wrong or huge."""
        blob = self._blob(descriptor.digest)
        try:
            data = _small(blob)
        except FileNotFoundError as error:
            raise self._lacks(descriptor) from error
        except OSError as error:
            raise _unreadable(blob, error) from error
        if digests.of(data) != descriptor.digest:
            raise ArchiveError(f"{self.path}: the blob {descriptor.digest} has other bytes")
        return data

    def copy_blob(self, descriptor: Descriptor, into: BlobSink) -> None:
        """Copy a blob into a store, size and digest checked; ArchiveError where absent or wrong.

        OSError where the store cannot be written to.
        """
        try:
            source = open_regular(self._blob(descriptor.digest))
        except FileNotFoundError as error:
            raise self._lacks(descriptor) from error
        except OSError as error:
            raise _unreadable(self._blob(descriptor.digest), error) from error
        with source, into.writer() as blob:
            size = os.fstat(source.fileno()).st_size
            if size != descriptor.size:
                raise ArchiveError(
                    f"{self.path}: the blob {descriptor.digest} has {size} bytes,"
                    f" not {descriptor.size}"
                )
            while chunk := source.read(_CHUNK):
                blob.write(chunk)
            blob.commit(descriptor.digest)

    def _lacks(self, descriptor: Descriptor) -> ArchiveError:
        return ArchiveError(f"{self.path} lacks the blob {descriptor.digest}")

    def has(self, digest: Digest) -> bool:
        """Whether the layout holds a blob."""
        return self._blob(digest).is_file()

    def _blob(self, digest: Digest) -> Path:
        return self.path / "blobs" / "sha256" / digests.hex_of(digests.parse(digest))


def document_type(data: bytes) -> str:
    """Return the media type of a manifest or index that may not state it; ArchiveError."""
    stated = _document(data).get("mediaType")
    if stated is not None and not isinstance(stated, str):
        raise ArchiveError("a manifest whose mediaType is not a text")
    return stated or (mediatype.OCI_INDEX if is_index(data) else mediatype.OCI_MANIFEST)


def is_index(data: bytes) -> bool:
    """Whether a document lists manifests; ArchiveError where it is none at all."""
    return "manifests" in _document(data)


def _document(data: bytes) -> dict[str, object]:
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ArchiveError(f"a manifest is not a JSON object: {error}") from error
    if not isinstance(document, dict):
        raise ArchiveError("a manifest is not a JSON object")
    return document


def _small(path: Path) -> bytes:
    with open_regular(path) as stream:
        data = stream.read(_MAX_DOCUMENT + 1)
    if len(data) > _MAX_DOCUMENT:
        raise ArchiveError(f"{path} is larger than {_MAX_DOCUMENT} bytes")
    return data


def _unreadable(path: Path, error: OSError) -> ArchiveError:
    return ArchiveError(f"{path} cannot be read: {error.strerror}")


def _names(manifest: Descriptor) -> set[str]:
    names = set()
    for key in (REF_NAME, _CONTAINERD_NAME):
        if name := manifest.annotations.get(key):
            names |= {name, name.rpartition("/")[2].partition(":")[2]}
    return names - {""}


@frozen
class LayoutImage:
    """An image (or index of images) to be written, with the names it gets in the layout.

    ``documents``: the manifests of an index, else empty.
    """

    document: Manifest | Index
    names: tuple[str, ...] = ()
    documents: tuple[Manifest, ...] = field(default=())

    def manifests(self) -> tuple[Manifest, ...]:
        """Return every image manifest."""
        return (self.document,) if isinstance(self.document, Manifest) else self.documents


class _Sink(Protocol):
    def add(self, name: str, size: int, content: BinaryIO) -> None: ...


def write_directory(path: Path, images: Sequence[LayoutImage], store: BlobStore) -> None:
    """Write a layout into a directory, over one that is there: its other images stay.

    Blobs that are there already are not written again. KeyError where the store lacks a blob.
    """
    kept: tuple[Descriptor, ...] = ()
    if (path / "index.json").exists():
        new = {name for image in images for name in image.names}
        kept = tuple(
            manifest
            for manifest in Layout(path).index().manifests
            if manifest.annotations.get(REF_NAME) not in new
        )
    write_layout(_DirectorySink(path), images, store, kept)


def write_tar(stream: BinaryIO, images: Sequence[LayoutImage], store: BlobStore) -> None:
    """Write a layout as a tar (oci-archive): the same images always give the same bytes."""
    import tarfile  # a build that writes no archive does not pay for it

    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        write_layout(TarSink(archive), images, store)


def write_layout(
    sink: _Sink,
    images: Sequence[LayoutImage],
    store: BlobStore,
    kept: tuple[Descriptor, ...] = (),
) -> None:
    """Write the marker, the blobs and the index, which also keeps ``kept``."""
    add_bytes(sink, "oci-layout", _MARKER)
    write_blobs(sink, images, store)
    # Last, so that whoever reads a layout that is being written finds what the index names.
    new = tuple(_entries(images))
    old = tuple(m for m in kept if m not in new)
    add_bytes(sink, "index.json", Index.build((*old, *new)).raw)


def _entries(images: Sequence[LayoutImage]) -> Iterator[Descriptor]:
    for image in images:
        descriptor = image.document.descriptor()
        for name in image.names or ("",):
            yield replace(descriptor, annotations={REF_NAME: name} if name else {})


def write_blobs(sink: _Sink, images: Sequence[LayoutImage], store: BlobStore) -> None:
    """Write every blob of the images, once each, in the order of their digests."""
    documents: dict[Digest, bytes] = {}
    blobs: set[Digest] = set()
    for image in images:
        documents[image.document.digest] = image.document.raw
        for manifest in image.manifests():
            documents[manifest.digest] = manifest.raw
            blobs |= {manifest.config.digest, *(layer.digest for layer in manifest.layers)}
    for digest in sorted({*documents, *blobs}):
        if digest in documents:
            add_bytes(sink, blob_path(digest), documents[digest])
        else:
            with store.open(digest) as content:
                sink.add(blob_path(digest), store.size(digest), content)


def blob_path(digest: Digest) -> str:
    """Path of a blob within a layout."""
    return f"blobs/sha256/{digests.hex_of(digest)}"


def add_bytes(sink: _Sink, name: str, data: bytes) -> None:
    """Write one small file."""
    sink.add(name, len(data), BytesIO(data))


class TarSink:
    """Writes files to a tar: no owner, no time, mode 0644."""

    def __init__(self, archive: "TarFile") -> None:
        self._archive = archive

    def add(self, name: str, size: int, content: BinaryIO) -> None:
        """Add one file."""
        member = self._archive.tarinfo(name)
        member.size, member.mode = size, 0o644
        self._archive.addfile(member, content)


class _DirectorySink:
    def __init__(self, root: Path) -> None:
        self._root = root

    def add(self, name: str, size: int, content: BinaryIO) -> None:
        path = self._root / name
        if name.startswith("blobs/") and path.exists() and path.stat().st_size == size:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        with partial.open("wb") as target:
            while chunk := content.read(_CHUNK):
                target.write(chunk)
        partial.rename(path)
