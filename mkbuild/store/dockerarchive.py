"""Archives in docker's format (``docker save``): written as current docker does, read in any form.

What is written is at once a ``docker-archive`` (manifest.json) and an ``oci-archive`` (index.json):
both point at the same blobs. Layers stay compressed, as every reader accepts.
"""

import json
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from mkbuild.errors import ArchiveError
from mkbuild.frozen import frozen
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Manifest
from mkbuild.store import layout
from mkbuild.store.layout import LayoutImage, TarSink
from mkbuild.store.protocol import BlobStore
from mkbuild.store.reading import open_regular

_CHUNK = 1 << 20
_MAX_DOCUMENT = 4 << 20
_MAX_READ = 8 << 20
_MAX_LINKS = 16
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


def write(stream: BinaryIO, images: Sequence[LayoutImage], store: BlobStore) -> None:
    """Write images with their names; the same images always give the same bytes.

    Of an index every image is written, each under all of its names. KeyError where the store
    lacks a blob.
    """
    manifests = [(manifest, image.names) for image in images for manifest in image.manifests()]
    paths = {
        descriptor.digest: layout.blob_path(descriptor.digest)
        for manifest, _ in manifests
        for descriptor in (manifest.config, *manifest.layers)
    }
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.PAX_FORMAT) as archive:
        sink = TarSink(archive)
        # In front, so that a reader of a stream knows what the blobs are.
        layout.add_bytes(sink, "manifest.json", mutate.archive_manifest(manifests, paths))
        layout.write_layout(sink, images, store)


@frozen
class ArchivedImage:
    """An image read from an archive: its blobs are in the store; ``names`` as the archive has."""

    manifest: Manifest
    config: ImageConfig
    names: tuple[str, ...]


def read(path: Path, into: BlobStore, *, docker: bool = False) -> tuple[ArchivedImage, ...]:
    """Read every image of an archive, with plain, gzip or zstd layers, into a store.

    The archive has no manifests of the distribution kind: they are made here, in the OCI format
    or docker's. Raises ArchiveError. An oci-archive without manifest.json is refused with a hint.
    """
    try:
        source = open_regular(path)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be read: {error.strerror}") from error
    try:
        with source, tarfile.open(fileobj=_Bounded(source), mode="r:") as archive:  # type: ignore[call-overload]
            return _Reader(archive, into, docker=docker).images()
    # tarfile trusts sizes and the number of headers of an entry
    except (tarfile.TarError, ValueError, OverflowError, RecursionError) as error:
        raise ArchiveError(
            f"{path} is no image archive: {error}",
            hint="expected the output of 'docker save', --dest or --output type=docker",
        ) from error


class _Bounded:
    """What the tar is read from: an extended header is read at once, however long it says it is."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self.seek, self.tell = source.seek, source.tell

    def read(self, size: int) -> bytes:
        if size > _MAX_READ:
            raise ArchiveError(f"the archive has a header of {size} bytes")
        return self._source.read(size)


class _Reader:
    def __init__(self, archive: tarfile.TarFile, into: BlobStore, *, docker: bool) -> None:
        self._archive = archive
        self._into = into
        self._docker = docker
        # Of equal names the last one counts, as in any tar.
        self._members = {_clean(member.name): member for member in archive}
        self._layers: dict[str, Descriptor] = {}

    def images(self) -> tuple[ArchivedImage, ...]:
        document = self._json("manifest.json")
        if not isinstance(document, list):
            raise ArchiveError("manifest.json of the archive is no list of images")
        return tuple(self._image(entry) for entry in document)

    def _image(self, entry: object) -> ArchivedImage:
        config_path, names, layer_paths = _entry(entry)
        config_data = self._small(config_path)
        config = ImageConfig.parse(config_data)
        if len(config.diff_ids) != len(layer_paths):
            raise ArchiveError(
                f"the archive has {len(layer_paths)} layers for an image of {len(config.diff_ids)}"
            )
        layers = [self._layer(layer) for layer in layer_paths]
        for layer, diff_id in zip(layers, config.diff_ids, strict=True):
            if layer.media_type == mediatype.OCI_LAYER and layer.digest != diff_id:
                raise ArchiveError(f"a layer of the archive is {layer.digest}, not {diff_id}")
        self._into.put(config_data)
        manifest = mutate.manifest(config_data, layers, docker=self._docker)
        return ArchivedImage(manifest, config, names)

    def _layer(self, name: str) -> Descriptor:
        if name not in self._layers:
            with self._open(name) as source, self._into.writer() as blob:
                chunk = source.read(_CHUNK)
                kind = _layer_type(chunk)
                while chunk:
                    blob.write(chunk)
                    chunk = source.read(_CHUNK)
                digest, size = blob.commit()
            self._layers[name] = Descriptor(kind, digest, size)
        return self._layers[name]

    def _json(self, name: str) -> object:
        try:
            return json.loads(self._small(name))
        except (ValueError, RecursionError) as error:
            raise ArchiveError(f"{name} of the archive is not JSON: {error}") from error

    def _small(self, name: str) -> bytes:
        with self._open(name) as stream:
            data = stream.read(_MAX_DOCUMENT + 1)
        if len(data) > _MAX_DOCUMENT:
            raise ArchiveError(f"{name} of the archive is larger than {_MAX_DOCUMENT} bytes")
        return data

    def _open(self, name: str) -> BinaryIO:
        """Open a member; links, which older dockers made of equal layers, stay in the archive."""
        wanted = _clean(name)
        for _ in range(_MAX_LINKS):
            member = self._members.get(wanted)
            if member is None:
                raise ArchiveError(
                    f"the archive lacks {wanted}",
                    hint="expected the output of 'docker save', --dest or --output type=docker",
                )
            if member.issym():
                wanted = _clean(f"{wanted.rpartition('/')[0]}/{member.linkname}")
            elif member.islnk():
                wanted = _clean(member.linkname)
            elif stream := self._archive.extractfile(member):
                return stream  # type: ignore[return-value]
            else:
                raise ArchiveError(f"{wanted} of the archive is no file")
        raise ArchiveError(f"{name} of the archive is a chain of links")


def _clean(name: str) -> str:
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            parts = parts[:-1]
        elif part not in {"", "."}:
            parts.append(part)
    return "/".join(parts)


def _entry(entry: object) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    if isinstance(entry, dict):
        config, names, layers = entry.get("Config"), entry.get("RepoTags"), entry.get("Layers")
        if isinstance(config, str) and _are_texts(names or []) and _are_texts(layers or []):
            return config, tuple(names or ()), tuple(layers or ())
    raise ArchiveError("manifest.json of the archive has an entry without Config and Layers")


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _layer_type(head: bytes) -> str:
    if head.startswith(_GZIP):
        return mediatype.OCI_LAYER_GZIP
    return mediatype.OCI_LAYER_ZSTD if head.startswith(_ZSTD) else mediatype.OCI_LAYER
