"""What a page about a run is about: its record, read for showing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from mkbuild.pages.markup import Markup, element
from mkbuild.progress import text
from mkbuild.progress.timeline import Bar, Link, Timeline, critical_path, read

MARKS = {
    "hit-local": "✓",
    "hit-remote": "↓",
    "ran": "●",
    "failed": "✗",
    "skipped": "○",
}
"""A mark for each status, so that none is told by its colour alone."""


@dataclass(frozen=True)
class Story:
    """A run: its name, how many seconds it took, and its record's document.

    ``again``: the run found that the record's result still stood, and did nothing.
    """

    name: str
    seconds: float
    document: Mapping[str, Any]
    again: bool = False

    @property
    def result(self) -> str:
        """How the run ended."""
        if self.document["ok"]:
            return "built"
        return "stopped" if self.document["error"] == "interrupted" else "failed"

    @cached_property
    def timeline(self) -> Timeline:
        """What took time."""
        return read(self.document)

    @cached_property
    def path(self) -> tuple[Link, ...]:
        """The chain that determined how long the run took; empty where nothing was done."""
        return () if self.again else critical_path(self.timeline)

    @cached_property
    def critical(self) -> frozenset[str]:
        """Ids of the bars on that chain."""
        return frozenset(link.bar.id for link in self.path)

    @cached_property
    def steps(self) -> Mapping[str, Bar]:
        """The steps by key, those of a target together, inputs first."""
        bars = {bar.key: bar for bar in self.timeline.steps}
        by_target: dict[str, list[str]] = {}
        for key, bar in bars.items():
            by_target.setdefault(str(bar.entry["target"]), []).append(key)
        return {key: bars[key] for keys in by_target.values() for key in keys}

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        """A number for each step, by key, which names its part of the page."""
        return {key: number for number, key in enumerate(self.steps)}

    @cached_property
    def by_target(self) -> Mapping[str, Sequence[str]]:
        """Keys of the steps of each target that has some of its own."""
        found: dict[str, list[str]] = {}
        for key, bar in self.steps.items():
            found.setdefault(str(bar.entry["target"]), []).append(key)
        return found

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many steps have each status, in the order of :data:`MARKS`."""
        statuses = [self.status(key) for key in self.steps]
        return {status: statuses.count(status) for status in MARKS if status in statuses}

    def status(self, key: str) -> str:
        """Return a step's status; of a run that did nothing, all were hits."""
        return "hit-local" if self.again else str(self.steps[key].entry["status"])

    def seconds_of(self, key: str) -> str:
        """Return how long a step took; empty where it took none."""
        seconds = self.steps[key].seconds
        return "" if self.again or not seconds else text.seconds(seconds)

    def reference(self, key: str, shown: str) -> Markup:
        """Link to a step's part of the page."""
        return element("a", shown, href=f"#t{self.numbers[key]}")


def chip(status: str) -> Markup:
    """Return a status as a mark and a word."""
    mark = element("span", MARKS[status], aria_hidden="true")
    return element("span", mark, " ", status, class_=f"chip {status}")
