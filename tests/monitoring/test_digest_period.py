from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring.digest import CADENCES, Period, latest_period

BERLIN, NEW_YORK, SHANGHAI = ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Shanghai")
LORD_HOWE, SANTIAGO, APIA = ZoneInfo("Australia/Lord_Howe"), ZoneInfo("America/Santiago"), ZoneInfo("Pacific/Apia")

zones = st.sampled_from([BERLIN, NEW_YORK, SHANGHAI, LORD_HOWE, SANTIAGO, APIA, ZoneInfo("UTC")])
hours = st.integers(0, 23)
moments = st.integers(0, 20 * 365 * 86_400).map(
    lambda seconds: dt.datetime(2020, 1, 1, tzinfo=dt.UTC) + dt.timedelta(seconds=seconds)
)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def latest(cadence: str, now: str, *, hour: int = 8, zone: ZoneInfo = BERLIN) -> Period:
    return latest_period(cadence, hour=hour, zone=zone, now=utc(now))


# --- by the person's own clock -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cadence", "now", "key", "due"),
    [
        ("daily", "2026-11-24 06:59:59", "2026-11-23", "2026-11-23 07:00"),
        ("daily", "2026-11-24 07:00", "2026-11-24", "2026-11-24 07:00"),
        ("daily", "2026-07-24 06:00", "2026-07-24", "2026-07-24 06:00"),  # summer: 8 in Berlin is 6 UTC
        ("daily", "2026-11-23 23:30", "2026-11-23", "2026-11-23 07:00"),  # already the 24th in Berlin, but before 8
        ("weekly", "2026-11-23 06:59:59", "2026-W47", "2026-11-16 07:00"),
        ("weekly", "2026-11-23 07:00", "2026-W48", "2026-11-23 07:00"),
        ("weekly", "2026-11-29 22:59", "2026-W48", "2026-11-23 07:00"),
        ("monthly", "2026-11-01 06:59:59", "2026-10", "2026-10-01 06:00"),
        ("monthly", "2026-11-01 07:00", "2026-11", "2026-11-01 07:00"),
        ("monthly", "2026-12-31 22:59", "2026-12", "2026-12-01 07:00"),
        ("monthly", "2026-12-31 23:00", "2026-12", "2026-12-01 07:00"),  # 2027 in Berlin, but before 8
        ("monthly", "2027-01-01 07:00", "2027-01", "2027-01-01 07:00"),
    ],
)
def test_is_due_from_the_hour_of_the_persons_own_day(cadence: str, now: str, key: str, due: str) -> None:
    assert latest(cadence, now) == Period(key, utc(due))


@pytest.mark.parametrize(("zone", "key"), [(SHANGHAI, "2026-11-24"), (BERLIN, "2026-11-24"), (NEW_YORK, "2026-11-23")])
def test_one_moment_is_another_day_elsewhere(zone: ZoneInfo, key: str) -> None:
    assert latest("daily", "2026-11-24 12:00", zone=zone).key == key


@pytest.mark.parametrize(
    ("now", "key"),
    [
        ("2026-12-28 07:00", "2026-W53"),  # a year of 53 weeks
        ("2027-01-03 12:00", "2026-W53"),  # Sunday of that week lies in the next year
        ("2027-01-04 06:59", "2026-W53"),
        ("2027-01-04 07:00", "2027-W01"),
        ("2024-12-30 07:00", "2025-W01"),  # a Monday in December that belongs to the next year
        ("2025-01-01 07:00", "2025-W01"),
    ],
)
def test_weeks_at_the_end_of_the_year_are_named_by_iso(now: str, key: str) -> None:
    assert latest("weekly", now).key == key


@pytest.mark.parametrize(
    ("now", "key"),
    [
        ("2026-03-31 12:00", "2026-03"),
        ("2026-05-31 12:00", "2026-05"),
        ("2026-03-01 06:59", "2026-02"),
        ("2028-02-29 12:00", "2028-02"),
        ("2027-01-01 06:59", "2026-12"),
    ],
)
def test_long_and_short_months(now: str, key: str) -> None:
    assert latest("monthly", now).key == key


def test_another_cadence_is_refused() -> None:
    with pytest.raises(ValueError, match="'hourly' is none of daily, weekly, monthly"):
        latest("hourly", "2026-11-24 12:00")


# --- nights on which the clocks change ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "before", "after"),
    [
        # The skipped hour 2 begins where 3 begins.
        (BERLIN, "2026-03-29 00:59:59", "2026-03-29 01:00"),
        (NEW_YORK, "2026-03-08 06:59:59", "2026-03-08 07:00"),
    ],
)
def test_a_skipped_hour_is_due_at_the_next_valid_one(zone: ZoneInfo, before: str, after: str) -> None:
    day = utc(after).date()
    assert latest("daily", before, hour=2, zone=zone).key == (day - dt.timedelta(days=1)).isoformat()
    period = latest("daily", after, hour=2, zone=zone)
    assert period == Period(day.isoformat(), utc(after))
    assert (period.due.astimezone(zone).hour, period.due.astimezone(zone).minute) == (3, 0)


