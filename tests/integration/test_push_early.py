"""Layers that go to a registry while they are written, and while later steps run."""

import os
from pathlib import Path

import pytest

from mkbuild.errors import CancelledError, RegistryError
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Manifest, Platform
from mkbuild.oci.reference import Reference, parse
from mkbuild.registry.clients import Clients
from mkbuild.registry.config import Registries
from mkbuild.registry.config import parse as parse_settings
from mkbuild.registry.credentials import Keychain
from mkbuild.registry.push import Pusher, PushImage
from mkbuild.store.memory import MemoryBlobStore
from tests.support import faults
from tests.support.command import Mkbuild, registries
from tests.support.counting import counting_proxy
from tests.support.faults import FakeRegistry
from tests.support.registry import RealRegistry, get

pytestmark = pytest.mark.registry

BIG = os.urandom(12 << 20)
SMALL = b"small" * 100


def pusher(tmp_path: Path, store: MemoryBlobStore, settings: Registries | None = None) -> Pusher:
    return Pusher(Clients(settings or Registries(), Keychain({}, tmp_path)), store)


def write(store: MemoryBlobStore, data: bytes, to: Pusher, place: Reference) -> Manifest:
    """Write a layer that goes early, and return an image of it."""
    with store.writer() as blob:
        follower = blob.follow()
        blob.write(data)
        digest, size = blob.commit()
    to.push_early(place, follower, lambda: False)
    config = ImageConfig(platform=Platform("linux", "amd64")).to_json()
    store.put(config)
    return mutate.manifest(config, [Descriptor(mediatype.OCI_LAYER, digest, size)])


def uploads(registry: RealRegistry, repository: str) -> list[Path]:
    """Return what was uploaded and belongs to no blob (the registry leaves directories)."""
    place = registry.storage / "docker/registry/v2/repositories" / repository / "_uploads"
    return list(place.glob("*/data"))


@pytest.mark.parametrize("data", [BIG, SMALL, b""], ids=["big", "small", "empty"])
def test_it_is_there_before_the_push(registry: RealRegistry, tmp_path: Path, data: bytes) -> None:
    store = MemoryBlobStore()
    name = parse(f"{registry.address}/early/there{len(data)}:1")
    to = pusher(tmp_path, store)
    image = write(store, data, to, name)
    path = f"/v2/{name.repository}/blobs/{image.layers[0].digest}"
    assert get(registry, path) == (200, data)
    pushed = to.push(name, PushImage(image))
    assert (pushed.uploaded, pushed.existed, pushed.bytes > len(data)) == (2, 0, True)
    assert uploads(registry, name.repository) == []


@pytest.mark.parametrize("data", [BIG, SMALL], ids=["big", "small"])
def test_what_is_there_is_not_sent_again(
    registry: RealRegistry, tmp_path: Path, data: bytes
) -> None:
    """Of a big layer the first bytes are on their way when the digest becomes known."""
    store = MemoryBlobStore()
    name = parse(f"{registry.address}/early/again{len(data)}:1")
    first = pusher(tmp_path, store)
    first.push(name, PushImage(write(store, data, first, name)))
    to = pusher(tmp_path, store)
    pushed = to.push(name, PushImage(write(store, data, to, name)))
    assert (pushed.uploaded, pushed.existed) == (0, 2)
    assert uploads(registry, name.repository) == []


def test_a_repository_that_lacked_a_layer_is_not_asked_for_the_next(
    registry: RealRegistry, tmp_path: Path
) -> None:
    store = MemoryBlobStore()
    with counting_proxy(registry.port) as counter:
        name = parse(f"{counter.address}/early/chain:1")
        to = pusher(tmp_path, store)
        for number in range(3):
            image = write(store, b"%d" % number, to, name)
            path = f"/v2/{name.repository}/blobs/{image.layers[0].digest}"
            assert get(registry, path) == (200, b"%d" % number)
        asked = [line for line in counter.requests if line.startswith("HEAD")]
        assert len(asked) == 1
        # One that was there says nothing of the next.
        again = pusher(tmp_path, store)
        for number in range(3):
            write(store, b"%d" % number, again, name)
        asked = [line for line in counter.requests if line.startswith("HEAD")]
        assert len(asked) == 1 + 3


