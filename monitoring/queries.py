"""What needs whom: reads across all stages, named by the answer. What a person may see comes from access.py."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, QuerySet, Sum

from assessments import scoring
from assessments.method import MethodSpec
from monitoring.models import Digest, DriftFlag, Subscription
from responses.models import Acceptance, Action
from riskreg.accounts import reach
from riskreg.accounts.models import User
from risks.access import visible_risks
from risks.models import Risk
from risks.models.risk import RiskQuerySet

SOON = dt.timedelta(days=14)


def open_flags(user: User) -> QuerySet[DriftFlag]:
    return DriftFlag.objects.filter(state=DriftFlag.State.OPEN, risk__in=visible_risks(user).open()).select_related(
        "risk", "risk__owner", "risk__team", "risk__sheet"
    )


def reviews_due(user: User, *, by: dt.date) -> RiskQuerySet:
    """Open risks whose review falls due by a date, the longest overdue first."""
    return (
        visible_risks(user)
        .open()
        .filter(sheet__review_due__lte=by)
        .select_related("sheet", "owner", "team")
        .order_by("sheet__review_due", "pk")
    )


def actions_of(user: User, *, by: dt.date) -> QuerySet[Action]:
    """A person's own actions that fall due by a date, on risks she may see."""
    return (
        Action.objects.to_do()
        .filter(owner=user, due__lte=by, response__risk__in=visible_risks(user).open())
        .select_related("response", "response__risk")
        .order_by("due", "pk")
    )


def acceptances_ending(user: User, *, today: dt.date) -> QuerySet[Acceptance]:
    """Acceptances that ran out, or will within two weeks, of risks a person may see."""
    return (
        Acceptance.objects.filter(revoked_on=None, expires_on__lte=today + SOON, risk__in=visible_risks(user).open())
        .select_related("risk")
        .order_by("expires_on")
    )


def top_risks(risks: RiskQuerySet, number: int) -> list[Risk]:
    """The open, assessed risks of the greatest score; unassessed ones stay out of rankings."""
    ranked = risks.open().filter(sheet__score__isnull=False).select_related("sheet", "owner", "team", "category")
    return list(ranked.order_by("-sheet__score", "-sheet__exposure", "pk")[:number])


@dataclass(frozen=True)
class Cell:
    likelihood: int
    impact: int
    band: int
    risks: int
    exposure: float


def heat_map(risks: RiskQuerySet, spec: MethodSpec) -> list[list[Cell]]:
    """Open risks counted by level of current likelihood and impact, the likeliest row first: one statement."""
    counted = (
        risks.open()
        .filter(sheet__score__isnull=False, sheet__method_version=spec.version)
        .order_by()
        .values_list("sheet__likelihood_level", "sheet__impact_level")
        .annotate(n=Count("pk"), total=Sum("sheet__exposure"))
    )
    found = {(likelihood, impact): (n, total) for likelihood, impact, n, total in counted}
    bands = scoring.matrix_bands(spec)
    return [
        [
            Cell(likelihood, impact, bands[likelihood - 1][impact - 1], *found.get((likelihood, impact), (0, 0.0)))
            for impact in range(1, len(spec.primary.levels) + 1)
        ]
        for likelihood in range(len(spec.likelihood), 0, -1)
    ]


def in_scope(user: User, scope: str) -> RiskQuerySet:
    """The risks a digest is about."""
    risks = visible_risks(user)
    if scope == Subscription.Scope.MINE:
        return risks.filter(owner=user)
    if scope == Subscription.Scope.TEAM:
        # An administrator's reach is everything; her teams are those she has a role in.
        teams = reach.own_teams(user)
        return risks.filter(team__in=teams) if teams else risks
    return risks


def last_digest(user: User, *, before: str) -> Digest | None:
    return Digest.objects.filter(user=user, sent_at__isnull=False).exclude(period=before).first()


def digest_content(
    subscription: Subscription, *, previous: Digest | None, now: dt.datetime, today: dt.date
) -> dict[str, Any]:
    """What one person's digest tells: a constant number of statements, whatever the size of the register."""
    user = subscription.user
    risks = in_scope(user, subscription.scope)
    known: dict[str, float] = previous.content.get("scores", {}) if previous else {}
    since = previous.created_at if previous else now - dt.timedelta(days=7)
    top = top_risks(risks, subscription.top)
    changes = {risk.pk: _change(risk, known) for risk in top}
    return {
        "top": [
            {"risk": risk, "change": changes[risk.pk], "is_new": bool(known) and str(risk.pk) not in known}
            for risk in top
        ],
        "flags": list(open_flags(user).filter(risk__in=risks)[:20]),
        "new_risks": risks.open().filter(created_at__gt=since).count(),
        "unassessed": risks.open().unassessed().count(),
        "open": risks.open().count(),
        "exposure": risks.open().aggregate(total=Sum("sheet__exposure"))["total"] or 0.0,
        "reviews": list(reviews_due(user, by=today).filter(owner=user)[:20]),
        "actions": list(actions_of(user, by=today + dt.timedelta(days=7))[:20]),
        "since": since,
    }


def _change(risk: Risk, known: dict[str, float]) -> float | None:
    """How far the score moved since the last digest; None when it was not in it or hardly moved."""
    before = known.get(str(risk.pk))
    now = risk.sheet.score
    if before is None or now is None or abs(now - before) < 0.5:
        return None
    return float(now - before)
