import gzip
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
import zstandard

from mkbuild.errors import ArchiveError
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Manifest
from mkbuild.store import dockerarchive
from mkbuild.store.layout import LayoutImage
from mkbuild.store.memory import MemoryBlobStore
from tests.support.configs import with_layers

PLAIN = [b"first layer" * 100, b"second layer" * 100]


def config_of(*layers: bytes) -> ImageConfig:
    return with_layers(ImageConfig(), *layers)


def make(store: MemoryBlobStore) -> Manifest:
    config = config_of(*PLAIN).to_json()
    store.put(config)
    packed = [gzip.compress(layer, mtime=0) for layer in PLAIN]
    return mutate.manifest(
        config,
        [Descriptor(mediatype.OCI_LAYER_GZIP, store.put(data), len(data)) for data in packed],
    )


def test_round_trip(tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store)
    archive = tmp_path / "image.tar"
    with archive.open("wb") as stream:
        dockerarchive.write(stream, [LayoutImage(image, ("acme/api:1", "acme/api:2"))], store)
    into = MemoryBlobStore()
    (found,) = dockerarchive.read(archive, into)
    assert found.manifest == image
    assert found.names == ("acme/api:1", "acme/api:2")
    assert found.config == config_of(*PLAIN)
    assert set(into) == set(store)


def test_deterministic_and_readable_as_a_stream() -> None:
    store = MemoryBlobStore()
    image = make(store)
    first, second = io.BytesIO(), io.BytesIO()
    for target in (first, second):
        dockerarchive.write(target, [LayoutImage(image, ("a:b",))], store)
    assert first.getvalue() == second.getvalue()
    first.seek(0)
    with tarfile.open(fileobj=first, mode="r|") as archive:
        member = archive.next()
        assert member
        assert member.name == "manifest.json"


