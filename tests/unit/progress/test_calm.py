"""Builds that follow each other: what is left out of their reports."""

from mkbuild.events import RunFinished, TargetFinished
from mkbuild.progress.calm import CalmReporter
from mkbuild.progress.recorder import Recorder
from tests.support.builds import good


def test_summaries_are_left_out() -> None:
    every, calm = Recorder(lambda: 0.0), Recorder(lambda: 0.0)
    reporter = CalmReporter(calm)
    for event in good():
        every.emit(event)
        reporter.emit(event)
    reporter.close()
    kept = [event for _, event in calm.events]
    left_out = [event for _, event in every.events if event not in kept]
    assert {type(event) for event in left_out} == {RunFinished, TargetFinished}
