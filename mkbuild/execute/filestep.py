"""COPY, ADD and WORKDIR: functions from states and sources to diffs, without any root filesystem.

The engine's way through this package: :func:`remote_sources` names what has to be fetched, and
:func:`fetch` makes a source tree of each; :func:`key_part` digests all that the step reads; and,
where no cache knows the answer, :func:`perform` gives the diff.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mkbuild.digest import Digest
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.filesystem.source import SourceTree
from mkbuild.plan.actions import AddStep, FileStep


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a step reads from.

    ``tree``: the context or other state, None where there are no local sources. ``remotes``: for
    each of :func:`remote_sources` what :func:`fetch` made of it. ``ignored``: whether a path of
    the context is left out by its .dockerignore; only asked to explain a missing source.
    """

    tree: SourceTree | None = None
    remotes: Mapping[str, SourceTree] = field(default_factory=dict)
    ignored: Callable[[str], bool] | None = None


@dataclass(frozen=True, slots=True)
class Times:
    """Which mtimes entries get, in whole seconds.

    ``created``: what the step itself makes: parents, heredocs. ``context``: all that comes from a
    context or a git checkout, None to keep its times. ``latest``: a kept time at or after this
    (the step's start) becomes ``created``; None keeps all.
    """

    created: int
    context: int | None = None
    latest: int | None = None

    def of(self, mtime: int, *, context: bool) -> int:
        """Return the time an entry gets in the diff."""
        if context and self.context is not None:
            return self.context
        return self.created if self.latest is not None and mtime >= self.latest else mtime


def remote_sources(step: FileStep) -> tuple[str, ...]:
    """Return the sources of an ADD that are URLs or git repositories, each once, in order."""
    raise NotImplementedError


def fetch(step: AddStep, source: str, scratch: Path) -> SourceTree:
    """Fetch one of :func:`remote_sources` into a directory that is empty and ours.

    The tree's files stay in ``scratch``, which has to live as long as the tree and diffs made of
    it. Raises PullError where it cannot be had, StepError where its checksum differs.
    """
    raise NotImplementedError


def key_part(step: FileStep, inputs: Inputs) -> Digest:
    """Digest the step's own parameters and all that it selects of its inputs.

    The parent's state is not in it. Raises StepError where a source does not exist.
    """
    raise NotImplementedError


def perform(step: FileStep, base: Index, inputs: Inputs, times: Times, scratch: Path) -> Diff:
    """Return what the step changes; its sources may lie in ``scratch`` (see :func:`fetch`).

    Raises StepError, ArchiveError.
    """
    raise NotImplementedError
