"""Whether background work moves: one judgement for the page, the health check and the containers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Count, Max, Min, Q

from riskreg.jobs.actions import LEASE
from riskreg.jobs.models import Heartbeat, Job

LONGEST_WAIT = dt.timedelta(minutes=5)
LONGEST_SILENCE = dt.timedelta(minutes=2)


@dataclass(frozen=True)
class Work:
    """The state of the queue. Ages are None where there is nothing to have one."""

    waiting: int
    running: int
    given_up: int
    oldest_due: dt.timedelta | None  # since the job that waits longest might have begun
    scheduler: dt.timedelta | None  # since its last sign of life
    worker: dt.timedelta | None

    @property
    def scheduler_lives(self) -> bool:
        return self.scheduler is not None and self.scheduler <= LONGEST_SILENCE

    @property
    def worker_lives(self) -> bool:
        return self.worker is not None and self.worker <= LONGEST_SILENCE

    @property
    def moves(self) -> bool:
        """Nothing due is left lying, and somebody looks at the timetable."""
        return self.scheduler_lives and (self.oldest_due is None or self.oldest_due < LONGEST_WAIT)


def look(now: dt.datetime) -> Work:
    """Two statements, whatever the number of jobs."""
    jobs = Job.objects.exclude(state=Job.State.DONE).aggregate(
        waiting=Count("pk", filter=Q(state=Job.State.READY)),
        running=Count("pk", filter=Q(state=Job.State.LEASED)),
        given_up=Count("pk", filter=Q(state=Job.State.DEAD)),
        ready_since=Min("run_at", filter=Q(state=Job.State.READY, run_at__lte=now)),
        left_since=Min("lease_until", filter=Q(state=Job.State.LEASED, lease_until__lt=now)),
        leased_until=Max("lease_until"),
    )
    seen = Heartbeat.objects.aggregate(
        scheduler=Max("seen_at", filter=Q(role=Heartbeat.Role.SCHEDULER)),
        worker=Max("seen_at", filter=Q(role=Heartbeat.Role.WORKER)),
    )
    # A worker whose processes are all in long jobs answers no bell, but each renewed lease is a sign of life.
    renewed = jobs["leased_until"] - LEASE if jobs["leased_until"] else None
    return Work(
        waiting=jobs["waiting"],
        running=jobs["running"],
        given_up=jobs["given_up"],
        oldest_due=_age(now, _earliest([jobs["ready_since"], jobs["left_since"]])),
        scheduler=_age(now, seen["scheduler"]),
        worker=_age(now, _latest([seen["worker"], renewed])),
    )


def _age(now: dt.datetime, since: dt.datetime | None) -> dt.timedelta | None:
    return None if since is None else max(dt.timedelta(0), now - since)


def _earliest(times: Iterable[dt.datetime | None]) -> dt.datetime | None:
    return min((at for at in times if at is not None), default=None)


def _latest(times: Iterable[dt.datetime | None]) -> dt.datetime | None:
    return max((at for at in times if at is not None), default=None)
