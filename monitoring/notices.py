"""Telling people: once, each by her own wishes, again while it stays open, and then her manager."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import Q

from monitoring.happenings import KINDS
from monitoring.models import Channel, Delivery, Event, Indicator, Notice, Preference, Severity, Webhook
from monitoring.reminding import goes_to_manager, next_reminder
from riskreg.accounts.models import Membership, Team, User
from riskreg.jobs.actions import enqueue_many
from risks.models import Risk

REMINDED_AT_ONCE = 500


@dataclass(frozen=True)
class Happening:
    """Something to tell these people of. The same key is told once."""

    kind: str
    key: str
    to: frozenset[int]
    severity: int = Severity.NORMAL
    risk_id: int | None = None
    indicator_id: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


def tell(happenings: Sequence[Happening], *, at: dt.datetime) -> int:
    """Put news into people's inboxes and on their way; returns how many are new. A constant number of statements."""
    by_key = {h.key: h for h in happenings}
    with transaction.atomic():
        told = set(Event.objects.filter(key__in=by_key).values_list("key", flat=True))
        new = [h for key, h in by_key.items() if key not in told]
        if not new:
            return 0
        Event.objects.bulk_create(
            [
                Event(
                    kind=h.kind,
                    key=h.key,
                    severity=h.severity,
                    risk_id=h.risk_id,
                    indicator_id=h.indicator_id,
                    details=h.details,
                    at=at,
                )
                for h in new
            ],
            ignore_conflicts=True,  # somebody may be telling the same in this moment
        )
        events = {e.key: e for e in Event.objects.filter(key__in=[h.key for h in new], at=at)}
        notices = _notify(
            [(events[h.key], user_id, None) for h in new if h.key in events for user_id in sorted(h.to)], at=at
        )
        _send(notices, events=list(events.values()), at=at)
    return len(events)


def settle(keys: Collection[str], *, at: dt.datetime) -> None:
    """These matters are settled: nobody is reminded of them any more."""
    settled = Event.objects.standing().filter(key__in=keys)
    Notice.objects.filter(event__in=settled, remind_at__isnull=False).update(remind_at=None)
    Event.objects.standing().filter(key__in=keys).update(ended_at=at)


def remind(*, now: dt.datetime) -> int:
    """Say it again to those whose matter is still open, or to their managers after that; returns to how many."""
    due = Notice.objects.filter(remind_at__lte=now, event__ended_at=None).select_related(
        "event", "user", "event__risk", "event__indicator"
    )
    with transaction.atomic():
        rows = list(due.order_by("remind_at", "pk").select_for_update(of=("self",))[:REMINDED_AT_ONCE])
        again = [n for n in rows if not goes_to_manager(n.event.severity, given=n.reminders)]
        passed_on = [n for n in rows if goes_to_manager(n.event.severity, given=n.reminders)]
        for notice in again:
            notice.reminders += 1
            notice.remind_at = next_reminder(notice.event.severity, now=now)
            notice.read_at = None  # it is news again
        for notice in passed_on:
            notice.remind_at = None
        Notice.objects.bulk_update(rows, ["reminders", "remind_at", "read_at"], batch_size=200)
        managers = managers_above([(n.user_id, _team_of(n)) for n in passed_on])
        _send(again, events=[], at=now)
        raised = _notify(
            [
                (notice.event, manager, notice.user_id)
                for notice in passed_on
                for manager in managers[notice.user_id, _team_of(notice)]
            ],
            at=now,
        )
        _send(raised, events=[], at=now)
    return len(again) + len(raised)


def _team_of(notice: Notice) -> int | None:
    matter = notice.event.risk or notice.event.indicator
    return matter.team_id if matter is not None else None


# --- whom ------------------------------------------------------------------------------------------------


def responsible_for(risk_ids: Collection[int]) -> dict[int, frozenset[int]]:
    """Who answers for each risk: its owner, or where there is none (any more) the nearest managers of its team."""
    risks = list(
        Risk.objects.filter(pk__in=risk_ids).values_list("pk", "owner", "owner__is_active", "team", "team__path")
    )
    unowned = {team: path for _, owner, active, team, path in risks if owner is None or not active}
    managers = _managers(unowned)
    return {
        pk: frozenset([owner]) if owner is not None and active else managers[team]
        for pk, owner, active, team, _ in risks
    }


def responsible_for_indicators(indicators: Collection[Indicator]) -> dict[int, frozenset[int]]:
    """Who answers for each indicator: its owner, or where there is none (any more) the nearest managers of its team."""
    owners = {i.owner_id for i in indicators if i.owner_id is not None}
    active = set(User.objects.filter(pk__in=owners, is_active=True).values_list("pk", flat=True))
    unowned = {i.team_id for i in indicators if i.owner_id not in active}
    managers = _managers(dict(Team.objects.filter(pk__in=unowned).values_list("pk", "path"))) if unowned else {}
    return {
        i.pk: frozenset([i.owner_id]) if i.owner_id is not None and i.owner_id in active else managers[i.team_id]
        for i in indicators
    }


