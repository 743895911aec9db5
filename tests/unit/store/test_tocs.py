import hashlib

import pytest

from mkbuild.filesystem import toc
from mkbuild.filesystem.toc import Entry
from mkbuild.store.memory import MemoryBlobStore
from mkbuild.store.tocs import TocParts, get_parts, get_toc, parse_pointer, put_toc

CONTENT = hashlib.sha256(b"x").digest()
TOC = toc.make(
    [
        Entry("etc", toc.DIRECTORY, 0o755),
        Entry("etc/passwd", toc.FILE, 0o644, size=1, content=CONTENT),
        Entry("link", toc.SYMLINK, 0o777, link="etc"),
    ],
    {"etc/passwd": b"x"},
)


def test_a_toc_is_found_under_the_digest_that_step_results_name() -> None:
    store = MemoryBlobStore()
    digest = put_toc(store, TOC)
    assert digest == toc.digest_of(*toc.encode(TOC))
    assert get_toc(store, digest, contents=True) == TOC


def test_the_structure_alone_has_no_contents_but_embedded_files() -> None:
    store = MemoryBlobStore()
    digest = put_toc(store, TOC)
    parts = get_parts(store, digest)
    assert parts is not None
    store.delete(parts.contents)
    assert get_toc(store, digest, contents=True) is None
    found = get_toc(store, digest, contents=False)
    assert found is not None
    assert found.embedded == {"etc/passwd": b"x"}
    assert [entry.content for entry in found.entries] == [None, None, None]


@pytest.mark.parametrize("which", ["pointer", "structure", "contents"])
def test_an_absent_part_is_a_miss(which: str) -> None:
    store = MemoryBlobStore()
    digest = put_toc(store, TOC)
    parts = get_parts(store, digest)
    assert parts is not None
    store.delete(
        {"pointer": digest, "structure": parts.structure, "contents": parts.contents}[which]
    )
    assert get_toc(store, digest, contents=True) is None


def test_what_is_named_but_is_no_toc_is_a_miss() -> None:
    store = MemoryBlobStore()
    assert get_toc(store, store.put(b"no pointer"), contents=True) is None
    garbage = TocParts(store.put(b"no json"), store.put(b""))
    assert get_toc(store, store.put(garbage.pointer()), contents=True) is None


@pytest.mark.parametrize("change", [b"", b" ", b"sha256:" + b"0" * 64])
def test_only_the_exact_bytes_are_a_pointer(change: bytes) -> None:
    store = MemoryBlobStore()
    data = store.read(put_toc(store, TOC))
    assert parse_pointer(data).pointer() == data
    with pytest.raises(ValueError, match="pointer"):
        parse_pointer(data + change if change else b"")
