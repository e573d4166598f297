from __future__ import annotations

import datetime as dt
from typing import Any

from django.db.models import Count, Q, QuerySet

from assessments import restating
from assessments.method import MethodSpec
from assessments.models import Assessment, Elicitation, Method
from assessments.stage import ScoringMethod
from riskreg.accounts.models import User
from riskreg.jobs.models import Job
from risks import access
from risks.models import Risk
from risks.models.risk import RiskQuerySet


def active_method() -> ScoringMethod:
    """The method in force; settings.SCORE_METHOD names this function."""
    return scoring_method(Method.objects.get(state=Method.State.ACTIVE))


def activation_under_way() -> dict[str, Any]:
    """The version in force and how much of the register is re-scored with it, in percent; empty once it all is."""
    method = Method.objects.filter(state=Method.State.ACTIVE, job__isnull=False, rescored_at__isnull=True).first()
    if method is None:
        return {}
    job = Job.objects.filter(pk=method.job).first()
    return {"method": method, "percent": (job.percent if job else 0) or 0}


def running_elicitation(risk: Risk) -> Elicitation | None:
    """The request for opinions about a risk that is not over, with ``answered`` of ``asked`` people."""
    counted = Elicitation.objects.annotate(
        asked=Count("opinions"), answered=Count("opinions", filter=Q(opinions__answered_at__isnull=False))
    )
    return counted.filter(risk=risk, pooled_at=None, withdrawn_at=None).first()


def asked_of(user: User, *, now: dt.datetime) -> QuerySet[Elicitation]:
    """Requests a person has not answered and still can, the most urgent first."""
    return (
        Elicitation.objects.filter(
            opinions__assessor=user,
            opinions__answered_at=None,
            pooled_at=None,
            withdrawn_at=None,
            answer_by__gt=now,
            risk__in=access.editable_risks(user).open(),
        )
        .select_related("risk", "asked_by")
        .order_by("answer_by", "pk")
    )


def unmapped(method: ScoringMethod) -> Q:
    """Which current assessments, made with another version, this one cannot place: none of their dimensions is left,
    or what was judged lies outside its scales. They are for assessing again."""
    older = Assessment.objects.filter(is_current=True).exclude(method=method.method_id).order_by()
    specs = method.specs(older.values_list("method", flat=True).distinct())
    found = Q(pk__in=[])
    for method_id, level in older.values_list("method", "likelihood_level").distinct():
        judged = specs[method_id].likelihood[level - 1]
        if restating.outside(method.spec.likelihood, judged.low, judged.high):
            found |= Q(method=method_id, likelihood_level=level, likelihood_by=Assessment.Given.LEVEL)
    for method_id, code in older.values_list("method", "impact_code").distinct():
        found |= Q(method=method_id, impact_code=code) & _unplaced(specs[method_id], code, method.spec)
    likely = method.spec.likelihood
    beyond = Q(probability__lt=likely[0].low) | Q(probability__gt=likely[-1].high)
    found |= beyond & ~Q(likelihood_by=Assessment.Given.LEVEL)
    return Q(is_current=True) & ~Q(method=method.method_id) & found


def _unplaced(old: MethodSpec, code: int, new: MethodSpec) -> Q:
    """Which impact judgements of one code a version cannot place. Money somebody gave is held against the scale of the
    dimension it was given for, not against the range of the level it fell into."""
    key, levels = old.primary.key, old.decode(code)
    by_level = restating.restate(old, code, new)
    unplaced = Q() if by_level.beyond or not by_level.levels else Q(pk__in=[])
    if key not in levels or key not in {dimension.key for dimension in new.dimensions}:
        return unplaced
    scale = new.dimension(key).levels
    if any(other != key for other in by_level.beyond):
        return Q()
    outside = Q(money__lt=scale[0].low) | Q(money__gt=scale[-1].high)
    return (Q(money__isnull=True) & unplaced) | outside


def to_reassess(risks: RiskQuerySet, method: ScoringMethod) -> RiskQuerySet:
    """Of some risks, the open ones whose judgement this version cannot place."""
    return risks.open().filter(pk__in=Assessment.objects.filter(unmapped(method)).values("risk"))


def scoring_method(method: Method) -> ScoringMethod:
    """Any version, ready to score with; for a draft, what it would do. Raises BadMethod when it cannot score."""
    return ScoringMethod(method.spec(), method_id=method.pk)
