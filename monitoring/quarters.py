"""Business quarters. Plain."""

from __future__ import annotations

import calendar
import datetime as dt


def quarter_end(day: dt.date, *, year_starts_in: int = 1) -> dt.date:
    """The last day of the quarter a day lies in; ``year_starts_in`` is the month the business year begins, 1 to 12."""
    into = (day.month - year_starts_in) % 3  # months since the quarter began
    month = day.month + 2 - into
    year, month = day.year + (month - 1) // 12, (month - 1) % 12 + 1
    return dt.date(year, month, calendar.monthrange(year, month)[1])
