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

from assessments.method import MethodSpec

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Impact:
    """The combined impact: its level, what it is worth in money, and the dimension that decided."""

    level: int
    money: float
    decided_by: str


def combine(spec: MethodSpec, levels: Mapping[str, int]) -> Impact:
    """Combine the judged dimensions (key -> level from 1) by the method's rule.

    Dimensions nobody judged are left out and the weights of the others count in full. Hybrid is the weighted
    mean rounded up, but at most one level below the worst: weighting may soften the worst, never hide it.
    Raises KeyError for an unknown dimension, ValueError for a level off its scale or no dimension at all.
    """
    if not levels:
        raise ValueError("no dimension was judged")
    for key, level in levels.items():
        if not 1 <= level <= len(spec.dimension(key).levels):
            raise ValueError(f"{key}: there is no level {level}")
    highest = max(levels.values())
    weights = {key: spec.dimension(key).weight for key in levels}
    total = sum(weights.values())
    # Without any weight among the judged dimensions there is nothing to soften the worst with.
    mean = sum(weights[key] * level for key, level in levels.items()) / total if total else float(highest)
    rounded_up = math.ceil(mean - 1e-9)
    level = {"worst": highest, "weighted": rounded_up, "hybrid": max(rounded_up, highest - 1)}[spec.combination]

    def money(key: str) -> float:
        return spec.dimension(key).levels[min(levels[key], level) - 1].centre

    # Scales may be worth different money: a dimension judged worse must not hide a dearer one.
    decided_by = max(levels, key=lambda key: (money(key), levels[key]))
    return Impact(level=level, money=money(decided_by), decided_by=decided_by)


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


def _levels_of(highs: Array, values: Array) -> NDArray[np.int64]:
    levels = np.minimum(np.searchsorted(highs, values, side="right") + 1, len(highs))
    return np.where(np.isnan(values), 0, levels).astype(np.int64)


def matrix_bands(spec: MethodSpec) -> list[list[int]]:
    """Band of each cell over a year: row per likelihood level, column per level of the primary dimension."""
    probability = np.array([level.centre for level in spec.likelihood])
    money = np.array([level.centre for level in spec.primary.levels])
    bands = band_positions(spec, score(spec, np.outer(probability, money)))
    return [[int(band) for band in row] for row in bands]
