"""Shell patterns of ``${x#p}``, ``${x%p}`` and ``${x/p/r}``: ``*``, ``?`` and escapes.

POSIX shell, 2.13 "Pattern Matching Notation", without bracket expressions.
"""

import re
from collections.abc import Sequence

_NAME = re.compile(r"\$(?:\$|\{([A-Za-z0-9_]+)\}|([A-Za-z0-9_]+))")


class PatternError(ValueError):
    """A pattern that means nothing; its text says why."""


def trim_prefix(value: str, pattern: str, *, longest: bool) -> str:
    """Cut the shortest or longest match of the pattern off the front."""
    match = _compile(pattern, longest=longest).match(value)
    return value[match.end() :] if match else value


def trim_suffix(value: str, pattern: str, *, longest: bool) -> str:
    """Cut the shortest or longest match of the pattern off the end.

    A regular expression cannot look for the rightmost match, so both are turned around.
    """
    return trim_prefix(value[::-1], _reverse(pattern), longest=longest)[::-1]


def replace(value: str, pattern: str, replacement: str, *, everywhere: bool) -> str:
    """Replace the first match, or every one.

    Where every match is replaced, ``$0`` in the replacement stands for it (as Go's regexp has
    it), and an empty match right after another match does not count.
    """
    regex = _compile(pattern, longest=True)
    if not everywhere:
        match = regex.search(value)
        return value[: match.start()] + replacement + value[match.end() :] if match else value
    parts, done, previous = [], 0, -1
    for match in regex.finditer(value):
        if match.start() == match.end() == previous:
            continue
        parts += [value[done : match.start()], _fill(replacement, match[0])]
        done = previous = match.end()
    return "".join([*parts, value[done:]])


def _fill(replacement: str, matched: str) -> str:
    def one(reference: re.Match[str]) -> str:
        if reference[0] == "$$":
            return "$"
        name = reference[1] or reference[2]
        return matched if name.isdigit() and int(name) == 0 else ""

    return _NAME.sub(one, replacement) if "$" in replacement else replacement


def _compile(pattern: str, *, longest: bool) -> re.Pattern[str]:
    parts, position = [list[str]()], 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "*":
            parts.append([])
        elif character == "?":
            parts[-1].append(".")
        elif character == "\\":
            escaped = pattern[position : position + 1]
            if escaped in {"}", "/"}:
                continue  # escaped only to end neither the pattern nor the ${}
            if escaped not in {"*", "?", "\\"}:
                message = f"invalid escape '\\{escaped or chr(0xFFFD)}'"
                raise PatternError(message)
            parts[-1].append(re.escape(escaped))
            position += 1
        else:
            parts[-1].append(re.escape(character))
    return re.compile(starred(parts, longest=longest))


def starred(parts: Sequence[Sequence[str]], *, longest: bool = True) -> str:
    """Return the expression of what stands between ``*``, which never tries a place twice."""
    first, *others = map("".join, parts)
    if not others:
        return first
    # The first place where a part fits is as good as any: only where the last one ends counts.
    middle = "".join(f"(?>.*?{part})" for part in others[:-1] if part)
    return f"{first}{middle}.*{'' if longest else '?'}{others[-1]}"


def _reverse(pattern: str) -> str:
    tokens = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join(reversed(tokens))
