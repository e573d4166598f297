"""One cell to one value."""

# ruff: noqa: DTZ001, RUF005 - spreadsheets have no time zones; long lists of cases read better in parts

import datetime as dt
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.spreadsheets.cells import (
    BadCell,
    guess_date_order,
    parse_bool,
    parse_date,
    parse_level,
    parse_number,
    parse_share,
    text,
)

LIKELIHOOD = [["Rare", "remote"], ["Unlikely"], ["Possible"], ["Likely"], ["Almost certain", "几乎确定"]]
IMPACT = [["Negligible", "None"], ["Minor"], ["Moderate"], ["Major", "重大"], ["Severe"]]
SHARES = [(0.0, 0.05), (0.05, 0.2), (0.2, 0.5), (0.5, 0.8), (0.8, 1.0)]
MONEY = [(0.0, 1e3), (1e3, 1e4), (1e4, 1e5), (1e5, 1e6), (1e6, 1e7)]
NOTHING = [None, "", "  ", "-", "n/a", "N/A", "TBD", "待定"]


def code_of(parse, *args):
    with pytest.raises(BadCell) as caught:
        parse(*args)
    return caught.value.code


@pytest.mark.parametrize(
    ("cell", "order", "day"),
    [
        (dt.datetime(2026, 8, 6, 13, 5), "dmy", dt.date(2026, 8, 6)),
        (dt.date(2026, 8, 6), "mdy", dt.date(2026, 8, 6)),
        ("2026-08-06 00:00:00", "mdy", dt.date(2026, 8, 6)),
        ("2026-08-06T00:00:00Z", "dmy", dt.date(2026, 8, 6)),
        ("6/8/2026", "dmy", dt.date(2026, 8, 6)),
        ("6/8/2026", "mdy", dt.date(2026, 6, 8)),
        ("6/8/2026", "ymd", dt.date(2026, 8, 6)),
        ("26-08-06", "ymd", dt.date(2026, 8, 6)),
        ("6.8.26", "dmy", dt.date(2026, 8, 6)),
        ("6.8.71", "dmy", dt.date(1971, 8, 6)),
        ("2026年8月6日", "dmy", dt.date(2026, 8, 6)),
        ("２０２６／８／６", "dmy", dt.date(2026, 8, 6)),
        ("6 Aug 2026", "dmy", dt.date(2026, 8, 6)),
        ("August 6th, 2026", "dmy", dt.date(2026, 8, 6)),
        ("6-Sept-26", "dmy", dt.date(2026, 9, 6)),
        ("20260806", "dmy", dt.date(2026, 8, 6)),
        (46240, "dmy", dt.date(2026, 8, 6)),
        (46240.75, "dmy", dt.date(2026, 8, 6)),
        ("46240", "dmy", dt.date(2026, 8, 6)),
        ("29/2/2024", "dmy", dt.date(2024, 2, 29)),
    ],
)
def test_date(cell, order, day):
    assert parse_date(cell, order) == day


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        ("soon", "date"),
        ("31/2/2026", "date"),
        ("25/8/2026x", "date"),
        ("8/25/2026", "date"),
        ("2026年8月", "date"),
        ("6 Foo 2026", "date"),
        (19_999, "date"),
        (80_001, "date"),
        (True, "date"),
        (float("nan"), "date"),
        (10**500, "date"),
        ("1" * 5000, "date"),
        ("0206-08-06", "year"),
        ("6/8/2201", "year"),
        (dt.date(1899, 12, 31), "year"),
        (dt.datetime(2201, 1, 1), "year"),
    ],
)
def test_no_date(cell, code):
    assert code_of(parse_date, cell, "dmy") == code


