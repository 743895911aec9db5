"""What mkbuild is to reach, row by row, and whether it does (pure)."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.results import Row
from benchmarks.statistics import last_exponent, median, paired_ratio

Rows = Mapping[str, Row]
OURS, PEER = "mkbuild", "buildkit"
_MEMORY = 256 << 20
_LINEAR = 1.1


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was measured, in words, and whether that is enough; None where it can't be said."""

    text: str
    met: bool | None


class Target(Protocol):
    """One thing to reach; ``row`` is the row that it is about."""

    @property
    def row(self) -> str:
        """The name of the row, as ``Workload.row`` has it."""

    @property
    def wanted(self) -> str:
        """What is to be reached."""

    def judge(self, rows: Rows) -> Verdict:
        """Hold the target against measurements."""


_UNKNOWN = Verdict("not measured", None)


@dataclass(frozen=True, slots=True)
class Faster:
    """So many times faster than BuildKit, in the same rounds."""

    row: str
    times: float

    @property
    def wanted(self) -> str:
        """The factor."""
        return "no slower than BuildKit" if self.times == 1 else f"≥ {self.times:g} × BuildKit"

    def judge(self, rows: Rows) -> Verdict:
        """Compare round by round."""
        row = rows.get(self.row)
        ratio = paired_ratio(row.seconds(OURS), row.seconds(PEER)) if row else math.nan
        return _UNKNOWN if math.isnan(ratio) else Verdict(f"{ratio:.1f} ×", ratio >= self.times)


@dataclass(frozen=True, slots=True)
class Within:
    """No longer than a limit: ``seconds + factor × (floors)``."""

    row: str
    wanted: str
    seconds: float
    factor: float = 0
    floors: tuple[str, ...] = ()

    def judge(self, rows: Rows) -> Verdict:
        """Compare with what the floors of the row allow."""
        row = rows.get(self.row)
        if row is None or not row.seconds(OURS):
            return _UNKNOWN
        limit = self.seconds + self.factor * sum(row.floors[name] for name in self.floors)
        found = median(row.seconds(OURS))
        return Verdict(f"{found:.2f} s, limit {limit:.2f} s", found <= limit)


@dataclass(frozen=True, slots=True)
class Smaller:
    """A pushed layer that is at most so many times as large as BuildKit's."""

    row: str
    times: float
    than: str
    """The row of BuildKit's layer."""

    @property
    def wanted(self) -> str:
        """The factor."""
        return f"blob ≤ {self.times:g} × BuildKit's"

    def judge(self, rows: Rows) -> Verdict:
        """Compare bytes."""
        ours, theirs = rows.get(self.row), rows.get(self.than)
        if ours is None or theirs is None:
            return _UNKNOWN
        ratio = ours.fact(OURS, "blobs") / theirs.fact(PEER, "blobs")
        return _UNKNOWN if math.isnan(ratio) else Verdict(f"{ratio:.2f} ×", ratio <= self.times)


@dataclass(frozen=True, slots=True)
class Memory:
    """All processes together stay below 256 MiB."""

    row: str

    @property
    def wanted(self) -> str:
        """The limit."""
        return f"memory ≤ {_MEMORY >> 20} MiB"

    def judge(self, rows: Rows) -> Verdict:
        """Look at the highest peak of all rounds."""
        row = rows.get(self.row)
        peak = row.memory(OURS) if row else math.nan
        if math.isnan(peak):
            return _UNKNOWN
        return Verdict(f"{peak / (1 << 20):.0f} MiB", peak <= _MEMORY)


@dataclass(frozen=True, slots=True)
class Moved:
    """Bytes on the wire: 1.2 × the changed layer + 64 kB + 10 bytes an entry of the base."""

    row: str
    wanted: str = "moved ≤ 1.2 × layer + 64 kB + 10 B × entries of the base"

    def judge(self, rows: Rows) -> Verdict:
        """Compare bytes."""
        row = rows.get(self.row)
        moved = row.fact(OURS, "moved") if row else math.nan
        if row is None or math.isnan(moved):
            return _UNKNOWN
        limit = 1.2 * row.fact(OURS, "last") + 64_000 + 10 * row.floors["base entries"]
        return Verdict(f"{moved / 1000:.0f} kB, limit {limit / 1000:.0f} kB", moved <= limit)


@dataclass(frozen=True, slots=True)
class Linear:
    """Time grows no faster than size."""

    row: str
    family: str
    wanted: str = "linear"

    def judge(self, rows: Rows) -> Verdict:
        """Look at the exponent between the two largest sizes."""
        found = last_exponent(growth(rows, self.family, "cold"))
        return _UNKNOWN if math.isnan(found) else Verdict(f"n^{found:.2f}", found <= _LINEAR)


def growth(rows: Rows, family: str, state: str) -> list[tuple[float, float]]:
    """Return sizes and median seconds of a family."""
    return sorted(
        (float(row.size), median(row.seconds(OURS)))
        for row in rows.values()
        if row.family == family and row.state == state and row.seconds(OURS)
    )


TARGETS: Sequence[Target] = (
    Faster("manyfiles: cold", 5),
    Faster("manyfiles: unchanged", 3),
    Faster("manyfiles: one file changed", 6),
    Faster("bigfile: cold", 4),
    Smaller("bigfile: cold", 1.12, "bigfile: cold"),
    Memory("bigfile: cold"),
    Smaller("bigfile: cold, compression: size", 1, "bigfile: cold"),
    Within("bigfile: unchanged", "≤ 0.2 s", 0.2),
    Faster("runs: cold", 2.5),
    Within("multistage: cold", "≤ critical path + 0.8 s", 0.8, 1, ("critical",)),
    Faster("fleet: unchanged, no push", 20),
    Within("fleet: unchanged, no push", "≤ 3 × (walk + Python)", 0, 3, ("walk", "python")),
    Faster("fleet: unchanged", 20),
    Faster("fleet: one file changed", 15),
    Faster("fleet: cold", 4),
    Moved("fresh: code changed"),
    Faster("unpack: cold", 1),
    Memory("unpack: cold"),
    Memory("large: cold"),
    Linear("growth-files-100000: cold", "files"),
    Linear("growth-targets-1000: cold", "targets"),
    Linear("growth-steps-100: cold", "steps"),
)

ELSEWHERE = {
    "manyfiles: cold": ("9.65", "12.5 / 11.7", "6.71", "7.53"),
    "manyfiles: unchanged": ("0.60", "4.72 / 5.27", "7.48", "2.27"),
    "manyfiles: one file changed": ("6.28", "10.8 / 10.1", "8.58", "7.38"),
    "bigfile: cold": ("13.7", "14.3 / 10.9", "8.29", "19.2"),
    "bigfile: unchanged": ("0.08", "1.99 / 1.05", "13.4", "2.91"),
    "runs: cold": ("3.31", "5.91 / 5.14", "3.10", "17.7"),
    "multistage: cold": ("5.29", "14.7 / 10.2", "20.4", "24.7"),
    "fleet: unchanged, no push": ("4.7-5.1", "", "", ""),
    "fleet: unchanged": ("8.7-9.1", "", "", ""),
    "fleet: one file changed": ("5.9-8.6", "", "", ""),
    "fleet: cold": ("18", "", "", ""),
}
"""Seconds of BuildKit, buildah 1.28 / its newest, kaniko, Makisu, from another machine of two cores
on another day: orders of magnitude."""
