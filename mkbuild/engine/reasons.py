"""Why steps run: what changed since their images were built last, a line for each."""

from collections.abc import Mapping, Sequence

from mkbuild.action import ActionKey
from mkbuild.engine.log import Record
from mkbuild.engine.resolution import Work
from mkbuild.engine.side import read_side
from mkbuild.errors import ExpectedCachedError
from mkbuild.plan import explain
from mkbuild.plan.sides import Listing, Side, Step

_NO_CACHE = "no cached result is wanted (no_cache, --no-cache or --no-cache-filter)"
_MOST_LINKS = 4
"""Links of a chain that an error shows."""


def before(records: Mapping[str, Record]) -> Side:
    """Return what some targets (by label) consisted of when they were built, newest first."""
    found = Side()
    for label, record in sorted(records.items(), key=lambda item: item[1].name, reverse=True):
        found = found.over(read_side(record.document).of(label))
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
            found[work.key] = f"what it builds on runs: {parent.location} {parent.title}"
        else:
            found[work.key] = "nothing changed, but its result is in no cache any more"
    return found


def not_cached(
    now: Side, pending: Sequence[Work], why: Mapping[ActionKey, str]
) -> ExpectedCachedError:
    """Return the error of ``--expect-cached``: the first step and its way to a target; then all."""
    first = now.steps[pending[0].key]
    label, way = _way(first, now)
    lines = [f"  {first.location}: {first.title}", f"    {why[pending[0].key]}"]
    lines += [f"    → {step.location}: {step.title}" for step in way[1:_MOST_LINKS]]
    if way[_MOST_LINKS:]:
        lines.append(f"    → {len(way) - _MOST_LINKS} steps more")
    lines.append(f"    → {label}")
    count = "a step" if len(pending) == 1 else f"{len(pending)} steps"
    more = ["  all of them:"]
    for work in pending:
        step = now.steps[work.key]
        more += [f"  {step.location}: {step.title}", f"    {why[work.key]}"]
    return ExpectedCachedError(
        f"--expect-cached, but {count} would run, at first\n" + "\n".join(lines),
        hint=f"mkbuild why {label} says more (--against REF compares with a git ref), -v names all",
        more=tuple(more) if len(pending) > 1 else (),
    )


def _way(first: Step, now: Side) -> tuple[str, list[Step]]:
    """Return the nearest image that needs a step, and the steps from it to there."""
    ways = [
        (label, explain.chain(first, image.end, now.steps))
        for label, images in now.images.items()
        for image in images.values()
    ]
    return min((found for found in ways if found[1]), key=lambda found: len(found[1]))
