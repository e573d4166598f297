"""The formulas against hand calculations and against what they promise."""

from __future__ import annotations

import copy
import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assessments import scoring
from assessments.default_method import DEFAULT_METHOD
from assessments.method import COMBINATIONS, Level, MethodSpec, read_method
from assessments.scoring import Impact, combine
from tests.assessments.random_methods import KEYS, judged_levels, methods
from tests.assessments.random_methods import moneys as moneys_of_all_sizes


def method(combination: str = "hybrid", **money: list[float]) -> MethodSpec:
    """The default method with another rule, and with other bounds of the levels for some dimensions."""
    definition: dict[str, Any] = copy.deepcopy(DEFAULT_METHOD)
    definition["combination"] = combination
    for dimension in definition["dimensions"]:
        bounds = money.get(dimension["key"], [])
        for level, (low, high) in zip(dimension["levels"], itertools.pairwise(bounds), strict=False):
            level["low"], level["high"] = low, high
    return read_method(definition, version=1)


SPEC = method()
probabilities = st.floats(1e-6, 0.999)
moneys = st.floats(1.0, 1e9)
judged = st.dictionaries(st.sampled_from(["financial", "reputation", "market_share"]), st.integers(1, 5), min_size=1)


def score_of(exposure: float, spec: MethodSpec = SPEC) -> float:
    return float(scoring.score(spec, np.array([exposure]))[0])


def band_of(score: float) -> int:
    return int(scoring.band_positions(SPEC, np.array([score]))[0])


# --- combining -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("combination", "levels", "level", "decided_by"),
    [
        ("worst", {"financial": 2, "reputation": 5, "market_share": 1}, 5, "reputation"),
        ("weighted", {"financial": 2, "reputation": 5, "market_share": 1}, 3, "reputation"),  # 2.5 up
        ("hybrid", {"financial": 2, "reputation": 5, "market_share": 1}, 4, "reputation"),  # 3, but 5 - 1
        ("hybrid", {"financial": 4, "reputation": 4, "market_share": 3}, 4, "financial"),  # 3.75 up
        ("weighted", {"financial": 3, "reputation": 3, "market_share": 3}, 3, "financial"),  # exactly 3 stays 3
        ("weighted", {"reputation": 1, "market_share": 4}, 3, "market_share"),  # the weights of the two count in full
        ("hybrid", {"reputation": 3}, 3, "reputation"),
    ],
)
def test_combines_by_the_rule(combination: str, levels: dict[str, int], level: int, decided_by: str) -> None:
    spec = method(combination)
    assert combine(spec, levels) == Impact(level, spec.dimension(decided_by).levels[level - 1].centre, decided_by)


def test_of_two_dimensions_of_one_level_the_dearer_decides() -> None:
    spec = method("worst", reputation=[4_000, 20_000, 100_000, 500_000, 2_000_000, 10_000_000])
    assert combine(spec, {"financial": 4, "reputation": 4}) == Impact(4, 1_000_000, "reputation")


def test_dimensions_without_weight_cannot_soften() -> None:
    definition = copy.deepcopy(DEFAULT_METHOD)
    for item, weight in zip(definition["dimensions"], (1, 0, 0), strict=True):
        item["weight"] = weight
    spec = read_method(definition, version=1)
    assert combine(spec, {"reputation": 5, "market_share": 1}).level == 5


@pytest.mark.parametrize("level", [0, 6, -1])
def test_refuses_a_level_off_the_scale(level: int) -> None:
    with pytest.raises(ValueError, match=f"reputation: there is no level {level}"):
        combine(SPEC, {"financial": 2, "reputation": level})


def test_refuses_an_unknown_dimension_and_no_dimension() -> None:
    with pytest.raises(KeyError):
        combine(SPEC, {"weather": 3})
    with pytest.raises(ValueError, match="no dimension was judged"):
        combine(SPEC, {})


@given(judged)
def test_hybrid_softens_the_worst_by_one_level_at_most(levels: dict[str, int]) -> None:
    worst, weighted, hybrid = (combine(method(rule), levels).level for rule in ("worst", "weighted", "hybrid"))
    assert worst == max(levels.values())
    assert worst - 1 <= hybrid <= worst
    assert hybrid == max(weighted, worst - 1)


