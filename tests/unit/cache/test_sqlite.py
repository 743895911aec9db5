import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.cache.aging import DEFAULT_TTL
from mkbuild.cache.protocol import Record
from mkbuild.cache.sqlite import SqliteKeyValue

DAY = 86400


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> SqliteKeyValue:
    return SqliteKeyValue(tmp_path / "db", warn=pytest.fail, clock=clock)


def put(store: SqliteKeyValue, key: str, value: bytes, *, replace: bool = False) -> None:
    store.put_many({key: Record(value)}, replace=replace)


def test_entries_come_back_and_misses_are_absent(store: SqliteKeyValue) -> None:
    store.put_many({"a": Record(b"1"), "b": Record(b"\0\xff")})
    assert store.get_many(["a", "b", "c"]) == {"a": b"1", "b": b"\0\xff"}
    assert store.get_many([]) == {}


def test_many_keys_in_one_batch(store: SqliteKeyValue) -> None:
    store.put_many({f"k{i}": Record(b"%d" % i) for i in range(0, 50_000, 2)})
    found = store.get_many([f"k{i}" for i in range(50_000)])
    assert found == {f"k{i}": b"%d" % i for i in range(0, 50_000, 2)}


def test_the_first_stays_unless_replaced(store: SqliteKeyValue) -> None:
    put(store, "k", b"first")
    put(store, "k", b"second")
    assert store.get_many(["k"]) == {"k": b"first"}
    put(store, "k", b"third", replace=True)
    assert store.get_many(["k"]) == {"k": b"third"}


def test_an_unused_entry_expires_and_can_be_written_again(
    store: SqliteKeyValue, clock: Clock
) -> None:
    put(store, "k", b"first")
    clock.now += DEFAULT_TTL + 1
    assert store.get_many(["k"]) == {}
    put(store, "k", b"second")
    assert store.get_many(["k"]) == {"k": b"second"}


def test_a_use_prolongs_a_life(store: SqliteKeyValue, clock: Clock) -> None:
    put(store, "k", b"v")
    for _ in range(5):
        clock.now += DEFAULT_TTL - DAY
        assert store.get_many(["k"]) == {"k": b"v"}


def test_a_use_soon_after_the_last_writes_nothing(
    tmp_path: Path, store: SqliteKeyValue, clock: Clock
) -> None:
    put(store, "k", b"v")
    store.close()
    before = (tmp_path / "db").read_bytes()
    clock.now += DAY // 2
    assert store.get_many(["k"]) == {"k": b"v"}
    store.close()
    assert (tmp_path / "db").read_bytes() == before


def test_a_ttl_of_zero_keeps_for_ever(tmp_path: Path, clock: Clock) -> None:
    store = SqliteKeyValue(tmp_path / "db", ttl=0, warn=pytest.fail, clock=clock)
    put(store, "k", b"v")
    clock.now += 10_000 * DAY
    put(store, "k", b"other")
    assert store.get_many(["k"]) == {"k": b"v"}
    assert store.collect() == 1


def test_collecting_deletes_what_expired(store: SqliteKeyValue, clock: Clock) -> None:
    put(store, "old", b"v")
    clock.now += DEFAULT_TTL
    put(store, "new", b"v")
    clock.now += DAY
    assert store.collect() == 1


def test_a_corrupt_file_is_a_miss_and_a_warning(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "db").write_bytes(b"\xff" * 100_000)
    warnings: list[str] = []
    store = SqliteKeyValue(tmp_path / "db", warn=warnings.append, clock=clock)
    assert store.get_many(["k"]) == {}
    put(store, "k", b"v")
    assert store.get_many(["k"]) == {"k": b"v"}
    assert len(warnings) == 1


WRITER = """
import sys
from pathlib import Path
from mkbuild.cache.protocol import Record
from mkbuild.cache.sqlite import SqliteKeyValue

store = SqliteKeyValue(Path(sys.argv[1]), warn=sys.exit)
for i in range(200):
    store.put_many({f"k{i}": Record(sys.argv[2].encode())})
    assert f"k{i}" in store.get_many([f"k{i}"])
"""


def test_two_processes_write_one_file(tmp_path: Path) -> None:
    path = tmp_path / "db"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(path), name]) for name in ("a", "b")
    ]
    assert [writer.wait() for writer in writers] == [0, 0]
    store = SqliteKeyValue(path, warn=pytest.fail)
    found = store.get_many([f"k{i}" for i in range(200)])
    assert len(found) == 200
    assert set(found.values()) <= {b"a", b"b"}


def test_a_writer_killed_at_any_point_leaves_whole_entries(tmp_path: Path) -> None:
    path = tmp_path / "db"
    code = WRITER.replace("range(200)", "range(10**9)").replace("assert", "print(i, flush=True) #")
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path), "v"], stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        seen = [int(writer.stdout.readline()) for _ in range(50)]
        writer.kill()
    store = SqliteKeyValue(path, warn=pytest.fail)
    assert store.get_many([f"k{i}" for i in seen]) == {f"k{i}": b"v" for i in seen}
