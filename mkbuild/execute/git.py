"""Checking a git repository out: for ADD, and for contexts.

git runs without anybody's configuration, hooks or credential helpers, and never asks.
"""

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

from mkbuild.errors import PullError, StepError
from mkbuild.execute.gitref import GitRef

_WEB_USER = re.compile(r"(https?://)[^/@\s]*@", re.IGNORECASE)
_HASH = re.compile(r"[0-9a-f]{4,64}")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")
_TREE = "tree"


def checkout(ref: GitRef, scratch: Path, found: Callable[[str], None] = lambda _: None) -> Path:
    """Fetch what is meant into a directory that is empty and ours; return where the files are.

    ``found`` is told the commit's hash. ``keep_git_dir`` keeps ``.git``, with nothing in it that
    tells when or where it was fetched.
    Raises PullError where it cannot be had, StepError where it is not what was expected.
    """
    git = _Git(scratch / _TREE, scratch)
    git.fetch(ref)
    git.verify(ref)
    found(git.run("rev-parse", "HEAD"))
    if ref.submodules:
        git.fetch_submodules()
    place = _inside(git.tree, ref)
    if ref.keep_git_dir and not ref.subdir:
        git.tidy()
    else:
        git.forget()
    return place


def _inside(tree: Path, ref: GitRef) -> Path:
    """Find the subdirectory; no part of it may be a symlink, which could lead anywhere."""
    place = tree
    repository = _without_passwords(ref.remote)
    for part in ref.subdir.split("/") if ref.subdir else ():
        place = place / part
        if part == ".git" or place.is_symlink():
            raise StepError(f"{ref.subdir!r} is not a directory of its own in {repository}")
    if not place.is_dir():
        raise StepError(f"there is no directory {ref.subdir!r} in {repository}")
    return place


def _unreachable(ref: GitRef, error: PullError) -> PullError:
    what = f"{ref.ref!r} of " if ref.ref else ""
    return PullError(f"cannot fetch {what}{_without_passwords(ref.remote)}: {error.message}")


class _Git:
    """One repository being fetched; runs git without anybody's configuration or hooks."""

    def __init__(self, tree: Path, scratch: Path) -> None:
        self.tree = tree
        self.tip = ""
        self._environment = _environment(scratch)
        tree.mkdir()
        self.run("init", "--quiet", "--template=", "--initial-branch=master")

    def run(self, *arguments: str) -> str:
        """Run git in the tree; return what it prints. Raises PullError where it fails."""
        try:
            ended = subprocess.run(
                ("git", "-c", "protocol.file.allow=user", *arguments),
                cwd=self.tree,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                umask=0o022,
            )
        except FileNotFoundError as error:
            raise PullError("git is not installed", hint="install git") from error
        if ended.returncode:
            said = ended.stderr.decode("utf-8", "replace").strip()
            raise PullError(f"git {arguments[0]} failed: {_without_passwords(said)}")
        return ended.stdout.decode("utf-8", "surrogateescape").strip()

    def fetch(self, ref: GitRef) -> None:
        """Get a commit and check its files out; only that commit where the server gives it so."""
        self.run("remote", "add", "origin", ref.remote)
        wanted = ref.ref or "HEAD"
        try:
            self._fetch("--no-tags", wanted)
            self.tip = self.run("rev-parse", "FETCH_HEAD")
        except PullError as error:
            # Not every server gives a commit that no branch ends in, and none an abbreviated one.
            if not _HASH.fullmatch(wanted):
                raise _unreachable(ref, error) from error
            try:
                self._fetch("--tags", "+refs/heads/*:refs/remotes/origin/*", depth=())
                self.tip = self.run("rev-parse", "--verify", f"{wanted}^{{commit}}")
            except PullError as other:
                raise _unreachable(ref, other) from other
        self.run("checkout", "--quiet", "--detach", self.tip)

    def _fetch(self, *what: str, depth: tuple[str, ...] = ("--depth=1",)) -> None:
        try:
            self.run("fetch", "--quiet", *depth, what[0], "origin", *what[1:])
        except PullError as error:
            # A plain web server cannot give a part of the history.
            if not depth or "shallow" not in error.message:
                raise
            self.run("fetch", "--quiet", what[0], "origin", *what[1:])

    def fetch_submodules(self) -> None:
        """Check out what the commit names of other repositories; PullError where it cannot be."""
        if not (self.tree / ".gitmodules").is_file():
            return
        update = ("submodule", "--quiet", "update", "--init", "--recursive")
        try:
            self.run(*update, "--depth=1")
        except PullError as error:
            # A plain web server cannot give a part of the history.
            if "shallow" not in error.message:
                raise
            self.run(*update)

    def verify(self, ref: GitRef) -> None:
        """Check that the commit, or the annotated tag that leads to it, is the one expected."""
        if not ref.checksum:
            return
        if not _HASH.fullmatch(ref.checksum.lower()):
            raise StepError(f"invalid checksum {ref.checksum!r}: expected a commit's hash in hex")
        commit = self.run("rev-parse", "HEAD")
        if not any(name.startswith(ref.checksum.lower()) for name in (commit, self.tip)):
            raise StepError(
                f"expected checksum to match {ref.checksum}, got {commit}",
                hint="the branch or tag has moved, or it is not the one that was meant",
            )

    def tidy(self) -> None:
        """Leave no password in ``.git``, and nothing that differs from one fetch to the next."""
        for config in sorted((self.tree / ".git").rglob("config")):
            place = config.parent  # .git itself, or a submodule's directory below its modules
            if not (place / "objects").is_dir():  # a branch of that name
                continue
            text = config.read_text(errors="surrogateescape")
            config.write_text(_WEB_USER.sub(r"\1", text), errors="surrogateescape")
            (place / "index").unlink(missing_ok=True)
            # An index without the checkout's inode numbers and times.
            self.run(f"--git-dir={place}", "read-tree", "HEAD")
            for name in ("FETCH_HEAD", "ORIG_HEAD"):
                (place / name).unlink(missing_ok=True)
            _remove(place / "logs")

    def forget(self) -> None:
        """Remove ``.git``, of submodules too.

        They are looked for, not asked for: git tells the paths of submodules through a shell, and
        a repository chooses them. Git itself puts no file of that name into a checkout.
        """
        for directory, directories, files in os.walk(self.tree):
            if ".git" in directories or ".git" in files:
                _remove(Path(directory, ".git"))
            directories[:] = (name for name in directories if name != ".git")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _environment(home: Path) -> Mapping[str, str]:
    """Return all that git sees: no configuration and no credential helper of anybody's."""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(home),
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_SSH_COMMAND": f"ssh -F {os.devnull} -o BatchMode=yes"
        " -o StrictHostKeyChecking=accept-new",
        "GIT_LFS_SKIP_SMUDGE": "1",
    }
    for name in (*_PROXIES, *(name.upper() for name in _PROXIES), "SSH_AUTH_SOCK"):
        if name in os.environ:
            environment[name] = os.environ[name]
    return environment


def _without_passwords(text: str) -> str:
    return re.sub(r"(://)[^/@\s]*@", r"\1", text)