@pytest.mark.parametrize("data", [BIG, SMALL], ids=["big", "small"])
def test_no_tag_stands_for_an_image_whose_layer_was_lacking(
    registry: RealRegistry, tmp_path: Path, data: bytes
) -> None:
    store = MemoryBlobStore()
    with counting_proxy(registry.port) as counter:
        name = parse(f"{counter.address}/early/lacking{len(data)}:1")
        to = pusher(tmp_path, store)
        image = write(store, data + b"lacking", to, name)
        layers = [layer.digest for layer in image.layers]
        asked = len(counter.requests)
        assert not to.is_current(name, image.digest, layers)
        assert len(counter.requests) == asked
        to.push(name, PushImage(image))
        to.move(name, image)
        # Once it is pushed that is no reason any more.
        assert to.is_current(name, image.digest, layers)


@pytest.mark.parametrize("data", [BIG, SMALL], ids=["big", "small"])
def test_a_layer_that_is_given_up(registry: RealRegistry, tmp_path: Path, data: bytes) -> None:
    store = MemoryBlobStore()
    name = parse(f"{registry.address}/early/up{len(data)}:1")
    with store.writer() as blob:
        follower = blob.follow()
        blob.write(data)
    with pytest.raises(CancelledError, match="given up"):
        pusher(tmp_path, store).push_early(name, follower, lambda: False)
    assert uploads(registry, name.repository) == []


def test_a_registry_that_wants_no_streams(tmp_path: Path) -> None:
    """The push proper brings what did not go early."""
    store = MemoryBlobStore()
    with FakeRegistry() as registry:
        registry.fail("PATCH", "/uploads/", faults.status(405))
        name = parse(f"{registry.address}/early/fake:1")
        to = pusher(tmp_path, store)
        with pytest.raises(RegistryError, match="405"):
            write(store, BIG, to, name)
        image = write(store, BIG, pusher(tmp_path, store, chunked(registry, tmp_path)), name)
        assert to.push(name, PushImage(image)).uploaded == 1


def chunked(registry: FakeRegistry, tmp_path: Path) -> Registries:
    return parse_settings({registry.address: {"push_chunk": 5_000_000}}, tmp_path)


@pytest.mark.root
def test_a_layer_is_sent_while_the_next_step_runs(registry: RealRegistry, tmp_path: Path) -> None:
    """The build ends only because it is: its last step waits until the repository is there."""
    work = tmp_path / "work"
    work.mkdir()
    (work / "file").write_bytes(os.urandom(100_000))
    (work / "Dockerfile").write_text(
        "FROM busybox\nCOPY file /\n"
        f"RUN until wget -q -O- http://{registry.address.replace('localhost', '127.0.0.1')}"
        "/v2/_catalog | grep early/meanwhile; do sleep 0.1; done\n"
    )
    (work / "BUILD.yaml").write_text(
        "version: 1\nimages:\n  a:\n    context: .\n"
        f"    tags: ['{registry.address}/early/meanwhile:1']\n"
    )
    mkbuild = Mkbuild(work, tmp_path / "store", registries(tmp_path))
    done = mkbuild.run("build", "a", "--push", "--network", "host")
    assert done.returncode == 0, done.stderr


@pytest.mark.root
def test_a_name_counts_where_something_is_pushed_alone(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    (tmp_path / "BUILD.yaml").write_text(
        "version: 1\nimages: {a: {context: ., tags: [NO/Name]}, b: {context: .}}\n"
    )
    mkbuild = Mkbuild(tmp_path, tmp_path / "store")
    mkbuild.build("a", "b")
    done = mkbuild.run("a", "--push")
    assert done.returncode == 2
    assert "invalid image reference 'NO/Name'" in done.stderr
