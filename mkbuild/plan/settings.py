"""What differs between two images besides their files, in lines for people."""

from collections.abc import Callable, Mapping
from typing import Any

from mkbuild.plan.differences import environment, moved, short
from mkbuild.plan.sides import Side

_INSTRUCTIONS: Mapping[str, str] = {
    "Cmd": "CMD",
    "Entrypoint": "ENTRYPOINT",
    "ExposedPorts": "EXPOSE",
    "Healthcheck": "HEALTHCHECK",
    "OnBuild": "ONBUILD",
    "Shell": "SHELL",
    "StopSignal": "STOPSIGNAL",
    "User": "USER",
    "Volumes": "VOLUME",
    "WorkingDir": "WORKDIR",
    "author": "MAINTAINER",
}
"""Members of a config by the instruction that sets them."""


def changes(now: Side, before: Side, label: str) -> list[str]:
    """Say what differs between a target's images but for the keys of their steps.

    A platform more or less is a line of its own. Where nothing else differs, the history does.
    """
    present, past = now.images.get(label, {}), before.images.get(label, {})
    lines = [f"platform {name}: new" for name in present if name not in past]
    lines += [f"platform {name}: no longer" for name in past if name not in present]
    for name, image in present.items():
        other = past.get(name)
        if other is None:
            continue
        found = _changes(image.settings, other.settings)
        if image.settings["base"] != other.settings["base"]:
            found.append(moved(now.bases[image.base], before.bases[other.base]))
        if not found and image.end == other.end:
            found = _history(image.settings["history"], other.settings["history"])
        lines += found
    return list(dict.fromkeys(lines))


def _changes(now: Mapping[str, Any], before: Mapping[str, Any]) -> list[str]:
    special: Mapping[str, Callable[[Any, Any], list[str]]] = {
        "Env": lambda new, old: environment(new or (), old or (), frozenset()),
        "Labels": _labels,
        "layers": lambda _, __: ["layers end at other steps"],
        "created": _created,
    }
    lines: list[str] = []
    for name in sorted({*now, *before} - {"ArgsEscaped", "base", "history"}):
        new, old = now.get(name), before.get(name)
        if new == old:
            continue
        if name in special:
            lines += special[name](new, old)
        else:
            lines.append(f"{_INSTRUCTIONS.get(name, name)}: {_shown(old)} → {_shown(new)}")
    return lines


def _shown(value: object) -> str:
    """Show a member; ports and volumes are mappings to nothing."""
    return short(list(value) if isinstance(value, Mapping) else value)


def _labels(new: Mapping[str, str] | None, old: Mapping[str, str] | None) -> list[str]:
    new, old = new or {}, old or {}
    return [
        f"LABEL {name}: {short(old.get(name))} → {short(new.get(name))}"
        for name in dict.fromkeys((*new, *old))
        if new.get(name) != old.get(name)
    ]


def _created(new: int | None, old: int | None) -> list[str]:
    one, two = ("preserve" if value is None else value for value in (old, new))
    return [f"timestamps: {one} → {two}"]


def _history(new: list[str], old: list[str]) -> list[str]:
    """Say where the history differs, which the image holds as well: such as an ARG nobody uses."""
    if new == old:
        return []
    pairs = [(a, b) for a, b in zip(old, new, strict=False) if a != b]
    if pairs:
        return [f"{short(pairs[0][0])} became {short(pairs[0][1])}"]
    return [f"{short(line)} is new" for line in new[len(old) :]] or [
        f"{short(line)} is gone" for line in old[len(new) :]
    ]
