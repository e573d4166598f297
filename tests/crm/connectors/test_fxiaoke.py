"""The Fxiaoke connector against a server that behaves, and misbehaves, as the real one is known to."""

from __future__ import annotations

import datetime as dt
import itertools
import logging
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from crm.connectors.base import (
    ConnectorError,
    CredentialsRefused,
    LimitReached,
    Misconfigured,
    NotPermitted,
    NotThere,
    Page,
    PagingLoop,
    Row,
    Token,
    Unavailable,
)
from crm.connectors.fxiaoke import CLOUDS, LIMITS, Credentials, Fxiaoke, Style
from crm.kinds import Type
from tests.fakes import fxiaoke as fake
from tests.fakes.fxiaoke_rows import ADMIN, SATISFACTION, SURVEYS

DEALS = "NewOpportunityObj"
FIELDS = ["name", "amount", "close_date"]
GOOD = Credentials(fake.APP_ID, fake.APP_SECRET, fake.PERMANENT_CODE, ADMIN)
TOKENS = (fake.TOKEN, fake.LEGACY_TOKEN)


class Time:
    """A clock that only sleeping moves, for the connector and the server alike."""

    def __init__(self) -> None:
        self.seconds = dt.datetime(2026, 3, 10, 6, tzinfo=dt.UTC).timestamp()
        self.naps: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.seconds

    def now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(self.seconds, dt.UTC)

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.naps.append(seconds)
            self.seconds += seconds


class Kept:
    """Tokens of one connection, shared by threads."""

    def __init__(self) -> None:
        self.token: Token | None = None
        self._lock = threading.Lock()

    def get(self) -> Token | None:
        return self.token

    def put(self, token: Token) -> None:
        self.token = token

    @contextmanager
    def lock(self) -> Iterator[None]:
        with self._lock:
            yield


class World:
    """A server, a clock, and connectors that share a token."""

    def __init__(self, crm: fake.Fxiaoke, clock: Time) -> None:
        self.crm, self.clock, self.tokens = crm, clock, Kept()

    def connector(self, credentials: Credentials = GOOD, **how: Any) -> Fxiaoke:
        given: dict[str, Any] = {"cloud": self.crm.url, "own_bases": [self.crm.url], "tokens": self.tokens}
        given |= {"clock": self.clock.now, "sleep": self.clock.sleep, "ticks": self.clock}
        return Fxiaoke(credentials, **given | how)

    def rows(self, source: str = DEALS, *, since: dt.datetime | None = None, **how: Any) -> list[Row]:
        pages = self.connector(**how).pages(source, fields=["name"], since=since, cursor=None)
        return [row for page in pages for row in page.rows]

    def stored(self, source: str = DEALS) -> dict[str, dict[str, Any]]:
        return self.crm.tables[source].rows

    def token_calls(self) -> int:
        return sum(len(self.crm.seen(path)) for path in TOKENS)


@contextmanager
def world(deals: int) -> Iterator[World]:
    clock = Time()
    with fake.Fxiaoke(deals=deals, clock=clock) as crm:
        yield World(crm, clock)


@pytest.fixture
def small() -> Iterator[World]:
    """Three pages of deals and a bit."""
    with world(330) as it:
        yield it


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[World, list[Page]]]:
    """20 000 deals, read once."""
    with world(20_000) as it:
        yield it, list(it.connector().pages(DEALS, fields=FIELDS, since=None, cursor=None))


def ids(rows: list[Row]) -> list[str]:
    return [row.external_id for row in rows]


def newest(rows: list[Row]) -> dt.datetime:
    return max(row.modified_at for row in rows if row.modified_at)


# --- reading ---------------------------------------------------------------------------------------------


def test_a_full_load_of_20_000_deals_loses_and_doubles_nothing(large: tuple[World, list[Page]]) -> None:
    it, pages = large

    read = [row.external_id for page in pages for row in page.rows]

    assert len(read) == 20_000
    assert set(read) == set(it.stored())


def test_every_page_is_asked_for_by_the_last_id_and_never_by_a_growing_offset(large: tuple[World, list[Page]]) -> None:
    it, _pages = large

    asked = [seen.body["data"]["search_query_info"] for seen in it.crm.seen(fake.QUERY, DEALS)]

    assert len(asked) == 201  # the last one finds nothing more
    assert {(info["offset"], info["limit"]) for info in asked} == {(0, 100)}
    assert len({str(info["filters"]) for info in asked}) == 201


