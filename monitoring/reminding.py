"""How often people are reminded of what is still open, and when it goes to their manager. Plain."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    every_days: int
    times: int  # after so many reminders the manager hears of it


# By severity: 1 normal, 2 high, 3 urgent.
PLANS = {1: Plan(every_days=7, times=2), 2: Plan(every_days=3, times=2), 3: Plan(every_days=1, times=2)}


def next_reminder(severity: int, *, now: dt.datetime) -> dt.datetime:
    """When to say it again if the matter is still open. Raises KeyError for another severity."""
    return now + dt.timedelta(days=PLANS[severity].every_days)


def goes_to_manager(severity: int, *, given: int) -> bool:
    """Whether reminders have not helped: the next word goes to the manager."""
    return given >= PLANS[severity].times
