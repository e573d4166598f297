"""The process that opens a stranger's workbook: bytes on stdin, JSON lines on stdout, nothing else.

First line {"sheet": name} or {"code": ..., "params": {...}}, then one line per row. Run by `workbook.py` only.
"""

import datetime as dt
import io
import json
import math
import re
import resource
import sys
import warnings
from collections.abc import Iterator
from typing import Any

from crm.spreadsheets.table import Cell, Sheet
from crm.spreadsheets.unreadable import UnreadableFile

MEMORY_BYTES = 1024**3
CPU_SECONDS = 120
MAX_SHEETS = 10
MAX_FILLED_CELLS = 3_000_000
# One long shared string may be shown in millions of cells; the directory of the zip file does not tell.
MAX_CHARACTERS = 60_000_000
EXCEL_LAST_ROW = 1_048_576
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def limit_resources() -> None:
    """Memory and processor time; beyond them this process dies and its parent reports it."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def fullest_sheet(data: bytes) -> tuple[str, Sheet]:
    """Name and rows of the sheet with the most filled cells among the first ten visible ones."""
    import openpyxl  # type: ignore[import-untyped,unused-ignore]  # noqa: PLC0415 - only under the limits

    if not openpyxl.DEFUSEDXML:
        raise RuntimeError("defusedxml is missing")
    book = openpyxl.load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
    visible = [sheet for sheet in book.worksheets if sheet.sheet_state == "visible"] or book.worksheets
    best = ("", Sheet())
    for worksheet in visible[:MAX_SHEETS]:
        sheet = collect(worksheet)
        if sheet.filled > best[1].filled:
            best = (worksheet.title, sheet)
    return best


def collect(worksheet: Any) -> Sheet:
    """Raises UnreadableFile 'bomb', 'too_wide' or 'too_many_rows'."""
    worksheet.reset_dimensions()  # the size written in the file is often wrong
    sheet, characters = Sheet(), 0
    for number, row in enumerate(worksheet.iter_rows(), start=1):
        if number > EXCEL_LAST_ROW:
            raise UnreadableFile("bomb")
        cells = [typed(cell.value, cell.data_type) for cell in row]
        sheet.add(cells)
        characters += sum(len(cell) for cell in cells if isinstance(cell, str))
        if sheet.filled > MAX_FILLED_CELLS or characters > MAX_CHARACTERS:
            raise UnreadableFile("bomb")
    return sheet


def typed(value: Any, data_type: str) -> Cell:
    """A cell of ours from one of openpyxl's; error values such as '#REF!' are nothing."""
    if value is None or data_type == "e":
        return None
    if isinstance(value, str):
        return _ESCAPED.sub(_unescaped, value) if "_x" in value else value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, bool | int | float | dt.date):
        return value
    return str(value)  # times of day and durations


def _unescaped(match: re.Match[str]) -> str:
    """Workbooks write a carriage return as _x000D_; halves of surrogate pairs stay as they are written."""
    code = int(match[1], 16)
    return match[0] if code == 0 or 0xD800 <= code <= 0xDFFF else chr(code)


def encoded(cell: Cell) -> Any:
    """Dates as {"d": iso}; all other cells are JSON already."""
    return {"d": cell.isoformat()} if isinstance(cell, dt.date) else cell


def answer(data: bytes) -> Iterator[str]:
    """The lines for the parent process."""
    try:
        name, sheet = fullest_sheet(data)
        rows = sheet.squared()
    except UnreadableFile as error:
        yield json.dumps({"code": error.code, "params": error.params})
        return
    except MemoryError:
        yield json.dumps({"code": "bomb", "params": {}})
        return
    yield json.dumps({"sheet": name})
    for row in rows:
        yield json.dumps([encoded(cell) for cell in row])


def main() -> None:
    """Read stdin, answer on stdout; any other failure is the exit code of an unhandled exception."""
    limit_resources()
    sys.modules["numpy"] = None  # type: ignore[assignment]  # openpyxl would load it, and its threads' memory
    warnings.simplefilter("ignore")
    for line in answer(sys.stdin.buffer.read()):
        sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main()
