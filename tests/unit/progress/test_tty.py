"""The live display, drawn into a string."""

import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from mkbuild.events import (
    Event,
    Message,
    PhaseFinished,
    StepFinished,
    StepOutput,
    StepStarted,
)
from mkbuild.progress.tty import TerminalReporter
from tests.support import builds

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def show(events: list[Event], *, colour: bool = False) -> str:
    stream = io.StringIO()
    reporter = TerminalReporter(stream, lambda: 0.0, colour=colour)
    for event in events:
        reporter.emit(event)
    reporter.close()
    return stream.getvalue()


def test_a_good_build(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = [line.rstrip() for line in ESCAPE.sub("", show(builds.good())).splitlines()]
    assert "api [build] RUN make 3.2s" in lines
    assert "warning: cache is down" in lines
    assert "pushed acme/api:1 0123456789ab" in lines
    assert lines[-1] == "built 2 images in 3.4s: 1 step ran, 2 cached"
    assert not any("WORKDIR" in line for line in lines), "cached steps are folded"


def test_a_failed_step(tmp_path: Path) -> None:
    shown = ESCAPE.sub("", show(builds.bad(tmp_path / "Dockerfile")))
    assert "  >    3 | RUN make all\n" in shown
    assert sum(line.startswith("  | line ") for line in shown.splitlines()) >= 20


def test_a_long_command_that_failed_breaks_between_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    command = f"RUN {' '.join(['word'] * 40)}"
    start = StepStarted("s", "api", "final", command, "D:3:1")
    end = StepFinished(
        "s", "api", "final", command, "D:3:1", "ran", 1.0, error=f"{command} ended with status 3"
    )
    lines = [line.rstrip() for line in ESCAPE.sub("", show([start, end])).splitlines()]
    at = next(at for at, line in enumerate(lines) if line.startswith("FAILED api [final]: D:3:1: "))
    assert all(len(line) <= 80 for line in lines)
    assert lines[at + 1].startswith("  word word")


def test_what_goes_on_before_steps_do_is_erased() -> None:
    shown = show([PhaseFinished("load", 0.1), PhaseFinished("plan", 0.1), Message("warning", "x")])
    assert shown == ("\r\x1b[Kplanning ..\r\x1b[Kasking the caches ..\r\x1b[Kwarning: x\n")
    assert show([PhaseFinished("load", 0.1)]) == "\r\x1b[Kplanning ..\r\x1b[K"


def test_running_lines_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    reporter = TerminalReporter(io.StringIO(), lambda: 0.0, colour=False)
    for number in range(30):
        reporter.emit(StepStarted(f"s{number}", "t" * 50, "stage", "RUN " + "x" * 200, "f:1"))
        reporter.emit(StepOutput(f"s{number}", 1, b"y" * 300 + b"\n"))
    lines = reporter._render().plain.splitlines()
    reporter.close()
    assert len(lines) <= 20
    assert all(len(line) < 80 for line in lines)
    assert "y" in lines[0]
    assert "and 14 more" in lines[-2]


def test_why_a_step_runs_in_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    start = StepStarted("s", "api", "final", "RUN make", "D:3:1", "a.c: " + "x" * 100)
    lines = [line.rstrip() for line in ESCAPE.sub("", show([start])).splitlines()]
    (line,) = (line for line in lines if line.startswith("api ? D:3:1: a.c: xxx"))
    assert len(line) <= 80


def test_no_colour_without_being_asked() -> None:
    colours = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|9\d|4\d)m")
    assert not colours.search(show(builds.good()))
    assert colours.search(show(builds.good(), colour=True))


def test_nothing_to_do_needs_no_rich() -> None:
    code = (
        "import sys, io\n"
        "from tests.support import builds\n"
        "from mkbuild.progress.tty import TerminalReporter\n"
        "reporter = TerminalReporter(sys.stdout, lambda: 0.0, colour=True)\n"
        "for event in builds.nothing_to_do(): reporter.emit(event)\n"
        "reporter.close()\n"
        "assert not [name for name in sys.modules if name.split('.')[0] == 'rich']\n"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert "up to date: 1 image" in done.stdout
