"""Run the night job now: re-score every open risk and look for drift."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job


class Command(BaseCommand):
    help = "Re-score every open risk and flag those that drift; the same job that runs at night."

    def handle(self, *args: Any, **options: Any) -> None:
        job = jobs.run_now("rescore", by=None, now=timezone.now())
        jobs.run(job.pk, now_fn=timezone.now)
        job = Job.objects.get(pk=job.pk)
        if job.state != Job.State.DONE or job.result is None:
            raise CommandError(f"Job {job.pk} is {job.get_state_display()}: {job.error or 'a worker has it'}")
        self.stdout.write("{scored} risks scored, {changed} changed, {flags} flags".format(**job.result))
