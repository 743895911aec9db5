import bz2
import gzip
import hashlib
import io
import lzma
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild.errors import ArchiveError, MkbuildError
from mkbuild.execute import archive
from mkbuild.execute.filestep import Inputs, Times, key_part, perform
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff, Settled
from mkbuild.filesystem.index import Index, Located
from mkbuild.location import Location
from mkbuild.plan.actions import AddStep
from tests.unit.execute.trees import directory, file, shown, state, symlink

TYPES = {"f": b"0", "h": b"1", "l": b"2", "c": b"3", "b": b"4", "d": b"5", "p": b"6"}


class Member(tarfile.TarInfo):
    """A header and what comes after it."""

    text = ""


def member(name: str, kind: str = "f", text: str = "", **members: Any) -> Member:
    info = Member(name)
    info.type = TYPES[kind]
    info.mode = members.pop("mode", 0o755 if kind == "d" else 0o644)
    info.mtime = 1000
    if kind in "hl":
        info.linkname = text
    else:
        info.size = len(text)
    for key, value in members.items():
        setattr(info, key, value)
    info.text = text
    return info


def tar(*members: Member) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive_:
        for info in members:
            archive_.addfile(info, io.BytesIO(info.text.encode()))
    return out.getvalue()


class Disk:
    """A source tree of one file on disk."""

    def __init__(self, directory_: Path, data: bytes, name: str = "t.tar") -> None:
        self.directory = directory_
        self.index = state(file(name, data))
        (directory_ / name).write_bytes(data)

    def digests(self, files: Sequence[Located]) -> list[bytes]:
        return [hashlib.sha256(Path(self.source(f)).read_bytes()).digest() for f in files]

    def source(self, file_: Located) -> str:
        return f"{self.directory}/{file_.entry.path}"


Add = Callable[..., Diff]


@pytest.fixture
def add(tmp_path: Path) -> Add:
    def added(data: bytes, dest: str = "/in/", base: Index | None = None, **flags: Any) -> Diff:
        parent = flags.pop("parent", None)
        scratch = tmp_path / "scratch"
        scratch.mkdir(exist_ok=True)
        step = AddStep(Location("Dockerfile", 2), ("t.tar",), dest, **flags)
        inputs = Inputs(Disk(tmp_path, data), parent=parent)
        key_part(step, inputs)
        return perform(step, base or Index(), inputs, Times(9000), scratch)

    return added


def entries(diff: Diff, root: str = "in") -> list[str]:
    return [line for line in shown(diff) if line != f"d 755 0:0 {root}"]


@pytest.mark.parametrize(
    "compress",
    [bytes, gzip.compress, bz2.compress, lzma.compress, zstandard.ZstdCompressor().compress],
)
def test_every_compression_is_unpacked(add: Add, compress: Callable[[bytes], bytes]) -> None:
    assert entries(add(compress(tar(member("a", text="1"))))) == ["f 644 0:0 in/a"]


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no tar",
        bytes(10240),
        tar(),
        gzip.compress(b"no tar" * 200),
        gzip.compress(tar(member("a")))[:30],
        b"\x1f\x8b\x08 broken",
        b"BZh9 broken",
        tar(member("a"))[:100],
    ],
)
def test_what_is_no_archive_is_copied(add: Add, data: bytes) -> None:
    assert entries(add(data)) == ["f 644 0:0 in/t.tar"]


def test_unpacking_can_be_off(add: Add) -> None:
    assert entries(add(tar(member("a")), unpack=False)) == ["f 644 0:0 in/t.tar"]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member("a/b")], ["d 755 0:0 in/a", "f 644 0:0 in/a/b"]),
        ([member("/a")], ["f 644 0:0 in/a"]),
        ([member("../../a")], ["f 644 0:0 in/a"]),
        ([member("x/../a")], ["f 644 0:0 in/a"]),
        ([member("./", "d", mode=0o700, uid=5)], []),
        ([member("a", uid=3, gid=4, mode=0o4755)], ["f 4755 3:4 in/a"]),
        ([member("a", text="1"), member("a", mode=0o600, text="2")], ["f 600 0:0 in/a"]),
        ([member("a"), member("a", "d"), member("a/b")], ["d 755 0:0 in/a", "f 644 0:0 in/a/b"]),
        ([member("a", "d"), member("a/b"), member("a")], ["f 644 0:0 in/a"]),
        ([member("a", "d"), member("a/b"), member("a", "d", mode=0o711)],
         ["d 711 0:0 in/a", "f 644 0:0 in/a/b"]),
        ([member("a"), member("b", "h", "a")], ["f 644 0:0 in/a", "h 0 0:0 in/b -> in/a"]),
        ([member("a"), member("b", "h", "a", mode=0o600, uid=7)],
         ["f 600 7:0 in/a", "h 0 0:0 in/b -> in/a"]),
        ([member("a", "l", "x"), member("b", "h", "a")],
         ["l 777 0:0 in/a -> x", "l 777 0:0 in/b -> x"]),
        ([member("p", "p"), member("c", "c", devmajor=1, devminor=3)],
         ["c 644 0:0 in/c", "p 644 0:0 in/p"]),
        ([member("d", "d"), member("l", "l", "/d"), member("l/a")],
         ["d 755 0:0 in/d", "f 644 0:0 in/d/a", "l 777 0:0 in/l -> /d"]),
        ([member("d", "d"), member("l", "l", "../../../d"), member("l/a")],
         ["d 755 0:0 in/d", "f 644 0:0 in/d/a", "l 777 0:0 in/l -> ../../../d"]),
        ([member("l", "l", "/etc/passwd"), member("l", text="x")], ["f 644 0:0 in/l"]),
        ([member("l", "l", "/etc"), member("l", "d"), member("l/a")],
         ["d 755 0:0 in/l", "f 644 0:0 in/l/a"]),
        ([member(".wh.a"), member("a")], ["f 644 0:0 in/a"]),
        ([member("a"), member(".wh.a")], ["f 644 0:0 in/a"]),
        ([member(".wh..wh.plnk")], []),
        ([member("zero", "c")], []),
    ],
)  # fmt: skip
def test_entries(add: Add, members: list[Member], expected: list[str]) -> None:
    assert entries(add(tar(*members))) == expected


