from collections.abc import Mapping

import pytest

from mkbuild.dockerfile import parser
from mkbuild.errors import DockerfileError
from mkbuild.graph.references import Build, Needs, needs
from mkbuild.oci.model import Platform

AMD64 = Platform()
ARM = Platform("linux", "arm", "v7")


def find(
    text: str,
    stage: str | None = None,
    platform: Platform = AMD64,
    contexts: tuple[str, ...] = (),
    args: Mapping[str, str] | None = None,
) -> Needs:
    return needs(parser.parse(text, "D"), Build(stage, args or {}, platform, AMD64, contexts))


def names(text: str, stage: str | None = None, **args: str) -> list[str]:
    return [reference.name for reference in find(text, stage, args=args).references]


def test_each_kind_with_its_line_and_text() -> None:
    found = find(
        "ARG BASE=debian\n"
        "FROM ${BASE} AS one\n"
        "FROM one\n"
        "COPY --from=tools /a /b\n"
        "RUN --mount=type=bind,from=gen,target=/g true\n"
    )
    assert found.stages == (0, 1)
    assert [(r.kind, r.name, r.location.line, r.text, r.stage) for r in found.references] == [
        ("FROM", "debian", 2, "FROM ${BASE}", 0),
        ("COPY --from", "tools", 4, "COPY --from=tools", 1),
        ("RUN --mount", "gen", 5, "RUN --mount=type=bind,from=gen,target=/g", 1),
    ]


def test_stages_that_nothing_needs_do_not_count() -> None:
    text = "FROM a AS one\nFROM b AS two\nFROM c AS three\nCOPY --from=one / /\n"
    assert find(text).stages == (0, 2)
    assert names(text) == ["a", "c"]
    assert names(text, "two") == ["b"]
    assert names(text, "TWO") == ["b"]
    assert names(text, "1") == ["b"]


def test_from_finds_a_stage_in_lower_case_only() -> None:
    assert names("FROM a AS Build\nFROM Build\n") == ["Build"]
    assert names("FROM a AS Build\nFROM build\n") == ["a"]


def test_copy_finds_a_stage_in_any_case_and_by_number() -> None:
    assert names("FROM a AS Build\nFROM b\nCOPY --from=BUILD / /\n") == ["a", "b"]
    assert names("FROM a\nFROM b\nCOPY --from=0 / /\n") == ["a", "b"]


def test_only_earlier_stages_are_bases() -> None:
    assert names("FROM later AS one\nFROM one AS later\n") == ["later"]


def test_a_name_used_twice_means_the_later_stage() -> None:
    assert names("FROM a AS x\nFROM b AS x\nFROM x\n") == ["b"]


def test_scratch_and_the_context_are_nothing_outside() -> None:
    text = "FROM scratch\nCOPY . /\nCOPY --from=scratch / /\nRUN --mount=target=/x true\n"
    assert names(text) == []


def test_global_args_and_their_overrides() -> None:
    text = "ARG V=1\nARG BASE=img:$V\nFROM $BASE\n"
    assert names(text) == ["img:1"]
    assert names(text, V="2") == ["img:2"]
    assert names(text, BASE="other") == ["other"]


def test_platform_args_are_there_for_from() -> None:
    text = "FROM base-${TARGETARCH}${TARGETVARIANT}-$BUILDARCH\n"
    assert find(text, platform=ARM).references[0].name == "base-armv7-amd64"


def test_the_target_stage_is_an_arg_of_from() -> None:
    text = "FROM base-$TARGETSTAGE AS one\nFROM one AS two\n"
    assert names(text) == ["base-two"]
    assert names(text, "one") == ["base-one"]


def test_a_global_arg_may_use_those_before_it() -> None:
    assert names("ARG A=1\nARG B=${A}${C:-2}\nARG C=3\nFROM x:$B\n") == ["x:12"]


def test_a_named_context_stands_before_a_stage_of_its_name() -> None:
    text = "FROM a AS one\nCOPY --from=gone / /\nFROM one\nCOPY --from=0 / /\n"
    found = find(text, contexts=("one",))
    assert [(r.kind, r.name, r.location.line) for r in found.references] == [("FROM", "one", 1)]
    assert found.stages == (0, 1)


def test_onbuild_of_a_stage_runs_in_the_stage_that_begins_from_it() -> None:
    text = "FROM a AS one\nONBUILD COPY --from=tool / /\nFROM one AS two\nFROM two\n"
    assert [(r.name, r.location.line) for r in find(text).references] == [("a", 1), ("tool", 3)]
    assert names(text, "one") == ["a"]


def test_a_long_chain_of_stages() -> None:
    text = "FROM a AS s0\n" + "".join(f"FROM s{i} AS s{i + 1}\n" for i in range(2000))
    assert names(text) == ["a"]


@pytest.mark.parametrize(
    ("text", "stage", "message", "line"),
    [
        ("ARG B\nFROM $B\n", None, "expands to nothing", 2),
        ("FROM a AS one\n", "two", "there is no stage 'two'", 0),
        ("FROM a AS one\n", "1", "there is no stage '1'", 0),
    ],
)
def test_errors_have_a_place(text: str, stage: str | None, message: str, line: int) -> None:
    with pytest.raises(DockerfileError) as raised:
        find(text, stage)
    assert message in raised.value.message
    assert raised.value.location is not None
    assert (raised.value.location.file, raised.value.location.line) == ("D", line)
