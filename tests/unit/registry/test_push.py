from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mkbuild.errors import RegistryError
from mkbuild.events import Published
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, Index, Manifest
from mkbuild.oci.reference import Reference, parse
from mkbuild.registry.clients import Clients
from mkbuild.registry.config import Registries
from mkbuild.registry.credentials import Keychain
from mkbuild.registry.push import Pusher, PushImage
from mkbuild.store.memory import MemoryBlobStore
from tests.support import faults
from tests.support.faults import FakeRegistry


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        yield registry


def make(store: MemoryBlobStore, *layers: bytes) -> Manifest:
    config = b'{"layers":%d}' % len(layers)
    store.put(config)
    return mutate.manifest(
        config,
        [Descriptor(mediatype.OCI_LAYER, store.put(layer), len(layer)) for layer in layers],
    )


def pusher(tmp_path: Path, store: MemoryBlobStore) -> Pusher:
    clients = Clients(Registries(), Keychain({}, tmp_path), pause=lambda _: None)
    return Pusher(clients, store)


def name(server: FakeRegistry, text: str) -> Reference:
    return parse(f"{server.address}/{text}")


def test_tags_come_last(server: FakeRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store, b"1", b"2")
    made = pusher(tmp_path, store)
    pushed = made.push(name(server, "r:t"), PushImage(image))
    assert (pushed.digest, pushed.uploaded) == (image.digest, 3)
    assert pushed.bytes == 1 + 1 + len(store.read(image.config.digest))
    assert ("r", image.digest) in server.manifests
    assert ("r", "t") not in server.manifests
    full = f"{server.address}/r:t"
    assert made.publish(name(server, "r:t"), image) == Published(full, image.digest, moved=True)
    puts = server.count("PUT", "/manifests/")
    assert made.publish(name(server, "r:t"), image) == Published(full, image.digest, moved=False)
    assert server.count("PUT", "/manifests/") == puts


def test_an_interrupted_push_goes_on(server: FakeRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store, b"first", b"second")
    broken = faults.denied(403, "DENIED", "quota")
    server.fail("PUT", "/manifests/", broken)
    with pytest.raises(RegistryError, match="quota"):
        pusher(tmp_path, store).push(name(server, "r:t"), PushImage(image))
    pushed = pusher(tmp_path, store).push(name(server, "r:t"), PushImage(image))
    assert (pushed.uploaded, pushed.existed) == (0, 3)


def test_side_by_side_each_shared_blob_once(server: FakeRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    images = [make(store, b"shared", b"own%d" % number) for number in range(4)]
    made = pusher(tmp_path, store)
    with ThreadPoolExecutor(4) as pool:
        jobs = [
            pool.submit(made.push, name(server, f"r{number}"), PushImage(image))
            for number, image in enumerate(images)
        ]
        pushed = [job.result() for job in jobs]
    assert sum(p.uploaded for p in pushed) == 4 + 1 + 1  # own layers, the shared one, the config
    assert sum(p.mounted for p in pushed) == 6
    assert server.count("PUT", "/uploads/") == 6


def test_an_index_after_its_manifests(server: FakeRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    images = (make(store, b"1"), make(store, b"1", b"2"))
    index = Index.build(tuple(image.descriptor() for image in images))
    pusher(tmp_path, store).push(name(server, "r"), PushImage(index, images))
    order = [seen.path.rpartition("/")[2] for seen in server.seen("PUT", "/manifests/")]
    assert order == [images[0].digest, images[1].digest, index.digest]


def test_a_blob_that_is_nowhere(server: FakeRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store, b"gone")
    store.delete(image.layers[0].digest)
    with pytest.raises(KeyError):
        pusher(tmp_path, store).push(name(server, "r"), PushImage(image))


def test_origins_of_other_registries_are_not_asked(server: FakeRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make(store, b"layer")
    origins = {image.layers[0].digest: [parse("ghcr.io/a/b"), name(server, "base")]}
    server.add_blob("base", b"layer")
    pushed = pusher(tmp_path, store).push(name(server, "r"), PushImage(image, origins=origins))
    assert (pushed.mounted, pushed.uploaded) == (1, 1)
    (mounted,) = server.seen("POST", "from=")
    assert mounted.path.endswith("from=base")
