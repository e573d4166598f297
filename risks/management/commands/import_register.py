"""Import a risk register from a CSV or XLSX file."""

from __future__ import annotations

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from crm.spreadsheets.unreadable import UnreadableFile
from riskreg.accounts.models import Team
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks import import_messages, imports, planning, register
from risks.models import ImportBatch


class Command(BaseCommand):
    help = "Import a register (CSV or XLSX). Prints what was read, created, updated, skipped and failed, and why."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--team", help="name of the team that takes risks without one; default: the first team")
        parser.add_argument("--dry-run", action="store_true", help="only say what would happen")
        parser.add_argument("--json", action="store_true", help="one JSON object instead of text")

    def handle(self, *args: Any, **options: Any) -> None:
        team = self._team(options["team"])
        batch = self._open(options["file"], team)
        if "title" not in batch.mapping.values():
            imports.discard(batch=batch)
            raise CommandError(f"{batch.filename}: no column was recognised as the title.")
        planning.plan(batch)
        report = self._report(batch)
        if options["dry_run"]:
            report["dry_run"] = True
            imports.discard(batch=batch)
        else:
            imports.start(batch=batch, by=None)
            self._finish(batch)
            report["import"] = batch.pk
        self.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) if options["json"] else self._text(report))

    def _team(self, name: str | None) -> Team:
        teams = Team.objects.order_by("path")
        team = teams.filter(name=name).first() if name else teams.first()
        if team is None:
            raise CommandError(f"There is no team {name!r}." if name else "There is no team yet; make one first.")
        return team

    def _open(self, path: Path, team: Team) -> ImportBatch:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror}") from error
        try:
            return planning.open_import(
                data=data,
                filename=path.name,
                team=team,
                by=None,
                options=planning.Options(create_categories=True),
            )
        except UnreadableFile as error:
            raise CommandError(f"{path.name}: {import_messages.of_file(error)}") from error

    def _finish(self, batch: ImportBatch) -> None:
        """Run the job here, or wait for the worker that was quicker."""
        assert batch.job is not None  # noqa: S101  it was started
        jobs.run(batch.job, now_fn=timezone.now)
        while (job := Job.objects.get(pk=batch.job)).state == Job.State.LEASED:
            time.sleep(0.2)
        batch.refresh_from_db()
        if batch.state != ImportBatch.State.DONE:
            raise CommandError(f"The import stopped: {job.error}")

    def _report(self, batch: ImportBatch) -> dict[str, Any]:
        headings = {column.key: str(column.heading) for column in register.columns()}
        counts = batch.counts
        return {
            "file": batch.filename,
            "header_row": batch.header_row,
            "mapping": {
                headings[key]: " ".join(str(batch.table[0][int(index)]).split()) for index, key in batch.mapping.items()
            },
            "read": counts["read"],
            "created": counts["create"],
            "updated": counts["update"],
            "skipped": counts["skip"],
            "failed": counts["error"],
            "reasons": [
                {"row": row.number, "verdict": row.verdict, **reason}
                for row in batch.rows.all()
                for reason in import_messages.of_reasons(row.reasons, headings)
            ],
        }

    def _text(self, report: dict[str, Any]) -> str:
        lines = [f"{report['file']}: header in row {report['header_row']}"]
        lines += [f"  {field} <- {heading}" for field, heading in report["mapping"].items()]
        lines.append(
            "{read} rows read, {created} created, {updated} updated, {skipped} skipped, {failed} failed".format(
                **report
            )
            + (" (dry run: nothing was written)" if report.get("dry_run") else "")
        )
        lines += [f"  row {r['row']} {r['verdict']}: {r['column']}: {r['text']}" for r in report["reasons"]]
        return "\n".join(lines)
