"""Entrances of the workers. Here, and nowhere below, the clock is read."""

from __future__ import annotations

import datetime as dt
import time
from typing import Any

from billiard.process import current_process
from celery import Task, shared_task
from celery.signals import worker_process_init, worker_ready
from django.conf import settings
from django.utils import timezone

from riskreg.jobs import actions, heartbeats, lifeline, scheduling, watchdog
from riskreg.jobs.models import Heartbeat, Job

KEEP_DONE = dt.timedelta(days=30)
TIDY_CHUNK = 500


@shared_task(name="jobs.run")
def run_job(*, job_id: int) -> None:
    """Do a job if it is due and nobody else does it. The message holds the id only; all else is in the row."""
    actions.run(job_id, now_fn=timezone.now)


@shared_task(name="jobs.ring", bind=True)
def ring(self: Task) -> None:
    """Beat's tick: put in what the timetable says, ring again for what was not heard."""
    now = timezone.now()
    scheduling.schedule_due(now)
    scheduling.sweep(now)
    if self.request.hostname:
        heartbeats.note(Heartbeat.Role.WORKER, self.request.hostname, now)


def tidy(claim: actions.Claim) -> dict[str, int]:
    """Delete jobs done more than 30 days ago. Dead ones stay until somebody has looked at them."""
    old = Job.objects.filter(state=Job.State.DONE, finished_at__lt=claim.now() - KEEP_DONE).order_by("pk")
    while chunk := list(old.values_list("pk", flat=True)[:TIDY_CHUNK]):
        began = time.monotonic()
        with claim.fenced(advance=len(chunk)):
            Job.objects.filter(pk__in=chunk).delete()
        actions.pause_between_chunks(time.monotonic() - began)
    return {"deleted": claim.job.done}


@worker_process_init.connect(dispatch_uid="jobs.lifeline")
def watch_the_worker(**_kwargs: Any) -> None:
    """Celery leaves its pool processes behind when the worker above them is killed."""
    lifeline.leave_with_parent(current_process()._parent_pid)


@worker_process_init.connect(dispatch_uid="jobs.watchdog")
def watch_the_job(**_kwargs: Any) -> None:
    """A pool process may neither hang for ever nor take all memory; this is so in workers only."""
    watchdog.limit_memory(settings.WORKER_MEMORY_MB)
    watchdog.start(actions.LEASE.total_seconds())


@worker_ready.connect(dispatch_uid="jobs.lifeline")
def watch_the_pool(sender: Any, **_kwargs: Any) -> None:
    """On the filesystem broker the pool must not go on after a kill (see lifeline)."""
    lifeline.leave_with_a_killed_child(sender.pool._pool)
