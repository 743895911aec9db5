"""Blobs read while they arrive, from transfers that fail in every way."""

import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from mkbuild import digest as digests
from mkbuild.engine import arrival
from mkbuild.errors import ArchiveError, PullError
from mkbuild.store.files import FileStore
from mkbuild.store.protocol import BlobSink

DATA = b"first half, " + b"second half"
DIGEST = digests.of(DATA)


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def whole(sink: BlobSink) -> None:
    with sink.writer() as blob:
        blob.write(DATA)
        blob.commit(DIGEST)


def read_all(stream: BinaryIO) -> bytes:
    return b"".join(iter(lambda: stream.read(5), b""))


def broken(stream: BinaryIO) -> bytes:
    raise ArchiveError("no tar: " + read_all(stream).decode())


def test_reads_what_is_there_before_the_rest_has_come(store: FileStore) -> None:
    seen = threading.Event()

    def bring(sink: BlobSink) -> None:
        with sink.writer() as blob:
            blob.write(DATA[:12])
            assert seen.wait(60)
            blob.write(DATA[12:])
            blob.commit(DIGEST)

    def use(stream: BinaryIO) -> bytes:
        start = stream.read(12)
        seen.set()
        return start + read_all(stream)

    assert arrival.read(store, bring, use) == DATA
    assert store.read(DIGEST) == DATA


@pytest.mark.parametrize("use", [read_all, broken])
def test_a_source_that_gives_out_is_no_blob(store: FileStore, use: object) -> None:
    def bring(sink: BlobSink) -> None:
        with sink.writer() as blob:
            blob.write(DATA[:12])
        whole(sink)

    assert callable(use)
    assert arrival.read(store, bring, use) is None
    assert store.read(DIGEST) == DATA


def test_somebody_else_brought_it(store: FileStore) -> None:
    assert arrival.read(store, lambda _: whole(store), read_all) is None
    assert store.read(DIGEST) == DATA


@pytest.mark.parametrize("use", [read_all, broken])
def test_a_failed_transfer_is_what_is_told(store: FileStore, use: object) -> None:
    def bring(sink: BlobSink) -> None:
        with sink.writer() as blob:
            blob.write(DATA[:12])
            raise PullError("the connection broke")

    assert callable(use)
    with pytest.raises(PullError, match="the connection broke"):
        arrival.read(store, bring, use)
    assert not store.has(DIGEST)


@pytest.mark.parametrize("use", [read_all, broken])
def test_other_bytes_are_no_result(store: FileStore, use: object) -> None:
    def bring(sink: BlobSink) -> None:
        with sink.writer() as blob:
            blob.write(b"something else")
            blob.commit(DIGEST)

    assert callable(use)
    with pytest.raises(ArchiveError, match=DIGEST):
        arrival.read(store, bring, use)
    assert not list(store)


def test_nothing_came(store: FileStore) -> None:
    def bring(_: BlobSink) -> None:
        raise PullError("no such host")

    with pytest.raises(PullError, match="no such host"):
        arrival.read(store, bring, read_all)


def test_a_blob_that_cannot_be_used(store: FileStore) -> None:
    with pytest.raises(ArchiveError, match="no tar: first half, second half"):
        arrival.read(store, whole, broken)
    assert store.read(DIGEST) == DATA
