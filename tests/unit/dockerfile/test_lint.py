"""Build checks: what each rule finds, and what it leaves alone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.context.ignore import Ignore
from mkbuild.dockerfile import finding, lint, parser
from mkbuild.dockerfile.finding import RULES, Config
from mkbuild.errors import DockerfileError


def found(text: str, *, ignore: Ignore | None = None, **options: object) -> list[str]:
    """Check a file with its experimental rules; each finding as ``Rule:line``."""
    env = options.get("env")
    result = lint.check(
        parser.parse(text, "f"),
        ignore=ignore,
        build_args={"GIVEN": "x"},
        base_environment=(lambda _base: {"FROMBASE": "1"}) if env else None,
    )
    assert all(one.message and one.hint for one in result)
    return [f"{one.rule}:{one.location.line}" for one in result]


CLEAN = """\
ARG TAG=1
FROM --platform=$BUILDPLATFORM example.com/base:$TAG AS build
ARG WHO
ENV A=b PUBLIC_KEY=x TOKEN_FILE=/t
WORKDIR /src
COPY $WHO $A $PATH /x/
EXPOSE 80 443/tcp
ENTRYPOINT ["/a"]
CMD ["b"]
FROM scratch
COPY --from=build /src /
"""

CASES = [
    (CLEAN, []),
    ("FROM x AS Up", ["StageNameCasing:1"]),
    ("FROM x as up", ["FromAsCasing:1"]),
    ("from x AS up", ["FromAsCasing:1"]),
    ("From x aS up", ["ConsistentInstructionCasing:1"]),
    ("FROM x\nRUN a \\\n\n b", ["NoEmptyContinuation:4"]),
    ("FROM x\nrun a\nRUN b", ["ConsistentInstructionCasing:2"]),
    ("from x\nrun a\nRUN b", ["ConsistentInstructionCasing:3"]),
    ("FROM x\nRun a", ["ConsistentInstructionCasing:2"]),
    ("arg A\nFROM x", []),
    ("FROM x AS a\nFROM y AS A", ["StageNameCasing:2", "DuplicateStageName:2"]),
    ("FROM x AS scratch", ["ReservedStageName:1"]),
    ("FROM x AS Context", ["StageNameCasing:1", "ReservedStageName:1"]),
    ("FROM x\nCMD a", ["JSONArgsRecommended:2"]),
    ("FROM x\nENTRYPOINT a", ["JSONArgsRecommended:2"]),
    ('FROM x\nSHELL ["/b"]\nCMD a', []),
    ('FROM x AS a\nSHELL ["/b"]\nFROM a\nCMD c', []),
    ("FROM x\nRUN a", []),
    ("FROM x\nMAINTAINER me", ["MaintainerDeprecated:2"]),
    ("ARG TAG=1\nFROM x:${TAGG:-1}", ["UndefinedArgInFrom:2"]),
    ("FROM --platform=$PLATT x", ["UndefinedArgInFrom:1"]),
    ("ARG TAG\nFROM x:${TAG:-1}", []),
    ("FROM x\nWORKDIR a\nWORKDIR b", ["WorkdirRelativePath:2"]),
    ("FROM x\nWORKDIR /a\nWORKDIR b", []),
    ("FROM x AS a\nWORKDIR /a\nFROM a\nWORKDIR b", []),
    ("FROM x\nENV A=/a\nWORKDIR $A", []),
    ("FROM scratch\nCOPY $NOPE /", ["UndefinedVar:2"]),
    ("FROM x\nCOPY $NOPE /", []),
    ("FROM x\nENV VERSION=1\nCOPY $VERSON /", ["UndefinedVar:3"]),
    ("FROM scratch\nARG A\nCOPY $A /", []),
    ("FROM scratch\nENV A=1 B=$A", ["UndefinedVar:2"]),
    ("FROM scratch\nARG A=1 B=$A", []),
    ("FROM scratch\nARG A=$B", ["UndefinedVar:2"]),
    ("FROM scratch\nARG GIVEN=$B", []),
    ("ARG B=1\nFROM scratch\nCOPY $B /", ["UndefinedVar:3"]),
    ("ARG B=1\nFROM scratch\nARG B\nCOPY $B /", []),
    ("FROM scratch AS a\nARG A\nFROM a\nCOPY $A /", []),
    ("FROM scratch AS a\nENV A=1\nFROM scratch\nCOPY $A /", ["UndefinedVar:4"]),
    ("FROM scratch\nCOPY <<E /x\n$NOPE\nE", ["UndefinedVar:2"]),
    ("FROM scratch\nCOPY <<'E' /x\n$NOPE\nE", []),
    ("FROM scratch\nRUN $NOPE", []),
    ("FROM scratch\nRUN --mount=target=/$NOPE a", ["UndefinedVar:2"]),
    ("FROM scratch\nUSER $NOPE", ["UndefinedVar:2"]),
    ("FROM scratch\nVOLUME $NOPE", ["UndefinedVar:2"]),
    ("FROM scratch\nLABEL a=$NOPE", ["UndefinedVar:2"]),
    ("FROM scratch\nADD --chown=$NOPE a b", ["UndefinedVar:2"]),
    ("FROM scratch\nSTOPSIGNAL $NOPE", ["UndefinedVar:2"]),
    ("FROM scratch\nUSER ${NOPE:?why}", []),
    ('FROM x\nCMD ["a"]\nCMD ["b"]', ["MultipleInstructionsDisallowed:2"]),
    (
        'FROM x\nENTRYPOINT ["a"]\nENTRYPOINT ["b"]\nENTRYPOINT ["c"]',
        ["MultipleInstructionsDisallowed:2", "MultipleInstructionsDisallowed:3"],
    ),
    ("FROM x\nHEALTHCHECK NONE\nHEALTHCHECK CMD a", ["MultipleInstructionsDisallowed:2"]),
    ('FROM x AS a\nCMD ["a"]\nFROM a\nCMD ["b"]', []),
    ("FROM x\nENV a b", ["LegacyKeyValueFormat:2"]),
    ("FROM x\nLABEL a b", ["LegacyKeyValueFormat:2"]),
    ("FROM --platform=$TARGETPLATFORM x", ["RedundantTargetPlatform:1"]),
    ("FROM --platform=${TARGETPLATFORM} x", ["RedundantTargetPlatform:1"]),
    ("FROM --platform=$TARGETOS/$TARGETARCH x", []),
    ("FROM x\nARG API_KEY\nENV PASSWORD=x", ["SecretsUsedInArgOrEnv:2", "SecretsUsedInArgOrEnv:3"]),
    ("FROM x\nARG KEYBOARD MONKEY github_token", ["SecretsUsedInArgOrEnv:2"]),
    ("ARG TAG\nFROM x:$TAG", ["InvalidDefaultArgInFrom:2"]),
    ("ARG BASE\nFROM $BASE", ["InvalidDefaultArgInFrom:2"]),
    ("ARG GIVEN\nFROM x:$GIVEN", ["InvalidDefaultArgInFrom:2"]),
    ("FROM --platform=linux/arm64 x", ["FromPlatformFlagConstDisallowed:1"]),
    ("FROM --platform=linux/arm64 x AS build-arm64", []),
    ("FROM --platform=nonsense/a/b/c/d x", []),
    ("FROM x\nEXPOSE 80/TCP", ["ExposeProtoCasing:2"]),
    ("FROM x\nEXPOSE 8080:80", ["ExposeInvalidFormat:2"]),
    ("FROM x\nEXPOSE 127.0.0.1:8080:80", ["ExposeInvalidFormat:2"]),
    ("FROM x\nEXPOSE 80/nope", []),
    ("FROM x\nEXPOSE ${X", []),
    (
        "# check=experimental=all\n\n#\n# b is it\nARG A\nFROM x",
        ["InvalidDefinitionDescription:5"],
    ),
    ("# check=experimental=all\n\n#\n# A is it\nARG A B\nFROM x", []),
    ("# check=experimental=all\nARG A\n# nope\nFROM x AS b", ["InvalidDefinitionDescription:4"]),
    ("# check=experimental=all\nARG A\n# nope\nFROM x", []),
    ("# nope\nARG A\nFROM x", []),
    # what is to be left out
    ("# check=skip=all\nFROM x as up", []),
    ("# check=skip=JSONArgsRecommended, StageNameCasing\nFROM x\nCMD a", []),
    ("# check=skip=StageNameCasing\nFROM x\nCMD a", ["JSONArgsRecommended:3"]),
    ("FROM x\n# check=skip=JSONArgsRecommended\nCMD a", []),
    ("FROM x\n# check=skip=all\nCMD a\nMAINTAINER me", ["MaintainerDeprecated:4"]),
    ("FROM x\n# check=nonsense\nCMD a", ["JSONArgsRecommended:3"]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_rules(text: str, expected: list[str]) -> None:
    assert sorted(found(text)) == sorted(expected)


def test_every_rule_has_a_case() -> None:
    cases = {name.partition(":")[0] for _, expected in CASES for name in expected}
    assert cases | {"CopyIgnoredFile"} == set(RULES)


def test_findings_are_in_order_of_lines() -> None:
    lines = [int(one.partition(":")[2]) for one in found("FROM x AS A\nCMD b\nCMD c\nEXPOSE 1:2")]
    assert lines == sorted(lines)


def test_known_base_makes_variables_definite() -> None:
    assert found("FROM x\nCOPY $FROMBASE $NOPE /", env=True) == ["UndefinedVar:2"]


@pytest.mark.parametrize(
    ("line", "patterns", "expected"),
    [
        ("COPY a /", "a", True),
        ("COPY a/b /", "a", True),
        ("ADD ./a/../a /", "a", True),
        ("COPY b /", "a", False),
        ("COPY . /", "a", False),
        ("COPY . /", "*", True),
        ("COPY / /", "**", True),
        ("COPY a /", "a !a/b", False),
        ("COPY --from=x a /", "a", False),
        ("ADD https://example.com/a /", "**/a", False),
        ("COPY <<E /x\nE", "*", False),
    ],
)
def test_ignored_files(line: str, patterns: str, *, expected: bool) -> None:
    text = f"FROM y AS x\n{line}"
    assert found(text, ignore=Ignore(patterns.split())) == ["CopyIgnoredFile:2"] * expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Config()),
        ("skip=all", Config(skip_all=True)),
        ("skip=A,B;error=true", Config(skip=frozenset({"A", "B"}), error=True)),
        ("experimental=A;skip=B", Config(skip=frozenset("B"), experimental=frozenset("A"))),
        ("experimental=all", Config(experimental_all=True)),
        ("error=false", Config()),
    ],
)
def test_configure(text: str, expected: Config) -> None:
    assert finding.configure(text) == expected


@pytest.mark.parametrize("text", ["skip", "skipp=all", "error=perhaps", "skip=a;;", "=x"])
def test_malformed_configuration_is_refused(text: str) -> None:
    with pytest.raises(DockerfileError) as caught:
        lint.check(parser.parse(f"# check={text}\nFROM x", "f"))
    assert str(caught.value.location) == "f:1:1"
    assert caught.value.hint


@given(st.lists(st.sampled_from(CASES), max_size=4))
def test_files_joined_are_still_checked(cases: list[tuple[str, list[str]]]) -> None:
    text = "\n".join(text for text, _ in cases)
    try:
        dockerfile = parser.parse(text, "f")
    except DockerfileError:
        return
    lines = text.count("\n") + 1
    assert all(1 <= one.location.line <= lines for one in lint.check(dockerfile))
