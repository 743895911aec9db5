"""What every shared cache must do, on every kind of server."""

import subprocess
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from mkbuild.cache.settings import RemoteSettings
from mkbuild.digest import Digest
from mkbuild.store.tocs import get_toc, put_toc
from tests.support.caches import Machines, layer_of, make_machines, make_result, share
from tests.support.nginx import NginxServer
from tests.support.redis import RedisServer, redis_server
from tests.support.registry import Certificates, RealRegistry

KEY = b"0123456789abcdef0123456789abcdef"


def remotes(request: pytest.FixtureRequest, kind: str, tmp_path: Path) -> list[RemoteSettings]:
    """Make empty caches of a kind; those that keep no layers get a directory for them."""
    unique = uuid4().hex
    shared = RemoteSettings("directory", str(tmp_path / "shared"))
    match kind:
        case "redis":
            server: RedisServer = request.getfixturevalue("redis")
            return [RemoteSettings("redis", server.url, scope=unique), shared]
        case "http":
            nginx: NginxServer = request.getfixturevalue("nginx")
            return [RemoteSettings("http", f"{nginx.url}/{unique}")]
        case "makisu":
            nginx = request.getfixturevalue("nginx")
            return [RemoteSettings("makisu", f"{nginx.url}/{unique}"), shared]
        case "registry":
            registry: RealRegistry = request.getfixturevalue("registry")
            return [RemoteSettings("registry", f"{registry.address}/{unique}/cache")]
        case _:
            return [shared]


@pytest.fixture(
    params=[
        "directory",
        pytest.param("redis", marks=pytest.mark.redis),
        pytest.param("http", marks=pytest.mark.nginx),
        pytest.param("makisu", marks=pytest.mark.nginx),
        pytest.param("registry", marks=pytest.mark.registry),
    ]
)
def machines(request: pytest.FixtureRequest, tmp_path: Path) -> Machines:
    return make_machines(tmp_path, *remotes(request, request.param, tmp_path))


@pytest.mark.parametrize("entries", [3, 5000], ids=["small", "big"])
def test_a_second_machine_finds_all_that_a_first_one_made(machines: Machines, entries: int) -> None:
    first, second = machines(), machines()
    result = make_result("a", entries)
    share(first, result)
    cache = second.run()
    assert cache.get_steps([result.key]) == {result.key: result.step}
    assert cache.get_layers([result.pair]) == {result.pair: result.layer}
    assert cache.came_from(result.key)
    assert cache.available([result.layer]) == {result.layer.digest}
    assert not second.store.has(result.layer.digest)
    assert cache.fetch_tocs([result.layer.toc], contents=True) == {result.layer.toc}
    assert get_toc(second.store, result.layer.toc, contents=True) == result.toc
    assert cache.fetch(result.layer.digest, result.layer.size)
    assert layer_of(second, result.layer.digest) == result.content
    assert first.warnings == second.warnings == []


def test_a_big_structure_comes_without_its_contents(machines: Machines) -> None:
    first, second = machines(), machines()
    result = make_result("a", 5000)
    share(first, result)
    cache = second.run()
    assert cache.fetch_tocs([result.layer.toc], contents=False) == {result.layer.toc}
    found = get_toc(second.store, result.layer.toc, contents=False)
    assert found is not None
    assert [entry.path for entry in found.entries] == [e.path for e in result.toc.entries]
    assert get_toc(second.store, result.layer.toc, contents=True) is None
    assert cache.fetch_tocs([result.layer.toc], contents=True) == {result.layer.toc}
    assert get_toc(second.store, result.layer.toc, contents=True) == result.toc


def test_a_second_machine_knows_what_a_base_layer_holds(machines: Machines) -> None:
    first, second = machines(), machines()
    result = make_result("base", 5000)
    cache = first.run()
    toc = put_toc(first.store, result.toc)
    cache.put_base(result.layer.diff_id, toc)
    cache.flush()
    found = second.run()
    assert found.get_bases([result.layer.diff_id, toc]) == {result.layer.diff_id: toc}
    assert found.fetch_tocs([toc], contents=False) == {toc}
    assert not found.fetch(result.layer.digest, result.layer.size)


def test_hits_are_local_from_then_on(machines: Machines) -> None:
    first, second = machines(), machines()
    result = make_result("a")
    share(first, result)
    second.run().get_steps([result.key])
    alone = replace(second, remotes=())
    assert alone.run().get_steps([result.key]) == {result.key: result.step}


def test_misses(machines: Machines) -> None:
    machine, result = machines(), make_result("a")
    cache = machine.run()
    keys = [make_result(str(i)).key for i in range(60)]
    assert cache.get_steps(keys) == {}
    assert cache.get_layers([result.pair]) == {}
    assert not cache.fetch(result.layer.digest, result.layer.size)
    assert cache.fetch_tocs([result.layer.toc], contents=True) == frozenset()
    assert cache.available([result.layer]) == frozenset()
    assert machine.warnings == []


