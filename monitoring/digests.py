"""Digests: what a person has to know since her last one, written once, sent once, and kept as it was sent."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.http import QueryDict
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.text import get_valid_filename

from assessments.queries import active_method, asked_of
from assessments.stage import ScoringMethod
from monitoring import digest, happenings, queries, reasons
from monitoring.models import Digest, Event, Indicator, Subscription
from responses.models import Action
from riskreg.accounts import links, reach
from riskreg.accounts.middleware import zone_named
from riskreg.accounts.models import Team, User
from riskreg.jobs.actions import Claim, enqueue, enqueue_many
from riskreg.mail import outgoing
from risks.access import visible_risks
from risks.filters import Choices, RegisterFilter
from risks.models import Risk, ScoreEntry
from risks.models.risk import RiskQuerySet

# Periods of digests that a person asked for begin like this; they are sent even without a running subscription.
_ASKED_FOR = "now-"
_FOLLOWED = 100  # of a reader's own risks, the largest
_LISTED = 20
_OLD_NEWS = 5  # what was told before is only called to mind
_FIRST_LOOK_BACK = dt.timedelta(days=7)
# Events a digest tells; reviews and actions stand under what is due.
_TOLD = ("flag", "limit", "appetite", "armed")


def queue_due_digests(*, now: dt.datetime, users: Iterable[User] | None = None) -> int:
    """Put in a job for every digest that is due and was not sent; returns how many are new.

    Only the latest period of each reader counts: after a night that was missed there is one digest, not several.
    """
    subscriptions = Subscription.objects.filter(active=True, user__is_active=True).exclude(user__email="")
    if users is not None:
        subscriptions = subscriptions.filter(user__in=users)
    due: dict[str, dict[str, Any]] = {}
    for subscription in subscriptions:
        period = digest.latest_period(
            subscription.cadence, hour=subscription.hour, zone=zone_named(subscription.time_zone), now=now
        )
        if period.due >= subscription.since:
            due[f"digest:{subscription.user_id}:{period.key}"] = {"user": subscription.user_id, "period": period.key}
    return enqueue_many("monitoring.tasks.send_digest", due)


def queue_digest_now(*, user: User, now: dt.datetime) -> None:
    """Put in a digest beside the regular ones, for a person who asks for it; at most one a minute."""
    period = f"{_ASKED_FOR}{now:%Y%m%dT%H%M}"
    enqueue(
        "monitoring.tasks.send_digest",
        payload={"user": user.pk, "period": period},
        key=f"digest:{user.pk}:{period}",
        by=user,
    )


def send_digest(claim: Claim, *, user_id: int, period: str) -> str:
    """Write the digest first, send it, then note that it went: a repeat is the same mail under the same Message-ID."""
    subscription = Subscription.objects.select_related("user", "view").filter(user=user_id).first()
    if subscription is None or not subscription.user.is_active or not subscription.user.email:
        return "not wanted"
    if not subscription.active and not period.startswith(_ASKED_FOR):
        return "not wanted"
    with claim.fenced():
        written = write_digest(subscription=subscription, period=period, now=claim.now())
    if written.sent_at is not None:
        return "was sent"
    if written.is_quiet:
        return "quiet"
    deliver(written)
    with claim.fenced():
        Digest.objects.filter(pk=written.pk).update(sent_at=claim.now())
    return "sent"


def write_digest(*, subscription: Subscription, period: str, now: dt.datetime) -> Digest:
    """Write a person's digest of a period, in her language and zone; the one already written, if there is one."""
    user = subscription.user
    told = Digest.objects.filter(Q(period=period) | Q(sent_at__isnull=False), user=user).order_by("-created_at", "-pk")
    known = list(told[:2])
    if written := next((d for d in known if d.period == period), None):
        return written
    zone, language = zone_named(subscription.time_zone), subscription.language or user.language
    with translation.override(language), timezone.override(zone):
        content = digest_content(subscription, previous=known[0] if known else None, now=now)
        asked = period.startswith(_ASKED_FOR)
        is_quiet = not content["news"] and not subscription.when_empty and not asked
        context = {
            **content,
            "user": user,
            "subscription": subscription,
            "now": now,
            "site_url": settings.SITE_URL,
            "language": language,
            "unsubscribe": unsubscribe_path(user, "digest", now=now),
        }
        subject = " ".join(render_to_string("emails/digest_subject.txt", context).split())
        text, html = (
            ("", "") if is_quiet
            else (render_to_string("emails/digest.txt", context), render_to_string("emails/digest.html", context))
        )  # fmt: skip
    return Digest.objects.create(
        user=user,
        period=period,
        message_id=outgoing.message_id(f"digest.{user.pk}.{get_valid_filename(period)}"),
        address=user.email,
        subject=subject,
        text=text,
        html=html,
        content=content["memory"].as_content(),
        is_quiet=is_quiet,
        created_at=now,
    )


