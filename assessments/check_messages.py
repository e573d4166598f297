"""What the codes of checking a method mean, in words somebody understands who sets up a sales team."""

from __future__ import annotations

from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop, ngettext

from assessments.method import Label
from assessments.method_checks import Place, Problem
from riskreg.ui.templatetags.ui import money
from risks.models.category import localised

MESSAGES = {
    "unreadable": gettext_noop("This cannot be read."),
    "choice": gettext_noop("Choose one of these."),
    "number_missing": gettext_noop("A number is missing."),
    "number": gettext_noop("“%(typed)s” is not a number that can be used."),
    "probability": gettext_noop("A probability lies above 0 %% and below 100 %%."),
    "money": gettext_noop("An amount lies above 0 and below a million billions."),
    "level_count": gettext_noop("A scale has %(fewest)s to %(most)s levels; this one has %(has)s."),
    "levels_differ": gettext_noop("All dimensions need the same number of levels: %(wanted)s, not %(has)s."),
    "level_reversed": gettext_noop("The level ends at %(ends)s, which is not above its beginning at %(begins)s."),
    "level_gap": gettext_noop(
        "Level %(level)s begins at %(begins)s, but level %(previous)s ends at %(ends)s: "
        "what lies between belongs to no level."
    ),
    "level_overlap": gettext_noop(
        "Level %(level)s begins at %(begins)s, but level %(previous)s ends at %(ends)s: "
        "what lies between belongs to both."
    ),
    "level_order": gettext_noop(
        "Level %(level)s lies below level %(previous)s; levels go from the mildest to the worst."
    ),
    "label_missing": gettext_noop("A name is missing, in English or in Chinese."),
    "label_double": gettext_noop("“%(label)s” is the name of number %(other)s, too; nobody could tell them apart."),
    "dimension_count": gettext_noop("A method has %(fewest)s to %(most)s dimensions; this one has %(has)s."),
    "key": gettext_noop("This dimension has no key of 1 to 50 characters."),
    "key_double": gettext_noop("This dimension has the same key as number %(other)s."),
    "weight": gettext_noop("A weight is not negative and at most 100 000 %%."),
    "weightless": gettext_noop("All weights are 0; at least one dimension must count."),
    "band_count": gettext_noop("A method has %(fewest)s to %(most)s bands; this one has %(has)s."),
    "threshold_first": gettext_noop("The first band begins at 0, so that every score has a band."),
    "threshold": gettext_noop("Scores go from 0 to 100."),
    "threshold_order": gettext_noop("A band must begin above the one before it, which begins at %(below)s."),
    "colour": gettext_noop("Choose one of the colours."),
    "review_days": gettext_noop("A whole number of days from 1 to %(most)s is needed."),
    "tolerable_order": gettext_noop("“%(lower)s” is milder and not tolerable, so this band cannot be tolerable."),
    "appetite_category": gettext_noop("There is no category “%(category)s” any more."),
    "appetite_band": gettext_noop("There is no such band any more."),
    "matrix_cell": gettext_noop("This cell needs a band."),
    "matrix_size": gettext_noop("The matrix needs %(rows)s rows of %(columns)s cells."),
    "milder": gettext_noop(
        "“%(likelihood)s × %(impact)s” is rated %(band)s, but the lesser “%(other_likelihood)s × %(other_impact)s” "
        "is rated %(other_band)s."
    ),
    "colour_twice": gettext_noop("“%(lower)s”, the band below, has the same colour."),
    "uneven": gettext_noop(
        "Level %(level)s ends at %(width)s times its beginning, level %(previous)s at %(its)s times. Levels of similar "
        "width on a logarithmic scale value risks best."
    ),
    "hidden": gettext_noop(
        "With this rule a risk at level %(level)s in %(dimension)s and at 1 in all others counts as level "
        "%(combined)s. The softened worst keeps it within one level."
    ),
    "few_bands": gettext_noop(
        "Only %(has)s of the bands occur in the matrix. With fewer than three, a small step leads from the mildest "
        "straight to the worst."
    ),
    "outweighed": gettext_noop(
        "A risk rated %(band)s can be smaller than one rated %(other_band)s: “%(likelihood)s × %(impact)s” begins at "
        "%(risk)s a year, “%(other_likelihood)s × %(other_impact)s” reaches up to %(other_risk)s."
    ),
    "step": gettext_noop(
        "From “%(other_likelihood)s × %(other_impact)s” a single step leads straight from %(other_band)s to %(band)s: "
        "“%(likelihood)s × %(impact)s”. A band should lie between."
    ),
    "edge": gettext_noop(
        "“%(likelihood)s × %(impact)s” is rated %(band)s, although it is among the rarest or mildest, whose range "
        "begins next to nothing."
    ),
    "colouring": gettext_noop(
        "“%(likelihood)s × %(impact)s” is rated %(band)s at about %(risk)s a year, but “%(other_likelihood)s × "
        "%(other_impact)s” only %(other_band)s at about %(other_risk)s."
    ),
}  # fmt: skip
_AS_MONEY = ("risk", "other_risk")
_AS_BOUND = ("begins", "ends")


def said(problem: Problem) -> str:
    """The problem as a sentence in the language of the page; how many more there are stands behind it."""
    params = {name: _shown(name, value, problem.place) for name, value in problem.params.items()}
    sentence = _(MESSAGES[problem.code]) % params
    others = int(problem.params.get("count", 1)) - 1  # type: ignore[arg-type]  # a count is a number
    if not others:
        return sentence
    more = ngettext("There is %(n)d more such place.", "There are %(n)d more such places.", others) % {"n": others}
    return f"{sentence} {more}"


def _shown(name: str, value: Any, place: Place) -> str:
    if isinstance(value, Label):
        return localised(value.en, value.zh)
    if isinstance(value, str):
        return value
    if name in _AS_MONEY:
        return money(value)
    if name in _AS_BOUND and place[0] == "likelihood":
        return f"{_exactly(value * 100)}\N{NO-BREAK SPACE}%"
    return _exactly(value)


def _exactly(number: float) -> str:
    """All digits that were typed: rounding could make two bounds that differ look alike."""
    return number_format(f"{number:.12f}".rstrip("0").rstrip("."), force_grouping=True)
