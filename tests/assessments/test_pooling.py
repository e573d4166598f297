"""Pools against hand calculations, numerical integration and a Monte Carlo of the mixture."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate

from assessments import pooling
from assessments.pooling import Opinion, Pool, brier, dissenters, pool, skill
from assessments.ranges import money_range, probability_range

LEVELS = np.array([0.0, 0.05, 0.5, 0.95, 1.0])

WIDE = Opinion(0.1, 0.3, 0.6)
NARROW = Opinion(0.02, 0.03, 0.05)
CAUTIOUS = Opinion(0.5, 0.8, 0.95)
POINT = Opinion.of_number(0.4)


def opinions_of(values: st.SearchStrategy[float]) -> st.SearchStrategy[list[Opinion]]:
    """One to six opinions; coinciding points, hence steps, are frequent."""
    one = st.lists(values, min_size=3, max_size=3).map(lambda points: Opinion(*sorted(points)))
    return st.lists(one | values.map(Opinion.of_number), min_size=1, max_size=6)


probabilities = st.floats(0, 1) | st.sampled_from([0.0, 0.1, 0.2, 0.5, 1.0])
moneys = st.floats(1e-3, 1e12) | st.sampled_from([1.0, 1_000.0, 50_000.0])


def drawn(opinions: list[Opinion], weights: list[float], log: bool = False, size: int = 400_000) -> np.ndarray:
    """A Monte Carlo of the mixture: who is asked is drawn by weight, then a value from that opinion."""
    random = np.random.default_rng(5)
    values = np.empty(size)
    asked = random.choice(len(opinions), size, p=weights)
    for place, one in enumerate(opinions):
        stated = np.array([one.low, one.middle, one.high])
        stated = np.log(stated) if log else stated
        overshoot = 0.1 * (stated[2] - stated[0])
        support = [stated[0] - overshoot, *stated, stated[2] + overshoot]
        if not log:
            support = np.clip(support, 0, 1)
        theirs = asked == place
        values[theirs] = np.interp(random.uniform(size=theirs.sum()), LEVELS, support)
    return np.exp(values) if log else values


# --- opinions --------------------------------------------------------------------------------------------


def test_a_number_is_a_point() -> None:
    assert Opinion.of_number(0.2) == Opinion(0.2, 0.2, 0.2)


def test_a_range_has_the_median_of_its_distribution_in_the_middle() -> None:
    assert Opinion.of_probability_range(0.05, 0.2) == Opinion(0.05, probability_range(0.05, 0.2).median, 0.2)
    assert Opinion.of_money_range(1_000, 9_000) == Opinion(1_000, money_range(1_000, 9_000).median, 9_000)
    assert Opinion.of_money_range(1_000, 9_000).middle == pytest.approx(3_000)


def test_a_range_that_is_none_is_refused_as_ranges_does() -> None:
    with pytest.raises(ValueError, match="give a single number instead"):
        Opinion.of_money_range(5, 5)
    with pytest.raises(ValueError, match="must be below 1"):
        Opinion.of_probability_range(0.5, 1)


@pytest.mark.parametrize(
    "points", [(0.2, 0.1, 0.3), (0.1, 0.3, 0.2), (-0.1, 0.1, 0.2), (0.1, math.nan, 0.2), (0.1, 0.2, math.inf)]
)
def test_points_out_of_order_are_refused(points: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="low <= middle <= high"):
        Opinion(*points)


# --- the pool by hand ------------------------------------------------------------------------------------


def test_one_opinion_is_drawn_through_its_points_and_ten_percent_beyond() -> None:
    found = pool([WIDE])
    assert found.x == pytest.approx((0.05, 0.1, 0.3, 0.6, 0.65))
    assert found.cumulative == pytest.approx((0, 0.05, 0.5, 0.95, 1))
    assert found.interval == pytest.approx((0.1, 0.6))
    assert found.quantile(0.5) == pytest.approx(0.3)
    assert found.cdf(0.2) == pytest.approx(0.275)
    assert found.mean == pytest.approx(0.05 * 0.075 + 0.45 * 0.2 + 0.45 * 0.45 + 0.05 * 0.625)


def test_money_is_drawn_on_the_logarithmic_axis() -> None:
    found = pool([Opinion(100, 1_000, 10_000)], scale="log")
    assert found.x == pytest.approx((100 / 10**0.2, 100, 1_000, 10_000, 10_000 * 10**0.2))
    assert found.quantile(0.275) == pytest.approx(math.sqrt(100 * 1_000))
    assert found.cdf(math.sqrt(1_000 * 10_000)) == pytest.approx(0.725)
    # The mean of what is uniform in ln x between a and b is (b - a) / ln(b / a).
    inner = 0.45 * 900 / math.log(10) + 0.45 * 9_000 / math.log(10)
    outer = 0.05 * (100 - 100 / 10**0.2) / math.log(10**0.2) + 0.05 * (10_000 * 10**0.2 - 10_000) / math.log(10**0.2)
    assert found.mean == pytest.approx(inner + outer)


def test_the_support_stays_within_what_is_possible() -> None:
    assert pool([Opinion(0.01, 0.5, 0.99)]).x == (0, 0.01, 0.5, 0.99, 1)
    found = pool([Opinion(100, 1_000, 10_000)], scale="log", bounds=(90, 12_000))
    assert (found.x[0], found.x[-1]) == (90, 12_000)
    assert pool([Opinion(1, 2, 11)], bounds=(0, math.inf)).x == pytest.approx((0, 1, 2, 11, 12))


def test_a_number_is_a_step() -> None:
    found = pool([POINT])
    assert (found.x, found.cumulative) == ((0.4, 0.4), (0, 1))
    assert found.cdf(0.4) == 1
    assert found.cdf(math.nextafter(0.4, 0)) == 0
    assert [found.quantile(q) for q in (0, 0.05, 0.5, 1)] == [0.4] * 4
    assert (found.mean, found.variance) == (0.4, 0)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_numbers_alone_make_a_staircase(scale: pooling.Scale) -> None:
    found = pool([Opinion.of_number(number) for number in (0.3, 0.1, 0.1, 0.2)], scale=scale)
    assert found.x == (0.1, 0.1, 0.2, 0.2, 0.3, 0.3)
    assert found.cumulative == pytest.approx((0, 0.5, 0.5, 0.75, 0.75, 1))
    assert [found.quantile(q) for q in (0.05, 0.5, 0.51, 0.75, 0.76, 0.95)] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]
    assert [found.cdf(x) for x in (0.05, 0.1, 0.15, 0.3)] == pytest.approx([0, 0.5, 0.5, 1])
    assert found.mean == pytest.approx(0.175)
    assert found.variance == pytest.approx(np.var([0.3, 0.1, 0.1, 0.2]))


def test_a_step_within_a_range() -> None:
    found = pool([WIDE, POINT], [0.8, 0.2])
    assert found.cdf(0.4) == pytest.approx(0.8 * 0.65 + 0.2)
    assert found.cdf(0.4 - 1e-12) == pytest.approx(0.8 * 0.65)
    assert [found.quantile(q) for q in (0.53, 0.6, 0.71)] == [0.4, 0.4, 0.4]
    assert found.quantile(0.8) > 0.4


def test_two_points_that_coincide_are_a_step_of_their_share() -> None:
    found = pool([Opinion(0.1, 0.1, 0.2)])
    assert found.x == pytest.approx((0.09, 0.1, 0.1, 0.2, 0.21))
    assert found.cumulative == pytest.approx((0, 0.05, 0.5, 0.95, 1))


def test_between_camps_the_median_is_the_end_of_the_lower_one() -> None:
    six = [Opinion.of_number(number) for number in (0.1, 0.1, 0.1, 0.9, 0.9, 0.9)]
    found = pool(six, [0.1, 0.2, 0.2, 0.1, 0.2, 0.2])
    assert found.quantile(0.5) == 0.1
    assert found.interval == (0.1, 0.9)


def test_rounded_weights_do_not_decide_where_the_median_is() -> None:
    four = [Opinion.of_number(number) for number in (0.1, 0.1, 0.1, 0.9)]
    found = pool(four, [0.2, 0.2, 1.2, 1.6])
    assert found.cumulative[1] < 0.5  # by rounding only: the weights of the two camps are equal
    assert found.quantile(0.5) == 0.1


def test_numbers_are_not_averaged() -> None:
    """Two camps: the mean is between them, but nearly nobody believes in values near it."""
    found = pool([Opinion(0.01, 0.02, 0.03), Opinion(0.7, 0.8, 0.9)])
    assert found.mean == pytest.approx(0.41)
    assert found.cdf(0.6) - found.cdf(0.1) == pytest.approx(0, abs=1e-12)
    assert found.interval[0] < 0.03
    assert found.interval[1] > 0.8


def test_the_mean_of_points_is_the_weighted_sum() -> None:
    found = pool([Opinion.of_number(number) for number in (0.1, 0.5, 0.9)], [1, 2, 5])
    assert found.weights == (0.125, 0.25, 0.625)
    assert found.mean == pytest.approx((0.1 + 1.0 + 4.5) / 8)


def test_without_weights_all_count_alike() -> None:
    assert pool([WIDE, NARROW]) == pool([WIDE, NARROW], [3, 3])


def test_who_has_no_weight_does_not_stretch_the_pool() -> None:
    found = pool([WIDE, NARROW], [1, 0])
    assert (found.x, found.cumulative) == (pool([WIDE]).x, pool([WIDE]).cumulative)
    assert found.spread == pool([WIDE, NARROW]).spread


def test_neighbouring_floats_are_told_apart() -> None:
    start = 1.9999999999999996
    found = pool([Opinion(start, start, math.nextafter(start, 3))], scale="log")
    assert 0 <= found.cdf(start) <= found.cdf(math.nextafter(start, 3)) <= 1
    assert found.mean == pytest.approx(start)


@pytest.mark.parametrize(
    ("opinions", "options", "message"),
    [
        ([], {}, "there is no opinion"),
        ([WIDE], {"weights": [1, 1]}, "every opinion needs one weight"),
        ([WIDE, POINT], {"weights": [1, -0.5]}, "not negative"),
        ([WIDE, POINT], {"weights": [0, 0]}, "not all 0"),
        ([WIDE, POINT], {"weights": [1, math.nan]}, "finite"),
        ([WIDE, POINT], {"weights": [1, math.inf]}, "finite"),
        ([Opinion(0.5, 0.9, 1.1)], {}, "beyond 0 to 1"),
        ([Opinion(50, 60, 70)], {"scale": "log", "bounds": (55, 100)}, "beyond 55 to 100"),
        ([Opinion(0, 1, 2)], {"scale": "log"}, "must be above 0"),
    ],
)
def test_what_cannot_be_pooled_is_refused(opinions: list[Opinion], options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pool(opinions, **options)


@pytest.mark.parametrize("q", [-0.1, 1.1, math.nan])
def test_quantiles_are_asked_for_with_probabilities(q: float) -> None:
    with pytest.raises(ValueError, match="probability from 0 to 1"):
        pool([WIDE]).quantile(q)


def test_the_distribution_function_is_asked_with_numbers() -> None:
    with pytest.raises(ValueError, match="must be a number"):
        pool([WIDE]).cdf(math.nan)
    assert (pool([WIDE]).cdf(-math.inf), pool([WIDE]).cdf(math.inf)) == (0, 1)


# --- the pool against other ways to it -------------------------------------------------------------------


MIXED = [WIDE, NARROW, CAUTIOUS, POINT]
MIXED_WEIGHTS = [0.4, 0.3, 0.2, 0.1]
MONEY = [Opinion.of_money_range(1_000, 50_000), Opinion(30_000, 35_000, 900_000), Opinion.of_number(20_000)]
MONEY_WEIGHTS = [0.5, 0.3, 0.2]


def test_quantiles_agree_with_a_monte_carlo_of_the_mixture() -> None:
    found, values = pool(MIXED, MIXED_WEIGHTS), drawn(MIXED, MIXED_WEIGHTS)
    for q in (0.02, 0.05, 0.25, 0.4, 0.5, 0.7, 0.95, 0.99):
        assert found.quantile(q) == pytest.approx(np.quantile(values, q), abs=0.004)
    assert found.mean == pytest.approx(values.mean(), abs=0.002)
    assert math.sqrt(found.variance) == pytest.approx(values.std(), rel=0.005)


def test_quantiles_of_money_agree_with_a_monte_carlo_of_the_mixture() -> None:
    found = pool(MONEY, MONEY_WEIGHTS, scale="log")
    values = drawn(MONEY, MONEY_WEIGHTS, log=True)
    for q in (0.02, 0.05, 0.25, 0.5, 0.7, 0.95, 0.99):
        assert found.quantile(q) == pytest.approx(np.quantile(values, q), rel=0.02)
    assert found.mean == pytest.approx(values.mean(), rel=0.01)
    assert math.sqrt(found.variance) == pytest.approx(values.std(), rel=0.01)


@pytest.mark.parametrize(
    "found", [pool(MIXED, MIXED_WEIGHTS), pool(MONEY, MONEY_WEIGHTS, scale="log")], ids=["linear", "log"]
)
def test_moments_agree_with_the_integral_of_the_distribution_function(found: Pool) -> None:
    """For values above 0: E x is the integral of 1 - F, E x^2 that of 2 x (1 - F)."""

    def integral(moment) -> float:
        ends = [0.0, *sorted(set(found.x))]
        return sum(integrate.quad(moment, *piece, epsrel=1e-10)[0] for piece in itertools.pairwise(ends))

    assert found.mean == pytest.approx(integral(lambda x: 1 - found.cdf(x)), rel=1e-8)
    square = integral(lambda x: 2 * x * (1 - found.cdf(x)))
    assert found.variance == pytest.approx(square - found.mean**2, rel=1e-7)


def test_the_line_is_what_there_is_to_draw() -> None:
    found = pool(MIXED, MIXED_WEIGHTS)
    for x in np.linspace(0.001, 0.999, 200):
        assert found.cdf(x) == pytest.approx(np.interp(x, found.x, found.cumulative))


@given(opinions_of(probabilities), st.lists(st.floats(-0.1, 1.1), min_size=2, max_size=20))
def test_the_distribution_function_never_falls(opinions: list[Opinion], places: list[float]) -> None:
    found = pool(opinions)
    heights = [found.cdf(x) for x in sorted([*places, *found.x])]
    assert heights == sorted(heights)
    assert 0 <= heights[0] <= heights[-1] == 1
    assert (found.cumulative[0], found.cumulative[-1]) == (0, 1)
    assert list(found.cumulative) == sorted(found.cumulative)
    assert list(found.x) == sorted(found.x)


@given(opinions_of(probabilities), st.lists(st.floats(0, 1), min_size=2, max_size=10))
def test_quantiles_of_a_probability_stay_one_and_never_fall(opinions: list[Opinion], levels: list[float]) -> None:
    found = pool(opinions)
    values = [found.quantile(q) for q in sorted(levels)]
    assert values == sorted(values)
    assert all(0 <= value <= 1 for value in values)
    assert 0 <= found.mean <= 1 + 1e-12
    assert found.variance >= 0


@given(opinions_of(moneys), st.floats(0, 1))
def test_quantiles_of_money_stay_above_zero_and_within_the_support(opinions: list[Opinion], q: float) -> None:
    found = pool(opinions, scale="log")
    assert 0 < found.x[0] <= found.quantile(q) <= found.x[-1]
    assert found.x[0] * (1 - 1e-9) <= found.mean <= found.x[-1] * (1 + 1e-9)
    assert found.variance >= 0


@given(opinions_of(probabilities), st.floats(0, 1))
def test_the_quantile_is_the_smallest_value_that_is_enough(opinions: list[Opinion], q: float) -> None:
    found = pool(opinions)
    value = found.quantile(q)
    # Steep lines turn the rounding of x into more of F, so the neighbourhood is asked, not the value.
    assert found.cdf(value + 1e-9) >= q - 1e-9
    assert value == found.x[0] or found.cdf(value - 1e-9) <= q + 1e-9


@given(opinions_of(moneys), st.sampled_from([0.01, 7.3, 1e6]), st.floats(0.01, 0.99))
def test_the_currency_does_not_matter(opinions: list[Opinion], factor: float, q: float) -> None:
    other = [Opinion(one.low * factor, one.middle * factor, one.high * factor) for one in opinions]
    here, there = pool(opinions, scale="log"), pool(other, scale="log")
    assert there.mean == pytest.approx(here.mean * factor, rel=1e-6)
    assert len(there.x) >= 2
    assert there.quantile(1) == pytest.approx(here.quantile(1) * factor, rel=1e-9)


# --- who differs -----------------------------------------------------------------------------------------


def test_the_spread_is_that_of_the_middles() -> None:
    spread = pool([WIDE, NARROW, CAUTIOUS]).spread
    assert (spread.lowest, spread.highest) == (0.03, 0.8)
    assert spread.difference == pytest.approx(0.77)
    assert spread.ratio == pytest.approx(0.8 / 0.03)


def test_nothing_is_a_multiple_of_zero() -> None:
    assert pool([Opinion.of_number(0), WIDE]).spread.ratio is None


def test_who_is_outside_what_the_others_think_possible_dissents() -> None:
    agreeing = [Opinion(0.1, 0.2, 0.3), Opinion(0.12, 0.22, 0.35)]
    assert dissenters(pool([*agreeing, Opinion(0.5, 0.7, 0.9)])) == [2]
    assert dissenters(pool([Opinion(0.01, 0.02, 0.04), *agreeing])) == [0]
    assert dissenters(pool([*agreeing, Opinion(0.15, 0.25, 0.6)])) == []


def test_a_dissenter_is_judged_by_the_pool_of_the_others_only() -> None:
    """With everybody's pool the third would cover itself: its own weight keeps it inside."""
    opinions = [Opinion.of_number(0.1), Opinion.of_number(0.1), Opinion.of_number(0.9)]
    assert pool(opinions).interval == (0.1, 0.9)
    assert dissenters(pool(opinions)) == [2]


