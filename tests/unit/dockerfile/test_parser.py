"""Dockerfiles that are refused, single rules of those that are not, and what holds of all."""

import contextlib
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from mkbuild.dockerfile import parser
from mkbuild.dockerfile.instructions import (
    Add,
    Arg,
    Cmd,
    Command,
    Copy,
    Dockerfile,
    Entrypoint,
    Env,
    Expose,
    HealthcheckCmd,
    HealthcheckNone,
    Onbuild,
    Run,
    Shell,
    Volume,
)
from mkbuild.errors import DockerfileError


def body(line: str) -> object:
    """Parse one instruction within a stage."""
    (statement,) = parser.parse(f"FROM scratch\n{line}\n", "f").stages[0].statements
    return statement.body


def sh(text: str) -> Command:
    """Return a command in shell form."""
    return Command(None, text)


REFUSED = [
    # whole files
    ("", "file with no instructions", "f"),
    ("# only\n# comments\n", "file with no instructions", "f:2:1"),
    ("ARG A=1\n", "no stages to build", "f:1:1"),
    ("RUN a\nFROM x", "no build stage in current context", "f:1:1"),
    ("ARG A\nENV a=b\nFROM x", "no build stage in current context", "f:2:1"),
    ("# escape=x\nFROM x", "invalid escape token 'x'", "f:1:1"),
    ("# escape=`\n# escape=`\nFROM x", "only one escape parser directive", "f:2:1"),
    ("# check=a\n# CHECK=b\nFROM x", "only one check parser directive", "f:2:1"),
    # instructions
    ("FROM x\nRUNN a", "unknown instruction: RUNN", "f:2:1"),
    ("FROM x\n  frm y", "unknown instruction: frm", "f:2:3"),
    ("FROM x\n\\\n", "unknown instruction: ", "f:2:1"),
    # FROM
    ("FROM", "FROM requires either one or three arguments", "f:1:1"),
    ("FROM a b", "FROM requires either one or three arguments", "f:1:1"),
    ("FROM a b c", "FROM requires either one or three arguments", "f:1:1"),
    ("FROM a AS b c", "FROM requires either one or three arguments", "f:1:1"),
    ("FROM a AS 1b", "invalid name for build stage", "f:1:1"),
    ("FROM a AS -b", "invalid name for build stage", "f:1:1"),
    ("FROM a AS b/c", "invalid name for build stage", "f:1:1"),
    ("FROM a AS $b", "invalid name for build stage", "f:1:1"),
    ("FROM --plattform=x a", "unknown flag: --plattform", "f:1:6"),
    ("FROM --platform a", "missing a value on flag: --platform", "f:1:6"),
    # flags
    ("FROM x\nCOPY --chmd=1 a b", "unknown flag: --chmd", "f:2:6"),
    ("FROM x\nCOPY \\\n  --chmd=1 a b", "unknown flag: --chmd", "f:3:3"),
    ("FROM x\nCOPY --chown=1 --chown=2 a b", "duplicate flag specified: --chown", "f:2:16"),
    ("FROM x\nCOPY --link --link a b", "duplicate flag specified: --link", "f:2:6"),
    ("FROM x\nCOPY --chown a b", "missing a value on flag: --chown", "f:2:6"),
    ("FROM x\nCOPY --exclude a b", "missing a value on flag: --exclude", "f:2:6"),
    ("FROM x\nCOPY --link= a b", "missing a value on flag: --link", "f:2:6"),
    ("FROM x\nCOPY --link=yes a b", "expecting boolean value for flag --link", "f:2:6"),
    ("FROM x\nCOPY --keep-git-dir a b", "unknown flag: --keep-git-dir", "f:2:6"),
    ("FROM x\nADD --from=y a b", "unknown flag: --from", "f:2:5"),
    ("FROM x\nADD --parents a b", "unknown flag: --parents", "f:2:5"),
    ("FROM x\nENV --a b=c", "unknown flag: --a", "f:2:5"),
    ("FROM x\nLABEL --a b=c", "unknown flag: --a", "f:2:7"),
    ("FROM x\nCMD --a b", "unknown flag: --a", "f:2:5"),
    ("FROM x\nENTRYPOINT --a b", "unknown flag: --a", "f:2:12"),
    ("FROM x\nEXPOSE --a 80", "unknown flag: --a", "f:2:8"),
    ("FROM x\nUSER --a b", "unknown flag: --a", "f:2:6"),
    ("FROM x\nWORKDIR --a b", "unknown flag: --a", "f:2:9"),
    ("FROM x\nVOLUME --a b", "unknown flag: --a", "f:2:8"),
    ('FROM x\nSHELL --a ["b"]', "unknown flag: --a", "f:2:7"),
    ("FROM x\nMAINTAINER --a b", "unknown flag: --a", "f:2:12"),
    ("FROM x\nONBUILD --a RUN b", "unknown flag: --a", "f:2:9"),
    ("FROM x\nRUN --mout=a b", "unknown flag: --mout", "f:2:5"),
    # arguments
    ("FROM x\nENV", "ENV requires at least one argument", "f:2:1"),
    ("FROM x\nENV a", "ENV must have two arguments", "f:2:1"),
    ("FROM x\nENV a=b c", 'can\'t find = in "c"', "f:2:1"),
    ("FROM x\nENV =b", "ENV names can not be blank", "f:2:1"),
    ("FROM x\nLABEL", "LABEL requires at least one argument", "f:2:1"),
    ("FROM x\nLABEL a", "LABEL must have two arguments", "f:2:1"),
    ("FROM x\nLABEL =b", "LABEL names can not be blank", "f:2:1"),
    ("FROM x\nARG", "ARG requires at least one argument", "f:2:1"),
    ("FROM x\nARG =b", "ARG names can not be blank", "f:2:1"),
    ("FROM x\nCOPY", "COPY requires at least two arguments", "f:2:1"),
    ("FROM x\nCOPY a", "COPY requires at least two arguments", "f:2:1"),
    ("FROM x\nADD a", "ADD requires at least two arguments", "f:2:1"),
    ('FROM x\nCOPY ["a"]', "COPY requires at least two arguments", "f:2:1"),
    ("FROM x\nWORKDIR", "WORKDIR requires exactly one argument", "f:2:1"),
    ("FROM x\nUSER", "USER requires exactly one argument", "f:2:1"),
    ("FROM x\nSTOPSIGNAL", "STOPSIGNAL requires exactly one argument", "f:2:1"),
    ("FROM x\nMAINTAINER", "MAINTAINER requires exactly one argument", "f:2:1"),
    ("FROM x\nEXPOSE", "EXPOSE requires at least one argument", "f:2:1"),
    ("FROM x\nVOLUME", "VOLUME requires at least one argument", "f:2:1"),
    ('FROM x\nVOLUME ["a", " "]', "VOLUME specified can not be an empty string", "f:2:1"),
    ("FROM x\nSHELL", "SHELL requires at least one argument", "f:2:1"),
    ("FROM x\nSHELL []", "SHELL requires at least one argument", "f:2:1"),
    ("FROM x\nSHELL /bin/sh -c", "SHELL requires the arguments to be in JSON form", "f:2:1"),
    ('FROM x\nCMD ["a", 1]', "arrays must be comprised of strings only", "f:2:1"),
    ('FROM x\nRUN ["a", null]', "arrays must be comprised of strings only", "f:2:1"),
    ('FROM x\nCOPY ["a", ["b"]]', "arrays must be comprised of strings only", "f:2:1"),
    ('FROM x\nHEALTHCHECK CMD ["a", {}]', "arrays must be comprised of strings only", "f:2:1"),
    # RUN
    ("FROM x\nRUN --network=bridge a", 'invalid network mode "bridge"', "f:2:5"),
    ("FROM x\nRUN --security=none a", 'security "none" is not valid', "f:2:5"),
    ("FROM x\nRUN --mount= a", "failed to parse csv mounts", "f:2:5"),
    ("FROM x\nRUN --mount=from=$A,target=/b a", "'from' doesn't support variable", "f:2:5"),
    # HEALTHCHECK
    ("FROM x\nHEALTHCHECK", "HEALTHCHECK requires at least one argument", "f:2:1"),
    ("FROM x\nHEALTHCHECK a", 'Unknown type "A" in HEALTHCHECK', "f:2:1"),
    ("FROM x\nHEALTHCHECK NONE a", "HEALTHCHECK NONE takes no arguments", "f:2:1"),
    ("FROM x\nHEALTHCHECK CMD", "Missing command after HEALTHCHECK CMD", "f:2:1"),
    ("FROM x\nHEALTHCHECK CMD []", "Missing command after HEALTHCHECK CMD", "f:2:1"),
    ("FROM x\nHEALTHCHECK --interval=5 CMD a", 'invalid duration "5"', "f:2:13"),
    ("FROM x\nHEALTHCHECK --interval=-1s CMD a", "cannot be less than 1ms", "f:2:13"),
    ("FROM x\nHEALTHCHECK --timeout=999us CMD a", "cannot be less than 1ms", "f:2:13"),
    ("FROM x\nHEALTHCHECK --retries=-1 CMD a", "--retries cannot be negative", "f:2:13"),
    ("FROM x\nHEALTHCHECK --retries=x CMD a", 'invalid number "x"', "f:2:13"),
    ("FROM x\nHEALTHCHECK --retries=2147483648 CMD a", "invalid number", "f:2:13"),
    ("FROM x\nHEALTHCHECK --retry=1 CMD a", "unknown flag: --retry", "f:2:13"),
    # ONBUILD
    ("FROM x\nONBUILD", "ONBUILD requires at least one argument", "f:2:1"),
    ("FROM x\nONBUILD FROM y", "FROM isn't allowed as an ONBUILD trigger", "f:2:1"),
    ("FROM x\nONBUILD maintainer y", "MAINTAINER isn't allowed as an ONBUILD trigger", "f:2:1"),
    ("FROM x\nONBUILD ONBUILD RUN a", "Chaining ONBUILD", "f:2:1"),
    ("FROM x\nONBUILD ENV a", "ENV must have two arguments", "f:2:1"),
    # heredocs
    ("FROM x\nRUN <<EOF\na\n", "unterminated heredoc", "f:2:1"),
    ("FROM x\nRUN <<A <<B\nA\na\n", "unterminated heredoc", "f:2:1"),
    ("FROM x\nRUN <<EOF\n EOF\n", "unterminated heredoc", "f:2:1"),
    ("FROM x\nCOPY a <<EOF\nEOF\n", "COPY cannot accept a heredoc as a destination", "f:2:1"),
    ("FROM x\nADD a <<EOF\nEOF\n", "ADD cannot accept a heredoc as a destination", "f:2:1"),
    ("FROM x\nCMD <<EOF\na\nEOF\n", "unknown instruction: a", "f:3:1"),
    # COPY
    ("FROM x\nCOPY --from=$A a b", "variable expansion is not supported for --from", "f:2:6"),
    ("FROM x\nCOPY --from=a\\\\b a b", "variable expansion is not supported for --from", "f:2:6"),
    ("FROM x\nCOPY --archive --chown=1 a b", "cannot stand together with --chown", "f:2:6"),
]


