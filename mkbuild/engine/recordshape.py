"""The shape of a run's record (:func:`mkbuild.engine.record.describe`), on which readers rely.

Records lie in a directory of the user's, where anything can happen to them.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, Union

Shape: TypeAlias = Union[type, tuple[type, ...], dict[str, "Shape"], list["Shape"]]
"""A type, members of a mapping (``*``: any other), or what all items of a list are."""

_NUMBER = (int, float)
_NULLABLE = (str, type(None))
_SPAN: dict[str, Shape] = {"begin": _NUMBER, "seconds": _NUMBER}
_STEP: dict[str, Shape] = {
    **dict.fromkeys(
        ("target", "stage", "instruction", "location", "key", "state", "base", "why"), str
    ),
    **dict.fromkeys(("status", "source"), str),
    "components": {},
    "args": [str],
    "origins": [str],
    **_SPAN,
}
_RECORD: dict[str, Shape] = {
    **dict.fromkeys(("started", "error", "place", "directory", "workspace"), str),
    "seconds": _NUMBER,
    "ok": bool,
    "arguments": [str],
    "git": {"*": (str, type(None), bool)},
    "wanted": [str],
    "targets": {"*": {}},
    "order": {"*": [str]},
    "steps": {"*": _STEP},
    "bases": {"*": {"name": str, "digest": str}},
    "images": {"*": {"*": {"end": _NULLABLE, "base": str, "settings": {}}}},
    "layers": [{"step": str, "target": str, "digest": str, "size": int, **_SPAN}],
    "transfers": [{"verb": str, "what": str, "size": _NULLABLE + _NUMBER, **_SPAN}],
    "phases": [{"name": str, **_SPAN}],
    "published": [{"name": str, "digest": str}],
}


def is_record(document: object) -> bool:
    """Whether a document has all that a record has, each of the right type."""
    return _fits(document, _RECORD)


def _fits(value: Any, shape: Shape) -> bool:  # noqa: ANN401 -- any JSON
    match shape:
        case dict():
            others = shape.get("*")
            return (
                isinstance(value, Mapping)
                and all(name in value for name in shape if name != "*")
                and all(
                    _fits(item, found)
                    for name, item in value.items()
                    if (found := shape.get(name, others)) is not None
                )
            )
        case list():
            return isinstance(value, list) and all(_fits(item, shape[0]) for item in value)
        case _:
            return isinstance(value, shape)