def test_the_first_result_stays_unless_it_is_replaced(machines: Machines) -> None:
    first, second = machines(), machines()
    result, other = make_result("a"), make_result("b")
    rerun = replace(
        result, step=other.step, toc=other.toc, layer=other.layer, content=other.content
    )
    share(first, result)
    share(second, rerun)
    assert machines().run().get_steps([result.key]) == {result.key: result.step}
    share(second, rerun, replace=True)
    found = machines().run()
    assert found.get_steps([result.key]) == {result.key: other.step}
    assert found.get_layers([result.pair]) == {result.pair: other.layer}


def test_a_read_only_cache_is_read_and_never_written(machines: Machines) -> None:
    result, other = make_result("a"), make_result("b")
    share(machines(mode="read-only"), result)
    assert machines().run().get_steps([result.key]) == {}
    share(machines(), other)
    reader = machines(mode="read-only").run()
    assert reader.get_steps([other.key]) == {other.key: other.step}
    assert reader.fetch(other.layer.digest, other.layer.size)


def test_a_write_only_cache_is_never_read(machines: Machines) -> None:
    result = make_result("a")
    share(machines(mode="write-only"), result)
    assert machines(mode="write-only").run().get_steps([result.key]) == {}
    assert machines().run().get_steps([result.key]) == {result.key: result.step}


def test_a_cache_that_is_off_is_not_touched(machines: Machines) -> None:
    result = make_result("a")
    share(machines(mode="off"), result)
    assert machines().run().get_steps([result.key]) == {}


def test_an_untrusted_scope_reads_the_trusted_one_and_writes_only_its_own(
    machines: Machines,
) -> None:
    trusted, result, poison = make_result("a"), make_result("b"), make_result("c")
    main = {"scope": "main"}
    pull = {"scope": "pr-7", "read_scopes": ("main",)}
    share(machines(**main), trusted)
    assert machines(**pull).run().get_steps([trusted.key]) == {trusted.key: trusted.step}
    share(machines(**pull), result)
    share(machines(**pull), replace(trusted, step=poison.step), replace=True)
    assert machines(**main).run().get_steps([result.key]) == {}
    assert machines(**main).run().get_steps([trusted.key]) == {trusted.key: trusted.step}
    assert machines(**pull).run().get_steps([result.key]) == {result.key: result.step}


def test_an_entry_without_a_valid_signature_is_a_miss(machines: Machines) -> None:
    unsigned, foreign, signed = (make_result(name) for name in "abc")
    share(machines(), unsigned)
    share(machines(signing_key=KEY[::-1]), foreign)
    share(machines(signing_key=KEY), signed)
    reader = machines(signing_key=KEY)
    cache = reader.run()
    keys = [unsigned.key, foreign.key, signed.key]
    assert cache.get_steps(keys) == {signed.key: signed.step}
    pairs = [unsigned.pair, foreign.pair, signed.pair]
    assert cache.get_layers(pairs) == {signed.pair: signed.layer}
    assert cache.fetch_tocs([signed.layer.toc], contents=True) == {signed.layer.toc}
    assert 1 <= len(reader.warnings) <= 2
    assert all("signature" in warning for warning in reader.warnings)


def test_a_lossy_result_stays_on_its_machine(machines: Machines) -> None:
    machine, result = machines(), make_result("a")
    cache = machine.run()
    cache.put_step(result.key, replace(result.step, lossy=True))
    cache.flush()
    assert machine.run().get_steps([result.key])
    assert machines().run().get_steps([result.key]) == {}


def test_a_layer_that_cannot_be_shared_is_not_promised(machines: Machines) -> None:
    machine, result = machines(), make_result("a")
    cache = machine.run()
    cache.put_layer(result.pair, result.layer)
    cache.flush()
    assert machines().run().get_layers([result.pair]) == {}


@pytest.mark.nginx
def test_http_entries_and_blobs_lie_where_bazel_remote_expects_them(
    nginx: NginxServer, tmp_path: Path
) -> None:
    unique = uuid4().hex
    machines = make_machines(tmp_path, RemoteSettings("http", f"{nginx.url}/{unique}"))
    result = make_result("a")
    share(machines(), result)
    entries = list((nginx.data / unique / "ac").iterdir())
    assert len(entries) == 3
    assert all(len(path.name) == 64 for path in entries)
    blob = nginx.data / unique / "cas" / result.layer.digest.removeprefix("sha256:")
    assert blob.read_bytes() == result.content
    assert any(blob.name.encode() in path.read_bytes() for path in entries)


