"""The few figures that a table of measurements needs (pure)."""

import math
import statistics
from collections.abc import Sequence


def median(values: Sequence[float]) -> float:
    """Return the median; of no value, not a number."""
    return statistics.median(values) if values else math.nan


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """Return the median of theirs / ours, round by round: above 1, ours is the faster.

    Rounds lie next to each other in time, so what slows the machine down slows both.
    """
    return median([their / our for our, their in zip(ours, theirs, strict=False) if our > 0])


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return k of the least-squares fit ``seconds = c · size^k`` (a line through the logarithms).

    A constant part, such as an interpreter's start, pulls it below what large sizes show; see
    ``last_exponent``.
    """
    logarithms = [(math.log(size), math.log(value)) for size, value in points]
    if len({x for x, _ in logarithms}) < 2:  # noqa: PLR2004 - a line needs two points
        return math.nan
    slope, _ = statistics.linear_regression(*zip(*logarithms, strict=True))
    return slope


def last_exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the exponent between the two largest sizes."""
    return exponent(sorted(points)[-2:])
