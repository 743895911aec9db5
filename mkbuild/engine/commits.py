"""``${inputs.commit}``: the last commit that touched what a target has of its own.

That is its Dockerfile, its ignore file, and the files of its local contexts which the ignore file
lets in; not the targets that it builds on, nor the build file. A merge counts where it differs
from every one of its parents, as in git's own simplified history.
"""

import re
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mkbuild.buildfile.interpolate import needs_inputs
from mkbuild.buildfile.target import DirectoryContext, GitContext, Target
from mkbuild.context.ignore import Ignore
from mkbuild.engine.contexts import Contexts
from mkbuild.engine.files import Git
from mkbuild.errors import BuildFileError
from mkbuild.frozen import frozen
from mkbuild.plan.actions import CONTEXT, ContextInput

_HEADER = re.compile(rb"\x01([0-9a-f]{40,64}) ((?:[0-9a-f]{40,64} ?)*)")
_BLOCK = 1 << 16


@frozen
class _Own:
    """What counts: files by their path, directories with what is left out of each."""

    files: frozenset[str]
    directories: tuple[tuple[str, Ignore | None], ...]

    def holds(self, path: str) -> bool:
        """Whether a file (by its absolute path) counts."""
        if path in self.files:
            return True
        for directory, ignore in self.directories:
            inside = path.removeprefix(f"{directory}/")
            if inside != path and not (ignore and ignore.excluded(inside)):
                return True
        return False


@dataclass(slots=True)
class _Commit:
    """A commit of the log: ``touched``: from how many of its parents it differs in what counts."""

    name: str
    parents: int
    touched: int = 0

    @property
    def counts(self) -> bool:
        return self.touched >= max(self.parents, 1)


def wanted(target: Target) -> bool:
    """Whether anything of a target waits for its commit."""
    texts = (*target.tags, *target.labels.values(), *target.args.values())
    return any("commit" in needs_inputs(text) for text in texts)


class Commits:
    """Asks git for each target at most once."""

    def __init__(self, root: Path, contexts: Contexts, warn: Callable[[str], None]) -> None:
        """``root``: a directory of the checkout."""
        self._git = Git(root)
        self._contexts = contexts
        self._warn = warn
        self._known: dict[str, str] = {}
        self._from = "HEAD"
        self._copies: Path | None = None

    def look_from(self, commit: str, copies: Path) -> None:
        """Ask what it was at a commit; ``copies`` holds its files where they differ from ours."""
        self._from = commit
        self._copies = copies.resolve()

    @property
    def asked(self) -> bool:
        """Whether anything hangs on the history."""
        return bool(self._known)

    def of(self, target: Target) -> str:
        """Return the hash of a target's commit; empty where nothing waits for it.

        Raises BuildFileError where there is none.
        """
        if not wanted(target):
            return ""
        if target.label not in self._known:
            self._known[target.label] = self._find(target)
        return self._known[target.label]

    def _find(self, target: Target) -> str:
        top = self._git.run("rev-parse", "--show-toplevel")
        if isinstance(target.context, GitContext):
            raise _none(target, "its context is a repository of its own", "name a commit there")
        if top is None:
            raise _none(target, "this is no git checkout", "use it in a checkout only")
        own = self._own(target, Path(top))
        for commit in _log(Path(top), self._from, own):
            if commit.counts:
                if not commit.parents:
                    self._tell_shallow(target)
                return commit.name
        raise _none(target, "no commit has its files", "commit them first")

    def _tell_shallow(self, target: Target) -> None:
        if self._git.run("rev-parse", "--is-shallow-repository") == "true":
            self._warn(
                f"{target.label}: ${{inputs.commit}} is the oldest commit that this shallow "
                "checkout has; fetch all of them (fetch-depth: 0)"
            )

    def _own(self, target: Target, top: Path) -> _Own:
        files: list[str] = []
        directories: list[tuple[str, Ignore | None]] = []
        if target.dockerfile_inline is None:
            files.append(self._place(target.dockerfile, top))
        for name, context in ((CONTEXT, target.context), *target.contexts.items()):
            if isinstance(context, DirectoryContext):
                found, ignore = self._contexts.rules(ContextInput(target.label, name))
                files += [self._place(found, top)] if found else []
                directories.append((self._place(context.path, top), ignore))
        return _Own(frozenset(files), tuple(directories))

    def _place(self, path: str, top: Path) -> str:
        """Return where a path lies in the checkout."""
        found = Path(path).resolve()
        if self._copies is not None and found.is_relative_to(self._copies):
            found = top / found.relative_to(self._copies)
        return str(found)


def _none(target: Target, why: str, hint: str) -> BuildFileError:
    message = f"{target.label}: ${{inputs.commit}} has no value: {why}"
    return BuildFileError(message, location=target.location, hint=hint)


def _log(top: Path, start: str, own: _Own) -> Iterator[_Commit]:
    """Walk the commits that touched a place, newest first from ``start``; none where git cannot."""
    places = [*own.files, *(directory for directory, _ in own.directories)]
    command = ["git", "-C", str(top), "log", "-z", "-m", "--name-only", "--no-renames"]
    given = [f":(literal){place}" for place in places]
    with subprocess.Popen(
        [*command, "--format=%x01%H %P", start, "--", *given],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        try:
            yield from _commits(_tokens(process), str(top), own)
        finally:
            process.kill()


def _tokens(process: "subprocess.Popen[bytes]") -> Iterator[bytes]:
    """Split what a process prints at NUL bytes."""
    assert process.stdout is not None  # noqa: S101 -- it is a pipe
    rest = b""
    while block := process.stdout.read1(_BLOCK):  # type: ignore[attr-defined]
        *whole, rest = (rest + block).split(b"\0")
        yield from whole


def _commits(tokens: Iterator[bytes], top: str, own: _Own) -> Iterator[_Commit]:
    """Join the entries of a commit: one for each parent that it differs from."""
    current: _Commit | None = None
    seen = False
    for token in tokens:
        header = _HEADER.fullmatch(token)
        if header is None:
            path = f"{top}/" + token.lstrip(b"\n").decode("utf-8", "surrogateescape")
            if current is not None and not seen and own.holds(path):
                seen = True
                current.touched += 1
            continue
        name = header[1].decode()
        if current is None or current.name != name:
            if current is not None:
                yield current
            current = _Commit(name, len(header[2].split()))
        seen = False
    if current is not None:
        yield current
