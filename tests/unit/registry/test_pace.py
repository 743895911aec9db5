"""Registries that send, but hardly."""

from collections.abc import Iterator

import pytest

from mkbuild import digest as digests
from mkbuild.errors import RegistryError
from mkbuild.oci import mediatype
from mkbuild.oci.model import Descriptor
from mkbuild.registry import blobs
from mkbuild.registry.client import Client
from mkbuild.registry.config import RegistrySettings
from mkbuild.store.memory import MemoryBlobStore
from tests.support import faults
from tests.support.faults import FakeRegistry

MANIFEST = (
    b'{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":'
    b'{"mediaType":"application/vnd.oci.image.config.v1+json","size":2,"digest":"sha256:%b"},'
    b'"layers":[],"annotations":{"filled":"%b"}}'
) % (b"1" * 64, b"x" * 20_000)
DATA = bytes(range(256)) * 100
BLOB = Descriptor(mediatype.OCI_LAYER, digests.of(DATA), len(DATA))
HEADERS, BODY = 0, 400
"""Where trickling begins: a head of an answer is shorter than 400 bytes."""


@pytest.fixture
def server() -> Iterator[FakeRegistry]:
    with FakeRegistry() as registry:
        registry.add_manifest("r", "latest", MANIFEST, mediatype.OCI_MANIFEST)
        registry.add_blob("r", DATA)
        yield registry


def asking(server: FakeRegistry, *, retries: int = 0, timeout: float = 0.4) -> Client:
    settings = RegistrySettings(timeout=timeout, retries=retries)
    return Client(server.address, settings, pause=lambda _: None)


@pytest.mark.parametrize("after", [HEADERS, BODY])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_manifest_that_trickles(server: FakeRegistry, after: int, chunked: bool) -> None:
    server.fail("GET", "/manifests/", faults.trickle(1, 0.02, after=after, chunked=chunked))
    with pytest.raises(RegistryError, match=r"sent only \d+ bytes in 0\.\d+ s \(tried 1 times\)"):
        asking(server).document("r", "latest")


def test_headers_that_trickle(server: FakeRegistry) -> None:
    server.fail("HEAD", "/manifests/", faults.trickle(1, 0.02))
    with pytest.raises(RegistryError, match=r"sent only \d+ bytes"):
        asking(server).head("r", "latest")


def test_a_document_has_to_come_as_a_whole(server: FakeRegistry) -> None:
    """Fast enough by the rate, which lets the largest one take an hour."""
    server.fail("GET", "/manifests/", faults.trickle(100, 0.02))
    with pytest.raises(RegistryError, match=r"sent only \d+ bytes in 1\.\d+ s"):
        asking(server, timeout=0.2).document("r", "latest")


def test_a_blob_that_trickles_goes_on_where_it_was(server: FakeRegistry) -> None:
    server.fail("GET", "/blobs/", faults.trickle(1, 0.02, after=10_000))
    store = MemoryBlobStore()
    blobs.download(asking(server, retries=1), "r", BLOB, store)
    assert store.read(BLOB.digest) == DATA
    _, again = server.seen("GET", "/blobs/")
    assert int(again.headers["Range"].removeprefix("bytes=").removesuffix("-")) > 9_000


@pytest.mark.parametrize("chunked", [False, True])
def test_a_slow_line_is_waited_for(server: FakeRegistry, chunked: bool) -> None:
    """20 kB/s."""
    server.fail("GET", "/blobs/", faults.trickle(600, 0.03, chunked=chunked))
    store = MemoryBlobStore()
    blobs.download(asking(server), "r", BLOB, store)
    assert store.read(BLOB.digest) == DATA
    assert len(server.requests) == 1
