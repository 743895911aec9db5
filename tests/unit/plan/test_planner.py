"""Which stages are planned, from what, and for which platform."""

import pytest

from mkbuild.errors import DockerfileError, PullError
from mkbuild.oci.model import Platform
from mkbuild.plan.actions import Base, ContextInput, CopyStep, RunBody, inputs, walk
from tests.support.planning import ARM64, Shelf, outside, planned


def texts(image: object) -> list[str]:
    return [node.text for node in walk((image.node,)) if not isinstance(node, Base)]  # type: ignore[attr-defined]


def test_a_stage_that_nothing_needs_is_not_looked_at() -> None:
    shelf = Shelf(busybox=outside("busybox"))
    image = planned("FROM missing AS unused\nRUN false\nFROM busybox\nRUN true\n", shelf)
    assert shelf.asked == ["busybox"]
    assert texts(image) == ["RUN true"]


def test_copy_from_and_mounts_need_their_stages() -> None:
    image = planned(
        "FROM busybox AS a\nRUN one\nFROM busybox AS b\nRUN two\nFROM scratch\n"
        "COPY --from=A /x /x\nRUN --mount=type=bind,from=b,target=/m three\n"
    )
    assert texts(image) == ["RUN one", "COPY --from=A /x /x", "RUN two", texts(image)[-1]]
    run = image.chain[-1].action
    assert [getattr(node, "text", "") for node in inputs(run)[1:]] == ["RUN two"]


def test_target_is_found_by_name_in_any_case_and_by_index() -> None:
    text = "FROM busybox AS first\nRUN one\nFROM busybox\nRUN two\n"
    assert texts(planned(text, stage="FIRST")) == ["RUN one"]
    assert texts(planned(text, stage="0")) == ["RUN one"]
    with pytest.raises(DockerfileError, match='"frist"') as caught:
        planned(text, stage="frist")
    assert caught.value.hint == "did you mean 'first'?"


def test_stage_names_a_base_only_exactly_and_only_an_earlier_one() -> None:
    with pytest.raises(PullError, match="Base"):
        planned("FROM busybox AS base\nFROM Base\n")
    with pytest.raises(PullError, match="later"):
        planned("FROM later\nFROM busybox AS later\n", stage="0")


def test_copy_from_a_later_or_the_own_stage_is_refused() -> None:
    for name, why in (("b", "be defined before"), ("1", "be defined before"), ("a", "circular")):
        with pytest.raises(DockerfileError, match=why) as caught:
            planned(f"FROM busybox AS a\nCOPY --from={name} /x /x\nFROM busybox AS b\n", stage="a")
        assert caught.value.location is not None
        assert caught.value.location.line == 2


def test_from_expands_global_arguments_and_says_where_one_is_missing() -> None:
    shelf = Shelf(**{"busybox:1": outside("busybox")})
    planned("ARG TAG=1\nFROM busybox:${TAG}\n", shelf)
    planned("ARG TAG\nFROM busybox:${TAG:-1}\n", shelf)
    planned("ARG TAG=9\nFROM busybox:${TAG}\n", shelf, args={"TAG": "1"})
    with pytest.raises(DockerfileError, match="should not be blank"):
        planned("ARG NAME\nFROM $NAME\n", shelf)


def test_from_variable_in_copy_from_is_refused_even_in_an_unused_stage() -> None:
    text = "FROM busybox AS unused\nCOPY --from=$X /a /b\nFROM busybox\n"
    with pytest.raises(DockerfileError, match="not supported for --from"):
        planned(text)


def test_named_context_replaces_an_image_and_a_stage() -> None:
    shelf = Shelf(busybox=outside("other", user="ctx"), gen=ContextInput("image", "gen"))
    image = planned("FROM busybox\n", shelf, contexts=frozenset({"busybox"}))
    assert image.config.config.user == "ctx"
    image = planned(
        "FROM missing AS gen\nRUN false\nFROM scratch\nCOPY --from=gen /a /a\n",
        shelf,
        contexts=frozenset({"gen"}),
    )
    copied = [node for node in walk((image.node,)) if not isinstance(node, Base)]
    assert [type(node.body) for node in copied] == [CopyStep, CopyStep]
    assert copied[0].source == ContextInput("image", "gen")


