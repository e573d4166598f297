"""Registers out to CSV and XLSX, so that no text of ours is ever taken for a formula, and comes back unchanged."""

import csv
import datetime as dt
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from typing import Any

# openpyxl ships no types; whether its stubs are installed is not for this file to know.
import openpyxl  # type: ignore[import-untyped,unused-ignore]
from openpyxl.cell import WriteOnlyCell  # type: ignore[import-untyped,unused-ignore]
from openpyxl.styles import Alignment, Font  # type: ignore[import-untyped,unused-ignore]
from openpyxl.utils import get_column_letter  # type: ignore[import-untyped,unused-ignore]

from crm.spreadsheets.table import Cell

WritableCell = Cell | Decimal

MAX_TITLE_CHARACTERS = 31
MIN_WIDTH, MAX_WIDTH = 8, 60
WIDTH_SAMPLE_ROWS = 200
LAST_EXACT_INTEGER = 10**15
_DANGEROUS = "=+\\-@\t\r\n＝＋－＠"
_INERT_OR_DANGEROUS = re.compile(rf"'*[{_DANGEROUS}]")
_MARKED = re.compile(rf"'+[{_DANGEROUS}]")
_UNWRITABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_LOOKS_ESCAPED = re.compile(r"_(?=x[0-9A-Fa-f]{4}_)")
_BAD_IN_TITLE = re.compile(r"[\[\]:*?/\\\x00-\x1f\ud800-\udfff\ufffe\uffff]")


def escape(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would run, and before text that looks as if we had."""
    return f"'{text}" if _INERT_OR_DANGEROUS.match(text) else text


def unescape(cell: Cell) -> Cell:
    """Undo `escape` on a cell of a file we wrote, CSV or XLSX; any other apostrophe stays."""
    return cell[1:] if isinstance(cell, str) and _MARKED.match(cell) else cell


def write_csv(header: Sequence[str], rows: Iterable[Sequence[WritableCell]]) -> bytes:
    """UTF-8 with BOM, CRLF. Every cell is quoted, or a semicolon in a text could start a cell, and a formula."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    writer.writerow([escape(_writable(title)) for title in header])
    writer.writerows([_csv_cell(cell) for cell in row] for row in rows)
    return out.getvalue().encode("utf-8-sig")


def write_xlsx(header: Sequence[str], rows: Iterable[Sequence[WritableCell]], sheet_title: str) -> bytes:
    """One sheet with a bold frozen header. Text beyond Excel's 32 767 characters is cut."""
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet(_sheet_title(sheet_title))
    sheet.freeze_panes = "A2"
    remaining = iter(rows)
    sample = list(itertools.islice(remaining, WIDTH_SAMPLE_ROWS))
    for number, width in enumerate(_widths(header, sample), start=1):
        sheet.column_dimensions[get_column_letter(number)].width = width
    bold, wrapped = Font(bold=True), Alignment(wrap_text=True, vertical="top")
    sheet.append([_text_cell(sheet, title, wrapped, bold) for title in header])
    for row in itertools.chain(sample, remaining):
        sheet.append([_xlsx_cell(sheet, cell, wrapped) for cell in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _writable(text: str) -> str:
    """Without the characters that XML, and so a workbook, cannot hold."""
    return _UNWRITABLE.sub("", text)


def _csv_cell(cell: WritableCell) -> str:
    if cell is None or _is_no_number(cell):
        return ""
    if isinstance(cell, str):
        return escape(_writable(cell))
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, dt.datetime):
        return cell.isoformat(sep=" ")
    return str(cell)


def _xlsx_cell(sheet: Any, cell: WritableCell, wrapped: Alignment) -> Any:
    if cell is None or _is_no_number(cell):
        return None
    if isinstance(cell, str):
        return _text_cell(sheet, cell, wrapped)
    if isinstance(cell, dt.date):
        return _date_cell(sheet, cell, wrapped)
    if isinstance(cell, int | Decimal) and not -LAST_EXACT_INTEGER <= cell <= LAST_EXACT_INTEGER:
        # Excel keeps 15 digits; a longer number is an identifier.
        return _text_cell(sheet, str(cell), wrapped)
    return cell


def _is_no_number(cell: WritableCell) -> bool:
    return isinstance(cell, float | Decimal) and not math.isfinite(cell)


def _date_cell(sheet: Any, cell: dt.date, wrapped: Alignment) -> Any:
    """Excel knows neither time zones nor days before March 1900: wall clock time, and text, instead."""
    if cell.year <= 1900:
        return _text_cell(sheet, cell.isoformat(), wrapped)
    return cell.replace(tzinfo=None) if isinstance(cell, dt.datetime) else cell


def _text_cell(sheet: Any, text: str, wrapped: Alignment, font: Font | None = None) -> Any:
    """A cell of type string, whatever it starts with. Only marks that reading would take away get one more."""
    text = _writable(text)
    cell = WriteOnlyCell(sheet, _xml_safe(f"'{text}" if _MARKED.match(text) else text))
    cell.data_type = "s"
    cell.alignment = wrapped
    if font:
        cell.font = font
    if _INERT_OR_DANGEROUS.match(text):
        cell.quotePrefix = True  # stays text when someone edits the cell in Excel
    return cell


def _xml_safe(text: str) -> str:
    """XML turns carriage returns into line feeds; workbooks write them as _x000D_."""
    return _LOOKS_ESCAPED.sub("_x005F_", text).replace("\r", "_x000D_")


def _widths(header: Sequence[str], rows: list[Sequence[WritableCell]]) -> Iterator[float]:
    """In characters of Excel's default font: the longest line of each column, within limits."""
    for number, title in enumerate(header):
        cells = [title, *(row[number] for row in rows if number < len(row))]
        longest = max(_line_width("" if cell is None else str(cell)) for cell in cells)
        yield min(max(longest + 2, MIN_WIDTH), MAX_WIDTH)


def _line_width(text: str) -> int:
    """Chinese characters are twice as wide as letters."""
    return max((sum(2 if letter > "\u2e7f" else 1 for letter in line) for line in text.split("\n")), default=0)


def _sheet_title(title: str) -> str:
    return _BAD_IN_TITLE.sub(" ", title).strip(" '")[:MAX_TITLE_CHARACTERS].strip(" '") or "Register"