@pytest.mark.parametrize(("text", "message", "place"), REFUSED)
def test_refused(text: str, message: str, place: str) -> None:
    with pytest.raises(DockerfileError, match=re.escape(message)) as caught:
        parser.parse(text, "f")
    assert str(caught.value.location) == place


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("FROM x\nRUNN a", "RUN?"),
        ("FROM x\ncpy a", "copy?"),
        ("FROM x\nENTRYPONT a", "ENTRYPOINT?"),
        ("FROM x\nzzzzzz a", "known instructions: ADD"),
        ("FROM x\nCOPY --chonw=1 a b", "--chown?"),
        ("FROM x\nADD --frm=1 a b", "--"),
        ("FROM x\nWORKDIR --zzz a", "no flags"),
        ("FROM x\nENV PATH", "ENV PATH=value"),
    ],
)
def test_hints(text: str, hint: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        parser.parse(text, "f")
    assert caught.value.hint
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("RUN", Run(sh(""))),
        ("RUN []", Run(Command(argv=()))),
        ('RUN ["a"] && b', Run(sh('["a"] && b'))),
        (
            "RUN --device=a --device=b,required c",
            Run(sh("c"), devices=("a", "b,required")),
        ),
        ("run --network=host a", Run(sh("a"), network="host")),
        ("CMD", Cmd(sh(""))),
        ('CMD [ "a" ]', Cmd(Command(argv=("a",)))),
        ("ENTRYPOINT ['a']", Entrypoint(sh("['a']"))),
        ('SHELL ["a"]', Shell(("a",))),
        ("ENV a b c", Env((("a", "b c"),))),
        ("ENV a=", Env((("a", ""),))),
        ("ENV a= b=c", Env((("a", ""), ("b", "c")))),
        ("ARG a b= c=d=e", Arg((("a", None), ("b", ""), ("c", "d=e")))),
        ("ARG --ignored a", Arg((("a", None),))),
        ("EXPOSE 80 443 8080", Expose(("443", "80", "8080"))),
        ("VOLUME  /a   /b ", Volume(("/a", "/b"))),
        ('VOLUME [" /a "]', Volume(("/a",))),
        ("VOLUME []x", Volume(("[]x",))),
        ("HEALTHCHECK --ignored none", HealthcheckNone()),
        ("HEALTHCHECK --interval=0 CMD a", HealthcheckCmd(sh("a"))),
        (
            "HEALTHCHECK --interval=1h2m3.5s --retries=+3 cmd a  b",
            HealthcheckCmd(sh("a  b"), interval=3_723_500_000_000, retries=3),
        ),
        ("ONBUILD  run a  b ", Onbuild("run a  b ")),
        ("onbuild COPY a b #!COMMIT", Onbuild("COPY a b #!COMMIT")),
        ("COPY --from= --chown= a b", Copy(("a",), "b")),
        ("COPY --link=FALSE --parents=True a b", Copy(("a",), "b", parents=True)),
        ("COPY -- --a b", Copy(("--a",), "b")),
        ("COPY --exclude=a --exclude=b c d", Copy(("c",), "d", exclude=("a", "b"))),
        ("COPY --from=a/b:c d e", Copy(("d",), "e", from_="a/b:c")),
        ("COPY $a ${b:-c d} e", Copy(("$a", "${b:-c", "d}"), "e")),
        ('ADD ["a b", "c"]', Add(("a b",), "c")),
        ("ADD --unpack a b", Add(("a",), "b", unpack=True)),
        ("ADD --keep-git-dir=false a b", Add(("a",), "b")),
    ],
)
def test_instruction(line: str, expected: object) -> None:
    assert body(line) == expected


