"""Frozen dataclasses with slots that cost little before the first one is made.

``@dataclass(frozen=True, slots=True)`` compiles six methods for each class when its module is
imported: for the two hundred classes of a build that was a third of the time to start. Here
``__init__`` alone is compiled, when it is first called; the others are made without. All else is
as there: ``fields``, ``replace``, ``field(repr=False)``, pickling, matching.
"""

import dataclasses
from collections.abc import Callable, Sequence
from operator import attrgetter
from reprlib import recursive_repr
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")

_ABSENT = object()
"""Stands for an argument that a default factory makes."""


@dataclass_transform(frozen_default=True, field_specifiers=(dataclasses.field,))
def frozen(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass with slots; a parent must have been made in the same way."""
    own = {name for name, value in vars(cls).items() if value is not None}
    # Where there is no docstring, the library makes one of the signature, which takes 2 ms.
    cls.__doc__ = cls.__doc__ or cls.__name__
    made: Any = dataclasses.dataclass(init=False, repr=False, eq=False, slots=True)(cls)
    if "__init__" not in own:
        made.__init__ = _init_later(made)
    if "__repr__" not in own:
        made.__repr__ = _represent
    found = dataclasses.fields(made)
    if "__eq__" not in own:
        made.__eq__ = _equal(_getter([f.name for f in found if f.compare]))
    if "__hash__" not in own:
        hashed = [f.name for f in found if (f.compare if f.hash is None else f.hash)]
        made.__hash__ = _hash(_getter(hashed))
    made.__setattr__, made.__delattr__ = _set, _delete
    made.__getstate__, made.__setstate__ = _state, _restore
    return made  # type: ignore[no-any-return]


def _init_later(cls: Any) -> Callable[..., None]:  # noqa: ANN401 -- a dataclass
    def __init__(self: object, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401, N807
        cls.__init__ = _init(cls)
        cls.__init__(self, *args, **kwargs)

    return __init__


def _init(cls: Any) -> Callable[..., None]:  # noqa: ANN401 -- a dataclass
    """Compile what takes the arguments and fills the slots."""
    names: dict[str, Any] = {"_absent": _ABSENT}
    positional, keywords, body = ["self"], ["*"], [" pass"]
    for f in dataclasses.fields(cls):
        name, value, default = f.name, f.name, ""
        if f.default_factory is not dataclasses.MISSING:
            names[f"_make_{name}"], default = f.default_factory, "_absent"
            value = f"_make_{name}() if {name} is _absent else {name}"
        elif f.default is not dataclasses.MISSING:
            names[f"_default_{name}"], default = f.default, f"_default_{name}"
        if f.init:
            parameters = keywords if f.kw_only else positional
            parameters.append(f"{name}={default}" if default else name)
        elif default:
            body.append(f" {name} = {default}")
        else:
            continue  # __post_init__ fills it
        names[f"_set_{name}"] = getattr(cls, name).__set__
        body.append(f" _set_{name}(self, {value})")
    if hasattr(cls, "__post_init__"):
        body.append(" self.__post_init__()")
    parameters = positional + keywords if len(keywords) > 1 else positional
    text = f"def __init__({', '.join(parameters)}):\n" + "\n".join(body)
    exec(text, names)  # noqa: S102 -- the names are those of fields
    init: Callable[..., None] = names["__init__"]
    init.__qualname__ = f"{cls.__qualname__}.__init__"
    return init


Getter = Callable[[Any], tuple[Any, ...]]


def _getter(names: Sequence[str]) -> Getter:
    """Return what takes the values of some fields, as a tuple however few they are."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _equal(get: Getter) -> Callable[[Any, Any], bool]:
    def __eq__(self: object, other: object) -> bool:  # noqa: N807
        if other.__class__ is self.__class__:
            return get(self) == get(other)
        return NotImplemented

    return __eq__


def _hash(get: Getter) -> Callable[[Any], int]:
    def __hash__(self: object) -> int:  # noqa: N807
        return hash(get(self))

    return __hash__


@recursive_repr()
def _represent(self: Any) -> str:  # noqa: ANN401 -- a dataclass
    shown = [f"{f.name}={getattr(self, f.name)!r}" for f in dataclasses.fields(self) if f.repr]
    return f"{self.__class__.__qualname__}({', '.join(shown)})"


def _set(self: object, name: str, value: object) -> None:  # noqa: ARG001 -- as Python calls it
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _delete(self: object, name: str) -> None:  # noqa: ARG001 -- likewise
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _state(self: Any) -> list[Any]:  # noqa: ANN401 -- a dataclass
    return [getattr(self, f.name) for f in dataclasses.fields(self)]


def _restore(self: Any, state: list[Any]) -> None:  # noqa: ANN401 -- likewise
    for f, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, f.name, value)
