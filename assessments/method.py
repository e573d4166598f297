"""A scoring method as values: scales, combination rule and bands, read from a stored definition. Plain."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

COMBINATIONS = ("worst", "weighted", "hybrid")
FORMULAS = ("exposure", "product", "matrix")
FEWEST_LEVELS, MOST_LEVELS, MOST_DIMENSIONS, MOST_BANDS = 3, 10, 8, 8
BAND_COLOURS = ("green", "lime", "yellow", "orange", "red", "purple", "azure", "blue")


class BadMethod(ValueError):
    """A definition that cannot score; the message names the place."""


@dataclass(frozen=True)
class Label:
    en: str
    zh: str


@dataclass(frozen=True)
class Level:
    """A step of a scale: its declared range and the value it counts as, the geometric centre of the range."""

    label: Label
    low: float
    high: float
    descriptor: Label

    @property
    def centre(self) -> float:
        return math.sqrt(self.low * self.high)


@dataclass(frozen=True)
class Dimension:
    key: str
    label: Label
    weight: float
    levels: tuple[Level, ...]  # ranges in money


@dataclass(frozen=True)
class Band:
    """Scores from ``threshold`` up to the next band's; ``position`` counts from 1, the mildest."""

    position: int
    label: Label
    threshold: float
    colour: str
    review_days: int
    tolerable: bool
    version: int = 0  # of the method


@dataclass(frozen=True)
class MethodSpec:
    version: int
    likelihood: tuple[Level, ...]  # ranges in probability a year
    dimensions: tuple[Dimension, ...]  # the first one is always asked for and spans the matrix
    combination: str
    bands: tuple[Band, ...]
    formula: str = "exposure"
    # Formula "matrix": the band of each cell, a row per likelihood level and a column per impact level.
    matrix: tuple[tuple[int, ...], ...] = ()
    appetite: Mapping[str, int] = field(default_factory=dict)  # category key -> highest band it bears

    @property
    def primary(self) -> Dimension:
        return self.dimensions[0]

    def dimension(self, key: str) -> Dimension:
        for dimension in self.dimensions:
            if dimension.key == key:
                return dimension
        raise KeyError(key)

    def band(self, position: int) -> Band:
        return self.bands[position - 1]

    @property
    def tolerable(self) -> int:
        """Position of the highest band that is borne where a category does not say otherwise."""
        return max((band.position for band in self.bands if band.tolerable), default=0)

    def within_appetite(self, category: str, position: int) -> bool:
        return position <= self.appetite.get(category, self.tolerable)

    def encode(self, levels: Mapping[str, int]) -> int:
        """Judged levels as one number: four bits a dimension, in their order, 0 where nobody judged.

        Raises KeyError for an unknown dimension.
        """
        places = {dimension.key: place for place, dimension in enumerate(self.dimensions)}
        return sum(level << (4 * places[key]) for key, level in levels.items())

    def decode(self, code: int) -> dict[str, int]:
        """The judged levels of a number from ``encode``, by dimension key."""
        levels = {d.key: (code >> (4 * place)) & 15 for place, d in enumerate(self.dimensions)}
        return {key: level for key, level in levels.items() if level}

    @cached_property
    def log_exposure_span(self) -> tuple[float, float]:
        """Logs of the least and greatest exposure two levels can make: where the score is 0 and 100."""
        moneys = [level.centre for dimension in self.dimensions for level in dimension.levels]
        return (
            math.log(self.likelihood[0].centre * min(moneys)),
            math.log(self.likelihood[-1].centre * max(moneys)),
        )


