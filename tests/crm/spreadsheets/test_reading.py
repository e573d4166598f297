"""Registers as people really keep them, and files that are none."""

# ruff: noqa: DTZ001 - spreadsheets have no time zones

import datetime as dt
import io
import os
import random
import subprocess
import zipfile
from pathlib import Path

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm.spreadsheets import child, delimited, workbook
from crm.spreadsheets.reading import MAX_BYTES, MAX_COLUMNS, MAX_ROWS, Table, UnreadableFile, read_table
from crm.spreadsheets.unreadable import MESSAGES

REGISTER = Path(__file__).parents[2] / "data" / "uwa_tikasathi_register.csv"
CHINESE = "编号,风险描述,负责人\r\n1,客户满意度下降,张三\r\n2,竞争对手降价,李四\r\n"
SHEET_XML = (
    '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData>{}</sheetData></worksheet>'
)
CHINESE_ROWS = [["编号", "风险描述", "负责人"], ["1", "客户满意度下降", "张三"], ["2", "竞争对手降价", "李四"]]


def rows_of(text):
    return read_table(text if isinstance(text, bytes) else text.encode(), "r.csv").rows


def refusal(data):
    with pytest.raises(UnreadableFile) as caught:
        read_table(data if isinstance(data, bytes) else data.encode(), "register.csv")
    assert str(caught.value) == MESSAGES[caught.value.code].format(**caught.value.params)
    return caught.value


def code_of(data):
    return refusal(data).code


def book_of(*sheets, hidden=()):
    """Workbook bytes; each sheet is (title, rows)."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets:
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
        if title in hidden:
            sheet.sheet_state = "hidden"
    return saved(book)


def saved(book):
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def with_member(data, name, content):
    """The same workbook with one member replaced or added."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            if member != name:
                new.writestr(member, old.read(member))
        new.writestr(name, content)
    return out.getvalue()


# CSV


def test_real_register():
    table = read_table(REGISTER.read_bytes(), REGISTER.name)
    assert (table.encoding, table.delimiter, table.sheet) == ("utf-8", ",", "")
    assert len(table.rows) == 44
    assert {len(row) for row in table.rows} == {14}
    assert table.rows[18][1] == "Risk ID"
    assert table.rows[18][5] == "Impact \nLevel\nRate \n1 (LOW) to \n5 (HIGH)".replace("\n", os.linesep)
    body = table.rows[19:]
    assert [row[1] for row in body] == [f"R{number:02}" for number in range(1, 26)]
    assert [row[1] for row in body if not any(row[2:])] == ["R24", "R25"]
    assert body[0][11] == "2026-08-06 00:00:00"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (CHINESE.encode(), "utf-8"),
        (CHINESE.encode("utf-8-sig"), "utf-8-sig"),
        (b"\xff\xfe" + CHINESE.encode("utf-16-le"), "utf-16-le"),
        (b"\xfe\xff" + CHINESE.encode("utf-16-be"), "utf-16-be"),
        (CHINESE.encode("utf-16-le"), "utf-16-le"),
        (CHINESE.encode("utf-16-be"), "utf-16-be"),
        (CHINESE.encode("gbk"), "gb18030"),
        (CHINESE.encode("gb18030"), "gb18030"),
    ],
)
def test_encodings(data, encoding):
    assert read_table(data, "r.csv") == Table(CHINESE_ROWS, "", encoding, ",")


def test_western_accents_are_not_chinese():
    table = read_table("Müller;Zürich;größte Änderung\nHöhe;5 €;naïve “quotes”\n".encode("cp1252"), "r.csv")
    assert table.encoding == "cp1252"
    assert table.rows == [["Müller", "Zürich", "größte Änderung"], ["Höhe", "5 €", "naïve “quotes”"]]


def test_damaged_utf8_is_refused_with_its_line():
    error = refusal("编号,风险描述\n客户满意度下降,很多字\n".encode() + "客".encode()[:2] + b",x\n")
    assert (error.code, error.params) == ("encoding", {"line": 3})


