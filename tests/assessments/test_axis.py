from __future__ import annotations

import pytest

from assessments.axis import Axis, axis_for


def test_it_reaches_to_the_round_values_around() -> None:
    assert axis_for([0.3, 0.03, 0.1], most_ticks=7) == Axis(0.02, 0.5, (0.02, 0.05, 0.1, 0.2, 0.5))


def test_a_round_value_stands_within_it_not_at_its_end() -> None:
    assert axis_for([0.1, 0.2], most_ticks=9) == Axis(0.05, 0.5, (0.05, 0.1, 0.2, 0.5))


@pytest.mark.parametrize(
    ("value", "low", "high"), [(1, 0.5, 2), (2, 1, 5), (5, 2, 10), (7e5, 5e5, 1e6), (0.999, 0.5, 1)]
)
def test_a_single_value_has_an_axis_too(value: float, low: float, high: float) -> None:
    axis = axis_for([value], most_ticks=4)
    assert (axis.low, axis.high) == (low, high)


def test_too_many_round_values_are_thinned_out() -> None:
    assert axis_for([1_500, 3_000_000], most_ticks=4).ticks == (1_000, 20_000, 500_000)
    assert axis_for([1_500, 3_000_000], most_ticks=2).ticks == (1_000, 5_000_000)


def test_places_are_logarithmic() -> None:
    axis = Axis(1, 100, ())
    assert [axis.place(value) for value in (1, 10, 100)] == pytest.approx([0, 50, 100])
    assert [axis.place(value) for value in (0.5, 200)] == [0, 100]
