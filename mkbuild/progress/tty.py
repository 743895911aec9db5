"""A live display for terminals: one line a running step; what is done scrolls away above it.

rich is imported when something first runs: a build that finds nothing to do prints its summary
without it.
"""

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from mkbuild.events import (
    Event,
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
from mkbuild.progress.columns import USUAL, columns
from mkbuild.progress.failure import Failures
from mkbuild.progress.output import Running
from mkbuild.progress.plain import reason, title
from mkbuild.progress.summary import Summary

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

_STYLES = {"red": "31", "yellow": "33", "dim": "2", "bold": "1"}
_MOST_LINES = 16
_MANY = 100
"""Of a run of more steps, those that took less than :data:`_LONG` seconds leave no line."""
_LONG = 2.0
_NEXT = {
    "load": "planning",
    "plan": "asking the caches",
    "run": "finishing images",
    "finish": "writing",
    "write": "publishing",
}
"""What a run does after one of its phases, where that shows nothing by itself."""
_FULL, _MOST_FAILURES = 3, 12
"""Failed steps shown in full, and shown at all: as much as a screen holds."""


class TerminalReporter:
    """Shows running steps with elapsed time and last line of output; counts what was cached."""

    def __init__(
        self,
        stream: TextIO,
        clock: Callable[[], float],
        *,
        colour: bool,
        verbose: bool = False,
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._colour = colour
        self._verbose = verbose
        self._running: dict[str, Running] = {}
        self._transfers: dict[tuple[str, str], Transfer] = {}
        self._summary = Summary()
        self._failures = Failures(_FULL, _MOST_FAILURES, verbose=verbose)
        self._steps = 0
        self._hits = 0
        self._ran = 0
        self._began = clock()
        self._live: Live | None = None
        self._waiting = False

    def emit(self, event: Event) -> None:
        """Show one event."""
        self._summary.see(event)
        match event:
            case RunStarted(_, steps):
                self._steps = steps
                self._began = self._clock()
            case StepStarted(step):
                for line in reason(event):
                    self._print(text.fit(line, self._width()), "dim")
                self._running[step] = Running(event, self._clock())
                self._show()
            case StepOutput(step, stream, data):
                self._running[step].feed(stream, data)
            case StepFinished():
                self._finished(event)
            case Transfer():
                self._transfer(event)
            case _:
                self._other(event)

    def close(self) -> None:
        """End the live display; what it showed last is erased."""
        self._erase()
        if self._live:
            self._live.stop()
            self._live = None

    def _other(self, event: Event) -> None:
        match event:
            case TargetFinished(target, error=error) if error:
                self._print(f"{target}: {error}", "red")
            case Published(name, digest, moved):
                if moved or self._verbose:
                    word = "pushed" if moved else "unchanged"
                    self._print(f"{word} {name} {text.short(digest)}")
            case PhaseFinished(name) if name in _NEXT:
                self._wait(_NEXT[name])
            case Message(level, words):
                if level != "debug" or self._verbose:
                    self._print(f"{level}: {words}", "yellow" if level == "warning" else "dim")
            case RunFinished(ok):
                self.close()
                *lines, closing = self._failures.closing() + self._summary.lines(event)
                if lines:
                    self._print("\n".join(lines))
                self._print(closing, "bold" if ok else "red")
            case _:
                pass

    def _finished(self, event: StepFinished) -> None:
        running = self._running.pop(event.step, None)
        if event.error:
            if running:
                running.flush()
            width = self._failures.width = self._width()
            lines = self._failures.describe(event, running.tail if running else ())
            if lines:
                head = [self._styled(line, "red") for line in text.wrap(lines[0], "", width)]
                self._print("\n".join([*head, *lines[1:]]))
        elif event.status == "ran":
            self._ran += 1
            if self._verbose or self._steps <= _MANY or event.seconds >= _LONG:
                self._print_done(event)
        else:
            self._hits += event.status in ("hit-local", "hit-remote")
            if self._verbose:
                self._print(f"{event.target} {title(event)} {event.status}", "dim")

    def _print_done(self, event: StepFinished) -> None:
        took = text.seconds(event.seconds)
        width = self._width() - len(took) - 1
        self._print(f"{text.fit(f'{event.target} {title(event)}', width)} {took}")

    def _transfer(self, event: Transfer) -> None:
        key = (event.verb, event.what)
        if event.finished:
            self._transfers.pop(key, None)
        else:
            self._transfers[key] = event
            self._show()

    def _styled(self, text: str, style: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colour and style else text

    def _wait(self, doing: str) -> None:
        """Show what goes on in a line that the next output replaces; rich is not worth it."""
        if not self._live:
            self._stream.write(f"\r\x1b[K{self._styled(f'{doing} ..', 'dim')}")
            self._stream.flush()
            self._waiting = True

    def _erase(self) -> None:
        if self._waiting:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._waiting = False

    def _print(self, line: str, style: str = "") -> None:
        self._erase()
        line = self._styled(line, style)
        if self._live:
            from rich.text import Text

            self._live.console.print(Text.from_ansi(line), soft_wrap=True)
        else:
            self._stream.write(line + "\n")
            self._stream.flush()

    def _show(self) -> None:
        if self._live:
            return
        self._erase()
        from rich.console import Console
        from rich.live import Live

        console = Console(
            file=self._stream, force_terminal=True, no_color=not self._colour, highlight=False
        )
        self._live = Live(
            get_renderable=self._render,
            console=console,
            transient=True,
            refresh_per_second=8,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._live.start()

    def _width(self) -> int:
        if self._live:
            return self._live.console.width
        return columns(self._stream, os.environ) or USUAL

    def _render(self) -> "Text":
        """Draw the live lines; called from rich's own thread, so from copies of what changes."""
        from rich.text import Text

        width = self._width() - 1
        lines: list[tuple[str, str]] = []
        now = self._clock()
        for running in list(self._running.values()):
            head = f"{text.seconds(now - running.since):>6} {running.start.target} "
            tail = f"  {running.last}" if running.last else ""
            head = text.fit(head + title(running.start), width * 3 // 5 if tail else width)
            lines.append((head, text.fit(tail, width - text.cells(head))))
        for transfer in list(self._transfers.values()):
            total = f" of {text.size(transfer.total)}" if transfer.total else ""
            tail = f"  {text.size(transfer.done)}{total}"
            head = text.fit(
                f"       {transfer.verb} {text.short(transfer.what)}", width - len(tail)
            )
            lines.append((head, tail))
        drawn = Text(no_wrap=True, overflow="crop")
        for head, tail in lines[:_MOST_LINES]:
            drawn.append(head)
            drawn.append(tail + "\n", "dim")
        if len(lines) > _MOST_LINES:
            drawn.append(f"       and {len(lines) - _MOST_LINES} more\n")
        done = self._hits + self._ran
        total = f"/{self._steps}" if self._steps else ""
        took = text.seconds(now - self._began)
        counts = f"[{done}{total}] {self._ran} ran, {self._hits} cached, {took}"
        drawn.append(text.fit(counts, width), "bold")
        return drawn
