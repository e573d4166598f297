"""Changes to the rows of a method's definition: levels, dimensions and bands come and go. Plain.

Whatever hangs on a row follows it: a painted matrix keeps a cell for every pair of levels, and no cell or appetite
names a band that is gone. The definition may be unfinished, with text where a number belongs.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any

from assessments import scoring
from assessments.method import BAND_COLOURS, FEWEST_LEVELS, MOST_BANDS, MOST_DIMENSIONS, MOST_LEVELS
from assessments.method_checks import FEWEST_BANDS, check, readable

Definition = dict[str, Any]


def rebuilt(definition: Definition, change: str) -> tuple[Definition, str]:
    """The definition after a change such as "add-band" or "remove-dimension-2", and what to put the cursor on.

    A change beyond the limits, or one nobody knows, changes nothing.
    """
    changed = copy.deepcopy(definition)
    name, _, number = change.rpartition("-")
    if name == "remove-dimension" and number.isdecimal():
        return changed, _remove_dimension(changed, int(number[:3]))
    act = CHANGES.get(change)
    return changed, act(changed) if act else ""


def _add_likelihood(definition: Definition) -> str:
    levels = definition["likelihood"]
    if len(levels) < MOST_LEVELS:
        levels.append(_next_level(levels, _halfway_to_certainty))
        matrix = definition.get("matrix")
        if matrix:
            matrix.append(list(matrix[-1]))
    return f"likelihood-{len(levels) - 1}-label-en"


def _remove_likelihood(definition: Definition) -> str:
    levels = definition["likelihood"]
    if len(levels) > FEWEST_LEVELS:
        levels.pop()
        definition.get("matrix", [])[len(levels) :] = []
    return _button("likelihood-level", len(levels) > FEWEST_LEVELS)


def _add_impact(definition: Definition) -> str:
    """One level more in every dimension, as much worse than the last as that is than the one before."""
    dimensions = definition["dimensions"]
    for dimension in dimensions:
        levels = dimension["levels"]
        if len(levels) < MOST_LEVELS:
            levels.append(_next_level(levels, _as_much_worse) | {"descriptor": _blank()})
    columns = len(dimensions[0]["levels"]) if dimensions else 0
    for row in definition.get("matrix", []):
        row.extend(row[-1:] * (columns - len(row)))
    return f"dimensions-0-levels-{columns - 1}-label-en"


def _remove_impact(definition: Definition) -> str:
    dimensions = definition["dimensions"]
    for dimension in dimensions:
        if len(dimension["levels"]) > FEWEST_LEVELS:
            dimension["levels"].pop()
    columns = len(dimensions[0]["levels"]) if dimensions else 0
    for row in definition.get("matrix", []):
        del row[columns:]
    return _button("impact-level", columns > FEWEST_LEVELS)


def _next_level(levels: list[Definition], grow: Callable[[float, float], float]) -> Definition:
    """An unnamed level that begins where the last one ends; its end is left open where the last has no bounds."""
    last = levels[-1] if levels else {}
    low, high = last.get("low", ""), last.get("high", "")
    end: float | str = ""
    if isinstance(low, int | float) and isinstance(high, int | float) and 0 < low < high:
        grown = float(f"{grow(low, high):.9g}")
        if high < grown < math.inf:
            end = int(grown) if grown.is_integer() else grown
    return {"label": _blank(), "low": high, "high": end}


def _halfway_to_certainty(_low: float, high: float) -> float:
    return high + (1 - high) / 2


def _as_much_worse(low: float, high: float) -> float:
    return high * high / low


def _blank() -> dict[str, str]:
    return {"en": "", "zh": ""}


def _add_dimension(definition: Definition) -> str:
    """A dimension on the same scale of money as the first one, without words of its own yet."""
    dimensions = definition["dimensions"]
    if dimensions and len(dimensions) < MOST_DIMENSIONS:
        levels = [copy.deepcopy(level) | {"descriptor": _blank()} for level in dimensions[0]["levels"]]
        dimensions.append({"key": "", "label": _blank(), "weight": dimensions[-1]["weight"], "levels": levels})
    return f"dimensions-{len(dimensions) - 1}-label-en"


def _remove_dimension(definition: Definition, number: int) -> str:
    dimensions = definition["dimensions"]
    if len(dimensions) > 1 and number < len(dimensions):
        del dimensions[number]
    return "add-dimension"


def _add_band(definition: Definition) -> str:
    """A band above the highest, halfway to 100, in a colour that is free, reviewed twice as often."""
    bands = definition["bands"]
    if bands and len(bands) < MOST_BANDS:
        last, used = bands[-1], {band["colour"] for band in bands}
        threshold, days = last["threshold"], last["review_days"]
        bands.append(
            {
                "label": _blank(),
                "threshold": round((threshold + 100) / 2) if isinstance(threshold, int | float) else "",
                "colour": next(colour for colour in (*BAND_COLOURS, last["colour"]) if colour not in used),
                "review_days": max(1, round(days / 2)) if isinstance(days, int | float) else "",
                "tolerable": False,
            }
        )
    return f"bands-{len(bands) - 1}-label-en"


def _remove_band(definition: Definition) -> str:
    """The highest band goes; cells and categories that had it get the one below."""
    bands = definition["bands"]
    if len(bands) > FEWEST_BANDS:
        bands.pop()
        appetite, matrix = definition.get("appetite", {}), definition.get("matrix", [])
        definition["appetite"] = {key: _at_most(band, len(bands)) for key, band in appetite.items()}
        definition["matrix"] = [[_at_most(band, len(bands)) for band in row] for row in matrix]
    return _button("band", len(bands) > FEWEST_BANDS)


def _at_most(band: Any, highest: int) -> Any:
    return min(band, highest) if isinstance(band, int | float) else band


def colours_of_exposure(definition: Definition) -> list[list[float | str]]:
    """The bands the formula *exposure* gives the cells; blanks while the scales cannot be calculated with."""
    trial = definition | {"formula": "exposure"}
    spec = readable(trial, check(trial, definition.get("appetite", {})))
    if spec:
        return [list(row) for row in scoring.matrix_bands(spec)]
    columns = len(definition["dimensions"][0]["levels"]) if definition["dimensions"] else 0
    return [[""] * columns for _row in definition["likelihood"]]


def _paint(definition: Definition) -> str:
    definition["matrix"] = colours_of_exposure(definition)
    return "paint-matrix"


def _button(of: str, removable: bool) -> str:
    return f"remove-{of}" if removable else f"add-{of}"


CHANGES: dict[str, Callable[[Definition], str]] = {
    "add-likelihood-level": _add_likelihood,
    "remove-likelihood-level": _remove_likelihood,
    "add-impact-level": _add_impact,
    "remove-impact-level": _remove_impact,
    "add-dimension": _add_dimension,
    "add-band": _add_band,
    "remove-band": _remove_band,
    "paint-matrix": _paint,
}
