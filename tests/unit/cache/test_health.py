"""A store is complained of once, and not at all once the run is over."""

from mkbuild.cache.health import Health


def test_one_complaint() -> None:
    told: list[str] = []
    health = Health("the store", told.append)
    health.complain("slow")
    health.fail(OSError("down"))
    assert told == ["slow"]
    assert not health.usable


def test_none_after_the_run() -> None:
    told: list[str] = []
    health = Health("the store", told.append)
    health.retire()
    health.fail(ValueError("I/O operation on closed file"))
    assert told == []
    assert not health.usable
