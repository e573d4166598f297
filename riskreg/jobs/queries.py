"""Reads for the page about background work."""

from __future__ import annotations

from django.db.models import Max

from riskreg.celery import TIMETABLE
from riskreg.jobs.models import Job, Schedule


def last_runs() -> tuple[dict[str, Schedule], dict[str, Job]]:
    """The schedules by name, and by kind the newest run of the timetable's jobs that has begun. Three statements."""
    kinds = {recurring.kind for recurring in TIMETABLE.values()}
    begun = Job.objects.filter(kind__in=kinds, started_at__isnull=False).order_by()
    newest = list(begun.values("kind").annotate(newest=Max("pk")).values_list("newest", flat=True))
    schedules = {schedule.name: schedule for schedule in Schedule.objects.all()}
    return schedules, {job.kind: job for job in Job.objects.filter(pk__in=newest)}
