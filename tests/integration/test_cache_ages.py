"""Lives of entries in stores that forget nothing by themselves, with a clock that tests turn."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from mkbuild.cache.aging import Aging
from mkbuild.cache.directory import DirectoryCache
from mkbuild.cache.http import HttpCache
from mkbuild.cache.makisu import MakisuKeyValue
from mkbuild.cache.protocol import BlobRef, KeyValue, Record
from mkbuild.cache.registry import RegistryCache
from mkbuild.store.memory import MemoryBlobStore
from tests.support.caches import client_for
from tests.support.nginx import NginxServer
from tests.support.registry import RealRegistry

TTL = 1400
Open = Callable[..., KeyValue]


class Clock:
    now = 1_700_000_000

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(
    params=[
        "directory",
        pytest.param("http", marks=pytest.mark.nginx),
        pytest.param("makisu", marks=pytest.mark.nginx),
        pytest.param("registry", marks=pytest.mark.registry),
    ]
)
def opened(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Open:
    unique = uuid4().hex

    def make(ttl: int = TTL, *, writable: bool = True) -> KeyValue:
        aging = Aging(ttl, clock)
        match request.param:
            case "directory":
                return DirectoryCache(tmp_path / "shared", aging=aging, writable=writable)
            case "registry":
                registry: RealRegistry = request.getfixturevalue("registry")
                client = client_for(registry.address, unique)
                return RegistryCache(client, unique, aging=aging, writable=writable)
            case kind:
                nginx: NginxServer = request.getfixturevalue("nginx")
                cls = HttpCache if kind == "http" else MakisuKeyValue
                url = f"{nginx.url}/{unique}"
                return cls(url, aging=aging, headers={}, writable=writable)

    return make


def test_an_entry_expires_and_can_be_stored_again(opened: Open, clock: Clock) -> None:
    store = opened()
    store.put_many({"k": Record(b"first")})
    clock.now += TTL
    assert opened(writable=False).get_many(["k"]) == {"k": b"first"}
    clock.now += 1
    assert store.get_many(["k"]) == {}
    store.put_many({"k": Record(b"second")})
    assert store.get_many(["k"]) == {"k": b"second"}


def test_a_use_prolongs_a_life_where_it_may_be_noted(opened: Open, clock: Clock) -> None:
    opened().put_many({"k": Record(b"v")})
    for _ in range(3):
        clock.now += TTL - 1
        assert opened().get_many(["k"]) == {"k": b"v"}
    clock.now += TTL - 1
    assert opened(writable=False).get_many(["k"]) == {"k": b"v"}
    clock.now += 2
    assert opened(writable=False).get_many(["k"]) == {}


def test_without_a_life_time_entries_stay(opened: Open, clock: Clock) -> None:
    opened(0).put_many({"k": Record(b"v")})
    clock.now += 10**8
    assert opened(0).get_many(["k"]) == {"k": b"v"}


@pytest.mark.registry
def test_a_noted_use_keeps_the_blobs_that_an_entry_names(
    registry: RealRegistry, clock: Clock
) -> None:
    unique = uuid4().hex
    blobs = MemoryBlobStore()
    digest = blobs.put(unique.encode())
    store = RegistryCache(client_for(registry.address, unique), unique, aging=Aging(TTL, clock))
    store.send(digest, blobs)
    store.put_many({"k": Record(b"v", (BlobRef(digest, len(unique), "application/x"),))})
    clock.now += TTL - 1
    assert store.get_many(["k"]) == {"k": b"v"}
    registry.garbage_collect()
    assert store.has_many([digest]) == {digest}
