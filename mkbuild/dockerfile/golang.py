"""Spellings of the reference implementation's language that reach the Dockerfile language.

BuildKit is written in Go, so what counts as white space, how a duration or a boolean is written,
and how a value is quoted in messages and in image history are Go's (unicode, strconv, time).
"""

import json
import re

SPACE = "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"  # noqa: E501
"""What unicode.IsSpace accepts; Python's own idea also has U+001C to U+001F."""

_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
    '"': '\\"',
    "\\": "\\\\",
}
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})
_NANOSECONDS = {
    "ns": 1,
    "us": 1_000,
    "\xb5s": 1_000,
    "\u03bcs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_DURATION_PART = re.compile(r"([0-9]*)(\.[0-9]*)?([^0-9.]+)")
_INTEGER = re.compile(r"[+-]?[0-9]+\Z")
_MAX_DURATION = (1 << 63) - 1
_DIGITS = 19
"""More digits than this say nothing within 63 bits."""


def quote(text: str) -> str:
    """Quote as ``%q`` does (strconv.Quote)."""
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return f'"{text}"'
    return '"' + "".join(map(_quote_character, text)) + '"'


def _quote_character(character: str) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:  # noqa: PLR2004 -- the end of ASCII
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"  # noqa: PLR2004


def boolean(text: str) -> bool | None:
    """Read a boolean as strconv.ParseBool does; None where it is none."""
    return True if text in _TRUE else False if text in _FALSE else None


def integer(text: str, limit: int) -> int | None:
    """Read a decimal integer whose magnitude stays below ``limit``; None where it is none."""
    if not _INTEGER.match(text):
        return None
    digits = text.lstrip("+-").lstrip("0")
    if len(digits) > len(str(limit)):
        return None
    value = int(text)
    return value if -limit <= value < limit else None


def duration(text: str) -> int | None:
    """Read a duration as time.ParseDuration does, in nanoseconds; None where it is none."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"+", "-"} else text
    if rest == "0":
        return 0
    if not rest:
        return None
    total, position = 0, 0
    while position < len(rest):
        part = _DURATION_PART.match(rest, position)
        if not part or part[3] not in _NANOSECONDS:
            return None
        whole, fraction, unit = part[1], (part[2] or "")[1:], _NANOSECONDS[part[3]]
        if not (whole or fraction) or len(whole) > _DIGITS:
            return None
        fraction = fraction[:_DIGITS]
        total += int(whole or "0") * unit + int(fraction or "0") * unit // 10 ** len(fraction)
        position = part.end()
    return sign * total if total <= _MAX_DURATION else None


def json_array(text: str) -> list[object] | None:
    """Read a JSON array and nothing else; None where it is not one.

    Raises RecursionError where it nests deeper than anybody can read.
    """
    text = text.lstrip(SPACE)
    if not text.startswith("["):
        return None
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except ValueError:
        return None
    return value if isinstance(value, list) else None


def _refuse_constant(name: str) -> object:
    raise ValueError(name)
