"""The respond stage of the score pipeline: what actions, done and planned, take off."""

from __future__ import annotations

import numpy as np

from responses.effect import kept
from responses.models import Action, Kind
from risks.scores import Sheet, Steps


def contribute(sheet: Sheet) -> None:
    """Done actions lower the residual, planned ones only the target."""
    actions = list(
        Action.objects.filter(response__risk__in=sheet.risk_ids.tolist(), response__withdrawn_at__isnull=True)
        .exclude(status=Action.Status.CANCELLED)
        .exclude(effect=0)
        .order_by("pk")
        .values_list(
            "response__risk", "response__kind", "effect", "response__confidence", "status", "response", "title"
        )
    )
    for kind, op in ((Kind.PREVENTIVE, "rate"), (Kind.CONTINGENCY, "impact")):
        for planned in (False, True):
            chosen = [a for a in actions if a[1] == kind and (a[4] != Action.Status.DONE) == planned]
            if chosen:
                sheet.steps.append(
                    Steps(
                        kind="response",
                        op="rate" if op == "rate" else "impact",
                        rows=sheet.rows_of([a[0] for a in chosen]),
                        amounts=np.array([kept(a[2], a[3]) for a in chosen]),
                        refs=[a[5] for a in chosen],
                        labels=[a[6] for a in chosen],
                        planned=planned,
                    )
                )
