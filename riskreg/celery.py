"""The Celery application and the night's timetable: every recurring job, on one page, in UTC.

Celery is the engine and its broker only the bell: what must not be lost is a job row (riskreg/jobs).
"""

import os
from dataclasses import dataclass

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskreg.settings")

app = Celery("riskreg")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks(["riskreg.jobs"])


@dataclass(frozen=True)
class Recurring:
    """A job that comes back. ``every_minutes`` counts from midnight UTC, shifted by ``at_minute``."""

    kind: str  # dotted name of the function, called with the claimed job
    every_minutes: int
    at_minute: int = 0


TIMETABLE = {
    "rescore": Recurring("monitoring.tasks.rescore_all", every_minutes=24 * 60, at_minute=2 * 60 + 15),
    "take_readings": Recurring("monitoring.tasks.take_readings", every_minutes=15, at_minute=5),
    "drift": Recurring("monitoring.tasks.look_for_drift", every_minutes=15, at_minute=10),
    "pull_reviews": Recurring("monitoring.tasks.pull_reviews", every_minutes=24 * 60, at_minute=1 * 60 + 30),
    "matters": Recurring("monitoring.tasks.look_after_matters", every_minutes=15, at_minute=12),
    "send_digests": Recurring("monitoring.tasks.queue_digests", every_minutes=15),
    "tidy_jobs": Recurring("riskreg.jobs.tasks.tidy", every_minutes=24 * 60, at_minute=3 * 60),
}
