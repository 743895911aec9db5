"""Answers of why: one reason a change, however many steps and platforms it reaches."""

from typing import Any

from mkbuild.engine.why import Past, compare, document_of
from mkbuild.plan.sides import BaseImage, Image, Side, Step

PAST = Past("run", "r1", started="2026-01-01T00:00:00Z")
PLATFORMS = ("linux/amd64", "linux/arm64")


def step(key: str, line: int, platform: str, version: str, *parents: str) -> Step:
    parts = {
        "instruction": "RunBody",
        "environment": [f"VERSION={version}"],
        "platform": platform,
        "parents": list(parents),
    }
    text, place = f"RUN {line}", f"Dockerfile:{line}:1"
    return Step(key, "api", "final", text, place, parts, frozenset({"VERSION"}))


def side(version: str, **settings: Any) -> Side:
    steps, images = {}, {}
    for platform in PLATFORMS:
        one, two = f"{platform} {version} 1", f"{platform} {version} 2"
        steps[one] = step(one, 1, platform, version, "state")
        steps[two] = step(two, 2, platform, version, one)
        images[platform] = Image(two, "state", {"base": "", "history": [], **settings})
    return Side(steps, {"state": BaseImage("busybox")}, {"api": images})


def nothing(_: str) -> None:
    return None


def test_one_argument_two_platforms_two_steps() -> None:
    answer = compare("api", side("2"), side("1"), PAST, nothing)
    assert answer.verdict == "steps"
    (reason,) = answer.reasons
    assert reason.changes == ("ARG VERSION: 1 → 2",)
    assert [step.location for step in reason.chain] == ["Dockerfile:1:1", "Dockerfile:2:1"]


def test_settings_and_nothing() -> None:
    answer = compare("api", side("1", Cmd=["b"]), side("1", Cmd=["a"]), PAST, nothing)
    assert (answer.verdict, answer.reasons, answer.settings) == ("settings", (), ("CMD: a → b",))
    answer = compare("api", side("1"), side("1"), PAST, nothing)
    assert (answer.verdict, answer.reasons, answer.settings) == ("same", (), ())


def test_as_json() -> None:
    answer = compare("api", side("2", Cmd=["b"]), side("1", Cmd=["a"]), PAST, nothing)
    found = document_of([answer])["targets"]["api"]
    assert found["against"] == {"run": "r1", "started": "2026-01-01T00:00:00Z"}
    assert found["settings"] == ["CMD: a → b"]
    (reason,) = found["reasons"]
    assert reason["changes"] == ["ARG VERSION: 1 → 2"]
    assert reason["chain"][0] == {
        "target": "api",
        "stage": "final",
        "instruction": "RUN 1",
        "location": "Dockerfile:1:1",
        "key": "linux/amd64 2 1",
    }