@given(judged, st.sampled_from(COMBINATIONS), st.data())
def test_a_worse_judgement_never_costs_less(levels: dict[str, int], rule: str, data: st.DataObject) -> None:
    spec = method(rule)
    key = data.draw(st.sampled_from(sorted(levels)))
    worse = levels | {key: data.draw(st.integers(levels[key], 5))}
    assert combine(spec, worse).money >= combine(spec, levels).money


@pytest.mark.parametrize("rule", COMBINATIONS)
def test_a_worse_judgement_never_costs_less_where_scales_differ(rule: str) -> None:
    """Reputation's levels are worth a tenth of the financial ones: its worst must not hide a financial major."""
    spec = method(rule, reputation=[200, 1_000, 5_000, 25_000, 100_000, 500_000])
    before = combine(spec, {"financial": 4, "reputation": 4})
    after = combine(spec, {"financial": 4, "reputation": 5})
    assert before.money == 500_000
    assert after.money >= before.money


# --- probability over the horizon ------------------------------------------------------------------------


def test_a_year_is_as_judged_and_two_years_are_two_chances() -> None:
    over = scoring.over_horizon(np.array([0.2, 0.2, 0.2]), np.array([12.0, 24.0, 6.0]))
    assert over == pytest.approx([0.2, 1 - 0.8**2, 1 - math.sqrt(0.8)], rel=1e-14)


@given(probabilities, st.integers(1, 120), st.integers(1, 120))
def test_escaping_one_horizon_and_then_another_is_escaping_both(p: float, first: int, second: int) -> None:
    one, two, both = scoring.over_horizon(np.full(3, p), np.array([first, second, first + second], dtype=float))
    assert (1 - one) * (1 - two) == pytest.approx(1 - both, rel=1e-9, abs=1e-15)


@given(probabilities, st.integers(1, 119))
def test_a_longer_horizon_is_never_safer(p: float, months: int) -> None:
    sooner, later = scoring.over_horizon(np.full(2, p), np.array([months, months + 1], dtype=float))
    assert 0 <= sooner <= later <= 1


# --- score and bands -------------------------------------------------------------------------------------


def test_the_ends_of_the_scale_are_the_ends_of_the_levels() -> None:
    least = SPEC.likelihood[0].centre * SPEC.primary.levels[0].centre
    greatest = SPEC.likelihood[-1].centre * SPEC.primary.levels[-1].centre
    assert score_of(least) == pytest.approx(0, abs=1e-9)
    assert score_of(greatest) == pytest.approx(100)
    assert score_of(math.sqrt(least * greatest)) == pytest.approx(50)


def test_scores_stay_on_the_scale() -> None:
    assert [score_of(exposure) for exposure in (0.0, 1e-3, 1e12)] == [0.0, 0.0, 100.0]


def test_unknown_stays_unknown() -> None:
    nothing = np.array([np.nan])
    assert np.isnan(scoring.score(SPEC, nothing)).all()
    assert np.isnan(scoring.over_horizon(nothing, np.array([12.0]))).all()
    assert scoring.band_positions(SPEC, nothing).tolist() == [0]
    assert scoring.likelihood_levels(SPEC, nothing).tolist() == [0]
    assert scoring.impact_levels(SPEC, nothing).tolist() == [0]


@given(st.tuples(probabilities, probabilities), moneys)
def test_a_likelier_risk_never_scores_less(pair: tuple[float, float], money: float) -> None:
    low, high = sorted(pair)
    over = scoring.over_horizon(np.array([low, high]), np.full(2, 12.0))
    first, second = scoring.score(SPEC, over * money)
    assert 0 <= first <= second <= 100


@given(probabilities, st.tuples(moneys, moneys))
def test_a_dearer_risk_never_scores_less(p: float, pair: tuple[float, float]) -> None:
    first, second = scoring.score(SPEC, p * np.array(sorted(pair)))
    assert 0 <= first <= second <= 100


@given(st.lists(st.floats(0, 100), min_size=2))
def test_a_greater_score_is_never_in_a_milder_band(scores: list[float]) -> None:
    bands = scoring.band_positions(SPEC, np.array(sorted(scores))).tolist()
    assert bands == sorted(bands)
    assert set(bands) <= {1, 2, 3, 4}


