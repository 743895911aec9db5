"""What differs between images besides their files."""

from typing import Any

import pytest

from mkbuild.plan.settings import changes
from mkbuild.plan.sides import BaseImage, Image, Side

PLAIN: dict[str, Any] = {
    "Env": ["PATH=/bin", "A=1"],
    "Labels": {"team": "red"},
    "Cmd": ["run", "fast"],
    "architecture": "amd64",
    "base": "sha256:" + "1" * 64,
    "created": 0,
    "history": ["one", "two"],
    "layers": [True, True],
    "tags": ["x:1"],
}


def side(end: str = "key", **members: Any) -> Side:
    settings = {**PLAIN, **members}
    base = BaseImage("debian:12", settings["base"])
    return Side({}, {"s": base}, {"api": {"linux/amd64": Image(end, "s", settings)}})


@pytest.mark.parametrize(
    ("members", "lines"),
    [
        ({}, []),
        ({"Env": ["PATH=/bin", "A=2", "B=3"]}, ["ENV A: 1 → 2", "ENV B: now 3"]),
        ({"Labels": None}, ["LABEL team: red → nothing"]),
        ({"Labels": {"team": "red", "x": "y"}}, ["LABEL x: nothing → y"]),
        ({"Cmd": ["run"]}, ["CMD: run fast → run"]),
        ({"Cmd": None}, ["CMD: run fast → nothing"]),
        ({"ExposedPorts": {"80/tcp": {}}}, ["EXPOSE: nothing → 80/tcp"]),
        ({"ArgsEscaped": True}, []),
        ({"architecture": "arm64"}, ["architecture: amd64 → arm64"]),
        ({"created": None}, ["timestamps: 0 → preserve"]),
        ({"layers": [False, True]}, ["layers end at other steps"]),
        ({"tags": ["x:1", "x:2"]}, ["tags: x:1 → x:1 x:2"]),
        (
            {"base": "sha256:" + "2" * 64},
            [f"base image debian:12 moved: {'1' * 12}… → {'2' * 12}…"],
        ),
        ({"history": ["one", "three"]}, ["two became three"]),
        ({"history": ["one", "two", "three"]}, ["three is new"]),
        ({"history": ["one"]}, ["two is gone"]),
        ({"history": ["one"], "Cmd": ["run"]}, ["CMD: run fast → run"]),
    ],
)
def test_a_difference(members: dict[str, Any], lines: list[str]) -> None:
    assert changes(side(**members), side(), "api") == lines


def test_history_says_nothing_where_a_step_does() -> None:
    assert changes(side("other", history=["one", "three"]), side(), "api") == []


def test_platforms() -> None:
    both = Side(
        {}, side().bases, {"api": {**side().images["api"], "linux/arm64": Image("", "", {})}}
    )
    assert changes(both, side(), "api") == ["platform linux/arm64: new"]
    assert changes(side(), both, "api") == ["platform linux/arm64: no longer"]
