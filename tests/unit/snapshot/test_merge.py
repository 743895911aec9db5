import hashlib

from hypothesis import given
from hypothesis import strategies as st

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import DiffBuilder
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry, Toc
from mkbuild.snapshot.merge import Part, merge
from tests.support.trees import directory, file


def nowhere(found: Located) -> bytes:
    return f"{found.origin}:{found.inode}".encode()


def shown(changes: Toc) -> list[str]:
    return [f"{e.type} {e.path}{' -> ' + e.link if e.link else ''}" for e in changes.entries]


def merged(base: list[Entry], *diffs: list[Entry]) -> Toc:
    parts: list[Part] = [(toc.make(entries), f"T{n}") for n, entries in enumerate(diffs)]
    return merge(Index().apply(toc.make(base), "B"), parts, nowhere).toc


def test_what_was_made_and_removed_or_changed_and_restored_is_left_out() -> None:
    base = [file("a", b"1")]
    gone = Entry("new", toc.WHITEOUT)
    assert shown(merged(base, [file("a", b"2"), file("new")], [file("a", b"1"), gone])) == []


def test_whiteouts_survive_only_where_the_first_state_had_something() -> None:
    base = [directory("d"), file("d/old")]
    first = [directory("d"), file("d/new")]
    second = [Entry("d", toc.WHITEOUT)]
    assert shown(merged(base, first, second)) == ["w d"]


def test_a_directory_removed_and_made_again() -> None:
    base = [directory("d"), file("d/old"), directory("d/s"), file("d/s/x")]
    assert shown(merged(base, [Entry("d", toc.WHITEOUT)], [directory("d"), directory("d/s")])) == [
        "d d", "w d/old", "d d/s", "w d/s/x",
    ]  # fmt: skip


def test_a_hard_link_whose_leader_went_is_a_file_of_the_first_tree() -> None:
    first = [file("a", b"1"), Entry("b", toc.HARDLINK, link="a")]
    changes = merge(
        Index(), [(toc.make(first), "T"), (toc.make([Entry("a", toc.WHITEOUT)]), "U")], nowhere
    )
    assert shown(changes.toc) == ["f b"]
    assert list(changes.sources.values()) == [b"T:a"]


def test_inodes_of_different_trees_are_different() -> None:
    first = [file("a", b"1"), Entry("b", toc.HARDLINK, link="a")]
    assert shown(merged([], first, [file("a", b"2")])) == ["f a", "f b"]


def test_opaque_directories_become_whiteouts() -> None:
    base = [directory("d"), file("d/x")]
    assert shown(merged(base, [directory("d", opaque=True), file("d/y")])) == [
        "d d", "w d/x", "f d/y",
    ]  # fmt: skip


def test_embedded_files_travel() -> None:
    part = toc.make([directory("etc"), file("etc/passwd", b"x")], {"etc/passwd": b"x"})
    assert merge(Index(), [(part, "T")], nowhere).toc.embedded == {"etc/passwd": b"x"}


def test_an_unknown_old_content_is_asked_for() -> None:
    base = Index().apply(toc.make([file("a", b"1")._replace(content=None)]), "B")
    parts = [(toc.make([file("a", b"1")]), "T")]
    known = merge(base, parts, nowhere, lambda _: hashlib.sha256(b"1").digest())
    assert known.toc.entries == ()
    assert shown(merge(base, parts, nowhere).toc) == ["f a"]


NAMES = st.sampled_from(["a", "b", "a/a", "a/b", "b/a", "a/a/a"])
STEP = st.lists(st.tuples(st.sampled_from(["1", "2", "d", "-"]), NAMES), max_size=6)


def step(base: Index, changes: list[tuple[str, str]]) -> Toc:
    builder = DiffBuilder(base)
    for kind, path in changes:
        parent = builder.view.get(path.rpartition("/")[0])
        if kind == "-":
            builder.remove(path)
        elif parent is not None and parent.entry.type == toc.DIRECTORY:
            builder.put(directory(path) if kind == "d" else file(path, kind.encode()))
    return builder.finish().toc


@given(STEP, st.lists(STEP, max_size=4))
def test_the_merged_diff_leads_to_the_same_state(
    first: list[tuple[str, str]], steps: list[list[tuple[str, str]]]
) -> None:
    base = Index().apply(step(Index(), first), "B")
    state, parts = base, []
    for number, changes in enumerate(steps):
        part = step(state, changes)
        parts.append((part, f"T{number}"))
        state = state.apply(part, f"T{number}")
    whole = merge(base, parts, nowhere)
    after = base.apply(whole.toc, "M")
    assert [f.entry for f in after.walk()] == [f.entry for f in state.walk()]
    assert merge(base, [(whole.toc, "M")], nowhere).toc == whole.toc
