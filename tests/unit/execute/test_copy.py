import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mkbuild.errors import StepError
from mkbuild.execute.filestep import Inputs, Times, perform
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.toc import Entry
from mkbuild.location import Location
from mkbuild.plan.actions import CopyStep
from tests.unit.execute.trees import Tree, directory, file, hardlink, shown, state, symlink

SOURCE = Tree(
    directory("d", 0o700, 3, 4),
    file("d/x", b"x", 0o640, 3, 4),
    directory("d/s", 0o2711, 5, 6),
    file("d/s/y", b"y", 0o4755, 5, 6),
    file("f", b"f", 0o600, 1, 2),
    file("g", b"g"),
    symlink("l", "f"),
    directory("links"),
    file("links/a", b"same"),
    hardlink("links/b", "links/a"),
    symlink("links/s", "a"),
)
BASE = state(
    directory("ex", 0o555, 8, 8),
    file("ex/f", b"old"),
    directory("ex/s", 0o700, 7, 7),
    symlink("tof", "ex/f"),
    symlink("tod", "/ex"),
    symlink("dangling", "made/here"),
    file("plain", b"plain"),
    file("etc/passwd", b"root:x:0:0::/root:/bin/sh\nbob:x:11:12::/home/bob:\n"),
    file("etc/group", b"staff:x:50:bob\n"),
    embedded={
        "etc/passwd": b"root:x:0:0::/root:/bin/sh\nbob:x:11:12::/home/bob:\n",
        "etc/group": b"staff:x:50:bob\n",
    },
)
TIMES = Times(created=9000)


def copied(*words: str, base: Index = BASE, tree: Tree = SOURCE, **flags: Any) -> Diff:
    *sources, dest = words
    step = CopyStep(Location("Dockerfile", 3), tuple(sources), dest, context=False)
    return perform(replace(step, **flags), base, Inputs(tree), TIMES, Path("/nonexistent"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("f /n", ["f 600 1:2 n"]),
        ("f /n/", ["d 755 0:0 n", "f 600 1:2 n/f"]),
        ("f /n/.", ["d 755 0:0 n", "f 600 1:2 n/f"]),
        ("f /", ["f 600 1:2 f"]),
        ("f .", ["f 600 1:2 f"]),
        ("f ..", ["f 600 1:2 f"]),
        ("f /p/q/n", ["d 755 0:0 p", "d 755 0:0 p/q", "f 600 1:2 p/q/n"]),
        ("f /p/../n", ["f 600 1:2 n"]),
        ("f /ex", ["d 555 8:8 ex", "f 600 1:2 ex/f"]),
        ("f /tof", ["d 555 8:8 ex", "f 600 1:2 ex/f"]),
        ("f /tod", ["d 555 8:8 ex", "f 600 1:2 ex/f"]),
        ("f /tod/n", ["d 555 8:8 ex", "f 600 1:2 ex/n"]),
        ("f /dangling", ["d 755 0:0 made", "f 600 1:2 made/here"]),
        ("f /dangling/", ["d 755 0:0 made", "d 755 0:0 made/here", "f 600 1:2 made/here/f"]),
        ("f g /n", ["f 644 0:0 n"]),
        ("f g /n/", ["d 755 0:0 n", "f 600 1:2 n/f", "f 644 0:0 n/g"]),
        ("l /n/", ["d 755 0:0 n", "f 600 1:2 n/l"]),
        ("x* /n/", []),
        ("f x* /", ["f 600 1:2 f"]),
        (
            "d /n",
            ["d 755 0:0 n", "d 2711 5:6 n/s", "f 4755 5:6 n/s/y", "f 640 3:4 n/x"],
        ),
        (
            "d /ex",
            ["d 555 8:8 ex", "d 2711 5:6 ex/s", "f 4755 5:6 ex/s/y", "f 640 3:4 ex/x"],
        ),
        ("links /n", ["d 755 0:0 n", "f 644 0:0 n/a", "h 0 0:0 n/b -> n/a", "l 777 0:0 n/s -> a"]),
        ("links/a links/b /n/", ["d 755 0:0 n", "f 644 0:0 n/a", "f 644 0:0 n/b"]),
    ],
)
def test_destinations(words: str, expected: list[str]) -> None:
    assert shown(copied(*words.split())) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"chown": "5"}, ["d 755 5:5 p", "f 600 5:5 p/n"]),
        ({"chown": "5:6"}, ["d 755 5:6 p", "f 600 5:6 p/n"]),
        ({"chown": "bob"}, ["d 755 11:12 p", "f 600 11:12 p/n"]),
        ({"chown": "bob:staff"}, ["d 755 11:50 p", "f 600 11:50 p/n"]),
        ({"chown": "nobody:none"}, ["d 755 0:0 p", "f 600 0:0 p/n"]),
        ({"chmod": "777"}, ["d 777 0:0 p", "f 777 1:2 p/n"]),
        ({"chmod": "4750"}, ["d 750 0:0 p", "f 4750 1:2 p/n"]),
        ({"chmod": "0"}, ["d 0 0:0 p", "f 0 1:2 p/n"]),
        ({"chmod": "go+r"}, ["d 755 0:0 p", "f 644 1:2 p/n"]),
        ({"context": True}, ["d 755 0:0 p", "f 600 0:0 p/n"]),
        ({"workdir": "/w/", "dest": "n"}, ["d 755 0:0 w", "f 600 1:2 w/n"]),
        ({"workdir": "/w", "dest": "."}, ["d 755 0:0 w", "f 600 1:2 w/f"]),
        ({"workdir": "/w", "dest": "../n"}, ["f 600 1:2 n"]),
    ],
)
def test_flags(flags: dict[str, Any], expected: list[str]) -> None:
    assert shown(copied("f", "/p/n", **flags)) == expected


