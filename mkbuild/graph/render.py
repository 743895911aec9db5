"""The graph as text: Graphviz dot, Mermaid, JSON."""

import json
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import Literal

from mkbuild.frozen import frozen
from mkbuild.graph.query import kind_of
from mkbuild.graph.targets import TargetGraph

FORMATS = ("dot", "mermaid", "json")
_STYLE = {"FROM": "solid", "COPY --from": "dashed", "RUN --mount": "dashed", "depends_on": "dotted"}
_ARROW = {"FROM": "-->", "COPY --from": "-.->", "RUN --mount": "-.->", "depends_on": "-.->"}


@frozen
class _Link:
    source: str
    target: str
    kind: str


def render(
    graph: TargetGraph,
    how: Literal["dot", "mermaid", "json"],
    labels: Collection[str] | None = None,
    place: Callable[[str], str] = str,
) -> str:
    """Render the targets in ``labels`` (None: all) and the edges between them.

    ``place``: says how the name of a build file is shown.
    """
    kept = [label for label in graph.targets if labels is None or label in labels]
    match how:
        case "dot":
            return _dot(graph, kept)
        case "mermaid":
            return _mermaid(graph, kept)
        case "json":
            return _json(graph, kept, place)


def _links(graph: TargetGraph, labels: list[str]) -> list[_Link]:
    kept = frozenset(labels)
    return list(
        dict.fromkeys(
            _Link(edge.source, edge.target, edge.kind)
            for edge in graph.edges()
            if edge.source in kept and edge.target in kept
        )
    )


def _dot(graph: TargetGraph, labels: list[str]) -> str:
    lines = ["digraph targets {", "  rankdir=LR;", '  node [shape=box, fontname="sans-serif"];']
    for label in labels:
        style = "" if kind_of(graph.targets[label]) == "published" else " [style=dashed]"
        lines.append(f"  {_quoted(label)}{style};")
    lines += [
        f"  {_quoted(link.source)} -> {_quoted(link.target)} "
        f"[style={_STYLE[link.kind]}, tooltip={_quoted(link.kind)}];"
        for link in _links(graph, labels)
    ]
    return "\n".join([*lines, "}", ""])


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _mermaid(graph: TargetGraph, labels: list[str]) -> str:
    ids = {label: f"t{index}" for index, label in enumerate(labels)}
    lines = ["graph LR"]
    lines += [f'  {ids[label]}["{_entity(label)}"]' for label in labels]
    for link in _links(graph, labels):
        lines.append(f"  {ids[link.source]} {_ARROW[link.kind]}|{link.kind}| {ids[link.target]}")
    return "\n".join([*lines, ""])


def _entity(text: str) -> str:
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")


def _json(graph: TargetGraph, labels: list[str], place: Callable[[str], str]) -> str:
    kept = frozenset(labels)
    places = {label: graph.targets[label].location for label in labels}
    document = {
        "targets": [
            {
                "label": label,
                "location": str(replace(places[label], file=place(places[label].file))),
                "kind": kind_of(graph.targets[label]),
                "tags": list(graph.targets[label].tags),
                "platforms": list(graph.targets[label].platforms),
            }
            for label in labels
        ],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "kind": edge.kind,
                "via": edge.via,
                "location": str(edge.location),
                "text": edge.text,
                "name": edge.name,
                "platforms": list(edge.platforms),
            }
            for edge in graph.edges()
            if edge.source in kept and edge.target in kept
        ],
    }
    return json.dumps(document, indent=2) + "\n"
