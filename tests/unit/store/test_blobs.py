"""What holds for every blob store, and what only the one on disk does."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.digest import Digest
from mkbuild.errors import ArchiveError
from mkbuild.store.files import FileStore
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.protocol import BlobStore

ABSENT = digests.of(b"absent")


@pytest.fixture(params=["memory", "files"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> BlobStore:
    return MemoryBlobStore() if request.param == "memory" else FileStore(tmp_path / "store")


def test_put_and_read(store: BlobStore) -> None:
    digest = store.put(b"content")
    assert digest == digests.of(b"content")
    assert store.put(b"content") == digest
    assert store.has(digest)
    assert store.size(digest) == 7
    assert store.read(digest) == b"content"
    with store.open(digest) as stream:
        stream.seek(3)
        assert stream.read() == b"tent"
    assert list(store) == [digest]


def test_absent(store: BlobStore) -> None:
    assert not store.has(ABSENT)
    store.delete(ABSENT)
    store.quarantine(ABSENT)
    calls: list[Callable[[Digest], object]] = [store.size, store.open, store.read]
    for call in calls:
        with pytest.raises(KeyError):
            call(ABSENT)


def test_delete_and_quarantine(store: BlobStore) -> None:
    for remove in (store.delete, store.quarantine):
        digest = store.put(b"x")
        remove(digest)
        assert not store.has(digest)
    assert list(store) == []


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(chunks=st.lists(st.binary(max_size=50), max_size=5))
def test_writer(store: BlobStore, chunks: list[bytes]) -> None:
    with store.writer() as blob:
        for chunk in chunks:
            assert blob.write(memoryview(chunk)) == len(chunk)
        digest, size = blob.commit()
    assert (digest, size) == (digests.of(b"".join(chunks)), sum(map(len, chunks)))
    assert store.read(digest) == b"".join(chunks)


def test_wrong_content_is_refused(store: BlobStore) -> None:
    with store.writer() as blob:
        blob.write(b"other")
        with pytest.raises(ArchiveError, match="wrong content"):
            blob.commit(ABSENT)
    assert list(store) == []


def test_a_writer_left_without_commit_leaves_nothing(store: BlobStore) -> None:
    with store.writer() as blob:
        blob.write(b"half")
    assert list(store) == []
    if isinstance(store, FileStore):
        assert not [path for path in store.root.rglob("*") if path.name.startswith("blob-")]


def test_threads_write_the_same_blob(store: BlobStore) -> None:
    barrier = threading.Barrier(4)

    def put() -> None:
        barrier.wait()
        for number in range(30):
            store.put(b"%d" % number)

    threads = [threading.Thread(target=put) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {store.read(digest) for digest in store} == {b"%d" % n for n in range(30)}


def test_corrupt_is_absent_and_set_aside(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"good")
    store.path(digest).write_bytes(b"evil")
    with pytest.raises(KeyError):
        store.read(digest)
    assert not store.has(digest)
    assert [path.read_bytes() for path in (tmp_path / "quarantine").iterdir()] == [b"evil"]
    assert store.put(b"good") == digest
    assert store.read(digest) == b"good"


def test_use_is_recorded(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    digest = store.put(b"x")
    for use in (store.has, store.size, store.read, store.path, lambda d: store.open(d).close()):
        os.utime(store.path(digest), ns=(0, 0))
        assert store.last_use(digest) == (0, 1)
        use(digest)
        found = store.last_use(digest)
        assert found is not None
        assert found[0] > 0


def test_a_digest_is_no_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a sha256 digest"):
        FileStore(tmp_path).has(Digest("sha256:../../x"))


def test_close_removes_the_temporary_files(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    store.put(b"x")
    store.close()
    assert list((tmp_path / "tmp").iterdir()) == []
