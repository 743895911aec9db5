"""Keeps events, for the run's log and for tests."""

from collections.abc import Callable

from mkbuild.events import Event, StepOutput, Transfer


class Recorder:
    """Keeps every event with its time, except output and moving bytes: these have no end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.events: list[tuple[float, Event]] = []

    def emit(self, event: Event) -> None:
        """Keep one event."""
        match event:
            case StepOutput() | Transfer(finished=False):
                pass
            case _:
                self.events.append((self._clock(), event))

    def close(self) -> None:
        """Keep what there is."""
