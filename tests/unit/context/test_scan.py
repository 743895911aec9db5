import hashlib
import itertools
import os
import socket
import subprocess
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.context.digests import FileDigests
from mkbuild.context.ignore import Ignore, MatchInfo
from mkbuild.context.scan import ContextTree, scan
from mkbuild.digest import canonical
from mkbuild.errors import UserError
from mkbuild.filesystem.diff import Settled, identity
from mkbuild.filesystem.index import Located
from mkbuild.filesystem.source import SourceTree
from mkbuild.filesystem.toc import BLOCK, DIRECTORY, FIFO, FILE, SYMLINK, Entry


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "context"
    path.mkdir()
    return path


def walk(context: Path, ignore: Ignore | None = None) -> ContextTree:
    return scan(context, ignore, FileDigests(context.parent / "db", warn=pytest.fail))


def entry(tree: SourceTree, path: str) -> Entry:
    found = tree.index.get(path)
    assert found is not None
    return found.entry


def located(tree: SourceTree, path: str) -> Located:
    found = tree.index.get(path)
    assert found is not None
    return found


def test_types_and_attributes(context: Path) -> None:
    (context / "d").mkdir()
    (context / "d").chmod(0o2750)
    (context / "d" / "f").write_bytes(b"abc")
    (context / "d" / "f").chmod(0o4755)
    os.utime(context / "d" / "f", ns=(0, 1_234_567_890_999_999_999))
    (context / "l").symlink_to("../elsewhere")
    os.mkfifo(context / "p", 0o600)
    tree = walk(context)
    assert entry(tree, "d")[:6] == ("d", DIRECTORY, 0o2750, 0, 0, 0)
    assert entry(tree, "d/f")[:7] == ("d/f", FILE, 0o4755, 0, 0, 3, 1_234_567_890)
    assert entry(tree, "l").type == SYMLINK
    assert entry(tree, "l").link == "../elsewhere"
    assert entry(tree, "p")[:3] == ("p", FIFO, 0o600)
    assert [found.entry.path for found in tree.index.walk()] == ["", "d", "d/f", "l", "p"]
    assert entry(tree, "d/f").content is None


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="mknod and chown need root")
def test_owners_are_dropped_but_known_and_devices_are_kept(context: Path) -> None:
    os.mknod(context / "b", 0o060640, os.makedev(7, 300))
    (context / "f").touch(0o644)
    os.chown(context / "f", 1234, 5678)
    tree = walk(context)
    assert entry(tree, "b")[:3] == ("b", BLOCK, 0o640)
    assert entry(tree, "b").device == (7, 300)
    assert entry(tree, "f")[3:5] == (0, 0)
    assert tree.status("f") == (0o644, 1234, 5678)


def test_a_socket_is_an_empty_file(context: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(context / "s"))
        tree = walk(context)
    assert entry(tree, "s")[1:2] == (FILE,)
    assert entry(tree, "s").size == 0
    assert tree.digests([located(tree, "s")]) == [hashlib.sha256().digest()]


def test_the_contexts_own_directory_does_not_count(context: Path) -> None:
    context.chmod(0o700)
    tree = walk(context)
    assert entry(tree, "")[:3] == ("", DIRECTORY, 0o755)
    assert tree.status("").mode == 0o700


def test_names_that_are_no_utf8(context: Path) -> None:
    (context / os.fsdecode(b"\xff")).write_bytes(b"x")
    tree = walk(context)
    (path,) = tree.index.children("")
    assert os.fsencode(path) == b"\xff"
    assert Path(tree.source(located(tree, path))).read_bytes() == b"x"
    assert tree.digests([located(tree, path)]) == [hashlib.sha256(b"x").digest()]


def test_hard_links_share_their_first_name(context: Path) -> None:
    (context / "z").write_bytes(b"x")
    (context / "b").mkdir()
    os.link(context / "z", context / "b" / "a")
    os.link(context / "z", context / "b.c")
    (context / "single").write_bytes(b"x")
    os.link(context / "single", context.parent / "outside")
    tree = walk(context)
    assert {located(tree, path).inode for path in ("z", "b/a", "b.c")} == {"b/a"}
    assert located(tree, "single").inode == "single"


def test_an_excluded_leader_leaves_the_other_names_linked(context: Path) -> None:
    (context / "a").write_bytes(b"x")
    os.link(context / "a", context / "b")
    os.link(context / "a", context / "c")
    tree = walk(context, Ignore(("*", "!b", "!c")))
    assert "a" not in tree.index
    assert located(tree, "b").inode == located(tree, "c").inode == "b"


def test_digests_come_in_order_and_only_when_asked(context: Path) -> None:
    for name in ("a", "b", "c"):
        (context / name).write_bytes(name.encode())
    (context / "empty").touch()
    tree = walk(context)
    wanted = [located(tree, name) for name in ("c", "empty", "a", "c")]
    assert tree.digests(wanted) == [
        hashlib.sha256(data).digest() for data in (b"c", b"", b"a", b"c")
    ]


