import datetime as dt
import socket
import time

import pytest
from celery import current_app
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from riskreg.jobs import bell
from riskreg.jobs.actions import enqueue, enqueue_many
from riskreg.jobs.models import Job
from tests.riskreg.jobs.handlers import HERE


@pytest.mark.django_db(transaction=True)
def test_rings_after_the_commit_with_the_id_only(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[tuple[str, dict]] = []
    monkeypatch.setattr(current_app, "send_task", lambda name, **options: sent.append((name, options)))
    with transaction.atomic():
        job = enqueue(f"{HERE}.succeed", payload={"secret": "of the deal"})
        assert sent == []
    [(name, options)] = sent
    options.pop("producer")
    assert (name, options) == ("jobs.run", {"kwargs": {"job_id": job.pk}, "expires": 30, "retry": False})


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_no_job_and_no_bell(rung: list[int]) -> None:
    with transaction.atomic():
        enqueue(f"{HERE}.succeed")
        transaction.set_rollback(True)
    assert not Job.objects.exists()
    assert rung == []


@pytest.mark.django_db(transaction=True)
def test_a_job_for_later_is_left_to_the_sweeper(rung: list[int]) -> None:
    enqueue(f"{HERE}.succeed", run_at=timezone.now() + dt.timedelta(hours=1))
    assert rung == []


@pytest.mark.django_db(transaction=True)
def test_a_key_makes_it_idempotent(rung: list[int]) -> None:
    first = enqueue(f"{HERE}.succeed", key="digest:1:2030-03-01")
    assert enqueue(f"{HERE}.succeed", key="digest:1:2030-03-01") == first
    assert enqueue(f"{HERE}.succeed") != enqueue(f"{HERE}.succeed")
    assert Job.objects.count() == 3
    assert rung.count(first.pk) == 1


@pytest.mark.django_db(transaction=True)
def test_the_loser_of_a_race_gets_the_winners_job_and_keeps_its_transaction(
    rung: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    winner = enqueue(f"{HERE}.succeed", key="once")
    real, looks = Job.objects.filter, []

    def blind_at_first(**conditions: object) -> object:
        looks.append(conditions)
        return Job.objects.none() if len(looks) == 1 else real(**conditions)

    monkeypatch.setattr(Job.objects, "filter", blind_at_first)
    with transaction.atomic():
        assert enqueue(f"{HERE}.succeed", key="once") == winner
        enqueue(f"{HERE}.succeed", key="another")
    assert len(looks) == 3
    assert set(Job.objects.values_list("key", flat=True)) == {"once", "another"}


@pytest.mark.django_db
def test_other_broken_constraints_are_not_hidden() -> None:
    with pytest.raises(IntegrityError):
        enqueue(f"{HERE}.succeed", key="")


def test_ten_at_once_with_one_key_make_one_job(at_once, rung: list[int]) -> None:
    ids = at_once(lambda: enqueue(f"{HERE}.succeed", key="the same").pk, 10)
    assert len(ids) == 10
    assert len(set(ids)) == Job.objects.count() == 1
    assert len(rung) == 1


@pytest.fixture
def broker_at(monkeypatch: pytest.MonkeyPatch):
    """Points the bell to a Redis on some port of this machine."""

    def use(port: int) -> None:
        monkeypatch.setattr(current_app.conf, "broker_write_url", f"redis://127.0.0.1:{port}/0")
        bell._connection.cache_clear()
        monkeypatch.setattr(bell, "_quiet_until", 0.0)

    yield use
    bell._connection.cache_clear()


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("deaf", [False, True], ids=["nobody there", "takes the call, says nothing"])
def test_a_broken_broker_neither_breaks_nor_holds_up_a_save(broker_at, deaf: bool, caplog) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not deaf:
            server.close()
        broker_at(port)
        began = time.monotonic()
        for _ in range(5):
            with transaction.atomic():
                enqueue(f"{HERE}.succeed")
        spent = time.monotonic() - began
    assert Job.objects.filter(state=Job.State.READY).count() == 5
    assert [record.levelname for record in caplog.records if record.name == "riskreg.jobs.bell"] == ["WARNING"]
    assert spent < 3  # seconds for all five: after the first failure the bell is left alone for a while


@pytest.mark.django_db
def test_many_are_put_in_once_each_with_as_many_statements_as_one(rung: list[int]) -> None:
    enqueue(f"{HERE}.succeed", key="k1")
    with CaptureQueriesContext(connection) as few:
        assert enqueue_many(f"{HERE}.succeed", {"k1": {"n": 1}, "k2": {"n": 2}}) == 1
    with CaptureQueriesContext(connection) as many:
        assert enqueue_many(f"{HERE}.succeed", {f"m{n}": {"n": n} for n in range(40)}) == 40
    assert len(few) == len(many)
    assert enqueue_many(f"{HERE}.succeed", {f"m{n}": {"n": n} for n in range(40)}) == 0
    assert dict(Job.objects.filter(key__in=["k1", "k2", "m39"]).values_list("key", "payload")) == {
        "k1": {},
        "k2": {"n": 2},
        "m39": {"n": 39},
    }


@pytest.mark.django_db(transaction=True)
def test_many_are_rung_for_once_they_are_committed(rung: list[int]) -> None:
    with transaction.atomic():
        enqueue_many(f"{HERE}.succeed", {"a": {}, "b": {}})
        assert rung == []
    assert sorted(rung) == sorted(Job.objects.values_list("pk", flat=True))
