"""The monitor stage of the score pipeline: evidence since the judgement, and when the next review is due."""

from __future__ import annotations

from functools import partial

import numpy as np
from django.db.models import F, Max, OuterRef, QuerySet, Subquery
from django.db.models.functions import Left

from monitoring.evidence import shift, weight
from monitoring.models import Reading, Review, ReviewReason, Tie
from risks.models import Observation
from risks.scores import Sheet, Span, Steps

_LABEL = 120  # characters of an observation that go into the ledger


def contribute(sheet: Sheet) -> None:
    """Shift the odds by what came since the last assessment; that assessment knew what came before it."""
    _observed(sheet)
    _measured(sheet)
    _reviewed(sheet)


def _observed(sheet: Sheet) -> None:
    observed = (
        Observation.objects.bearing()
        .filter(risk__assessments__is_current=True, linked_at__gt=F("risk__assessments__created_at"))
        .order_by("linked_at", "pk")
        .values_list("risk", "pk", "bearing")
    )
    rows, pks, bearings = sheet.read(observed, "int", "int")
    if len(rows):
        sheet.steps.append(
            Steps(
                kind="evidence",
                op="odds",
                rows=rows,
                amounts=np.array([weight(bearing) for bearing in bearings.tolist()]),
                refs=pks,
                sources=pks,
                labels=partial(_texts, sheet.span),
            )
        )


def _texts(span: Span) -> dict[int, str]:
    bearing = span.of(Observation.objects.bearing(), "risk")
    return dict(bearing.values_list("pk", Left("text", _LABEL)))


def _measured(sheet: Sheet) -> None:
    """What indicators say now against what they said at the judgement. A stale one goes on saying the same."""
    rows, pks, indicators, ratio, now, warning, limit, then = sheet.read(
        _speaking().values_list(
            "risk", "pk", "indicator", "ratio",
            "indicator__current_value", "indicator__warning", "indicator__limit", "then",
        ),
        "int", "int", "float", "float", "float", "float", "float",
    )  # fmt: skip
    amounts = shift(now, then, warning=warning, limit=limit, ratio=ratio)
    said = np.flatnonzero(amounts)
    if len(said):
        sheet.steps.append(
            Steps(
                kind="indicator",
                op="odds",
                rows=rows[said],
                amounts=amounts[said],
                refs=indicators[said],
                sources=pks[said],
                labels=partial(_readings, sheet.span),
            )
        )


def _speaking() -> QuerySet[Tie]:
    """Ties of indicators that were read to judged risks, with the reading that was known at the judgement."""
    known = Reading.objects.filter(
        indicator=OuterRef("indicator"), recorded_at__lte=OuterRef("risk__assessments__created_at")
    )
    return (
        Tie.objects.filter(
            risk__assessments__is_current=True, indicator__archived_at=None, indicator__current_value__isnull=False
        )
        .annotate(then=Subquery(known.order_by("-at").values("value")[:1]))
        .order_by("pk")
    )


def _readings(span: Span) -> dict[int, str]:
    told = span.of(_speaking(), "risk").values_list(
        "pk", "indicator__name", "indicator__unit", "indicator__current_value", "then"
    )
    return {
        pk: f"{name}: {'' if then is None else f'{then:g} → '}{now:g} {unit}".strip()
        for pk, name, unit, now, then in told
    }


def _reviewed(sheet: Sheet) -> None:
    reviews = Review.objects.order_by("risk").values_list("risk").annotate(last=Max("reviewed_on"))
    rows, last = sheet.read(reviews, "day")
    sheet.reviewed_on[rows] = np.fmax(sheet.reviewed_on[rows], last)
    reasons = ReviewReason.objects.order_by("pk").values_list("risk", "answered_from", "due_on")
    rows, answered_from, due = sheet.read(reasons, "day", "day")
    waiting = ~(sheet.reviewed_on[rows] >= answered_from)
    np.fmin.at(sheet.review_by, rows[waiting], due[waiting])
