"""Plain lines: for pipes, logs and dumb terminals. Stable, without colour, one line an event."""

from typing import TextIO, assert_never

from mkbuild.events import (
    Event,
    LayerFinished,
    Message,
    PhaseFinished,
    Published,
    RunFinished,
    RunStarted,
    StepFinished,
    StepOutput,
    StepStarted,
    TargetFinished,
    Transfer,
)
from mkbuild.progress import text
from mkbuild.progress.failure import Failures
from mkbuild.progress.output import Running
from mkbuild.progress.summary import Summary

_TITLE = 72
"""An instruction is shown whole where it starts, this much of it where it ends."""


def title(step: StepStarted | StepFinished) -> str:
    """Name a step: its stage, where it has one, and its instruction on one line."""
    stage = f"[{step.stage}] " if step.stage else ""
    return stage + text.one_line(step.instruction)


def reason(step: StepStarted) -> list[str]:
    """Say in a line why a step runs, where it is known."""
    return [f"{step.target} ? {step.location}: {text.one_line(step.why)}"] if step.why else []


class PlainReporter:
    """Writes one line an event; cached steps only where ``verbose``."""

    def __init__(self, stream: TextIO, *, verbose: bool = False) -> None:
        self._stream = stream
        self._verbose = verbose
        self._running: dict[str, Running] = {}
        self._summary = Summary()
        self._failures = Failures(verbose=verbose)

    def emit(self, event: Event) -> None:
        """Show one event."""
        self._summary.see(event)
        lines = self._lines(event)
        if lines:
            self._stream.write("".join(f"{line}\n" for line in lines))
            self._stream.flush()

    def close(self) -> None:
        """Leave the stream as it is: nothing is held back."""

    def _lines(self, event: Event) -> list[str]:
        match event:
            case StepStarted(step, target):
                self._running[step] = Running(event, 0.0)
                return [*reason(event), f"{target} > {title(event)}"]
            case StepOutput(step, stream, data):
                running = self._running[step]
                return self._prefixed(running, running.feed(stream, data))
            case StepFinished():
                return self._finished(event)
            case TargetFinished():
                return self._target(event)
            case RunFinished():
                return self._failures.closing() + self._summary.lines(event)
            case _:
                return self._other(event)

    def _target(self, event: TargetFinished) -> list[str]:
        if event.error:
            return [f"{event.target}: {event.error}"]
        if not event.ran and not self._verbose:
            return []
        steps, took = text.count(event.steps, "step"), text.seconds(event.seconds)
        return [f"{event.target} = {event.digest} ({steps}, {event.ran} ran, {took})"]

    def _other(
        self, event: RunStarted | Transfer | Published | Message | LayerFinished | PhaseFinished
    ) -> list[str]:
        line = ""
        match event:
            case RunStarted(targets, steps, jobs):
                if self._verbose:
                    parts = (len(targets), "image"), (steps, "step"), (jobs, "job")
                    line = ", ".join(text.count(*part) for part in parts)
            case Transfer(verb, what, done, finished=finished):
                if finished:
                    line = f"{verb} {text.short(what)} {text.size(done)}"
            case Published(name, digest, moved):
                if moved or self._verbose:
                    line = f"{'pushed' if moved else 'unchanged'} {name} {digest}"
            case Message(level, words):
                if level != "debug" or self._verbose:
                    line = f"{level}: {words}"
            case LayerFinished() | PhaseFinished():
                pass  # for records and traces
            case _:
                assert_never(event)
        return [line] if line else []

    def _finished(self, event: StepFinished) -> list[str]:
        running = self._running.pop(event.step, None)
        lines = self._prefixed(running, running.flush()) if running else []
        if event.error:
            return lines + self._failures.describe(event, running.tail if running else ())
        if event.status == "ran":
            done = f"{text.fit(title(event), _TITLE)} {text.seconds(event.seconds)}"
            return [*lines, f"{event.target} < {done}"]
        if self._verbose:
            lines.append(f"{event.target} = {title(event)} {event.status}")
        return lines

    def _prefixed(self, running: Running, lines: list[str]) -> list[str]:
        return [f"{running.start.target} | {line}" for line in lines]
