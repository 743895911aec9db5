"""The graph of targets: who needs whom, in which order, and why."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from graphlib import CycleError as GraphCycleError
from graphlib import TopologicalSorter
from itertools import pairwise
from typing import TYPE_CHECKING

from mkbuild.buildfile.target import Target, Workspace
from mkbuild.dockerfile.instructions import Dockerfile
from mkbuild.errors import CycleError
from mkbuild.graph.edges import Edge, Outside, Resolver
from mkbuild.graph.references import Build, Reference, needs, stage_index, triggers_of
from mkbuild.oci import platform as platforms
from mkbuild.oci.model import Platform

if TYPE_CHECKING:
    import networkx as nx

ReadDockerfile = Callable[[Target], Dockerfile | None]
"""Reads a target's Dockerfile; None where it cannot be known yet (in a git context)."""


def infer(
    workspace: Workspace,
    read: ReadDockerfile,
    build_platform: Platform,
    roots: Collection[str] | None = None,
) -> "TargetGraph":
    """Infer the edges of some targets (labels) and of all that they need; None: of all.

    Raises DockerfileError for a name that cannot be resolved, and CycleError.
    """
    inference = _Inference(workspace, read, build_platform)
    edges: dict[str, tuple[Edge, ...]] = {}
    outsides: dict[str, tuple[Outside, ...]] = {}
    waiting = list(workspace.targets if roots is None else roots)
    while waiting:
        label = waiting.pop()
        if label not in edges:
            edges[label], outsides[label] = inference.edges(workspace.targets[label])
            waiting += (edge.target for edge in edges[label])
    known = [label for label in workspace.targets if label in edges]
    return TargetGraph(
        {label: workspace.targets[label] for label in known},
        {label: edges[label] for label in known},
        outsides,
    )


class _Inference:
    def __init__(
        self, workspace: Workspace, read: ReadDockerfile, build_platform: Platform
    ) -> None:
        self.workspace = workspace
        self.resolver = Resolver(workspace)
        self.build_platform = build_platform
        self._read = read
        self._dockerfiles: dict[str, Dockerfile | None] = {}

    def dockerfile(self, target: Target) -> Dockerfile | None:
        if target.label not in self._dockerfiles:
            self._dockerfiles[target.label] = self._read(target)
        return self._dockerfiles[target.label]

    def edges(self, target: Target) -> tuple[tuple[Edge, ...], tuple[Outside, ...]]:
        edges: dict[object, Edge] = {}
        outsides: dict[Outside, None] = {}
        for text in target.platforms or (str(self.build_platform),):
            for reference in self.references(target, text):
                found = self.resolver.edge(target, reference, text)
                if isinstance(found, Outside):
                    outsides[found] = None
                    continue
                key = replace(found, platforms=())
                before = edges.get(key)
                edges[key] = (
                    replace(before, platforms=(*before.platforms, text)) if before else found
                )
        for label in target.depends_on:
            text = f"depends_on: {label}"
            edges[text] = Edge(
                target.label, label, "depends_on", "depends_on", target.location, text, label
            )
        return tuple(edges.values()), tuple(outsides)

    def references(self, target: Target, platform: str) -> tuple[Reference, ...]:
        dockerfile = self.dockerfile(target)
        if dockerfile is None:
            return ()
        build = Build(
            stage=target.target,
            args=target.args,
            platform=platforms.parse(platform),
            build_platform=self.build_platform,
            contexts=target.contexts.keys(),
            triggers=lambda name: self.triggers(target, name),
        )
        return needs(dockerfile, build).references

    def triggers(self, target: Target, name: str) -> Sequence[str]:
        """Return the ONBUILD instructions that a base brings where it is a target."""
        label = self.resolver.label(target, name)
        dockerfile = self.dockerfile(self.workspace.targets[label]) if label else None
        if label is None or dockerfile is None:
            return ()
        stage = stage_index(dockerfile, self.workspace.targets[label].target)
        return triggers_of(dockerfile.stages[stage])


