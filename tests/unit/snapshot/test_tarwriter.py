import hashlib
import io
import os
import tarfile
from pathlib import Path

import pytest

from mkbuild.errors import StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Settled, identity
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot import tarwriter
from tests.support.trees import diff, directory, file

EVERYTHING = diff(
    [
        directory("", mode=0o1777),
        directory("a", mtime=1),
        file("a/empty"),
        file("a/f", b"hello", mode=0o4755, uid=7, gid=8, mtime=1_600_000_000),
        Entry("a/hard", toc.HARDLINK, link="a/f"),
        Entry("a/link", toc.SYMLINK, 0o777, link="../x"),
        Entry("b", toc.BLOCK, 0o600, device=(259, 1 << 19)),
        Entry("c", toc.CHAR, 0o666, device=(1, 3)),
        Entry("gone", toc.WHITEOUT),
        Entry("p", toc.FIFO, 0o600),
        file("big-ids", b"x", uid=1 << 21, gid=(1 << 32) - 2),
        file("old", b"x", mtime=-1),
        file("future", b"x", mtime=1 << 33),
        file("cap", b"x", xattrs=(("security.capability", b"\1\0\0\2\0\n="), ("user.k", b""))),
        file("n" * 120, b"x"),
        directory("d" * 90),
        file("d" * 90 + "/" + "f" * 90, b"x"),
        Entry("long-target", toc.SYMLINK, 0o777, link="t" * 300),
        file("ümlaut", b"x"),
        file("raw\udcff\udc80", b"x"),
    ],
    b"hello",
    b"x",
)


def written() -> bytes:
    return b"".join(tarwriter.stream(EVERYTHING))


def test_the_tar_is_pinned() -> None:
    assert hashlib.sha256(written()).hexdigest() == GOLDEN


GOLDEN = "a1ffd01f97c078a5957434fde1624eaa2e065327e3c05aa57dfbd1bc392d27a4"


def test_pythons_tarfile_reads_all_of_it() -> None:
    with tarfile.open(fileobj=io.BytesIO(written()), errors="surrogateescape") as archive:
        found = {info.name: info for info in archive.getmembers()}
    expected = {"." if not e.path else e.path for e in EVERYTHING.toc.entries} - {"gone"}
    assert set(found) == expected | {".wh.gone"}
    for entry in EVERYTHING.toc.entries:
        if entry.type in {toc.WHITEOUT, toc.HARDLINK}:
            continue
        info = found[entry.path or "."]
        assert (info.mode, info.uid, info.gid) == entry[2:5]
        assert (info.size, int(info.mtime), info.linkname) == entry[5:8]
        if entry.device:
            assert (info.devmajor, info.devminor) == entry.device
    assert found["a/hard"].islnk()
    assert found["a/hard"].linkname == "a/f"
    assert {info.uname + info.gname for info in found.values()} == {""}
    assert found["cap"].pax_headers["SCHILY.xattr.user.k"] == ""


def test_plain_entries_need_no_pax_record() -> None:
    entry = file("a" * 100 + "/" + "b" * 100, b"", uid=0o7777777, mtime=0o77777777777)
    assert len(tarwriter.headers(entry)) == 512


@pytest.mark.parametrize("length", range(80, 110))
def test_pax_lengths_count_themselves(length: int) -> None:
    data = b"".join(tarwriter.stream(diff([file("é" + "n" * length)])))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["é" + "n" * length]


def test_sizes_over_8_gib_are_in_a_pax_record() -> None:
    header = tarwriter.headers(Entry("big", toc.FILE, 0o644, size=1 << 33, content=bytes(32)))
    assert b"19 size=8589934592\n" in header


def test_an_opaque_directory_is_followed_by_its_marker() -> None:
    data = b"".join(tarwriter.stream(diff([directory("d", opaque=True), file("d/x")])))
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        assert archive.getnames() == ["d", "d/.wh..wh..opq", "d/x"]


