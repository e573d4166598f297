"""The figures of a suggestion as people of the active language read them, and whom or what it is about.

Nothing here asks the database: what is related to a suggestion is named only where it was loaded with it.
"""

from __future__ import annotations

import datetime as dt
import math
from typing import Any

from django.db import models
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from riskreg.ui.templatetags import ui
from risks.models import Suggestion

_FIRST_DAY = dt.date(1970, 1, 1)
_LONGEST_NAME = 100  # two of them and some words still make a risk's title
EVERYBODY = "0"  # the key of all teams together


class Figures:
    """A suggestion's details, each in words; None for what is not there, so that no sentence is made of it."""

    def __init__(self, suggestion: Suggestion) -> None:
        self.suggestion = suggestion
        self._details = suggestion.details if isinstance(suggestion.details, dict) else {}

    def value(self, name: str) -> float | None:
        value = self._details.get(name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return value

    def above(self, name: str, least: float = 0) -> bool:
        """Whether the figure is there and greater."""
        value = self.value(name)
        return value is not None and value > least

    def is_so(self, name: str) -> bool:
        return self._details.get(name) is True

    def text(self, name: str) -> str | None:
        value = self._details.get(name)
        return shortened(value) if isinstance(value, str) and value else None

    def number(self, name: str) -> str | None:
        value = self.value(name)
        return None if value is None else number(value)

    def days(self, name: str) -> str | None:
        value = self.value(name)
        if value is None:
            return None
        said = number(value)
        return ngettext("%(n)s day", "%(n)s days", 1 if said == number(1) else 2) % {"n": said}

    def day(self, name: str) -> str | None:
        """A day that is kept as days since 1970."""
        value = self.value(name)
        if value is None:
            return None
        try:
            return date_format(_FIRST_DAY + dt.timedelta(days=math.floor(value)), "SHORT_DATE_FORMAT")
        except OverflowError:
            return None

    def money(self, name: str) -> str | None:
        value = self.value(name)
        return None if value is None else str(ui.money(value))

    def percent(self, name: str) -> str | None:
        value = self.value(name)
        if value is None:
            return None
        return str(ui.percent(value)) if value else "0 %"


def number(value: float) -> str:
    """With one decimal below ten, if it has any."""
    rounded = round(value, 1) if abs(value) < 10 else round(value)
    decimals = 0 if rounded == int(rounded) else 1
    return number_format(rounded, decimals, force_grouping=True).replace("-", "−")


def money_at_risk(suggestion: Suggestion) -> str | None:
    return None if suggestion.money is None else str(ui.money(float(suggestion.money)))


def shortened(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def name_of(suggestion: Suggestion) -> str:
    """What the subject is called. A deal that has only a number is called by what is sold to whom, if that is known."""
    if suggestion.subject == "deal":
        deal = _loaded(suggestion, "deal")
        known = {} if deal is None else vars(deal)  # never a column that was left out, which would be a query
        if suggestion.name and suggestion.name == known.get("external_id"):
            return _of_a_number(suggestion, known.get("product"), _loaded(deal, "customer"))
    return shortened(suggestion.name or suggestion.key)


def stage_of(suggestion: Suggestion) -> str | None:
    deal = _loaded(suggestion, "deal")
    stage = None if deal is None else vars(deal).get("stage")
    return shortened(stage) if stage else None


def team_of(suggestion: Suggestion) -> str | None:
    """The team a suggestion is about; None for all of them, and where it was not loaded."""
    team = None if suggestion.key == EVERYBODY else _loaded(suggestion, "team")
    return None if team is None else shortened(team.name)


def group_of(suggestion: Suggestion) -> tuple[str, str]:
    """Which kind of group, as "industry", and its name; both empty where it is about everything."""
    kind, colon, name = suggestion.key.partition(":")
    return (kind, shortened(name)) if colon else ("", "")


def _of_a_number(suggestion: Suggestion, product: str | None, customer: Any) -> str:
    customer = customer or _loaded(suggestion, "customer")
    if customer is None:
        return shortened(suggestion.name)
    values = {"customer": shortened(customer.name), "product": shortened(product or ""), "number": suggestion.name}
    if product:
        return _("%(product)s for %(customer)s") % values
    return _("%(customer)s (%(number)s)") % values


def _loaded(of: models.Model, name: str) -> Any:
    """What a foreign key leads to, if it is there already."""
    field = of._meta.get_field(name)
    return getattr(of, name) if isinstance(field, models.ForeignKey) and field.is_cached(of) else None
