import datetime as dt

import pytest
from django.db import transaction

from riskreg.jobs import actions
from riskreg.jobs.actions import LEASE, LeaseLost, backoff, claim, enqueue, retry, run
from riskreg.jobs.models import Job, Schedule
from tests.riskreg.jobs import handlers
from tests.riskreg.jobs.conftest import Clock
from tests.riskreg.jobs.handlers import HERE

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("rung")]


def put(kind: str, clock: Clock, **values: object) -> Job:
    """A job due at the clock's time."""
    return Job.objects.create(kind=kind if "." in kind else f"{HERE}.{kind}", run_at=clock.now, **values)


def test_keeps_the_answer(clock: Clock) -> None:
    job = put("succeed", clock, payload={"ask": 41})
    assert run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.result, job.attempts) == ("done", {"answer": 42}, 1)
    assert (job.started_at, job.finished_at, job.token) == (clock.now, clock.now, None)


def test_a_second_bell_finds_nothing_to_do(clock: Clock) -> None:
    job = put("succeed", clock)
    assert [run(job.pk, now_fn=clock) for _ in range(3)] == [True, False, False]
    assert handlers.calls == [job.pk]


def test_does_nothing_before_its_time_or_without_a_row(clock: Clock) -> None:
    job = put("succeed", clock)
    clock.pass_by(-1)
    assert not run(job.pk, now_fn=clock)
    assert not run(job.pk + 1, now_fn=clock)
    assert handlers.calls == []


def test_of_two_claims_one_wins(clock: Clock) -> None:
    job = put("succeed", clock)
    assert claim(job.pk, now_fn=clock)
    assert claim(job.pk, now_fn=clock) is None


def test_of_eight_claims_at_once_one_wins(at_once, clock: Clock) -> None:
    job = put("succeed", clock)
    claims = at_once(lambda: claim(job.pk, now_fn=clock), 8)
    assert len(claims) == 8
    [won] = [one for one in claims if one]
    job.refresh_from_db()
    assert (job.token, job.attempts) == (won.token, 1)


def test_a_slow_worker_taken_over_commits_nothing(clock: Clock) -> None:
    job = put("succeed", clock)
    slow = claim(job.pk, now_fn=clock)
    clock.pass_by(LEASE.total_seconds())
    assert claim(job.pk, now_fn=clock) is None  # to the second it is still his
    clock.pass_by(1)
    quick = claim(job.pk, now_fn=clock)
    with pytest.raises(LeaseLost), slow.fenced(advance=1):
        handlers.write(1)
    assert not slow._release(state=Job.State.DONE, finished_at=clock.now)
    with quick.fenced(advance=1):
        handlers.write(1)
    job.refresh_from_db()
    assert (job.done, job.state, job.attempts) == (1, "leased", 2)
    assert Schedule.objects.count() == 1


def test_a_worker_that_notices_at_its_end_records_nothing(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    job = put("succeed", clock)

    def overtaken(held: actions.Claim) -> dict[str, str]:
        clock.pass_by(LEASE.total_seconds() + 1)
        assert claim(held.job.pk, now_fn=clock)
        return {"by": "the slow one"}

    monkeypatch.setattr(handlers, "succeed", overtaken)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.result) == ("leased", None)


def test_each_chunk_renews_the_lease(clock: Clock) -> None:
    job = put("succeed", clock)
    held = claim(job.pk, now_fn=clock)
    clock.pass_by(100)
    held.total(7)
    job.refresh_from_db()
    assert (job.lease_until, job.total) == (clock.now + LEASE, 7)


def test_effects_and_progress_are_kept_or_lost_together(clock: Clock) -> None:
    job = put("three_steps_breaking_after", clock, payload={"breaks_in": 1})
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.done, job.total, job.state) == (1, 3, "ready")
    assert Schedule.objects.count() == 1
    clock.pass_by(3600)
    assert run(job.pk, now_fn=clock)  # goes on at step 1; step 0 again would break the unique name
    job.refresh_from_db()
    assert (job.result, job.percent, job.error) == ({"steps": 3}, 100, "")


