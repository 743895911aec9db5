import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mkbuild.digest import Digest
from mkbuild.oci import mediatype, mutate
from mkbuild.oci.model import Descriptor, Index
from mkbuild.store.files import FileStore
from mkbuild.store.gc import SECOND, collect, reachable
from mkbuild.store.locks import Lease
from mkbuild.store.memory import MemoryBlobStore

DAY = 86400


def aged(store: FileStore, data: bytes, seconds: float) -> Digest:
    digest = store.put(data)
    used = time.time_ns() - int(seconds * SECOND)
    os.utime(store.path(digest), ns=(used, used))
    return digest


def test_what_was_unused_for_long_goes(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    old, young = aged(store, b"old", 3 * DAY), aged(store, b"young!", DAY)
    done = collect(store, [], ttl=2 * DAY)
    assert (done.removed, done.removed_bytes, done.kept, done.kept_bytes) == (1, 3, 1, 6)
    assert set(store) == {young}
    assert old not in set(store)


def test_roots_stay_with_all_they_refer_to(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    layer = aged(store, b"layer", 9 * DAY)
    config = b"{}"
    image = mutate.manifest(config, [Descriptor(mediatype.OCI_LAYER, layer, 5)])
    index = Index.build((image.descriptor(),))
    for data in (config, image.raw, index.raw):
        aged(store, data, 9 * DAY)
    lonely = aged(store, b"lonely", 9 * DAY)
    collect(store, [index.digest], ttl=0, max_size=0)
    assert set(store) == {layer, image.config.digest, image.digest, index.digest}
    assert not store.has(lonely)


def test_least_recently_used_go_above_the_size(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digests = [aged(store, bytes([n]) * 10, (5 - n) * DAY) for n in range(5)]
    done = collect(store, [], ttl=99 * DAY, max_size=25)
    assert done.kept_bytes == 20
    assert set(store) == set(digests[3:])


def test_what_is_new_stays(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"new")
    collect(store, [], ttl=0, max_size=0)
    assert store.has(digest)


def test_what_a_running_invocation_used_stays(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    used, unused = aged(store, b"used", DAY), aged(store, b"unused", DAY)
    with Lease(tmp_path):
        assert store.has(used)

        def in_an_hour() -> int:
            return time.time_ns() + 3600 * SECOND

        collect(store, [], ttl=0, clock=in_an_hour)
        assert set(store) == {used}
        assert not store.has(unused)
        assert store.read(used) == b"used"


def test_without_a_lease_it_goes(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(b"x")
    collect(store, [], ttl=0, clock=lambda: time.time_ns() + 3600 * SECOND)
    assert set(store) == set()


def test_what_was_set_aside_goes_in_time(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    for data, age in ((b"old", 3 * DAY), (b"young", DAY)):
        store.quarantine(aged(store, data, age))
    collect(store, [], ttl=2 * DAY)
    assert [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()] == [b"young"]


def test_an_empty_store(tmp_path: Path) -> None:
    assert collect(FileStore(tmp_path / "none"), [], ttl=0).kept == 0


def test_reachable_passes_over_what_it_cannot_read() -> None:
    store = MemoryBlobStore()
    text = store.put(b"{ no json")
    absent = MemoryBlobStore().put(b"absent")
    assert reachable(store, [text, absent]) == {text, absent}


# Uses what it was told is there; ends with status 1 as soon as that is not so.
USER = """
import random, sys
from pathlib import Path
from mkbuild.store.files import FileStore
from mkbuild.store.locks import Lease
root, seed = Path(sys.argv[1]), int(sys.argv[2])
chance = random.Random(seed)
for _ in range(40):
    store, known = FileStore(root), set()
    with Lease(root):
        for _ in range(25):
            data = b"%d" % chance.randrange(60)
            from mkbuild import digest
            name = digest.of(data)
            if not store.has(name):
                store.put(data)
            known.add((name, data))
            name, data = chance.choice(sorted(known))
            if store.path(name).read_bytes() != data:
                sys.exit(1)
    store.close()
"""

# Ages everything that is older than a moment, so that each round finds something to take.
COLLECTOR = """
import os, sys, time
from pathlib import Path
from mkbuild.store import gc
from mkbuild.store.files import FileStore
gc._SLACK = 20_000_000  # the kernel stamps files by a clock that lags some ms
root, removed = Path(sys.argv[1]), 0
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    removed += gc.collect(FileStore(root), [], ttl=0).removed
print(removed)
"""


@pytest.mark.parametrize("users", [3])
def test_nothing_in_use_is_collected(tmp_path: Path, users: int) -> None:
    root, stop = tmp_path / "store", tmp_path / "stop"
    collectors = [
        subprocess.Popen(
            [sys.executable, "-c", COLLECTOR, str(root), str(stop)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    for collector in collectors:
        assert collector.stdout
        assert collector.stdout.readline() == "ready\n"
    running = [
        subprocess.Popen([sys.executable, "-c", USER, str(root), str(seed)])
        for seed in range(users)
    ]
    codes = [process.wait() for process in running]
    stop.touch()
    removed = [int(collector.communicate()[0]) for collector in collectors]
    assert codes == [0] * users
    assert sum(removed) > 0  # it did take what nobody used