@pytest.mark.parametrize(
    ("score", "band"),
    [(0, 1), (34.999, 1), (35, 2), (57.999, 2), (58, 3), (74.999, 3), (75, 4), (100, 4)],
)
def test_a_band_begins_at_its_threshold(score: float, band: int) -> None:
    assert band_of(score) == band


@pytest.mark.parametrize(
    ("probability", "level"),
    [(0.0001, 1), (0.0299, 1), (0.03, 2), (0.0999, 2), (0.1, 3), (0.3, 4), (0.6, 5), (0.95, 5), (0.9999, 5)],
)
def test_a_probability_belongs_to_the_level_that_begins_there(probability: float, level: int) -> None:
    assert scoring.likelihood_levels(SPEC, np.array([probability])).tolist() == [level]


@pytest.mark.parametrize(
    ("money", "level"),
    [(1, 1), (9_999, 1), (10_000, 2), (50_000, 3), (250_000, 4), (999_999, 4), (1_000_000, 5), (5e9, 5)],
)
def test_an_amount_belongs_to_the_level_that_begins_there(money: float, level: int) -> None:
    assert scoring.impact_levels(SPEC, np.array([float(money)])).tolist() == [level]


def test_the_centre_of_a_level_lies_in_that_level() -> None:
    centres = np.array([level.centre for level in SPEC.likelihood])
    money = np.array([level.centre for level in SPEC.primary.levels])
    assert scoring.likelihood_levels(SPEC, centres).tolist() == [1, 2, 3, 4, 5]
    assert scoring.impact_levels(SPEC, money).tolist() == [1, 2, 3, 4, 5]


def test_the_matrix_colours_each_cell_as_a_risk_of_those_levels_over_a_year() -> None:
    matrix = scoring.matrix_bands(SPEC)
    for row, likelihood in zip(matrix, SPEC.likelihood, strict=True):
        assert row == [band_of(score_of(likelihood.centre * level.centre)) for level in SPEC.primary.levels]


def test_the_default_matrix_keeps_coxs_requirements() -> None:
    """Quant.md A1: the lowest row and column never red, no step from green straight to red, never milder when worse."""
    matrix = scoring.matrix_bands(SPEC)
    assert max(matrix[0]) < 4
    assert max(row[0] for row in matrix) < 4
    for row, above in itertools.pairwise(matrix):
        assert all(here <= higher for here, higher in zip(row, above, strict=True))
        assert all({here, higher} != {1, 4} for here, higher in zip(row, above, strict=True))
    for row in matrix:
        assert row == sorted(row)
        assert all({left, right} != {1, 4} for left, right in itertools.pairwise(row))


# --- combining with money ----------------------------------------------------------------------------------


def test_money_counts_instead_of_the_levels_centre() -> None:
    assert combine(SPEC, {"financial": 3}, {"financial": 60_000.0}) == Impact(3, 60_000.0, "financial")
    assert combine(SPEC, {"financial": 3}, {}) == combine(SPEC, {"financial": 3})


def test_of_two_dimensions_the_one_worth_more_money_decides() -> None:
    spec = method("worst")
    both = {"financial": 3, "reputation": 3}
    assert combine(spec, both, {"financial": 60_000.0}) == Impact(3, SPEC.primary.levels[2].centre, "reputation")
    assert combine(spec, both, {"financial": 240_000.0}) == Impact(3, 240_000.0, "financial")
    assert combine(spec, {"financial": 5, "reputation": 4}, {"financial": 1_000_001.0}).money == 1_000_001.0


@pytest.mark.parametrize(
    ("rule", "level", "money"),
    [("worst", 5, 4_000_000.0), ("hybrid", 4, 500_000.0), ("weighted", 3, 50_000.0 * math.sqrt(5))],
)
def test_money_above_the_combined_level_is_softened_to_its_centre(rule: str, level: int, money: float) -> None:
    found = combine(method(rule), {"financial": 5, "reputation": 1, "market_share": 1}, {"financial": 4_000_000.0})
    assert (found.level, found.decided_by) == (level, "financial")
    assert found.money == pytest.approx(money, rel=1e-15)