@pytest.mark.parametrize("encoding", ["cp1251", "koi8-r"])
def test_cyrillic_bytes_are_refused(encoding):
    assert code_of("Риск,Владелец\nЗадержка,Иван\n".encode(encoding)) == "encoding"


@pytest.mark.parametrize("line_break", ["\r", "\n", "\r\n"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiters_and_line_breaks(delimiter, line_break):
    lines = [["Title", "a", "b"], ["One, two; three", "1", "x|y"], ["second", "2", "z"]]
    text = line_break.join(delimiter.join(f'"{cell}"' for cell in row) for row in lines)
    table = read_table(text.encode(), "r.txt")
    assert table.delimiter == delimiter
    assert table.rows == lines


def test_semicolons_win_over_decimal_commas():
    assert rows_of("a;b;c\n1,5;2,5;3,5\n1,5;2,5;3,5\n")[1] == ["1,5", "2,5", "3,5"]


def test_commas_in_prose_do_not_outvote_the_delimiter():
    text = "Register, 2026, draft\n\nid;risk\n1;late, very, late\n2;lost\n3;a, b\n"
    assert rows_of(text)[2:] == [["id", "risk"], ["1", "late, very, late"], ["2", "lost"], ["3", "a, b"]]


def test_separator_line():
    table = read_table(b"sep=;\r\na,b;c\r\n", "r.csv")
    assert (table.rows, table.delimiter) == ([["a,b", "c"]], ";")


def test_quotes():
    text = 'a,"x, ""y""",c\n1,5" pipe,"two\nlines"\n2,"",\'q\'\n'
    assert rows_of(text) == [["a", 'x, "y"', "c"], ["1", '5" pipe', "two\nlines"], ["2", None, "'q'"]]


def test_ragged_rows_and_blank_edges():
    text = ",a,b,,\n\n,1\n,1,2,3,\n,,,,\n \n"
    assert rows_of(text) == [
        [None, "a", "b", None],
        [None] * 4,
        [None, "1", None, None],
        [None, "1", "2", "3"],
    ]


def test_single_column():
    assert rows_of("Risk\nlate\n") == [["Risk"], ["late"]]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('a,b\n1,"open\n2,x\n3,y\n', 2),
        ('a,"two\nlines"\n1,"open\n2,x\n', 3),
        ('a,b\n1,"open\n2,"next, cell"\n', 2),
        ('a,b\r1,"' + "x\r" * 300_000, 2),
    ],
)
def test_unclosed_quote(text, line):
    error = refusal(text)
    assert (error.code, error.params) == ("unclosed_quote", {"line": line})


def test_long_cell():
    assert rows_of('a,b\n1,"' + "x" * 200_000 + '"\n')[1][1] == "x" * 200_000
    assert code_of('a,b\n1,"' + "x" * 200_001 + '"\n') == "too_large"


def test_sniffing_survives_a_quote_longer_than_the_sample():
    text = 'a;b\n1;"' + "x,\n" * 60_000 + '"\n'
    assert len(text) < delimited.SAMPLE_CHARACTERS
    assert len(rows_of(text)) == 2


@pytest.mark.parametrize(
    "data", [b"", b" \r\n\t", b"\xef\xbb\xbf", b"\xef\xbb\xbf\r\n", b"\xff\xfe", ",,,\n,,\n", "sep=;\n"]
)
def test_empty(data):
    assert code_of(data) == "empty"


@pytest.mark.parametrize(
    "data",
    [
        b"a,b\n1,\0002\n",
        b"%PDF-1.7\nhello,world\n",
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"\xff\xd8\xff\xe0" + bytes(10),
        b"a,b\n\x01\x02\x03\x04,c\n",
        bytes(range(256)) * 4,
    ],
)
def test_binary(data):
    assert code_of(data) == "binary"


def test_ten_megabytes_of_junk():
    assert code_of(random.Random(1).randbytes(10 * 1024 * 1024)) == "binary"


def test_markup_is_no_table():
    assert code_of("<html><table><tr><td>a</td></tr></table></html>") == "not_a_table"
    assert code_of('<?xml version="1.0"?><Workbook/>') == "not_a_table"


