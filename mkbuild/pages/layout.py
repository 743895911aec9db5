"""Where the boxes and lines of a graph are drawn: each connected piece by columns, pieces packed.

Pixels; x goes right, y goes down.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence

from mkbuild.frozen import frozen
from mkbuild.pages.layering import Columns, Item, Pair, columns

BETWEEN = 64
"""Between two columns."""
_PIECES = 28
_ASPECT = 2.0


@frozen
class Box:
    """A node to be placed; names are unique."""

    name: str
    width: int
    height: int


@frozen
class Place:
    """Where a box went: its upper left corner, and its size; boxes of a column are equally wide."""

    x: int
    y: int
    width: int
    height: int


@frozen
class Line:
    """A piece of a line: a curve from (``x``, ``y``) to (``x2``, ``y2``), then level to ``x3``.

    It is part of every edge that leaves ``source`` (a box) for column ``reach`` or one further
    right; where it ends at a box, that is ``target``, and of that edge alone.
    """

    source: str
    target: str
    reach: int
    x: int
    y: int
    x2: int
    y2: int
    x3: int


@frozen
class Layout:
    """Boxes by name, the lines between them, and the size of it all."""

    boxes: Mapping[str, Place]
    lines: tuple[Line, ...]
    width: int
    height: int


def arrange(boxes: Sequence[Box], edges: Iterable[Pair]) -> Layout:
    """Place boxes: of an edge, the first box stands left of the second.

    An edge that closes a cycle is turned round; one from a box to itself is left out.
    """
    known = {box.name: box for box in boxes}
    straight = _acyclic(known, dict.fromkeys(edge for edge in edges if edge[0] != edge[1]))
    pieces = [_Piece(names, found, known) for names, found in _pieces(known, straight)]
    alone = max((piece.width for piece in pieces if piece.single), default=0)
    for piece in pieces:
        if piece.single:
            piece.width = alone
    return _packed(sorted(pieces, key=lambda piece: (piece.single, -piece.height)))


def _acyclic(names: Iterable[str], edges: Iterable[Pair]) -> list[Pair]:
    """Turn round the edges that a depth-first walk meets a second time on its way."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for left, right in edges:
        after[left].append(right)
    found: dict[Pair, None] = {}
    on_way: dict[str, bool] = {}
    for start, firsts in after.items():
        if start in on_way:
            continue
        on_way[start] = True
        stack = [(start, iter(firsts))]
        while stack:
            name, rights = stack[-1]
            for right in rights:
                found[(right, name) if on_way.get(right) else (name, right)] = None
                if right not in on_way:
                    on_way[right] = True
                    stack.append((right, iter(after[right])))
                    break
            else:
                on_way[name] = False
                stack.pop()
    return list(found)


def _pieces(names: Iterable[str], edges: Iterable[Pair]) -> Iterator[tuple[list[str], list[Pair]]]:
    """Split a graph into what is connected."""
    leader = {name: name for name in names}

    def find(name: str) -> str:
        while leader[name] != name:
            leader[name] = name = leader[leader[name]]
        return name

    edges = list(edges)
    for left, right in edges:
        leader[find(right)] = find(left)
    members: dict[str, list[str]] = {}
    for name in leader:
        members.setdefault(find(name), []).append(name)
    lines: dict[str, list[Pair]] = {}
    for edge in edges:
        lines.setdefault(find(edge[0]), []).append(edge)
    for first, found in members.items():
        yield found, lines.get(first, [])


class _Piece:
    """A connected piece, drawn from its own upper left corner."""

    def __init__(self, names: list[str], edges: list[Pair], known: Mapping[str, Box]) -> None:
        self.single = len(names) == 1
        self._known = known
        self._columns: Columns = columns({name: known[name].height for name in names}, edges)
        self._widths = [
            max(known[item].width for item in column if isinstance(item, str))
            for column in self._columns.items
        ]
        self._top = min(
            middle - known[item].height / 2
            for item, middle in self._columns.middle.items()
            if isinstance(item, str)
        )
        self._top = min([self._top, *self._columns.middle.values()])
        self.width = sum(self._widths) + BETWEEN * (len(self._widths) - 1)
        self.height = 1 + max(
            self._middle(item) + (known[item].height // 2 if isinstance(item, str) else 0)
            for item in self._columns.middle
        )

    def _middle(self, item: Item) -> int:
        return round(self._columns.middle[item] - self._top)

    def draw(self, x: int, y: int) -> tuple[dict[str, Place], list[Line]]:
        """Return boxes and lines of the piece at a place."""
        boxes: dict[str, Place] = {}
        sides: dict[Item, tuple[int, int, int]] = {}
        column: dict[Item, int] = {}
        left = x
        widths = [self.width] if self.single else self._widths
        for number, (items, width) in enumerate(zip(self._columns.items, widths, strict=True)):
            for item in items:
                middle = y + self._middle(item)
                sides[item] = (left, middle, left + width)
                column[item] = number
                if isinstance(item, str):
                    height = self._known[item].height
                    boxes[item] = Place(left, middle - height // 2, width, height)
            left += width + BETWEEN
        lines = []
        for start, end in self._columns.lines:
            (_, from_y, from_x), (to_x, to_y, leave) = sides[start], sides[end]
            source = start if isinstance(start, str) else start[0]
            target = end if isinstance(end, str) else ""
            x3 = to_x if target else leave
            lines.append(Line(source, target, column[end], from_x, from_y, to_x, to_y, x3))
        return boxes, lines


def _packed(pieces: Sequence[_Piece]) -> Layout:
    """Put pieces side by side on shelves that are together about twice as wide as high."""
    area = sum((piece.width + _PIECES) * (piece.height + _PIECES) for piece in pieces)
    widest = max((piece.width for piece in pieces), default=0)
    limit = max(widest, round(math.sqrt(area * _ASPECT)))
    boxes: dict[str, Place] = {}
    lines: list[Line] = []
    x = y = shelf = right = 0
    for piece in pieces:
        if x and x + piece.width > limit:
            x, y = 0, y + shelf + _PIECES
            shelf = 0
        placed, drawn = piece.draw(x, y)
        boxes |= placed
        lines += drawn
        x += piece.width + _PIECES
        right = max(right, x - _PIECES)
        shelf = max(shelf, piece.height)
    return Layout(boxes, tuple(lines), right, y + shelf)
