"""A judgement given as a 90 % range instead of a number: "between 20 000 and 400 000", "between 5 and 20 %".

Plain. The two ends are read as the 5 % and the 95 % point of a distribution: lognormal for money, logit-normal for a
probability (Hubbard, How to Measure Anything, the 90 % interval). People give lows and highs as points, not as limits.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from scipy import special

# Beyond this ratio of high to low the mean is ruled by the few largest losses, not by what the range says.
WIDE_RATIO = 1000.0

_NORMAL = NormalDist()
# The ends of a 90 % range lie this many standard deviations from its middle.
_Z95 = _NORMAL.inv_cdf(0.95)
# 200 nodes: the mean of a range from 0.0001 to 0.9999 is right to 1e-8, of any narrower one to rounding.
_NODES, _WEIGHTS = np.polynomial.hermite_e.hermegauss(200)
_WEIGHTS = _WEIGHTS / _WEIGHTS.sum()
# exp of anything larger is no float.
_LARGEST_LOG = 700.0


@dataclass(frozen=True)
class MoneyRange:
    """Lognormal with 5 % point ``low`` and 95 % point ``high``, in money; made by `money_range`.

    mu, sigma: mean and standard deviation of the logarithm.
    """

    low: float
    high: float
    mu: float
    sigma: float

    @property
    def mean(self) -> float:
        """exp(mu + sigma^2 / 2), in money."""
        return math.exp(self.mu + self.sigma**2 / 2)

    @property
    def median(self) -> float:
        """sqrt(low high), in money."""
        return math.exp(self.mu)

    @property
    def is_wide(self) -> bool:
        """Whether high is more than WIDE_RATIO times low, so that people should be warned about the mean."""
        return self.high / self.low > WIDE_RATIO

    def quantile(self, q: float) -> float:
        """The amount a loss stays below with probability q. Raises ValueError unless 0 < q < 1."""
        return math.exp(self.mu + self.sigma * _normal_quantile(q))


@dataclass(frozen=True)
class ProbabilityRange:
    """Logit-normal with 5 % point ``low`` and 95 % point ``high``; made by `probability_range`.

    mu, sigma: mean and standard deviation of ln(p / (1 - p)).
    """

    low: float
    high: float
    mu: float
    sigma: float

    @property
    def mean(self) -> float:
        """The probability the range amounts to: its mean, by Gauss-Hermite quadrature (it has no closed form)."""
        return float(_WEIGHTS @ special.expit(self.mu + self.sigma * _NODES))

    @property
    def median(self) -> float:
        return float(special.expit(self.mu))

    def quantile(self, q: float) -> float:
        """The probability that is not exceeded with probability q. Raises ValueError unless 0 < q < 1."""
        return float(special.expit(self.mu + self.sigma * _normal_quantile(q)))


def money_range(low: float, high: float) -> MoneyRange:
    """Lognormal of a 90 % range in money: mu = (ln low + ln high)/2, sigma = (ln high - ln low)/3.2897.

    Raises ValueError, with what is wrong, unless 0 < low < high < infinity, and for a range so wide that its mean is
    beyond the largest float (from 1 to 1e52, say). One amount is not a range: give the number instead.
    """
    _check_order(low, high)
    if not math.isfinite(high):
        raise ValueError("the upper end of a range must be finite")
    mu, sigma = _centre_and_width(math.log(low), math.log(high))
    if mu + sigma**2 / 2 > _LARGEST_LOG:
        raise ValueError("the range is too wide to have a mean")
    return MoneyRange(low, high, mu, sigma)


def probability_range(low: float, high: float) -> ProbabilityRange:
    """Logit-normal of a 90 % range of a probability, as `money_range` but on the axis ln(p / (1 - p)).

    Raises ValueError, with what is wrong, unless 0 < low < high < 1.
    """
    _check_order(low, high)
    if high >= 1:
        raise ValueError("the upper end of a probability must be below 1")
    mu, sigma = _centre_and_width(float(special.logit(low)), float(special.logit(high)))
    return ProbabilityRange(low, high, mu, sigma)


def _check_order(low: float, high: float) -> None:
    if math.isnan(low) or math.isnan(high):
        raise ValueError("both ends of a range must be numbers")
    if low <= 0:
        raise ValueError("the lower end of a range must be above 0")
    if low == high:
        raise ValueError("the ends of a range must differ; give a single number instead")
    if low > high:
        raise ValueError("the lower end of a range must be below the upper end")


def _centre_and_width(low: float, high: float) -> tuple[float, float]:
    """Mean and standard deviation of the normal with these 5 % and 95 % points."""
    return (low + high) / 2, (high - low) / (2 * _Z95)


def _normal_quantile(q: float) -> float:
    if not 0 < q < 1:
        raise ValueError("a quantile is asked for with a probability between 0 and 1")
    return _NORMAL.inv_cdf(q)
