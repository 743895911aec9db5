"""What runs next: a state machine over a graph of nodes; pure, so that every order can be tested.

The driver feeds events to :func:`step` and carries out the commands that come back. Order is
deterministic: of the nodes that are ready, the one with the longest way to the end goes first, and
among equals the one that was named first. Where the first does not fit into the free slots, nothing
behind it starts, so that a heavy node is never starved.
"""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, assert_never

from mkbuild.frozen import frozen


@frozen
class Node:
    """One piece of work.

    ``needs``: ids of what must be done before. ``weight``: job slots held while it runs; more than
    there are counts as all of them. ``cost``: expected seconds, for the order only.
    """

    needs: tuple[str, ...] = ()
    weight: int = 1
    cost: float = 1.0


@frozen
class Done:
    """A started node has succeeded."""

    node: str


@frozen
class Failed:
    """A started node has failed (or was cancelled).

    ``deferred``: no reason to stop; what needs it is skipped, all else goes on.
    """

    node: str
    deferred: bool = False


@frozen
class Extended:
    """A started node found out that there is more to do.

    ``nodes`` join the graph. Where ``needs`` is not empty, the node gives its slots back and is
    started again once these (new or old) are done; else it is done.
    """

    node: str
    nodes: Mapping[str, Node]
    needs: tuple[str, ...]


@frozen
class Interrupted:
    """The user wants to stop: nothing new starts, what runs is cancelled."""


Event: TypeAlias = Done | Failed | Extended | Interrupted


@frozen
class Start:
    """Begin to run a node."""

    node: str


@frozen
class Skip:
    """A node will not run: ``because`` names the failed node, empty after an interruption."""

    node: str
    because: str


@frozen
class Cancel:
    """End a running node early; it still reports Failed (or Done)."""

    node: str


Command: TypeAlias = Start | Skip | Cancel
Phase = Literal["waiting", "running", "done", "failed", "skipped"]


@dataclass(slots=True)
class State:
    """Where a run stands; :func:`step` updates it in place (a copy a step would be quadratic)."""

    free: int
    slots: int
    keep_going: bool
    stopping: bool = False
    nodes: dict[str, Node] = field(default_factory=dict)
    phase: dict[str, Phase] = field(default_factory=dict)
    missing: dict[str, int] = field(default_factory=dict)
    """How many needs of a waiting node are not done."""
    dependents: dict[str, list[str]] = field(default_factory=dict)
    priority: dict[str, float] = field(default_factory=dict)
    order: dict[str, int] = field(default_factory=dict)
    ready: list[tuple[float, int, str]] = field(default_factory=list)
    running: dict[str, int] = field(default_factory=dict)
    """Slots held by each running node."""
    open: int = 0
    """Nodes that have not ended."""

    @property
    def over(self) -> bool:
        """Whether every node has ended."""
        return self.open == 0


def begin(
    nodes: Mapping[str, Node], *, slots: int, keep_going: bool = False
) -> tuple[State, list[Command]]:
    """Make the first state, and the commands to begin with.

    Raises ValueError where slots is not positive, a need is unknown, or nodes need each other:
    callers check what users wrote before.
    """
    if slots < 1:
        message = f"there must be at least one job slot, not {slots}"
        raise ValueError(message)
    state = State(free=slots, slots=slots, keep_going=keep_going)
    _add(state, nodes)
    return state, _advance(state)


def step(state: State, event: Event) -> list[Command]:
    """Take one event in and return what to do now.

    Raises ValueError for an event about a node that is not running, and for an extension that
    could never end.
    """
    match event:
        case Done(node):
            _stop_running(state, node)
            _complete(state, node)
            return _advance(state)
        case Failed(node, deferred):
            _stop_running(state, node)
            return _fail(state, node, deferred=deferred) + _advance(state)
        case Extended(node, nodes, needs):
            _stop_running(state, node)
            return _extend(state, node, nodes, needs) + _advance(state)
        case Interrupted():
            state.stopping = True
            cancels: list[Command] = [Cancel(node) for node in state.running]
            return cancels + _skip_waiting(state, "")
        case _:
            assert_never(event)


def slots_held(weight: int, slots: int) -> int:
    """Return how many of all slots a running node holds."""
    return min(max(weight, 1), slots)


def _stop_running(state: State, node: str) -> None:
    if node not in state.running:
        message = f"{node!r} is not running"
        raise ValueError(message)
    state.free += state.running.pop(node)


def _complete(state: State, node: str) -> None:
    state.phase[node] = "done"
    state.open -= 1
    for dependent in state.dependents[node]:
        if state.phase[dependent] == "waiting":
            state.missing[dependent] -= 1
            _queue(state, dependent)


