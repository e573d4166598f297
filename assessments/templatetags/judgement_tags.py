"""How a probability, and a quantity that was given as a number or a range, are said."""

from __future__ import annotations

from decimal import Decimal

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from assessments.actions import Number
from riskreg.ui.templatetags.ui import money

register = template.Library()


@register.filter
def chance(probability: float, digits: int = 3) -> str:
    """A probability in percent with so many digits that tell: 0.6 %, 10.6 %, 99.95 %."""
    return f"{_percentage(probability, digits)} %"


@register.filter
def share_given(given: Number) -> str:
    """A probability as it was given and what it counts as: "5 – 20 %, counts as 10.6 %"."""
    if given.low is None or given.high is None:
        return chance(given.value)
    return _counts_as(given, f"{_percentage(given.low)} – {chance(given.high)}", chance(given.value))


@register.filter
def money_given(given: Number) -> str:
    """An amount as it was given and what it counts as."""
    if given.low is None or given.high is None:
        return money(given.value)
    return _counts_as(given, f"{money(given.low)} – {money(given.high)}", money(given.value))


@register.filter
def said(value: float, kind: str) -> str:
    """A probability (kind "share") or an amount (kind "money") in words."""
    return chance(value) if kind == "share" else money(value)


def _counts_as(given: Number, ends: str, value: str) -> str:
    words = {"ends": ends, "value": value}
    if given.pooled:
        return _("several opinions: %(ends)s, counts as %(value)s") % words
    return _("%(ends)s, counts as %(value)s") % words


def _percentage(probability: float, digits: int = 3) -> str:
    # Near 100 % it is the digits after the nines that tell.
    digits = digits if probability < 0.99 else digits + 2
    return number_format(Decimal(f"{Decimal(repr(probability)) * 100:.{digits}g}").normalize() + 0)
