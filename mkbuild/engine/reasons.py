"""Why steps run: what changed since their images were built last, a line for each."""

from collections.abc import Mapping, Sequence

from mkbuild.action import ActionKey
from mkbuild.engine.log import Record
from mkbuild.engine.resolution import Work
from mkbuild.engine.side import read_side
from mkbuild.errors import ExpectedCachedError
from mkbuild.plan import explain
from mkbuild.plan.sides import Listing, Side, Step
from mkbuild.progress import text

_NO_CACHE = "no cached result is wanted (no_cache, --no-cache or --no-cache-filter)"
_MOST_LINKS = 4
"""Links of a chain that an error shows."""


def before(records: Mapping[str, Record]) -> Side:
    """Return what some targets (by label) consisted of when they were built, newest first."""
    found = Side()
    by_name = {record.name: record for record in records.values()}
    for name in sorted(by_name, reverse=True):
        side = read_side(by_name[name].document)
        for label, record in records.items():
            if record.name == name:
                found = found.over(side.of(label))
    return found


def reasons(
    now: Side, past: Side, pending: Sequence[Work], listing: Listing, *, always: bool
) -> dict[ActionKey, str]:
    """Say of each step without a result why it runs. ``always``: everything was asked to run."""
    changed = explain.reasons(now, past, listing)
    found: dict[ActionKey, str] = {}
    for work in pending:
        parents = (now.steps[key] for key in now.steps[work.key].parents if key in found)
        parent = next(parents, None)
        if work.forced:
            lost = "its cached result turned out to be gone"
            found[work.key] = "-B: all is run again" if always else lost
            if work.action.no_cache and not always:
                found[work.key] = _NO_CACHE
        elif work.key in changed:
            found[work.key] = changed[work.key]
        elif parent is not None:
            found[work.key] = f"follows from {parent.location} {parent.title}"
        else:
            found[work.key] = "nothing changed, but its result is in no cache any more"
    return found


def not_cached(
    now: Side, past: Side, pending: Sequence[Work], why: Mapping[ActionKey, str]
) -> ExpectedCachedError:
    """Return the error of ``--expect-cached``: the first step and its way to a target; then all."""
    first, *others = (_reason(now.steps[work.key], why[work.key]) for work in pending)
    label, way = _way(now.steps[pending[0].key], now)
    links = [f"→ {step.location}: {step.title}" for step in way[1:_MOST_LINKS]]
    if way[_MOST_LINKS:]:
        links.append(f"→ {text.count(len(way) - _MOST_LINKS, 'step')} more")
    lines = [*first, *(part for link in (*links, f"→ {label}") for part in text.wrap(link, "    "))]
    count = text.count(len(pending), "step")
    known = any(step.target == label for step in past.steps.values())
    return ExpectedCachedError(
        f"--expect-cached, but {count} would run, at first\n" + "\n".join(lines),
        hint=f"mkbuild why {label} says more; -v names all"
        if known
        else "nothing of it was built on this store before: --against REF takes a git ref instead",
        more=("and", *(line for other in others for line in other)) if others else (),
    )


def _reason(step: Step, why: str) -> list[str]:
    title = text.wrap(f"{step.location}: {step.title}", "  ")
    return [*title, *text.wrap(why, "    ")]


def _way(first: Step, now: Side) -> tuple[str, list[Step]]:
    """Return the nearest image that needs a step, and the steps from it to there."""
    ways = [
        (label, explain.chain(first, image.end, now.steps))
        for label, images in now.images.items()
        for image in images.values()
    ]
    return min((found for found in ways if found[1]), key=lambda found: len(found[1]))
