"""A run as a Chrome trace, for Perfetto and chrome://tracing (Trace Event Format, JSON object).

Pure: from a record's document. Times are in microseconds since the run began.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mkbuild.progress.timeline import Bar, critical_path, lanes, read

_BUILD, _NETWORK = 1, 2
"""Processes of the trace: what the job slots did, and what moved."""
_PHASES, _CACHED, _SLOTS = 0, 1, 2
"""Threads of the first: the slots begin at the last of these."""

_ARGUMENTS = (
    *("target", "stage", "location", "status", "source", "why", "error"),
    *("size", "digest", "what"),
)
"""What an event's arguments tell of a bar's entry, where it is known."""


def chrome_trace(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return the trace: phases, steps and layers on the lanes they ran on, hits, transfers."""
    timeline = read(document)
    critical = {link.bar.id for link in critical_path(timeline)}
    timed = [bar for bar in timeline.steps if bar.seconds or bar.entry["status"] == "ran"]
    slots = [*timed, *timeline.layers]
    hits = [bar for bar in timeline.steps if bar.seconds == 0 and _is_hit(bar)]
    lane, moved = lanes(slots), lanes(timeline.transfers)
    events = [
        *_names(_BUILD, "mkbuild", {_PHASES: "phases", _CACHED: "cached"}),
        *_threads(_BUILD, {_SLOTS + n: f"slot {n + 1}" for n in sorted(set(lane.values()))}),
        *(_event(bar, _BUILD, _PHASES, critical) for bar in timeline.phases),
        *(_instant(bar) for bar in hits),
        *(_event(bar, _BUILD, _SLOTS + lane[bar.id], critical) for bar in slots),
    ]
    if moved:
        names = {n: f"connection {n + 1}" for n in sorted(set(moved.values()))}
        events += _names(_NETWORK, "transfers", names)
        events += (_event(bar, _NETWORK, moved[bar.id], critical) for bar in timeline.transfers)
    about = ("mkbuild", "started", "ok", "error", "arguments", "wanted")
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": {name: document[name] for name in about},
    }


def _is_hit(bar: Bar) -> bool:
    return str(bar.entry["status"]).startswith("hit")


def _names(process: int, name: str, threads: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    yield {"ph": "M", "pid": process, "tid": 0, "name": "process_name", "args": {"name": name}}
    yield from _threads(process, threads)


def _threads(process: int, threads: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    for number, name in threads.items():
        thread = {"ph": "M", "pid": process, "tid": number}
        yield {**thread, "name": "thread_name", "args": {"name": name}}
        yield {**thread, "name": "thread_sort_index", "args": {"sort_index": number}}


def _event(bar: Bar, process: int, thread: int, critical: Iterable[str]) -> dict[str, Any]:
    """Return a complete event."""
    return {
        "ph": "X",
        "pid": process,
        "tid": thread,
        "ts": _microseconds(bar.begin),
        "dur": _microseconds(bar.seconds),
        "name": _name(bar),
        "cat": bar.kind,
        "args": {**_arguments(bar), "critical": bar.id in critical},
    }


def _instant(bar: Bar) -> dict[str, Any]:
    return {
        "ph": "i",
        "s": "t",
        "pid": _BUILD,
        "tid": _CACHED,
        "ts": _microseconds(bar.begin),
        "name": _name(bar),
        "cat": bar.kind,
        "args": _arguments(bar),
    }


def _name(bar: Bar) -> str:
    target = bar.entry.get("target", "")
    return f"{target} {bar.title}" if bar.kind == "step" else bar.title


def _arguments(bar: Bar) -> dict[str, Any]:
    given = {name: bar.entry[name] for name in _ARGUMENTS if bar.entry.get(name)}
    return {"key": bar.key, **given} if bar.kind == "step" else given


def _microseconds(seconds: float) -> int:
    return round(seconds * 1_000_000)
