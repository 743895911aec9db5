"""Ignore files: reading, matching, and walking without looking at everything."""

import contextlib
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mkbuild.context import ignore
from mkbuild.context.ignore import Ignore, MatchInfo
from mkbuild.errors import UserError


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("", []),
        ("a\nb\n", ["a", "b"]),
        ("a\r\n\r\nb", ["a", "b"]),
        ("\ufeffa\n\ufeffb", ["a", "\ufeffb"]),
        ("# a\n#b\nc # d", ["c # d"]),
        (" # a", ["# a"]),
        ("  a \t", ["a"]),
        ("/a", ["a"]),
        ("//a/", ["a"]),
        ("./a/../b//c/", ["b/c"]),
        ("../a", ["../a"]),
        ("/", ["/"]),
        (".", ["."]),
        ("!a", ["!a"]),
        ("!  /a/", ["!a"]),
        ("!", ["!"]),
        ("! ", ["!"]),
        ("!!a", ["!!a"]),
        ("\\!a", ["\\!a"]),
        ("**/", ["**"]),
        ("*/../a", ["a"]),
    ],
)
def test_read(text: str, patterns: list[str]) -> None:
    assert ignore.read(text) == patterns


MATCHES = [
    # pattern list, excluded, not excluded
    ("a", "a a/b a/b/c", "ab b b/a"),
    ("a/b", "a/b a/b/c", "a a/bc b c/a/b"),
    ("*", "a a/b .a", ""),
    ("*.md", "x.md .md x.md/y", "x.mdx a/x.md"),
    ("a*", "a ab a/b ab/c", "ba c/a"),
    ("*/a", "b/a b/a/c", "a b/c/a"),
    ("a/*", "a/b a/b/c", "a b/a"),
    ("a?c", "abc", "ac abbc a/c"),
    ("a[bc]d", "abd acd", "ad aed a[bc]d"),
    ("a[b-d]e", "abe ace ade", "aee abde"),
    ("a[^b]c", "acc axc", "abc ac"),
    ("a\\*b", "a*b", "ab axb"),
    ("a\\[b", "a[b", "ab"),
    ("a\\d", "a0 a9", "ad a\\d"),
    ("**", "a a/b .a a/b/c", ""),
    ("**/a", "a b/a b/c/a a/x", "ab ba b/ba"),
    ("**/a/b", "a/b x/a/b a/b/c", "b a xa/b"),
    ("**a", "a ba x/ba", "ab"),
    ("**/*.md", "a.md b/a.md b/c/a.md", "a.mdx b/a"),
    ("**.md", "a.md b/a.md .md", "a.mdx"),
    ("a/**", "a/b a/b/c", "a ab"),
    ("a/**/b", "a/b a/x/b a/x/y/b", "a a/x b"),
    ("a**", "a ab a/b abc/d", "ba"),
    ("**/a/**", "a/b x/a/b", "a x/a b"),
    ("**/**", "a a/b", ""),
    ("a+.txt", "a+.txt", "a.txt aa.txt"),
    ("a.txt$", "a.txt$", "a.txt"),
    ("(a|b)", "(a|b)", "a b"),
    ("a{1}", "a{1}", "a"),
    ("^a", "^a", "a"),
    ("a.c", "a.c", "abc"),
    ("é?", "éa", "é éab"),
    ("[가-힣]", "한", "b"),
    ("* !a", "b c/a", "a a/b"),
    ("* !a/b", "a b a/c", "a/b a/b/c"),
    ("* !a/b a/b/c", "a a/b/c a/b/c/d", "a/b a/b/d"),
    ("a !a/b", "a a/c", "a/b b"),
    ("a !a", "", "a a/b"),
    ("!a a", "a a/b", "b"),
    ("!a", "", "a b"),
    ("a !**/k", "a a/b", "a/k a/b/k k"),
    ("**/*.md !README.md", "a.md b/README.md", "README.md"),
    ("**/*.md !**/README.md", "a.md b/c.md", "README.md b/README.md"),
    ("a/* !a/b*", "a/c", "a a/b a/bc a/b/x"),
    ("* !*/", "", "a a/b"),
    ("* !b/*.c", "a b b/d", "b/x.c"),
    ("/a", "", "a"),
    ("..", "", "a"),
]


@pytest.mark.parametrize(("patterns", "excluded", "included"), MATCHES)
def test_excluded(patterns: str, excluded: str, included: str) -> None:
    matcher = Ignore(patterns.split())
    assert [path for path in excluded.split() if not matcher.excluded(path)] == []
    assert [path for path in included.split() if matcher.excluded(path)] == []


@pytest.mark.parametrize(
    "pattern", ["[", "a[", "[]a]", "[a", "[^", "[-x]", "[x-]", "[a-b-c]", "\\", "!", "\\1", "[z-a]"]
)
def test_malformed_patterns_are_refused_where_they_stand(pattern: str) -> None:
    with pytest.raises(UserError) as caught:
        Ignore.parse(f"# c\n\n{pattern}\n", "sub/.dockerignore")
    assert str(caught.value.location) == "sub/.dockerignore:3:1"
    assert caught.value.hint


