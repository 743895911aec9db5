import pytest

from mkbuild.errors import StepError
from mkbuild.filesystem import toc
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry


def d(path: str, mode: int = 0o755) -> Entry:
    return Entry(path, toc.DIRECTORY, mode)


def f(path: str, size: int = 0) -> Entry:
    return Entry(path, toc.FILE, 0o644, size=size)


def w(path: str) -> Entry:
    return Entry(path, toc.WHITEOUT)


def link(path: str, target: str) -> Entry:
    return Entry(path, toc.SYMLINK, 0o777, link=target)


def state(*layers: list[Entry]) -> Index:
    index = Index()
    for number, entries in enumerate(layers):
        index = index.apply(toc.make(entries), f"L{number}")
    return index


def paths(index: Index) -> list[str]:
    return [found.entry.path for found in index.walk()][1:]


def test_whiteouts_hide_what_was_below_and_not_what_the_same_layer_brings() -> None:
    index = state([d("a"), f("a/x"), f("a/y")], [w("a"), d("a"), f("a/new")])
    assert paths(index) == ["a", "a/new"]


def test_opaque_hides_what_was_below_and_says_nothing_of_the_state() -> None:
    index = state([d("a"), f("a/x")], [d("a")._replace(opaque=True), f("a/new")])
    assert paths(index) == ["a", "a/new"]
    found = index.get("a")
    assert found is not None
    assert not found.entry.opaque


def test_a_file_replaces_a_directory_and_a_directory_a_file() -> None:
    assert paths(state([d("a"), f("a/x")], [f("a")])) == ["a"]
    assert paths(state([f("a")], [f("a/x")])) == ["a", "a/x"]


def test_parents_that_a_layer_leaves_out_keep_what_they_have() -> None:
    index = state([d("a", 0o700)], [f("a/x")])
    found = index.get("a")
    assert found is not None
    assert found.entry.mode == 0o700


def test_hard_links_share_their_leaders_inode() -> None:
    index = state([f("a", 5), Entry("b", toc.HARDLINK, link="a")])
    a, b = index.get("a"), index.get("b")
    assert a is not None
    assert b is not None
    assert (a.origin, a.inode) == (b.origin, b.inode)
    assert b.entry.size == 5


def test_applying_leaves_the_state_before_as_it_was() -> None:
    before = state([d("a"), f("a/x")])
    before.apply(toc.make([w("a")]), "L")
    assert paths(before) == ["a", "a/x"]


@pytest.mark.parametrize(
    ("path", "resolved"),
    [
        ("/", ""),
        ("/l/x", "d/x"),
        ("abs/x", "d/x"),
        ("up/x", "d/x"),
        ("d/../../d/./x//", "d/x"),
        ("d/back/d", "d"),
        ("missing/../d", "d"),
        ("none/of/it", "none/of/it"),
        ("chain", "d/x"),
        ("dangling/y", "nowhere/y"),
    ],
)
def test_resolution_never_leaves_the_root(path: str, resolved: str) -> None:
    index = state(
        [
            d("d"),
            f("d/x"),
            link("l", "d"),
            link("abs", "/d"),
            link("up", "../../../d"),
            link("d/back", ".."),
            link("chain", "l/x"),
            link("dangling", "nowhere"),
        ]
    )
    assert index.resolve(path) == resolved


def test_the_last_name_may_stay_a_link() -> None:
    index = state([d("d"), link("l", "d"), link("d/m", "x")])
    assert index.resolve("l/m", follow_last=False) == "d/m"


def test_link_loops_are_errors() -> None:
    with pytest.raises(StepError, match="symbolic links"):
        state([link("a", "b"), link("b", "a")]).resolve("a")


def test_paths_deeper_than_python_recurses() -> None:
    deep = "/".join(["n"] * 5000)
    index = state([f(deep)])
    assert len(paths(index)) == 5000
    assert paths(index.apply(toc.make([w("n")]), "L")) == []


def test_embedded_files_go_with_their_path() -> None:
    index = Index().apply(toc.make([d("etc"), f("etc/passwd", 1)], {"etc/passwd": b"x"}), "L")
    assert index.embedded("etc/passwd") == b"x"
    assert index.apply(toc.make([w("etc")]), "L").embedded("etc/passwd") is None
    assert index.apply(toc.make([f("etc/passwd", 2)]), "L").embedded("etc/passwd") is None


def test_copies_and_originals_change_on_their_own() -> None:
    first = state([d("a"), f("a/x")])
    second = first.copy()
    third = second.copy()
    second.remove("a/x")
    third.put(Located(f("a/y"), "", "a/y"))
    first.put(Located(f("a/z"), "", "a/z"))
    assert [paths(index) for index in (first, second, third)] == [
        ["a", "a/x", "a/z"],
        ["a"],
        ["a", "a/x", "a/y"],
    ]