def test_every_call_is_a_post_with_a_trace_id_of_its_own(large: tuple[World, list[Page]]) -> None:
    it, _pages = large

    traces = [seen.query["thirdTraceId"] for seen in it.crm.seen()]

    assert len(set(traces)) == len(traces)
    assert all(seen.answer == "0" for seen in it.crm.seen())


def test_calls_of_one_interface_are_a_quarter_of_a_second_apart(large: tuple[World, list[Page]]) -> None:
    it, _pages = large

    times = [seen.at for seen in it.crm.seen(fake.QUERY)]

    assert min(after - before for before, after in itertools.pairwise(times)) >= 0.249


def test_a_row_says_what_the_record_says(large: tuple[World, list[Page]]) -> None:
    it, pages = large
    connector = it.connector()

    wrong = [
        row.external_id
        for page in pages
        for row in page.rows
        if not _is_same(connector, row, it.stored()[row.external_id])
    ]

    assert wrong == []


def _is_same(connector: Fxiaoke, row: Row, stored: dict[str, Any]) -> bool:
    amount = connector.value(row.raw.get("amount"), Type.MONEY)
    day = connector.value(row.raw.get("close_date"), Type.DAY)
    expected = stored.get("close_date")
    expected = dt.datetime.fromtimestamp(expected / 1000, fake.SHANGHAI).date() if expected else None
    modified = dt.datetime.fromtimestamp(stored["last_modified_time"] / 1000, dt.UTC)
    return (
        amount == (None if stored["amount"] is None else Decimal(stored["amount"]))
        and day == expected
        and row.modified_at is not None
        and abs(row.modified_at - modified) < dt.timedelta(milliseconds=1)
        and not row.gone
    )


def test_an_incremental_run_reads_what_changed_and_nothing_else(large: tuple[World, list[Page]]) -> None:
    it, pages = large
    since = newest([row for page in pages for row in page.rows]) + dt.timedelta(milliseconds=1)
    changed = sorted(it.stored())[5::7000]
    for deal in changed:
        it.crm.change(DEALS, deal, amount="1.00")
    new = it.crm.add(DEALS, name="新商机")
    before = len(it.crm.seen(fake.QUERY))

    read = it.rows(since=since)

    assert sorted(ids(read)) == sorted([*changed, new])
    assert len(it.crm.seen(fake.QUERY)) - before == 1


def test_a_change_at_the_very_moment_asked_for_is_read(small: World) -> None:
    moment = newest(small.rows())

    assert len(small.rows(since=moment)) == 1


def test_a_run_goes_on_after_the_page_where_another_stopped(small: World) -> None:
    pages = small.connector().pages(DEALS, fields=["name"], since=None, cursor=None)
    first = next(pages)

    rest = small.connector().pages(DEALS, fields=["name"], since=None, cursor=first.cursor)

    read = ids([*first.rows, *(row for page in rest for row in page.rows)])
    assert sorted(read) == sorted(small.stored())
    assert len(read) == 330


@pytest.mark.parametrize(("source", "path"), [(DEALS, fake.QUERY), (SURVEYS, fake.CUSTOM_QUERY)])
def test_an_objects_own_interface_is_asked(small: World, source: str, path: str) -> None:
    read = small.rows(source)

    assert sorted(ids(read)) == sorted(small.stored(source))
    assert {seen.path for seen in small.crm.seen(source=source)} == {fake.DESCRIBE, path}


def test_people_are_known_by_the_number_that_owners_are_given_by(small: World) -> None:
    people = set(ids(small.rows("PersonnelObj")))
    swept = {one for some in small.connector().ids("PersonnelObj") for one in some}
    owners = {row["owner"][0] for row in small.stored().values()}

    assert owners <= people
    assert swept == people


def test_an_employee_who_may_see_little_is_given_little_and_no_error(small: World) -> None:
    read = small.rows(credentials=replace(GOOD, user="1003"))

    theirs = [row_id for row_id, row in small.stored().items() if row["owner"] == ["1003"]]
    assert sorted(ids(read)) == sorted(theirs)


