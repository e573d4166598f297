"""A sheet of cells, whichever kind of file it came from."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from crm.spreadsheets.unreadable import MAX_COLUMNS, MAX_ROWS, UnreadableFile

Cell = str | int | float | bool | dt.datetime | dt.date | None


@dataclass(frozen=True)
class Table:
    """All rows have the same length; a cell with nothing but white space is None.

    For a workbook `encoding` and `delimiter` are empty; for CSV `sheet` is.
    """

    rows: list[list[Cell]]
    sheet: str
    encoding: str
    delimiter: str


def is_blank(cell: object) -> bool:
    """True for None and for text of nothing but white space."""
    return cell is None or (isinstance(cell, str) and not cell.strip())


def filled_width(row: Sequence[Cell]) -> int:
    """Number of columns up to the last cell that is not blank."""
    width = len(row)
    while width and is_blank(row[width - 1]):
        width -= 1
    return width


class Sheet:
    """Collects rows from the top, refusing what is too long or too wide, and squares them off at the end."""

    def __init__(self) -> None:
        self.rows: list[list[Cell]] = []
        self.width = 0
        self.filled = 0
        self._blank_rows = 0

    def add(self, row: Sequence[Cell]) -> None:
        """Raises UnreadableFile 'too_wide' or 'too_many_rows'. Blank rows count only once a filled row follows them."""
        width = filled_width(row)
        if not width:
            self._blank_rows += 1
            return
        if width > MAX_COLUMNS:
            raise UnreadableFile("too_wide", limit=MAX_COLUMNS)
        if len(self.rows) + self._blank_rows >= MAX_ROWS:
            raise UnreadableFile("too_many_rows", limit=MAX_ROWS)
        self.rows.extend([] for _ in range(self._blank_rows))
        self._blank_rows = 0
        cells = [None if is_blank(cell) else cell for cell in row[:width]]
        self.filled += sum(cell is not None for cell in cells)
        self.width = max(self.width, width)
        self.rows.append(cells)

    def squared(self) -> list[list[Cell]]:
        """The rows padded to one width, without blank rows and columns at the end; UnreadableFile 'empty' if none."""
        if not self.rows:
            raise UnreadableFile("empty")
        for row in self.rows:
            row.extend([None] * (self.width - len(row)))
        return self.rows
