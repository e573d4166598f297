"""A saved view of the register as what a digest is about: of the view, and of what its reader may see, never more."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from types import SimpleNamespace

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring import digests, indicators, notices
from monitoring.digests import queue_due_digests
from monitoring.models import Digest, DriftFlag, Indicator, Severity, Subscription
from monitoring.notices import Happening
from responses.models import Action, Response
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks.actions import close_risk
from risks.models import Category, Risk, SavedView
from tests.conftest import assess
from tests.monitoring.sending import send, subscribe
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
Register = dict[str, Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")

FLAG = {"flag": 1, "before": 40.0, "after": 55.0, "since": "2026-02-20"}


@pytest.fixture
def register(make_risk: MakeRisk, cast: SimpleNamespace) -> Register:
    """Risks that differ in one thing each, all of them assessed but one."""

    def make(title: str, levels: tuple[int, int] | None = (3, 3), **fields: object) -> Risk:
        return make_risk(f"{title}.", levels=levels, at=NOW - DAY, **fields)

    made = {
        "Plain": make("Plain", owner=cast.vera),
        "Of a customer": make("Of a customer", owner=cast.vera, category=Category.objects.get(key="customer")),
        "Of Max": make("Of Max", owner=cast.max),
        "Of nobody": make("Of nobody", owner=None),
        "Critical": make("Critical", levels=(5, 5), owner=cast.vera),
        "Unassessed": make("Unassessed", levels=None, owner=cast.vera),
        "Of Northfield": make("Of Northfield", owner=cast.mona, team=cast.northfield),
        "Of Hengyue": make("Of Hengyue", owner=cast.hana, team=cast.hengyue),
        "Confidential": make("Confidential", owner=cast.mona, confidential=True),
    }
    for risk in made.values():
        DriftFlag.objects.create(
            risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=risk.pk
        )
    drifting = made["Plain"].sheet
    drifting.drifting_since = NOW.date()
    drifting.save()
    return made


def view(by: User, query: str, **fields: object) -> SavedView:
    return SavedView.objects.create(user=by, name=f"View {query}", query=query, **fields)


def told(register: Register) -> list[str]:
    """Titles the last mail names anywhere, alike in text and HTML."""
    message = mail.outbox[-1]
    html = message.alternatives[0].content
    in_text = [title for title in register if f"{title}." in message.body]
    assert in_text == [title for title in register if f"{title}." in html]
    return in_text


QUERIES = {
    "": ["Plain", "Of a customer", "Of Max", "Of nobody", "Critical"],
    "q=customer": ["Of a customer"],
    "category={customer}": ["Of a customer"],
    "owner=me": ["Of Max"],
    "owner=none": ["Of nobody"],
    "band=4": ["Critical"],
    "state=beyond": ["Critical"],
    "state=drifting": ["Plain"],
    "state=unassessed": [],
    "team={accounts}": ["Plain", "Of a customer", "Of Max", "Of nobody", "Critical"],
    "team={accounts}&owner=me": ["Of Max"],
    "q=nothing+like+it": [],
    "status=closed&q=plain": ["Plain"],  # a digest tells of what is open and of what was closed, whatever the view
    "sort=title&page=7&owner=me": ["Of Max"],
}


def filled_in(query: str, cast: SimpleNamespace) -> str:
    return query.format(
        customer=Category.objects.get(key="customer").pk,
        accounts=cast.accounts.pk,
        northfield=cast.northfield.pk,
        hengyue=cast.hengyue.pk,
    )


def written(register: Register, cast: SimpleNamespace, queries: Iterable[str]) -> dict[str, list[str]]:
    """What Max's digest would tell by each of these views."""
    subscription, found = subscribe(cast.max), {}
    for n, query in enumerate(queries):
        subscription.view = view(cast.ada, filled_in(query, cast), shared=True)
        text = digests.write_digest(subscription=subscription, period=f"now-{n}", now=NOW).text
        found[query] = [title for title in register if f"{title}." in text]
    return found


def test_tells_of_the_risks_of_the_view_alone(register: Register, cast: SimpleNamespace) -> None:
    assert written(register, cast, QUERIES) == QUERIES


