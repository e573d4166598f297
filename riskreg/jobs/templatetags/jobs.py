"""What a job came to, in words. A new count in a handler's result gets its words here."""

from __future__ import annotations

from typing import Any

from django import template
from django.utils.translation import gettext_lazy, ngettext_lazy

register = template.Library()

# By the keys of Job.result.
COUNTS: dict[str, Any] = {
    "scored": ngettext_lazy("%(n)d risk scored", "%(n)d risks scored", "n"),
    "changed": ngettext_lazy("%(n)d score changed", "%(n)d scores changed", "n"),
    "flags": ngettext_lazy("%(n)d flag raised", "%(n)d flags raised", "n"),
    "readings": ngettext_lazy("%(n)d reading taken", "%(n)d readings taken", "n"),
    "reviews": ngettext_lazy("%(n)d review pulled forward", "%(n)d reviews pulled forward", "n"),
    "told": ngettext_lazy("%(n)d matter told", "%(n)d matters told", "n"),
    "settled": ngettext_lazy("%(n)d matter settled", "%(n)d matters settled", "n"),
    "reminded": ngettext_lazy("%(n)d reminder", "%(n)d reminders", "n"),
    "risks": ngettext_lazy("%(n)d risk counted in", "%(n)d risks counted in", "n"),
    "queued": ngettext_lazy("%(n)d mail to send", "%(n)d mails to send", "n"),
    "deleted": ngettext_lazy("%(n)d job deleted", "%(n)d jobs deleted", "n"),
}
# What a mail came to, which is the value of "outcome".
OUTCOMES: dict[str, Any] = {
    "sent": gettext_lazy("sent"),
    "was sent": gettext_lazy("was sent before"),
    "not wanted": gettext_lazy("not sent, no longer wanted"),
    "quiet": gettext_lazy("not sent, nothing to say"),
}


@register.filter
def in_words(result: dict[str, Any] | None) -> str:
    """A result as people read it: "12 risks scored, 1 flag raised". What has no words keeps its key."""
    return ", ".join(_in_words(key, value) for key, value in (result or {}).items())


def _in_words(key: str, value: Any) -> str:
    if key in COUNTS and isinstance(value, int):
        return str(COUNTS[key] % {"n": value})
    if key == "outcome" and value in OUTCOMES:
        return str(OUTCOMES[value])
    return f"{key}: {value}"
