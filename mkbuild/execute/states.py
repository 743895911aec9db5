"""States of one invocation: what each holds, and how to make it real.

A state is reached from a base by steps; every step is a diff with a TOC. So a state is known by its
TOCs alone (:meth:`States.index`), and becomes real, as a stack of overlay trees, only when a
command or a copy needs its bytes (:meth:`States.trees`). Where nothing can make it real any more,
:class:`LostStateError` says which state has to be made again.
"""

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from mkbuild.action import LayerRecord, StateID, StepResult
from mkbuild.cache.protocol import ActionCache
from mkbuild.digest import Digest
from mkbuild.errors import BuildError, StepError
from mkbuild.filesystem.diff import Diff
from mkbuild.filesystem.index import Index, Located
from mkbuild.filesystem.toc import Toc
from mkbuild.frozen import frozen
from mkbuild.oci.model import Descriptor
from mkbuild.plan.keys import COMPRESSIONS, layer_pair, next_state
from mkbuild.snapshot import merge
from mkbuild.snapshot.trees import TreeStore
from mkbuild.store.protocol import BlobStore
from mkbuild.store.tocs import put_toc


class LostStateError(BuildError):
    """A state that is known, but whose bytes are nowhere to be had: its step must run again."""

    def __init__(self, state: StateID) -> None:
        """Keep the state."""
        super().__init__(f"the result of a cached step is gone (state {state[7:19]})")
        self.state = state


@frozen
class BaseLayer:
    """A layer of an image from outside."""

    diff_id: Digest
    descriptor: Descriptor


class Layers(Protocol):
    """Layers by their blobs: fetched from where they are, read, unpacked. Thread-safe."""

    def base_toc(
        self, layer: BaseLayer, below: "StateTree", *, contents: bool
    ) -> tuple[Digest, Toc]:
        """Return what a base layer holds, fetching no more than it takes; raises PullError.

        Without ``contents`` files may lack theirs.
        """
        ...

    def unpack_base(self, layer: BaseLayer, below: "StateTree") -> Path:
        """Return the tree of a base layer, pulling and unpacking it where needed."""
        ...

    def toc(self, digest: Digest, *, contents: bool) -> Toc | None:
        """Return a TOC; without ``contents`` files may lack theirs. None where nobody has it."""
        ...

    def unpack(self, record: LayerRecord, states: "States") -> Path | None:
        """Return the tree of a layer of ours, None where its blob is not to be had."""
        ...


@frozen
class _Step:
    """How a state comes about: by a diff of ours, or by a layer of a base."""

    before: StateID
    what: Digest | BaseLayer


