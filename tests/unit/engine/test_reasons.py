"""Why steps run, and what --expect-cached says of it."""

from dataclasses import replace
from typing import Any

from mkbuild.action import ActionKey
from mkbuild.engine.log import Record
from mkbuild.engine.reasons import before, not_cached, reasons
from mkbuild.engine.resolution import Work
from mkbuild.engine.side import document_of
from mkbuild.plan.actions import Action
from mkbuild.plan.image import PlannedImage
from mkbuild.plan.keys import Components
from mkbuild.plan.sides import Image, Side, Step
from tests.support.planning import planned

FILE = "FROM busybox\nCOPY a /\nRUN one\nRUN two\nRUN three\nRUN four\n"


def actions(image: PlannedImage) -> list[Action]:
    return [link.action for link in image.chain]


def works(*changes: dict[str, Any]) -> list[Work]:
    found = []
    for number, action in enumerate(actions(planned(FILE))):
        changed = changes[number] if number < len(changes) else {}
        given = replace(action, no_cache=changed.pop("no_cache", False))
        found.append(Work(given, ActionKey(f"k{number}"), Components({}), (), **changed))
    return found


def side(*, keys: str = "k", files: str = "f") -> Side:
    steps = {}
    for number, action in enumerate(actions(planned(FILE))):
        key = f"{keys}{number}"
        parents = [f"{keys}{number - 1}"] if number else ["state"]
        parts = {"files": [files] if not number else [], "parents": parents}
        place = f"Dockerfile:{number + 2}:1"
        steps[key] = Step(key, "api", "final", action.text, place, parts, origins=("app",))
    image = Image(f"{keys}4", "state", {})
    return Side(steps, {}, {"api": {"linux/amd64": image}})


LISTINGS = {"f": {"a": "f 644 aa"}, "g": {"a": "f 644 bb"}}


def said(past: Side, *changes: dict[str, Any], always: bool = False) -> list[str]:
    return list(reasons(side(), past, works(*changes), LISTINGS.get, always=always).values())


def test_what_changed_and_what_follows() -> None:
    assert said(side(keys="o", files="g"))[:2] == [
        "app/a: sha256 bb… → aa…",
        "follows from Dockerfile:2:1 COPY a /",
    ]


def test_nothing_changed() -> None:
    assert said(side())[:2] == [
        "nothing changed, but its result is in no cache any more",
        "follows from Dockerfile:2:1 COPY a /",
    ]


def test_it_was_asked_for() -> None:
    forced = {"forced": True}
    assert said(side(), dict(forced), always=True)[0] == "-B: all is run again"
    assert said(side(), dict(forced))[0] == "its cached result turned out to be gone"
    wanted = said(side(), {"forced": True, "no_cache": True})[0]
    assert wanted.startswith("no cached result is wanted")


def test_never_built() -> None:
    assert set(said(Side())) == {"api was not built before"}


def test_the_error_of_expect_cached() -> None:
    past = side(keys="o", files="g")
    pending = works()
    why = reasons(side(), past, pending, LISTINGS.get, always=False)
    error = not_cached(side(), past, pending, why)
    assert error.message.splitlines() == [
        "--expect-cached, but 5 steps would run, at first",
        "  Dockerfile:2:1: COPY a /",
        "    app/a: sha256 bb… → aa…",
        "    → Dockerfile:3:1: RUN one",
        "    → Dockerfile:4:1: RUN two",
        "    → Dockerfile:5:1: RUN three",
        "    → 1 step more",
        "    → api",
    ]
    assert error.hint == "mkbuild why api says more; -v names all"
    assert error.more[:3] == (
        "and",
        "  Dockerfile:3:1: RUN one",
        "    follows from Dockerfile:2:1 COPY a /",
    )
    assert not not_cached(side(), past, pending[:1], why).more
    assert "--against REF" in str(not_cached(side(), Side(), pending, why).hint)


def test_the_last_build_of_each_target_counts() -> None:
    def record(name: str, found: Side) -> Record:
        steps = {
            key: {
                "target": step.target,
                "stage": step.stage,
                "instruction": step.instruction,
                "location": step.location,
                "components": step.components,
                "args": [],
                "origins": [],
            }
            for key, step in found.steps.items()
        }
        return Record(name, {"steps": steps, **document_of(found)})

    older, newer = side(keys="o"), side(keys="n")
    older = replace(older, images={"web": older.images["api"], "more": {}})
    found = before({"web": record("1", older), "api": record("2", newer)})
    assert list(found.images) == ["api", "web"]
    assert list(found.steps) == [f"{name}{number}" for name in "no" for number in range(5)]