def read_method(definition: Mapping[str, Any], *, version: int) -> MethodSpec:
    """Turn a stored definition into a spec. Raises BadMethod, naming what is wrong and where."""
    try:
        likelihood = _levels(definition["likelihood"], "likelihood")
        if likelihood[-1].high >= 1:
            raise BadMethod("likelihood: a probability must stay below 1")
        dimensions = tuple(
            Dimension(
                key=str(item["key"]),
                label=_label(item["label"]),
                weight=_number(item["weight"], f"{item['key']}.weight"),
                levels=_levels(item["levels"], str(item["key"])),
            )
            for item in definition["dimensions"]
        )
        combination = str(definition["combination"])
        bands = _bands(definition["bands"], version)
        formula = str(definition.get("formula", "exposure"))
        painted = definition.get("matrix") if formula == "matrix" else None
        matrix = tuple(tuple(_position(band) for band in row) for row in painted or ())
        appetite = {str(key): _position(band) for key, band in (definition.get("appetite") or {}).items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise BadMethod(f"the definition is not complete: {error}") from error
    if not dimensions or sum(d.weight for d in dimensions) <= 0:
        raise BadMethod("dimensions: at least one must carry weight")
    if len({len(d.levels) for d in dimensions}) != 1:
        raise BadMethod("dimensions: all need the same number of levels")
    if len({d.key for d in dimensions}) != len(dimensions):
        raise BadMethod("dimensions: a key occurs twice")
    if combination not in COMBINATIONS:
        raise BadMethod(f"combination: {combination!r} is none of {', '.join(COMBINATIONS)}")
    if len(dimensions) > MOST_DIMENSIONS:
        raise BadMethod(f"dimensions: at most {MOST_DIMENSIONS}")
    if formula not in FORMULAS:
        raise BadMethod(f"formula: {formula!r} is none of {', '.join(FORMULAS)}")
    if any(not 0 <= band <= len(bands) for band in appetite.values()):
        raise BadMethod("appetite: there is no such band")
    if formula == "matrix":
        _check_matrix(matrix, len(likelihood), len(dimensions[0].levels), len(bands))
    return MethodSpec(version, likelihood, dimensions, combination, bands, formula, matrix, appetite)


def _check_matrix(matrix: tuple[tuple[int, ...], ...], rows: int, columns: int, bands: int) -> None:
    if len(matrix) != rows or any(len(row) != columns for row in matrix):
        raise BadMethod(f"matrix: {rows} rows of {columns} cells are needed")
    if any(not 1 <= band <= bands for row in matrix for band in row):
        raise BadMethod("matrix: a cell has a band that does not exist")


def _label(value: Mapping[str, str] | None) -> Label:
    return Label(en=str((value or {}).get("en", "")), zh=str((value or {}).get("zh", "")))


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (ValueError, OverflowError) as error:
        raise BadMethod(f"{where}: {value!r} is not a usable number") from error
    if not math.isfinite(number) or number < 0:
        raise BadMethod(f"{where}: {value!r} is not a usable number")
    return number


def _position(value: Any) -> int:
    try:
        return int(value)
    except (ValueError, OverflowError) as error:
        raise BadMethod(f"{value!r} is not the number of a band") from error


def _levels(items: Sequence[Mapping[str, Any]], where: str) -> tuple[Level, ...]:
    levels = tuple(
        Level(
            label=_label(item["label"]),
            low=_number(item["low"], f"{where}.low"),
            high=_number(item["high"], f"{where}.high"),
            descriptor=_label(item.get("descriptor")),
        )
        for item in items
    )
    if not FEWEST_LEVELS <= len(levels) <= MOST_LEVELS:
        raise BadMethod(f"{where}: {FEWEST_LEVELS} to {MOST_LEVELS} levels, not {len(levels)}")
    for number, level in enumerate(levels, start=1):
        if not 0 < level.low < level.high:
            raise BadMethod(f"{where}: level {number} must reach from above 0 to something greater")
    for number, (lower, upper) in enumerate(itertools.pairwise(levels), start=1):
        if not math.isclose(lower.high, upper.low):
            raise BadMethod(f"{where}: level {number + 1} must begin where level {number} ends")
    return levels


def _bands(items: Sequence[Mapping[str, Any]], version: int) -> tuple[Band, ...]:
    bands = tuple(
        Band(
            position=position,
            label=_label(item["label"]),
            threshold=_number(item["threshold"], f"band {position}"),
            colour=str(item["colour"]),
            review_days=int(_number(item["review_days"], f"band {position}.review_days")),
            tolerable=bool(item["tolerable"]),
            version=version,
        )
        for position, item in enumerate(items, start=1)
    )
    if len(bands) < 2 or bands[0].threshold != 0:
        raise BadMethod("bands: at least two, the first from 0")
    for lower, upper in itertools.pairwise(bands):
        if not lower.threshold < upper.threshold <= 100:
            raise BadMethod(f"bands: {upper.label.en} must begin above {lower.label.en}")
    for band in bands:
        if band.colour not in BAND_COLOURS:
            raise BadMethod(f"bands: {band.colour!r} is no colour of ours")
        if not 1 <= band.review_days <= 3650:
            raise BadMethod(f"bands: {band.label.en} needs a review interval of 1 to 3650 days")
    return bands
