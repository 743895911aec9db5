"""Patterns in COPY and ADD sources: Go's ``filepath.Match``, one path component at a time.

``*`` is any run of characters, ``?`` is one, ``[a-z]`` and ``[^a-z]`` are classes, a backslash
makes the next character literal. None of them matches a slash, and ``**`` is nothing but ``*``.
"""

import re
from functools import lru_cache

from mkbuild.dockerfile.pattern import starred
from mkbuild.errors import StepError


def has_wildcards(name: str) -> bool:
    """Whether a component holds a wildcard that is not escaped."""
    position = 0
    while position < len(name):
        if name[position] == "\\":
            position += 1
        elif name[position] in "*?[":
            return True
        position += 1
    return False


def split(path: str) -> tuple[str, tuple[str, ...]]:
    """Split a clean path into what holds no wildcard, taken as it is, and components to match."""
    parts = path.split("/")
    for position, part in enumerate(parts):
        if has_wildcards(part):
            return "/".join(parts[:position]), tuple(parts[position:])
    return path, ()


@lru_cache(maxsize=256)
def compiled(component: str) -> re.Pattern[str]:
    """Return a regular expression for the whole of a name. Raises StepError where malformed."""
    found: list[list[str]] = [[]]
    position = 0
    while position < len(component):
        char = component[position]
        if char == "*":
            found.append([])
        elif char == "?":
            found[-1].append(".")
        elif char == "[":
            text, position = _character_class(component, position + 1)
            found[-1].append(text)
        else:
            char, position = _literal(component, position)
            found[-1].append(re.escape(char))
            continue
        position += 1
    return re.compile(starred(found), re.DOTALL)


def _character_class(component: str, position: int) -> tuple[str, int]:
    """Translate the class that begins after ``[``; return it and the place of its ``]``."""
    negated = component[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while not (ranges and component[position : position + 1] == "]"):
        if component[position : position + 1] in {"", "-", "]"}:
            raise _malformed(component)
        low, position = _literal(component, position)
        high = low
        if component[position : position + 1] == "-":
            if component[position + 1 : position + 2] in {"", "-", "]"}:
                raise _malformed(component)
            high, position = _literal(component, position + 1)
        if low <= high:
            ranges.append(f"{re.escape(low)}-{re.escape(high)}")
        else:
            ranges.append("")
    members = "".join(ranges)
    if not members:
        return ("." if negated else "(?!)"), position
    return f"[{'^' if negated else ''}{members}]", position


def _literal(component: str, position: int) -> tuple[str, int]:
    """Read one character, escaped or not; return it and the place after it."""
    if component[position] == "\\":
        position += 1
        if position == len(component):
            raise _malformed(component)
    return component[position], position + 1


def _malformed(component: str) -> StepError:
    return StepError(
        f"malformed pattern {component!r}",
        hint="write [[] for a bracket that is part of a name",
    )