def test_limits():
    assert code_of(b"a" * (MAX_BYTES + 1)) == "too_large"
    assert code_of("a\n" * (MAX_ROWS + 1)) == "too_many_rows"
    assert code_of("," * MAX_COLUMNS + "a\n") == "too_wide"
    assert len(rows_of("," * (MAX_COLUMNS - 1) + "a" + ",\n" * 9)[0]) == MAX_COLUMNS


def test_blank_rows_after_the_end_do_not_count():
    assert rows_of("a,b\n" + ",\n" * (MAX_ROWS + 5)) == [["a", "b"]]


@pytest.mark.parametrize("member", ["readme.txt", "word/document.xml", "content.xml"])
def test_zip_that_is_no_workbook(member):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(member, "hello")
    assert code_of(out.getvalue()) == "binary"


def test_old_and_encrypted_excel():
    magic = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    assert code_of(magic + bytes(600)) == "old_excel"
    assert code_of(magic + bytes(600) + "EncryptedPackage".encode("utf-16-le") + bytes(9)) == "encrypted"


@settings(max_examples=600, deadline=None)
@given(
    st.binary(max_size=300) | st.text(alphabet='a,;"\n\r\t|\0é风', max_size=60).map(lambda text: text.encode("gb18030"))
)
def test_only_unreadable_file_is_raised(data):
    try:
        table = read_table(data, "r.csv")
    except UnreadableFile:
        return
    assert table.rows
    assert len({len(row) for row in table.rows}) == 1


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_only_unreadable_file_is_raised_for_zip_magic(data):
    with pytest.raises(UnreadableFile):
        read_table(b"PK\x03\x04" + data, "r.xlsx")


# XLSX


def test_workbook_cells():
    rows = [
        ["Risk", "Level", None],
        ["late", 4, None],
        ["a\nb", 2.5, None],
        [True, dt.datetime(2026, 8, 6, 9, 30)],
        [" "],
    ]
    table = read_table(book_of(("Register", rows)), "named.csv")
    assert table.rows == [["Risk", "Level"], ["late", 4], ["a\nb", 2.5], [True, dt.datetime(2026, 8, 6, 9, 30)]]
    assert (table.sheet, table.encoding, table.delimiter) == ("Register", "", "")


def test_fullest_visible_sheet():
    big, small = [["x", "y"]] * 9, [["a", "b"]]
    data = book_of(("Cover", [["hello"]]), ("Register", small), ("Lists", big), hidden=["Lists"])
    assert read_table(data, "r").sheet == "Register"
    sheets = [(f"S{number}", small) for number in range(10)]
    assert read_table(book_of(*sheets, ("Late", big)), "r").sheet == "S0"


def test_all_sheets_hidden(monkeypatch):
    # openpyxl refuses to write such a book; other programs do not.
    data = book_of(("A", [["x", "y"]]))
    listing = zipfile.ZipFile(io.BytesIO(data)).read("xl/workbook.xml").decode()
    hidden = listing.replace('state="visible"', 'state="hidden"')
    assert hidden != listing
    assert read_table(with_member(data, "xl/workbook.xml", hidden), "r").rows == [["x", "y"]]


def test_formulas_errors_and_escapes():
    data = book_of(("A", [["placeholder"]]))
    sheet = (
        '<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><dimension ref="A1"/><sheetData>'
        '<row r="2"><c r="B2"><f>1+1</f><v>2</v></c><c r="C2" t="e"><v>#REF!</v></c>'
        '<c r="D2" t="str"><f>A1</f><v>a_x000D_b</v></c></row></sheetData></worksheet>'
    )
    assert rows_of(with_member(data, "xl/worksheets/sheet1.xml", sheet)) == [[None] * 4, [None, 2, None, "a\rb"]]


def test_blank_workbook():
    assert code_of(book_of(("A", []))) == "empty"


