"""Frozen classes whose methods are made late."""

import dataclasses
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace

import pytest

from mkbuild.frozen import frozen


@frozen
class Late:
    """One of each kind of field."""

    name: str
    size: int = 3
    hidden: str = field(default="s", repr=False)
    note: str = field(default="", compare=False)
    tags: list[str] = field(default_factory=list, hash=False)
    seen: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    level: int = field(default=1, init=False)
    owner: str = field(default="root", kw_only=True)


@dataclass(frozen=True, slots=True)
class Usual:
    """The same, by the library alone."""

    name: str
    size: int = 3
    hidden: str = field(default="s", repr=False)
    note: str = field(default="", compare=False)
    tags: list[str] = field(default_factory=list, hash=False)
    seen: dict[str, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    level: int = field(default=1, init=False)
    owner: str = field(default="root", kw_only=True)


@frozen
class Child(Late):
    """With a field more, and a check."""

    more: int = 0

    def __post_init__(self) -> None:
        if self.more < 0:
            raise ValueError(self.more)


@frozen
class Own:  # noqa: PLW1641 -- the decorator makes it
    """With methods of its own."""

    a: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Own)

    def __repr__(self) -> str:
        return "own"


REST = "level=1, owner='root'"

Make = Callable[..., Late | Usual]
BOTH = pytest.mark.parametrize("make", [Late, Usual])


@BOTH
def test_it_is_as_the_library_makes_it(make: Make) -> None:
    one = make("a", tags=["x"])
    assert repr(one) == f"{make.__name__}(name='a', size=3, note='', tags=['x'], {REST})"
    assert one == make("a", 3, note="else", tags=["x"])
    assert one != make("a", hidden="other", tags=["x"])
    assert hash(one) == hash(make("a", note="else"))
    assert hash(one) == hash(("a", 3, "s", 1, "root"))
    assert make("a").tags is not make("a").tags
    assert make("a").seen is not make("a").seen
    assert one != make("a", tags=["x"], owner="me")
    names = ["name", "size", "hidden", "note", "tags", "seen", "level", "owner"]
    assert [item.name for item in fields(one)] == names
    assert replace(one, size=4).size == 4
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 -- our own
    match one:
        case Late(name, size) | Usual(name, size):
            assert (name, size) == ("a", 3)


@BOTH
def test_nothing_can_be_set(make: Make) -> None:
    one = make("a")
    with pytest.raises(dataclasses.FrozenInstanceError):
        one.name = "b"  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del one.name
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):
        one.other = 1  # type: ignore[union-attr]
    assert not hasattr(one, "__dict__")


@BOTH
def test_arguments_are_checked(make: Make) -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        make()
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        make("a", colour=1)
    with pytest.raises(TypeError, match="from 2 to 6 positional arguments but 7 were given"):
        make("a", 1, "b", "c", [], "me")
    with pytest.raises(TypeError, match="unexpected keyword argument 'level'"):
        make("a", level=1)


@BOTH
def test_a_value_in_itself_is_shown_once(make: Make) -> None:
    one = make("a")
    one.tags.append(one)  # type: ignore[arg-type]
    assert "tags=[...]" in repr(one)


@frozen
class Nothing:
    """Without a field."""


@frozen
class One:
    """With one field, which is not required to be hashable before it is hashed."""

    values: list[int]


def test_few_fields() -> None:
    assert Nothing() == Nothing()
    assert hash(Nothing()) == hash(())
    assert repr(Nothing()) == "Nothing()"
    assert One([1]) == One([1]) != One([2])
    with pytest.raises(TypeError, match="unhashable"):
        hash(One([1]))


def test_children() -> None:
    assert repr(Child("a", more=2)).endswith(
        f"Child(name='a', size=3, note='', tags=[], {REST}, more=2)"
    )
    assert Child("a", more=1) != Child("a", more=2)
    assert Late("a") != Child("a")
    assert isinstance(Child("a"), Late)
    with pytest.raises(ValueError, match="-1"):
        Child("a", more=-1)


def test_own_methods_stay() -> None:
    assert Own(1) == Own(2)
    assert repr(Own(1)) == "own"
    assert hash(Own(1)) == hash((1,))
