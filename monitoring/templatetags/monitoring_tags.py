"""How reasons, notices and indicators are put into words on pages and in mails."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import template
from django.template.context import Context
from django.utils.formats import number_format
from django.utils.translation import gettext as _

from monitoring import happenings, queries
from monitoring.models import Event, Indicator
from monitoring.reasons import Reason
from riskreg.ui.templatetags.ui import percent

register = template.Library()

_NOTHING = 0.0005  # of the exposure: less is shown as nothing


@register.filter
def reason_text(reason: Reason | Mapping[str, Any]) -> str:
    """What moved and by how much it multiplied the exposure: "Satisfaction: 4.2 → 3.1, +80 %"."""
    one = reason if isinstance(reason, Reason) else Reason(**reason)
    said = {
        "judgement": _("assessed anew"),
        "response": _("response: %(label)s") % {"label": one.label},
    }.get(one.kind, one.label)
    if one.factor is None or abs(one.factor - 1) < _NOTHING:
        return said
    if one.factor >= 2:
        return f"{said}, × {number_format(one.factor, 1 if one.factor < 10 else 0)}"
    share = one.factor - 1
    return f"{said}, {'+' if share > 0 else ''}{percent(share)}"


@register.filter
def says(event: Event) -> str:
    return happenings.say(event)


@register.filter
def page(event: Event) -> str:
    return happenings.page(event)


@register.filter
def reading(value: float | None, indicator: Indicator) -> str:
    """A reading with its unit, in at most four significant digits below a thousand."""
    if value is None:
        return "–"
    digits = 0 if abs(value) >= 1000 or value == round(value) else 2 if abs(value) >= 1 else 4
    shown = number_format(
        round(value, digits), digits if value != round(value) else 0, force_grouping=abs(value) >= 1e4
    )
    return f"{shown} {indicator.unit}".strip().replace("-", "−")


@register.inclusion_tag("monitoring/_indicator_state.html", takes_context=True)
def indicator_badge(context: Context, indicator: Indicator) -> dict[str, Any]:
    """Where it stands, and whether that is old news."""
    return {"indicator": indicator, "is_stale": indicator.is_stale(context["now"]), "level": indicator.level}


@register.simple_tag(takes_context=True)
def unread_notices(context: Context) -> int:
    return queries.unread(context["request"].user)
