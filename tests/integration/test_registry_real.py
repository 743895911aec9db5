"""The registry client against Debian's docker-registry."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from mkbuild.errors import PullError, RegistryError
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, ImageConfig, Index, Manifest, Platform
from mkbuild.oci.reference import Reference, parse
from mkbuild.registry.clients import Clients
from mkbuild.registry.config import Registries
from mkbuild.registry.config import parse as parse_settings
from mkbuild.registry.credentials import Keychain
from mkbuild.registry.listing import add_referrer, referrers, tags
from mkbuild.registry.pull import Resolver
from mkbuild.registry.push import Pusher, PushImage
from mkbuild.store.memory import MemoryBlobStore
from tests.support.configs import with_layers
from tests.support.proxy import Proxy
from tests.support.registry import PASSWORD, USER, Certificates, RealRegistry, get

pytestmark = pytest.mark.registry
AMD64 = Platform("linux", "amd64")


def clients(tmp_path: Path, registries: Registries | None = None) -> Clients:
    return Clients(registries or Registries(), Keychain({}, tmp_path))


def make_image(
    store: MemoryBlobStore,
    *layers: bytes,
    docker: bool = False,
    platform: Platform = AMD64,
) -> Manifest:
    config = ImageConfig(platform=platform)
    descriptors = []
    for layer in layers:
        digest = store.put(layer)
        descriptors.append(Descriptor(mediatype.OCI_LAYER, digest, len(layer)))
        config = with_layers(config, layer)
    store.put(config.to_json())
    return mutate.manifest(config.to_json(), descriptors, docker=docker)


def reference(registry: RealRegistry, name: str) -> Reference:
    return parse(f"{registry.address}/{name}")


@pytest.mark.parametrize("docker", [False, True])
def test_push_then_pull(registry: RealRegistry, tmp_path: Path, *, docker: bool) -> None:
    store = MemoryBlobStore()
    image = make_image(store, b"one" * 1000, b"two" * 1000, docker=docker)
    name = reference(registry, f"push/pull-{docker}:v1".lower())
    pusher = Pusher(clients(tmp_path), store)

    pushed = pusher.push(name, PushImage(image))
    assert (pushed.uploaded, pushed.mounted, pushed.existed) == (3, 0, 0)
    with pytest.raises(PullError, match="there is no v1"):  # tags come last
        Resolver(clients(tmp_path), MemoryBlobStore()).pin(name)
    assert pusher.publish(name, image).moved
    assert not pusher.publish(name, image).moved

    target = MemoryBlobStore()
    resolver = Resolver(clients(tmp_path), target)
    found = resolver.resolve(name, AMD64)
    assert found.manifest == image
    assert found.top == image.descriptor()
    assert not target.has(image.layers[0].digest)  # lazy
    for layer in found.manifest.layers:
        resolver.fetch(found.sources, layer)
    assert target.read(image.layers[0].digest) == b"one" * 1000
    assert target.read(image.layers[1].digest) == b"two" * 1000

    inspected = subprocess.run(
        ["skopeo", "inspect", "--tls-verify=false", f"docker://{name}"],
        capture_output=True,
        check=True,
    )
    assert json.loads(inspected.stdout)["Digest"] == image.digest


def test_a_second_push_moves_nothing(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make_image(store, b"again")
    name = reference(registry, "push/again")
    Pusher(clients(tmp_path), store).push(name, PushImage(image))
    second = Pusher(clients(tmp_path), store).push(name, PushImage(image))
    assert (second.uploaded, second.mounted, second.existed) == (0, 0, 2)


def test_mount_from_another_repository(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    base = make_image(store, b"shared layer")
    base_name = reference(registry, "mount/base:1")
    Pusher(clients(tmp_path), store).push(base_name, PushImage(base))

    derived = make_image(store, b"shared layer", b"on top")
    store.delete(base.layers[0].digest)  # lazily pulled: never here
    pushed = Pusher(clients(tmp_path), store).push(
        reference(registry, "mount/derived:1"),
        PushImage(derived, origins={base.layers[0].digest: [base_name]}),
    )
    assert (pushed.uploaded, pushed.mounted) == (2, 1)


def test_a_blob_that_is_nowhere_is_provided(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make_image(store, b"elsewhere")
    store.delete(image.layers[0].digest)
    asked: list[str] = []

    def provide(descriptor: Descriptor) -> None:
        asked.append(descriptor.digest)
        store.put(b"elsewhere")

    name = reference(registry, "push/provided")
    pushed = Pusher(clients(tmp_path), store).push(name, PushImage(image, provide=provide))
    assert asked == [image.layers[0].digest]
    assert pushed.uploaded == 2


def test_shared_blobs_are_uploaded_once(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    first, second = make_image(store, b"common", b"1"), make_image(store, b"common", b"2")
    pusher = Pusher(clients(tmp_path), store)
    assert pusher.push(reference(registry, "once/a"), PushImage(first)).uploaded == 3
    pushed = pusher.push(reference(registry, "once/b"), PushImage(second))
    assert (pushed.uploaded, pushed.mounted) == (2, 1)


def test_chunked_upload(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make_image(store, bytes(range(256)) * 1000, b"")
    settings = parse_settings({registry.address: {"push_chunk": 100_000}}, tmp_path)
    name = reference(registry, "push/chunked:1")
    pusher = Pusher(clients(tmp_path, settings), store)
    assert pusher.push(name, PushImage(image)).uploaded == 3
    pusher.publish(name, image)
    target = MemoryBlobStore()
    resolver = Resolver(clients(tmp_path), target)
    found = resolver.resolve(name, AMD64)
    for layer in found.manifest.layers:
        resolver.fetch(found.sources, layer)
    assert target.read(image.layers[0].digest) == bytes(range(256)) * 1000


@pytest.mark.parametrize("chunk", [0, 300_000])
def test_cut_uploads_arrive_whole(registry: RealRegistry, tmp_path: Path, chunk: int) -> None:
    store = MemoryBlobStore()
    image = make_image(store, os.urandom(1_000_000))
    with Proxy(registry.port) as proxy:
        for after in (50_000, 400_000, 700_000):
            proxy.cut(after)
        settings = {proxy.address: {"push_chunk": chunk, "retry_interval": 0.01, "concurrency": 1}}
        name = parse(f"{proxy.address}/cut/chunk{chunk}:1")
        pushed = Pusher(clients(tmp_path, parse_settings(settings, tmp_path)), store).push(
            name, PushImage(image)
        )
        assert pushed.uploaded == 2
        assert proxy.sent > 1_000_000
    status, data = get(registry, f"/v2/{name.repository}/blobs/{image.layers[0].digest}")
    assert (status, data) == (200, store.read(image.layers[0].digest))


def test_what_is_shared_costs_few_bytes(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    base, small = os.urandom(2_000_000), os.urandom(1000)
    with Proxy(registry.port) as proxy:
        Pusher(clients(tmp_path), store).push(
            parse(f"{proxy.address}/few/base"), PushImage(make_image(store, base))
        )
        proxy.reset_counts()
        image = make_image(store, base, small)
        origin = {image.layers[0].digest: [parse(f"{proxy.address}/few/base")]}
        Pusher(clients(tmp_path), store).push(
            parse(f"{proxy.address}/few/derived"), PushImage(image, origins=origin)
        )
        assert proxy.sent + proxy.received < len(small) + 16_384


def test_index_to_platform(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    arm = Platform("linux", "arm64")
    images = {AMD64: make_image(store, b"amd"), arm: make_image(store, b"arm", platform=arm)}
    index = Index.build(
        tuple(
            Descriptor(image.media_type, image.digest, len(image.raw), platform=platform)
            for platform, image in images.items()
        )
    )
    name = reference(registry, "index/multi:1")
    pusher = Pusher(clients(tmp_path), store)
    pusher.push(name, PushImage(index, tuple(images.values())))
    pusher.publish(name, index)
    resolver = Resolver(clients(tmp_path), MemoryBlobStore())
    for platform, image in images.items():
        found = resolver.resolve(name, platform)
        assert found.manifest == image
        assert found.top.digest == index.digest
    with pytest.raises(PullError, match=r"it has: linux/amd64, linux/arm64"):
        resolver.resolve(name, Platform("linux", "s390x"))
    # Pinned and pulled before: no source is asked.
    pinned = name.with_digest(index.digest)
    assert resolver.resolve(pinned, arm).manifest == images[arm]


def test_tags_in_pages(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make_image(store, b"tags")
    pusher = Pusher(clients(tmp_path), store)
    name = reference(registry, "tags/many")
    pusher.push(name, PushImage(image))
    for number in range(5):
        pusher.publish(name.with_tag(f"t{number}"), image)
    client = clients(tmp_path).get(registry.address, "tags/many")
    assert sorted(tags(client, "tags/many")) == [f"t{number}" for number in range(5)]
    assert tags(client, "tags/none") == []


def test_referrers_by_the_fallback_tag(registry: RealRegistry, tmp_path: Path) -> None:
    store = MemoryBlobStore()
    image = make_image(store, b"subject")
    name = reference(registry, "referrers/subject")
    Pusher(clients(tmp_path), store).push(name, PushImage(image))
    client = clients(tmp_path).get(registry.address, name.repository)
    assert referrers(client, name.repository, image.digest).manifests == ()
    document = json.loads(image.raw)
    document["subject"] = image.descriptor().to_json()
    referrer = Manifest.parse(json.dumps(document).encode())
    add_referrer(client, name.repository, referrer)
    add_referrer(client, name.repository, referrer)
    found = referrers(client, name.repository, image.digest).manifests
    assert [entry.digest for entry in found] == [referrer.digest]


def test_no_such_repository(registry: RealRegistry, tmp_path: Path) -> None:
    with pytest.raises(PullError, match="there is no latest") as caught:
        Resolver(clients(tmp_path), MemoryBlobStore()).resolve(
            reference(registry, "no/such"), AMD64
        )
    assert caught.value.hint


def test_corrupt_blob_is_refused(tmp_path: Path) -> None:
    # docker-registry serves damaged blobs with the right digest header.
    with RealRegistry(tmp_path / "registry") as registry:
        store = MemoryBlobStore()
        image = make_image(store, b"sound content")
        name = reference(registry, "corrupt:1")
        pusher = Pusher(clients(tmp_path), store)
        pusher.push(name, PushImage(image))
        pusher.publish(name, image)
        hexadecimal = image.layers[0].digest[7:]
        (data,) = registry.storage.rglob(f"blobs/sha256/*/{hexadecimal}/data")
        data.write_bytes(b"other content")
        resolver = Resolver(clients(tmp_path), MemoryBlobStore())
        found = resolver.resolve(name, AMD64)
        with pytest.raises(RegistryError, match="wrong content"):
            resolver.fetch(found.sources, image.layers[0])


def test_basic_password(tmp_path: Path) -> None:
    with RealRegistry(tmp_path / "registry", password=True) as registry:
        store = MemoryBlobStore()
        image = make_image(store, b"secret")
        name = reference(registry, "private:1")
        with pytest.raises(RegistryError, match="HTTP 401 Unauthorized") as caught:
            Pusher(clients(tmp_path), store).push(name, PushImage(image))
        assert caught.value.hint == f"log in: docker login {registry.address}"
        settings = parse_settings(
            {registry.address: {"username": USER, "password": PASSWORD}}, tmp_path
        )
        known = clients(tmp_path, settings)
        Pusher(known, store).push(name, PushImage(image))
        Pusher(known, store).publish(name, image)
        assert Resolver(known, MemoryBlobStore()).resolve(name, AMD64).manifest == image
        wrong = parse_settings(
            {registry.address: {"username": USER, "password": "wrong"}}, tmp_path
        )
        with pytest.raises(PullError, match="HTTP 401"):
            Resolver(clients(tmp_path, wrong), MemoryBlobStore()).resolve(name, AMD64)


def test_private_authority(tmp_path: Path, certificates: Certificates) -> None:
    with RealRegistry(tmp_path / "registry", tls=certificates) as registry:
        store = MemoryBlobStore()
        image = make_image(store, b"tls")
        name = reference(registry, "tls:1")
        trusted = parse_settings({registry.address: {"ca": str(certificates.ca)}}, tmp_path)
        assert Pusher(clients(tmp_path, trusted), store).push(name, PushImage(image)).uploaded == 2
        insecure = parse_settings({registry.address: {"insecure": True}}, tmp_path)
        assert Pusher(clients(tmp_path, insecure), store).push(name, PushImage(image)).existed == 2
        unknown = parse_settings(
            {
                f"127.0.0.1:{registry.port}": {
                    "cert": str(certificates.client_cert),
                    "key": str(certificates.client_key),
                }
            },
            tmp_path,
        )
        with pytest.raises(RegistryError, match="no secure connection") as caught:
            Pusher(clients(tmp_path, unknown), store).push(
                parse(f"127.0.0.1:{registry.port}/tls:1"), PushImage(image)
            )
        assert "ca: FILE" in (caught.value.hint or "")


def test_plain_http_to_a_tls_server(tmp_path: Path, certificates: Certificates) -> None:
    with RealRegistry(tmp_path / "registry", tls=certificates) as registry:
        with pytest.raises(PullError, match="HTTP request to an HTTPS server") as caught:
            Resolver(clients(tmp_path), MemoryBlobStore()).resolve(
                reference(registry, "x@sha256:" + "0" * 64), AMD64
            )
        assert "it speaks HTTPS" in (caught.value.hint or "")


def test_client_certificate(tmp_path: Path, certificates: Certificates) -> None:
    with RealRegistry(tmp_path / "registry", tls=certificates, client_certificate=True) as registry:
        store = MemoryBlobStore()
        image = make_image(store, b"mutual tls")
        name = reference(registry, "tls:1")
        given = {
            "ca": str(certificates.ca),
            "cert": str(certificates.client_cert),
            "key": str(certificates.client_key),
        }
        settings = parse_settings({registry.address: given}, tmp_path)
        assert Pusher(clients(tmp_path, settings), store).push(name, PushImage(image)).uploaded == 2
        without = parse_settings({registry.address: {"ca": str(certificates.ca)}}, tmp_path)
        with pytest.raises(RegistryError):
            Pusher(clients(tmp_path, without), store).push(name, PushImage(image))
