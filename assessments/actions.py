"""Assessing: judgements are added, never overwritten."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction

from assessments import scoring
from assessments.method import MethodSpec
from assessments.models import Assessment, Method
from riskreg.accounts.models import User
from risks import scores
from risks.models import Cause, Risk


@dataclass(frozen=True)
class Number:
    """A quantity judged without a level: a probability a year, or money; with its 90 % range if one was given."""

    value: float
    low: float | None = None
    high: float | None = None
    pooled: bool = False

    @property
    def by(self) -> Assessment.Given:
        if self.pooled:
            return Assessment.Given.POOLED
        return Assessment.Given.NUMBER if self.low is None else Assessment.Given.RANGE

    @classmethod
    def of_likelihood(cls, assessment: Assessment) -> Number | None:
        """How an assessment's likelihood was given; None where that was by level."""
        if assessment.likelihood_by == Assessment.Given.LEVEL:
            return None
        low, high = assessment.likelihood_low, assessment.likelihood_high
        return cls(assessment.probability, low, high, assessment.likelihood_by == Assessment.Given.POOLED)

    @classmethod
    def of_money(cls, assessment: Assessment) -> Number | None:
        """How an assessment's money was given; None where that was by level."""
        if assessment.money is None:
            return None
        low, high = assessment.money_low, assessment.money_high
        return cls(assessment.money, low, high, assessment.money_by == Assessment.Given.POOLED)


@dataclass(frozen=True)
class Judgement:
    """Likelihood as a level from 1 or a number; impact as levels by dimension key, and ``money`` instead of the
    primary dimension's level where somebody gave a number."""

    risk_id: int
    likelihood: int | Number
    impacts: Mapping[str, int]
    basis: str
    evidence: str
    on: dt.date
    money: Number | None = None


@dataclass(frozen=True)
class Judged:
    """What a judgement comes to: levels from 1, the probability a year, and the combined impact."""

    likelihood_level: int
    probability: float
    levels: Mapping[str, int]
    impact: scoring.Impact


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
        made = [_assessment(method, spec, judgement, by=by, at=at) for judgement in judgements]
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


def _assessment(
    method: Method, spec: MethodSpec, judgement: Judgement, *, by: User | None, at: dt.datetime
) -> Assessment:
    likelihood, money = judgement.likelihood, judgement.money
    likely = likelihood if isinstance(likelihood, Number) else None
    worth = judged(spec, likelihood, judgement.impacts, money)
    return Assessment(
        risk_id=judgement.risk_id,
        method=method,
        likelihood_level=worth.likelihood_level,
        likelihood_by=likely.by if likely else Assessment.Given.LEVEL,
        likelihood_low=likely.low if likely else None,
        likelihood_high=likely.high if likely else None,
        impact_code=spec.encode(worth.levels),
        money_by=money.by if money else Assessment.Given.LEVEL,
        money=money.value if money else None,
        money_low=money.low if money else None,
        money_high=money.high if money else None,
        probability=worth.probability,
        impact=worth.impact.money,
        decided_by=worth.impact.decided_by,
        basis=judgement.basis,
        evidence=judgement.evidence,
        assessed_on=judgement.on,
        assessor=by,
        created_at=at,
    )


def judged(
    spec: MethodSpec, likelihood: int | Number, impacts: Mapping[str, int], money: Number | None = None
) -> Judged:
    """What a judgement comes to under a method; arguments as in ``Judgement``.

    Raises KeyError or ValueError for a dimension or level the method does not have, and for a number out of bounds.
    """
    levels = dict(impacts)
    if isinstance(likelihood, Number):
        probability = likelihood.value
        if not 0 < probability < 1:
            raise ValueError("likelihood: a probability lies between 0 and 1")
        level = scoring.level_of(spec.likelihood, probability)
    else:
        level = likelihood
        if not 1 <= level <= len(spec.likelihood):
            raise ValueError(f"likelihood: there is no level {level}")
        probability = spec.likelihood[level - 1].centre
    if money is not None:
        levels[spec.primary.key] = scoring.level_of(spec.primary.levels, money.value)
    impact = scoring.combine(spec, levels, {spec.primary.key: money.value} if money else None)
    return Judged(level, probability, levels, impact)
