"""From facts to measurements: what indicators listen to, worked out of what a CRM or a person told."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django.db.models import Count, F, Max, Q, QuerySet, Sum
from django.utils import timezone

from crm.models import Activity, Customer, Deal, Measure, Measurement, Receivable, SatisfactionScore

WIN_RATE_DAYS = 180
WIN_RATE_LEAST = 5  # closed deals; fewer say nothing
_AT_ONCE = 500

Rows = Iterable[tuple[int, float]]


def measure(customers: QuerySet[Customer], *, now: dt.datetime) -> int:
    """Report what the facts say of these customers today, and every score they gave; returns how much was new.

    A day's number is of noon of that day, so that a second look on the same day adds nothing. A constant number of
    statements but for inserts.
    """
    today = timezone.localdate(now)
    noon = timezone.make_aware(dt.datetime.combine(today, dt.time(12)))
    reported = [
        *_scores(customers, Measure.SATISFACTION, is_nps=False, now=now),
        *_scores(customers, Measure.NPS, is_nps=True, now=now),
    ]
    for which, rows in (
        (Measure.DAYS_SINCE_CONTACT, _days_since_contact(customers, now=now)),
        (Measure.OVERDUE_RECEIVABLES, _overdue(customers, today=today)),
        (Measure.WIN_RATE, _win_rates(customers, today=today)),
    ):
        reported += [
            Measurement(customer_id=pk, measure=which, at=noon, value=value, recorded_at=now) for pk, value in rows
        ]
    known = Measurement.objects.filter(customer__in=customers)
    there = set(
        known.filter(Q(at=noon) | Q(measure__in=[Measure.SATISFACTION, Measure.NPS])).values_list(
            "customer", "measure", "at"
        )
    )
    new = [m for m in reported if (m.customer_id, m.measure, m.at) not in there]
    Measurement.objects.bulk_create(new, batch_size=_AT_ONCE, ignore_conflicts=True)
    return len(new)


def _scores(customers: QuerySet[Customer], which: Measure, *, is_nps: bool, now: dt.datetime) -> list[Measurement]:
    given = SatisfactionScore.objects.filter(customer__in=customers, gone_at=None, is_nps=is_nps, at__lte=now)
    return [
        Measurement(customer_id=customer, measure=which, at=at, value=float(value), recorded_at=now)
        for customer, at, value in given.order_by("pk").values_list("customer", "at", "value")
    ]


def _days_since_contact(customers: QuerySet[Customer], *, now: dt.datetime) -> Rows:
    talks = Activity.objects.filter(customer__in=customers, gone_at=None, two_way=True, planned=False, at__lte=now)
    last = talks.values("customer").annotate(last=Max("at")).order_by("customer").values_list("customer", "last")
    return [(customer, float((now - at).days)) for customer, at in last]


def _overdue(customers: QuerySet[Customer], *, today: dt.date) -> Rows:
    """What is past due, of those who owe anything at all; the sum is in the currency the receivables are in."""
    owed: Any = Receivable.objects.filter(customer__in=customers, gone_at=None)
    sums = owed.values("customer").annotate(
        late=Sum(F("amount") - F("paid"), filter=Q(due_on__lt=today, amount__gt=F("paid")))
    )
    return [
        (customer, float(late or 0)) for customer, late in sums.order_by("customer").values_list("customer", "late")
    ]


def _win_rates(customers: QuerySet[Customer], *, today: dt.date) -> Rows:
    """Percent of the deals closed in half a year that were won."""
    closed = Deal.objects.filter(
        customer__in=customers,
        gone_at=None,
        closed_on__gt=today - dt.timedelta(days=WIN_RATE_DAYS),
        closed_on__lte=today,
    ).exclude(state=Deal.State.OPEN)
    counted = closed.values("customer").annotate(closed=Count("pk"), won=Count("pk", filter=Q(state=Deal.State.WON)))
    rows = counted.filter(closed__gte=WIN_RATE_LEAST).order_by("customer").values_list("customer", "won", "closed")
    return [(customer, 100 * won / many) for customer, won, many in rows]
