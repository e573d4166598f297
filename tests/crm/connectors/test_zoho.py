"""The Zoho connector against a server that behaves, and misbehaves, as the real one is known to."""

from __future__ import annotations

import datetime as dt
import logging
import threading
import traceback
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from crm.connectors import http
from crm.connectors.base import (
    ConnectorError,
    CredentialsRefused,
    CursorExpired,
    LimitReached,
    Misconfigured,
    NotPermitted,
    NotThere,
    Page,
    PagingLoop,
    Row,
    Tally,
    Token,
    Unavailable,
)
from crm.connectors.mapping import lacks, mapped
from crm.connectors.zoho import DATA_CENTRES, DEFAULT_MAPPING, Credentials, Zoho
from crm.connectors.zoho.mapper import value
from crm.kinds import KINDS, Type
from tests.fakes import zoho as fake

FIELDS = ["Deal_Name", "Account_Name", "Amount", "Stage", "Next_Step", "Modified_Time"]
GOOD = Credentials(fake.CLIENT_ID, fake.CLIENT_SECRET, fake.REFRESH_TOKEN)
BEGAN = dt.datetime(2026, 3, 10, 6, tzinfo=dt.UTC)
OVERLAP = dt.timedelta(minutes=10)
QUICK = replace(http.DEFAULT, silence=0.4, total=1.0, tries=2)


class Time:
    """A clock that only sleeping, or a test, moves, for the connector and the server alike."""

    def __init__(self) -> None:
        self.now = BEGAN
        self.naps: list[float] = []
        self._lock = threading.Lock()

    def __call__(self) -> dt.datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.naps.append(seconds)
            self.now += dt.timedelta(seconds=seconds)

    def pass_by(self, **how: float) -> None:
        self.now += dt.timedelta(**how)


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

    def __init__(self, crm: fake.Zoho, clock: Time) -> None:
        self.crm, self.clock, self.tokens = crm, clock, Kept()

    def connector(self, credentials: Credentials = GOOD, **how: Any) -> Zoho:
        given: dict[str, Any] = {"data_centre": self.crm.url, "own_bases": [self.crm.url], "tokens": self.tokens}
        return Zoho(credentials, **given | {"clock": self.clock, "sleep": self.clock.sleep} | how)

    def pages(
        self, module: str = "Deals", *, fields: list[str] = FIELDS, since: dt.datetime | None = None, **how: Any
    ) -> Iterator[Page]:
        return self.connector(**how).pages(module, fields=fields, since=since, cursor=None)

    def rows(self, *given: Any, **how: Any) -> list[Row]:
        return [row for page in self.pages(*given, **how) for row in page.rows]

    def stored(self, module: str = "Deals") -> list[str]:
        return [str(number) for number in self.crm.tables[module].order]

    def tokens_given(self) -> int:
        return len([one for one in self.crm.seen(fake.TOKEN) if one.answer == "200"])

    def failure(self, *given: Any, **how: Any) -> ConnectorError:
        with pytest.raises(ConnectorError) as caught:
            self.rows(*given, **how)
        return caught.value


@contextmanager
def world(deals: int) -> Iterator[World]:
    clock = Time()
    with fake.Zoho(deals=deals, clock=clock) as crm:
        yield World(crm, clock)


@pytest.fixture
def small() -> Iterator[World]:
    """Three pages of deals."""
    with world(450) as it:
        yield it


@pytest.fixture(scope="module")
def large() -> Iterator[tuple[World, list[Page]]]:
    """20 000 deals, read once."""
    with world(20_000) as it:
        yield it, list(it.pages())


def ids(rows: list[Row]) -> list[str]:
    return [row.external_id for row in rows]


def newest(rows: list[Row]) -> dt.datetime:
    return max(row.modified_at for row in rows if row.modified_at)


# --- reading ---------------------------------------------------------------------------------------------


def test_a_full_load_of_20_000_deals_loses_and_doubles_nothing(large: tuple[World, list[Page]]) -> None:
    it, pages = large

    assert ids([row for page in pages for row in page.rows]) == it.stored()
    assert len(it.stored()) == 20_000


def test_a_full_load_of_20_000_deals_takes_one_token_one_look_at_the_fields_and_100_pages(
    large: tuple[World, list[Page]],
) -> None:
    it, pages = large

    assert [len(page.rows) for page in pages] == [200] * 100
    assert (len(it.crm.seen("/token")), len(it.crm.seen("/fields")), len(it.crm.seen("/Deals"))) == (1, 1, 100)
    assert not any("page" in one.query for one in it.crm.seen("/Deals"))  # which ends after 2 000


def test_amounts_are_read_to_the_last_digit(large: tuple[World, list[Page]]) -> None:
    it, pages = large
    read = {row.external_id: row.raw["Amount"] for page in pages for row in page.rows}
    amounts = [value(raw, Type.MONEY) for raw in read.values()]

    assert Decimal("98765432109876.55") in amounts
    assert Decimal("-1500.5") in amounts
    assert None in amounts
    assert {type(raw) for raw in read.values()} == {Decimal, int, type(None)} - (
        {int} if int not in map(type, read.values()) else set()
    )
    stored = it.crm.tables["Deals"].rows
    assert all(str(amount) == str(stored[int(key)]["Amount"]) for key, amount in read.items())


