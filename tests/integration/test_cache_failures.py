"""Shared caches that fail: one warning each, and a build that goes on."""

from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.health import Health
from mkbuild.cache.open import open_cache
from mkbuild.cache.patience import Patience
from mkbuild.cache.redis import RedisCache
from mkbuild.cache.settings import Kind, RemoteSettings
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.cache.tiered import TieredCache
from mkbuild.store.memory import MemoryBlobStore
from tests.support.caches import client_for, make_machines, make_result, share
from tests.support.hostile import Behaviour, answering, closing, hostile_server, silent
from tests.support.redis import RedisServer, redis_server
from tests.support.registry import free_port

RIGHT = "right-one"
GARBAGE = [
    b"\x00\xff" * 5000,
    b"+OK\r\n",
    b"-ERR no\r\n",
    b":1\r\n",
    b"*-1\r\n",
    b"*1\r\n$3\r\nabc\r\n",
    b"*2\r\n$3\r\nabc\r\n$-1\r\n",
    b"*1\r\n*1\r\n:5\r\n",
    b"$999999999999\r\nabc",
    b"*999999999\r\n",
    b"$-5\r\n",
    b"$abc\r\n",
    b"%1\r\n+a\r\n+b\r\n",
    b"*1\r\n" * 5000,
    b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 401 Who\r\nContent-Length: 0\r\nWWW-Authenticate: Basic\r\n\r\n",
    b"",
]


def place(kind: Kind, port: int) -> str:
    match kind:
        case "redis":
            return f"redis://127.0.0.1:{port}/0"
        case "registry":
            return f"127.0.0.1:{port}/cache"
        case _:
            return f"http://127.0.0.1:{port}/x"


def run(tmp_path: Path, remote: RemoteSettings, warnings: list[str]) -> TieredCache:
    """Begin a run that has little patience."""
    local = SqliteKeyValue(tmp_path / "actions.db", warn=warnings.append)
    store = MemoryBlobStore()
    cache = open_cache(local, [remote], store=store, client_for=client_for, warn=warnings.append)
    cache._patience = Patience(0.1)
    return cache


def use(cache: TieredCache) -> None:
    """Do all that a build does with its caches; the local one must work throughout."""
    result, other = make_result("a"), make_result("b")
    assert cache.get_steps([result.key]) == {}
    cache.put_step(result.key, result.step)
    cache.put_layer(result.pair, result.layer)
    assert cache.get_steps([result.key, other.key]) == {result.key: result.step}
    assert cache.get_layers([result.pair, other.pair]) == {result.pair: result.layer}
    assert cache.fetch_tocs([other.layer.toc], contents=True) == frozenset()
    assert not cache.fetch(other.layer.digest, other.layer.size)
    cache.flush()


@pytest.mark.parametrize("kind", ["redis", "http", "makisu", "registry"])
def test_a_server_that_is_down(tmp_path: Path, kind: Kind) -> None:
    warnings: list[str] = []
    use(run(tmp_path, RemoteSettings(kind, place(kind, free_port())), warnings))
    assert len(warnings) == 1
    assert "not used any more" in warnings[0]


@pytest.mark.parametrize("kind", ["redis", "http", "makisu", "registry"])
@pytest.mark.parametrize("behaviour", [silent, closing])
def test_a_server_that_hangs_or_hangs_up(tmp_path: Path, kind: Kind, behaviour: Behaviour) -> None:
    warnings: list[str] = []
    with hostile_server(behaviour) as port:
        use(run(tmp_path, RemoteSettings(kind, place(kind, port)), warnings))
    assert len(warnings) == 1


@pytest.mark.parametrize("kind", ["redis", "http", "makisu", "registry"])
@pytest.mark.parametrize("garbage", GARBAGE, ids=range(len(GARBAGE)))
def test_a_server_that_answers_garbage(tmp_path: Path, kind: Kind, garbage: bytes) -> None:
    warnings: list[str] = []
    with hostile_server(answering(garbage)) as port:
        use(run(tmp_path, RemoteSettings(kind, place(kind, port)), warnings))
    assert len(warnings) <= 1


def test_a_directory_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    warnings: list[str] = []
    use(run(tmp_path, RemoteSettings("directory", str(tmp_path / "file" / "cache")), warnings))
    assert len(warnings) == 1


