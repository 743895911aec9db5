"""One pattern of an ignore file: what it means, and how it is matched (moby/patternmatcher).

Most patterns need no regular expression: a :class:`Rule` says which of four ways one takes.
Where it does, it is built the way the reference builds it, since what ``*`` and ``.`` do between
brackets follows from that.
"""

import re
from typing import Literal

from mkbuild.context import goglob
from mkbuild.context.goglob import SYNTAX, PatternError
from mkbuild.context.linear import ANYTHING, DIRECTORIES, REPEAT
from mkbuild.frozen import frozen

Kind = Literal["exact", "prefix", "suffix", "regex"]

_ESCAPED = frozenset(".+()$")
"""What is escaped; that ``|`` and ``{`` are not is how the reference has it."""

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
_ANY_DEPTH = re.compile(r"\*\*|[\[\\|{^]")
"""``**``, operators, and classes: ``[^a]`` matches a slash as well."""
_MOST, _DIGITS = 1000, 8

_POSIX = re.compile(r"\[:(.*?):\]")


@frozen
class Rule:
    """A pattern made ready: ``text`` is what its kind compares, or a regular expression.

    ``alternatives``: that expression as atoms, each with its ``*``; a ``{n,m}`` is one by itself.
    ``literal`` is how every path that it matches begins; ``depth`` is how many components each of
    them has, None where that depends.
    """

    kind: Kind
    text: str
    literal: str
    depth: int | None
    exception: bool
    alternatives: tuple[tuple[str, ...], ...] = ()


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
    pattern, exception = split_exception(pattern)
    if not pattern:
        return None
    kind, text = _translate(pattern)
    literal, depth = pattern, pattern.count("/") + 1
    match kind:
        case "exact":
            return Rule(kind, pattern, pattern, depth, exception)
        case "prefix":
            return Rule(kind, pattern[:-2], pattern[:-2], None, exception)
        case "suffix":
            return Rule(kind, pattern[2:], "", None, exception)
        case "regex":
            literal = "" if "|" in pattern else _literal(pattern)
            any_depth = _ANY_DEPTH.search(pattern)
            alternatives = _python(text)
            text = "|".join(map("".join, alternatives))
            known = None if any_depth else depth
            return Rule(kind, text, literal, known, exception, alternatives)


def split_exception(pattern: str) -> tuple[str, bool]:
    """Clean and check a pattern; tells whether ``!`` stood before it. Raises PatternError."""
    pattern = pattern.strip()
    if not pattern:
        return "", False
    pattern = clean(pattern)
    exception = pattern.startswith("!")
    if exception:
        pattern = pattern[1:]
        if not pattern:
            message = 'illegal exclusion pattern: "!"'
            raise PatternError(message)
    goglob.check(pattern)
    return pattern, exception


def _literal(pattern: str) -> str:
    """Return what every path begins with that a pattern without ``|`` matches."""
    found = re.split(r"[*?\[\]\\{^]", pattern, maxsplit=1)[0]
    return found[:-1] if pattern.startswith("{", len(found)) else found


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
            if position < len(pattern):  # at the end it escapes what the expression ends with
                kind = "regex"
                character += pattern[position]
                position += 1
            out.append(character)
        else:
            kind = "regex" if character in "[]" else kind
            out.append("\\" + character if character in _ESCAPED else character)
    return kind, "".join(out)


def _python(regex: str) -> tuple[tuple[str, ...], ...]:
    """Turn an expression of :func:`_translate` from RE2's dialect into Python's, for fullmatch.

    The reference anchors it at both ends, but leaves ``|`` an operator, so that each anchor is
    one alternative's; and a final backslash escapes the anchor behind it.
    """
    alternatives: list[list[str]] = [[]]
    position, is_open = 0, False
    while position < len(regex):
        out = alternatives[-1]
        repeat = REPEAT.match(regex, position)
        if regex[position] == "|":
            alternatives.append([])
            position += 1
        elif regex[position:] == "\\":
            out.append(re.escape("$"))
            is_open, position = True, position + 1
        elif repeat:
            out.append(_repetition(repeat, out, is_anchor=not out and len(alternatives) == 1))
            position = repeat.end()
        else:
            text, position = _atom(regex, position)
            out.append(text)
    last = len(alternatives) - 1
    return tuple(
        (
            *([ANYTHING] if number else []),
            *filter(None, atoms),
            *([ANYTHING] if number < last or is_open else []),
        )
        for number, atoms in enumerate(alternatives)
    )


def _repetition(repeat: re.Match[str], out: list[str], *, is_anchor: bool) -> str:
    """Check ``{n,m}`` as RE2 does: it needs something to repeat, and repeats no repetition."""
    if is_anchor:
        return ""  # the reference repeats its own anchor
    low, high = repeat[1], repeat[3] or repeat[1]
    last = out[-1] if out else "{"
    is_repetition = last[:1] in {"{", ".", ""} or last == DIRECTORIES
    if is_repetition or (last[:1] == "[" and last[-1] == "*") or len(low + high) > _DIGITS:
        raise PatternError(SYNTAX)
    if not int(low) <= int(high) <= _MOST:
        raise PatternError(SYNTAX)
    return repeat[0]


def _atom(regex: str, position: int) -> tuple[str, int]:
    """Translate one atom with its ``*`` or ``?``, and return where it ends."""
    if regex.startswith("(.*/)?", position):
        return DIRECTORIES, position + 6
    if regex.startswith(".*", position):
        return ".*", position + 2
    character = regex[position]
    if character == "[":
        text, position = _class(regex, position + 1)
        starred = regex.startswith("*", position)
        return text + "*" * starred, position + starred
    if character == "\\":
        return _escape(regex[position + 1]), position + 2
    return r"(?:\A)" if character == "^" else re.escape(character), position + 1


def _escape(character: str) -> str:
    if character.lower() in _CLASSES:
        negated = "^" if character.isupper() else ""
        return f"[{negated}{_CLASSES[character.lower()]}]"
    if character in _CONTROLS:
        return re.escape(_CONTROLS[character])
    if character in _ASSERTIONS:
        return _ASSERTIONS[character]
    if not character.isascii() or character.isalnum():
        raise PatternError(SYNTAX)
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
                raise PatternError(SYNTAX)
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
            raise PatternError(SYNTAX)
        out.append(re.escape(low) + ("" if high == low else "-" + re.escape(high)))
    return "".join([*out, "]"]), position + 1


def _member(regex: str, position: int) -> tuple[str, int]:
    r"""Read one character of a class, or the inside of a named class (``\d``)."""
    if position >= len(regex):
        raise PatternError(SYNTAX)
    if regex[position] != "\\":
        return regex[position], position + 1
    character = regex[position + 1 : position + 2]
    if character in _CLASSES:
        return _CLASSES[character], position + 2
    if character in _CONTROLS:
        return _CONTROLS[character], position + 2
    if not character or not character.isascii() or character.isalnum():
        raise PatternError(SYNTAX)
    return character, position + 2
