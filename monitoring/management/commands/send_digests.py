"""Send the digests that are due, now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from monitoring.digests import queue_due_digests
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job


class Command(BaseCommand):
    help = "Send every digest that is due and was not sent."

    def handle(self, *args: Any, **options: Any) -> None:
        now = timezone.now()
        queued = queue_due_digests(now=now)
        waiting = Job.objects.filter(kind="monitoring.tasks.send_digest").due(now)
        ids = list(waiting.values_list("pk", flat=True))
        done = sum(jobs.run(job_id, now_fn=timezone.now) for job_id in ids)
        self.stdout.write(f"{queued} digests due, {done} sent, {len(ids) - done} left to the worker")
