"""The log: what each run built, when, from what; kept in the store for ``log`` and ``why``.

A record is one JSON file below ``runs/``, named so that names sort by time.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mkbuild import __version__
from mkbuild.digest import Canonical
from mkbuild.engine.resolution import Resolution
from mkbuild.events import Event, StepFinished, StepStarted
from mkbuild.plan.actions import Action, walk
from mkbuild.plan.image import PlannedImage

VERSION = 1
KEPT = 100
"""How many records stay."""


@dataclass(frozen=True, slots=True)
class Record:
    """One run, read back: ``document`` as it was written."""

    name: str
    document: Mapping[str, Any]

    def steps(self, label: str) -> list[Mapping[str, Any]]:
        """Return the steps of a target, in order; empty where the run did not build it."""
        known = self.document["steps"]
        return [known[key] for key in self.document["order"].get(label, ()) if key in known]


class Log:
    """The records of a store."""

    def __init__(self, storage: Path) -> None:
        """Keep records below ``storage/runs``."""
        self._root = storage / "runs"

    def write(self, document: Mapping[str, Any], started: float) -> str:
        """Add a record; returns its name. The oldest ones above :data:`KEPT` go."""
        self._root.mkdir(parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(started))
        name = f"{stamp}.{int(started * 1000) % 1000:03d}-{os.getpid()}"
        partial = self._root / f".{name}.partial"
        partial.write_text(json.dumps(document))
        partial.rename(self._root / f"{name}.json")
        for path in self._paths()[:-KEPT]:
            path.unlink(missing_ok=True)
        return name

    def _paths(self) -> list[Path]:
        return sorted(self._root.glob("*.json"))

    def names(self) -> list[str]:
        """Return the names of all records, oldest first."""
        return [path.stem for path in self._paths()]

    def read(self, name: str) -> Record | None:
        """Return a record; None where there is none of that name, or it cannot be read."""
        try:
            document = json.loads((self._root / f"{name}.json").read_bytes())
        except (FileNotFoundError, ValueError):
            return None
        return Record(name, document) if document.get("version") == VERSION else None

    def latest(self) -> Iterator[Record]:
        """Iterate over the records that can be read, newest first."""
        for name in reversed(self.names()):
            record = self.read(name)
            if record is not None:
                yield record


def describe(  # noqa: PLR0913 -- what a run consists of
    *,
    started: float,
    ok: bool,
    directory: str,
    arguments: Sequence[str],
    git: Mapping[str, str | None],
    images: Iterable[tuple[str, PlannedImage]],
    resolution: Resolution,
    targets: Mapping[str, Mapping[str, Any]],
    events: Sequence[tuple[float, Event]],
) -> dict[str, Any]:
    """Return a run as JSON objects.

    ``steps``: by definition key, each with its key's components, so that the first one that
    differs can be named later. ``order``: the keys of each target's steps. Times are in seconds,
    those of steps since the run started.
    """
    steps: dict[str, dict[str, Any]] = {}
    order: dict[str, list[str]] = {}
    timing = _timing(events, started)
    for label, image in images:
        keys = order.setdefault(label, [])
        for node in walk((image.node,)):
            if not isinstance(node, Action):
                continue
            work = resolution.work(node)
            if work.key not in keys:
                keys.append(work.key)
            if work.key not in steps:
                steps[work.key] = {
                    "target": node.target,
                    "stage": node.stage,
                    "instruction": node.text,
                    "location": str(node.location),
                    "key": work.key,
                    "state": work.result.state if work.result else "",
                    "base": image.base.name,
                    "components": {k: plain(v) for k, v in work.components.values.items()},
                    **timing.get(work.key, {"status": "skipped", "begin": 0.0, "seconds": 0.0}),
                }
    return {
        "version": VERSION,
        "mkbuild": __version__,
        "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(started)),
        "seconds": round(time.time() - started, 3),
        "ok": ok,
        "directory": directory,
        "arguments": list(arguments),
        "git": dict(git),
        "targets": {label: dict(target) for label, target in targets.items()},
        "order": order,
        "steps": steps,
    }


def _timing(events: Sequence[tuple[float, Event]], started: float) -> dict[str, dict[str, Any]]:
    """Return status, begin and duration of each step; a hit begins when it was found."""
    begun: dict[str, float] = {}
    found: dict[str, dict[str, Any]] = {}
    for at, event in events:
        if isinstance(event, StepStarted):
            begun[event.step] = at
        elif isinstance(event, StepFinished):
            begin = begun.get(event.step, at - event.seconds)
            found[event.step] = {
                "status": "failed" if event.error else event.status,
                "begin": round(begin - started, 3),
                "seconds": round(event.seconds, 3),
            }
    return found


def plain(value: Canonical) -> Any:  # noqa: ANN401 -- any JSON
    """Return a key's component as JSON can hold it; bytes become text."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [plain(item) for item in value]
    return value
