"""When a machine is at rest."""

from collections.abc import Sequence

import pytest

from benchmarks.machine import settle


def looks(busy: Sequence[int], waiting: int = 0) -> list[str]:
    """Return what /proc/stat says at some looks, of 40 ticks each."""
    found: list[str] = []
    works, idle = 1000, 5000
    for ticks in (0, *busy):
        works += ticks
        idle += 40 - ticks - waiting
        found.append(f"cpu  {works} 0 0 {idle} {waiting * len(found)} 0 0 0 7 7\ncpu0 1 2 3 4\n")
    return found


@pytest.mark.parametrize(
    ("busy", "looked"),
    [([0, 0], 2), ([4, 4, 4], 2), ([40, 40, 3, 2, 40], 4), ([40, 0, 30, 0, 0, 0], 5)],
)
def test_two_quiet_looks_in_a_row(busy: list[int], looked: int) -> None:
    waits: list[float] = []
    stats = iter(looks(busy))
    assert settle(lambda: next(stats), waits.append)
    assert len(waits) == looked


@pytest.mark.parametrize(("busy", "waiting"), [(5, 0), (0, 5)], ids=["work", "the disk"])
def test_a_machine_that_never_rests(busy: int, waiting: int) -> None:
    stats = iter(looks([busy] * 1000, waiting))
    assert not settle(lambda: next(stats), lambda _: None)
