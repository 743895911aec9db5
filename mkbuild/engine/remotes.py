"""What a build reads from elsewhere besides images: URLs and git repositories."""

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mkbuild import digest as digests
from mkbuild.buildfile.target import GitContext
from mkbuild.engine.lock import Pins
from mkbuild.errors import MkbuildError, PullError, UsageError
from mkbuild.execute import gitref, remote
from mkbuild.execute.filestep import fetch
from mkbuild.execute.gitref import GitRef
from mkbuild.filesystem.source import SourceTree
from mkbuild.plan.actions import AddStep


class Remotes:
    """Fetches what nobody fetched yet, as the lock pins it. Thread-safe."""

    def __init__(self, pins: Pins, scratch: Callable[[], Path], *, offline: bool) -> None:
        """``scratch`` makes directories that last as long as the invocation."""
        self._pins = pins
        self._scratch = scratch
        self._offline = offline
        self._lock = threading.Lock()
        self._trees: dict[tuple[str, str, bool | None], SourceTree] = {}
        self._checkouts: dict[GitContext, Path] = {}

    def tree(self, step: AddStep, source: str) -> SourceTree:
        """Return the files of an ADD's source; raises PullError, StepError, DriftError."""
        name = (source, step.checksum or "", step.keep_git_dir)
        with self._lock:
            if name not in self._trees:
                try:
                    self._trees[name] = self._fetch(step, source)
                except MkbuildError as error:
                    raise error.at(step.location)  # noqa: B904 -- the same error, with its place
            return self._trees[name]

    def checkout(self, context: GitContext) -> Path:
        """Return the directory with the files of a git context; raises PullError, UserError."""
        with self._lock:
            if context not in self._checkouts:
                from mkbuild.execute.git import checkout

                ref = _ref_of(context)
                self._connect(ref.remote)
                found = self._pinned(ref)
                self._checkouts[context] = checkout(found, self._scratch(), self._learn(ref))
            return self._checkouts[context]

    def _fetch(self, step: AddStep, source: str) -> SourceTree:
        self._connect(source)
        ref = gitref.parse(source)
        if ref is None:
            tree = fetch(step, source, self._scratch())
            if not step.checksum:
                file = next(found for found in tree.index.walk() if found.entry.path)
                content = digests.from_hex(tree.digests([file])[0].hex())
                self._pins.check_url(source, content, step.location)
            return tree
        wanted = remote.with_flags(ref, step)
        return remote.git_tree(self._pinned(wanted), self._scratch(), self._learn(wanted))

    def _connect(self, place: str) -> None:
        if self._offline and not place.startswith(("file://", "/")):
            raise PullError(f"--offline forbids to fetch {place}", hint="build without --offline")

    def _pinned(self, ref: GitRef) -> GitRef:
        if _names_commit(ref):
            return ref
        commit = self._pins.commit(ref.remote, ref.ref)
        return ref if commit is None else replace(ref, ref=commit)

    def _learn(self, ref: GitRef) -> Callable[[str], None]:
        def learn(commit: str) -> None:
            if not _names_commit(ref):
                self._pins.found_commit(ref.remote, ref.ref, commit)

        return learn


def _names_commit(ref: GitRef) -> bool:
    """Whether a reference means the same for ever."""
    return bool(ref.checksum) or gitref.is_commit(ref.ref)


def _ref_of(context: GitContext) -> GitRef:
    fragment = f"{context.ref}:{context.subdirectory}" if context.subdirectory else context.ref
    url = f"{context.url}#{fragment}" if fragment else context.url
    found = gitref.parse(url)
    if found is not None:
        return found
    if context.ref and not gitref.is_ref(context.ref):
        raise UsageError(f"{context.ref!r} cannot be the name of a branch, tag or commit")
    return GitRef(context.url, context.ref, context.subdirectory)
