"""Repositories: refs, and what differs."""

import os
from pathlib import Path

import pytest

from mkbuild.engine.repository import Repository
from mkbuild.errors import UsageError
from tests.support.gitrepo import commit, git, sample


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return sample(tmp_path / "work")


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
