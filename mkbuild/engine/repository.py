"""The git repository that holds a workspace: its commits, their files, and what differs from them.

git itself is asked, with the user's configuration: what it thinks is unchanged is what the user
sees as unchanged. Nothing of the repository is written to.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.errors import UsageError
from mkbuild.frozen import frozen

GITLINK, SYMLINK = "160000", "120000"
"""Modes of submodules and symlinks, as git writes them."""


@frozen
class Entry:
    """A file of a commit: ``mode`` as git writes it, ``name`` is the hash of its contents."""

    mode: str
    name: str


class Repository:
    """A checkout; ``top`` is its real directory. Paths are relative to it, and use ``/``."""

    def __init__(self, directory: Path) -> None:
        """Find the checkout that holds a directory; raises UsageError where there is none."""
        try:
            found = _git(directory, "rev-parse", "--show-toplevel")
            self.top = Path(os.fsdecode(found).rstrip("\n"))
        except UsageError as error:
            ours = "not a git repository" in error.message
            raise UsageError(
                f"{directory} is in no git repository" if ours else error.message,
                hint="comparing with a git ref needs a checkout of the repository"
                if ours
                else error.hint,
            ) from None

    def commit(self, ref: str) -> str:
        """Return the hash of a commit; ``REF...`` is where REF and HEAD parted.

        Raises UsageError where there is no such.
        """
        name = ref.removesuffix("...")
        found = self._verify(name)
        if found is None:
            raise self._unknown(name)
        if name == ref:
            return found
        try:
            return self._run("merge-base", found, "HEAD").strip()
        except UsageError:
            message = f"{name} and HEAD have no commit in common here"
            raise UsageError(message, hint=self._shallow("git fetch --unshallow")) from None

    def is_ref(self, ref: str) -> bool:
        """Whether :meth:`commit` would find it."""
        return self._verify(ref.removesuffix("...")) is not None

    def _verify(self, name: str) -> str | None:
        arguments = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        try:
            return self._run(*arguments).strip()
        except UsageError:
            return None

    def _unknown(self, name: str) -> UsageError:
        branch = name.removeprefix("origin/")
        shallow = self._shallow(f"git fetch --depth=1 origin {branch}, and compare with FETCH_HEAD")
        return UsageError(
            f"git knows no commit {name!r}", hint=shallow or did_you_mean(name, self.refs())
        )

    def _shallow(self, cure: str) -> str | None:
        if self._run("rev-parse", "--is-shallow-repository").strip() != "true":
            return None
        return f"this clone is shallow: {cure} (with actions/checkout: fetch-depth: 0)"

    def refs(self) -> list[str]:
        """Return the short names of branches and tags."""
        return self._run("for-each-ref", "--format=%(refname:short)").split()

    def tree(self, commit: str) -> dict[str, Entry]:
        """Return all files of a commit, symlinks and submodules too."""
        found = {}
        for line in _split(self._run("ls-tree", "-r", "-z", "--full-tree", commit)):
            about, _, path = line.partition("\t")
            mode, _, name = about.split(" ")
            found[path] = Entry(mode, name)
        return found

    def changed(self, commit: str) -> list[str]:
        """Return what differs between a commit and the files as they are; sorted.

        Paths that git does not hold count, ignored ones too: a directory of such ends with ``/``.
        """
        flags = ("--name-only", "-z", "--no-ext-diff", "--no-renames", "--ignore-submodules=none")
        differing = self._run("diff", *flags, commit, "--")
        others = self._run("ls-files", "--others", "--directory", "-z")
        return sorted({*_split(differing), *_split(others)})

    def read(self, entry: Entry) -> bytes:
        """Return a file's contents as they are in git."""
        return _git(self.top, "cat-file", "blob", entry.name)

    def check_out(self, commit: str, paths: Iterable[str], into: Path) -> None:
        """Write files of a commit below a directory, as a checkout would."""
        wanted = "".join(f"{path}\0" for path in paths)
        if not wanted:
            return
        with tempfile.TemporaryDirectory(dir=into.parent) as scratch:
            index = {"GIT_INDEX_FILE": f"{scratch}/index"}
            self._run("read-tree", commit, extra=index)
            self._run(
                "checkout-index",
                "--quiet",
                "--force",
                f"--prefix={into}/",
                "-z",
                "--stdin",
                text=wanted,
                extra=index,
            )

    def submodule(self, path: str) -> "Repository | None":
        """Return the repository of a submodule; None where it is not checked out."""
        return Repository(self.top / path) if (self.top / path / ".git").exists() else None

    def _run(self, *arguments: str, text: str = "", extra: Mapping[str, str] | None = None) -> str:
        return os.fsdecode(_git(self.top, *arguments, text=text, extra=extra))


def _split(text: str) -> list[str]:
    return [part for part in text.split("\0") if part]


def _git(
    directory: Path, *arguments: str, text: str = "", extra: Mapping[str, str] | None = None
) -> bytes:
    """Run git; raises UsageError with what it says where it fails, or where it is missing."""
    quiet = {
        "LC_ALL": "C",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "GIT_TERMINAL_PROMPT": "0",
    }
    try:
        done = subprocess.run(
            ["git", "-C", str(directory), *arguments],
            input=os.fsencode(text),
            env={**os.environ, **quiet, **(extra or {})},
            capture_output=True,
            check=False,
        )
    except FileNotFoundError:
        raise UsageError("git is not installed", hint="install git") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().removeprefix("fatal: ")
        raise UsageError(f"git {arguments[0]} failed: {said}", hint=_hint(said))
    return done.stdout


def _hint(said: str) -> str | None:
    if "dubious ownership" not in said:
        return None
    return "git config --global --add safe.directory DIRECTORY says that you trust it"
