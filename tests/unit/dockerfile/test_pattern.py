"""Shell patterns against a slow and simple matcher."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile import pattern


def matches(text: str, wanted: str) -> bool:
    """Whether a pattern of ``*``, ``?`` and plain characters matches the whole text."""
    if not wanted:
        return not text
    if wanted[0] == "*":
        return matches(text, wanted[1:]) or (bool(text) and matches(text[1:], wanted))
    return bool(text) and wanted[0] in {"?", text[0]} and matches(text[1:], wanted[1:])


@given(st.text("ab", max_size=8), st.text("ab*?", max_size=7), st.booleans())
def test_trimming_cuts_the_right_length(
    value: str,
    wanted: str,
    longest: bool,
) -> None:
    cuts = [n for n in range(len(value) + 1) if matches(value[:n], wanted)]
    cut = (max if longest else min)(cuts) if cuts else 0
    assert pattern.trim_prefix(value, wanted, longest=longest) == value[cut:]
    tails = [n for n in range(len(value) + 1) if matches(value[len(value) - n :], wanted)]
    tail = (max if longest else min)(tails) if tails else 0
    assert pattern.trim_suffix(value, wanted, longest=longest) == value[: len(value) - tail]


@pytest.mark.parametrize(
    ("value", "wanted", "replacement", "expected"),
    [
        ("abc", "", "-", "-a-b-c-"),
        ("abc", "*", "-", "-"),
        ("", "*", "-", "-"),
        ("aXbX", "X", "$$", "a$b$"),
        ("aXb", "X", "${0}${1}$name.", "aX.b"),
        ("a.b", ".", "\\", "a\\b"),
    ],
)
def test_replacing_everywhere(value: str, wanted: str, replacement: str, expected: str) -> None:
    assert pattern.replace(value, wanted, replacement, everywhere=True) == expected


def test_replacing_once_is_literal() -> None:
    assert pattern.replace("aXbX", "X", "$0", everywhere=False) == "a$0bX"


@pytest.mark.parametrize("wanted", ["\\a", "a\\", "\\["])
def test_pattern_with_a_strange_escape_is_refused(wanted: str) -> None:
    with pytest.raises(pattern.PatternError, match="invalid escape"):
        pattern.trim_prefix("abc", wanted, longest=False)


@given(st.text("ab\n", max_size=8), st.text("ab*?\n", max_size=6), st.booleans())
def test_as_an_expression_that_tries_everything(value: str, wanted: str, longest: bool) -> None:
    star = ".*" if longest else ".*?"
    text = "".join({"*": star, "?": "."}.get(character, character) for character in wanted)
    match = re.match(text, value)
    assert (
        pattern.trim_prefix(value, wanted, longest=longest) == value[match.end() if match else 0 :]
    )


@pytest.mark.parametrize("wanted", ["*a" * 20 + "*b", "b" + "*a" * 20, "*a*?" * 12 + "b"])
def test_stars_without_end(wanted: str) -> None:
    # tried one against the other they would take years
    value = "a" * 500
    for longest in (False, True):
        assert pattern.trim_prefix(value, wanted, longest=longest) == value
        assert pattern.trim_suffix("b" + value, f"{wanted}b", longest=longest) == f"b{value}"
    assert pattern.replace(value, wanted, "x", everywhere=True) == value
