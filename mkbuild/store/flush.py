"""Files written out while they grow: so that making one durable, in the end, does not take long."""

import os
import threading

_STEP = 32 << 20
"""Bytes that are worth to be written out: a disk takes some tens of milliseconds for them."""


class Flush:
    """Writes a file out in a thread of its own, each time that it has grown enough."""

    def __init__(self, descriptor: int) -> None:
        """Bind to a file; the descriptor stays the caller's."""
        self._descriptor = descriptor
        self._at = 0
        self._thread: threading.Thread | None = None
        self._error: OSError | None = None

    def advance(self, size: int) -> None:
        """Tell that the file has so many bytes."""
        if size - self._at >= _STEP and (self._thread is None or not self._thread.is_alive()):
            self._at = size
            self._thread = threading.Thread(target=self._run, name="flush", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._error = error

    def wait(self) -> None:
        """Wait for what is under way, before the descriptor is closed."""
        if self._thread is not None:
            self._thread.join()

    def finish(self) -> None:
        """Make the whole file durable; raises OSError where any part of it could not be written."""
        self.wait()
        # The kernel tells a descriptor of a failed write once: the next fdatasync may not know.
        if self._error is not None:
            raise self._error
        os.fdatasync(self._descriptor)