def test_dissent_follows_the_weights_of_the_others() -> None:
    opinions = [Opinion(0.1, 0.2, 0.3), Opinion(0.6, 0.7, 0.8), Opinion.of_number(0.7)]
    assert dissenters(pool(opinions)) == [0]
    # Beside a hundred to one, those who agree with each other are the odd ones, too.
    assert dissenters(pool(opinions, [100, 1, 1])) == [0, 1, 2]


def test_two_cannot_dissent() -> None:
    assert dissenters(pool([Opinion.of_number(0.1), Opinion.of_number(0.9)])) == []
    assert dissenters(pool([WIDE])) == []


def test_nobody_dissents_from_others_without_weight() -> None:
    assert dissenters(pool([CAUTIOUS, NARROW, NARROW], [1, 0, 0])) == [1, 2]


def test_who_says_the_same_never_dissents_by_rounding() -> None:
    for number in np.random.default_rng(6).lognormal(10, 3, 200):
        same = [Opinion.of_number(number)] * 7
        assert dissenters(pool(same, scale="log")) == []
        edge = Opinion.of_money_range(number, 3 * number)
        for end in (edge.low, edge.high):
            assert dissenters(pool([edge, edge, Opinion.of_number(end)], scale="log")) == []


def test_dissent_is_judged_on_the_scale_of_the_pool() -> None:
    # The others' 5 % point lies a ninth of the way from 1 to 10: at 1.29 by logarithms, at 2 on the linear scale.
    opinions = [Opinion(1, 10, 1_000), Opinion(100, 500, 1_000), Opinion.of_number(1.6)]
    assert dissenters(pool(opinions, scale="log")) == []
    assert dissenters(pool(opinions, bounds=(0, math.inf))) == [2]


