"""Histories in the score ledger, and one look of the detector at them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from monitoring.flags import look_for_drift
from riskreg.jobs import actions as jobs
from risks.models import Risk, ScoreEntry
from tests.monitoring.times import DAY, NOW

QUIET = (40.0, 41.0, 39.5, 40.5, 39.0, 40.0, 41.5, 40.0, 39.5, 40.5)


def tell(risk: Risk, series: Sequence[float], *, first: dt.datetime, cause: str = "evidence") -> list[ScoreEntry]:
    """Write one ledger row a day, as evaluations of these scores would have."""
    return ScoreEntry.objects.bulk_create(
        ScoreEntry(risk=risk, at=first + n * DAY, cause=cause, score=score, band=2, exposure=1.0)
        for n, score in enumerate(series)
    )


def step_series(height: float = 15.0) -> list[float]:
    return [*QUIET, *QUIET, *(value + height for value in QUIET)]


def look(at: dt.datetime = NOW) -> int:
    """One run of the detector, as the night job calls it; how many flags it raised."""
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=at)
    held = jobs.claim(job.pk, now_fn=lambda: at)
    assert held is not None
    return look_for_drift(held)
