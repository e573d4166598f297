"""Turns the timetable into jobs, and rings again for jobs whose bell was lost. May run any number of times at once."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import transaction

from riskreg.celery import TIMETABLE, Recurring
from riskreg.jobs import bell
from riskreg.jobs.actions import enqueue
from riskreg.jobs.models import Job, Schedule
from riskreg.jobs.timetable import next_slot

BELL_LOST_AFTER = dt.timedelta(seconds=settings.JOB_BELL_SECONDS)
MOST_BELLS = 200


def schedule_due(now: dt.datetime) -> list[Job]:
    """Put in a job for each entry of the timetable that is due. Periods missed are folded into one."""
    return [job for name, recurring in TIMETABLE.items() if (job := _schedule_one(name, recurring, now)) is not None]


def _schedule_one(name: str, recurring: Recurring, now: dt.datetime) -> Job | None:
    upcoming = next_slot(recurring, now)
    schedule, _created = Schedule.objects.get_or_create(name=name, defaults={"next_due": upcoming})
    seen = Schedule.objects.filter(pk=schedule.pk, next_due=schedule.next_due)
    if schedule.next_due > now:
        if schedule.next_due > upcoming:  # the timetable was changed to an earlier time
            seen.update(next_due=upcoming)
        return None
    with transaction.atomic():
        if not seen.update(next_due=upcoming, last_due=schedule.next_due):
            return None  # another scheduler was quicker
        return enqueue(recurring.kind, key=f"{name}:{schedule.next_due.isoformat()}", run_at=now)


def sweep(now: dt.datetime) -> int:
    """Ring for jobs that are due for longer than a bell takes. Returns how many.

    While the workers are busy the bells rung before are still there, so only as many are added as there is room for.
    """
    if not Job.objects.due(now - BELL_LOST_AFTER).exists():
        return 0
    room = max(0, MOST_BELLS - bell.waiting())
    overdue = Job.objects.due(now - BELL_LOST_AFTER).order_by("run_at", "pk").values_list("pk", flat=True)[:room]
    return sum(bell.ring(job_id) for job_id in overdue)
