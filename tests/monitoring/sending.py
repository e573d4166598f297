"""Digests on their way: subscribed to, put in the queue, and worked off, as the timetable and a worker do it."""

from __future__ import annotations

import datetime as dt
from contextlib import AbstractContextManager
from typing import Any

import pytest

from monitoring.digests import queue_due_digests
from monitoring.models import Subscription
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.actions import Claim
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
    return _work("monitoring.tasks.send_digest", now)


def _work(kind: str, now: dt.datetime) -> list[str]:
    done = []
    for pk in list(Job.objects.due(now).filter(kind=kind).order_by("pk").values_list("pk", flat=True)):
        jobs.run(pk, now_fn=lambda: now)
        job = Job.objects.get(pk=pk)
        done.append(job.result["outcome"] if job.result else job.state)
    return done


def send(now: dt.datetime = NOW) -> list[str]:
    queue_due_digests(now=now)
    return work(now)


def deliver(now: dt.datetime = NOW) -> list[str]:
    """Do every delivery that is due; how each of them ended."""
    return _work("monitoring.tasks.deliver", now)


def break_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the nth transaction of the claim fail, once."""
    fenced, calls = Claim.fenced, iter(range(1, 1000))

    def breaking(self: Claim, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
        if next(calls) == number:
            raise RuntimeError("killed here")
        return fenced(self, *args, **kwargs)

    monkeypatch.setattr(Claim, "fenced", breaking)
