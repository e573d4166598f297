"""The fake Fxiaoke refuses what the real one refuses, so that a connector cannot get away with it here."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.crm.connectors.test_fxiaoke import DEALS, World, world
from tests.fakes import fxiaoke as fake
from tests.fakes.fxiaoke_rows import ADMIN, SURVEYS, tenant

WHO = {"appId": fake.APP_ID, "appSecret": fake.APP_SECRET, "permanentCode": fake.PERMANENT_CODE}


class Caller:
    """Somebody who asks by hand."""

    def __init__(self, it: World) -> None:
        self.it = it
        self.http = httpx.Client(base_url=it.crm.url, trust_env=False)

    def post(self, path: str, body: Any, **headers: str) -> dict[str, Any]:
        answer = self.http.post(path, json=body, headers=headers)
        assert answer.status_code == 200
        return dict(answer.json())

    def token(self) -> dict[str, Any]:
        return self.post(fake.TOKEN, {**WHO, "grantType": "app_secret"})

    def headers(self) -> dict[str, str]:
        token = self.token()["accessToken"]
        return {"authorization": f"Bearer {token}", "x-fs-ea": fake.EA, "x-fs-userid": ADMIN}

    def query(self, source: str = DEALS, path: str = fake.QUERY, **info: Any) -> dict[str, Any]:
        asked = {"limit": 10, "offset": 0, "filters": [], "fieldProjection": ["_id", "amount"], **info}
        body = {"data": {"dataObjectApiName": source, "search_query_info": asked}}
        return self.post(path, body, **self.headers())


@pytest.fixture
def caller() -> Iterator[Caller]:
    with world(30) as it:
        caller = Caller(it)
        yield caller
        caller.http.close()


def test_the_same_seed_makes_the_same_tenant() -> None:
    one, two = (tenant(deals=50, now_ms=1_772_380_800_000, seed=3) for _ in range(2))

    assert {name: table.rows for name, table in one.items()} == {name: table.rows for name, table in two.items()}


def test_the_token_stays_the_same_for_6600_seconds_and_the_old_one_works_to_the_end(caller: Caller) -> None:
    first, old = caller.token(), caller.headers()
    caller.it.clock.sleep(6599)
    assert caller.token()["accessToken"] == first["accessToken"]
    caller.it.clock.sleep(1)
    second = caller.token()

    assert second["accessToken"] != first["accessToken"]
    assert second["expiresIn"] == 7200
    assert caller.post(fake.LIST, {}, **old)["errorCode"] == 0
    caller.it.clock.sleep(600)
    assert caller.post(fake.LIST, {}, **old)["errorCode"] == 20016


def test_the_eleventh_call_for_a_token_in_a_minute_is_refused(caller: Caller) -> None:
    assert [caller.token()["errorCode"] for _ in range(11)] == [0] * 10 + [14001]

    caller.it.clock.sleep(60)
    assert caller.token()["errorCode"] == 0


def test_calls_for_a_token_at_the_same_time_are_refused(caller: Caller) -> None:
    caller.it.crm.set(token_seconds=0.2)
    ready = threading.Barrier(3)

    def ask(_number: int) -> int:
        ready.wait()
        return int(caller.token()["errorCode"])

    with ThreadPoolExecutor(3) as threads:
        assert sorted(threads.map(ask, range(3))) == [0, 14001, 14001]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"authorization": ""}, 20017),
        ({"authorization": "Bearer wrong"}, 20016),
        ({"authorization": "Basic wrong"}, 20017),
        ({"x-fs-ea": "other"}, 20017),
        ({"x-fs-userid": ""}, 20012),
    ],
)
def test_a_call_that_does_not_say_who_asks_is_refused(caller: Caller, change: dict[str, str], code: int) -> None:
    assert caller.post(fake.LIST, {}, **caller.headers() | change)["errorCode"] == code


@pytest.mark.parametrize(
    ("info", "code"),
    [
        ({"limit": 101}, 15002),
        ({"limit": 100, "offset": 50}, 15002),
        ({"limit": 100, "offset": 10_000}, 0),
        ({"limit": 100, "offset": 10_100}, 10013),
        ({"filters": [{"field_name": "_id", "operator": "GT", "field_values": "1"}]}, 15002),
        ({"filters": [{"field_name": "_id", "operator": "GT", "field_values": [1]}]}, 15002),
        ({"filters": [{"field_name": "_id", "operator": "MORE", "field_values": ["1"]}]}, 15002),
    ],
)
def test_a_query_that_is_asked_wrongly_is_refused(caller: Caller, info: dict[str, Any], code: int) -> None:
    assert caller.query(**info)["errorCode"] == code


def test_an_object_has_one_interface(caller: Caller) -> None:
    assert caller.query(SURVEYS)["errorCode"] == caller.query(path=fake.CUSTOM_QUERY)["errorCode"] == 15002


def test_filters_are_joined_and_fields_without_a_value_are_absent(caller: Caller) -> None:
    rows = caller.it.stored()
    stored = sorted(row_id for row_id, row in rows.items() if row["sales_stage"] == "s2")
    filters = [
        {"field_name": "sales_stage", "operator": "EQ", "field_values": ["s2"]},
        {"field_name": "_id", "operator": "GT", "field_values": [stored[0]]},
    ]
    caller.it.crm.change(DEALS, stored[1], amount=None)

    found = caller.query(filters=filters, limit=100)["data"]

    assert [row["_id"] for row in found["dataList"]] == stored[1:]
    assert found["total"] == 0
    assert found["dataList"][0] == {"_id": stored[1]}
    assert isinstance(found["dataList"][1].get("amount", ""), str)


def test_the_hundred_and_first_call_in_20_seconds_is_refused(caller: Caller) -> None:
    headers = caller.headers()
    caller.it.crm.set(rate_code=14001)

    answers = [caller.post(fake.LIST, {}, **headers)["errorCode"] for _ in range(101)]

    assert answers == [0] * 100 + [14001]


def test_faults_are_switched_over_http_and_requests_read_back(caller: Caller) -> None:
    caller.http.post("/__fake__/faults", json={"kind": "code", "code": 30003, "times": 1})
    caller.http.post("/__fake__/settings", json={"offset_minutes": 10})
    made = caller.http.post("/__fake__/rows", json={"source": DEALS, "name": "手工"}).json()["_id"]
    headers = caller.headers()

    assert [caller.post(fake.LIST, {}, **headers)["errorCode"] for _ in range(2)] == [30003, 0]
    assert [one["answer"] for one in caller.http.get("/__fake__/requests").json()] == ["0", "30003", "0"]
    assert caller.it.stored()[made]["last_modified_time"] == int((caller.it.clock() + 600) * 1000)
    assert caller.http.post("/__fake__/faults", json={"kind": "unheard of"}).status_code == 400


def test_started_by_hand_it_says_what_to_type() -> None:
    command = [sys.executable, "-u", "-m", "tests.fakes.fxiaoke", "--port", "0", "--deals", "20"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, encoding="utf-8") as server:
        try:
            assert server.stdout is not None
            told = {line[:40].strip(): line[40:].strip() for line in itertools.islice(server.stdout, 7)}
            body = {"appId": told["app id"], "appSecret": told["app secret"], "permanentCode": told["permanent code"]}
            answer = httpx.post(told["address"] + fake.TOKEN, json={**body, "grantType": "app_secret"}, trust_env=False)
        finally:
            server.terminate()

    assert answer.json()["errorCode"] == 0
