"""Work that many threads want at once and that is done once."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class InFlight:
    """Whoever comes while the same work is under way waits for its end, and shares its failure."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[None]] = {}

    def run(self, key: Hashable, action: Callable[[], None]) -> None:
        """Do the work of a key, or wait for the one who does."""
        with self._lock:
            future = self._running.get(key)
            mine = future is None
            if future is None:
                future = self._running[key] = Future()
        if not mine:
            future.result()
            return
        try:
            action()
        except BaseException as error:
            future.set_exception(error)
            raise
        else:
            future.set_result(None)
        finally:
            with self._lock:
                del self._running[key]
