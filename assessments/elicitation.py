"""Several people judge one risk, each blind to the others; what they answer is pooled as distributions.

It ends by the clock: once everybody answered or the deadline passed, whoever may see the risk sees all opinions, and
no job is needed for that.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass

from django.db import IntegrityError, transaction

from assessments import experience, pooling
from assessments.actions import Judgement, Number, assess_risk
from assessments.method import Level, MethodSpec
from assessments.models import Assessment, Elicitation, Opinion
from assessments.queries import active_method
from riskreg.accounts.models import User
from riskreg.jobs.actions import enqueue_many
from risks.models import Risk

_LONGEST_EVIDENCE = 5000


class AlreadyAsked(Exception):
    """Opinions about the risk are being asked for already."""


class TooLate(Exception):
    """The request was withdrawn or pooled, or its answers are open, or its risk is closed."""


class StillBlind(Exception):
    """Somebody may still answer without having seen the others."""


def ask(
    *, risk: Risk, people: Collection[User], question: str, answer_by: dt.datetime, by: User, at: dt.datetime
) -> Elicitation:
    """Ask people for their opinion; each gets a mail. Raises AlreadyAsked while another request is running."""
    try:
        with transaction.atomic():
            asked = Elicitation.objects.create(
                risk=risk, question=question, answer_by=answer_by, asked_at=at, asked_by=by
            )
            invited = Opinion.objects.bulk_create([Opinion(elicitation=asked, assessor=person) for person in people])
            enqueue_many(
                "assessments.tasks.send_invitation",
                {f"invitation:{opinion.pk}": {"opinion": opinion.pk} for opinion in invited},
            )
    except IntegrityError as error:
        raise AlreadyAsked from error
    return asked


def answer(
    *,
    elicitation: Elicitation,
    by: User,
    likelihood: int | Number,
    money: int | Number,
    because: str,
    at: dt.datetime,
) -> Opinion:
    """Keep an invited person's answer, or change it; levels are those of the method in force.

    Raises TooLate once others' answers may have been seen, and Opinion.DoesNotExist for somebody who was not asked.
    """
    spec = active_method().spec
    share, amount = likelihood_points(spec, likelihood), money_points(spec, money)
    with transaction.atomic():
        asked = _locked(elicitation)
        if not asked.is_running or not asked.is_blind(at) or not asked.risk.is_open:
            raise TooLate
        given = asked.opinions.get(assessor=by)
        given.answered_at, given.because = at, because
        given.likelihood_by, given.money_by = _by(likelihood), _by(money)
        given.likelihood_low, given.likelihood_middle, given.likelihood_high = share.low, share.middle, share.high
        given.money_low, given.money_middle, given.money_high = amount.low, amount.middle, amount.high
        given.save()
    return given


def withdraw(*, elicitation: Elicitation, at: dt.datetime) -> None:
    """Take a request back; answers that were not open by then stay unseen. Raises TooLate when it is over."""
    running = Elicitation.objects.filter(pk=elicitation.pk, pooled_at=None, withdrawn_at=None)
    if not running.update(withdrawn_at=at):
        raise TooLate


def pool(*, elicitation: Elicitation, by: User, on: dt.date, at: dt.datetime) -> Assessment:
    """Make the pooled answers an assessment: likelihood and money count as the means of their pools.

    Further dimensions stay as they are judged now. Raises StillBlind before the answers are open, and TooLate when
    it was done already, when the risk is closed, and when nobody answered.
    """
    with transaction.atomic():
        asked = _locked(elicitation)
        if not asked.is_running or not asked.risk.is_open:
            raise TooLate
        if asked.is_blind(at):
            raise StillBlind
        pooled = pooled_answers(asked)
        if pooled is None:
            raise TooLate
        made = assess_risk(risk=asked.risk, by=by, judgement=_judgement(asked.risk, pooled, on=on), at=at)
        for opinion, weight in zip(pooled.opinions, pooled.likelihood.weights, strict=True):
            opinion.weight = weight
        Opinion.objects.bulk_update(pooled.opinions, ["weight"])
        asked.pooled_at, asked.assessment = at, made
        asked.save(update_fields=["pooled_at", "assessment"])
    return made


def _locked(elicitation: Elicitation) -> Elicitation:
    """As it stands now; of two who act at once the second waits for the first."""
    return Elicitation.objects.select_for_update(of=("self",)).select_related("risk").get(pk=elicitation.pk)


def _by(given: int | Number) -> Assessment.Given:
    return given.by if isinstance(given, Number) else Assessment.Given.LEVEL


def likelihood_points(spec: MethodSpec, given: int | Number) -> pooling.Opinion:
    """A likelihood as a distribution; a level counts as its declared range. Raises ValueError for an unknown level."""
    if not isinstance(given, Number):
        level = _level(spec.likelihood, given)
        return pooling.Opinion.of_probability_range(level.low, level.high)
    if given.low is None or given.high is None:
        return pooling.Opinion.of_number(given.value)
    return pooling.Opinion.of_probability_range(given.low, given.high)


def money_points(spec: MethodSpec, given: int | Number) -> pooling.Opinion:
    """Money as a distribution, as ``likelihood_points``; the levels are those of the primary dimension."""
    if not isinstance(given, Number):
        level = _level(spec.primary.levels, given)
        return pooling.Opinion.of_money_range(level.low, level.high)
    if given.low is None or given.high is None:
        return pooling.Opinion.of_number(given.value)
    return pooling.Opinion.of_money_range(given.low, given.high)


def _level(levels: tuple[Level, ...], number: int) -> Level:
    if not 1 <= number <= len(levels):
        raise ValueError(f"there is no level {number}")
    return levels[number - 1]


def _judgement(risk: Risk, pooled: Pooled, *, on: dt.date) -> Judgement:
    method = active_method()
    current = risk.assessments.filter(is_current=True).first()
    impacts = dict(method.levels(current)[1]) if current else {}
    impacts.pop(method.spec.primary.key, None)
    reasons = "\n".join(f"{opinion.assessor}: {opinion.because}" for opinion in pooled.opinions)
    return Judgement(
        risk_id=risk.pk,
        likelihood=_pooled_number(pooled.likelihood),
        impacts=impacts,
        money=_pooled_number(pooled.money),
        basis=Assessment.Basis.EXPERT,
        evidence=reasons[:_LONGEST_EVIDENCE],
        on=on,
    )


def _pooled_number(pooled: pooling.Pool) -> Number:
    low, high = pooled.interval
    return Number(pooled.mean, low, high, pooled=True)


@dataclass(frozen=True)
class Pooled:
    """What several people's answers come to.

    opinions: those that were given, in the order of asking. likelihood, money: their pools, whose weights are equal.
    resolved: how many forecasts of each came true or did not; empty once the weights are kept with the opinions.
    """

    opinions: list[Opinion]
    likelihood: pooling.Pool
    money: pooling.Pool
    resolved: list[int]


def pooled_answers(elicitation: Elicitation) -> Pooled | None:
    """The answers so far, pooled; None while there is none. Whoever shows it asks ``is_blind`` first.

    Weights come from everybody's resolved forecasts, until they are kept as they were when the pool became an
    assessment.
    """
    given = [o for o in elicitation.opinions.select_related("assessor") if o.answered_at is not None]
    if not given:
        return None
    resolved: list[int] = []
    weights = [o.weight for o in given if o.weight is not None]
    if len(weights) < len(given):
        records = experience.forecasts(o.assessor_id for o in given)
        weights = list(pooling.weights([records[o.assessor_id] for o in given]))
        resolved = [len(records[o.assessor_id]) for o in given]
    return Pooled(
        opinions=given,
        likelihood=pooling.pool(
            [_points(o.likelihood_low, o.likelihood_middle, o.likelihood_high) for o in given], weights
        ),
        money=pooling.pool([_points(o.money_low, o.money_middle, o.money_high) for o in given], weights, scale="log"),
        resolved=resolved,
    )


def _points(low: float | None, middle: float | None, high: float | None) -> pooling.Opinion:
    if low is None or middle is None or high is None:
        raise ValueError("nobody gave this opinion yet")
    return pooling.Opinion(low, middle, high)