def test_a_fence_must_be_the_outermost_transaction(clock: Clock, transactional_db: None) -> None:
    held = claim(put("succeed", clock).pk, now_fn=clock)
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic(), held.fenced():
        pass


def test_fails_with_back_off_until_it_is_dead(clock: Clock) -> None:
    job = put("fail", clock)
    waits = []
    for _ in range(5):
        assert not run(job.pk, now_fn=clock)
        job.refresh_from_db()
        waits.append((job.run_at - clock.now).total_seconds())
        clock.now = max(clock.now, job.run_at)
    assert (job.state, job.attempts, len(handlers.calls)) == ("dead", 5, 5)
    assert all(0.75 * longest <= wait <= longest for wait, longest in zip(waits[:4], [10, 20, 40, 80], strict=True))
    assert job.error.endswith("!!!")
    assert len(job.error.encode()) <= 4000
    clock.pass_by(10**6)
    assert not run(job.pk, now_fn=clock)


def test_back_off_is_never_over_ten_minutes() -> None:
    assert all(backoff(attempts) <= dt.timedelta(minutes=10) for attempts in range(1, 70))


@pytest.mark.parametrize("kind", ["os.system", "builtins.exec", "risksy.tasks.x", ""])
def test_a_kind_that_is_not_ours_is_dead_at_once(clock: Clock, kind: str) -> None:
    job = Job.objects.create(kind=kind, run_at=clock.now)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.attempts) == ("dead", 1)
    assert "none of our job kinds" in job.error


def test_a_kind_that_cannot_be_imported_is_tried_again(clock: Clock) -> None:
    job = put("not_written_yet", clock)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert job.state == "ready"
    assert "ImportError" in job.error


def test_a_permanent_failure_is_dead_at_once_with_its_message(clock: Clock) -> None:
    job = put("fail_for_good", clock)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.error) == ("dead", 1, "there is no such file")


def test_an_answer_that_is_no_json_is_a_failure_like_others(clock: Clock) -> None:
    job = put("answer_nonsense", clock)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert job.state == "ready"
    assert job.error.endswith("TypeError: Object of type object is not JSON serializable")


def test_poison_that_kills_its_worker_ends_dead(clock: Clock) -> None:
    job = put("succeed", clock, max_attempts=3)
    for _ in range(3):
        assert claim(job.pk, now_fn=clock)  # and the worker is never heard of again
        clock.pass_by(LEASE.total_seconds() + 1)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.token) == ("dead", 3, None)
    assert "killed" in job.error
    assert handlers.calls == []


def test_retry_gives_a_dead_job_all_its_attempts(clock: Clock) -> None:
    job = put("three_steps_breaking_after", clock, payload={"breaks_in": 2}, max_attempts=1)
    assert not run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.done) == ("dead", 2)
    assert retry(job, now=clock.now)
    assert not retry(job, now=clock.now)
    Schedule.objects.filter(name="step 2").delete()
    Job.objects.filter(pk=job.pk).update(payload={"breaks_in": 99})
    assert run(job.pk, now_fn=clock)
    job.refresh_from_db()
    assert (job.state, job.done) == ("done", 3)


def test_retry_rings(clock: Clock, rung: list[int], django_capture_on_commit_callbacks) -> None:
    job = Job.objects.create(kind="x", state=Job.State.DEAD, finished_at=clock.now)
    with django_capture_on_commit_callbacks(execute=True):
        retry(job, now=clock.now)
    assert rung == [job.pk]


def test_enqueue_then_run_needs_no_broker(clock: Clock) -> None:
    job = enqueue(f"{HERE}.succeed", run_at=clock.now, total=5)
    assert run(job.pk, now_fn=clock)
