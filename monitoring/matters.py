"""Matters that come of the calendar: reviews and actions that fall due, acceptances that end, jobs given up.

Told when they begin, settled when they are over; what a person's own act settles is settled there and then.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from typing import TypeVar

from assessments.queries import active_method
from monitoring import notices
from monitoring.models import Event, Severity
from monitoring.notices import Happening
from responses.models import Acceptance, Action, Response
from riskreg.jobs.actions import Claim
from riskreg.jobs.models import Job
from risks.models import Risk

T = TypeVar("T")

_CHUNK = 500
_OURS = ("review", "action", "acceptance", "job")
_ENDS_SOON = dt.timedelta(days=14)
_REASON = 200  # characters of a job's failure


def look_after(claim: Claim, *, today: dt.date) -> dict[str, int]:
    """Settle what is over, tell what has begun, remind of what stays. A second run says nothing twice."""
    over = _over(today)
    for keys in _batched(sorted(over)):
        with claim.fenced():
            notices.settle(keys, at=claim.now())
    told = 0
    for chunk in _batched(_begun(today)):
        with claim.fenced():
            told += notices.tell(_with_people(chunk), at=claim.now())
    with claim.fenced():
        reminded = notices.remind(now=claim.now())
    return {"told": told, "settled": len(over), "reminded": reminded}


# --- what has begun --------------------------------------------------------------------------------------


def _begun(today: dt.date) -> Iterator[Happening]:
    """Matters that stand and were not told yet; those of risks without anybody to tell so far."""
    told = set(Event.objects.filter(kind__in=_OURS, ended_at=None).values_list("key", flat=True))
    for happening in (*_reviews(today), *_actions(today), *_acceptances(today), *_jobs()):
        if happening.key not in told:
            yield happening


def _reviews(today: dt.date) -> Iterator[Happening]:
    method = active_method()
    top, borne = len(method.bands), method.least_band_borne
    due = Risk.objects.open().filter(sheet__review_due__lte=today).order_by("pk")
    for pk, day, band in due.values_list("pk", "sheet__review_due", "sheet__band"):
        severity = Severity.URGENT if band == top else Severity.HIGH if (band or 0) > borne else Severity.NORMAL
        yield Happening("review", f"review:{pk}:{day}", frozenset(), severity, pk, details={"due": str(day)})


def _actions(today: dt.date) -> Iterator[Happening]:
    overdue = Action.objects.to_do().filter(due__lt=today, response__risk__in=Risk.objects.open()).order_by("pk")
    columns = ("pk", "due", "title", "owner", "owner__is_active", "response__risk")
    for pk, day, title, owner, is_here, risk in overdue.values_list(*columns):
        yield Happening(
            "action",
            f"action:{pk}:{day}",
            frozenset([owner] if owner is not None and is_here else []),
            Severity.HIGH,
            risk,
            details={"title": title, "due": str(day)},
        )


def _acceptances(today: dt.date) -> Iterator[Happening]:
    ending = Acceptance.objects.filter(
        revoked_on=None, expires_on__lte=today + _ENDS_SOON, risk__in=Risk.objects.open()
    ).order_by("pk")
    for pk, until, risk in ending.values_list("pk", "expires_on", "risk"):
        yield Happening(
            "acceptance", f"acceptance:{pk}", frozenset(), Severity.NORMAL, risk, details={"until": until.isoformat()}
        )


def _jobs() -> Iterator[Happening]:
    """One matter for each kind and day: what makes one job fail makes hundreds fail, and mails that tell of it too."""
    told = set()
    for job in Job.objects.dead().order_by("finished_at", "pk"):
        if job.finished_at is None or (group := (job.kind, job.finished_at.date())) in told:
            continue
        told.add(group)
        reason = job.error.strip().rsplit("\n", 1)[-1][:_REASON]
        # Tried again and given up again is another matter.
        key = f"job:{job.pk}:{job.finished_at:%Y%m%dT%H%M%S}"
        yield Happening("job", key, frozenset(), Severity.HIGH, details={"job": job.kind, "reason": reason})


def _with_people(chunk: list[Happening]) -> list[Happening]:
    """Whom to tell, where the matter itself does not say: who answers for the risk, or administrators."""
    to = notices.responsible_for({h.risk_id for h in chunk if h.risk_id is not None and not h.to})
    admins = notices.administrators() if any(h.risk_id is None for h in chunk) else frozenset()
    return [h if h.to else replace(h, to=admins if h.risk_id is None else to[h.risk_id]) for h in chunk]


# --- what is over ----------------------------------------------------------------------------------------


def _over(today: dt.date) -> set[str]:
    """Keys of standing events whose matter is none any more."""
    standing = list(Event.objects.standing().filter(kind__in=[*_OURS, "armed"]).values_list("kind", "key"))
    if not standing:
        return set()
    keys = {key for _, key in standing}
    still = {h.key for h in (*_reviews(today), *_actions(today), *_acceptances(today), *_jobs())}
    armed = Response.objects.filter(armed_at__isnull=False, withdrawn_at=None, risk__in=Risk.objects.open())
    ids = {str(pk) for pk in armed.values_list("pk", flat=True)}
    still |= {key for kind, key in standing if kind == "armed" and key.split(":")[1] in ids}
    return keys - still


def _batched(items: Iterable[T]) -> Iterator[list[T]]:
    rest = iter(items)
    while chunk := list(islice(rest, _CHUNK)):
        yield chunk
