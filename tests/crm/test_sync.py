"""Reading a CRM through the real engine into the real database: nothing lost, nothing doubled, and the record says so.

Each test runs against both CRMs' servers. Only the clock is not real, so that nobody waits.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import serializers
from django.db import connection as database
from django.db import connections
from django.forms.models import model_to_dict
from django.test.utils import CaptureQueriesContext

from crm import registry, store, sync
from crm.connectors import fxiaoke, zoho
from crm.connectors.base import Connector, Row, Unavailable
from crm.models import AccessToken, Connection, Customer, Deal, DealSnapshot, Person, SyncPoint, SyncRun
from crm.tokens import SharedTokens
from riskreg.accounts.actions import save_team
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from tests.fakes import fxiaoke as fxiaoke_fake
from tests.fakes import zoho as zoho_fake
from tests.fakes.fxiaoke_rows import ADMIN

pytestmark = pytest.mark.django_db
BEGAN = dt.datetime(2026, 3, 10, 6, tzinfo=dt.UTC)
CENT = Decimal("0.01")
KINDS = ("person", "customer", "deal")


class Time:
    """A clock that only sleeping, or a test, moves, for all sides alike."""

    def __init__(self) -> None:
        self.now = BEGAN
        self._lock = threading.Lock()

    def __call__(self) -> dt.datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += dt.timedelta(seconds=seconds)

    def pass_by(self, **how: float) -> None:
        self.now += dt.timedelta(**how)


class World:
    """A CRM, a connection to it, and the work of a worker. Below: what either CRM does in its own way."""

    crm: Any
    few: int  # deals of most tests: three full pages, or some more
    page: int  # most rows of one
    deals: str  # as the CRM calls them
    customers: str
    forbidden: str  # what it says of an object that may not be read
    mapping: Any
    secrets: dict[str, str]
    options: Any
    open: Any
    modified: Any
    amount: Any

    def __init__(self, clock: Time) -> None:
        self.clock = clock
        self.connection = Connection.objects.create(
            kind=type(self).__name__.lower(),
            name="Ours",
            team=save_team(name="Northfield", parent=None),
            secrets=json.dumps(self.secrets),
            options=self.options(),
            mapping={kind: [asdict(one) for one in self.mapping[kind]] for kind in KINDS},
        )

    def start(self, **how: Any) -> Job:
        return sync.start(connection=self.connection, by=None, now=self.clock(), **how)

    def work(self, job: Job) -> Job:
        jobs.run(job.pk, now_fn=self.clock)
        return Job.objects.get(pk=job.pk)

    def synchronise(self, **how: Any) -> SyncRun:
        job = self.work(self.start(**how))
        assert job.state == Job.State.DONE, job.error
        return SyncRun.objects.get(pk=job.result["run"])

    def map(self, kind: str, **fields: str) -> None:
        """Read more fields of a kind than before."""
        self.connection.mapping[kind][0]["fields"].update(fields)
        self.connection.save()

    def ids(self) -> list[str]:
        """Deals in the order of their pages."""
        return [str(one) for one in self.crm.tables[self.deals].order]

    def rows(self) -> dict[str, dict[str, Any]]:
        return {str(one): row for one, row in self.crm.tables[self.deals].rows.items()}

    def changed_since(self, moment: dt.datetime) -> list[str]:
        return [one for one, row in self.rows().items() if self.modified(row) >= moment]

    def last_change(self) -> dt.datetime:
        return max(map(self.modified, self.rows().values()))

    def differences(self) -> dict[str, tuple[Any, Any]]:
        """Deals that are not here what they are there, as (there, here)."""
        here = dict(Deal.objects.filter(gone_at=None).values_list("external_id", "amount"))
        there = {one: self.amount(row) for one, row in self.rows().items() if not self.is_void(row)}
        both = here.keys() | there.keys()
        return {one: (there.get(one), here.get(one)) for one in both if there.get(one, "-") != here.get(one, "-")}

    def is_void(self, row: dict[str, Any]) -> bool:
        return False


class Zoho(World):
    few, page = 450, 200
    deals, customers, forbidden = "Deals", "Accounts", "NO_PERMISSION"
    mapping = zoho.DEFAULT_MAPPING
    secrets = {
        "client_id": zoho_fake.CLIENT_ID,
        "client_secret": zoho_fake.CLIENT_SECRET,
        "refresh_token": zoho_fake.REFRESH_TOKEN,
    }

    def __init__(self, stack: ExitStack, deals: int, clock: Time) -> None:
        self.crm = stack.enter_context(zoho_fake.Zoho(deals=deals, clock=clock))
        super().__init__(clock)

    def options(self) -> dict[str, str]:
        return {"data_centre": self.crm.url}

    def open(self, connection: Connection) -> Connector:
        return zoho.Zoho(
            zoho.Credentials(**json.loads(connection.secrets)),
            data_centre=self.crm.url,
            own_bases=[self.crm.url],
            tokens=SharedTokens(connection),
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def modified(self, row: dict[str, Any]) -> dt.datetime:
        return dt.datetime.fromisoformat(row["Modified_Time"])

    def amount(self, row: dict[str, Any]) -> Decimal | None:
        return None if row["Amount"] is None else Decimal(str(row["Amount"])).quantize(CENT)

    def customer_of(self, row: dict[str, Any]) -> str | None:
        return row["Account_Name"]["id"] if row["Account_Name"] else None

    def change(self, deal: str, amount: str, **more: Any) -> None:
        self.crm.change(self.deals, deal, Amount=float(amount), **more)

    def add(self, amount: str) -> str:
        return str(self.crm.add(self.deals, Deal_Name="New", Amount=float(amount), Account_Name=None))

    def delete(self, deal: str) -> None:
        self.crm.delete(self.deals, deal)

    def restore(self, deal: str) -> None:
        table = self.crm.tables[self.deals]
        table.deleted = [one for one in table.deleted if one["id"] != deal]
        self.crm.add(self.deals, id=deal, Deal_Name="Back", Amount=7.0, Account_Name=None)

    def vanish(self, deal: str) -> None:
        self.crm.delete(self.deals, deal, silently=True)

    def fail(self, kind: str, source: str = "", **how: Any) -> None:
        self.crm.fail(kind, path=f"/{source or self.deals}", **how)

    def break_down(self, **how: Any) -> None:
        self.fail("status", status=503, **how)

    def refuse(self, source: str) -> None:
        self.fail("code", source, status=403, code="NO_PERMISSION", times=None)

    def asked(self) -> int:
        """How many pages of deals, those for the sweep not counted."""
        return len([one for one in self.crm.seen(f"/{self.deals}") if "Amount" in one.query["fields"]])

    def tokens_asked(self) -> int:
        return len(self.crm.seen(zoho_fake.TOKEN))

    def access_tokens(self) -> set[str]:
        said = {one.headers.get("authorization", "") for one in self.crm.seen()}
        return {one.removeprefix("Zoho-oauthtoken ") for one in said if one}


class Fxiaoke(World):
    few, page = 330, 100
    deals, customers, forbidden = "NewOpportunityObj", "AccountObj", "20021"
    mapping = fxiaoke.DEFAULT_MAPPING
    secrets = {
        "app_id": fxiaoke_fake.APP_ID,
        "app_secret": fxiaoke_fake.APP_SECRET,
        "permanent_code": fxiaoke_fake.PERMANENT_CODE,
    }

    def __init__(self, stack: ExitStack, deals: int, clock: Time) -> None:
        self.crm = stack.enter_context(fxiaoke_fake.Fxiaoke(deals=deals, clock=clock.seconds))
        super().__init__(clock)

    def options(self) -> dict[str, str]:
        return {"cloud": self.crm.url, "user": ADMIN}

    def open(self, connection: Connection) -> Connector:
        return fxiaoke.Fxiaoke(
            fxiaoke.Credentials(**json.loads(connection.secrets), user=connection.options["user"]),
            cloud=self.crm.url,
            own_bases=[self.crm.url],
            tokens=SharedTokens(connection),
            clock=self.clock,
            sleep=self.clock.sleep,
            ticks=self.clock.seconds,
        )

    def modified(self, row: dict[str, Any]) -> dt.datetime:
        return dt.datetime.fromtimestamp(row["last_modified_time"] / 1000, dt.UTC)

    def amount(self, row: dict[str, Any]) -> Decimal | None:
        return None if row["amount"] is None else Decimal(row["amount"])

    def customer_of(self, row: dict[str, Any]) -> str | None:
        return row["account_id"]

    def change(self, deal: str, amount: str, **more: Any) -> None:
        self.crm.change(self.deals, deal, amount=amount, **more)

    def add(self, amount: str) -> str:
        return str(self.crm.add(self.deals, amount=amount, account_id=None))

    def delete(self, deal: str) -> None:
        self.crm.void(self.deals, deal)

    def restore(self, deal: str) -> None:
        self.crm.change(self.deals, deal, life_status="normal", amount="7.00")

    def is_void(self, row: dict[str, Any]) -> bool:
        return bool(row["life_status"] == "invalid")

    def vanish(self, deal: str) -> None:
        self.crm.delete(self.deals, deal)

    def fail(self, kind: str, source: str = "", **how: Any) -> None:
        self.crm.fail(kind, path=fxiaoke_fake.QUERY, source=source or self.deals, **how)

    def break_down(self, **how: Any) -> None:
        self.fail("status", code=503, **how)

    def refuse(self, source: str) -> None:
        self.fail("code", source, code=20021, times=None)

    def asked(self) -> int:
        seen = self.crm.seen(fxiaoke_fake.QUERY, self.deals)
        return len([one for one in seen if "amount" in one.body["data"]["search_query_info"]["fieldProjection"]])

    def tokens_asked(self) -> int:
        return len(self.crm.seen(fxiaoke_fake.TOKEN))

    def access_tokens(self) -> set[str]:
        said = {one.headers.get("authorization", "") for one in self.crm.seen()}
        return {one.removeprefix("Bearer ") for one in said if one}


MakeWorld = Callable[..., World]


@pytest.fixture(params=["zoho", "fxiaoke"])
def make_world(request: pytest.FixtureRequest, db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakeWorld]:
    with ExitStack() as stack:

        def make(deals: int | None = None) -> World:
            kind = {"zoho": Zoho, "fxiaoke": Fxiaoke}[request.param]
            one = kind(stack, deals or kind.few, Time())
            monkeypatch.setattr(registry, "open_connection", one.open)
            return one

        yield make


@pytest.fixture
def world(make_world: MakeWorld) -> World:
    return make_world()


@pytest.fixture
def read(world: World) -> World:
    """That has been read once, an hour ago."""
    world.synchronise()
    world.clock.pass_by(hours=1)
    return world


only_zoho = pytest.mark.parametrize("make_world", ["zoho"], indirect=True)
only_fxiaoke = pytest.mark.parametrize("make_world", ["fxiaoke"], indirect=True)


def at_each_page(
    monkeypatch: pytest.MonkeyPatch, acts: dict[int, Callable[[], None]], *, before: bool = False
) -> None:
    """Have something happen once the nth page of deals is kept, or when it is about to be."""
    keep, pages = store.keep, iter(range(1, 1000))

    def also(connection: Connection, kind: str, *given: Any, **named: Any) -> store.Counts:
        act = acts.get(next(pages), lambda: None) if kind == "deal" else lambda: None
        if before:
            act()
        counts = keep(connection, kind, *given, **named)
        if not before:
            act()
        return counts

    monkeypatch.setattr(store, "keep", also)


def killed() -> None:
    raise KeyboardInterrupt  # as a kill: nothing of ours may catch it


def told(run: SyncRun) -> list[tuple[str, str]]:
    return [(problem["code"], problem["source"]) for problem in run.problems]


# --- all of it, and what changed ---------------------------------------------------------------------------


def test_a_first_load_loses_and_doubles_nothing(make_world: MakeWorld) -> None:
    world = make_world(2000)

    run = world.synchronise()

    assert world.differences() == {}
    assert run.counts["deal"] == {"read": 2000, "new": 2000, "changed": 0, "gone": 0, "skipped": 0}
    assert (Deal.objects.count(), DealSnapshot.objects.count()) == (2000, 2000)
    assert (run.state, run.problems, run.retries, run.tokens) == ("done", [], 0, 1)
    assert run.calls == len(world.crm.seen())


def test_deals_know_their_customers_and_owners(world: World) -> None:
    world.synchronise()

    here = dict(Deal.objects.values_list("external_id", "customer__external_id"))

    assert here == {one: world.customer_of(row) for one, row in world.rows().items()}
    assert set(here.values()) <= {None, *Customer.objects.values_list("external_id", flat=True)}
    assert Person.objects.count() == 12
    assert not Deal.objects.filter(owner=None).exists()
    assert not Deal.objects.exclude(waits_for=None).exists()
    assert set(Deal.objects.values_list("team", flat=True)) == {world.connection.team_id}


def test_the_next_run_reads_only_what_changed(read: World) -> None:
    calls, since = len(read.crm.seen()), read.last_change() - sync.OVERLAP
    changed = [read.ids()[3], read.ids()[-2]]
    for deal in changed:
        read.change(deal, "12.34")
    new = read.add("56.78")

    run = read.synchronise()

    assert read.differences() == {}
    assert run.counts["deal"] == {
        "read": len(read.changed_since(since)), "new": 1, "changed": 2, "gone": 0, "skipped": 0,
    }  # fmt: skip
    assert run.counts["deal"]["read"] < 10
    assert read.asked() == (3 if read.page == 200 else 4) + 1
    assert (run.calls, run.tokens) == (len(read.crm.seen()) - calls, 0)
    assert Deal.objects.get(external_id=new).amount == Decimal("56.78")
    amounts = DealSnapshot.objects.filter(deal__external_id=changed[0]).values_list("amount", flat=True)
    assert len(amounts) == 2


def test_a_run_without_any_change_changes_nothing(read: World) -> None:
    before = list(Deal.objects.order_by("pk").values())

    run = read.synchronise()

    assert {(one["new"], one["changed"], one["gone"]) for one in run.counts.values()} <= {(0, 0, 0)}
    assert list(Deal.objects.order_by("pk").values()) == before
    assert DealSnapshot.objects.count() == len(before)


def test_a_second_change_at_the_very_time_of_the_first_is_not_missed(read: World) -> None:
    deal = read.ids()[5]
    read.change(deal, "100.00")
    read.synchronise()
    time = {name: read.rows()[deal][name] for name in ("Modified_Time", "last_modified_time") if name in read.rows()[deal]}

    read.change(deal, "200.00", **time)
    read.synchronise()

    assert read.differences() == {}


def test_the_whole_is_read_again_when_the_mapping_says_more(read: World) -> None:
    read.map("deal", product=read.connection.mapping["deal"][0]["fields"]["name"])

    run = read.synchronise(whole=True)

    assert run.counts["deal"] == {
        "read": read.few, "new": 0, "changed": read.few, "gone": 0, "skipped": 0,
    }  # fmt: skip
    assert not Deal.objects.filter(product="").exists()
    assert DealSnapshot.objects.count() == read.few


def test_a_page_asks_the_same_questions_whatever_its_rows(read: World) -> None:
    def questions(rows: int) -> list[int]:
        read.clock.pass_by(hours=1)
        for deal in read.ids()[:rows]:
            read.change(deal, f"{rows}.00")
        read.add("1.00")
        with CaptureQueriesContext(database) as captured:
            assert read.synchronise().counts["deal"]["changed"] == rows
        statements = [query["sql"].split()[0] for query in captured]
        # How many rows one INSERT may hold is SQLite's matter.
        counted = ["SELECT"] if database.vendor == "sqlite" else sorted(set(statements))
        return [statements.count(word) for word in counted]

    assert questions(4) == questions(80)


# --- faults ------------------------------------------------------------------------------------------------

_SAME = {
    "truncated": ({}, "not whole JSON"),
    "dropped": ({}, "broke off its answer"),
    "html": ({}, "not whole JSON"),
}
_OWN = {
    "zoho": [
        ("status", {"status": 502}, "answered 502"),
        ("code", {"status": 500, "code": "INTERNAL_ERROR"}, "answered 500"),
        ("code", {"status": 429, "code": "TOO_MANY_REQUESTS"}, "429 TOO_MANY_REQUESTS"),
        ("code", {"status": 429, "code": "RATE_LIMIT_EXCEEDED"}, "429 RATE_LIMIT_EXCEEDED"),
    ],
    "fxiaoke": [
        ("status", {"code": 502}, "answered 502"),
        ("code", {"code": 30004}, "(30004"),
        ("code", {"code": 14001}, "(14001"),
        ("code", {"code": -1}, "(-1"),
        ("code", {"code": 50009}, "(50009"),
    ],
}
PASSING = [
    (crm, kind, how, words)
    for crm, own in _OWN.items()
    for kind, how, words in [*((kind, *rest) for kind, rest in _SAME.items()), *own]
]


@pytest.mark.parametrize(("make_world", "kind", "how", "words"), PASSING, indirect=["make_world"])
def test_a_fault_that_passes_costs_another_call_and_is_on_record(
    world: World, kind: str, how: dict[str, Any], words: str
) -> None:
    world.fail(kind, after=1, **how)

    run = world.synchronise()

    assert world.differences() == {}
    assert run.counts["deal"]["new"] == run.counts["deal"]["read"] == world.few
    assert (run.state, run.retries) == ("done", 1)
    assert told(run) == [("retried", "")]
    assert words in run.problems[0]["message"]


def test_a_token_that_dies_is_replaced_once(world: World) -> None:
    world.fail("token_dies", after=1)

    run = world.synchronise()

    assert world.differences() == {}
    assert run.counts["deal"]["read"] == world.few
    assert (run.state, run.tokens, world.tokens_asked()) == ("done", 2, 2)
    assert [code for code, _source in told(run)] == ["retried"]


def test_a_row_that_comes_twice_is_kept_once_as_it_was_last(world: World) -> None:
    world.fail("twice", after=1)

    run = world.synchronise()

    assert world.differences() == {}
    counts = run.counts["deal"]
    assert (counts["read"], counts["new"], counts["changed"]) == (world.few + 1, world.few, 1)
    twice = world.ids()[world.page - 1]
    assert Deal.objects.get(external_id=twice).modified_at == world.modified(world.rows()[twice])
    assert DealSnapshot.objects.filter(deal__external_id=twice).count() == 1


@only_zoho
def test_an_object_whose_page_token_expired_begins_again(world: World) -> None:
    world.fail("expired", after=1)

    run = world.synchronise()

    assert world.differences() == {}
    counts = run.counts["deal"]
    assert (counts["read"], counts["new"], counts["changed"]) == (world.few + world.page, world.few, 0)
    assert run.state == "done"
    assert told(run) == [("retried", "Deals")]


@only_fxiaoke
def test_a_row_made_before_the_place_that_was_reached_is_found_by_the_next_run(world: World) -> None:
    world.fail("before", after=1)
    world.synchronise()
    assert len(world.differences()) == 1

    world.synchronise()

    assert world.differences() == {}


def test_a_crm_that_is_down_fails_the_attempt_and_the_next_one_goes_on_from_there(world: World) -> None:
    world.break_down(after=2, times=None)
    job = world.work(world.start())
    assert (job.state, job.attempts) == (Job.State.READY, 1)
    assert "answered 503" in job.error
    assert "answered 503" in SyncRun.objects.get().problems[-1]["message"]
    assert Deal.objects.count() == 2 * world.page
    asked = world.asked()

    world.crm.heal()
    world.clock.now = job.run_at
    assert world.work(job).state == Job.State.DONE

    assert world.differences() == {}
    run = SyncRun.objects.get()
    assert (run.state, run.counts["deal"]["read"]) == ("done", world.few)
    assert run.calls == len(world.crm.seen())
    assert world.asked() - asked == len(world.ids()) // world.page - 1


def test_a_crm_that_stays_down_is_given_up_and_later_read_without_loss(world: World) -> None:
    world.break_down(after=2, times=None)
    job = world.start()
    while not job.is_finished:
        world.clock.now = max(world.clock.now, job.run_at)
        job = world.work(job)
    assert (job.state, job.attempts, SyncRun.objects.get().state) == (Job.State.DEAD, 5, "failed")

    world.crm.heal()
    run = world.synchronise()

    assert world.differences() == {}
    assert run.state == "done"
    assert run.counts["deal"]["new"] == world.few - 2 * world.page


def test_a_crm_that_gives_the_same_page_for_ever_is_stopped_at_once(world: World) -> None:
    world.fail("again", after=1, times=None)

    job = world.work(world.start())

    assert (job.state, job.attempts) == (Job.State.DEAD, 1)
    run = SyncRun.objects.get()
    assert run.state == "failed"
    assert "the same page" in run.problems[-1]["message"]
    assert Deal.objects.count() <= 2 * world.page
    world.crm.heal()
    world.synchronise()
    assert world.differences() == {}


def test_credentials_that_are_refused_are_not_tried_again(world: World) -> None:
    wrong = {name: f"{value}x" for name, value in world.secrets.items()}
    Connection.objects.filter(pk=world.connection.pk).update(secrets=json.dumps(wrong))

    job = world.work(world.start())

    assert (job.state, job.attempts) == (Job.State.DEAD, 1)
    run = SyncRun.objects.get()
    assert (run.state, run.tokens, len(run.problems)) == ("failed", 1, 1)
    assert run.problems[0]["message"] == job.error


def test_a_connection_that_cannot_be_opened_is_on_record(read: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()  # without the address among those an administrator allows
    job = read.work(read.start())

    assert (job.state, job.attempts) == (Job.State.DEAD, 1)
    run = SyncRun.objects.first()
    assert run is not None
    assert (run.state, run.problems[0]["message"]) == ("failed", job.error)


@pytest.mark.parametrize("minutes", [-10, 0, 10])
def test_what_changes_on_a_page_that_was_read_is_found_by_the_next_run_whatever_the_clocks_say(
    world: World, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    world.crm.set(offset_minutes=minutes)
    first, second, last = world.ids()[0], world.ids()[1], world.ids()[-1]

    def at_once() -> None:
        world.change(first, "1.00")

    def hours_later() -> None:
        world.clock.pass_by(hours=2)
        world.change(second, "2.00")
        world.clock.pass_by(hours=2)
        world.change(last, "3.00")  # on a page that is still to come: the latest change that is seen

    at_each_page(monkeypatch, {1: at_once, 2: hours_later})
    run = world.synchronise()
    assert world.differences().keys() == {first, second}
    assert run.tokens == 2
    world.clock.pass_by(minutes=1)
    world.change(world.ids()[2], "4.00")

    world.synchronise()

    assert world.differences() == {}
    assert world.synchronise().counts["deal"]["changed"] == 0


def test_an_object_that_may_not_be_read_keeps_no_other_from_being_read(world: World) -> None:
    world.refuse(world.customers)
    run = world.synchronise()
    assert (run.state, told(run)) == ("partly", [(world.forbidden, world.customers)])
    assert world.differences() == {}
    assert Customer.objects.count() == 0
    assert Deal.objects.exclude(waits_for=None).exists()

    world.crm.heal()
    run = world.synchronise()

    assert (run.state, run.problems) == ("done", [])
    assert Customer.objects.count() == len(world.crm.tables[world.customers].rows)
    here = dict(Deal.objects.values_list("external_id", "customer__external_id"))
    assert here == {one: world.customer_of(row) for one, row in world.rows().items()}
    assert not Deal.objects.exclude(waits_for=None).exists()


def test_a_field_that_was_taken_away_is_told_and_the_rest_is_read(read: World) -> None:
    read.map("customer", region="Nowhere__c")
    read.change(read.ids()[0], "9.00")

    run = read.synchronise()

    assert (run.state, told(run)) == ("partly", [("", read.customers)])
    assert "Nowhere__c" in run.problems[0]["message"]
    assert read.differences() == {}


@only_fxiaoke
def test_what_was_not_read_stays_on_record_however_much_else_is_told(world: World) -> None:
    world.crm.set(most_rows=20)
    for kind, number in (("deal", "discount"), ("contact", ""), ("quote", "amount")):
        source = asdict(world.mapping[kind][0])
        world.connection.mapping[kind] = [source]
        source["fields"] |= {number: "name"} if number else {}  # which never is a number
    world.connection.save()
    world.refuse("ContactObj")

    run = world.synchronise()

    assert len(run.problems) == 20
    assert (world.forbidden, "ContactObj") in told(run)
    assert {code for code, _source in told(run)} == {world.forbidden, "unread"}
    assert run.state == "partly"
    assert world.differences() == {}


def test_rows_that_cannot_be_kept_are_counted_and_told(world: World) -> None:
    """A contact is nothing without its customer."""
    world.connection.mapping["contact"] = [asdict(world.mapping["contact"][0])]
    world.connection.save()
    rows = world.crm.tables["Contacts" if world.page == 200 else "ContactObj"].rows
    name = "Account_Name" if world.page == 200 else "account_id"
    for number in list(rows)[:2]:
        rows[number][name] = None

    run = world.synchronise()

    without = [row for row in rows.values() if not row[name]]
    assert run.counts["contact"]["skipped"] == len(without)
    assert run.counts["contact"]["new"] == len(rows) - len(without)
    assert run.state == "partly"
    assert {code for code, _source in told(run)} == {"skipped"}
    assert "customer" in run.problems[0]["message"]


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("name", "Pumps\x00", "Pumps"),
        ("name", "Pumps \ud83d", "Pumps \N{REPLACEMENT CHARACTER}"),
        ("name", "x" * 500, "x" * 300),
        ("contacts", 3_000_000_000, None),
        ("amount", Decimal(10) ** 18, None),
        ("amount", Decimal("999999999999999999.999"), None),
        ("amount", Decimal("1E+999999"), None),
        ("amount", Decimal("1.005"), Decimal("1.00")),
    ],
)
def test_no_value_of_a_row_keeps_the_others_from_being_kept(world: World, name: str, given: Any, kept: Any) -> None:
    values = {"name": "Pumps", name: given}
    row = Row("1", BEGAN, {"deep": [{name: given}], str(given): 1})

    store.keep(world.connection, "deal", [(row, values)], now=BEGAN)

    assert getattr(Deal.objects.get(), name) == kept


# --- killed, paused, limited, twice ------------------------------------------------------------------------


def test_a_killed_run_goes_on_after_its_last_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    at_each_page(monkeypatch, {3: killed}, before=True)
    job = world.start()
    with pytest.raises(KeyboardInterrupt):
        world.work(job)
    monkeypatch.setattr(store, "keep", KEEP)
    assert Deal.objects.count() == 2 * world.page
    asked = world.asked()
    assert asked == 3

    world.clock.pass_by(minutes=3)  # the lease has run out
    assert world.work(job).state == Job.State.DONE

    assert world.differences() == {}
    run = SyncRun.objects.get()
    assert (run.state, run.counts["deal"]["read"], run.counts["deal"]["new"]) == ("done", world.few, world.few)
    assert world.asked() - asked == -(-world.few // world.page) - 2
    assert world.tokens_asked() == 1
    assert DealSnapshot.objects.count() == world.few


def test_a_run_killed_after_the_last_page_reads_none_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = store.mark_gone

    def dies(connection: Connection, kind: str, ids: list[str], **named: Any) -> int:
        if kind == "deal" and SyncPoint.objects.get(kind="deal").seen_until == world.last_change():
            raise KeyboardInterrupt
        return gone(connection, kind, ids, **named)

    monkeypatch.setattr(sync.store, "mark_gone", dies)
    job = world.start()
    with pytest.raises(KeyboardInterrupt):
        world.work(job)
    monkeypatch.setattr(sync.store, "mark_gone", gone)
    asked = world.asked()

    world.clock.pass_by(minutes=3)
    assert world.work(job).state == Job.State.DONE

    assert world.asked() == asked
    assert world.differences() == {}
    assert SyncRun.objects.get().counts["deal"]["read"] == world.few


def test_a_worker_that_was_too_slow_writes_nothing_any_more(world: World) -> None:
    """It waits for the CRM until another one has taken its job, and done it."""
    world.break_down(after=1, times=5)
    job = world.start()
    slept: list[float] = []
    sleep = world.clock.sleep

    def taken_over(seconds: float) -> None:
        sleep(seconds)
        slept.append(seconds)
        if seconds >= 1 and len(world.crm.faults) == 1 and world.crm.faults[0].times == 3:
            world.crm.faults[0].times = 0
            world.clock.pass_by(minutes=3)
            world.clock.sleep = sleep  # type: ignore[method-assign]
            assert world.work(job).state == Job.State.DONE
            world.break_down(times=3)

    world.clock.sleep = taken_over  # type: ignore[method-assign]
    assert not jobs.run(job.pk, now_fn=world.clock)

    assert slept
    assert world.differences() == {}
    run = SyncRun.objects.get()
    assert (run.state, run.counts["deal"]["read"]) == ("done", world.few)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == (Job.State.DONE, 2, "")


def test_a_paused_connection_stops_between_pages_and_begins_again_when_it_may(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = Connection.objects.filter(pk=world.connection.pk)
    at_each_page(monkeypatch, {2: lambda: mine.update(paused_at=world.clock()) and None})
    assert world.work(world.start()).result == {"stopped": "paused"}
    assert (SyncRun.objects.get().state, Deal.objects.count()) == ("stopped", 2 * world.page)
    calls = len(world.crm.seen())
    assert world.work(world.start()).result == {"skipped": "paused"}
    assert len(world.crm.seen()) == calls

    mine.update(paused_at=None)
    run = world.synchronise()

    assert world.differences() == {}
    assert (run.state, run.counts["deal"]["new"]) == ("done", world.few - 2 * world.page)


def test_a_connection_that_was_ended_stops_between_pages(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = Connection.objects.filter(pk=world.connection.pk)
    at_each_page(monkeypatch, {1: lambda: mine.update(ended_at=world.clock()) and None})

    world.work(world.start())

    assert (SyncRun.objects.get().state, Deal.objects.count()) == ("stopped", world.page)


def limit(world: World) -> dt.datetime:
    """No more calls after the second page; when there will be again."""
    if isinstance(world, Zoho):
        world.fail("code", after=2, times=5, status=429, code="TOO_MANY_REQUESTS")
        return BEGAN + dt.timedelta(hours=1)
    world.fail("code", after=2, times=1, code=30002)
    return dt.datetime(2026, 3, 10, 16, 5, tzinfo=dt.UTC)  # just after midnight in Shanghai


def test_a_run_that_reaches_the_limit_goes_on_when_there_are_calls_again(world: World) -> None:
    again_at = limit(world)
    first = world.work(world.start())
    run = SyncRun.objects.get()
    assert (first.state, first.result["stopped"], run.state) == (Job.State.DONE, "limit", "stopped")
    assert "takes no more calls" in run.problems[-1]["message"] or "used up" in run.problems[-1]["message"]
    assert Deal.objects.count() == 2 * world.page
    later = world.start()
    assert later.pk != first.pk
    assert again_at <= later.run_at < again_at + dt.timedelta(minutes=2)
    world.work(later)
    assert Deal.objects.count() == 2 * world.page  # not yet
    asked = world.asked()

    world.clock.now = later.run_at
    assert world.work(later).state == Job.State.DONE

    assert world.differences() == {}
    run = SyncRun.objects.get()
    assert (run.state, run.counts["deal"]["read"], run.counts["deal"]["new"]) == ("done", world.few, world.few)
    assert world.asked() - asked == -(-world.few // world.page) - 2
    assert not Job.objects.unfinished().exists()


def test_what_reads_the_whole_still_does_after_a_limit(read: World) -> None:
    read.map("deal", product=read.connection.mapping["deal"][0]["fields"]["name"])
    limit(read)
    read.work(read.start(whole=True))
    later = read.start()

    read.clock.now = later.run_at
    read.work(later)

    assert not Deal.objects.filter(product="").exists()
    assert SyncRun.objects.first().counts["deal"]["changed"] == read.few  # type: ignore[union-attr]


@pytest.mark.django_db(transaction=True)
def test_of_two_workers_that_start_the_same_connection_one_reads(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, other_is_done = threading.Event(), threading.Event()
    payload = {"connection": world.connection.pk}
    first, second = (jobs.enqueue("crm.tasks.sync", payload=payload, run_at=BEGAN) for _ in range(2))

    def wait() -> None:
        reading.set()
        assert other_is_done.wait(20)

    def works() -> None:
        try:
            jobs.run(first.pk, now_fn=world.clock)
        finally:
            connections.close_all()

    at_each_page(monkeypatch, {1: wait}, before=True)
    monkeypatch.setattr(store, "keep", _outside_the_transaction(store.keep))
    worker = threading.Thread(target=works)
    worker.start()
    assert reading.wait(20)
    jobs.run(second.pk, now_fn=world.clock)
    other_is_done.set()
    worker.join(30)

    second.refresh_from_db()
    assert second.result == {"skipped": "another runs"}
    run = SyncRun.objects.get()
    assert (run.job, run.state, run.counts["deal"]["read"]) == (first.pk, "done", world.few)
    assert world.differences() == {}
