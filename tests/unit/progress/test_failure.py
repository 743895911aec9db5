"""Many failed steps stay readable."""

import io
import re

import pytest

from mkbuild.events import Event, RunFinished, RunStarted, StepFinished, StepOutput, StepStarted
from mkbuild.progress.plain import PlainReporter
from mkbuild.progress.quiet import QuietReporter
from mkbuild.progress.tty import TerminalReporter

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def failing(count: int) -> list[Event]:
    events: list[Event] = [RunStarted(tuple(f"t{n}" for n in range(count)), count, 2)]
    for number in range(count):
        step = (f"s{number}", f"t{number}", "", "RUN make", f"t{number}/Dockerfile:3")
        events += [
            StepStarted(*step),
            StepOutput(step[0], 2, b"boom\nbang\n"),
            StepFinished(*step, "ran", 1.0, error="ended with exit status 3"),
        ]
    return [*events, RunFinished(ok=False, seconds=2.0, ran=0, hits=0, skipped=0)]


def shown(reporter: type, count: int, **settings: object) -> list[str]:
    stream = io.StringIO()
    made = reporter(stream, **settings)
    for event in failing(count):
        made.emit(event)
    made.close()
    return ESCAPE.sub("", stream.getvalue()).splitlines()


def test_a_terminal_shows_a_screenful() -> None:
    settings = {"clock": lambda: 0.0, "colour": False}
    lines = shown(TerminalReporter, 50, **settings)
    assert sum(line == "  | bang" for line in lines) == 3
    assert sum(line.startswith("FAILED ") for line in lines) == 12
    assert lines[-2] == "(and 38 failed steps more; -v shows the output of all)"
    assert lines[-1] == "failed after 2.0s: steps: 50 failed, 0 ran, 0 cached"
    lines = shown(TerminalReporter, 50, verbose=True, **settings)
    assert sum(line == "  | bang" for line in lines) == 50


@pytest.mark.parametrize("reporter", [PlainReporter, QuietReporter])
def test_a_log_names_all_and_shows_the_first_in_full(reporter: type) -> None:
    lines = shown(reporter, 50)
    assert [line.split()[1] for line in lines if line.startswith("FAILED ")] == [
        f"t{number}:" for number in range(50)
    ]
    assert sum(line == "  | bang" for line in lines) == 20


def test_few_need_no_word() -> None:
    assert not [line for line in shown(PlainReporter, 3) if "-v" in line]
    assert "(-v shows the output of all)" in shown(PlainReporter, 21)
