"""The monitor stage of the score pipeline: evidence since the judgement, and reviews that confirmed it."""

from __future__ import annotations

from functools import partial

import numpy as np
from django.db.models import Max
from django.db.models.functions import Left

from monitoring.evidence import weight
from monitoring.models import Review
from risks.models import Observation
from risks.scores import Sheet, Span, Steps

_LABEL = 120  # characters of an observation that go into the ledger


def contribute(sheet: Sheet) -> None:
    """Shift the odds by what was linked since the last assessment; that assessment knew what came before it."""
    observed = (
        Observation.objects.bearing().order_by("linked_at", "pk").values_list("risk", "pk", "bearing", "linked_at")
    )
    rows, pks, bearings, linked = sheet.read(observed, "int", "int", "moment")
    newer = np.flatnonzero(linked > sheet.judged_at[rows])
    if len(newer):
        sheet.steps.append(
            Steps(
                kind="evidence",
                op="odds",
                rows=rows[newer],
                amounts=np.array([weight(bearing) for bearing in bearings[newer].tolist()]),
                refs=pks[newer],
                sources=pks[newer],
                labels=partial(_texts, sheet.span),
            )
        )
    reviews = Review.objects.order_by("risk").values_list("risk").annotate(last=Max("reviewed_on"))
    rows, last = sheet.read(reviews, "day")
    sheet.reviewed_on[rows] = np.fmax(sheet.reviewed_on[rows], last)


def _texts(span: Span) -> dict[int, str]:
    bearing = span.of(Observation.objects.bearing(), "risk")
    return dict(bearing.values_list("pk", Left("text", _LABEL)))
