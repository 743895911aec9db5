"""Excerpts: the place marked in its file."""

from pathlib import Path

import pytest

from mkbuild.location import Location
from mkbuild.progress.excerpt import excerpt, marked, parse

FILE = "FROM a\nRUN one\nRUN two \\\n    three\nCOPY x\ty\n\n"


@pytest.mark.parametrize(
    ("place", "location"),
    [
        ("Dockerfile:3", Location("Dockerfile", 3)),
        ("a/b:c:3:7", Location("a/b:c", 3, 7)),
        ("Dockerfile", Location("Dockerfile")),
        ("", Location("")),
        (":4", Location("", 4)),
    ],
)
def test_parse(place: str, location: Location) -> None:
    assert parse(place) == location


def test_the_line_is_marked() -> None:
    assert marked(FILE, Location("f", 2)) == [
        "     1 | FROM a",
        ">    2 | RUN one",
        "     3 | RUN two \\",
        "     4 |     three",
    ]


def test_a_range_and_a_column() -> None:
    assert marked(FILE, Location("f", 3, 5, 4)) == [
        "     1 | FROM a",
        "     2 | RUN one",
        ">    3 | RUN two \\",
        "       |     ^",
        ">    4 |     three",
        "     5 | COPY x  y",
    ]


def test_the_caret_stands_below_its_column_behind_a_tab() -> None:
    lines = marked(FILE, Location("f", 5, 8))
    caret = lines.index("       |         ^")
    assert lines[caret - 1] == ">    5 | COPY x  y"
    assert lines[caret].index("^") == lines[caret - 1].index("y")


@pytest.mark.parametrize("line", [0, 8, 99])
def test_no_such_line(line: int) -> None:
    assert marked(FILE, Location("f", line)) == []


def test_files(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(FILE)
    assert excerpt(Location("Dockerfile", 1), tmp_path)[0] == ">    1 | FROM a"
    assert excerpt(Location("Dockerfile"), tmp_path) == []
    assert excerpt(Location("gone", 1), tmp_path) == []
