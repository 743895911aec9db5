import threading

import pytest

from mkbuild.cache.parallel import Late
from mkbuild.cache.patience import Patience


def test_quick_calls_cost_nothing() -> None:
    patience = Patience(5)
    for _ in range(100):
        assert patience.call(lambda: 1) == 1
    assert patience.left == 5


def test_a_call_that_hangs_costs_patience_until_none_is_left() -> None:
    end = threading.Event()
    patience = Patience(0.3)
    for _ in range(2):
        with pytest.raises(Late):
            patience.call(end.wait)
    patience.spend(1)
    end.set()
    assert patience.left == 0
    with pytest.raises(Late, match="too much time"):
        patience.call(lambda: 1)


def test_errors_pass() -> None:
    with pytest.raises(OSError, match="down"):
        Patience(5).call(lambda: fail("down"))


def fail(message: str) -> None:
    raise OSError(message)