@pytest.mark.parametrize(
    ("cells", "order"),
    [
        (["6/8/2026", "25/8/2026"], "dmy"),
        (["6/8/2026", "8/25/2026"], "mdy"),
        (["6/8/2026"], "dmy"),
        (["2026-08-06", None, 4], "ymd"),
        (["2026-08-06", "6/8/2026"], "dmy"),
        ([], "dmy"),
    ],
)
def test_date_order(cells, order):
    assert guess_date_order(cells) == order


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        (5, 5.0),
        (-2.5, -2.5),
        ("1,234.5", 1234.5),
        ("1.234,5", 1234.5),
        ("1'234", 1234.0),
        ("1 234", 1234.0),
        ("1\u202f234,50 €", 1234.5),
        ("1,234", 1234.0),
        ("1.234", 1.234),
        ("1.234.567", 1234567.0),
        ("12,34,567", 1234567.0),
        ("0,5", 0.5),
        (".5", 0.5),
        ("$30k", 30_000.0),
        ("USD 1.5M", 1.5e6),
        ("2 bn EUR", 2e9),
        ("€ 3,5 Mio", 3.5e6),
        ("￥３万", 30_000.0),
        ("5百万元", 5e6),
        ("1.2亿", 1.2e8),
        ("RMB 500", 500.0),
        ("100 CNY", 100.0),
        ("£7", 7.0),
        ("(500)", -500.0),
        ("($1,500)", -1500.0),
        ("-$500", -500.0),
        ("−500", -500.0),
        ("$-500", -500.0),
        ("12 %", 0.12),
        ("1e3", 1000.0),
        ("0", 0.0),
    ],
)
def test_number(cell, number):
    assert parse_number(cell) == pytest.approx(number, rel=1e-12)


@pytest.mark.parametrize(
    "cell",
    ["10^400", "1e400", "9" * 400, 10**400, math.inf, math.nan, "inf", "nan", "12,34", "1,23,4.5", "1.2.3"]
    + [
        "five",
        "10-20",
        True,
        dt.date(2026, 1, 1),
        "--5",
        "(-5)",
        "$5%",
        "1 2",
        "1e308 bn",
        ".",
        "$",
        "9" * 63 + "e300",
    ],
)
def test_no_number(cell):
    if cell == "12,34":  # one comma that cannot divide thousands is a decimal comma
        assert parse_number(cell) == 12.34
    else:
        assert code_of(parse_number, cell) == "number"


@pytest.mark.parametrize(
    ("cell", "share"),
    [("30%", 0.3), (0.3, 0.3), (30, 0.3), ("30", 0.3), ("0,3", 0.3), (1, 1.0), (100, 1.0), (0, 0.0), ("0.5%", 0.005)]
    + [("100 %", 1.0), ("1%", 0.01), ("３０％", 0.3)],
)
def test_share(cell, share):
    assert parse_share(cell) == pytest.approx(share)


@pytest.mark.parametrize(
    ("cell", "code"), [("-1%", "range"), ("101%", "range"), (101, "range"), (-0.1, "range"), ("$30", "number")]
)
def test_no_share(cell, code):
    assert code_of(parse_share, cell) == code


@pytest.mark.parametrize("cell", ["yes", "Y", "TRUE", "1", 1, 1.0, True, "x", "X", "✓", "是"])
def test_yes(cell):
    assert parse_bool(cell) is True


@pytest.mark.parametrize("cell", ["no", "N", "false", "0", 0, False, "否"])
def test_no(cell):
    assert parse_bool(cell) is False


@pytest.mark.parametrize("cell", ["maybe", 2, dt.date(2026, 1, 1), "yes" * 1000])
def test_neither_yes_nor_no(cell):
    assert code_of(parse_bool, cell) == "bool"


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        (None, ""),
        ("  a\r\nb\tc\0\x07\x9f\ud800 ", "a\nb\tc"),
        (4.0, "4"),
        ("4.0", "4.0"),
        (4.5, "4.5"),
        (7, "7"),
        (True, "TRUE"),
        (dt.datetime(2026, 8, 6), "2026-08-06"),
        (dt.datetime(2026, 8, 6, 9, 30), "2026-08-06 09:30:00"),
        (dt.date(2026, 8, 6), "2026-08-06"),
    ],
)
def test_text(cell, expected):
    assert text(cell) == expected


