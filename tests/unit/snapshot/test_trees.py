import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.errors import StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry
from mkbuild.snapshot.materialise import write_tree
from mkbuild.snapshot.merge import merge
from mkbuild.snapshot.trees import TreeStore
from tests.support.trees import diff, directory, file, look

NAME, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
MADE = diff(
    [
        directory("d", mode=0o1777, mtime=3),
        file("d/f", b"hello", mode=0o4755, mtime=4),
        Entry("d/h", toc.HARDLINK, link="d/f"),
        Entry("gone", toc.WHITEOUT),
        Entry("l", toc.SYMLINK, 0o777, mtime=5, link="d"),
        file("x", b"", xattrs=(("user.k", b"v"),)),
    ],
    b"hello",
)


def listed(path: Path) -> list[str]:
    return [found.name for found in path.iterdir()]


@pytest.fixture
def store(tmp_path: Path) -> TreeStore:
    return TreeStore(tmp_path / "store")


def test_a_diff_becomes_a_tree(store: TreeStore) -> None:
    found = look(store.materialise(MADE, NAME))
    assert sorted(found) == ["d", "d/f", "d/h", "gone", "l", "x"]
    assert found["d"][0] == "drwxrwxrwt"
    assert found["d"][3] == 3 * 10**9
    assert found["d/f"][0] == "-rwsr-xr-x"
    assert found["d/f"][3:6] == (4 * 10**9, b"hello", "d/f")
    assert found["d/h"][5] == "d/f"
    assert found["gone"] == ("whiteout",)
    assert found["l"][3:5] == (5 * 10**9, "d")
    assert found["x"][6] == (("user.k", b"v"),)
    assert store.has(NAME)
    assert [kept.name for kept in store] == [NAME]
    assert listed(store.root / "tmp") == []


def test_a_source_that_changed_leaves_no_tree(store: TreeStore, tmp_path: Path) -> None:
    content = MADE.toc.entries[1].content
    assert content is not None
    (tmp_path / "x").write_bytes(b"jello")
    with pytest.raises(StepError, match="changed"):
        store.materialise(Diff(MADE.toc, {content: str(tmp_path / "x")}), NAME)
    assert not store.has(NAME)
    assert listed(store.root / "tmp") == []
    assert listed(store.root / "trees") == []


def test_whoever_comes_second_loses_quietly(store: TreeStore) -> None:
    with store.begin() as first, store.begin() as second:
        (first.tree / "who").write_text("first")
        (second.tree / "who").write_text("second")
        store.publish(first, NAME)
        path = store.publish(second, NAME)
    assert (path / "who").read_text() == "first"


def test_what_is_not_published_goes(store: TreeStore) -> None:
    with store.begin() as temp:
        (temp.tree / "x").touch()
    assert listed(store.root / "tmp") == []


def test_leased_trees_stay(store: TreeStore) -> None:
    store.materialise(MADE, NAME)
    with store.lease([NAME]) as paths, store.lease([NAME]):
        assert paths == [store.path(NAME)]
        assert not store.remove(NAME)
        assert store.has(NAME)
    assert store.remove(NAME)
    assert not store.has(NAME)
    assert not store.path(NAME).exists()
    assert store.remove(NAME)


def test_a_lease_of_what_is_absent_is_a_miss_that_keeps_nothing(store: TreeStore) -> None:
    store.materialise(MADE, NAME)
    with pytest.raises(KeyError, match=OTHER), store.lease([NAME, OTHER]):
        pass
    assert store.remove(NAME)


def test_publishing_again_does_not_wait_for_those_who_use_it(store: TreeStore) -> None:
    store.materialise(MADE, NAME)
    with store.lease([NAME]), store.begin() as temp:
        assert store.publish(temp, NAME) == store.path(NAME)


def test_a_record_of_another_boot_counts_only_once_synced(store: TreeStore) -> None:
    store.materialise(MADE, NAME)
    record = store.root / "records" / NAME[7:]
    text = record.read_text()
    record.write_text(text.replace('"boot": "', '"boot": "x'))
    assert not store.has(NAME)
    record.write_text(text)
    store.sync()
    record.write_text(record.read_text().replace('"boot": "', '"boot": "x'))
    assert store.has(NAME)
    assert next(iter(store)).size == 5


@pytest.mark.parametrize("torn", ["", "{", "[]", '{"boot": 5}'])
def test_a_torn_record_is_none_and_its_tree_is_replaced(store: TreeStore, torn: str) -> None:
    path = store.materialise(MADE, NAME)
    (store.root / "records" / NAME[7:]).write_text(torn)
    (path / "half").touch()
    assert not store.has(NAME)
    assert list(store) == []
    store.materialise(MADE, NAME)
    assert not (path / "half").exists()


def test_clean_removes_what_the_dead_left_and_spares_the_living(store: TreeStore) -> None:
    script = (
        "import os, sys\n"
        "from pathlib import Path\n"
        "from mkbuild.snapshot.trees import TreeStore\n"
        "store = TreeStore(Path(sys.argv[1]))\n"
        "with store.begin() as temp:\n"
        "    (temp.tree / 'x').touch()\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    root = Path(__file__).parents[3]
    ended = subprocess.run([sys.executable, "-c", script, store.root], cwd=root, check=False)
    assert ended.returncode == -9
    store.path(OTHER).mkdir()
    store.materialise(MADE, NAME)
    with store.begin() as alive:
        store.clean()
        assert alive.tree.is_dir()
        assert len(listed(store.root / "tmp")) == 2
    assert listed(store.root / "tmp") == []
    assert listed(store.root / "trees") == [NAME[7:]]


@pytest.mark.parametrize("name", ["sha256:../../x", "a", "", "sha256:" + "A" * 64])
def test_names_that_are_no_digests_make_no_path(store: TreeStore, name: str) -> None:
    with pytest.raises(ValueError, match="digest"):
        store.path(name)


def test_layers_without_parents_get_them(tmp_path: Path) -> None:
    write_tree(diff([file("a/b/c", b"x")], b"x"), tmp_path)
    assert look(tmp_path)["a/b"][0] == "drwxr-xr-x"


def test_what_was_merged_is_written_as_one_tree(tmp_path: Path) -> None:
    parts = [
        (toc.make([directory("d"), file("d/a", b"1"), file("d/b", b"2")]), "one"),
        (toc.make([directory("d"), Entry("d/a", toc.WHITEOUT), file("c", b"3")]), "two"),
    ]
    contents = {("one", "d/b"): b"2", ("two", "c"): b"3"}

    def locate(found: Located) -> bytes:
        return contents[found.origin, found.inode]

    (tmp_path / "tree").mkdir()
    merged = merge(Index(), parts, locate)
    write_tree(merged, tmp_path / "tree")
    assert sorted(look(tmp_path / "tree")) == ["c", "d", "d/b"]
    assert Index().apply(merged.toc, "x").get("d/a") is None


class Overtaken(TreeStore):
    """Finds no tree the first time it looks: somebody publishes and uses it just then."""

    looked = False

    def _record(self, key: str) -> dict[str, object] | None:
        if not self.looked:
            self.looked = True
            return None
        return super()._record(key)


def test_who_comes_second_waits_for_nobody_who_has_the_tree_in_use(store: TreeStore) -> None:
    first = store.materialise(MADE, NAME)
    second = Overtaken(store.root)
    with store.lease([NAME]), second.begin() as temp:
        assert second.publish(temp, NAME) == first
    assert look(first)["d/f"][4] == b"hello"
