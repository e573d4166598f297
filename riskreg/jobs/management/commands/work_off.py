from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from riskreg.jobs import actions, scheduling
from riskreg.jobs.models import Job


class Command(BaseCommand):
    help = "Does all jobs that are due, in this process, and ends when none is due any more."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--timetable", action="store_true", help="first put in what the timetable says (for cron, in place of beat)"
        )

    def handle(self, *_args: Any, **options: Any) -> None:
        if options["timetable"]:
            scheduling.schedule_due(timezone.now())
        done = failed = 0
        while (job_id := self._next()) is not None:
            if actions.run(job_id, now_fn=timezone.now):
                done += 1
            else:
                failed += 1
        dead = Job.objects.dead().count()
        self.stdout.write(f"{done} done, {failed} failed; {dead} given up in all.")

    def _next(self) -> int | None:
        return Job.objects.due(timezone.now()).order_by("run_at", "pk").values_list("pk", flat=True).first()
