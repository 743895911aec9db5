"""A process that reads files beside this one."""

import hashlib
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from mkbuild.context.beside import SLOT, Answer, Beside
from mkbuild.filesystem.diff import Identity
from tests.support.children import Children, children_since

NO_IDENTITY = (0, 0, 0, 0, 0)


def read(which: Identity, path: bytes) -> Answer | None:
    """Read a file; of one whose identity has a size of 1 no bytes."""
    try:
        data = Path(os.fsdecode(path)).read_bytes()
    except FileNotFoundError:
        return None
    return hashlib.sha256(data).digest(), None if which[2] == 1 else data


@pytest.fixture
def children() -> Children:
    return children_since()


@pytest.fixture
def beside(children: Children) -> Iterator[Beside]:  # noqa: ARG001 -- they are counted before it
    with closing(Beside(read)) as process:
        yield process


def _files(directory: Path, *contents: bytes) -> list[tuple[Identity, bytes]]:
    for number, content in enumerate(contents):
        (directory / str(number)).write_bytes(content)
    return [(NO_IDENTITY, os.fsencode(directory / str(n))) for n in range(len(contents))]


def _expected(*contents: bytes) -> list[Answer]:
    return [(hashlib.sha256(content).digest(), content) for content in contents]


def test_batches_are_answered_in_their_order(beside: Beside, tmp_path: Path) -> None:
    first, second = b"a" * 1000, b"b"
    files = _files(tmp_path, first, second, b"")
    for _ in range(5):
        beside.send(files[:2])
        beside.send(files[2:])
        assert (beside.is_free, beside.has_work) == (False, True)
        assert beside.take(wait=True) == (files[:2], _expected(first, second))
        assert beside.take(wait=True) == (files[2:], _expected(b""))
        assert (beside.is_free, beside.has_work) == (True, False)


def test_what_does_not_fit_comes_without_its_bytes(beside: Beside, tmp_path: Path) -> None:
    large = os.urandom(SLOT)
    files = _files(tmp_path, b"small", large, b"another")
    beside.send(files)
    taken = beside.take(wait=True)
    small, one, another = _expected(b"small", large, b"another")
    assert taken == (files, [small, (one[0], None), another])


def test_what_it_does_not_say(beside: Beside, tmp_path: Path) -> None:
    files = _files(tmp_path, b"there")
    files = [(NO_IDENTITY, os.fsencode(tmp_path / "absent")), ((0, 0, 1, 0, 0), files[0][1])]
    beside.send(files)
    assert beside.take(wait=True) == (files, [None, (hashlib.sha256(b"there").digest(), None)])


def test_nothing_is_there_before_it_is_asked(beside: Beside, tmp_path: Path) -> None:
    assert beside.take(wait=False) is None
    beside.send(_files(tmp_path, b"x"))
    while (taken := beside.take(wait=False)) is None:
        pass
    assert taken[1] == _expected(b"x")


def test_one_that_was_killed_leaves_all_to_who_asked(
    beside: Beside, tmp_path: Path, children: Children
) -> None:
    files = _files(tmp_path, b"a", b"b")
    (child,) = children()
    os.kill(child, signal.SIGKILL)
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    for batch in (files[:1], files[1:]):
        beside.send(batch)
    assert beside.take(wait=True) == (files[:1], [None])
    assert beside.take(wait=True) == (files[1:], [None])


def test_it_ends_with_its_work_undone(tmp_path: Path, children: Children) -> None:
    process = Beside(read)
    process.send(_files(tmp_path, *[b"x" * 1000] * 50))
    process.close()
    assert not children()
