"""Calls side by side in daemon threads: one that hangs delays neither the others nor the exit."""

import threading
from collections.abc import Callable, Iterable
from typing import TypeVar

_T = TypeVar("_T")
_R = TypeVar("_R")


def each(function: Callable[[_T], _R], items: Iterable[_T], threads: int) -> list[_R]:
    """Call a function with every item, in up to ``threads`` threads; results in their order.

    The first exception ends it: calls that have not begun are dropped, and it is raised.
    """
    todo = list(enumerate(items))[::-1]
    results: dict[int, _R] = {}
    errors: list[BaseException] = []
    total = len(todo)

    def work() -> None:
        while todo and not errors:
            try:
                position, item = todo.pop()
            except IndexError:  # another thread was faster
                return
            try:
                results[position] = function(item)
            except BaseException as error:  # noqa: BLE001 -- raised in the caller's thread
                errors.append(error)

    if total <= 1 or threads <= 1:
        work()
    else:
        workers = [threading.Thread(target=work, daemon=True) for _ in range(min(threads, total))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    if errors:
        raise errors[0]
    return [results[position] for position in range(total)]


class Late(TimeoutError):  # noqa: N818 -- reads as what happened
    """A call was not waited for any longer; it may still be running."""


def within(seconds: float, function: Callable[[], _R]) -> _R:
    """Call a function in a thread of its own; raises Late where it takes too long."""
    results: list[_R] = []
    errors: list[BaseException] = []

    def work() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 -- raised in the caller's thread
            errors.append(error)

    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        message = f"no answer within {seconds:.0f} s"
        raise Late(message)
    return results[0]
