"""What steps select of contexts is believed as long as nothing in them has changed."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mkbuild import digest as digests
from mkbuild.buildfile.target import DirectoryContext, Target
from mkbuild.context.digests import FileDigests
from mkbuild.digest import Digest
from mkbuild.engine.contexts import Contexts
from mkbuild.engine.walks import Walk, identity
from mkbuild.errors import StepError
from mkbuild.location import Location
from mkbuild.plan.actions import CONTEXT, ContextInput

SOURCE = ContextInput("t", CONTEXT)
OLD, NEW = digests.of(b"old"), digests.of(b"new")


def contexts(root: Path) -> Contexts:
    context = DirectoryContext(str(root))
    target = Target("t", "t", Location("BUILD.yaml", 1), context, str(root / "Dockerfile"))

    def checkout(_: object) -> Path:
        raise AssertionError

    return Contexts({"t": target}, FileDigests(root / "digests.sqlite", warn=print), checkout)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "file").write_text("x")
    return tmp_path


def walk(root: Path, step: object) -> Walk:
    """Return a walk that gave a digest for a step."""
    paths = (root, root / "sub", root / "sub" / "file")
    part: dict[str, Digest] = {digests.of(repr(step).encode()): OLD}
    return Walk.made(str(root), "", {str(path): identity(path.lstat()) for path in paths}, part)


def test_a_part_of_what_stands_is_believed(root: Path) -> None:
    found = contexts(root)
    found.believe([walk(root, "step")])
    assert found.part(SOURCE, "step", lambda: NEW) == OLD
    assert found.part(SOURCE, "another step", lambda: NEW) == NEW


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda root: (root / "sub" / "file").write_text("y"),
    "mode": lambda root: (root / "sub").chmod(0o700),
    "new": lambda root: (root / "sub" / "new").touch(),
    "gone": lambda root: (root / "sub" / "file").unlink(),
    "ignored": lambda root: (root / ".dockerignore").write_text("sub"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_a_change_it_is_computed(root: Path, change: str) -> None:
    known = walk(root, "step")
    CHANGES[change](root)
    found = contexts(root)
    found.believe([known])
    assert found.part(SOURCE, "step", lambda: NEW) == NEW


def test_a_part_is_computed_once(root: Path) -> None:
    found = contexts(root)
    answers: list[Digest] = [NEW]
    assert [found.part(SOURCE, "step", answers.pop) for _ in range(2)] == [NEW, NEW]


def test_what_was_believed_is_not_read_after_it_changed(root: Path) -> None:
    """The key names what stood; what a step reads later must be that, or its result is wrong."""
    found = contexts(root)
    found.believe([walk(root, "step")])
    assert found.part(SOURCE, "step", lambda: NEW) == OLD
    (root / "sub" / "file").write_text("changed after the key was made")
    with pytest.raises(StepError, match="changed while it was being read"):
        found.tree(SOURCE)


def test_what_was_walked_is_not_believed(root: Path) -> None:
    known = walk(root, "step")
    assert known.stands()  # as the compiled plan asked, before the walk
    (root / "sub" / "file").write_text("changed before the walk")
    found = contexts(root)
    found.believe([known])
    found.tree(SOURCE)
    assert found.part(SOURCE, "step", lambda: NEW) == NEW


def test_an_ignore_file_is_read_once(root: Path) -> None:
    found = contexts(root)
    found.tree(SOURCE)
    (root / ".dockerignore").write_text("sub")
    assert found.get(SOURCE).ignore is None
    assert [*found.walked] == [(str(root), "")]