def test_what_its_reader_cannot_choose_leaves_nothing_rather_than_everything(
    register: Register, cast: SimpleNamespace
) -> None:
    """A colleague's view may name a team, or a band of a former method, that is none to this reader."""
    queries = ["team={hengyue}", "team=999999", "team=x", "band=99", "category=x"]
    assert written(register, cast, queries) == {query: [] for query in queries}


def test_a_view_shows_nobody_more_than_she_may_see(register: Register, cast: SimpleNamespace) -> None:
    shared = view(cast.ada, f"team={cast.northfield.pk}", shared=True)
    titles = {}
    for user in (cast.vera, cast.mona, cast.ada, cast.hana, cast.nobody):
        subscribe(user, view=shared)
    send()
    for message in mail.outbox:
        titles[message.to[0].split("@")[0]] = [title for title in register if f"{title}." in message.body]
    seen = ["Plain", "Of a customer", "Of Max", "Of nobody", "Critical", "Of Northfield"]
    assert titles == {
        "vera": seen,
        "mona": [*seen, "Confidential"],
        "ada": [*seen, "Confidential"],
        "hana": [],
        "nobody": [],
    }


def test_a_view_of_a_team_above_hers_shows_her_part_of_it(register: Register, cast: SimpleNamespace) -> None:
    subscribe(cast.max, view=view(cast.mona, f"team={cast.northfield.pk}", shared=True))
    send()
    assert told(register) == QUERIES[""]


def test_mine_in_a_shared_view_is_its_readers(register: Register, cast: SimpleNamespace) -> None:
    subscribe(cast.max, view=view(cast.mona, "owner=me", shared=True))
    send()
    assert told(register) == ["Of Max"]


@pytest.mark.parametrize(
    ("scope", "titles"),
    [("mine", ["Of Max"]), ("team", ["Plain", "Of a customer", "Of Max", "Of nobody", "Critical"])],
)
def test_narrows_what_the_scope_leaves(
    register: Register, cast: SimpleNamespace, scope: str, titles: list[str]
) -> None:
    subscribe(cast.max, scope=scope, view=view(cast.max, f"team={cast.accounts.pk}"))
    send()
    assert told(register) == titles


def test_counts_only_what_is_in_the_view(register: Register, cast: SimpleNamespace) -> None:
    """Also where a search joins tags and customers, of which a risk may have several or none."""
    register["Plain"].tags.create(name="plain and simple")
    register["Plain"].tags.create(name="plain")
    subscribe(cast.max, view=view(cast.max, "q=plain"))
    send()
    assert re.search(r"^1 open risk, exposure", mail.outbox[-1].body, re.MULTILINE)
    top = mail.outbox[-1].body.split("TOP RISKS")[1]
    assert re.findall(r"^\d+\. (.*)$", top, re.MULTILINE) == ["Plain."]


def test_moved_entered_and_closed_are_of_the_view(register: Register, cast: SimpleNamespace) -> None:
    subscribe(cast.max, view=view(cast.max, f"category={Category.objects.get(key='customer').pk}"))
    send()
    for title in ("Plain", "Of a customer"):
        assess(register[title], 5, 3, at=NOW + HOUR)
    close_risk(risk=register["Of Max"], outcome="occurred", note="", on=NOW.date(), at=NOW + HOUR)
    send(NOW + DAY)
    assert told(register) == ["Of a customer"]
    with time_machine.travel(NOW + DAY + HOUR, tick=False):
        close_risk(
            risk=register["Of a customer"], outcome="occurred", note="", on=NOW.date() + DAY, at=NOW + DAY + HOUR
        )
    send(NOW + 2 * DAY)
    assert "* Closed: Of a customer." in mail.outbox[-1].body


def test_news_are_of_the_view(register: Register, cast: SimpleNamespace) -> None:
    subscribe(cast.max, view=view(cast.max, "owner=me"))
    notices.tell(
        [
            Happening("flag", f"flag:{risk.pk}", frozenset(), Severity.HIGH, risk.pk, details=FLAG)
            for risk in register.values()
        ],
        at=NOW - HOUR,
    )
    send()
    assert told(register) == ["Of Max"]


