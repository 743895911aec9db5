"""What is known before anything runs: keys, hits, states (DESIGN sections 3 and 5)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from mkbuild.action import ActionKey, StateID, StepResult
from mkbuild.cache.protocol import ActionCache
from mkbuild.digest import Digest
from mkbuild.engine.contexts import Contexts
from mkbuild.engine.listings import Listings
from mkbuild.engine.remotes import Remotes
from mkbuild.execute.filestep import Inputs, key_part, remote_sources, selected
from mkbuild.execute.mounts import mount_step
from mkbuild.execute.states import States
from mkbuild.filesystem.source import SourceTree
from mkbuild.plan import keys
from mkbuild.plan.actions import (
    Action,
    AddStep,
    Base,
    ContextInput,
    CopyStep,
    FileStep,
    Node,
    RunBody,
    inputs,
    sources,
    walk,
)
from mkbuild.plan.keys import Components, Policy
from mkbuild.plan.planner import SCRATCH


@dataclass(slots=True)
class Work:
    """One action and all that is known of it; the same work of several images is one of these."""

    action: Action
    key: ActionKey
    components: Components
    parts: tuple[Digest | None, ...]
    result: StepResult | None = None
    content_key: ActionKey | None = None
    forced: bool = False
    lost: bool = False
    """It is forced for no other reason than that the bytes of its result are not to be had."""


@dataclass(slots=True)
class Resolution:
    """The actions of an invocation in order, deduplicated by definition key."""

    works: dict[ActionKey, Work] = field(default_factory=dict)
    by_node: dict[Node, str] = field(default_factory=dict)
    """Definition key of every action, state of every base."""

    def work(self, action: Action) -> Work:
        """Return the work that an action is."""
        return self.works[ActionKey(self.by_node[action])]

    def state(self, node: Node) -> StateID:
        """Return a node's state; KeyError where its work has no result yet."""
        if isinstance(node, Base):
            return node.state
        result = self.work(node).result
        if result is None:
            raise KeyError(node.text)
        return result.state

    def lossy(self, before: Node, node: Node) -> bool:
        """Whether a layer holds what a step made that may differ from another machine's result."""
        while node is not before and not isinstance(node, Base):
            result = self.work(node).result
            if result is not None and result.lossy:
                return True
            node = node.parent
        return False

    def pending(self) -> list[Work]:
        """Return what has no result yet, inputs first."""
        return [work for work in self.works.values() if work.result is None]