@pytest.mark.redis
def test_redis_stopped_in_the_middle(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis") as server:
        remotes = (
            RemoteSettings("redis", server.url),
            RemoteSettings("directory", str(tmp_path / "shared")),
        )
        machine = make_machines(tmp_path, *remotes)()
        first, second = make_result("a"), make_result("b")
        share(machine, first)
        cache = machine.run()
        assert cache.get_steps([first.key]) == {first.key: first.step}
        server.stop()
        assert cache.get_steps([second.key]) == {}
        cache.put_step(second.key, second.step)
        cache.flush()
        assert cache.get_steps([second.key]) == {second.key: second.step}
        assert len(machine.warnings) == 1
        assert "Redis" in machine.warnings[0]
        other = make_machines(tmp_path / "machine0", remotes[1])()
        assert other.run().get_steps([second.key]) == {second.key: second.step}


@pytest.mark.redis
def test_a_wrong_password_is_one_warning_that_shows_no_password(tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis", password=RIGHT) as server:
        url = server.url.replace("redis://", "redis://:wrong-one@")
        warnings: list[str] = []
        use(run(tmp_path, RemoteSettings("redis", url), warnings))
        assert len(warnings) == 1
        assert "wrong-one" not in warnings[0]
        good = RemoteSettings("redis", server.url, password=RIGHT)
        result = make_result("a")
        machines = make_machines(tmp_path, good)
        share(machines(), result)
        assert machines().run().get_steps([result.key]) == {result.key: result.step}


@pytest.mark.redis
def test_redis_forgets_what_is_not_used(redis: RedisServer) -> None:
    import redis as library  # the fixture has the name here

    scope = uuid4().hex
    client = library.Redis.from_url(redis.url)
    reader = RedisCache(redis.url, ttl=1000, writable=False)
    writer = RedisCache(redis.url, ttl=1000)
    result = make_result("a")

    def cache(store: RedisCache) -> KeyValueActionCache:
        return KeyValueActionCache(store, Health("Redis", pytest.fail), scopes=[scope])

    cache(writer).put_step(result.key, result.step)
    (name,) = client.scan_iter(f"mkbuild:step-{scope}-*")
    assert 990 <= client.ttl(name) <= 1000
    client.expire(name, 100)
    assert cache(reader).get_steps([result.key])
    assert client.ttl(name) <= 100
    assert cache(writer).get_steps([result.key])
    assert 990 <= client.ttl(name) <= 1000
    cache(RedisCache(redis.url, ttl=0)).put_step(result.key, result.step, replace=True)
    assert client.ttl(name) == -1
    client.close()


def test_a_locked_local_cache_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / "actions.db").mkdir()
    warnings: list[str] = []
    local = SqliteKeyValue(tmp_path / "actions.db", warn=warnings.append)
    cache = KeyValueActionCache(local, Health(local.name, warnings.append))
    result = make_result("a")
    cache.put_step(result.key, result.step)
    assert cache.get_steps([result.key]) == {}
    assert len(warnings) == 1


@pytest.mark.redis
def test_a_garbage_entry_in_redis_is_a_miss_of_that_entry_only(
    redis: RedisServer, tmp_path: Path
) -> None:
    import redis as library

    scope = uuid4().hex
    machines = make_machines(tmp_path, RemoteSettings("redis", redis.url, scope=scope))
    good, bad = make_result("a"), make_result("b")
    share(machines(), good)
    share(machines(), bad)
    client = library.Redis.from_url(redis.url)
    client.set(f"mkbuild:step-{scope}-{bad.key.removeprefix('sha256:')}", b"\xff garbage")
    client.close()
    reader = machines()
    assert reader.run().get_steps([bad.key, good.key]) == {good.key: good.step}
    assert len(reader.warnings) == 1
    rerun = replace(bad, step=good.step)
    share(reader, rerun, replace=True)
    assert machines().run().get_steps([bad.key]) == {bad.key: good.step}


@pytest.mark.parametrize("kind", ["redis", "http", "makisu", "registry"])
def test_sharing_with_a_server_that_hangs_ends(tmp_path: Path, kind: Kind) -> None:
    warnings: list[str] = []
    with hostile_server(silent) as port:
        remote = RemoteSettings(kind, place(kind, port), mode="write-only")
        use(run(tmp_path, remote, warnings))
    assert len(warnings) == 1
