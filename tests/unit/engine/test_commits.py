"""${inputs.commit}: which commit it names, in real repositories."""

import json
import os
import subprocess
import time
from pathlib import Path

import pytest

from mkbuild.cli.main import main
from mkbuild.context.digests import is_settled
from mkbuild.engine import compiled
from mkbuild.oci.model import ImageConfig
from mkbuild.store.files import FileStore

BUILD = """\
version: 1
images:
  api:
    context: api
    dockerfile: ../docker/api.Dockerfile
    contexts: {lib: lib}
    args: {REVISION: "${inputs.commit}"}
    labels: {revision: "${inputs.commit}"}
    tags: ["example.com/api:${inputs.commit}"]
  web: {context: web, tags: ["example.com/web:${inputs.commit}"]}
  plain: {context: web}
"""
WHO = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")


class Repository:
    """A checkout with the files above."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def git(self, *args: str) -> str:
        command = ["git", "-C", str(self.root), *WHO, *args]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, **files: str | None) -> str:
        """Write (or remove) files, whose names have ``__`` for a slash, and commit them."""
        for name, text in files.items():
            path = self.root / name.replace("__", "/")
            if text is None:
                path.unlink()
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "a commit")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    root = tmp_path / "work"
    for name in ("api", "web", "lib", "docker"):
        (root / name).mkdir(parents=True)
    (root / "BUILD.yaml").write_text(BUILD)
    (root / "docker" / "api.Dockerfile").write_text(
        "FROM scratch\nARG REVISION\nENV REVISION=$REVISION\nCOPY --from=lib . /lib/\nCOPY . /\n"
    )
    (root / "web" / "Dockerfile").write_text("FROM scratch\nCOPY . /\n")
    (root / "api" / ".dockerignore").write_text("*.md\n!kept.md\n")
    for name in ("api/main.py", "lib/lib.py", "web/index.html"):
        (root / name).write_text("one\n")
    found = Repository(root)
    found.git("init", "-q", "-b", "main")
    monkeypatch.chdir(root)
    monkeypatch.setenv("MKBUILD_STORAGE", str(tmp_path / "store"))
    return found


def commits(repository: Repository) -> dict[str, str]:
    """Build, and return the commit that each image is named after."""
    place = repository.root.parent / "metadata.json"
    assert main(["api", "web", "--metadata-file", str(place)]) == 0
    found = json.loads(place.read_text())
    return {label: part["image.name"].rpartition(":")[2] for label, part in found.items()}


def test_the_last_commit_that_touched_what_a_target_has(repository: Repository) -> None:
    first = repository.commit()
    assert commits(repository) == {"api": first, "web": first}
    second = repository.commit(**{"web__index.html": "two\n", "web__é \n x": "odd\n"})
    assert commits(repository) == {"api": first, "web": second}
    third = repository.commit(lib__more="in a named context\n")
    assert commits(repository) == {"api": third, "web": second}
    repository.commit(README="of nobody\n", **{"api__x.md": "ignored\n"})
    assert commits(repository) == {"api": third, "web": second}
    fourth = repository.commit(**{"api__kept.md": "not ignored\n"})
    assert commits(repository) == {"api": fourth, "web": second}
    repository.commit(**{"api__x.md": None})
    assert commits(repository) == {"api": fourth, "web": second}
    dockerfile = (repository.root / "docker/api.Dockerfile").read_text()
    fifth = repository.commit(**{"docker__api.Dockerfile": f"# more\n{dockerfile}"})
    assert commits(repository) == {"api": fifth, "web": second}
    sixth = repository.commit(**{"api__.dockerignore": "*.txt\n"})
    assert commits(repository) == {"api": sixth, "web": second}


def test_it_is_in_labels_and_args(repository: Repository) -> None:
    commit = repository.commit()
    place = repository.root.parent / "metadata.json"
    assert main(["api", "--metadata-file", str(place)]) == 0
    digest = json.loads(place.read_text())["api"]["containerimage.config.digest"]
    store = FileStore(repository.root.parent / "store")
    config = ImageConfig.parse(store.read(digest))
    assert config.config.labels["revision"] == commit
    assert f"REVISION={commit}" in config.config.env


def test_a_merge_counts_where_it_differs_from_both_sides(repository: Repository) -> None:
    repository.commit()
    repository.git("checkout", "-q", "-b", "side")
    side = repository.commit(**{"web__index.html": "side\n"})
    repository.git("checkout", "-q", "main")
    repository.commit(README="only on main\n")
    repository.git("merge", "-q", "--no-ff", "side", "-m", "web comes from the side")
    assert commits(repository)["web"] == side
    repository.git("checkout", "-q", "-b", "other")
    repository.commit(web__more="other\n")
    repository.git("checkout", "-q", "main")
    repository.commit(**{"web__index.html": "main\n"})
    repository.git("merge", "-q", "--no-ff", "other", "-m", "web comes from both")
    assert commits(repository)["web"] == repository.git("rev-parse", "HEAD")


def test_where_there_is_none(repository: Repository, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["web"]) == 2
    assert "web: ${inputs.commit} has no value: no commit has its files" in capsys.readouterr().err
    assert main(["plain"]) == 0
    assert main(["plan", "web"]) == 2
    (repository.root / ".git").rename(repository.root / "git")
    capsys.readouterr()
    assert main(["web"]) == 2
    shown = capsys.readouterr().err
    assert shown.startswith(
        "error: BUILD.yaml:10:3: web: ${inputs.commit} has no value: this is no"
    )


def test_a_shallow_checkout_is_told(
    repository: Repository, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repository.commit()
    last = repository.commit(README="of nobody\n")
    shallow = Repository(tmp_path / "shallow")
    shallow.root.mkdir()
    clone = ["git", "clone", "-q", "--depth=1", f"file://{repository.root}", str(shallow.root)]
    subprocess.run(clone, check=True)
    assert main(["-C", str(shallow.root), "web"]) == 0
    assert "web: ${inputs.commit} is the oldest commit that" in capsys.readouterr().err
    assert shallow.git("rev-parse", "HEAD") == last


def test_at_a_ref_it_is_what_it_was_there(
    repository: Repository, capsys: pytest.CaptureFixture[str]
) -> None:
    first = repository.commit()
    second = repository.commit(README="of nobody\n", **{"api__main.py": "two\n"})
    capsys.readouterr()
    assert main(["list", "--since", "HEAD~1"]) == 0
    shown = capsys.readouterr()
    assert [line.split()[0] for line in shown.out.splitlines()] == ["api"]
    assert "could not be built" not in shown.err
    assert main(["why", "api", "--against", "HEAD~1"]) == 0
    shown = capsys.readouterr()
    assert "could not be built" not in shown.err
    assert "main.py" in shown.out
    assert first[:7] in shown.out
    assert second[:7] in shown.out


def test_a_no_op_notices_a_new_commit(repository: Repository) -> None:
    repository.commit()
    newest = (repository.root / ".git" / "index").stat()
    while not is_settled(newest, time.time_ns()):
        time.sleep(0.001)
    assert main(["web"]) == 0
    assert compiled.replay(["web"], os.environ) == 0
    repository.git("commit", "-q", "--amend", "-m", "another message")
    assert compiled.replay(["web"], os.environ) != 0
