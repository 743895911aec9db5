"""Where a RUN works: an overlay over the parent's trees, or a full tree where there is no overlay.

Both give the same canonical diff. Used as context managers, they leave nothing behind but the tree
of the result, which they publish.
"""

import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from mkbuild.action import StateID
from mkbuild.execute.states import States, tree_sources
from mkbuild.filesystem.diff import Diff, DiffBuilder
from mkbuild.filesystem.index import Index
from mkbuild.frozen import frozen
from mkbuild.snapshot import scan, upper
from mkbuild.snapshot.materialise import write_tree
from mkbuild.store.tocs import put_toc

COARSE_CLOCK = 5
"""CLOCK_REALTIME_COARSE (clock_gettime(2)): the clock that filesystems take their times from."""


@frozen
class Disk:
    """How trees lie on disk: with ``user.overlay`` attributes, with one owner only."""

    userxattr: bool = False
    single_id: bool = False


class OverlayRootfs:
    """An overlay: what changes lands in an upper, which becomes the result's tree."""

    def __init__(self, states: States, parent: StateID, disk: Disk) -> None:
        """Make the parent's trees real; raises LostStateError, PullError."""
        self._lowers = states.trees(parent)
        self.index = states.index(parent)
        self._states = states
        self._parent = parent
        self._disk = disk
        self._stack = ExitStack()
        self._temp = self._stack.enter_context(states.tree_store.begin())
        self._work = self._stack.enter_context(states.tree_store.begin())
        self._started = time.clock_gettime_ns(COARSE_CLOCK)
        upper.prepare(self.changes, self.index, single_id=disk.single_id)

    @property
    def changes(self) -> Path:
        """The upper."""
        return self._temp.tree

    def fields(self) -> Mapping[str, Any]:
        """Return lowers, upper and work directory."""
        return {
            "lowers": tuple(map(str, reversed(self._lowers))),
            "upper": str(self._temp.tree),
            "work": str(self._work.tree),
        }

    def collect(self, epoch: int | None) -> Diff:
        """Turn the upper into the tree of its diff."""
        diff = upper.normalise(
            self.changes,
            self.index,
            self._states.source(self._parent).source,
            started_ns=self._started,
            epoch=epoch,
            userxattr=self._disk.userxattr,
            single_id=self._disk.single_id,
        )
        if not diff.toc.entries:
            return diff
        digest = put_toc(self._states.store, diff.toc)
        size = sum(entry.size for entry in diff.toc.entries)
        tree = self._states.tree_store.publish(self._temp, digest, size)
        self._states.keep(digest)
        return Diff(diff.toc, tree_sources(diff.toc, tree))

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not published."""
        self._stack.close()


class TreeRootfs:
    """A full copy of the parent's filesystem, compared with its record afterwards."""

    def __init__(self, states: States, parent: StateID, disk: Disk) -> None:
        """Copy the parent; raises LostStateError, PullError."""
        self.index = states.index(parent)
        self._states = states
        self._parent = parent
        self._disk = disk
        self._stack = ExitStack()
        self._temp = self._stack.enter_context(states.tree_store.begin())
        self._work = self._stack.enter_context(states.tree_store.begin())
        write_tree(flattened(states, parent), self.changes, single_id=disk.single_id)
        self._before = scan.record(self.changes)
        self._started = time.clock_gettime_ns(COARSE_CLOCK)

    @property
    def changes(self) -> Path:
        """The tree itself."""
        return self._temp.tree

    def fields(self) -> Mapping[str, Any]:
        """Return the tree, and a directory for what the sandbox has to put somewhere."""
        return {"tree": str(self.changes), "work": str(self._work.tree)}

    def collect(self, epoch: int | None) -> Diff:
        """Compare the tree with what it was, and keep the difference as a tree."""
        diff = scan.scan(
            self.changes,
            self.index,
            self._before,
            self._states.source(self._parent).source,
            started_ns=self._started,
            epoch=epoch,
            single_id=self._disk.single_id,
        )
        if not diff.toc.entries:
            return diff
        return kept(self._states, diff)[1]

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the copy."""
        self._stack.close()


def kept(states: States, diff: Diff) -> tuple[str, Diff]:
    """Keep a diff that has entries as a tree of the store; returns its digest, and it there."""
    digest = put_toc(states.store, diff.toc)
    tree = states.write(digest, diff)
    assert tree is not None  # noqa: S101 -- there is a diff
    return digest, Diff(diff.toc, tree_sources(diff.toc, tree))


def flattened(states: States, state: StateID) -> Diff:
    """Return a whole state as one diff against nothing: for full trees and exports."""
    tree = states.source(state)
    builder = DiffBuilder(Index())
    leaders: dict[tuple[str, str], str] = {}
    index = states.full_index(state)
    for file in index.walk():
        entry = file.entry
        leader = leaders.setdefault((file.origin, file.inode), entry.path)
        if leader != entry.path and entry.type == "f":
            builder.link(entry.path, leader)
        else:
            builder.put(
                entry,
                tree.source(file) if entry.type == "f" and entry.size else None,
                embedded=index.embedded(entry.path),
            )
    return builder.finish()
