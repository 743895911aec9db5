import json

import pytest

from mkbuild import digest as digests
from mkbuild.errors import ArchiveError
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Manifest

GZIP = Descriptor(mediatype.OCI_LAYER_GZIP, digests.of(b"gzip"), 4)
FOREIGN_FAMILY = Descriptor(mediatype.DOCKER_LAYER_GZIP, digests.of(b"base"), 4)
ZSTD = Descriptor(mediatype.OCI_LAYER_ZSTD, digests.of(b"zstd"), 4)


def test_manifest_in_both_formats() -> None:
    config = ImageConfig().to_json()
    oci = mutate.manifest(config, [FOREIGN_FAMILY, GZIP], annotations={"a": "b"})
    assert oci.media_type == mediatype.OCI_MANIFEST
    assert {layer.media_type for layer in oci.layers} == {mediatype.OCI_LAYER_GZIP}
    assert oci.annotations == {"a": "b"}
    docker = mutate.manifest(config, [FOREIGN_FAMILY, GZIP], docker=True, annotations={"a": "b"})
    assert docker.config.media_type == mediatype.DOCKER_CONFIG
    assert {layer.media_type for layer in docker.layers} == {mediatype.DOCKER_LAYER_GZIP}
    assert "annotations" not in json.loads(docker.raw)
    assert Manifest.parse(docker.raw) == docker


def test_zstd_has_no_name_in_schema_2() -> None:
    assert mutate.manifest(b"{}", [ZSTD]).layers == (ZSTD,)
    with pytest.raises(ArchiveError, match="zstd"):
        mutate.manifest(b"{}", [ZSTD], docker=True)


def test_archive_manifest() -> None:
    image = mutate.manifest(b"{}", [GZIP])
    paths = {image.config.digest: "c.json", GZIP.digest: "l.tar"}
    document = json.loads(mutate.archive_manifest([(image, ["x:1"]), (image, [])], paths))
    assert document == [
        {"Config": "c.json", "RepoTags": ["x:1"], "Layers": ["l.tar"]},
        {"Config": "c.json", "RepoTags": None, "Layers": ["l.tar"]},
    ]
