import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.errors import PullError, RegistryError
from mkbuild.events import Message, Transfer
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Index, Manifest, Platform
from mkbuild.oci.reference import parse
from mkbuild.registry.clients import Clients
from mkbuild.registry.config import parse as parse_settings
from mkbuild.registry.credentials import Keychain
from mkbuild.registry.flight import InFlight
from mkbuild.registry.pull import Resolver
from mkbuild.store import layout
from mkbuild.store.layout import LayoutImage
from mkbuild.store.memory import MemoryBlobStore
from tests.support import faults
from tests.support.configs import with_layers
from tests.support.faults import FakeRegistry
from tests.support.registry import free_port

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


class Puller:
    """A resolver with its store and what it reported."""

    def __init__(self, directory: Path, **registries: object) -> None:
        self.reports: list[Transfer | Message] = []
        self.store = MemoryBlobStore()
        self.clients = Clients(
            parse_settings(dict(registries), directory),
            Keychain({}, directory),
            report=self.reports.append,
            pause=lambda _: None,
        )
        self.resolver = Resolver(self.clients, self.store)

    def warnings(self) -> list[str]:
        return [r.text for r in self.reports if isinstance(r, Message) and r.level == "warning"]


def make(
    store: MemoryBlobStore, *layers: bytes, platform: Platform = AMD64, docker: bool = False
) -> Manifest:
    config = ImageConfig(platform=platform)
    for layer in layers:
        store.put(layer)
        config = with_layers(config, layer)
    store.put(config.to_json())
    described = [Descriptor(mediatype.OCI_LAYER, digests.of(d), len(d)) for d in layers]
    return mutate.manifest(config.to_json(), described, docker=docker)


def serve(server: FakeRegistry, repository: str, tag: str, *layers: bytes) -> Manifest:
    store = MemoryBlobStore()
    image = make(store, *layers)
    for digest in store:
        server.add_blob(repository, store.read(digest))
    server.add_manifest(repository, tag, image.raw, image.media_type)
    return image


def test_lazily(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"layer")
    puller = Puller(tmp_path)
    reference = parse(f"{server.address}/r:t")
    found = puller.resolver.resolve(reference, AMD64)
    assert found.manifest == image
    assert found.config.diff_ids == (image.layers[0].digest,)
    assert [seen.method for seen in server.requests] == ["HEAD", "GET", "GET"]
    # Again: the tag is asked for, nothing is fetched.
    assert puller.resolver.resolve(reference, AMD64) == found
    assert [seen.method for seen in server.requests[3:]] == ["HEAD"]
    assert puller.resolver.pin(reference) == image.descriptor()
    # Pinned: nothing is asked for.
    count = len(server.requests)
    assert puller.resolver.resolve(reference.with_digest(image.digest), AMD64).manifest == image
    assert len(server.requests) == count


def test_another_platform_is_worth_a_warning(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"layer")
    puller = Puller(tmp_path)
    found = puller.resolver.resolve(parse(f"{server.address}/r:t"), ARM64)
    assert found.manifest == image
    (warning,) = puller.warnings()
    assert "is for linux/amd64, not for linux/arm64" in warning


def test_each_blob_once_however_many_ask(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"a" * 100_000, b"b" * 100_000)
    puller = Puller(tmp_path)
    found = puller.resolver.resolve(parse(f"{server.address}/r:t"), AMD64)
    with ThreadPoolExecutor(8) as pool:
        jobs = [
            pool.submit(puller.resolver.fetch, found.sources, layer) for layer in image.layers * 4
        ]
        for job in jobs:
            job.result()
    for layer in image.layers:
        assert server.count("GET", layer.digest) == 1


def test_a_failure_is_everybodys(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"layer")
    puller = Puller(tmp_path)
    found = puller.resolver.resolve(parse(f"{server.address}/r:t"), AMD64)
    del server.blobs[image.layers[0].digest]
    with pytest.raises(RegistryError, match="BLOB_UNKNOWN"):
        puller.resolver.fetch(found.sources, image.layers[0])


def test_mirrors_in_order(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "hub/library/debian", "bookworm", b"debian")
    dead = f"localhost:{free_port()}"
    puller = Puller(
        tmp_path, **{"docker.io": {"mirrors": [dead, server.address, f"{server.address}/hub"]}}
    )
    found = puller.resolver.resolve(parse("debian:bookworm"), AMD64)
    assert found.manifest == image
    # A mirror that is down is worth a warning, one that has no such image is not.
    (warning,) = puller.warnings()
    assert dead in warning
    puller.resolver.fetch(found.sources, found.manifest.layers[0])
    assert puller.store.has(image.layers[0].digest)


def test_a_mirror_that_loses_a_blob(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"layer")
    with FakeRegistry() as mirror:
        serve(mirror, "r", "t", b"layer")
        puller = Puller(tmp_path, **{server.address: {"mirrors": [mirror.address]}})
        found = puller.resolver.resolve(parse(f"{server.address}/r:t"), AMD64)
        assert server.requests == []
        del mirror.blobs[image.layers[0].digest]
        puller.resolver.fetch(found.sources, image.layers[0])
        assert puller.store.read(image.layers[0].digest) == b"layer"


def test_a_mirror_out_of_reach_is_asked_once(server: FakeRegistry, tmp_path: Path) -> None:
    images = [serve(server, f"r{number}", "t", b"layer%d" % number) for number in range(3)]
    with FakeRegistry() as mirror:
        mirror.fail("HEAD", "/v2/", *[faults.status(503)] * 99)
        puller = Puller(tmp_path, **{server.address: {"mirrors": [mirror.address], "retries": 0}})
        for number, image in enumerate(images):
            reference = parse(f"{server.address}/r{number}:t")
            found = puller.resolver.resolve(reference, AMD64)
            puller.resolver.fetch(found.sources, image.layers[0])
            assert puller.store.has(image.layers[0].digest)
        assert {seen.path for seen in mirror.requests} == {"/v2/r0/manifests/t"}
    assert len(puller.warnings()) == 1