def test_workbook_limits():
    assert code_of(book_of(("A", [["a"] * (MAX_COLUMNS + 1)]))) == "too_wide"
    data = book_of(("A", [["placeholder"]]))
    far = SHEET_XML.format(f'<row r="{MAX_ROWS + 1}"><c><v>1</v></c></row>')
    assert code_of(with_member(data, "xl/worksheets/sheet1.xml", far)) == "too_many_rows"
    absurd = SHEET_XML.format('<row r="99999999999"><c><v>1</v></c></row>')
    assert code_of(with_member(data, "xl/worksheets/sheet1.xml", absurd)) == "bomb"


@pytest.mark.parametrize("content", [b"no xml", b"", b"<worksheet/>", b"\xff" * 50])
def test_damaged_sheet(content):
    assert code_of(with_member(book_of(("A", [["x"]])), "xl/worksheets/sheet1.xml", content)) in {
        "not_a_table",
        "empty",
    }


def test_truncated_workbook():
    data = book_of(("A", [["x"]]))
    assert code_of(data[: len(data) // 2]) == "not_a_table"


def test_entities_are_refused():
    entities = '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    row = '<row r="1"><c t="inlineStr"><is><t>&b;</t></is></c></row>'
    sheet = entities + SHEET_XML.format(row)
    assert code_of(with_member(book_of(("A", [["x"]])), "xl/worksheets/sheet1.xml", sheet)) == "not_a_table"


def test_zip_bombs():
    data = book_of(("A", [["x"]]))
    assert code_of(with_member(data, "xl/media/zeros", bytes(30 * 1024 * 1024))) == "bomb"
    many = data
    out = io.BytesIO(many)
    with zipfile.ZipFile(out, "a") as archive:
        for number in range(1000):
            archive.writestr(f"xl/media/{number}", b"")
    assert code_of(out.getvalue()) == "bomb"


def test_small_workbooks_may_be_packed_tightly():
    assert rows_of(with_member(book_of(("A", [["x"]])), "xl/media/zeros", bytes(900 * 1024))) == [["x"]]


def test_repeated_shared_string_cannot_fill_the_memory(monkeypatch):
    monkeypatch.setattr(child, "MAX_CHARACTERS", 1000)
    lines = list(child.answer(book_of(("A", [["x" * 300]] * 5))))
    assert lines == ['{"code": "bomb", "params": {}}']


def test_child_is_limited_and_knows_no_django():
    script = (
        "import resource, sys, crm.spreadsheets.child as c; c.limit_resources();"
        "assert resource.getrlimit(resource.RLIMIT_AS)[0] == 1024**3;"
        "assert resource.getrlimit(resource.RLIMIT_CPU)[0] == 120;"
        "import crm.spreadsheets.cells, crm.spreadsheets.headings, crm.spreadsheets.writing;"
        "assert not any(name.split('.')[0] == 'django' for name in sys.modules)"
    )
    command = [workbook.sys.executable, "-c", script]
    subprocess.run(command, check=True, cwd=workbook._PROJECT, env={"PYTHONPATH": str(workbook._PROJECT)})


@pytest.mark.parametrize(
    ("code", "refused_as"), [("import os; os.kill(os.getpid(), 9)", "bomb"), ("1/0", "not_a_table")]
)
def test_death_of_the_child(monkeypatch, code, refused_as):
    real_run = subprocess.run
    monkeypatch.setattr(
        workbook.subprocess, "run", lambda command, **options: real_run([command[0], "-c", code], **options)
    )
    assert code_of(book_of(("A", [["x"]]))) == refused_as


def test_slow_child(monkeypatch):
    monkeypatch.setattr(workbook, "TIMEOUT_SECONDS", 0.01)
    assert code_of(book_of(("A", [["x"]]))) == "bomb"


def test_child_that_says_nonsense(monkeypatch):
    for nonsense in (b"", b"nonsense\n", b'{"sheet": "A"}\n[{"e": 1}]\n'):
        monkeypatch.setattr(workbook, "_run_child", lambda data, answer=nonsense: answer)
        assert code_of(book_of(("A", [["x"]]))) == "not_a_table"
