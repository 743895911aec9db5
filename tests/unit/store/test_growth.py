"""Blobs that are read while they are written, of both stores."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.store.files import FileStore
from mkbuild.store.growth import Whole
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore, Follower

Make = Callable[[Path], BlobStore]
BOTH = pytest.mark.parametrize("make", [FileStore, lambda _: MemoryBlobStore()])
DATA = os.urandom(300_000)


def all_of(follower: Follower, size: int) -> bytes:
    """Read to the end, in pieces."""
    found = b""
    while piece := follower.read(len(found), size):
        found += piece
    return found


@BOTH
def test_a_follower_sees_all_of_it(make: Make, tmp_path: Path) -> None:
    got: list[bytes] = []
    store = make(tmp_path)
    with store.writer() as blob:
        blob.write(DATA[:1000])
        follower = blob.follow()
        thread = threading.Thread(target=lambda: got.append(all_of(follower, 7000)))
        thread.start()
        for at in range(1000, len(DATA), 10_000):
            blob.write(DATA[at : at + 10_000])
        digest, size = blob.commit()
    thread.join()
    assert got == [DATA]
    assert follower.growth.finish() == Whole(digest, size) == Whole(digests.of(DATA), len(DATA))
    assert follower.growth.whole == Whole(digest, size)
    assert follower.read(len(DATA) - 10, 100) == DATA[-10:]
    follower.close()


@BOTH
def test_one_that_is_given_up_ends(make: Make, tmp_path: Path) -> None:
    with make(tmp_path).writer() as blob:
        blob.write(b"some")
        follower = blob.follow()
    assert all_of(follower, 100) == b"some"
    assert follower.growth.whole is None
    assert follower.growth.finish() is None
    follower.close()


@BOTH
def test_nothing_at_all(make: Make, tmp_path: Path) -> None:
    with make(tmp_path).writer() as blob:
        follower = blob.follow()
        blob.commit()
    assert all_of(follower, 100) == b""
    assert follower.growth.finish() == Whole(digests.of(b""), 0)
    follower.close()


def test_a_blob_that_was_there_can_be_followed_too(tmp_path: Path) -> None:
    """Its file is removed at once: the follower has it open."""
    store = FileStore(tmp_path)
    store.put(DATA)
    with store.writer() as blob:
        follower = blob.follow()
        blob.write(DATA)
        blob.commit()
    assert all_of(follower, 100_000) == DATA
    follower.close()
