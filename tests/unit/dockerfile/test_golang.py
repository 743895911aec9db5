"""Go's spellings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile import golang


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ('"\\', '"\\"\\\\"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\x00\x7f", '"\\x00\\x7f"'),
        ("é한", '"é한"'),
        ("\u200b\U000e0001", '"\\u200b\\U000e0001"'),
    ],
)
def test_quote(text: str, expected: str) -> None:
    assert golang.quote(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("+0", 0),
        ("1ns", 1),
        ("1us", 1_000),
        ("1µs", 1_000),
        ("1μs", 1_000),
        ("1ms", 1_000_000),
        ("1s", 1_000_000_000),
        ("1.5s", 1_500_000_000),
        (".5s", 500_000_000),
        ("1.s", 1_000_000_000),
        ("1h2m3s", 3_723_000_000_000),
        ("-1m", -60_000_000_000),
        ("1s1s", 2_000_000_000),
        ("0.0000000001s", 0),
        ("", None),
        ("-", None),
        ("1", None),
        ("s", None),
        (".s", None),
        ("1 s", None),
        ("1S", None),
        ("1d", None),
        ("1s 1s", None),
        ("1..5s", None),
        ("9999999h", None),
    ],
)
def test_duration(text: str, expected: int | None) -> None:
    assert golang.duration(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1", True),
        ("t", True),
        ("TRUE", True),
        ("0", False),
        ("False", False),
        ("yes", None),
        ("tRUE", None),
    ],
)
def test_boolean(text: str, expected: bool | None) -> None:
    assert golang.boolean(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", 0),
        ("+7", 7),
        ("-7", -7),
        ("007", 7),
        ("127", 127),
        ("-128", -128),
        ("128", None),
        ("-129", None),
        ("", None),
        ("1.0", None),
        (" 1", None),
        ("1" * 5000, None),
        ("\u0661", None),
    ],
)
def test_integer(text: str, expected: int | None) -> None:
    assert golang.integer(text, 128) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[]", []),
        (' ["a"]', ["a"]),
        ("[1, null]", [1, None]),
        ("[NaN]", None),
        ('["a"] b', None),
        ("{}", None),
        ("", None),
        ('["\t"]', None),
        ("[" + "1" * 5000 + "]", None),
    ],
)
def test_json_array(text: str, expected: list[object] | None) -> None:
    assert golang.json_array(text) == expected


@given(st.text())
def test_quoting_hides_what_cannot_be_printed(text: str) -> None:
    assert golang.quote(text).isprintable()


@given(st.text("0123456789.+-hmsnuµ ", max_size=12))
def test_any_duration_is_read_or_refused(text: str) -> None:
    value = golang.duration(text)
    assert value is None or abs(value) < 1 << 63
