"""Telling people: once, by their own wishes, again while the matter stays open, and then their managers."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring import notices
from monitoring.models import Channel, Delivery, Event, Indicator, Notice, Preference, Severity, Webhook
from monitoring.notices import Happening
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import User
from riskreg.jobs.models import Job
from risks.models import Risk
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")

FLAG = {"flag": 1, "before": 40.0, "after": 55.0, "since": "2026-02-20"}
NORMAL, HIGH, URGENT = Severity.NORMAL, Severity.HIGH, Severity.URGENT


@pytest.fixture
def risk(make_risk: MakeRisk) -> Risk:
    return make_risk("Prices fall")


def flag_on(risk: Risk, *to: User, key: str = "flag:1", severity: int = HIGH, **more: Any) -> Happening:
    fields = {"kind": "flag", "details": FLAG, "risk_id": risk.pk} | more
    return Happening(key=key, to=frozenset(user.pk for user in to), severity=severity, **fields)


def on_their_way() -> list[tuple[str, str, int]]:
    """Kind, person and repetition of the deliveries to people, in their order."""
    rows = Delivery.objects.filter(notice__isnull=False).order_by("pk")
    return list(rows.values_list("kind", "notice__user__username", "reminder"))


def wish(user: User, severity: int, *, kind: str = "flag", medium: str = "mail") -> None:
    Preference.objects.create(user=user, kind=kind, medium=medium, from_severity=severity)


def add_chat(user: User, name: str = "Team", **fields: Any) -> Channel:
    return Channel.objects.create(user=user, service="feishu", name=name, address="https://chat.example/1", **fields)


def add_webhook(**fields: Any) -> Webhook:
    return Webhook.objects.create(**{"name": "Hook", "url": "https://hook.example/", "secret": "whsec_eA=="} | fields)


def statements(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


# --- once --------------------------------------------------------------------------------------------------


def test_puts_a_notice_into_each_inbox(risk: Risk, cast: SimpleNamespace) -> None:
    assert notices.tell([flag_on(risk, cast.max, cast.mona)], at=NOW) == 1
    event = Event.objects.get()
    assert (event.kind, event.key, event.risk, event.at, event.ended_at) == ("flag", "flag:1", risk, NOW, None)
    told = Notice.objects.order_by("user__username")
    assert [(n.user, n.read_at, n.reminders, n.remind_at, n.passed_on_by) for n in told] == [
        (cast.max, None, 0, NOW + 3 * DAY, None),
        (cast.mona, None, 0, NOW + 3 * DAY, None),
    ]


def test_tells_the_same_matter_once(risk: Risk, cast: SimpleNamespace) -> None:
    happening = flag_on(risk, cast.max)
    assert [notices.tell([happening, happening], at=NOW + n * HOUR) for n in range(3)] == [1, 0, 0]
    assert notices.tell([happening, flag_on(risk, cast.max, key="flag:2")], at=NOW + DAY) == 1
    assert list(Notice.objects.order_by("pk").values_list("event__key", flat=True)) == ["flag:1", "flag:2"]
    assert on_their_way() == [("mail", "max", 0)] * 2


def test_nothing_to_tell_asks_next_to_nothing(db: None) -> None:
    assert notices.tell([], at=NOW) == 0
    assert not Event.objects.exists()


def test_what_reaches_nobody_is_an_event_all_the_same(risk: Risk) -> None:
    add_webhook()
    assert notices.tell([flag_on(risk)], at=NOW) == 1
    assert Delivery.objects.get().kind == "webhook"


def test_each_delivery_is_a_job_of_its_own(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max, cast.mona)], at=NOW)
    queued = Job.objects.filter(kind="monitoring.tasks.deliver").order_by("pk")
    assert [job.payload["delivery"] for job in queued] == sorted(Delivery.objects.values_list("pk", flat=True))


# --- by whose wishes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wished", "mailed_from"), [(None, HIGH), (NORMAL, NORMAL), (HIGH, HIGH), (URGENT, URGENT), (Preference.NEVER, 9)]
)
@pytest.mark.parametrize("severity", [NORMAL, HIGH, URGENT])
def test_a_mail_goes_from_the_severity_on_that_she_wished(
    risk: Risk, cast: SimpleNamespace, severity: int, wished: int | None, mailed_from: int
) -> None:
    if wished is not None:
        wish(cast.max, wished)
    notices.tell([flag_on(risk, cast.max, severity=severity)], at=NOW)
    assert on_their_way() == ([("mail", "max", 0)] if severity >= mailed_from else [])
    assert Notice.objects.filter(user=cast.max).exists()  # the inbox has it in any case


def test_a_wish_is_about_one_kind_one_medium_and_one_person(risk: Risk, cast: SimpleNamespace) -> None:
    add_chat(cast.max)
    wish(cast.max, Preference.NEVER, medium="mail")
    wish(cast.max, Preference.NEVER, kind="appetite", medium="chat")
    notices.tell([flag_on(risk, cast.max, cast.mona)], at=NOW)
    assert on_their_way() == [("chat", "max", 0), ("mail", "mona", 0)]


@pytest.mark.parametrize(
    ("kind", "severity", "mailed"),
    [
        ("flag", NORMAL, False),
        ("flag", HIGH, True),
        ("review", HIGH, False),  # the digest tells it
        ("review", URGENT, True),
        ("action", HIGH, False),
        ("acceptance", HIGH, False),
        ("armed", NORMAL, True),
        ("address", NORMAL, True),
    ],
)
def test_each_kind_has_its_own_usual(risk: Risk, cast: SimpleNamespace, kind: str, severity: int, mailed: bool) -> None:
    notices.tell([flag_on(risk, cast.max, kind=kind, severity=severity)], at=NOW)
    assert on_their_way() == ([("mail", "max", 0)] if mailed else [])


def test_every_chat_that_is_on_hears_of_it(risk: Risk, cast: SimpleNamespace) -> None:
    wish(cast.max, Preference.NEVER)
    chats = [add_chat(cast.max, "One"), add_chat(cast.max, "Two")]
    add_chat(cast.max, "Failed too often", disabled_at=NOW)
    add_chat(cast.mona, "Somebody else's")
    notices.tell([flag_on(risk, cast.max)], at=NOW)
    assert [d.channel for d in Delivery.objects.order_by("pk")] == chats


@pytest.mark.parametrize("gone", [{"is_active": False}, {"email": ""}])
def test_who_cannot_get_mail_gets_none(risk: Risk, cast: SimpleNamespace, gone: dict[str, Any]) -> None:
    User.objects.filter(pk=cast.max.pk).update(**gone)
    notices.tell([flag_on(risk, cast.max)], at=NOW)
    assert on_their_way() == []


@pytest.mark.parametrize(
    ("fields", "called"),
    [
        ({}, True),
        ({"from_severity": HIGH}, True),
        ({"from_severity": URGENT}, False),
        ({"kinds": ["appetite", "flag"]}, True),
        ({"kinds": ["appetite"]}, False),
        ({"disabled_at": NOW}, False),
    ],
)
def test_a_webhook_is_called_for_what_it_asked_for(risk: Risk, fields: dict[str, Any], called: bool) -> None:
    hook = add_webhook(**fields)
    notices.tell([flag_on(risk)], at=NOW)
    assert [d.webhook for d in Delivery.objects.all()] == ([hook] if called else [])


# --- settled -----------------------------------------------------------------------------------------------


def test_what_is_settled_stands_no_more_and_is_not_said_again(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max), flag_on(risk, cast.max, key="flag:2")], at=NOW)
    notices.settle(["flag:1", "nothing:1"], at=NOW + HOUR)
    assert list(Event.objects.standing().values_list("key", flat=True)) == ["flag:2"]
    assert Event.objects.get(key="flag:1").ended_at == NOW + HOUR
    assert notices.remind(now=NOW + 3 * DAY) == 1
    assert list(Notice.objects.filter(reminders=1).values_list("event__key", flat=True)) == ["flag:2"]


def test_settling_twice_keeps_the_first_moment(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max)], at=NOW)
    for n in (1, 2):
        notices.settle(["flag:1"], at=NOW + n * HOUR)
    assert Event.objects.get().ended_at == NOW + HOUR


# --- again -------------------------------------------------------------------------------------------------


def walk(days: int) -> list[tuple[int, str, int]]:
    """Remind once a day as the timetable would more often: (day, person, repetition) of every mail that came of it."""
    seen: list[tuple[int, str, int]] = []
    for n in range(days):
        before = set(Delivery.objects.values_list("pk", flat=True))
        notices.remind(now=NOW + n * DAY)
        new = Delivery.objects.exclude(pk__in=before).order_by("notice__user__username")
        seen += [(n, *row) for row in new.values_list("notice__user__username", "reminder")]
    return seen


@pytest.mark.parametrize(("severity", "every"), [(NORMAL, 7), (HIGH, 3), (URGENT, 1)])
def test_is_said_again_by_severity_and_then_to_the_manager_once(
    risk: Risk, cast: SimpleNamespace, severity: int, every: int
) -> None:
    for user in (cast.max, cast.mona):
        wish(user, NORMAL)
    notices.tell([flag_on(risk, cast.max, severity=severity)], at=NOW)
    assert walk(40) == [(every, "max", 1), (2 * every, "max", 2), (3 * every, "mona", 0)]
    passed = Notice.objects.get(user=cast.mona)
    assert (passed.passed_on_by, passed.remind_at, passed.read_at) == (cast.max, None, None)


def test_a_reminder_is_unread_again(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max)], at=NOW)
    Notice.objects.update(read_at=NOW + HOUR)
    assert notices.remind(now=NOW + 3 * DAY - HOUR) == 0
    assert Notice.objects.get().read_at == NOW + HOUR
    assert notices.remind(now=NOW + 3 * DAY) == 1
    assert Notice.objects.get().read_at is None


def test_reminding_twice_at_once_says_it_once(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max)], at=NOW)
    assert [notices.remind(now=NOW + 3 * DAY) for _ in range(3)] == [1, 0, 0]
    assert on_their_way() == [("mail", "max", 0), ("mail", "max", 1)]


def test_stops_when_it_is_settled_between_two_reminders(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max, severity=URGENT)], at=NOW)
    assert walk(2) == [(1, "max", 1)]
    notices.settle(["flag:1"], at=NOW + DAY)
    assert walk(30) == []
    assert not Notice.objects.filter(user=cast.mona).exists()


def test_wishes_count_for_reminders_too(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max, severity=URGENT)], at=NOW)
    wish(cast.max, Preference.NEVER)
    assert walk(10) == [(3, "mona", 0)]


@pytest.mark.parametrize("kind", ["armed", "acceptance", "address"])
def test_some_matters_are_said_once_only(risk: Risk, cast: SimpleNamespace, kind: str) -> None:
    notices.tell([flag_on(risk, cast.max, kind=kind, severity=URGENT)], at=NOW)
    assert walk(30) == []


# --- to whom it goes then ----------------------------------------------------------------------------------


def told_after(days: int) -> list[str]:
    walk(days)
    return list(Notice.objects.filter(passed_on_by__isnull=False).values_list("user__username", flat=True))


def test_goes_to_the_nearest_manager(risk: Risk, cast: SimpleNamespace) -> None:
    set_role(user=cast.nobody, team=cast.accounts, role="manager")
    notices.tell([flag_on(risk, cast.max, severity=URGENT)], at=NOW)
    assert told_after(5) == ["nobody"]


def test_goes_past_a_manager_who_is_the_silent_one_or_gone(risk: Risk, cast: SimpleNamespace) -> None:
    set_role(user=cast.max, team=cast.accounts, role="manager")
    set_role(user=cast.nobody, team=cast.accounts, role="manager")
    User.objects.filter(pk=cast.nobody.pk).update(is_active=False)
    notices.tell([flag_on(risk, cast.max, severity=URGENT)], at=NOW)
    assert told_after(5) == ["mona"]


def test_the_highest_manager_has_nobody_above_her(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.mona, severity=URGENT)], at=NOW)
    assert told_after(10) == []
    assert Notice.objects.get().remind_at is None


def test_a_manager_who_knew_it_is_not_told_a_second_time(risk: Risk, cast: SimpleNamespace) -> None:
    notices.tell([flag_on(risk, cast.max, cast.mona, severity=URGENT)], at=NOW)
    walk(10)
    assert Notice.objects.filter(user=cast.mona).count() == 1
    assert on_their_way().count(("mail", "mona", 0)) == 1


def test_an_indicators_matter_goes_to_the_manager_of_its_team(cast: SimpleNamespace) -> None:
    indicator = Indicator.objects.create(name="NPS", team=cast.accounts, owner=cast.max, warning=4, limit=2)
    limit = Happening(
        "limit", "limit:1", frozenset([cast.max.pk]), URGENT, indicator_id=indicator.pk,
        details={"level": "limit", "value": 1.0, "unit": ""},
    )  # fmt: skip
    notices.tell([limit], at=NOW)
    assert told_after(5) == ["mona"]


def test_what_belongs_to_no_team_stays_with_those_who_were_told(cast: SimpleNamespace) -> None:
    job = Happening("job", "job:1", frozenset([cast.ada.pk]), URGENT, details={"job": "x", "reason": "y"})
    notices.tell([job], at=NOW)
    assert told_after(10) == []


def test_a_risk_without_an_owner_here_is_its_managers(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    owned, unowned, left = make_risk("Owned"), make_risk("Unowned", owner=None), make_risk("Left", owner=cast.vera)
    nobodys = make_risk("Nobody's", owner=None, team=save_team(name="New", parent=None))
    User.objects.filter(pk=cast.vera.pk).update(is_active=False)
    assert notices.responsible_for([owned.pk, unowned.pk, left.pk, nobodys.pk]) == {
        owned.pk: frozenset([cast.max.pk]),
        unowned.pk: frozenset([cast.mona.pk]),
        left.pk: frozenset([cast.mona.pk]),
        nobodys.pk: frozenset(),
    }


# --- with how many statements ------------------------------------------------------------------------------


def crowd(cast: SimpleNamespace, number: int) -> list[User]:
    people = User.objects.bulk_create(
        User(username=f"p{n}", email=f"p{n}@example.com") for n in range(User.objects.count(), 100 + number)
    )[:number]
    for user in people:
        set_role(user=user, team=cast.accounts, role="member")
        add_chat(user)
    return people


def test_the_statements_do_not_grow_with_the_happenings_and_people(risk: Risk, cast: SimpleNamespace) -> None:
    """Few enough for SQLite to take them in one INSERT each."""
    add_webhook()
    people = crowd(cast, 4)

    def tell(first: int, happenings: int, persons: int) -> int:
        told = [flag_on(risk, *people[:persons], key=f"flag:{first + n}") for n in range(happenings)]
        return statements(lambda: notices.tell(told, at=NOW))

    assert tell(100, 1, 1) == tell(200, 5, 4)
    assert Delivery.objects.count() == (1 + 1 + 1) + 5 * (4 + 4 + 1)


def test_the_statements_do_not_grow_with_the_reminders(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    people = crowd(cast, 20)

    def remind(first: int, number: int) -> tuple[int, int]:
        """Statements of one turn in which ``number`` are reminded, and of one in which they are passed on."""
        at = NOW + first * DAY
        for n, user in enumerate(people[:number]):
            team = save_team(name=f"Team {first + n}", parent=cast.northfield)
            risk = make_risk(f"Risk {first + n}", team=team)
            notices.tell([flag_on(risk, user, key=f"flag:{first + n}", severity=URGENT)], at=at)
        first_turn = statements(lambda: notices.remind(now=at + DAY))
        notices.remind(now=at + 2 * DAY)
        return first_turn, statements(lambda: notices.remind(now=at + 3 * DAY))

    assert remind(100, 1) == remind(200, 20)
    assert Notice.objects.filter(passed_on_by__isnull=False).count() == 21