def test_what_exists_keeps_its_owner_and_mode() -> None:
    assert shown(copied("f", "/ex/n", chown="5", chmod="777")) == ["d 555 8:8 ex", "f 777 5:5 ex/n"]


def test_directories_in_a_tree_get_the_flags_too() -> None:
    assert shown(copied("d", "/ex", chown="5", chmod="u=rwx,go=")) == [
        "d 555 8:8 ex",
        "d 700 5:5 ex/s",
        "f 700 5:5 ex/s/y",
        "f 700 5:5 ex/x",
    ]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("f /plain/", "/plain is not a directory"),
        ("f /plain/x", "/plain is not a directory"),
        ("d /plain", "cannot copy a directory to /plain"),
        ("missing /n", "'missing' not found"),
    ],
)
def test_errors_say_where(words: str, message: str) -> None:
    with pytest.raises(StepError, match=message) as caught:
        copied(*words.split())
    assert caught.value.location == Location("Dockerfile", 3)


@pytest.mark.parametrize(
    ("base", "message"),
    [
        (state(directory("n"), directory("n/x")), "cannot replace the directory /n/x"),
        (state(directory("n"), file("n/s", b"")), "to /n/s, which is not a directory"),
        (state(directory("n"), symlink("n/s", "/ex")), "to /n/s, which is not a directory"),
    ],
)
def test_a_tree_never_replaces_another_type(base: Index, message: str) -> None:
    with pytest.raises(StepError, match=message):
        copied("d", "/n", base=base)


def test_a_file_of_a_tree_replaces_a_link() -> None:
    base = state(directory("n"), symlink("n/x", "/etc/passwd"))
    assert "f 640 3:4 n/x" in shown(copied("d", "/n", base=base))


def test_link_resets_parents_and_follows_nothing() -> None:
    diff = copied("f", "/tod/n/x", link=True)
    assert shown(diff) == ["d 755 0:0 tod", "d 755 0:0 tod/n", "f 600 1:2 tod/n/x"]
    assert shown(copied("f", "/ex/n", link=True)) == ["d 755 0:0 ex", "f 600 1:2 ex/n"]


def test_link_has_no_names() -> None:
    with pytest.raises(StepError, match="no /etc/passwd"):
        copied("f", "/n", link=True, chown="bob")
    assert shown(copied("f", "/n", link=True, chown="root:7")) == ["f 600 0:7 n"]


