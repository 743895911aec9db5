"""How far a blob has come that is being written: for who reads it at the same time."""

import sys
import threading

from mkbuild.digest import Digest
from mkbuild.frozen import frozen

_NOBODY = sys.maxsize


@frozen
class Whole:
    """What is known of a blob when its last byte is written."""

    digest: Digest
    size: int


class Growth:
    """Told by one writer, waited for by any number of readers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._size = 0
        self._wake_at = _NOBODY
        self.whole: Whole | None = None
        """Known after the last byte, before the blob is in its place."""
        self._published: bool | None = None

    def advance(self, size: int) -> None:
        """Tell that so many bytes are written."""
        # Without the lock as long as nobody waits for so little: most blobs are never followed. A
        # reader says first what it waits for, and looks then; so one of the two sees the other.
        self._size = size
        if size > self._wake_at:
            with self._changed:
                self._wake_at = _NOBODY
                self._changed.notify_all()

    def seal(self, whole: Whole) -> None:
        """Tell that there is no more to come."""
        with self._changed:
            self.whole = whole
            self._changed.notify_all()

    def end(self, *, published: bool) -> None:
        """Tell that the blob is in its place, or given up. The first word counts."""
        with self._changed:
            if self._published is None:
                self._published = published
            self._changed.notify_all()

    def wait(self, size: int) -> int:
        """Wait for more than ``size`` bytes, or the end; returns how many there are."""
        with self._changed:
            self._changed.wait_for(lambda: self._reached(size))
            return self._size

    def _reached(self, size: int) -> bool:
        self._wake_at = min(self._wake_at, size)
        return self._size > size or self.whole is not None or self._published is not None

    def finish(self) -> Whole | None:
        """Wait until the blob is in its place; None where it was given up."""
        with self._changed:
            self._changed.wait_for(lambda: self._published is not None)
            return self.whole if self._published else None
