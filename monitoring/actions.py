"""Monitoring: re-score, flag drift, confirm reviews, send digests."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.text import get_valid_filename

from assessments.queries import active_method
from assessments.stage import ScoringMethod
from monitoring import digest, drift, queries
from monitoring.models import Digest, DriftFlag, MonitoringSettings, Review, Subscription
from riskreg.accounts.middleware import zone_named
from riskreg.accounts.models import User
from riskreg.jobs.actions import Claim, enqueue, enqueue_many, pause_between_chunks
from riskreg.mail import outgoing
from risks import scores
from risks.models import Cause, Risk, ScoreEntry

# The causes whose ledger rows are evaluations; changed rules and outcomes are no drift.
DRIFT_CAUSES = (Cause.JUDGEMENT, Cause.EVIDENCE, Cause.RESPONSE)
_CHUNK = 500
# After a flag the history restarts at the change, and an extreme stretch that started a false flag tends to
# end in another: 1.5 to 1.7 flags where h(N) promises one (bench/drift.py), so N is raised by as much.
_RESTARTS = 1.6
# Periods of digests that a person asked for begin like this; they are sent even without a running subscription.
_ASKED_FOR = "now-"


# --- the night job ---------------------------------------------------------------------------------------


def rescore_register(claim: Claim) -> dict[str, int]:
    """Re-score every open risk, then look for drift. A second run at the same moment changes nothing."""
    changed = scored = 0
    # A run that was broken off begins again: chunks that were done are found unchanged.
    with claim.fenced(advance=-claim.job.done, total=Risk.objects.scored().count()):
        pass
    for chunk in scores.walk(at=claim.now()):
        started = claim.now()
        with claim.fenced(advance=chunk.size):
            changed += chunk.rescore(cause=Cause.RULES, at=started)
        scored += chunk.size
        pause_between_chunks((claim.now() - started).total_seconds())
    flags = flag_drift(claim)
    return {"scored": scored, "changed": changed, "flags": flags}


def flag_drift(claim: Claim) -> int:
    """Run the detector over risks with new evidence and raise flags; returns how many."""
    config = MonitoringSettings.load()
    newest = ScoreEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
    entries = ScoreEntry.objects.filter(cause__in=DRIFT_CAUSES)
    moved = entries.filter(pk__gt=config.checked_entry).values("risk")
    candidates = list(Risk.objects.open().filter(pk__in=moved).order_by("pk").values_list("pk", flat=True))
    threshold = drift.threshold(_evaluations_per_false_flag(config, now=claim.now()))
    method = active_method()
    raised = 0
    for start in range(0, len(candidates), _CHUNK):
        with claim.fenced():
            raised += _flag(candidates[start : start + _CHUNK], method, threshold=threshold, at=claim.now())
    with claim.fenced():
        # Only now, so that a run that was broken off looks at the same risks again.
        MonitoringSettings.objects.filter(pk=config.pk).update(checked_entry=newest)
    return raised


def _evaluations_per_false_flag(config: MonitoringSettings, *, now: dt.datetime) -> float:
    """N from the budget: evaluations a week over the register, averaged over four weeks, by accepted flags a week."""
    recent = ScoreEntry.objects.filter(
        cause__in=DRIFT_CAUSES, at__gt=now - dt.timedelta(weeks=4), risk__in=Risk.objects.open()
    ).count()
    return _RESTARTS * drift.evaluations_per_false_flag(1, max(recent / 4, 1.0), config.false_flags_per_week)


def _flag(risk_ids: list[int], method: ScoringMethod, *, threshold: float, at: dt.datetime) -> int:
    """Detect and flag one chunk: the statements do not depend on its size.

    Scores of other versions of the method are restated by the one in force, so that a change of rules is no drift.
    """
    restarts: dict[int, int] = {}
    still_open: set[int] = set()
    for risk_id, from_entry, state in DriftFlag.objects.filter(risk__in=risk_ids).values_list(
        "risk", "from_entry", "state"
    ):
        restarts[risk_id] = max(from_entry, restarts.get(risk_id, 0))
        if state == DriftFlag.State.OPEN:
            still_open.add(risk_id)
    histories: dict[int, list[tuple[int, dt.datetime, float]]] = defaultdict(list)
    points = ScoreEntry.objects.filter(risk__in=risk_ids, cause__in=DRIFT_CAUSES, score__isnull=False)
    older = list(points.filter(method_version__isnull=False).exclude(method_version=method.version))
    restated = dict(zip((entry.pk for entry in older), method.restated(older), strict=True))
    for risk_id, pk, moment, stored in points.order_by("at", "pk").values_list("risk", "pk", "at", "score"):
        score = restated.get(pk, stored)
        if score is not None and risk_id not in still_open and pk >= restarts.get(risk_id, 0):
            histories[risk_id].append((pk, moment, score))
    series = {risk_id: history[-drift.MAX_POINTS :] for risk_id, history in histories.items()}
    found = drift.detect_many([np.array([score for _, _, score in history]) for history in series.values()])
    flags = [
        DriftFlag(
            risk_id=risk_id,
            raised_at=at,
            since=history[change.split][1].date(),
            before=change.before,
            after=change.after,
            strength=change.strength,
            from_entry=history[change.split][0],
        )
        for (risk_id, history), change in zip(series.items(), found, strict=True)
        if change is not None and change.strength >= threshold
    ]
    DriftFlag.objects.bulk_create(flags)
    scores.mark_drift({flag.risk_id: flag.since for flag in flags})
    return len(flags)


def answer_flag(*, flag: DriftFlag, state: str, note: str, by: User, at: dt.datetime) -> None:
    """Say whether a flag is real. Either way the risk no longer counts as drifting."""
    with transaction.atomic():
        flag.state, flag.note, flag.answered_by, flag.answered_at = state, note, by, at
        flag.save(update_fields=["state", "note", "answered_by", "answered_at"])
        scores.mark_drift({flag.risk_id: None})


def confirm_review(*, risk: Risk, because: str, by: User, on: dt.date, at: dt.datetime) -> Review:
    """Record that a risk was looked at and is still valid; its next review moves on by its band."""
    with transaction.atomic():
        review = Review.objects.create(risk=risk, reviewed_on=on, reviewed_by=by, because=because)
        scores.rescore([risk.pk], cause=Cause.JUDGEMENT, at=at)
    return review


# --- digests ---------------------------------------------------------------------------------------------


def queue_due_digests(*, now: dt.datetime, users: Iterable[User] | None = None) -> int:
    """Put in a job for every digest that is due and was not sent; returns how many are new."""
    subscriptions = Subscription.objects.filter(active=True, user__is_active=True).exclude(user__email="")
    if users is not None:
        subscriptions = subscriptions.filter(user__in=users)
    due: dict[str, dict[str, Any]] = {}
    for subscription in subscriptions:
        period = digest.latest_period(
            subscription.cadence, hour=subscription.hour, zone=zone_named(subscription.time_zone), now=now
        )
        if period.due >= subscription.since:
            due[f"digest:{subscription.user_id}:{period.key}"] = {"user": subscription.user_id, "period": period.key}
    return enqueue_many("monitoring.tasks.send_digest", due)


def queue_digest_now(*, user: User, now: dt.datetime) -> None:
    """Put in a digest beside the regular ones, for a person who asks for it; at most one a minute."""
    period = f"{_ASKED_FOR}{now:%Y%m%dT%H%M}"
    enqueue(
        "monitoring.tasks.send_digest",
        payload={"user": user.pk, "period": period},
        key=f"digest:{user.pk}:{period}",
        by=user,
    )


def write_digest(*, subscription: Subscription, period: str, now: dt.datetime) -> Digest:
    """Write a person's digest of a period, in her language and zone; the one already written, if there is one."""
    written = Digest.objects.filter(user=subscription.user, period=period).first()
    if written is not None:
        return written
    user = subscription.user
    zone = zone_named(subscription.time_zone)
    with translation.override(user.language), timezone.override(zone):
        previous = queries.last_digest(user, before=period)
        content = queries.digest_content(subscription, previous=previous, now=now, today=now.astimezone(zone).date())
        context = {
            **content,
            "user": user,
            "subscription": subscription,
            "period": period,
            "now": now,
            "site_url": settings.SITE_URL,
            "bands": scores.active_method().bands,
            "language": user.language,
        }
        subject = " ".join(render_to_string("emails/digest_subject.txt", context).split())
        text, html = render_to_string("emails/digest.txt", context), render_to_string("emails/digest.html", context)
    return Digest.objects.create(
        user=user,
        period=period,
        message_id=outgoing.message_id(f"digest.{user.pk}.{get_valid_filename(period)}"),
        subject=subject,
        text=text,
        html=html,
        content={"scores": {str(item["risk"].pk): item["risk"].sheet.score for item in content["top"]}},
        created_at=now,
    )


def send_digest(claim: Claim, *, user_id: int, period: str) -> str:
    """Write the digest first, send it, then note that it went: a repeat is the same mail under the same Message-ID."""
    subscription = Subscription.objects.select_related("user").filter(user=user_id).first()
    if subscription is None or not subscription.user.is_active or not subscription.user.email:
        return "not wanted"
    if not subscription.active and not period.startswith(_ASKED_FOR):
        return "not wanted"
    with claim.fenced():
        written = write_digest(subscription=subscription, period=period, now=claim.now())
    if written.sent_at is not None:
        return "was sent"
    deliver(written)
    with claim.fenced():
        Digest.objects.filter(pk=written.pk).update(sent_at=claim.now())
    return "sent"


def deliver(written: Digest) -> None:
    outgoing.send(
        to=written.user.email,
        subject=written.subject,
        text=written.text,
        html=written.html,
        message_id=written.message_id,
    )
