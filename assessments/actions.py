"""Assessing: judgements are added, never overwritten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from assessments import scoring
from assessments.models import Assessment, Method
from riskreg.accounts.models import User
from risks import scores
from risks.models import Cause, Risk


@dataclass(frozen=True)
class Judgement:
    """Levels from 1: the likelihood's, and the impact's per dimension key."""

    risk_id: int
    likelihood: int
    impacts: Mapping[str, int]
    basis: str
    evidence: str
    on: dt.date


def assess_risk(*, risk: Risk, by: User | None, judgement: Judgement, at: dt.datetime) -> Assessment:
    """Add one assessment; the score, its ledger row and its reasons are there when this returns."""
    return assess_risks(judgements=[judgement], by=by, at=at)[0]


def assess_risks(
    *,
    judgements: Sequence[Judgement],
    by: User | None,
    at: dt.datetime,
    run: int | None = None,
    cause: Cause = Cause.JUDGEMENT,
) -> list[Assessment]:
    """Add assessments to many risks, one each, and score them: the statements do not depend on their number.

    Raises KeyError or ValueError for a dimension or level the active method does not have.
    """
    with transaction.atomic():
        method = Method.objects.get(state=Method.State.ACTIVE)
        spec = method.spec()
        made = []
        for judgement in judgements:
            if not 1 <= judgement.likelihood <= len(spec.likelihood):
                raise ValueError(f"likelihood: there is no level {judgement.likelihood}")
            impact = scoring.combine(spec, judgement.impacts)
            made.append(
                Assessment(
                    risk_id=judgement.risk_id,
                    method=method,
                    likelihood_level=judgement.likelihood,
                    impact_levels=dict(judgement.impacts),
                    probability=spec.likelihood[judgement.likelihood - 1].centre,
                    impact=impact.money,
                    decided_by=impact.decided_by,
                    basis=judgement.basis,
                    evidence=judgement.evidence,
                    assessed_on=judgement.on,
                    assessor=by,
                    created_at=at,
                )
            )
        current = dict(
            Assessment.objects.filter(risk__in=[j.risk_id for j in judgements], is_current=True).values_list(
                "risk", "assessed_on"
            )
        )
        newest = {a.risk_id for a in made if a.risk_id not in current or a.assessed_on >= current[a.risk_id]}
        Assessment.objects.filter(risk__in=newest, is_current=True).update(is_current=False)
        for assessment in made:
            assessment.is_current = assessment.risk_id in newest
        Assessment.objects.bulk_create(made)
        scores.rescore(newest, cause=cause, at=at, run=run, always=True)
    return made
