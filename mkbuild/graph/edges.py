"""Edges between targets, with the proof of each: file, line, and what was expanded."""

from typing import Literal, TypeAlias

from mkbuild.buildfile.names import Names
from mkbuild.buildfile.nearest import did_you_mean
from mkbuild.buildfile.target import ContextSource, Target, TargetContext, Workspace
from mkbuild.errors import DockerfileError, UserError
from mkbuild.frozen import frozen
from mkbuild.graph.references import Kind, Reference
from mkbuild.location import Location
from mkbuild.oci import reference as references

EdgeKind: TypeAlias = Kind | Literal["depends_on"]
Via: TypeAlias = Literal["name", "tag", "context", "depends_on"]


@frozen
class Edge:
    """``source`` needs ``target`` (labels).

    ``text`` is what is written at ``location`` and ``name`` what it expands to. ``via`` says how
    the name was found. ``platforms`` are those for which it is so (empty for depends_on).
    """

    source: str
    target: str
    kind: EdgeKind
    via: Via
    location: Location
    text: str
    name: str
    platforms: tuple[str, ...] = ()

    def __str__(self) -> str:
        """Render the proof: ``services/api/Dockerfile:3: FROM ${BASE} (BASE is base)``."""
        notes = []
        if self.name not in self.text:
            notes.append(f"expands to {self.name}")
        if self.via == "tag":
            notes.append(f"a tag of {self.target}")
        elif self.via == "context":
            notes.append(f"contexts: {self.name}: target:{self.target}")
        note = f" ({'; '.join(notes)})" if notes else ""
        return f"{self.location}: {self.text}{note}"


@frozen
class Outside:
    """A name that a target takes from outside the workspace: an image, layout, directory or git."""

    name: str
    location: Location
    kind: Kind
    text: str
    context: bool = False


class Resolver:
    """Finds the target that a name in a Dockerfile means: by name first, then by tag."""

    def __init__(self, workspace: Workspace) -> None:
        """Index names and tags; a tag whose value is not known yet is left out."""
        self.names = Names(workspace.targets)
        self._tags: dict[str, list[str]] = {}
        for label, target in workspace.targets.items():
            for tag in target.tags:
                key = _canonical(tag)
                if key and label not in self._tags.get(key, ()):
                    self._tags.setdefault(key, []).append(label)

    def find(self, target: Target, name: str) -> tuple[str, Via] | None:
        """Return a label and how it was found; None for a name from outside.

        A target never finds itself: ``FROM python`` in a target named python is the image outside.
        Raises UserError where several targets could be meant.
        """
        labels, via = self._candidates(target, name)
        if len(labels) > 1:
            raise UserError(
                f"{name!r} is the {via} of several targets: {', '.join(sorted(labels))}",
                hint="say which one under contexts:, such as "
                f"contexts: {{{name!r}: 'target:{min(labels)}'}}",
            )
        return (labels[0], via) if labels else None

    def label(self, target: Target, name: str) -> str | None:
        """Return the label that a name means, named contexts included; None where it means none."""
        context = _context(target, name)
        if context is not None:
            return context.name if isinstance(context, TargetContext) else None
        labels, _ = self._candidates(target, name)
        return labels[0] if len(labels) == 1 else None

    def _candidates(self, target: Target, name: str) -> tuple[list[str], Via]:
        named = [x for x in self.names.find(name, target.directory) if x != target.label]
        if named:
            return named, "name"
        key = _canonical(name) if self._tags else None
        return [x for x in self._tags.get(key or "", ()) if x != target.label], "tag"

    def edge(self, target: Target, reference: Reference, platform: str) -> Edge | Outside:
        """Turn a reference into an edge, or into what comes from outside; DockerfileError."""
        context = _context(target, reference.name)
        if isinstance(context, TargetContext):
            return _edge(target, context.name, reference, "context", platform)
        if context is not None:
            return Outside(
                reference.name, reference.location, reference.kind, reference.text, context=True
            )
        try:
            found = self.find(target, reference.name)
        except UserError as error:
            raise DockerfileError(
                error.message, location=reference.location, hint=error.hint
            ) from None
        if found:
            return _edge(target, found[0], reference, found[1], platform)
        self._plausible(reference)
        return Outside(reference.name, reference.location, reference.kind, reference.text)

    def _plausible(self, reference: Reference) -> None:
        try:
            references.parse(reference.name)
        except UserError as error:
            hint = did_you_mean(reference.name, self.names.known()) or (
                f"say what it is in the build file: contexts: {{{reference.name!r}: …}}"
            )
            raise DockerfileError(
                f"{reference.text}: {reference.name!r} is neither a stage, a context, a target "
                f"nor an image ({error.message.rpartition(': ')[2]})",
                location=reference.location,
                hint=hint,
            ) from None


def _context(target: Target, name: str) -> ContextSource | None:
    found = references.among(name, target.contexts.keys())
    return None if found is None else target.contexts[found]


def _edge(target: Target, label: str, reference: Reference, via: Via, platform: str) -> Edge:
    return Edge(
        target.label,
        label,
        reference.kind,
        via,
        reference.location,
        reference.text,
        reference.name,
        (platform,),
    )


def _canonical(text: str) -> str | None:
    """Return a tag in one spelling, None for what names no tag."""
    try:
        parsed = references.parse(text)
    except UserError:
        return None
    return None if parsed.digest else str(parsed)