def test_heredoc_sources() -> None:
    found = body("COPY <<A <<-'B' c /d/\na $x\nA\n\t\tb\n\tB\n")
    assert isinstance(found, Copy)
    assert found.sources == ("c",)
    assert [(doc.name, doc.content, doc.expand) for doc in found.heredocs] == [
        ("A", "a $x\n", True),
        ("B", "b\n", False),
    ]


def test_heredoc_in_exec_form_is_empty() -> None:
    found = body('COPY ["<<A", "/b"]')
    assert isinstance(found, Copy)
    assert [(doc.name, doc.content) for doc in found.heredocs] == [("A", "")]


def test_heredoc_of_run_is_chomped() -> None:
    found = body("RUN <<-A cat\n\tb\n\n\t\tc\nA\n")
    assert isinstance(found, Run)
    assert found.command.shell == "<<-A cat"
    assert [doc.content for doc in found.command.heredocs] == ["b\n\nc\n"]


def test_stages() -> None:
    parsed = parser.parse("ARG A\nFROM x AS B.c-1_\nRUN a\nFrom y as B.C-1_\nfrom z", "f")
    assert [stage.name for stage in parsed.stages] == ["b.c-1_", "b.c-1_", None]
    assert [stage.index for stage in parsed.stages] == [0, 1, 2]
    assert [len(stage.statements) for stage in parsed.stages] == [1, 0, 0]
    assert parsed.stages[0].base.alias == "B.c-1_"
    assert [statement.body for statement in parsed.args] == [Arg((("A", None),))]


