"""Records: what events come to. Those of real runs are in tests/integration/test_reports.py."""

from typing import Any

from mkbuild.engine.record import _timing, describe
from mkbuild.errors import CancelledError, DockerfileError
from mkbuild.events import (
    Event,
    LayerFinished,
    PhaseFinished,
    Published,
    StepFinished,
    StepOutput,
    StepStarted,
    Transfer,
)
from mkbuild.location import Location
from mkbuild.plan.sides import Side
from mkbuild.progress.recorder import Recorder

STARTED = 1_700_000_000.0
RUN = ("s1", "api", "", "RUN make", "Dockerfile:3:1")


class Clock:
    """Says what it is told."""

    now = STARTED

    def __call__(self) -> float:
        return self.now


def recorder(*events: tuple[float, Event]) -> Recorder:
    """Record events at seconds since the start."""
    clock = Clock()
    found = Recorder(clock)
    for at, event in events:
        clock.now = STARTED + at
        found.emit(event)
    return found


def described(events: Recorder, error: BaseException | None = None) -> dict[str, Any]:
    return describe(
        started=STARTED,
        error=error,
        directory="/w",
        workspace="/w",
        arguments=["all"],
        git={"sha": None, "dirty": None},
        wanted=["api"],
        images=(),
        resolution=None,
        side=Side(),
        why={},
        targets={},
        recorder=events,
    )


def test_what_took_time() -> None:
    found = described(
        recorder(
            (0.5, PhaseFinished("load", 0.5)),
            (1.0, Transfer("push", "sha256:a", 10, 30)),
            (1.25, Transfer("push", "sha256:b", 1, 1)),
            (1.5, Transfer("push", "sha256:a", 20, 30)),
            (2.0, Transfer("push", "sha256:a", 30, 30, finished=True)),
            (3.0, LayerFinished("s1", "api", "sha256:a", 30, 0.75)),
            (4.0, Published("acme/api:1", "sha256:m", moved=True)),
        )
    )
    assert found["phases"] == [{"name": "load", "begin": 0.0, "seconds": 0.5}]
    assert found["transfers"] == [
        {"verb": "push", "what": "sha256:a", "size": 30, "begin": 1.0, "seconds": 1.0}
    ]
    assert found["layers"] == [
        {
            "step": "s1",
            "target": "api",
            "digest": "sha256:a",
            "size": 30,
            "begin": 2.25,
            "seconds": 0.75,
        }
    ]
    assert found["published"] == [{"name": "acme/api:1", "digest": "sha256:m", "moved": True}]
    assert found["ok"]
    assert found["started"] == "2023-11-14T22:13:20Z"


def test_how_a_run_ended() -> None:
    broken = DockerfileError("no such stage", location=Location("Dockerfile", 3))
    found = described(recorder(), broken)
    assert (found["ok"], found["error"], found["place"]) == (False, "no such stage", "Dockerfile:3")
    for interrupted in (CancelledError("cancelled"), KeyboardInterrupt()):
        assert described(recorder(), interrupted)["error"] == "interrupted"
    assert described(recorder(), ZeroDivisionError())["error"] == "ZeroDivisionError"


def test_a_step_that_failed() -> None:
    events = recorder(
        (1.0, StepStarted(*RUN)),
        (1.5, StepOutput("s1", 1, b"one\ntwo")),
        (3.0, StepFinished(*RUN, "ran", 1.75, error="exit status 2")),
    )
    assert _timing(events, STARTED)["s1"] == {
        "status": "failed",
        "source": "",
        "begin": 1.25,
        "seconds": 1.75,
        "error": "exit status 2",
        "output": ["one", "two"],
    }


def test_a_step_that_was_left_behind_began_all_the_same() -> None:
    step = _timing(recorder((1.0, StepStarted(*RUN))), STARTED)["s1"]
    assert (step["status"], step["begin"]) == ("skipped", 1.0)
    assert step["seconds"] > 1000


def test_the_last_attempt_counts() -> None:
    events = recorder(
        (1.0, StepFinished(*RUN, "skipped", 0.5)),
        (3.0, StepFinished(*RUN, "hit-remote", 0.0, source="redis")),
    )
    assert _timing(events, STARTED)["s1"] == {
        "status": "hit-remote",
        "source": "redis",
        "begin": 3.0,
        "seconds": 0.0,
    }
