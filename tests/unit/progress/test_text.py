"""Numbers and foreign text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.progress import text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0.00s"),
        (0.123, "0.12s"),
        (3.21, "3.2s"),
        (9.97, "10.0s"),
        (75, "75s"),
        (725, "12m05s"),
        (7380, "2h03m"),
    ],
)
def test_seconds(value: float, shown: str) -> None:
    assert text.seconds(value) == shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1234, "1.2 kB"),
        (85_000_000, "85 MB"),
        (999_600, "1.0 MB"),
        (4_200_000_000_000, "4.2 TB"),
    ],
)
def test_size(value: int, shown: str) -> None:
    assert text.size(value) == shown


@given(st.integers(0, 10**12))
def test_sizes_fit_the_table(value: int) -> None:
    assert len(text.size(value)) <= 7


@given(st.text(), st.integers(0, 30))
def test_fit(value: str, width: int) -> None:
    shown = text.fit(value, width)
    assert len(shown) <= width
    assert len(value) > width or shown == value


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("\x1b[31mred\x1b[0m\n", "red"),
        ("\x1b]0;title\x07text", "text"),
        ("10%\r50%\r100%\r\n", "100%"),
        ("a\tb", "a   b"),
        ("\x1b[2J\x1b[Hgone\x00\x08", "gone"),
        ("plain", "plain"),
    ],
)
def test_clean(line: str, shown: str) -> None:
    assert text.clean(line) == shown


@given(st.text())
def test_clean_leaves_nothing_that_moves_a_cursor(line: str) -> None:
    assert all(char.isprintable() or not char.isascii() for char in text.clean(line))


def test_count_and_short() -> None:
    assert text.count(1, "step") == "1 step"
    assert text.count(0, "step") == "0 steps"
    assert text.short("sha256:" + "ab" * 32) == "abababababab"
    assert text.one_line("RUN a \\\n   b") == "RUN a \\ b"


def test_an_instruction_on_one_line_cannot_move_the_cursor() -> None:
    assert text.one_line("RUN  a \\\n\t b\x1b[2J\x1b]0;t\x07c\x00") == "RUN a \\ bc"
    assert text.wrap("a\x1b[31mb c", "  ") == ["  ab c"]
