"""Git repositories for tests: small, without anybody's configuration."""

import os
import subprocess
from pathlib import Path

_WHO = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
_ALONE = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(directory: Path, *arguments: str) -> str:
    """Run git in a directory; returns what it prints."""
    command = ["git", "-c", "protocol.file.allow=always", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        [*command, *arguments],
        cwd=directory,
        env={**os.environ, **_ALONE, **_WHO},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(directory: Path, message: str = "more") -> str:
    """Commit everything below the top of a repository, made where there is none; its hash."""
    if not (directory / ".git").exists():
        git(directory, "init", "-q")
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "--allow-empty", "-m", message)
    return git(directory, "rev-parse", "HEAD")


def sample(place: Path) -> Path:
    """Make a repository of a few files: in directories, executable, a symlink, odd names."""
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
