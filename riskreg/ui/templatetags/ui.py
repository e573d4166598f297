"""Tags that know nothing of risks: icons, links that keep the query, money, sortable headings."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django import template
from django.conf import settings
from django.http import HttpRequest
from django.template.context import Context
from django.templatetags.static import static
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from django.utils.translation import gettext as _

register = template.Library()

_STEPS = {
    "en": ((1e9, "bn"), (1e6, "M"), (1e3, "k")),
    "zh": ((1e8, "亿"), (1e4, "万")),
}


@register.simple_tag
def icon(name: str) -> SafeString:
    """A decorative icon; the words beside it, or the button's label, carry the meaning."""
    return format_html(
        '<svg class="icon" aria-hidden="true" focusable="false"><use href="{}#{}"></use></svg>',
        static("icons/icons.svg"),
        name,
    )


@register.filter
def money(amount: float | None) -> str:
    """An amount short enough for a table, three figures at most: 1.24M, 350k; in Chinese 124万."""
    if amount is None:
        return "–"
    language = "zh" if (get_language() or "").startswith("zh") else "en"
    value, suffix = float(amount), ""
    for size, name in _STEPS[language]:
        if abs(value) >= size * 0.9995:
            value, suffix = value / size, name
            break
    digits = 0 if abs(value) >= 100 or not suffix else 1 if abs(value) >= 10 else 2
    value = round(value, digits)
    while digits and value == round(value, digits - 1):
        digits -= 1  # 2k, not 2.00k
    text = number_format(value, decimal_pos=digits, force_grouping=True).replace("-", "−")
    return f"{settings.CURRENCY} {text}{suffix}"


@register.filter
def score(value: float | None) -> str:
    return "–" if value is None else number_format(round(value), 0)


@register.filter
def percent(share: float | None) -> str:
    """A share as a percentage: 42 %, below a tenth with one decimal."""
    if share is None:
        return "–"
    digits = 1 if 0 <= share < 0.0995 else 0
    return f"{number_format(round(share * 100, digits), digits)} %".replace("-", "−")  # number_format only cuts off


@register.filter
def days_until(date: dt.date | None) -> str:
    """A date as people say it near today; further away it is just the date's distance in days."""
    if date is None:
        return ""
    days = (date - timezone.localdate()).days
    if days == 0:
        return _("today")
    if days < 0:
        return _("%(days)d days overdue") % {"days": -days} if days < -1 else _("1 day overdue")
    return _("in %(days)d days") % {"days": days} if days > 1 else _("tomorrow")


@register.filter
def elapsed(time: dt.timedelta | None) -> str:
    """A length of time in its largest unit: 40 s, 3 min, 5 h, 2 days; nothing for None."""
    if time is None:
        return ""
    seconds = int(time.total_seconds())
    if seconds < 60:
        return _("%(n)d s") % {"n": seconds} if seconds else _("under 1 s")
    if seconds < 3600:
        return _("%(n)d min") % {"n": seconds // 60}
    if seconds < 2 * 86400:
        return _("%(n)d h") % {"n": seconds // 3600}
    return _("%(n)d days") % {"n": seconds // 86400}


@register.filter
def is_past(date: dt.date | None) -> bool:
    return date is not None and date < timezone.localdate()


@register.simple_tag(takes_context=True)
def query(context: Context, **changes: Any) -> str:
    """The page's query string with some values changed; an empty value takes its key away."""
    parameters = context["request"].GET.copy()
    for key, value in changes.items():
        if value in (None, ""):
            parameters.pop(key, None)
        else:
            parameters[key] = str(value)
    return f"?{parameters.urlencode()}"


@register.inclusion_tag("partials/_sort_heading.html", takes_context=True)
def sort_heading(context: Context, name: str, label: str, first: str = "-") -> dict[str, Any]:
    """A column heading that sorts by ``name``; the first click sorts downwards unless ``first`` is empty."""
    current = context["sort"]
    down, up = current == f"-{name}", current == name
    turned = name if down else f"-{name}" if up else f"{first}{name}"
    return {
        "request": context["request"],
        "label": label,
        "sort": turned,
        "direction": "descending" if down else "ascending" if up else "none",
    }


@register.simple_tag(takes_context=True)
def here(context: Context, *prefixes: str, besides: str = "") -> str:
    """Active when the page's path begins with one of the prefixes, and with none of the words in ``besides``.

    "/" stands for itself alone.
    """
    request: HttpRequest = context["request"]
    if any(request.path.startswith(other) for other in besides.split()):
        return ""
    for prefix in prefixes:
        if request.path == prefix or (prefix != "/" and request.path.startswith(prefix)):
            return " active"
    return ""


@register.filter
def unlocalise(number: float) -> str:
    """A number as SVG wants it: with a point, whatever the language."""
    return f"{number:g}"


@register.filter
def make_list_of_words(text: str) -> list[str]:
    return text.split()


@register.filter
def item(mapping: Any, key: Any) -> Any:
    """mapping[key], or nothing where there is no such key."""
    try:
        return mapping[key]
    except (KeyError, IndexError, TypeError):
        return ""


@register.filter
def add_class_select(field: Any) -> SafeString:
    """A select in our look."""
    return field.as_widget(attrs={"class": "form-select"})  # type: ignore[no-any-return]


@register.filter
def item_from_one(sequence: Any, position: int) -> Any:
    """The item at a position counted from 1, as levels and bands are."""
    return sequence[position - 1]