class States:
    """Thread-safe; states are only ever added."""

    def __init__(
        self, store: BlobStore, trees: TreeStore, layers: Layers, cache: ActionCache
    ) -> None:
        """Begin knowing nothing."""
        self.store = store
        self.tree_store = trees
        self.layers = layers
        self.cache = cache
        self._empty: set[StateID] = set()
        self._steps: dict[StateID, _Step] = {}
        self._indexes: dict[StateID, Index] = {}
        self._full: dict[StateID, Index] = {}
        self._held: dict[Digest, Diff] = {}
        self._lock = threading.Lock()
        self._busy: dict[str, threading.Lock] = {}
        self._kept: dict[str, Path] = {}
        self._leases = ExitStack()

    def add_base(self, state: StateID, layers: tuple[BaseLayer, ...]) -> None:
        """Tell of what layers a base consists, lowest first."""
        count = len(layers)
        names = [StateID(f"{state}#{number}") for number in range(count)] + [state]
        self._empty.add(names[0])
        for number, layer in enumerate(layers):
            self._steps[names[number + 1]] = _Step(names[number], layer)

    def base_layers(self, state: StateID) -> Iterator[tuple[BaseLayer, "StateTree"]]:
        """Yield the layers of a base, topmost first, each with what is below it."""
        while (step := self._steps.get(state)) is not None and isinstance(step.what, BaseLayer):
            state = step.before
            yield step.what, self.source(state)

    def add_step(self, before: StateID, after: StateID, toc: Digest | None) -> None:
        """Tell how a state comes about; a step that changed nothing is none."""
        if toc is not None:
            self._steps[after] = _Step(before, toc)

    def record(self, before: StateID, diff: Diff) -> tuple[StateID, Digest | None]:
        """Take over a step's diff: store its TOC, keep its bytes at hand; returns state and TOC."""
        if not diff.toc.entries:
            return before, None
        digest = put_toc(self.store, diff.toc)
        after = next_state(before, digest)
        with self._lock:
            self._held[digest] = diff
        self.add_step(before, after, digest)
        return after, digest

    def adopt(self, before: StateID, result: StepResult, diff: Diff) -> bool:
        """Take over what another process made of a step, where its bytes are at hand.

        That is in a tree of the store, or where ``diff`` has them: ours of the same step.
        """
        if result.toc is not None:
            toc = self.layers.toc(result.toc, contents=True)
            if toc is None:
                return False
            contents = {entry.content for entry in toc.entries if entry.content and entry.size}
            if contents <= diff.sources.keys():
                with self._lock:
                    self._held[result.toc] = Diff(toc, diff.sources)
            elif self.keep(result.toc) is None:
                return False
        self.add_step(before, result.state, result.toc)
        return True

    @contextmanager
    def exclusive(self, name: str) -> Iterator[None]:
        """Hold the lock of one piece of work, so that it is done once."""
        with self._lock:
            lock = self._busy.setdefault(name, threading.Lock())
        with lock:
            yield

    # What a state holds.

    def index(self, state: StateID) -> Index:
        """Return the merged view of a state; raises LostStateError, PullError."""
        todo: list[StateID] = []
        while state not in self._indexes and state in self._steps:
            todo.append(state)
            state = self._steps[state].before
        index = self._indexes.get(state)
        if index is None:
            if state not in self._empty:
                raise LostStateError(state)
            index = Index()
        for after in reversed(todo):
            with self.exclusive(f"index {after}"):
                if after not in self._indexes:
                    origin, toc = self._toc(after)
                    self._indexes[after] = index.apply(toc, origin)
                index = self._indexes[after]
        return index

    def full_index(self, state: StateID) -> Index:
        """Return the merged view of a state with the digests of all its files."""
        if state not in self._full:
            chain = [state]
            while chain[-1] in self._steps:
                chain.append(self._steps[chain[-1]].before)
            index = Index()
            for after in reversed(chain[:-1]):
                origin, toc = self._toc(after, contents=True)
                index = index.apply(toc, origin)
            self._full[state] = index
        return self._full[state]

    def _toc(self, state: StateID, *, contents: bool = False) -> tuple[Digest, Toc]:
        step = self._steps[state]
        if isinstance(step.what, BaseLayer):
            below = self.source(step.before)
            return self.layers.base_toc(step.what, below, contents=contents)
        held = self._held.get(step.what)
        if held is not None:
            return step.what, held.toc
        found = self.layers.toc(step.what, contents=contents)
        if found is None:
            raise LostStateError(state)
        return step.what, found

    # What makes it real.

    def trees(self, state: StateID) -> tuple[Path, ...]:
        """Return the trees whose overlay is the state, lowest first; LostStateError, PullError."""
        stack: list[Path] = []
        while isinstance(self._what(state), str):
            state, tree = self._top(state)
            stack.append(tree)
        base: list[StateID] = []
        while state in self._steps:
            base.append(state)
            state = self._steps[state].before
        if state not in self._empty:
            raise LostStateError(state)
        # From below, and before anybody asks what they hold: unpacking a layer tells that as well.
        lowest = [self._top(state)[1] for state in reversed(base)]
        return (*lowest, *reversed(stack))

    def _what(self, state: StateID) -> Digest | BaseLayer | None:
        step = self._steps.get(state)
        return step.what if step is not None else None

    def _top(self, state: StateID) -> tuple[StateID, Path]:
        """Return the topmost tree of a state, and the state below it."""
        step = self._steps[state]
        if isinstance(step.what, BaseLayer):
            return step.before, self.layers.unpack_base(step.what, self.source(step.before))
        tree = self.keep(step.what) or self.write(step.what, self._held.get(step.what))
        if tree is not None:
            return step.before, tree
        pairs = [
            layer_pair(before, state, kind)
            for before in self._ancestors(state)
            for kind in COMPRESSIONS
        ]
        known = self.cache.get_layers(pairs)
        for pair in pairs:
            if pair in known:
                tree = self.layers.unpack(known[pair], self)
                if tree is not None:
                    return pair[0], tree
        raise LostStateError(state)

    def keep(self, name: str) -> Path | None:
        """Return a tree by its name, kept from garbage collection; None where it is not here."""
        with self._lock:
            if name not in self._kept:
                try:
                    paths = self._leases.enter_context(self.tree_store.lease([name]))
                except KeyError:
                    return None
                self._kept[name] = paths[0]
            return self._kept[name]

    def write(self, name: str, diff: Diff | None) -> Path | None:
        """Make a tree of a diff; None where there is no diff."""
        if diff is None:
            return None
        with self.exclusive(f"tree {name}"):
            while (tree := self.keep(name)) is None:
                self.tree_store.materialise(diff, name)
        return tree

    def close(self) -> None:
        """Let go of all trees."""
        self._leases.close()

    def _ancestors(self, state: StateID) -> Iterator[StateID]:
        """States below, nearest first, down to the base."""
        while isinstance(self._steps[state].what, str):
            state = self._steps[state].before
            yield state
            if state not in self._steps:
                return

    def diff(self, before: StateID, after: StateID) -> Diff:
        """Return the difference between a state and a later one of its chain, with its bytes."""
        chain: list[StateID] = []
        state = after
        while state != before:
            if state not in self._steps:
                raise LostStateError(after)
            chain.append(state)
            state = self._steps[state].before
        diffs = [self._diff(state) for state in reversed(chain)]
        if len(diffs) == 1:
            return diffs[0]
        sources = {content: source for diff in diffs for content, source in diff.sources.items()}
        parts = [(diff.toc, str(number)) for number, diff in enumerate(diffs)]
        return merge.merge(
            self.index(before), parts, lambda file: sources[file.entry.content or b""]
        )

    def stored_toc(self, before: StateID, after: StateID) -> Digest | None:
        """Return the digest of a difference's TOC where one step made it: it is stored already."""
        step = self._steps[after]
        return step.what if step.before == before and isinstance(step.what, str) else None

    def _diff(self, state: StateID) -> Diff:
        step = self._steps[state]
        held = self._held.get(step.what) if isinstance(step.what, str) else None
        if held is not None:
            return held
        _, toc = self._toc(state, contents=True)
        before, tree = self._top(state)
        if before != step.before:
            raise LostStateError(state)
        return Diff(toc, tree_sources(toc, tree))

    def source(self, state: StateID) -> "StateTree":
        """Return a state as something to copy from."""
        return StateTree(state, self)


