"""The root build file, from anywhere below it."""

from pathlib import Path

import pytest

from mkbuild.engine.request import WorkspaceInput
from mkbuild.engine.workspace import find_root, load_workspace
from mkbuild.errors import UsageError

EMPTY = "version: 1\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "a" / "b" / "src").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "BUILD.yaml").write_text("version: 1\ninclude: [a/b/BUILD.yaml]\n")
    (tmp_path / "a" / "b" / "BUILD.yaml").write_text("version: 1\nimages: {x: {context: src}}\n")
    (tmp_path / "other" / "BUILD.yaml").write_text(EMPTY)
    return tmp_path


@pytest.mark.parametrize(
    ("start", "root"),
    [
        (".", "BUILD.yaml"),
        ("a", "BUILD.yaml"),
        ("a/b", "BUILD.yaml"),
        ("a/b/src", "BUILD.yaml"),
        ("other", "other/BUILD.yaml"),
    ],
)
def test_find(tree: Path, start: str, root: str) -> None:
    assert find_root(tree / start) == tree / root


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no BUILD\.yaml"):
        find_root(tmp_path)


def test_load(tree: Path) -> None:
    workspace = load_workspace(WorkspaceInput(()), tree / "a")
    assert workspace.root == str(tree)
    assert list(workspace.targets) == ["//a/b:x"]