# --- weights ---------------------------------------------------------------------------------------------


def record(forecast: float, happened: int, total: int) -> list[tuple[float, bool]]:
    """``total`` forecasts of the same probability, of which ``happened`` came true."""
    return [(forecast, place < happened) for place in range(total)]


SHARP = [*record(0.9, 5, 5), *record(0.1, 0, 5)]
VAGUE = [*record(0.6, 5, 5), *record(0.4, 0, 5)]
WRONG = [*record(0.1, 5, 5), *record(0.9, 0, 5)]


def test_brier_is_the_mean_square_of_what_was_missed() -> None:
    assert brier([(1.0, True), (0.0, False)]) == 0
    assert brier([(0.7, True), (0.2, False)]) == pytest.approx((0.09 + 0.04) / 2)
    assert brier(WRONG) == pytest.approx(0.81)


def test_skill_is_against_the_base_rate() -> None:
    assert skill(SHARP, 0.5) == pytest.approx(1 - 0.01 / 0.25)
    assert skill(record(0.5, 5, 10), 0.5) == 0
    assert skill(WRONG, 0.5) == pytest.approx(1 - 0.81 / 0.25)
    assert skill(record(0.2, 0, 4), 0.4) == pytest.approx(0.75)


def test_skill_cannot_be_told_where_the_base_rate_is_never_wrong() -> None:
    assert skill(record(0.0, 0, 9), 0.0) is None
    assert skill(record(0.3, 9, 9), 1.0) is None


