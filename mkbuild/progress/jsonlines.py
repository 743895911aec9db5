r"""Events as JSON, one object a line; the field ``event`` says which, the rest is the event's own.

Names are those of ``mkbuild.events``: ``StepStarted`` is ``step-started``. Output is text; bytes
that are not UTF-8 stand as ``\xNN``. ``time`` is in seconds since 1970.
"""

import json
import re
from collections.abc import Callable
from dataclasses import fields
from typing import TextIO

from mkbuild.events import Event

_INNER_CAPITAL = re.compile(r"(?<!^)(?=[A-Z])")


def name_of(kind: type) -> str:
    """Name a kind of event."""
    return _INNER_CAPITAL.sub("-", kind.__name__).lower()


def encode(event: Event) -> dict[str, object]:
    """Return an event as what JSON can hold."""
    record: dict[str, object] = {"event": name_of(type(event))}
    for item in fields(event):
        value = getattr(event, item.name)
        record[item.name] = (
            value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
        )
    return record


class JsonReporter:
    """Writes every event as one line of JSON."""

    def __init__(self, stream: TextIO, clock: Callable[[], float]) -> None:
        self._stream = stream
        self._clock = clock

    def emit(self, event: Event) -> None:
        """Write one event."""
        record = encode(event) | {"time": round(self._clock(), 6)}
        self._stream.write(json.dumps(record, separators=(",", ":")) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Leave the stream as it is: nothing is held back."""
