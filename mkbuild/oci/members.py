"""Members of JSON objects that came from outside: of the type that the spec says, or ArchiveError.

Null counts as absent, as in Go's decoder, by which these documents were written.
"""

from collections.abc import Mapping
from typing import Any

from mkbuild.errors import ArchiveError

Json = dict[str, Any]


def text(document: Json, name: str) -> str:
    """Read a text; empty where absent."""
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(name, "a text")
    return _valid(value)


def number(document: Json, name: str) -> int:
    """Read a whole number; 0 where absent."""
    value = document.get(name)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool):
        raise _wrong(name, "a whole number")
    return value


def texts(document: Json, name: str) -> tuple[str, ...]:
    """Read a list of texts; empty where absent."""
    return optional_texts(document, name) or ()


def optional_texts(document: Json, name: str) -> tuple[str, ...] | None:
    """Read a list of texts, or one text as docker accepts it; None where absent."""
    value = document.get(name)
    if value is None:
        return None
    if isinstance(value, str):
        return (_valid(value),)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _wrong(name, "a list of texts")
    return tuple(map(_valid, value))


def mapping(document: Json, name: str) -> Json:
    """Read an object; empty where absent."""
    value = document.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise _wrong(name, "an object")
    return value


def text_mapping(document: Json, name: str) -> Mapping[str, str]:
    """Read an object of texts; empty where absent."""
    found = mapping(document, name)
    return {_valid(key): text(found, key) for key in found}


def objects(document: Json, name: str) -> tuple[Json, ...]:
    """Read a list of objects; empty where absent."""
    value = document.get(name)
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise _wrong(name, "a list of objects")
    return tuple(value)


def _valid(value: str) -> str:
    """Replace halves of surrogate pairs, which JSON can spell and UTF-8 cannot."""
    if value.isascii():
        return value
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _wrong(name: str, expected: str) -> ArchiveError:
    return ArchiveError(f"the member {name!r} is not {expected}")
