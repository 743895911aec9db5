"""Uppers made by hand, in the form that overlayfs leaves them (user.overlay.*: no root needed)."""

import os
import shutil
import socket
import stat
from pathlib import Path

import pytest

from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Entry, Toc
from mkbuild.snapshot.materialise import write_tree
from mkbuild.snapshot.upper import normalise, prepare
from tests.support.trees import diff, directory, file, look

EPOCH = 315532800
STARTED = 1_700_000_000 * 10**9
OLD, NEW = 1_600_000_000, 1_700_000_001


def ours(entry: Entry) -> Entry:
    """Return an entry that anybody can write to disk."""
    return entry._replace(uid=os.geteuid(), gid=os.getegid())


class Step:
    """A state, and an upper over it."""

    def __init__(self, root: Path, *entries: Entry, contents: tuple[bytes, ...] = ()) -> None:
        self.lower, self.upper = root / "lower", root / "upper"
        self.lower.mkdir()
        self.upper.mkdir()
        made = diff(map(ours, entries), *contents)
        write_tree(made, self.lower)
        self.base = Index().apply(made.toc, "L")
        prepare(self.upper, self.base, single_id=True)

    def whiteout(self, path: str) -> None:
        os.mknod(self.upper / path, stat.S_IFCHR, os.makedev(0, 0))

    def put(self, path: str, data: bytes = b"", mtime: float = NEW, mode: int = 0o644) -> Path:
        target = self.upper / path
        for parent in reversed(target.relative_to(self.upper).parents[:-1]):
            (self.upper / parent).mkdir(exist_ok=True, mode=0o755)
        target.write_bytes(data)
        target.chmod(mode)
        os.utime(target, (mtime, mtime))
        return target

    def copy_up(self, path: str) -> Path:
        target = self.upper / path
        if not target.parent.exists():
            self.copy_up(str(Path(path).parent))
        source = self.lower / path
        if source.is_dir():
            target.mkdir()
            shutil.copystat(source, target)
        else:
            shutil.copy2(source, target)
        os.setxattr(target, "user.overlay.origin", b"handle")
        return target

    def opaque(self, path: str) -> Path:
        target = self.upper / path
        target.mkdir(parents=True)
        os.setxattr(target, "user.overlay.opaque", b"y")
        return target

    def read(self, found: Located) -> str:
        return f"{self.lower}/{found.inode}"

    def done(self, epoch: int | None = EPOCH, ignore: frozenset[str] = frozenset()) -> Diff:
        return normalise(
            self.upper, self.base, self.read, started_ns=STARTED, epoch=epoch, userxattr=True,
            ignore=ignore,
        )  # fmt: skip


def shown(changes: Toc) -> list[str]:
    return [f"{e.type} {e.path}{' -> ' + e.link if e.link else ''}" for e in changes.entries]


BASE = (
    directory("d", mtime=OLD),
    file("d/f", b"f", mtime=OLD),
    file("d/g", b"g", mtime=OLD),
    directory("d/s", mtime=OLD),
    file("d/s/x", b"x", mtime=OLD),
    file("top", b"top", mtime=EPOCH),
)


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step(tmp_path, *BASE, contents=(b"f", b"g", b"x", b"top"))


def check(step: Step, changes: Diff) -> None:
    """Check that the upper on disk is what a machine that unpacks its layer would have."""
    other = step.upper.parent / "other"
    other.mkdir()
    write_tree(changes, other, userxattr=True)
    assert look(other) == look(step.upper)


def test_nothing_changed(step: Step) -> None:
    assert step.done().toc.entries == ()


def test_what_is_new(step: Step) -> None:
    step.put("d/new", b"n")
    step.put("old", b"o", mtime=OLD + 0.75)
    (step.upper / "link").symlink_to("top")
    os.mkfifo(step.upper / "fifo")
    os.link(step.upper / "d" / "new", step.upper / "a")
    changes = step.done()
    assert shown(changes.toc) == [
        "f a", "d d", "h d/new -> a", "p fifo", "l link -> top", "f old",
    ]  # fmt: skip
    entries = {entry.path: entry for entry in changes.toc.entries}
    assert entries["a"].mtime == EPOCH
    assert entries["old"].mtime == OLD
    assert entries["link"].mtime == EPOCH
    assert entries["d"].mtime == OLD
    check(step, changes)


def test_times_are_kept_where_asked_but_whole(step: Step) -> None:
    step.put("new", b"", mtime=NEW + 0.5)
    assert step.done(epoch=None).toc.entries[0].mtime == NEW


def test_copy_ups_that_changed_nothing_go(step: Step) -> None:
    step.copy_up("d/s/x")
    step.copy_up("d/f").chmod(0o600)
    changes = step.done()
    assert shown(changes.toc) == ["d d", "f d/f"]
    assert sorted(look(step.upper)) == ["d", "d/f"]
    check(step, changes)


def test_contents_that_were_written_again_are_no_change(step: Step) -> None:
    step.put("top", b"top")
    assert step.done().toc.entries == ()
    assert look(step.upper) == {}


def test_contents_of_the_same_size_and_time_are_compared(step: Step) -> None:
    step.put("top", b"pot")
    changes = step.done()
    assert shown(changes.toc) == ["f top"]
    check(step, changes)


def test_old_contents_that_no_toc_tells_are_read(step: Step) -> None:
    entries = [ours(entry)._replace(content=None) for entry in BASE]
    step.base = Index().apply(toc.make(entries), "L")
    step.put("top", b"top")
    step.put("d/f", b"F", mtime=OLD)
    assert shown(step.done().toc) == ["d d", "f d/f"]