def test_link_with_chmod_is_a_plain_copy() -> None:
    assert shown(copied("f", "/tod/n", link=True, chmod="640", chown="bob")) == [
        "d 555 8:8 ex",
        "f 640 11:12 ex/n",
    ]


def test_archive_keeps_what_a_created_directory_was() -> None:
    assert shown(copied("d", "/n", archive=True))[0] == "d 700 3:4 n"
    assert shown(copied("d", "/ex", archive=True))[0] == "d 555 8:8 ex"
    with pytest.raises(StepError, match="--archive"):
        copied("d", "/n", archive=True, chown="5")


def test_parents_keep_their_attributes() -> None:
    assert shown(copied("d/s/y", "/n/", parents=True)) == [
        "d 755 0:0 n",
        "d 700 3:4 n/d",
        "d 2711 5:6 n/d/s",
        "f 4755 5:6 n/d/s/y",
    ]


def test_existing_parents_keep_their_owner() -> None:
    base = state(directory("n"), directory("n/d", 0o755, 9, 9))
    assert "d 700 9:9 n/d" in shown(copied("d/x", "/n/", parents=True, base=base))


def test_only_capabilities_reach_a_layer() -> None:
    xattrs = (("security.capability", b"c"), ("user.note", b"n"))
    tree = Tree(file("f", b"")._replace(xattrs=xattrs))
    assert copied("f", "/n", tree=tree, chown="7").toc.entries[0].xattrs == xattrs[:1]
    assert copied("f", "/n", tree=tree, context=True).toc.entries[0].xattrs == ()


def test_times() -> None:
    step = CopyStep(Location("Dockerfile"), ("f",), "/p/n", context=True)

    def mtimes(times: Times, *, context: bool) -> list[int]:
        diff = perform(
            replace(step, context=context), Index(), Inputs(SOURCE), times, Path("/nonexistent")
        )
        return [entry.mtime for entry in diff.toc.entries]

    assert mtimes(Times(9000), context=True) == [9000, 1000]
    assert mtimes(Times(9000, context=5), context=True) == [9000, 5]
    assert mtimes(Times(9000, context=5), context=False) == [9000, 1000]
    assert mtimes(Times(500, latest=1000), context=False) == [500, 500]


def test_the_root_of_a_tree_has_no_time() -> None:
    assert copied("/", "/n").toc.entries[0].mtime == TIMES.created
    assert copied("d", "/n").toc.entries[0].mtime == 1000


def test_heredocs_come_last() -> None:
    diff = copied("g", "/n/", heredocs=(("g", b"two"), ("h", b"")), chown="4", chmod="u+x")
    assert shown(diff) == ["d 755 4:4 n", "f 744 4:4 n/g", "f 744 4:4 n/h"]
    assert diff.toc.entries[1].mtime == TIMES.created
    assert diff.sources[hashlib.sha256(b"two").digest()] == b"two"


def test_a_heredoc_needs_no_tree() -> None:
    step = CopyStep(Location("Dockerfile"), (), "/n", heredocs=(("EOF", b"x"),))
    assert shown(perform(step, Index(), Inputs(), TIMES, Path("/nonexistent"))) == ["f 644 0:0 n"]


def test_accounts_travel_in_the_structure() -> None:
    text = b"new:x:1:1::/:\n"
    step = CopyStep(Location("Dockerfile"), (), "/etc/passwd", heredocs=(("EOF", text),))
    diff = perform(step, BASE, Inputs(), TIMES, Path("/nonexistent"))
    assert diff.toc.embedded == {"etc/passwd": text}


def test_the_same_files_again_are_no_change() -> None:
    diff = copied("d", "/n")
    after = BASE.apply(diff.toc, "n")
    assert shown(copied("d", "/n", base=after)) == []


def test_a_whiteout_deletes() -> None:
    tree = Tree(file(".wh.plain", b""), directory("d"), file("d/.wh..wh..opq", b""), file("d/n"))
    assert shown(copied(".wh.plain", "/", tree=tree)) == ["w 0 0:0 plain"]
    assert shown(copied("d", "/ex", tree=tree)) == [
        "d 555 8:8 ex",
        "w 0 0:0 ex/f",
        "f 644 0:0 ex/n",
        "w 0 0:0 ex/s",
    ]


