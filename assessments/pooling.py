"""Several assessors of one risk, pooled as distributions; their numbers are never averaged.

Plain. Every opinion is a distribution given by its 5, 50 and 95 % points, and the pool is their weighted mixture (the
linear opinion pool; Cooke, Experts in Uncertainty). Where assessors disagree the pool is therefore wide, or has two
humps, instead of a narrow compromise nobody believes in. Weights can be learnt from resolved forecasts, and a pooled
rate can be updated with the log of what happened.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from assessments.ranges import money_range, probability_range

Scale = Literal["linear", "log"]
Record = Sequence[tuple[float, bool]]

# How much of an opinion lies below each of its five points: the ends of its support, and what it states.
LEVELS = (0.0, 0.05, 0.5, 0.95, 1.0)
# An opinion reaches this share of its 90 % range beyond either end.
OVERSHOOT = 0.1
# The others can only be a pool of their own if there are two of them.
FEWEST_FOR_DISSENT = 3
# Resolved forecasts from which on an assessor's own record counts, and how much of the weight it then decides.
MINIMUM_RESOLVED = 8
PERFORMANCE_SHARE = 0.5
# What experts' experience is worth at most against a log, in years.
WORTH_YEARS = 2.0

# Squares of anything larger could overflow, logarithms of anything smaller run off; no judgement comes near.
_LARGEST, _SMALLEST = 1e100, 1e-100
# Sums of weights are off by less than this.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Opinion:
    """One assessor's judgement as 5 % (low), 50 % (middle) and 95 % (high) point: a probability, money or a rate.

    A bare number is a point: all three are equal. Raises ValueError unless 0 <= low <= middle <= high <= 1e100.
    """

    low: float
    middle: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.middle <= self.high <= _LARGEST:
            raise ValueError("an opinion needs 0 <= low <= middle <= high, all finite")

    @classmethod
    def of_number(cls, number: float) -> Opinion:
        """A judgement without a range: a probability, an amount or a rate."""
        return cls(number, number, number)

    @classmethod
    def of_probability_range(cls, low: float, high: float) -> Opinion:
        """A 90 % range of a probability, or a likelihood level, whose declared range is taken for one.

        The middle is the median of the logit-normal. Raises ValueError as `ranges.probability_range` does.
        """
        return cls(low, probability_range(low, high).median, high)

    @classmethod
    def of_money_range(cls, low: float, high: float) -> Opinion:
        """A 90 % range in money, or an impact level, whose declared range is taken for one.

        The middle is the median of the lognormal. Raises ValueError as `ranges.money_range` does.
        """
        return cls(low, money_range(low, high).median, high)


@dataclass(frozen=True)
class Spread:
    """How far apart the lowest and the highest of the assessors' middles are, in their own unit."""

    lowest: float
    highest: float

    @property
    def difference(self) -> float:
        return self.highest - self.lowest

    @property
    def ratio(self) -> float | None:
        """Highest over lowest; None when the lowest is 0."""
        return self.highest / self.lowest if self.lowest > 0 else None


@dataclass(frozen=True)
class Pool:
    """The pooled distribution; made by `pool`.

    opinions, weights: what went in; the weights add up to 1. scale, bounds: as given to `pool`.
    x, cumulative: the distribution function as a line to draw, both of shape (points,) and never falling, from 0 to 1.
    It is straight between neighbours, on a linear or a logarithmic x axis as ``scale`` says. A step (somebody gave a
    bare number) is two points with the same x.
    """

    opinions: tuple[Opinion, ...]
    weights: tuple[float, ...]
    scale: Scale
    bounds: tuple[float, float]
    x: tuple[float, ...]
    cumulative: tuple[float, ...]

    @cached_property
    def mean(self) -> float:
        """The exact mean of the mixture: a probability, or an expected amount."""
        return math.fsum(mass * mean for mass, mean, _ in self._pieces())

    @cached_property
    def variance(self) -> float:
        """The exact variance of the mixture, in the square of the unit."""
        return math.fsum(mass * (variance + (mean - self.mean) ** 2) for mass, mean, variance in self._pieces())

    @property
    def interval(self) -> tuple[float, float]:
        """The 5 % and the 95 % point."""
        return self.quantile(0.05), self.quantile(0.95)

    @property
    def spread(self) -> Spread:
        middles = [opinion.middle for opinion in self.opinions]
        return Spread(min(middles), max(middles))

    def cdf(self, x: float) -> float:
        """Probability that the value is x or less. Raises ValueError for NaN."""
        if math.isnan(x):
            raise ValueError("x must be a number")
        return _value_at(self.x, self.cumulative, x, self.scale)

    def quantile(self, q: float) -> float:
        """The smallest value that is not exceeded with probability q; 0 and 1 are the ends of the support.

        Raises ValueError unless 0 <= q <= 1.
        """
        if not 0 <= q <= 1:
            raise ValueError("a quantile is asked for with a probability from 0 to 1")
        # Assessors may leave a gap, where the line is flat: rounding must not decide on which side of it we are.
        after = bisect_left(self.cumulative, q - _ROUNDING)
        if after == 0:
            return self.x[0]
        start, end = self.cumulative[after - 1 : after + 1]
        share = min((q - start) / (end - start), 1.0)
        return min(_between(self.x[after - 1], self.x[after], share, self.scale), self.x[after])

    def _pieces(self) -> list[tuple[float, float, float]]:
        """Probability, mean and variance of each straight piece of the line."""
        pieces = []
        for place in range(1, len(self.x)):
            mass = self.cumulative[place] - self.cumulative[place - 1]
            pieces.append((mass, *_moments(self.x[place - 1], self.x[place], self.scale)))
        return pieces


