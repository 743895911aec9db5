"""Why a step has another key than it had: the first component that differs, and what follows.

Pure: both sides come as values, which records hold and a resolution gives (mkbuild.engine.record).
Steps are matched by what is written in the Dockerfile; a key that did not change needs no match.
"""

from collections.abc import Mapping

from mkbuild.frozen import frozen
from mkbuild.plan.differences import Pair
from mkbuild.plan.sides import Listing, Side, Step


@frozen
class Cause:
    """A step whose key changed by itself: what differs, the most readable first."""

    step: Step
    changes: tuple[str, ...]


def causes(now: Side, before: Side, listing: Listing) -> list[Cause]:
    """Return what changed, in build order; what only follows from it is left out."""
    changed = [step for key, step in now.steps.items() if key not in before.steps]
    keys = {step.key for step in changed}
    match = _Match(now, before)
    found = []
    for step in changed:
        other = match(step)
        follows = any(parent in keys for parent in step.parents)
        if other is None:
            known = before.places.intersection(step.places)
            lines = [f"{step.title} is new" if known else f"{step.target} was not built before"]
        else:
            lines = Pair(step, other, now, before, listing).lines(parents=not follows)
        if lines:
            found.append(Cause(step, tuple(lines)))
    return found


def reasons(now: Side, before: Side, listing: Listing) -> dict[str, str]:
    """Return why each step whose key is new has it, in a line: its own change, or what it needs."""
    own = {cause.step.key: cause.changes[0] for cause in causes(now, before, listing)}
    found: dict[str, str] = {}
    for key, step in now.steps.items():
        if key in before.steps:
            continue
        parent = next((now.steps[p] for p in step.parents if p in found), None)
        if key in own or parent is None:
            found[key] = own.get(key, "something that it reads changed")
        else:
            found[key] = f"follows from {parent.location} {parent.title}"
    return found


def chain(step: Step, end: str, steps: Mapping[str, Step]) -> list[Step]:
    """Return a shortest way from a step to the one with key ``end``, over what reads what."""
    readers: dict[str, list[str]] = {}
    for key, other in steps.items():
        for parent in other.parents:
            readers.setdefault(parent, []).append(key)
    came: dict[str, str] = {step.key: ""}
    front = [step.key]
    while front and end not in came:
        following = [(key, r) for key in front for r in readers.get(key, ())]
        front = []
        for key, reader in following:
            if reader not in came:
                came[reader] = key
                front.append(reader)
    way: list[Step] = []
    at = end if end in came else ""
    while at:
        way.append(steps[at])
        at = came[at]
    return way[::-1]


class _Match:
    """Finds what a step was before, each earlier step once: in its target, else in its file."""

    def __init__(self, now: Side, before: Side) -> None:
        self._now = now
        self._before = before
        self._used = {key for key in before.steps if key in now.steps}

    def __call__(self, step: Step) -> Step | None:
        for place in step.places:
            choices = self._choices(step, place)
            if choices:
                same_parents = [other for other in choices if other.parents == step.parents]
                found = (same_parents or choices)[0]
                self._used.add(found.key)
                return found
        return None

    def _choices(self, step: Step, place: str) -> list[Step]:
        """Return what is written alike, else what is of one kind and is written so no longer.

        Stages without a name are numbered, so that one more gives others another name.
        """
        for stage in (step.stage, ""):
            written = self._before.by_text.get((place, stage, step.instruction), ())
            same = [other for other in written if other.key not in self._used]
            platform = step.components.get("platform")
            choices = [o for o in same if o.components.get("platform") == platform] or same
            if choices:
                return choices
        return [
            other
            for other in self._before.steps.values()
            if other.key not in self._used
            and other.stage == step.stage
            and other.components.get("instruction") == step.components.get("instruction")
            and place in other.places
            and (place, other.stage, other.instruction) not in self._now.by_text
        ]
