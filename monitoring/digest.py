"""When a digest is due. Plain: the clock is passed in.

A person's times are wall times: an hour of her own day, in her zone. A time the spring change skips falls on the
next valid one, a time the autumn change repeats counts once, the first.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

CADENCES = ("daily", "weekly", "monthly")


@dataclass(frozen=True)
class Period:
    """A period's name, unique for a person, and the moment (UTC) from which its digest is due."""

    key: str
    due: dt.datetime


def latest_period(cadence: str, *, hour: int, zone: ZoneInfo, now: dt.datetime) -> Period:
    """The period whose digest fell due last, at or before ``now`` (aware). Raises ValueError for another cadence."""
    today = now.astimezone(zone).date()
    for back in (0, 1):
        day = _day_of(cadence, today, back)
        due = dt.datetime.combine(day, dt.time(hour), tzinfo=zone).astimezone(dt.UTC)
        if due <= now:
            return Period(_key(cadence, day), due)
    raise AssertionError("the period before this one always lies in the past")


def _day_of(cadence: str, today: dt.date, back: int) -> dt.date:
    if cadence == "daily":
        return today - dt.timedelta(days=back)
    if cadence == "weekly":
        return today - dt.timedelta(days=today.weekday() + 7 * back)
    if cadence == "monthly":
        first = today.replace(day=1)
        return first if not back else (first - dt.timedelta(days=1)).replace(day=1)
    raise ValueError(f"{cadence!r} is none of {', '.join(CADENCES)}")


def _key(cadence: str, day: dt.date) -> str:
    if cadence == "daily":
        return day.isoformat()
    if cadence == "weekly":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{day:%Y-%m}"