def test_hard_links_to_unchanged_files_bring_both_names(step: Step) -> None:
    target = step.copy_up("d/f")
    os.link(target, step.upper / "d" / "linked")
    changes = step.done()
    assert shown(changes.toc) == ["d d", "f d/f", "h d/linked -> d/f"]
    assert list(changes.sources.values()) == [str(step.upper / "d" / "f")]
    check(step, changes)


def test_whiteouts_that_hide_something_stay_and_others_go(step: Step) -> None:
    step.whiteout("top")
    step.whiteout("never")
    changes = step.done()
    assert shown(changes.toc) == ["w top"]
    assert sorted(look(step.upper)) == ["top"]


def test_whiteouts_are_no_hard_links(step: Step) -> None:
    step.whiteout("top")
    step.copy_up("d")
    os.link(step.upper / "top", step.upper / "d" / "f", follow_symlinks=False)
    changes = step.done()
    assert shown(changes.toc) == ["d d", "w d/f", "w top"]


def test_opaque_directories_become_whiteouts(step: Step) -> None:
    step.opaque("d")
    step.put("d/f", b"f", mtime=OLD)
    step.put("d/new", b"n")
    step.opaque("fresh")
    changes = step.done()
    assert shown(changes.toc) == ["d d", "w d/g", "f d/new", "w d/s", "d fresh"]
    assert sorted(look(step.upper)) == ["d", "d/g", "d/new", "d/s", "fresh"]
    assert os.listxattr(step.upper / "d") == []
    check(step, changes)


def test_types_replace_each_other(step: Step) -> None:
    step.put("d", b"file")
    step.opaque("top")
    changes = step.done()
    assert shown(changes.toc) == ["f d", "d top"]
    check(step, changes)


def test_attributes_of_files_are_kept_and_overlays_go(step: Step) -> None:
    path = step.put("new", b"n")
    os.setxattr(path, "user.mine", b"1")
    os.setxattr(path, "user.overlay.origin", b"1")
    changes = step.done()
    assert changes.toc.entries[0].xattrs == (("user.mine", b"1"),)
    assert os.listxattr(path) == ["user.mine"]


def test_sockets_go_and_what_they_replaced_is_gone(step: Step, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
    os.link(tmp_path / "s", step.upper / "new")
    (tmp_path / "s").rename(step.upper / "top")
    changes = step.done()
    assert shown(changes.toc) == ["w top"]
    check(step, changes)


def test_stubs_of_mounts_go_where_they_are_new_and_empty(step: Step) -> None:
    (step.upper / "proc").mkdir()
    (step.upper / "run" / "secrets").mkdir(parents=True)
    step.put("run/secrets/x")
    step.put("full/data", b"data")
    step.copy_up("d")
    ignore = frozenset({"proc", "run", "run/secrets", "run/secrets/x", "full", "d", "never/x"})
    changes = step.done(ignore=ignore)
    assert shown(changes.toc) == ["d full", "f full/data"]


def test_the_root_counts_only_where_the_step_changed_it(step: Step) -> None:
    os.utime(step.upper)
    step.upper.chmod(0o1777)
    changes = step.done()
    assert [entry[:3] for entry in changes.toc.entries] == [("", toc.DIRECTORY, 0o1777)]


def test_names_of_any_bytes(step: Step) -> None:
    step.put("raw\udcff\udc80", b"x")
    assert shown(step.done().toc) == ["f raw\udcff\udc80"]


def test_paths_over_path_max(step: Step) -> None:
    names = ["n" * 200] * 30
    at = os.open(step.upper, os.O_RDONLY)
    for name in names:
        os.mkdir(name, dir_fd=at)
        inner = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = inner
    os.close(os.open("f", os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=at))
    os.close(at)
    assert step.done().toc.entries[-1].path == "/".join([*names, "f"])


def test_passwd_is_embedded(step: Step) -> None:
    step.put("etc/passwd", b"root")
    assert step.done().toc.embedded == {"etc/passwd": b"root"}


def test_one_id_keeps_the_owners_of_what_was_copied_up(tmp_path: Path) -> None:
    step = Step(tmp_path, file("f", b"f", mtime=OLD), contents=(b"f",))
    held = toc.make([file("f", b"f", mtime=OLD, uid=77, gid=88)])
    step.base = Index().apply(held, "L")
    path = step.put("f", b"F", mtime=OLD)
    os.setxattr(path, "user.overlay.origin", b"1")
    step.put("g", b"G")
    changes = normalise(
        step.upper, step.base, step.read, started_ns=STARTED, epoch=EPOCH, userxattr=True,
        single_id=True,
    )  # fmt: skip
    assert [entry[3:5] for entry in changes.toc.entries] == [(77, 88), (0, 0)]


def test_a_directory_changed_by_its_content_alone_keeps_its_time(step: Step) -> None:
    step.copy_up("d")
    step.put("d/new", b"n")
    os.utime(step.upper / "d", (NEW, NEW))
    step.opaque("new")
    os.utime(step.upper / "new", (NEW, NEW))
    entries = {entry.path: entry for entry in step.done().toc.entries}
    assert entries["d"].mtime == OLD
    assert entries["new"].mtime == EPOCH
    assert (step.upper / "d").stat().st_mtime_ns == OLD * 10**9
