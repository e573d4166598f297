import datetime as dt
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from django.utils import timezone

from riskreg.jobs import actions, tasks
from riskreg.jobs.models import Job
from tests.riskreg.jobs.conftest import Clock
from tests.riskreg.jobs.handlers import HERE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


def test_the_tasks_have_fixed_names() -> None:
    assert (tasks.run_job.name, tasks.ring.name) == ("jobs.run", "jobs.ring")


def test_run_job_does_the_job() -> None:
    job = actions.enqueue(f"{HERE}.succeed")
    tasks.run_job(job_id=job.pk)
    job.refresh_from_db()
    assert job.state == "done"


def test_ring_looks_at_the_timetable_and_sweeps(rung: list[int]) -> None:
    overdue = Job.objects.create(kind="x", run_at=timezone.now() - dt.timedelta(minutes=1))
    tasks.ring()
    assert rung == [overdue.pk]


def test_tidy_deletes_what_was_done_a_month_ago(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "TIDY_CHUNK", 2)
    long_ago, lately = clock.now - dt.timedelta(days=31), clock.now - dt.timedelta(days=29)
    for _ in range(5):
        Job.objects.create(kind="x", state="done", finished_at=long_ago)
    kept = {
        Job.objects.create(kind="x", state="done", finished_at=lately),
        Job.objects.create(kind="x", state="dead", finished_at=long_ago),
        Job.objects.create(kind="x", run_at=clock.now + dt.timedelta(days=1)),
    }
    job = Job.objects.create(kind="riskreg.jobs.tasks.tidy", run_at=clock.now)
    assert actions.run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert job.result == {"deleted": 5}
    assert set(Job.objects.all()) == {*kept, job}


def test_work_off_does_all_that_is_due() -> None:
    for name in ("succeed", "succeed", "fail", "fail_for_good"):
        actions.enqueue(f"{HERE}.{name}")
    later = actions.enqueue(f"{HERE}.succeed", run_at=timezone.now() + dt.timedelta(hours=1))
    out = StringIO()
    call_command("work_off", stdout=out)
    assert out.getvalue() == "2 done, 2 failed; 1 given up in all.\n"
    later.refresh_from_db()
    assert later.state == "ready"


@pytest.mark.parametrize(
    "values",
    [
        {"state": "lost"},
        {"state": "leased"},
        {"state": "done"},
        {"attempts": 6},
        {"max_attempts": 0},
    ],
)
def test_the_database_refuses_a_job_that_cannot_be(values: dict[str, object]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(kind="x", **values)
