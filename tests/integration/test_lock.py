"""BUILD.lock: pins that hold whatever tags, URLs and branches say meanwhile; exit status 6."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from mkbuild.engine.lock import LOCK_FILE, read
from tests.support.bases import bases
from tests.support.command import Mkbuild

BUILD = """\
version: 1
images:
  app: {context: .}
"""


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    root = tmp_path / "files"
    root.mkdir()
    (root / "data").write_text("one")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(root))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/data"
        server.shutdown()
        thread.join()


@pytest.fixture
def mkbuild(tmp_path: Path) -> Mkbuild:
    work = tmp_path / "work"
    work.mkdir()
    (work / "BUILD.yaml").write_text(BUILD)
    (work / "Dockerfile").write_text("FROM busybox:stable\nCOPY Dockerfile /\n")
    mirror = tmp_path / "mirror"
    shutil.copytree(bases("busybox"), mirror)
    settings = {"docker.io": {"mirrors": [f"oci-layout:{mirror}"]}}
    (tmp_path / "registries").write_text(json.dumps(settings))
    return Mkbuild(work, tmp_path / "store", tmp_path / "registries")


def move_tag(mirror: Path) -> None:
    """Let busybox:stable stand for an image without history."""
    layout = mirror / "library" / "busybox"
    subprocess.run(
        ["umoci", "config", "--image", f"{layout}:stable", "--config.label", "moved=yes"],
        check=True,
    )


def test_a_pinned_tag_is_what_it_was(mkbuild: Mkbuild, tmp_path: Path) -> None:
    assert mkbuild.run("lock").returncode == 0
    before = mkbuild.build("app")["app"]["containerimage.digest"]
    text = (mkbuild.directory / LOCK_FILE).read_text()
    assert "do not edit by hand" in text
    assert "docker.io/library/busybox:stable:" in text
    move_tag(tmp_path / "mirror")
    fresh = Mkbuild(mkbuild.directory, tmp_path / "fresh", mkbuild.registries)
    assert fresh.build("app")["app"]["containerimage.digest"] == before
    assert fresh.build("app", "--pull")["app"]["containerimage.digest"] == before
    assert fresh.build("app", "--no-locked", "--pull")["app"]["containerimage.digest"] != before
    assert fresh.run("lock").returncode == 0
    assert (mkbuild.directory / LOCK_FILE).read_text() == text
    assert fresh.run("lock", "--update", "busybox").returncode == 0
    assert (mkbuild.directory / LOCK_FILE).read_text() != text
    assert fresh.build("app")["app"]["containerimage.digest"] != before


def test_6_what_is_not_pinned(mkbuild: Mkbuild, server: str) -> None:
    done = mkbuild.run("build", "--locked")
    assert done.returncode == 6
    assert "there is no BUILD.lock" in done.stderr
    assert mkbuild.run("lock").returncode == 0
    assert mkbuild.run("lock", "--check").returncode == 0
    with (mkbuild.directory / "Dockerfile").open("a") as file:
        file.write(f"ADD {server} /\n")
    done = mkbuild.run("lock", "--check")
    assert done.returncode == 6
    assert f"{server} is needed, and not pinned" in done.stderr
    assert mkbuild.run("build").returncode == 0
    mkbuild.environment = {"CI": "true"}
    done = mkbuild.run("build")
    assert done.returncode == 6
    assert f"{server} is not in BUILD.lock" in done.stderr
    assert mkbuild.run("build", "--no-locked").returncode == 0


def test_6_a_url_gives_other_bytes(mkbuild: Mkbuild, server: str, tmp_path: Path) -> None:
    with (mkbuild.directory / "Dockerfile").open("a") as file:
        file.write(f"ADD {server} /\n")
    assert mkbuild.run("lock").returncode == 0
    assert mkbuild.run("build").returncode == 0
    (tmp_path / "files" / "data").write_text("two")
    done = mkbuild.run("build")
    assert done.returncode == 6
    assert f"mkbuild lock --update '{server}'" in done.stderr
    assert mkbuild.run("lock", "--update", server).returncode == 0
    assert mkbuild.run("build").returncode == 0


def git(repository: Path, *arguments: str) -> str:
    command = ["git", "-C", str(repository), "-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run([*command, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "source.git"
    (place / "sub").mkdir(parents=True)
    (place / "sub" / "Dockerfile").write_text("FROM scratch\nCOPY file /\n")
    (place / "sub" / "file").write_text("one")
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "-m", "one")
    return place


def test_a_git_context_is_built_from_the_pinned_commit(mkbuild: Mkbuild, repository: Path) -> None:
    url = f"file://{repository}#main:sub"
    (mkbuild.directory / "BUILD.yaml").write_text(
        f"version: 1\nimages:\n  app: {{context: '{url}'}}\n"
    )
    assert mkbuild.run("lock").returncode == 0
    lock = read(mkbuild.directory / LOCK_FILE)
    assert lock is not None
    assert lock.git == {f"file://{repository}#main": git(repository, "rev-parse", "HEAD")}
    before = mkbuild.build("app")["app"]["containerimage.digest"]
    (repository / "sub" / "file").write_text("two")
    git(repository, "commit", "--quiet", "-a", "-m", "two")
    assert mkbuild.build("app")["app"]["containerimage.digest"] == before
    assert mkbuild.build("app", "--no-locked")["app"]["containerimage.digest"] != before


def test_a_lone_git_context(mkbuild: Mkbuild, repository: Path) -> None:
    done = mkbuild.run("build", "-t", "a:1", f"file://{repository}#main:sub")
    assert done.returncode == 0, done.stderr
    done = mkbuild.run("build", "-t", "a:1", f"file://{repository}#lost")
    assert done.returncode == 1
    assert "lost" in done.stderr