def test_the_test_tells_whom_it_reached(small: World) -> None:
    about = small.connector().test()

    assert (about.organisation, about.time_zone) == (fake.EA, "Asia/Shanghai")


# --- what there is ---------------------------------------------------------------------------------------


def test_a_tenants_own_field_is_described(small: World) -> None:
    found = {field.name: field for field in small.connector().fields("AccountObj")}

    assert (found[SATISFACTION].label, found[SATISFACTION].type) == ("客户满意度", "number")
    assert ("A", "重点客户") in found["account_level"].choices


@pytest.mark.parametrize("labels", [True, False])
def test_what_people_read_is_offered_beside_a_stored_code(small: World, labels: bool) -> None:
    small.crm.set(labels=labels)
    pages = small.connector().pages(DEALS, fields=["sales_stage__r"], since=None, cursor=None)

    rows = [row for page in pages for row in page.rows]

    assert all(row.raw["sales_stage__r"] == fake_stage(small, row) for row in rows)
    assert small.crm.seen(fake.QUERY)[0].body["data"]["search_query_info"]["fieldProjection"][-1] == "sales_stage"


def fake_stage(it: World, row: Row) -> str:
    options = it.crm.tables[DEALS].fields["sales_stage"]["options"]
    words = {one["value"]: one["label"] for one in options}
    return str(words[it.stored()[row.external_id]["sales_stage"]])


@pytest.mark.parametrize("renamed", ["", "field_new__c"])
def test_a_field_that_went_away_is_said_so_and_not_read_as_empty(small: World, renamed: str) -> None:
    connector = small.connector()
    assert list(connector.pages("AccountObj", fields=[SATISFACTION], since=None, cursor=None))
    small.crm.remove_field("AccountObj", SATISFACTION, renamed=renamed)

    with pytest.raises(NotThere, match=SATISFACTION) as caught:
        list(connector.pages("AccountObj", fields=[SATISFACTION], since=None, cursor=None))

    assert caught.value.source == "AccountObj"


def test_an_object_that_is_not_there_is_said_so(small: World) -> None:
    with pytest.raises(NotThere) as caught:
        small.connector().fields("AppraiseObj")

    assert (caught.value.source, caught.value.code) == ("AppraiseObj", "15002")


# --- gone ------------------------------------------------------------------------------------------------


def test_a_voided_record_is_gone(small: World) -> None:
    voided = min(small.stored())
    small.crm.void(DEALS, voided)

    assert [row.external_id for row in small.rows() if row.gone] == [voided]
    assert voided not in swept(small)


def test_a_record_marked_as_deleted_is_gone(small: World) -> None:
    deleted = min(small.stored())
    small.crm.change(DEALS, deleted, is_deleted=True)

    assert [row.external_id for row in small.rows() if row.gone] == [deleted]


@pytest.mark.parametrize("act", ["void", "delete"])
def test_a_record_that_is_silently_missing_is_missing_from_the_sweep(small: World, act: str) -> None:
    small.crm.set(voided="hidden")
    everything = swept(small)
    lost = min(small.stored())
    getattr(small.crm, act)(DEALS, lost)

    assert everything - swept(small) == {lost}
    assert len(everything) == 330


def test_it_has_no_list_of_the_deleted(small: World) -> None:
    assert list(small.connector().gone(DEALS, since=None)) == []
    assert small.crm.seen() == []


def swept(it: World) -> set[str]:
    return {one for some in it.connector().ids(DEALS) for one in some}


# --- what changes while it is read -----------------------------------------------------------------------


def test_a_row_given_twice_comes_with_its_newer_state_later(small: World) -> None:
    small.crm.fail("twice", after=1, path=fake.QUERY)

    read = small.rows()

    twice = [row for row in read if ids(read).count(row.external_id) == 2]
    assert set(ids(read)) == set(small.stored())
    assert len(twice) == 2
    assert twice[0].modified_at < twice[1].modified_at  # type: ignore[operator]


def test_pages_in_no_order_lose_nothing(small: World) -> None:
    small.crm.fail("shuffled", times=None, path=fake.QUERY)

    assert sorted(ids(small.rows())) == sorted(small.stored())


def test_what_is_changed_after_its_page_is_read_in_the_next_run(small: World) -> None:
    start = small.clock.now()
    small.crm.fail("edited", path=fake.QUERY)
    first = small.rows()

    again = small.rows(since=start)

    assert ids(again) == [first[0].external_id]
    assert again[0].raw["name"] == "改过的名称" != first[0].raw["name"]


