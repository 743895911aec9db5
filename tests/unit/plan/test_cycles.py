"""Circles of stages, whether needed or not; what BuildKit allows is allowed."""

import pytest

from mkbuild.errors import DockerfileError
from tests.support.planning import planned

LAST = "FROM busybox\nRUN last\n"


@pytest.mark.parametrize(
    ("stages", "circle", "line"),
    [
        ("FROM busybox AS a\nCOPY --from=a /x /x\n", "a → a (line 2)", 2),
        ("FROM busybox\nCOPY --from=0 /x /x\n", "stage-0 → stage-0 (line 2)", 2),
        (
            "FROM busybox AS a\nCOPY --from=C /x /x\nFROM busybox AS b\nCOPY --from=0 /x /x\n"
            "FROM busybox AS c\nRUN --mount=from=b,target=/b true\n",
            "a → c → b → a (line 2, line 6, line 4)",
            2,
        ),
        (
            "FROM busybox AS before\nCOPY --from=b /x /x\nFROM busybox AS a\nCOPY --from=b /x /x\n"
            "FROM busybox AS b\nCOPY --from=a /x /x\n",
            "b → a → b (line 6, line 4)",
            6,
        ),
    ],
)
def test_a_circle_that_nothing_needs_is_refused_with_its_lines(
    stages: str, circle: str, line: int
) -> None:
    with pytest.raises(DockerfileError) as caught:
        planned(stages + LAST)
    assert caught.value.message == f"circular dependency between stages: {circle}"
    assert caught.value.location is not None
    assert caught.value.location.line == line


@pytest.mark.parametrize(
    "stages",
    [
        # two ways to one stage
        "FROM busybox AS a\nFROM busybox AS b\nCOPY --from=a /x /x\n"
        "FROM busybox AS c\nCOPY --from=a /x /x\nCOPY --from=b /x /x\n",
        # a later stage, which nothing needs
        "FROM busybox AS a\nCOPY --from=b /x /x\nFROM busybox AS b\n",
        # FROM finds earlier stages alone, and counts for no circle
        "FROM busybox AS a\nCOPY --from=b /x /x\nFROM a AS b\n",
        # a mount takes no stage by its number, a COPY no image for a stage
        "FROM busybox AS a\nRUN --mount=from=0,target=/x true\nCOPY --from=elsewhere /x /x\n",
    ],
)
def test_what_is_no_circle_stays(stages: str) -> None:
    assert len(planned(stages + LAST).chain) == 1


def test_a_long_way_needs_no_recursion() -> None:
    count = 3000
    stages = [
        f"FROM busybox AS s{number}\nCOPY --from=s{(number + 1) % count} /x /x\n"
        for number in range(count)
    ]
    with pytest.raises(DockerfileError, match="circular"):
        planned("".join(stages) + LAST)
