from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from mkbuild import digest as digests
from mkbuild.action import ActionKey, LayerRecord, StateID, StepResult
from mkbuild.cache.actions import KeyValueActionCache
from mkbuild.cache.health import Health
from mkbuild.cache.protocol import Record

KEY = ActionKey(digests.of(b"key"))
S0, S1 = StateID(digests.of(b"s0")), StateID(digests.of(b"s1"))
STEP = StepResult((S0,), S1, digests.of(b"toc"), seconds=1.5)
LAYER = LayerRecord(digests.of(b"blob"), 3, "application/x", digests.of(b"tar"), digests.of(b"toc"))


class Memory:
    name = "a test's store"

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.lookups: list[list[str]] = []
        self.error: Exception | None = None

    def close(self) -> None:
        pass

    def get_many(self, keys: Sequence[str]) -> Mapping[str, bytes]:
        self.lookups.append(list(keys))
        if self.error:
            raise self.error
        return {key: self.values[key] for key in keys if key in self.values}

    def put_many(self, records: Mapping[str, Record], *, replace: bool = False) -> None:
        if self.error:
            raise self.error
        for key, record in records.items():
            if replace or key not in self.values:
                self.values[key] = record.value


def test_both_maps_come_back() -> None:
    cache = KeyValueActionCache(Memory(), Health("a test's store", pytest.fail))
    cache.put_step(KEY, STEP)
    cache.put_layer((S0, S1), LAYER)
    assert cache.get_steps([KEY]) == {KEY: STEP}
    assert cache.get_layers([(S0, S1)]) == {(S0, S1): LAYER}
    assert cache.get_layers([(S1, S0)]) == {}


def test_a_plan_is_looked_up_in_one_batch() -> None:
    store = Memory()
    cache = KeyValueActionCache(
        store, Health("a test's store", pytest.fail), scopes=("pr-7", "main")
    )
    cache.get_steps([ActionKey(digests.of(b"%d" % i)) for i in range(100)])
    assert [len(keys) for keys in store.lookups] == [200]
    assert cache.get_steps([]) == {}
    assert len(store.lookups) == 1


def test_keys_fit_every_store() -> None:
    store = Memory()
    cache = KeyValueActionCache(store, Health("a test's store", pytest.fail), scopes=("a" * 40,))
    cache.put_step(KEY, STEP)
    cache.put_layer((S0, S1), LAYER)
    for key in store.values:
        assert len(key) <= 128
        assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789._-")


def test_an_untrusted_scope_reads_the_trusted_one_and_writes_its_own() -> None:
    store = Memory()
    main = KeyValueActionCache(store, Health("a test's store", pytest.fail), scopes=("main",))
    pull = KeyValueActionCache(
        store, Health("a test's store", pytest.fail), scopes=("pr-7", "main")
    )
    other = KeyValueActionCache(
        store, Health("a test's store", pytest.fail), scopes=("pr-8", "main")
    )
    main.put_step(KEY, STEP)
    assert pull.get_steps([KEY]) == {KEY: STEP}
    theirs = replace(STEP, state=S0)
    pull.put_step(KEY, theirs, replace=True)
    assert pull.get_steps([KEY]) == {KEY: theirs}
    assert main.get_steps([KEY]) == {KEY: STEP}
    assert other.get_steps([KEY]) == {KEY: STEP}


def test_a_lossy_result_stays_on_its_machine() -> None:
    store = Memory()
    shared = KeyValueActionCache(store, Health("a test's store", pytest.fail), shared=True)
    local = KeyValueActionCache(store, Health("a test's store", pytest.fail))
    lossy = replace(STEP, lossy=True)
    shared.put_step(KEY, lossy)
    assert store.values == {}
    local.put_step(KEY, lossy)
    assert local.get_steps([KEY]) == {KEY: lossy}
    assert shared.get_steps([KEY]) == {}


def test_the_first_result_stays_unless_replaced() -> None:
    cache = KeyValueActionCache(Memory(), Health("a test's store", pytest.fail))
    other = replace(STEP, state=S0)
    cache.put_step(KEY, STEP)
    cache.put_step(KEY, other)
    assert cache.get_steps([KEY]) == {KEY: STEP}
    cache.put_step(KEY, other, replace=True)
    assert cache.get_steps([KEY]) == {KEY: other}


@pytest.mark.parametrize("error", [OSError("down"), ValueError("garbage")])
def test_a_store_that_fails_is_a_miss_a_warning_and_not_asked_again(error: Exception) -> None:
    store = Memory()
    store.error = error
    warnings: list[str] = []
    cache = KeyValueActionCache(store, Health("a test's store", warnings.append))
    cache.put_step(KEY, STEP)
    assert cache.get_steps([KEY]) == {}
    assert cache.get_layers([(S0, S1)]) == {}
    assert store.lookups == []
    assert warnings == [f"a test's store is not used any more in this run: {error}"]


def test_a_garbage_entry_is_a_miss_and_the_others_count() -> None:
    store = Memory()
    warnings: list[str] = []
    cache = KeyValueActionCache(store, Health("a test's store", warnings.append))
    other = ActionKey(digests.of(b"other"))
    cache.put_step(KEY, STEP)
    store.values[next(iter(store.values))] = b"\xff\0garbage"
    cache.put_step(other, STEP)
    assert cache.get_steps([KEY, other]) == {other: STEP}
    assert cache.get_steps([KEY, other]) == {other: STEP}
    assert len(warnings) == 1


def test_a_read_only_cache_writes_nothing() -> None:
    store = Memory()
    cache = KeyValueActionCache(store, Health("a test's store", pytest.fail), writable=False)
    cache.put_step(KEY, STEP, replace=True)
    cache.put_layer((S0, S1), LAYER)
    assert store.values == {}
