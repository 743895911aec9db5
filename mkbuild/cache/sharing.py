"""Sharing results in the background: as soon as they exist, without a step waiting for it."""

import queue
import threading
import time
from collections.abc import Callable

from mkbuild.cache.health import Health
from mkbuild.cache.patience import Patience

_WORKERS = 2
_QUEUE = 10_000
_RATE = 2 << 20
"""Bytes a second that any cache worth waiting for takes."""
_PER_JOB = 0.02


class Sharing:
    """Runs jobs for one shared cache in daemon threads, which begin with the first job."""

    def __init__(self, health: Health) -> None:
        """Begin without threads."""
        self._health = health
        self._jobs: queue.Queue[tuple[Callable[[], None], int]] = queue.Queue(_QUEUE)
        self._changed = threading.Condition()
        self._pending = 0
        self._bytes = 0
        self._threads = 0

    def submit(self, job: Callable[[], None], size: int = 0) -> None:
        """Run a job soon; ``size``: bytes that it may move. Jobs never raise."""
        if not self._health.usable:
            return
        with self._changed:
            self._pending += 1
            self._bytes += size
            if self._threads < _WORKERS:
                self._threads += 1
                threading.Thread(target=self._work, daemon=True).start()
        try:
            self._jobs.put_nowait((job, size))
        except queue.Full:
            self._done(size)
            self._health.complain(f"{self._health.name} falls behind: not all is shared")

    def flush(self, patience: Patience) -> None:
        """Wait until all is shared, or waiting has become unreasonable (a warning says so).

        Reasonable is what patience is left, and the time that a cache needs which takes 2 MiB and
        50 entries a second.
        """
        with self._changed:
            if not self._pending:
                return
            started = time.monotonic()
            allowed = self._bytes / _RATE + self._pending * _PER_JOB
            deadline = started + allowed + patience.left
            while self._pending:
                remaining = deadline - time.monotonic()
                if remaining <= 0:
                    break
                self._changed.wait(remaining)
            waited, left = time.monotonic() - started, self._pending
        patience.spend(max(0.0, waited - allowed))
        if left:
            message = f"it is slow, {left} results are not shared"
            self._health.fail(TimeoutError(message))

    def _work(self) -> None:
        while True:
            job, size = self._jobs.get()
            try:
                # After a failure the rest is dropped at once, so that nobody waits for it.
                if self._health.usable:
                    job()
            finally:
                self._done(size)

    def _done(self, size: int) -> None:
        with self._changed:
            self._pending -= 1
            self._bytes -= size
            self._changed.notify_all()
