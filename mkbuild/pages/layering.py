"""Columns of a drawn graph: which node stands in which, in what order, how high.

The usual steps of a layered drawing (Sugiyama, Tagawa, Toda 1981): layers by longest path, of
bounded height; an order with few crossings by barycentres; heights that pull neighbours level, with
no overlap, by isotonic regression. What differs: all edges that leave one node share one trunk, so
that a base with a thousand dependents makes one line a column, not a thousand.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TypeAlias

Pair: TypeAlias = tuple[str, str]
Trunk: TypeAlias = tuple[str, int]
"""Where a node's trunk passes through a column."""
Item: TypeAlias = str | Trunk
"""What stands in a column: a node, or a trunk that passes."""

TRUNK = 4
"""Height of a passing trunk."""
GAP = 14
"""Between two nodes in a column."""
_CLOSE = 7
"""Between a trunk and what is beside it."""
_STRAIGHT = 4.0
_SWEEPS = 6
_LEAST = 12


@dataclass(slots=True)
class Columns:
    """A connected piece of a graph: ``items`` by column from the left, ``middle`` of each.

    ``lines``: what is joined, from one column to the next: left item, right item.
    """

    items: list[list[Item]]
    middle: dict[Item, float]
    lines: list[tuple[Item, Item]]


def columns(heights: Mapping[str, int], edges: Sequence[Pair]) -> Columns:
    """Arrange nodes (heights by name); each edge goes from left to right, and there is no cycle."""
    links = _Links(heights, edges)
    items = _items(_layers(links), links)
    joints = _Joints(items, links)
    order = _ordered(items, joints)
    lines = [(left, right) for left, rights in joints.right.items() for right in rights]
    return Columns(order, _middles(order, joints, heights), lines)


class _Links:
    """Neighbours of nodes, and the nodes from left to right."""

    def __init__(self, names: Mapping[str, int], edges: Sequence[Pair]) -> None:
        self.before: dict[str, list[str]] = {name: [] for name in names}
        self.after: dict[str, list[str]] = {name: [] for name in names}
        for left, right in edges:
            self.before[right].append(left)
            self.after[left].append(right)
        self.sorted = self._sorted()

    def _sorted(self) -> list[str]:
        waiting = {name: len(lefts) for name, lefts in self.before.items()}
        ready = [name for name, count in waiting.items() if not count]
        for name in ready:
            for right in self.after[name]:
                waiting[right] -= 1
                if not waiting[right]:
                    ready.append(right)
        return ready


def _layers(links: _Links) -> dict[str, int]:
    """Give each node a column: what is needed lies further left, no column holds too many.

    Nodes with a long way to go come first, as in list scheduling, so that a full column puts off
    leaves and not what others wait for.
    """
    rest: dict[str, int] = {}
    for name in reversed(links.sorted):
        rest[name] = 1 + max((rest[right] for right in links.after[name]), default=0)
    depth: dict[str, int] = {}
    for name in links.sorted:
        depth[name] = 1 + max((depth[left] for left in links.before[name]), default=-1)
    most = max(_LEAST, math.ceil(math.sqrt(len(rest)) * 1.5))
    taken: Counter[int] = Counter()
    layer: dict[str, int] = {}
    for name in sorted(links.sorted, key=lambda name: (depth[name], -rest[name])):
        at = 1 + max((layer[left] for left in links.before[name]), default=-1)
        while taken[at] >= most:
            at += 1
        layer[name] = at
        taken[at] += 1
    for name in links.sorted:  # what needs nothing moves beside the first that needs it
        if not links.before[name] and links.after[name]:
            at = min(layer[right] for right in links.after[name]) - 1
            while at > layer[name] and taken[at] >= most:
                at -= 1
            taken.subtract({layer[name]: 1, at: -1})
            layer[name] = at
    column = {at: number for number, at in enumerate(sorted(set(layer.values())))}
    return {name: column[at] for name, at in layer.items()}


def _items(layer: Mapping[str, int], links: _Links) -> list[list[Item]]:
    found: list[list[Item]] = [[] for _ in range(max(layer.values()) + 1)]
    for name in links.sorted:
        found[layer[name]].append(name)
        last = max((layer[right] for right in links.after[name]), default=0)
        for at in range(layer[name] + 1, last):
            found[at].append((name, at))
    return found


class _Joints:
    """What is joined with what in the column before and the one after."""

    def __init__(self, items: Sequence[Sequence[Item]], links: _Links) -> None:
        self.left: dict[Item, list[Item]] = {item: [] for column in items for item in column}
        self.right: dict[Item, list[Item]] = {item: [] for column in items for item in column}
        at = {item: number for number, column in enumerate(items) for item in column}
        for item, number in at.items():
            if isinstance(item, tuple):
                self._join(self._end(item[0], number, at), item)
            else:
                for name in links.before[item]:
                    self._join(self._end(name, number, at), item)

    @staticmethod
    def _end(name: str, number: int, at: Mapping[Item, int]) -> Item:
        """Return what a line from a node passes in the column before ``number``."""
        return name if at[name] == number - 1 else (name, number - 1)

    def _join(self, left: Item, right: Item) -> None:
        self.right[left].append(right)
        self.left[right].append(left)


