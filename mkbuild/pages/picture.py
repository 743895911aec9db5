"""A graph as inline SVG: boxes that are links, lines with what they mean as their title."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import accumulate

from mkbuild.frozen import frozen
from mkbuild.pages.layering import Pair
from mkbuild.pages.layout import Box, Layout, Line, Place, arrange
from mkbuild.pages.markup import Markup, element, visible

_LABEL = 7.9
"""Width of a character of a label: monospaced, 13 px."""
_NOTE = 6.6
"""Width of a character of a note: about the average of wide fonts at 11 px."""
_HEIGHT = 46
_SIDE = 14
_MOST = 34
"""Characters of a label that are shown; its title has them all."""


@frozen
class Node:
    """A box: ``label`` over ``note``, with what it links to; ``kinds`` are classes of the style."""

    name: str
    label: str
    note: str
    href: str
    title: str
    kinds: Sequence[str] = ()


@frozen
class Link:
    """A line from ``left`` to ``right``; ``kind`` is a class of the style."""

    left: str
    right: str
    kind: str
    title: str


@frozen
class _Drawing:
    layout: Layout
    numbers: Mapping[str, int]
    links: Mapping[Pair, Link] = field(default_factory=dict)

    def line(self, line: Line) -> Markup:
        bend = (line.x2 - line.x) // 2
        path = (
            f"M{line.x} {line.y}C{line.x + bend} {line.y} {line.x2 - bend} {line.y2} "
            f"{line.x2} {line.y2}"
        )
        if line.x3 != line.x2:
            path += f"H{line.x3}"
        pair = (line.source, line.target)
        link = self.links.get(pair) or self.links.get(pair[::-1])
        return element(
            "path",
            element("title", link.title) if link else None,
            class_=f"line {link.kind}" if link else "line trunk",
            d=path,
            data_s=self.numbers[line.source],
            data_t=self.numbers.get(line.target),
            data_c=line.reach,
        )

    def node(self, node: Node, place: Place) -> Markup:
        return element(
            "a",
            element("title", node.title),
            element("rect", width=place.width, height=place.height, rx=8),
            element("text", _shortened(node.label, _MOST), x=_SIDE, y=19, class_="label"),
            element("text", _shortened(node.note, _MOST), x=_SIDE, y=35, class_="note"),
            class_=" ".join(["node", *node.kinds]),
            href=node.href,
            transform=f"translate({place.x} {place.y})",
            data_n=self.numbers[node.name],
            data_w=place.width,
        )


def picture(
    nodes: Sequence[Node], links: Sequence[Link], *, label: str, numbers: Mapping[str, int]
) -> Markup:
    """Draw a graph, in its natural size; ``numbers`` name the nodes for the script.

    Of several links between the same boxes, the first is drawn; it should speak for all.
    """
    shown = {(link.left, link.right): link for link in reversed(links)}
    layout = arrange([_box(node) for node in nodes], [(link.left, link.right) for link in links])
    drawing = _Drawing(layout, numbers, shown)
    width, height = layout.width + 4, layout.height + 4
    return element(
        "svg",
        element("g", *(drawing.line(line) for line in layout.lines), class_="lines"),
        element("g", *(drawing.node(node, layout.boxes[node.name]) for node in nodes)),
        viewBox=f"-2 -2 {width} {height}",
        width=width,
        height=height,
        role="group",
        aria_label=label,
        class_="graph",
    )


def _box(node: Node) -> Box:
    label = _cells(_shortened(node.label, _MOST)) * _LABEL
    note = _cells(_shortened(node.note, _MOST)) * _NOTE
    return Box(node.name, round(max(label, note)) + 2 * _SIDE, _HEIGHT)


def _cells(text: str) -> int:
    """Count the columns that monospaced text takes."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _shortened(text: str, most: int) -> str:
    """Leave out the middle of what is too long: names often differ at their ends."""
    shown = " ".join(visible(text).split())
    if _cells(shown) <= most:
        return shown
    half = (most - 1) // 2
    return f"{_start(shown, half)}…{_start(shown[::-1], half)[::-1]}"


def _start(text: str, most: int) -> str:
    widths = accumulate(map(_columns, text))
    return "".join(char for char, width in zip(text, widths, strict=True) if width <= most)
