"""What needs whom: reads across all stages, named by the answer. What a person may see comes from access.py."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils import timezone

from assessments import scoring
from assessments.method import MethodSpec
from monitoring.models import DriftFlag, Indicator, LimitAlert, Notice, ReviewReason, Subscription
from monitoring.models.indicators import IndicatorQuerySet
from responses.actions import ARMED
from responses.models import Acceptance, Action, Response
from riskreg.accounts import reach
from riskreg.accounts.models import User
from risks.access import editable_risks, teams_seen, teams_worked_in, visible_risks
from risks.models import Risk
from risks.models.risk import RiskQuerySet

SOON = dt.timedelta(days=14)


def visible_indicators(user: User) -> IndicatorQuerySet:
    """Indicators of the teams a person may look at, archived ones included."""
    found: IndicatorQuerySet = Indicator.objects.filter(team__in=teams_seen(user))
    return found


def editable_indicators(user: User) -> IndicatorQuerySet:
    found: IndicatorQuerySet = Indicator.objects.filter(team__in=teams_worked_in(user))
    return found


def visible_flags(user: User) -> QuerySet[DriftFlag]:
    """Flags of risks and indicators a person may see."""
    return DriftFlag.objects.filter(
        Q(risk__in=visible_risks(user)) | Q(indicator__in=visible_indicators(user))
    ).select_related("risk__owner", "risk__team", "risk__sheet", "indicator__owner", "answered_by")


def editable_flags(user: User) -> QuerySet[DriftFlag]:
    return DriftFlag.objects.filter(
        Q(risk__in=editable_risks(user)) | Q(indicator__in=editable_indicators(user))
    ).select_related("risk", "indicator")


def open_flags(user: User) -> QuerySet[DriftFlag]:
    return visible_flags(user).filter(state=DriftFlag.State.OPEN)


def open_alerts(user: User) -> QuerySet[LimitAlert]:
    """Limits that are crossed now."""
    return LimitAlert.objects.filter(
        Q(risk__in=visible_risks(user).open()) | Q(indicator__in=visible_indicators(user)), ended_at=None
    ).select_related("risk__owner", "risk__sheet", "indicator__owner")


def stale_indicators(user: User, *, now: dt.datetime) -> QuerySet[Indicator]:
    """A person's own indicators that are stale, the oldest first."""
    return visible_indicators(user).live().filter(stale_at__lt=now, owner=user).order_by("current_at")


def in_state(found: QuerySet[Indicator], state: str, *, now: dt.datetime) -> QuerySet[Indicator]:
    """Indicators beyond their limit or at their warning, drifting or stale; any for another word."""
    if state in ("limit", "warning"):
        return found.filter(alerts__ended_at=None, alerts__kind=state)
    if state == "drifting":
        return found.filter(drifting_since__isnull=False)
    if state == "stale":
        return found.filter(stale_at__lt=now)
    return found


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


# --- flags ---------------------------------------------------------------------------------------------------


def answers(user: User) -> tuple[int, int]:
    """How many flags a person may see were answered, and how many of them were real."""
    answered = visible_flags(user).filter(state__in=[DriftFlag.State.CONFIRMED, DriftFlag.State.FALSE])
    counted = answered.order_by().aggregate(
        all=Count("pk"), real=Count("pk", filter=Q(state=DriftFlag.State.CONFIRMED))
    )
    return counted["all"], counted["real"]


def waiting_reasons(risk: Risk) -> QuerySet[ReviewReason]:
    """What calls for a review of a risk before its turn and was not answered yet."""
    last = max(
        (day for day in (
            risk.reviews.aggregate(day=Max("reviewed_on"))["day"],
            risk.assessments.filter(is_current=True).aggregate(day=Max("assessed_on"))["day"],
        ) if day is not None),
        default=None,
    )  # fmt: skip
    reasons = risk.review_reasons.select_related("created_by")
    return reasons if last is None else reasons.filter(answered_from__gt=last)


@dataclass(frozen=True)
class Adjustment:
    """Something that was done about a flag."""

    kind: str  # assessed, response_added, response_changed, response_withdrawn, armed, action_done, reviewed, moved
    at: dt.datetime
    by: User | None
    text: str


def adjustments(flag: DriftFlag) -> list[Adjustment]:
    """What was done on a flag's risk since it was raised, until the next flag; from the records of each act itself."""
    risk = flag.risk
    if risk is None:
        return []
    later = risk.flags.filter(raised_at__gt=flag.raised_at).order_by("raised_at").first()
    span = (flag.raised_at, later.raised_at if later else timezone.now())
    found = [
        Adjustment("assessed", a.created_at, a.assessor, a.evidence)
        for a in risk.assessments.filter(created_at__range=span).select_related("assessor")
    ]
    found += [
        Adjustment(_deed(row), row.history_date, row.history_user, row.title)
        for row in Response.history.filter(risk=risk, history_date__range=span).select_related("history_user")
    ]
    found += [
        Adjustment("action_done", row.history_date, row.history_user, row.title)
        for row in Action.history.filter(
            response__risk=risk, history_date__range=span, status=Action.Status.DONE
        ).select_related("history_user")
    ]
    found += [
        Adjustment("moved", r.created_at, r.created_by, r.note)
        for r in risk.review_reasons.filter(kind=ReviewReason.Kind.WISH, created_at__range=span).select_related(
            "created_by"
        )
    ]
    found += [
        Adjustment("reviewed", r.created_at, r.reviewed_by, r.because)
        for r in risk.reviews.filter(created_at__range=span).select_related("reviewed_by")
    ]
    return sorted(found, key=lambda done: done.at)


def _deed(row: Any) -> str:
    if row.history_type == "+":
        return "response_added"
    if row.withdrawn_at is not None:
        return "response_withdrawn"
    return "armed" if row.armed_at is not None and row.history_change_reason == ARMED else "response_changed"


# --- notices -------------------------------------------------------------------------------------------------


def visible_notices(user: User) -> QuerySet[Notice]:
    """A person's notices of what she may still see."""
    return Notice.objects.filter(
        Q(event__risk=None) | Q(event__risk__in=visible_risks(user)), user=user
    ).select_related("event__risk", "event__indicator", "passed_on_by")


def unread(user: User) -> int:
    return visible_notices(user).filter(read_at=None, event__ended_at=None).count()
