"""One pattern of an ignore file: what it means, and how it is matched (moby/patternmatcher).

Most patterns need no regular expression: a :class:`Rule` says which of four ways one takes.
Where it does, it is built the way the reference builds it, since what ``*`` and ``.`` do between
brackets follows from that.
"""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["exact", "prefix", "suffix", "regex"]

_ESCAPED = frozenset(".+()|{}$")
_CLASSES = {"d": "0-9", "s": r"\t\n\f\r ", "w": "0-9A-Za-z_"}
_NAMED = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "ascii": r"\x00-\x7f",
    "blank": r"\t ",
    "cntrl": r"\x00-\x1f\x7f",
    "digit": "0-9",
    "graph": "!-~",
    "lower": "a-z",
    "print": " -~",
    "punct": r"!-/:-@\[-`{-~",
    "space": r"\t\n\v\f\r ",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
"""POSIX classes, as in ``[[:alpha:]]``."""

_CONTROLS = {"a": "\a", "f": "\f", "t": "\t", "n": "\n", "r": "\r", "v": "\v"}
_ASSERTIONS = {"A": r"\A", "z": r"\Z", "b": r"(?a:\b)", "B": r"(?a:\B)"}
_ANY_DEPTH = re.compile(r"\*\*|[\[\\]")
"""``**``, and classes: ``[^a]`` matches a slash as well."""

_POSIX = re.compile(r"\[:(.*?):\]")
_SYNTAX = "syntax error in pattern"


class PatternError(ValueError):
    """A pattern that means nothing; its text says why."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A pattern made ready: ``text`` is what its kind compares, or a regular expression.

    ``literal`` is how every path that it matches begins; ``depth`` is how many components each of
    them has, None where that depends.
    """

    kind: Kind
    text: str
    literal: str
    depth: int | None
    exception: bool


def clean(path: str) -> str:
    """Shorten a slash-separated path as Go's filepath.Clean does."""
    rooted = path.startswith("/")
    out: list[str] = []
    for part in path.split("/"):
        if part in {"", "."}:
            continue
        if part != "..":
            out.append(part)
        elif out and out[-1] != "..":
            out.pop()
        elif not rooted:
            out.append(part)
    return ("/" if rooted else "") + "/".join(out) or "."


def compile_rule(pattern: str) -> Rule | None:
    """Make a pattern ready; None for a blank one. Raises PatternError."""
    pattern = pattern.strip()
    if not pattern:
        return None
    pattern = clean(pattern)
    exception = pattern.startswith("!")
    if exception:
        pattern = pattern[1:]
        if not pattern:
            message = 'illegal exclusion pattern: "!"'
            raise PatternError(message)
    check(pattern)
    literal = re.split(r"[*?\[\]\\]", pattern, maxsplit=1)[0]
    depth = None if _ANY_DEPTH.search(pattern) else pattern.count("/") + 1
    kind, text = _translate(pattern)
    match kind:
        case "prefix":
            text = pattern[:-2]
        case "suffix":
            text = pattern[2:]
        case "exact":
            text = pattern
        case "regex":
            text = _python(text)
    return Rule(kind, text, literal, depth, exception)


def check(pattern: str) -> None:
    """Refuse what Go's filepath.Match refuses: open brackets, empty classes, a final escape."""
    position = 0
    while position < len(pattern):
        character = pattern[position]
        position += 1
        if character == "\\":
            if position == len(pattern):
                raise PatternError(_SYNTAX)
            position += 1
        elif character == "[":
            position = _check_class(pattern, position)


def _check_class(pattern: str, position: int) -> int:
    if pattern.startswith("^", position):
        position += 1
    first = True
    while first or not pattern.startswith("]", position):
        position = _check_member(pattern, position)
        if pattern.startswith("-", position):
            position = _check_member(pattern, position + 1)
        first = False
    return position + 1


