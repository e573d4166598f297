"""From judgements to exposure, score and band (docs/decisions.md, Scores). Plain: numbers and arrays in and out.

Exposure is the probability over the horizon times the impact in money. The score is the position of the
exposure on a logarithmic axis from 0 to 100 spanned by the method's levels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from assessments.method import Level, MethodSpec

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Impact:
    """The combined impact: its level, what it is worth in money, and the dimension that decided."""

    level: int
    money: float
    decided_by: str


@dataclass(frozen=True)
class Scored:
    """Columns of n risks: exposure in money over the horizon, score 0..100, band and levels from 1.

    Where the input is NaN the numbers are NaN and the positions 0.
    """

    exposure: Array
    score: Array
    band: NDArray[np.int64]
    likelihood_level: NDArray[np.int64]
    impact_level: NDArray[np.int64]


def combine(spec: MethodSpec, levels: Mapping[str, int], money: Mapping[str, float] | None = None) -> Impact:
    """Combine the judged dimensions (key -> level from 1) by the method's rule.

    ``money`` holds what a dimension is worth where that is not the centre of its level: a number somebody gave, or
    the centre of the level an older method had. Dimensions nobody judged are left out and the weights of the others
    count in full. Hybrid is the weighted mean rounded up, but at most one level below the worst: weighting may
    soften the worst, never hide it. A dimension judged above the combined level counts as that level's centre.
    Raises KeyError for an unknown dimension, ValueError for a level off its scale or no dimension at all.
    """
    if not levels:
        raise ValueError("no dimension was judged")
    for key, level in levels.items():
        if not 1 <= level <= len(spec.dimension(key).levels):
            raise ValueError(f"{key}: there is no level {level}")
    combined = combined_level(spec, levels)
    values = {key: worth(spec, key, levels, combined, money or {}) for key in levels}
    # Scales may be worth different money: a dimension judged worse must not hide a dearer one.
    decided_by = max(levels, key=lambda key: (values[key], levels[key]))
    return Impact(level=combined, money=values[decided_by], decided_by=decided_by)


def combined_level(spec: MethodSpec, levels: Mapping[str, int]) -> int:
    """The level of several judged dimensions together."""
    highest = max(levels.values())
    weights = {key: spec.dimension(key).weight for key in levels}
    total = sum(weights.values())
    # Without any weight among the judged dimensions there is nothing to soften the worst with.
    mean = sum(weights[key] * level for key, level in levels.items()) / total if total else float(highest)
    rounded_up = math.ceil(mean - 1e-9)
    return {"worst": highest, "weighted": rounded_up, "hybrid": max(rounded_up, highest - 1)}[spec.combination]


def worth(spec: MethodSpec, key: str, levels: Mapping[str, int], combined: int, money: Mapping[str, float]) -> float:
    """What a dimension counts as in money once the combined level is known."""
    if levels[key] <= combined and key in money:
        return money[key]
    return spec.dimension(key).levels[min(levels[key], combined) - 1].centre


def evaluate(spec: MethodSpec, probability: Array, money: Array, months: Array) -> Scored:
    """Score n risks from their probability a year, impact in money and horizon: the one place a formula is chosen.

    The formulas: *exposure* is the place on the logarithmic axis; *product* is likelihood level times impact level,
    as a share of the greatest product; *matrix* takes the band of the cell and, within that band's thresholds, the
    place of the exposure. Product and matrix look at a year, whatever the horizon, as the registers do that use them.
    """
    exposure = over_horizon(probability, months) * money
    likelihood, impact = likelihood_levels(spec, probability), impact_levels(spec, money)
    # Only one of the two is NaN where a judgement lost its money: it is no judgement then.
    judged = ~np.isnan(exposure)
    likelihood, impact = np.where(judged, likelihood, 0), np.where(judged, impact, 0)
    if spec.formula == "product":
        greatest = len(spec.likelihood) * len(spec.primary.levels)
        scores = np.where(judged, 100.0 * likelihood * impact / greatest, np.nan)
    elif spec.formula == "matrix":
        scores = _within_cell(spec, likelihood, impact, score(spec, exposure))
    else:
        scores = score(spec, exposure)
    return Scored(exposure, scores, band_positions(spec, scores), likelihood, impact)


def _within_cell(spec: MethodSpec, likelihood: NDArray[np.int64], impact: NDArray[np.int64], place: Array) -> Array:
    """Scores inside the thresholds of each cell's band, ordered by ``place`` (0..100, NaN where unassessed)."""
    cells = np.array(spec.matrix)
    lower = np.array([band.threshold for band in spec.bands])
    upper = np.array([*lower[1:], 100.0])
    band = cells[np.maximum(likelihood, 1) - 1, np.maximum(impact, 1) - 1] - 1
    scores = lower[band] + (upper[band] - lower[band]) * place / 100.0
    # Never quite up to the next threshold, where the next band begins.
    return np.asarray(np.clip(scores, lower[band], np.maximum(np.nextafter(upper[band], 0.0), lower[band])))


def over_horizon(probability: Array, months: Array) -> Array:
    """Probability over ``months`` from the probability a year, for a constant rate."""
    return -np.expm1(np.log1p(-probability) * months / 12.0)


def score(spec: MethodSpec, exposure: Array) -> Array:
    """Scores 0..100 of exposures in money; NaN stays NaN, nothing to lose scores 0."""
    low, high = spec.log_exposure_span
    with np.errstate(divide="ignore"):
        position = (np.log(exposure) - low) / (high - low)
    return np.clip(position, 0.0, 1.0) * 100.0


def band_positions(spec: MethodSpec, scores: Array) -> NDArray[np.int64]:
    """Band positions from 1; 0 where the score is NaN."""
    thresholds = np.array([band.threshold for band in spec.bands])
    positions = np.searchsorted(thresholds, scores, side="right")
    return np.where(np.isnan(scores), 0, positions).astype(np.int64)


def likelihood_levels(spec: MethodSpec, probability: Array) -> NDArray[np.int64]:
    """Level whose range holds each probability; the end levels take what lies beyond; 0 for NaN."""
    return _levels_of(np.array([level.high for level in spec.likelihood]), probability)


def impact_levels(spec: MethodSpec, money: Array) -> NDArray[np.int64]:
    """Level of the primary dimension whose range holds each amount; the ends take what lies beyond; 0 for NaN."""
    return _levels_of(np.array([level.high for level in spec.primary.levels]), money)


def level_of(scale: tuple[Level, ...], value: float) -> int:
    """The level whose range holds a value; the end levels take what lies beyond."""
    return int(_levels_of(np.array([level.high for level in scale]), np.array([value]))[0])


def _levels_of(highs: Array, values: Array) -> NDArray[np.int64]:
    levels = np.minimum(np.searchsorted(highs, values, side="right") + 1, len(highs))
    return np.where(np.isnan(values), 0, levels).astype(np.int64)


def matrix_bands(spec: MethodSpec) -> list[list[int]]:
    """Band of each cell over a year: row per likelihood level, column per level of the primary dimension."""
    probability = np.array([level.centre for level in spec.likelihood])
    money = np.array([level.centre for level in spec.primary.levels])
    rows, columns = np.meshgrid(probability, money, indexing="ij")
    bands = evaluate(spec, rows, columns, np.full(rows.shape, 12.0)).band
    return [[int(band) for band in row] for row in bands]
