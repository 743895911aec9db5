"""Measurements as they are kept: one JSON file a day, a row at a time."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from benchmarks.measure import Sample
from benchmarks.statistics import median


@dataclass(slots=True)
class Row:
    """One workload in one state: samples by tool, a round each."""

    workload: str
    title: str
    state: str
    family: str = ""
    size: int = 0
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    differences: dict[str, str] = field(default_factory=dict)
    """What a tool's image holds otherwise than mkbuild's; empty where they are equal."""
    failures: dict[str, str] = field(default_factory=dict)
    floors: dict[str, float] = field(default_factory=dict)

    def seconds(self, tool: str) -> list[float]:
        """Return a tool's times, by round; none where it was not measured."""
        return [sample.seconds for sample in self.samples.get(tool, ())]

    def memory(self, tool: str) -> float:
        """Return a tool's highest peak in bytes; not a number where it was not measured."""
        return max(
            (float(sample.memory) for sample in self.samples.get(tool, ())), default=math.nan
        )

    def fact(self, tool: str, name: str) -> float:
        """Return the median of what else was counted."""
        return median([s.facts[name] for s in self.samples.get(tool, ()) if name in s.facts])


@dataclass(slots=True)
class Results:
    """All that one run of the harness found."""

    date: str
    machine: dict[str, str]
    versions: dict[str, str] = field(default_factory=dict)
    rounds: int = 0
    scale: float = 1
    rows: dict[str, Row] = field(default_factory=dict)

    def has(self, workload: str, tools: Iterable[str]) -> bool:
        """Whether a workload is complete: all its rows are kept, and these tools took part."""
        rows = [row for row in self.rows.values() if row.workload == workload]
        found = {tool for row in rows for tool in (*row.samples, *row.failures)}
        return bool(rows) and found >= set(tools)

    def save(self, file: Path) -> None:
        """Write the file, whole or not at all."""
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_suffix(".new")
        temporary.write_text(json.dumps(asdict(self), indent=1) + "\n")
        temporary.rename(file)


def load(file: Path) -> Results:
    """Read what ``save`` wrote."""
    document = json.loads(file.read_text())
    rows = {name: _row(row) for name, row in document.pop("rows").items()}
    return Results(**document, rows=rows)


def _row(document: Mapping[str, object]) -> Row:
    fields = dict(document)
    samples = fields.pop("samples")
    assert isinstance(samples, dict)  # noqa: S101 - what save wrote
    read = {tool: [Sample(**sample) for sample in given] for tool, given in samples.items()}
    return Row(**fields, samples=read)  # type: ignore[arg-type]


def newest(directory: Path) -> Path | None:
    """Return the newest file of a directory of results."""
    return max(directory.glob("*.json"), default=None)
