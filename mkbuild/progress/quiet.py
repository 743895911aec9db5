"""Says nothing but what went wrong."""

from typing import TextIO

from mkbuild.events import Event, Message, StepFinished, StepOutput, StepStarted
from mkbuild.progress.failure import Failures
from mkbuild.progress.output import Running


class QuietReporter:
    """Writes failed steps and warnings."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._running: dict[str, Running] = {}
        self._failures = Failures()

    def emit(self, event: Event) -> None:
        """Show one event, if it is bad news."""
        match event:
            case StepStarted(step):
                self._running[step] = Running(event, 0.0)
            case StepOutput(step, stream, data):
                self._running[step].feed(stream, data)
            case StepFinished(step, error=error):
                running = self._running.pop(step, None)
                if error:
                    if running:
                        running.flush()
                    self._write(self._failures.describe(event, running.tail if running else ()))
            case Message("warning", words):
                self._write([f"warning: {words}"])
            case _:
                pass

    def close(self) -> None:
        """Leave the stream as it is: nothing is held back."""

    def _write(self, lines: list[str]) -> None:
        self._stream.write("".join(f"{line}\n" for line in lines))
        self._stream.flush()
