"""The monitor stage of the score pipeline: evidence since the judgement, and reviews that confirmed it."""

from __future__ import annotations

import numpy as np
from django.db.models import Max

from monitoring.evidence import weight
from monitoring.models import Review
from risks.models import Observation
from risks.scores import Sheet, Steps, naive_utc


def contribute(sheet: Sheet) -> None:
    """Shift the odds by what was linked since the last assessment; that assessment knew what came before it."""
    ids = sheet.risk_ids.tolist()
    observed = list(
        Observation.objects.about(ids)
        .order_by("linked_at", "pk")
        .values_list("risk", "pk", "bearing", "linked_at", "text")
    )
    rows = sheet.rows_of([o[0] for o in observed])
    linked = np.array([naive_utc(o[3]) for o in observed], dtype="datetime64[us]")
    newer = np.flatnonzero(linked > sheet.judged_at[rows]) if observed else np.array([], dtype=np.int64)
    if len(newer):
        chosen = [observed[i] for i in newer.tolist()]
        sheet.steps.append(
            Steps(
                kind="evidence",
                op="odds",
                rows=rows[newer],
                amounts=np.array([weight(o[2]) for o in chosen]),
                refs=[o[1] for o in chosen],
                labels=[o[4][:120] for o in chosen],
            )
        )
    reviews = list(
        Review.objects.filter(risk__in=ids).order_by("risk").values_list("risk").annotate(last=Max("reviewed_on"))
    )
    if reviews:
        at = sheet.rows_of([r[0] for r in reviews])
        last = np.array([r[1] for r in reviews], dtype="datetime64[D]")
        sheet.reviewed_on[at] = np.fmax(sheet.reviewed_on[at], last)
