import hashlib

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from mkbuild import digest as digests
from mkbuild.cache import codec
from mkbuild.cache.codec import decode_toc, encode_toc
from mkbuild.cache.tocs import Inline, Stored, pack, unpack
from mkbuild.digest import Digest
from mkbuild.filesystem import toc
from mkbuild.filesystem.toc import Entry
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.tocs import put_toc


def stored(entries: int) -> tuple[MemoryBlobStore, Digest]:
    store = MemoryBlobStore()
    listed = [
        Entry(f"f{i}", toc.FILE, content=hashlib.sha256(b"%d" % i).digest()) for i in range(entries)
    ]
    return store, put_toc(store, toc.make(listed))


@pytest.mark.parametrize(("entries", "kind"), [(0, Inline), (3, Inline), (5000, Stored)])
def test_both_parts_come_back(entries: int, kind: type) -> None:
    store, digest = stored(entries)
    blobs, target = MemoryBlobStore(), MemoryBlobStore()
    record = pack(store, digest, blobs)
    assert record is not None
    assert record.digest() == digest
    assert isinstance(record.contents, kind)
    assert [ref.digest for ref in record.refs()] == list(blobs)
    for part, packed in (
        (record.parts.structure, record.structure),
        (record.parts.contents, record.contents),
    ):
        data = packed.data if isinstance(packed, Inline) else blobs.read(packed.digest)
        unpack(part, data, target)
        assert target.read(part) == store.read(part)


def test_a_record_fits_a_value_and_comes_back() -> None:
    store = MemoryBlobStore()
    noise = hashlib.shake_256(b"").digest(32 * 500)
    listed = [
        Entry(noise[i * 32 : i * 32 + 32].hex()[:60], toc.FILE, content=noise[i * 32 :][:32])
        for i in range(490)
    ]
    record = pack(store, put_toc(store, toc.make(listed)), MemoryBlobStore())
    assert record is not None
    encoded = encode_toc(record)
    assert len(encoded) < 1 << 16
    assert decode_toc(encoded) == record


def test_a_toc_that_is_not_whole_cannot_be_shared() -> None:
    store, digest = stored(3)
    record = pack(store, digest, MemoryBlobStore())
    assert record is not None
    store.delete(record.parts.contents)
    assert pack(store, digest, MemoryBlobStore()) is None
    store.delete(digest)
    assert pack(store, digest, MemoryBlobStore()) is None


@given(st.binary(max_size=100))
def test_garbage_is_refused(data: bytes) -> None:
    store = MemoryBlobStore()
    with pytest.raises(ValueError, match=r"TOC|bytes"):
        unpack(digests.of(b"part"), data, store)
    assert list(store) == []


def test_a_bomb_is_given_up() -> None:
    packed = zstandard.ZstdCompressor().compress(bytes(3 << 20))
    with pytest.raises(ValueError, match="more than 1048576 bytes"):
        unpack(digests.of(bytes(3 << 20)), packed, MemoryBlobStore(), limit=1 << 20)


@pytest.mark.parametrize(
    "packed", [None, 5, ["x", 1], [digests.of(b""), -1], [digests.of(b"")], "?"]
)
def test_a_record_with_impossible_members_is_refused(packed: object) -> None:
    good = {
        "structure": digests.of(b"s"),
        "contents": digests.of(b"c"),
        "packed_structure": "",
        "packed_contents": [digests.of(b"p"), 5],
    }
    assert decode_toc(codec._pack(b"mkbuild.toc.v1", dict(good))).contents == Stored(
        digests.of(b"p"), 5
    )
    with pytest.raises(ValueError, match=r"."):
        decode_toc(codec._pack(b"mkbuild.toc.v1", {**good, "packed_structure": packed}))
