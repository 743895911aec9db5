"""Why steps run: what changed since their images were built last, a line for each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mkbuild.action import ActionKey
from mkbuild.engine.listings import Listings
from mkbuild.engine.log import Log, Record, Run
from mkbuild.engine.resolution import Work
from mkbuild.engine.side import read_side
from mkbuild.errors import ExpectedCachedError
from mkbuild.plan import explain
from mkbuild.plan.sides import Listing, Side, Step
from mkbuild.progress import text

_NO_CACHE = "no cached result is wanted (no_cache, --no-cache or --no-cache-filter)"
_FORCED = "its result was not wanted (-B, no_cache, --no-cache), or turned out to be gone"
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
    forced: dict[ActionKey, str] = {}
    for work in pending:
        if work.forced:
            lost = "its cached result turned out to be gone"
            forced[work.key] = "-B: all is run again" if always else lost
            if work.action.no_cache and not always:
                forced[work.key] = _NO_CACHE
    return _reasons(now, past, [work.key for work in pending], listing, forced)


def of_run(run: Run, storage: Path) -> Mapping[str, str]:
    """Say of each step that a past run ran why it did; nothing where it had nothing to do."""
    if run.again:
        return {}
    document = run.record.document
    ran = {
        ActionKey(key): step
        for key, step in document["steps"].items()
        if step["status"] in {"ran", "failed"}
    }
    forced = {key: _FORCED for key, step in ran.items() if step["forced"]}
    records = Log(storage).built(document["order"], document["workspace"], before=run.record.name)
    why = _reasons(read_side(document), before(records), list(ran), Listings(storage), forced)
    return {str(key): line for key, line in why.items()}


def _reasons(
    now: Side,
    past: Side,
    pending: Sequence[ActionKey],
    listing: Listing,
    forced: Mapping[ActionKey, str],
) -> dict[ActionKey, str]:
    changed = explain.reasons(now, past, listing)
    found: dict[ActionKey, str] = {}
    for key in pending:
        parents = (now.steps[parent] for parent in now.steps[key].parents if parent in found)
        parent = next(parents, None)
        if key in forced:
            found[key] = forced[key]
        elif key in changed:
            found[key] = changed[key]
        elif parent is not None:
            found[key] = f"follows from {parent.location} {parent.title}"
        else:
            found[key] = "nothing changed, but its result is in no cache any more"
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
