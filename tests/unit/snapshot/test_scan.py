import os
import socket
from pathlib import Path

import pytest

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Toc
from mkbuild.snapshot import scan
from mkbuild.snapshot.materialise import write_tree
from tests.support.trees import diff, directory, file

EPOCH = 315532800
STARTED = 1_700_000_000 * 10**9
OLD = 1_600_000_000
IDS = {"uid": os.geteuid(), "gid": os.getegid()}
BASE = diff(
    [
        directory("d", mtime=OLD, **IDS),
        file("d/f", b"f", mtime=OLD, **IDS),
        file("d/g", b"g", mtime=OLD, **IDS),
        file("top", b"top", mtime=EPOCH, **IDS),
    ],
    b"f",
    b"g",
    b"top",
)


def shown(changes: Toc) -> list[str]:
    return [f"{e.type} {e.path}{' -> ' + e.link if e.link else ''}" for e in changes.entries]


class Tree:
    """A full tree, its record taken."""

    def __init__(self, root: Path) -> None:
        self.lower, self.path = root / "lower", root / "tree"
        for tree in (self.lower, self.path):
            tree.mkdir()
            write_tree(BASE, tree)
        self.base = Index().apply(BASE.toc, "L")
        self.before = scan.record(self.path)

    def read(self, found: Located) -> str:
        return f"{self.lower}/{found.inode}"

    def done(self, ignore: frozenset[str] = frozenset()) -> Diff:
        return scan.scan(
            self.path, self.base, self.before, self.read, started_ns=STARTED, epoch=EPOCH,
            ignore=ignore,
        )  # fmt: skip


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


def test_nothing_changed(tree: Tree) -> None:
    assert tree.done().toc.entries == ()


def test_changes_additions_and_deletions(tree: Tree) -> None:
    (tree.path / "d" / "f").write_bytes(b"F")
    (tree.path / "new").write_bytes(b"n")
    (tree.path / "top").unlink()
    os.link(tree.path / "new", tree.path / "also")
    changes = tree.done()
    assert shown(changes.toc) == ["f also", "d d", "f d/f", "h new -> also", "w top"]
    assert {entry.mtime for entry in changes.toc.entries if entry.type == "f"} == {EPOCH}
    assert (tree.path / "d" / "f").stat().st_mtime == EPOCH
    assert (tree.path / "d").stat().st_mtime == OLD
    tree.base = tree.base.apply(changes.toc, "M")
    tree.before = scan.record(tree.path)
    assert tree.done().toc.entries == ()


def test_a_change_that_hides_its_time_and_size_is_seen(tree: Tree) -> None:
    (tree.path / "d" / "f").write_bytes(b"X")
    os.utime(tree.path / "d" / "f", (OLD, OLD))
    assert shown(tree.done().toc) == ["d d", "f d/f"]


def test_what_was_written_again_or_removed_and_made_again_is_no_change(tree: Tree) -> None:
    (tree.path / "top").unlink()
    (tree.path / "top").write_bytes(b"top")
    (tree.path / "top").chmod(0o644)
    (tree.path / "d" / "x").touch()
    (tree.path / "d" / "x").unlink()
    assert tree.done().toc.entries == ()


def test_directories_replaced_by_files_and_back(tree: Tree) -> None:
    for name in ("f", "g"):
        (tree.path / "d" / name).unlink()
    (tree.path / "d").rmdir()
    (tree.path / "d").write_bytes(b"d")
    (tree.path / "top").unlink()
    (tree.path / "top").mkdir(mode=0o755)
    assert shown(tree.done().toc) == ["f d", "d top"]


def test_ignored_paths_are_not_looked_at(tree: Tree) -> None:
    (tree.path / "proc").mkdir()
    (tree.path / "proc" / "x").touch()
    assert tree.done(frozenset({"proc"})).toc.entries == ()


def test_sockets_go(tree: Tree, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    (tmp_path / "s").rename(tree.path / "top")
    assert shown(tree.done().toc) == ["w top"]
    assert not (tree.path / "top").exists()


def test_old_contents_that_nobody_knows_count_as_changed_or_are_read(tree: Tree) -> None:
    entries = [entry._replace(content=None) for entry in BASE.toc.entries]
    tree.base = Index().apply(toc.make(entries), "L")
    (tree.path / "top").write_bytes(b"top")
    assert tree.done().toc.entries == ()
    (tree.path / "top").write_bytes(b"top")
    unread = scan.scan(tree.path, tree.base, tree.before, None, started_ns=STARTED, epoch=EPOCH)
    assert shown(unread.toc) == ["f top"]
