"""Old judgements in the terms of another method: by their probability and money, never by position. Plain.

What somebody judged is a number (or a range) in the end, and that stays as it was: a likelihood level counted as the
centre of its range, and so it does under every later method. Only what a method does with the numbers is done anew:
which levels they fall into, how the dimensions combine, and from there score and band.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from assessments.method import Level, MethodSpec
from assessments.scoring import Array, combined_level, level_of, worth


@dataclass(frozen=True)
class Restated:
    """An impact judgement in the terms of another method.

    levels: by dimension key; empty when none of the judged dimensions is left, and then it cannot be used.
    money: what each counts as. beyond: the dimensions whose judged range lies outside the new scale; they count at
    its end, with their money as judged.
    """

    levels: Mapping[str, int]
    money: Mapping[str, float]
    beyond: tuple[str, ...]


def restate(old: MethodSpec, code: int, new: MethodSpec, *, money: float | None = None) -> Restated:
    """An impact judgement (its code, and the primary dimension's money if not judged by level) under ``new``."""
    levels: dict[str, int] = {}
    values: dict[str, float] = {}
    beyond = []
    scales = {dimension.key: dimension.levels for dimension in new.dimensions}
    for key, position in old.decode(code).items():
        if key not in scales:
            continue
        judged = old.dimension(key).levels[position - 1]
        given = money is not None and key == old.primary.key
        values[key] = money if given and money is not None else judged.centre
        levels[key] = level_of(scales[key], values[key])
        low, high = (values[key], values[key]) if given else (judged.low, judged.high)
        if outside(scales[key], low, high):
            beyond.append(key)
    return Restated(levels, values, tuple(beyond))


def outside(scale: tuple[Level, ...], low: float, high: float) -> bool:
    """Whether a judged range has nothing in common with a scale. What only touches an end has not."""
    if low == high:
        return low < scale[0].low or high > scale[-1].high
    return _at_least(scale[0].low, high) or _at_least(low, scale[-1].high)


def _at_least(value: float, limit: float) -> bool:
    return value >= limit or math.isclose(value, limit)


def impacts(old: MethodSpec, code: int, new: MethodSpec, money: Array) -> Array:
    """Combined impacts in money under ``new`` of judgements that share levels and method, shape of ``money``.

    ``money`` is what the primary dimension was judged at, NaN where that was by level. NaN comes out where none of
    the judged dimensions is left.
    """
    result = np.full(money.shape, np.nan)
    by_level = np.isnan(money)
    restated = restate(old, code, new)
    if not restated.levels:
        return result
    result[by_level] = _combined(new, restated)
    key = old.primary.key
    if by_level.all():
        return result
    if key not in restated.levels:
        result[~by_level] = _combined(new, restated)
        return result
    scale = new.dimension(key).levels
    positions = np.array([level_of(scale, value) for value in money[~by_level].tolist()])
    counted = np.empty(len(positions))
    for position in np.unique(positions).tolist():
        levels = {**restated.levels, key: position}
        combined = combined_level(new, levels)
        others = max((worth(new, k, levels, combined, restated.money) for k in levels if k != key), default=0.0)
        here = positions == position
        own = money[~by_level][here]
        counted[here] = np.maximum(others, own if position <= combined else scale[combined - 1].centre)
    result[~by_level] = counted
    return result


def _combined(new: MethodSpec, restated: Restated) -> float:
    combined = combined_level(new, restated.levels)
    return max(worth(new, key, restated.levels, combined, restated.money) for key in restated.levels)
