"""Who lives, what waits, and what the probes say of it."""

from __future__ import annotations

import datetime as dt
import json
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from riskreg.celery import app
from riskreg.jobs import beat, health, heartbeats, tasks
from riskreg.jobs.health import Work
from riskreg.jobs.models import Heartbeat, Job
from tests.riskreg.jobs.conftest import Clock

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]

SCHEDULER, WORKER = Heartbeat.Role.SCHEDULER, Heartbeat.Role.WORKER


def ago(clock: Clock, **span: float) -> dt.datetime:
    return clock.now - dt.timedelta(**span)


# --- heartbeats ------------------------------------------------------------------------------------------


def test_a_heartbeat_is_written_every_30_seconds_at_most(clock: Clock) -> None:
    seen, writes = [], []
    for _ in range(8):
        with CaptureQueriesContext(connection) as captured:
            heartbeats.note(WORKER, "here", clock.now)
        writes.append(sum(query["sql"].startswith("UPDATE") for query in captured))
        seen.append((Heartbeat.objects.get().seen_at - Clock().now).total_seconds())
        clock.pass_by(10)
    assert seen == [0, 0, 0, 30, 30, 30, 60, 60]
    assert writes[1:] == [0, 0, 1, 0, 0, 1, 0]


def test_each_process_has_a_row_and_old_ones_go(clock: Clock) -> None:
    heartbeats.note(WORKER, "here", clock.now)
    heartbeats.note(SCHEDULER, "here", clock.now)
    clock.pass_by(23 * 3600)
    heartbeats.note(WORKER, "there", clock.now)
    assert Heartbeat.objects.count() == 3
    clock.pass_by(2 * 3600)
    heartbeats.note(WORKER, "there", clock.now)
    assert [str(row) for row in Heartbeat.objects.all()] == ["worker there"]


def test_the_database_refuses_a_heartbeat_of_nobody(clock: Clock) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Heartbeat.objects.create(role="broker", process="here", seen_at=clock.now)


def test_a_bell_heard_is_the_workers_sign_of_life() -> None:
    app.tasks["jobs.ring"].apply()  # as in a worker, which has a name
    [row] = Heartbeat.objects.all()
    assert row.role == "worker"
    tasks.ring()  # as from a shell, which has none
    assert Heartbeat.objects.count() == 1


class Ticking(beat.Scheduler):
    """The real scheduler with nothing to ring for and nothing to keep."""

    def setup_schedule(self) -> None:
        self.data: dict[str, Any] = {}

    @property
    def schedule(self) -> dict[str, Any]:
        return self.data


def test_the_scheduler_leaves_a_sign_of_life_between_its_turns() -> None:
    scheduler = Ticking(app=app, lazy=False)
    with time_machine.travel(dt.datetime(2030, 3, 1, 12, tzinfo=dt.UTC), tick=False) as clock:
        for _ in range(4):
            assert scheduler.tick() > 0
            clock.shift(10)
    [row] = Heartbeat.objects.all()
    assert (row.role, row.seen_at) == ("scheduler", dt.datetime(2030, 3, 1, 12, 0, 0, tzinfo=dt.UTC))