@pytest.mark.nginx
@pytest.mark.parametrize("damage", [b"", b"garbage", b"\xff" * 300_000])
def test_damaged_http_entries_are_misses(nginx: NginxServer, tmp_path: Path, damage: bytes) -> None:
    unique = uuid4().hex
    machines = make_machines(tmp_path, RemoteSettings("http", f"{nginx.url}/{unique}"))
    result = make_result("a")
    share(machines(), result)
    for path in (nginx.data / unique / "ac").iterdir():
        path.write_bytes(damage)
    reader = machines()
    assert reader.run().get_steps([result.key]) == {}
    assert len(reader.warnings) == 1


@pytest.mark.nginx
def test_a_blob_with_other_bytes_does_not_count(nginx: NginxServer, tmp_path: Path) -> None:
    unique = uuid4().hex
    machines = make_machines(tmp_path, RemoteSettings("http", f"{nginx.url}/{unique}"))
    result = make_result("a", 5000)
    share(machines(), result)
    for path in (nginx.data / unique / "cas").iterdir():
        path.write_bytes(path.read_bytes()[::-1])
    reader = machines()
    cache = reader.run()
    assert cache.get_layers([result.pair]) == {result.pair: result.layer}
    assert not cache.fetch(result.layer.digest, result.layer.size)
    assert cache.fetch_tocs([result.layer.toc], contents=True) == frozenset()
    assert list(reader.store) == []
    assert len(reader.warnings) == 1


@pytest.mark.registry
def test_the_registrys_own_garbage_collection_keeps_what_entries_name(
    registry: RealRegistry, tmp_path: Path
) -> None:
    unique = uuid4().hex
    place = f"{registry.address}/{unique}/cache"
    machines = make_machines(tmp_path, RemoteSettings("registry", place))
    result = make_result("a", 5000)
    share(machines(), result)
    output = registry.garbage_collect()
    assert result.layer.digest in output
    reader = machines()
    cache = reader.run()
    assert cache.get_steps([result.key]) == {result.key: result.step}
    assert cache.fetch(result.layer.digest, result.layer.size)
    assert cache.fetch_tocs([result.layer.toc], contents=True) == {result.layer.toc}
    assert reader.warnings == []


@pytest.mark.registry
def test_skopeo_reads_an_entry(registry: RealRegistry, tmp_path: Path) -> None:
    unique = uuid4().hex
    place = f"{registry.address}/{unique}/cache"
    machines = make_machines(tmp_path, RemoteSettings("registry", place))
    result = make_result("a")
    share(machines(), result)
    tag = "step-" + Digest(result.key).removeprefix("sha256:")
    subprocess.run(
        ["skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{place}:{tag}"],
        check=True,
        capture_output=True,
    )


@pytest.mark.redis
def test_redis_keeps_no_layers(redis: RedisServer, tmp_path: Path) -> None:
    machines = make_machines(tmp_path, RemoteSettings("redis", redis.url, scope=uuid4().hex))
    result = make_result("a", 5000)
    share(machines(), result)
    reader = machines()
    cache = reader.run()
    assert cache.get_steps([result.key]) == {result.key: result.step}
    assert cache.get_layers([result.pair]) == {}
    assert cache.fetch_tocs([result.layer.toc], contents=True) == {result.layer.toc}
    assert not cache.fetch(result.layer.digest, result.layer.size)
    assert reader.warnings == []


@pytest.mark.redis
@pytest.mark.registry
def test_layers_of_redis_travel_by_the_registry_of_the_images(
    redis: RedisServer, registry: RealRegistry, tmp_path: Path
) -> None:
    unique = uuid4().hex
    machines = make_machines(tmp_path, RemoteSettings("redis", redis.url, scope=unique))
    first, second = machines(), machines()
    first.images = second.images = f"{registry.address}/{unique}/image"
    result = make_result("a")
    share(first, result)
    cache = second.run()
    assert cache.get_layers([result.pair]) == {result.pair: result.layer}
    assert cache.available([result.layer]) == {result.layer.digest}
    assert cache.fetch(result.layer.digest, result.layer.size)
    assert first.warnings == second.warnings == []


@pytest.mark.redis
def test_redis_over_tls(certificates: Certificates, tmp_path: Path) -> None:
    with redis_server(tmp_path / "redis", tls=certificates) as server:
        result = make_result("a")
        trusted = RemoteSettings("redis", f"{server.url}?ssl_ca_certs={certificates.ca}")
        machines = make_machines(tmp_path, trusted)
        share(machines(), result)
        reader = machines()
        assert reader.run().get_steps([result.key]) == {result.key: result.step}
        stranger = machines(place=server.url)
        assert stranger.run().get_steps([result.key]) == {}
        assert len(stranger.warnings) == 1