def pool(
    opinions: Sequence[Opinion],
    weights: Sequence[float] | None = None,
    *,
    scale: Scale = "linear",
    bounds: tuple[float, float] | None = None,
) -> Pool:
    """Linear opinion pool F(x) = sum of w_e F_e(x).

    Each F_e is piecewise uniform through the opinion's 5, 50 and 95 % points. Its support is widened by OVERSHOOT of
    its own 90 % range on either side, within ``bounds``; a bare number stays a step. With scale "log" all this happens
    on the logarithm, for money and other things that differ by factors: the density is then uniform in ln x, and the
    overshoot a factor (high / low)^OVERSHOOT. With "linear", for probabilities, it happens on x itself.
    weights: one an opinion, not negative; they are made to add up to 1. None means equal weights.
    bounds: what values are possible. Without them 0..1 on the linear scale, and everything above 0 on the log scale.
    Raises ValueError for no opinions, unusable weights, an opinion beyond the bounds and, on the log scale, one below
    1e-100.
    """
    low, high = bounds or ((0.0, 1.0) if scale == "linear" else (0.0, math.inf))
    if not opinions:
        raise ValueError("there is no opinion to pool")
    for opinion in opinions:
        if not low <= opinion.low <= opinion.high <= high:
            raise ValueError(f"an opinion lies beyond {low:g} to {high:g}")
        if scale == "log" and opinion.low < _SMALLEST:
            raise ValueError("an opinion on the logarithmic scale must be above 0")
    shares = _shares(weights, len(opinions))
    supports = [(share, _support(one, scale, low, high)) for one, share in zip(opinions, shares, strict=True) if share]
    x, cumulative = _mixture(supports, scale)
    return Pool(tuple(opinions), shares, scale, (low, high), x, cumulative)


def dissenters(pooled: Pool) -> list[int]:
    """Places of the opinions whose middle lies outside the 90 % interval of the pool of all the others.

    With fewer than FEWEST_FOR_DISSENT opinions nobody dissents, nor does anybody from others without any weight. Bare
    numbers leave no room for chance: among a few of them the lowest and the highest dissent unless shared.
    """
    if len(pooled.opinions) < FEWEST_FOR_DISSENT:
        return []
    return [place for place in range(len(pooled.opinions)) if _dissents(pooled, place)]


def brier(record: Record) -> float:
    """Brier score of (forecast probability, did it happen) pairs: the mean of (p - o)^2, from 0 (perfect) to 1.

    Raises ValueError for an empty record and for a forecast outside 0..1.
    """
    if not record:
        raise ValueError("there is no resolved forecast to score")
    for forecast, _ in record:
        if not 0 <= forecast <= 1:
            raise ValueError("a forecast must be a probability from 0 to 1")
    return math.fsum((forecast - happened) ** 2 for forecast, happened in record) / len(record)


def skill(record: Record, base_rate: float) -> float | None:
    """Brier skill 1 - BS / BS_reference against always forecasting the base rate: 1 perfect, 0 or less no better.

    None when the reference is never wrong (everything happened at a base rate of 1, or nothing at 0): then no forecast
    could have shown skill. Raises ValueError as `brier` does.
    """
    score = brier(record)
    reference = brier([(base_rate, happened) for _, happened in record])
    return 1.0 - score / reference if reference > 0 else None


def weights(records: Sequence[Record], minimum: int = MINIMUM_RESOLVED) -> tuple[float, ...]:
    """Weights of assessors, shape (records,), adding up to 1, from their resolved forecasts.

    Half is shared equally, half by performance: max(skill, 0) against the base rate of all resolved forecasts. An
    assessor with fewer than ``minimum`` of them has the mean performance of those who have enough, and so keeps exactly
    an equal share: newcomers neither gain nor lose by having no record yet, and what a good forecaster gains a poor one
    loses. Equal weights while nobody has enough, and where nobody who has shows any skill.
    Raises ValueError for no assessors, a minimum below 1, and a forecast outside 0..1 of somebody who has enough.
    """
    if not records:
        raise ValueError("there is no assessor to weigh")
    if minimum < 1:
        raise ValueError("an assessor can only be judged from one resolved forecast on")
    performances = _performances(records, minimum)
    judged = [performance for performance in performances if performance is not None]
    equal = 1.0 / len(records)
    if not any(judged):
        return (equal,) * len(records)
    typical = math.fsum(judged) / len(judged)
    total = typical * len(records)
    return tuple(
        (1.0 - PERFORMANCE_SHARE) * equal + PERFORMANCE_SHARE * (typical if one is None else one) / total
        for one in performances
    )


