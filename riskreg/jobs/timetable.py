"""When a recurring job is next due. All in UTC: technical work knows no summer time."""

from __future__ import annotations

import datetime as dt

from riskreg.celery import Recurring


def next_slot(recurring: Recurring, now: dt.datetime) -> dt.datetime:
    """The first slot strictly after ``now`` (aware), in UTC.

    Slots lie ``every_minutes`` apart, counted from midnight UTC and shifted by ``at_minute``. A period that does
    not divide a day is counted on from 1 January 1970, so that its steps stay equal over midnight.
    """
    minute = int(now.timestamp() // 60)
    shift = recurring.at_minute % recurring.every_minutes
    slots_begun = (minute - shift) // recurring.every_minutes
    return dt.datetime.fromtimestamp(((slots_begun + 1) * recurring.every_minutes + shift) * 60, tz=dt.UTC)
