"""Why steps have other keys than before."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mkbuild.plan.explain import causes, chain, reasons
from mkbuild.plan.sides import BaseImage, Side, Step


def step(key: str, text: str, line: int, args: frozenset[str] = frozenset(), **more: Any) -> Step:
    components = {"instruction": text.partition(" ")[0], "platform": "linux/amd64", **more}
    return Step(key, "api", "final", text, f"Dockerfile:{line}", components, args, ("app",))


def side(*steps: Step, base: str = "state1", digest: str = "sha256:one") -> Side:
    return Side({s.key: s for s in steps}, {base: BaseImage("debian:bookworm-slim", digest)})


def nothing(_digest: str) -> Mapping[str, str] | None:
    return None


def test_a_file_changed_and_what_follows() -> None:
    copy = [step(f"c{n}", "COPY . .", 2, files=[f"f{n}"], parents=["state1"]) for n in (1, 2)]
    run = [step(f"r{n}", "RUN make", 3, parents=[f"c{n}"]) for n in (1, 2)]
    listings = {"f1": {"a": "f 644 aa", "b": "f 644 bb"}, "f2": {"a": "f 644 cc", "b": "f 755 bb"}}
    before, now = side(copy[0], run[0]), side(copy[1], run[1])
    (cause,) = causes(now, before, listings.get)
    assert cause.step is copy[1]
    assert cause.changes == ("app/a: sha256 aa… → cc…", "app/b: mode 644 → 755")
    assert reasons(now, before, listings.get) == {
        "c2": "app/a: sha256 aa… → cc…",
        "r2": "follows from Dockerfile:2 COPY . .",
    }
    assert chain(cause.step, "r2", now.steps) == [copy[1], run[1]]


def test_without_a_listing_the_directory_is_named() -> None:
    before = side(step("c1", "COPY . .", 2, files=["sha256:aa"], parents=["state1"]))
    now = side(step("c2", "COPY . .", 2, files=["sha256:bb"], parents=["state1"]))
    assert reasons(now, before, nothing) == {"c2": "files of app: aa… → bb…"}


def test_arguments_and_variables() -> None:
    known = frozenset({"VERSION"})
    old = step("r1", "RUN x", 2, known, environment=["VERSION=1.2", "A=1"], parents=["state1"])
    new = step("r2", "RUN x", 2, known, environment=["VERSION=1.3", "A=2"], parents=["state1"])
    (cause,) = causes(side(new), side(old), nothing)
    assert cause.changes == ("ARG VERSION: 1.2 → 1.3", "ENV A: 1 → 2")


def test_a_base_moved() -> None:
    before = side(step("r1", "RUN x", 2, parents=["state1"]))
    now = side(step("r2", "RUN x", 2, parents=["state2"]), base="state2", digest="sha256:two")
    assert reasons(now, before, nothing) == {
        "r2": "base image debian:bookworm-slim moved: one… → two…"
    }


def test_a_new_step() -> None:
    one, two = (step(f"r{n}", f"RUN {n}", n, parents=["state1"]) for n in (1, 2))
    assert reasons(side(one, two), side(one), nothing) == {"r2": "RUN 2 is new"}
    assert reasons(side(one), side(one), nothing) == {}


def test_a_target_that_was_not_there() -> None:
    one = step("r1", "RUN 1", 1, parents=["state1"])
    assert reasons(side(one), Side(), nothing) == {"r1": "api was not built before"}


def test_what_no_list_tells() -> None:
    """The same files with other attributes; not said where something else differs as well."""
    old, new = (step(f"c{n}", "COPY . .", 2, files=[f"f{n}"], parents=["state1"]) for n in (1, 2))
    same = {"f1": {"a": "f 644 aa"}, "f2": {"a": "f 644 aa"}}
    assert reasons(side(new), side(old), same.get) == {
        "c2": "attributes of the files that it takes"
    }
    owned = step("c3", "COPY . .", 2, files=["f2"], parents=["state1"], chown="app")
    assert reasons(side(owned), side(old), same.get) == {"c3": "chown: nothing → app"}


def test_a_step_that_two_targets_share_is_found_by_its_file() -> None:
    """It is noted as a step of the target that was planned first."""
    before = side(step("r1", "RUN x", 2, parents=["state1"], user=""))
    other = replace(step("r2", "RUN x", 2, parents=["state1"], user="app"), target="web")
    assert reasons(side(other), before, nothing) == {"r2": "user: nothing → app"}
    elsewhere = replace(other, location="web/Dockerfile:2")
    assert reasons(side(elsewhere), before, nothing) == {"r2": "web was not built before"}


def test_a_stage_more_gives_stages_without_a_name_another_number() -> None:
    old = replace(step("r1", "RUN x", 2, parents=["state1"], user=""), stage="stage-0")
    new = replace(step("r2", "RUN x", 5, parents=["state1"], user="app"), stage="stage-1")
    assert reasons(side(new), side(old), nothing) == {"r2": "user: nothing → app"}
