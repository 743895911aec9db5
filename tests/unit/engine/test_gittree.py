"""Trees of commits made real."""

from pathlib import Path

import pytest

from mkbuild.engine.gittree import GitTree
from mkbuild.engine.repository import Repository
from mkbuild.errors import UsageError
from tests.support.gitrepo import commit, git, sample


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return sample(tmp_path / "work")


def everything(root: Path) -> dict[str, tuple[int, str]]:
    found = {}
    for path in root.rglob("*"):
        if ".git" not in path.relative_to(root).parts:
            text = path.read_text() if path.is_file() else ""
            shown = str(path.readlink()) if path.is_symlink() else text
            found[str(path.relative_to(root))] = (path.lstat().st_mode, shown)
    return found


def test_a_tree_is_what_a_checkout_would_be(place: Path, tmp_path: Path) -> None:
    before = everything(place)
    first = git(place, "rev-parse", "HEAD")
    for name in ("a", "d/b", "link"):
        (place / name).unlink()
    (place / "link").write_text("a file now")
    (place / "d" / "b").write_text("other")
    (place / "more").write_text("")
    commit(place)
    (place / "näme\n").write_text("other")
    into = tmp_path / "into"
    into.mkdir()
    tree = GitTree(Repository(place), first, into)
    tree.write(tree.entries)
    assert everything(into) == before
    assert tree.link_of("link") == "d/b"
    assert tree.link_of("a") is None
    assert not (place / ".git" / "index.lock").exists()


def test_modes_that_git_does_not_hold_are_those_of_now(place: Path, tmp_path: Path) -> None:
    (place / "d").chmod(0o700)
    for name in ("a", "d/b", "d/run"):
        (place / name).chmod(0o600)
    (place / "a").write_text("other")
    into = tmp_path / "into"
    into.mkdir()
    tree = GitTree(Repository(place), "HEAD", into)
    tree.write(tree.entries)
    modes = {name: (into / name).stat().st_mode & 0o777 for name in ("a", "d", "d/b", "d/run")}
    assert modes == {"a": 0o600, "d": 0o700, "d/b": 0o600, "d/run": 0o755}


def test_hard_links_stay(place: Path, tmp_path: Path) -> None:
    (place / "d" / "b").unlink()
    (place / "d" / "b").hardlink_to(place / "a")
    commit(place)
    into = tmp_path / "into"
    into.mkdir()
    GitTree(Repository(place), "HEAD", into).write(["a", "d/b"])
    assert (into / "a").samefile(into / "d" / "b")
    assert not (into / "a").samefile(place / "a")


def test_a_submodule_that_lacks_its_commit(place: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    library.mkdir()
    commit(library)
    git(place, "submodule", "--quiet", "add", str(library), "lib")
    commit(place)
    git(place, "update-index", "--cacheinfo", f"160000,{'1' * 40},lib")
    git(place, "commit", "-q", "-m", "a commit that is nowhere")
    into = tmp_path / "into"
    into.mkdir()
    tree = GitTree(Repository(place), "HEAD", into)
    with pytest.raises(UsageError, match="the submodule lib has no commit 111111111111") as caught:
        tree.write(["lib"])
    assert caught.value.hint == f"git -C lib fetch origin {'1' * 40}"
