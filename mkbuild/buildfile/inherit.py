"""Inheritance: each draft's settings with those it takes over; cycles are named in full."""

from collections.abc import Mapping
from graphlib import CycleError, TopologicalSorter

from mkbuild.buildfile.images import Draft
from mkbuild.buildfile.names import Names
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.problems import Problems
from mkbuild.buildfile.settings import Name, Settings


def resolve_name(name: Name, names: Names, what: str, problems: Problems) -> str | None:
    """Return the one label that a name means; otherwise note what is wrong."""
    labels = names.find(name.text, name.directory)
    if len(labels) == 1:
        return labels[0]
    if labels:
        problems.add(
            f"{what}: {name.text!r} may be any of {', '.join(labels)}",
            name.location,
            "write the label",
        )
    else:
        problems.add(
            f"{what}: there is no image {name.text!r}",
            name.location,
            did_you_mean(name.text, names.known()),
        )
    return None


def inherit(drafts: Mapping[str, Draft], problems: Problems) -> dict[str, Settings]:
    """Return every draft's settings by label: parents in order, its own on top."""
    names = Names(drafts)
    parents = {
        label: [
            parent
            for name in draft.inherits
            if (parent := resolve_name(name, names, f"images.{draft.name}.inherits", problems))
        ]
        for label, draft in drafts.items()
    }
    try:
        order = list(TopologicalSorter(parents).static_order())
    except CycleError as error:
        cycle = list(reversed(error.args[1]))
        draft = drafts[cycle[0]]
        problems.add(
            f"images.{draft.name}.inherits: images that inherit each other: {' → '.join(cycle)}",
            draft.inherits[parents[cycle[0]].index(cycle[1])].location,
        )
        return {}
    result: dict[str, Settings] = {}
    for label in order:
        settings = Settings()
        for parent in parents[label]:
            settings = result[parent].heritage().over(settings)
        result[label] = drafts[label].settings.over(settings)
    return result