def test_a_stage_that_a_context_replaces_leaves_its_own_triggers_and_no_others() -> None:
    shelf = Shelf(gen=outside("gen", on_build=("RUN of-the-image",)))
    text = "FROM missing AS gen\nRUN false\nONBUILD RUN of-the-stage\n"
    contexts = frozenset({"gen"})
    replaced = planned(text, shelf, contexts=contexts)
    assert replaced.config.config.on_build == ()
    assert texts(replaced) == []
    assert texts(planned(f"{text}FROM gen\n", shelf, contexts=contexts)) == ["RUN of-the-stage"]


def test_platform_of_a_stage_comes_from_its_from_line() -> None:
    shelf = Shelf(busybox=outside("busybox", ARM64))
    image = planned("FROM --platform=linux/arm64 busybox\nRUN x\n", shelf)
    assert image.chain[0].action.platform == ARM64
    assert image.config.platform == ARM64
    with pytest.raises(DockerfileError, match="empty platform value"):
        planned("FROM --platform=$NOWHERE busybox\n", shelf)


def test_explicit_platform_is_written_into_the_config() -> None:
    image = planned(
        "FROM busybox\n", platform=Platform("linux", "arm", "v7"), explicit_platform=True
    )
    assert image.config.platform == Platform("linux", "arm", "v7")


def test_onbuild_of_a_base_runs_first_and_does_not_carry_over() -> None:
    shelf = Shelf(busybox=outside("busybox", on_build=("RUN trigger", "ENV A=b")))
    image = planned("FROM busybox\nRUN own\nONBUILD RUN next\n", shelf)
    assert texts(image) == ["RUN trigger", "RUN own"]
    assert "A=b" in image.config.config.env
    assert image.config.config.on_build == ("RUN next",)


def test_onbuild_of_a_stage_runs_in_the_stage_from_it() -> None:
    image = planned("FROM busybox AS a\nONBUILD RUN trigger\nFROM a\nRUN own\nFROM a\nRUN last\n")
    assert texts(image) == ["RUN trigger", "RUN last"]


def test_the_last_step_is_always_cut() -> None:
    text = "FROM busybox\nRUN one\nRUN two #!COMMIT\nRUN three\nRUN four\n"
    assert [link.cut for link in planned(text).chain] == [True] * 4
    explicit = planned(text, commit="explicit")
    assert [link.cut for link in explicit.chain] == [False, True, False, True]


def test_labels_of_the_options_win() -> None:
    image = planned("FROM busybox\nLABEL a=1 b=2\n", labels={"b": "3", "c": "4"})
    assert image.config.config.labels == {"a": "1", "b": "3", "c": "4"}


def test_source_date_epoch_must_be_a_number() -> None:
    assert planned("FROM busybox\n", args={"SOURCE_DATE_EPOCH": "7"}).epoch == 7
    assert planned("ARG SOURCE_DATE_EPOCH=8\nFROM busybox\n").epoch == 8
    for text in ("noon", "99999999999999999999"):
        with pytest.raises(DockerfileError, match="seconds since 1970"):
            planned("FROM busybox\n", args={"SOURCE_DATE_EPOCH": text})


def test_arguments_of_a_base_stage_are_seen_but_its_env_wins() -> None:
    image = planned("FROM busybox AS a\nARG X=1\nENV Y=2\nFROM a\nRUN env\n")
    body = image.chain[-1].action.body
    assert isinstance(body, RunBody)
    assert ("X", "1") in body.env
    assert ("Y", "2") in body.env


@pytest.mark.parametrize(
    "step", ["FROM s{n} AS s{next}", "FROM scratch AS s{next}\nCOPY --from=s{n} / /"]
)
def test_stages_that_hang_from_each_other_by_the_thousand(step: str) -> None:
    text = "".join(step.format(n=n, next=n + 1) + "\n" for n in range(2000))
    with pytest.raises(DockerfileError, match="hundreds of stages"):
        planned(f"FROM scratch AS s0\n{text}")