def test_a_run_that_was_killed_goes_on_after_its_last_page(small: World) -> None:
    first = next(small.pages())

    rest = small.connector().pages("Deals", fields=FIELDS, since=None, cursor=first.cursor)

    assert ids([*first.rows, *(row for page in rest for row in page.rows)]) == small.stored()


def test_only_what_changed_since_is_read(small: World) -> None:
    since = newest(small.rows())
    small.clock.pass_by(hours=1)
    changed = [small.stored()[3], small.stored()[400]]
    for one in changed:
        small.crm.change("Deals", one, Stage="Closed Won")
    made = small.crm.add("Deals", Deal_Name="New")
    before = len(small.crm.seen("/Deals"))

    rows = small.rows(since=since + dt.timedelta(seconds=1))

    assert ids(rows) == [*changed, made]
    assert len(small.crm.seen("/Deals")) == before + 1


def test_what_changed_in_the_very_second_is_read_again(small: World) -> None:
    at = newest(small.rows())

    assert at in {row.modified_at for row in small.rows(since=at)}


def test_a_fraction_of_the_second_is_cut_off_not_rounded(small: World) -> None:
    at = newest(small.rows())

    assert at in {row.modified_at for row in small.rows(since=at + dt.timedelta(milliseconds=900))}


def test_a_moment_without_an_offset_is_not_asked_about(small: World) -> None:
    with pytest.raises(ValueError, match="offset"):
        small.rows(since=dt.datetime(2026, 1, 1))  # noqa: DTZ001 - the point


@pytest.mark.parametrize("status", [204, 304])
def test_nothing_new_is_no_page_whichever_way_it_is_said(small: World, status: int) -> None:
    small.crm.set(nothing=status)

    assert list(small.pages(since=small.clock() + dt.timedelta(days=1))) == []
    assert small.crm.seen("/Deals")[-1].answer == str(status)


def test_a_module_without_records_is_no_page(small: World) -> None:
    small.crm.tables["Deals"].rows.clear()
    small.crm.tables["Deals"].order.clear()

    assert list(small.pages()) == []


def test_a_record_changed_between_two_pages_comes_twice_and_newer_later(small: World) -> None:
    small.clock.pass_by(hours=1)
    small.crm.fail("twice", path="/Deals", after=1)

    rows = small.rows()

    twice = [row for row in rows if row.external_id == small.stored()[199]]
    assert sorted(set(ids(rows))) == sorted(small.stored())
    assert len(rows) == 451
    assert twice[0].modified_at < twice[1].modified_at  # type: ignore[operator]
    assert twice[1].raw["Next_Step"] == "changed meanwhile"


def test_what_is_changed_after_its_page_was_read_is_found_by_the_next_run(small: World) -> None:
    small.clock.pass_by(hours=1)
    small.crm.fail("edited", path="/Deals")
    rows = small.rows()
    assert "changed afterwards" not in {row.raw["Next_Step"] for row in rows}

    later = small.rows(since=newest(rows) - OVERLAP)

    assert {row.external_id: row.raw["Next_Step"] for row in later}[small.stored()[0]] == "changed afterwards"


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_wrong_at_the_other_end_loses_nothing(small: World, minutes: int) -> None:
    small.crm.set(offset_minutes=minutes)
    small.crm.change("Deals", small.stored()[7], Stage="Closed Won")
    watermark = newest(small.rows())
    small.clock.pass_by(seconds=5)
    small.crm.change("Deals", small.stored()[8], Stage="Closed Won")

    assert {small.stored()[7], small.stored()[8]} <= set(ids(small.rows(since=watermark - OVERLAP)))


@pytest.mark.parametrize("end", ["refused", "silent"])
def test_what_no_list_reaches_is_asked_for_with_queries(small: World, end: str) -> None:
    small.crm.set(record_limit=200, list_end=end)

    assert ids(small.rows()) == small.stored()
    assert len(small.crm.seen("/coql")) == 1


def test_a_run_killed_among_queries_goes_on_there(small: World) -> None:
    small.crm.set(record_limit=200, list_end="silent")
    first = next(small.pages())

    rest = list(small.connector().pages("Deals", fields=FIELDS, since=None, cursor=first.cursor))

    assert ids([*first.rows, *(row for page in rest for row in page.rows)]) == small.stored()
    assert len(small.crm.seen("/Deals")) == 1


def test_queries_know_since_when(small: World) -> None:
    small.clock.pass_by(hours=1)
    for one in small.stored()[:300]:
        small.crm.change("Deals", one, Stage="Closed Won")
    small.crm.set(record_limit=200, list_end="silent")

    assert ids(small.rows(since=small.clock())) == small.stored()[:300]


