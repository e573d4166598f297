from __future__ import annotations

from django import template

from risks import import_messages
from risks.models import ImportRow

register = template.Library()


@register.simple_tag
def reasons(row: ImportRow, headings: dict[str, str]) -> list[dict[str, str]]:
    return import_messages.of_reasons(row.reasons, headings)


@register.simple_tag
def changed_columns(row: ImportRow, headings: dict[str, str]) -> str:
    return ", ".join(headings.get(key, key) for key in (row.before or {}).get("changed", []))
