"""The register as a file: which columns there are, and the risks as rows. Each stage brings its own columns.

settings.REGISTER_COLUMNS names a module per stage, each with ``columns(user) -> list[Column]``,
``read(risks) -> {risk id: {key: value}}`` and ``apply(changes)``. Values are JSON: what ``parse`` gives,
``read`` gives, too, so comparing a file with the register is comparing values.
"""

from __future__ import annotations

import datetime as dt
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.conf import settings
from django.utils.module_loading import import_string

from crm.spreadsheets.cells import DateOrder
from crm.spreadsheets.table import Cell
from crm.spreadsheets.writing import WritableCell
from riskreg.accounts.models import Team, User
from risks.models import ImportBatch, Risk
from risks.models.risk import RiskQuerySet

Value = Any  # JSON
_EXPORT_CHUNK = 500


class Problem(NamedTuple):
    """Something about one cell: a code of import_messages, the column's key, and the cell as text."""

    code: str
    key: str
    cell: str


@dataclass(frozen=True)
class Column:
    """A column of the register file. ``parse`` turns a cell into a JSON value or raises BadCell."""

    key: str
    heading: str  # in the language of the page
    aliases: tuple[str, ...]  # spellings by which people and our own exports name it, in both languages
    parse: Callable[[Cell, DateOrder], Value] | None  # None: calculated by us, never read
    show: Callable[[Value], WritableCell] = lambda value: value
    is_date: bool = False
    same: Callable[[Value, Value], bool] = operator.eq  # whether two values say the same


@dataclass
class Change:
    """What one row of a file does to one risk: the values it states, by column key."""

    risk: Risk
    values: Mapping[str, Value]
    problems: list[Problem] = field(default_factory=list)


@dataclass(frozen=True)
class Changes:
    """Many rows on their way into the register together, so that stages can write them set-based."""

    items: Sequence[Change]
    by: User | None
    at: dt.datetime
    batch: ImportBatch
    restores: bool = False  # an undo: what is stated stood before, however old it is


def _modules(name: str) -> Iterator[Any]:
    for module in settings.REGISTER_COLUMNS:
        yield import_string(f"{module}.{name}")


def columns() -> list[Column]:
    """All columns in the order of the file."""
    return [column for of_stage in _modules("columns") for column in of_stage()]


def read(risks: Sequence[Risk]) -> dict[int, dict[str, Value]]:
    """The values of these risks by column key; the statements do not depend on their number."""
    values: dict[int, dict[str, Value]] = {risk.pk: {} for risk in risks}
    for read_stage in _modules("read"):
        for risk_id, stated in read_stage(risks).items():
            values[risk_id].update(stated)
    return values


def check(values: Mapping[str, Value], team: Team | None) -> list[Problem]:
    """What is wrong with a row as a whole, stage by stage."""
    return [problem for check_stage in _modules("check") for problem in check_stage(values, team)]


def apply(changes: Changes) -> None:
    """Write the stated values, stage by stage, inside the caller's transaction."""
    for apply_stage in _modules("apply"):
        apply_stage(changes)


def header() -> list[str]:
    return [str(column.heading) for column in columns()]


def rows(risks: RiskQuerySet) -> Iterator[list[WritableCell]]:
    """The risks as rows of the file, in their order: a constant number of statements for each 500."""
    shown = columns()
    ids = list(risks.values_list("pk", flat=True))
    for start in range(0, len(ids), _EXPORT_CHUNK):
        chunk = ids[start : start + _EXPORT_CHUNK]
        found = Risk.objects.select_related("category", "customer", "owner", "team", "sheet").in_bulk(chunk)
        values = read([found[pk] for pk in chunk])
        for pk in chunk:
            yield [column.show(values[pk].get(column.key)) for column in shown]
