"""What is done to jobs: put in, claimed, worked on, given up, tried again.

The job row is the truth and the broker only a bell (docs/decisions.md, Jobs). A job may start more
than once, but only the holder of the newest token can commit anything through ``Claim.fenced``.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, close_old_connections, connection, transaction
from django.db.models import F, Value
from django.db.models.functions import Coalesce, Concat
from django.utils.module_loading import import_string

from riskreg import logs
from riskreg.celery import TIMETABLE
from riskreg.jobs import bell, watchdog
from riskreg.jobs.models import Job, JobQuerySet

if TYPE_CHECKING:
    from riskreg.accounts.models import User

logger = logging.getLogger(__name__)

KIND_PREFIXES: tuple[str, ...] = settings.JOB_KINDS
LEASE = dt.timedelta(seconds=settings.JOB_LEASE_SECONDS)
BACKOFF_BASE, BACKOFF_MOST = settings.JOB_BACKOFF_SECONDS
ERROR_BYTES = 4000

Clock = Callable[[], dt.datetime]
Result = dict[str, Any] | None


class PermanentFailure(Exception):
    """Raised by a handler when trying again cannot help; the message is what the administrator reads."""


class LeaseLost(Exception):
    """Another worker has the job now; nothing of this one may be committed."""


@dataclass
class Claim:
    """A job in the hands of one worker. Handlers are called with it: ``def rescore_all(claim: Claim) -> dict``.

    A handler works in chunks well below LEASE, each one ``with claim.fenced(advance=n):``, and starts at
    ``claim.job.done``, which is where the last committed chunk of an earlier attempt ended.
    """

    job: Job
    token: uuid.UUID
    now: Clock

    @property
    def payload(self) -> dict[str, Any]:
        payload: dict[str, Any] = self.job.payload
        return payload

    @contextmanager
    def fenced(self, advance: int = 0, total: int | None = None) -> Iterator[None]:
        """A transaction in which effects, progress (in units) and a new lease are committed together or not at all.

        Raises LeaseLost, before anything in the block runs, when another worker has taken the job.
        """
        values: dict[str, Any] = {"done": F("done") + advance, "lease_until": self.now() + LEASE}
        if total is not None:
            values["total"] = total
        with transaction.atomic(durable=True):
            if not self._mine().update(**values):
                raise LeaseLost(f"{self.job} was taken over")
            watchdog.renew()
            yield
        self.job.done += advance
        self.job.total = self.job.total if total is None else total

    def total(self, units: int) -> None:
        """Tell how many units there are in all."""
        with self.fenced(total=units):
            pass

    def _mine(self) -> JobQuerySet:
        return Job.objects.filter(pk=self.job.pk, token=self.token, state=Job.State.LEASED)

    def _release(self, **values: Any) -> bool:
        """Hand the job back; False when it is no longer ours to hand back."""
        return bool(self._mine().update(token=None, lease_until=None, **values))


def enqueue(
    kind: str,
    *,
    payload: dict[str, Any] | None = None,
    key: str | None = None,
    run_at: dt.datetime | None = None,
    by: User | None = None,
    total: int | None = None,
) -> Job:
    """Put a job into the caller's transaction and ring once that is committed.

    ``kind`` is the dotted name of the handler, ``payload`` holds ids, not data. With a ``key`` the job already
    standing under it, finished or not, is returned instead of a second one. Without ``run_at`` it may run at once.
    """
    if key is not None and (standing := Job.objects.filter(key=key).first()):
        return standing
    job = Job(kind=kind, payload=payload or {}, key=key, created_by=by, total=total)
    if run_at is not None:
        job.run_at = run_at
    try:
        with transaction.atomic():
            job.save(force_insert=True)
    except IntegrityError:
        # Somebody put in the same key between our look and our insert.
        standing = Job.objects.filter(key=key).first() if key is not None else None
        if standing is None:
            raise
        return standing
    if run_at is None or run_at <= job.created_at:
        _ring_on_commit(job.pk)
    return job


def enqueue_many(kind: str, payloads: Mapping[str, dict[str, Any]]) -> int:
    """Put in a job for each key that no job stands under yet; returns how many. A constant number of statements."""
    standing = set(Job.objects.filter(key__in=payloads).values_list("key", flat=True))
    keys = payloads.keys() - standing
    with transaction.atomic():
        # Somebody may put in the same key between our look and our insert; whose row stands does not matter.
        Job.objects.bulk_create(
            [Job(kind=kind, payload=payloads[key], key=key) for key in sorted(keys)], ignore_conflicts=True
        )
        for job_id in Job.objects.filter(key__in=keys).values_list("pk", flat=True):
            _ring_on_commit(job_id)
    return len(keys)


def run_now(name: str, *, by: User | None, now: dt.datetime) -> Job:
    """Start an entry of the timetable at once, outside its hours. Raises KeyError for an unknown name."""
    return enqueue(TIMETABLE[name].kind, run_at=now, by=by)


def retry(job: Job, *, now: dt.datetime) -> bool:
    """Give a dead job all its attempts again, going on where it stopped. False when it is not dead (any more)."""
    revived = (
        Job.objects.dead().filter(pk=job.pk).update(state=Job.State.READY, attempts=0, run_at=now, finished_at=None)
    )
    if revived:
        _ring_on_commit(job.pk)
    return bool(revived)


def claim(job_id: int, *, now_fn: Clock) -> Claim | None:
    """Take a due job, or None when it is not due or another worker was quicker. Used-up attempts make it dead."""
    now, token = now_fn(), uuid.uuid4()
    due = Job.objects.due(now).filter(pk=job_id)
    taken = due.filter(attempts__lt=F("max_attempts")).update(
        state=Job.State.LEASED,
        token=token,
        lease_until=now + LEASE,
        attempts=F("attempts") + 1,
        started_at=Coalesce("started_at", Value(now)),
    )
    if taken:
        return Claim(Job.objects.get(pk=job_id), token, now_fn)
    _bury_worn_out(due, now)
    return None


def run(job_id: int, *, now_fn: Clock) -> bool:
    """Claim a job and call its handler. True when the handler came to its end and that is on record.

    Failures are kept in the row and never raised; an unreachable database is.
    """
    with watchdog.watching():
        _drop_broken_connection()
        held = claim(job_id, now_fn=now_fn)
        if held is None:
            return False
        with logs.about(job_id=held.job.pk, job_kind=held.job.kind):
            return _work(held)


def _work(held: Claim) -> bool:
    began = time.monotonic()
    logger.info("%s begins, attempt %s", held.job, held.job.attempts)
    try:
        result = _handler(held.job.kind)(held)
        with transaction.atomic():
            finished = held._release(state=Job.State.DONE, result=result, error="", finished_at=held.now())
    except LeaseLost:
        logger.warning("%s took too long and was taken over by another worker", held.job)
        return False
    except PermanentFailure as failure:
        _give_back(held, str(failure), for_good=True)
        return False
    except Exception as failure:
        traceback.clear_frames(failure.__traceback__)  # what they hold may be all the memory there is
        logger.exception("%s failed at attempt %s", held.job, held.job.attempts)
        _give_back(held, traceback.format_exc(), for_good=False)
        return False
    if finished:
        logger.info("%s done in %.2f s", held.job, time.monotonic() - began)
    else:
        logger.warning("%s came to its end after another worker had taken it over", held.job)
    return finished


def pause_between_chunks(seconds_spent: float) -> None:
    """Let other writers in. SQLite's lock is no queue: without a pause bulk work starves the people at work."""
    if connection.vendor == "sqlite":
        time.sleep(seconds_spent / 4)


