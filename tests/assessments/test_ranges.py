"""Ranges against closed forms, SciPy's distributions and numerical integration."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from assessments.ranges import money_range, probability_range

LEVELS = np.array([0.001, 0.05, 0.3, 0.5, 0.9, 0.95, 0.9999])
PROBABILITY_RANGES = [(0.01, 0.03), (0.05, 0.5), (0.1, 0.9), (0.6, 0.95), (0.001, 0.999), (0.2, 0.2000001)]


def mean_by_integration(low: float, high: float) -> float:
    """Mean of the logit-normal by adaptive quadrature, in two parts that meet where the logistic curve is steepest."""
    start, end = special.logit(low), special.logit(high)
    mu, sigma = (start + end) / 2, (end - start) / 3.289707253902945
    steepest = float(np.clip(-mu / sigma, -8, 8))

    def density(z: float) -> float:
        return special.expit(mu + sigma * z) * math.exp(-z * z / 2) / math.sqrt(2 * math.pi)

    parts = [(-12.0, steepest), (steepest, 12.0)]
    return sum(integrate.quad(density, *part, epsabs=0, epsrel=1e-12, limit=500)[0] for part in parts)


# --- money -----------------------------------------------------------------------------------------------


def test_money_is_the_lognormal_with_these_points() -> None:
    found = money_range(20_000, 400_000)
    reference = stats.lognorm(s=found.sigma, scale=math.exp(found.mu))
    assert found.mu == pytest.approx((math.log(20_000) + math.log(400_000)) / 2)
    assert found.sigma == pytest.approx(math.log(20) / 3.289707253902945)
    assert found.median == pytest.approx(math.sqrt(20_000 * 400_000))
    assert found.mean == pytest.approx(reference.mean())
    assert [found.quantile(q) for q in LEVELS] == pytest.approx(reference.ppf(LEVELS))


def test_money_gives_back_its_ends() -> None:
    found = money_range(1_000, 3_000_000)
    assert (found.low, found.high) == (1_000, 3_000_000)
    assert (found.quantile(0.05), found.quantile(0.95)) == pytest.approx((1_000, 3_000_000))


def test_one_hand_calculation() -> None:
    # ln 10 / 3.2897 = 0.6999; the mean is exp(0.6999^2 / 2) = 1.2776 times the median.
    found = money_range(1_000, 10_000)
    assert found.sigma == pytest.approx(0.69994, abs=1e-5)
    assert found.mean / found.median == pytest.approx(1.27757, abs=1e-5)


@pytest.mark.parametrize(("high", "wide"), [(999_999, False), (1_000_000, False), (1_000_001, True)])
def test_wide_is_more_than_a_factor_of_a_thousand(high: float, wide: bool) -> None:
    assert money_range(1_000, high).is_wide is wide


def test_money_without_a_mean_is_refused() -> None:
    assert math.isfinite(money_range(1, 1e50).mean)
    with pytest.raises(ValueError, match="too wide to have a mean"):
        money_range(1, 1e52)


# --- probabilities ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("low", "high"), PROBABILITY_RANGES)
def test_the_mean_of_a_probability_agrees_with_integration(low: float, high: float) -> None:
    assert probability_range(low, high).mean == pytest.approx(mean_by_integration(low, high), rel=1e-12)


def test_the_mean_of_a_very_wide_probability_is_still_right() -> None:
    assert probability_range(1e-4, 0.999).mean == pytest.approx(mean_by_integration(1e-4, 0.999), rel=1e-7)


def test_a_symmetric_range_means_one_half() -> None:
    found = probability_range(0.2, 0.8)
    assert (found.mean, found.median) == pytest.approx((0.5, 0.5), abs=1e-14)


def test_probability_quantiles_are_the_logit_normal() -> None:
    found = probability_range(0.02, 0.3)
    reference = special.expit(stats.norm(found.mu, found.sigma).ppf(LEVELS))
    assert [found.quantile(q) for q in LEVELS] == pytest.approx(reference)
    assert (found.quantile(0.05), found.quantile(0.95)) == pytest.approx((0.02, 0.3))
    assert found.median == found.quantile(0.5)


@given(st.floats(1e-12, 0.999), st.floats(1e-12, 0.999), st.floats(1e-9, 1 - 1e-9))
def test_a_probability_stays_one(one: float, other: float, q: float) -> None:
    low, high = sorted((one, other))
    if low < high:
        found = probability_range(low, high)
        assert 0 < found.mean < 1
        assert 0 <= found.quantile(q) <= 1


def test_the_widest_range_there_is_overflows_nothing() -> None:
    found = probability_range(5e-324, 1 - 1e-16)
    assert 0 < found.mean < 0.5
    assert found.quantile(1e-300) == 0


# --- both ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [money_range, probability_range])
@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (0.4, 0.4, "give a single number instead"),
        (0.5, 0.4, "the lower end of a range must be below the upper end"),
        (0, 0.4, "the lower end of a range must be above 0"),
        (-1, 0.4, "the lower end of a range must be above 0"),
        (-math.inf, 0.4, "the lower end of a range must be above 0"),
        (math.nan, 0.4, "both ends of a range must be numbers"),
        (0.4, math.nan, "both ends of a range must be numbers"),
    ],
)
def test_what_is_no_range_is_refused(make, low: float, high: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(low, high)


@pytest.mark.parametrize("high", [1, 1.5, math.inf])
def test_a_probability_of_one_or_more_is_refused(high: float) -> None:
    with pytest.raises(ValueError, match="must be below 1"):
        probability_range(0.5, high)


def test_infinite_money_is_refused() -> None:
    with pytest.raises(ValueError, match="must be finite"):
        money_range(1, math.inf)


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.1, math.nan])
def test_quantiles_are_asked_for_with_probabilities(q: float) -> None:
    for found in (money_range(1, 2), probability_range(0.1, 0.2)):
        with pytest.raises(ValueError, match="probability between 0 and 1"):
            found.quantile(q)