@pytest.mark.parametrize("forecast", [-0.1, 1.1, math.nan])
def test_forecasts_are_probabilities(forecast: float) -> None:
    with pytest.raises(ValueError, match="must be a probability"):
        brier([(0.5, True), (forecast, False)])


def test_nothing_resolved_is_no_score() -> None:
    with pytest.raises(ValueError, match="no resolved forecast"):
        brier([])


def test_until_eight_forecasts_are_resolved_all_count_alike() -> None:
    assert pooling.weights([SHARP[:7], WRONG[:7], []]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert pooling.weights([[], []]) == (0.5, 0.5)


def test_half_is_equal_and_half_by_skill() -> None:
    # All outcomes: 5 of 10 each, base rate 1/2, reference 1/4. Skills .96, .36 and below 0.
    found = pooling.weights([SHARP, VAGUE, WRONG])
    assert found == pytest.approx((1 / 6 + 0.96 / 1.32 / 2, 1 / 6 + 0.36 / 1.32 / 2, 1 / 6))
    assert sum(found) == pytest.approx(1)


def test_newcomers_keep_an_equal_share() -> None:
    found = pooling.weights([SHARP, VAGUE, WRONG, SHARP[:3], []])
    assert found[3:] == pytest.approx((0.2, 0.2))
    assert found[0] > found[1] > 0.1
    assert found[2] == pytest.approx(0.1)
    assert sum(found) == pytest.approx(1)


def test_the_base_rate_is_that_of_all_forecasts_even_of_newcomers() -> None:
    newcomer = record(0.5, 0, 5)  # base rate 10 of 25
    found = pooling.weights([SHARP, VAGUE, newcomer])
    reference = (0.6**2 + 0.4**2) / 2
    sharp, vague = 1 - 0.01 / reference, 1 - 0.16 / reference
    assert found[0] == pytest.approx(1 / 6 + sharp / (1.5 * (sharp + vague)) / 2)


def test_one_record_alone_moves_nothing() -> None:
    assert pooling.weights([SHARP, [], []]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


def test_where_nobody_has_skill_all_count_alike() -> None:
    assert pooling.weights([WRONG, WRONG, []]) == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert pooling.weights([record(0.1, 0, 9), record(0.3, 0, 9)]) == (0.5, 0.5)


def test_the_minimum_can_be_chosen() -> None:
    short = [SHARP[3:7], WRONG[3:7]]
    assert pooling.weights(short) == (0.5, 0.5)
    assert pooling.weights(short, minimum=4) == pytest.approx((0.75, 0.25))


def test_weights_of_nobody_and_of_no_record_are_refused() -> None:
    with pytest.raises(ValueError, match="no assessor"):
        pooling.weights([])
    with pytest.raises(ValueError, match="one resolved forecast"):
        pooling.weights([SHARP], minimum=0)


@given(st.lists(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=15), min_size=1, max_size=6))
def test_weights_add_up_and_never_fall_below_half_an_equal_share(records: list[list[tuple[float, bool]]]) -> None:
    found = pooling.weights(records)
    assert sum(found) == pytest.approx(1)
    assert min(found) >= 0.5 / len(records) - 1e-12


# --- experts and data ------------------------------------------------------------------------------------
