"""Repositories: refs, what differs, and trees of a commit made real."""

import os
from pathlib import Path

import pytest

from mkbuild.engine.repository import Repository, Tree
from mkbuild.errors import UsageError
from tests.support.gitrepo import commit, git


@pytest.fixture
def place(tmp_path: Path) -> Path:
    place = tmp_path / "work"
    (place / "d" / "e").mkdir(parents=True)
    for name, text in {"a": "1", "d/b": "2", "d/e/c": "3", "näme\n": "4"}.items():
        (place / name).write_text(text)
    (place / "link").symlink_to("d/b")
    (place / "d" / "run").write_text("x")
    (place / "d" / "run").chmod(0o755)
    (place / ".gitignore").write_text("*.log\n")
    (place / ".gitattributes").write_text("a export-ignore\nd/b export-subst\n")
    commit(place)
    return place


def test_refs(place: Path) -> None:
    repository = Repository(place / "d")
    first = git(place, "rev-parse", "HEAD")
    assert repository.top == place
    assert repository.commit("HEAD") == repository.commit(first[:10]) == first
    assert repository.commit("HEAD...") == first
    git(place, "tag", "-a", "v1", "-m", "words")
    assert repository.commit("v1") == first
    assert repository.refs() == ["main", "v1"]
    for wrong in ("v2", "-v", "--all", "HEAD~1", "", "a b", f"{first}:a"):
        with pytest.raises(UsageError, match="git knows no commit"):
            repository.commit(wrong)
    with pytest.raises(UsageError) as caught:
        repository.commit("mian")
    assert caught.value.hint == "did you mean 'main'?"


def test_histories_that_have_nothing_in_common(place: Path) -> None:
    git(place, "switch", "-q", "--orphan", "other")
    commit(place)
    with pytest.raises(UsageError, match="have no commit in common"):
        Repository(place).commit("main...")


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="is in no git repository"):
        Repository(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed"):
        Repository(tmp_path)


def test_somebody_elses_repository(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a directory away")
    os.chown(place / ".git", 12345, 12345)
    os.chown(place, 12345, 12345)
    with pytest.raises(UsageError, match="dubious ownership") as caught:
        Repository(place)
    assert "safe.directory" in str(caught.value.hint)


def test_what_differs(place: Path) -> None:
    repository = Repository(place)
    assert repository.changed("HEAD") == []
    (place / "d" / "b").write_text("other")
    (place / "a").unlink()
    (place / "new").write_text("")
    (place / "x.log").write_text("")
    (place / "dir" / "deep").mkdir(parents=True)
    os.utime(place / "d" / "e" / "c", (1, 1))
    (place / "näme\n").chmod(0o600)
    assert repository.changed("HEAD") == ["a", "d/b", "dir/", "new", "x.log"]
    git(place, "add", "new")
    assert "new" in repository.changed("HEAD")


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
    tree = Tree(Repository(place), first, into)
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
    tree = Tree(Repository(place), "HEAD", into)
    tree.write(tree.entries)
    modes = {name: (into / name).stat().st_mode & 0o777 for name in ("a", "d", "d/b", "d/run")}
    assert modes == {"a": 0o600, "d": 0o700, "d/b": 0o600, "d/run": 0o755}


def test_hard_links_stay(place: Path, tmp_path: Path) -> None:
    (place / "d" / "b").unlink()
    (place / "d" / "b").hardlink_to(place / "a")
    commit(place)
    into = tmp_path / "into"
    into.mkdir()
    Tree(Repository(place), "HEAD", into).write(["a", "d/b"])
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
    tree = Tree(Repository(place), "HEAD", into)
    with pytest.raises(UsageError, match="the submodule lib has no commit 111111111111") as caught:
        tree.write(["lib"])
    assert caught.value.hint == f"git -C lib fetch origin {'1' * 40}"
