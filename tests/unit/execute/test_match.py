import fnmatch
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.errors import StepError
from mkbuild.execute import match

NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1)


@pytest.mark.parametrize(
    ("pattern", "name", "matches"),
    [
        ("*", "anything", True),
        ("*", ".hidden", True),
        ("**", "anything", True),
        ("a*c", "abc", True),
        ("a*c", "abd", False),
        ("?", "x", True),
        ("?", "xy", False),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("[!a]", "!", True),
        ("[!a]", "b", False),
        ("[[]x]", "[x]", True),
        (r"[\]]", "]", True),
        (r"a\*", "a*", True),
        (r"a\*", "ab", False),
        ("[c-a]", "b", False),
        ("[^c-a]", "b", True),
        ("a.b*", "axb", False),
        ("a\n*", "a\nb", True),
        ("[é-ü]", "ö", True),
    ],
)
def test_a_component_matches_as_in_go(pattern: str, name: str, *, matches: bool) -> None:
    assert (match.compiled(pattern).fullmatch(name) is not None) is matches


@pytest.mark.parametrize("pattern", ["[", "[]a]", "[^]", "[a", "[-a]", "[a-]", "a\\", "[\\"])
def test_a_malformed_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(StepError, match="malformed"):
        match.compiled(pattern)


@given(NAMES)
def test_an_escaped_name_matches_itself_only(name: str) -> None:
    pattern = re.sub(r"([*?\[\]\\])", r"\\\1", name)
    assert not match.has_wildcards(pattern)
    assert match.compiled(pattern).fullmatch(name)
    assert not match.compiled(pattern).fullmatch(name + "x")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/b", ("a/b", ())),
        ("a/*/b", ("a", ("*", "b"))),
        ("*", ("", ("*",))),
        (r"a\*/b?", (r"a\*", ("b?",))),
    ],
)
def test_a_path_splits_before_its_first_wildcard(path: str, expected: object) -> None:
    assert match.split(path) == expected


@pytest.mark.parametrize(
    "pattern", ["*a" * 16 + "*b", "*a" * 16 + "b", "*?" * 40 + "b", "*" * 40 + "b"]
)
def test_wildcards_without_end(pattern: str) -> None:
    # tried one against the other it would take years
    assert match.compiled(pattern).fullmatch("a" * 200 + "b")
    assert not match.compiled(pattern).fullmatch("a" * 200)


@given(st.text("ab*?", max_size=10), st.text("ab\n", max_size=8))
def test_as_fnmatch(pattern: str, name: str) -> None:
    assert bool(match.compiled(pattern).fullmatch(name)) == fnmatch.fnmatchcase(name, pattern)