def test_malformed_pattern_without_a_place() -> None:
    with pytest.raises(UserError, match="syntax error in pattern"):
        Ignore(["a["])


def test_nothing_is_excluded_without_patterns() -> None:
    matcher = Ignore()
    assert not matcher
    assert not matcher.excluded("a/b")
    assert matcher.step("a", MatchInfo()) == (False, MatchInfo())
    assert not matcher.may_reinclude("a")


def test_the_context_itself_is_never_excluded() -> None:
    assert not Ignore(["**", "."]).excluded(".")


def test_blank_patterns_say_nothing() -> None:
    assert not Ignore(["", "  "])


@pytest.mark.parametrize(
    ("patterns", "directory", "expected"),
    [
        ("a", "a", False),
        ("* !a/b/c", "a", True),
        ("* !a/b/c", "a/b", True),
        ("* !a/b/c", "a/c", False),
        ("* !a/b/c", "ab", False),
        ("* !a/b", "a/b/c", False),
        ("* !a/**", "a/b", True),
        ("* !a/**", "b", False),
        ("* !a/*.c", "a", True),
        ("* !a/*.c", "b", False),
        ("* !**/x", "b/c", True),
        ("* !*.c", "b", False),
        ("* !*/*.c", "b", True),
        ("* !*/*.c", "b/c", False),
        ("* !a[^b]c", "a", True),
        ("!a b", "a", False),
    ],
)
def test_may_reinclude(patterns: str, directory: str, *, expected: bool) -> None:
    assert Ignore(patterns.split()).may_reinclude(directory) is expected


def test_walk_differs_where_an_exception_names_an_included_directory() -> None:
    matcher = Ignore(["a/b", "!a"])
    _, info = matcher.step("a", MatchInfo())
    assert matcher.step("a/b", info)[0]
    assert not matcher.excluded("a/b")


PARTS = ("a", "b", "ab", "c.md")
PATHS = ["/".join(parts) for n in (1, 2, 3) for parts in itertools.product(PARTS, repeat=n)]
PIECE = st.sampled_from(["a", "b", "ab", "*", "**", "?", "*.md", "c.md", "a*", "[ab]", "**b"])
PATTERN = st.tuples(st.booleans(), st.lists(PIECE, min_size=1, max_size=3)).map(
    lambda pair: ("!" if pair[0] else "") + "/".join(pair[1])
)


@given(st.lists(PATTERN, max_size=5))
@settings(max_examples=60)
def test_groups_are_as_good_as_single_patterns(patterns: list[str]) -> None:
    """The last pattern that matches a path or a parent decides, whatever is grouped."""
    matcher = Ignore(patterns)
    singles = [(Ignore([p.removeprefix("!")]), p.startswith("!")) for p in patterns]
    for path in PATHS:
        expected = False
        for single, exception in singles:
            if single.excluded(path):
                expected = not exception
        assert matcher.excluded(path) == expected


@given(st.lists(PATTERN, max_size=5))
@settings(max_examples=60)
def test_walk_may_skip_what_it_is_told_to(patterns: list[str]) -> None:
    matcher = Ignore(patterns)
    infos = {"": (False, MatchInfo())}
    for path in PATHS:
        parent = path.rpartition("/")[0]
        infos[path] = matcher.step(path, infos[parent][1])
    for path in PATHS:
        excluded = infos[path][0]
        if excluded and not matcher.may_reinclude(path):
            below = [other for other in PATHS if other.startswith(path + "/")]
            assert all(infos[other][0] for other in below)


@given(st.lists(PATTERN, max_size=4))
@settings(max_examples=60)
def test_walk_agrees_where_exceptions_come_last(patterns: list[str]) -> None:
    excluding = [pattern.removeprefix("!") for pattern in patterns]
    matcher = Ignore(excluding)
    infos = {"": MatchInfo()}
    for path in PATHS:
        excluded, infos[path] = matcher.step(path, infos[path.rpartition("/")[0]])
        assert excluded == matcher.excluded(path)


@given(st.text(max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        Ignore.parse(text).excluded("a/b")
    except UserError as error:
        place = error.location
    else:
        return
    assert place
    assert 1 <= place.line <= text.count("\n") + 1


@given(st.text("ab[]^-\\*?!./", max_size=10))
def test_any_pattern_is_compiled_or_refused(pattern: str) -> None:
    with contextlib.suppress(UserError):
        Ignore([pattern]).excluded("a/b")


def test_patterns_may_hold_spaces() -> None:
    matcher = Ignore.parse("a b\n")
    assert matcher.excluded("a b/c")
    assert not matcher.excluded("a")
