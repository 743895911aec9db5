"""The machine: order, limits, failures, extensions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.schedule.machine import (
    Cancel,
    Command,
    Done,
    Extended,
    Failed,
    Interrupted,
    Node,
    Skip,
    Start,
    State,
    begin,
    step,
)


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Node]:
    count = draw(st.integers(0, 12))
    graph: dict[str, Node] = {}
    for number in range(count):
        needs = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        graph[f"n{number}"] = Node(
            tuple(f"n{need}" for need in sorted(needs)),
            weight=draw(st.integers(0, 5)),
            cost=draw(st.sampled_from([0.0, 0.5, 1.0, 7.0])),
        )
    keys = draw(st.permutations(list(graph)))
    return {key: graph[key] for key in keys}


class Model:
    """Follows commands as a driver would, and checks what must hold at every moment."""

    def __init__(self, graph: dict[str, Node], slots: int) -> None:
        self.graph = dict(graph)
        self.slots = slots
        self.running: list[str] = []
        self.ended: dict[str, str] = {}
        self.log: list[Command] = []

    def obey(self, commands: list[Command]) -> None:
        self.log += commands
        for command in commands:
            match command:
                case Start(node):
                    assert node not in self.running
                    assert node not in self.ended
                    assert all(self.ended[need] == "done" for need in self.graph[node].needs)
                    self.running.append(node)
                case Skip(node, _):
                    assert node not in self.running
                    assert node not in self.ended
                    self.ended[node] = "skipped"
                case Cancel(node):
                    assert node in self.running
        held = sum(min(max(self.graph[n].weight, 1), self.slots) for n in self.running)
        assert held <= self.slots

    def end(self, node: str, how: str) -> None:
        self.running.remove(node)
        self.ended[node] = how


def play(graph: dict[str, Node], slots: int, seed: list[int], *, keep_going: bool) -> Model:
    """Run a graph to its end; ``seed`` decides which running node ends next, and how."""
    model = Model(graph, slots)
    state, commands = begin(graph, slots=slots, keep_going=keep_going)
    model.obey(commands)
    turn = 0
    while not state.over:
        choice = seed[turn % len(seed)] if seed else 1
        turn += 1
        node = model.running[choice % len(model.running)]
        if choice % 5 == 0:
            model.end(node, "failed")
            model.obey(step(state, Failed(node)))
        elif choice % 7 == 0 and len(model.graph) < 30:
            extra = f"x{turn}"
            model.running.remove(node)
            model.graph[extra] = Node()
            model.graph[node] = Node(
                (*model.graph[node].needs, extra), weight=model.graph[node].weight
            )
            model.obey(step(state, Extended(node, {extra: Node()}, (extra,))))
        else:
            model.end(node, "done")
            model.obey(step(state, Done(node)))
    return model


@given(graphs(), st.integers(1, 4), st.lists(st.integers(0, 40), max_size=30), st.booleans())
def test_every_run_keeps_the_rules(
    graph: dict[str, Node], slots: int, seed: list[int], keep_going: bool
) -> None:
    model = play(graph, slots, seed, keep_going=keep_going)
    assert not model.running
    assert model.ended.keys() == model.graph.keys()
    for node, how in model.ended.items():
        bad = [n for n in model.graph[node].needs if model.ended[n] != "done"]
        if how == "done":
            assert not bad
        if keep_going and how == "skipped":
            assert bad
    assert model.log == play(graph, slots, seed, keep_going=keep_going).log


@given(graphs(), st.integers(1, 4))
def test_without_failures_everything_is_done(graph: dict[str, Node], slots: int) -> None:
    model = play(graph, slots, [1], keep_going=False)
    assert set(model.ended.values()) <= {"done"}


def test_the_longest_way_to_the_end_goes_first() -> None:
    graph = {
        "leaf": Node(cost=2),
        "short": Node(cost=1),
        "long": Node(cost=1),
        "after": Node(("long",), cost=5),
    }
    _, commands = begin(graph, slots=3)
    assert commands == [Start("long"), Start("leaf"), Start("short")]


def test_a_heavy_node_is_not_overtaken_for_ever() -> None:
    graph = {"a": Node(cost=9), "heavy": Node(weight=2, cost=5), "light": Node(cost=1)}
    state, commands = begin(graph, slots=2)
    assert commands == [Start("a")]
    assert step(state, Done("a")) == [Start("heavy")]
    assert step(state, Done("heavy")) == [Start("light")]


def test_weight_above_the_limit_takes_all_slots() -> None:
    _, commands = begin({"a": Node(weight=99)}, slots=2)
    assert commands == [Start("a")]


def failing() -> tuple[State, list[Command]]:
    graph = {
        "bad": Node(cost=9),
        "good": Node(cost=8),
        "after-bad": Node(("bad",)),
        "after-both": Node(("after-bad", "good")),
        "after-good": Node(("good",)),
    }
    return begin(graph, slots=2)


def test_a_failure_stops_what_waits_and_leaves_what_runs() -> None:
    state, commands = failing()
    assert commands == [Start("bad"), Start("good")]
    assert step(state, Failed("bad")) == [
        Skip("after-bad", "bad"),
        Skip("after-both", "bad"),
        Skip("after-good", "bad"),
    ]
    assert not state.over
    assert step(state, Done("good")) == []
    assert state.over


def test_keep_going_skips_only_dependents() -> None:
    state, _ = failing()
    state.keep_going = True
    assert step(state, Failed("bad")) == [Skip("after-bad", "bad"), Skip("after-both", "bad")]
    assert step(state, Done("good")) == [Start("after-good")]


def test_an_interruption_cancels_what_runs() -> None:
    state, _ = failing()
    commands = step(state, Interrupted())
    assert commands[:2] == [Cancel("bad"), Cancel("good")]
    assert [c for c in commands[2:] if not isinstance(c, Skip)] == []
    step(state, Failed("bad"))
    assert step(state, Extended("good", {"new": Node()}, ("new",))) == [
        Skip("good", ""),
        Skip("new", ""),
    ]
    assert state.over


def test_an_extension_without_needs_ends_the_node() -> None:
    state, _ = begin({"a": Node(), "b": Node(("a",))}, slots=1)
    assert step(state, Extended("a", {"c": Node(cost=9)}, ())) == [Start("c")]
    assert step(state, Done("c")) == [Start("b")]


def test_an_extension_may_need_what_has_failed() -> None:
    state, _ = begin({"a": Node(cost=2), "b": Node(), "c": Node(("b",))}, slots=2, keep_going=True)
    step(state, Failed("a"))
    assert step(state, Extended("b", {}, ("a",))) == [Skip("b", "a"), Skip("c", "b")]
    assert state.over


@pytest.mark.parametrize(
    ("graph", "slots", "match"),
    [
        ({"a": Node(("b",))}, 1, "'a' needs 'b'"),
        ({"a": Node(("b",)), "b": Node(("a",))}, 1, "need each other"),
        ({}, 0, "at least one"),
    ],
)
def test_impossible_graphs(graph: dict[str, Node], slots: int, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        begin(graph, slots=slots)


def test_impossible_events() -> None:
    state, _ = begin({"a": Node(), "b": Node(("a",))}, slots=1)
    with pytest.raises(ValueError, match="'b' is not running"):
        step(state, Done("b"))
    with pytest.raises(ValueError, match="wait for each other"):
        step(state, Extended("a", {}, ("b",)))


def test_ten_thousand_nodes() -> None:
    graph = {f"n{i}": Node((f"n{i - 1}",) if i % 100 else ()) for i in range(10_000)}
    graph["end"] = Node(tuple(graph))
    model = play(graph, 8, [1], keep_going=False)
    assert model.log[-1] == Start("end")
