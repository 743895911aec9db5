"""Trying again: bounded, with growing pauses, visibly."""

import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from time import time
from typing import TypeAlias, TypeVar

from mkbuild.errors import RegistryError
from mkbuild.events import Message, Transfer
from mkbuild.registry.config import RegistrySettings

T = TypeVar("T")

Report: TypeAlias = Callable[[Transfer | Message], None]
"""Shown to the user; called from any thread."""

Pause: TypeAlias = Callable[[float], object]
"""Waits some seconds; may raise to cancel."""

STATUSES = frozenset({408, 429, 500, 502, 503, 504})
"""Answers that another attempt may better."""

_DIGITS = 19
_LONGEST_WISH = 120.0
"""Longest Retry-After that is obeyed, in seconds: above, the failure is final."""


class TransientError(RegistryError):
    """A failure that another attempt may better; ``after``: seconds the registry asked to wait."""

    def __init__(
        self, message: str, *, after: float | None = None, hint: str | None = None
    ) -> None:
        super().__init__(message, hint=hint)
        self.after = after


class UnavailableError(RegistryError):
    """A registry that cannot be reached, or fails time and again: others may stand in for it."""


def retry(settings: RegistrySettings, report: Report, pause: Pause, attempt: Callable[[], T]) -> T:
    """Call ``attempt`` until it succeeds, fails for good, or has failed too often.

    Raises UnavailableError with the last failure.
    """
    delay, number = settings.retry_interval, 0
    while True:
        try:
            return attempt()
        except TransientError as error:
            wish = error.after or 0.0
            number += 1
            if number > settings.retries or wish > _LONGEST_WISH:
                why = (
                    f"asked to wait {wish:.0f} s"
                    if wish > _LONGEST_WISH
                    else f"tried {number} times"
                )
                raise UnavailableError(f"{error.message} ({why})", hint=error.hint) from error
            # Jitter on top of what was asked for, below what is our own choice.
            low, high = (1.0, 1.1) if error.after is not None else (0.5, 1.0)
            base = wish if error.after is not None else delay
            seconds = base * random.uniform(low, high)  # noqa: S311
            report(
                Message(
                    "info",
                    f"{error.message}; attempt {number + 1} of {settings.retries + 1}"
                    f" in {seconds:.1f} s",
                )
            )
            pause(seconds)
            delay = min(delay * settings.retry_backoff, settings.retry_backoff_max)


def retry_after(header: str | None, clock: Callable[[], float] = time) -> float | None:
    """Read a Retry-After header (RFC 9110, 10.2.3): seconds or a date; None where unreadable."""
    if header is None:
        return None
    seconds = whole_number(header.strip())
    if seconds is not None:
        return float(seconds)
    try:
        return max(0.0, parsedate_to_datetime(header).timestamp() - clock())
    except (ValueError, OverflowError):
        return None


def whole_number(text: str | None) -> int | None:
    """Read a whole number of a header; None where it is none, or longer than any that is meant."""
    return int(text) if text and text.isdecimal() and len(text) < _DIGITS else None
