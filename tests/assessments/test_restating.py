"""Old judgements under another method: by value and never by position, one by one and all at once."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments import restating
from assessments.default_method import DEFAULT_METHOD
from assessments.method import Level, MethodSpec, read_method
from assessments.restating import Restated, restate
from assessments.scoring import combine
from tests.assessments.random_methods import judged_levels, methods, moneys

quick = settings(max_examples=150, deadline=None)
MONEY = [2_000.0, 10_000.0, 50_000.0, 250_000.0, 1_000_000.0, 5_000_000.0]


def method(*, keys: tuple[str, ...] = ("financial", "reputation", "market_share"), **money: list[float]) -> MethodSpec:
    """The default method with dimensions of these keys, and with other bounds of the levels for some of them."""
    definition: dict[str, Any] = copy.deepcopy(DEFAULT_METHOD)
    pattern = definition["dimensions"][0]
    definition["dimensions"] = [
        pattern | {"key": key, "weight": 1, "levels": levels(money.get(key, MONEY))} for key in keys
    ]
    return read_method(definition, version=2)


def levels(bounds: list[float]) -> list[dict[str, Any]]:
    label = {"en": "L", "zh": "L"}
    return [{"label": label, "low": low, "high": high} for low, high in itertools.pairwise(bounds)]


def again(old: MethodSpec, new: MethodSpec, *, money: float | None = None, **judged: int) -> Restated:
    return restate(old, old.encode(judged), new, money=money)


def by_hand(scale: tuple[Level, ...], value: float) -> int:
    """The level that holds a value, found by looking at one after the other."""
    for position, level in enumerate(scale, start=1):
        if value < level.high:
            return position
    return len(scale)


def counts_as(spec: MethodSpec, restated: Restated) -> tuple[int, float]:
    """The combined level, and its money."""
    impact = combine(spec, restated.levels, restated.money)
    return impact.level, impact.money


OLD = method()
SMALL, MINOR, MODERATE, MAJOR, SEVERE = (level.centre for level in OLD.primary.levels)


# --- to its own method -------------------------------------------------------------------------------------


@given(methods(), st.data())
@quick
def test_a_judgement_in_the_terms_of_its_own_method_is_itself(spec: MethodSpec, data: st.DataObject) -> None:
    judged = data.draw(judged_levels(spec))
    restated = restate(spec, spec.encode(judged), spec)
    assert restated.levels == judged
    assert restated.money == {key: spec.dimension(key).levels[level - 1].centre for key, level in judged.items()}
    assert restated.beyond == ()
    assert counts_as(spec, restated) == counts_as(spec, Restated(judged, {}, ()))


@given(methods(), st.data(), moneys)
@quick
def test_a_number_in_the_terms_of_its_own_method_is_itself(spec: MethodSpec, data: st.DataObject, value: float) -> None:
    key, scale = spec.primary.key, spec.primary.levels
    judged = data.draw(judged_levels(spec)) | {key: by_hand(scale, value)}
    restated = restate(spec, spec.encode(judged), spec, money=value)
    assert restated.levels == judged
    assert restated.money[key] == value
    assert restated.beyond == (() if scale[0].low <= value <= scale[-1].high else (key,))
    assert counts_as(spec, restated) == counts_as(spec, Restated(judged, {key: value}, ()))


# --- to another method -------------------------------------------------------------------------------------


@given(methods(), methods(), st.data())
@quick
def test_each_dimension_is_placed_by_what_it_was_worth(old: MethodSpec, new: MethodSpec, data: st.DataObject) -> None:
    judged = data.draw(judged_levels(old))
    value = data.draw(st.none() | moneys)
    restated = restate(old, old.encode(judged), new, money=value)
    kept = {key for key in judged if key in [d.key for d in new.dimensions]}
    assert set(restated.levels) == set(restated.money) == kept
    for key in kept:
        level, scale = old.dimension(key).levels[judged[key] - 1], new.dimension(key).levels
        given_ = value is not None and key == old.primary.key
        assert restated.money[key] == (value if given_ else level.centre)
        assert restated.levels[key] == by_hand(scale, restated.money[key])
        if given_:
            apart = not scale[0].low <= restated.money[key] <= scale[-1].high
        else:
            apart = level.high <= scale[0].low or level.low >= scale[-1].high
        assert (key in restated.beyond) == apart


@pytest.mark.parametrize(
    ("bounds", "positions"),
    [
        (MONEY, [1, 2, 3, 4, 5]),
        ([2_000, 50_000, 1_000_000, 5_000_000], [1, 1, 2, 2, 3]),  # fewer levels: two of the old in one of the new
        ([2_000, 5_000, 10_000, 50_000, 100_000, 250_000, 1_000_000, 2_000_000, 5_000_000], [1, 3, 5, 6, 8]),
        ([2, 2_000, 10_000, 50_000, 250_000, 1_000_000, 5_000_000], [2, 3, 4, 5, 6]),  # one more at the lower end
        ([10_000, 50_000, 250_000, 1_000_000, 5_000_000], [1, 1, 2, 3, 4]),  # the least is gone
        ([2_000, 10_000, 50_000, 250_000], [1, 2, 3, 3, 3]),  # the greatest are gone
    ],
    ids=["same", "fewer", "more", "one below", "least gone", "greatest gone"],
)
def test_another_number_of_levels_maps_by_value_and_never_by_position(
    bounds: list[float], positions: list[int]
) -> None:
    new = method(keys=("financial",), financial=[float(b) for b in bounds])
    restated = [again(OLD, new, financial=level) for level in range(1, 6)]
    assert [r.levels["financial"] for r in restated] == positions
    assert [r.money["financial"] for r in restated] == [SMALL, MINOR, MODERATE, MAJOR, SEVERE]


def test_a_centre_on_the_border_of_two_new_levels_belongs_to_the_upper() -> None:
    new = method(keys=("financial",), financial=[2_000.0, 10_000.0, 500_000.0, 5_000_000.0])  # major is worth 500 000
    assert again(OLD, new, financial=4).levels == {"financial": 3}


def test_the_order_of_dimensions_does_not_matter() -> None:
    new = method(keys=("market_share", "financial", "reputation"), market_share=[b * 10 for b in MONEY])
    restated = again(OLD, new, financial=4, reputation=2, market_share=3)
    assert restated.levels == {"financial": 4, "reputation": 2, "market_share": 3 - 1}
    assert restated.money == {"financial": MAJOR, "reputation": MINOR, "market_share": MODERATE}


# --- dimensions that are gone ------------------------------------------------------------------------------


def test_a_dimension_that_is_gone_is_left_out() -> None:
    new = method(keys=("financial", "market_share"))
    assert again(OLD, new, financial=2, reputation=5) == Restated({"financial": 2}, {"financial": MINOR}, ())


def test_a_dimension_with_another_key_is_another_dimension() -> None:
    new = method(keys=("money", "reputation", "market_share"))
    assert again(OLD, new, financial=5, reputation=2).levels == {"reputation": 2}


@pytest.mark.parametrize("value", [None, 30_000.0])
def test_where_no_judged_dimension_is_left_there_is_nothing(value: float | None) -> None:
    new = method(keys=("money", "market_share"))
    old_code = OLD.encode({"financial": 5, "reputation": 2})
    assert restate(OLD, old_code, new, money=value) == Restated({}, {}, ())
    assert np.isnan(restating.impacts(OLD, old_code, new, np.array([np.nan, 30_000.0]))).all()


def test_a_new_dimension_nobody_judged_stays_unjudged() -> None:
    new = method(keys=("financial", "delivery", "people"))
    assert again(OLD, new, financial=3).levels == {"financial": 3}


# --- beyond the scale --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("level", "bounds", "position", "is_beyond"),
    [
        (5, [2_000, 10_000, 50_000, 1_000_000], 3, True),  # touches the end, and no more
        (5, [2_000, 10_000, 50_000, 1_000_001], 3, False),  # has a dollar in common
        (5, [2_000, 10_000, 50_000, 999_999], 3, True),
        (1, [10_000, 50_000, 250_000, 1_000_000], 1, True),
        (1, [9_999, 50_000, 250_000, 1_000_000], 1, False),
        (1, [10_001, 50_000, 250_000, 1_000_000], 1, True),
        (1, [10_000 * (1 - 1e-12), 50_000, 250_000, 1_000_000], 1, True),  # written a little differently
        (3, [10, 20, 30, 40], 3, True),
        (3, [1e8, 2e8, 3e8, 4e8], 1, True),
        (3, [60_000, 70_000, 80_000, 90_000], 3, False),  # the new scale lies within the old level
    ],
)
def test_what_lies_beyond_the_new_scale_counts_at_its_end_with_its_money(
    level: int, bounds: list[float], position: int, is_beyond: bool
) -> None:
    new = method(keys=("financial",), financial=[float(b) for b in bounds])
    judged = OLD.primary.levels[level - 1].centre
    assert again(OLD, new, financial=level) == Restated(
        {"financial": position}, {"financial": judged}, ("financial",) if is_beyond else ()
    )
    assert combine(new, {"financial": position}, {"financial": judged}).money == judged


@pytest.mark.parametrize(
    ("value", "position", "is_beyond"),
    [(1_999.99, 1, True), (2_000.0, 1, False), (5_000_000.0, 5, False), (5_000_000.01, 5, True), (1.0, 1, True)],
)
def test_a_number_is_beyond_the_scale_from_just_past_its_ends(value: float, position: int, is_beyond: bool) -> None:
    restated = again(OLD, OLD, money=value, financial=position)
    assert restated == Restated({"financial": position}, {"financial": value}, ("financial",) if is_beyond else ())


def test_only_the_dimensions_beyond_are_named() -> None:
    new = method(reputation=[10.0, 20.0, 30.0, 40.0, 50.0, 60.0], market_share=[1e8, 2e8, 3e8, 4e8, 5e8, 6e8])
    restated = again(OLD, new, financial=3, reputation=3, market_share=3)
    assert restated.beyond == ("reputation", "market_share")
    assert restated.levels == {"financial": 3, "reputation": 5, "market_share": 1}


# --- money instead of a level ------------------------------------------------------------------------------


def test_money_is_placed_by_itself_and_not_by_its_level() -> None:
    new = method(keys=("financial", "reputation"), financial=[2_000.0, 20_000.0, 40_000.0, 60_000.0, 1e6, 5e6])
    assert again(OLD, new, financial=3).levels == {"financial": 4}  # 111 803 as a level
    assert again(OLD, new, money=51_000.0, financial=3) == Restated({"financial": 3}, {"financial": 51_000.0}, ())


def test_money_is_of_the_dimension_that_was_primary() -> None:
    new = method(keys=("reputation", "financial"))
    restated = again(OLD, new, money=12_345.0, financial=2, reputation=4)
    assert restated.money == {"financial": 12_345.0, "reputation": MAJOR}


def test_money_counts_for_nothing_when_its_dimension_is_gone() -> None:
    new = method(keys=("reputation", "market_share"))
    code = OLD.encode({"financial": 5, "reputation": 2})
    assert restate(OLD, code, new, money=4_999_999.0) == Restated({"reputation": 2}, {"reputation": MINOR}, ())
    assert restating.impacts(OLD, code, new, np.array([4_999_999.0, np.nan])).tolist() == [MINOR, MINOR]


def test_money_above_the_combined_level_counts_as_that_levels_centre() -> None:
    """Hybrid softens the worst by one level: what was judged in money is softened like what was judged by level."""
    code = OLD.encode({"financial": 5, "reputation": 1, "market_share": 1})
    found = restating.impacts(OLD, code, OLD, np.array([4_000_000.0, np.nan, 300_000.0, 1_000.0]))
    # 5 and 1, 1: mean 2.33, up to 3, at least 4. 4 and 1, 1: 2, at least 3. 1 and 1, 1: 1, its own money or a level's.
    assert found.tolist() == [MAJOR, MAJOR, MODERATE, SMALL]


# --- all at once -------------------------------------------------------------------------------------------


def one_by_one(old: MethodSpec, code: int, new: MethodSpec, money: float) -> float:
    restated = restate(old, code, new, money=None if math.isnan(money) else money)
    return combine(new, restated.levels, restated.money).money if restated.levels else math.nan


@given(methods(), methods(), st.data(), st.lists(moneys | st.just(math.nan), max_size=30))
@settings(max_examples=300, deadline=None)
def test_all_at_once_is_one_by_one(old: MethodSpec, new: MethodSpec, data: st.DataObject, given_: list[float]) -> None:
    code = old.encode(data.draw(judged_levels(old)))
    found = restating.impacts(old, code, new, np.array(given_))
    expected = np.array([one_by_one(old, code, new, money) for money in given_])
    assert np.array_equal(found, expected, equal_nan=True)  # to the last bit


@given(methods(), st.data(), st.lists(moneys | st.just(math.nan), max_size=20))
@quick
def test_all_at_once_is_one_by_one_under_the_method_of_the_day(
    spec: MethodSpec, data: st.DataObject, given_: list[float]
) -> None:
    code = spec.encode(data.draw(judged_levels(spec)))
    found = restating.impacts(spec, code, spec, np.array(given_))
    assert np.array_equal(found, [one_by_one(spec, code, spec, money) for money in given_], equal_nan=True)


def test_the_shape_is_that_of_the_money() -> None:
    code = OLD.encode({"financial": 3, "reputation": 2})
    money = np.array([[np.nan, 60_000.0], [3_000.0, np.nan]])
    found = restating.impacts(OLD, code, OLD, money)
    assert found.shape == (2, 2)
    assert found.ravel().tolist() == restating.impacts(OLD, code, OLD, money.ravel()).tolist()
    assert restating.impacts(OLD, code, OLD, np.array([])).shape == (0,)


def test_the_given_money_is_left_as_it_was() -> None:
    money = np.array([np.nan, 60_000.0])
    restating.impacts(OLD, OLD.encode({"financial": 3}), OLD, money)
    assert np.array_equal(money, [np.nan, 60_000.0], equal_nan=True)
