"""The assess stage of the score pipeline: what was judged."""

from __future__ import annotations

import numpy as np

from assessments import scoring
from assessments.method import Band, MethodSpec
from assessments.models import Assessment
from risks.scores import Floats, Integers, Sheet, naive_utc


class ScoringMethod:
    """What the pipeline and the register need of a method: its formulas bound to its scales."""

    def __init__(self, spec: MethodSpec) -> None:
        self.spec = spec
        self.version = spec.version
        self.bands: tuple[Band, ...] = spec.bands

    def over_horizon(self, probability: Floats, months: Floats) -> Floats:
        return scoring.over_horizon(probability, months)

    def score(self, exposure: Floats) -> Floats:
        return scoring.score(self.spec, exposure)

    def band_positions(self, scores: Floats) -> Integers:
        return scoring.band_positions(self.spec, scores)

    def likelihood_levels(self, probability: Floats) -> Integers:
        return scoring.likelihood_levels(self.spec, probability)

    def impact_levels(self, money: Floats) -> Integers:
        return scoring.impact_levels(self.spec, money)


def contribute(sheet: Sheet) -> None:
    """Fill in the current assessment of each risk that has one."""
    current = list(
        Assessment.objects.filter(risk__in=sheet.risk_ids.tolist(), is_current=True).values_list(
            "risk", "pk", "probability", "impact", "assessed_on", "basis", "created_at"
        )
    )
    rows = sheet.rows_of([row[0] for row in current])
    sheet.probability[rows] = [row[2] for row in current]
    sheet.impact[rows] = [row[3] for row in current]
    sheet.reviewed_on[rows] = np.array([row[4] for row in current], dtype="datetime64[D]")
    sheet.judged_at[rows] = np.array([naive_utc(row[6]) for row in current], dtype="datetime64[us]")
    for row, (_, pk, _, _, _, basis, _) in zip(rows.tolist(), current, strict=True):
        sheet.judged[row] = {"ref": pk, "label": basis}