@given(methods(), st.data(), st.dictionaries(st.sampled_from(KEYS), moneys_of_all_sizes))
@settings(deadline=None)
def test_the_combined_money_is_the_most_that_a_dimension_counts_as(
    spec: MethodSpec, data: st.DataObject, money: dict[str, float]
) -> None:
    levels = data.draw(judged_levels(spec))
    found = combine(spec, levels, money)
    counted = {}
    for key, level in levels.items():
        scale = spec.dimension(key).levels
        counted[key] = (
            money[key] if key in money and level <= found.level else scale[min(level, found.level) - 1].centre
        )
    assert found.money == max(counted.values()) == counted[found.decided_by]


# --- evaluating: the three formulas ------------------------------------------------------------------------

columns = st.lists(st.tuples(probabilities, moneys_of_all_sizes, st.integers(1, 120)), min_size=1, max_size=30)


def evaluated(spec: MethodSpec, rows: list[tuple[float, float, int]]) -> scoring.Scored:
    probability, money, months = np.array(rows, dtype=float).T
    return scoring.evaluate(spec, probability, money, months)


def level_by_hand(scale: tuple[Level, ...], value: float) -> int:
    return next((n for n, level in enumerate(scale, start=1) if value < level.high), len(scale))


@given(methods(), columns)
@settings(deadline=None)
def test_exposure_and_levels_do_not_depend_on_the_formula(
    spec: MethodSpec, rows: list[tuple[float, float, int]]
) -> None:
    found = evaluated(spec, rows)
    probability, money, months = np.array(rows, dtype=float).T
    assert found.exposure.tolist() == (scoring.over_horizon(probability, months) * money).tolist()
    assert found.likelihood_level.tolist() == [level_by_hand(spec.likelihood, p) for p, _, _ in rows]
    assert found.impact_level.tolist() == [level_by_hand(spec.primary.levels, m) for _, m, _ in rows]


@given(methods(), columns)
@settings(deadline=None)
def test_the_band_is_always_that_of_the_score(spec: MethodSpec, rows: list[tuple[float, float, int]]) -> None:
    found = evaluated(spec, rows)
    assert ((found.score >= 0) & (found.score <= 100)).all()
    assert found.band.tolist() == [
        max(band.position for band in spec.bands if band.threshold <= score) for score in found.score.tolist()
    ]


@given(methods(["exposure"]), columns)
@settings(deadline=None)
def test_exposure_scores_by_the_place_on_the_axis_alone(spec: MethodSpec, rows: list[tuple[float, float, int]]) -> None:
    found = evaluated(spec, rows)
    assert found.score.tolist() == scoring.score(spec, found.exposure).tolist()


@given(methods(["product"]), columns)
@settings(deadline=None)
def test_product_scores_by_the_product_of_the_levels(spec: MethodSpec, rows: list[tuple[float, float, int]]) -> None:
    found = evaluated(spec, rows)
    greatest = len(spec.likelihood) * len(spec.primary.levels)
    for (probability, money, _), score in zip(rows, found.score.tolist(), strict=True):
        place = level_by_hand(spec.likelihood, probability) * level_by_hand(spec.primary.levels, money)
        assert score == 100 * place / greatest


@pytest.mark.parametrize("months", [1, 12, 120])
def test_product_of_five_by_five(months: int) -> None:
    definition = copy.deepcopy(DEFAULT_METHOD) | {"formula": "product"}
    spec = read_method(definition, version=1)
    rows = [(likely.centre, level.centre, months) for likely in spec.likelihood for level in spec.primary.levels]
    found = evaluated(spec, rows)
    assert found.score.tolist() == [4.0 * i * j for i in range(1, 6) for j in range(1, 6)]
    assert found.score[-1] == 100.0
    assert scoring.matrix_bands(spec) == [[band_of(4.0 * i * j) for j in range(1, 6)] for i in range(1, 6)]


