"""Has a score settled at a new level? A robust change-point test with an autocorrelation correction.

Plain Python and NumPy. Method: docs/decisions.md, B4 and B3. In short: clip the history around its median, compare the
mean before with the mean after every possible change, allow for the noise remembering its own last value, and report
the strongest change as a normal score z. A caller flags when the strength reaches one of `limits(N)`.

Only real evaluations belong in a history: a score carried forward makes the noise look sticky. After a flag, the caller
starts the history again at `split`; which of the limits applies then depends on whether somebody confirmed the flag.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Series = Sequence[float] | NDArray[np.float64]

MIN_POINTS = 8
MAX_POINTS = 200

# The noise of one risk is taken to remember .6 of its last value, until its own points say otherwise: 8 points' worth.
# Few points of a strong prior keep sticky scores quiet and cost independent ones least (bench/drift.py).
PHI_PRIOR = 0.6
PRIOR_WEIGHT = 8.0
# What the register says of a risk counts as 20 points, on top of the prior above.
_REGISTER_WEIGHT = 20.0
BORROWED_WEIGHT = PRIOR_WEIGHT + _REGISTER_WEIGHT
BORROWED_MIN_POINTS = 30
BORROWED_MIN_SERIES = 20
# Standard deviation of the true autocorrelations, up to which one number speaks for all series. Beyond it the sticky
# ones would be taken for independent and flagged up to eight times too often.
_ONE_KIND = 0.13

# What N is multiplied by before h(N) is looked up, so that a whole register keeps to the flags a week it promised.
# Both are fitted to "false flags with restarts, mixed" of bench/drift.py, which shows them at h(N) alone beside it.
# Of every history (N/100)^.4, never less than 1: h(N) was measured on normal noise, and heavy and sticky noise reaches
# it the more often the further out it lies.
TAIL_FROM = 100.0
TAIL_POWER = 0.4
# Of one that begins at a flag nobody confirmed as many times more: it begins with an extreme stretch, and coming back
# from that looks like a second change.
RESTART_COST = 8.0

RHYTHM_MIN_POINTS = 28
RHYTHM_MIN_WEEKS = 3

# h(N) of B4: evaluations of one risk per false flag, and the strength that keeps to it.
THRESHOLDS = (
    (52.0, 2.49),
    (100.0, 2.75),
    (200.0, 3.00),
    (365.0, 3.20),
    (730.0, 3.40),
    (1000.0, 3.50),
    (2000.0, 3.70),
    (5000.0, 3.95),
    (10000.0, 4.13),
    (20000.0, 4.33),
)

# Series worked on at a time: a 512 x 200 array of floats is 0.8 MB, and about 20 are alive at once.
BLOCK_SERIES = 512

_CLIP = 3.0
_MAX_PHI = 0.9
# Squares of anything larger could overflow; no score comes near.
_LARGEST_VALUE = 1e100
# A perfect step leaves no noise, hence infinite strength. Noise is never taken as less than this share of the total sum
# of squares, which keeps strength finite and independent of rounding.
_WITHIN_FLOOR = 1e-9
# Two splits this close are a tie, and the earlier one wins: otherwise rounding would choose.
_TIE = 1e-9
_NORMAL_KURTOSIS = 3.0


@dataclass(frozen=True)
class Drift:
    """The strongest change in a series, flagged or not.

    strength: z, a normal score (no unit). split: index into the given series of the first point after the change.
    before, after: typical level on each side, in the unit of the series. They are medians of the values as given, so
    one wild value does not show up as a level. Where the medians do not move the way the tested (clipped) means do, as
    can happen with a few integer levels, they are those means instead, so the sentence never contradicts the flag.
    """

    strength: float
    split: int
    before: float
    after: float

    @property
    def direction(self) -> int:
        """+1 when the level rose, -1 when it fell."""
        return 1 if self.after >= self.before else -1


@dataclass(frozen=True)
class Limits:
    """Strength from which a history is flagged: usually, and where it begins at a flag nobody confirmed."""

    usual: float
    restarted: float


def threshold(evaluations_per_false_flag: float) -> float:
    """Strength h(N) that quiet noise reaches once in N evaluations of one risk (B4, interpolated in log N).

    Below N = 52 the answer is h(52), above N = 20 000 it is h(20 000): the table was measured no further.
    Raises ValueError when N is not a positive finite number.
    """
    if not (math.isfinite(evaluations_per_false_flag) and evaluations_per_false_flag > 0):
        raise ValueError("evaluations per false flag must be positive and finite")
    counts, heights = zip(*THRESHOLDS, strict=True)
    return float(np.interp(math.log(evaluations_per_false_flag), np.log(counts), heights))


def evaluations_per_false_flag(risks: int, evaluations_per_week: float, flags_per_week: float) -> float:
    """N for `limits` from what a reader can judge: accepted false flags a week over the whole register (B4).

    risks: how many are watched. evaluations_per_week: of one risk. Never below 1: no more flags than evaluations.
    Raises ValueError for a negative or non-finite argument, and for flags_per_week = 0 (no threshold promises that).
    """
    if not (math.isfinite(evaluations_per_week) and evaluations_per_week >= 0 and risks >= 0):
        raise ValueError("risks and evaluations per week must be finite and not negative")
    if not (math.isfinite(flags_per_week) and flags_per_week > 0):
        raise ValueError("flags per week must be positive and finite")
    return max(1.0, risks * evaluations_per_week / flags_per_week)


def limits(evaluations_per_false_flag: float) -> Limits:
    """The strengths that keep a register of any noise to one false flag in so many evaluations, restarts included.

    Never below h(52) nor above h(20 000), where `threshold` ends. Raises ValueError as that does.
    """
    wanted = evaluations_per_false_flag * max(1.0, evaluations_per_false_flag / TAIL_FROM) ** TAIL_POWER
    return Limits(usual=threshold(wanted), restarted=threshold(RESTART_COST * wanted))


def detect(series: Series, phi_prior: float = PHI_PRIOR, prior_weight: float = PRIOR_WEIGHT) -> Drift | None:
    """Strongest change in one series of shape (m,), oldest first; see `detect_many`."""
    return detect_many([series], phi_prior, prior_weight)[0]


def detect_many(
    series: Sequence[Series], phi_prior: float = PHI_PRIOR, prior_weight: float = PRIOR_WEIGHT
) -> list[Drift | None]:
    """Strongest change in each series, whatever its strength (B4, steps 1 to 4).

    series: one-dimensional arrays of any lengths, oldest value first; only the last MAX_POINTS of each are used.
    phi_prior, prior_weight: the autocorrelation expected beforehand, and how many points that is worth.
    The answer for a series is None when it has fewer than MIN_POINTS points or does not vary. Memory is bounded: series
    of equal length are worked on BLOCK_SERIES at a time.
    Raises ValueError for a series that is not one-dimensional, a value that is not finite or beyond 1e100, phi_prior
    outside 0..0.9, or a negative or non-finite prior_weight.
    """
    if not 0 <= phi_prior <= _MAX_PHI:
        raise ValueError(f"phi_prior must be between 0 and {_MAX_PHI}")
    if not (math.isfinite(prior_weight) and prior_weight >= 0):
        raise ValueError("prior_weight must be finite and not negative")
    found: list[Drift | None] = [None] * len(series)
    for places, skipped, values in _blocks(series, MIN_POINTS):
        strength, split, before, after = _strongest(values, phi_prior, prior_weight)
        for row, place in enumerate(places):
            found[place] = Drift(
                float(strength[row]), int(split[row]) + skipped[row], float(before[row]), float(after[row])
            )
    return found


def register_autocorrelation(series: Sequence[Series]) -> float | None:
    """Autocorrelation to borrow from the whole register; None when there is too little to learn, or no one answer (B3).

    The median of the single-series estimates (step 2 of B4) over series that vary and have at least BORROWED_MIN_POINTS
    points, kept within 0..0.9 and pooled with the prior that `detect_many` has by itself. None with fewer than
    BORROWED_MIN_SERIES of them, and when they differ by more than chance: a register of several kinds of noise has no
    autocorrelation. Pass it to `detect_many` as phi_prior with prior_weight BORROWED_WEIGHT; on None leave the
    defaults. Raises ValueError as `detect_many` does.
    """
    found: list[NDArray[np.float64]] = []
    lengths: list[int] = []
    for _, _, values in _blocks(series, BORROWED_MIN_POINTS):
        clipped, _, _ = _standardised(values)
        found.append(_autocorrelation(clipped)[0])
        lengths += [values.shape[1]] * len(values)
    if len(lengths) < BORROWED_MIN_SERIES:
        return None
    estimates = np.concatenate(found)
    typical = float(np.clip(np.median(estimates), 0.0, _MAX_PHI))
    by_chance = float(np.mean((1 - typical**2) / np.array(lengths)))
    if estimates.var(ddof=1) - by_chance > _ONE_KIND**2:
        return None
    return (_REGISTER_WEIGHT * typical + PRIOR_WEIGHT * PHI_PRIOR) / BORROWED_WEIGHT


def without_weekday_rhythm(values: NDArray[np.float64], weekdays: NDArray[np.integer[Any]]) -> NDArray[np.float64]:
    """Daily values without what is usual for their weekday, around the level they had (B4).

    values: shape (..., m), series of one timetable along the last axis. weekdays: shape (m,), 0..6. Values come back as
    they are when there are fewer than 28, or one of the weekdays that occur was seen fewer than 3 times.
    """
    days, counts = np.unique(weekdays, return_counts=True)
    if values.shape[-1] < RHYTHM_MIN_POINTS or counts.min() < RHYTHM_MIN_WEEKS:
        return values
    usual = np.empty_like(values)
    for day in days:
        usual[..., weekdays == day] = np.median(values[..., weekdays == day], axis=-1, keepdims=True)
    level: NDArray[np.float64] = np.median(values, axis=-1, keepdims=True)
    return values - usual + level


def _blocks(series: Sequence[Series], min_points: int) -> Iterator[tuple[list[int], list[int], NDArray[np.float64]]]:
    """Series that vary and are long enough, by equal length.

    Yields their places in `series`, how many leading points of each were left out, and the values, shape (rows, m).
    """
    by_length: dict[int, list[int]] = {}
    arrays: list[NDArray[np.float64]] = []
    for place, one in enumerate(series):
        array = np.asarray(one, dtype=np.float64)
        if array.ndim != 1:
            raise ValueError("a series must be one-dimensional")
        # One test for NaN, infinity and overflow: a comparison with NaN is false.
        if array.size and not np.abs(array).max() <= _LARGEST_VALUE:
            raise ValueError("a series must hold finite numbers no larger than 1e100")
        arrays.append(array)
        if array.size >= min_points:
            by_length.setdefault(min(array.size, MAX_POINTS), []).append(place)
    for length, places in by_length.items():
        for start in range(0, len(places), BLOCK_SERIES):
            block = places[start : start + BLOCK_SERIES]
            values = np.stack([arrays[place][-length:] for place in block])
            varies = _centre_and_scale(values)[1] > 0
            block = [place for place, keep in zip(block, varies, strict=True) if keep]
            if block:
                yield block, [arrays[place].size - length for place in block], values[varies]


def _centre_and_scale(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median, and the larger of 1.4826 x the median absolute deviation and half the standard deviation; shape (rows,).

    The standard deviation keeps the scale above 0 when more than half the values are equal, as with ordinal scores. It
    is taken around the median first, so that a constant series gives exactly 0.
    """
    centre = np.median(values, axis=1)
    away = values - centre[:, None]
    scale = np.maximum(1.4826 * np.median(np.abs(away), axis=1), away.std(axis=1) / 2)
    return centre, scale


