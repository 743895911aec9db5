import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.errors import StepError
from mkbuild.execute.missing import Missing
from mkbuild.execute.select import Filters, Selection, normalize, select
from mkbuild.filesystem import toc
from tests.unit.execute.trees import Tree, directory, file, hardlink, symlink

ENTRIES = (
    directory("d"),
    file("d/a.txt", b"a"),
    file("d/b.md", b"b"),
    directory("d/sub"),
    file("d/sub/a.txt", b"c"),
    directory("e"),
    file("f", b"f"),
    symlink("lf", "f"),
    symlink("ld", "/d"),
    symlink("out", "../../f"),
    symlink("nowhere", "nope"),
    symlink("loop", "loop"),
)
WHOLE_D = ["", "a.txt", "b.md", "sub", "sub/a.txt"]


def chosen(*sources: str, exclude: tuple[str, ...] = (), parents: bool = False) -> Selection:
    return select(Tree(*ENTRIES), sources, Filters(exclude, parents), Missing())


def names(selection: Selection) -> list[tuple[str, list[str]]]:
    return [(pick.name, [part.path for part in pick.parts]) for pick in selection.picks]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("f", [("f", [""])]),
        ("/f", [("f", [""])]),
        ("f/", [("f", [""])]),
        ("./d/../f", [("f", [""])]),
        ("../../f", [("f", [""])]),
        ("lf", [("lf", [""])]),
        ("out", [("out", [""])]),
        ("d", [("d", WHOLE_D)]),
        ("d/", [("d", WHOLE_D)]),
        ("d/.", [("d", WHOLE_D)]),
        ("ld", [("ld", WHOLE_D)]),
        ("ld/a.txt", [("a.txt", [""])]),
        ("d/*.txt", [("a.txt", [""])]),
        ("ld/*.txt", [("a.txt", [""])]),
        ("*/a.txt", [("a.txt", [""])]),
        ("**/a.txt", [("a.txt", [""])]),
        ("d/*/a.txt", [("a.txt", [""])]),
        ("l[a-e]", [("ld", WHOLE_D)]),
        ("[a-f]", [("d", WHOLE_D), ("e", [""]), ("f", [""])]),
        ("x*", []),
        ("f/*", []),
    ],
)
def test_a_source_leads_to(source: str, expected: object) -> None:
    assert names(chosen(source)) == expected


@pytest.mark.parametrize("source", ["", ".", "/", "./", ".."])
def test_the_whole_tree_keeps_its_symlinks(source: str) -> None:
    ((_, paths),) = names(chosen(source))
    assert paths == ["", *(entry.path for entry in toc.make(ENTRIES).entries)]


@pytest.mark.parametrize(
    "source", ["x", "d/x", "f/x", "nowhere", "nowher?", "x/*", "ld/../f/x", r"f\*"]
)
def test_what_leads_nowhere_is_missing(source: str) -> None:
    with pytest.raises(StepError, match="not found") as caught:
        chosen("f", source)
    assert repr(source) in str(caught.value)


def test_a_loop_of_links_is_an_error() -> None:
    with pytest.raises(StepError, match="symbolic links"):
        chosen("loop")


@pytest.mark.parametrize(
    ("exclude", "expected"),
    [
        (("*.txt",), ["", "b.md", "sub", "sub/a.txt"]),
        (("**/*.txt",), ["", "b.md", "sub"]),
        (("sub",), ["", "a.txt", "b.md"]),
        (("sub/",), ["", "a.txt", "b.md"]),
        (("d",), WHOLE_D),
        (("*",), [""]),
        (("*", "!b.md"), ["", "b.md"]),
        (("sub", "!sub/a.txt"), ["", "a.txt", "b.md", "sub", "sub/a.txt"]),
        (("/sub",), WHOLE_D),
    ],
)
def test_patterns_exclude_below_a_source(exclude: tuple[str, ...], expected: list[str]) -> None:
    assert names(chosen("d", exclude=exclude)) == [("d", expected)]


