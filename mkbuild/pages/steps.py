"""The list of a run's steps: what each was, whether it ran and why, how long it took."""

from collections.abc import Mapping
from typing import Any

from mkbuild.pages.markup import Markup, element
from mkbuild.pages.story import Story, chip
from mkbuild.progress import text

_FEW = 60
"""Up to so many steps, all targets are unfolded."""


def step_list(story: Story) -> Markup:
    """Return the part of the page with the list."""
    groups = [
        element(
            "details",
            element(
                "summary",
                element("h3", element("code", label)),
                element("span", text.count(len(keys), "step"), class_="soft"),
            ),
            element("div", id=f"f{number}", class_="anchor"),
            *(_card(story, key) for key in keys),
            class_="group",
            open=len(story.steps) <= _FEW or any(story.status(key) == "failed" for key in keys),
        )
        for number, (label, keys) in enumerate(story.by_target.items())
    ]
    nothing = None if groups else element("p", "Nothing was planned.", class_="soft")
    return element("section", element("h2", "Steps"), nothing, *groups, class_="wide", id="list")


def _card(story: Story, key: str) -> Markup:
    bar, status = story.steps[key], story.status(key)
    entry, number = bar.entry, story.numbers[key]
    why = _why(story, key)
    search = [entry["target"], entry["stage"], bar.title, entry["location"], status, why]
    if bar.id in story.critical:
        search.append("critical")
    return element(
        "details",
        element(
            "summary",
            chip(status),
            element("code", text.fit(bar.title, 160), class_="name"),
            element("span", story.seconds_of(key), class_="number"),
            element("span", why, class_="soft why") if why else None,
        ),
        element("dl", *_facts(story, key, why), id=f"t{number}", class_="facts"),
        class_="card step",
        data_n=number,
        data_find=" ".join(map(str, search)).lower(),
    )


def _why(story: Story, key: str) -> str:
    """Say why a step ran; of others, where the result was."""
    entry, status = story.steps[key].entry, story.status(key)
    if status == "hit-remote" and entry["source"]:
        return f"its result was in {entry['source']}"
    return str(entry["why"]) if status in ("ran", "failed") else ""


def _facts(story: Story, key: str, why: str) -> list[Markup]:
    bar = story.steps[key]
    entry = bar.entry
    parents = [p for p in entry["components"].get("parents", ()) if p in story.steps]
    whole = str(entry["instruction"])
    rows: list[tuple[str, list[Markup]]] = [
        ("Instruction", [element("pre", whole)] if "\n" in whole else []),
        ("Why", [element("span", why)] if why else []),
        ("Error", [element("span", str(entry["error"]))] if entry.get("error") else []),
        ("Output", [found] if (found := tail(entry)) else []),
        ("Written at", [element("code", str(entry["location"]))]),
        ("Stage", [element("code", f"{entry['target']} [{entry['stage']}]")]),
        ("Took", [element("span", _time(story, key))] if story.seconds_of(key) else []),
        ("Reads", [story.reference(parent, story.steps[parent].title) for parent in parents]),
        ("Base", [element("code", str(entry["base"]))]),
        ("Key", [element("code", key)]),
        ("Result", [element("code", str(entry["state"]))] if entry["state"] else []),
    ]
    return [
        element("div", element("dt", name), *(element("dd", value) for value in values))
        for name, values in rows
        if values
    ]


def _time(story: Story, key: str) -> str:
    bar = story.steps[key]
    critical = ", on the critical path" if bar.id in story.critical else ""
    return f"{text.seconds(bar.seconds)}, from {text.seconds(bar.begin)}{critical}"


def tail(entry: Mapping[str, Any]) -> Markup | None:
    """Return the end of what a step printed; None where that was not kept."""
    lines = entry.get("output", ())
    return element("div", element("pre", "\n".join(lines)), class_="output") if lines else None
