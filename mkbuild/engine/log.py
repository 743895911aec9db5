"""The log: the records of past runs, kept in the store for ``log`` and ``why``.

A record is one JSON file below ``runs/``, named so that names sort by time. Beside it may lie a
file ``NAME.again``: a line for each run that found, by its compiled plan, that the result of that
record still stands (:mod:`mkbuild.engine.compiled`). Such a run did nothing, and has no record of
its own.
"""

import json
import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from mkbuild.engine.recordshape import is_record
from mkbuild.errors import UsageError
from mkbuild.frozen import frozen

VERSION = 3
KEPT = 100
"""How many records stay."""
KEPT_BYTES = 256_000_000
"""How much room they may take: one of a thousand images has some megabytes."""

_ABANDONED = 3600
"""Seconds after which nobody is still writing a record: its process was killed."""


@frozen
class Record:
    """One run, read back: ``document`` as it was written."""

    name: str
    document: Mapping[str, Any]

    def lies_in(self, place: str) -> bool:
        """Whether its workspace is a directory, or below it; every one is in the empty place."""
        workspace = f"{self.document['workspace']}/"
        return not place or workspace.startswith(f"{place.rstrip('/')}/")

    def steps(self, label: str) -> list[Mapping[str, Any]]:
        """Return the steps of a target, in order; empty where the run did not build it."""
        known = self.document["steps"]
        return [known[key] for key in self.document["order"].get(label, ()) if key in known]


@frozen
class Run:
    """One run of the log: ``seconds`` it took, and its record.

    ``again``: nothing was to do; the record is of the run whose result still stood.
    """

    name: str
    seconds: float
    record: Record
    again: bool = False


class Log:
    """The records of a store."""

    def __init__(self, storage: Path) -> None:
        """Keep records below ``storage/runs``."""
        self._root = storage / "runs"

    def write(self, name: str, document: Mapping[str, Any]) -> None:
        """Add a record, by a name from :func:`name_of`; the oldest go (KEPT, KEPT_BYTES)."""
        self._root.mkdir(parents=True, exist_ok=True)
        partial = self._root / f".{name}.partial"
        partial.write_text(json.dumps(document))
        partial.rename(self._root / f"{name}.json")
        self._forget()

    def _forget(self) -> None:
        room = KEPT_BYTES
        for number, name in enumerate(reversed(self.names())):
            path = self._root / f"{name}.json"
            with suppress(FileNotFoundError):  # another process forgets as well
                room -= path.stat().st_size
                if number and (number >= KEPT or room < 0):
                    path.unlink()
        for path in self._root.glob("*.again"):
            if not path.with_suffix(".json").exists():
                path.unlink(missing_ok=True)
        for path in self._root.glob(".*.partial"):
            with suppress(FileNotFoundError):
                if path.stat().st_mtime < time.time() - _ABANDONED:
                    path.unlink()

    def names(self) -> list[str]:
        """Return the names of all records, oldest first."""
        return sorted(path.stem for path in self._root.glob("[!.]*.json"))

    def read(self, name: str) -> Record | None:
        """Return a record; None where there is none of that name, or it cannot be read."""
        try:
            document = json.loads((self._root / f"{name}.json").read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return None
        ours = isinstance(document, dict) and document.get("version") == VERSION
        return Record(name, document) if ours and is_record(document) else None

    def latest(self) -> Iterator[Record]:
        """Iterate over the records that can be read, newest first."""
        for name in reversed(self.names()):
            record = self.read(name)
            if record is not None:
                yield record

    def built(self, labels: Iterable[str], workspace: str) -> dict[str, Record]:
        """Return the newest record of each target of a workspace that some run finished."""
        missing = set(labels)
        found: dict[str, Record] = {}
        for name in reversed(self.names()):
            if not missing:
                break
            record = self.read(name) if self._mentions(name, missing) else None
            if record is not None and record.document["workspace"] == workspace:
                done = missing.intersection(record.document["targets"])
                found |= dict.fromkeys(done, record)
                missing -= done
        return found

    def _mentions(self, name: str, labels: Iterable[str]) -> bool:
        """Whether a record may be of one of some targets: a look at its bytes costs little."""
        try:
            data = (self._root / f"{name}.json").read_bytes()
        except FileNotFoundError:
            return False
        return any(json.dumps(label).encode() in data for label in labels)

    def runs(self, prefix: str = "", place: str = "") -> Iterator[Run]:
        """Iterate over the runs whose record can be read, newest first.

        Those whose names begin so; of workspaces in a directory or below it, where one is named.
        """
        read = lru_cache(maxsize=4)(self.read)
        for name, (of, seconds) in sorted(self._entries().items(), reverse=True):
            record = read(of) if name.startswith(prefix) else None
            if record is not None and record.lies_in(place):
                took = record.document["seconds"] if seconds is None else seconds
                yield Run(name, took, record, again=seconds is not None)

    def _entries(self) -> dict[str, tuple[str, float | None]]:
        """Return every run by name: its record's name, and seconds where it did nothing."""
        found: dict[str, tuple[str, float | None]] = {}
        for of in self.names():
            found[of] = (of, None)
            try:
                lines = (self._root / f"{of}.again").read_text().splitlines()
            except FileNotFoundError:
                continue
            for line in lines:
                # What a full disk left of a line has no three words, or times out of this world.
                with suppress(ValueError, OverflowError, OSError):
                    started, process, seconds = line.split()
                    found[name_of(float(started), int(process))] = (of, float(seconds))
        return found

    def find(self, text: str, place: str = "") -> Run:
        """Return a run by its name, the beginning of one, ``latest`` or ``latest~N``.

        The last two count the runs of workspaces in ``place`` or below it, if one is named.
        Raises UsageError where there is no such run, or several.
        """
        first, _, back = text.partition("~")
        if first == "latest" and (back.isdecimal() or "~" not in text):
            run = next(islice(self.runs(place=place), min(int(back or 0), sys.maxsize), None), None)
            if run is None:
                raise UsageError(f"{text}: there are not so many runs", hint="mkbuild log")
            return run
        names = {run.name: run for run in self.runs(text)}
        if not names:
            raise UsageError(f"{text}: there is no such run", hint="mkbuild log lists them")
        if len(names) > 1 and text not in names:
            hint = f"say more of it, as {next(iter(names))}"
            raise UsageError(f"{text}: {len(names)} runs begin so", hint=hint)
        return names.get(text) or next(iter(names.values()))


def name_of(started: float, process: int | None = None) -> str:
    """Name a run by when it began (seconds since 1970) and its process, by default this one."""
    stamp = time.strftime("%Y%m%dT%H%M%S", time.gmtime(started))
    return f"{stamp}.{int(started * 1000) % 1000:03d}-{process or os.getpid()}"
