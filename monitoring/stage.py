"""The monitor stage of the score pipeline: evidence since the judgement, and reviews that confirmed it."""

from __future__ import annotations

from functools import partial

import numpy as np
from django.db.models import F, Max
from django.db.models.functions import Left

from monitoring.evidence import weight
from monitoring.models import Review
from risks.models import Observation
from risks.scores import Sheet, Span, Steps

_LABEL = 120  # characters of an observation that go into the ledger


def contribute(sheet: Sheet) -> None:
    """Shift the odds by what was linked since the last assessment; that assessment knew what came before it."""
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
    reviews = Review.objects.order_by("risk").values_list("risk").annotate(last=Max("reviewed_on"))
    rows, last = sheet.read(reviews, "day")
    sheet.reviewed_on[rows] = np.fmax(sheet.reviewed_on[rows], last)


def _texts(span: Span) -> dict[int, str]:
    bearing = span.of(Observation.objects.bearing(), "risk")
    return dict(bearing.values_list("pk", Left("text", _LABEL)))
