"""Processes that this one has begun, whoever else of the tests has begun some."""

import os
from collections.abc import Callable

from benchmarks.measure import descendants

Children = Callable[[], list[int]]


def children_since() -> Children:
    """Return what lists the processes that are begun from now on, and have not been waited for."""
    before = descendants({os.getpid()})
    return lambda: sorted(descendants({os.getpid()}) - before)
