"""A RUN at some place of a Dockerfile: what it would find there."""

import pytest

from mkbuild.dockerfile import parser
from mkbuild.errors import DockerfileError
from mkbuild.plan.actions import Action, Base, ContextInput, RunBody, walk
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.options import PlanOptions
from mkbuild.plan.place import Place
from mkbuild.plan.planner import plan_command
from tests.support.planning import Shelf, outside

TEXT = """ARG TAG=1
FROM busybox AS one
ENV A=1
RUN --network=none --mount=type=tmpfs,target=/t first \\
    more
USER joe
WORKDIR /w
ENV A=2
COPY --from=missing x y

FROM one AS two
SHELL ["/bin/bash", "-c"]
ARG B=3
"""


def command(place: Place, text: str = TEXT, shelf: Shelf | None = None, stage: str = "") -> Action:
    action = image(place, text, shelf, stage).node
    assert isinstance(action, Action)
    assert isinstance(action.body, RunBody)
    return action


def image(
    place: Place, text: str = TEXT, shelf: Shelf | None = None, stage: str = ""
) -> PlannedImage:
    shelf = shelf or Shelf(busybox=outside("busybox", on_build=("RUN t1", "RUN t2")))
    options = PlanOptions(stage=stage, contexts=frozenset({"gen"}))
    return plan_command(parser.parse(text, "Dockerfile"), options, shelf, place)


def seen(action: Action) -> tuple[tuple[str, ...], str, str, dict[str, str], list[str]]:
    body = action.body
    assert isinstance(body, RunBody)
    env = {name: value for name, value in body.env if name != "PATH"}
    done = [node.text for node in walk((action.parent,)) if not isinstance(node, Base)]
    return body.argv, body.user, body.cwd, env, done


def test_a_run_stands_there_itself_wherever_in_it_the_line_is() -> None:
    for line in (4, 5):
        action = command(Place(line))
        assert isinstance(action.body, RunBody)
        argv, user, cwd, env, done = seen(action)
        assert argv == ("/bin/sh", "-c", "first     more")
        assert (user, cwd, env, done) == ("", "/", {"A": "1"}, ["RUN t1", "RUN t2"])
        assert (action.body.network, action.body.mounts[0].target) == ("none", "/t")


def test_what_is_no_run_gets_one_in_its_place() -> None:
    argv, user, cwd, env, done = seen(command(Place(9)))
    assert (argv, user, cwd, env) == ((), "joe", "/w", {"A": "2"})
    assert done[2:] == [
        "RUN --network=none --mount=type=tmpfs,target=/t first     more",
        "WORKDIR /w",
    ]
    assert seen(command(Place(6)))[1] == ""  # before USER
    assert seen(command(Place(3)))[3] == {}  # before ENV


def test_between_statements_the_next_one_counts() -> None:
    text = "FROM busybox\nENV A=1\n\n# why\nENV A=2\n"
    assert seen(command(Place(3), text))[3] == seen(command(Place(5), text))[3] == {"A": "1"}
    assert seen(command(Place(6), text))[3] == {"A": "2"}


def test_triggers_stand_at_their_from() -> None:
    assert seen(command(Place(2)))[4] == []
    assert seen(command(Place(2, "RUN t1")))[0] == ("/bin/sh", "-c", "t1")
    found = seen(command(Place(2, "RUN t2")))
    assert (found[0], found[4]) == (("/bin/sh", "-c", "t2"), ["RUN t1"])


def test_the_end_of_a_stage() -> None:
    text = TEXT.replace("COPY --from=missing x y\n", "")
    found = image(Place(), text)
    assert found.config.config.shell == ("/bin/bash", "-c")
    action = found.node
    assert isinstance(action, Action)
    argv, user, cwd, env, done = seen(action)
    assert (argv, user, cwd, env, done[-1]) == ((), "joe", "/w", {"A": "2", "B": "3"}, "WORKDIR /w")
    assert seen(command(Place(), text, stage="one"))[3] == {"A": "2"}


def test_nothing_behind_the_place_is_looked_at() -> None:
    assert seen(command(Place(4), "FROM busybox\n\n\nRUN x\nCOPY --from=nowhere a b\n"))[0]


def test_where_there_is_no_place() -> None:
    with pytest.raises(DockerfileError, match="line 1 belongs to no stage") as caught:
        command(Place(1))
    assert caught.value.hint == "the first one begins in line 2"
    shelf = Shelf(gen=ContextInput("image", "gen"))
    with pytest.raises(DockerfileError, match="a context takes the place of stage gen"):
        command(Place(2), "FROM missing AS gen\nRUN x\n", shelf)
