import datetime as dt

import pytest

from riskreg.celery import Recurring
from riskreg.jobs.timetable import next_slot


def utc(*parts: int) -> dt.datetime:
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("every", "at", "now", "expected"),
    [
        (1440, 135, utc(2026, 5, 1, 2, 14, 59), utc(2026, 5, 1, 2, 15)),
        (1440, 135, utc(2026, 5, 1, 2, 15), utc(2026, 5, 2, 2, 15)),
        (1440, 135, utc(2026, 12, 31, 23), utc(2027, 1, 1, 2, 15)),
        (1440, 135, utc(2028, 2, 28, 3), utc(2028, 2, 29, 2, 15)),
        (1440, 0, utc(2026, 5, 1, 23, 59, 59), utc(2026, 5, 2)),
        (15, 0, utc(2026, 5, 1, 0, 0), utc(2026, 5, 1, 0, 15)),
        (15, 0, utc(2026, 5, 1, 23, 50), utc(2026, 5, 2)),
        (15, 5, utc(2026, 5, 1, 23, 50, 0, 1), utc(2026, 5, 2, 0, 5)),
        (60, 75, utc(2026, 5, 1, 0, 0), utc(2026, 5, 1, 0, 15)),
    ],
)
def test_gives_the_first_slot_after_now(every: int, at: int, now: dt.datetime, expected: dt.datetime) -> None:
    assert next_slot(Recurring("x", every_minutes=every, at_minute=at), now) == expected


def test_local_summer_time_makes_no_difference() -> None:
    two_hours_east = dt.timezone(dt.timedelta(hours=2))
    slot = next_slot(
        Recurring("x", every_minutes=1440, at_minute=60), dt.datetime(2026, 3, 29, 2, tzinfo=two_hours_east)
    )
    assert slot == utc(2026, 3, 29, 1)
    assert slot.tzinfo is dt.UTC


def test_each_slot_is_the_next_of_the_one_before() -> None:
    recurring, now = Recurring("x", every_minutes=15), utc(2026, 10, 25)
    for step in range(1, 200):
        now = next_slot(recurring, now)
        assert now == utc(2026, 10, 25) + dt.timedelta(minutes=15 * step)