def test_what_is_made_behind_the_cursor_is_read_in_the_next_run(small: World) -> None:
    start = small.clock.now()
    small.crm.fail("before", after=1, path=fake.QUERY)
    first = small.rows()
    (made,) = set(small.stored()) - set(ids(first))

    assert ids(small.rows(since=start)) == [made]


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_wrong_loses_nothing(small: World, minutes: int) -> None:
    small.crm.set(offset_minutes=minutes)
    changed = max(small.stored())
    small.crm.change(DEALS, changed)
    watermark = newest(small.rows())
    small.clock.sleep(1)
    small.crm.change(DEALS, changed, name="后来")

    (row,) = small.rows(since=watermark)

    assert (row.external_id, row.raw["name"]) == (changed, "后来")


def test_pages_shorter_than_was_asked_for_lose_nothing(small: World) -> None:
    small.crm.set(most_rows=60)

    assert sorted(ids(small.rows())) == sorted(small.stored())


def test_the_same_page_again_and_again_is_a_loop(small: World) -> None:
    small.crm.fail("again", times=None, path=fake.QUERY)

    with pytest.raises(PagingLoop) as caught:
        small.rows()

    assert caught.value.source == DEALS
    assert len(small.crm.seen(fake.QUERY)) == 2


def test_one_record_in_place_of_a_list_is_no_row(small: World) -> None:
    small.crm.fail("single", path=fake.QUERY)

    with pytest.raises(Unavailable, match="no list"):
        small.rows()


# --- answers that are none ---------------------------------------------------------------------------------

BROKEN = ["html", "truncated", "dropped", "status"]


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_answer_is_asked_for_again(small: World, kind: str) -> None:
    small.crm.fail(kind, times=2, after=1, code=502, path=fake.QUERY)
    connector = small.connector()

    read = [row for page in connector.pages(DEALS, fields=["name"], since=None, cursor=None) for row in page.rows]

    assert sorted(ids(read)) == sorted(small.stored())
    assert connector.tally.retries == 2
    assert len({seen.query["thirdTraceId"] for seen in small.crm.seen(fake.QUERY)}) == 6


@pytest.mark.parametrize("kind", BROKEN)
def test_answers_that_stay_broken_are_given_up(small: World, kind: str) -> None:
    small.crm.fail(kind, times=None, code=503, path=fake.QUERY)

    with pytest.raises(Unavailable):
        small.rows()

    assert len(small.crm.seen(fake.QUERY)) == 5


def test_an_answer_that_takes_too_long_is_asked_for_again(small: World) -> None:
    small.crm.fail("slow", seconds=5, path=fake.QUERY)

    read = small.rows(limits=replace(LIMITS, silence=0.2))

    assert sorted(ids(read)) == sorted(small.stored())


def test_an_answer_without_an_end_is_not_read_to_its_end(small: World) -> None:
    small.crm.fail("huge", times=None, path=fake.QUERY)

    with pytest.raises(Unavailable, match="more than may be read"):
        small.rows(limits=replace(LIMITS, size=1_000_000))


def test_a_redirect_is_not_followed(small: World) -> None:
    small.crm.fail("wrong_host", times=None, path=fake.QUERY)

    with pytest.raises(Misconfigured):
        small.rows()

    assert [seen.path for seen in small.crm.seen()] == [fake.TOKEN, fake.DESCRIBE, fake.QUERY]


@pytest.mark.parametrize(("status", "error"), [(403, Misconfigured), (429, LimitReached)])
def test_a_status_that_fxiaoke_itself_never_gives_is_no_data(
    small: World, status: int, error: type[ConnectorError]
) -> None:
    small.crm.fail("status", times=None, code=status, path=fake.QUERY)

    with pytest.raises(error) as caught:
        small.rows()

    assert caught.value.code == f"HTTP {status}"


# --- what its codes mean -----------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [-1, -2, 50009])
def test_a_busy_server_is_asked_again(small: World, code: int) -> None:
    small.crm.fail("code", code=code, times=3, after=2, path=fake.QUERY)

    assert sorted(ids(small.rows())) == sorted(small.stored())