def _ring_on_commit(job_id: int) -> None:
    transaction.on_commit(partial(bell.ring, job_id), robust=True)


def _handler(kind: str) -> Callable[[Claim], Result]:
    if not kind.startswith(KIND_PREFIXES):
        raise PermanentFailure(f"{kind!r} is none of our job kinds.")
    handler: Callable[[Claim], Result] = import_string(kind)
    return handler


def _drop_broken_connection() -> None:
    """What Django does between requests and Celery between tasks; a test's transaction must survive it."""
    if not connection.in_atomic_block:
        close_old_connections()


def _give_back(held: Claim, error: str, *, for_good: bool) -> None:
    """After a failure: ready again after a while, or dead."""
    _drop_broken_connection()  # the failure may have been the connection
    now, job = held.now(), held.job
    # The end of a traceback tells most; cut by bytes, because that is what a row and a page have to carry.
    error = error.strip().encode()[-ERROR_BYTES:].decode(errors="ignore")
    if for_good or job.attempts >= job.max_attempts:
        logger.error("%s is given up after attempt %s: %s", job, job.attempts, error.rsplit("\n", 1)[-1])
        held._release(state=Job.State.DEAD, error=error, finished_at=now)
    else:
        held._release(state=Job.State.READY, error=error, run_at=now + backoff(job.attempts))


def backoff(attempts: int) -> dt.timedelta:
    """How long to wait after so many failed attempts (1, 2, ...): doubling, and spread so that jobs which failed
    together do not all come back together."""
    longest = min(BACKOFF_MOST, BACKOFF_BASE * 2 ** min(attempts - 1, 20))
    return dt.timedelta(seconds=longest * random.uniform(0.75, 1.0))  # noqa: S311 - not a secret


def _bury_worn_out(due: JobQuerySet, now: dt.datetime) -> None:
    """A job whose worker died or stuck in its last attempt has nobody left to say so but us."""
    reason = "The worker was killed, or took longer than its lease, in the last attempt.\n"
    buried = due.filter(attempts__gte=F("max_attempts")).update(
        state=Job.State.DEAD, token=None, lease_until=None, finished_at=now, error=Concat(Value(reason), F("error"))
    )
    if buried:
        logger.error("A job was given up. %s", reason.strip())