class Saved:
    """An archive made by hand, as other tools write it."""

    def __init__(self) -> None:
        self.buffer = io.BytesIO()
        self.tar = tarfile.TarFile(fileobj=self.buffer, mode="w")

    def add(self, name: str, data: bytes) -> None:
        member = tarfile.TarInfo(name)
        member.size = len(data)
        self.tar.addfile(member, io.BytesIO(data))

    def link(self, name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> None:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        self.tar.addfile(member)

    def manifest(self, *layers: str, names: list[str] | None = None) -> None:
        entry = {"Config": "c.json", "RepoTags": names, "Layers": list(layers)}
        self.add("manifest.json", json.dumps([entry]).encode())

    def read(self, tmp_path: Path, *, docker: bool = False) -> dockerarchive.ArchivedImage:
        self.tar.close()
        (tmp_path / "saved.tar").write_bytes(self.buffer.getvalue())
        (image,) = dockerarchive.read(tmp_path / "saved.tar", MemoryBlobStore(), docker=docker)
        return image


def test_plain_gzip_and_zstd_layers(tmp_path: Path) -> None:
    saved = Saved()
    layers = [b"plain", b"gzip", b"zstd"]
    saved.add("c.json", config_of(*layers).to_json())
    saved.add("1/layer.tar", layers[0])
    saved.add("2/layer.tar", gzip.compress(layers[1]))
    saved.add("3/layer.tar", zstandard.compress(layers[2]))
    saved.manifest("1/layer.tar", "2/layer.tar", "3/layer.tar")
    image = saved.read(tmp_path)
    assert [layer.media_type for layer in image.manifest.layers] == [
        mediatype.OCI_LAYER,
        mediatype.OCI_LAYER_GZIP,
        mediatype.OCI_LAYER_ZSTD,
    ]
    assert image.names == ()


def test_docker_format(tmp_path: Path) -> None:
    saved = Saved()
    saved.add("c.json", config_of(b"plain").to_json())
    saved.add("l", b"plain")
    saved.manifest("l")
    image = saved.read(tmp_path, docker=True)
    assert image.manifest.media_type == mediatype.DOCKER_MANIFEST
    assert image.manifest.layers[0].media_type == mediatype.DOCKER_LAYER


@pytest.mark.parametrize(
    ("target", "kind"),
    [("../1/layer.tar", tarfile.SYMTYPE), ("1/layer.tar", tarfile.LNKTYPE)],
)
def test_links_between_equal_layers(tmp_path: Path, target: str, kind: bytes) -> None:
    saved = Saved()
    saved.add("c.json", config_of(b"same", b"same").to_json())
    saved.add("1/layer.tar", b"same")
    saved.link("2/layer.tar", target, kind)
    saved.manifest("1/layer.tar", "2/layer.tar")
    image = saved.read(tmp_path)
    assert image.manifest.layers[0] == image.manifest.layers[1]


def test_links_stay_inside(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    saved = Saved()
    saved.add("c.json", config_of(b"x").to_json())
    saved.link("l", f"../../..{tmp_path}/secret")
    saved.manifest("l")
    with pytest.raises(ArchiveError, match="the archive lacks"):
        saved.read(tmp_path)


def test_links_in_circles(tmp_path: Path) -> None:
    saved = Saved()
    saved.add("c.json", config_of(b"x").to_json())
    saved.link("l", "m")
    saved.link("m", "l")
    saved.manifest("l")
    with pytest.raises(ArchiveError, match="chain of links"):
        saved.read(tmp_path)


def test_a_layer_that_is_not_its_diff_id(tmp_path: Path) -> None:
    saved = Saved()
    saved.add("c.json", config_of(b"right").to_json())
    saved.add("l", b"wrong")
    saved.manifest("l")
    with pytest.raises(ArchiveError, match="a layer of the archive is"):
        saved.read(tmp_path)


@pytest.mark.parametrize(
    ("files", "why"),
    [
        ({}, "lacks manifest.json"),
        ({"manifest.json": b"{"}, "not JSON"),
        ({"manifest.json": b"{}"}, "no list of images"),
        ({"manifest.json": b"[5]"}, "without Config and Layers"),
        ({"manifest.json": b'[{"Config": "c", "Layers": [1]}]'}, "without Config and Layers"),
        ({"manifest.json": b'[{"Config": "c", "Layers": []}]'}, "lacks c"),
        ({"manifest.json": b'[{"Config": "c", "Layers": ["l"]}]', "c": b"{}"}, "1 layers for an"),
        ({"manifest.json": b'[{"Config": "c", "Layers": []}]', "c": b"["}, "not JSON"),
        ({"manifest.json": b" " * ((4 << 20) + 1)}, "larger than"),
    ],
)
def test_refused(tmp_path: Path, files: dict[str, bytes], why: str) -> None:
    saved = Saved()
    for name, data in files.items():
        saved.add(name, data)
    with pytest.raises(ArchiveError, match=why):
        saved.read(tmp_path)


def test_no_archive(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"\x1f\x8b no tar at all" * 100)
    with pytest.raises(ArchiveError, match="no image archive"):
        dockerarchive.read(tmp_path / "x", MemoryBlobStore())
    with pytest.raises(ArchiveError, match="cannot be read: No such file"):
        dockerarchive.read(tmp_path / "none", MemoryBlobStore())
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero")):
        with pytest.raises(ArchiveError, match="cannot be read: it is no regular file"):
            dockerarchive.read(path, MemoryBlobStore())


def header(kind: bytes, size: int) -> bytes:
    member = tarfile.TarInfo("x")
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    ("start", "size", "why"),
    [
        (header(b"x", 8 << 30), 9 << 30, f"a header of {8 << 30} bytes"),
        (header(b"L", 8 << 30), 9 << 30, f"a header of {8 << 30} bytes"),
        ((header(b"x", 11) + b"11 comment=".ljust(512, b"\0")) * 5000, 0, "no image archive"),
        (header(b"0", 1 << 80), 0, "no image archive"),
        (header(b"x", 1 << 80), 0, "a header of"),
    ],
)
def test_headers_that_promise_too_much(tmp_path: Path, start: bytes, size: int, why: str) -> None:
    (tmp_path / "x").write_bytes(start)
    if size:
        os.truncate(tmp_path / "x", size)
    with pytest.raises(ArchiveError, match=why):
        dockerarchive.read(tmp_path / "x", MemoryBlobStore())