@pytest.mark.parametrize("code", [-1, -2, 50009])
def test_a_server_that_stays_busy_is_unavailable(small: World, code: int) -> None:
    small.crm.fail("code", code=code, times=None, path=fake.QUERY)

    with pytest.raises(Unavailable) as caught:
        small.rows()

    assert caught.value.code == str(code)
    assert len(small.crm.seen(fake.QUERY)) == 5


@pytest.mark.parametrize("code", [14001, 30004])
def test_too_many_calls_are_waited_for(small: World, code: int) -> None:
    small.crm.fail("code", code=code, times=2, after=1, path=fake.QUERY)

    assert sorted(ids(small.rows())) == sorted(small.stored())
    assert [nap for nap in small.clock.naps if nap > 1] == [20, 20]


@pytest.mark.parametrize("code", [14001, 30004])
def test_too_many_calls_are_not_waited_for_without_end(small: World, code: int) -> None:
    small.crm.fail("code", code=code, times=None, path=fake.QUERY)

    with pytest.raises(LimitReached) as caught:
        small.rows()

    assert (caught.value.code, caught.value.again_at) == (str(code), None)
    assert len(small.crm.seen(fake.QUERY)) == 5


def test_whoever_calls_faster_than_is_allowed_waits_and_goes_on(small: World) -> None:
    connector = small.connector(limits=replace(LIMITS, apart=0))

    for _ in range(101):
        connector.test()

    assert [seen.answer for seen in small.crm.seen(fake.LIST)].count("30004") == 1
    assert small.clock.naps == [20]


def test_a_day_used_up_is_over_after_midnight_in_shanghai(small: World) -> None:
    small.crm.set(daily_quota=3)

    with pytest.raises(LimitReached) as caught:
        small.rows()

    assert caught.value.code == "30002"
    assert caught.value.again_at == dt.datetime(2026, 3, 11, 0, 5, tzinfo=fake.SHANGHAI)
    assert len(small.crm.seen(fake.QUERY)) == 3  # two pages, one refusal
    small.clock.sleep((caught.value.again_at - small.clock.now()).total_seconds())
    small.crm.set(daily_quota=10)
    assert len(small.rows()) == 330


def test_a_day_just_begun_in_shanghai_ends_a_day_later(small: World) -> None:
    small.clock.sleep(11 * 3600)  # 01:00 of the 11th there, still the 10th in UTC
    small.crm.set(daily_quota=0)

    with pytest.raises(LimitReached) as caught:
        small.rows()

    assert caught.value.again_at == dt.datetime(2026, 3, 12, 0, 5, tzinfo=fake.SHANGHAI)


def test_a_tenant_who_bought_no_calls_is_not_asked_again(small: World) -> None:
    small.crm.fail("code", code=30003, times=None)

    with pytest.raises(LimitReached) as caught:
        small.rows()

    assert (caught.value.code, caught.value.again_at) == ("30003", None)
    assert len(small.crm.seen(fake.DESCRIBE)) == 1


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        ((20006, 20015, 10006, 11000, 11999, 20010, 20012, 30007, 30027), CredentialsRefused),
        ((20014, 20020, 20021, 20022, 20023, 15003), NotPermitted),
        ((15002, 32000), Misconfigured),
        ((98765, 1, -3), Misconfigured),  # not known to anybody
    ],
)
def test_what_no_repetition_mends_is_asked_once(
    small: World, codes: tuple[int, ...], error: type[ConnectorError]
) -> None:
    connector = small.connector()
    for code in codes:
        small.crm.heal()
        small.crm.fail("code", code=code, times=None, path=fake.QUERY)
        before = len(small.crm.seen(fake.QUERY))

        with pytest.raises(error) as caught:
            list(connector.pages(DEALS, fields=["name"], since=None, cursor=None))

        assert (type(caught.value), caught.value.code, caught.value.source) == (error, str(code), DEALS)
        assert len(small.crm.seen(fake.QUERY)) - before == 1


def test_one_object_that_may_not_be_read_keeps_no_other_from_being_read(small: World) -> None:
    small.crm.fail("code", code=20020, times=None, source=DEALS)
    connector = small.connector()

    with pytest.raises(NotPermitted):
        list(connector.pages(DEALS, fields=["name"], since=None, cursor=None))

    assert sum(len(page.rows) for page in connector.pages("AccountObj", fields=[], since=None, cursor=None)) == 33


