import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.errors import ArchiveError
from mkbuild.filesystem import toc
from mkbuild.filesystem.toc import Entry

FILE = Entry("a/f", toc.FILE, 0o4755, 1, 1 << 31, 7, -5, content=b"x" * 32)
ALL = toc.make(
    [
        Entry("", toc.DIRECTORY, 0o755),
        Entry("a", toc.DIRECTORY, 0o1777, opaque=True, xattrs=(("user.x", b"\0\xff"),)),
        FILE,
        Entry("a/g", toc.HARDLINK, link="a/f"),
        Entry("a-b", toc.SYMLINK, 0o777, link="../\udcff"),
        Entry("dev", toc.CHAR, 0o666, device=(1, 3)),
        Entry("gone", toc.WHITEOUT),
        Entry("n\udc80me", toc.FIFO, 0o600),
    ],
    {"etc/passwd": b"root\n"},
)


def test_a_directory_stands_directly_before_what_it_holds() -> None:
    assert [e.path for e in ALL.entries[:5]] == ["", "a", "a/f", "a/g", "a-b"]


def test_encoding_is_canonical_and_decodes_to_the_same() -> None:
    structure, contents = toc.encode(ALL)
    assert toc.decode(structure, contents) == ALL
    assert toc.encode(toc.decode(structure, contents)) == (structure, contents)
    shuffled = toc.make(reversed(ALL.entries), ALL.embedded)
    assert toc.encode(shuffled) == (structure, contents)


def test_the_empty_toc_survives() -> None:
    empty = toc.make([])
    assert toc.decode(*toc.encode(empty)) == empty


def test_without_contents_only_the_contents_are_missing() -> None:
    structure, _ = toc.encode(ALL)
    decoded = toc.decode(structure, None)
    assert decoded.entries == tuple(e._replace(content=None) for e in ALL.entries)
    assert decoded.embedded == ALL.embedded


def test_the_digest_is_pinned() -> None:
    assert toc.digest_of(*toc.encode(ALL)) == GOLDEN


GOLDEN = "sha256:558ef1ba5a8766413ffaf05c5004aa2cb7679e71c3ef4b3cf89861733efe136b"


def _edit(**changes: Any) -> bytes:
    document = json.loads(toc.encode(toc.make([FILE._replace(path="f")]))[0])
    return json.dumps(document | changes).encode()


@pytest.mark.parametrize(
    "structure",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        _edit(version=2),
        *(
            _edit(path=[path])
            for path in (
                "/etc", "..", "../x", "a/..", "a/../b", ".", "./a", "a/.", "a//b", "a/", "a\0b", 7,
                "\ud800", None,
            )
        ),
        _edit(path=["f", "f"]),
        _edit(type="?"),
        _edit(type=["f"]),
        _edit(mode=[0o10000]),
        _edit(mode=["7"]),
        _edit(mode=[True]),
        _edit(uid=[-1]),
        _edit(uid=[1 << 32]),
        _edit(size=[-1]),
        _edit(size=[1.5]),
        _edit(mtime=[1 << 40]),
        _edit(link=[[0, "x"]]),
        _edit(link=[[5, "x"]]),
        _edit(type="l"),
        _edit(type="l", link=[[0, 5]]),
        _edit(type="l", link=[[0, "\0"]]),
        _edit(type="h", link=[[0, "f"]]),
        _edit(type="c"),
        _edit(type="c", device=[[0, 1 << 13, 0]]),
        _edit(type="c", device=[[0, "1", 0]]),
        _edit(opaque=[0]),
        _edit(xattrs=[[0, [["user.x", "zz"]]]]),
        _edit(xattrs=[[0, [[1, "00"]]]]),
        _edit(path=[""]),
        _edit(embedded={"etc/passwd": 5}),
    ],
)  # fmt: skip
def test_what_encode_would_not_write_is_refused(structure: bytes) -> None:
    with pytest.raises(ArchiveError):
        toc.decode(structure, None)


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_contents_of_another_length_are_refused(length: int) -> None:
    with pytest.raises(ArchiveError):
        toc.decode(_edit(), bytes(length))


def test_a_hard_link_must_name_a_file_before_it() -> None:
    structure, _ = toc.encode(
        toc.make([FILE._replace(path="b"), Entry("a", toc.HARDLINK, link="b")])
    )
    with pytest.raises(ArchiveError, match="hard link"):
        toc.decode(structure, None)


@given(st.binary(max_size=200))
def test_garbage_is_an_archive_error(data: bytes) -> None:
    with pytest.raises(ArchiveError):
        toc.decode(data, None)