def test_deleted_records_are_told_of_over_several_pages(small: World) -> None:
    gone = small.stored()[:430]
    small.clock.pass_by(hours=1)
    for number, one in enumerate(gone):
        small.crm.delete("Deals", one, kind="permanent" if number % 2 else "recycle")

    told = list(small.connector().gone("Deals", since=BEGAN))

    assert [len(page) for page in told] == [200, 200, 30]
    assert [one for page in told for one in page] == gone


def test_records_deleted_before_are_not_told_of_again(small: World) -> None:
    small.crm.delete("Deals", small.stored()[0])
    small.clock.pass_by(hours=1)
    late = small.stored()[1]
    small.crm.delete("Deals", late)

    assert list(small.connector().gone("Deals", since=BEGAN + dt.timedelta(minutes=30))) == [[late]]


def test_what_vanished_silently_is_missing_among_all_ids(small: World) -> None:
    vanished = small.stored()[17]
    small.crm.delete("Deals", vanished, silently=True)

    found = [one for page in small.connector().ids("Deals") for one in page]

    assert found == small.stored()
    assert vanished not in found


def test_people_are_read_page_by_page_although_they_are_no_module(small: World) -> None:
    first = small.crm.users[0]
    small.crm.users += [{**first, "id": str(number)} for number in range(1, 250)]
    connector = small.connector()

    pages = list(connector.pages("users", fields=["full_name", "status"], since=None, cursor=None))
    rest = list(connector.pages("users", fields=["full_name"], since=None, cursor=pages[0].cursor))

    assert [len(page.rows) for page in pages] == [200, 61]
    assert [page.cursor for page in pages] == ["2", None]
    assert ids(list(rest[0].rows)) == ids(list(pages[1].rows))


def test_a_connection_tells_whom_it_reaches(small: World) -> None:
    about = small.connector().test()

    assert (about.organisation, about.currency, about.time_zone) == ("示例工业有限公司", "CNY", "Asia/Shanghai")


# --- what there is ---------------------------------------------------------------------------------------


def test_fields_come_with_their_choices(small: World) -> None:
    stage = next(one for one in small.connector().fields("Deals") if one.name == "Stage")

    assert (stage.label, stage.type, stage.choices[6]) == ("Stage", "picklist", ("Closed Won", "赢单"))


def test_a_field_that_is_not_there_is_named_before_anything_is_read(small: World) -> None:
    small.crm.remove_field("Deals", "Next_Step")

    error = small.failure()

    assert isinstance(error, NotThere)
    assert "Next_Step" in str(error)
    assert small.crm.seen("/Deals") == []


def test_a_field_the_profile_hides_is_empty_where_zoho_leaves_it_out(small: World) -> None:
    small.crm.remove_field("Deals", "Next_Step", still_listed=True)

    assert "Next_Step" not in small.rows()[0].raw


def test_a_field_the_profile_hides_is_named_where_zoho_refuses_it(small: World) -> None:
    small.crm.remove_field("Deals", "Next_Step", still_listed=True)
    small.crm.set(unknown_fields="refused")

    error = small.failure()

    assert isinstance(error, NotThere)
    assert "Next_Step" in str(error)


def test_more_than_50_fields_are_not_asked_for(small: World) -> None:
    names = [f"Custom_{number}" for number in range(50)]
    for name in names:
        small.crm.add_field("Deals", name)

    assert isinstance(small.failure(fields=names), Misconfigured)  # with the time of change it is one too many
    assert len(small.rows(fields=names[:49])) == 450


def test_a_module_that_is_not_there_is_not_there(small: World) -> None:
    assert isinstance(small.failure("Deels"), NotThere)


def test_a_name_that_is_none_never_gets_into_an_address(small: World) -> None:
    with pytest.raises(Misconfigured):
        next(small.connector().gone("Deals/../org", since=None))
    assert small.crm.seen("/deleted") == []


def test_stages_have_a_place_and_a_state(small: World) -> None:
    stages = small.connector().stages()

    assert [(one.name, round(one.place, 2), one.state) for one in stages] == [
        ("Qualification", 0.0, "open"),
        ("Needs Analysis", 0.17, "open"),
        ("Value Proposition", 0.33, "open"),
        ("Id. Decision Makers", 0.5, "open"),
        ("Proposal/Price Quote", 0.67, "open"),
        ("Negotiation/Review", 0.83, "open"),
        ("Closed Won", 1.0, "won"),
        ("Closed Lost", 1.0, "lost"),
        ("Closed Lost to Competition", 1.0, "lost"),
    ]
    assert (stages[0].pipeline, stages[0].label) == ("Standard (Standard)", "资格审查")


def test_without_pipelines_stages_are_told_apart_by_their_words(small: World) -> None:
    with_pipelines = small.connector().stages()
    small.crm.set(pipelines=False)

    stages = small.connector().stages()

    assert [(one.name, one.place, one.state) for one in stages] == [
        (one.name, one.place, one.state) for one in with_pipelines
    ]


# --- tokens ----------------------------------------------------------------------------------------------