def _queue(state: State, node: str) -> None:
    if state.missing[node] == 0 and not state.stopping:
        heapq.heappush(state.ready, (-state.priority[node], state.order[node], node))


def _fail(state: State, node: str, *, deferred: bool) -> list[Command]:
    state.phase[node] = "failed"
    state.open -= 1
    if not (state.keep_going or deferred):
        state.stopping = True
        return _skip_waiting(state, node)
    return _skip_dependents(state, node)


def _skip_dependents(state: State, failed: str) -> list[Command]:
    commands: list[Command] = []
    stack = [failed]
    while stack:
        for dependent in state.dependents[stack.pop()]:
            if state.phase[dependent] == "waiting":
                commands.append(_skip(state, dependent, failed))
                stack.append(dependent)
    return commands


def _skip_waiting(state: State, because: str) -> list[Command]:
    state.ready.clear()
    waiting = [node for node, phase in state.phase.items() if phase == "waiting"]
    return [_skip(state, node, because) for node in waiting]


def _skip(state: State, node: str, because: str) -> Command:
    state.phase[node] = "skipped"
    state.open -= 1
    return Skip(node, because)


def _extend(
    state: State, node: str, nodes: Mapping[str, Node], needs: tuple[str, ...]
) -> list[Command]:
    state.phase[node] = "waiting"
    _add(state, nodes, floor=state.priority[node] if needs else 0.0)
    if not needs:
        _complete(state, node)
    else:
        _depend(state, node, needs)
        _queue(state, node)
    if state.stopping:
        return _skip_waiting(state, "")
    return _skip_impossible(state, [*nodes, node])


def _skip_impossible(state: State, nodes: Iterable[str]) -> list[Command]:
    """Skip what was asked for after something that it needs has failed."""
    commands: list[Command] = []
    for node in nodes:
        for need in state.nodes[node].needs:
            if state.phase[node] == "waiting" and state.phase[need] in ("failed", "skipped"):
                commands += [_skip(state, node, need), *_skip_dependents(state, node)]
    return commands


def _depend(state: State, node: str, needs: tuple[str, ...]) -> None:
    before = state.nodes[node]
    known = set(before.needs)
    fresh = [need for need in dict.fromkeys(needs) if need not in known]
    for need in fresh:
        if need not in state.phase:
            message = f"{node!r} needs {need!r}, which is not there"
            raise ValueError(message)
        state.dependents[need].append(node)
    state.nodes[node] = Node((*before.needs, *fresh), before.weight, before.cost)
    state.missing[node] = sum(state.phase[need] != "done" for need in state.nodes[node].needs)


def _add(state: State, nodes: Mapping[str, Node], floor: float = 0.0) -> None:
    for node, value in nodes.items():
        if node in state.phase:
            message = f"{node!r} is there already"
            raise ValueError(message)
        state.order[node] = len(state.order)
        state.nodes[node] = Node((), value.weight, value.cost)
        state.phase[node] = "waiting"
        state.dependents[node] = []
        state.open += 1
    for node, value in nodes.items():
        _depend(state, node, value.needs)
    for node in reversed(_sorted(nodes)):
        after = (state.priority.get(dependent, 0.0) for dependent in state.dependents[node])
        state.priority[node] = nodes[node].cost + max(after, default=floor)
    for node in nodes:
        _queue(state, node)


def _sorted(nodes: Mapping[str, Node]) -> list[str]:
    """Sort new nodes so that each comes after what it needs."""
    missing = {node: sum(n in nodes for n in set(value.needs)) for node, value in nodes.items()}
    dependents: dict[str, list[str]] = {node: [] for node in nodes}
    for node, value in nodes.items():
        for need in set(value.needs) & nodes.keys():
            dependents[need].append(node)
    found = [node for node, count in missing.items() if count == 0]
    for node in found:  # grows while it is walked
        for dependent in dependents[node]:
            missing[dependent] -= 1
            if missing[dependent] == 0:
                found.append(dependent)
    if len(found) < len(nodes):
        message = f"nodes need each other: {sorted(nodes.keys() - set(found))[:5]}"
        raise ValueError(message)
    return found


def _advance(state: State) -> list[Command]:
    commands: list[Command] = []
    while state.ready and not state.stopping:
        node = state.ready[0][2]
        if state.phase[node] != "waiting":
            heapq.heappop(state.ready)
            continue
        weight = slots_held(state.nodes[node].weight, state.slots)
        if weight > state.free:
            break
        heapq.heappop(state.ready)
        state.free -= weight
        state.running[node] = weight
        state.phase[node] = "running"
        commands.append(Start(node))
    if state.open and not state.running and not state.ready:
        stuck = sorted(node for node, phase in state.phase.items() if phase == "waiting")
        message = f"nodes wait for each other: {stuck[:5]}"
        raise ValueError(message)
    return commands
