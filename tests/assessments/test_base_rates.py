"""Rates and shares against SciPy's distributions, brute force and simulated units."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from assessments.base_rates import (
    JEFFREYS_RATE,
    JEFFREYS_SHARE,
    RatePrior,
    SharePrior,
    beta_binomial,
    fit_beta_prior,
    fit_gamma_prior,
    gamma_poisson,
)

PRIOR = RatePrior(3.0, 2.0, "fitted")
# Far from a fitted prior and near it.
FACTORS = np.concatenate([np.geomspace(0.01, 100, 41), np.geomspace(0.97, 1.03, 21)])


# --- rates -----------------------------------------------------------------------------------------------


def test_a_rate_is_the_gamma_posterior() -> None:
    found = gamma_poisson(4, 5, PRIOR)
    reference = stats.gamma(7, scale=1 / 7)
    assert (found.events, found.exposure) == (7, 7)
    assert found.mean == 1
    assert found.interval == pytest.approx(reference.interval(0.9))
    assert found.quantile(0.3) == pytest.approx(reference.ppf(0.3))


def test_without_a_prior_jeffreys_is_taken() -> None:
    found = gamma_poisson(2, 10)
    assert found.mean == pytest.approx(0.25)
    assert found == gamma_poisson(2, 10, JEFFREYS_RATE)


def test_no_event_in_ten_years_is_not_a_rate_of_zero() -> None:
    found = gamma_poisson(0, 10)
    assert found.mean == pytest.approx(0.05)
    # Gamma(1/2, 10) is a chi-square of one degree of freedom over 20.
    assert found.interval == pytest.approx(tuple(stats.chi2(1).ppf([0.05, 0.95]) / 20))


@pytest.mark.parametrize("years", [0.25, 1.0, 3.0])
def test_the_probability_is_that_of_the_negative_binomial(years: float) -> None:
    found = gamma_poisson(4, 5, PRIOR)
    assert found.probability(years) == pytest.approx(1 - (7 / (7 + years)) ** 7)
    assert found.probability(years) == pytest.approx(1 - stats.nbinom(7, 7 / (7 + years)).pmf(0))


def test_the_probability_is_the_mean_over_the_rates() -> None:
    found = gamma_poisson(1, 4)
    rates = stats.gamma(1.5, scale=1 / 4)
    assert found.probability(2.0) == pytest.approx(rates.expect(lambda rate: 1 - np.exp(-2 * rate)), rel=1e-8)


def test_the_probability_is_for_a_year_unless_told() -> None:
    found = gamma_poisson(1, 4)
    assert found.probability() == found.probability(1.0)
    assert found.probability_interval() == found.probability_interval(1.0)
    assert found.probability(0) == 0


def test_the_interval_of_the_probability_comes_from_that_of_the_rate() -> None:
    found = gamma_poisson(4, 5, PRIOR)
    low, high = found.interval
    assert found.probability_interval(2.0) == pytest.approx((1 - math.exp(-2 * low), 1 - math.exp(-2 * high)))


def test_a_tiny_rate_keeps_its_digits() -> None:
    found = gamma_poisson(0, 0, RatePrior(1e-12, 1.0, "fitted"))
    assert found.probability() == pytest.approx(1e-12 * math.log(2), rel=1e-9)


def test_without_exposure_the_prior_is_the_answer() -> None:
    assert gamma_poisson(0, 0, PRIOR).mean == 1.5


def test_nothing_watched_and_nothing_believed_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing is known of the rate"):
        gamma_poisson(0, 0)


@pytest.mark.parametrize(
    ("events", "exposure", "message"),
    [
        (-1, 1, "events must be finite and not negative"),
        (math.nan, 1, "events must be finite and not negative"),
        (1, math.inf, "exposure must be finite and not negative"),
        (1, -1, "exposure must be finite and not negative"),
        (1, 0, "events need an exposure"),
    ],
)
def test_impossible_logs_are_refused(events: float, exposure: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gamma_poisson(events, exposure, PRIOR)


@pytest.mark.parametrize("years", [-1, math.nan, math.inf])
def test_impossible_horizons_are_refused(years: float) -> None:
    found = gamma_poisson(1, 1)
    for ask in (found.probability, found.probability_interval):
        with pytest.raises(ValueError, match="years must be finite"):
            ask(years)


@pytest.mark.parametrize("q", [0, 1, math.nan])
def test_quantiles_are_asked_for_with_probabilities(q: float) -> None:
    for found in (gamma_poisson(1, 1), beta_binomial(1, 2)):
        with pytest.raises(ValueError, match="probability between 0 and 1"):
            found.quantile(q)


def test_ninety_percent_intervals_hold_the_true_rate_nine_times_in_ten() -> None:
    random = np.random.default_rng(1)
    rates = random.gamma(2.0, 1 / 4.0, 400)
    years = random.uniform(0.5, 8.0, 400)
    intervals = [
        gamma_poisson(events, exposure, RatePrior(2.0, 4.0, "fitted")).interval
        for events, exposure in zip(random.poisson(rates * years), years, strict=True)
    ]
    covered = np.mean([low <= rate <= high for (low, high), rate in zip(intervals, rates, strict=True)])
    assert 0.85 <= covered <= 0.95


def test_jeffreys_intervals_hold_one_true_rate_nine_times_in_ten() -> None:
    counts = np.random.default_rng(2).poisson(0.7 * 10, 400)
    covered = np.mean([low <= 0.7 <= high for low, high in (gamma_poisson(count, 10).interval for count in counts)])
    assert 0.85 <= covered <= 0.95


# --- shares ----------------------------------------------------------------------------------------------


def test_a_share_is_the_beta_posterior() -> None:
    found = beta_binomial(3, 10, SharePrior(1.0, 4.0, "fitted"))
    reference = stats.beta(4, 11)
    assert (found.events, found.others) == (4, 11)
    assert found.mean == pytest.approx(4 / 15)
    assert found.interval == pytest.approx(reference.interval(0.9))
    assert found.quantile(0.3) == pytest.approx(reference.ppf(0.3))


def test_a_share_without_trials_is_the_prior() -> None:
    assert beta_binomial(0, 0) == beta_binomial(0, 0, JEFFREYS_SHARE)
    assert beta_binomial(0, 0).mean == 0.5


def test_all_of_three_is_not_certainty() -> None:
    assert beta_binomial(3, 3).mean == pytest.approx(3.5 / 4)


@pytest.mark.parametrize(
    ("events", "trials", "message"),
    [
        (2, 1, "more events than trials"),
        (-1, 1, "events must be finite and not negative"),
        (1, math.nan, "trials must be finite and not negative"),
    ],
)
def test_impossible_trials_are_refused(events: float, trials: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        beta_binomial(events, trials)


def test_ninety_percent_intervals_hold_the_true_share_nine_times_in_ten() -> None:
    random = np.random.default_rng(3)
    shares = random.beta(2.0, 6.0, 400)
    trials = random.integers(1, 30, 400)
    intervals = [
        beta_binomial(events, number, SharePrior(2.0, 6.0, "fitted")).interval
        for events, number in zip(random.binomial(trials, shares), trials, strict=True)
    ]
    covered = np.mean([low <= share <= high for (low, high), share in zip(intervals, shares, strict=True)])
    assert 0.85 <= covered <= 0.95


@pytest.mark.parametrize("bad", [(0, 1), (-1, 1), (math.nan, 1), (1, -1), (1, math.inf)])
def test_impossible_priors_are_refused(bad: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="a prior rate needs"):
        RatePrior(*bad, "fitted")
    with pytest.raises(ValueError, match="a prior share needs"):
        SharePrior(*bad, "fitted")


def test_a_prior_share_needs_both_sides() -> None:
    with pytest.raises(ValueError, match="a prior share needs"):
        SharePrior(1.0, 0.0, "fitted")


# --- priors learnt from units ----------------------------------------------------------------------------


def rate_units(seed: int, units: int, shape: float, years: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True rates, events and exposures of simulated units."""
    random = np.random.default_rng(seed)
    rates = random.gamma(shape, 1 / years, units)
    exposures = random.uniform(0.5, 6.0, units)
    return rates, random.poisson(rates * exposures), exposures