def test_statement_tells_its_source() -> None:
    (statement,) = parser.parse("FROM x\n\tRun a \\\n  b #!commit\n", "f").stages[0].statements
    assert (statement.source, statement.keyword, statement.commit) == ("Run a   b", "Run", True)
    assert (str(statement.location), statement.location.end_line) == ("f:2:2", 3)


def test_blank_continuation_warns() -> None:
    parsed = parser.parse("FROM x\nRUN a \\\n\n b\n", "f")
    assert parsed.gaps == (4,)
    assert parsed.warnings[0].startswith("f:4:")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("RUN a", Run(sh("a"))),
        ("COPY . /x", Copy((".",), "/x")),
        ("ONBUILD RUN a", Onbuild("RUN a")),
    ],
)
def test_trigger(text: str, expected: object) -> None:
    assert parser.parse_trigger(text, "base").body == expected


def test_trigger_with_heredoc() -> None:
    onbuild = body("ONBUILD COPY <<A <<-B /x/\na\nA\n\tb\nB\n")
    assert isinstance(onbuild, Onbuild)
    found = parser.parse_trigger(onbuild.trigger, "base").body
    assert isinstance(found, Copy)
    assert [doc.content for doc in found.heredocs] == ["a\n", "b\n"]


def test_trigger_keeps_its_commit_mark() -> None:
    assert parser.parse_trigger("COPY a b #!COMMIT", "base").commit


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("FROM x", "FROM isn't allowed"),
        ("RUN a\nRUN b", "single expression"),
        ("", "no instructions"),
        ("NOPE", "unknown instruction"),
    ],
)
def test_refused_trigger(text: str, message: str) -> None:
    with pytest.raises(DockerfileError, match=message):
        parser.parse_trigger(text, "base")