@pytest.mark.parametrize(
    ("zone", "hour", "first", "second"),
    [
        (BERLIN, 2, "2026-10-25 00:00", "2026-10-25 01:00"),
        (NEW_YORK, 1, "2026-11-01 05:00", "2026-11-01 06:00"),
    ],
)
def test_a_repeated_hour_counts_once_the_first(zone: ZoneInfo, hour: int, first: str, second: str) -> None:
    assert utc(first).astimezone(zone).hour == utc(second).astimezone(zone).hour == hour
    day = utc(first).date().isoformat()
    period = latest("daily", first, hour=hour, zone=zone)
    assert period == Period(day, utc(first))
    assert latest("daily", second, hour=hour, zone=zone) == period


def test_a_day_without_a_midnight_still_has_its_digest() -> None:
    """In Santiago the clock goes from 23:59:59 on Saturday to 1:00 on Sunday."""
    assert latest("daily", "2026-09-06 03:59:59", hour=0, zone=SANTIAGO).key == "2026-09-05"
    assert latest("daily", "2026-09-06 04:00", hour=0, zone=SANTIAGO) == Period("2026-09-06", utc("2026-09-06 04:00"))


def test_a_half_hour_of_summer_time() -> None:
    """On Lord Howe 2:00 becomes 2:30."""
    assert latest("daily", "2026-10-03 15:30", hour=2, zone=LORD_HOWE) == Period("2026-10-04", utc("2026-10-03 15:30"))


@pytest.mark.parametrize("zone", [BERLIN, NEW_YORK])
@pytest.mark.parametrize("hour", range(24))
@pytest.mark.parametrize("day", ["2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01"])
def test_every_local_day_has_exactly_one_daily_period_even_when_clocks_change(
    zone: ZoneInfo, hour: int, day: str
) -> None:
    """Walked quarter by quarter, as the timetable does, over the day and its neighbours."""
    middle = dt.date.fromisoformat(day)
    start = dt.datetime.combine(middle - dt.timedelta(days=2), dt.time(hour), tzinfo=zone).astimezone(dt.UTC)
    seen: list[Period] = []
    for quarter in range(4 * 24 * 4):
        now = start + dt.timedelta(minutes=15 * quarter)
        period = latest_period("daily", hour=hour, zone=zone, now=now)
        if period not in seen:
            seen.append(period)
            assert period.due == now  # due exactly when it appears, not a quarter later
    days = [(middle + dt.timedelta(days=n)).isoformat() for n in (-2, -1, 0, 1)]
    assert [period.key for period in seen][:4] == days


# --- always ------------------------------------------------------------------------------------------------


def following_day(cadence: str, period: Period, zone: ZoneInfo) -> dt.date:
    """The local day on which the period after this one falls due."""
    day = period.due.astimezone(zone).date()
    if cadence == "monthly":
        return (day.replace(day=1) + dt.timedelta(days=32)).replace(day=1)
    return day + dt.timedelta(days=7 if cadence == "weekly" else 1)


@given(st.sampled_from(CADENCES), hours, zones, moments)
def test_is_due_now_and_the_next_one_is_not_yet(cadence: str, hour: int, zone: ZoneInfo, now: dt.datetime) -> None:
    period = latest_period(cadence, hour=hour, zone=zone, now=now)
    following = dt.datetime.combine(following_day(cadence, period, zone), dt.time(hour), tzinfo=zone)
    assert period.due <= now < following.astimezone(dt.UTC)
    assert period.due.utcoffset() == dt.timedelta(0)
    # What is due at its own moment is this very period: nothing lies between it and now.
    assert latest_period(cadence, hour=hour, zone=zone, now=period.due) == period


@given(st.sampled_from(CADENCES), hours, zones, st.tuples(moments, moments))
def test_time_never_goes_back(cadence: str, hour: int, zone: ZoneInfo, pair: tuple[dt.datetime, dt.datetime]) -> None:
    sooner, later = (latest_period(cadence, hour=hour, zone=zone, now=now) for now in sorted(pair))
    assert sooner.due <= later.due
    assert (sooner.due == later.due) == (sooner.key == later.key)


@given(hours, zones, st.dates(dt.date(2020, 1, 2), dt.date(2040, 12, 30)))
def test_each_local_day_has_exactly_one_daily_period(hour: int, zone: ZoneInfo, day: dt.date) -> None:
    """Its key is the day's, it falls due on that day, and the neighbours' are other ones."""
    ends = [
        dt.datetime.combine(day + dt.timedelta(days=n), dt.time(hour), tzinfo=zone).astimezone(dt.UTC) for n in (0, 1)
    ]
    first = latest_period("daily", hour=hour, zone=zone, now=ends[0])
    last = latest_period("daily", hour=hour, zone=zone, now=ends[1] - dt.timedelta(microseconds=1))
    assert first == last
    assert first.key == day.isoformat()
    assert first.due.astimezone(zone).date() == day
    assert latest_period("daily", hour=hour, zone=zone, now=ends[1]).key == (day + dt.timedelta(days=1)).isoformat()
