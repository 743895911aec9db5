import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.errors import ArchiveError
from mkbuild.oci import mediatype
from mkbuild.oci.model import (
    ContainerConfig,
    Descriptor,
    Healthcheck,
    History,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)

LAYER = Descriptor(
    mediatype.OCI_LAYER_GZIP,
    digests.of(b"layer"),
    5,
    {"a": "b"},
    Platform("linux", "arm", "v7", "1.2"),
    ("https://example.com/layer",),
)
CONFIG = ImageConfig(
    platform=Platform("linux", "arm64", "v8"),
    config=ContainerConfig(  # noqa: S604 - no process is started
        user="1000:1000",
        env=("PATH=/bin", "É=é"),
        entrypoint=(),
        cmd=("sh", "-c", "true"),
        exposed_ports=("80/tcp",),
        volumes=("/data",),
        working_dir="/w",
        labels={"x": "y"},
        stop_signal="SIGINT",
        healthcheck=Healthcheck(("CMD", "true"), 1, 2, 3, 4, 5),
        shell=("/bin/bash", "-c"),
        on_build=("RUN true",),
    ),
    diff_ids=(digests.of(b"1"),),
    history=(History("2020-01-01T00:00:00Z", "RUN x", "c"), History(empty_layer=True)),
    created="2020-01-01T00:00:00Z",
    author="me",
)


def test_round_trips() -> None:
    assert Descriptor.from_json(json.loads(json.dumps(LAYER.to_json()))) == LAYER
    manifest = Manifest.build(LAYER, (LAYER, LAYER), annotations={"k": "v"})
    assert Manifest.parse(manifest.raw) == manifest
    index = Index.build((LAYER,))
    assert Index.parse(index.raw) == index
    assert ImageConfig.parse(CONFIG.to_json()) == CONFIG
    assert ImageConfig.parse(CONFIG.to_json()).to_json() == CONFIG.to_json()


def test_nulls_are_absent() -> None:
    data = b"""{"config": {"Env": null, "Cmd": null, "Labels": null, "Volumes": null},
        "rootfs": null, "history": null, "os": null}"""
    assert ImageConfig.parse(data) == ImageConfig(platform=Platform("linux", ""))


def test_what_docker_accepts_besides() -> None:
    data = b'{"config": {"Cmd": "sh", "Labels": {"a": null}}, "os": "linux"}'
    config = ImageConfig.parse(data).config
    assert config.cmd == ("sh",)
    assert config.labels == {"a": ""}


def test_halves_of_surrogate_pairs_are_replaced() -> None:
    config = ImageConfig.parse(b'{"author": "x\\ud800y", "config": {"Env": ["A=\\udfff"]}}')
    assert config.author == "x�y"
    config.to_json()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"[" * 100_000,
        b'{"config": []}',
        b'{"config": {"Env": "A"}, "rootfs": {"diff_ids": ["sha256:../../x"]}}',
        b'{"config": {"Env": [1]}}',
        b'{"config": {"Labels": {"a": 1}}}',
        b'{"config": {"Healthcheck": {"Retries": "3"}}}',
        b'{"history": [1]}',
        b'{"history": {}}',
        b'{"created": 5}',
        b'{"rootfs": {"diff_ids": "x"}}',
    ],
)
def test_malformed_configs(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        ImageConfig.parse(data)


@pytest.mark.parametrize(
    "change",
    [
        {"size": -1},
        {"size": True},
        {"size": "5"},
        {"digest": "sha256:../../x"},
        {"digest": 5},
        {"mediaType": 5},
        {"annotations": []},
        {"annotations": {"a": 1}},
        {"platform": []},
        {"platform": {"os": 1}},
        {"urls": [1]},
    ],
)
def test_malformed_descriptors(change: dict[str, object]) -> None:
    with pytest.raises(ArchiveError):
        Descriptor.from_json(LAYER.to_json() | change)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
NAMES = st.sampled_from(
    [
        "mediaType", "config", "layers", "manifests", "annotations", "subject", "artifactType",
        "rootfs", "history", "created", "os", "Env", "Labels", "Healthcheck", "diff_ids",
    ]
)  # fmt: skip


@given(
    st.dictionaries(NAMES, JSON | st.dictionaries(NAMES, JSON)),
    st.sampled_from([Manifest.parse, Index.parse, ImageConfig.parse]),
)
def test_whatever_comes_is_read_or_refused(
    document: dict[str, Any], parse: Callable[[bytes], object]
) -> None:
    try:
        parse(json.dumps(document).encode())
    except ArchiveError:
        return