def _ordered(items: list[list[Item]], joints: _Joints) -> list[list[Item]]:
    best, fewest = items, _crossings(items, joints)
    current = items
    for sweep in range(_SWEEPS):
        current = _swept(current, joints, rightwards=sweep % 2 == 0)
        found = _crossings(current, joints)
        if found < fewest or not sweep:
            best, fewest = current, found
        if not fewest:
            break
    return best


def _swept(items: list[list[Item]], joints: _Joints, *, rightwards: bool) -> list[list[Item]]:
    """Sort each column by where the neighbours in the column before stand on the average."""
    near = joints.left if rightwards else joints.right
    row: dict[Item, float] = {}
    done: list[list[Item]] = []
    for column in items if rightwards else reversed(items):
        middle = {
            item: sum(row[other] for other in near[item]) / len(near[item]) if near[item] else at
            for at, item in enumerate(column)
        }
        ordered = _centred(sorted(column, key=middle.__getitem__), middle)
        row.update((item, at) for at, item in enumerate(ordered))
        done.append(ordered)
    return done if rightwards else done[::-1]


def _centred(column: Sequence[Item], middle: Mapping[Item, float]) -> list[Item]:
    """Put trunks amid what is drawn to the same place: a column is level with what it hangs on."""
    found: list[Item] = []
    for _, same in groupby(column, key=middle.__getitem__):
        group = list(same)
        nodes = [item for item in group if isinstance(item, str)]
        half = len(nodes) // 2
        found += [
            *nodes[:half],
            *(item for item in group if isinstance(item, tuple)),
            *nodes[half:],
        ]
    return found


def _crossings(items: Sequence[Sequence[Item]], joints: _Joints) -> int:
    """Count crossing lines between neighbouring columns (by a Fenwick tree over rows)."""
    total = 0
    for column, following in pairwise(items):
        row = {item: at + 1 for at, item in enumerate(following)}
        tree = [0] * (len(following) + 1)
        seen = 0
        for item in column:
            ends = sorted(row[right] for right in joints.right[item])
            for end in ends:
                total += seen - _sum(tree, end)
            for end in ends:
                _add(tree, end)
            seen += len(ends)
    return total


def _sum(tree: Sequence[int], at: int) -> int:
    found = 0
    while at:
        found += tree[at]
        at &= at - 1
    return found


def _add(tree: list[int], at: int) -> None:
    while at < len(tree):
        tree[at] += 1
        at += at & -at


def _middles(
    items: Sequence[Sequence[Item]], joints: _Joints, heights: Mapping[str, int]
) -> dict[Item, float]:
    middle: dict[Item, float] = {}
    stacks = [_Stack(column, heights) for column in items]
    for stack in stacks:
        middle.update(stack.level(dict.fromkeys(stack.column, 0.0)))
    both = {item: joints.left[item] + joints.right[item] for item in middle}
    for near in (joints.left, joints.right, joints.left, joints.right, both):
        for stack in stacks if near is not joints.right else reversed(stacks):
            wanted = {
                item: sum(middle[other] for other in near[item]) / len(near[item])
                if near[item]
                else middle[item]
                for item in stack.column
            }
            middle.update(stack.level(wanted))
    return middle


@dataclass(slots=True)
class _Stack:
    """A column in its order, which may move up and down but neither overlap nor change order."""

    column: Sequence[Item]
    heights: Mapping[str, int]
    offsets: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        end, close = 0.0, True
        for item in self.column:
            trunk = isinstance(item, tuple)
            height = TRUNK if isinstance(item, tuple) else self.heights[item]
            start = end + (_CLOSE if trunk or close else GAP)
            self.offsets.append(start + height / 2)
            end, close = start + height, trunk

    def level(self, wanted: Mapping[Item, float]) -> dict[Item, float]:
        """Return the heights closest to the wanted ones: least squares, by pooling violators."""
        pools: list[tuple[float, float, int]] = []
        for item, offset in zip(self.column, self.offsets, strict=True):
            mean, weight, size = wanted[item] - offset, _weight(item), 1
            while pools and pools[-1][0] > mean:
                other, more, count = pools.pop()
                mean = (mean * weight + other * more) / (weight + more)
                weight, size = weight + more, size + count
            pools.append((mean, weight, size))
        shifts = (mean for mean, _, size in pools for _ in range(size))
        return {
            item: offset + shift
            for item, offset, shift in zip(self.column, self.offsets, shifts, strict=True)
        }


def _weight(item: Item) -> float:
    """Return how much an item's wish counts: straight trunks please more than straight ends."""
    return _STRAIGHT if isinstance(item, tuple) else 1.0