def test_the_token_is_asked_for_in_the_body_and_shown_in_zohos_own_scheme(small: World) -> None:
    small.rows()

    asked, used = small.crm.seen("/token")[0], small.crm.seen("/Deals")[0]
    assert (asked.method, asked.line) == ("POST", "/oauth/v2/token")
    assert asked.body["refresh_token"] == fake.REFRESH_TOKEN
    assert used.headers["authorization"] == f"Zoho-oauthtoken {small.tokens.token.value}"  # type: ignore[union-attr]


def test_a_token_that_dies_midway_is_replaced_and_nothing_is_lost(small: World) -> None:
    small.crm.fail("token_dies", path="/Deals", after=1)
    connector = small.connector()

    rows = [row for page in connector.pages("Deals", fields=FIELDS, since=None, cursor=None) for row in page.rows]

    assert ids(rows) == small.stored()
    assert small.tokens_given() == connector.tally.tokens == 2


@pytest.mark.parametrize(
    "code", ["INVALID_TOKEN", "AUTHENTICATION_FAILURE", "AUTHORIZATION_FAILED", "INVALID_OAUTHTOKEN"]
)
def test_tokens_refused_for_ever_end_after_one_new_one(small: World, code: str) -> None:
    small.crm.fail("code", status=401, code=code, times=None)

    error = small.failure()

    assert isinstance(error, CredentialsRefused)
    assert error.code == code
    assert (len(small.crm.seen("/token")), len(small.crm.seen("/fields"))) == (2, 2)


@pytest.mark.parametrize("status", [401, 403])
def test_a_right_that_was_not_granted_is_not_asked_for_twice(small: World, status: int) -> None:
    small.crm.fail("code", status=status, code="OAUTH_SCOPE_MISMATCH", path="/Deals", times=None)

    error = small.failure()

    assert isinstance(error, CredentialsRefused)
    assert (error.code, error.source) == ("OAUTH_SCOPE_MISMATCH", "Deals")
    assert (len(small.crm.seen("/token")), len(small.crm.seen("/Deals"))) == (1, 1)


def test_eight_workers_that_find_no_token_ask_for_one(small: World) -> None:
    small.crm.set(token_seconds=0.05)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ids(small.rows()), range(8)))

    assert found == [small.stored()] * 8
    assert len(small.crm.seen("/token")) == 1


def test_eight_workers_whose_token_dies_ask_for_one(small: World) -> None:
    small.connector().test()
    small.crm.set(token_seconds=0.05)
    small.crm.state.tokens.clear()

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: ids(small.rows()), range(8)))

    assert found == [small.stored()] * 8
    assert len(small.crm.seen("/token")) == 2


@pytest.mark.parametrize(("seconds", "tokens"), [(3539, 1), (3540, 2)])
def test_a_token_is_replaced_a_minute_before_it_ends(small: World, seconds: int, tokens: int) -> None:
    small.connector().test()
    small.clock.pass_by(seconds=seconds)

    small.connector().test()

    assert small.tokens_given() == tokens


def test_a_lifetime_in_milliseconds_is_understood(small: World) -> None:
    small.crm.set(milliseconds=True)

    small.connector().test()

    assert small.tokens.token.expires_at == BEGAN + dt.timedelta(hours=1)  # type: ignore[union-attr]


@pytest.mark.parametrize("status", [200, 400])
@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"refresh_token": "1000.revoked"}, "invalid_code"),
        ({"client_id": "1000.OTHER"}, "invalid_client"),
        ({"client_secret": "other"}, "invalid_client_secret"),
    ],
)
def test_credentials_that_are_wrong_are_said_to_be(small: World, status: int, wrong: dict[str, str], code: str) -> None:
    small.crm.set(token_status=status)

    error = small.failure(credentials=replace(GOOD, **wrong))

    assert isinstance(error, CredentialsRefused)
    assert error.code == code
    assert len(small.crm.requests) == 1


def test_a_code_from_the_console_becomes_a_lasting_token_once(small: World) -> None:
    connector = small.connector(replace(GOOD, refresh_token=""))

    assert connector.exchange(fake.GRANT_CODE) == fake.REFRESH_TOKEN
    with pytest.raises(CredentialsRefused):
        connector.exchange(fake.GRANT_CODE)
    assert small.tokens.token is None  # the lasting one is nobody else's


def test_a_revoked_connection_gets_no_more_tokens(small: World) -> None:
    small.connector().test()

    small.connector().revoke()

    assert isinstance(small.failure(), CredentialsRefused)


def test_too_many_tokens_mean_to_come_back_in_ten_minutes(small: World) -> None:
    for _ in range(10):
        small.tokens.token = None
        small.connector().test()
    small.tokens.token = None

    error = small.failure()

    assert isinstance(error, LimitReached)
    assert error.again_at == small.clock() + dt.timedelta(minutes=10)
    assert small.clock.naps == []


def test_an_answer_about_tokens_that_is_none_is_asked_for_again(small: World) -> None:
    small.crm.fail("status", status=503, path="/token")
    small.crm.fail("truncated", path="/token")

    assert ids(small.rows()) == small.stored()
    assert len(small.crm.seen("/token")) == 3


