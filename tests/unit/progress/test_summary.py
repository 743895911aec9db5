"""The table at the end."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from mkbuild.events import RunFinished, TargetFinished
from mkbuild.progress.summary import Summary
from tests.support.builds import DIGEST

END = RunFinished(ok=True, seconds=1.0, ran=1, hits=2, skipped=0)
NAMES = st.text("abc//:-", min_size=1, max_size=90)


@given(st.lists(st.tuples(NAMES, st.integers(0, 99_999), st.integers(0, 10**12)), max_size=30))
def test_eighty_columns(rows: list[tuple[str, int, int]]) -> None:
    summary = Summary()
    for name, number, size in rows:
        summary.see(TargetFinished(name, DIGEST, (), number, number % 9999, float(number), size))
    lines = summary.lines(END)
    assert all(len(line) <= 80 for line in lines)
    table = lines[: len(rows) + 1] if len(rows) <= 40 else []
    assert len({len(line) for line in table[:-1]}) <= 1


def test_many_images_fold() -> None:
    summary = Summary()
    for number in range(1000):
        summary.see(TargetFinished(f"t{number}", DIGEST, (), 3, int(number == 7), 0.1, 10))
    lines = summary.lines(END)
    assert len(lines) == 4
    assert lines[1].startswith("t7 ")
    assert lines[2] == "(and 999 images more)"


def test_of_many_the_slowest_are_shown() -> None:
    summary = Summary()
    for number in range(1000):
        summary.see(TargetFinished(f"t{number}", DIGEST, (), 3, 1, float(number % 500), 10))
    lines = summary.lines(END)
    assert lines[1].startswith("t499 ")
    assert lines[2].startswith("t999 ")
    assert len(lines) == 19
    assert lines[-2] == "(and 984 images more)"


def test_after_a_failure_many_built_images_are_only_counted() -> None:
    summary = Summary()
    for number in range(50):
        summary.see(TargetFinished(f"t{number}", DIGEST, (), 3, 1, 1.0, 10))
    assert summary.lines(replace(END, ok=False)) == [
        "(50 images built)",
        "stopped after 1.0s: steps: 0 failed, 1 ran, 2 cached",
    ]
