"""The threads that drive the machine."""

import os
import signal
import threading

import pytest

from mkbuild.errors import CancelledError, StepError
from mkbuild.schedule.local import More, first_error, run
from mkbuild.schedule.machine import Node


def test_runs_in_order_and_in_parallel() -> None:
    both = threading.Barrier(2, timeout=30)
    seen: list[str] = []

    def execute(node: str) -> None:
        if node in ("left", "right"):
            both.wait()  # passes only where the two run side by side
        seen.append(node)

    graph = {
        "base": Node(),
        "left": Node(("base",)),
        "right": Node(("base",)),
        "top": Node(("left", "right")),
    }
    outcome = run(graph, execute, jobs=2)
    assert outcome.ok
    assert seen[0] == "base"
    assert seen[-1] == "top"
    assert set(outcome.done) == set(graph)


def test_never_more_than_jobs() -> None:
    running = 0
    most = 0
    lock = threading.Lock()

    def execute(_node: str) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    run({str(i): Node() for i in range(200)}, execute, jobs=3)
    assert 1 <= most <= 3


def test_an_empty_graph_starts_no_thread() -> None:
    before = threading.active_count()
    assert run({}, lambda _node: None, jobs=4).ok
    assert threading.active_count() == before


def test_threads_are_gone_afterwards() -> None:
    before = threading.active_count()
    run({"a": Node(), "b": Node()}, lambda _node: None, jobs=2)
    assert threading.active_count() == before


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_failure(keep_going: bool) -> None:
    error = StepError("no")
    skips: list[tuple[str, str]] = []

    def execute(node: str) -> None:
        if node == "bad":
            raise error

    outcome = run(
        {"bad": Node(cost=9), "after": Node(("bad",)), "other": Node()},
        execute,
        jobs=1,
        keep_going=keep_going,
        on_skip=lambda node, because: skips.append((node, because)),
    )
    assert outcome.failed == {"bad": error}
    assert outcome.skipped == dict(skips)
    assert ("after", "bad") in skips
    assert outcome.done == (("other",) if keep_going else ())
    assert first_error(outcome) is error


def test_a_node_asks_for_more() -> None:
    seen: list[str] = []

    def execute(node: str) -> More | None:
        seen.append(node)
        if node == "a" and len(seen) == 1:
            return More({"b": Node()}, ("b",))
        if node == "b":
            return More({"c": Node()})
        return None

    outcome = run({"a": Node()}, execute, jobs=1)
    assert outcome.ok
    assert sorted(outcome.done) == ["a", "b", "c"]
    assert seen[:2] == ["a", "b"]


def test_no_signal_is_missed() -> None:
    """However close it comes to the moment at which the main thread begins to wait."""
    for _ in range(500):
        cancelled = threading.Event()

        def execute(_node: str, cancelled: threading.Event = cancelled) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            assert cancelled.wait(30)

        assert run({"a": Node()}, execute, jobs=2, on_cancel=cancelled.set).interrupted


def test_a_signal_that_finds_nothing_left_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def join(_workers: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("mkbuild.schedule.local._Workers.join", join)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run({"a": Node()}, lambda _: None, jobs=1)
    assert signal.getsignal(signal.SIGINT) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_what_runs(number: signal.Signals) -> None:
    cancelled = threading.Event()
    cancel = threading.Event()

    def execute(_node: str) -> None:
        os.kill(os.getpid(), number)
        assert cancelled.wait(30)
        raise CancelledError("interrupted")

    before = signal.getsignal(number)
    outcome = run(
        {"a": Node(), "b": Node(("a",))},
        execute,
        jobs=2,
        on_cancel=cancelled.set,
        cancel=cancel,
    )
    assert outcome.interrupted
    assert cancel.is_set()
    assert outcome.skipped == {"b": ""}
    assert isinstance(first_error(outcome), CancelledError)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_that_is_ignored_cancels_nothing(number: signal.Signals) -> None:
    before = signal.signal(number, signal.SIG_IGN)
    try:
        outcome = run({"a": Node()}, lambda _: os.kill(os.getpid(), number), jobs=1)
    finally:
        signal.signal(number, before)
    assert outcome.done == ("a",)
    assert not outcome.interrupted


def test_the_second_signal_is_hard() -> None:
    release = threading.Event()

    def execute(_node: str) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        release.wait(30)

    try:
        with pytest.raises(KeyboardInterrupt):
            run(
                {"a": Node()},
                execute,
                jobs=1,
                on_cancel=lambda: os.kill(os.getpid(), signal.SIGINT),
            )
    finally:
        release.set()


def test_cancel_set_by_somebody_else() -> None:
    cancel = threading.Event()
    outcome = run({"a": Node(), "b": Node(("a",))}, lambda _n: cancel.set(), jobs=1, cancel=cancel)
    assert outcome.interrupted
    assert outcome.done == ("a",)
