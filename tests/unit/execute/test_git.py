import contextlib
import os
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mkbuild.errors import MkbuildError, PullError, StepError
from mkbuild.execute import remote
from mkbuild.execute.git import checkout
from mkbuild.execute.gitref import GitRef


class Repository:
    """A repository on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        self.git("config", "uploadpack.allowAnySHA1InWant", "false")

    def git(self, *arguments: str) -> str:
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.path),
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "n" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "e@x" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_DATE": "@1000 +0000" for who in ("AUTHOR", "COMMITTER")},
        }
        return subprocess.run(
            ("git", "-c", "protocol.file.allow=always", *arguments),
            cwd=self.path, env=environment, check=True, capture_output=True, text=True,
        ).stdout.strip()  # fmt: skip

    def commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            path = self.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "x", "--allow-empty")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


def fetched(ref: GitRef, scratch: Path) -> dict[str, str]:
    scratch.mkdir()
    place = checkout(ref, scratch)
    return {
        str(path.relative_to(place)): path.read_text()
        for path in place.rglob("*")
        if path.is_file() and ".git" not in path.parts
    }


def test_every_way_to_name_a_commit(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"a": "1"})
    repository.git("tag", "-a", "v1", "-m", "x")
    repository.commit({"a": "2", "sub/b": "b"})
    repository.git("branch", "other")
    repository.commit({"a": "3"})
    names = {"": "3", "main": "3", "other": "2", "v1": "1", "refs/tags/v1": "1",
             first: "1", first[:8]: "1"}  # fmt: skip
    for number, (name, text) in enumerate(names.items()):
        ref = GitRef(str(repository.path), name)
        assert fetched(ref, tmp_path / str(number))["a"] == text, name


def test_checksums(repository: Repository, tmp_path: Path) -> None:
    commit = repository.commit({"a": "1"})
    repository.git("tag", "-a", "v1", "-m", "x")
    tag = repository.git("rev-parse", "v1")
    ref = GitRef(str(repository.path), "v1")
    for number, checksum in enumerate((commit, commit[:10], tag)):
        assert fetched(replace(ref, checksum=checksum), tmp_path / str(number))
    for number, checksum in enumerate(("0" * 40, "nonsense"), 10):
        with pytest.raises(StepError, match="checksum"):
            fetched(replace(ref, checksum=checksum), tmp_path / str(number))


def test_subdirectories_are_contained(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"sub/b": "b"})
    (repository.path / "root").symlink_to("/")
    (repository.path / "again").symlink_to("sub")
    repository.commit({})
    ref = GitRef(str(repository.path))
    assert fetched(replace(ref, subdir="sub"), tmp_path / "ok") == {"b": "b"}
    for name in ("root", "root/etc", "again", "missing", ".git", "sub/b"):
        with pytest.raises(StepError, match="directory"):
            fetched(replace(ref, subdir=name), tmp_path / name.replace("/", "-"))


def test_the_git_directory_is_kept_without_traces(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    ref = GitRef(str(repository.path), "main", keep_git_dir=True)
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        place = checkout(ref, tmp_path / name)
        contents.append(
            {path.relative_to(place): path.read_bytes() for path in place.rglob("*")
             if path.is_file()}
        )  # fmt: skip
        status = subprocess.run(
            ("git", "-C", place, "status", "--porcelain"),
            check=True,
            capture_output=True,
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        )
        assert status.stdout == b""
    assert contents[0] == contents[1]
    assert not (tmp_path / "one" / "tree" / ".git" / "logs").exists()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def served(directory: Path) -> Iterator[str]:
    """Serve a directory over HTTP, whose files git reads one by one; yields host and port."""
    handler = partial(Quiet, directory=str(directory))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"127.0.0.1:{http.server_port}"
        finally:
            http.shutdown()
            thread.join()


def require_no_canary(place: Path) -> None:
    for path in place.rglob("*"):
        assert not path.is_file() or b"canary" not in path.read_bytes(), path


def test_a_plain_web_server_and_no_password_left(repository: Repository, tmp_path: Path) -> None:
    first = repository.commit({"a": "1"})
    repository.commit({"a": "2"})
    repository.git("update-server-info")
    with served(repository.path) as host:
        ref = GitRef(f"http://user:canary@{host}/.git", "main", keep_git_dir=True)
        assert fetched(ref, tmp_path / "main") == {"a": "2"}
        assert fetched(replace(ref, ref=first), tmp_path / "first") == {"a": "1"}
    require_no_canary(tmp_path)


def add_submodule(repository: Repository, path: str) -> None:
    """Add a repository beside this one, ``other``, as a submodule at a path that git refuses."""
    place = repository.path.parent / "other"
    other = Repository(place)
    commit = other.commit({"file": "s"})
    other.git("update-server-info")
    repository.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    settings = ("config", "-f", ".gitmodules")
    repository.git(*settings, "submodule.s.path", path)
    repository.git(*settings, "submodule.s.url", "../../other/.git")
    repository.git("add", ".gitmodules")
    repository.git("commit", "-qm", "x")
    repository.git("update-server-info")


@pytest.mark.parametrize("keep", [False, True])
def test_submodules_of_a_plain_web_server(
    repository: Repository, tmp_path: Path, *, keep: bool
) -> None:
    add_submodule(repository, "module")
    with served(tmp_path) as host:
        ref = GitRef(f"http://user:canary@{host}/repository/.git", keep_git_dir=keep)
        assert fetched(ref, tmp_path / "got")["module/file"] == "s"
    found = {str(path.relative_to(tmp_path / "got")) for path in tmp_path.glob("got/**/.git")}
    assert found == ({"tree/.git", "tree/module/.git"} if keep else set())
    require_no_canary(tmp_path)


ODD = ["a b", "two  spaces", "line\nfeed", "*", "a$(id)", r"\c"]


@pytest.mark.parametrize("path", ODD)
def test_no_git_directory_of_submodules_whatever_their_names(
    repository: Repository, tmp_path: Path, path: str
) -> None:
    add_submodule(repository, path)
    with served(tmp_path) as host:
        ref = GitRef(f"http://{host}/repository/.git")
        assert fetched(ref, tmp_path / "got")[f"{path}/file"] == "s"
    assert list((tmp_path / "got").rglob(".git")) == []


def test_names_of_submodules_lead_nowhere(repository: Repository, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    (victim / ".git").mkdir(parents=True)
    add_submodule(repository, f"a\\n{victim}")  # many a shell's echo makes two lines of it
    with served(tmp_path) as host:
        fetched(GitRef(f"http://{host}/repository/.git"), tmp_path / "got")
    assert (victim / ".git").is_dir()


def test_no_git_directory_otherwise(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    tree = remote.git_tree(GitRef(str(repository.path)), tmp_path)
    assert [found.entry.path for found in tree.index.walk()] == ["", "a"]


def test_submodules_of_files_are_not_fetched(repository: Repository, tmp_path: Path) -> None:
    other = Repository(tmp_path / "other")
    other.commit({"secret": "s"})
    repository.git("submodule", "--quiet", "add", str(other.path), "module")
    repository.commit({"a": "1"})
    ref = GitRef(str(repository.path))
    assert fetched(replace(ref, submodules=False), tmp_path / "without")["a"] == "1"
    with pytest.raises(PullError, match="submodule"):
        fetched(ref, tmp_path / "with")


def test_what_cannot_be_fetched(repository: Repository, tmp_path: Path) -> None:
    repository.commit({"a": "1"})
    ref = GitRef(str(repository.path), "nothing")
    (tmp_path / "one").mkdir()
    with pytest.raises(PullError, match="cannot fetch 'nothing' of"):
        checkout(ref, tmp_path / "one")
    (tmp_path / "two").mkdir()
    with pytest.raises(MkbuildError) as caught:
        checkout(GitRef("http://user:secret@127.0.0.1:1/r.git"), tmp_path / "two")
    assert "secret" not in str(caught.value)
