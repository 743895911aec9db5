"""Patterns in COPY and ADD sources: Go's ``filepath.Match``, one path component at a time.

``*`` is any run of characters, ``?`` is one, ``[a-z]`` and ``[^a-z]`` are classes, a backslash
makes the next character literal. None of them matches a slash, and ``**`` is nothing but ``*``.
What is malformed matches nothing, which is no error.
"""

import re
from functools import lru_cache

_NOTHING = re.compile("(?!)")


class _MalformedError(Exception):
    pass


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
    """Return a regular expression for the whole of a name."""
    try:
        return re.compile(_translated(component), re.DOTALL)
    except _MalformedError:
        return _NOTHING


def _translated(component: str) -> str:
    found: list[str] = []
    position = 0
    while position < len(component):
        char = component[position]
        if char == "*":
            found.append(".*")
        elif char == "?":
            found.append(".")
        elif char == "[":
            text, position = _character_class(component, position + 1)
            found.append(text)
        else:
            char, position = _literal(component, position)
            found.append(re.escape(char))
            continue
        position += 1
    return "".join(found)


def _character_class(component: str, position: int) -> tuple[str, int]:
    """Translate the class that begins after ``[``; return it and the place of its ``]``."""
    negated = component[position : position + 1] == "^"
    position += negated
    ranges: list[str] = []
    while not (ranges and component[position : position + 1] == "]"):
        if component[position : position + 1] in {"", "-", "]"}:
            raise _MalformedError
        low, position = _literal(component, position)
        high = low
        if component[position : position + 1] == "-":
            if component[position + 1 : position + 2] in {"", "-", "]"}:
                raise _MalformedError
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
            raise _MalformedError
    return component[position], position + 1
