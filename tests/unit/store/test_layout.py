import io
import json
import os
import tarfile
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.errors import ArchiveError, PullError
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, Index, Manifest, Platform
from mkbuild.store import layout
from mkbuild.store.layout import Layout, LayoutImage
from mkbuild.store.memory import MemoryBlobStore


@pytest.fixture
def store() -> MemoryBlobStore:
    return MemoryBlobStore()


def make(store: MemoryBlobStore, *layers: bytes) -> Manifest:
    config = json.dumps({"layers": len(layers)}).encode()
    store.put(config)
    return mutate.manifest(
        config,
        [Descriptor(mediatype.OCI_LAYER, store.put(layer), len(layer)) for layer in layers],
    )


def test_directory_round_trip(store: MemoryBlobStore, tmp_path: Path) -> None:
    image = make(store, b"layer" * 1000, b"")
    layout.write_directory(tmp_path, [LayoutImage(image, ("1", "latest"))], store)
    assert (tmp_path / "oci-layout").read_bytes() == b'{"imageLayoutVersion":"1.0.0"}'
    found = Layout(tmp_path)
    for target in ("1", "latest", "", image.digest):
        assert found.resolve(target).digest == image.digest
    assert found.read(found.resolve("1")) == image.raw
    copy = MemoryBlobStore()
    for descriptor in (image.config, *image.layers):
        found.copy_blob(descriptor, copy)
        assert copy.read(descriptor.digest) == store.read(descriptor.digest)
    assert not list(tmp_path.rglob("*.partial"))


def test_writing_again_keeps_the_other_images(store: MemoryBlobStore, tmp_path: Path) -> None:
    first, second = make(store, b"1"), make(store, b"1", b"2")
    layout.write_directory(tmp_path, [LayoutImage(first, ("a", "b"))], store)
    layout.write_directory(tmp_path, [LayoutImage(second, ("b",))], store)
    found = Layout(tmp_path)
    assert found.resolve("a").digest == first.digest
    assert found.resolve("b").digest == second.digest
    assert len(found.index().manifests) == 2
    layout.write_directory(tmp_path, [LayoutImage(second, ("b",))], store)
    assert len(found.index().manifests) == 2


def test_index_with_its_manifests(store: MemoryBlobStore, tmp_path: Path) -> None:
    images = (make(store, b"1"), make(store, b"2", b"3"))
    index = Index.build(
        tuple(
            Descriptor(m.media_type, m.digest, len(m.raw), platform=Platform("linux", a))
            for m, a in zip(images, ("amd64", "arm64"), strict=True)
        )
    )
    layout.write_directory(tmp_path, [LayoutImage(index, ("t",), images)], store)
    found = Layout(tmp_path)
    assert found.resolve("t") == Descriptor(
        mediatype.OCI_INDEX, index.digest, len(index.raw), {layout.REF_NAME: "t"}
    )
    # By digest also what index.json does not name.
    assert found.resolve(images[1].digest).media_type == mediatype.OCI_MANIFEST
    assert found.read(found.resolve(images[1].digest)) == images[1].raw


def test_tar_is_deterministic_and_complete(store: MemoryBlobStore) -> None:
    image = make(store, b"layer" * 100_000)
    first, second = io.BytesIO(), io.BytesIO()
    for stream in (first, second):
        layout.write_tar(stream, [LayoutImage(image, ("t",))], store)
    assert first.getvalue() == second.getvalue()
    first.seek(0)
    with tarfile.open(fileobj=first) as archive:
        members = archive.getmembers()
        names = [member.name for member in members]
        assert names[0] == "oci-layout"
        assert names[-1] == "index.json"
        assert names[1:-1] == sorted(names[1:-1])
        assert {(m.uid, m.gid, m.uname, m.gname, m.mtime, m.mode) for m in members} == {
            (0, 0, "", "", 0, 0o644)
        }
        for descriptor in (image.config, *image.layers):
            content = archive.extractfile(layout.blob_path(descriptor.digest))
            assert content is not None
            assert digests.of(content.read()) == descriptor.digest


