"""Raw instructions: golden files for what is accepted, and single rules."""

import dataclasses
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.dockerfile import arguments, lexer, parser
from mkbuild.errors import DockerfileError

HERE = Path(__file__).parent
FILES = sorted((HERE / "files").glob("*.dockerfile"))


def one(text: str) -> tuple[str, ...]:
    (node,) = lexer.read(text, "f").nodes
    return node.args


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_golden(path: Path, update_golden: bool) -> None:
    data = path.read_bytes()
    found = {
        "source": dataclasses.asdict(lexer.read(data, "Dockerfile")),
        "parsed": dataclasses.asdict(parser.parse(data, "Dockerfile")),
    }
    for name in ("lines", "line", "column"):
        del found["source"][name]
    text = json.dumps(found, indent=1, ensure_ascii=False, default=str) + "\n"
    golden = HERE / "golden" / f"{path.stem}.json"
    if update_golden:
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize(
    ("text", "escape", "syntax", "check"),
    [
        ("FROM x", "\\", "", ""),
        ("# escape=`\nFROM x", "`", "", ""),
        ("#ESCAPE = `  \nFROM x", "`", "", ""),
        ("  # escape=`\nFROM x", "`", "", ""),
        ("# c\n# escape=`\nFROM x", "\\", "", ""),
        ("\n# escape=`\nFROM x", "\\", "", ""),
        ("# unknown=1\n# escape=`\nFROM x", "\\", "", ""),
        ("# syntax=a:1 more\n# check=skip=all\n# escape=`\nFROM x", "`", "a:1", "skip=all"),
        ("#!/usr/bin/env x\n# syntax=a\nFROM x", "\\", "a", ""),
        ("FROM x\n# escape=`", "\\", "", ""),
        ("// syntax=a/b\nFROM x", "\\", "a/b", ""),
        ("\ufeff# syntax=a\nFROM x", "\\", "a", ""),
        ('{"syntax": "a"}', "\\", "a", ""),
    ],
)
def test_directives(text: str, escape: str, syntax: str, check: str) -> None:
    source = lexer.read(text, "f")
    assert (source.escape, source.syntax, source.check) == (escape, syntax, check)


@pytest.mark.parametrize(
    ("text", "original", "lines"),
    [
        ("RUN a \\\n  b", "RUN a   b", (1, 2)),
        ("RUN a\\\nb", "RUN ab", (1, 2)),
        ("RUN a \\  \t\nb", "RUN a b", (1, 2)),
        ("RUN a \\\\\nRUN b", "RUN a \\\\", (1, 1)),
        ("RUN a \\\n# c\n  # d\nb", "RUN a b", (1, 4)),
        ("RUN a \\\n\n\nb", "RUN a b", (1, 4)),
        ("RUN a \\\n# c \\\nb", "RUN a b", (1, 3)),
        ("RUN a \\", "RUN a ", (1, 1)),
        ("\\\n\\\nRUN a", "RUN a", (1, 3)),
        ("RUN a \\\r\n b\r\n", "RUN a  b", (1, 2)),
        ("  RUN a # b", "RUN a # b", (1, 1)),
        ("RUN a \\ # b", "RUN a \\ # b", (1, 1)),
        ("# c\n\n\nRUN a", "RUN a", (4, 4)),
    ],
)
def test_logical_lines(text: str, original: str, lines: tuple[int, int]) -> None:
    node = lexer.read(text, "f").nodes[0]
    assert (node.original, (node.start, node.end)) == (original, lines)


def test_comments_belong_to_the_instruction_below() -> None:
    source = lexer.read("# a\n# b\nFROM x\n# c\n#\n# d\nRUN y\nRUN z", "f")
    assert [node.comments for node in source.nodes] == [("a", "b"), ("d",), ()]


def test_blank_lines_in_continuations_are_reported() -> None:
    assert lexer.read("FROM x\nRUN a \\\n\nb\nRUN c", "f").gaps == (4,)


@pytest.mark.parametrize(
    ("text", "args"),
    [
        ("FROM a AS b", ("a", "AS", "b")),
        ("FROM", ()),
        ("RUN", ()),
        ("RUN  a  b ", ("a  b",)),
        ("RUN []", ()),
        ('RUN [ "a" , "b" ]', ("a", "b")),
        ('RUN ["a"] b', ('["a"] b',)),
        ("RUN ['a']", ("['a']",)),
        ('RUN ["a",]', ('["a",]',)),
        ('COPY ["a b", "c"]', ("a b", "c")),
        ('COPY ["a", b]', ('["a",', "b]")),
        ("COPY a\t b  c", ("a", "b", "c")),
        ("ENV a=b c=d", ("a", "b", "=", "c", "d", "=")),
        ("ENV a=b\\ c d='e f' g=", ("a", "b\\ c", "=", "d", "'e f'", "=", "g", "", "=")),
        ("ENV a b=c  d", ("a", "b=c  d", "")),
        ("ENV a=b=c", ("a", "b=c", "=")),
        ("LABEL 'a b'=c", ("'a b'", "c", "=")),
        ("ARG a b=c d='e f'", ("a", "b=c", "d='e f'")),
        ('ENV a="b \\" c" d=e', ("a", '"b \\" c"', "=", "d", "e", "=")),
        ("ENV a='b\\' c=d", ("a", "'b\\'", "=", "c", "d", "=")),
        ("ENV a='open b=c", ("a", "'open b=c", "=")),
        ("HEALTHCHECK CMD a  b", ("CMD", "a  b")),
        ('HEALTHCHECK cmd ["a"]', ("cmd", "a")),
        ("HEALTHCHECK NONE", ("NONE",)),
        ("UNKNOWN a b", ("",)),
        ("USER a b", ("a b",)),
    ],
)
def test_arguments(text: str, args: tuple[str, ...]) -> None:
    assert one(text) == args