# --- tokens ------------------------------------------------------------------------------------------------


def test_eight_workers_ask_for_one_token(small: World) -> None:
    small.crm.set(token_seconds=0.05)  # long enough for the others to come
    ready = threading.Barrier(8)

    def work(_number: int) -> str:
        connector = small.connector()
        ready.wait()
        return connector.test().organisation

    with ThreadPoolExecutor(8) as workers:
        reached = list(workers.map(work, range(8)))

    assert reached == [fake.EA] * 8
    assert small.token_calls() == 1


def test_eight_workers_whose_token_dies_ask_for_one_more(small: World) -> None:
    small.connector().test()
    small.crm.set(token_seconds=0.05)
    ready = threading.Barrier(8)
    small.crm.fail("token_dies")

    def work(_number: int) -> int:
        connector = small.connector()
        ready.wait()
        return sum(len(page.rows) for page in connector.pages(DEALS, fields=["name"], since=None, cursor=None))

    with ThreadPoolExecutor(8) as workers:
        read = list(workers.map(work, range(8)))

    assert read == [330] * 8
    assert small.token_calls() == 2


def test_a_token_that_dies_on_the_way_is_replaced_once_and_nothing_is_lost(small: World) -> None:
    small.crm.fail("token_dies", after=2, path=fake.QUERY)
    connector = small.connector()

    read = [row for page in connector.pages(DEALS, fields=["name"], since=None, cursor=None) for row in page.rows]

    assert sorted(ids(read)) == sorted(small.stored())
    assert len(read) == 330
    assert (connector.tally.tokens, small.token_calls()) == (2, 2)
    assert connector.tally.errors == ["Fxiaoke did not know the token any more (20016)."]


@pytest.mark.parametrize("code", [20016, 20005, 20017, 10013])
def test_a_token_that_is_never_accepted_is_no_endless_loop(small: World, code: int) -> None:
    small.crm.fail("code", code=code, times=None)

    with pytest.raises(CredentialsRefused) as caught:
        small.rows()

    assert (caught.value.code, caught.value.source) == (str(code), DEALS)
    assert len(small.crm.seen(fake.DESCRIBE)) == 2
    assert small.token_calls() == 2


def test_a_token_is_kept_until_shortly_before_its_end(small: World) -> None:
    small.connector().test()
    small.clock.sleep(6850)
    small.connector().test()
    assert small.token_calls() == 1

    small.clock.sleep(60)  # less than five minutes are left
    small.connector().test()

    assert small.token_calls() == 2
    assert {seen.answer for seen in small.crm.seen()} == {"0"}


def test_a_token_of_another_application_is_not_used(small: World) -> None:
    small.connector().test()

    with pytest.raises(CredentialsRefused):
        small.connector(replace(GOOD, app_id="FSAID_other")).test()


@pytest.mark.parametrize("wrong", [{"app_secret": "wrong"}, {"permanent_code": "wrong"}, {"app_id": "wrong"}])
@pytest.mark.parametrize("style", list(Style))
def test_wrong_credentials_are_refused_at_once(small: World, wrong: dict[str, str], style: Style) -> None:
    with pytest.raises(CredentialsRefused) as caught:
        small.connector(replace(GOOD, style=style, **wrong)).test()

    assert caught.value.code == "10006"
    assert small.token_calls() == len(small.crm.seen()) == 1


@pytest.mark.parametrize("code", [20014, 20016, 15002])
def test_an_application_that_is_given_no_token_is_refused(small: World, code: int) -> None:
    small.crm.fail("code", code=code, times=None, path=fake.TOKEN)

    with pytest.raises(CredentialsRefused) as caught:
        small.connector().test()

    assert (caught.value.code, small.token_calls()) == (str(code), 1)


def test_the_eleventh_token_of_a_minute_is_waited_for(small: World) -> None:
    for _ in range(11):
        small.tokens.token = None
        small.connector().test()

    answers = [seen.answer for seen in small.crm.seen(fake.TOKEN)]
    assert answers == ["0"] * 10 + ["14001"] * 3 + ["0"]
    assert small.clock.naps == [20, 20, 20]


# --- the legacy style --------------------------------------------------------------------------------------