@pytest.mark.parametrize(
    ("cell", "level"),
    [(4, 4), (4.0, 4), ("4", 4), ("4.0", 4), ("L4", 4), ("Level 4", 4), ("4 - Major", 4), ("4 – Major", 4)]
    + [("4, Major", 4), ("Major (4)", 4), ("Major - 4", 4), ("4 (major)", 4), ("4 Major", 4), ("4级", 4), ("４", 4)]
    + [("  MAJOR ", 4), ("重大", 4), ("None", 1), ("4 - Huge", 4), ("$30k", 3), ("1,234", 2), ("3 EUR", 1)]
    + [("$10k", 3), ("5 k", 2), ("999m", 5), ("￥0", 1), ("1 234.5", 2)],
)
def test_level_of_impact(cell, level):
    assert parse_level(cell, IMPACT, MONEY) == level


@pytest.mark.parametrize(
    ("cell", "level"),
    [("30%", 3), (0.3, 3), ("0.3", 3), ("0,3", 3), ("100%", 5), (1, 1), ("1%", 1), ("almost-certain", 5)]
    + [("Almost  Certain", 5), ("几乎确定", 5), ("5 - Almost certain", 5), ("20%", 3), ("150%", 5)],
)
def test_level_of_likelihood(cell, level):
    assert parse_level(cell, LIKELIHOOD, SHARES) == level


@pytest.mark.parametrize(
    ("cell", "code"),
    [(6, "level"), ("6", "level"), ("30", "level"), (0, "level"), (2.5, "level"), ("4 - Minor", "level")]
    + [("30 - Major", "level"), ("4 weeks", "level"), ("3-4", "level"), ("1/month", "level"), ("1234.5", "level")]
    + [("dreadful", "level"), (True, "level"), (dt.date(2026, 4, 3), "level"), ("30%", "unit"), ("-$5k", "range")]
    + [(math.inf, "number"), (10**400, "number"), ("Major" * 100, "level")],
)
def test_no_level(cell, code):
    assert code_of(parse_level, cell, IMPACT, MONEY) == code


def test_money_is_no_likelihood():
    assert code_of(parse_level, "$30k", LIKELIHOOD, SHARES) == "unit"


def test_amount_below_the_lowest_range_is_the_lowest_level():
    assert parse_level("$5", IMPACT, [(100.0, 1e3), (1e3, 1e4)]) == 1


@pytest.mark.parametrize("cell", NOTHING)
def test_nothing_is_none(cell):
    labels = [["Low"], ["High"]]
    parsed = [parse_date(cell, "dmy"), parse_number(cell), parse_share(cell), parse_bool(cell)]
    assert [*parsed, parse_level(cell, labels, MONEY)] == [None] * 5


PIECES = st.sampled_from(
    [
        "1",
        "234",
        "9" * 30,
        ",",
        ".",
        "'",
        " ",
        "-",
        "(",
        ")",
        "%",
        "$",
        "€",
        "k",
        "万",
        "e",
        "E400",
        "^",
        "/",
        "年",
        "月",
    ]
    + ["Aug", "L", "Major", "٣", "²", "½", "０", "\0", "\ud800", "2026", ":", "T", "00"]
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=10**300, max_value=10**4500),
    st.floats(),
    st.dates(),
    st.datetimes(),
    st.text(),
    st.lists(PIECES, max_size=8).map("".join),
)


@settings(max_examples=1500, deadline=None)
@given(CELLS)
def test_only_bad_cell_is_raised(cell):
    calls = [(text,), (parse_number,), (parse_share,), (parse_bool,)]
    calls += [(parse_date, "dmy"), (parse_date, "mdy"), (parse_date, "ymd")]
    calls += [(parse_level, IMPACT, MONEY), (parse_level, LIKELIHOOD, SHARES), (parse_level, [], [])]
    refusals = []
    for parse, *arguments in calls:
        try:
            value = parse(cell, *arguments)
        except BadCell as error:
            refusals.append(error)
            continue
        if parse is parse_number:
            assert value is None or math.isfinite(value)
        elif parse is parse_share:
            assert value is None or 0 <= value <= 1
        elif parse is parse_level:
            assert value is None or 1 <= value <= 5
        elif parse is parse_date:
            assert value is None or 1900 <= value.year <= 2200
        elif parse is text:
            value.encode("utf-8")
            assert "\0" not in value
    assert {error.code for error in refusals} <= {"date", "year", "number", "range", "bool", "level", "unit"}
    assert all(len(str(error)) < 120 for error in refusals)
    assert guess_date_order([cell]) in {"dmy", "mdy", "ymd"}
