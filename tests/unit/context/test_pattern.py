"""Single ignore patterns: how they are understood."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.context import pattern
from mkbuild.context.goglob import PatternError


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("", "."),
        (".", "."),
        ("a//b/./c/", "a/b/c"),
        ("a/../b", "b"),
        ("a/..", "."),
        ("../../a", "../../a"),
        ("/../a", "/a"),
        ("/", "/"),
        ("a/b/../../..", ".."),
    ],
)
def test_clean(path: str, expected: str) -> None:
    assert pattern.clean(path) == expected


@pytest.mark.parametrize(
    ("text", "kind", "literal", "depth"),
    [
        ("a/b", "exact", "a/b", 2),
        ("a/**", "prefix", "a/", None),
        ("**/a", "suffix", "", None),
        ("**", "suffix", "", None),
        ("a/*.c", "regex", "a/", 2),
        ("a[b]", "regex", "a", None),
        ("a\\*", "regex", "a", None),
        ("**/a*", "regex", "", None),
        ("a.b+c", "exact", "a.b+c", 1),
    ],
)
def test_rule(text: str, kind: str, literal: str, depth: int | None) -> None:
    rule = pattern.compile_rule(text)
    assert rule is not None
    assert (rule.kind, rule.literal, rule.depth, rule.exception) == (kind, literal, depth, False)


def test_exception_and_blank() -> None:
    rule = pattern.compile_rule(" !a ")
    assert rule is not None
    assert (rule.text, rule.exception) == ("a", True)
    assert pattern.compile_rule("  ") is None


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("[*]x", "[/]x".replace("[/]", "^]"), "*x"),
        ("[a-c]\\-", "b-", "d-"),
        ("[\\d]", "5", "d"),
        ("[^a]", "/", "a"),
        ("\\w", "q", "-"),
        ("[[:alpha:]_]", "_", "1"),
        ("[^[:digit:]]", "a", "5"),
        ("[[:alpha]", ":", "b"),
        ("\\t*", "\tx", "tx"),
        ("[a\\]]", "]", "b"),
    ],
)
def test_classes_and_escapes(text: str, matching: str, other: str) -> None:
    rule = pattern.compile_rule(text)
    assert rule is not None
    assert re.fullmatch(rule.text, matching)
    assert not re.fullmatch(rule.text, other)


@pytest.mark.parametrize(
    ("text", "matching", "other"),
    [
        ("*.c|d*", "a.c/x", "x.b"),
        ("*.c|d*", "x/d", "a.b"),
        ("a*|b|c", "x/b/y", "x/d"),
        ("a{2}*", "aab", "a{2}b"),
        ("a{2,}?", "aaaab", "ab"),
        ("a{,2}?", "a{,2}b", "aab"),
        ("a{02}?", "a{02}b", "aab"),
        ("{3}*", "x", "x/y"),
        ("?^", "", "a^"),
        ("*a\\\\", "xa\\", "xa"),
        ("a*/(\\", "a/($", "a/("),
        ("a*/(\\", "ab/($/c", "ab/"),
    ],
)
def test_operators_that_the_reference_lets_through(text: str, matching: str, other: str) -> None:
    rule = pattern.compile_rule(text)
    assert rule is not None
    assert rule.kind == "regex"
    assert not matching or re.fullmatch(rule.text, matching)
    assert not re.fullmatch(rule.text, other)


@pytest.mark.parametrize(
    "text",
    [
        "[[:nope:]]",
        "\\1",
        "[\\1]",
        "[b-a]",
        "[a-\\d]*",
        "\\é",
        "*[\\é]",
        "*{2}",
        "a|{2}*",
        "a{2,1}*",
        "a{1001}*",
        "a{2}{2}*",
    ],
)
def test_refused(text: str) -> None:
    with pytest.raises(PatternError, match="syntax error in pattern"):
        pattern.compile_rule(text)


@given(st.text("ab[]^-\\*?!./d&|~", max_size=12))
def test_what_compiles_is_a_regular_expression(text: str) -> None:
    try:
        rule = pattern.compile_rule(text)
    except PatternError:
        return
    if rule and rule.kind == "regex":
        re.compile(rule.text)