LEGACY = replace(GOOD, style=Style.LEGACY, user=fake.MOBILE)


def test_the_legacy_style_reads_the_same(small: World) -> None:
    assert [(row.external_id, row.modified_at) for row in small.rows(credentials=LEGACY)] == [
        (row.external_id, row.modified_at) for row in small.rows(tokens=Kept())
    ]


def test_the_legacy_style_says_in_the_body_who_asks(small: World) -> None:
    small.rows(credentials=LEGACY)

    assert [seen.path for seen in small.crm.seen()][:3] == [fake.LEGACY_TOKEN, fake.USER, fake.DESCRIBE]
    assert len(small.crm.seen(fake.USER)) == 1
    asked = small.crm.seen(fake.QUERY)[0]
    assert (asked.body["currentOpenUserId"], asked.body["corpId"]) == (fake.OPEN_USER, fake.EA)
    assert "authorization" not in asked.headers


def test_the_legacy_style_knows_people_by_their_numbers_too(small: World) -> None:
    pages = small.connector(LEGACY).pages(DEALS, fields=["owner"], since=None, cursor=None)

    for row in (row for page in pages for row in page.rows):
        assert row.raw["owner"] == small.stored()[row.external_id]["owner"]


def test_a_token_of_one_style_is_not_used_in_the_other(small: World) -> None:
    small.connector().test()
    small.connector(LEGACY).test()

    assert [seen.answer for seen in small.crm.seen()] == ["0"] * 5


# --- what must not happen ----------------------------------------------------------------------------------


@pytest.mark.parametrize("credentials", [GOOD, LEGACY])
@pytest.mark.parametrize("path", [*TOKENS, fake.USER, fake.DESCRIBE, fake.QUERY])
def test_no_secret_is_in_logs_errors_or_addresses(
    small: World, caplog: pytest.LogCaptureFixture, credentials: Credentials, path: str
) -> None:
    caplog.set_level(logging.DEBUG)
    secrets, said = [fake.APP_SECRET, fake.PERMANENT_CODE], []
    for code in (-1, 10006, 20014, 20016, 30002, 98765):
        small.crm.heal()
        small.crm.fail("echo", code=code, times=None, path=path)
        connector = small.connector(credentials, tokens=Kept())
        try:
            list(connector.pages(DEALS, fields=["name"], since=None, cursor=None))
        except ConnectorError:
            said.append(traceback.format_exc())
        said.append(repr((connector.tally, credentials)))

    secrets += [token.value for tokens in small.crm.tokens().values() for token in tokens]
    said += [f"{seen.path} {seen.query}" for seen in small.crm.seen()]
    everything = f"{caplog.text} {said}"
    assert [secret for secret in secrets if secret in everything] == []
    assert len(secrets) > 2 or path in TOKENS


def test_a_token_does_not_show_itself(small: World) -> None:
    small.connector().test()

    assert small.tokens.token is not None
    assert small.tokens.token.value not in repr(small.tokens.token)


def test_a_secret_with_a_line_break_is_never_sent(small: World) -> None:
    with pytest.raises(Misconfigured):
        small.connector(replace(GOOD, user="1000\r\nx-fs-ea: other")).test()


def test_only_fxiaokes_own_clouds_may_be_called_and_only_with_encryption() -> None:
    assert sorted(CLOUDS.values()) == [
        "https://open-ale.fxiaoke.com",
        "https://open-hwcloud.fxiaoke.com",
        "https://open-hws.fxiaoke.com",
        "https://open-ksc.sharecrm.com",
        "https://open-na.sharecrm.com",
        "https://open.fxiaoke.com",
    ]


@pytest.mark.parametrize(
    "place", ["https://evil.example", "http://open.fxiaoke.com", "https://open.fxiaoke.com.evil.example", "", "www"]
)
def test_any_other_place_is_refused(small: World, place: str) -> None:
    with pytest.raises(Misconfigured):
        small.connector(cloud=place)

    assert small.crm.seen() == []


def test_a_cloud_whose_name_leads_to_a_private_address_is_not_called(small: World) -> None:
    with pytest.raises(Misconfigured, match="not a public address"):
        small.connector(cloud="fxiaoke", resolve=lambda _host, _port: ["127.0.0.1"]).test()

    assert small.crm.seen() == []