class Resolver:
    """Computes keys and asks the cache; fetches what ADD reads from elsewhere."""

    def __init__(  # noqa: PLR0913 -- the parts it connects
        self,
        *,
        contexts: Contexts,
        states: States,
        cache: ActionCache,
        policy: Callable[[str], Policy],
        secrets: Callable[[str], Mapping[str, str]],
        remotes: Remotes,
        listings: Listings,
        forced: frozenset[ActionKey] = frozenset(),
        always: bool = False,
    ) -> None:
        """``policy``, ``secrets``: of a target; ``forced``, ``always``: what must run again.

        ``listings`` are told what is selected of contexts.
        """
        self._contexts = contexts
        self._states = states
        self._cache = cache
        self._policy = policy
        self._secrets = secrets
        self._remotes = remotes
        self._listings = listings
        self._forced = forced
        self._always = always

    def resolve(self, ends: Iterable[Node]) -> Resolution:
        """Compute every key, and look all of them up in one batch."""
        found = self.define(ends)
        self._look_up(found)
        # What will read a context reads it as it is now, when its key is made, not later.
        for work in found.pending():
            for source in sources(work.action):
                if isinstance(source, ContextInput):
                    self._contexts.get(source)
        return found

    def define(self, ends: Iterable[Node]) -> Resolution:
        """Compute every definition key; no cache is asked."""
        found = Resolution()
        for node in walk(tuple(ends)):
            if isinstance(node, Base):
                found.by_node[node] = node.state
                if node.name == SCRATCH:
                    self._states.add_base(node.state, ())
                continue
            parts = self._definition_parts(node)
            components = self._components(node, [found.by_node[n] for n in inputs(node)], parts)
            key = components.key()
            found.by_node[node] = key
            if key not in found.works:
                work = Work(node, key, components, parts)
                asked, gone = self._always or node.no_cache, key in self._forced
                work.forced, work.lost = asked or gone, gone and not asked
                found.works[key] = work
            elif node.no_cache and not found.works[key].action.no_cache:
                # Whoever shares the step with a target that wants no cached one gets the new one.
                work = found.works[key]
                work.action, work.forced, work.lost = node, True, False
        return found

    def _look_up(self, found: Resolution) -> None:
        cached = self._cache.get_steps([k for k, work in found.works.items() if not work.forced])
        for work in found.works.values():
            try:
                states = tuple(found.state(node) for node in inputs(work.action))
            except KeyError:
                continue
            result = cached.get(work.key)
            if result is not None and result.inputs == states:
                self._accept(work, result)
            elif not work.forced and not self._reads_states(work.action):
                self.look_up_content(work, states)

    def content_key(self, work: Work, states: tuple[StateID, ...]) -> ActionKey:
        """Return a work's content key, the states of all inputs known; raises LostStateError."""
        if work.content_key is None:
            parts = self._content_parts(work, states)
            work.content_key = self._components(work.action, states[:1], parts).key()
        return work.content_key

    def look_up_content(self, work: Work, states: tuple[StateID, ...]) -> None:
        """Find a result by content key, the states of all inputs known."""
        key = self.content_key(work, states)
        if work.forced:
            return
        result = self._cache.get_steps([key]).get(key)
        if result is not None and result.inputs[:1] == states[:1]:
            result = StepResult(states, result.state, result.toc, result.lossy, result.seconds)
            self._accept(work, result)
            if work.key != key:
                self._cache.put_step(work.key, result, replace=True)

    def _accept(self, work: Work, result: StepResult) -> None:
        work.result = result
        self._states.add_step(result.inputs[0], result.state, result.toc)

    @staticmethod
    def _reads_states(action: Action) -> bool:
        return len(inputs(action)) > 1

    def _components(
        self, action: Action, parents: Iterable[str], parts: Iterable[Digest | None]
    ) -> Components:
        secrets = self._secrets(action.target) if isinstance(action.body, RunBody) else {}
        return keys.components(
            action, list(parents), list(parts), self._policy(action.target), secrets
        )

    def _definition_parts(self, action: Action) -> tuple[Digest | None, ...]:
        """Digest what an action reads of contexts and of the network."""
        body = action.body
        if isinstance(body, RunBody):
            return tuple(
                self._mount_part(mount.source, mount.mount.source)
                for mount in body.mounts
                if mount.source is not None
            )
        source = action.source
        if source is None or remote_sources(body):
            return (self._part(body, self.file_inputs(action, lambda _: None)),)
        if isinstance(source, ContextInput):
            return (self._context_part(source, body),)
        return (None,)

    def _mount_part(self, source: object, subpath: str | None) -> Digest | None:
        if not isinstance(source, ContextInput):
            return None
        return self._context_part(source, mount_step(subpath or "/"))

    def _context_part(self, source: ContextInput, step: FileStep) -> Digest:
        return self._contexts.part(
            source, step, lambda: self._part(step, self._context_inputs(source))
        )

    def _part(self, step: FileStep, inputs: Inputs) -> Digest:
        """Digest what a step selects of a context, and note what that is where nobody did."""
        part, contents = selected(step, inputs)
        if inputs.tree is not None and not self._listings.has(part):
            self._listings.hold(part, contents())
        return part

    def _content_parts(self, work: Work, states: tuple[StateID, ...]) -> tuple[Digest | None, ...]:
        """Reduce every other state that an action reads to the bytes it selects."""
        action, others = work.action, list(states[1:])
        if not others:
            return work.parts
        if not isinstance(action.body, RunBody):
            tree = self._states.source(others[0])
            return (key_part(action.body, Inputs(tree=tree)),)
        subpaths = [m.mount.source or "/" for m in action.body.mounts if m.source is not None]
        parts: list[Digest | None] = []
        for source, part, subpath in zip(sources(action), work.parts, subpaths, strict=True):
            if isinstance(source, ContextInput):
                parts.append(part)
                continue
            step = mount_step(subpath)
            step = CopyStep(
                step.location, step.sources, step.dest, context=False, parents=step.parents
            )
            parts.append(key_part(step, Inputs(tree=self._states.source(others.pop(0)))))
        return tuple(parts)

    def file_inputs(self, action: Action, state_of: Callable[[Node], StateID | None]) -> Inputs:
        """Return what a COPY, ADD or WORKDIR reads from."""
        source = action.source
        before = state_of(action.parent)
        parent = self._states.source(before) if before else None
        remotes: Mapping[str, SourceTree] = {}
        if isinstance(action.body, AddStep):
            body = action.body
            remotes = {url: self._remotes.tree(body, url) for url in remote_sources(body)}
        if source is None:
            return Inputs(parent=parent)
        if isinstance(source, ContextInput):
            return replace(self._context_inputs(source, remotes), parent=parent)
        state = state_of(source)
        return Inputs(tree=self._states.source(state) if state else None, parent=parent)

    def _context_inputs(
        self, source: ContextInput, remotes: Mapping[str, SourceTree] | None = None
    ) -> Inputs:
        context = self._contexts.get(source)
        ignored = context.ignore.excluded if context.ignore is not None else None
        return Inputs(
            tree=context.tree,
            remotes=remotes or {},
            ignored=ignored,
            selections=context.selections,
        )
