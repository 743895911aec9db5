"""Sides: what belongs to a target, and what an older build adds."""

from dataclasses import replace

from mkbuild.plan.sides import BaseImage, Image, Side, Step


def step(key: str, target: str, *parents: str) -> Step:
    return Step(key, target, "final", f"RUN {key}", "Dockerfile:2", {"parents": list(parents)})


def side(number: int = 1) -> Side:
    steps = [step("t", "tool", "s"), step("a", "api", "u", "t"), step("w", "web", "s")]
    bases = {"s": BaseImage("busybox", f"d{number}"), "u": BaseImage("debian", "e")}
    images = {
        label: {"linux/amd64": Image(end, "s", {"tags": [f"{label}:{number}"]})}
        for label, end in (("tool", "t"), ("api", "a"), ("web", "w"), ("bare", "s"))
    }
    return Side({found.key: found for found in steps}, bases, images)


def test_what_belongs_to_a_target() -> None:
    found = side().of("api")
    assert list(found.steps) == ["t", "a"]
    assert list(found.bases) == ["s", "u"]
    assert list(found.images) == ["api"]
    assert list(side().of("web").bases) == ["s"]
    assert side().of("bare").steps == {}
    assert side().of("nowhere") == Side()


def test_the_newer_one_counts() -> None:
    older = Side({**side(1).steps, "old": step("old", "old")}, {}, side(1).images)
    found = side(2).of("api").over(older)
    assert list(found.steps) == ["t", "a", "w", "old"]
    assert found.images["api"] == side(2).images["api"]
    assert found.images["web"] == side(1).images["web"]
    assert found.bases["s"] == BaseImage("busybox", "d2")


def test_steps_by_how_they_are_written() -> None:
    found = side()
    assert found.by_text["target tool", "final", "RUN t"] == (found.steps["t"],)
    assert found.by_text["Dockerfile", "final", "RUN t"] == (found.steps["t"],)
    assert found.places == {"Dockerfile", "target tool", "target api", "target web"}


def test_a_file_without_its_position() -> None:
    for location, file in {
        "Dockerfile:2:1": "Dockerfile",
        "a:1/Dockerfile:12": "a:1/Dockerfile",
        "stdin": "stdin",
        "BUILD.yaml:api:2:1": "BUILD.yaml:api",
    }.items():
        assert replace(step("k", "t"), location=location).places == ("target t", file)
