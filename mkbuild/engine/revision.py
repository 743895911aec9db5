"""The workspace as it was at a git ref, made real as far as a build of it would look at it.

Build files are loaded as if they lay where they lie now, with the same variables, environment and
git facts: so nothing differs but what the files say. What a target reads of the disk is read where
it lies if git says that nothing differs there; else what differs is made real in a temporary
directory, and contexts are views that list it in its place.
"""

import os
import posixpath
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

from mkbuild.buildfile.target import (
    ContextSource,
    DirectoryContext,
    LayoutContext,
    Target,
    Workspace,
)
from mkbuild.context.scan import View
from mkbuild.engine.gittree import GitTree
from mkbuild.engine.lock import LOCK_FILE, Lock, Pins, read
from mkbuild.engine.repository import Repository
from mkbuild.store.reading import MAX_BYTES, read_limited


class Revision:
    """The repository of a workspace at a ref."""

    def __init__(self, root: Path, ref: str, scratch: Callable[[], Path]) -> None:
        """``root``: a directory of the checkout; ``scratch`` makes temporary directories.

        Raises UsageError where there is no repository, or no such ref.
        """
        repository = Repository(root)
        self.commit = repository.commit(ref)
        self.tree = GitTree(repository, self.commit, scratch())
        self.views: dict[str, View] = {}
        """What lists the directories of contexts, by where they are."""

    def path(self, place: str) -> str | None:
        """Return a path in the repository, as seen from its top; None for one outside."""
        directory, name = posixpath.split(posixpath.normpath(place))
        real = posixpath.join(os.path.realpath(directory), name)
        found = os.path.relpath(real, self.tree.repository.top)
        if found == "..":
            return None
        return None if found.startswith("../") else "" if found == "." else found

    # What build files need of the world (mkbuild.buildfile.files).

    def read(self, path: str) -> bytes:
        """Return a file's contents; raises OSError."""
        name = self.path(path)
        if name is None or self._same(name):
            return read_limited(path, MAX_BYTES)
        name = self._followed(name)
        self._write({name})
        if not (self.tree.into / name).exists():
            raise FileNotFoundError(2, f"no such file at {self.commit[:12]}", path)
        return (self.tree.into / name).read_bytes()

    def exists(self, path: str) -> bool:
        """Tell whether there is a file or directory, now where git holds nothing of that name."""
        name = self.path(path)
        known = name in self.tree.entries or name in self.tree.children
        return known or Path(path).exists()

    def glob(self, directory: str, pattern: str) -> list[str]:
        """Return the paths of files below a directory that match a pattern."""
        top = self.path(directory)
        if top is None:
            return [str(path) for path in Path(directory).glob(pattern)]
        prefix, parts = f"{top}/" if top else "", pattern.split("/")
        return [
            posixpath.join(directory, path[len(prefix) :])
            for path in self.tree.files
            if path.startswith(prefix) and matches(path[len(prefix) :].split("/"), parts)
        ]

    # What builds read.

    def pins(self, root: Path) -> Pins:
        """Return what BUILD.lock pinned; what it did not counts as it does now."""
        name = self.path(str(root / LOCK_FILE)) or LOCK_FILE
        if name not in self.tree.entries:
            return Pins()
        self.tree.write([name])
        return Pins(read(self.tree.into / name) or Lock())

    def workspace(self, workspace: Workspace) -> Workspace:
        """Return a workspace loaded through this with its files as they were.

        Tags count as they were resolved last, so that both ends stand on the same images.
        """
        targets = {label: self._target(target) for label, target in workspace.targets.items()}
        return replace(workspace, targets=targets)

    def _target(self, target: Target) -> Target:
        context, dockerfile = target.context, target.dockerfile
        if isinstance(context, DirectoryContext):
            if target.dockerfile_inline is None:
                dockerfile = self._dockerfile(dockerfile)
            context = DirectoryContext(self._directory(context.path))
        contexts: Mapping[str, ContextSource] = {
            name: self._source(source) for name, source in target.contexts.items()
        }
        return replace(
            target, context=context, dockerfile=dockerfile, contexts=contexts, pull="never"
        )

    def _source(self, source: ContextSource) -> ContextSource:
        match source:
            case DirectoryContext(path):
                return DirectoryContext(self._directory(path))
            case LayoutContext(path):
                return replace(source, path=self._copied(path))
            case _:
                return source

    def _dockerfile(self, place: str) -> str:
        """Return where a Dockerfile of the revision is, beside its own ignore file."""
        name = self.path(place)
        if name is None:
            return place
        ignored = f"{name}.dockerignore"
        if self._same(name) and self._same(ignored):
            return place
        followed = self._followed(name)
        self._write({name, followed, ignored})
        return str(self.tree.into / name)

    def _directory(self, place: str) -> str:
        """Return where a directory of the revision is: real but for files that did not change."""
        name = self.path(place)
        if name is None or self._same(name):
            return place
        name = self._followed(name)
        if name.startswith(("/", "../")) or name == "..":  # no revision has what lies there
            return posixpath.normpath(posixpath.join(str(self.tree.repository.top), name))
        real = str(self.tree.into / name)
        if self.tree.submodule_of(name) is not None:
            self._write({name})
        elif real not in self.views:
            self.tree.make_directory(name)
            below = f"{name}/" if name else ""
            self._write({f"{below}.dockerignore", *_below(self.tree.changed, below)})
            self.views[real] = self.tree.view(name)
        return real

    def _copied(self, place: str) -> str:
        """Return where a directory of the revision is, all of it real."""
        name = self.path(place)
        if name is None or self._same(name):
            return place
        below = f"{name}/" if name else ""
        if self.tree.submodule_of(name) is not None:
            self._write({name})
            return str(self.tree.into / name)
        self.tree.make_directory(name)
        self.tree.write(path for path in self.tree.entries if path.startswith(below))
        return str(self.tree.into / name)

    def _write(self, names: Iterable[str]) -> None:
        """Make real what the revision has of some files; of one in a submodule, all of that."""
        for name in names:
            path = self.tree.submodule_of(name) or name
            if path in self.tree.entries:
                self.tree.write([path])

    def _followed(self, name: str) -> str:
        """Follow symlinks of the revision; a path that leads out of it stays as it is."""
        seen = {name}
        while (link := self.tree.link_of(name)) is not None:
            self.tree.write([name])
            name = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
            if name in seen:
                break
            seen.add(name)
        return name

    def _same(self, name: str) -> bool:
        """Whether nothing at or below a path has changed since."""
        changed = self.tree.changed
        if not name:
            return not changed
        # A symlink may lead to something that changed.
        if _holds(changed, name) or self.tree.link_of(name) is not None:
            return False
        if any(_below(changed, f"{name}/")):
            return False
        # Of submodules, and of what git does not hold, the topmost directory is there alone.
        above = _parents(name)
        return not any(_holds(changed, path) or _holds(changed, f"{path}/") for path in above)


def _below(found: Sequence[str], prefix: str) -> Iterator[str]:
    """Return what begins so of a sorted list."""
    for path in found[bisect_left(found, prefix) :]:
        if not path.startswith(prefix):
            return
        yield path


def _parents(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _holds(found: Sequence[str], wanted: str) -> bool:
    at = bisect_left(found, wanted)
    return at < len(found) and found[at] == wanted


def matches(parts: Sequence[str], wanted: Sequence[str]) -> bool:
    """Whether a path matches a glob, part by part; ``**`` stands for any number of parts."""
    if not wanted:
        return not parts
    if wanted[0] == "**":
        return any(matches(parts[at:], wanted[1:]) for at in range(len(parts) + 1))
    return bool(parts) and fnmatchcase(parts[0], wanted[0]) and matches(parts[1:], wanted[1:])
