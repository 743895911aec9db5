"""What took how long in a run: its record as bars, and the chain of them that took the time.

Pure: a record's document comes in as JSON values (mkbuild.engine.record; docs/reports.md).
"""

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from mkbuild.frozen import frozen

Kind = Literal["step", "layer", "transfer", "phase"]

_AROUND = "run"
"""The phase that steps and layers lie in."""


@frozen
class Bar:
    """Something that took time: ``begin`` and ``seconds`` in seconds since the run began.

    ``key``: of a step, its definition key; of a layer and a transfer, the digest; of a phase, its
    name. ``needs``: ids of the bars that had to be over before. ``entry``: what the record says.
    """

    kind: Kind
    key: str
    begin: float
    seconds: float
    needs: tuple[str, ...] = ()
    entry: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Unique among the bars of a run."""
        return f"{self.kind} {self.key}"

    @property
    def end(self) -> float:
        """When it was over."""
        return self.begin + self.seconds

    @property
    def title(self) -> str:
        """Name it for people, on one line."""
        match self.kind:
            case "step":
                return " ".join(str(self.entry["instruction"]).split())
            case "layer":
                return f"write layer {self.key[7:19]}"
            case "transfer":
                return f"{self.entry['verb']} {self.key[7:19]}"
            case "phase":
                return self.key


@frozen
class Timeline:
    """The bars of a run; ``seconds`` is how long the run took.

    ``steps`` are all of them, inputs first; those that took no time (hits, skipped ones) as well.
    """

    seconds: float
    steps: tuple[Bar, ...] = ()
    layers: tuple[Bar, ...] = ()
    transfers: tuple[Bar, ...] = ()
    phases: tuple[Bar, ...] = ()


@frozen
class Link:
    """One bar of the critical path.

    ``waited``: seconds from the end of the link before to its begin, as for a free job slot.
    ``share``: of the run's duration, 0 to 1.
    """

    bar: Bar
    waited: float
    share: float


def read(document: Mapping[str, Any]) -> Timeline:
    """Return the timeline of a record's document."""
    known = document["steps"]
    steps = tuple(
        _bar("step", key, step, (p for p in step["components"].get("parents", ()) if p in known))
        for key, step in known.items()
    )
    layers = tuple(
        _bar("layer", layer["digest"], layer, (layer["step"],))
        for layer in document.get("layers", ())
    )
    transfers = tuple(_bar("transfer", t["what"], t) for t in document.get("transfers", ()))
    phases = tuple(_bar("phase", phase["name"], phase) for phase in document.get("phases", ()))
    return Timeline(float(document["seconds"]), steps, layers, transfers, phases)


def _bar(kind: Kind, key: str, entry: Mapping[str, Any], needs: Iterable[str] = ()) -> Bar:
    ids = tuple(dict.fromkeys(f"step {need}" for need in needs))
    return Bar(kind, key, float(entry["begin"]), float(entry["seconds"]), ids, entry)


def critical_path(timeline: Timeline) -> tuple[Link, ...]:
    """Return the chain that determined how long the run took, in order of time.

    That is what ended last of all steps and layers, of what it needed that which ended last, and
    so on; with the phases before and after. A part that took no time is left out.
    """
    work = {bar.id: bar for bar in (*timeline.steps, *timeline.layers)}
    chain = [phase for phase in timeline.phases if phase.key != _AROUND]
    busy = [bar for bar in work.values() if bar.seconds > 0]
    at = max(busy, key=_ended, default=None)
    while at is not None:
        chain.append(at)
        needs = [work[need] for need in at.needs if need in work]
        at = max(needs, key=_ended, default=None)
    links: list[Link] = []
    before = 0.0
    for bar in sorted(chain, key=lambda bar: bar.begin):
        if bar.seconds > 0:
            share = bar.seconds / timeline.seconds if timeline.seconds else 0.0
            links.append(Link(bar, max(bar.begin - before, 0.0), share))
            before = max(before, bar.end)
    return tuple(links)


def _ended(bar: Bar) -> float:
    return bar.end


def lanes(bars: Iterable[Bar]) -> dict[str, int]:
    """Give each bar, by id, the first lane (from 0) that is free when it begins."""
    free: list[float] = []
    found: dict[str, int] = {}
    for bar in sorted(bars, key=lambda bar: (bar.begin, bar.end)):
        lane = next((n for n, end in enumerate(free) if end <= bar.begin), len(free))
        free[lane : lane + 1] = [bar.end]
        found[bar.id] = lane
    return found
