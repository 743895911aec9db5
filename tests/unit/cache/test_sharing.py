import threading

import pytest

from mkbuild.cache.health import Health
from mkbuild.cache.patience import Patience
from mkbuild.cache.sharing import Sharing


def wait(event: threading.Event) -> None:
    assert event.wait(20)


def test_all_jobs_are_done_after_a_flush() -> None:
    sharing = Sharing(Health("a store", pytest.fail))
    done: list[int] = []
    for number in range(100):
        sharing.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    sharing.flush(Patience())
    assert sorted(done) == list(range(100))


def test_nothing_to_share_costs_nothing() -> None:
    patience = Patience(5)
    Sharing(Health("a store", pytest.fail)).flush(patience)
    assert patience.left == 5


def test_jobs_run_while_others_hang() -> None:
    sharing = Sharing(Health("a store", pytest.fail))
    release, ran = threading.Event(), threading.Event()
    sharing.submit(lambda: wait(release))
    sharing.submit(ran.set)
    assert ran.wait(20)
    release.set()
    sharing.flush(Patience())


def test_after_a_failure_the_rest_is_dropped() -> None:
    warnings: list[str] = []
    health = Health("a store", warnings.append)
    sharing = Sharing(health)
    begun, release = threading.Event(), threading.Event()
    done: list[int] = []

    def block() -> None:
        begun.set()
        release.wait(20)

    for _ in range(2):  # as many as there are threads
        sharing.submit(block)
    assert begun.wait(20)
    for number in range(10):
        sharing.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    health.fail(OSError("down"))
    release.set()
    sharing.flush(Patience())
    sharing.submit(lambda: done.append(-1))
    sharing.flush(Patience())
    assert done == []
    assert warnings == ["a store is not used any more in this run: down"]


def test_a_job_that_hangs_is_given_up_with_a_warning() -> None:
    warnings: list[str] = []
    sharing = Sharing(Health("a store", warnings.append))
    release = threading.Event()
    sharing.submit(lambda: wait(release))
    patience = Patience(0.1)
    sharing.flush(patience)
    release.set()
    assert patience.left < 0.1
    assert len(warnings) == 1
    assert "1 results are not shared" in warnings[0]
