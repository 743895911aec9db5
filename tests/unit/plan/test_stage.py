"""What each instruction does to the config, the environment and the next action."""

from typing import Any

import pytest

from mkbuild.errors import DockerfileError
from mkbuild.plan.actions import AddStep, CopyStep, RunBody, WorkdirStep
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.stage import DEFAULT_PATH
from tests.support.planning import Shelf, outside, planned


def run_of(image: PlannedImage) -> RunBody:
    body = image.chain[-1].action.body
    assert isinstance(body, RunBody)
    return body


def config(text: str, **base: Any) -> object:
    shelf = Shelf(busybox=outside("busybox", **base))
    return planned(f"FROM busybox\n{text}\n", shelf).config.config


@pytest.mark.parametrize(
    ("text", "member", "value"),
    [
        ("ENV A=1 B=$A", "env", ("A=old", f"PATH={DEFAULT_PATH}", "B=old")),
        ("USER me", "user", "me"),
        ("WORKDIR /a\nWORKDIR b", "working_dir", "/a/b"),
        ("WORKDIR /a/../b//", "working_dir", "/a/../b//"),
        ("CMD echo hi", "cmd", ("/bin/sh", "-c", "echo hi")),
        ('SHELL ["/bin/ash", "-e", "-c"]\nCMD x', "cmd", ("/bin/ash", "-e", "-c", "x")),
        ('ENTRYPOINT ["a", "b"]', "entrypoint", ("a", "b")),
        ("EXPOSE 80 53/UDP", "exposed_ports", ("53/udp", "80/tcp")),
        ('VOLUME ["/a", "/b"]', "volumes", ("/a", "/b")),
        ("STOPSIGNAL SIGRTMIN+3", "stop_signal", "SIGRTMIN+3"),
        ("ONBUILD RUN x", "on_build", ("RUN x",)),
    ],
)
def test_config(text: str, member: str, value: object) -> None:
    found = config(text, env=("A=old",))
    if member == "env":
        assert set(getattr(found, member)) == {"A=1", f"PATH={DEFAULT_PATH}", "B=old"}
    else:
        assert getattr(found, member) == value


def test_env_keeps_its_place_in_the_image() -> None:
    found = config("ENV A=2 C=3", env=("A=1", "B=1", "PATH=/bin"))
    assert getattr(found, "env", None) == ("A=2", "B=1", "PATH=/bin", "C=3")


def test_entrypoint_resets_the_cmd_of_the_base_but_not_its_own() -> None:
    assert getattr(config("ENTRYPOINT x", cmd=("old",)), "cmd", ()) is None
    assert getattr(config('CMD ["own"]\nENTRYPOINT x'), "cmd", ()) == ("own",)


def test_argument_beats_the_env_of_the_base_in_run_alone() -> None:
    shelf = Shelf(busybox=outside("busybox", env=("A=base", "PATH=/bin")))
    image = planned("FROM busybox\nARG A\nRUN env\n", shelf, args={"A": "given"})
    assert ("A", "given") in run_of(image).env
    assert "A=base" in image.config.config.env


def test_undeclared_argument_is_not_seen() -> None:
    image = planned("ARG A=1\nFROM busybox\nRUN env\n", args={"A": "2", "B": "3"})
    assert {name for name, _ in run_of(image).env} == {"PATH"}


def test_arguments_of_one_line_see_each_other() -> None:
    image = planned("FROM busybox\nARG A=x B=$A\nRUN env\n")
    assert dict(run_of(image).env) == {"PATH": DEFAULT_PATH, "A": "x", "B": "x"}


def test_proxies_are_seen_in_both_cases_and_by_no_key() -> None:
    image = planned("FROM busybox\nRUN env\n", args={"Http_Proxy": "p"})
    assert run_of(image).proxy == (("HTTP_PROXY", "p"), ("http_proxy", "p"))


def test_heredocs_of_run() -> None:
    assert run_of(planned("FROM busybox\nRUN <<E\necho a\nE\n")).argv[-1] == "echo a\n"
    script = run_of(planned("FROM busybox\nRUN <<E\n#!/bin/awk -f\nx\nE\n"))
    assert script.argv == ("/bin/sh", "-c", "/dev/pipes/E")
    assert script.script == ("E", "#!/bin/awk -f\nx\n")
    mixed = run_of(planned("FROM busybox\nRUN cat <<E > /x\na\nE\n"))
    assert mixed.argv[-1] == "cat <<E > /x\na\nE"


def test_copy_words_are_expanded() -> None:
    image = planned(
        "FROM busybox\nARG D=/d U=me\nWORKDIR /w\nCOPY --chown=$U --chmod=7${X:-00} a$D x/\n"
    )
    step = image.chain[-1].action.body
    assert isinstance(step, CopyStep)
    assert (step.sources, step.dest, step.workdir) == (("a/d",), "x/", "/w")
    assert (step.chown, step.chmod) == ("me", "700")


def test_add_of_heredoc_is_expanded_unless_quoted() -> None:
    image = planned("FROM busybox\nARG A=1\nADD <<x <<'y' /\n$A\nx\n$A\ny\n")
    step = image.chain[-1].action.body
    assert isinstance(step, AddStep)
    assert step.heredocs == (("x", b"1\n"), ("y", b"$A\n"))


def test_workdir_is_made_as_the_user() -> None:
    image = planned("FROM busybox\nUSER me\nWORKDIR /a\n")
    step = image.chain[-1].action.body
    assert isinstance(step, WorkdirStep)
    assert (step.path, step.user) == ("/a", "me")
    assert planned("FROM busybox\nWORKDIR /\n").chain == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("VOLUME $X", "empty string"),
        ("STOPSIGNAL SIGNOPE", "invalid signal"),
        ("STOPSIGNAL 65", "invalid signal"),
        ("EXPOSE 99999", "99999"),
        ("RUN --mount=type=cache,target=/ x", "invalid mount target"),
        ('ENV A="${B:?is not set}"', "is not set"),
    ],
)
def test_errors_are_located(text: str, words: str) -> None:
    with pytest.raises(DockerfileError, match=words) as caught:
        planned(f"FROM busybox\n{text}\n")
    assert caught.value.location is not None
    assert caught.value.location.line == 2


def test_history() -> None:
    image = planned(
        'FROM busybox\nARG A=1\nENV B=2\nRUN echo\nCOPY --chown=1 a b\nCMD ["x", "y z"]\n'
        "EXPOSE 80\nHEALTHCHECK --interval=90s CMD true\nMAINTAINER me\nSTOPSIGNAL 9\n"
    )
    assert [line.created_by for line in image.history] == [
        "ARG A=1",
        "ENV B=2",
        "RUN |1 A=1 /bin/sh -c echo # buildkit",
        "COPY --chown=1 a b # buildkit",
        'CMD ["x" "y z"]',
        "EXPOSE [80/tcp]",
        "HEALTHCHECK {Test:[CMD-SHELL true] Interval:1m30s Timeout:0s StartPeriod:0s"
        " StartInterval:0s Retries:0}",
        "MAINTAINER me",
        "STOPSIGNAL 9",
    ]
    assert image.config.author == "me"
