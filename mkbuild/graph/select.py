"""Selections: which targets a command line or a group means.

``api`` a name, ``//dir:api`` a label, ``web-*`` a glob, ``@group``, ``//dir/...`` all below a
directory, ``all``; ``api...`` with what it needs, ``...api`` with what needs it; ``!`` before any
of these takes it away again.
"""

from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Literal, Protocol

from mkbuild.buildfile.names import Names, split_label
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.target import Group, Workspace
from mkbuild.errors import BuildFileError, SelectionError
from mkbuild.frozen import frozen

ALL = "all"
DEFAULT = "default"
_WILD = frozenset("*?[")


class Reach(Protocol):
    """The part of the graph that selections use."""

    def dependencies(self, labels: Iterable[str]) -> set[str]:
        """Return some targets and all that they need."""
        ...

    def dependents(self, labels: Iterable[str]) -> set[str]:
        """Return some targets and all that need them."""
        ...


@frozen
class Term:
    """One selection, read: its core and what goes with it."""

    text: str
    core: str
    exclude: bool = False
    kind: Literal["all", "group", "below", "glob", "name"] = "name"
    dependencies: bool = False
    dependents: bool = False


def parse(text: str) -> Term:
    """Read one selection; raises SelectionError."""
    core = text.removeprefix("!")
    exclude = core != text
    dependents = core.startswith("...")
    core = core.removeprefix("...")
    below = core.startswith("//") and (core.endswith("/...") or core == "//...")
    dependencies = not below and core.endswith("...")
    core = core.removesuffix("...")
    if not core or core == "@" or core.startswith("!"):
        raise SelectionError(
            f"{text!r} is not a selection",
            hint="a selection is a name, a glob, @group, !exclude, //dir/..., api..., or ...api",
        )
    kind: Literal["all", "group", "below", "glob", "name"] = "name"
    if below:
        kind = "below"
    elif core == ALL:
        kind = "all"
    elif core.startswith("@"):
        kind, core = "group", core[1:]
    elif _WILD.intersection(core):
        kind = "glob"
    return Term(text, core, exclude, kind, dependencies, dependents)


def select(
    texts: Sequence[str], workspace: Workspace, graph: Callable[[], Reach]
) -> tuple[str, ...]:
    """Return the labels that a command line means, in the workspace's order.

    ``graph`` is called only where a selection asks who needs whom.

    Nothing said means the group ``default``, or everything where there is none. Only excludes means
    everything but these. Raises SelectionError for an unknown name and where nothing is left,
    BuildFileError for a group that names what there is not.
    """
    selector = _Selector(workspace, graph)
    if not texts:
        found = selector.evaluate([f"@{DEFAULT}"] if DEFAULT in workspace.groups else [ALL], "")
    else:
        found = selector.evaluate(texts, "")
    if not found:
        what = " ".join(texts) or "the default group"
        raise SelectionError(
            f"{what}: no target is left" if workspace.targets else "there are no targets",
            hint="mkbuild list shows the targets",
        )
    return tuple(label for label in workspace.targets if label in found)


class _Selector:
    def __init__(self, workspace: Workspace, graph: Callable[[], Reach]) -> None:
        self.workspace = workspace
        self.graph = graph
        self.names = Names(workspace.targets)
        self._open: list[str] = []
        self._groups: dict[str, frozenset[str]] = {}

    def evaluate(self, texts: Sequence[str], directory: str) -> set[str]:
        terms = [parse(text) for text in texts]
        found: set[str] = set()
        if terms and all(term.exclude for term in terms):
            found.update(self.workspace.targets)
        for term in terms:
            if not term.exclude:
                found |= self.term(term, directory)
        for term in terms:
            if term.exclude:
                found -= self.term(term, directory)
        return found

    def term(self, term: Term, directory: str) -> set[str]:
        found = self.core(term, directory)
        result = set(found)
        if term.dependencies:
            result |= self.graph().dependencies(found)
        if term.dependents:
            result |= self.graph().dependents(found)
        return result

    def core(self, term: Term, directory: str) -> set[str]:
        targets = self.workspace.targets
        match term.kind:
            case "all":
                return set(targets)
            case "group":
                return set(self.group(term))
            case "below":
                inside = term.core.removeprefix("//").rstrip("/")
                found = {label for label in targets if _below(split_label(label)[0], inside)}
                places = {split_label(label)[0] for label in targets}
                return self.some(found, term, sorted(f"//{place}/..." for place in places if place))
            case "glob":
                pattern = term.core.removeprefix("//:")
                found = {
                    label
                    for label in targets
                    if fnmatchcase(label, pattern)
                    or ("/" not in pattern and fnmatchcase(split_label(label)[1], pattern))
                }
                return self.some(found, term, ())
            case "name":
                return {self.named(term, directory)}

    def some(self, found: set[str], term: Term, allowed: Iterable[str]) -> set[str]:
        if not found and not term.exclude:
            raise SelectionError(
                f"{term.text!r} matches no target",
                hint=did_you_mean(term.core, allowed) or "mkbuild list shows the targets",
            )
        return found

    def named(self, term: Term, directory: str) -> str:
        labels = self.names.find(term.core.removeprefix("//:"), directory)
        if len(labels) == 1:
            return labels[0]
        if labels:
            raise SelectionError(
                f"{term.core!r} may be any of {', '.join(labels)}", hint="write the label"
            )
        if term.core in self.workspace.groups:
            hint: str | None = f"it is a group: write '@{term.core}'"
        else:
            hint = did_you_mean(term.core, self.names.known())
        raise SelectionError(
            f"there is no target {term.core!r}", hint=hint or "mkbuild list shows the targets"
        )

    def group(self, term: Term) -> frozenset[str]:
        name = term.core
        if name in self._groups:
            return self._groups[name]
        group = self.workspace.groups.get(name)
        if group is None:
            raise SelectionError(
                f"there is no group {name!r}",
                hint=did_you_mean(name, self.workspace.groups)
                or f"groups: {', '.join(sorted(self.workspace.groups)) or 'none'}",
            )
        if name in self._open:
            path = " → ".join(f"@{x}" for x in [*self._open[self._open.index(name) :], name])
            raise BuildFileError(
                f"groups that hold each other: {path}", location=group.items[0].location
            )
        self._open.append(name)
        self._groups[name] = frozenset(self.members(group))
        self._open.pop()
        return self._groups[name]

    def members(self, group: Group) -> set[str]:
        added: set[str] = set()
        removed: set[str] = set()
        excludes = 0
        for item in group.items:
            try:
                term = parse(item.text)
                excludes += term.exclude
                (removed if term.exclude else added).update(self.term(term, item.directory))
            except SelectionError as error:
                raise BuildFileError(
                    f"groups.{group.name}: {error.message}",
                    location=item.location,
                    hint=error.hint,
                ) from None
        if group.items and excludes == len(group.items):
            added.update(self.workspace.targets)
        return added - removed


def _below(directory: str, inside: str) -> bool:
    return not inside or directory == inside or directory.startswith(inside + "/")
