"""The night: everything is re-scored, and then drift is looked for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from riskreg.jobs import actions as jobs
from risks.models import Risk
from tests.monitoring.ledger import step_series, tell
from tests.monitoring.times import DAY, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")


def test_the_night_job_raises_it(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 40 * DAY)
    tell(risk, step_series(), first=NOW - 29 * DAY)
    for expected in (1, 0):
        job = jobs.enqueue("monitoring.tasks.rescore_all")
        assert jobs.run(job.pk, now_fn=lambda: NOW)
        job.refresh_from_db()
        assert job.result == {"scored": 1, "changed": 0, "flags": expected}