def index_json(tmp_path: Path, *entries: dict[str, object]) -> Layout:
    (tmp_path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (tmp_path / "index.json").write_text(
        json.dumps({"schemaVersion": 2, "manifests": list(entries)})
    )
    return Layout(tmp_path)


def entry(text: bytes, **annotations: str) -> dict[str, object]:
    return {
        "mediaType": mediatype.OCI_MANIFEST,
        "digest": digests.of(text),
        "size": 1,
        "annotations": {key.replace("_", "."): value for key, value in annotations.items()},
    }


def test_names_in_the_wild(tmp_path: Path) -> None:
    found = index_json(
        tmp_path,
        entry(b"1", org_opencontainers_image_ref_name="docker.io/library/debian:bookworm"),
        entry(b"2", org_opencontainers_image_ref_name="trixie"),
        entry(b"3", io_containerd_image_name="localhost:5000/x:sid"),
        entry(b"4"),
    )
    assert found.resolve("bookworm").digest == digests.of(b"1")
    assert found.resolve("docker.io/library/debian:bookworm").digest == digests.of(b"1")
    assert found.resolve("trixie").digest == digests.of(b"2")
    assert found.resolve("sid").digest == digests.of(b"3")
    assert found.resolve(digests.of(b"4")).digest == digests.of(b"4")
    assert found.find("none") is None
    with pytest.raises(PullError, match=r"no image 'none'; it has: .*bookworm.*trixie"):
        found.resolve("none")
    with pytest.raises(PullError, match="no image 'latest'"):
        found.resolve()


@pytest.mark.parametrize(
    ("content", "why"),
    [("{", "not JSON"), ("[]", "not a JSON object"), ('{"manifests": [{}]}', "descriptor")],
)
def test_malformed_index(tmp_path: Path, content: str, why: str) -> None:
    (tmp_path / "index.json").write_text(content)
    with pytest.raises(ArchiveError, match=why):
        Layout(tmp_path).resolve()


def test_no_layout(tmp_path: Path) -> None:
    assert not Layout.exists(tmp_path)
    with pytest.raises(ArchiveError, match="no OCI image layout") as caught:
        Layout(tmp_path).resolve()
    assert caught.value.hint


def test_wrong_missing_and_huge_blobs(tmp_path: Path) -> None:
    found = index_json(tmp_path)
    blob = Descriptor("x", digests.of(b"right"), 5)
    for call in (found.read, lambda d: found.copy_blob(d, MemoryBlobStore())):
        with pytest.raises(ArchiveError, match="lacks the blob"):
            call(blob)
    assert not found.has(blob.digest)
    path = tmp_path / layout.blob_path(blob.digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"wrong")
    with pytest.raises(ArchiveError, match="other bytes"):
        found.read(blob)
    with pytest.raises(ArchiveError, match="wrong content"):
        found.copy_blob(blob, MemoryBlobStore())
    path.write_bytes(b"x" * ((4 << 20) + 1))
    with pytest.raises(ArchiveError, match="larger than"):
        found.read(blob)


@pytest.mark.parametrize("what", ["fifo", "device", "directory", "loop"])
def test_what_is_no_file_is_not_read(tmp_path: Path, what: str) -> None:
    found = index_json(tmp_path)
    blob = Descriptor("x", digests.of(b"right"), 5)
    path = tmp_path / layout.blob_path(blob.digest)
    path.parent.mkdir(parents=True)
    (tmp_path / "index.json").unlink()
    for place in (path, tmp_path / "index.json"):
        match what:
            case "fifo":
                os.mkfifo(place)
            case "device":
                place.symlink_to("/dev/zero")
            case "directory":
                place.mkdir()
            case _:
                place.symlink_to(place.name)
    for call in (found.read, lambda d: found.copy_blob(d, MemoryBlobStore())):
        with pytest.raises(ArchiveError, match="cannot be read: "):
            call(blob)
    with pytest.raises(ArchiveError, match=r"index\.json cannot be read: "):
        found.index()


def test_a_file_in_place_of_the_blobs(tmp_path: Path) -> None:
    found = index_json(tmp_path)
    (tmp_path / "blobs").write_text("x")
    with pytest.raises(ArchiveError, match="cannot be read: Not a directory"):
        found.read(Descriptor("x", digests.of(b"right"), 5))


@pytest.mark.parametrize("size", [4, 6, 1 << 70])
def test_a_blob_has_the_size_that_was_said(tmp_path: Path, size: int) -> None:
    found = index_json(tmp_path)
    blob = Descriptor("x", digests.of(b"right"), size)
    path = tmp_path / layout.blob_path(blob.digest)
    path.parent.mkdir(parents=True)
    path.write_bytes(b"right")
    with pytest.raises(ArchiveError, match=f"has 5 bytes, not {size}"):
        found.copy_blob(blob, MemoryBlobStore())


@pytest.mark.parametrize("data", [b"{", b"[" * 100_000, b"[]", b"1", b'{"mediaType": 1}'])
def test_documents_that_are_none(data: bytes) -> None:
    with pytest.raises(ArchiveError, match="a manifest"):
        layout.document_type(data)


def test_what_the_store_lacks(store: MemoryBlobStore, tmp_path: Path) -> None:
    image = make(store, b"layer")
    store.delete(image.layers[0].digest)
    with pytest.raises(KeyError):
        layout.write_directory(tmp_path, [LayoutImage(image, ("t",))], store)
    assert not (tmp_path / "index.json").exists()