# --- what Zoho refuses -----------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["top", "wrapped"])
@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (400, "INVALID_DATA", Misconfigured),
        (400, "REQUIRED_PARAM_MISSING", Misconfigured),
        (400, "LIMIT_EXCEEDED", Misconfigured),
        (400, "DISCRETE_PAGINATION_LIMIT_EXCEEDED", Misconfigured),
        (400, "AMBIGUITY_DURING_PROCESSING", Misconfigured),
        (400, "INVALID_MODULE", NotThere),
        (400, "EXPIRED_VALUE", CursorExpired),
        (400, "TOKEN_BOUND_DATA_MISMATCH", CursorExpired),
        (403, "NO_PERMISSION", NotPermitted),
        (404, "INVALID_URL_PATTERN", NotThere),
        (405, "INVALID_REQUEST_METHOD", Misconfigured),
    ],
)
def test_what_zoho_refuses_is_told_apart_and_not_repeated(
    small: World, shape: str, status: int, code: str, kind: type[ConnectorError]
) -> None:
    small.crm.set(errors=shape)
    small.crm.fail("code", status=status, code=code, path="/Deals", times=None)

    error = small.failure()

    assert isinstance(error, kind)
    assert (error.code, error.source) == (code, "Deals")
    assert len(small.crm.seen("/Deals")) == 1


def test_a_module_that_may_not_be_read_leaves_the_others(small: World) -> None:
    small.crm.fail("code", status=403, code="NO_PERMISSION", path="/Deals", times=None)

    assert isinstance(small.failure(), NotPermitted)
    assert ids(small.rows("Accounts", fields=["Account_Name"])) == small.stored("Accounts")


def test_a_cursor_that_is_too_old_says_so(small: World) -> None:
    cursor = next(small.pages()).cursor
    small.clock.pass_by(hours=25)

    with pytest.raises(CursorExpired):
        next(small.connector().pages("Deals", fields=FIELDS, since=None, cursor=cursor))


def test_a_cursor_of_another_question_says_so(small: World) -> None:
    cursor = next(small.pages()).cursor

    with pytest.raises(CursorExpired) as caught:
        next(small.connector().pages("Deals", fields=["Stage"], since=None, cursor=cursor))
    assert caught.value.code == "TOKEN_BOUND_DATA_MISMATCH"


def test_a_list_that_comes_round_is_stopped(small: World) -> None:
    small.crm.fail("again", path="/Deals", times=None)

    assert isinstance(small.failure(), PagingLoop)
    assert len(small.crm.seen("/Deals")) == 2


def test_a_list_that_comes_round_is_stopped_although_records_change_meanwhile(small: World) -> None:
    small.crm.fail("again", path="/Deals", times=None)
    small.clock.pass_by(hours=1)
    pages = small.pages()
    next(pages)
    small.crm.change("Deals", small.stored()[0])

    with pytest.raises(PagingLoop):
        next(pages)


def test_a_record_without_an_id_stops_the_run(small: World) -> None:
    small.crm.fail("no_id", path="/Deals")

    assert isinstance(small.failure(), Unavailable)


# --- limits ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED"])
def test_too_many_calls_are_waited_out(small: World, code: str) -> None:
    small.crm.fail("code", status=429, code=code, path="/Deals", times=3, after=1)
    connector = small.connector()

    rows = [row for page in connector.pages("Deals", fields=FIELDS, since=None, cursor=None) for row in page.rows]

    assert ids(rows) == small.stored()
    assert connector.tally.retries == len(small.clock.naps) == 3
    assert all(low <= nap <= low + 1 for low, nap in zip((2, 4, 8), small.clock.naps, strict=True))


@pytest.mark.parametrize("code", ["TOO_MANY_REQUESTS", "RATE_LIMIT_EXCEEDED"])
def test_too_many_calls_for_ever_mean_to_come_back_in_an_hour(small: World, code: str) -> None:
    small.crm.fail("code", status=429, code=code, path="/Deals", times=None)

    error = small.failure()

    assert isinstance(error, LimitReached)
    assert error.again_at == small.clock() + dt.timedelta(hours=1)
    assert len(small.crm.seen("/Deals")) == 5


def test_a_wait_that_is_asked_for_is_kept(small: World) -> None:
    small.crm.fail("code", status=429, code="TOO_MANY_REQUESTS", path="/Deals", retry_after=17)

    small.rows()

    assert small.clock.naps == [17]


def test_a_wait_that_is_too_long_ends_the_run(small: World) -> None:
    small.crm.fail("code", status=429, code="TOO_MANY_REQUESTS", path="/Deals", retry_after=3600)

    assert isinstance(small.failure(), LimitReached)
    assert small.clock.naps == []


def test_credits_are_counted_once_zoho_tells_of_them(small: World) -> None:
    small.crm.set(day_credits=8)
    connector = small.connector(credits_floor=0)

    pages = connector.pages("Deals", fields=FIELDS, since=None, cursor=None)
    left = [connector.tally.credits_left for _page in pages]

    assert left == [None, None, 4]