class TargetGraph:
    """Targets by label in the workspace's order, and the edges between them. No cycles."""

    def __init__(
        self,
        targets: Mapping[str, Target],
        edges: Mapping[str, Sequence[Edge]],
        outsides: Mapping[str, Sequence[Outside]],
    ) -> None:
        """Take each target's edges; raises CycleError with the whole path."""
        self.targets = targets
        self.outsides = outsides
        self._edges = edges
        self._needs = {
            label: tuple(dict.fromkeys(edge.target for edge in edges[label])) for label in targets
        }
        self._needed: dict[str, list[str]] = {label: [] for label in targets}
        for label, needed in self._needs.items():
            for other in needed:
                self._needed[other].append(label)
        self._order = self._sorted()

    def order(self) -> tuple[str, ...]:
        """Return all labels, each after everything that it needs."""
        return self._order

    def waves(self, labels: Collection[str] | None = None) -> list[tuple[str, ...]]:
        """Return labels in waves: each wave needs earlier ones only; None: all labels."""
        wanted = frozenset(self._order if labels is None else labels)
        level: dict[str, int] = {}
        waves: dict[int, list[str]] = {}
        for label in self._order:
            below = (level[other] + (other in wanted) for other in self._needs[label])
            level[label] = max(below, default=0)
            if label in wanted:
                waves.setdefault(level[label], []).append(label)
        return [tuple(waves[index]) for index in sorted(waves)]

    def needs(self, label: str) -> tuple[str, ...]:
        """Return what a target needs directly."""
        return self._needs[label]

    def needed_by(self, label: str) -> tuple[str, ...]:
        """Return what needs a target directly."""
        return tuple(self._needed[label])

    def dependencies(self, labels: Iterable[str], depth: int | None = None) -> set[str]:
        """Return some targets and all that they need, at most ``depth`` edges away."""
        return _reach(labels, self._needs, depth)

    def dependents(self, labels: Iterable[str], depth: int | None = None) -> set[str]:
        """Return some targets and all that need them, at most ``depth`` edges away."""
        return _reach(labels, self._needed, depth)

    def edges(self) -> list[Edge]:
        """Return every edge, in the order of the targets."""
        return [edge for label in self.targets for edge in self._edges[label]]

    def why_edge(self, source: str, target: str) -> tuple[Edge, ...]:
        """Return every reason why one target needs another directly."""
        return tuple(edge for edge in self._edges[source] if edge.target == target)

    def some_path(self, source: str, target: str) -> tuple[str, ...]:
        """Return a shortest path from one target to another it needs; empty where there is none."""
        import networkx as nx

        try:
            return tuple(nx.shortest_path(self._network(), source, target))
        except nx.NetworkXNoPath:
            return ()

    def _network(self) -> "nx.DiGraph[str]":
        # Imported here, since only queries ask for paths: a build never pays for networkx.
        import networkx as nx

        network: nx.DiGraph[str] = nx.DiGraph()
        network.add_nodes_from(self.targets)
        network.add_edges_from(
            (label, other) for label, needed in self._needs.items() for other in needed
        )
        return network

    def _sorted(self) -> tuple[str, ...]:
        try:
            return tuple(TopologicalSorter(self._needs).static_order())
        except GraphCycleError as error:
            cycle: list[str] = error.args[1][::-1]
        raise self._cycle(cycle)

    def _cycle(self, cycle: list[str]) -> CycleError:
        steps = list(pairwise(cycle))
        proofs = [self.why_edge(source, target)[0] for source, target in steps]
        lines = [f"  {edge.source} needs {edge.target}: {edge}" for edge in proofs]
        hint = None
        if any(edge.via == "name" for edge in proofs):
            name = next(edge.name for edge in proofs if edge.via == "name")
            hint = (
                f"if an image from elsewhere is meant, write it in full: docker.io/library/{name}"
            )
        return CycleError(
            f"targets that need each other: {' → '.join(cycle)}\n" + "\n".join(lines),
            location=proofs[0].location,
            hint=hint,
        )


def _reach(
    labels: Iterable[str], following: Mapping[str, Sequence[str]], depth: int | None
) -> set[str]:
    found = set(labels)
    front = list(found)
    while front and depth != 0:
        front = list({other for label in front for other in following[label]} - found)
        found.update(front)
        depth = None if depth is None else depth - 1
    return found
