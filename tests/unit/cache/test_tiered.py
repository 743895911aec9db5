"""Tiers of directories: real stores, no servers. See tests/integration for the other kinds."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.aging import Aging
from mkbuild.cache.directory import DirectoryCache
from mkbuild.cache.health import Health
from mkbuild.cache.patience import Patience
from mkbuild.cache.protocol import Record
from mkbuild.cache.settings import RemoteSettings
from mkbuild.cache.sqlite import SqliteKeyValue
from mkbuild.cache.tier import Carrier, Tier
from mkbuild.cache.tiered import TieredCache
from mkbuild.digest import Digest
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore
from mkbuild.store.tocs import get_toc, put_toc
from tests.support.caches import make_machines, make_result, share


def directories(tmp_path: Path, *names: str) -> tuple[RemoteSettings, ...]:
    return tuple(RemoteSettings("directory", str(tmp_path / name)) for name in names)


def test_results_go_to_all_that_are_written_and_come_from_the_first_that_has_them(
    tmp_path: Path,
) -> None:
    near, far = directories(tmp_path, "near", "far")
    result = make_result("a")
    share(make_machines(tmp_path, near, far)(), result)
    for index, remote in enumerate((near, far)):
        (tmp_path / f"m{index}").mkdir()
        reader = make_machines(tmp_path / f"m{index}", remote)().run()
        assert reader.get_steps([result.key]) == {result.key: result.step}
        assert reader.fetch(result.layer.digest, result.layer.size)


def test_what_a_far_cache_has_is_kept_in_those_before_it(tmp_path: Path) -> None:
    near, far = directories(tmp_path, "near", "far")
    machines = make_machines(tmp_path, near, far)
    result = make_result("a")
    (tmp_path / "first").mkdir()
    share(make_machines(tmp_path / "first", far)(), result)
    cache = machines().run()
    assert cache.get_steps([result.key]) == {result.key: result.step}
    assert cache.came_from(result.key) == f"the cache directory {tmp_path / 'far'}"
    cache.flush()
    again = machines().run()
    assert again.get_steps([result.key]) == {result.key: result.step}
    assert again.came_from(result.key) == f"the cache directory {tmp_path / 'near'}"


def test_a_read_only_cache_is_not_filled(tmp_path: Path) -> None:
    near, far = directories(tmp_path, "near", "far")
    result = make_result("a")
    (tmp_path / "first").mkdir()
    share(make_machines(tmp_path / "first", far)(), result)
    cache = make_machines(tmp_path, replace(near, mode="read-only"), far)().run()
    assert cache.get_steps([result.key])
    cache.flush()
    assert not (tmp_path / "near").exists()


def test_local_hits_ask_nobody(tmp_path: Path) -> None:
    machine = make_machines(tmp_path, *directories(tmp_path, "shared"))()
    result = make_result("a")
    cache = machine.run()
    cache.put_step(result.key, result.step)
    assert cache.get_steps([result.key]) == {result.key: result.step}
    assert cache.came_from(result.key) is None


def test_a_gone_layer_is_told_and_can_be_shared_again(tmp_path: Path) -> None:
    machines = make_machines(tmp_path, *directories(tmp_path, "shared"))
    result = make_result("a")
    share(machines(), result)
    blob = tmp_path / "shared" / "cas" / result.layer.digest.removeprefix("sha256:")
    blob.unlink()
    second = machines()
    cache = second.run()
    assert cache.get_layers([result.pair]) == {result.pair: result.layer}
    assert cache.available([result.layer]) == frozenset()
    assert not cache.fetch(result.layer.digest, result.layer.size)
    share(second, result, replace=True)
    assert machines().run().available([result.layer]) == {result.layer.digest}


def test_a_gone_toc_part_is_shared_again_with_its_replaced_result(tmp_path: Path) -> None:
    machines = make_machines(tmp_path, *directories(tmp_path, "shared"))
    result = make_result("a", 5000)
    share(machines(), result)
    for blob in (tmp_path / "shared" / "cas").iterdir():
        blob.unlink()
    cache = machines().run()
    assert cache.fetch_tocs([result.layer.toc], contents=True) == frozenset()
    share(machines(), result, replace=True)
    assert machines().run().fetch_tocs([result.layer.toc], contents=True)


def test_expired_entries_are_misses_and_blobs_are_sent_again(tmp_path: Path) -> None:
    now = [1_700_000_000.0]
    result, store = make_result("a", 5000), MemoryBlobStore()
    store.put(result.content)
    put_toc(store, result.toc)

    def run(name: str, blobs: MemoryBlobStore) -> TieredCache:
        shared = DirectoryCache(tmp_path / "shared", aging=Aging(100, lambda: now[0]))
        health = Health(shared.name, pytest.fail)
        local = SqliteKeyValue(tmp_path / name, warn=pytest.fail, clock=lambda: now[0])
        tier = Tier(
            KeyValueActionCache(shared, health, shared=True), health, Carrier(shared, health)
        )
        return TieredCache(
            KeyValueActionCache(local, Health(local.name, pytest.fail)), [tier], store=blobs
        )

    def build(name: str) -> None:
        cache = run(name, store)
        cache.put_step(result.key, result.step)
        cache.put_layer(result.pair, result.layer)
        cache.flush()

    build("first")
    for _ in range(3):
        now[0] += 90
        reader = run(f"reader{now[0]}", MemoryBlobStore())
        assert reader.get_steps([result.key])
        assert reader.get_layers([result.pair])
        assert reader.fetch(result.layer.digest, result.layer.size)
        assert reader.fetch_tocs([result.layer.toc], contents=True)
    now[0] += 101
    assert run("late", MemoryBlobStore()).get_steps([result.key]) == {}
    build("second")
    again = run("reader", MemoryBlobStore())
    assert again.get_steps([result.key])
    now[0] += 101
    DirectoryCache(tmp_path / "shared", aging=Aging(100, lambda: now[0])).collect()
    assert list((tmp_path / "shared" / "ac").iterdir()) == []
    assert list((tmp_path / "shared" / "cas").iterdir()) == []


def test_a_layer_is_sent_once_however_many_name_it() -> None:
    class Counting:
        def __init__(self) -> None:
            self.sent: list[Digest] = []

        def fetch(self, digest: Digest, size: int, into: BlobStore) -> bool:
            raise NotImplementedError

        def has_many(self, digests: object) -> frozenset[Digest]:
            raise NotImplementedError

        def send(self, digest: Digest, source: BlobStore) -> None:
            del source
            self.sent.append(digest)

    blobs = Counting()
    carrier = Carrier(blobs, Health("a carrier", pytest.fail))
    result = make_result("a")
    threads = [
        threading.Thread(target=carrier.send, args=(result.layer.digest, MemoryBlobStore()))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert blobs.sent == [result.layer.digest]


class Hanging:
    """A key-value store whose answers come when the test is over."""

    name = "a store that hangs"

    def __init__(self) -> None:
        self.end = threading.Event()

    def close(self) -> None:
        pass

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        del keys
        self.end.wait(60)
        return {}

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        del records, replace
        self.end.wait(60)


def test_a_store_that_hangs_costs_no_more_than_there_is_patience(tmp_path: Path) -> None:
    warnings: list[str] = []
    stores = [Hanging(), Hanging()]
    tiers = []
    for store in stores:
        health = Health(store.name, warnings.append)
        tiers.append(Tier(KeyValueActionCache(store, health, shared=True), health))
    local = SqliteKeyValue(tmp_path / "local", warn=pytest.fail)
    cache = TieredCache(
        KeyValueActionCache(local, Health(local.name, pytest.fail)),
        tiers,
        store=MemoryBlobStore(),
        patience=Patience(0.1),
    )
    result = make_result("a")
    assert cache.get_steps([result.key]) == {}
    cache.put_step(result.key, result.step)
    cache.flush()
    assert cache.get_steps([result.key]) == {result.key: result.step}
    assert len(warnings) == 2
    for store in stores:
        store.end.set()


def test_threads_share_a_cache(tmp_path: Path) -> None:
    machines = make_machines(tmp_path, *directories(tmp_path, "shared"))
    writer, results = machines(), [make_result(str(i)) for i in range(40)]
    cache = writer.run()
    for result in results:
        writer.store.put(result.content)
        put_toc(writer.store, result.toc)

    def work(part: int) -> None:
        for result in results[part::4]:
            cache.get_steps([other.key for other in results])
            cache.put_step(result.key, result.step)
            cache.put_layer(result.pair, result.layer)

    threads = [threading.Thread(target=work, args=[part]) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    cache.flush()
    reader = machines()
    found = reader.run()
    assert found.get_steps([r.key for r in results]) == {r.key: r.step for r in results}
    assert found.fetch_tocs([r.layer.toc for r in results], contents=True) == {
        r.layer.toc for r in results
    }
    assert all(get_toc(reader.store, r.layer.toc, contents=True) == r.toc for r in results)
    assert writer.warnings == reader.warnings == []
