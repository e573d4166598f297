"""Reviews: they renew themselves by band, events pull them forward, and one sentence answers them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db import transaction

from assessments.queries import active_method
from crm.models import Customer
from monitoring import notices
from monitoring.models import Event, MonitoringSettings, Review, ReviewReason
from monitoring.quarters import quarter_end
from riskreg.accounts.models import User
from riskreg.jobs.actions import Claim
from risks import scores
from risks.models import Cause, Risk

_CHUNK = 500


class TooLate(Exception):
    """The review cannot be put off beyond the day it is due anyway; ``due`` is that day."""

    def __init__(self, due: dt.date) -> None:
        super().__init__(due)
        self.due = due


def confirm_review(*, risk: Risk, because: str, by: User, on: dt.date, at: dt.datetime) -> Review:
    """Record that a risk was looked at and is still valid; its next review moves on by its band."""
    with transaction.atomic():
        review = Review.objects.create(risk=risk, reviewed_on=on, reviewed_by=by, because=because, created_at=at)
        # A day is each one's own: where something called for this look, it may have been tomorrow already.
        ahead = ReviewReason.objects.filter(risk=risk, created_at__lte=at, answered_from=on + dt.timedelta(days=1))
        ahead.update(answered_from=on)
        scores.rescore([risk.pk], cause=Cause.JUDGEMENT, at=at)
        told = Event.objects.standing().filter(kind="review", risk=risk).values_list("key", flat=True)
        notices.settle(list(told), at=at)
    return review


def move_review(*, risk: Risk, to: dt.date, note: str, by: User, today: dt.date, at: dt.datetime) -> ReviewReason:
    """Pull a risk's review forward to a day. Raises TooLate for a day after the one it is due by its band."""
    with transaction.atomic():
        wishes = ReviewReason.objects.filter(risk=risk, kind=ReviewReason.Kind.WISH, answered_from__gte=today)
        wishes.delete()  # a wish of today's is changed, not added to
        scores.rescore([risk.pk], cause=Cause.RULES, at=at)
        due = Risk.objects.select_related("sheet").get(pk=risk.pk).sheet.review_due
        if due is not None and to > due:
            raise TooLate(due)
        reason = ReviewReason.objects.create(
            risk=risk,
            kind=ReviewReason.Kind.WISH,
            ref=f"{at:%Y%m%dT%H%M%S%f}",
            due_on=to,
            answered_from=today,
            note=note,
            created_by=by,
            created_at=at,
        )
        scores.rescore([risk.pk], cause=Cause.RULES, at=at)
    return reason


def call_for_reviews(
    risk_ids: Iterable[int], *, kind: ReviewReason.Kind, ref: str, due: dt.date, answered_from: dt.date, at: dt.datetime
) -> None:
    """An event calls for a review of these risks, once. Statements do not grow with their number."""
    ids = sorted(set(risk_ids))
    ReviewReason.objects.bulk_create(
        [
            ReviewReason(risk_id=pk, kind=kind, ref=ref, due_on=due, answered_from=answered_from, created_at=at)
            for pk in ids
        ],
        ignore_conflicts=True,
    )
    scores.rescore(ids, cause=Cause.RULES, at=at)


def pull_reviews(claim: Claim, *, today: dt.date) -> int:
    """The calendar's events: contracts that renew and quarters that end. Returns how many risks they called up."""
    config = MonitoringSettings.load()
    called = 0
    for kind, ref, due, answered_from, ids in [*_renewals(config, today), *_quarter(config, today)]:
        for start in range(0, len(ids), _CHUNK):
            chunk = ids[start : start + _CHUNK]
            with claim.fenced(advance=len(chunk)):
                call_for_reviews(chunk, kind=kind, ref=ref, due=due, answered_from=answered_from, at=claim.now())
        called += len(ids)
    return called


_Call = tuple[ReviewReason.Kind, str, dt.date, dt.date, list[int]]


def _renewals(config: MonitoringSettings, today: dt.date) -> list[_Call]:
    if config.renewal_lead_days is None:
        return []
    lead = dt.timedelta(days=config.renewal_lead_days)
    coming = Customer.objects.filter(renews_on__gte=today, renews_on__lte=today + lead)
    known = set(
        ReviewReason.objects.filter(kind=ReviewReason.Kind.RENEWAL, due_on__gte=today - lead).values_list("risk", "ref")
    )
    by_day: dict[dt.date, list[int]] = {}
    for pk, day in (
        Risk.objects.open().filter(customer__in=coming).order_by("pk").values_list("pk", "customer__renews_on")
    ):
        if day is not None and (pk, day.isoformat()) not in known:
            by_day.setdefault(day, []).append(pk)
    return [
        (ReviewReason.Kind.RENEWAL, day.isoformat(), max(today, day - lead), day - lead, ids)
        for day, ids in sorted(by_day.items())
    ]


def _quarter(config: MonitoringSettings, today: dt.date) -> list[_Call]:
    if config.quarter_end_lead_days is None:
        return []
    end = quarter_end(today, year_starts_in=config.year_starts_in)
    begins = end - dt.timedelta(days=config.quarter_end_lead_days)
    if today < begins:
        return []
    beyond = Risk.objects.open().filter(active_method().beyond_appetite())
    told = ReviewReason.objects.filter(kind=ReviewReason.Kind.QUARTER_END, ref=end.isoformat()).values("risk")
    ids = list(beyond.exclude(pk__in=told).order_by("pk").values_list("pk", flat=True))
    return [(ReviewReason.Kind.QUARTER_END, end.isoformat(), end, begins, ids)] if ids else []
