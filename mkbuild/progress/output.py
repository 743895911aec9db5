"""What running steps print, cut into lines, the last of them kept."""

from collections import deque
from dataclasses import dataclass, field

from mkbuild.events import StepStarted
from mkbuild.progress import text

TAIL = 30
"""Lines kept of each running step, shown where it fails."""
_LONGEST = 64 * 1024
"""A line without an end is cut here, so that a step that prints no newline needs no memory."""


@dataclass(slots=True)
class Running:
    """One running step: what it is, since when, its last lines."""

    start: StepStarted
    since: float
    tail: deque[str] = field(default_factory=lambda: deque(maxlen=TAIL))
    _partial: dict[int, bytes] = field(default_factory=dict)

    @property
    def last(self) -> str:
        """The last line it printed."""
        return self.tail[-1] if self.tail else ""

    def feed(self, stream: int, data: bytes) -> list[str]:
        """Take output in; returns the lines that it completes, made safe to show."""
        *whole, rest = (self._partial.get(stream, b"") + data).split(b"\n")
        if len(rest) > _LONGEST:
            whole.append(rest)
            rest = b""
        self._partial[stream] = rest
        return self._keep(whole)

    def flush(self) -> list[str]:
        """Return what was printed without a newline at its end."""
        rests = [rest for rest in self._partial.values() if rest]
        self._partial.clear()
        return self._keep(rests)

    def _keep(self, lines: list[bytes]) -> list[str]:
        shown = [text.clean(line.decode("utf-8", "replace")) for line in lines]
        self.tail.extend(shown)
        return shown
