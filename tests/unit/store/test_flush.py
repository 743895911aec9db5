"""Files written out while they grow."""

import os
import threading
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.store.files import FileStore
from mkbuild.store.flush import Flush

MEGABYTE = bytes(1 << 20)


def flushing() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "flush"]


def test_a_failure_on_the_way_is_told_in_the_end() -> None:
    read, write = os.pipe()  # which cannot be made durable
    try:
        flush = Flush(write)
        flush.advance(1 << 30)
        flush.wait()
        with pytest.raises(OSError, match="Invalid argument") as told:
            flush.finish()
        assert told.traceback[-1].name == "_run"
    finally:
        os.close(read)
        os.close(write)


def test_a_small_file_takes_no_thread() -> None:
    Flush(-1).advance(1 << 20)
    assert not flushing()


def test_a_large_blob_is_whole(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with store.writer() as blob:
        for _ in range(70):
            blob.write(MEGABYTE)
        digest, size = blob.commit()
    assert size == 70 << 20
    assert digest == digests.of(MEGABYTE * 70)
    assert store.size(digest) == size
    assert not flushing()


def test_nothing_is_under_way_for_a_blob_that_was_given_up(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    with store.writer() as blob:
        for _ in range(40):
            blob.write(MEGABYTE)
    assert not flushing()
    assert not list(store)
