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
    assert text.cells(shown) <= width
    assert text.cells(value) > width or shown == value


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


def test_east_asian_characters_take_two_columns_and_marks_none() -> None:
    assert text.cells("abc") == 3
    assert text.cells("日本") == 4
    assert text.cells("e\u0301") == 1
    assert text.fit("日本語日本語", 7) == "日本.."
    assert text.fit("日本語", 6) == "日本語"
    assert text.wrap("日本語 日本語 a", "", 9) == ["日本語", "  日本語", "  a"]


@given(st.text(alphabet="ab 日\u0301", max_size=60), st.integers(10, 40))
def test_wrapped_lines_fit_and_lose_nothing_but_space(line: str, width: int) -> None:
    lines = text.wrap(line, " ", width)
    assert "".join("".join(lines).split()) == "".join(line.split())
    longest = max(map(text.cells, line.split()), default=0)
    assert all(text.cells(line) <= max(width, longest + 3) for line in lines)
