"""ARG, ENV and words: who sees what, where, and which wins."""

from collections.abc import Callable

import pytest

from tests.conformance.case import Case

pytestmark = pytest.mark.root

CASES = {
    "maintainer is not expanded": Case(
        "FROM busybox\nENV N=x\nMAINTAINER a $N\n", history=["ENV N=x", "MAINTAINER a $N"]
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_environment(case: Case, check: Callable[[Case], None]) -> None:
    check(case)
