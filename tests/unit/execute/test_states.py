"""What one build takes over from another on the same store."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from mkbuild.action import StateID, StepResult
from mkbuild.digest import Digest
from mkbuild.execute.states import LostStateError, States
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.oci.model import Descriptor
from mkbuild.store.protocol import BlobSink
from tests.support.states import open_states
from tests.unit.execute.trees import file

BASE = StateID("sha256:" + "1" * 64)


def no_base(descriptor: Descriptor, _into: BlobSink) -> None:
    pytest.fail(f"fetched {descriptor.digest}")


OpenStates = Callable[[], States]


@pytest.fixture
def opened(tmp_path: Path) -> OpenStates:
    """Open states of one store, as several builds do."""

    def make() -> States:
        states = open_states(tmp_path, no_base)
        states.add_base(BASE, ())
        return states

    return make


def made(data: bytes, mtime: int) -> Diff:
    """Return what a step made: one file."""
    entry = file("made", data)._replace(mtime=mtime)
    return Diff(toc.make([entry]), {hashlib.sha256(data).digest(): data})


def result(states: States, diff: Diff) -> StepResult:
    after, digest = states.record(BASE, diff)
    return StepResult((BASE,), after, digest)


def test_the_same_bytes_of_another_time(opened: OpenStates) -> None:
    first, second = opened(), opened()
    theirs, ours = result(first, made(b"x", 1)), made(b"x", 2)
    assert second.adopt(BASE, theirs, ours)
    diff = second.diff(BASE, theirs.state)
    assert [entry.mtime for entry in diff.toc.entries] == [1]
    assert list(diff.sources.values()) == [b"x"]


def test_other_bytes_that_are_in_a_tree(opened: OpenStates) -> None:
    first, second = opened(), opened()
    kept = made(b"theirs", 1)
    theirs = result(first, kept)
    assert theirs.toc is not None
    first.write(theirs.toc, kept)
    assert second.adopt(BASE, theirs, made(b"ours", 1))
    (source,) = second.diff(BASE, theirs.state).sources.values()
    assert Path(str(source)).read_bytes() == b"theirs"


def test_other_bytes_that_are_nowhere(opened: OpenStates) -> None:
    first, second = opened(), opened()
    theirs = result(first, made(b"theirs", 1))
    assert not second.adopt(BASE, theirs, made(b"ours", 1))
    with pytest.raises(LostStateError):
        second.index(theirs.state)


def test_a_list_of_files_that_is_nowhere(opened: OpenStates) -> None:
    states = opened()
    theirs = result(states, made(b"x", 1))
    gone = replace(theirs, toc=Digest("sha256:" + "2" * 64))
    assert not opened().adopt(BASE, gone, made(b"x", 1))


def test_a_step_that_changed_nothing_there(opened: OpenStates) -> None:
    assert opened().adopt(BASE, StepResult((BASE,), BASE, None), made(b"x", 1))
