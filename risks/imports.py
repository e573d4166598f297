"""Taking a planned register file in: apply it whole, undo it, discard it.

An import shows up whole or not at all: new risks wait in the state *staged* while they are written in short
chunks; the last transaction makes them live together with the changes to risks that were there before.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from simple_history.utils import bulk_update_with_history

from riskreg.accounts.models import Team, User
from riskreg.jobs.actions import Claim, enqueue, pause_between_chunks
from riskreg.jobs.models import Job
from risks import register, scores
from risks.columns import categories_by_name
from risks.models import Category, Cause, ImportBatch, ImportRow, Risk, ScoreEntry
from risks.models.risk import RiskQuerySet
from risks.planning import Options, columns_by_key, what_stands, with_relations
from risks.register import Change, Changes

CHUNK = 50
Verdict = ImportRow.Verdict
State = ImportBatch.State


class RowsInError(Exception):
    """The person asked for all rows or none, and some are wrong."""


def start(*, batch: ImportBatch, by: User | None) -> None:
    """Begin to apply a planned import in the background. Raises RowsInError if all or nothing was asked for."""
    with transaction.atomic():
        if Options.of(batch).all_or_nothing and batch.counts.get(Verdict.ERROR):
            raise RowsInError
        # Compare-and-set: a double click starts one job.
        if ImportBatch.objects.filter(pk=batch.pk, state=State.READY).update(state=State.RUNNING):
            job = enqueue("risks.tasks.apply_import", payload={"batch": batch.pk}, key=f"import:{batch.pk}", by=by)
            ImportBatch.objects.filter(pk=batch.pk).update(job=job.pk)
    batch.refresh_from_db()


def apply(*, batch: ImportBatch, claim: Claim) -> dict[str, int]:
    """Write the planned rows, in short chunks that a kill leaves whole; then let them all show up at once."""
    fallback = Category.objects.in_use().order_by("position").first()
    if fallback is None:
        raise ValueError("there is no category")
    new = batch.rows.filter(verdict=Verdict.CREATE, applied=False).order_by("number")
    claim.total(batch.rows.filter(verdict__in=[Verdict.CREATE, Verdict.UPDATE]).count())
    while chunk := list(new[:CHUNK]):
        started = claim.now()
        with claim.fenced(advance=len(chunk)):
            _create(batch, chunk, fallback=fallback, at=started)
        pause_between_chunks((claim.now() - started).total_seconds())
    updates = list(batch.rows.filter(verdict=Verdict.UPDATE, applied=False).order_by("number"))
    with claim.fenced(advance=len(updates)):
        at = claim.now()
        _update(batch, updates, at=at)
        _show(Risk.objects.filter(import_batch=batch, state=Risk.State.STAGED))
        batch.state, batch.finished_at = State.DONE, at
        batch.table = []  # the rows carry what is needed from here on
        batch.save(update_fields=["state", "finished_at", "table"])
    return dict(batch.counts)


def _show(staged: RiskQuerySet) -> None:
    """Make risks live. An own number gives way to a live risk that has it, seen or unseen by whoever imports."""
    same_number = Risk.objects.live().filter(team=OuterRef("team"), external_ref=OuterRef("external_ref"))
    staged.exclude(external_ref="").filter(Exists(same_number)).update(external_ref="")
    staged.update(state=Risk.State.LIVE)


def _create(batch: ImportBatch, rows: Sequence[ImportRow], *, fallback: Category, at: dt.datetime) -> None:
    teams = Team.objects.in_bulk({row.values.get("team_id") for row in rows} - {None})
    items = [
        Change(
            risk=Risk(category=fallback, team=teams.get(row.values.get("team_id", 0), batch.team)),
            values={k: v for k, v in row.values.items() if k not in ("team", "team_id")},
        )
        for row in rows
    ]
    register.apply(Changes(items, by=batch.created_by, at=at, batch=batch))
    for row, item in zip(rows, items, strict=True):
        row.risk_id, row.applied = item.risk.pk, True
    ImportRow.objects.bulk_update(rows, ["risk", "applied"])


def _update(batch: ImportBatch, rows: Sequence[ImportRow], *, at: dt.datetime) -> None:
    risks = with_relations([row.risk_id for row in rows if row.risk_id])
    teams = Team.objects.in_bulk({row.values.get("team_id") for row in rows} - {None})
    # Somebody may have edited them since the preview; the undo goes back to what stands now.
    stands, columns, categories = register.read(list(risks.values())), columns_by_key(), categories_by_name()
    items = []
    for row in rows:
        risk = risks.get(row.risk_id or 0)
        if risk is None:
            continue
        row.before = what_stands(row, risk, stands[risk.pk], columns, categories) | {"version": risk.version + 1}
        risk.team = teams.get(row.values.get("team_id", 0), risk.team)
        items.append(Change(risk, {k: v for k, v in row.values.items() if k not in ("team", "team_id")}))
        row.applied = True
    register.apply(Changes(items, by=batch.created_by, at=at, batch=batch))
    _settle(items, at=at)
    ImportRow.objects.bulk_update(rows, ["applied", "before"], batch_size=200)


def _settle(items: Sequence[Change], *, at: dt.datetime) -> None:
    """Score what is open, in one call for all; clear what was closed."""
    scores.rescore([c.risk.pk for c in items if c.risk.is_open], cause=Cause.JUDGEMENT, at=at)
    scores.clear([c.risk.pk for c in items if not c.risk.is_open and "status" in c.values], at=at)


def undo(*, batch: ImportBatch, at: dt.datetime) -> dict[str, int]:
    """Take an import back. What somebody worked on since stays, and is counted as kept."""
    with transaction.atomic():
        if not ImportBatch.objects.filter(pk=batch.pk, state=State.DONE).update(state=State.UNDONE):
            return {}
        batch.state = State.UNDONE
        rows = list(batch.rows.filter(verdict=Verdict.UPDATE, applied=True).select_related("risk"))
        ours = Q(risk__import_batch=batch) | Q(risk__in=[row.risk_id for row in rows])
        touched = set(
            ScoreEntry.objects.filter(ours, at__gt=batch.finished_at)
            .exclude(cause=Cause.RULES)
            .values_list("risk", flat=True)
        )
        created = Risk.objects.filter(import_batch=batch, state=Risk.State.LIVE)
        kept = created.filter(Q(version__gt=1) | Q(pk__in=touched))
        kept_ids = list(kept.values_list("pk", flat=True))
        gone = list(created.exclude(pk__in=kept_ids))
        for risk in gone:
            risk.state = Risk.State.BIN
        bulk_update_with_history(gone, Risk, ["state"], batch_size=200, default_change_reason=f"undo import {batch.pk}")
        unchanged = [r for r in rows if r.risk and r.risk.version == r.before["version"] and r.risk_id not in touched]
        _restore(batch, unchanged, at=at)
        counts = {
            "undone": len(gone) + len(unchanged),
            "kept": len(kept_ids) + len(rows) - len(unchanged),
        }
        batch.counts = {**batch.counts, **counts}
        batch.save(update_fields=["state", "counts"])
    return counts


def _restore(batch: ImportBatch, rows: Sequence[ImportRow], *, at: dt.datetime) -> None:
    risks = with_relations([row.risk_id for row in rows if row.risk_id])
    teams = Team.objects.in_bulk({row.before["team_id"] for row in rows})
    items = []
    for row in rows:
        risk, before = risks[row.risk_id or 0], row.before
        risk.team = teams[before["team_id"]]
        # Columns that stood empty are stated empty, or the imported value would stay.
        changed = before["changed"] + (["outcome", "closed_on"] if "status" in before["changed"] else [])
        values = {key: before["values"].get(key) for key in changed}
        values |= {
            key: ""
            for key, value in values.items()
            if value is None and key in ("basis", "evidence", "customer", "owner")
        }
        values |= {key: "" for key in ("preventive", "contingency") if key in values and values[key] is None}
        items.append(Change(risk, {k: v for k, v in values.items() if k not in ("team", "reference")}))
    register.apply(Changes(items, by=batch.created_by, at=at, batch=batch, restores=True))
    _settle(items, at=at)


def discard(*, batch: ImportBatch) -> bool:
    """Drop an import that was not, or only half, applied; what is staged of it was never visible and never will be.

    False, and nothing is done, for one that is running or done.
    """
    with transaction.atomic():
        if batch.state not in (State.MAPPING, State.READY) and not stuck(batch):
            return False
        batch.delete()
    return True


def stuck(batch: ImportBatch) -> bool:
    """Whether the import's job has been given up."""
    if batch.state != State.RUNNING or batch.job is None:
        return False
    return Job.objects.filter(pk=batch.job, state=Job.State.DEAD).exists()