def unsubscribe_path(user: User, subject: str, *, now: dt.datetime) -> str:
    """Where a person, or her mail program, stops such mails without logging in."""
    token = links.make("unsubscribe", user_id=user.pk, subject=subject, now=now)
    return reverse("monitoring:unsubscribe", args=[token])


def deliver(written: Digest) -> None:
    outgoing.send(
        to=written.address or written.user.email,
        subject=written.subject,
        text=written.text,
        html=written.html,
        message_id=written.message_id,
        # Of the moment it was written, so that a repeat is the same to the last byte.
        unsubscribe=settings.SITE_URL + unsubscribe_path(written.user, "digest", now=written.created_at),
    )


# --- content ---------------------------------------------------------------------------------------------


def digest_content(subscription: Subscription, *, previous: Digest | None, now: dt.datetime) -> dict[str, Any]:
    """What one person's digest tells: a constant number of statements, whatever the size of the register.

    ``news`` is whether there is anything to tell, ``memory`` what the next digest compares with.
    """
    user = subscription.user
    reach.of_many([user])
    method = active_method()
    today = timezone.localdate(now)
    risks = _in_scope(subscription, method)
    before = digest.Memory.read(previous.content) if previous else None
    since = previous.created_at if previous else now - _FIRST_LOOK_BACK
    top = queries.top_risks(risks, subscription.top)
    followed = {risk.pk: risk for risk in [*_followed(risks, user, before), *top]}
    memory = digest.Memory(
        top=tuple(risk.pk for risk in top),
        scores={pk: risk.sheet.score for pk, risk in followed.items() if risk.is_open and risk.sheet.score is not None},
    )
    changed = digest.compare(before, memory)
    why = _why({m.risk_id for m in changed.moved} | set(changed.entered), since=since)
    events = list(
        Event.objects.filter(kind__in=_TOLD)
        .filter(Q(at__gt=since) | Q(ended_at__gt=since) | Q(ended_at=None))
        .filter(Q(risk__in=risks) | Q(indicator__in=_indicators_in_scope(subscription, risks)))
        .select_related("risk__sheet", "indicator")[: 4 * _LISTED]
    )
    actions = list(
        Action.objects.filter(response__withdrawn_at=None)
        .filter(
            Q(
                owner=user,
                due__lte=today + dt.timedelta(days=7),
                status__in=Action.TO_DO,
                response__risk__in=visible_risks(user).open(),
            )
            | Q(status=Action.Status.DONE, done_on__gt=timezone.localdate(since), response__risk__in=risks)
        )
        .select_related("response__risk", "owner")
        .order_by("due", "pk")[: 4 * _LISTED]
    )
    closed = list(
        risks.filter(status=Risk.Status.CLOSED, closed_on__gte=timezone.localdate(since), updated_at__gt=since)[
            :_LISTED
        ]
    )
    due: dict[str, list[Any]] = {
        "reviews": [
            (risk, _review_link(user, risk, now))
            for risk in queries.reviews_due(user, by=today).filter(owner=user)[:_LISTED]
        ],
        "actions": [a for a in actions if a.status != Action.Status.DONE][:_LISTED],
        "asked": list(asked_of(user, now=now)[:_LISTED]),
        "stale": list(queries.stale_indicators(user, now=now)[:_LISTED]),
    }
    open_events = [e for e in events if e.ended_at is None]
    standing = [e for e in open_events if e.at <= since]
    content: dict[str, Any] = {
        "top": [(place, risk) for place, risk in enumerate(top, start=1)],
        "moved": [(followed[m.risk_id], m, why.get(m.risk_id)) for m in changed.moved[:_LISTED]],
        "entered": [(followed[pk], why.get(pk)) for pk in changed.entered],
        "left": [followed[pk] for pk in changed.left if pk in followed],
        "events": [_told(e) for e in open_events if e.at > since][:_LISTED],
        "standing": [_told(e) for e in standing[:_OLD_NEWS]],
        "standing_more": len(standing[_OLD_NEWS:]),
        "settled": [_told(e) for e in events if e.ended_at is not None and e.ended_at > since][:_LISTED],
        "closed": closed,
        "done": [a for a in actions if a.status == Action.Status.DONE][:_LISTED],
        "due": due,
        "totals": risks.aggregate(
            open=Count("pk", filter=_OPEN),
            new=Count("pk", filter=_OPEN & Q(created_at__gt=since)),
            unassessed=Count("pk", filter=_OPEN & Q(sheet__score=None)),
            exposure=Sum("sheet__exposure", filter=_OPEN),
        ),
        "since": since,
        "is_first": previous is None,
        "bands": method.bands,
        "today": today,
        "memory": memory,
    }  # fmt: skip
    told = ("moved", "entered", "left", "events", "settled", "closed", "done")
    content["due_count"] = sum(len(rows) for rows in due.values())
    content["news"] = previous is None or any(content[name] for name in told) or any(due.values())
    return content


