import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import DiffBuilder
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry, Toc


def d(path: str, mode: int = 0o755, mtime: int = 0) -> Entry:
    return Entry(path, toc.DIRECTORY, mode, mtime=mtime)


def f(path: str, data: bytes = b"") -> Entry:
    content = hashlib.sha256(data).digest()
    return Entry(path, toc.FILE, 0o644, size=len(data), content=content)


BASE = Index().apply(toc.make([d("a"), d("a/s"), f("a/s/x", b"x"), f("a/y", b"y"), f("z")]), "L")


def shown(changes: Toc) -> list[str]:
    return [f"{entry.type} {entry.path}" for entry in changes.entries]


def test_what_equals_the_state_below_is_left_out() -> None:
    builder = DiffBuilder(BASE)
    builder.put(f("a/y", b"y"))
    builder.put(d("a", mtime=99))
    builder.remove("z")
    builder.put(f("z"))
    assert builder.finish().toc.entries == ()


def test_every_ancestor_of_a_change_is_in_the_diff() -> None:
    builder = DiffBuilder(BASE)
    builder.put(f("a/s/new", b"n"), b"n")
    diff = builder.finish()
    assert shown(diff.toc) == ["d a", "d a/s", "f a/s/new"]
    assert list(diff.sources.values()) == [b"n"]


def test_a_directory_removed_and_made_again_hides_by_explicit_whiteouts() -> None:
    builder = DiffBuilder(BASE)
    builder.remove("a")
    builder.put(d("a"))
    builder.put(d("a/s"))
    assert shown(builder.finish().toc) == ["d a", "d a/s", "w a/s/x", "w a/y"]


def test_what_lies_in_a_removed_directory_needs_no_whiteout() -> None:
    builder = DiffBuilder(BASE)
    builder.remove("a/s/x")
    builder.remove("a")
    assert shown(builder.finish().toc) == ["w a"]


def test_what_was_made_and_removed_leaves_nothing() -> None:
    builder = DiffBuilder(BASE)
    builder.put(f("new", b"n"), b"n")
    builder.remove("new")
    assert builder.finish().toc.entries == ()


def test_a_hard_link_to_an_unchanged_file_brings_both_names() -> None:
    builder = DiffBuilder(BASE)
    builder.put(f("a/y", b"y"))
    builder.link("a/z", "a/y")
    assert shown(builder.finish().toc) == ["d a", "f a/y", "h a/z"]


def test_hard_links_name_the_first_of_their_inode() -> None:
    builder = DiffBuilder(BASE)
    builder.put(f("m", b"m"), b"m")
    builder.link("b", "m")
    assert shown(builder.finish().toc) == ["f b", "h m"]


def test_a_file_whose_old_content_is_unknown_is_asked_for_or_counts_as_changed() -> None:
    base = Index().apply(toc.make([f("x", b"x")._replace(content=None)]), "L")
    builder = DiffBuilder(base)
    builder.put(f("x", b"x"), b"x")
    assert shown(builder.finish().toc) == ["f x"]
    assert builder.finish(lambda _: hashlib.sha256(b"x").digest()).toc.entries == ()
    assert shown(builder.finish(lambda _: bytes(32)).toc) == ["f x"]


def test_ancestors_never_carry_an_opaque_mark_of_a_base() -> None:
    base = Index().apply(toc.make([d("a")._replace(opaque=True)]), "L")
    builder = DiffBuilder(base)
    builder.put(f("a/x", b"1"), b"1")
    assert not any(entry.opaque for entry in builder.finish().toc.entries)


NAMES = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/a/a"])
CHANGES = st.lists(
    st.tuples(st.sampled_from(["file", "other", "dir", "remove"]), NAMES), max_size=12
)


def change(builder: DiffBuilder, kind: str, path: str) -> None:
    if kind == "remove":
        builder.remove(path)
        return
    parent = builder.view.get(path.rpartition("/")[0])
    if parent is None or parent.entry.type != toc.DIRECTORY:
        return
    match kind:
        case "dir":
            builder.put(d(path))
        case "file":
            builder.put(f(path, b"1"), b"1")
        case _:
            builder.put(f(path, b"2"), b"2")


def flat(index: Index) -> list[Entry]:
    return [found.entry for found in index.walk()]


@given(CHANGES, CHANGES)
def test_a_diff_applied_gives_the_view_and_is_empty_against_itself(
    first: list[tuple[str, str]], second: list[tuple[str, str]]
) -> None:
    start = DiffBuilder(Index())
    for kind, path in first:
        change(start, kind, path)
    base = Index().apply(start.finish().toc, "one")
    builder = DiffBuilder(base)
    for kind, path in second:
        change(builder, kind, path)
    diff = builder.finish()
    after = base.apply(diff.toc, "two")
    assert flat(after) == flat(builder.view)
    for entry in diff.toc.entries:
        parent = entry.path.rpartition("/")[0]
        assert not parent or any(e.path == parent for e in diff.toc.entries)
    assert toc.decode(*toc.encode(diff.toc)) == diff.toc
