"""What people can be told of: each kind of event with its words, its page, and how loud it is by default."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format, number_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from monitoring.models import Event, Preference, Severity


@dataclass(frozen=True)
class Kind:
    """``say`` gives one sentence in the language of the moment, ``page`` the path where something can be done.

    ``mail_from`` and ``chat_from`` are the severities from which it is sent to those who have not said otherwise.
    """

    label: Any
    say: Callable[[Event], str]
    page: Callable[[Event], str]
    mail_from: int = Severity.HIGH
    chat_from: int = Severity.HIGH
    reminds: bool = True
    admins_only: bool = False


def say(event: Event) -> str:
    return KINDS[event.kind].say(event)


def page(event: Event) -> str:
    return KINDS[event.kind].page(event)


def _flag(event: Event) -> str:
    values = {
        "name": _name(event),
        "before": _number(event.details["before"]),
        "after": _number(event.details["after"]),
        "since": _day(event.details["since"]),
    }
    return _("“%(name)s” drifts: about %(before)s until %(since)s, %(after)s since.") % values


def _limit(event: Event) -> str:
    values = {"name": _name(event), "value": _number(event.details["value"]), "unit": event.details["unit"]}
    if event.details["level"] == "limit":
        return (_("“%(name)s” is beyond its limit: %(value)s %(unit)s") % values).strip() + "."
    return (_("“%(name)s” has reached its warning: %(value)s %(unit)s") % values).strip() + "."


def _appetite(event: Event) -> str:
    return _("“%(name)s” is beyond what we are willing to bear: score %(score)s.") % {
        "name": _name(event),
        "score": _number(event.details["score"]),
    }


def _review(event: Event) -> str:
    return _("“%(name)s” is due for review since %(day)s.") % {"name": _name(event), "day": _day(event.details["due"])}


def _action(event: Event) -> str:
    values = {"action": event.details["title"], "name": _name(event), "day": _day(event.details["due"])}
    return _("“%(action)s” against “%(name)s” was due on %(day)s.") % values


def _armed(event: Event) -> str:
    values = {"response": event.details["title"], "name": _name(event)}
    return _("The contingency “%(response)s” of “%(name)s” is armed: its actions are to be done now.") % values


def _acceptance(event: Event) -> str:
    return _("The acceptance of “%(name)s” ends on %(day)s.") % {
        "name": _name(event),
        "day": _day(event.details["until"]),
    }


def _job(event: Event) -> str:
    values = {"job": event.details["job"], "reason": event.details["reason"]}
    return _("The job %(job)s was given up: %(reason)s") % values


def _address(event: Event) -> str:
    values = {"name": event.details["name"], "reason": event.details["reason"]}
    return _("“%(name)s” was switched off, because it failed too often: %(reason)s") % values


def _name(event: Event) -> str:
    """A risk's title, or an indicator's name, as it is today."""
    return str(event.risk.title if event.risk is not None else event.indicator)


def _number(value: float) -> str:
    return number_format(round(value), 0) if abs(value) >= 10 else number_format(round(value, 2))


def _day(iso: str) -> str:
    return date_format(dt.date.fromisoformat(iso), "SHORT_DATE_FORMAT")


def _risk_page(event: Event) -> str:
    return reverse("risks:show", args=[event.risk_id])


def _flag_page(event: Event) -> str:
    return reverse("monitoring:flag", args=[event.details["flag"]])


def _indicator_page(event: Event) -> str:
    return reverse("monitoring:indicator", args=[event.indicator_id])


KINDS = {
    "flag": Kind(gettext_lazy("A score or an indicator drifts"), _flag, _flag_page),
    "limit": Kind(gettext_lazy("An indicator passes its warning or limit"), _limit, _indicator_page),
    "appetite": Kind(gettext_lazy("A risk goes beyond appetite"), _appetite, _risk_page),
    "armed": Kind(gettext_lazy("A contingency is armed"), _armed, _risk_page, mail_from=Severity.NORMAL, reminds=False),
    # The digest tells these as well, so their mails wait until it is urgent.
    "review": Kind(gettext_lazy("A review is due"), _review, _risk_page, mail_from=Severity.URGENT),
    "action": Kind(gettext_lazy("An action is overdue"), _action, _risk_page, mail_from=Severity.URGENT),
    "acceptance": Kind(
        gettext_lazy("An acceptance ends"), _acceptance, _risk_page, mail_from=Severity.URGENT, reminds=False
    ),
    "job": Kind(
        gettext_lazy("A background job was given up"),
        _job,
        lambda _event: reverse("jobs:operations"),
        admins_only=True,
    ),
    "address": Kind(
        gettext_lazy("A webhook or chat channel was switched off"),
        _address,
        lambda event: reverse("monitoring:webhooks" if event.details["is_webhook"] else "monitoring:preferences"),
        mail_from=Severity.NORMAL,
        chat_from=Preference.NEVER,
        reminds=False,
    ),
}
