"""More rows never mean more statements: for every list page, and for a register of ten thousand risks."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assessments.models import Assessment, Elicitation, Method, Opinion
from crm.models import Customer
from monitoring.models import Digest, DriftFlag, MonitoringSettings, Review
from responses.models import Acceptance, Action, Response
from riskreg.accounts import tokens
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import Membership, Team, User
from riskreg.celery import TIMETABLE
from riskreg.jobs import heartbeats
from riskreg.jobs.models import Heartbeat, Job, Schedule
from riskreg.mail.models import LocalMessage
from risks.filters import RegisterFilter
from risks.imports import Options
from risks.models import Category, CoverSheet, ImportBatch, ImportRow, Observation, Risk, ScoreEntry, Tag
from risks.views.register import ORDERS
from tests.test_access_matrix import kept_for_module

FEW, MANY = 2, 12
_numbers = count(1)


def statements(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        response = client.get(address)
    assert response.status_code == 200
    return len(captured)


# --- rows, each with relatives of its own, so that a relation that is fetched per row shows ----------------


def people(n: int) -> list[User]:
    return User.objects.bulk_create(
        User(username=f"person{k}", first_name=f"Person {k}", email=f"person{k}@example.com")
        for k in (next(_numbers) for _ in range(n))
    )


def teams(cast: SimpleNamespace, n: int) -> list[Team]:
    return [save_team(name=f"Team {next(_numbers)}", parent=cast.northfield) for _ in range(n)]


def categories(n: int) -> list[Category]:
    return Category.objects.bulk_create(Category(key=f"k{k}", name_en=f"Name {k}") for k in _take(n))


def _take(n: int) -> list[int]:
    return [next(_numbers) for _ in range(n)]


def risks(cast: SimpleNamespace, n: int, *, owner: User | None = None, **fields: Any) -> list[Risk]:
    owners, kinds, places = people(n), categories(n), teams(cast, n)
    customers = Customer.objects.bulk_create(Customer(name=f"Customer {k}", team=cast.northfield) for k in _take(n))
    made = Risk.objects.bulk_create(
        Risk(title=f"Risk {k}", category=kind, owner=owner or person, team=team, customer=customer, **fields)
        for k, kind, person, team, customer in zip(_take(n), kinds, owners, places, customers, strict=True)
    )
    CoverSheet.objects.bulk_create(
        CoverSheet(
            risk=risk, score=40.0 + k, band=1 + k % 4, exposure=1e4, inherent=1e4, residual=1e4, target=1e4,
            likelihood_level=1 + k % 5, impact_level=1 + k % 5, method_version=1,
            review_due=timezone.localdate() - dt.timedelta(days=k), drifting_since=timezone.localdate(),
        )
        for k, risk in enumerate(made)
    )  # fmt: skip
    return made


def in_the_bin(cast: SimpleNamespace, n: int) -> None:
    risks(cast, n, state="bin")


def observations(cast: SimpleNamespace, n: int, **fields: Any) -> None:
    Observation.objects.bulk_create(
        Observation(
            kind="market",
            text=f"Heard {person}",
            team=team,
            created_by=person,
            customer=Customer.objects.create(name=f"Customer {person}", team=team),
            **fields,
        )
        for person, team in zip(people(n), teams(cast, n), strict=True)
    )


def linked(cast: SimpleNamespace, n: int) -> None:
    for risk in risks(cast, n):
        observations(cast, 1, risk=risk, linked_at=timezone.now())


def dismissed(cast: SimpleNamespace, n: int) -> None:
    observations(cast, n, dismissed_at=timezone.now())


def batch_of(user: User | None, team: Team, **fields: Any) -> ImportBatch:
    return ImportBatch(
        filename="r.csv", team=team, created_by=user, table=[["Title"]], mapping={"0": "title"},
        options=Options().__dict__, **fields,
    )  # fmt: skip


def imports_of_all(cast: SimpleNamespace, n: int) -> None:
    ImportBatch.objects.bulk_create(batch_of(p, t) for p, t in zip(people(n), teams(cast, n), strict=True))


def import_rows(cast: SimpleNamespace, n: int) -> None:
    batch = ImportBatch.objects.get(filename="the one.csv")
    ImportRow.objects.bulk_create(
        ImportRow(
            batch=batch,
            number=k,
            verdict="update",
            values={"title": "New", "owner": "Somebody"},
            reasons=[["unknown_owner", "owner", "Somebody"], ["title_cut", "title", "New"]],
            before={"version": 1, "changed": ["title", "owner"], "values": {}},
            risk=risk,
        )
        for k, risk in zip(_take(n), risks(cast, n), strict=True)
    )


def some_categories(cast: SimpleNamespace, n: int) -> None:
    risks(cast, n)


def people_with_roles(cast: SimpleNamespace, n: int) -> None:
    places = teams(cast, 2)
    Membership.objects.bulk_create(
        Membership(user=person, team=team, role="viewer") for person in people(n) for team in places
    )


def teams_with_people(cast: SimpleNamespace, n: int) -> None:
    for team in teams(cast, n):
        Membership.objects.bulk_create(Membership(user=person, team=team, role="viewer") for person in people(2))


def jobs(cast: SimpleNamespace, n: int) -> None:
    Job.objects.bulk_create(
        Job(kind="a.b", created_by=p, state="dead", error="x", finished_at=timezone.now()) for p in people(n)
    )


def runs_of_the_timetable(cast: SimpleNamespace, n: int) -> None:
    now = timezone.now()
    Job.objects.bulk_create(
        Job(kind=recurring.kind, created_by=p, state="done", result={"deleted": 1}, started_at=now, finished_at=now)
        for recurring in TIMETABLE.values()
        for p in people(n)
    )
    for name in list(TIMETABLE)[:n]:
        Schedule.objects.get_or_create(name=name, defaults={"next_due": now})
    for k in _take(n):
        heartbeats.note(Heartbeat.Role.WORKER, f"worker {k}", now)


def api_tokens(cast: SimpleNamespace, n: int) -> None:
    for who in (cast.ada, cast.mona):
        for k in _take(n):
            tokens.create(user=who, name=f"Token {k}", may_write=False, days=30, now=timezone.now())


def mails(cast: SimpleNamespace, n: int) -> None:
    LocalMessage.objects.bulk_create(
        LocalMessage(to=who.email, subject="Hello", text="Hello", message_id=f"<{k}>", at=timezone.now())
        for k in _take(n)
        for who in (cast.ada, cast.mona)
    )


def digests(cast: SimpleNamespace, n: int) -> None:
    Digest.objects.bulk_create(
        Digest(user=who, period=f"p{k}", message_id=f"<{k}.{who}>", subject="Hello", created_at=timezone.now())
        for k in _take(n)
        for who in (cast.ada, cast.mona)
    )


def open_flags(cast: SimpleNamespace, n: int, **fields: Any) -> None:
    DriftFlag.objects.bulk_create(_flag(risk, **fields) for risk in risks(cast, n))


def _flag(risk: Risk, **fields: Any) -> DriftFlag:
    now = timezone.now()
    return DriftFlag(
        risk=risk, raised_at=now, since=now.date(), before=20, after=60, strength=9, from_entry=next(_numbers), **fields
    )


def answered_flags(cast: SimpleNamespace, n: int) -> None:
    for person in people(n):
        open_flags(cast, 1, state="false", answered_at=timezone.now(), answered_by=person, note="No")


def everything_due(cast: SimpleNamespace, n: int) -> None:
    """Flags, reviews, actions, acceptances, observations and unassessed risks of both readers."""
    open_flags(cast, n)
    observations(cast, n)
    for reader in (cast.ada, cast.mona):
        for risk in risks(cast, n, owner=reader):
            _hang_on(risk, doer=reader)
            Risk.objects.create(title="New", category=risk.category, team=risk.team, owner=reader)
    CoverSheet.objects.bulk_create(CoverSheet(risk=risk) for risk in Risk.objects.filter(title="New", sheet=None))


def _hang_on(risk: Risk, *, doer: User | None) -> None:
    today = timezone.localdate()
    response = Response.objects.create(risk=risk, kind="preventive", title="Do it")
    Action.objects.create(response=response, title="Now", owner=doer, due=today)
    Acceptance.objects.create(risk=risk, reason="Cheap", accepted_on=today, expires_on=today)


# --- what hangs on one risk ------------------------------------------------------------------------------


def the_one(cast: SimpleNamespace) -> Risk:
    return Risk.objects.get(title="The one")


def evidence(cast: SimpleNamespace, n: int) -> None:
    risk = the_one(cast)
    observations(cast, n, risk=risk, linked_at=timezone.now())
    risk.tags.add(*Tag.objects.bulk_create(Tag(name=f"tag {k}") for k in _take(n)))
    ledger(cast, n)


def ledger(cast: SimpleNamespace, n: int) -> None:
    risk, now = the_one(cast), timezone.now()
    step = {"kind": "judgement", "ref": 1, "label": "", "exposure": 1e4}
    ScoreEntry.objects.bulk_create(
        ScoreEntry(risk=risk, at=now, cause="judgement", score=40.0 + k, band=2, exposure=1e4, factors=[step])
        for k in range(n)
    )


def assessments(cast: SimpleNamespace, n: int) -> None:
    active = Method.objects.get(state="active")
    old = Method.objects.bulk_create(
        Method(version=100 + k, state="retired", definition=active.definition) for k in _take(n)
    )
    Assessment.objects.bulk_create(
        Assessment(
            risk=the_one(cast), method=method, likelihood_level=2, impact_code=2, probability=0.1,
            impact=1e4, decided_by="financial", basis="expert", assessor=person,
        )
        for method, person in zip(old, people(n), strict=True)
    )  # fmt: skip


def opinions(cast: SimpleNamespace, n: int) -> None:
    """Given, and open since the deadline, by people who have some forecasts resolved."""
    asked, _made = Elicitation.objects.get_or_create(risk=the_one(cast), defaults={"answer_by": timezone.now()})
    points = {f"{name}_{point}": 0.1 for name in ("likelihood", "money") for point in ("low", "middle", "high")}
    Opinion.objects.bulk_create(
        Opinion(elicitation=asked, assessor=person, answered_at=timezone.now(), because="So", **points)
        for person in people(n)
    )


def responses(cast: SimpleNamespace, n: int) -> None:
    for person in people(n):
        for withdrawn in (None, timezone.now()):
            response = Response.objects.create(
                risk=the_one(cast), kind="preventive", title="Do", withdrawn_at=withdrawn, created_by=person
            )
            Action.objects.bulk_create(Action(response=response, title="Now", owner=person) for _ in range(2))


def monitoring(cast: SimpleNamespace, n: int) -> None:
    risk = the_one(cast)
    DriftFlag.objects.bulk_create(
        _flag(risk, state="false", answered_at=timezone.now(), answered_by=person) for person in people(n)
    )
    Review.objects.bulk_create(Review(risk=risk, reviewed_by=person, because="It is") for person in people(n))
    ledger(cast, n)


def versions(cast: SimpleNamespace, n: int) -> None:
    risk = the_one(cast)
    for person, kind, team in zip(people(n), categories(n), teams(cast, n), strict=True):
        risk.title, risk.owner, risk.category, risk.team = "The one", person, kind, team
        risk._history_user = person
        risk.save()


def actions_of_one_response(cast: SimpleNamespace, n: int) -> None:
    response, _made = Response.objects.get_or_create(risk=the_one(cast), kind="preventive", title="The answer")
    Action.objects.bulk_create(Action(response=response, title="Now", owner=person) for person in people(n))


def alike(cast: SimpleNamespace, n: int) -> None:
    for risk in risks(cast, n):
        Risk.objects.filter(pk=risk.pk).update(title=f"Price war in pumps {risk.pk}")


def unplaced(cast: SimpleNamespace, n: int) -> None:
    """Judged under versions of their own, of which no dimension is left."""
    definition = Method.objects.get(state="active").definition
    gone = definition | {"dimensions": [definition["dimensions"][0] | {"key": "gone"}]}
    old = Method.objects.bulk_create(Method(version=100 + k, state="retired", definition=gone) for k in _take(n))
    Assessment.objects.bulk_create(
        Assessment(
            risk=risk, method=method, likelihood_level=2, impact_code=1 + k % 5, probability=0.1, impact=1e4,
            decided_by="gone", basis="expert", is_current=True,
        )
        for k, (risk, method) in enumerate(zip(risks(cast, n), old, strict=True))
    )  # fmt: skip


def steps(cast: SimpleNamespace, n: int) -> None:
    Response.objects.bulk_create(Response(risk=the_one(cast), kind="preventive", title="Do") for _ in range(n))


LISTS: dict[str, tuple[str, Callable[[SimpleNamespace, int], Any]]] = {
    "register": ("risks:register", risks),
    "bin": ("risks:bin", in_the_bin),
    "inbox, waiting": ("risks:inbox ?show=waiting", observations),
    "inbox, linked": ("risks:inbox ?show=linked", linked),
    "inbox, dismissed": ("risks:inbox ?show=dismissed", dismissed),
    "duplicates": ("risks:duplicates ?title=Price+war+in+pumps", alike),
    "heat map": ("monitoring:heat_map", risks),
    "today": ("monitoring:today", everything_due),
    "flags, open": ("monitoring:flags ?show=open", open_flags),
    "flags, answered": ("monitoring:flags ?show=answered", answered_flags),
    "reviews": ("monitoring:reviews", risks),
    "my digest": ("monitoring:my_digest", digests),
    "mail": ("mail:inbox", mails),
    "API tokens": ("accounts:tokens", api_tokens),
    "to assess again": ("assessments:to_reassess", unplaced),
}


def methods(cast: SimpleNamespace, n: int) -> None:
    active = Method.objects.get(state="active")
    now = timezone.now()
    Method.objects.bulk_create(
        Method(version=100 + k, state=state, definition=active.definition, created_by=person, edited_at=now)
        for state in ("draft", "retired")
        for k, person in zip(_take(n), people(n), strict=True)
    )


FOR_ADMINS: dict[str, tuple[str, Callable[[SimpleNamespace, int], Any]]] = {
    "imports": ("risks:import", imports_of_all),
    "import rows": ("risks:import_show import", import_rows),
    "categories": ("risks:categories", some_categories),
    "people": ("accounts:people", people_with_roles),
    "teams": ("accounts:teams", teams_with_people),
    "jobs": ("jobs:operations", jobs),
    "jobs given up": ("jobs:operations ?show=given-up", jobs),
    "jobs of the timetable": ("jobs:operations", runs_of_the_timetable),
    "methods": ("assessments:methods", methods),
}
OF_ONE_RISK: dict[str, tuple[str, Callable[[SimpleNamespace, int], Any]]] = {
    "risk": ("risks:show risk", evidence),
    "assessments": ("assessments:panel risk", assessments),
    "opinions": ("assessments:elicitation asked", opinions),
    "responses": ("responses:panel risk", responses),
    "monitoring": ("monitoring:panel risk", monitoring),
    "changes": ("risks:history risk", versions),
    "response form": ("responses:edit response", actions_of_one_response),
}
CASES = [
    *((name, reader, *case) for name, case in LISTS.items() for reader in ("mona", "ada")),
    *((name, "ada", *case) for name, case in FOR_ADMINS.items()),
    *((name, reader, *case) for name, case in OF_ONE_RISK.items() for reader in ("mona", "ada")),
]


@pytest.mark.parametrize(
    ("reader", "route", "make"), [case[1:] for case in CASES], ids=[f"{c[0]}-{c[1]}" for c in CASES]
)
def test_more_rows_need_no_more_statements(
    reader: str, route: str, make: Callable[[SimpleNamespace, int], Any], cast: SimpleNamespace, sign_in: Any
) -> None:
    one = Risk.objects.create(title="The one", category=Category.objects.first(), team=cast.accounts)
    CoverSheet.objects.create(
        risk=one,
        score=40,
        band=2,
        exposure=1e4,
        inherent=1e4,
        residual=1e4,
        target=1e4,
        likelihood_level=2,
        impact_level=2,
    )
    batch = batch_of(cast.ada, cast.accounts, state="ready")
    batch.filename = "the one.csv"
    batch.save()
    MonitoringSettings.load()
    make(cast, FEW)
    response = Response.objects.filter(title="The answer").first()
    asked = Elicitation.objects.first()
    name, _space, rest = route.partition(" ")
    of = {"risk": one, "import": batch, "response": response, "asked": asked}.get(rest)
    address = reverse(name, args=[of.pk]) if of else reverse(name) + rest
    client = sign_in(getattr(cast, reader))
    few = statements(client, address)
    make(cast, MANY - FEW)
    assert statements(client, address) == few


# --- ten thousand risks ----------------------------------------------------------------------------------

SMALL, LARGE = 120, 10_000
TOGETHER = "?q=pump&status=all&band=2&category=of the first&team=of all&likelihood=2&sort=owner"
MOST_STATEMENTS = 12
FILTERS: dict[str, list[str]] = {
    "q": ["pump", "R-17", "pump price war", "金"],
    "status": ["open", "closed", "all"],
    "band": ["1", "4"],
    "category": ["of the first"],
    "team": ["of all", "of some"],
    "owner": ["me", "none"],
    "state": ["drifting", "review", "unassessed"],
    "likelihood": ["2"],
    "impact": ["3"],
    "tag": ["pumps"],
}


def grow_register(places: list[Team], owners: list[User], *, start: int, end: int) -> None:
    today, kinds = timezone.localdate(), list(Category.objects.all())
    tag, _made = Tag.objects.get_or_create(name="pumps")
    made = Risk.objects.bulk_create(
        (
            Risk(
                title=f"Price war in pumps {k}",
                cause="A new factory",
                category=kinds[k % len(kinds)],
                team=places[k % len(places)],
                owner=owners[k % len(owners)] if k % 7 else None,
                **({} if k % 9 else {"status": "closed", "outcome": "occurred", "closed_on": today}),
            )
            for k in range(start, end)
        ),
        batch_size=500,
    )
    CoverSheet.objects.bulk_create(
        (
            CoverSheet(risk=risk)
            if k % 5 == 0
            else CoverSheet(
                risk=risk, score=k % 100, band=1 + k % 4, exposure=k * 1.0, inherent=k * 1.0, residual=k * 1.0,
                target=k * 1.0, likelihood_level=1 + k % 5, impact_level=1 + k // 5 % 5, method_version=1,
                review_due=today + dt.timedelta(days=k % 60 - 30), drifting_since=None if k % 8 else today,
            )
            for k, risk in enumerate(made, start=start)
        ),
        batch_size=500,
    )  # fmt: skip
    Risk.tags.through.objects.bulk_create((Risk.tags.through(risk=risk, tag=tag) for risk in made[::3]), batch_size=500)


def every_view() -> list[str]:
    """Queries of the register: pages, orders, filters and searches, and all of them together."""
    orders = [f"?sort={sign}{name}&page={page}" for name in ORDERS for sign in ("", "-") for page in (1, 100)]
    filters = [f"?{name}={value}" for name, values in FILTERS.items() for value in values]
    return ["", "?page=100", *orders, *filters, TOGETHER]


@pytest.fixture(scope="module")
def counted(django_db_setup: None, django_db_blocker: Any) -> Iterator[dict[str, dict[str, tuple[int, int]]]]:
    """For a manager and an administrator: statements of each view of a small and of a large register."""
    with kept_for_module(django_db_blocker), django_db_blocker.unblock():
        northfield = save_team(name="Northfield", parent=None)
        places = [northfield, *(save_team(name=f"Team {k}", parent=northfield) for k in range(10))]
        mona = User.objects.create_user("mona", "mona@example.com")
        set_role(user=mona, team=northfield, role="manager")
        readers = {"mona": mona, "ada": User.objects.create_user("ada", "ada@example.com", is_admin=True)}
        values = {"of the first": Category.objects.all()[0].pk, "of all": northfield.pk, "of some": places[3].pk}
        counts: dict[str, dict[str, list[int]]] = {reader: {} for reader in readers}
        for start, end in ((0, SMALL), (SMALL, LARGE)):
            grow_register(
                places, [*readers.values(), *people(41)] if not start else list(readers.values()), start=start, end=end
            )
            for reader, user in readers.items():
                client = Client()
                client.force_login(user)
                for view in every_view():
                    query = view
                    for word, value in values.items():
                        query = query.replace(word, str(value))
                    counts[reader].setdefault(view, []).append(statements(client, reverse("risks:register") + query))
        yield {reader: {view: (n[0], n[1]) for view, n in views.items()} for reader, views in counts.items()}


def test_every_filter_of_the_register_is_counted() -> None:
    assert set(FILTERS) == set(RegisterFilter.base_filters)


@pytest.mark.parametrize("reader", ["mona", "ada"])
def test_ten_thousand_risks_need_no_more_statements_than_a_hundred(reader: str, counted: Any) -> None:
    assert {view: n for view, n in counted[reader].items() if n[0] != n[1]} == {}


@pytest.mark.parametrize("reader", ["mona", "ada"])
def test_a_page_of_the_register_needs_few_statements(reader: str, counted: Any) -> None:
    assert {view: n for view, (_small, n) in counted[reader].items() if n > MOST_STATEMENTS + (view == TOGETHER)} == {}


@pytest.mark.parametrize("reader", ["mona", "ada"])
def test_pages_and_orders_of_the_register_need_the_same_statements(reader: str, counted: Any) -> None:
    plain = {
        view: n for view, (_small, n) in counted[reader].items() if view == "" or view.startswith(("?page", "?sort"))
    }
    assert set(plain.values()) == {plain[""]}
