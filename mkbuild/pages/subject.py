"""What a page about targets is about."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cached_property

from mkbuild.buildfile.target import Target
from mkbuild.graph.edges import Edge, Outside
from mkbuild.graph.targets import TargetGraph
from mkbuild.pages.markup import Markup, element
from mkbuild.progress.text import count


@dataclass(frozen=True)
class Subject:
    """Targets of a graph (``labels``), and how they are shown.

    ``place`` shows a file as the user sees it; ``dockerfile`` gives a target's Dockerfile as it
    is shown and how many stages it has, None where it cannot be known.
    """

    graph: TargetGraph
    labels: Collection[str]
    title: str
    place: Callable[[str], str]
    dockerfile: Callable[[Target], tuple[str, int] | None]

    @cached_property
    def targets(self) -> list[Target]:
        """The targets, by build file and label."""
        chosen = [self.graph.targets[label] for label in self.labels]
        return sorted(chosen, key=lambda target: (self.place(target.file), target.label))

    @cached_property
    def files(self) -> dict[str, list[Target]]:
        """The targets of each build file."""
        found: dict[str, list[Target]] = {}
        for target in self.targets:
            found.setdefault(self.place(target.file), []).append(target)
        return found

    @cached_property
    def numbers(self) -> dict[str, int]:
        """A number for each target, which names its part of the page."""
        return {target.label: number for number, target in enumerate(self.targets)}

    @cached_property
    def edges(self) -> dict[tuple[str, str], list[Edge]]:
        """The edges between the targets, by both ends: what is needed, and what needs it."""
        found: dict[tuple[str, str], list[Edge]] = {}
        for edge in self.graph.edges():
            if edge.source in self.numbers and edge.target in self.numbers:
                found.setdefault((edge.target, edge.source), []).append(edge)
        return found

    @cached_property
    def outsides(self) -> dict[str, list[tuple[str, Outside]]]:
        """What comes from elsewhere, by name, with the targets that take it."""
        found: dict[str, list[tuple[str, Outside]]] = {}
        for target in self.targets:
            for outside in self.graph.outsides.get(target.label, ()):
                found.setdefault(outside.name, []).append((target.label, outside))
        return dict(sorted(found.items()))

    def note(self, target: Target) -> str:
        """Say of a target what fits below its name."""
        known = self.dockerfile(target)
        notes = [
            count(known[1], "stage") if known else "",
            ", ".join(name.removeprefix("linux/") for name in target.platforms),
            count(len(target.tags), "tag") if target.tags else "",
        ]
        return " · ".join(filter(None, notes))

    def declared(self, target: Target) -> str:
        """Say where a target is declared."""
        return f"{self.place(target.file)}:{target.location.line}"

    def proof(self, edge: Edge) -> str:
        """Return the proof of an edge; build files are named by their absolute path in it."""
        file = edge.location.file
        return self.place(file) + str(edge).removeprefix(file)

    def reference(self, label: str) -> Markup:
        """Link to a target's part of the page."""
        return element("a", element("code", label), href=f"#t{self.numbers[label]}")
