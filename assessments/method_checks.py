"""What is wrong or doubtful in a definition of a method, finished or not. Plain.

`check` takes whatever an editor has at the moment: missing keys, text where a number belongs, scales of any length. An
*error* keeps a version from being activated; *advice* does not. The words are in check_messages.py.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from assessments import cox, scoring
from assessments.method import (
    BAND_COLOURS,
    COMBINATIONS,
    FEWEST_LEVELS,
    FORMULAS,
    MOST_BANDS,
    MOST_DIMENSIONS,
    MOST_LEVELS,
    BadMethod,
    Label,
    Level,
    MethodSpec,
    read_method,
)

ERROR, ADVICE = "error", "advice"
FEWEST_BANDS = 2
MOST_REVIEW_DAYS = 3650
# Beyond these the product of a probability and an amount is no number to reckon with any more.
LEAST_PROBABILITY = 1e-9
LEAST_MONEY, MOST_MONEY = 0.01, 1e15
MOST_WEIGHT = 1000.0
LONGEST_KEY = 50
# Neighbouring levels may differ in width (their high divided by their low) by this factor.
EVEN_ENOUGH = 5.0

# Errors in words or in order; with nothing worse the method can be calculated with and its matrix be judged.
_STILL_SCORES = frozenset({"label_missing", "label_double", "appetite_category", "tolerable_order", "milder"})

Place = tuple[str | int, ...]
Items = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Problem:
    """``place`` is the path of the field: ("likelihood", 2, "low"), ("bands", 1, "threshold"), or
    ("cell", likelihood level, impact level) with levels from 1; positions in lists count from 0."""

    code: str
    place: Place
    params: Mapping[str, str | float | Label] = field(default_factory=dict)
    severity: str = ERROR


def check(definition: Mapping[str, Any], categories: Iterable[str]) -> list[Problem]:
    """Everything to say about a definition; never raises. ``categories`` are the keys an appetite may name.

    Without any error `read_method` accepts the definition. It is more lenient than this: it takes scales without
    words, numbers in words and a matrix that is milder where it should be worse.
    """
    whole = _mapping(definition)
    likelihood, dimensions = _items(whole.get("likelihood")), _items(whole.get("dimensions"))
    bands = _items(whole.get("bands"))
    problems = [
        *_count("level_count", ("likelihood",), likelihood, FEWEST_LEVELS, MOST_LEVELS),
        *_levels(("likelihood",), likelihood, _bad_probability),
        *_dimensions(dimensions),
        *_choices(whole),
        *_bands(bands),
        *_appetite(whole.get("appetite"), set(categories), len(bands)),
    ]
    if whole.get("formula") == "matrix":
        columns = len(_items(dimensions[0].get("levels"))) if dimensions else 0
        problems += _matrix(whole.get("matrix"), len(likelihood), columns, len(bands))
    spec = readable(whole, problems)
    return problems + (_judgements(spec) if spec else [])


def readable(definition: Mapping[str, Any], problems: Iterable[Problem]) -> MethodSpec | None:
    """The method to try out, unless one of its ``problems`` (from `check`) keeps it from being calculated with."""
    if any(p.severity == ERROR and p.code not in _STILL_SCORES for p in problems):
        return None
    try:
        return read_method(definition, version=0)
    except BadMethod:
        return None  # dimensions without a name have no keys yet


# --- reading what may be anything ------------------------------------------------------------------------


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [_mapping(item) for item in value] if isinstance(value, list | tuple) else []


def _number(value: Any) -> float | None:
    """A finite number; numbers in text and truth values are none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _is_whole(value: Any, low: int, high: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def _text(value: Any, key: str) -> str:
    text = _mapping(value).get(key)
    return text.strip() if isinstance(text, str) else ""


def _is_labelled(item: Mapping[str, Any]) -> bool:
    return bool(_text(item.get("label"), "en") or _text(item.get("label"), "zh"))


def _no_number(place: Place, value: Any) -> Problem:
    typed = value.strip() if isinstance(value, str) else ""
    return Problem("number", place, {"typed": typed}) if typed else Problem("number_missing", place)


# --- scales ----------------------------------------------------------------------------------------------


def _count(code: str, place: Place, items: Sequence[Any], fewest: int, most: int) -> list[Problem]:
    if fewest <= len(items) <= most:
        return []
    return [Problem(code, place, {"fewest": fewest, "most": most, "has": len(items)})]


def _labels(place: Place, items: Items) -> list[Problem]:
    """Each needs a name, and none the name of another; where a language is blank the other one is shown."""
    problems = []
    seen: dict[tuple[str, str], int] = {}
    for number, item in enumerate(items):
        own = (*place, number, "label")
        if item.get("label") and not isinstance(item["label"], Mapping):
            problems.append(Problem("unreadable", own))
            continue
        en, zh = _text(item.get("label"), "en"), _text(item.get("label"), "zh")
        if not en and not zh:
            problems.append(Problem("label_missing", (*own, "en")))
            continue
        doubled = {}
        for language, shown, typed_in in (
            ("en", en or zh, "en" if en else "zh"),
            ("zh", zh or en, "zh" if zh else "en"),
        ):
            other = seen.setdefault((language, shown.casefold()), number)
            if other != number:
                doubled[typed_in] = Problem("label_double", (*own, typed_in), {"label": shown, "other": other + 1})
        problems += doubled.values()
    return problems


def _levels(place: Place, levels: Items, bad: Callable[[float], str]) -> list[Problem]:
    """Names, bounds and order of one scale; ``bad`` gives the code for a bound that its unit does not have."""
    problems = _labels(place, levels)
    sound: list[tuple[float, float] | None] = []
    for number, level in enumerate(levels):
        if level.get("descriptor") and not isinstance(level["descriptor"], Mapping):
            problems.append(Problem("unreadable", (*place, number, "descriptor")))
        found, bounds = _bounds((*place, number), level, bad)
        problems += found
        sound.append(None if found else bounds)
    for number, (lower, upper) in enumerate(itertools.pairwise(sound), start=1):
        if lower and upper:
            problems += _seam((*place, number, "low"), number, lower, upper)
    return problems


def _bounds(
    place: Place, level: Mapping[str, Any], bad: Callable[[float], str]
) -> tuple[list[Problem], tuple[float, float]]:
    problems, bounds = [], []
    for end in ("low", "high"):
        number = _number(level.get(end))
        if number is None:
            problems.append(_no_number((*place, end), level.get(end)))
        elif code := bad(number):
            problems.append(Problem(code, (*place, end)))
        bounds.append(number or 0.0)
    low, high = bounds
    if not problems and (high <= low or math.isclose(low, high)):
        problems.append(Problem("level_reversed", (*place, "high"), {"begins": low, "ends": high}))
    return problems, (low, high)


def _bad_probability(number: float) -> str:
    return "" if LEAST_PROBABILITY <= number < 1 else "probability"


def _bad_money(number: float) -> str:
    return "" if LEAST_MONEY <= number <= MOST_MONEY else "money"


def _seam(place: Place, number: int, lower: tuple[float, float], upper: tuple[float, float]) -> list[Problem]:
    """Level ``number`` + 1 has to begin where level ``number`` ends."""
    ends, begins = lower[1], upper[0]
    if math.isclose(ends, begins):
        return []
    code = "level_gap" if begins > ends else "level_order" if upper[1] <= lower[0] else "level_overlap"
    return [Problem(code, place, {"level": number + 1, "begins": begins, "previous": number, "ends": ends})]


def _dimensions(dimensions: Items) -> list[Problem]:
    problems = _count("dimension_count", ("dimensions",), dimensions, 1, MOST_DIMENSIONS)
    problems += _labels(("dimensions",), dimensions)
    problems += _keys(dimensions) + _weights(dimensions)
    scales = [_items(dimension.get("levels")) for dimension in dimensions]
    for number, levels in enumerate(scales):
        place: Place = ("dimensions", number, "levels")
        if number == 0:
            problems += _count("level_count", place, levels, FEWEST_LEVELS, MOST_LEVELS)
        elif len(levels) != len(scales[0]):
            problems.append(Problem("levels_differ", place, {"has": len(levels), "wanted": len(scales[0])}))
        problems += _levels(place, levels, _bad_money)
    return problems


def _keys(dimensions: Items) -> list[Problem]:
    problems = []
    seen: dict[str, int] = {}
    for number, dimension in enumerate(dimensions):
        key, place = dimension.get("key"), ("dimensions", number, "key")
        if key == "" and not _is_labelled(dimension):
            continue  # the key is made of the name, and that is asked for already
        if not isinstance(key, str) or not 0 < len(key) <= LONGEST_KEY:
            problems.append(Problem("key", place))
        elif (other := seen.setdefault(key, number)) != number:
            problems.append(Problem("key_double", place, {"other": other + 1}))
    return problems


def _weights(dimensions: Items) -> list[Problem]:
    problems, weights = [], []
    for number, dimension in enumerate(dimensions):
        place, weight = ("dimensions", number, "weight"), _number(dimension.get("weight"))
        if weight is None:
            problems.append(_no_number(place, dimension.get("weight")))
        elif not 0 <= weight <= MOST_WEIGHT:
            problems.append(Problem("weight", place))
        else:
            weights.append(weight)
    if dimensions and not problems and sum(weights) == 0:
        problems.append(Problem("weightless", ("dimensions", 0, "weight")))
    return problems


# --- rules, bands, appetite ------------------------------------------------------------------------------


def _choices(whole: Mapping[str, Any]) -> list[Problem]:
    chosen = {"combination": (whole.get("combination"), COMBINATIONS),
              "formula": (whole.get("formula", "exposure"), FORMULAS)}  # fmt: skip
    return [Problem("choice", (name,)) for name, (value, known) in chosen.items() if value not in known]


def _bands(bands: Items) -> list[Problem]:
    problems = _count("band_count", ("bands",), bands, FEWEST_BANDS, MOST_BANDS) + _labels(("bands",), bands)
    for number, band in enumerate(bands):
        if band.get("colour") not in BAND_COLOURS:
            problems.append(Problem("colour", ("bands", number, "colour")))
        if not _is_whole(band.get("review_days"), 1, MOST_REVIEW_DAYS):
            problems.append(Problem("review_days", ("bands", number, "review_days"), {"most": MOST_REVIEW_DAYS}))
        if not isinstance(band.get("tolerable"), bool):
            problems.append(Problem("choice", ("bands", number, "tolerable")))
    for number, (lower, upper) in enumerate(itertools.pairwise(bands), start=1):
        if upper.get("tolerable") is True and lower.get("tolerable") is False:
            problems.append(
                Problem("tolerable_order", ("bands", number, "tolerable"), {"lower": _label(lower, number)})
            )
        if upper.get("colour") == lower.get("colour") in BAND_COLOURS:
            place: Place = ("bands", number, "colour")
            problems.append(Problem("colour_twice", place, {"lower": _label(lower, number)}, ADVICE))
    return problems + _thresholds(bands)


def _label(item: Mapping[str, Any], number: int) -> Label:
    """The name of something, or its number from 1 while it has none."""
    en, zh = _text(item.get("label"), "en"), _text(item.get("label"), "zh")
    return Label(en, zh) if en or zh else Label(str(number), "")


def _thresholds(bands: Items) -> list[Problem]:
    problems: list[Problem] = []
    below: float | None = None
    for number, band in enumerate(bands):
        place, threshold = ("bands", number, "threshold"), _number(band.get("threshold"))
        if threshold is None:
            problems.append(_no_number(place, band.get("threshold")))
        elif number == 0 and threshold != 0:
            problems.append(Problem("threshold_first", place))
        elif not 0 <= threshold <= 100:
            problems.append(Problem("threshold", place))
        elif below is not None and threshold <= below:
            problems.append(Problem("threshold_order", place, {"below": below}))
        below = threshold
    return problems


def _appetite(appetite: Any, categories: set[str], bands: int) -> list[Problem]:
    if appetite and not isinstance(appetite, Mapping):
        return [Problem("unreadable", ("appetite",))]
    problems = []
    for key, band in _mapping(appetite).items():
        place: Place = ("appetite", str(key))
        if key not in categories:
            problems.append(Problem("appetite_category", place, {"category": str(key)}))
        if not _is_whole(band, 0, bands):
            problems.append(Problem("appetite_band", place))
    return problems


def _matrix(matrix: Any, rows: int, columns: int, bands: int) -> list[Problem]:
    """A band for every cell; one finding for all that lack one, at the first of them."""
    lines = (
        [line if isinstance(line, list | tuple) else [] for line in matrix] if isinstance(matrix, list | tuple) else []
    )
    missing = [
        (row, column)
        for row, column in itertools.product(range(rows), range(columns))
        if row >= len(lines) or column >= len(lines[row]) or not _is_whole(lines[row][column], 1, bands)
    ]
    if missing:
        row, column = missing[0]
        return [Problem("matrix_cell", ("cell", row + 1, column + 1), {"count": len(missing)})]
    if len(lines) != rows or any(len(line) != columns for line in lines):
        return [Problem("matrix_size", ("cells",), {"rows": rows, "columns": columns})]
    return []


# --- judging a method that scores ------------------------------------------------------------------------


def _judgements(spec: MethodSpec) -> list[Problem]:
    scales: list[tuple[Place, Sequence[Level]]] = [(("likelihood",), spec.likelihood)]
    scales += [(("dimensions", n, "levels"), dimension.levels) for n, dimension in enumerate(spec.dimensions)]
    uneven = [problem for place, levels in scales for problem in _uneven(place, levels)]
    return uneven + _hidden(spec) + _of_matrix(spec)


def _uneven(place: Place, levels: Sequence[Level]) -> list[Problem]:
    """Levels that are far from equally wide on a logarithmic scale value what lies in the wide ones badly."""
    widths = [level.high / level.low for level in levels]
    jumps = [(max(a, b) / min(a, b), number) for number, (a, b) in enumerate(itertools.pairwise(widths), start=1)]
    count = sum(jump > EVEN_ENOUGH for jump, _ in jumps)
    if not count:
        return []
    _, number = max(jumps, key=lambda jump: jump[0])
    params: dict[str, float] = {"level": number + 1, "width": widths[number], "count": count}
    params |= {"previous": number, "its": widths[number - 1]}
    return [Problem("uneven", (*place, number, "high"), params, ADVICE)]


def _hidden(spec: MethodSpec) -> list[Problem]:
    """Whether weighting can put the highest level of one dimension more than one level down."""
    if spec.combination != "weighted" or len(spec.dimensions) == 1:
        return []
    highest = len(spec.primary.levels)
    mildest = {dimension.key: 1 for dimension in spec.dimensions}
    combined = [scoring.combine(spec, {**mildest, d.key: highest}).level for d in spec.dimensions]
    lowest = min(combined)
    if lowest >= highest - 1:
        return []
    hidden = spec.dimensions[combined.index(lowest)]
    params: dict[str, float | Label] = {"dimension": hidden.label, "level": highest, "combined": lowest}
    return [Problem("hidden", ("combination",), params, ADVICE)]


def _of_matrix(spec: MethodSpec) -> list[Problem]:
    """Cox's requirements on the matrix that results, whatever the formula (cox.py)."""
    likelihood = [(level.low, level.high) for level in spec.likelihood]
    money = [(level.low, level.high) for level in spec.primary.levels]
    grid = cox.Grid(scoring.matrix_bands(spec), likelihood, money)
    problems = [_of_finding(finding, grid, spec) for finding in cox.judge(grid)]
    if grid.occurring < cox.FEWEST_BANDS:
        problems.append(Problem("few_bands", ("bands",), {"has": grid.occurring}, ADVICE))
    return problems


def _of_finding(finding: cox.Finding, grid: cox.Grid, spec: MethodSpec) -> Problem:
    def named(prefix: str, cell: cox.Cell) -> dict[str, Label]:
        row, column = cell
        band = grid.bands[cell]
        return {
            f"{prefix}likelihood": _or_number(spec.likelihood[row - 1].label, row),
            f"{prefix}impact": _or_number(spec.primary.levels[column - 1].label, column),
            f"{prefix}band": _or_number(spec.band(band).label, band),
        }

    params: dict[str, str | float | Label] = {**named("", finding.cell), **named("other_", finding.other)}
    params |= {"risk": finding.risk, "other_risk": finding.other_risk, "count": finding.count}
    # Only a matrix somebody painted can be milder where it should be worse, and only there it can be put right.
    severity = ERROR if finding.code == "milder" else ADVICE
    return Problem(finding.code, ("cell", *finding.cell), params, severity)


def _or_number(label: Label, number: int) -> Label:
    return label if label.en or label.zh else Label(str(number), "")
