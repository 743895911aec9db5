"""How long a run waits for its shared caches, all in all: then it goes on without them."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from mkbuild.cache.parallel import Late, within

_R = TypeVar("_R")

TOTAL_SECONDS = 8.0
"""What caches may cost a run at most: a build with them ends 10 s later than one without."""

_CALL_SECONDS = 4.0
_FREE_SECONDS, _FREE_PER_QUESTION = 0.2, 0.002
"""What a call may take without being counted: a healthy store is not given up for many calls."""


class Patience:
    """The seconds that a run still has for waiting. Safe to share between threads."""

    def __init__(self, seconds: float = TOTAL_SECONDS) -> None:
        """Begin with some seconds."""
        self._left = seconds
        self._lock = threading.Lock()

    @property
    def left(self) -> float:
        """Seconds that are left; 0 when all patience is lost."""
        return max(self._left, 0.0)

    def spend(self, seconds: float) -> None:
        """Count time that was waited in vain."""
        with self._lock:
            self._left -= seconds

    def call(self, function: Callable[[], _R], questions: int = 1) -> _R:
        """Call a function, waiting no longer than is reasonable; raises Late (an OSError).

        ``questions``: how many keys it looks up, which may be a request each.
        """
        free = _FREE_SECONDS + questions * _FREE_PER_QUESTION
        limit = min(_CALL_SECONDS, self.left) + free
        if not self.left:
            message = "too much time was lost with it"
            raise Late(message)
        started = time.monotonic()
        try:
            return within(limit, function)
        finally:
            self.spend(max(0.0, time.monotonic() - started - free))
