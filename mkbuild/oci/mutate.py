"""Changes to images as functions from values to values: layers, manifests, variants."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor, Manifest, dump

_TO_DOCKER = {
    mediatype.OCI_LAYER: mediatype.DOCKER_LAYER,
    mediatype.OCI_LAYER_GZIP: mediatype.DOCKER_LAYER_GZIP,
    mediatype.OCI_CONFIG: mediatype.DOCKER_CONFIG,
}
_TO_OCI = {docker: oci for oci, docker in _TO_DOCKER.items()}


def descriptor_of(config: bytes, *, docker: bool = False) -> Descriptor:
    """Describe the bytes of an image config."""
    kind = mediatype.DOCKER_CONFIG if docker else mediatype.OCI_CONFIG
    return Descriptor(kind, digests.of(config), len(config))


def manifest(
    config: bytes,
    layers: Sequence[Descriptor],
    *,
    docker: bool = False,
    annotations: Mapping[str, str] | None = None,
) -> Manifest:
    """Make the manifest of an image from the bytes of its config and its layers, lowest first.

    Media types follow ``docker``: layers of a base in the other family keep their bytes and get
    this family's name. Raises ArchiveError for a zstd layer in docker's schema 2, which has no
    name for it; schema 2 has no annotations either, they are left out.
    """
    return Manifest.build(
        descriptor_of(config, docker=docker),
        tuple(_as_docker(layer) if docker else as_oci(layer) for layer in layers),
        media_type=mediatype.DOCKER_MANIFEST if docker else mediatype.OCI_MANIFEST,
        annotations=None if docker else annotations,
    )


def as_oci(layer: Descriptor) -> Descriptor:
    """Name a layer's type in OCI's words; the bytes are the same."""
    return replace(layer, media_type=_TO_OCI.get(layer.media_type, layer.media_type))


def _as_docker(layer: Descriptor) -> Descriptor:
    kind = _TO_DOCKER.get(layer.media_type, layer.media_type)
    if kind == mediatype.OCI_LAYER_ZSTD:
        raise ArchiveError(
            f"layer {layer.digest} is zstd, which docker's schema 2 has no name for",
            hint="write the OCI format, or compress with gzip",
        )
    return replace(layer, media_type=kind, annotations={})


def archive_manifest(
    images: Sequence[tuple[Manifest, Sequence[str]]], path_of: Mapping[Digest, str]
) -> bytes:
    """Return a docker-save ``manifest.json``: each image with its names.

    ``path_of`` gives the path of every config and layer within the archive.
    """
    document = [
        {
            "Config": path_of[image.config.digest],
            "RepoTags": list(names) or None,
            "Layers": [path_of[layer.digest] for layer in image.layers],
        }
        for image, names in images
    ]
    return dump(document)  # type: ignore[arg-type]
