"""Digests on their way: subscribed to, put in the queue, and worked off, as the timetable and a worker do it."""

from __future__ import annotations

import datetime as dt
from typing import Any

from monitoring.digests import queue_due_digests
from monitoring.models import Subscription
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from tests.monitoring.times import DAY, NOW


def subscribe(user: User, **fields: Any) -> Subscription:
    fields = {"cadence": "daily", "hour": 8, "time_zone": "Europe/Berlin", "scope": "all", "top": 50} | fields
    return Subscription.objects.create(user=user, since=fields.pop("since", NOW - 60 * DAY), **fields)


def waiting() -> list[tuple[int, str]]:
    """Person and period of the digests that stand in the queue, finished or not."""
    queued = Job.objects.filter(kind="monitoring.tasks.send_digest").order_by("pk")
    return [(job.payload["user"], job.payload["period"]) for job in queued]


def work(now: dt.datetime = NOW) -> list[str]:
    """Do every digest that is due; how each of them ended."""
    done = []
    for pk in list(Job.objects.due(now).filter(kind="monitoring.tasks.send_digest").values_list("pk", flat=True)):
        jobs.run(pk, now_fn=lambda: now)
        job = Job.objects.get(pk=pk)
        done.append(job.result["outcome"] if job.result else job.state)
    return done


def send(now: dt.datetime = NOW) -> list[str]:
    queue_due_digests(now=now)
    return work(now)
