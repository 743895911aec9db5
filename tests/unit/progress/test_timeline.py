"""Bars, the critical path, lanes."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mkbuild.progress.timeline import Bar, critical_path, lanes, read


def step(begin: float, seconds: float, *parents: str, status: str = "ran") -> dict[str, Any]:
    return {
        "instruction": "RUN a \\\n  b",
        "status": status,
        "begin": begin,
        "seconds": seconds,
        "components": {"parents": ["state-of-a-base", *parents]},
    }


def document() -> dict[str, Any]:
    """Two branches, a and b, that c joins; its layer is pushed."""
    return {
        "seconds": 10.0,
        "steps": {
            "a": step(1.0, 2.0),
            "b": step(1.0, 4.0),
            "c": step(5.5, 2.0, "a", "b"),
            "hit": step(0.9, 0.0, status="hit-local"),
        },
        "layers": [{"step": "c", "digest": "sha256:1234567890abcd", "begin": 7.5, "seconds": 1.0}],
        "transfers": [
            {"verb": "push", "what": "sha256:1234567890abcd", "begin": 9, "seconds": 0.5}
        ],
        "phases": [
            {"name": "load", "begin": 0.0, "seconds": 0.9},
            {"name": "run", "begin": 1.0, "seconds": 7.5},
            {"name": "publish", "begin": 8.5, "seconds": 1.5},
        ],
    }


def test_bars_know_what_they_need() -> None:
    found = read(document())
    assert [bar.needs for bar in found.steps] == [(), (), ("step a", "step b"), ()]
    assert found.layers[0].needs == ("step c",)
    assert found.steps[0].title == "RUN a \\ b"
    assert found.layers[0].title == "write layer 1234567890ab"
    assert found.transfers[0].title == "push 1234567890ab"


def test_the_critical_path_is_what_the_duration_hung_on() -> None:
    links = critical_path(read(document()))
    assert [link.bar.id for link in links] == [
        "phase load",
        "step b",
        "step c",
        "layer sha256:1234567890abcd",
        "phase publish",
    ]
    assert [round(link.waited, 3) for link in links] == [0.0, 0.1, 0.5, 0.0, 0.0]
    assert [round(link.share, 3) for link in links] == [0.09, 0.4, 0.2, 0.1, 0.15]


def test_a_run_of_hits_has_phases_alone() -> None:
    hits = document() | {"steps": {"hit": step(0.9, 0.0, status="hit-local")}, "layers": []}
    assert [link.bar.id for link in critical_path(read(hits))] == ["phase load", "phase publish"]


def test_a_record_of_nothing() -> None:
    nothing = read({"seconds": 0.0, "steps": {}})
    assert critical_path(nothing) == ()


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 20)), max_size=30))
def test_bars_of_a_lane_do_not_overlap(spans: list[tuple[int, int]]) -> None:
    bars = [Bar("step", str(n), at, length) for n, (at, length) in enumerate(spans)]
    found = lanes(bars)
    assert found.keys() == {bar.id for bar in bars}
    for lane in set(found.values()):
        inside = sorted((b.begin, b.end) for b in bars if found[b.id] == lane)
        assert all(one[1] <= two[0] for one, two in itertools.pairwise(inside))
    most = max((sum(b.begin <= t < b.end for b in bars) for t in range(75)), default=0)
    assert len({lane for b, lane in found.items()}) <= max(most, 1) + sum(
        b.seconds == 0 for b in bars
    )