def test_the_last_source_is_asked_even_if_it_was_down(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"layer")
    puller = Puller(tmp_path, **{server.address: {"retries": 0}})
    server.fail("HEAD", "/v2/", faults.status(503))
    reference = parse(f"{server.address}/r:t")
    with pytest.raises(PullError, match="503"):
        puller.resolver.resolve(reference, AMD64)
    assert puller.resolver.resolve(reference, AMD64).manifest == image


@pytest.mark.parametrize("place", ["docker.io/library/debian", "library/debian", "debian"])
def test_a_directory_of_layouts_as_mirror(tmp_path: Path, place: str) -> None:
    store = MemoryBlobStore()
    images = [make(store, b"amd"), make(store, b"arm", platform=ARM64)]
    index = Index.build(
        tuple(
            Descriptor(image.media_type, image.digest, len(image.raw), platform=platform)
            for image, platform in zip(images, (AMD64, ARM64), strict=True)
        )
    )
    target = tmp_path / "bases" / place
    layout.write_directory(target, [LayoutImage(index, ("bookworm",), tuple(images))], store)
    puller = Puller(tmp_path, **{"docker.io": {"mirrors": ["oci-layout:./bases"]}})
    found = puller.resolver.resolve(parse("debian:bookworm"), ARM64)
    assert found.manifest == images[1]
    assert found.top.digest == index.digest
    puller.resolver.fetch(found.sources, found.manifest.layers[0])
    assert puller.store.read(images[1].layers[0].digest) == b"arm"
    pinned = parse(f"debian@{index.digest}")
    assert (
        Puller(tmp_path, **{"docker.io": {"mirrors": ["oci-layout:./bases"]}})
        .resolver.resolve(pinned, AMD64)
        .manifest
        == images[0]
    )


def test_nowhere(server: FakeRegistry, tmp_path: Path) -> None:
    puller = Puller(tmp_path, **{server.address: {"mirrors": [server.other]}})
    with pytest.raises(PullError) as caught:
        puller.resolver.resolve(parse(f"{server.address}/r:t"), AMD64)
    for place in (server.address, server.other):
        assert f"{place}/r: there is no t" in caught.value.message
    assert caught.value.hint


def test_other_bytes_than_pinned(server: FakeRegistry, tmp_path: Path) -> None:
    image = serve(server, "r", "t", b"layer")
    server.manifests["r", image.digest] = (image.media_type, image.raw + b" ")
    puller = Puller(tmp_path)
    with pytest.raises(PullError, match="the registry sent"):
        puller.resolver.resolve(parse(f"{server.address}/r@{image.digest}"), AMD64)


def test_an_artifact_is_no_image(server: FakeRegistry, tmp_path: Path) -> None:
    artifact = mutate.manifest(b"[]", [])
    server.add_blob("r", b"[]")
    server.add_manifest("r", "t", artifact.raw, artifact.media_type)
    with pytest.raises(PullError, match="not a JSON object") as caught:
        Puller(tmp_path).resolver.resolve(parse(f"{server.address}/r:t"), AMD64)
    assert "artifact" in (caught.value.hint or "")


def test_indexes_without_end(server: FakeRegistry, tmp_path: Path) -> None:
    document: Index | Manifest = mutate.manifest(b"{}", [])
    for _ in range(6):
        server.add_manifest("r", "t", document.raw, document.media_type)
        document = Index.build((document.descriptor(),))
    server.add_manifest("r", "t", document.raw, document.media_type)
    with pytest.raises(PullError, match="without end"):
        Puller(tmp_path).resolver.resolve(parse(f"{server.address}/r:t"), AMD64)


def test_a_foreign_layer_comes_from_where_it_says(server: FakeRegistry, tmp_path: Path) -> None:
    server.tokens = faults.Tokens()
    with FakeRegistry() as elsewhere:
        elsewhere.add_blob("r", b"foreign")
        digest = digests.of(b"foreign")
        url = f"http://{elsewhere.other}/v2/r/blobs/{digest}"
        layer = Descriptor(mediatype.DOCKER_FOREIGN_LAYER, digest, 7, urls=(url,))
        config = ImageConfig(platform=AMD64).to_json()
        server.add_blob("r", config)
        image = mutate.manifest(config, [layer])
        server.add_manifest("r", "t", image.raw, image.media_type)
        puller = Puller(tmp_path)
        found = puller.resolver.resolve(parse(f"{server.address}/r:t"), AMD64)
        puller.resolver.fetch(found.sources, layer)
        assert puller.store.read(digest) == b"foreign"
        assert "Authorization" not in elsewhere.requests[0].headers


def test_in_flight_shares_result_and_failure() -> None:
    flight, started, go = InFlight(), threading.Event(), threading.Event()
    calls: list[int] = []

    def work() -> None:
        calls.append(1)
        started.set()
        go.wait()
        raise RegistryError("broken")

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(flight.run, "key", work)
        started.wait()
        second = pool.submit(flight.run, "key", work)
        other = []
        flight.run("another", lambda: other.append(1))
        go.set()
        for job in (first, second):
            with pytest.raises(RegistryError, match="broken"):
                job.result()
    assert other == [1]
    flight.run("key", lambda: calls.append(2))
    assert calls[-1] == 2
