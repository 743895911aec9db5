from collections.abc import Sequence

from benchmarks.measure import Sample
from benchmarks.results import Row
from benchmarks.targets import (
    TARGETS,
    Faster,
    Linear,
    Memory,
    Moved,
    Smaller,
    Verdict,
    Within,
)
from benchmarks.workloads import ALL

MIB = 1 << 20


def row(ours: Sequence[float], theirs: Sequence[float] = (), **facts: float) -> Row:
    def samples(seconds: Sequence[float], share: float = 1) -> list[Sample]:
        given = {name: value * share for name, value in facts.items()}
        return [Sample(one, one, 100 * MIB, None, given) for one in seconds]

    return Row("w", "", "s", samples={"mkbuild": samples(ours), "buildkit": samples(theirs, 0.5)})


def test_every_target_is_about_a_row_that_is_measured() -> None:
    rows = {w.row(state) for w in ALL for state in w.states if state.measured}
    assert {target.row for target in TARGETS} <= rows


def test_nothing_measured_is_no_verdict() -> None:
    assert {target.judge({}).met for target in TARGETS} == {None}


def test_faster() -> None:
    rows = {"r": row([1.0, 2.0, 1.0], [6.0, 12.0, 5.0])}
    assert Faster("r", 5).judge(rows) == Verdict("6.0 ×", met=True)
    assert Faster("r", 7).judge(rows).met is False
    assert Faster("r", 1).judge({"r": row([1.0])}).met is None


def test_within_floors() -> None:
    found = row([0.9])
    found.floors = {"walk": 0.2, "python": 0.1}
    assert Within("r", "", 0.0, 3, ("walk", "python")).judge({"r": found}).met
    assert Within("r", "", 0.2).judge({"r": found}).met is False


def test_smaller() -> None:
    rows = {"r": row([1.0], [1.0], blobs=100.0)}
    assert Smaller("r", 1.12, "r").judge(rows) == Verdict("2.00 ×", met=False)
    assert Smaller("r", 2, "r").judge(rows).met


def test_memory() -> None:
    found = row([1.0, 1.0])
    assert Memory("r").judge({"r": found}) == Verdict("100 MiB", met=True)
    found.samples["mkbuild"].append(Sample(1.0, 1.0, 257 * MIB))
    assert Memory("r").judge({"r": found}).met is False


def test_bytes_moved() -> None:
    found = row([1.0], moved=400_000.0, last=200_000.0)
    found.floors = {"base entries": 7000}
    assert Moved("r").judge({"r": found}) == Verdict("400 kB, limit 374 kB", met=False)
    found.floors = {"base entries": 10_000}
    assert Moved("r").judge({"r": found}).met


def test_linear() -> None:
    rows = {}
    for size, seconds in ((1000, 0.5), (10_000, 1.0), (100_000, 11.0)):
        found = row([seconds])
        found.family, found.size, found.state = "files", size, "cold"
        rows[f"growth-files-{size}: cold"] = found
    assert Linear("growth-files-100000: cold", "files").judge(rows) == Verdict("n^1.04", met=True)
    assert Linear("growth-files-100000: cold", "steps").judge(rows).met is None
