"""Fault 11: the process is killed in the middle of a re-scoring, an import and a migration; nothing may be half.

The size is the risks of the register; from 100 000 on there are 20 kills of each kind.
"""

from __future__ import annotations

import copy
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults.harness import ROOT, Counts, Stand, fill_register, report, stand

if TYPE_CHECKING:
    from riskreg.jobs.models import Job


def work(size: int, *, team: bool) -> tuple[Counts, bool]:
    kills = 20 if size >= 100_000 else 1
    with stand(team=team) as made:
        from bench.scoring_run import rescore

        fill_register(size)
        rescore()
        made.start(made.worker, made.beat)
        counts = {"rescores_half": 0, "rescores_incomplete": 0, "imports_half": 0, "imports_incomplete": 0}
        for number in range(kills):
            half, whole = _rescore(made, size, threshold=20 + number)
            counts["rescores_half"] += half
            counts["rescores_incomplete"] += not whole
            half, whole = _import(made, min(size // 2, 2000), number)
            counts["imports_half"] += half
            counts["imports_incomplete"] += not whole
        if not team:
            counts["migrations_incomplete"] = _migrations(kills, expected=_tables(made.var))
    return {"kills": kills, **counts}, not any(counts.values())


def _rescore(made: Stand, size: int, *, threshold: int) -> tuple[bool, bool]:
    """Whether an activation left something half after its kill, and whether it was whole in the end."""
    from django.db.models import Count, OuterRef, Subquery
    from django.db.models.functions import Coalesce
    from django.utils import timezone

    from assessments import versions
    from assessments.models import Method
    from riskreg.jobs.models import Job
    from risks.models import CoverSheet, ScoreEntry

    now = timezone.now()
    draft = versions.draft_from(source=Method.objects.get(state="active"), by=None, at=now)
    definition = copy.deepcopy(draft.definition)
    definition["dimensions"][0]["levels"][4]["high"] = 20_000_000 + threshold  # moves every score
    versions.save_draft(method=draft, definition=definition, note="", at=now, seen=draft.edited_at)
    versions.schedule(method=draft, when=None, by=None, at=now)
    job = Job.objects.get(pk=draft.job)
    of_version = CoverSheet.objects.filter(method_version=draft.version)
    _kill_at_random(made, job, size)
    # In one statement: what the killed worker had sent to the database may still be committed.
    entries = ScoreEntry.objects.filter(run=OuterRef("pk")).order_by().values("run").annotate(n=Count("pk")).values("n")
    sheets = of_version.order_by().values("method_version").annotate(n=Count("pk")).values("n")
    done = Job.objects.annotate(sheets=Coalesce(Subquery(sheets), 0), entries=Coalesce(Subquery(entries), 0))
    stood = done.values_list("done", "sheets", "entries").get(pk=job.pk)
    half = len(set(stood)) != 1
    _until_finished(made, job)
    entries = ScoreEntry.objects.filter(run=job.pk)
    whole = of_version.count() == entries.values("risk").distinct().count() == entries.count() == size
    return half, whole and job.state == Job.State.DONE


def _import(made: Stand, rows: int, number: int) -> tuple[bool, bool]:
    from riskreg.accounts.models import Team
    from riskreg.jobs.models import Job
    from risks import imports, planning
    from risks.models import ImportBatch, Risk

    table = "Title\n" + "".join(f"Risk {n} of file {number}\n" for n in range(rows))
    batch = planning.open_import(
        data=table.encode(),
        filename="risks.csv",
        team=Team.objects.get(),
        by=None,
        options=planning.Options(create_categories=True),
    )
    planning.plan(batch)
    imports.start(batch=batch, by=None)
    job = Job.objects.get(pk=batch.job)
    shown = Risk.objects.live().filter(import_batch=batch)
    _kill_at_random(made, job, rows)
    half = shown.count() not in (0, rows)
    _until_finished(made, job)
    batch.refresh_from_db()
    return half, (shown.count(), batch.state) == (rows, ImportBatch.State.DONE)


def _kill_at_random(made: Stand, job: Job, units: int) -> None:
    """Kill the worker once the job has come as far as chance wants it to."""
    moment = random.randrange(max(1, units))

    def come_so_far() -> bool:
        job.refresh_from_db()
        return bool(job.attempts and job.done >= moment) or job.is_finished

    made.until(come_so_far, what="the moment of the kill")
    made.kill(made.worker)


def _until_finished(made: Stand, job: Job) -> None:
    def finished() -> bool:
        job.refresh_from_db()
        return job.is_finished

    made.until(finished, what="the second run")


def _migrations(kills: int, *, expected: list[tuple[str, str]]) -> int:
    """How many new databases, whose first migration was killed at random, have other tables after a second one."""
    incomplete = 0
    with tempfile.TemporaryDirectory(prefix="riskreg-fault-") as folder:
        for number in range(kills):
            var = Path(folder) / str(number)
            first = _migrate(var)
            time.sleep(random.uniform(0.5, 3.5))  # it begins after half a second and takes about three
            os.killpg(first.pid, signal.SIGKILL)
            first.wait()
            incomplete += _migrate(var).wait() != 0 or _tables(var) != expected
    return incomplete


def _migrate(var: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    return subprocess.Popen(
        [sys.executable, "manage.py", "migrate", "-v0"],
        cwd=ROOT, env=environment | {"RISKREG_VAR": str(var)}, start_new_session=True,
    )  # fmt: skip


def _tables(var: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(var / "riskreg.sqlite3") as database:
        rows = database.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_stat%' ORDER BY 1"
        )
        return [(str(name), str(sql)) for name, sql in rows]


if __name__ == "__main__":
    report("killed halfway", work, size=100_000, either=True)