def test_a_source_itself_is_never_excluded() -> None:
    assert names(chosen("f", "d/*.txt", exclude=("*",))) == [("f", [""]), ("a.txt", [""])]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("d/a.txt", ["d", "d/a.txt"]),
        ("./d/sub/a.txt", ["d", "d/sub", "d/sub/a.txt"]),
        ("d/./sub/a.txt", ["sub", "sub/a.txt"]),
        ("d/./sub/./a.txt", ["sub", "sub/a.txt"]),
        ("d/sub", ["d", "d/sub", "d/sub/a.txt"]),
        ("d/sub/.", ["d", "d/sub", "d/sub/a.txt"]),
        ("*/a.txt", ["d", "d/a.txt"]),
        ("**/a.txt", ["d", "d/a.txt", "d/sub", "d/sub/a.txt"]),
        ("ld/./sub", ["sub", "sub/a.txt"]),
        ("x*", []),
    ],
)
def test_parents_are_kept(source: str, expected: list[str]) -> None:
    ((_, paths),) = names(chosen(source, parents=True))
    assert paths == ["", *expected]


def test_only_directories_above_count_as_parents() -> None:
    (pick,) = chosen("d/sub", parents=True).picks
    assert [(part.path, part.parent) for part in pick.parts] == [
        ("", False),
        ("d", True),
        ("d/sub", False),
        ("d/sub/a.txt", False),
    ]


@pytest.mark.parametrize("source", ["x", "ld/a.txt", "d/./x"])
def test_a_missing_source_with_parents(source: str) -> None:
    with pytest.raises(StepError, match="not found"):
        chosen(source, parents=True)


def test_every_digest_is_asked_for_at_once() -> None:
    entries = [entry._replace(content=None) for entry in ENTRIES]
    tree = Tree(*entries)
    selection = select(tree, ["d", "f", "d/*.txt"], Filters(), Missing())
    assert tree.asked == [["d/a.txt", "d/b.md", "d/sub/a.txt", "f"]]
    assert set(selection.contents) == set(tree.asked[0])


def key(*entries: toc.Entry, source: str = "d", ids: bool = False) -> str:
    tree = Tree(directory("d"), *entries)
    return select(tree, [source], Filters(), Missing()).key(keep_ids=ids)


ONE = file("d/x", b"1")


@pytest.mark.parametrize(
    "other",
    [
        file("d/x", b"2"),
        file("d/y", b"1"),
        ONE._replace(mode=0o600),
        ONE._replace(xattrs=(("security.capability", b"x"),)),
        symlink("d/x", "1"),
        directory("d/x"),
    ],
)
def test_whatever_is_copied_is_in_the_key(other: toc.Entry) -> None:
    assert key(ONE) != key(other)


@pytest.mark.parametrize(
    "other", [ONE._replace(mtime=7), ONE._replace(uid=5), ONE._replace(xattrs=(("user.x", b""),))]
)
def test_what_is_not_copied_is_not(other: toc.Entry) -> None:
    assert key(ONE) == key(other)


def test_owners_count_where_they_are_kept() -> None:
    assert key(ONE, ids=True) != key(ONE._replace(uid=5), ids=True)


def test_a_hard_link_is_not_a_copy() -> None:
    assert key(ONE, hardlink("d/y", "d/x")) != key(ONE, file("d/y", b"1"))


def test_a_directory_is_what_it_holds_wherever_it_is() -> None:
    tree = Tree(directory("a", 0o700), file("a/x", b"1"), directory("b"), file("b/x", b"1"))
    first, second = (select(tree, [name], Filters(), Missing()) for name in "ab")
    assert first.key(keep_ids=False) == second.key(keep_ids=False)
    assert first.key(keep_ids=False, whole=True) != second.key(keep_ids=False, whole=True)


def test_a_missing_source_is_explained() -> None:
    index = Tree(*ENTRIES).index
    assert Missing()("d/a.tx", index).hint == "did you mean d/a.txt?"
    ignored = Missing(lambda path: path == "d/z", context=True)("d/z", index)
    assert ignored.hint == "d/z is excluded by .dockerignore"
    assert "the build context" in ignored.message


@given(st.text("ab./"))
def test_a_normal_path_stays_inside(path: str) -> None:
    clean = normalize(path)
    assert not clean.startswith("/")
    assert not {"", ".", ".."} & set(clean.split("/")) or not clean
    assert normalize(clean) == clean
