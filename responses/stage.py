"""The respond stage of the score pipeline: what actions, done and planned, take off."""

from __future__ import annotations

from functools import cache, partial

import numpy as np
from django.db.models import Case, Value, When

from responses.effect import kept
from responses.models import Action, Kind
from risks.scores import Sheet, Span, Steps


def contribute(sheet: Sheet) -> None:
    """Done actions lower the residual, planned ones only the target."""
    actions = (
        Action.objects.filter(response__withdrawn_at__isnull=True)
        .exclude(status=Action.Status.CANCELLED)
        .exclude(effect=0)
        .order_by("pk")
        .values_list(
            "response__risk",
            "pk",
            "response",
            "effect",
            "response__confidence",
            Case(When(response__kind=Kind.PREVENTIVE, then=Value(1)), default=Value(0)),
            Case(When(status=Action.Status.DONE, then=Value(0)), default=Value(1)),
        )
    )
    rows, pks, responses, effect, confidence, preventive, planned = sheet.read(
        actions, "int", "int", "float", "float", "int", "int", risk="response__risk"
    )
    labels = cache(partial(_titles, sheet.span))
    for is_preventive in (True, False):
        for is_planned in (False, True):
            chosen = np.flatnonzero((preventive == is_preventive) & (planned == is_planned))
            if len(chosen):
                sheet.steps.append(
                    Steps(
                        kind="response",
                        op="rate" if is_preventive else "impact",
                        rows=rows[chosen],
                        amounts=kept(effect[chosen], confidence[chosen]),
                        refs=responses[chosen],
                        sources=pks[chosen],
                        labels=labels,
                        planned=is_planned,
                    )
                )


def _titles(span: Span) -> dict[int, str]:
    return dict(span.of(Action.objects.all(), "response__risk").values_list("pk", "title"))