@pytest.mark.parametrize(
    ("text", "flags", "rest"),
    [
        ("--a b", ("--a",), "b"),
        ("--a=b --c d", ("--a=b", "--c"), "d"),
        ('--a="b c" d', ("--a=b c",), "d"),
        ("--a='b'c d", ("--a=bc",), "d"),
        ("--a=b\\ c d", ("--a=b c",), "d"),
        ("--a=b\\", ("--a=b",), ""),
        ("--a -- --b", ("--a",), " --b"),
        ("-- a", (), " a"),
        ("-a --b", (), "-a --b"),
        ("a --b", (), "a --b"),
        ("--a", ("--a",), ""),
        ("--", (), ""),
        ("", (), ""),
    ],
)
def test_flags(text: str, flags: tuple[str, ...], rest: str) -> None:
    assert arguments.split_flags(text, "\\") == (rest, flags)


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("RUN <<A", ["A"]),
        ("RUN <<A <<B", ["A", "B"]),
        ("RUN << A", ["A"]),
        ("RUN <<-A x", ["A"]),
        ("RUN 3<<A", ["A"]),
        ("RUN <<'A'", ["A"]),
        ("RUN <<'A B'", ["A B"]),
        ("RUN '<<A'", []),
        ('RUN "<<A"', []),
        ("RUN <<<A", []),
        ("RUN a<<A", []),
        ("RUN <<", []),
        ("RUN <<-", []),
        ("RUN it's <<A", []),
        ("CMD <<A", []),
        ('RUN ["a", "<<A"]', []),
        ("ONBUILD RUN <<A", ["A"]),
        ("ONBUILD CMD <<A", []),
        ("ONBUILD ONBUILD RUN <<A", []),
    ],
)
def test_heredocs_are_recognised(line: str, names: list[str]) -> None:
    text = line + "\n" + "".join(f"{name}\n" for name in names)
    (node,) = lexer.read(text, "f").nodes
    assert [found.name for found in node.heredocs] == names


@pytest.mark.parametrize(
    ("text", "commit", "original"),
    [
        ("RUN a #!COMMIT", True, "RUN a"),
        ("RUN a   #!commit", True, "RUN a"),
        ("RUN a #!  CoMmIt  ", True, "RUN a"),
        ("COPY a b #!COMMIT", True, "COPY a b"),
        ("RUN a \\\n  b #!COMMIT", True, "RUN a   b"),
        ("RUN a #!COMMIT \\\n  b", False, "RUN a #!COMMIT   b"),
        ("RUN a #!COMMIT now", False, "RUN a #!COMMIT now"),
        ("RUN a#!COMMIT", False, "RUN a#!COMMIT"),
        ("RUN a # !COMMIT", False, "RUN a # !COMMIT"),
        ("RUN 'a #!COMMIT'", False, "RUN 'a #!COMMIT'"),
        ("ONBUILD RUN a #!COMMIT", False, "ONBUILD RUN a #!COMMIT"),
    ],
)
def test_commit_marks(text: str, *, commit: bool, original: str) -> None:
    (node,) = lexer.read(text, "f").nodes
    assert (node.commit, node.original) == (commit, original)


def test_commit_mark_at_the_start_of_a_line_is_a_comment() -> None:
    source = lexer.read("RUN a \\\n#!COMMIT\n b\n#!COMMIT\nRUN c", "f")
    assert [(node.original, node.commit) for node in source.nodes] == [
        ("RUN a  b", False),
        ("RUN c", False),
    ]


def test_longest_line() -> None:
    assert len(lexer.read("RUN " + "x" * 65531, "f").nodes) == 1
    with pytest.raises(DockerfileError, match="greater than max") as caught:
        lexer.read("FROM a\n# " + "é" * 40000, "f")
    assert str(caught.value.location) == "f:2:1"


def test_bytes_that_are_not_utf8_are_replaced() -> None:
    assert lexer.read(b"RUN echo \xff", "f").nodes[0].args == ("echo \ufffd",)


def test_json_surrogates_are_replaced() -> None:
    assert one('RUN ["\\ud800"]') == ("\ufffd",)


def test_deep_json_is_refused() -> None:
    with pytest.raises(DockerfileError, match="strings only"):
        lexer.read("RUN " + "[" * 20000 + "]" * 20000, "f")


@given(st.lists(st.text("ab '\"\\=\t$<", max_size=8), max_size=5))
def test_words_lose_nothing_but_space(words: list[str]) -> None:
    text = " ".join(words)
    found = arguments.split_words(text, "\\")
    kept = "".join(found).replace(" ", "").replace("\t", "")
    whole = text.replace(" ", "").replace("\t", "")
    assert kept in {whole, whole.removesuffix("\\")}
