"""Time travel: the timetable asks every quarter of an hour, and each reader gets her digest at her own hour, once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.test import Client
from django.urls import reverse

from monitoring.digests import queue_due_digests
from monitoring.models import Digest
from riskreg.accounts.models import User
from riskreg.celery import TIMETABLE
from riskreg.jobs.models import Job
from risks.models import Risk
from tests.monitoring.sending import send, subscribe, work
from tests.monitoring.times import DAY, HOUR

MakeRisk = Callable[..., Risk]
BERLIN, NEW_YORK, SHANGHAI = "Europe/Berlin", "America/New_York", "Asia/Shanghai"
QUARTER = dt.timedelta(minutes=TIMETABLE["send_digests"].every_minutes)


def utc(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def reader(
    user: User, zone: str, *, hour: int = 8, cadence: str = "daily", since: str = "2020-01-01", **more: Any
) -> None:
    subscribe(user, time_zone=zone, hour=hour, cadence=cadence, since=utc(since), **more)


def live(first: str, last: str, *, every: dt.timedelta = QUARTER) -> list[str]:
    """Live through these moments of UTC as timetable and worker do; when something was sent, by the clock in UTC."""
    now, sent = utc(first), []
    while now <= utc(last):
        with time_machine.travel(now, tick=False):
            if queue_due_digests(now=now):
                sent += [now.strftime("%Y-%m-%d %H:%M") for outcome in work(now) if outcome == "sent"]
        now += every
    return sent


def already(first: str) -> None:
    """What fell due before these tests begin was sent then."""
    with time_machine.travel(utc(first), tick=False):
        send(utc(first))
    mail.outbox.clear()


# --- nights on which the clocks change ---------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    ("zone", "hour", "first", "sent"),
    [
        # Europe: 29 March 2026, 1:00 UTC, from 2:00 to 3:00.
        (BERLIN, 1, "2026-03-28 02:00", ["2026-03-29 00:00", "2026-03-29 23:00"]),
        (BERLIN, 2, "2026-03-28 02:00", ["2026-03-29 01:00", "2026-03-30 00:00"]),  # there is no 2:00: at 3:00
        (BERLIN, 3, "2026-03-28 02:00", ["2026-03-29 01:00", "2026-03-30 01:00"]),
        (BERLIN, 8, "2026-03-28 08:00", ["2026-03-29 06:00", "2026-03-30 06:00"]),
        # America: 8 March 2026, 7:00 UTC.
        (NEW_YORK, 1, "2026-03-07 07:00", ["2026-03-08 06:00", "2026-03-09 05:00"]),
        (NEW_YORK, 2, "2026-03-07 08:00", ["2026-03-08 07:00", "2026-03-09 06:00"]),
        (NEW_YORK, 8, "2026-03-07 14:00", ["2026-03-08 12:00", "2026-03-09 12:00"]),
    ],
)
def test_the_night_that_loses_an_hour(cast: SimpleNamespace, zone: str, hour: int, first: str, sent: list[str]) -> None:
    reader(cast.max, zone, hour=hour)
    already(first)
    last = (utc(first) + 2 * DAY).strftime("%Y-%m-%d %H:%M")
    assert live(first, last) == sent


@pytest.mark.once
@pytest.mark.parametrize(
    ("zone", "hour", "first", "sent"),
    [
        # Europe: 25 October 2026, 1:00 UTC, from 3:00 to 2:00.
        (BERLIN, 2, "2026-10-24 03:00", ["2026-10-25 00:00", "2026-10-26 01:00"]),  # 2:00 twice: the first
        (BERLIN, 3, "2026-10-24 03:00", ["2026-10-25 02:00", "2026-10-26 02:00"]),
        (BERLIN, 8, "2026-10-24 08:00", ["2026-10-25 07:00", "2026-10-26 07:00"]),
        # America: 1 November 2026, 6:00 UTC.
        (NEW_YORK, 1, "2026-10-31 06:00", ["2026-11-01 05:00", "2026-11-02 06:00"]),
        (NEW_YORK, 8, "2026-10-31 13:00", ["2026-11-01 13:00", "2026-11-02 13:00"]),
    ],
)
def test_the_night_that_has_an_hour_twice(
    cast: SimpleNamespace, zone: str, hour: int, first: str, sent: list[str]
) -> None:
    reader(cast.max, zone, hour=hour)
    already(first)
    last = (utc(sent[-1]) + 3 * HOUR).strftime("%Y-%m-%d %H:%M")
    assert live(first, last) == sent
    assert Digest.objects.count() == 3  # the one before, and these


@pytest.mark.once
@pytest.mark.parametrize("cadence", ["weekly", "monthly"])
def test_long_cadences_keep_their_hour_through_the_change(cast: SimpleNamespace, cadence: str) -> None:
    reader(cast.max, BERLIN, cadence=cadence)
    already("2026-03-23 08:00")
    sent = live("2026-03-23 08:00", "2026-04-02 08:00", every=HOUR)
    assert sent == {"weekly": ["2026-03-30 06:00"], "monthly": ["2026-04-01 06:00"]}[cadence]


# --- readers elsewhere -------------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize("server", ["UTC", "America/New_York", "Pacific/Auckland"])
def test_a_readers_hour_is_her_own_whatever_the_servers(cast: SimpleNamespace, settings: Any, server: str) -> None:
    settings.TIME_ZONE = server
    reader(cast.max, SHANGHAI, hour=8)
    reader(cast.mona, NEW_YORK, hour=8)
    reader(cast.vera, BERLIN, hour=0)
    already("2026-11-23 14:00")
    assert live("2026-11-23 14:00", "2026-11-24 13:45") == [
        "2026-11-23 23:00",  # midnight in Berlin
        "2026-11-24 00:00",  # 8:00 in Shanghai
        "2026-11-24 13:00",  # 8:00 in New York
    ]
    assert [message.to[0].split("@")[0] for message in mail.outbox] == ["vera", "max", "mona"]
    assert list(Digest.objects.order_by("-pk").values_list("user__username", "period")[:3]) == [
        ("mona", "2026-11-24"),
        ("max", "2026-11-24"),
        ("vera", "2026-11-24"),
    ]


def test_her_monday_and_her_first_come_when_they_come_to_her(cast: SimpleNamespace) -> None:
    """At 17:00 UTC on Sunday, 31 May it is 1:00 on Monday, 1 June in Shanghai."""
    reader(cast.max, SHANGHAI, hour=1, cadence="weekly")
    reader(cast.mona, SHANGHAI, hour=1, cadence="monthly")
    reader(cast.vera, NEW_YORK, hour=1, cadence="monthly")
    already("2026-05-30 00:00")
    assert live("2026-05-30 00:00", "2026-06-02 00:00", every=HOUR) == ["2026-05-31 17:00"] * 2 + ["2026-06-01 05:00"]
    assert {message.to[0].split("@")[0] for message in mail.outbox[:2]} == {"max", "mona"}


def test_its_dates_are_her_own(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    """What fell due on Tuesday in Shanghai is due at her 8:00 there, when it is still Monday in New York."""
    tuesday = dt.date(2026, 11, 24)
    for user in (cast.max, cast.mona):
        make_risk(f"Risk of {user}", owner=user, levels=(3, 3), at=utc("2026-11-24 00:00") - 90 * DAY)
    assert set(Risk.objects.values_list("sheet__review_due", flat=True)) == {tuesday}
    reader(cast.max, SHANGHAI, scope="mine")
    reader(cast.mona, NEW_YORK, hour=19, scope="mine")
    already("2026-11-23 23:00")
    assert live("2026-11-23 23:00", "2026-11-24 00:00") == ["2026-11-24 00:00"] * 2
    bodies = {message.to[0].split("@")[0]: message.body for message in mail.outbox}
    assert ("DUE FROM YOU" in bodies["max"], "DUE FROM YOU" in bodies["mona"]) == (True, False)


def test_who_moves_gets_the_next_one_at_the_new_places_hour(
    cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    reader(cast.max, BERLIN)
    already("2026-11-23 08:00")
    moved = {"active": "on", "cadence": "daily", "hour": 8, "time_zone": NEW_YORK, "scope": "all", "top": 10}
    moved["when_empty"] = "on"
    with time_machine.travel(utc("2026-11-23 08:10"), tick=False):
        assert sign_in(cast.max).post(reverse("monitoring:my_digest"), moved).status_code == 302
    # That of the 23rd she has had, in Berlin.
    assert live("2026-11-23 08:15", "2026-11-24 14:00") == ["2026-11-24 13:00"]


# --- months of every length --------------------------------------------------------------------------------


@pytest.mark.once
@pytest.mark.parametrize(
    ("first", "last", "sent"),
    [
        ("2026-01-29 08:00", "2026-02-02 08:00", ["2026-02-01 07:00"]),  # 31 days
        ("2026-02-26 08:00", "2026-03-02 08:00", ["2026-03-01 07:00"]),  # 28
        ("2028-02-27 08:00", "2028-03-02 08:00", ["2028-03-01 07:00"]),  # 29
        ("2026-04-28 08:00", "2026-05-02 08:00", ["2026-05-01 06:00"]),  # 30
        ("2026-05-29 08:00", "2026-06-02 08:00", ["2026-06-01 06:00"]),  # 31
        ("2026-12-29 08:00", "2027-01-02 08:00", ["2027-01-01 07:00"]),
    ],
)
def test_the_monthly_one_comes_on_the_first_and_never_on_the_thirty_first(
    cast: SimpleNamespace, first: str, last: str, sent: list[str]
) -> None:
    reader(cast.max, BERLIN, cadence="monthly")
    already(first)
    assert live(first, last, every=HOUR) == sent


def test_who_subscribes_on_the_thirty_first_waits_for_the_first(cast: SimpleNamespace) -> None:
    reader(cast.max, BERLIN, cadence="monthly", since="2026-01-31 10:00")
    assert live("2026-01-31 10:00", "2026-02-01 12:00") == ["2026-02-01 07:00"]
    assert live("2026-02-01 12:15", "2026-03-01 07:00", every=6 * HOUR) == []
    assert live("2026-03-01 07:00", "2026-03-01 07:00") == ["2026-03-01 07:00"]


@pytest.mark.once
@pytest.mark.parametrize(
    ("cadence", "first", "days", "expected"),
    [
        ("monthly", "2026-01-01", 365, [dt.date(2026, month, 1) for month in range(1, 13)]),
        # 2026 has 53 weeks.
        ("weekly", "2026-12-15", 40, [dt.date(2026, 12, 21) + n * 7 * DAY for n in range(5)]),
    ],
)
def test_in_the_long_run_none_is_left_out_and_none_comes_twice(
    cast: SimpleNamespace, cadence: str, first: str, days: int, expected: list[dt.date]
) -> None:
    """Walked day by day, with old jobs tidied away, as in an installation that runs for long."""
    reader(cast.max, BERLIN, cadence=cadence, hour=6)
    already((utc(first) - 7 * HOUR).strftime("%Y-%m-%d %H:%M"))
    for n in range(days):
        now = utc(first) + n * DAY + 5 * HOUR
        Job.objects.filter(finished_at__lt=now - 28 * DAY).delete()
        with time_machine.travel(now, tick=False):
            send(now)
    sent = [moment.date() for moment in Digest.objects.order_by("pk").values_list("sent_at", flat=True)]
    assert sent[1:] == expected
    assert len(mail.outbox) == len(expected)


# --- nights that were missed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cadence", "away_until", "caught_up", "following"),
    [
        ("daily", "2026-11-24 15:00", "2026-11-24", "2026-11-25 07:00"),
        ("daily", "2026-11-28 03:00", "2026-11-27", "2026-11-28 07:00"),
        ("weekly", "2026-12-17 10:30", "2026-W51", "2026-12-21 07:00"),
        ("monthly", "2027-02-11 10:30", "2027-02", "2027-03-01 07:00"),
    ],
)
def test_what_was_missed_is_caught_up_once_and_then_all_is_as_usual(
    cast: SimpleNamespace, cadence: str, away_until: str, caught_up: str, following: str
) -> None:
    reader(cast.max, BERLIN, cadence=cadence)
    already("2026-11-23 12:00")
    # Nothing runs from here until away_until.
    next_day = (utc(away_until) + 2 * HOUR).strftime("%Y-%m-%d %H:%M")
    assert live(away_until, next_day) == [away_until]
    assert Digest.objects.latest("pk").period == caught_up
    before = (utc(following) - HOUR).strftime("%Y-%m-%d %H:%M")
    assert live(before, following) == [following]
    assert Digest.objects.count() == 3


def test_a_reader_who_came_while_it_was_down_gets_none_of_before(cast: SimpleNamespace) -> None:
    reader(cast.max, BERLIN, since="2026-11-24 12:00")
    assert live("2026-11-24 15:00", "2026-11-25 09:00") == ["2026-11-25 07:00"]


def test_a_clock_that_is_set_back_sends_nothing_twice(cast: SimpleNamespace) -> None:
    """Of the machine itself, by whoever corrects it."""
    reader(cast.max, BERLIN)
    already("2026-11-23 12:00")
    assert live("2026-11-24 06:00", "2026-11-24 09:00") == ["2026-11-24 07:00"]
    assert live("2026-11-24 05:00", "2026-11-24 09:00") == []
    assert live("2026-11-23 08:00", "2026-11-24 09:00", every=HOUR) == []


def test_two_timetables_by_mistake_send_nothing_twice(cast: SimpleNamespace) -> None:
    reader(cast.max, BERLIN)
    reader(cast.mona, SHANGHAI)
    now = utc("2026-11-24 07:00")
    with time_machine.travel(now, tick=False):
        assert [queue_due_digests(now=now) for _ in range(3)] == [2, 0, 0]
        assert work(now) == ["sent", "sent"]
        assert [send(now + n * QUARTER) for n in range(3)] == [[], [], []]
    assert len(mail.outbox) == 2
