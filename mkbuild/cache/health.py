"""Whether a store is still worth asking: after its first failure it is left alone for the run."""

import threading
from collections.abc import Callable


class Health:
    """The state of one store, shared by all that use it. Safe to share between threads.

    ``name`` is how messages call the store; ``warn`` is told of the first thing that goes wrong,
    and of nothing after that.
    """

    def __init__(self, name: str, warn: Callable[[str], None]) -> None:
        """Begin in good health."""
        self.name = name
        self.usable = True
        self._warn = warn
        self._warned = False
        self._lock = threading.Lock()

    def fail(self, error: Exception) -> None:
        """Give the store up."""
        self.usable = False
        self.complain(f"{self.name} is not used any more in this run: {error}")

    def retire(self) -> None:
        """Give the store up without a word: the run is over, and what still goes on is cut off."""
        with self._lock:
            self.usable, self._warned = False, True

    def complain(self, message: str) -> None:
        """Tell of something that is wrong with the store, though it can still be used."""
        with self._lock:
            first, self._warned = not self._warned, True
        if first:
            self._warn(message)
