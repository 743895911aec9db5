"""Whether contexts are as they were."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mkbuild.engine import walks
from mkbuild.engine.walks import Identity, Looking, Walk, identity

FILES = 300


def found(root: Path) -> dict[str, Identity]:
    """Return what a walk of a directory finds, wherever that really is."""
    paths = [root.resolve(), *sorted(root.resolve().rglob("*"))]
    return {str(path): identity(path.lstat()) for path in paths}


def walk(root: Path) -> Walk:
    return Walk.made(str(root), "", found(root), {})


def copy(of: Walk) -> Walk:
    """Return a walk as it is read back: nobody has looked yet."""
    return Walk(*of.row())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Make a context of more than a batch."""
    return make(tmp_path / "context")


def make(root: Path) -> Path:
    (root / "sub").mkdir(parents=True)
    for number in range(FILES):
        (root / "sub" / f"file{number}").write_text("x")
    (root / "link").symlink_to("nowhere")
    (root / "other").symlink_to("else")
    return root


CHANGES: dict[str, Callable[[Path], object]] = {
    "another size": lambda root: (root / "sub" / "file7").write_text("xy"),
    "same size": lambda root: (root / "sub" / f"file{FILES - 1}").write_text("y"),
    "gone": lambda root: (root / "sub" / "file260").unlink(),
    "new": lambda root: (root / "sub" / "another").touch(),
    "mode": lambda root: (root / "sub" / "file7").chmod(0o600),
    "mode of the directory": lambda root: root.chmod(0o700),
    "times put back": lambda root: os.utime(root / "sub" / "file1", ns=(0, 0)),
    "another link": lambda root: (root / "other").rename(root / "link"),
    "all gone": lambda root: root.rename(root.with_name("moved")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_seen(root: Path, change: str) -> None:
    before = walk(root)
    assert copy(before).stands()
    assert before.is_of(dict(reversed(found(root).items())))
    CHANGES[change](root)
    assert not copy(before).stands()
    if root.exists():
        assert not before.is_of(found(root))


def test_a_context_behind_a_symlink(root: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(root)
    before = walk(link)
    assert copy(before).stands()
    link.unlink()
    link.symlink_to(make(tmp_path / "other"))
    assert not copy(before).stands()


@pytest.fixture
def many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Walk]:
    """Make contexts for which processes are forked, whatever the machine has."""
    monkeypatch.setattr(walks, "_WORTH", walks._BATCH)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    return [walk(make(tmp_path / name)) for name in ("a", "b", "c")]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_processes_answer_for_each_context(many: list[Walk], tmp_path: Path) -> None:
    open_before = descriptors()
    with Looking(some := [copy(one) for one in many]) as looking:
        assert len(looking.children) == 2
        assert looking.stand()
    CHANGES["same size"](tmp_path / "b")
    with Looking(some := [copy(one) for one in many]) as looking:
        assert not looking.stand()
    assert [one.stands() for one in some] == [True, False, True]
    with pytest.raises(ChildProcessError):
        os.waitpid(looking.children[0], 0)
    assert descriptors() == open_before


def test_a_root_of_its_own_is_looked_at(many: list[Walk], tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to("a")
    one = walk(link)
    link.unlink()
    link.symlink_to("nowhere")
    with Looking([*many, copy(one)]) as looking:
        assert not looking.stand()


def test_processes_that_end_early_leave_the_rest_to_others(
    many: list[Walk], tmp_path: Path
) -> None:
    CHANGES["gone"](tmp_path / "c")
    with Looking(some := [copy(one) for one in many]) as looking:
        for child in looking.children:
            os.kill(child, signal.SIGKILL)
        assert not looking.stand()
    assert [one.stands() for one in some] == [True, True, False]


def test_no_process_can_be_had(many: list[Walk], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refuse)
    with Looking([copy(one) for one in many]) as looking:
        assert looking.stand()


def test_more_batches_than_fit_into_a_pipe(
    many: list[Walk], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walks, "_MOST_BATCHES", 3)  # of six
    with Looking([copy(one) for one in many]) as looking:
        assert looking.stand()
    CHANGES["gone"](tmp_path / "c")
    with Looking(some := [copy(one) for one in many]) as looking:
        assert not looking.stand()
    assert [one.stands() for one in some] == [True, True, False]


def test_nobody_has_to_wait_for_the_answer(many: list[Walk]) -> None:
    with Looking(some := [copy(one) for one in many]):
        pass
    assert [one.stands() for one in some] == [True, True, True]


def test_nothing_to_look_at() -> None:
    with Looking([]) as looking:
        assert looking.stand()
