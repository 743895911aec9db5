"""The table at the end."""

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


def test_failures_go_first_where_many_images_were_built() -> None:
    summary = Summary()
    for number in range(1000):
        error = "no" if number == 777 else ""
        summary.see(TargetFinished(f"t{number}", DIGEST, (), 3, 1, 0.1, 10, error))
    lines = summary.lines(END)
    assert lines[1].startswith("t777")
    assert len(lines) == 43
