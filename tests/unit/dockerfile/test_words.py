"""A table of words, and what holds of every word."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile import words
from mkbuild.errors import DockerfileError

ENV = {
    "A": "alpha",
    "E": "",
    "P": "/usr/local/bin",
    "S": "a  b",
    "F": "one.two.three",
    "Q": "it's",
    "N": "12",
    "W": "x y",
    "G": "a*b",
    "D": "$A",
    "L": " lead",
    "T": "trail ",
}
MODES: dict[str, Callable[[str, str], object]] = {
    "word": lambda text, escape: words.expand(text, ENV, escape),
    "words": lambda text, escape: words.expand_words(text, ENV, escape),
    "content": lambda text, _escape: words.expand_content(text, ENV),
}


def rows() -> list[tuple[str, str, str, str]]:
    found = []
    for line in (Path(__file__).parent / "expansion.tsv").read_text().splitlines():
        if line.startswith("#"):
            continue
        mode, escape, rest = line.split("\t", 2)
        text, _, expected = rest.rpartition("\t")
        found.append((mode, escape, text, expected))
    return found


def test_table_is_large() -> None:
    assert len(rows()) > 200


@pytest.mark.parametrize(("mode", "escape", "text", "expected"), rows())
def test_table(mode: str, escape: str, text: str, expected: str) -> None:
    if expected.startswith("!"):
        with pytest.raises(DockerfileError) as caught:
            MODES[mode](text, escape)
        assert expected[1:] in caught.value.message
    else:
        assert MODES[mode](text, escape) == json.loads(expected)


def test_names_are_reported() -> None:
    found = words.examine("$A ${X:-$E} ${Y+${A}} \\$Z '$V'", ENV)
    assert found.text == "alpha   $Z $V"
    assert found.matched == {"A", "E"}
    assert found.unmatched == {"X", "Y"}


@pytest.mark.parametrize(
    ("options", "text", "expected"),
    [
        (words.Options(raw_quotes=True), "'a' \"$A\"", "'a' \"alpha\""),
        (words.Options(raw_escapes=True), r"a\ b \$A", r"a\ b \$A"),
        (words.Options(quotes=False), "'$A'", "'alpha'"),
        (words.Options(keep_unset=True), "$A $X ${X} ${X:-d} ${X/a/b} ${X#p}", None),
    ],
)
def test_options(options: words.Options, text: str, expected: str | None) -> None:
    expected = "alpha $X ${X} ${X:-d} ${X/a/b} ${X#p}" if expected is None else expected
    assert words.examine(text, ENV, options).text == expected


def test_deep_nesting_is_refused() -> None:
    text = "${X:-" * 5000 + "}" * 5000
    with pytest.raises(DockerfileError, match="nested too deeply"):
        words.expand(text, {})


ANY = st.text(alphabet=st.sampled_from(list("ab$A{}:-+?#%/'\"\\` \t<.*\n")) | st.characters())


@given(ANY, st.sampled_from(["\\", "`"]))
def test_any_text_expands_or_is_refused(text: str, escape: str) -> None:
    try:
        expanded = words.expand(text, ENV, escape)
    except DockerfileError:
        with pytest.raises(DockerfileError):
            words.expand_words(text, ENV, escape)
    else:
        split = words.expand_words(text, ENV, escape)
        assert all(split)
        assert sum(map(len, split)) <= len(expanded)


@given(st.text(alphabet=st.characters(exclude_characters="$'\"\\`\ufeff")))
def test_text_without_special_characters_stays(text: str) -> None:
    assert words.expand(text, ENV) == text


@given(st.text())
def test_quoting_in_single_quotes_keeps_all(text: str) -> None:
    bare = text.replace("'", "").replace("\ufeff", "")
    assert words.expand(f"'{bare}'", ENV) == bare


@given(st.sampled_from(sorted(ENV)), st.text(alphabet="ab./*?"))
def test_prefix_and_suffix_are_parts(name: str, pattern: str) -> None:
    value = ENV[name]
    pattern = pattern.replace("/", "")
    assert value.endswith(words.expand(f"${{{name}#{pattern}}}", ENV))
    assert value.startswith(words.expand(f"${{{name}%{pattern}}}", ENV))


def test_a_word_does_not_grow_without_end() -> None:
    env = {"A": "x" * 1000}
    assert len(words.expand("$A" * 1000, env)) == 1_000_000
    for text in ("$A" * 1100, "${B:-" + "$A" * 1100 + "}", "${A+" + "${A}" * 1100 + "}"):
        with pytest.raises(DockerfileError, match="expands to more than"):
            words.expand(text, env)
