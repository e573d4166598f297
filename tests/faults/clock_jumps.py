"""Fault 16: the clock jumps an hour there and back, over changes of summer time, a leap day and the end of a year.

The size is how often a day the timetable looks. Everything happens in this process, on a clock that is passed in.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from tests.faults.harness import Counts, queue_digests, report, stand

ZONES = ("Europe/Berlin", "America/New_York", "Australia/Lord_Howe")  # the last one moves by half an hour
HOURS = (0, 2, 8, 23)  # 2 is skipped in spring and comes twice in autumn
DAYS = 3
STARTS = [
    dt.datetime(*day, tzinfo=dt.UTC)
    for day in [
        (2027, 3, 13),  # spring in New York
        (2027, 3, 27),  # spring in Berlin
        (2027, 4, 3),  # autumn on Lord Howe
        (2027, 10, 2),  # spring on Lord Howe
        (2027, 10, 30),  # autumn in Berlin
        (2027, 11, 6),  # autumn in New York
        (2027, 12, 31),
        (2028, 2, 28),
    ]
]
MINUTE, HOUR = dt.timedelta(minutes=1), dt.timedelta(hours=1)


def shown(start: dt.datetime, looks_a_day: int) -> Iterator[dt.datetime]:
    """What a clock shows at each look that jumps now and then, and is right in the end."""
    step, chance = dt.timedelta(days=1) / looks_a_day, random.Random(start.toordinal())
    off = dt.timedelta()
    for number in range(DAYS * looks_a_day):
        if chance.random() < 0.2:
            off = chance.choice((-HOUR, 0 * HOUR, HOUR))
        yield start + number * step + off
    yield start + dt.timedelta(days=DAYS)


def day_begun(zone: ZoneInfo, hour: int, day: dt.date) -> dt.datetime:
    """The first moment of a local day at which its clock shows this hour or a later one, found minute by minute."""
    moment = dt.datetime.combine(day, dt.time(hour), tzinfo=dt.UTC) - 16 * HOUR
    while moment.astimezone(zone).replace(tzinfo=None) < dt.datetime.combine(day, dt.time(hour)):
        moment += MINUTE
    return moment


def work(size: int) -> tuple[Counts, bool]:
    counts = {"looks": 0, "digests": 0, "missing": 0, "early": 0, "unexpected": 0, "jobs_early": 0, "jobs_twice": 0}
    with stand(team=False):
        from monitoring.models import Subscription
        from riskreg.accounts.models import User

        for zone in ZONES:
            for hour in HOURS:
                name = f"{zone}-{hour}".replace("/", "-")
                person = User.objects.create(username=name, email=f"{name}@example.com", time_zone=zone)
                Subscription.objects.create(user=person, cadence="daily", hour=hour, time_zone=zone)
        for start in STARTS:
            Subscription.objects.update(since=start)
            for name, count in _one(start, size).items():
                counts[name] += count
    wrong = [counts[name] for name in ("missing", "early", "unexpected", "jobs_early", "jobs_twice")]
    return counts, not any(wrong) and counts["digests"] > 0


def _one(start: dt.datetime, looks_a_day: int) -> Counts:
    from monitoring.models import Subscription
    from riskreg.celery import TIMETABLE
    from riskreg.jobs.models import Job
    from riskreg.jobs.scheduling import schedule_due

    Job.objects.all().delete()
    first: dict[str, dt.datetime] = {}  # when the clock showed what as each digest was put in
    latest, looks, jobs_early = start, 0, 0
    slots: list[str] = []
    for now in shown(start, looks_a_day):
        looks, latest = looks + 1, max(latest, now)
        queue_digests(now)
        for key in Job.objects.filter(key__startswith="digest:").values_list("key", flat=True):
            first.setdefault(key, now)
        for job in schedule_due(now):
            name, _, slot = (job.key or "").partition(":")
            slots.append(job.key or "")
            jobs_early += name not in TIMETABLE or dt.datetime.fromisoformat(slot) > now
    due = {
        f"digest:{subscription.user_id}:{day.isoformat()}": moment
        for subscription in Subscription.objects.all()
        for day in (start.date() + dt.timedelta(days=n) for n in range(-1, DAYS + 2))
        if start <= (moment := day_begun(ZoneInfo(subscription.time_zone), subscription.hour, day)) <= latest
    }
    return {
        "looks": looks,
        "digests": len(first),
        "missing": len(due.keys() - first.keys()),
        "early": sum(now < due[key] for key, now in first.items() if key in due),
        "unexpected": len(first.keys() - due.keys()),
        "jobs_early": jobs_early,
        "jobs_twice": len(slots) - len(set(slots)),
    }


if __name__ == "__main__":
    report("clock jumps", work, size=96)
