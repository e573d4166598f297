"""How often it happened: "k of n in this category, segment or period", as a rate or a share with its uncertainty.

Plain. Rates follow the Gamma-Poisson model (events over an exposure, usually in years), shares the Beta-Binomial one
(events among trials). A prior is written as what it is worth: so many events, seen in so much exposure. It is learnt
from all units (categories, segments, customers) by maximum likelihood, which is empirical Bayes: a unit of which little
is known borrows from the others. Where nothing can be learnt it is Jeffreys' prior, which says next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

Array = NDArray[np.float64]
Numbers = Sequence[float] | Array
Source = Literal["jeffreys", "fitted"]

# How much units differ cannot be told from two of them.
FEWEST_UNITS = 3

# A prior's strength is searched between these multiples of the exposure of all units: neither zero nor infinity has a
# logarithm, and nearer to them nothing changes.
_LEAST_STRENGTH, _MOST_STRENGTH = 1e-6, 1e3
# Mean rates are searched within this factor of the overall one, log odds of shares within this distance of it.
_FARTHEST_LOG = math.log(1e4)
# Log likelihoods this close are a tie.
_TIE = 1e-6


@dataclass(frozen=True)
class RatePrior:
    """Gamma(events, exposure): as if ``events`` had been seen in ``exposure``, in the unit of the log (years)."""

    events: float
    exposure: float
    source: Source

    def __post_init__(self) -> None:
        if not (0 < self.events < math.inf and 0 <= self.exposure < math.inf):
            raise ValueError("a prior rate needs more than 0 events in 0 or more years")


@dataclass(frozen=True)
class SharePrior:
    """Beta(events, others): as if ``events`` trials had gone this way and ``others`` had not."""

    events: float
    others: float
    source: Source

    def __post_init__(self) -> None:
        if not (0 < self.events < math.inf and 0 < self.others < math.inf):
            raise ValueError("a prior share needs more than 0 events and more than 0 others")


JEFFREYS_RATE = RatePrior(0.5, 0.0, "jeffreys")
JEFFREYS_SHARE = SharePrior(0.5, 0.5, "jeffreys")


@dataclass(frozen=True)
class Rate:
    """What is known of a rate: Gamma with shape ``events`` and rate ``exposure``, prior and log together.

    Rates are events per unit of exposure (a year); ``years`` below are in that unit.
    """

    events: float
    exposure: float

    @property
    def mean(self) -> float:
        return self.events / self.exposure

    @property
    def interval(self) -> tuple[float, float]:
        """The 5 % and the 95 % point of the rate."""
        return self.quantile(0.05), self.quantile(0.95)

    def quantile(self, q: float) -> float:
        """The rate that is not exceeded with probability q. Raises ValueError unless 0 < q < 1."""
        _check_quantile(q)
        return float(special.gammaincinv(self.events, q)) / self.exposure

    def probability(self, years: float = 1.0) -> float:
        """Probability of at least one event within ``years``, over all rates: 1 - (b / (b + years))^a.

        Raises ValueError for a negative or non-finite number of years.
        """
        _check_years(years)
        return -math.expm1(-self.events * math.log1p(years / self.exposure))

    def probability_interval(self, years: float = 1.0) -> tuple[float, float]:
        """The 90 % interval of 1 - exp(-rate years): how far the probability itself is uncertain.

        The probability above is its mean over the same rates. Raises ValueError as `probability` does.
        """
        _check_years(years)
        low, high = self.interval
        return -math.expm1(-low * years), -math.expm1(-high * years)


@dataclass(frozen=True)
class Share:
    """What is known of a share: Beta(events, others), prior and log together."""

    events: float
    others: float

    @property
    def mean(self) -> float:
        return self.events / (self.events + self.others)

    @property
    def interval(self) -> tuple[float, float]:
        """The 5 % and the 95 % point of the share."""
        return self.quantile(0.05), self.quantile(0.95)

    def quantile(self, q: float) -> float:
        """The share that is not exceeded with probability q. Raises ValueError unless 0 < q < 1."""
        _check_quantile(q)
        return float(special.betaincinv(self.events, self.others, q))


def gamma_poisson(events: float, exposure: float, prior: RatePrior = JEFFREYS_RATE) -> Rate:
    """The rate after ``events`` in ``exposure`` (years): Gamma(a + events, b + exposure).

    Raises ValueError for a negative or non-finite argument, for events without exposure, and when neither the prior
    nor the log has any exposure (Jeffreys' prior has none): then nothing is known of the rate, and a number would lie.
    """
    _check_count(events, "events")
    _check_count(exposure, "exposure")
    if events > 0 and exposure == 0:
        raise ValueError("events need an exposure in which they were seen")
    if exposure + prior.exposure == 0:
        raise ValueError("without exposure and without a prior of some strength nothing is known of the rate")
    return Rate(prior.events + events, prior.exposure + exposure)


def beta_binomial(events: float, trials: float, prior: SharePrior = JEFFREYS_SHARE) -> Share:
    """The share after ``events`` of ``trials``: Beta(a + events, b + trials - events).

    Without trials the answer is the prior. Raises ValueError for a negative or non-finite argument and for more events
    than trials.
    """
    _check_count(events, "events")
    _check_count(trials, "trials")
    if events > trials:
        raise ValueError("there cannot be more events than trials")
    return Share(prior.events + events, prior.others + trials - events)


def fit_gamma_prior(events: Numbers, exposures: Numbers) -> RatePrior:
    """How rates differ between units, as a prior for each of them (empirical Bayes).

    events, exposures: shape (units,), both 0 or more. Maximum likelihood of the negative binomial over the units that
    have exposure, for the logarithms of the mean rate and of the prior's exposure. Units that differ no more than
    chance would have it call for an infinitely strong prior; its mean is kept, its exposure cut to that of all units.
    Fewer than FEWEST_UNITS units with exposure, or no event at all: JEFFREYS_RATE.
    Raises ValueError for other shapes, negative or non-finite values and events without exposure.
    """
    counts, sizes = _units(events, exposures)
    if np.any((counts > 0) & (sizes == 0)):
        raise ValueError("events need an exposure in which they were seen")
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    total, seen = float(sizes.sum()), float(counts.sum())
    if len(counts) < FEWEST_UNITS or seen == 0:
        return JEFFREYS_RATE

    def surprise(at: Array) -> tuple[float, Array]:
        log_mean, log_strength = at
        b = np.exp(log_strength)
        a = np.exp(log_mean) * b
        # betaln(a, k) is ln Gamma(a) - ln Gamma(a + k) and a constant, without their cancelling for a large a.
        terms = -a * np.log1p(sizes / b) - counts * np.log(b + sizes)
        terms[counts > 0] -= special.betaln(a, counts[counts > 0])
        by_a = np.sum(special.digamma(a + counts) - special.digamma(a) - np.log1p(sizes / b))
        by_b = np.sum((a * sizes / b - counts) / (b + sizes))
        return -float(np.sum(terms)), -np.array([a * by_a, a * by_a + b * by_b])

    log_mean, log_strength = _most_likely(surprise, math.log(seen / total), total)
    strength = min(math.exp(log_strength), total)
    return RatePrior(math.exp(log_mean) * strength, strength, "fitted")


def fit_beta_prior(events: Numbers, trials: Numbers) -> SharePrior:
    """How shares differ between units, as a prior for each of them (empirical Bayes).

    events, trials: shape (units,). Maximum likelihood of the beta-binomial over the units that have trials, for the log
    odds of the mean share and the logarithm of the prior's worth in trials. Its mean is kept, its worth is cut to the
    trials of all units. Where every unit went all one way or all the other, the fit would be worth nothing at all: then
    it is raised to what Jeffreys' prior is worth, one trial.
    Fewer than FEWEST_UNITS units with trials, or all trials going the same way: JEFFREYS_SHARE.
    Raises ValueError for other shapes, negative or non-finite values and more events than trials.
    """
    counts, sizes = _units(events, trials)
    if np.any(counts > sizes):
        raise ValueError("there cannot be more events than trials")
    counts, sizes = counts[sizes > 0], sizes[sizes > 0]
    total, seen = float(sizes.sum()), float(counts.sum())
    if len(counts) < FEWEST_UNITS or seen in {0, total}:
        return JEFFREYS_SHARE

    def surprise(at: Array) -> tuple[float, Array]:
        log_odds, log_strength = at
        a, b = _beta_parameters(log_odds, math.exp(log_strength))
        others = sizes - counts
        terms = special.betaln(a + counts, b + others) - special.betaln(a, b)
        both = special.digamma(a + b + sizes) - special.digamma(a + b)
        by_a = np.sum(special.digamma(a + counts) - special.digamma(a) - both)
        by_b = np.sum(special.digamma(b + others) - special.digamma(b) - both)
        return -float(np.sum(terms)), -np.array([a * b / (a + b) * (by_a - by_b), a * by_a + b * by_b])

    log_odds, log_strength = _most_likely(surprise, math.log(seen / (total - seen)), total)
    strength = min(math.exp(log_strength), total)
    if np.all((counts == 0) | (counts == sizes)):
        strength = max(strength, JEFFREYS_SHARE.events + JEFFREYS_SHARE.others)
    return SharePrior(*_beta_parameters(log_odds, strength), "fitted")


def _most_likely(surprise: Callable[[Array], tuple[float, Array]], middle: float, total: float) -> tuple[float, float]:
    """Where surprise is least: log of the mean (or of its odds), near ``middle``, and log of the prior's strength.

    total: the exposure or the trials of all units, in which the strength is measured.
    surprise: gives minus the log likelihood at a point of shape (2,), and its gradient there.
    A likelihood of this kind may have a second, lower top, so the search starts from a strong and from a weak prior.
    """
    strengths = (math.log(total * _LEAST_STRENGTH), math.log(total * _MOST_STRENGTH))
    bounds = [(middle - _FARTHEST_LOG, middle + _FARTHEST_LOG), strengths]
    strong, weak = (
        optimize.minimize(surprise, (middle, start), jac=True, method="L-BFGS-B", bounds=bounds, tol=1e-12)
        for start in (math.log(total), math.log(total / 100))
    )
    # Units of one trial each fit any strength equally well: then they are taken to be alike.
    best = weak if weak.fun < strong.fun - _TIE else strong
    return float(best.x[0]), float(best.x[1])


def _beta_parameters(log_odds: float, strength: float) -> tuple[float, float]:
    return strength * float(special.expit(log_odds)), strength * float(special.expit(-log_odds))


def _units(events: Numbers, sizes: Numbers) -> tuple[Array, Array]:
    counts, exposures = np.asarray(events, dtype=np.float64), np.asarray(sizes, dtype=np.float64)
    if counts.ndim != 1 or counts.shape != exposures.shape:
        raise ValueError("events and exposures must be one-dimensional and equally long")
    for values in (counts, exposures):
        if not (np.isfinite(values).all() and (values >= 0).all()):
            raise ValueError("events and exposures must be finite and not negative")
    return counts, exposures


def _check_count(value: float, name: str) -> None:
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not negative")


def _check_quantile(q: float) -> None:
    if not 0 < q < 1:
        raise ValueError("a quantile is asked for with a probability between 0 and 1")


def _check_years(years: float) -> None:
    if not 0 <= years < math.inf:
        raise ValueError("years must be finite and not negative")


def _check_tau(tau: float) -> None:
    if not 0 < tau < math.inf:
        raise ValueError("tau must be positive and finite, or None for no fading")