_OPEN = Q(status=Risk.Status.OPEN)


def _in_scope(subscription: Subscription, method: ScoringMethod) -> RiskQuerySet:
    """The risks a digest is about, closed ones included."""
    user = subscription.user
    risks = queries.in_scope(user, subscription.scope)
    if subscription.view is None:
        return risks
    asked = QueryDict(subscription.view.query, mutable=True)
    asked["status"] = "all"
    paths, team = reach.team_paths(user), asked.get("team", "")
    if team.isdecimal() and len(team) < 18 and int(team) not in paths:
        # A team above her own: of it she gets what she may see.
        paths |= dict(Team.objects.filter(pk=int(team)).values_list("pk", "path"))
    teams = [Team(pk=pk, path=path) for pk, path in paths.items()]
    categories = [SimpleNamespace(pk=pk) for pk in asked.getlist("category") if pk.isdecimal()]
    choices = Choices(method.bands, categories, teams)  # type: ignore[arg-type]  # names are not shown here
    narrowed = RegisterFilter(asked, queryset=risks, request=SimpleNamespace(user=user), choices=choices)
    # What the view asks for may be there no more, such as a band of a former method: then nothing, not everything.
    found: RiskQuerySet = narrowed.qs if narrowed.form.is_valid() else risks.none()
    return found


def _indicators_in_scope(subscription: Subscription, risks: RiskQuerySet) -> QuerySet[Indicator]:
    """Of the indicators a reader sees: where her digest is narrowed, her own, her teams', and those of its risks."""
    user = subscription.user
    seen = queries.visible_indicators(user)
    about = Q(owner=user) | Exists(risks.filter(ties__indicator=OuterRef("pk")))
    if subscription.view is not None or subscription.scope == Subscription.Scope.MINE:
        return seen.filter(about)
    teams = reach.own_teams(user) if subscription.scope == Subscription.Scope.TEAM else []
    return seen.filter(about | Q(team__in=teams)) if teams else seen


def _followed(risks: RiskQuerySet, user: User, before: digest.Memory | None) -> list[Risk]:
    """Risks whose scores are compared from digest to digest: the reader's own largest, and those of the last one.

    No subquery with a limit: where PostgreSQL expects one risk and there are a thousand it is done for each of them.
    """
    known = set(before.scores) if before else set()
    own = Q(owner=user, status=Risk.Status.OPEN, sheet__score__isnull=False)
    known_first = [Case(When(pk__in=known, then=Value(0)), default=Value(1))] if known else []
    found = list(
        risks.filter(own | Q(pk__in=known))
        .select_related("sheet", "owner")
        .order_by(*known_first, "-sheet__score", "pk")[: len(known) + _FOLLOWED]
    )
    mine = [risk for risk in found if risk.owner_id == user.pk and risk.is_open and risk.sheet.score is not None]
    mine = sorted(mine, key=lambda risk: (-(risk.sheet.score or 0), risk.pk))[:_FOLLOWED]
    largest = {risk.pk for risk in mine}
    return [*mine, *(risk for risk in found if risk.pk in known - largest)][: 4 * _FOLLOWED]


def _why(risk_ids: set[int], *, since: dt.datetime) -> dict[int, SimpleNamespace]:
    """What moved each score since a moment, from the ledger: {risk: (reasons, cause of the last change)}."""
    if not risk_ids:
        return {}
    rows = ScoreEntry.objects.filter(risk=OuterRef("pk")).order_by("-at", "-pk")
    told = (
        Risk.objects.filter(pk__in=risk_ids)
        .annotate(
            was=Subquery(rows.filter(at__lte=since).values("factors")[:1]),
            is_now=Subquery(rows.values("factors")[:1]),
            last_cause=Subquery(rows.values("cause")[:1]),
        )
        .values_list("pk", "was", "is_now", "last_cause")
    )
    return {
        pk: SimpleNamespace(reasons=reasons.between(was or [], now or [])[:3], cause=cause)
        for pk, was, now, cause in told
    }


def _told(event: Event) -> SimpleNamespace:
    return SimpleNamespace(event=event, says=happenings.say(event), page=happenings.page(event))


def _review_link(user: User, risk: Risk, now: dt.datetime) -> str:
    """A link that says "still valid" for this review: once it is answered, its day is another and the link is void."""
    token = links.make("review", user_id=user.pk, subject=f"{risk.pk}:{risk.sheet.review_due}", now=now)
    return reverse("monitoring:answer_review", args=[token])
