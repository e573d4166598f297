from __future__ import annotations

from itertools import pairwise
from math import isnan
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.rules import arrays
from risks.rules.facts import LOST, OPEN, WON, Customers, Deals, Orders
from tests.risks.rules.making import TODAY, facts

NAN = float("nan")
_pairs = st.lists(st.tuples(st.integers(-1, 4), st.integers(0, 6) | st.just(NAN)), max_size=30)


@given(_pairs)
def test_per_key_figures_are_those_of_one_key_after_the_other(pairs: list[tuple[int, float]]) -> None:
    rows = np.array([row for row, _ in pairs], dtype=np.int64)
    values = np.array([value for _, value in pairs], dtype=np.float64)
    for key in range(5):
        all_of = [value for row, value in pairs if row == key]
        known = [value for value in all_of if not isnan(value)]
        total = sum(known) if known or not all_of else NAN
        assert arrays.counts(rows, 5)[key] == len(all_of)
        assert arrays.sums(rows, values, 5)[key] == pytest.approx(total, nan_ok=True)
        assert arrays.medians(rows, values, 5)[key] == pytest.approx(median(known) if known else NAN, nan_ok=True)
        assert arrays.greatest(rows, values, 5)[key] == pytest.approx(max(known, default=NAN), nan_ok=True)
        assert arrays.least(rows, values, 5)[key] == pytest.approx(min(known, default=NAN), nan_ok=True)
        last = max((place for place, pair in enumerate(pairs) if pair == (key, max(known, default=-1))), default=-1)
        assert arrays.latest(rows, values, 5)[key] == last


@given(_pairs)
def test_gaps_are_those_between_different_days(pairs: list[tuple[int, float]]) -> None:
    rows = np.array([row for row, _ in pairs], dtype=np.int64)
    days = np.array([day + 0.25 for _, day in pairs], dtype=np.float64)
    expected = []
    for key in range(5):
        whole = sorted({day for row, day in pairs if row == key and not isnan(day)})
        expected += [(key, late - early) for early, late in pairwise(whole)]
    whose, gaps = arrays.day_gaps(rows, days, np.ones(len(rows), dtype=bool))
    assert list(zip(whose.tolist(), gaps.tolist(), strict=True)) == expected


def test_days_ago_are_whole_days_whatever_the_hour() -> None:
    days = np.array([TODAY + 0.9, TODAY - 0.1, TODAY - 1, TODAY + 1, NAN])
    assert arrays.ages(TODAY + 0.5, days).tolist() == pytest.approx([0, 1, 1, -1, NAN], nan_ok=True)


@pytest.mark.parametrize(
    ("measure", "threshold", "expected"),
    [(0.8 - 0.6, 0.2, 1), (1, 0, 100), (0, 0, NAN), (1e9, 1, 100), (NAN, 1, NAN), (1, NAN, NAN), (-1, 2, -0.5)],
)
def test_how_often_a_threshold_fits_is_exact_and_finite(measure: float, threshold: float, expected: float) -> None:
    assert float(arrays.times(measure, threshold)) == pytest.approx(expected, abs=0, nan_ok=True)


def test_all_that_fires_is_severe_where_severe_is_set_below_the_threshold() -> None:
    assert arrays.severity([0.1, 0.2, 0.3], 0.2, 0.2).tolist() == pytest.approx([NAN, 2, 2], nan_ok=True)


def test_texts_become_numbers_and_an_empty_one_is_none() -> None:
    numbers, names = arrays.codes(np.array(["b", "", "a", "b"], dtype=object))
    assert (numbers.tolist(), names.tolist()) == ([0, -1, 1, 0], ["b", "a"])
    assert [len(found) for found in arrays.codes(np.array([], dtype=object))] == [0, 0]


def test_a_sum_of_amounts_leaves_out_what_is_unknown_unless_all_is() -> None:
    together = arrays.together(np.array([1, 2, NAN]), np.array([10, NAN, NAN]))
    assert together.tolist() == pytest.approx([11, 2, NAN], nan_ok=True)


def test_the_head_of_a_group_is_who_has_no_parent_or_the_first_in_a_circle() -> None:
    parents = [1, 2, -1, -1, 6, 4, 5, 4]
    assert arrays.families(Customers.of(8, parent=parents)).tolist() == [2, 2, 2, 3, 4, 4, 4, 4]
    assert arrays.families(Customers.of(0)).tolist() == []


def test_trailing_revenue_is_the_greater_of_what_was_ordered_and_what_was_won_in_a_year() -> None:
    deals = Deals.of(
        6,
        customer=[0, 0, 1, 1, 2, 2],
        state=[WON, WON, WON, LOST, OPEN, WON],
        amount=[100, 40, 70, 1000, 1000, NAN],
        closed=[TODAY, TODAY - 365, TODAY - 364, TODAY, NAN, TODAY],
    )
    orders = Orders.of(3, customer=[0, -1, 1], deal=[-1, 1, -1], day=[TODAY - 1, TODAY - 364, TODAY - 365], amount=75)

    def revenue(*without: str) -> list[float]:
        given_facts = facts(customers=Customers.of(4), deals=deals, orders=orders, without=without)
        return arrays.trailing_revenue(given_facts).tolist()

    assert revenue() == [150, 70, 0, 0]
    assert revenue("order.amount") == pytest.approx([100, 70, NAN, 0], nan_ok=True)
    assert revenue("deal.closed_on") == [150, 0, 0, 0]
    assert revenue("order.amount", "deal.amount") == pytest.approx([NAN] * 4, nan_ok=True)