BASE = state(
    directory("in", 0o700, 9, 9),
    file("in/f", b"old"),
    directory("in/d", 0o711, 8, 8),
    file("in/d/x", b"x"),
    symlink("in/etc", "/etc"),
    directory("etc"),
    file("etc/secret", b"s"),
)


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([member("f", text="n")], ["f 644 0:0 in/f"]),
        ([member("./", "d"), member("n")], ["f 644 0:0 in/n"]),
        ([member("d", "d")], ["d 755 0:0 in/d"]),
        ([member("d")], ["f 644 0:0 in/d"]),
        ([member("f", "d")], ["d 755 0:0 in/f"]),
        ([member("etc", "d")], ["d 755 0:0 in/etc"]),
        ([member(".wh.f")], ["w 0 0:0 in/f"]),
        ([member("d/.wh..wh..opq"), member("d/n")],
         ["d 711 8:8 in/d", "f 644 0:0 in/d/n", "w 0 0:0 in/d/x"]),
    ],
)  # fmt: skip
def test_entries_over_what_exists(add: Add, members: list[Member], expected: list[str]) -> None:
    found = shown(add(tar(*members), base=BASE))
    assert found == ["d 700 9:9 in", *expected]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([member("etc/passwd")], "symbolic links"),
        ([member("up", "l", "../out"), member("up/x")], "does not exist"),
        ([member("f/x")], "/in/f is not a directory"),
        ([member("a", "l", "a"), member("a/x")], "symbolic links"),
        ([member("h", "h", "nothing")], "no /in/nothing to link to"),
        ([member("h", "h", "etc/secret")], "symbolic links"),
        ([member("h", "h", "../etc/secret")], "symbolic links"),
        ([member("h", "h", "d")], "hard link to the directory"),
        ([member("h", "h", "h")], "to link to"),
        ([member("./", "l", "/etc")], "root of an archive"),
        ([member("/", "h", "f")], "root of an archive"),
        ([member("x" * 256)], "too long"),
        ([member("x" * 256 + "/y")], "too long"),
        ([member("l", "l", "x" * 5000)], "too long"),
        ([member("a/" * 2100)], "too long"),
        ([member("a/" * 1500, "d"), member("l", "l", "a/" * 1500), member("l/" + "a/" * 1000)],
         "too long"),
        ([member(".wh.")], "deletes nothing"),
        ([member(".wh..")], "deletes nothing"),
        ([member(".wh...")], "deletes nothing"),
        ([member(".wh.x", "d")], "no layer can hold"),
    ],
)  # fmt: skip
def test_archives_that_cannot_be_unpacked(add: Add, members: list[Member], message: str) -> None:
    with pytest.raises(MkbuildError, match=message) as caught:
        add(tar(*members), base=BASE)
    assert caught.value.location == Location("Dockerfile", 2)


def test_sparse_files_are_refused(add: Add) -> None:
    info = member("s")
    info.type = tarfile.GNUTYPE_SPARSE
    with pytest.raises(ArchiveError, match="sparse"):
        add(tar(info))


def test_an_archive_cut_off_is_an_error(add: Add) -> None:
    with pytest.raises(ArchiveError):
        add(tar(member("a", text="x" * 2000))[:1024])


def test_owners_are_everybodys_and_modes_nobodys(add: Add) -> None:
    data = tar(member("a", uid=3, mode=0o640), member("d", "d", mode=0o700), member("e/f"))
    assert shown(add(data, chown="5:6", chmod="777")) == [
        "d 755 5:6 in",
        "f 640 5:6 in/a",
        "d 700 5:6 in/d",
        "d 755 0:0 in/e",
        "f 644 5:6 in/e/f",
    ]


