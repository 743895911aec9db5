"""Keeps events, for the run's log, its reports and tests."""

from collections.abc import Callable

from mkbuild.events import Event, StepFinished, StepOutput, StepStarted, Transfer
from mkbuild.progress.output import Running


class Recorder:
    """Keeps every event with its time, except output and moving bytes: these have no end.

    Of bytes that move, the first event and the last are kept; of output, the end of what each
    step that failed printed: ``tails``, lines by step.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._running: dict[str, Running] = {}
        self._moving: set[tuple[str, str]] = set()
        self.events: list[tuple[float, Event]] = []
        self.tails: dict[str, tuple[str, ...]] = {}

    def emit(self, event: Event) -> None:
        """Keep one event."""
        match event:
            case StepOutput(step, stream, data):
                self._running[step].feed(stream, data)
                return
            case StepStarted(step):
                self._running[step] = Running(event, 0.0)
            case StepFinished(step, error=error):
                self._end(step, failed=bool(error))
            case Transfer(verb, what, finished=finished):
                known = (verb, what) in self._moving
                if finished:
                    self._moving.discard((verb, what))
                elif known:
                    return
                else:
                    self._moving.add((verb, what))
            case _:
                pass
        self.events.append((self._clock(), event))

    def _end(self, step: str, *, failed: bool) -> None:
        running = self._running.pop(step, None)
        if running and failed:
            running.flush()
            self.tails[step] = tuple(running.tail)

    def close(self) -> None:
        """Keep what there is."""
