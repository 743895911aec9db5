"""Processes that this one has begun, whoever else of the tests has begun some."""

from collections.abc import Callable
from pathlib import Path

Children = Callable[[], list[int]]


def children_since() -> Children:
    """Return what lists the processes that are begun from now on, and have not been waited for."""
    before = set(_children())
    return lambda: [child for child in _children() if child not in before]


def _children() -> list[int]:
    return [
        int(child)
        for listed in Path("/proc/self/task").glob("*/children")
        for child in listed.read_text().split()
    ]
