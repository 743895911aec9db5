"""What differs between a step and what it was before, in lines for people."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from mkbuild.frozen import frozen
from mkbuild.plan.sides import BaseImage, Listing, Side, Step

Json: TypeAlias = Any

_SHORT = 12
_MOST_FILES = 20
_LONGEST = 160


@frozen
class Pair:
    """A step and what it was."""

    step: Step
    other: Step
    now: Side
    before: Side
    listing: Listing

    def lines(self, *, parents: bool) -> list[str]:
        """Say what differs, one line each; ``parents``: also in what the step builds on."""
        found: list[str] = []
        for name, value in self.step.components.items():
            old = self.other.components.get(name)
            if value == old:
                continue
            if name != "parents":
                found += self._component(name, value, old)
            elif parents:
                found += _parents(value, old or (), self.now, self.before)
        if not found and self.step.components.get("files") != self.other.components.get("files"):
            found.append("attributes of the files that it takes")
        return found

    def _component(self, name: str, value: Json, old: Json) -> list[str]:
        special: Mapping[str, Callable[[Any, Any], list[str]]] = {
            "files": self._files,
            "environment": self._environment,
            "mounts": _mounts,
            "policy": _policy,
            "command": self._command,
            "instruction": self._command,
        }
        if name in special:
            return special[name](value, old or ())
        return [f"{name}: {short(old)} → {short(value)}"]

    def _command(self, value: Json, old: Json) -> list[str]:
        one, two = self.other.title, self.step.title
        return [f"{one} became {two}" if one != two else f"{short(old)} → {short(value)}"]

    def _environment(self, value: Sequence[str], old: Sequence[str]) -> list[str]:
        return environment(value, old, self.step.args | self.other.args)

    def _files(self, value: Sequence[str | None], old: Sequence[str | None]) -> list[str]:
        lines: list[str] = []
        for number, digest in enumerate(value):
            was = old[number] if number < len(old) else None
            if digest == was or digest is None or was is None:
                continue
            origins = self.step.origins
            origin = origins[number] if number < len(origins) else ""
            present, past = self.listing(digest), self.listing(was)
            if present is None or past is None:
                lines.append(
                    f"files of {origin or self.step.title}: {_hex(was)}… → {_hex(digest)}…"
                )
                continue
            found = _paths(present, past, f"{origin}/" if origin else "")
            lines += found[:_MOST_FILES]
            if len(found) > _MOST_FILES:
                lines.append(f"and {len(found) - _MOST_FILES} files more")
        return lines


def short(value: Json) -> str:
    """Show a value on one line, cut where it is long."""
    match value:
        case None | "":
            text = "nothing"
        case [str(one)]:
            text = one
        case [*many]:
            text = " ".join(map(str, many)) or "nothing"
        case _:
            text = str(value)
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 2] + ".."


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")[:_SHORT]


def _paths(present: Mapping[str, str], past: Mapping[str, str], prefix: str) -> list[str]:
    lines = []
    for path in sorted(present.keys() | past.keys()):
        one, two = past.get(path), present.get(path)
        shown = f"{prefix}{path}" if path else prefix.rstrip("/") or "."
        if one == two:
            continue
        if one is None:
            lines.append(f"{shown}: added")
        elif two is None:
            lines.append(f"{shown}: removed")
        else:
            lines.append(f"{shown}: {_entry(one, two)}")
    return lines


_TYPES = {"f": "file", "d": "directory", "l": "symlink", "h": "hard link"}


def _entry(one: str, two: str) -> str:
    (kind, mode, content), (new_kind, new_mode, new) = one.split(" ", 2), two.split(" ", 2)
    if kind != new_kind:
        return f"{_TYPES.get(kind, kind)} → {_TYPES.get(new_kind, new_kind)}"
    if content != new:
        if kind == "f":
            return f"sha256 {_hex(content)}… → {_hex(new)}…"
        return f"{content} → {new}"
    return f"mode {mode} → {new_mode}"


def environment(value: Sequence[str], old: Sequence[str], args: frozenset[str]) -> list[str]:
    """Compare two lists of ``NAME=VALUE``; ``args``: which of the names are ARGs."""
    present = dict(entry.split("=", 1) for entry in value)
    past = dict(entry.split("=", 1) for entry in old)
    lines = []
    for name in dict.fromkeys((*present, *past)):
        one, two = past.get(name), present.get(name)
        if one == two:
            continue
        kind = "ARG" if name in args else "ENV"
        if one is None:
            lines.append(f"{kind} {name}: now {short(two)}")
        elif two is None:
            lines.append(f"{kind} {name}: no longer {short(one)}")
        else:
            lines.append(f"{kind} {name}: {short(one)} → {short(two)}")
    return lines or ["the order of its variables"]


def _mounts(value: Sequence[Mapping[str, Any]], old: Sequence[Mapping[str, Any]]) -> list[str]:
    past = {(mount["type"], mount["target"], mount["id"]): mount for mount in old}
    lines = []
    for mount in value:
        name = (mount["type"], mount["target"], mount["id"])
        shown = f"mount {mount['type']} {mount['id'] or mount['target']}".rstrip()
        was = past.pop(name, None)
        if was is None:
            lines.append(f"{shown}: added")
            continue
        for key, new in mount.items():
            if was.get(key) == new:
                continue
            if key == "present":
                lines.append(f"{shown}: {'given now' if new else 'given no longer'}")
            else:
                lines.append(f"{shown}: {key} {short(was.get(key))} → {short(new)}")
    lines += [f"mount {kind} {name or target}: removed" for kind, target, name in past]
    return lines or ["the order of its mounts"]


def _policy(value: Sequence[Any], old: Sequence[Any]) -> list[str]:
    names = ("timestamps", "blacklist", "preserve-root")
    return [
        f"{name}: {'preserve' if name == 'timestamps' and was is None else short(was)} → "
        f"{'preserve' if name == 'timestamps' and new is None else short(new)}"
        for name, was, new in zip(names, old, value, strict=False)
        if was != new
    ]


def _parents(value: Sequence[str], old: Sequence[str], now: Side, before: Side) -> list[str]:
    lines = []
    for number, parent in enumerate(value):
        was = old[number] if number < len(old) else ""
        if parent == was:
            continue
        base, past = now.bases.get(parent), before.bases.get(was)
        if base and past:
            lines.append(moved(base, past))
        elif base:
            lines.append(f"reads {base.name} now" if number else f"builds on {base.name} now")
        else:
            step = now.steps.get(parent)
            verb = "reads the result of" if number else "follows"
            shown = f"{step.location} {step.title}" if step else parent
            lines.append(f"{verb} {shown} now")
    if len(old) > len(value):
        lines.append("reads one stage or image less")
    return lines


def moved(base: BaseImage, past: BaseImage) -> str:
    """Say that an image from outside is another one than it was."""
    if base.name != past.name:
        return f"base image {past.name} → {base.name}"
    if not (base.digest and past.digest) or base.digest == past.digest:
        return f"base image {base.name} moved"
    return f"base image {base.name} moved: {_hex(past.digest)}… → {_hex(base.digest)}…"