def _check_member(pattern: str, position: int) -> int:
    if pattern[position : position + 1] in {"", "-", "]"}:
        raise PatternError(_SYNTAX)
    position += 2 if pattern[position] == "\\" else 1
    if position >= len(pattern):
        raise PatternError(_SYNTAX)
    return position


def _translate(pattern: str) -> tuple[Kind, str]:
    """Find the kind, and build the regular expression in the reference's dialect."""
    kind: Kind = "exact"
    out: list[str] = []
    position = 0
    while position < len(pattern):
        start, character = position, pattern[position]
        position += 1
        if pattern.startswith("**", start):
            position += 2 if pattern.startswith("/", position + 1) else 1
            if position >= len(pattern):
                kind = "prefix" if kind == "exact" else "regex"
                out.append(".*")
            else:
                kind = "regex"
                out.append("(.*/)?")
            kind = "suffix" if start == 0 else kind
        elif character in {"*", "?"}:
            kind = "regex"
            out.append("[^/]*" if character == "*" else "[^/]")
        elif character == "\\":
            kind = "regex"
            out.append("\\" + pattern[position])
            position += 1
        else:
            kind = "regex" if character in "[]" else kind
            out.append("\\" + character if character in _ESCAPED else character)
    return kind, "".join(out)


def _python(regex: str) -> str:
    """Turn an expression of :func:`_translate` from RE2's dialect into Python's."""
    out: list[str] = []
    position = 0
    while position < len(regex):
        if regex.startswith("(.*/)?", position):
            out.append("(?:.*/)?")
            position += 6
        elif regex.startswith(".*", position):
            out.append(".*")
            position += 2
        elif regex[position] == "[":
            text, position = _class(regex, position + 1)
            out.append(text)
            if regex.startswith("*", position):
                out.append("*")
                position += 1
        elif regex[position] == "\\":
            out.append(_escape(regex[position + 1]))
            position += 2
        else:
            character = regex[position]
            out.append(r"\A" if character == "^" else re.escape(character))
            position += 1
    return "".join(out)


def _escape(character: str) -> str:
    if character.lower() in _CLASSES:
        negated = "^" if character.isupper() else ""
        return f"[{negated}{_CLASSES[character.lower()]}]"
    if character in _CONTROLS:
        return re.escape(_CONTROLS[character])
    if character in _ASSERTIONS:
        return _ASSERTIONS[character]
    if character.isascii() and character.isalnum():
        raise PatternError(_SYNTAX)
    return re.escape(character)


def _class(regex: str, position: int) -> tuple[str, int]:
    """Translate a class from behind its ``[``; return it and where it ends."""
    negated = regex.startswith("^", position)
    position += negated
    out, first = ["[^" if negated else "["], True
    while first or not regex.startswith("]", position):
        first = False
        named = _POSIX.match(regex, position)
        if named:
            if named[1] not in _NAMED:
                raise PatternError(_SYNTAX)
            out.append(_NAMED[named[1]])
            position = named.end()
            continue
        low, position = _member(regex, position)
        if len(low) > 1:
            out.append(low)
            continue
        high = low
        if regex.startswith("-", position) and not regex.startswith("-]", position):
            high, position = _member(regex, position + 1)
        if len(high) > 1 or high < low:
            raise PatternError(_SYNTAX)
        out.append(re.escape(low) + ("" if high == low else "-" + re.escape(high)))
    return "".join([*out, "]"]), position + 1


def _member(regex: str, position: int) -> tuple[str, int]:
    r"""Read one character of a class, or the inside of a named class (``\d``)."""
    if position >= len(regex):
        raise PatternError(_SYNTAX)
    if regex[position] != "\\":
        return regex[position], position + 1
    character = regex[position + 1 : position + 2]
    if character in _CLASSES:
        return _CLASSES[character], position + 2
    if character in _CONTROLS:
        return _CONTROLS[character], position + 2
    if not character or (character.isascii() and character.isalnum()):
        raise PatternError(_SYNTAX)
    return character, position + 2