def test_the_destination_is_a_directory_however_it_is_written(add: Add) -> None:
    assert shown(add(tar(member("a")), dest="/new")) == ["d 755 0:0 new", "f 644 0:0 new/a"]


def test_link_unpacks_into_nothing(add: Add) -> None:
    data = tar(member("f", text="n"), member("n", "h", "f"))
    assert shown(add(data, base=BASE, link=True)) == [
        "d 755 0:0 in",
        "f 644 0:0 in/f",
        "h 0 0:0 in/n -> in/f",
    ]


def test_a_link_to_a_file_of_the_state_below(add: Add, tmp_path: Path) -> None:
    class Parent:
        index = BASE

        def digests(self, files: Sequence[Located]) -> list[bytes]:
            raise AssertionError(files)

        def source(self, file_: Located) -> str:
            return f"{tmp_path}/{file_.entry.path}"

    data = tar(member("n", "h", "f"))
    assert shown(add(data, base=BASE, parent=Parent())) == [
        "d 700 9:9 in",
        "f 644 0:0 in/f",
        "h 0 0:0 in/n -> in/f",
    ]
    with pytest.raises(ArchiveError, match="not at hand"):
        add(data, base=BASE)


def test_capabilities_stay_and_other_attributes_do_not(add: Add) -> None:
    headers = {"SCHILY.xattr.security.capability": "cap", "SCHILY.xattr.user.note": "n"}
    (_, entry) = add(tar(member("a", pax_headers=headers))).toc.entries
    assert entry.xattrs == (("security.capability", b"cap"),)


def test_contents_are_kept_by_number(add: Add, tmp_path: Path) -> None:
    diff = add(tar(member("../../evil", text="x" * 20000), member("small", text="s")))
    assert sorted(path.name for path in (tmp_path / "scratch").iterdir()) == ["1"]
    for digest, source in diff.sources.items():
        assert not isinstance(source, Settled)
        data = Path(source).read_bytes() if isinstance(source, str) else source
        assert hashlib.sha256(data).digest() == digest


def test_deep_trees_take_no_time_to_speak_of(add: Add) -> None:
    deep = "a/" * 2000
    found = shown(add(tar(member(deep + "x"), member("a/a", "l", "/"), member("y", "h", "a/a"))))
    assert len(found) == 4


def test_what_bursts_is_stopped() -> None:
    assert archive.limit_for(10 << 20) == 1 << 32
    assert archive.limit_for(1 << 30) == 1 << 38


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MEMBERS = st.one_of(
    st.tuples(PATHS, st.just("f"), st.sampled_from(["", "1", "2"])),
    st.tuples(PATHS, st.just("d"), st.just("")),
    st.tuples(PATHS, st.just("l"), st.sampled_from(["a", "b/c", "."])),
    st.tuples(PATHS, st.just("h"), PATHS),
)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(MEMBERS, max_size=8))
def test_what_is_unpacked_is_what_a_process_would_unpack(
    tmp_path_factory: pytest.TempPathFactory, chosen: list[tuple[str, str, str]]
) -> None:
    root = tmp_path_factory.mktemp("unpack")
    data = tar(member("first"), *(member(*one) for one in chosen))
    fits = True
    (root / "in").mkdir()
    for name, kind, text in [("first", "f", ""), *chosen]:
        fits = fits and on_disk(root / "in", name, kind, text)
    (root / "scratch").mkdir()
    step = AddStep(Location("Dockerfile"), ("t.tar",), "/in/")
    try:
        diff = perform(step, Index(), Inputs(Disk(root, data)), Times(1), root / "scratch")
    except ArchiveError:
        assert not fits
        return
    assert fits
    after = Index().apply(diff.toc, "after")
    expected = {}
    for directory_, names, files in os.walk(root / "in"):
        for name in (*names, *files):
            path = Path(directory_, name)
            expected[str(path.relative_to(root))] = seen(path)
    assert expected == {
        found.entry.path: (found.entry.type, found.entry.link or found.entry.size)
        for found in after.walk("in")
        if found.entry.path != "in"
    }


def seen(path: Path) -> tuple[str, str | int]:
    if path.is_symlink():
        return toc.SYMLINK, str(path.readlink())
    return (toc.DIRECTORY, 0) if path.is_dir() else (toc.FILE, path.stat().st_size)


def on_disk(root: Path, name: str, kind: str, text: str) -> bool:
    """Do what the reference does with an entry; False where a system call fails."""
    path = root / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.path.lexists(path) and not (kind == "d" and path.is_dir() and not path.is_symlink()):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
        if kind == "f":
            path.write_text(text)
        elif kind == "d":
            path.mkdir(exist_ok=True)
        elif kind == "l":
            path.symlink_to(text)
        else:
            os.link(root / text, path, follow_symlinks=False)
    except OSError:
        return False
    return True
