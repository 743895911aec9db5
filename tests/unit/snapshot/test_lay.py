import os
from pathlib import Path

import pytest

from mkbuild.filesystem.index import Index, Located
from mkbuild.snapshot import lay, scan

_NEVER = 1 << 62


def index_of(tree: Path, origin: str) -> Index:
    diff = scan.scan(tree, Index(), {}, None, started_ns=_NEVER, epoch=None)
    return Index().apply(diff.toc, origin)


def contents(tree: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(tree.rglob("*")):
        info = path.lstat()
        what = path.readlink() if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        times = int(info.st_mtime)
        links = info.st_nlink if path.is_file() else 0
        found[str(path.relative_to(tree))] = (info.st_mode, times, links, what)
    return found


def make(tree: Path, **files: str) -> Path:
    tree.mkdir(exist_ok=True)
    for name, text in files.items():
        path = tree / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tree


@pytest.fixture
def one(tmp_path: Path) -> Path:
    tree = make(tmp_path / "one", a_file="1", a_other="2", b_c_d="3", gone_x="4", kind="file")
    (tree / "a/link").symlink_to("file")
    os.link(tree / "a/file", tree / "a/twin")
    (tree / "b").chmod(0o700)
    os.utime(tree / "b", (1000, 1000))
    return tree


@pytest.fixture
def two(tmp_path: Path) -> Path:
    tree = make(
        tmp_path / "two", a_file="1", a_other="changed", b_c_new="5", kind_x="now a directory"
    )
    os.link(tree / "a/other", tree / "a/again")
    return tree


def move(
    target: Path, before: Path | None, after: Path, kept: frozenset[str] = frozenset()
) -> None:
    def source(file: Located) -> str:
        return f"{after}/{file.entry.path}"

    old = None if before is None else index_of(before, str(before))
    lay.lay(target, old, index_of(after, str(after)), source, kept)


def test_a_tree_becomes_one_state_after_the_other(tmp_path: Path, one: Path, two: Path) -> None:
    target = make(tmp_path / "target", old_file="x", a="a file")
    move(target, None, one)
    assert contents(target) == contents(one)
    assert (target / "a/file").samefile(target / "a/twin")
    move(target, one, two)
    assert contents(target) == contents(two)
    move(target, two, one)
    assert contents(target) == contents(one)


def test_what_stays_is_not_written_again(tmp_path: Path, one: Path) -> None:
    target = make(tmp_path / "target")
    index = index_of(one, "one")
    lay.lay(target, None, index, lambda file: f"{one}/{file.entry.path}", frozenset())
    before = (target / "b/c/d").stat()
    make(one, a_other="changed")
    changed = index_of(one, "one")
    lay.lay(target, index, changed, lambda file: f"{one}/{file.entry.path}", frozenset())
    assert (target / "b/c/d").stat() == before
    assert contents(target) == contents(one)


def test_an_inode_whose_first_name_is_new_keeps_its_names(tmp_path: Path) -> None:
    tree = make(tmp_path / "tree", a="1")
    os.link(tree / "a", tree / "b")
    both = index_of(tree, "layer")
    less = both.copy()
    less.remove("a")
    target = make(tmp_path / "target")
    lay.lay(target, None, less, lambda file: f"{tree}/{file.entry.path}", frozenset())
    lay.lay(target, less, both, lambda file: f"{tree}/{file.entry.path}", frozenset())
    assert (target / "a").samefile(target / "b")


def test_what_is_kept_stays(tmp_path: Path, one: Path) -> None:
    target = make(tmp_path / "target", mnt_volume_data="precious", etc_hosts="own", a_old="old")
    move(target, None, one, frozenset({"mnt/volume", "etc/hosts"}))
    assert (target / "mnt/volume/data").read_text() == "precious"
    assert (target / "etc/hosts").read_text() == "own"
    assert not (target / "a/old").exists()
    assert contents(one).items() <= contents(target).items()


def test_a_link_in_the_way_leads_nowhere(tmp_path: Path, one: Path) -> None:
    outside = make(tmp_path / "outside", precious="1")
    target = make(tmp_path / "target")
    (target / "a").symlink_to(outside)
    (target / "etc").symlink_to(outside)
    move(target, None, one, frozenset({"etc/hosts"}))
    assert contents(target) == contents(one)
    assert (outside / "precious").read_text() == "1"
