"""Ages of entries, for stores that forget nothing by themselves: a time before each value."""

import time
from collections.abc import Callable
from typing import NamedTuple

DEFAULT_TTL = 14 * 86400
"""Seconds that an entry lives after its last use, in every back end."""

_REFRESHES = 14
"""How many times in a life a use is noted, at most: a build that changes nothing writes nothing."""


class Aged(NamedTuple):
    """A value, and whether its use should be noted."""

    value: bytes
    stale: bool


class Aging:
    """Stamps values with the time of their last use. ``ttl`` in seconds, 0: they live for ever."""

    def __init__(self, ttl: int, clock: Callable[[], float] = time.time) -> None:
        """Keep the life time and the clock (seconds since 1970)."""
        self.ttl = ttl
        self._clock = clock

    def now(self) -> int:
        """Return the time, in seconds since 1970."""
        return int(self._clock())

    def seal(self, value: bytes) -> bytes:
        """Return a value stamped with the time."""
        return b"%d\n%b" % (self.now(), value)

    def open(self, data: bytes) -> Aged | None:
        """Return the value; None where it has expired. ValueError for what was never stamped."""
        stamp, newline, value = data.partition(b"\n")
        if not newline or not stamp.isdigit() or len(stamp) > 20:  # noqa: PLR2004 -- 2**64
            message = "an entry without a time"
            raise ValueError(message)
        used = int(stamp)
        return None if self.expired(used) else Aged(value, self.stale(used))

    def expired(self, used: float) -> bool:
        """Whether something last used then is gone."""
        return bool(self.ttl) and used + self.ttl < self.now()

    def stale(self, used: float) -> bool:
        """Whether a use now should be noted."""
        return bool(self.ttl) and used + self.ttl // _REFRESHES < self.now()