def test_the_last_credits_are_left_to_others_and_the_page_in_hand_is_kept(small: World) -> None:
    small.crm.set(day_credits=8)
    pages = small.pages(credits_floor=6)
    small.crm.state.credits_used = 2

    first = next(pages)
    with pytest.raises(LimitReached) as caught:
        next(pages)

    assert len(first.rows) == 200
    assert caught.value.again_at == small.clock() + dt.timedelta(hours=1)
    assert len(small.crm.seen("/Deals")) == 1


# --- answers that are none -------------------------------------------------------------------------------

BROKEN = {
    "a 500 that says so": {"kind": "code", "status": 500, "code": "INTERNAL_ERROR"},
    "a 502 in HTML": {"kind": "status", "status": 502},
    "a 503 in HTML": {"kind": "status", "status": 503},
    "a page of HTML": {"kind": "html"},
    "JSON cut in the middle": {"kind": "truncated"},
    "a connection that drops": {"kind": "dropped"},
    "silence": {"kind": "slow", "seconds": 0.6},
    "a trickle": {"kind": "drip"},
    "more than may be read": {"kind": "huge"},
}


@pytest.mark.parametrize("how", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_asked_for_again_and_nothing_is_lost(small: World, how: dict[str, Any]) -> None:
    small.crm.fail(**how, path="/Deals", after=1)
    connector = small.connector(limits=replace(QUICK, tries=5, size=1_000_000))

    rows = [row for page in connector.pages("Deals", fields=FIELDS, since=None, cursor=None) for row in page.rows]

    retries = connector.tally.retries  # more than one where this machine is slow itself
    assert ids(rows) == small.stored()
    assert retries >= 1
    assert (len(connector.tally.errors), len(small.crm.requests)) == (retries, connector.tally.calls)


@pytest.mark.parametrize(
    "kind", ["a 500 that says so", "a 502 in HTML", "JSON cut in the middle", "a connection that drops"]
)
def test_answers_broken_for_ever_end_as_unavailable(small: World, kind: str) -> None:
    small.crm.fail(**BROKEN[kind], path="/Deals", times=None)

    assert isinstance(small.failure(), Unavailable)
    assert len(small.crm.seen("/Deals")) == http.DEFAULT.tries
    assert [b > a for a, b in pairwise(small.clock.naps)] == [True] * 3


def test_a_server_that_is_not_there_is_unavailable() -> None:
    with world(3) as it:
        pass

    assert isinstance(it.failure(limits=QUICK), Unavailable)


# --- where it may call -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "centre", ["xx", "", "http://127.0.0.1:1", "https://www.zohoapis.com.evil.example", "https://www.zohoapis.eu"]
)
def test_only_data_centres_of_the_list_are_called(small: World, centre: str) -> None:
    with pytest.raises(Misconfigured):
        small.connector(data_centre=centre)


@pytest.mark.parametrize(
    ("centre", "address"),
    [
        *((centre, "10.0.0.8") for centre in DATA_CENTRES),
        *(("eu", address) for address in ("127.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1")),
    ],
)
def test_a_data_centre_whose_name_leads_to_a_private_address_is_not_called(
    small: World, centre: str, address: str
) -> None:
    looked_up = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return [address]

    error = small.failure(data_centre=centre, resolve=resolve)

    assert isinstance(error, Misconfigured)
    assert looked_up == [(DATA_CENTRES[centre].accounts.removeprefix("https://"), 443)]


def test_one_private_address_among_public_ones_is_enough_to_refuse_a_name(small: World) -> None:
    error = small.failure(data_centre="eu", resolve=lambda _host, _port: ["93.184.216.34", "10.0.0.8"])

    assert isinstance(error, Misconfigured)


def test_the_connection_goes_to_the_address_that_was_checked(small: World) -> None:
    base = small.crm.url.replace("127.0.0.1", "zoho.invalid")  # which no system knows
    small.crm.set(api_domain=base)

    rows = small.rows(data_centre=base, own_bases=[base], resolve=lambda _host, _port: ["127.0.0.1"])

    assert ids(rows) == small.stored()


@pytest.mark.parametrize(
    "domain",
    [
        "http://169.254.169.254",
        "http://127.0.0.1:1",
        "https://www.zohoapis.com",
        "https://user@www.zohoapis.com",
        "file:///etc/passwd",
        "nonsense",
        "http://[",
    ],
)
def test_an_address_that_comes_with_the_token_is_not_called_unless_it_is_of_the_data_centre(
    small: World, domain: str
) -> None:
    small.crm.set(api_domain=domain)

    assert isinstance(small.failure(), Misconfigured)
    assert small.tokens.token is None
    assert len(small.crm.requests) == 1


@pytest.mark.parametrize(
    "domain", ["https://www.zohoapis.com", "https://www.zohoapis.eu.evil.example", "http://www.zohoapis.eu"]
)
def test_a_kept_token_that_names_another_data_centre_is_not_used(small: World, domain: str) -> None:
    small.tokens.token = Token("secret", BEGAN + dt.timedelta(hours=1), {"api_domain": domain})

    assert isinstance(small.failure(data_centre="eu"), Misconfigured)


