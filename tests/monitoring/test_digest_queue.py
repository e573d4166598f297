"""When a digest is put in the queue, and for whom."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.core import mail

from monitoring.digests import queue_due_digests
from monitoring.models import Digest, Subscription
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks.models import Risk
from tests.monitoring.sending import send, subscribe, waiting, work
from tests.monitoring.times import DAY, HOUR, MINUTE, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")


def test_is_queued_from_the_hour_of_the_persons_own_day(cast: SimpleNamespace) -> None:
    subscribe(cast.max, since=NOW - 3 * HOUR)  # 7:00 in Berlin
    assert queue_due_digests(now=NOW - 2 * HOUR - MINUTE) == 0
    assert queue_due_digests(now=NOW - 2 * HOUR) == 1  # 8:00 in Berlin
    assert waiting() == [(cast.max.pk, "2026-03-02")]


@pytest.mark.parametrize(
    ("cadence", "period"), [("daily", "2026-03-02"), ("weekly", "2026-W10"), ("monthly", "2026-03")]
)
def test_one_for_each_person_and_period_however_often_queued(cast: SimpleNamespace, cadence: str, period: str) -> None:
    subscribe(cast.max, cadence=cadence)
    subscribe(cast.mona, cadence=cadence)
    assert [queue_due_digests(now=NOW + n * 15 * MINUTE) for n in range(4)] == [2, 0, 0, 0]
    assert work() == ["sent", "sent"]
    assert queue_due_digests(now=NOW + HOUR) == 0
    assert sorted(waiting()) == sorted([(cast.max.pk, period), (cast.mona.pk, period)])
    assert sorted(message.to[0] for message in mail.outbox) == ["max@example.com", "mona@example.com"]


def test_the_next_day_brings_the_next_one(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    assert [send(NOW + n * DAY) for n in range(3)] == [["sent"]] * 3
    assert list(Digest.objects.order_by("pk").values_list("period", flat=True)) == [
        "2026-03-02",
        "2026-03-03",
        "2026-03-04",
    ]
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == 3


def test_a_job_tidied_away_does_not_send_its_digest_again(cast: SimpleNamespace) -> None:
    """In a month of 31 days the job of the first is deleted before the month is over."""
    subscribe(cast.max, cadence="monthly")
    assert send() == ["sent"]
    Job.objects.all().delete()
    assert send(NOW + 28 * DAY) == ["was sent"]
    assert len(mail.outbox) == 1


def test_subscribing_on_wednesday_does_not_send_mondays_digest(cast: SimpleNamespace) -> None:
    subscribe(cast.max, cadence="weekly", since=NOW + 2 * DAY)
    assert queue_due_digests(now=NOW + 3 * DAY) == 0
    assert queue_due_digests(now=NOW + 7 * DAY) == 1


def test_only_for_the_people_asked_for(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    subscribe(cast.mona)
    assert queue_due_digests(now=NOW, users=[cast.mona]) == 1
    assert waiting() == [(cast.mona.pk, "2026-03-02")]


def test_the_timetables_job_queues_what_is_due(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    job = jobs.enqueue("monitoring.tasks.queue_digests")
    assert jobs.run(job.pk, now_fn=lambda: NOW)
    job.refresh_from_db()
    assert job.result == {"queued": 1}
    assert work() == ["sent"]


UNWANTED: dict[str, Callable[[User], object]] = {
    "no longer here": lambda user: User.objects.filter(pk=user.pk).update(is_active=False),
    "no address": lambda user: User.objects.filter(pk=user.pk).update(email=""),
    "stopped": lambda user: Subscription.objects.filter(user=user).update(active=False),
    "unsubscribed": lambda user: Subscription.objects.filter(user=user).delete(),
}


@pytest.mark.parametrize("reason", UNWANTED)
def test_people_who_cannot_or_will_not_get_it_are_left_out(cast: SimpleNamespace, reason: str) -> None:
    subscribe(cast.max)
    UNWANTED[reason](cast.max)
    assert queue_due_digests(now=NOW) == 0


@pytest.mark.parametrize("reason", UNWANTED)
def test_what_became_unwanted_after_it_was_queued_is_not_sent(cast: SimpleNamespace, reason: str) -> None:
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    UNWANTED[reason](cast.max)
    assert work() == ["not wanted"]
    assert (mail.outbox, Digest.objects.count()) == ([], 0)


def test_a_time_zone_nobody_knows_any_more_counts_as_utc(cast: SimpleNamespace) -> None:
    subscribe(cast.max, time_zone="Europe/Atlantis", hour=9, since=NOW - HOUR)
    assert queue_due_digests(now=NOW - MINUTE) == 0
    assert queue_due_digests(now=NOW) == 1