def share_units(seed: int, units: int, a: float, b: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    shares = random.beta(a, b, units)
    trials = random.integers(1, 30, units)
    return shares, random.binomial(trials, shares), trials


def rate_likelihood(events: np.ndarray, exposures: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Log likelihood of each prior Gamma(a, b), for a and b of any one shape."""
    a, b = np.asarray(a)[..., None], np.asarray(b)[..., None]
    return stats.nbinom.logpmf(events, a, b / (b + exposures)).sum(axis=-1)


def share_likelihood(events: np.ndarray, trials: np.ndarray, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Log likelihood of each prior Beta(a, b), for a and b of any one shape."""
    return stats.betabinom.logpmf(events, trials, np.asarray(a)[..., None], np.asarray(b)[..., None]).sum(axis=-1)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_rate_prior_is_likelier(seed: int) -> None:
    _, events, exposures = rate_units(seed, 40, 1.5, 3.0)
    found = fit_gamma_prior(events, exposures)
    assert found.exposure < exposures.sum()
    best = rate_likelihood(events, exposures, found.events, found.exposure)
    a, b = np.meshgrid(found.events * FACTORS, found.exposure * FACTORS)
    assert np.max(rate_likelihood(events, exposures, a, b)) <= best + 1e-9


@pytest.mark.parametrize("seed", range(5))
def test_no_other_share_prior_is_likelier(seed: int) -> None:
    _, events, trials = share_units(seed, 40, 1.5, 4.0)
    found = fit_beta_prior(events, trials)
    best = share_likelihood(events, trials, found.events, found.others)
    a, b = np.meshgrid(found.events * FACTORS, found.others * FACTORS)
    assert np.max(share_likelihood(events, trials, a, b)) <= best + 1e-9


@pytest.mark.parametrize(
    ("events", "exposures"),
    [
        ([0, 884, 0], [0.205, 49.206, 0.4]),  # a search from a strong prior alone ends at the lower top
        ([0, 1, 126, 0, 0], [0.603, 1.363, 55.479, 1.307, 0.58]),
    ],
)
def test_of_two_tops_the_higher_is_found(events: list[float], exposures: list[float]) -> None:
    found = fit_gamma_prior(events, exposures)
    means, strengths = np.meshgrid(np.geomspace(0.1, 100, 61), np.sum(exposures) * np.geomspace(1e-4, 100, 61))
    others = rate_likelihood(np.array(events), np.array(exposures), means * strengths, strengths)
    best = rate_likelihood(np.array(events), np.array(exposures), found.events, found.exposure)
    assert best >= others.max()


def test_the_rate_prior_is_learnt_from_many_units() -> None:
    _, events, exposures = rate_units(7, 4000, 2.0, 5.0)
    found = fit_gamma_prior(events, exposures)
    assert found.source == "fitted"
    assert found.events / found.exposure == pytest.approx(0.4, rel=0.05)
    assert found.exposure == pytest.approx(5.0, rel=0.15)


def test_the_share_prior_is_learnt_from_many_units() -> None:
    _, events, trials = share_units(7, 4000, 2.0, 6.0)
    found = fit_beta_prior(events, trials)
    assert found.source == "fitted"
    assert (found.events, found.others) == pytest.approx((2.0, 6.0), rel=0.1)


def test_the_unit_of_exposure_does_not_matter() -> None:
    _, events, exposures = rate_units(8, 30, 1.0, 2.0)
    years, days = fit_gamma_prior(events, exposures), fit_gamma_prior(events, exposures * 365)
    assert days.events == pytest.approx(years.events, rel=1e-4)
    assert days.exposure == pytest.approx(years.exposure * 365, rel=1e-4)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_shrunken_rates_are_nearer_the_truth_than_raw_ones(seed: int) -> None:
    rates, events, exposures = rate_units(seed, 60, 3.0, 6.0)
    prior = fit_gamma_prior(events, exposures)
    shrunk = [gamma_poisson(*unit, prior).mean for unit in zip(events, exposures, strict=True)]
    assert np.mean((shrunk - rates) ** 2) < 0.7 * np.mean((events / exposures - rates) ** 2)


@pytest.mark.parametrize("seed", [11, 12, 13])
def test_shrunken_shares_are_nearer_the_truth_than_raw_ones(seed: int) -> None:
    shares, events, trials = share_units(seed, 60, 3.0, 6.0)
    prior = fit_beta_prior(events, trials)
    shrunk = [beta_binomial(*unit, prior).mean for unit in zip(events, trials, strict=True)]
    assert np.mean((shrunk - shares) ** 2) < 0.7 * np.mean((events / trials - shares) ** 2)


def test_intervals_with_a_learnt_prior_hold_the_true_rate_nine_times_in_ten() -> None:
    rates, events, exposures = rate_units(14, 400, 2.0, 4.0)
    prior = fit_gamma_prior(events, exposures)
    intervals = [gamma_poisson(*unit, prior).interval for unit in zip(events, exposures, strict=True)]
    covered = np.mean([low <= rate <= high for (low, high), rate in zip(intervals, rates, strict=True)])
    assert 0.85 <= covered <= 0.95


def test_intervals_with_a_learnt_prior_hold_the_true_share_nine_times_in_ten() -> None:
    shares, events, trials = share_units(14, 400, 2.0, 4.0)
    prior = fit_beta_prior(events, trials)
    intervals = [beta_binomial(*unit, prior).interval for unit in zip(events, trials, strict=True)]
    covered = np.mean([low <= share <= high for (low, high), share in zip(intervals, shares, strict=True)])
    assert 0.85 <= covered <= 0.95


def test_units_that_do_not_differ_are_worth_their_whole_exposure_and_no_more() -> None:
    found = fit_gamma_prior([5, 5, 5], [1, 1, 1])
    assert found.source == "fitted"
    assert found.exposure == pytest.approx(3.0)
    assert found.events / found.exposure == pytest.approx(5.0, rel=1e-3)


def test_units_with_equal_shares_are_worth_all_their_trials_and_no_more() -> None:
    found = fit_beta_prior([5, 5, 5], [10, 10, 10])
    assert (found.events, found.others, found.source) == (pytest.approx(15), pytest.approx(15), "fitted")


def test_units_of_one_trial_cannot_differ_and_are_taken_to_be_alike() -> None:
    found = fit_beta_prior([1, 0, 0, 0], [1, 1, 1, 1])
    assert (found.events, found.others) == (pytest.approx(1), pytest.approx(3))


def test_units_that_went_all_one_way_or_all_the_other_are_worth_one_trial() -> None:
    found = fit_beta_prior([50, 0, 0, 0], [50, 50, 50, 50])
    assert found.events + found.others == pytest.approx(1)
    assert found.events == pytest.approx(0.25, abs=0.01)


def test_very_unequal_units_make_a_weak_prior() -> None:
    assert fit_gamma_prior([100, 0, 0], [1, 1, 1]).exposure < 0.01


@pytest.mark.parametrize(
    ("events", "sizes"),
    [
        ([], []),
        ([1, 2], [3, 3]),
        ([1, 2, 0], [3, 3, 0]),  # the third was never watched
        ([0, 0, 0, 0], [1, 2, 3, 4]),
    ],
)
def test_too_little_to_learn_from_is_jeffreys(events: list[float], sizes: list[float]) -> None:
    assert fit_gamma_prior(events, sizes) is JEFFREYS_RATE
    assert fit_beta_prior(events, sizes) is JEFFREYS_SHARE
    assert (JEFFREYS_RATE.events, JEFFREYS_RATE.exposure, JEFFREYS_RATE.source) == (0.5, 0.0, "jeffreys")
    assert (JEFFREYS_SHARE.events, JEFFREYS_SHARE.others, JEFFREYS_SHARE.source) == (0.5, 0.5, "jeffreys")


def test_shares_that_are_all_one_teach_nothing() -> None:
    assert fit_beta_prior([2, 3, 4], [2, 3, 4]) is JEFFREYS_SHARE


def test_units_never_watched_change_nothing() -> None:
    assert fit_gamma_prior([1, 7, 0, 3, 0], [1, 2, 0, 1, 1]) == fit_gamma_prior([1, 7, 3, 0], [1, 2, 1, 1])
    assert fit_beta_prior([1, 7, 0, 3, 0], [2, 8, 0, 9, 1]) == fit_beta_prior([1, 7, 3, 0], [2, 8, 9, 1])


def test_faded_events_can_be_learnt_from() -> None:
    found = fit_gamma_prior([0.4, 2.7, 0.0, 1.3], [1.5, 1.5, 1.5, 1.5])
    # With equal exposures the likeliest mean is the overall one.
    assert found.events / found.exposure == pytest.approx(4.4 / 6, rel=1e-3)


@pytest.mark.parametrize("fit", [fit_gamma_prior, fit_beta_prior])
@pytest.mark.parametrize(
    ("events", "sizes", "message"),
    [
        ([1, 2], [1, 2, 3], "equally long"),
        ([[1, 2]], [[1, 2]], "one-dimensional"),
        ([1, -2, 3], [3, 3, 3], "not negative"),
        ([1, 2, 3], [3, 3, math.nan], "finite"),
        ([1, math.inf, 3], [3, 3, 3], "finite"),
    ],
)
def test_what_are_no_units_is_refused(fit, events: list, sizes: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit(events, sizes)


def test_events_nobody_could_have_seen_are_refused() -> None:
    with pytest.raises(ValueError, match="events need an exposure"):
        fit_gamma_prior([1, 1, 1], [1, 1, 0])
    with pytest.raises(ValueError, match="more events than trials"):
        fit_beta_prior([1, 1, 1], [1, 1, 0])


# --- fading ----------------------------------------------------------------------------------------------
