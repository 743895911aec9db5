"""What a large workspace costs grows as it does: counted in calls of functions, not in time."""

import sys
from collections.abc import Callable
from types import FrameType

from mkbuild.graph.select import select
from tests.support.workspace import graph_of, large_workspace, load_texts

GIT = {"sha": "0" * 40}


def calls(work: Callable[[], object]) -> int:
    """Count the calls that some work makes."""
    count = 0

    def see(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal count
        count += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


def ask(texts: dict[str, str]) -> None:
    """Load, infer, select: what list, query and the beginning of every build do."""
    workspace = load_texts(texts, git=GIT)
    graph = graph_of(texts, git=GIT)
    last = list(workspace.targets)[-1]
    for selection in (("all", "!t00*-0"), (f"{last}...",), ("t*-0",)):
        select(selection, workspace, lambda: graph)
    graph.waves()


def test_five_times_as_many_images_cost_five_times_as_much() -> None:
    small, large = (large_workspace(number, 5) for number in (20, 100))
    ask(small)  # what is made once is made
    assert calls(lambda: ask(large)) < 5.5 * calls(lambda: ask(small))
