"""The editor's form and the stored definition of a method: one into the other.

A field is named after its place in the definition ("likelihood-2-low", "dimensions-0-levels-3-high"), so that what
method_checks.py finds is shown where it was typed. Numbers are read the way people write them; what cannot be read is
kept as typed, so a draft can be put away with it and opened again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop

from assessments import check_messages
from assessments.method import FEWEST_LEVELS, MOST_BANDS, MOST_DIMENSIONS, MOST_LEVELS
from assessments.method_changes import Definition, colours_of_exposure
from assessments.method_checks import ADVICE, FEWEST_BANDS, LONGEST_KEY, Place, Problem
from crm.spreadsheets import cells
from risks.models.category import localised

Data = Mapping[str, str]  # what was posted

_LARGEST_EXACT = 10**15
_PARTS = {
    "likelihood": gettext_noop("Likelihood"),
    "dimensions": gettext_noop("Impact"),
    "combination": gettext_noop("How dimensions combine"),
    "formula": gettext_noop("How the score is made"),
    "cells": gettext_noop("Matrix"),
    "cell": gettext_noop("Matrix"),
    "bands": gettext_noop("Bands"),
    "appetite": gettext_noop("Appetite"),
}


# --- from the form to the definition ---------------------------------------------------------------------


def definition_of(data: Data) -> Definition:
    """The definition somebody typed. New dimensions get a key of their name, a new matrix the colours of exposure."""
    definition: Definition = {
        "likelihood": [_level(data, f"likelihood-{n}", _share) for n in _rows(data, "likelihood")],
        "dimensions": [_dimension(data, f"dimensions-{n}") for n in _rows(data, "dimensions")],
        "combination": _text(data, "combination"),
        "bands": [_band(data, f"bands-{n}") for n in _rows(data, "bands")],
        "formula": _text(data, "formula"),
        "appetite": {
            name.removeprefix("appetite-"): _number(data, name)
            for name in data
            if name.startswith("appetite-") and data[name]
        },
    }
    _give_keys(definition["dimensions"])
    matrix = _matrix(data)
    if not any(cell != "" for row in matrix for cell in row):
        matrix = []
    if matrix or definition["formula"] == "matrix":
        definition["matrix"] = matrix or colours_of_exposure(definition)
    return definition


def _rows(data: Data, prefix: str) -> range:
    return range(next(n for n in itertools.count() if f"{prefix}-{n}-label-en" not in data))


def _text(data: Data, name: str) -> str:
    return cells.text(data.get(name, ""))


def _number(data: Data, name: str) -> float | str:
    """The number somebody wrote ("1 000 000", "50k", full-width digits), or what was written when it is none."""
    return _read(_text(data, name), "")


def _share(data: Data, name: str) -> float | str:
    """A share of one, written in percent with or without the sign."""
    typed = _text(data, name)
    return _read(typed, "" if "%" in typed or "％" in typed else "%")


def _read(typed: str, unit: str) -> float | str:
    try:
        number = cells.parse_number(typed + unit if typed else "")
    except cells.BadCell:
        return typed
    if number is None:
        return typed
    return int(number) if number.is_integer() and abs(number) < _LARGEST_EXACT else number


def _both(data: Data, name: str) -> dict[str, str]:
    return {"en": _text(data, f"{name}-en"), "zh": _text(data, f"{name}-zh")}


def _level(data: Data, name: str, read: Callable[[Data, str], float | str]) -> Definition:
    return {
        "label": _both(data, f"{name}-label"),
        "low": read(data, f"{name}-low"),
        "high": read(data, f"{name}-high"),
    }


def _dimension(data: Data, name: str) -> Definition:
    return {
        "key": _text(data, f"{name}-key"),
        "label": _both(data, f"{name}-label"),
        "weight": _share(data, f"{name}-weight"),
        "levels": [
            _level(data, f"{name}-levels-{n}", _number)
            | {"descriptor": _both(data, f"{name}-levels-{n}-descriptor")}
            for n in _rows(data, f"{name}-levels")
        ],
    }  # fmt: skip


def _band(data: Data, name: str) -> Definition:
    return {
        "label": _both(data, f"{name}-label"),
        "threshold": _number(data, f"{name}-threshold"),
        "colour": _text(data, f"{name}-colour"),
        "review_days": _number(data, f"{name}-review_days"),
        "tolerable": f"{name}-tolerable" in data,
    }


def _matrix(data: Data) -> list[list[float | str]]:
    matrix: list[list[float | str]] = []
    while f"cell-{len(matrix) + 1}-1" in data:
        row = len(matrix) + 1
        columns = itertools.takewhile(lambda name: name in data, (f"cell-{row}-{n}" for n in itertools.count(1)))
        matrix.append([_number(data, name) for name in columns])
    return matrix


def _give_keys(dimensions: list[Definition]) -> None:
    """A key stays with a dimension for good: judgements of an older version are carried over by it.

    The prefix keeps keys apart from the other fields of the form people judge with.
    """
    taken = {dimension["key"] for dimension in dimensions}
    for dimension in dimensions:
        label = dimension["label"]
        if dimension["key"] or not (label["en"] or label["zh"]):
            continue
        slug = slugify(label["en"] or label["zh"], allow_unicode=True).replace("-", "_") or "dimension"
        key = f"impact_{slug}"[: LONGEST_KEY - 2]
        free = next(name for name in (key, *(f"{key}_{n}" for n in range(2, 10))) if name not in taken)
        taken.add(free)
        dimension["key"] = free


# --- from the definition to the form ---------------------------------------------------------------------


@dataclass(frozen=True)
class Note:
    """A problem in words: ``where`` it is in words, too, and ``at`` which field or part of the page."""

    where: str
    text: str
    at: str
    is_advice: bool

    @property
    def box(self) -> str:
        """Where on the page the words stand; a cell of the matrix is too narrow for them."""
        return "cells" if self.at.startswith("cell-") else self.at


@dataclass
class Field:
    name: str
    value: str = ""
    notes: list[Note] = field(default_factory=list)
    is_wrong: bool = False


class Editor:
    """A definition as the fields of the page, each with what is wrong there.

    ``categories`` are the key and the name of those to offer an appetite for; the definition may name others, too.
    """

    def __init__(
        self, definition: Definition, problems: Iterable[Problem] = (), categories: Mapping[str, str] | None = None
    ) -> None:
        self.fields: dict[str, Field] = {}  # in the order of the page
        self._field(("likelihood",), "")
        self.likelihood = [
            self._level(("likelihood", n), level, _in_percent) for n, level in enumerate(definition["likelihood"])
        ]
        self._field(("dimensions",), "")
        self.dimensions = [self._dimension(n, item) for n, item in enumerate(definition["dimensions"])]
        self.combination = self._field(("combination",), definition["combination"])
        self.formula = self._field(("formula",), definition.get("formula", "exposure"))
        self._field(("cells",), "")
        self.cells = self._cells(definition.get("matrix", []))
        self._field(("bands",), "")
        self.bands = [self._band(n, band) for n, band in enumerate(definition["bands"])]
        self._field(("appetite",), "")
        self.appetite = self._appetite(definition.get("appetite", {}), categories or {})
        order = {name: number for number, name in enumerate(self.fields)}
        self.notes = sorted((self._note(problem) for problem in problems), key=lambda note: order[note.at])

    @property
    def errors(self) -> list[Note]:
        return [note for note in self.notes if not note.is_advice]

    @property
    def advice(self) -> list[Note]:
        return [note for note in self.notes if note.is_advice]

    @property
    def limits(self) -> dict[str, bool]:
        """Which rows can be added or removed."""
        likelihood, bands = len(self.likelihood), len(self.bands)
        impact = [len(dimension["levels"]) for dimension in self.dimensions] or [0]
        return {
            "add_likelihood": likelihood < MOST_LEVELS,
            "remove_likelihood": likelihood > FEWEST_LEVELS,
            "add_impact": min(impact) < MOST_LEVELS,
            "remove_impact": max(impact) > FEWEST_LEVELS,
            "add_dimension": len(self.dimensions) < MOST_DIMENSIONS,
            "remove_dimension": len(self.dimensions) > 1,
            "add_band": bands < MOST_BANDS,
            "remove_band": bands > FEWEST_BANDS,
        }

    def _note(self, problem: Problem) -> Note:
        """Put the problem at its field, or at the nearest part of the page around it."""
        place = problem.place
        if place[0] == "cell" and (self.formula.value != "matrix" or _name(place) not in self.fields):
            place = ("cells",)
        while _name(place) not in self.fields:
            place = place[:-1]
        is_advice = problem.severity == ADVICE
        note = Note(self._where(place), check_messages.said(problem), _name(place), is_advice)
        self.fields[note.box].notes.append(note)
        self.fields[note.at].is_wrong |= not is_advice
        return note

    def _where(self, place: Place) -> str:
        """The part of the page in words, such as "Financial, level 2"."""
        words, levels = _(_PARTS[str(place[0])]), place[1:2]
        if place[0] == "dimensions" and len(place) > 1:
            number = int(place[1])
            words = self.dimensions[number]["name"] or _("Dimension %(n)d") % {"n": number + 1}
            levels = place[3:4] if place[2:3] == ("levels",) else ()
        if place[0] == "bands" and len(place) > 1:
            return _("Band %(n)d") % {"n": int(place[1]) + 1}
        if place[0] in ("likelihood", "dimensions") and levels:
            return _("%(scale)s, level %(n)d") % {"scale": words, "n": int(levels[0]) + 1}
        return words

    def _field(self, place: Place, value: Any) -> Field:
        made = Field(_name(place), _in_words(value))
        self.fields[made.name] = made
        return made

    def _both(self, place: Place, texts: Mapping[str, str] | None) -> dict[str, Field]:
        return {language: self._field((*place, language), (texts or {}).get(language, "")) for language in ("en", "zh")}

    def _level(self, place: Place, level: Definition, show: Callable[[Any], str]) -> dict[str, Any]:
        number = int(place[-1]) + 1
        row = {
            "number": number,
            "name": _shown(level["label"]) or str(number),
            "label": self._both((*place, "label"), level["label"]),
            "low": self._field((*place, "low"), show(level["low"])),
            "high": self._field((*place, "high"), show(level["high"])),
        }
        if place[0] == "dimensions":
            row["descriptor"] = self._both((*place, "descriptor"), level.get("descriptor"))
        return row

    def _dimension(self, number: int, dimension: Definition) -> dict[str, Any]:
        place: Place = ("dimensions", number)
        return {
            "number": number + 1,
            "index": number,
            "whole": self._field(place, ""),
            "key": dimension["key"],
            "name": _shown(dimension["label"]),
            "label": self._both((*place, "label"), dimension["label"]),
            "weight": self._field((*place, "weight"), _in_percent(dimension["weight"])),
            "levels": [
                self._level((*place, "levels", n), level, _in_words) for n, level in enumerate(dimension["levels"])
            ],
        }

    def _band(self, number: int, band: Definition) -> dict[str, Any]:
        place: Place = ("bands", number)
        return {
            "number": number + 1,
            "position": str(number + 1),
            "name": _shown(band["label"]),
            "label": self._both((*place, "label"), band["label"]),
            "threshold": self._field((*place, "threshold"), band["threshold"]),
            "colour": self._field((*place, "colour"), band["colour"]),
            "review_days": self._field((*place, "review_days"), band["review_days"]),
            "tolerable": self._field((*place, "tolerable"), band["tolerable"]),
            "is_tolerable": band["tolerable"],
        }

    def _cells(self, matrix: list[list[Any]]) -> list[dict[str, Any]]:
        """The painted matrix as people look at it, the likeliest row on top."""
        rows = [
            {
                "level": self.likelihood[row] if row < len(self.likelihood) else None,
                "cells": [self._field(("cell", row + 1, column), band) for column, band in enumerate(line, start=1)],
            }
            for row, line in enumerate(matrix)
        ]
        return rows[::-1]

    def _appetite(self, appetite: Mapping[str, Any], categories: Mapping[str, str]) -> list[dict[str, Any]]:
        names = {**{key: key for key in appetite}, **categories}
        known = range(len(self.bands) + 1)
        return [
            {
                "name": name,
                "field": self._field(("appetite", key), appetite.get(key, "")),
                "is_unknown": key in appetite and appetite[key] not in known,
            }
            for key, name in names.items()
        ]


def _shown(label: Mapping[str, str]) -> str:
    return localised(label["en"], label["zh"])


def _name(place: Place) -> str:
    return "-".join(str(step) for step in place)


def _in_words(value: Any) -> str:
    """Numbers with thousands separated, every digit kept; text as it was typed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{Decimal(repr(value)):,f}".removesuffix(".0")


def _in_percent(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    return f"{(Decimal(repr(value)) * 100).normalize():f}"