@pytest.mark.parametrize("path", ["/Deals", "/token"])
def test_a_redirect_is_not_followed(small: World, path: str) -> None:
    small.crm.fail("redirect", path=path, times=None)

    assert isinstance(small.failure(), Misconfigured)
    assert len(small.crm.seen(path)) == 1
    assert small.crm.seen("/elsewhere") == []


@pytest.mark.parametrize(
    "url", ["https://www.zohoapis.com/crm", "http://www.zohoapis.eu/crm", "https://www.zohoapis.eu:8443/crm"]
)
def test_no_other_place_is_even_looked_up(small: World, url: str) -> None:
    looked_up = []

    def resolve(host: str, port: int) -> list[str]:
        looked_up.append((host, port))
        return []

    client = http.Http(["https://www.zohoapis.eu"], tally=Tally(), sleep=small.clock.sleep, resolve=resolve)

    with pytest.raises(Misconfigured):
        client.call("GET", url, judge=lambda answer: answer)
    assert looked_up == []


# --- secrets ---------------------------------------------------------------------------------------------

FAILURES = {
    "refused": {"kind": "echo", "status": 400, "code": "INVALID_DATA"},
    "unauthorised": {"kind": "echo", "status": 401, "code": "INVALID_TOKEN"},
    "forbidden": {"kind": "echo", "status": 403, "code": "NO_PERMISSION"},
    "limited": {"kind": "echo", "status": 429, "code": "TOO_MANY_REQUESTS"},
    "failing": {"kind": "echo", "status": 500, "code": "INTERNAL_ERROR"},
    "odd code": {"kind": "echo", "status": 400, "code": f"<{fake.CLIENT_SECRET}>"},
    "dropped": {"kind": "dropped"},
    "truncated": {"kind": "truncated"},
    "slow": {"kind": "slow", "seconds": 0.6},
    "elsewhere": {"kind": "redirect"},
}


def everything_of(error: BaseException | None) -> str:
    """The trace of an error and of all it came from, shown or not, with what stands on each."""
    said = []
    while error is not None:
        said += [*traceback.format_exception(error), repr(error), repr(vars(error))]
        error = error.__cause__ or error.__context__
    return "".join(said)


@pytest.mark.parametrize("path", ["/Deals", "/token"])
@pytest.mark.parametrize("how", FAILURES.values(), ids=FAILURES)
def test_no_failure_says_a_secret(
    small: World, caplog: pytest.LogCaptureFixture, path: str, how: dict[str, Any]
) -> None:
    caplog.set_level(logging.DEBUG)
    if path == "/Deals":
        small.connector().test()
    small.crm.fail(**how, path=path, times=None)
    connector = small.connector(limits=QUICK)

    with pytest.raises(ConnectorError) as caught:
        list(connector.pages("Deals", fields=FIELDS, since=None, cursor=None))

    tokens = list(small.crm.state.tokens)
    said = everything_of(caught.value) + caplog.text + repr(connector.tally) + repr(small.tokens.token)
    said += "".join(one.line for one in small.crm.requests)
    assert not [secret for secret in (fake.CLIENT_SECRET, fake.REFRESH_TOKEN, *tokens) if secret in said]
    assert "?" not in everything_of(caught.value)


def test_a_token_that_cannot_be_sent_is_not_said_either(small: World, caplog: pytest.LogCaptureFixture) -> None:
    small.tokens.token = Token("bad\r\nX-Evil: 1", BEGAN + dt.timedelta(hours=1), {"api_domain": small.crm.url})

    error = small.failure()

    assert isinstance(error, Misconfigured)
    assert "Evil" not in everything_of(error) + caplog.text
    assert small.crm.requests == []


def test_credentials_do_not_show_themselves() -> None:
    shown = f"{GOOD!r} {GOOD} {Token('secret-token', BEGAN, {'api_domain': 'secret-domain'})!r}"

    assert fake.CLIENT_SECRET not in shown
    assert fake.REFRESH_TOKEN not in shown
    assert "secret" not in shown.replace("client_secret", "")