def test_a_second_source_parts_what_the_first_linked() -> None:
    tree = Tree(
        directory("one"),
        file("one/a", b"1"),
        hardlink("one/b", "one/a"),
        directory("two"),
        file("two/a", b"2"),
    )
    diff = copied("one", "two", "/n", tree=tree)
    assert [entry.content for entry in diff.toc.entries[1:]] == [
        hashlib.sha256(b"2").digest(),
        hashlib.sha256(b"1").digest(),
    ]


NAMES = st.sampled_from(["a", "b", "c"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
KINDS = st.one_of(
    st.tuples(
        st.just(toc.FILE), st.sampled_from(["", "1", "two"]), st.sampled_from([0o600, 0o755])
    ),
    st.tuples(st.just(toc.SYMLINK), st.sampled_from(["a", "../b", "/c", "."]), st.just(0o777)),
    st.tuples(st.just(toc.DIRECTORY), st.just(""), st.sampled_from([0o700, 0o755])),
)


def tree_of(found: dict[str, tuple[str, str, int]]) -> list[Entry]:
    """Make a tree of some paths, leaving out what lies below anything but a directory."""
    entries: dict[str, Entry] = {}
    for path, (kind, text, mode) in sorted(found.items()):
        parents = [path[:i] for i, char in enumerate(path) if char == "/"]
        if any(p in entries and entries[p].type != toc.DIRECTORY for p in parents):
            continue
        for parent in parents:
            entries.setdefault(parent, directory(parent))
        if kind == toc.FILE:
            entries[path] = file(path, text.encode(), mode)
        elif kind == toc.SYMLINK:
            entries[path] = symlink(path, text)
        else:
            entries[path] = directory(path, mode)
    return list(entries.values())


def make(root: Path, entries: list[Entry], contents: dict[bytes, bytes]) -> None:
    root.mkdir()
    for entry in entries:
        path = root / entry.path
        if entry.type == toc.DIRECTORY:
            path.mkdir()
        elif entry.type == toc.SYMLINK:
            path.symlink_to(entry.link)
        else:
            path.write_bytes(contents[entry.content or b""])
        if entry.type != toc.SYMLINK:
            path.chmod(entry.mode)


def found_in(root: Path) -> dict[str, tuple[str, int, str]]:
    found = {}
    for directory_, names, files in os.walk(root):
        for name in (*names, *files):
            path = Path(directory_, name)
            status = path.lstat()
            key = str(path.relative_to(root))
            if path.is_symlink():
                found[key] = (toc.SYMLINK, 0o777, str(path.readlink()))
            elif path.is_dir():
                found[key] = (toc.DIRECTORY, status.st_mode & 0o7777, "")
            else:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found[key] = (toc.FILE, status.st_mode & 0o7777, digest)
    return found


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(PATHS, KINDS, max_size=6), st.dictionaries(PATHS, KINDS, max_size=6))
def test_a_copy_is_what_cp_makes_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    source: dict[str, tuple[str, str, int]],
    base: dict[str, tuple[str, str, int]],
) -> None:
    root = tmp_path_factory.mktemp("copy")
    contents = {hashlib.sha256(text).digest(): text for text in (b"", b"1", b"two")}
    before, given_ = tree_of(base), tree_of(source)
    make(root / "to", before, contents)
    make(root / "from", given_, contents)
    ended = subprocess.run(
        ("cp", "-a", "--remove-destination", "-T", root / "from", root / "to"),
        check=False,
        capture_output=True,
    )
    index = state(*before)
    try:
        diff = copied("/", "/", base=index, tree=Tree(*given_))
    except StepError:
        assert ended.returncode
        return
    assert not ended.returncode, ended.stderr
    after = index.apply(diff.toc, "after")
    assert found_in(root / "to") == {
        found.entry.path: (
            found.entry.type,
            found.entry.mode,
            found.entry.link or (found.entry.content or b"").hex(),
        )
        for found in after.walk()
        if found.entry.path
    }