def test_an_attribute_that_no_tar_can_hold_is_refused() -> None:
    with pytest.raises(StepError, match="extended attribute"):
        list(tarwriter.stream(diff([file("x", xattrs=(("user.a=b", b""),))])))


def _make_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_bytes(b"jello"),
        lambda path: path.write_bytes(b"hell"),
        lambda path: path.write_bytes(b"hello!"),
        lambda path: path.write_bytes(b""),
        Path.unlink,
        lambda path: (path.unlink(), path.symlink_to("/etc/passwd")),
        _make_fifo,
        lambda path: (path.unlink(), path.mkdir()),
    ],
)
def test_a_file_that_changed_is_an_error(tmp_path: Path, change: object) -> None:
    path = tmp_path / "f"
    path.write_bytes(b"hello")
    made = diff([file("f", b"hello")])
    sources = {hashlib.sha256(b"hello").digest(): str(path)}
    assert list(tarwriter.content(made.toc.entries[0], sources)) == [b"hello"]
    assert callable(change)
    change(path)
    with pytest.raises(StepError, match="changed while it was built from"):
        list(tarwriter.content(made.toc.entries[0], sources))


def test_a_file_without_a_source_is_an_error() -> None:
    with pytest.raises(StepError, match="not at hand"):
        list(tarwriter.stream(diff([file("f", b"hello")])))


def test_large_files_are_streamed(tmp_path: Path) -> None:
    data = os.urandom(3 << 20) + b"end"
    path = tmp_path / "f"
    path.write_bytes(data)
    made = diff([file("f", data)])
    pieces = list(
        tarwriter.stream(type(made)(made.toc, {hashlib.sha256(data).digest(): str(path)}))
    )
    assert max(map(len, pieces)) <= (1 << 20) + (1 << 17)
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as archive:
        member = archive.extractfile("f")
        assert member is not None
        assert member.read() == data


def _settled(path: Path) -> Settled:
    return Settled(str(path), identity(path.stat()))


@pytest.mark.parametrize("size", [5, 2 << 20], ids=["small", "large"])
def test_a_file_that_is_known_to_stand_is_not_hashed_again(tmp_path: Path, size: int) -> None:
    data, path = os.urandom(size), tmp_path / "f"
    path.write_bytes(data)
    # That it is taken for what it is not shows that nobody hashed it.
    made = diff([file("f", bytes(size))])
    sources = {hashlib.sha256(bytes(size)).digest(): _settled(path)}
    assert b"".join(tarwriter.content(made.toc.entries[0], sources)) == data


@pytest.mark.parametrize("size", [5, 2 << 20], ids=["small", "large"])
def test_one_that_does_not_stand_is_hashed(tmp_path: Path, size: int) -> None:
    data, path = os.urandom(size), tmp_path / "f"
    path.write_bytes(data)
    made = diff([file("f", data)])
    source = _settled(path)
    sources = {hashlib.sha256(data).digest(): source._replace(identity=(0, 0, 0, 0, 0))}
    assert b"".join(tarwriter.content(made.toc.entries[0], sources)) == data
    path.write_bytes(os.urandom(size))
    with pytest.raises(StepError, match="changed while it was built from"):
        list(tarwriter.content(made.toc.entries[0], sources))


def test_one_that_changes_while_it_is_read(tmp_path: Path) -> None:
    data, path = os.urandom(3 << 20), tmp_path / "f"
    path.write_bytes(data)
    made = diff([file("f", data)])
    sources = {hashlib.sha256(data).digest(): _settled(path)}
    pieces = iter(tarwriter.content(made.toc.entries[0], sources))
    assert next(pieces)
    with path.open("r+b") as stream:
        stream.seek(2 << 20)
        stream.write(b"other")
    os.utime(path, ns=(1, 1))  # another ctime, however coarse the clock
    with pytest.raises(StepError, match="changed while it was built from"):
        list(pieces)
