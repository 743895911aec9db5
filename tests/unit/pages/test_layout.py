from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.pages.layout import BETWEEN, Box, Layout, Line, arrange


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Box], list[tuple[str, str]]]:
    """Boxes of any size, and edges that make no circle (from earlier boxes to later ones)."""
    number = draw(st.integers(1, 30))
    sizes = st.tuples(st.integers(20, 300), st.integers(10, 80))
    boxes = [Box(f"n{at}", *draw(sizes)) for at in range(number)]
    ends = st.tuples(st.integers(0, number - 1), st.integers(0, number - 1))
    pairs = draw(st.lists(ends.filter(lambda pair: pair[0] < pair[1]), max_size=60))
    return boxes, [(f"n{one}", f"n{two}") for one, two in pairs]


def overlaps(layout: Layout) -> list[tuple[str, str]]:
    return [
        (one, two)
        for (one, a), (two, b) in combinations(layout.boxes.items(), 2)
        if a.x < b.x + b.width
        and b.x < a.x + a.width
        and a.y < b.y + b.height
        and b.y < a.y + a.height
    ]


def way(layout: Layout, source: str, target: str) -> list[Line]:
    """Return the pieces of the line of an edge, in order."""
    (last,) = [line for line in layout.lines if (line.source, line.target) == (source, target)]
    trunks = [line for line in layout.lines if line.source == source and not line.target]
    return [*sorted((t for t in trunks if t.reach < last.reach), key=lambda t: t.reach), last]


@given(graphs())
def test_no_boxes_overlap_and_all_is_inside(
    graph: tuple[list[Box], list[tuple[str, str]]],
) -> None:
    boxes, edges = graph
    layout = arrange(boxes, edges)
    assert layout.boxes.keys() == {box.name for box in boxes}
    assert overlaps(layout) == []
    for box in boxes:
        place = layout.boxes[box.name]
        assert place.width >= box.width
        assert place.height == box.height
        assert 0 <= place.x <= layout.width - place.width
        assert 0 <= place.y <= layout.height - place.height


@given(graphs())
def test_lines_run_from_left_to_right_and_end_at_their_boxes(
    graph: tuple[list[Box], list[tuple[str, str]]],
) -> None:
    boxes, edges = graph
    layout = arrange(boxes, edges)
    for source, target in edges:
        left, right = layout.boxes[source], layout.boxes[target]
        assert left.x + left.width + BETWEEN <= right.x
        pieces = way(layout, source, target)
        start = (left.x + left.width, left.y + left.height // 2)
        for piece in pieces:
            assert (piece.x, piece.y) == start
            assert piece.x < piece.x2 <= piece.x3
            start = (piece.x3, piece.y2)
        assert start == (right.x, right.y + right.height // 2)


@given(graphs())
def test_no_line_passes_through_a_box(graph: tuple[list[Box], list[tuple[str, str]]]) -> None:
    layout = arrange(*graph)
    for line in layout.lines:
        if not line.target:  # it is level from x2 to x3, across a column; curves lie between those
            assert [
                name
                for name, box in layout.boxes.items()
                if box.x < line.x3
                and line.x2 < box.x + box.width
                and box.y < line.y2 < box.y + box.height
            ] == []


def test_circles_and_edges_to_oneself_are_drawn_all_the_same() -> None:
    boxes = [Box(name, 50, 20) for name in "abc"]
    layout = arrange(boxes, [("a", "b"), ("b", "c"), ("c", "a"), ("a", "a"), ("b", "a")])
    assert overlaps(layout) == []
    assert {(line.source, line.target) for line in layout.lines if line.target} == {
        ("a", "b"),
        ("b", "c"),
        ("a", "c"),
    }


def test_what_needs_nothing_stands_beside_what_needs_it() -> None:
    boxes = [Box(name, 50, 20) for name in ("base", "api", "report", "tool")]
    layout = arrange(boxes, [("base", "api"), ("api", "report"), ("tool", "report")])
    assert layout.boxes["tool"].x == layout.boxes["api"].x


def test_a_thousand_dependents_share_their_lines_and_make_no_tower() -> None:
    boxes = [Box(f"n{at}", 100, 40) for at in range(1001)]
    layout = arrange(boxes, [("n0", f"n{at}") for at in range(1, 1001)])
    assert layout.height < 48 * 60
    assert len(layout.lines) < 1000 + 30


def test_single_boxes_stand_in_a_grid_of_equal_widths() -> None:
    layout = arrange([Box(f"n{at}", 50 + at, 20) for at in range(9)], [])
    assert {place.width for place in layout.boxes.values()} == {58}
    assert len({place.x for place in layout.boxes.values()}) > 1
    assert len({place.y for place in layout.boxes.values()}) > 1


def test_nothing() -> None:
    assert arrange([], []) == Layout({}, (), 0, 0)


@pytest.mark.parametrize("length", [2, 2000])
def test_a_chain_stands_on_one_line(length: int) -> None:
    boxes = [Box(f"n{at}", 30, 10) for at in range(length)]
    layout = arrange(boxes, [(f"n{at}", f"n{at + 1}") for at in range(length - 1)])
    assert {place.y for place in layout.boxes.values()} == {0}
