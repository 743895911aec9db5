"""Frozen dataclasses with slots that cost little before the first one is made.

``@dataclass(frozen=True, slots=True)`` compiles six methods for each class when its module is
imported: for the two hundred classes of a build that was a third of the time to start. Here the
same library makes a method when it is first called. All else is as there: ``fields``, ``replace``,
``field(repr=False)``, pickling, matching.
"""

import dataclasses
from collections.abc import Callable
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_FLAGS: dict[str, dict[str, bool]] = {
    "__init__": {"repr": False, "eq": False},
    "__repr__": {"init": False, "eq": False},
    "__eq__": {"init": False, "repr": False},
    "__hash__": {"init": False, "repr": False},
}
"""The methods that are made later, and how the library is told to make little else."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass with slots; a parent must have been made in the same way."""
    own = {name for name in _FLAGS if cls.__dict__.get(name) is not None}
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    for name in _FLAGS:
        if name not in own:
            setattr(made, name, _later(made, name))
    made.__setattr__, made.__delattr__ = _set, _delete
    made.__getstate__, made.__setstate__ = _state, _restore
    return made  # type: ignore[no-any-return]


def _later(cls: type, name: str) -> Callable[..., Any]:
    def method(self: object, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 -- any of them
        found = _make(cls, name)
        setattr(cls, name, found)
        return found(self, *args, **kwargs)

    method.__name__ = name
    return method


def _make(cls: Any, name: str) -> Callable[..., Any]:  # noqa: ANN401 -- a dataclass
    """Let the library make a method, of a class that has the same fields and nothing else."""
    # A docstring, since the library would write one, which takes long.
    namespace: dict[str, Any] = {"__doc__": "Never seen."}
    if hasattr(cls, "__post_init__"):
        namespace["__post_init__"] = cls.__post_init__
    columns = [(f.name, f.type, _copy(f)) for f in dataclasses.fields(cls)]
    flags: dict[str, Any] = {"namespace": namespace, "frozen": True, **_FLAGS[name]}
    plain = dataclasses.make_dataclass(cls.__name__, columns, **flags)
    found: Callable[..., Any] = plain.__dict__[name]
    return found


def _copy(f: "dataclasses.Field[Any]") -> Any:  # noqa: ANN401 -- as field() is typed
    return dataclasses.field(
        default=f.default,
        default_factory=f.default_factory,
        init=f.init,
        repr=f.repr,
        hash=f.hash,
        compare=f.compare,
        kw_only=f.kw_only,
    )


def _set(self: object, name: str, value: object) -> None:  # noqa: ARG001 -- as Python calls it
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: object, name: str) -> None:  # noqa: ARG001 -- likewise
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:  # noqa: ANN401 -- a dataclass
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:  # noqa: ANN401 -- likewise
    for f, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, f.name, value)
