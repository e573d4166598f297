"""Indicators: a reading comes in, and at once scores follow, alerts begin or end, and contingencies arm."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery

from crm import measuring
from crm.models import Customer, Measure, Measurement
from monitoring import notices, reviews
from monitoring.models import ArmedBy, Indicator, LimitAlert, MonitoringSettings, Reading, ReviewReason, Severity, Tie
from monitoring.notices import Happening
from responses.actions import Armed, arm_contingencies
from riskreg.accounts.models import User
from risks import scores
from risks.models import Cause, Risk

_LEVELS = {Indicator.Level.WARNING: LimitAlert.Kind.WARNING, Indicator.Level.LIMIT: LimitAlert.Kind.LIMIT}
TAKEN_AT_ONCE = 1000


@dataclass(frozen=True)
class Measured:
    """A reading to be recorded."""

    indicator_id: int
    at: dt.datetime
    value: float
    note: str = ""


@dataclass(frozen=True)
class Recorded:
    new: int
    corrected: int
    same: int


def record(measured: Sequence[Measured], *, source: Reading.Source, by: User | None, now: dt.datetime) -> Recorded:
    """Record readings of any indicators; the same moment again corrects the value, or changes nothing.

    All or nothing, and everything that follows from it with it. Statements do not grow with the readings.
    """
    wanted = {(m.indicator_id, m.at): m for m in measured}
    with transaction.atomic():
        indicators = _locked({m.indicator_id for m in measured})
        stored = Reading.objects.filter(indicator__in=indicators, at__in={m.at for m in measured})
        there = {(r.indicator_id, r.at): r for r in stored if (r.indicator_id, r.at) in wanted}
        changed = [r for key, r in there.items() if (r.value, r.note) != (wanted[key].value, wanted[key].note)]
        for reading in changed:
            m = wanted[reading.indicator_id, reading.at]
            reading.value, reading.note, reading.source = m.value, m.note, source
            reading.recorded_at, reading.recorded_by = now, by
        Reading.objects.bulk_update(
            changed, ["value", "note", "source", "recorded_at", "recorded_by"], batch_size=TAKEN_AT_ONCE
        )
        new = [
            Reading(
                indicator_id=m.indicator_id,
                at=m.at,
                value=m.value,
                note=m.note,
                source=source,
                recorded_at=now,
                recorded_by=by,
            )
            for key, m in wanted.items()
            if key not in there
        ]
        Reading.objects.bulk_create(new, batch_size=TAKEN_AT_ONCE)
        touched = {r.indicator_id for r in [*changed, *new]}
        _follow([i for i in indicators.values() if i.pk in touched], now=now)
    return Recorded(len(new), len(changed), len(wanted) - len(new) - len(changed))


def delete_reading(*, reading: Reading, now: dt.datetime) -> None:
    """Take back a reading that was wrong; the one before it counts again."""
    with transaction.atomic():
        indicators = _locked({reading.indicator_id})
        reading.delete()
        _follow(list(indicators.values()), now=now)


def save(*, indicator: Indicator, now: dt.datetime) -> None:
    """Save an indicator whose fields were changed; its thresholds count at once."""
    with transaction.atomic():
        indicator.save()
        _follow(list(_locked({indicator.pk}).values()), now=now)


def archive(*, indicator: Indicator, at: dt.datetime | None, now: dt.datetime) -> None:
    """Stop an indicator: it no longer speaks for its risks. With ``at`` None it is taken up again."""
    with transaction.atomic():
        indicator.archived_at = at
        indicator.save(update_fields=["archived_at"])
        _end_alerts([indicator], now=now)
        scores.rescore(_spoken_for([indicator.pk]), cause=Cause.EVIDENCE, at=now)


def tie(*, indicator: Indicator, risk: Risk, ratio: int, by: User, now: dt.datetime) -> Tie:
    """Let an indicator speak for a risk; a tie that stands gets the new weight."""
    with transaction.atomic():
        made, _ = Tie.objects.update_or_create(
            indicator=indicator,
            risk=risk,
            defaults={"ratio": ratio},
            create_defaults={"ratio": ratio, "created_by": by, "created_at": now},
        )
        scores.rescore([risk.pk], cause=Cause.EVIDENCE, at=now)
    return made


def untie(*, tie: Tie, now: dt.datetime) -> None:
    with transaction.atomic():
        risk_id = tie.risk_id
        tie.delete()
        scores.rescore([risk_id], cause=Cause.EVIDENCE, at=now)


def take_from_crm(*, now: dt.datetime) -> int:
    """Turn what the CRM reported and no reading says yet into readings; returns how many."""
    measuring.measure(
        Customer.objects.filter(pk__in=Indicator.objects.live().filter(from_crm=True).values("customer")), now=now
    )
    taken = 0
    for measure in Measure.values:  # a handful, whatever the register's size
        listening = Indicator.objects.live().filter(from_crm=True, measure=measure)
        # A later correction by hand stands until the CRM reports that moment again.
        known = Reading.objects.filter(
            indicator=OuterRef("indicator"), at=OuterRef("at"), recorded_at__gte=OuterRef("recorded_at")
        )
        reported = (
            Measurement.objects.filter(measure=measure, customer__in=listening.values("customer"))
            .annotate(indicator=Subquery(listening.filter(customer=OuterRef("customer")).values("pk")[:1]))
            .filter(~Exists(known))
        )
        rows = list(reported.order_by("recorded_at", "pk").values_list("indicator", "at", "value")[:TAKEN_AT_ONCE])
        measured = [Measured(indicator, at, value) for indicator, at, value in rows]
        if measured:
            record(measured, source=Reading.Source.CRM, by=None, now=now)
            taken += len(measured)
    return taken


# --- what follows ----------------------------------------------------------------------------------------


def _locked(ids: Collection[int]) -> dict[int, Indicator]:
    """Indicators by id, held until the end of the transaction: of two readings at once the later sees the earlier."""
    rows = Indicator.objects.filter(pk__in=ids).order_by("pk").select_for_update(no_key=True)
    return {indicator.pk: indicator for indicator in rows}


def _follow(indicators: Sequence[Indicator], *, now: dt.datetime) -> None:
    """Bring the indicators up to their last reading, and all that depends on it."""
    if not indicators:
        return
    ids = [indicator.pk for indicator in indicators]
    newest = Reading.objects.filter(indicator=OuterRef("pk")).order_by("-at")
    current = Indicator.objects.filter(pk__in=ids).values_list(
        "pk", Subquery(newest.values("at")[:1]), Subquery(newest.values("value")[:1])
    )
    values = {pk: (at, value) for pk, at, value in current}
    for indicator in indicators:
        at, indicator.current_value = values[indicator.pk]
        indicator.current_at = at
        indicator.stale_at = at + dt.timedelta(days=indicator.stale_after_days) if at else None
    Indicator.objects.bulk_update(indicators, ["current_at", "current_value", "stale_at"], batch_size=200)
    # A measurement is an evaluation even where it finds what was found before.
    scores.rescore(_spoken_for(ids), cause=Cause.EVIDENCE, at=now, always=True)
    worse = _update_alerts([i for i in indicators if i.archived_at is None], now=now)
    if worse:
        _alarm(worse, now=now)


def _spoken_for(indicator_ids: Collection[int]) -> list[int]:
    return list(Tie.objects.filter(indicator__in=indicator_ids).values_list("risk", flat=True).distinct())


Crossed = tuple[Indicator, LimitAlert]


def _update_alerts(indicators: Sequence[Indicator], *, now: dt.datetime) -> list[Crossed]:
    """End alerts that no longer hold and begin new ones; returns those that are worse than what stood there."""
    standing = LimitAlert.objects.filter(indicator__in=indicators, ended_at=None)
    was = dict(standing.values_list("indicator", "kind"))
    changed = [i for i in indicators if _kind(i) != was.get(i.pk)]
    if not changed:
        return []
    _end_alerts(changed, now=now)
    crossed = [
        (i, LimitAlert(kind=kind, indicator=i, at=now, value=i.current_value or 0.0))
        for i in changed
        if (kind := _kind(i)) is not None
    ]
    LimitAlert.objects.bulk_create([alert for _, alert in crossed])
    return [(i, alert) for i, alert in crossed if was.get(i.pk) != LimitAlert.Kind.LIMIT]


def _kind(indicator: Indicator) -> str | None:
    return _LEVELS.get(Indicator.Level(indicator.level))


def _end_alerts(indicators: Sequence[Indicator], *, now: dt.datetime) -> None:
    ending = LimitAlert.objects.filter(indicator__in=indicators, ended_at=None)
    keys = [f"limit:{pk}" for pk in ending.values_list("pk", flat=True)]
    if keys:
        ending.update(ended_at=now)
        notices.settle(keys, at=now)


def _alarm(crossed: Sequence[Crossed], *, now: dt.datetime) -> None:
    """Tell people, arm contingencies, and call for reviews: indicators have passed their warning or their limit."""
    risks: dict[int, list[int]] = defaultdict(list)
    tied = Tie.objects.filter(indicator__in=[i.pk for i, _ in crossed], risk__in=Risk.objects.open())
    for indicator_id, risk_id in tied.values_list("indicator", "risk"):
        risks[indicator_id].append(risk_id)
    to = notices.responsible_for({pk for ids in risks.values() for pk in ids})
    own = notices.responsible_for_indicators([i for i, _ in crossed])
    notices.tell(
        [_news(i, alert, own[i.pk].union(*(to.get(pk, ()) for pk in risks[i.pk]))) for i, alert in crossed], at=now
    )
    # A price is a matter of review as soon as it moves noticeably, other things at their limit.
    prices = [i for i, _ in crossed if i.measure == Measure.PRICE_INDEX]
    others = [i for i, a in crossed if a.kind == LimitAlert.Kind.LIMIT and i.measure != Measure.PRICE_INDEX]
    today = now.date()
    due = today + dt.timedelta(days=MonitoringSettings.load().event_review_days)
    for kind, calling in ((ReviewReason.Kind.PRICE_CHANGE, prices), (ReviewReason.Kind.INDICATOR, others)):
        if ids := {pk for i in calling for pk in risks[i.pk]}:
            reviews.call_for_reviews(ids, kind=kind, ref=str(today), due=due, answered_from=today, at=now)
    at_limit = [i.pk for i, a in crossed if a.kind == LimitAlert.Kind.LIMIT]
    arming = ArmedBy.objects.filter(indicator__in=at_limit).values_list("response", flat=True)
    tell_armed(arm_contingencies(list(arming), at=now), now=now)


def _news(indicator: Indicator, alert: LimitAlert, to: frozenset[int]) -> Happening:
    return Happening(
        kind="limit",
        key=f"limit:{alert.pk}",
        to=to,
        severity=Severity.HIGH if alert.kind == LimitAlert.Kind.LIMIT else Severity.NORMAL,
        indicator_id=indicator.pk,
        details={"level": alert.kind, "value": alert.value, "unit": indicator.unit},
    )


def tell_armed(armed: Sequence[Armed], *, now: dt.datetime) -> None:
    """Tell those who have something to do now."""
    to = notices.responsible_for({a.risk_id for a in armed})
    notices.tell(
        [
            Happening(
                kind="armed",
                key=f"armed:{a.response_id}:{now:%Y%m%dT%H%M%S%f}",
                to=to[a.risk_id] | a.owners,
                severity=Severity.HIGH,
                risk_id=a.risk_id,
                details={"title": a.title},
            )
            for a in armed
        ],
        at=now,
    )
