"""What is kept for the log."""

from pathlib import Path

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
    assert {type(event) for event in left_out} == {StepOutput}
    assert {time for time, _ in second.events} == {2.5}
    assert first.tails == {}


def test_of_a_transfer_keeps_the_first_and_the_last() -> None:
    recorder = Recorder(lambda: 0.0)
    for done in (1, 2, 3):
        recorder.emit(Transfer("pull", "a", done, 3))
        recorder.emit(Transfer("pull", "b", done, 3))
    recorder.emit(Transfer("pull", "a", 3, 3, finished=True))
    recorder.emit(Transfer("pull", "a", 1, 3))
    kept = [(t.what, t.done, t.finished) for _, t in recorder.events if isinstance(t, Transfer)]
    assert kept == [("a", 1, False), ("b", 1, False), ("a", 3, True), ("a", 1, False)]


def test_keeps_the_end_of_what_a_failed_step_printed(tmp_path: Path) -> None:
    recorder = Recorder(lambda: 0.0)
    for event in builds.bad(tmp_path / "Dockerfile"):
        recorder.emit(event)
    assert list(recorder.tails) == ["s1"]
    assert recorder.tails["s1"][-2:] == ("line 59", "the end")
    assert len(recorder.tails["s1"]) == 30