def test_the_scheduler_goes_on_without_the_database(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(*_args: object) -> None:
        raise OperationalError("the server is away")

    monkeypatch.setattr(heartbeats, "note", away)
    with caplog.at_level(logging.WARNING):
        assert Ticking(app=app, lazy=False).tick() > 0
    assert caplog.messages == ["The scheduler's heartbeat could not be noted: the server is away"]


def test_beat_is_told_to_use_it() -> None:
    assert app.conf.beat_scheduler == f"{beat.Scheduler.__module__}:{beat.Scheduler.__name__}"


# --- the judgement ---------------------------------------------------------------------------------------


def test_an_empty_queue_has_no_ages(clock: Clock) -> None:
    assert health.look(clock.now) == Work(0, 0, 0, None, None, None)


def test_the_queue_is_counted(clock: Clock) -> None:
    Job.objects.create(kind="x", run_at=ago(clock, seconds=40))
    Job.objects.create(kind="x", run_at=clock.now + dt.timedelta(hours=1))
    leased = {"state": "leased", "token": "0" * 32}
    Job.objects.create(kind="x", lease_until=clock.now + dt.timedelta(seconds=50), **leased)
    Job.objects.create(kind="x", state="dead", finished_at=ago(clock, days=9), run_at=ago(clock, days=9))
    Job.objects.create(kind="x", state="done", finished_at=ago(clock, days=9), run_at=ago(clock, days=9))
    heartbeats.note(SCHEDULER, "here", ago(clock, seconds=10))
    heartbeats.note(SCHEDULER, "there", ago(clock, seconds=30))
    with CaptureQueriesContext(connection) as captured:
        found = health.look(clock.now)
    # The lease was renewed 70 s ago, and that is all one knows of a worker.
    expected = (dt.timedelta(seconds=40), dt.timedelta(seconds=10), dt.timedelta(seconds=70))
    assert found == Work(2, 1, 1, *expected)
    assert len(captured) == 2


def test_a_job_its_worker_left_is_due_since_its_lease_ran_out(clock: Clock) -> None:
    left = {"state": "leased", "token": "0" * 32, "run_at": ago(clock, hours=1)}
    Job.objects.create(kind="x", lease_until=ago(clock, seconds=30), **left)
    found = health.look(clock.now)
    assert (found.oldest_due, found.worker) == (dt.timedelta(seconds=30), dt.timedelta(seconds=150))
    assert not found.worker_lives


@pytest.mark.parametrize(
    ("oldest_due", "scheduler", "moves"),
    [
        (None, 0, True),
        (299, 120, True),
        (300, 0, False),
        (0, 121, False),
        (0, None, False),
        (None, None, False),
    ],
)
def test_work_moves_while_nothing_waits_long_and_the_scheduler_lives(
    oldest_due: int | None, scheduler: int | None, moves: bool
) -> None:
    def span(seconds: int | None) -> dt.timedelta | None:
        return None if seconds is None else dt.timedelta(seconds=seconds)

    assert Work(0, 0, 0, span(oldest_due), span(scheduler), None).moves is moves


# --- the probes ------------------------------------------------------------------------------------------


def probe(address: str) -> tuple[int, dict[str, Any]]:
    response = Client().get(address)
    assert (response.headers["Cache-Control"], response.headers["Content-Type"]) == ("no-store", "application/json")
    assert not response.cookies
    assert response.headers.get("Retry-After") == ("30" if response.status_code == 503 else None)
    return response.status_code, json.loads(response.content)


def test_the_web_probe_asks_the_database_one_thing() -> None:
    with CaptureQueriesContext(connection) as captured:
        assert probe("/health/") == (200, {"status": "ok"})
    assert [query["sql"] for query in captured] == ["SELECT 1"]


def _away(*_args: object, **_kwargs: object) -> None:
    raise OperationalError("could not connect to server at 10.0.0.5: password authentication failed")


def test_without_the_database_both_probes_say_so_and_no_more(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(CursorWrapper, "execute", _away)
    assert probe("/health/") == (503, {"status": "unavailable"})
    nothing = {"status": "unavailable", "oldest_due_seconds": None, "scheduler_seconds": None}
    assert probe("/health/work/") == (503, nothing)
    assert [record.name for record in caplog.records if record.levelno > logging.INFO] == []  # nor to error reports


def test_the_probe_of_work_gives_the_two_ages() -> None:
    now = timezone.now()
    Job.objects.create(kind="x", run_at=now - dt.timedelta(seconds=100))
    with time_machine.travel(now, tick=False):
        unseen = {"status": "unavailable", "oldest_due_seconds": 100, "scheduler_seconds": None}
        assert probe("/health/work/") == (503, unseen)
        heartbeats.note(SCHEDULER, "here", now - dt.timedelta(seconds=7))
        assert probe("/health/work/") == (200, {"status": "ok", "oldest_due_seconds": 100, "scheduler_seconds": 7})
    with time_machine.travel(now + dt.timedelta(seconds=200), tick=False):
        late = {"status": "unavailable", "oldest_due_seconds": 300, "scheduler_seconds": 207}
        assert probe("/health/work/") == (503, late)


def test_a_probe_only_looks(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> None:
    for address in ("/health/", "/health/work/"):
        assert Client().post(address).status_code == 405
        assert sign_in(cast.nobody).get(address).status_code in (200, 503)
        assert Client().head(address).content == b""


def test_an_error_that_is_no_ones_fault_but_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    assert issubclass(OperationalError, DatabaseError)

    def wrong(*_args: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr(health, "look", wrong)
    with pytest.raises(TypeError):
        Client().get("/health/work/")
