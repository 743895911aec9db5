"""modifyfs mode: a RUN works in ``/`` itself, which is made into the state that it needs.

One RUN at a time. What ``/`` holds is remembered, so that going from one state to the next changes
only what differs; after a step that failed nothing is known, and everything is laid anew.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from mkbuild.action import StateID
from mkbuild.errors import SandboxError
from mkbuild.execute.rootfs import COARSE_CLOCK, kept
from mkbuild.execute.states import States
from mkbuild.filesystem import toc
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index
from mkbuild.frozen import frozen
from mkbuild.snapshot import lay, scan
from mkbuild.snapshot.lay import Source
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store.locks import acquire
from mkbuild.store.temp import TempArea, sweep

_NEVER = 1 << 62


@frozen
class Kept:
    """What is left alone: real paths, relative to the tree; no image may have something there.

    ``shared``: those of them that an image may have all the same, since no RUN of any mode changes
    them (/proc, /etc/hosts) or the user said so.
    """

    paths: frozenset[str]
    shared: frozenset[str]


class Takeover:
    """A tree (``/``) that is turned into one state after the other.

    ``work``: a directory on the same filesystem, among what is kept, for what has to lie somewhere.
    Thread-safe by :attr:`lock`, which whoever uses the tree holds; other processes wait until this
    one, and every RUN that it has started, has ended.
    """

    def __init__(  # noqa: PLR0913 -- the parts it connects
        self,
        tree: Path,
        kept: Kept,
        work: Path,
        *,
        preserve: bool,
        mounts: Callable[[], tuple[str, ...]],
        waiting: Callable[[], None],
    ) -> None:
        """``preserve``: what the tree held is put back by :meth:`restore`.

        ``mounts``: tells the mount points; where they move, what is mounted is no longer kept.
        ``waiting``: called before it is waited for another process that has the tree.
        """
        work.mkdir(mode=0o700, exist_ok=True)
        self.held = acquire(work / "taken.lock", waiting)
        sweep(work)
        self.tree = tree
        self.kept = kept
        self.area = TempArea(work)
        self.lock = threading.Lock()
        self._preserve = preserve
        self._mounts = mounts
        self._mounted = mounts()
        self._holds: Index | None = None
        self._original: tuple[Index, Path] | None = None

    def become(self, after: Index, source: Source) -> None:
        """Make the tree hold a state; raises SandboxError where something kept is in the way."""
        self._check(after)
        if self._preserve and self._original is None:
            self._original = self._save()
        self._lay(after, source)

    def holds(self, index: Index | None) -> None:
        """Say what the tree holds now; None: unknown."""
        self._holds = index

    def restore(self) -> None:
        """Put back what the tree held in the beginning, where that was asked for; then let go."""
        with self.lock:
            if self._original is not None:
                index, saved = self._original
                self._lay(index, lambda located: f"{saved}/{located.entry.path}")
                self._original = None
            self.area.close()
            os.close(self.held)

    def _lay(self, after: Index, source: Source) -> None:
        before, self._holds = self._holds, None
        if self._mounts() != self._mounted:
            raise SandboxError(
                "a RUN moved a directory that something is mounted below",
                hint="nothing was removed; start a fresh container",
            )
        try:
            lay.lay(self.tree, before, after, source, self.kept.paths)
        except OSError as error:
            raise SandboxError(
                f"cannot put the state of the step onto {self.tree}: "
                f"{error.strerror} ({error.filename})",
                hint="did an earlier RUN change what the container keeps? Start a fresh container",
            ) from error
        self._holds = after

    def _check(self, after: Index) -> None:
        """Refuse a state that has something where the container keeps its own."""
        for path in sorted(self.kept.paths):
            for above in lay.ancestors(path):
                found = after.get(above)
                if found is not None and found.entry.type != toc.DIRECTORY:
                    raise SandboxError(
                        f"the image has a file or link at /{above}, below which the container "
                        f"keeps /{path}",
                        hint="mount it elsewhere in the container, as below /mkbuild-internal",
                    )
            if path not in self.kept.shared and path in after:
                raise SandboxError(
                    f"the image has /{path}, and the container keeps its own there",
                    hint="mount or put it elsewhere, as below /mkbuild-internal; or leave it out "
                    f"of the image: --blacklist /{path}",
                )

    def _save(self) -> tuple[Index, Path]:
        diff = scan.scan(
            self.tree,
            Index(),
            {},
            None,
            started_ns=_NEVER,
            epoch=None,
            ignore=self.kept.paths,
        )
        saved = self.area.name("original-")
        saved.mkdir(mode=0o700)
        write_tree(diff, saved)
        return Index().apply(diff.toc, "original"), saved


class ModifyfsRootfs:
    """The tree of a :class:`Takeover` as the parent's filesystem, compared with its record after.

    The same canonical diff as the other root filesystems give. Holds the takeover's lock.
    """

    def __init__(self, takeover: Takeover, states: States, parent: StateID) -> None:
        """Lay the parent; raises LostStateError, PullError, SandboxError."""
        self.index = states.index(parent)
        self._takeover = takeover
        self._states = states
        self._source = states.source(parent).source
        with ExitStack() as stack:
            stack.enter_context(takeover.lock)
            takeover.become(self.index, self._source)
            self._work = stack.enter_context(takeover.area.directory())
            self._before = scan.record(self.changes, takeover.kept.paths)
            self._started = time.clock_gettime_ns(COARSE_CLOCK)
            self._stack = stack.pop_all()
        takeover.holds(None)

    @property
    def changes(self) -> Path:
        """The tree itself."""
        return self._takeover.tree

    def fields(self) -> Mapping[str, Any]:
        """Return the tree, its lock, and a directory for what has to be put somewhere."""
        held = (self._takeover.held,)
        return {"tree": str(self.changes), "work": str(self._work), "held": held}

    def collect(self, epoch: int | None) -> Diff:
        """Compare the tree with what it was, and keep the difference as a tree in the store."""
        diff = scan.scan(
            self.changes,
            self.index,
            self._before,
            self._source,
            started_ns=self._started,
            epoch=epoch,
            ignore=self._takeover.kept.paths,
        )
        if not diff.toc.entries:
            self._takeover.holds(self.index)
            return diff
        digest, result = kept(self._states, diff)
        self._takeover.holds(self.index.apply(diff.toc, digest))
        return result

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let the next RUN have the tree."""
        self._stack.close()
