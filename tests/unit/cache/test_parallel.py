import threading

import pytest

from mkbuild.cache.parallel import Late, each, within


@pytest.mark.parametrize("threads", [1, 2, 50])
def test_results_come_in_the_order_of_items(threads: int) -> None:
    assert each(lambda n: n * n, range(100), threads) == [n * n for n in range(100)]


def test_nothing_to_do() -> None:
    assert each(lambda n: n, [], 4) == []


def test_calls_run_side_by_side() -> None:
    barrier = threading.Barrier(4, timeout=20)
    assert len(each(lambda _: barrier.wait(), range(4), 4)) == 4


@pytest.mark.parametrize("threads", [1, 4])
def test_the_first_error_ends_it(threads: int) -> None:
    seen: list[int] = []

    def fail(number: int) -> None:
        seen.append(number)
        message = f"number {number}"
        raise OSError(message)

    with pytest.raises(OSError, match="number"):
        each(fail, range(100), threads)
    assert len(seen) <= threads


def test_a_call_in_time() -> None:
    assert within(20, lambda: "value") == "value"
    with pytest.raises(ValueError, match="invalid literal"):
        within(20, lambda: int("x"))


def test_a_call_that_hangs_is_left_behind() -> None:
    end = threading.Event()
    with pytest.raises(Late, match="no answer"):
        within(0.01, end.wait)
    end.set()
