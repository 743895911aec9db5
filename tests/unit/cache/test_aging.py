import pytest
from hypothesis import given
from hypothesis import strategies as st

from mkbuild.cache.aging import DEFAULT_TTL, Aged, Aging

NOW = 1_700_000_000


def at(seconds: int, ttl: int = DEFAULT_TTL) -> Aging:
    return Aging(ttl, lambda: NOW + seconds)


@given(st.binary())
def test_a_value_comes_back(value: bytes) -> None:
    assert at(0).open(at(0).seal(value)) == Aged(value, stale=False)


def test_ages() -> None:
    sealed = at(0).seal(b"v")
    assert at(DEFAULT_TTL // 14).open(sealed) == Aged(b"v", stale=False)
    assert at(DEFAULT_TTL // 14 + 1).open(sealed) == Aged(b"v", stale=True)
    assert at(DEFAULT_TTL).open(sealed) == Aged(b"v", stale=True)
    assert at(DEFAULT_TTL + 1).open(sealed) is None


def test_without_a_life_time_nothing_expires_or_needs_a_note() -> None:
    assert at(10**9, ttl=0).open(at(0).seal(b"v")) == Aged(b"v", stale=False)


def test_a_time_in_the_future_counts() -> None:
    assert at(0).open(at(1000).seal(b"v")) == Aged(b"v", stale=False)


@pytest.mark.parametrize("data", [b"", b"value", b"\nvalue", b"-1\nv", b"1" * 21 + b"\nv"])
def test_what_was_never_stamped_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="without a time"):
        at(0).open(data)
