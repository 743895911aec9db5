"""What is kept for the log."""

from mkbuild.events import StepOutput, Transfer
from mkbuild.progress.recorder import Recorder
from mkbuild.progress.tee import Tee
from tests.support import builds


def test_keeps_all_but_output() -> None:
    first, second = Recorder(lambda: 1.5), Recorder(lambda: 2.5)
    tee = Tee([first, second])
    for event in builds.good():
        tee.emit(event)
    tee.close()
    kept = [event for _, event in first.events]
    assert kept == [event for _, event in second.events]
    left_out = [event for event in builds.good() if event not in kept]
    assert {type(event) for event in left_out} == {StepOutput, Transfer}
    assert {time for time, _ in second.events} == {2.5}
