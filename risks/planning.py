"""Reading a register file and deciding, row by row, what it would do; nothing of a risk is written here."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction

from crm.spreadsheets import cells
from crm.spreadsheets.cells import BadCell, DateOrder
from crm.spreadsheets.headings import find_header, propose_mapping
from crm.spreadsheets.reading import read_table
from crm.spreadsheets.table import Cell, is_blank
from crm.spreadsheets.unreadable import UnreadableFile
from crm.spreadsheets.writing import unescape
from riskreg.accounts.models import Team, User
from risks import register
from risks.access import editable_risks, teams_worked_in, visible_risks
from risks.columns import categories_by_name, people_by_name, team_paths
from risks.models import Category, ImportBatch, ImportRow, Risk
from risks.register import Column, Problem

MAX_ROWS = 20_000
Verdict = ImportRow.Verdict

# Problems that are worth telling but keep no row out.
NOTES = frozenset({"unknown_owner", "unknown_category", "half_judged", "title_cut"})
# Of a row being planned: a name that is to be kept, until it is known whether the risk is there already.
_SPARE_NOTE, _SPARE_TAG = "spare note", "spare tag"


@dataclass(frozen=True)
class Options:
    """What the person decided beside the columns."""

    create_categories: bool = False
    fallback_category: str = "process"  # key of the category that takes unknown ones
    date_order: str = "auto"
    all_or_nothing: bool = False

    @classmethod
    def of(cls, batch: ImportBatch) -> Options:
        return cls(**batch.options)


def open_import(*, data: bytes, filename: str, team: Team, by: User | None, options: Options) -> ImportBatch:
    """Read an uploaded file and propose its columns. Raises UnreadableFile; nothing is stored then."""
    table = read_table(data, filename)
    if len(table.rows) > MAX_ROWS:
        raise UnreadableFile("too_many_rows", limit=MAX_ROWS)
    cleaned = [[unescape(cell) for cell in row] for row in table.rows]
    aliases = {column.key: column.aliases for column in register.columns()}
    header = find_header(cleaned, aliases)
    body = cleaned[header + 1 :]
    mapping = propose_mapping(cleaned[header], body[:200], aliases)
    batch = ImportBatch(
        filename=filename[-255:],
        team=team,
        table=[[_stored(cell) for cell in row] for row in cleaned[header:]],
        header_row=header + 1,
        mapping={str(index): key for index, key in mapping.items() if key},
        options=options.__dict__,
        created_by=by,
    )
    batch.save()
    return batch


def _stored(cell: Cell) -> Any:
    """A cell as JSON. Dates are wrapped, so that they come back as dates."""
    if isinstance(cell, dt.datetime):
        cell = cell.date() if cell.time() == dt.time() else cell
    if isinstance(cell, dt.date):
        return {"date": cell.isoformat()[:10]}
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) >= 10**15:
        return cells.text(cell) if abs(cell) < 10**300 else "9" * 40
    # PostgreSQL's JSON takes neither NUL nor half a surrogate pair; they never carry meaning in a cell.
    return "".join(c for c in cell if c != "\0" and not "\ud800" <= c <= "\udfff") if isinstance(cell, str) else cell


def _cell(stored: Any) -> Cell:
    return dt.date.fromisoformat(stored["date"]) if isinstance(stored, dict) else stored


def plan(batch: ImportBatch) -> None:
    """Decide for every row what it would do, and why not; replaces an earlier plan. Writes no risk."""
    planner = _Planner(batch)
    rows = planner.rows()
    with transaction.atomic():
        batch.rows.all().delete()
        ImportRow.objects.bulk_create(rows, batch_size=500)
        batch.state = ImportBatch.State.READY
        batch.counts = _counts(rows)
        batch.save(update_fields=["state", "counts", "mapping", "options"])


def _counts(rows: Sequence[ImportRow]) -> dict[str, int]:
    counts = {"read": len(rows)} | dict.fromkeys(Verdict.values, 0)
    for row in rows:
        counts[row.verdict] += 1
    return counts


def columns_by_key() -> dict[str, Column]:
    return {column.key: column for column in register.columns()}


class _Planner:
    """One pass over the rows of a file, with everything they are compared with loaded once."""

    def __init__(self, batch: ImportBatch) -> None:
        self.batch = batch
        self.options = Options.of(batch)
        self.columns = columns_by_key()
        self.mapped: dict[int, Column] = {
            int(index): self.columns[key] for index, key in batch.mapping.items() if key in self.columns
        }
        self.body = [[_cell(stored) for stored in row] for row in batch.table[1:]]
        self.orders = {index: self._order(index) for index, column in self.mapped.items() if column.is_date}
        self.people = people_by_name()
        self.categories = categories_by_name()
        by = batch.created_by
        self.paths = team_paths()
        worked_in = set(teams_worked_in(by).values_list("pk", flat=True)) if by else set(self.paths)
        self.teams = _by_unique_name({pk: name for pk, name in self.paths.items() if pk in worked_in})
        self._load_existing(by)
        self.seen: set[tuple[str, str]] = set()

    def _load_existing(self, by: User | None) -> None:
        seen = visible_risks(by) if by else Risk.objects.live()
        self.editable = set(editable_risks(by).values_list("pk", flat=True)) if by else None
        self.by_ref: dict[tuple[int, str], int] = {}
        self.by_title: dict[tuple[int, str], int] = {}
        self.team_of: dict[int, int] = {}
        for pk, team, ref, title in seen.order_by("-pk").values_list("pk", "team", "external_ref", "title"):
            self.team_of[pk] = team
            self.by_title[team, title.strip().lower()] = pk
            if ref:
                self.by_ref[team, ref] = pk

    def _order(self, index: int) -> DateOrder:
        if self.options.date_order in ("dmy", "mdy", "ymd"):
            return self.options.date_order  # type: ignore[return-value]
        return cells.guess_date_order(row[index] for row in self.body if index < len(row))

    def rows(self) -> list[ImportRow]:
        planned = [
            self._row(number, row)
            for number, row in enumerate(self.body, start=self.batch.header_row + 1)
            if not all(is_blank(cell) for cell in row)
        ]
        self._compare([row for row in planned if row.verdict == Verdict.UPDATE])
        return planned

    def _row(self, number: int, cells_of_row: list[Cell]) -> ImportRow:
        values, problems = self._parse(cells_of_row)
        made = ImportRow(batch=self.batch, number=number, verdict=Verdict.CREATE)
        if not values.get("title") and not any(p.key == "title" for p in problems):
            made.verdict, made.reasons = Verdict.SKIP, [Problem("no_title", "title", "")]
            return made
        self._cut_title(values, problems)
        team = self._team(values, problems)
        self._owner(values, problems)
        self._category(values, problems)
        if all(p.code in NOTES for p in problems):  # a row that cannot be read cannot be judged as a whole
            problems += register.check(values, team)
        existing = self._existing(values, team, problems)
        if existing is None:
            _keep_spares(values, {"category": self.options.fallback_category})
        made.values = values
        if any(p.code not in NOTES for p in problems):
            made.verdict = Verdict.ERROR
        elif existing is not None:
            made.verdict, made.risk_id = Verdict.UPDATE, existing
        made.reasons = problems
        return made

    def _parse(self, cells_of_row: list[Cell]) -> tuple[dict[str, Any], list[Problem]]:
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for index, column in self.mapped.items():
            cell = cells_of_row[index] if index < len(cells_of_row) else None
            if column.parse is None or is_blank(cell):
                continue  # a blank cell says nothing, so it changes nothing
            try:
                value = column.parse(cell, self.orders.get(index, "ymd"))
            except BadCell as error:
                problems.append(Problem(error.code, column.key, str(cell)[:80]))
                continue
            if value not in (None, "", []):
                values[column.key] = value
        return values, problems

    def _cut_title(self, values: dict[str, Any], problems: list[Problem]) -> None:
        title = values.get("title", "")
        if len(title) > 200:
            values.setdefault("event", title)
            problems.append(Problem("title_cut", "title", title[:80]))
            values["title"] = title[:199] + "…"

    def _team(self, values: dict[str, Any], problems: list[Problem]) -> Team:
        name = values.get("team", "")
        if not name:
            return self.batch.team
        team_id = self.teams.get(name.strip().lower())
        if team_id is None:
            # Whoever owns a risk elsewhere may change it there, if not add to its team.
            there = self.team_of.get(self._referenced(values.get("reference", "")) or 0, 0)
            team_id = there if self.paths.get(there, "").lower() == name.strip().lower() else None
        if team_id is None:
            problems.append(Problem("unknown_team", "team", name[:80]))
            return self.batch.team
        values["team_id"] = team_id
        return Team(pk=team_id)

    def _owner(self, values: dict[str, Any], problems: list[Problem]) -> None:
        name = values.get("owner")
        if name is None:
            return
        person = self.people.get(name.strip().lower())
        if person is not None:
            values["owner"] = person.username
        else:
            problems.append(Problem("unknown_owner", "owner", name[:80]))
            values[_SPARE_NOTE] = f"{self.columns['owner'].heading}: {name}"
            del values["owner"]

    def _category(self, values: dict[str, Any], problems: list[Problem]) -> None:
        name = values.get("category")
        if name is None or name.strip().lower() in self.categories or self.options.create_categories:
            return
        problems.append(Problem("unknown_category", "category", name[:80]))
        values[_SPARE_TAG] = name.strip()[:50]
        del values["category"]

    def _existing(self, values: dict[str, Any], team: Team, problems: list[Problem]) -> int | None:
        """The risk this row is about, by our reference, its own number in the team, or its exact title there."""
        reference = values.pop("reference", "")
        ref, title = values.get("external_ref", ""), values.get("title", "").lower()
        if reference and ("reference", reference) in self.seen:
            problems.append(Problem("twice_in_file", "reference", reference))
        if ref and (f"ref {team.pk}", ref) in self.seen:
            problems.append(Problem("twice_in_file", "external_ref", ref))
        pk = self._referenced(reference)
        if pk is not None and ("risk", str(pk)) in self.seen:
            problems.append(Problem("twice_in_file", "reference", reference))
        if pk is None and ref:
            pk = self.by_ref.get((team.pk, ref))
            if pk is not None and ("risk", str(pk)) in self.seen:
                pk = None  # that one has been given another number further up
        if pk is None:
            # Same title twice in a file is the same risk only if nothing tells the two rows apart.
            if not (reference or ref) and (f"title {team.pk}", title) in self.seen:
                problems.append(Problem("twice_in_file", "title", title[:80]))
            pk = self.by_title.get((team.pk, title)) if not ref else None
            if pk is not None and ("risk", str(pk)) in self.seen:
                pk = None
        if pk is not None and self.editable is not None and pk not in self.editable:
            problems.append(Problem("may_not_edit", "title", title[:80]))
        self.seen |= {("reference", reference), (f"ref {team.pk}", ref), (f"title {team.pk}", title)}
        if pk is not None:
            self.seen.add(("risk", str(pk)))
        return pk

    def _referenced(self, reference: str) -> int | None:
        digits = reference.upper().removeprefix("R-")
        if not (digits.isascii() and digits.isdecimal() and len(digits) < 18):
            return None
        return int(digits) if int(digits) in self.team_of else None

    def _compare(self, updates: list[ImportRow]) -> None:
        """Rows that would change nothing are skipped; the others remember what stands there, for the undo."""
        for start in range(0, len(updates), 500):
            chunk = updates[start : start + 500]
            risks = with_relations([row.risk_id for row in chunk if row.risk_id])
            stands = register.read(list(risks.values()))
            for row in chunk:
                risk = risks[row.risk_id or 0]  # only updates come here, so there is one
                _keep_spares(row.values, stands[risk.pk])
                before = what_stands(row, risk, stands[risk.pk], self.columns, self.categories)
                if before["changed"]:
                    row.before = before
                else:
                    row.verdict = Verdict.SKIP
                    row.reasons = [*row.reasons, Problem("unchanged", "title", risk.reference)]


def _keep_spares(values: dict[str, Any], stands: Mapping[str, Any]) -> None:
    """Names nobody knows here are kept in notes and tags, beside what stands there, never instead of it."""
    note, tag = values.pop(_SPARE_NOTE, None), values.pop(_SPARE_TAG, None)
    if note is not None:
        notes = values.get("notes", stands.get("notes") or "")
        values["notes"] = notes if note in notes else f"{notes}\n{note}".strip()
    if tag is not None:
        values.setdefault("category", stands["category"])
        values["tags"] = sorted({*values.get("tags", stands.get("tags") or []), tag})


def what_stands(
    row: ImportRow,
    risk: Risk,
    now: Mapping[str, Any],
    columns: Mapping[str, Column],
    categories: Mapping[str, Category],
) -> dict[str, Any]:
    """What stands where a row would change something."""
    stated = {k: v for k, v in row.values.items() if k != "team_id"}
    if "category" in stated:
        known = categories.get(stated["category"].strip().lower())
        stated["category"] = str(known) if known else stated["category"]
    if "team_id" in row.values:
        stated["team"] = now["team"] if risk.team_id == row.values["team_id"] else stated["team"]
    changed = [key for key, value in stated.items() if not columns[key].same(now.get(key), value)]
    return {"version": risk.version, "team_id": risk.team_id, "changed": changed, "values": now}


def _by_unique_name(paths: dict[int, str]) -> dict[str, int]:
    """Teams by full path, and by their own name where no other team shares it; in lower case."""
    short = [path.rsplit(" / ", 1)[-1].lower() for path in paths.values()]
    named = {s: pk for pk, s in zip(paths, short, strict=True) if short.count(s) == 1}
    return named | {path.lower(): pk for pk, path in paths.items()}


def with_relations(ids: Sequence[int]) -> dict[int, Risk]:
    return Risk.objects.select_related("category", "customer", "owner", "team", "sheet").in_bulk(ids)


def shown(stored: Any) -> str:
    """A stored cell as text for the page."""
    return cells.text(_cell(stored))