# --- in our words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "wanted", "ours"),
    [
        (None, Type.TEXT, None),
        ("", Type.MONEY, None),
        ([], Type.TEXT, None),
        (" 报价 ", Type.TEXT, "报价"),
        ({"name": "Apex", "id": "5"}, Type.TEXT, "Apex"),
        (["A", "B"], Type.TEXT, "A; B"),
        (0, Type.MONEY, Decimal(0)),
        (Decimal("-0.10"), Type.MONEY, Decimal("-0.10")),
        ("12.5 %", Type.NUMBER, Decimal("12.5")),
        (7, Type.COUNT, 7),
        ("2026-02-28", Type.DAY, dt.date(2026, 2, 28)),
        ("2026-03-01T00:30:00+08:00", Type.DAY, dt.date(2026, 3, 1)),
        ("2026-03-01T00:30:00+08:00", Type.MOMENT, dt.datetime(2026, 2, 28, 16, 30, tzinfo=dt.UTC)),
        ("2026-03-01", Type.MOMENT, dt.datetime(2026, 3, 1, tzinfo=dt.UTC)),
        (False, Type.YES, False),
        ("active", Type.YES, True),
        ({"name": "Apex", "id": "5545974000000100001"}, Type.CUSTOMER, "5545974000000100001"),
        (5545974000000100001, Type.PERSON, "5545974000000100001"),
    ],
)
def test_values_are_read_as_ours(raw: Any, wanted: Type, ours: Any) -> None:
    found = value(raw, wanted)

    assert (found, type(found)) == (ours, type(ours))


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("1,200", Type.MONEY),
        ("NaN", Type.MONEY),
        (True, Type.MONEY),
        ({"id": "5"}, Type.MONEY),
        (Decimal("1.5"), Type.COUNT),
        (-1, Type.COUNT),
        (Decimal("1e400"), Type.COUNT),
        ("31.12.2026", Type.DAY),
        (20261231, Type.DAY),
        ("2026-03-01T00:30:00", Type.MOMENT),
        ("0001-01-01T00:00:00+08:00", Type.MOMENT),
        ("perhaps", Type.YES),
        ({"name": "no id"}, Type.CUSTOMER),
        (["5"], Type.DEAL),
    ],
)
def test_values_that_make_no_sense_are_not_guessed(raw: Any, wanted: Type) -> None:
    with pytest.raises(ValueError, match=r"^(no|neither) "):
        value(raw, wanted)


def test_the_mapping_that_comes_along_reads_every_record(small: World) -> None:
    connector = small.connector()
    for name, sources in DEFAULT_MAPPING.items():
        kind = KINDS[name]
        for source in sources:
            asked = list(source.fields.values())
            pages = connector.pages(source.object, fields=asked, since=None, cursor=None)
            found = [mapped(kind, source, row, connector.value) for page in pages for row in page.rows]
            kept = [one for one in found if not lacks(kind, one.values)]

            assert found, source.object
            assert [one.unread for one in found if one.unread] == []
            assert len(kept) == len(found) or source.object == "Contacts"  # some of whom belong to nobody
            words = {kind.field(field).choices or ("yes", "no") for field in source.choices}
            assert {word for known in source.choices.values() for word in known.values()} <= {
                w for ws in words for w in ws
            }


def test_every_kind_is_mapped_or_said_not_to_be() -> None:
    assert {name for name, sources in DEFAULT_MAPPING.items() if not sources} == {
        "satisfaction",
        "competitor",
        "competitor_move",
        "contract",
    }
    assert set(DEFAULT_MAPPING) == set(KINDS) - {"target"}  # set here, never read


@pytest.mark.parametrize("where", ["beside", "inside"])
def test_an_activity_is_about_a_customer_or_about_a_deal(small: World, where: str) -> None:
    small.crm.set(about_module=where)
    source = DEFAULT_MAPPING["activity"][1]
    deals, customers = set(small.stored("Deals")), set(small.stored("Accounts"))

    rows = small.rows(source.object, fields=list(source.fields.values()))
    said = [mapped(KINDS["activity"], source, row, value).values for row in rows]

    assert {one["deal"] for one in said} - {None} <= deals
    assert {one["customer"] for one in said} - {None} <= customers
    assert all((one["deal"] is None) != (one["customer"] is None) for one in said)


def test_an_invoice_is_owed_until_its_status_says_otherwise(small: World) -> None:
    source = DEFAULT_MAPPING["receivable"][0]
    kinds = {
        row.external_id: small.crm.tables["Invoices"].rows[int(row.external_id)]["Status"]
        for row in small.rows("Invoices", fields=["Status"])
    }

    rows = small.rows(source.object, fields=list(source.fields.values()))

    for row in rows:
        said = mapped(KINDS["receivable"], source, row, value).values
        assert said["paid"] == (said["amount"] if kinds[row.external_id] in {"Paid", "Cancelled"} else 0)


def test_a_discount_is_a_share_of_the_sum(small: World) -> None:
    small.crm.tables["Quotes"].rows.clear()
    small.crm.tables["Quotes"].order.clear()
    for discount, whole in ((50, 200), ("7.5%", 200), (50, 0), (None, 200)):
        small.crm.add("Quotes", Discount=discount, Sub_Total=whole)

    rows = small.rows("Quotes", fields=["Discount@Percent"])

    assert [value(row.raw["Discount@Percent"], Type.NUMBER) for row in rows] == [
        Decimal(25),
        Decimal("7.5"),
        None,
        None,
    ]


def test_worked_out_fields_are_offered_where_what_they_need_is_there(small: World) -> None:
    assert "Grand_Total@Paid" in {one.name for one in small.connector().fields("Invoices")}
    small.crm.remove_field("Invoices", "Status")

    assert "Grand_Total@Paid" not in {one.name for one in small.connector().fields("Invoices")}