def _standardised(
    values: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Step 1 of B4 in units of the scale: clipped values of mean 0, shape (rows, m).

    With them the centre and scale that undo it, both of shape (rows,): value = centre + scale * clipped. Neither
    the unit nor the mean changes the test; both keep the sums of squares accurate.
    """
    centre, scale = _centre_and_scale(values)
    clipped = np.clip((values - centre[:, None]) / scale[:, None], -_CLIP, _CLIP)
    mean = clipped.mean(axis=1)
    return clipped - mean[:, None], centre + scale * mean, scale


def _split_sizes(points: int) -> NDArray[np.float64]:
    """Points before the change at each possible split, 2..m-2."""
    return np.arange(2, points - 1, dtype=np.float64)


def _side_means(clipped: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Means before and after each split, both of shape (rows, m - 3)."""
    points = clipped.shape[1]
    sizes = _split_sizes(points)
    running = np.cumsum(clipped, axis=1)
    left = running[:, 1 : points - 2]
    return left / sizes, (running[:, -1:] - left) / (points - sizes)


def _sums_of_squares(
    clipped: NDArray[np.float64], difference: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Total sum of squares (rows, 1), and the part each split explains (rows, m - 3)."""
    points = clipped.shape[1]
    sizes = _split_sizes(points)
    return np.square(clipped).sum(axis=1, keepdims=True), difference**2 * (sizes * (points - sizes) / points)


def _first_largest(values: NDArray[np.float64]) -> NDArray[np.intp]:
    """Column of the largest value in each row, the first of those that tie; values are not negative."""
    first: NDArray[np.intp] = np.argmax(values >= values.max(axis=1, keepdims=True) * (1 - _TIE), axis=1)
    return first


def _autocorrelation(clipped: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Step 2 of B4, both of shape (rows,): lag-1 autocorrelation around the best two levels, corrected for the fit.

    And how many points it is worth: all for normal residuals, fewer for heavy tails, none where there are no residuals.
    Scores that are seldom judged anew leave long runs without any, which say nothing of independence.
    """
    rows, points = clipped.shape
    before, after = _side_means(clipped)
    total, explained = _sums_of_squares(clipped, before - after)
    best = _first_largest(explained)
    every = np.arange(rows)
    is_before = np.arange(points) < (best + 2)[:, None]
    residual = clipped - np.where(is_before, before[every, best, None], after[every, best, None])
    squares = np.square(residual)
    floor = _WITHIN_FLOOR * total[:, 0]
    within = np.maximum(squares.sum(axis=1), floor)
    lag_one: NDArray[np.float64] = (residual[:, 1:] * residual[:, :-1]).sum(axis=1) / within
    corrected: NDArray[np.float64] = lag_one + (2 + 4 * lag_one) / points
    tails = np.maximum(np.square(squares).sum(axis=1), floor**2)
    worth = np.where(within > floor, np.minimum(points, _NORMAL_KURTOSIS * within**2 / tails), 0.0)
    return corrected, worth


def _strongest(
    values: NDArray[np.float64], phi_prior: float, prior_weight: float
) -> tuple[NDArray[np.float64], NDArray[np.intp], NDArray[np.float64], NDArray[np.float64]]:
    """Steps 1 to 4 of B4 for series of one length, shape (rows, m): strength, split, level before, level after."""
    rows, points = values.shape
    sizes = _split_sizes(points)
    clipped, centre, scale = _standardised(values)

    own, worth = _autocorrelation(clipped)
    # With neither residuals nor a prior there is nothing to correct for.
    known = np.maximum(worth + prior_weight, _WITHIN_FLOOR)
    phi = np.clip((worth * own + prior_weight * phi_prior) / known, 0.0, _MAX_PHI)[:, None]
    # Variance of a mean of q such points, against q independent ones. Splits run 2..m-2, so m - j is j backwards.
    inflation = (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**sizes) / (sizes * (1 - phi) ** 2)
    inflation_after = inflation[:, ::-1]

    before, after = _side_means(clipped)
    total, explained = _sums_of_squares(clipped, before - after)
    within = np.maximum(total - explained, _WITHIN_FLOOR * total)
    variance = within / (points - inflation - inflation_after)
    t_squared = (before - after) ** 2 / (variance * (inflation / sizes + inflation_after / (points - sizes)))
    freedom = np.maximum(2.0, points * (1 - phi) / (1 + phi) - 2)
    strength = (8 * freedom + 1) / (8 * freedom + 3) * np.sqrt(freedom * np.log1p(t_squared / freedom))

    best = _first_largest(strength)
    every = np.arange(rows)
    split = best + 2
    mean_before, mean_after = before[every, best], after[every, best]
    is_before = np.arange(points) < split[:, None]
    median_before = _median_where(values, is_before, split)
    median_after = _median_where(values, ~is_before, points - split)
    agrees = (median_after - median_before) * np.sign(mean_after - mean_before) > 0
    return (
        strength[every, best],
        split,
        np.where(agrees, median_before, centre + scale * mean_before),
        np.where(agrees, median_after, centre + scale * mean_after),
    )


def _median_where(
    values: NDArray[np.float64], wanted: NDArray[np.bool_], counts: NDArray[np.intp]
) -> NDArray[np.float64]:
    """Median of the wanted values of each row; counts says how many there are."""
    ordered = np.sort(np.where(wanted, values, np.inf), axis=1)
    every = np.arange(len(values))
    middle: NDArray[np.float64] = (ordered[every, (counts - 1) // 2] + ordered[every, counts // 2]) / 2
    return middle
