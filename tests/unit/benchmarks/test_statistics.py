import math

import pytest

from benchmarks.statistics import exponent, last_exponent, median, paired_ratio


def test_median() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([1.0, 2.0]) == 1.5
    assert math.isnan(median([]))


def test_ratios_are_taken_within_a_round() -> None:
    assert paired_ratio([1.0, 10.0, 1.0], [5.0, 50.0, 7.0]) == 5.0


def test_a_ratio_without_a_partner_is_none() -> None:
    assert math.isnan(paired_ratio([1.0], []))
    assert math.isnan(paired_ratio([], [1.0]))


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power(power: float) -> None:
    points = [(size, 0.3 * size**power) for size in (10.0, 100.0, 1000.0)]
    assert exponent(points) == pytest.approx(power)
    assert last_exponent(points) == pytest.approx(power)


def test_a_constant_part_weighs_less_at_the_end() -> None:
    points = [(size, 0.2 + 0.001 * size) for size in (1000.0, 10.0, 100.0)]
    assert exponent(points) < last_exponent(points) < 1


def test_one_size_has_no_exponent() -> None:
    assert math.isnan(exponent([(10.0, 1.0)]))
    assert math.isnan(last_exponent([]))