def test_indicators_are_those_that_speak_for_its_risks_and_her_own(register: Register, cast: SimpleNamespace) -> None:
    names = {"Speaks for it": cast.mona, "Speaks for another": cast.mona, "Hers": cast.max, "Of nothing": cast.mona}
    made = {
        name: Indicator.objects.create(name=name, team=cast.accounts, owner=owner, warning=4, limit=2)
        for name, owner in names.items()
    }
    indicators.tie(indicator=made["Speaks for it"], risk=register["Of Max"], ratio=2, by=cast.mona, now=NOW)
    indicators.tie(indicator=made["Speaks for another"], risk=register["Plain"], ratio=2, by=cast.mona, now=NOW)
    details = {"level": "limit", "value": 1.0, "unit": ""}
    notices.tell(
        [
            Happening("limit", f"limit:{n}", frozenset(), Severity.HIGH, indicator_id=indicator.pk, details=details)
            for n, indicator in enumerate(made.values())
        ],
        at=NOW - HOUR,
    )
    subscribe(cast.max, view=view(cast.max, "owner=me"))
    subscribe(cast.vera)
    send()
    by_reader = {
        message.to[0].split("@")[0]: [name for name in made if f"“{name}”" in message.body] for message in mail.outbox
    }
    assert by_reader == {"max": ["Speaks for it", "Hers"], "vera": list(names)}


def test_what_is_due_from_her_is_told_whatever_the_view(register: Register, cast: SimpleNamespace) -> None:
    response = Response.objects.create(risk=register["Of Max"], kind="preventive", title="r")
    Action.objects.create(response=response, title="Call them", owner=cast.max, due=NOW.date())
    subscribe(cast.max, view=view(cast.max, "band=4"))
    send()
    body = mail.outbox[-1].body
    assert "* Call them" in body.split("DUE FROM YOU")[1]
    assert "Of Max." not in body.split("TOP RISKS")[1]


def test_a_view_that_is_deleted_narrows_nothing_any_more(register: Register, cast: SimpleNamespace) -> None:
    subscribe(cast.max, view=view(cast.max, "owner=me"))
    SavedView.objects.all().delete()
    send()
    assert told(register) == QUERIES[""]


def test_only_views_she_may_use_can_be_chosen(cast: SimpleNamespace, sign_in: Callable[[User], Client]) -> None:
    own, shared = view(cast.max, "owner=me"), view(cast.mona, "band=4", shared=True)
    private = view(cast.mona, "band=3")
    client, url = sign_in(cast.max), reverse("monitoring:my_digest")
    assert set(client.get(url).context["form"].fields["view"].queryset) == {own, shared}
    fields = {"active": "on", "cadence": "weekly", "hour": 8, "time_zone": "UTC", "scope": "all", "top": 10}
    assert "view" in client.post(url, fields | {"view": private.pk}).context["form"].errors
    assert client.post(url, fields | {"view": shared.pk}).status_code == 302
    assert Subscription.objects.get().view == shared


def test_a_view_costs_no_statement_for_each_risk(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    subscribe(cast.max, view=view(cast.max, f"q=risk&team={cast.accounts.pk}"))

    def statements(risks: int, day: int) -> int:
        now = NOW + day * DAY
        for n in range(risks):
            make_risk(f"Risk {day} {n}", levels=(4, 4), at=now)
        queue_due_digests(now=now)
        job = Job.objects.get(kind="monitoring.tasks.send_digest", state="ready")
        held = jobs.claim(job.pk, now_fn=lambda: now)
        with CaptureQueriesContext(connection) as captured:
            assert digests.send_digest(held, user_id=cast.max.pk, period=job.payload["period"]) == "sent"
        jobs.run(job.pk, now_fn=lambda: now + HOUR)
        return len([q for q in captured if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))])

    statements(2, 0)
    few = statements(2, 1)
    assert statements(12, 2) == few
    assert few <= 15 + 4  # the subscription, two fences and the note that it went
    assert Digest.objects.count() == 3
