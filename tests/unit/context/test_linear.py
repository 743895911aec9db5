"""Patterns with many wildcards: the same answers as the expression gives, and soon."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.context import linear, pattern
from mkbuild.context.goglob import PatternError
from mkbuild.context.ignore import Ignore
from mkbuild.context.linear import ManyWildcards

PATTERNS = st.text("ab*?/[^]|{2,}\\d.", max_size=14) | st.lists(
    st.sampled_from(["*", "**", "**/", "a", "b", "/", "?", "[^a]", "{0,2}", "{1,}", "|", "\\b"]),
    max_size=10,
).map("".join)


@given(PATTERNS, st.lists(st.text("ab/.\n", max_size=9), max_size=8))
def test_as_the_expression(text: str, paths: list[str]) -> None:
    try:
        rule = pattern.compile_rule(text)
    except PatternError:
        return
    if rule is None or rule.kind != "regex":
        return
    for path in paths:
        carried = any(len(path) in linear._ends(atoms, path) for atoms in rule.alternatives)
        assert carried == bool(re.fullmatch(rule.text, path)), (text, path)
        assert ManyWildcards(rule.alternatives).matches(path) == carried


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("*a" * 17 + "*b", "a" * 200 + "b", "a" * 200),
        ("**/" * 12 + "b*a*c", "a/" * 60 + "baac", "a/" * 60 + "f"),
        ("**a" * 17 + "b", "a/" * 100 + "ab", "a/" * 100 + "a"),
        ("?{0,900}" * 6 + "b", "a" * 200 + "b", "a" * 200),
        ("|".join(["*a*a*a*a*a*a*b"] * 3), "a" * 200 + "b", "a" * 200),
    ],
)
def test_wildcards_without_end(text: str, matching: str, other: str) -> None:
    # an expression would be at it for years
    assert Ignore.parse(text).excluded(matching)
    assert not Ignore.parse(text).excluded(other)
