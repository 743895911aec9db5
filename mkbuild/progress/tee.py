"""One reporter made of several, safe to call from many threads."""

import threading
from collections.abc import Sequence

from mkbuild.events import Event, Reporter


class Tee:
    """Hands each event to every reporter in turn, one thread at a time."""

    def __init__(self, reporters: Sequence[Reporter]) -> None:
        self._reporters = tuple(reporters)
        self._lock = threading.Lock()

    def emit(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            for reporter in self._reporters:
                reporter.emit(event)

    def close(self) -> None:
        """Close them all."""
        with self._lock:
            for reporter in self._reporters:
                reporter.close()
