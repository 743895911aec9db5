"""Disk and git."""

import subprocess
from pathlib import Path

import pytest

from mkbuild.engine.files import DiskFiles, Git


def git(directory: Path, *args: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    subprocess.run(["git", "-C", directory, *identity, *args], check=True, capture_output=True)


def test_disk(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "f").write_bytes(b"x")
    files = DiskFiles()
    assert files.read(str(tmp_path / "a/f")) == b"x"
    assert files.exists(str(tmp_path / "a"))
    assert not files.exists(str(tmp_path / "b"))
    assert files.glob(str(tmp_path), "*/f") == [str(tmp_path / "a/f")]
    with pytest.raises(FileNotFoundError):
        files.read(str(tmp_path / "b"))


def test_a_checkout(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "f").write_text("1")
    git(tmp_path, "add", "f")
    git(tmp_path, "commit", "-q", "-m", "one")
    git(tmp_path, "tag", "v1")
    facts = Git(tmp_path)
    assert facts("branch") == "main"
    assert facts("tag") == "v1"
    assert facts("describe") == "v1"
    assert facts("dirty") == "false"
    sha, short = facts("sha"), facts("short_sha")
    assert sha is not None
    assert short is not None
    assert len(sha) == 40
    assert sha.startswith(short)
    (tmp_path / "f").write_text("2")
    assert facts("dirty") == "false", "a fact stays what it was"
    assert Git(tmp_path)("dirty") == "true"
    assert Git(tmp_path)("describe") == "v1-dirty"


def test_no_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert Git(tmp_path)("sha") is None
    assert Git(tmp_path)("dirty") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert Git(tmp_path)("sha") is None
