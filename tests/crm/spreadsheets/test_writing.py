"""Files we write: harmless in a spreadsheet, and the same when read again."""

# ruff: noqa: DTZ001 - spreadsheets have no time zones

import datetime as dt
import io
import math
from decimal import Decimal

import openpyxl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crm.spreadsheets import workbook
from crm.spreadsheets.child import answer
from crm.spreadsheets.reading import read_table
from crm.spreadsheets.writing import escape, unescape, write_csv, write_xlsx

NASTY = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", "＋1", "－1", "＠x"]
TRICKY = [
    "'quoted",
    "''",
    "'=1",
    "''=1",
    "_x000D_",
    "_x005F_x000D_",
    "a\r\nb\rc",
    'a"b',
    "#REF!",
    "1",
    "TRUE",
    ";a;b",
    "风险",
]
TRICKY += ["2026-08-06", " padded ", '="x";y', "a\u2028b\x85c", "sep=;"]
TEXTS = st.one_of(
    st.sampled_from(NASTY + TRICKY),
    st.text(alphabet="'=+-@\t\r\n＝＋－＠ab,;|\"_x000D ", max_size=12),
    st.text(max_size=20),
)
TABLES = st.integers(min_value=1, max_value=4).flatmap(
    lambda width: st.lists(st.lists(TEXTS, min_size=width, max_size=width), min_size=1, max_size=6)
)


def expected(rows):
    """What can come back: no unwritable characters, and nothing of blank cells."""
    return [["" if not kept(cell).strip() else kept(cell) for cell in row] for row in rows]


def kept(text):
    bad = {*range(9), 11, 12, *range(14, 32), *range(0xD800, 0xE000), 0xFFFE, 0xFFFF}
    return "".join(letter for letter in text if ord(letter) not in bad)


def read_back(data):
    rows = read_table(data, "register").rows
    cells = [["" if cell is None else unescape(cell) for cell in row] for row in rows]
    return [["" if not cell.strip() else cell for cell in row] for row in cells]


def padded(rows, height, width):
    rows = [row + [""] * (width - len(row)) for row in rows]
    return rows + [[""] * width] * (height - len(rows))


@settings(max_examples=400, deadline=None)
@given(TABLES)
@example([["sep=;"], ["a;b"]])
def test_csv_round_trip(rows):
    header = ["Title"] * len(rows[0])
    assert padded(read_back(write_csv(header, rows)), len(rows) + 1, len(header)) == [header, *expected(rows)]


@settings(max_examples=300, deadline=None)
@given(rows=TABLES)
def test_xlsx_round_trip(rows):
    header = ["Title"] * len(rows[0])
    # The child's work without the child: 0.2 s a start is too much for hundreds of examples.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workbook, "_run_child", lambda data: "\n".join(answer(data)).encode())
        back = read_back(write_xlsx(header, rows, "Register"))
    assert padded(back, len(rows) + 1, len(header)) == [header, *expected(rows)]


@given(st.text())
def test_escape_is_reversible_and_inert(text):
    assert unescape(escape(text)) == text
    assert escape(text)[:1] not in set("=+-@\t\r\n＝＋－＠")


def test_ordinary_apostrophes_are_left_alone():
    assert escape("'tis") == unescape("'tis") == "'tis"
    assert escape("it's") == "it's"


@pytest.mark.parametrize("text", NASTY)
def test_csv_text_is_no_formula(text):
    data = write_csv([text], [[text]]).decode("utf-8-sig")
    assert data == f'"\'{text}"\r\n"\'{text}"\r\n'


@pytest.mark.parametrize("text", [*NASTY, "#REF!", "'=1"])
def test_xlsx_text_is_a_string_cell(text):
    sheet = openpyxl.load_workbook(io.BytesIO(write_xlsx([text], [[text]], "t"))).active
    for cell in (sheet["A1"], sheet["A2"]):
        assert cell.data_type == "s"
        assert cell.quotePrefix is (text != "#REF!")


def test_csv_form():
    data = write_csv(["a", "b"], [[-5, 2.5], [None, True], [dt.date(2026, 8, 6), dt.datetime(2026, 8, 6, 9)]])
    assert data == (b'\xef\xbb\xbf"a","b"\r\n"-5","2.5"\r\n"","TRUE"\r\n"2026-08-06","2026-08-06 09:00:00"\r\n')
    assert write_csv(["a"], [[math.nan], [Decimal("-1.50")]]).endswith(b'""\r\n"-1.50"\r\n')


def test_xlsx_types_survive():
    row = [-5, 2.5, True, "-5", dt.datetime(2026, 8, 6, 9), 12345678901234567890, math.inf, dt.date(1850, 1, 2)]
    table = read_table(write_xlsx(list("abcdefgh"), [row], "t"), "x")
    assert table.rows[1] == [
        -5,
        2.5,
        True,
        "-5",
        dt.datetime(2026, 8, 6, 9),
        "12345678901234567890",
        None,
        "1850-01-02",
    ]
    assert table.rows[1][2] is True


def test_xlsx_time_zone_is_dropped():
    aware = dt.datetime(2026, 8, 6, 9, tzinfo=dt.UTC)
    assert read_table(write_xlsx(["a"], [[aware]], "t"), "x").rows[1] == [dt.datetime(2026, 8, 6, 9)]


def test_xlsx_looks():
    data = write_xlsx(["Risk", "描述"], [["x" * 500, "很长的中文描述文字"], ["a", None]], "A/B: [x]" + "y" * 40)
    sheet = openpyxl.load_workbook(io.BytesIO(data)).active
    assert sheet.freeze_panes == "A2"
    assert sheet["A1"].font.bold
    assert not sheet["A2"].font.bold
    assert sheet["A2"].alignment.wrap_text
    assert sheet.column_dimensions["A"].width == 60
    assert sheet.column_dimensions["B"].width == 20
    assert sheet.title == ("A B   x " + "y" * 40)[:31]


def test_blank_sheet_title():
    assert read_table(write_xlsx(["a"], [], "''"), "x").sheet == "Register"