def administrators() -> frozenset[int]:
    return frozenset(User.objects.filter(is_admin=True, is_active=True).values_list("pk", flat=True))


def managers_above(
    silent: Collection[tuple[int, int | None]],
) -> dict[tuple[int, int | None], frozenset[int]]:
    """For people and the team their matter belongs to: the nearest managers but themselves; nobody without a team."""
    teams = {team for _, team in silent if team is not None}
    paths = dict(Team.objects.filter(pk__in=teams).values_list("pk", "path")) if teams else {}
    roles = _roles(paths.values()) if paths else {}
    return {
        (user, team): _nearest(paths[team], roles, besides=user) if team in paths else frozenset()
        for user, team in silent
    }


def _managers(paths: dict[int, str]) -> dict[int, frozenset[int]]:
    roles = _roles(paths.values()) if paths else {}
    return {team: _nearest(path, roles) for team, path in paths.items()}


def _roles(paths: Iterable[str]) -> dict[int, frozenset[int]]:
    """Active managers by the team they manage, of these teams and all above them."""
    above = {int(part) for path in paths for part in path.strip("/").split("/")}
    found: dict[int, set[int]] = defaultdict(set)
    for team, user in Membership.objects.filter(
        team__in=above, role=Membership.Role.MANAGER, user__is_active=True
    ).values_list("team", "user"):
        found[team].add(user)
    return {team: frozenset(users) for team, users in found.items()}


def _nearest(path: str, roles: dict[int, frozenset[int]], besides: int | None = None) -> frozenset[int]:
    for part in reversed(path.strip("/").split("/")):
        managers = roles.get(int(part), frozenset()) - {besides}
        if managers:
            return frozenset(m for m in managers if m is not None)
    return frozenset()


# --- how -------------------------------------------------------------------------------------------------


def _notify(wanted: Sequence[tuple[Event, int, int | None]], *, at: dt.datetime) -> list[Notice]:
    """Notices for people who have none of the event yet: (event, person, whose silence brought it to her)."""
    Notice.objects.bulk_create(
        [
            Notice(
                event=event,
                user_id=user_id,
                passed_on_by_id=passed_on_by,
                created_at=at,
                # A manager is told once; who answers for it is reminded.
                remind_at=next_reminder(event.severity, now=at)
                if KINDS[event.kind].reminds and passed_on_by is None
                else None,
            )
            for event, user_id, passed_on_by in wanted
        ],
        ignore_conflicts=True,
    )
    people = {(event.pk, user_id) for event, user_id, _ in wanted}
    made = Notice.objects.filter(event__in={event.pk for event, _, _ in wanted}, created_at=at)
    return [n for n in made.select_related("event", "user") if (n.event_id, n.user_id) in people]


def _send(notices: Sequence[Notice], *, events: Sequence[Event], at: dt.datetime) -> None:
    """Put mails, chat messages and webhook calls on their way, by what each person and address wants to hear."""
    people = [n.user_id for n in notices]
    wishes = {
        (user, kind, medium): severity
        for user, kind, medium, severity in Preference.objects.filter(user__in=people).values_list(
            "user", "kind", "medium", "from_severity"
        )
    }
    channels: dict[int, list[Channel]] = defaultdict(list)
    for channel in Channel.objects.filter(user__in=people, disabled_at=None).defer("address"):
        channels[channel.user_id].append(channel)
    outgoing = []
    for notice in notices:
        event, kind = notice.event, KINDS[notice.event.kind]

        def wants(medium: str, default: int, notice: Notice = notice) -> bool:
            wish = wishes.get((notice.user_id, notice.event.kind, medium), default)
            return notice.event.severity >= wish

        common = {"event": event, "notice": notice, "reminder": notice.reminders, "created_at": at}
        if notice.user.is_active and notice.user.email and wants(Preference.Medium.MAIL, kind.mail_from):
            outgoing.append(Delivery(kind=Delivery.Kind.MAIL, **common))
        if notice.user.is_active and wants(Preference.Medium.CHAT, kind.chat_from):
            outgoing += [Delivery(kind=Delivery.Kind.CHAT, channel=c, **common) for c in channels[notice.user_id]]
    webhooks = list(Webhook.objects.filter(disabled_at=None).defer("secret")) if events else []
    outgoing += [
        Delivery(kind=Delivery.Kind.WEBHOOK, event=event, webhook=webhook, created_at=at)
        for webhook in webhooks
        for event in events
        if event.severity >= webhook.from_severity and (not webhook.kinds or event.kind in webhook.kinds)
    ]
    Delivery.objects.bulk_create(outgoing, ignore_conflicts=True)
    going = Delivery.objects.filter(
        Q(notice__in=[n.pk for n in notices]) | Q(event__in=[e.pk for e in events], webhook__isnull=False),
        created_at=at,
        sent_at=None,
    ).values_list("pk", flat=True)
    if outgoing:
        enqueue_many("monitoring.tasks.deliver", {f"deliver:{pk}": {"delivery": pk} for pk in going})