def _shares(weights: Sequence[float] | None, opinions: int) -> tuple[float, ...]:
    if weights is None:
        return (1.0 / opinions,) * opinions
    if len(weights) != opinions:
        raise ValueError("every opinion needs one weight")
    total = math.fsum(weights)
    if not all(0 <= weight < math.inf for weight in weights) or not 0 < total < math.inf:
        raise ValueError("weights must be finite, not negative and not all 0")
    return tuple(weight / total for weight in weights)


def _support(opinion: Opinion, scale: Scale, low: float, high: float) -> tuple[float, ...]:
    """Where an opinion reaches each of LEVELS; shape (5,), never falling."""
    start = _between(opinion.low, opinion.high, -OVERSHOOT, scale)
    end = _between(opinion.low, opinion.high, 1.0 + OVERSHOOT, scale)
    return max(start, low), opinion.low, opinion.middle, opinion.high, min(end, high)


def _mixture(
    supports: Sequence[tuple[float, tuple[float, ...]]], scale: Scale
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The line of the weighted sum of (weight, support): x and cumulative of `Pool`."""
    x: list[float] = []
    cumulative: list[float] = []
    for value in sorted({point for _, support in supports for point in support}):
        step = math.fsum(weight * _step_at(support, value) for weight, support in supports)
        height = math.fsum(weight * _value_at(support, LEVELS, value, scale) for weight, support in supports)
        if step > 0:
            x.append(value)
            cumulative.append(height - step)
        x.append(value)
        cumulative.append(height)
    return tuple(x), _rising(cumulative)


def _rising(cumulative: Sequence[float]) -> tuple[float, ...]:
    """The same without what rounding did to it: never falling, from 0 to 1."""
    risen: list[float] = [0.0]
    for height in cumulative[1:-1]:
        risen.append(min(max(height, risen[-1]), 1.0))
    return (*risen, 1.0)


def _step_at(support: Sequence[float], value: float) -> float:
    """How far an opinion's distribution function jumps at a value."""
    places = [place for place, point in enumerate(support) if point == value]
    return LEVELS[places[-1]] - LEVELS[places[0]] if places else 0.0


def _value_at(x: Sequence[float], heights: Sequence[float], value: float, scale: Scale) -> float:
    """Height of a line at a value, after the step if there is one; 0 before the line and 1 after it."""
    after = bisect_right(x, value)
    if after in {0, len(x)}:
        return 0.0 if after == 0 else 1.0
    share = _share(x[after - 1], x[after], value, scale)
    height = heights[after - 1] + share * (heights[after] - heights[after - 1])
    # Rounding must not lift it above the end, or the line would fall there.
    return min(height, heights[after])


def _share(start: float, end: float, value: float, scale: Scale) -> float:
    """How much of the way from start to end, which differ, lies before the value."""
    if scale == "log":
        return math.log(value / start) / math.log(end / start)
    return (value - start) / (end - start)


def _between(start: float, end: float, share: float, scale: Scale) -> float:
    """The value that share of the way from start to end; beyond them for a share outside 0..1."""
    if scale == "log":
        return start * math.pow(end / start, share)
    return start + share * (end - start)


def _moments(start: float, end: float, scale: Scale) -> tuple[float, float]:
    """Mean and variance of what is uniform between start and end, on the scale."""
    if scale == "linear":
        return (start + end) / 2, (end - start) ** 2 / 12
    width = math.log(end / start)
    if width == 0:
        return start, 0.0
    mean = start * math.expm1(width) / width
    # E x^2 / (E x)^2 is (width / 2) coth(width / 2); below 1 by rounding only.
    return mean, mean**2 * max(width / 2 / math.tanh(width / 2) - 1, 0.0)


def _dissents(pooled: Pool, place: int) -> bool:
    others = [one for other, one in enumerate(pooled.opinions) if other != place]
    their_weights = [one for other, one in enumerate(pooled.weights) if other != place]
    if not any(their_weights):
        return False
    low, high = pool(others, their_weights, scale=pooled.scale, bounds=pooled.bounds).interval
    # An opinion that is one end of the interval must not fall outside it by rounding.
    middle = pooled.opinions[place].middle
    return middle < low * (1 - _ROUNDING) or middle > high * (1 + _ROUNDING)


def _performances(records: Sequence[Record], minimum: int) -> list[float | None]:
    """max(skill, 0) of those who have ``minimum`` resolved forecasts, None for the others."""
    outcomes = [happened for record in records for _, happened in record]
    if not outcomes:
        return [None] * len(records)
    base_rate = sum(outcomes) / len(outcomes)
    return [max(skill(record, base_rate) or 0.0, 0.0) if len(record) >= minimum else None for record in records]
