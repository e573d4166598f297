"""What pages of any stage show of the scoring method."""

from __future__ import annotations

from typing import Any

from django import template

from assessments.queries import activation_under_way

register = template.Library()


@register.inclusion_tag("assessments/_rescoring.html")
def rescoring_notice() -> dict[str, Any]:
    """A line while the register is being re-scored under a new version; nothing otherwise."""
    return activation_under_way()
