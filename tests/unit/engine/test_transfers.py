"""Pushes of archives whose layers are not what their configs say."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

from mkbuild import digest as digests
from mkbuild.cli.main import main
from mkbuild.oci.model import ImageConfig
from tests.support.configs import with_layers
from tests.support.faults import FakeRegistry

LAYERS = [b"first" * 1000, b"second" * 1000]


def save(path: Path, *layers: bytes) -> Path:
    """Write an archive of these layers, whose config names the diff IDs of LAYERS."""
    config = with_layers(ImageConfig(), *LAYERS).to_json()
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    entry = {"Config": "c.json", "RepoTags": None, "Layers": names}
    files = {"manifest.json": json.dumps([entry]).encode(), "c.json": config}
    with tarfile.open(path, "w") as archive:
        for name, data in (files | dict(zip(names, layers, strict=True))).items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def push(archive: Path, server: FakeRegistry) -> int:
    storage = str(archive.parent / "store")
    return main(["push", str(archive), "-t", f"{server.address}/app:1", "--storage", storage])


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress, bytes])
def test_layers_that_are_right(tmp_path: Path, compress: Callable[[bytes], bytes]) -> None:
    with FakeRegistry() as server:
        assert push(save(tmp_path / "image.tar", *map(compress, LAYERS)), server) == 0
        assert ("app", "1") in server.manifests


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_layer_of_other_bytes(
    tmp_path: Path, compress: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    archive = save(tmp_path / "image.tar", compress(LAYERS[0]), compress(b"other"))
    with FakeRegistry() as server:
        assert push(archive, server) == 1
        assert server.requests == []
    said = " ".join(capsys.readouterr().err.split())
    actual, wanted = digests.of(b"other"), digests.of(LAYERS[1])
    assert f"layer 2 is {actual}, but the config says {wanted}" in said


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.compress])
def test_a_compressed_layer_that_is_cut_off(
    tmp_path: Path, compress: Callable[[bytes], bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    archive = save(tmp_path / "image.tar", compress(LAYERS[0])[:-9], compress(LAYERS[1]))
    with FakeRegistry() as server:
        assert push(archive, server) == 1
        assert server.requests == []
    assert f"{archive.name}: layer 1: compressed data that " in " ".join(
        capsys.readouterr().err.split()
    )
