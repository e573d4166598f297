"""What a digest tells, to whom, and with how many statements."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assessments.actions import Judgement, assess_risks
from monitoring import digests
from monitoring.digests import queue_due_digests
from monitoring.models import DriftFlag
from responses.models import Action, Response
from riskreg.accounts.actions import set_role
from riskreg.accounts.models import Membership
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks.actions import close_risk
from risks.models import Cause, CoverSheet, Risk, ScoreEntry
from tests.conftest import assess
from tests.monitoring.sending import send, subscribe, work
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")

TITLES = ("Accounts of Max", "Accounts of Mona", "Accounts confidential", "Northfield", "Hengyue", "Hengyue of Max")


@pytest.fixture
def landscape(make_risk: MakeRisk, cast: SimpleNamespace) -> dict[str, Risk]:
    """A risk for each way of seeing or not seeing it, all assessed."""
    where = [
        (cast.accounts, cast.max, False),
        (cast.accounts, cast.mona, False),
        (cast.accounts, cast.mona, True),
        (cast.northfield, cast.mona, False),
        (cast.hengyue, cast.hana, False),
        (cast.hengyue, cast.max, False),
    ]
    return {
        title: make_risk(f"{title}.", team=team, owner=owner, confidential=hidden, levels=(4, 4), at=NOW - DAY)
        for title, (team, owner, hidden) in zip(TITLES, where, strict=True)
    }


def told() -> list[str]:
    """Titles the last mail names, alike in text and HTML."""
    message = mail.outbox[-1]
    html = message.alternatives[0].content
    in_text = [title for title in TITLES if f"{title}." in message.body]
    assert in_text == [title for title in TITLES if f"{title}." in html]
    return in_text


@pytest.mark.parametrize(
    ("name", "scope", "titles"),
    [
        ("max", "mine", ["Accounts of Max", "Hengyue of Max"]),
        ("max", "team", ["Accounts of Max", "Accounts of Mona"]),
        ("max", "all", ["Accounts of Max", "Accounts of Mona", "Hengyue of Max"]),
        ("mona", "mine", ["Accounts of Mona", "Accounts confidential", "Northfield"]),
        ("mona", "team", ["Accounts of Max", "Accounts of Mona", "Accounts confidential", "Northfield"]),
        ("vera", "mine", []),
        ("vera", "team", ["Accounts of Max", "Accounts of Mona", "Northfield"]),
        ("vera", "all", ["Accounts of Max", "Accounts of Mona", "Northfield"]),
        ("hana", "all", ["Hengyue", "Hengyue of Max"]),
        ("nobody", "team", []),
        ("nobody", "all", []),
        ("ada", "all", list(TITLES)),
    ],
)
def test_tells_only_what_the_person_sees_of_the_scope(
    landscape: dict[str, Risk], cast: SimpleNamespace, name: str, scope: str, titles: list[str]
) -> None:
    for risk in landscape.values():  # a flag on each: those must not tell more than the ranking
        DriftFlag.objects.create(
            risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=1
        )
    subscribe(getattr(cast, name), scope=scope)
    assert send() == ["sent"]
    assert told() == titles


def test_an_administrators_teams_are_those_she_has_a_role_in(landscape: dict[str, Risk], cast: SimpleNamespace) -> None:
    subscribe(cast.ada, scope="team")
    send()
    assert told() == list(TITLES)  # none of her own, so all she sees
    set_role(user=cast.ada, team=cast.accounts, role="viewer")
    send(NOW + DAY)
    assert told() == ["Accounts of Max", "Accounts of Mona", "Accounts confidential"]


def test_who_lost_access_no_longer_gets_the_risk(landscape: dict[str, Risk], cast: SimpleNamespace) -> None:
    subscribe(cast.mona)
    assert send() == ["sent"]
    assert "Accounts of Max" in told()
    response = Response.objects.create(risk=landscape["Accounts of Max"], kind="preventive", title="r")
    Action.objects.create(response=response, title="Accounts of Max.", owner=cast.mona, due=NOW.date())
    queue_due_digests(now=NOW + DAY)
    Membership.objects.filter(user=cast.mona).delete()  # even when it is already queued
    assert work(NOW + DAY) == ["sent"]
    assert told() == ["Accounts of Mona", "Accounts confidential", "Northfield"]  # her own stay hers


def test_closed_deleted_and_unassessed_risks_are_not_on_top(
    landscape: dict[str, Risk], make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    close_risk(risk=landscape["Accounts of Max"], outcome="occurred", note="", on=NOW.date(), at=NOW)
    Risk.objects.filter(pk=landscape["Northfield"].pk).update(state="bin")
    CoverSheet.objects.filter(risk=landscape["Hengyue"]).update(score=None, band=None, exposure=None, review_due=None)
    subscribe(cast.ada)
    send()
    top = mail.outbox[-1].body.split("TOP RISKS")[1]
    assert [t for t in TITLES if t + "." in top] == ["Accounts of Mona", "Accounts confidential", "Hengyue of Max"]
    assert "* Closed: Accounts of Max." in mail.outbox[-1].body


def test_the_greatest_scores_come_first_and_no_more_than_asked_for(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    for title, levels in (("Small", (1, 1)), ("Great", (5, 5)), ("Middling", (3, 3))):
        make_risk(title, levels=levels, at=NOW)
    subscribe(cast.max, top=2)
    send()
    body = mail.outbox[0].body
    assert body.index("1. Great") < body.index("2. Middling")
    assert "Small" not in body


def test_tells_how_far_a_score_moved_since_the_last_one(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk("Moving", levels=(3, 3), at=NOW - DAY)
    make_risk("Staying", levels=(3, 3), at=NOW - DAY)
    subscribe(cast.max)
    send()
    assess(risk, 5, 3, at=NOW + HOUR)
    before, after = ScoreEntry.objects.filter(risk=risk).order_by("pk").values_list("score", flat=True)
    make_risk("Arriving", levels=(1, 1), at=NOW + HOUR)
    send(NOW + DAY)
    lines = mail.outbox[1].body.splitlines()
    moved, entered = lines.index("MOVED, AND WHY"), lines.index("NEW AMONG THE TOP 50")
    assert lines[moved + 1] == f"* Moving: {before:.0f} → {after:.0f}"
    assert lines[moved + 2] == "  assessed anew, × 4.3"
    assert [line for line in lines[moved:entered] if "Staying" in line] == []
    assert lines[entered + 1].startswith("* Arriving")


def test_the_html_carries_no_inline_style_and_nothing_from_outside(
    landscape: dict[str, Risk], cast: SimpleNamespace
) -> None:
    risk = landscape["Accounts of Mona"]
    DriftFlag.objects.create(risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=1)
    response = Response.objects.create(risk=risk, kind="preventive", title="r")
    Action.objects.create(response=response, title="Call them", owner=cast.mona, due=NOW.date())
    subscribe(cast.mona)
    send()
    html = mail.outbox[0].alternatives[0].content
    assert "Call them" in html
    assert not re.search(r"<[^>]+\s(style|src|background|on\w+)\s*=", html, re.IGNORECASE)
    assert not re.search(r"<(link|script|img|iframe|object|form)\b|@import|url\(", html, re.IGNORECASE)
    links = re.findall(r'href="([^"]*)"', html)
    assert len(links) > 4
    assert all(link.startswith(f"{settings.SITE_URL}/") for link in links)


def test_the_statements_do_not_grow_with_the_risks_it_tells_of(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    category = make_risk("First", levels=(4, 4), at=NOW - 100 * DAY).category
    subscribe(cast.max, hour=8)

    def grow_to(risks: int) -> None:
        new = Risk.objects.bulk_create(
            Risk(title=f"Risk {n}", category=category, team=cast.accounts, owner=cast.max)
            for n in range(risks - Risk.objects.count())
        )
        assess_risks(
            judgements=[Judgement(risk.pk, 4, {"financial": 4}, "expert", "", NOW.date() - 100 * DAY) for risk in new],
            by=None,
            at=NOW - DAY,
            cause=Cause.JUDGEMENT,
        )
        for risk in new:
            response = Response.objects.create(risk=risk, kind="preventive", title="r")
            Action.objects.create(response=response, title="Call them", owner=cast.max, due=NOW.date())
            DriftFlag.objects.create(
                risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=1
            )

    def statements(now: dt.datetime) -> int:
        queue_due_digests(now=now)
        job = Job.objects.get(kind="monitoring.tasks.send_digest", state="ready")
        held = jobs.claim(job.pk, now_fn=lambda: now)
        with CaptureQueriesContext(connection) as captured:
            outcome = digests.send_digest(held, user_id=cast.max.pk, period=job.payload["period"])
        assert outcome == "sent"
        jobs.run(job.pk, now_fn=lambda: now + HOUR)
        return len([q for q in captured if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))])

    grow_to(5)
    statements(NOW)  # the first has nothing to compare with
    grow_to(10)
    few = statements(NOW + DAY)
    grow_to(50)
    assert statements(NOW + 2 * DAY) == few
    assert few <= 15 + 4  # the subscription, two fences and the note that it went
    assert len(re.findall(r"^\d+\. ", mail.outbox[-1].body, re.MULTILINE)) == 50