PIECES = st.sampled_from(
    [
        "FROM x",
        "FROM a AS b",
        "RUN",
        "COPY",
        "ENV",
        "ARG",
        "HEALTHCHECK",
        "ONBUILD",
        "CMD",
        "VOLUME",
        "EXPOSE",
        "SHELL",
        "--mount=",
        "--from=",
        "--interval=1s",
        "<<E",
        "<<-'F'",
        "E",
        "F",
        "\\",
        "\n",
        "\n",
        "\r\n",
        " ",
        " ",
        "#",
        "# escape=`",
        "#!COMMIT",
        "=",
        "a",
        "[",
        "]",
        '"a"',
        "'",
        '"',
        ",",
        "$a",
        "${",
        "\t",
        "\ufeff",
    ]
)


def check_places(text: str) -> Dockerfile | None:
    """Parse; whatever comes of it lies within the file."""
    lines = text.split("\n")
    try:
        parsed = parser.parse(text, "f")
    except DockerfileError as error:
        refused = error.location
    else:
        check_statements(parsed, lines)
        return parsed
    assert refused is not None
    assert 0 <= refused.line <= len(lines)
    assert refused.column <= (len(lines[refused.line - 1]) + 1 if refused.line else 0)
    return None


def check_statements(parsed: Dockerfile, lines: list[str]) -> None:
    last = 0
    for stage in parsed.stages:
        for statement in (stage.start, *stage.statements):
            place = statement.location
            assert last < place.line <= place.end_line <= len(lines)
            assert place.column <= len(lines[place.line - 1])
            last = place.end_line


@given(st.lists(PIECES, max_size=30).map("".join))
@example("FROM x\nRUN " + "ONBUILD " * 3000)
@example("ONBUILD " * 3000)
def test_pieces_parse_or_are_refused(text: str) -> None:
    check_places(text)


@given(st.text())
def test_any_text_parses_or_is_refused(text: str) -> None:
    check_places(text)


@given(st.binary())
def test_any_bytes_parse_or_are_refused(data: bytes) -> None:
    check_places(data.decode("utf-8", "replace"))
    with contextlib.suppress(DockerfileError):
        parser.parse(data, "f")


@given(st.lists(PIECES, max_size=30).map("".join))
def test_parsing_is_deterministic(text: str) -> None:
    assert check_places("FROM x\n" + text) == check_places("FROM x\n" + text)