def test_a_large_file_is_told_from_another_by_its_identity(context: Path) -> None:
    (context / "small").write_bytes(b"small")
    (context / "large").write_bytes(bytes(1 << 20))
    old = (context / "large").stat()
    later = old.st_ctime_ns + 10**10
    for now, expected in (
        (later, Settled(str(context / "large"), identity(old))),
        (old.st_ctime_ns, str(context / "large")),
    ):
        db = FileDigests(context.parent / f"db{now}", warn=pytest.fail, clock=lambda now=now: now)  # type: ignore[misc]
        tree = scan(context, None, db)
        files = [located(tree, name) for name in ("small", "large")]
        tree.digests(files)
        assert [tree.content(file) for file in files] == [b"small", expected]


def test_excluded_directories_stay_only_above_what_is_re_included(context: Path) -> None:
    for path in ("a/b/c/kept", "a/b/dropped", "a/empty/dropped", "x/dropped"):
        (context / path).parent.mkdir(parents=True, exist_ok=True)
        (context / path).touch()
    tree = walk(context, Ignore(("**", "!a/b/c/kept", "!a/empty/missing")))
    paths = [found.entry.path for found in tree.index.walk()]
    assert paths == ["", "a", "a/b", "a/b/c", "a/b/c/kept"]
    assert "a/empty" not in tree.index


def test_a_context_behind_a_symlink(context: Path) -> None:
    (context / "f").write_bytes(b"x")
    (context.parent / "link").symlink_to("context")
    tree = walk(context.parent / "link")
    assert "f" in tree.index
    assert Path(tree.source(located(tree, "f"))).read_bytes() == b"x"


def test_symlinks_inside_are_never_followed(context: Path) -> None:
    (context.parent / "outside").mkdir()
    (context.parent / "outside" / "f").touch()
    (context / "l").symlink_to(context.parent / "outside")
    tree = walk(context)
    assert tree.index.children("l") == []
    assert "l/f" not in tree.index


@pytest.mark.parametrize("what", ["missing", "file", "loop"])
def test_a_context_that_is_no_directory_is_a_user_error(tmp_path: Path, what: str) -> None:
    path = tmp_path / what
    if what == "file":
        path.touch()
    elif what == "loop":
        path.symlink_to("loop")
    with pytest.raises(UserError, match=what):
        walk(path)


def test_a_deep_tree(context: Path) -> None:
    directory = os.open(context, os.O_RDONLY)
    for _ in range(900):
        os.mkdir("d", dir_fd=directory)
        below = os.open("d", os.O_RDONLY, dir_fd=directory)
        os.close(directory)
        directory = below
    os.close(directory)
    found = len(walk(context).index)
    # pytest's own clean-up would run out of stack.
    subprocess.run(["rm", "-rf", str(context)], check=True)
    assert found == 901


def test_own_attributes_are_known_but_reach_no_entry(context: Path) -> None:
    (context / "f").write_bytes(b"x")
    try:
        os.setxattr(context / "f", "user.b", b"2")
    except OSError:
        pytest.skip("this file system keeps no user attributes")
    os.setxattr(context / "f", "user.a", b"1")
    (context / "empty").touch()
    os.setxattr(context / "empty", "user.a", b"1")
    (context / "plain").write_bytes(b"x")
    tree = walk(context)
    assert entry(tree, "f").xattrs == ()
    tree.digests([located(tree, name) for name in ("f", "plain")])
    assert tree.attributes("f") == canonical([["user.a", b"1"], ["user.b", b"2"]])
    assert tree.attributes("empty") == canonical([["user.a", b"1"]])
    assert tree.attributes("plain") == b""
    later = walk(context)
    later.digests([located(later, "f")])
    assert later.attributes("f") == tree.attributes("f")


NAMES = ["a", "b", "c.md"]
PATHS = ["/".join(parts) for n in (1, 2, 3) for parts in itertools.product(NAMES, repeat=n)]
PATTERNS = st.lists(
    st.tuples(
        st.sampled_from(["", "!"]),
        st.lists(
            st.sampled_from(["a", "b", "c.md", "*", "**", "?", "*.md"]), min_size=1, max_size=3
        ),
    ).map(lambda parts: parts[0] + "/".join(parts[1])),
    max_size=5,
)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    context = tmp_path_factory.mktemp("full") / "context"
    for path in PATHS:
        if path.count("/") == 2:
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            (context / path).touch()
    return context


@given(PATTERNS)
def test_skipping_directories_loses_nothing(full: Path, patterns: list[str]) -> None:
    ignore = Ignore(tuple(patterns))
    expected = set()
    infos = {"": MatchInfo()}
    for path in sorted(PATHS):
        parent = path.rpartition("/")[0]
        excluded, infos[path] = ignore.step(path, infos[parent])
        if not excluded:
            expected |= {path, *(str(above) for above in PurePath(path).parents)}
    found = {located.entry.path or "." for located in walk(full, ignore).index.walk()}
    assert found == expected | {"."}