def tree_sources(toc: Toc, tree: Path) -> dict[bytes, str]:
    """Return where the bytes of a TOC's files lie, in the tree made of it."""
    return {
        entry.content: f"{tree}/{entry.path}"
        for entry in toc.entries
        if entry.content is not None and entry.size
    }


class StateTree:
    """A state to copy from (mkbuild.filesystem.source.SourceTree); made real at the first read."""

    def __init__(self, state: StateID, states: States) -> None:
        """Bind to a state; nothing is read yet."""
        self.state = state
        self._states = states
        self._trees: tuple[Path, ...] | None = None

    @property
    def index(self) -> Index:
        """Every path of the state."""
        return self._states.index(self.state)

    def digests(self, files: Sequence[Located]) -> list[bytes]:
        """Return digests from the TOCs, fetching those that came without."""
        found = []
        for file in files:
            content = file.entry.content
            if content is None:
                full = self._states.full_index(self.state).get(file.entry.path)
                content = full.entry.content if full is not None else None
            if content is None:
                raise LostStateError(self.state)
            found.append(content)
        return found

    @property
    def states(self) -> States:
        """All states of the invocation."""
        return self._states

    def source(self, file: Located) -> str:
        """Return the file in the topmost tree that has it."""
        if self._trees is None:
            self._trees = self._states.trees(self.state)[::-1]
        for tree in self._trees:
            path = f"{tree}/{file.entry.path}"
            if os.path.isfile(path) and not os.path.islink(path):  # noqa: PTH113, PTH114 -- as many
                return path
        message = f"/{file.entry.path} is missing in the unpacked layers of its state"
        raise StepError(message, hint="run the build again with -B, or empty the store")
