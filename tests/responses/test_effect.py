from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from responses.effect import kept

percents = st.floats(0, 100)


@pytest.mark.parametrize(
    ("effect", "confidence", "left"),
    [(0, 100, 1.0), (50, 100, 0.5), (50, 80, 0.6), (95, 100, 0.05), (100, 100, 0.0), (30, 0, 1.0), (20, 80, 0.84)],
)
def test_what_remains_is_one_minus_effect_times_confidence(effect: float, confidence: float, left: float) -> None:
    assert kept(effect, confidence) == pytest.approx(left, abs=1e-15)


@pytest.mark.parametrize("values", [(-1, 50), (101, 50), (50, -1), (50, 100.5), (math.nan, 50), (50, math.nan)])
def test_refuses_what_is_no_percentage(values: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="percentages from 0 to 100"):
        kept(*values)


@given(percents, percents)
def test_something_between_nothing_and_all_remains(effect: float, confidence: float) -> None:
    assert 0 <= kept(effect, confidence) <= 1


@given(percents, percents, percents)
def test_more_effect_or_more_confidence_never_leaves_more(one: float, other: float, same: float) -> None:
    less, more = sorted((one, other))
    assert kept(more, same) <= kept(less, same)
    assert kept(same, more) <= kept(same, less)
