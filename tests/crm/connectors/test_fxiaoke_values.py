"""What Fxiaoke's values mean, and the mapping a tenant starts with."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm.connectors.base import Source
from crm.connectors.fxiaoke import DEFAULT_MAPPING, ZONE, values
from crm.connectors.mapping import lacks, mapped
from crm.kinds import KINDS, Type
from tests.crm.connectors.test_fxiaoke import DEALS, World, world
from tests.fakes.fxiaoke_rows import SURVEYS

MIDNIGHT = 1_772_380_800_000  # 2026-03-02 00:00 in Shanghai, 2026-03-01 16:00 UTC


@pytest.fixture(scope="module")
def tenant() -> Iterator[World]:
    with world(250) as it:
        yield it


@pytest.mark.parametrize(
    ("raw", "wanted", "expected"),
    [
        ("1234.50", Type.MONEY, Decimal("1234.50")),
        ("-1200.00", Type.MONEY, Decimal("-1200.00")),
        ("99999999999999.99", Type.MONEY, Decimal("99999999999999.99")),
        (Decimal("0.1"), Type.MONEY, Decimal("0.1")),
        (0, Type.MONEY, Decimal(0)),
        ("95.0", Type.NUMBER, Decimal("95.0")),
        ("3.0", Type.COUNT, 3),
        (MIDNIGHT, Type.DAY, dt.date(2026, 3, 2)),
        (str(MIDNIGHT), Type.DAY, dt.date(2026, 3, 2)),
        (MIDNIGHT + 1, Type.MOMENT, dt.datetime(2026, 3, 1, 16, microsecond=1000, tzinfo=dt.UTC)),
        (-86_400_000, Type.MOMENT, dt.datetime(1969, 12, 31, tzinfo=dt.UTC)),
        (True, Type.YES, True),
        ("0", Type.YES, False),
        (["1000"], Type.PERSON, "1000"),
        ({"id": "1000", "name": "王伟"}, Type.PERSON, "1000"),
        ("5f3a3de57c604a00017dc5ee", Type.CUSTOMER, "5f3a3de57c604a00017dc5ee"),
        (" 上海华信 ", Type.TEXT, "上海华信"),
        (["价格", "交付"], Type.TEXT, "价格, 交付"),
        ({"deptName": "销售一部"}, Type.TEXT, "销售一部"),
        (True, Type.TEXT, "true"),
        (7, Type.TEXT, "7"),
    ],
)
def test_a_value_is_read(raw: Any, wanted: Type, expected: Any) -> None:
    read = values.read(raw, wanted, ZONE)

    assert (read, type(read)) == (expected, type(expected))


@pytest.mark.parametrize("wanted", list(Type))
@pytest.mark.parametrize("raw", [None, "", [], {}])
def test_no_value_is_none(raw: Any, wanted: Type) -> None:
    assert values.read(raw, wanted, ZONE) is None


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        *(
            (raw, Type.MONEY)
            for raw in (
                "1,234.50",
                "12%",
                "¥5",
                "NaN",
                "Infinity",
                "1e5",
                "１２",
                " 5",
                "5.",
                ".5",
                0.1,
                True,
                ["5"],
            )
        ),
        ("9" * 26, Type.MONEY),
        ("1.5", Type.COUNT),
        ("-1", Type.COUNT),
        ("2026-03-02", Type.DAY),
        ("1.5", Type.MOMENT),
        (True, Type.MOMENT),
        (10**15, Type.MOMENT),
        (999_999_999_999_999, Type.MOMENT),
        ("maybe", Type.YES),
        (2, Type.YES),
        (True, Type.CUSTOMER),
        ([{"name": "王伟"}], Type.PERSON),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(raw: Any, wanted: Type) -> None:
    with pytest.raises(ValueError, match=r"is no|neither"):
        values.read(raw, wanted, ZONE)


@pytest.mark.parametrize("hour", [0, 12, 23])
def test_a_day_does_not_shift_with_the_zone_of_this_machine(hour: int) -> None:
    assert values.read(MIDNIGHT + hour * 3_600_000, Type.DAY, ZONE) == dt.date(2026, 3, 2)


def test_a_day_is_the_day_of_the_tenants_zone() -> None:
    midnight_there = 1_772_427_600_000  # 2026-03-02 00:00 in New York

    assert values.read(midnight_there, Type.DAY, ZoneInfo("America/New_York")) == dt.date(2026, 3, 2)


@pytest.mark.parametrize(
    ("raw", "gone"),
    [
        ({"life_status": "normal", "is_deleted": False}, False),
        ({}, False),
        ({"life_status": "in_change", "is_deleted": "0"}, False),
        ({"life_status": "invalid", "is_deleted": False}, True),
        ({"is_deleted": True}, True),
        ({"is_deleted": "1"}, True),
        ({"is_deleted": 1}, True),
        ({"is_deleted": -1}, True),
    ],
)
def test_what_is_gone(raw: dict[str, Any], gone: bool) -> None:
    assert values.is_gone(raw) is gone


def test_a_time_of_change_is_asked_for_in_whole_milliseconds_and_not_later() -> None:
    moment = dt.datetime(2026, 3, 2, microsecond=1999, tzinfo=ZONE)

    assert values.milliseconds(moment) == str(MIDNIGHT + 1)


def test_a_field_that_is_not_in_use_is_not_offered() -> None:
    described = {"a": {"label": "A", "type": "text"}, "b": {"label": "B", "type": "text", "is_active": False}}

    assert list(values.fields(described)) == ["a"]


# --- the mapping -------------------------------------------------------------------------------------------

SOURCES = [(kind, source) for kind, sources in DEFAULT_MAPPING.items() for source in sources]


@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_the_mapping_speaks_of_what_there_is_on_both_sides(tenant: World, kind: str, source: Source) -> None:
    ours = {field.name: field for field in KINDS[kind].fields}
    theirs = {field.name for field in tenant.connector().fields(source.object)}

    assert set(source.fields) | set(source.fixed) <= set(ours)
    assert set(source.fields.values()) <= theirs
    for name, words in source.choices.items():
        assert set(words.values()) <= set(ours[name].choices or ("yes", "no"))


@pytest.mark.parametrize(("kind", "source"), SOURCES)
def test_every_record_says_what_its_kind_must(tenant: World, kind: str, source: Source) -> None:
    connector = tenant.connector()
    fields = sorted(set(source.fields.values()))

    for page in connector.pages(source.object, fields=fields, since=None, cursor=None):
        for row in page.rows:
            said = mapped(KINDS[kind], source, row, connector.value)
            assert (said.unread, lacks(KINDS[kind], said.values)) == ({}, [])


def test_the_state_of_a_deal_is_read_by_its_label(tenant: World) -> None:
    (source,) = DEFAULT_MAPPING["deal"]

    assert states(tenant, source) == {"s1": "open", "s2": "open", "s3": "open", "s4": "open", "s5": "won", "s6": "lost"}


def test_the_state_of_a_deal_is_read_by_its_stored_code_where_that_is_mapped(tenant: World) -> None:
    codes = {"1": "open", "2": "won"}  # and no word for 3
    source = Source(DEALS, {"state": "sales_status", "name": "name"}, choices={"state": codes})

    assert states(tenant, source)["s5"] == "won"
    assert states(tenant, source)["s6"] is None


def states(it: World, source: Source) -> dict[str, Any]:
    connector = it.connector()
    pages = connector.pages(DEALS, fields=sorted(set(source.fields.values())), since=None, cursor=None)
    found = {}
    for row in (row for page in pages for row in page.rows):
        stage = it.stored()[row.external_id]["sales_stage"]
        found[stage] = mapped(KINDS["deal"], source, row, connector.value).values["state"]
    return found


def test_a_custom_object_can_say_how_content_customers_are(tenant: World) -> None:
    connector = tenant.connector()
    source = Source(
        SURVEYS,
        {"customer": "field_who__c", "value": "field_score__c", "at": "field_day__c", "comment": "field_text__c"},
        fixed={"scale": "10"},
    )
    pages = connector.pages(SURVEYS, fields=sorted(source.fields.values()), since=None, cursor=None)

    for row in (row for page in pages for row in page.rows):
        said = mapped(KINDS["satisfaction"], source, row, connector.value)
        stored = tenant.stored(SURVEYS)[row.external_id]
        assert (said.values["value"], said.unread) == (Decimal(stored["field_score__c"]), {})
