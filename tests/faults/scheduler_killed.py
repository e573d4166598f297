"""Fault 4: two schedulers by mistake, and every second one of them is killed; no period may be missed or run twice."""

from __future__ import annotations

import datetime as dt

from tests.faults.harness import Counts, report, stand

LONG_AGO = dt.datetime(2001, 1, 1, tzinfo=dt.UTC)


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=False) as made:
        from django.utils import timezone

        from riskreg.celery import TIMETABLE
        from riskreg.jobs.models import Job, Schedule

        second = made.second_beat()
        made.start(made.worker, made.beat, second)
        made.until(lambda: Schedule.objects.count() == len(TIMETABLE), what="a schedule for each entry")
        rounds, kills = -(-size // len(TIMETABLE)), 0
        for number in range(rounds):
            slot = LONG_AGO + dt.timedelta(minutes=number)
            Schedule.objects.update(next_due=slot)
            if number % 2:
                made.kill((made.beat, second)[kills % 2])
                kills += 1
            made.until(lambda: not Schedule.objects.filter(next_due__lte=timezone.now()).exists(), what="scheduled")
        slots = {
            f"{name}:{(LONG_AGO + dt.timedelta(minutes=number)).isoformat()}"
            for name in TIMETABLE
            for number in range(rounds)
        }
        # Jobs of today, from before the first slot was set, are none of ours.
        keys = [key for key in Job.objects.exclude(key=None).values_list("key", flat=True) if ":2001-01-" in key]
        counts = {
            "periods": len(slots),
            "missed": len(slots - set(keys)),
            "doubled": len(keys) - len(set(keys) & slots),
        }
    return {"kills": kills, **counts}, counts["missed"] == counts["doubled"] == 0 and kills > 0


if __name__ == "__main__":
    report("scheduler killed, and two of them", work, size=1000)