@given(methods(["matrix"]), columns)
@settings(deadline=None)
def test_matrix_keeps_to_the_painted_cell_and_inside_its_thresholds(
    spec: MethodSpec, rows: list[tuple[float, float, int]]
) -> None:
    found = evaluated(spec, rows)
    tops = [*(band.threshold for band in spec.bands[1:]), 100.0]
    for likelihood, impact, band, score in zip(
        found.likelihood_level.tolist(), found.impact_level.tolist(), found.band.tolist(), found.score.tolist(),
        strict=True,
    ):  # fmt: skip
        assert band == spec.matrix[likelihood - 1][impact - 1]
        assert spec.band(band).threshold <= score < tops[band - 1]


@given(methods(["matrix"]), columns)
@settings(deadline=None)
def test_matrix_orders_by_exposure_within_a_band(spec: MethodSpec, rows: list[tuple[float, float, int]]) -> None:
    found = evaluated(spec, rows)
    for band in set(found.band.tolist()):
        here = found.band == band
        by_exposure = np.argsort(found.exposure[here], kind="stable")
        ordered = found.score[here][by_exposure].tolist()
        assert ordered == sorted(ordered)


@given(methods(["matrix"]))
@settings(deadline=None)
def test_the_matrix_that_results_is_the_painted_one(spec: MethodSpec) -> None:
    assert scoring.matrix_bands(spec) == [list(row) for row in spec.matrix]


def test_a_dearer_risk_of_one_cell_is_strictly_before_the_other() -> None:
    definition = copy.deepcopy(DEFAULT_METHOD) | {"formula": "matrix", "matrix": [[2] * 5] * 5}
    spec = read_method(definition, version=1)
    found = evaluated(spec, [(0.2, 60_000.0, 12), (0.2, 60_001.0, 12), (0.2001, 60_001.0, 12), (0.2, 60_001.0, 13)])
    assert found.score.tolist() == sorted(set(found.score.tolist()))
    assert found.band.tolist() == [2, 2, 2, 2]


@pytest.mark.parametrize("gap", [10.0, 0.01, 1e-4, 1e-6])
def test_matrix_keeps_to_the_painted_cell_however_narrow_its_band(gap: float) -> None:
    definition = copy.deepcopy(DEFAULT_METHOD) | {"formula": "matrix", "matrix": [[2] * 5] * 5}
    for band, threshold in zip(definition["bands"], (0, 50, 50 + gap, 90), strict=True):
        band["threshold"] = threshold
    spec = read_method(definition, version=1)
    greatest = (spec.likelihood[-1].high, spec.primary.levels[-1].high, 120)
    assert evaluated(spec, [greatest, (0.01, 2_000.0, 1)]).band.tolist() == [2, 2]


def test_the_highest_band_may_begin_at_100() -> None:
    definition = copy.deepcopy(DEFAULT_METHOD) | {"formula": "matrix", "matrix": [[4] * 5] * 5}
    definition["bands"][-1]["threshold"] = 100
    spec = read_method(definition, version=1)
    found = evaluated(spec, [(0.2, 60_000.0, 12)])
    assert (found.band.tolist(), found.score.tolist()) == ([4], [100.0])


@given(methods(), st.lists(st.sampled_from(["probability", "money", "both", "none"]), min_size=1, max_size=10))
@settings(deadline=None)
def test_what_is_half_known_is_not_scored_at_all(spec: MethodSpec, unknown: list[str]) -> None:
    probability = np.array([math.nan if u in ("probability", "both") else 0.3 for u in unknown])
    money = np.array([math.nan if u in ("money", "both") else 70_000.0 for u in unknown])
    found = scoring.evaluate(spec, probability, money, np.full(len(unknown), 12.0))
    known = np.array([u == "none" for u in unknown])
    assert np.isnan(found.score).tolist() == np.isnan(found.exposure).tolist() == (~known).tolist()
    for positions in (found.band, found.likelihood_level, found.impact_level):
        assert positions.dtype == np.int64
        assert (positions > 0).tolist() == known.tolist()
    assert len(set(found.score[known].tolist())) <= 1


@given(methods(), columns)
@settings(deadline=None)
def test_one_by_one_is_all_at_once(spec: MethodSpec, rows: list[tuple[float, float, int]]) -> None:
    together = evaluated(spec, rows)
    for n, row in enumerate(rows):
        alone = evaluated(spec, [row])
        for name in ("exposure", "score", "band", "likelihood_level", "impact_level"):
            assert getattr(alone, name)[0] == getattr(together, name)[n]
