import datetime as dt

import pytest

from riskreg.celery import Recurring
from riskreg.jobs import actions, bell, scheduling
from riskreg.jobs.actions import LEASE, claim, run_now
from riskreg.jobs.models import Job, Schedule
from riskreg.jobs.scheduling import schedule_due, sweep
from tests.riskreg.jobs.conftest import Clock
from tests.riskreg.jobs.handlers import HERE

pytestmark = pytest.mark.django_db
NIGHTLY = Recurring(f"{HERE}.succeed", every_minutes=1440, at_minute=135)


@pytest.fixture(autouse=True)
def timetable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "TIMETABLE", {"nightly": NIGHTLY})
    monkeypatch.setattr(actions, "TIMETABLE", {"nightly": NIGHTLY})


@pytest.fixture
def started(clock: Clock, rung: list[int]) -> Clock:
    """The register was installed on 1 March 2030 at noon and has looked at its timetable once."""
    assert schedule_due(clock.now) == []
    return clock


def test_a_new_entry_waits_for_its_first_slot(started: Clock) -> None:
    schedule = Schedule.objects.get()
    assert (schedule.name, schedule.next_due, schedule.last_due) == (
        "nightly",
        dt.datetime(2030, 3, 2, 2, 15, tzinfo=dt.UTC),
        None,
    )
    assert not Job.objects.exists()


def test_a_due_entry_becomes_one_job(started: Clock) -> None:
    started.now = dt.datetime(2030, 3, 2, 2, 15, 4, tzinfo=dt.UTC)
    [job] = schedule_due(started.now)
    assert (job.kind, job.key, job.run_at) == (NIGHTLY.kind, "nightly:2030-03-02T02:15:00+00:00", started.now)
    assert schedule_due(started.now) == []
    assert Job.objects.count() == 1


def test_missed_nights_are_folded_into_one(started: Clock) -> None:
    started.now = dt.datetime(2030, 3, 9, 8, 0, tzinfo=dt.UTC)
    assert len(schedule_due(started.now)) == 1
    schedule = Schedule.objects.get()
    assert schedule.last_due == dt.datetime(2030, 3, 2, 2, 15, tzinfo=dt.UTC)
    assert schedule.next_due == dt.datetime(2030, 3, 10, 2, 15, tzinfo=dt.UTC)


def test_a_clock_set_back_repeats_nothing(started: Clock) -> None:
    started.now = dt.datetime(2030, 3, 2, 2, 16, tzinfo=dt.UTC)
    schedule_due(started.now)
    started.pass_by(-3600)
    schedule_due(started.now)
    started.pass_by(3600)
    schedule_due(started.now)
    assert Job.objects.count() == 1


def test_a_timetable_changed_to_an_earlier_time_takes_effect(started: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "TIMETABLE", {"nightly": Recurring(NIGHTLY.kind, every_minutes=15)})
    schedule_due(started.now)
    assert Schedule.objects.get().next_due == started.now + dt.timedelta(minutes=15)


def test_two_schedulers_at_once_make_one_job(at_once, started: Clock) -> None:
    started.pass_by(86400)
    made = at_once(lambda: len(schedule_due(started.now)), 2)
    assert sorted(made) == [0, 1]
    assert Job.objects.count() == 1


def test_a_scheduler_that_looked_too_early_loses(started: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    started.pass_by(86400)
    stale = Schedule.objects.get()
    schedule_due(started.now)
    monkeypatch.setattr(Schedule.objects, "get_or_create", lambda **_: (stale, False))
    assert schedule_due(started.now) == []
    assert Job.objects.count() == 1


def test_run_now_starts_an_entry_beside_its_hours(clock: Clock, rung: list[int]) -> None:
    job = run_now("nightly", by=None, now=clock.now)
    assert (job.kind, job.key) == (NIGHTLY.kind, None)
    assert run_now("nightly", by=None, now=clock.now) != job
    with pytest.raises(KeyError):
        run_now("weekly", by=None, now=clock.now)


def test_sweeps_what_was_not_heard(clock: Clock, rung: list[int]) -> None:
    unheard = Job.objects.create(kind="x", run_at=clock.now - dt.timedelta(seconds=4))
    Job.objects.create(kind="x", run_at=clock.now - dt.timedelta(seconds=2))  # its bell is still on the way
    Job.objects.create(kind="x", run_at=clock.now + dt.timedelta(seconds=60))
    Job.objects.create(kind="x", run_at=clock.now, state=Job.State.DONE, finished_at=clock.now)
    assert sweep(clock.now) == 1
    assert rung == [unheard.pk]


def test_sweeps_jobs_whose_worker_is_gone(clock: Clock, rung: list[int]) -> None:
    job = Job.objects.create(kind="x", run_at=clock.now)
    claim(job.pk, now_fn=clock)
    clock.pass_by(LEASE.total_seconds())
    assert sweep(clock.now) == 0
    clock.pass_by(4)
    assert sweep(clock.now) == 1
    assert rung == [job.pk]


def test_rings_no_more_than_there_is_room_for(clock: Clock, rung: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    Job.objects.bulk_create(Job(kind="x", run_at=clock.now) for _ in range(250))
    clock.pass_by(10)
    assert sweep(clock.now) == 200
    monkeypatch.setattr(bell, "waiting", lambda: 195)
    assert sweep(clock.now) == 5
    monkeypatch.setattr(bell, "waiting", lambda: 300)
    assert sweep(clock.now) == 0
