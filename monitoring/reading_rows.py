"""Readings as they come in from outside, in a file or through the API: every row is right, or says what is wrong."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from crm.spreadsheets import cells
from crm.spreadsheets.cells import BadCell, DateOrder
from crm.spreadsheets.table import Cell
from monitoring.indicators import Measured
from monitoring.models import Indicator

MOST_ROWS = 20_000
_NOTE = 500
_LARGEST = 1e12  # what a page can still show
_NOON = dt.time(12)  # a day without an hour is the same day in most zones
_HEADINGS = {
    "indicator": ("indicator", "kri", "name", "id", "指标", "指标名称", "名称"),
    "at": ("measured at", "at", "date", "day", "time", "when", "日期", "时间", "测量时间"),
    "value": ("value", "reading", "number", "值", "数值", "读数"),
    "note": ("note", "comment", "remark", "备注", "说明"),
}


@dataclass(frozen=True)
class Row:
    number: int  # as the person who sent it counts
    indicator: Cell
    at: Cell
    value: Cell
    note: Cell


@dataclass(frozen=True)
class Problem:
    row: int
    field: str
    message: str


def rows_of_table(table: Sequence[Sequence[Cell]]) -> tuple[list[Row], list[Problem]]:
    """The rows of a file whose first row holds the headings."""
    names = [cells.text(cell).lower() for cell in table[0]]
    places = {
        field: next((place for place, name in enumerate(names) if name in spellings), None)
        for field, spellings in _HEADINGS.items()
    }
    missing = [field for field in ("indicator", "at", "value") if places[field] is None]
    if missing:
        wanted = ", ".join(_HEADINGS[field][0] for field in missing)
        return [], [
            Problem(1, missing[0], _("The first row must name the columns; missing: %(names)s.") % {"names": wanted})
        ]

    def cell(row: Sequence[Cell], field: str) -> Cell:
        place = places[field]
        return None if place is None else row[place]

    return [
        Row(number, *(cell(row, field) for field in _HEADINGS))
        for number, row in enumerate(table[1:], start=2)
        if any(value is not None for value in row)
    ], []


def plan(
    rows: Sequence[Row], indicators: Sequence[Indicator], *, zone: ZoneInfo, now: dt.datetime
) -> tuple[list[Measured], list[Problem]]:
    """What the rows say of these indicators, and what is wrong with them; times without a zone are of ``zone``."""
    if len(rows) > MOST_ROWS:
        return [], [Problem(MOST_ROWS, "", _("More than %(limit)d readings at once.") % {"limit": MOST_ROWS})]
    by_name = _by_name(indicators)
    order = cells.guess_date_order(row.at for row in rows)
    measured: dict[tuple[int, dt.datetime], Measured] = {}
    problems = []
    for row in rows:
        try:
            one = _read(row, by_name, order, zone, now)
        except _Wrong as wrong:
            problems.append(Problem(row.number, wrong.field, wrong.message))
            continue
        key = (one.indicator_id, one.at)
        if key in measured and measured[key].value != one.value:
            problems.append(Problem(row.number, "at", _("Two different values of one indicator for the same time.")))
        measured[key] = one
    return list(measured.values()), problems


class _Wrong(Exception):
    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field, self.message = field, message


def _by_name(indicators: Sequence[Indicator]) -> dict[str, list[Indicator]]:
    found: dict[str, list[Indicator]] = {}
    for indicator in indicators:
        found.setdefault(indicator.name.strip().lower(), []).append(indicator)
        found.setdefault(str(indicator.pk), []).append(indicator)
    return found


def _read(
    row: Row, indicators: Mapping[str, Sequence[Indicator]], order: DateOrder, zone: ZoneInfo, now: dt.datetime
) -> Measured:
    name = cells.text(row.indicator)
    found = indicators.get(name.lower(), ())
    if not found:
        raise _Wrong("indicator", _("There is no indicator “%(name)s” that you may fill.") % {"name": name[:80]})
    if len(found) > 1:
        raise _Wrong("indicator", _("Several indicators are called “%(name)s”; give the number.") % {"name": name[:80]})
    note = cells.text(row.note)
    if len(note) > _NOTE:
        raise _Wrong("note", _("The text is too long: “%(cell)s…”") % {"cell": note[:40]})
    return Measured(found[0].pk, _moment(row.at, order, zone, now), _value(row.value, found[0]), note)


def _value(cell: Cell, indicator: Indicator) -> float:
    try:
        value = cells.parse_number(cell)
    except BadCell:
        value = None
    if value is None or not math.isfinite(value) or abs(value) > _LARGEST:
        raise _Wrong("value", _("“%(cell)s” is no number that can be used.") % {"cell": cells.text(cell)[:80]})
    # "12 %" of an indicator counted in percent is 12, not 0.12.
    in_percent = indicator.unit == "%" and isinstance(cell, str) and cell.strip().endswith(("%", "％"))
    return value * 100 if in_percent else value


def _moment(cell: Cell, order: DateOrder, zone: ZoneInfo, now: dt.datetime) -> dt.datetime:
    moment = _read_moment(cell, order, zone)
    if moment is None:
        raise _Wrong("at", _("“%(cell)s” is no date.") % {"cell": cells.text(cell)[:80]})
    if moment > now + dt.timedelta(days=1):
        raise _Wrong("at", _("“%(cell)s” lies in the future.") % {"cell": cells.text(cell)[:80]})
    return min(moment, now)  # noon of today, in the morning


def _read_moment(cell: Cell, order: DateOrder, zone: ZoneInfo) -> dt.datetime | None:
    if isinstance(cell, str):
        try:
            # A date alone is read below, in the way of its column.
            moment = dt.datetime.fromisoformat(cell.strip()) if len(cell.strip()) > 10 else None
        except ValueError:
            moment = None
    else:
        moment = cell if isinstance(cell, dt.datetime) and (cell.hour or cell.minute) else None
    try:
        if moment is None:
            day = cells.parse_date(cell, order)
            moment = dt.datetime.combine(day, _NOON) if day else None
        if moment is None or not cells.FIRST_YEAR <= moment.year <= cells.LAST_YEAR:
            return None
        return (moment if moment.tzinfo else moment.replace(tzinfo=zone)).astimezone(dt.UTC)
    except (BadCell, OverflowError):
        return None
