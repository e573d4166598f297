"""Drift flags and digests, through the jobs that make them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import time_machine
from django.conf import settings
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assessments.actions import Judgement, assess_risks
from monitoring import digests, drift
from monitoring.digests import queue_due_digests
from monitoring.flags import answer_flag, look_for_drift
from monitoring.models import Digest, DriftFlag, MonitoringSettings, Subscription
from monitoring.reviews import confirm_review
from responses.models import Action, Response
from riskreg.accounts.actions import set_role
from riskreg.accounts.models import Membership, User
from riskreg.jobs import actions as jobs
from riskreg.jobs.actions import Claim
from riskreg.jobs.models import Job
from riskreg.mail.models import LocalMessage
from risks import scores
from risks.actions import close_risk
from risks.models import Cause, CoverSheet, Risk, ScoreEntry
from tests.conftest import assess

MakeRisk = Callable[..., Risk]

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)  # a Monday
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)

QUIET = (40.0, 41.0, 39.5, 40.5, 39.0, 40.0, 41.5, 40.0, 39.5, 40.5)


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


# --- drift -------------------------------------------------------------------------------------------------


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


def drifting_since(risk: Risk) -> dt.date | None:
    return CoverSheet.objects.get(risk=risk).drifting_since


def test_a_step_raises_one_flag_that_says_since_when_and_how_far(make_risk: MakeRisk) -> None:
    risk = make_risk()
    first = NOW - 29 * DAY
    entries = tell(risk, step_series(), first=first)
    assert look() == 1
    flag = DriftFlag.objects.get()
    assert (flag.risk, flag.state, flag.raised_at) == (risk, "open", NOW)
    assert flag.since == (first + 20 * DAY).date()
    assert (flag.before, flag.after, flag.is_worse) == (40.0, 55.0, True)
    assert flag.from_entry == entries[20].pk
    assert flag.strength > drift.threshold(365)
    assert drifting_since(risk) == flag.since


def test_a_fall_is_a_flag_as_well(make_risk: MakeRisk) -> None:
    tell(make_risk(), step_series(-15), first=NOW - 29 * DAY)
    assert look() == 1
    flag = DriftFlag.objects.get()
    assert (flag.before, flag.after, flag.is_worse) == (40.0, 25.0, False)


def test_looking_twice_raises_nothing_twice(make_risk: MakeRisk) -> None:
    risk = make_risk()
    tell(risk, step_series(), first=NOW - 29 * DAY)
    assert [look(), look(), look(NOW + DAY)] == [1, 0, 0]
    MonitoringSettings.objects.update(checked_entry=0)  # as if the run had been broken off before it noted that
    assert look() == 0
    tell(risk, [70.0, 71.0], first=NOW)  # still moving, but the flag stands unanswered
    assert look(NOW + 2 * DAY) == 0
    assert DriftFlag.objects.count() == 1


def test_the_night_job_raises_it(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 40 * DAY)
    tell(risk, step_series(), first=NOW - 29 * DAY)
    for expected in (1, 0):
        job = jobs.enqueue("monitoring.tasks.rescore_all")
        assert jobs.run(job.pk, now_fn=lambda: NOW)
        job.refresh_from_db()
        assert job.result == {"scored": 1, "changed": 0, "flags": expected}


@pytest.mark.parametrize("state", ["confirmed", "false"])
def test_after_the_answer_the_history_begins_at_the_change(
    make_risk: MakeRisk, cast: SimpleNamespace, state: str
) -> None:
    risk = make_risk()
    tell(risk, step_series(), first=NOW - 29 * DAY)
    look()
    flag = DriftFlag.objects.get()
    answer_flag(flag=flag, state=state, note="new competitor", by=cast.mona, at=NOW + HOUR)
    flag.refresh_from_db()
    assert (flag.state, flag.note, flag.answered_by, flag.answered_at) == (
        state,
        "new competitor",
        cast.mona,
        NOW + HOUR,
    )
    assert drifting_since(risk) is None
    # The new level goes on quietly: measured from the change, that is no drift any more.
    tell(risk, [value + 15 for value in QUIET], first=NOW + DAY)
    assert look(NOW + 11 * DAY) == 0
    # A second step is a second flag, from the level of the first.
    tell(risk, [value + 40 for value in QUIET], first=NOW + 11 * DAY)
    assert look(NOW + 21 * DAY) == 1
    second = DriftFlag.objects.get(state="open")
    assert (second.before, second.after) == (55.0, 80.0)
    assert second.since == (NOW + 11 * DAY).date()
    assert drifting_since(risk) == second.since


def test_a_quiet_register_raises_none(make_risk: MakeRisk) -> None:
    """Thirty risks of plain noise, looked at in one go, by who accepts one false flag in ten weeks."""
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 0.1})
    random = np.random.default_rng(20260302)
    for n in range(30):
        tell(make_risk(f"Risk {n}"), list(50 + 3 * random.standard_normal(30)), first=NOW - 29 * DAY)
    assert look() == 0
    assert set(CoverSheet.objects.values_list("drifting_since", flat=True)) == {None}


def test_what_never_varied_or_is_too_short_raises_none(make_risk: MakeRisk) -> None:
    tell(make_risk("Constant"), [40.0] * 30, first=NOW - 29 * DAY)
    tell(make_risk("Short"), [10.0, 10.5, 10.0, 90.0, 90.5, 90.0, 90.0], first=NOW - 29 * DAY)
    assert look() == 0


def test_changed_rules_and_outcomes_are_no_drift(make_risk: MakeRisk) -> None:
    risk = make_risk()
    tell(risk, QUIET * 2, first=NOW - 29 * DAY)
    tell(risk, [value + 15 for value in QUIET], first=NOW - 9 * DAY, cause="rules")
    tell(make_risk("Another"), step_series(), first=NOW - 29 * DAY, cause="outcome")
    assert look() == 0


def test_closed_and_deleted_risks_are_not_looked_at(make_risk: MakeRisk) -> None:
    closed, deleted = make_risk("Closed"), make_risk("Deleted")
    for risk in (closed, deleted):
        tell(risk, step_series(), first=NOW - 29 * DAY)
    close_risk(risk=closed, outcome="occurred", note="", on=NOW.date(), at=NOW)
    Risk.objects.filter(pk=deleted.pk).update(state="bin")
    assert look() == 0


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many series the detector was given, run by run."""
    given: list[int] = []
    detect_many = drift.detect_many

    def spy(series: Sequence[drift.Series], *more: Any) -> list[drift.Drift | None]:
        given.append(len(series))
        return detect_many(series, *more)

    monkeypatch.setattr(drift, "detect_many", spy)
    return given


def test_a_risk_is_looked_at_again_only_with_new_evidence(make_risk: MakeRisk, looked_at: list[int]) -> None:
    first, second = make_risk("First"), make_risk("Second")
    for risk in (first, second):
        tell(risk, QUIET, first=NOW - 9 * DAY)
    look()
    assert MonitoringSettings.load().seen_entry == ScoreEntry.objects.order_by("pk").last().pk
    look()  # once more, for rows whose transaction was still open in the look before
    look()
    tell(first, [40.0], first=NOW, cause="rules")
    look()
    look()
    assert looked_at == [2, 2]
    tell(second, [40.0], first=NOW)
    for _ in range(4):
        look()
    assert looked_at == [2, 2, 1, 1]


def test_a_row_committed_after_a_younger_one_is_not_missed(make_risk: MakeRisk) -> None:
    """On PostgreSQL ids are given before the commit: the look in between sees the younger row alone."""
    late, early = make_risk("Late"), make_risk("Early")
    tell(late, step_series(), first=NOW - 29 * DAY)
    tell(early, [40.0], first=NOW)
    newest = ScoreEntry.objects.order_by("pk").last().pk
    # As a look leaves it that saw the newest id while the rows of the other were not committed yet.
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"seen_entry": newest})
    assert look() == 1


def test_a_run_broken_off_looks_at_the_same_risks_again(make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(make_risk(), step_series(), first=NOW - 29 * DAY)
    mark_drift = scores.mark_drift

    def break_off(since: dict[int, dt.date | None]) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(scores, "mark_drift", break_off)
    with pytest.raises(RuntimeError):
        look()
    assert MonitoringSettings.load().checked_entry == 0
    assert DriftFlag.objects.count() == 0
    monkeypatch.setattr(scores, "mark_drift", mark_drift)
    assert look() == 1


def test_the_statements_do_not_grow_with_the_risks(make_risk: MakeRisk) -> None:
    def statements(risks: int) -> int:
        for n in range(risks):
            tell(make_risk(f"Risk {n}"), step_series(), first=NOW - 29 * DAY)
        job = jobs.enqueue("monitoring.tasks.rescore_all")
        held = jobs.claim(job.pk, now_fn=lambda: NOW)
        with CaptureQueriesContext(connection) as captured:
            assert look_for_drift(held) == risks
        return len(captured)

    MonitoringSettings.load()
    assert statements(1) == statements(30)


def test_more_accepted_false_flags_make_the_detector_keener(make_risk: MakeRisk) -> None:
    tell(make_risk(), [*QUIET, *QUIET, 41.0, 41.5, 42.0, 41.0, 41.5, 41.0], first=NOW - 25 * DAY)
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 0.002})
    assert look() == 0
    MonitoringSettings.objects.update(false_flags_per_week=100, checked_entry=0)
    assert look() == 1


# --- reviews -----------------------------------------------------------------------------------------------


def test_a_review_is_added_with_its_reason(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 60 * DAY)
    for n in (1, 2):
        review = confirm_review(risk=risk, because=f"look {n}", by=cast.max, on=NOW.date(), at=NOW)
        assert (review.because, review.reviewed_by, review.reviewed_on) == (f"look {n}", cast.max, NOW.date())
    assert risk.reviews.count() == 2
    assert CoverSheet.objects.get(risk=risk).review_due == NOW.date() + 90 * DAY
    assert ScoreEntry.objects.filter(risk=risk).count() == 1


# --- digests: when -----------------------------------------------------------------------------------------


def subscribe(user: User, **fields: Any) -> Subscription:
    fields = {"cadence": "daily", "hour": 8, "time_zone": "Europe/Berlin", "scope": "all", "top": 50} | fields
    return Subscription.objects.create(user=user, since=fields.pop("since", NOW - 60 * DAY), **fields)


def waiting() -> list[tuple[int, str]]:
    """Person and period of the digests that stand in the queue, finished or not."""
    queued = Job.objects.filter(kind="monitoring.tasks.send_digest").order_by("pk")
    return [(job.payload["user"], job.payload["period"]) for job in queued]


def work(now: dt.datetime = NOW) -> list[str]:
    """Do every digest that is due; how each of them ended."""
    done = []
    for pk in list(Job.objects.due(now).filter(kind="monitoring.tasks.send_digest").values_list("pk", flat=True)):
        jobs.run(pk, now_fn=lambda: now)
        job = Job.objects.get(pk=pk)
        done.append(job.result["outcome"] if job.result else job.state)
    return done


def send(now: dt.datetime = NOW) -> list[str]:
    queue_due_digests(now=now)
    return work(now)


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


# --- digests: never twice, never different -----------------------------------------------------------------


def break_at(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """Let the nth transaction of the claim fail, once."""
    fenced, calls = Claim.fenced, iter(range(1, 1000))

    def breaking(self: Claim, *args: Any, **kwargs: Any) -> AbstractContextManager[None]:
        if next(calls) == number:
            raise RuntimeError("killed here")
        return fenced(self, *args, **kwargs)

    monkeypatch.setattr(Claim, "fenced", breaking)


def test_killed_between_sending_and_noting_it_repeats_the_very_same_mail(
    make_risk: MakeRisk, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    risk = make_risk("Price war in pumps", levels=(4, 4), at=NOW - DAY)
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    break_at(monkeypatch, 2)
    assert work() == ["ready"]
    assert len(mail.outbox) == 1
    assert Digest.objects.get().sent_at is None
    # Meanwhile the register moves on.
    Risk.objects.update(title="Another title")
    assess(risk, 1, 1, at=NOW + MINUTE)
    make_risk("A new one", levels=(5, 5), at=NOW)
    later = NOW + HOUR
    assert work(later) == ["sent"]
    first, second = mail.outbox
    assert first.message()["Message-ID"] == second.message()["Message-ID"] == Digest.objects.get().message_id
    assert "Price war in pumps" in second.body
    assert (first.to, first.subject, first.body) == (second.to, second.subject, second.body)
    assert first.alternatives == second.alternatives
    assert Digest.objects.get().sent_at == later


def test_the_local_inbox_folds_the_repeat_into_one(
    cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "riskreg.mail.backend.LocalInboxBackend"
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    break_at(monkeypatch, 2)
    assert [work(), work(NOW + HOUR)] == [["ready"], ["sent"]]
    kept = LocalMessage.objects.get()
    assert (kept.to, kept.message_id) == ("max@example.com", Digest.objects.get().message_id)


def test_killed_before_it_was_written_it_is_sent_once(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    break_at(monkeypatch, 1)
    assert [work(), work(NOW + HOUR)] == [["ready"], ["sent"]]
    assert len(mail.outbox) == 1


def test_killed_before_sending_it_is_sent_once(
    make_risk: MakeRisk, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_risk("Price war in pumps", levels=(4, 4), at=NOW - DAY)
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    deliver = digests.deliver

    def unreachable(written: Digest) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(digests, "deliver", unreachable)
    assert work() == ["ready"]
    assert mail.outbox == []
    written = Digest.objects.values("pk", "message_id", "text", "html", "created_at").get()
    monkeypatch.setattr(digests, "deliver", deliver)
    assert work(NOW + HOUR) == ["sent"]
    assert work(NOW + 2 * HOUR) == []
    [message] = mail.outbox
    assert message.body == written["text"]
    assert Digest.objects.values("pk", "message_id", "text", "html", "created_at").get() == written


def test_of_two_runs_of_one_period_the_second_finds_it_sent(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    assert send() == ["sent"]
    again = jobs.enqueue("monitoring.tasks.send_digest", payload={"user": cast.max.pk, "period": "2026-03-02"})
    assert jobs.run(again.pk, now_fn=lambda: NOW)
    again.refresh_from_db()
    assert again.result == {"outcome": "was sent"}
    assert len(mail.outbox) == 1


# --- digests: of what --------------------------------------------------------------------------------------

TITLES = ("Accounts of Max", "Accounts of Mona", "Accounts confidential", "Northfield", "Hengyue", "Hengyue of Max")


@pytest.fixture
def landscape(make_risk: MakeRisk, cast: SimpleNamespace) -> dict[str, Risk]:
    """A risk for each way of seeing or not seeing it, all assessed."""
    where = [
        (cast.accounts, cast.max, False),
        (cast.accounts, cast.mona, False),
        (cast.accounts, cast.mona, True),
        (cast.northfield, cast.mona, False),
        (cast.hengyue, cast.hana, False),
        (cast.hengyue, cast.max, False),
    ]
    return {
        title: make_risk(f"{title}.", team=team, owner=owner, confidential=hidden, levels=(4, 4), at=NOW - DAY)
        for title, (team, owner, hidden) in zip(TITLES, where, strict=True)
    }


def told() -> list[str]:
    """Titles the last mail names, alike in text and HTML."""
    message = mail.outbox[-1]
    html = message.alternatives[0].content
    in_text = [title for title in TITLES if f"{title}." in message.body]
    assert in_text == [title for title in TITLES if f"{title}." in html]
    return in_text


@pytest.mark.parametrize(
    ("name", "scope", "titles"),
    [
        ("max", "mine", ["Accounts of Max", "Hengyue of Max"]),
        ("max", "team", ["Accounts of Max", "Accounts of Mona"]),
        ("max", "all", ["Accounts of Max", "Accounts of Mona", "Hengyue of Max"]),
        ("mona", "mine", ["Accounts of Mona", "Accounts confidential", "Northfield"]),
        ("mona", "team", ["Accounts of Max", "Accounts of Mona", "Accounts confidential", "Northfield"]),
        ("vera", "mine", []),
        ("vera", "team", ["Accounts of Max", "Accounts of Mona", "Northfield"]),
        ("vera", "all", ["Accounts of Max", "Accounts of Mona", "Northfield"]),
        ("hana", "all", ["Hengyue", "Hengyue of Max"]),
        ("nobody", "team", []),
        ("nobody", "all", []),
        ("ada", "all", list(TITLES)),
    ],
)
def test_tells_only_what_the_person_sees_of_the_scope(
    landscape: dict[str, Risk], cast: SimpleNamespace, name: str, scope: str, titles: list[str]
) -> None:
    for risk in landscape.values():  # a flag on each: those must not tell more than the ranking
        DriftFlag.objects.create(
            risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=1
        )
    subscribe(getattr(cast, name), scope=scope)
    assert send() == ["sent"]
    assert told() == titles


def test_an_administrators_teams_are_those_she_has_a_role_in(landscape: dict[str, Risk], cast: SimpleNamespace) -> None:
    subscribe(cast.ada, scope="team")
    send()
    assert told() == list(TITLES)  # none of her own, so all she sees
    set_role(user=cast.ada, team=cast.accounts, role="viewer")
    send(NOW + DAY)
    assert told() == ["Accounts of Max", "Accounts of Mona", "Accounts confidential"]


def test_who_lost_access_no_longer_gets_the_risk(landscape: dict[str, Risk], cast: SimpleNamespace) -> None:
    subscribe(cast.mona)
    assert send() == ["sent"]
    assert "Accounts of Max" in told()
    response = Response.objects.create(risk=landscape["Accounts of Max"], kind="preventive", title="r")
    Action.objects.create(response=response, title="Accounts of Max.", owner=cast.mona, due=NOW.date())
    queue_due_digests(now=NOW + DAY)
    Membership.objects.filter(user=cast.mona).delete()  # even when it is already queued
    assert work(NOW + DAY) == ["sent"]
    assert told() == ["Accounts of Mona", "Accounts confidential", "Northfield"]  # her own stay hers


def test_closed_deleted_and_unassessed_risks_are_not_on_top(
    landscape: dict[str, Risk], make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    close_risk(risk=landscape["Accounts of Max"], outcome="occurred", note="", on=NOW.date(), at=NOW)
    Risk.objects.filter(pk=landscape["Northfield"].pk).update(state="bin")
    CoverSheet.objects.filter(risk=landscape["Hengyue"]).update(score=None, band=None, exposure=None, review_due=None)
    subscribe(cast.ada)
    send()
    top = mail.outbox[-1].body.split("TOP RISKS")[1]
    assert [t for t in TITLES if t + "." in top] == ["Accounts of Mona", "Accounts confidential", "Hengyue of Max"]
    assert "* Closed: Accounts of Max." in mail.outbox[-1].body


def test_the_greatest_scores_come_first_and_no_more_than_asked_for(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    for title, levels in (("Small", (1, 1)), ("Great", (5, 5)), ("Middling", (3, 3))):
        make_risk(title, levels=levels, at=NOW)
    subscribe(cast.max, top=2)
    send()
    body = mail.outbox[0].body
    assert body.index("1. Great") < body.index("2. Middling")
    assert "Small" not in body


def test_tells_how_far_a_score_moved_since_the_last_one(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk("Moving", levels=(3, 3), at=NOW - DAY)
    make_risk("Staying", levels=(3, 3), at=NOW - DAY)
    subscribe(cast.max)
    send()
    assess(risk, 5, 3, at=NOW + HOUR)
    before, after = ScoreEntry.objects.filter(risk=risk).order_by("pk").values_list("score", flat=True)
    make_risk("Arriving", levels=(1, 1), at=NOW + HOUR)
    send(NOW + DAY)
    lines = mail.outbox[1].body.splitlines()
    moved, entered = lines.index("MOVED, AND WHY"), lines.index("NEW AMONG THE TOP 50")
    assert lines[moved + 1] == f"* Moving: {before:.0f} → {after:.0f}"
    assert lines[moved + 2].startswith("  assessed anew, +")
    assert [line for line in lines[moved:entered] if "Staying" in line] == []
    assert lines[entered + 1].startswith("* Arriving")


# --- digests: in whose words -------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "band"), [("en", "Critical"), ("zh-hans", "极高")])
def test_is_written_in_the_persons_language(
    make_risk: MakeRisk, cast: SimpleNamespace, language: str, band: str
) -> None:
    make_risk(levels=(5, 5), at=NOW)
    User.objects.filter(pk=cast.max.pk).update(language=language)
    subscribe(cast.max)
    send()
    [message] = mail.outbox
    assert band in message.body
    assert f'<html lang="{language}">' in message.alternatives[0].content
    assert band in message.alternatives[0].content


def test_her_day_decides_what_is_due(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    """On Sunday at 17:30 UTC it is Monday in Shanghai: Monday's review is due there, and not yet in Berlin."""
    sunday = NOW.replace(hour=17, minute=30) - DAY
    for owner in (cast.max, cast.mona):
        make_risk(f"Review of {owner}", owner=owner, levels=(3, 3), at=NOW - 90 * DAY)
    assert set(CoverSheet.objects.values_list("review_due", flat=True)) == {NOW.date()}
    subscribe(cast.max, time_zone="Asia/Shanghai", hour=1, scope="mine")
    subscribe(cast.mona, time_zone="Europe/Berlin", hour=1, scope="mine")
    with time_machine.travel(sunday, tick=False):
        assert send(sunday) == ["sent", "sent"]
    bodies = {message.to[0]: message.body for message in mail.outbox}
    assert "DUE FROM YOU" in bodies["max@example.com"]
    assert "DUE FROM YOU" not in bodies["mona@example.com"]
    assert dict(Digest.objects.values_list("user", "period")) == {
        cast.max.pk: "2026-03-02",
        cast.mona.pk: "2026-03-01",
    }


def test_the_html_carries_no_inline_style_and_nothing_from_outside(
    landscape: dict[str, Risk], cast: SimpleNamespace
) -> None:
    risk = landscape["Accounts of Mona"]
    DriftFlag.objects.create(risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=1)
    response = Response.objects.create(risk=risk, kind="preventive", title="r")
    Action.objects.create(response=response, title="Call them", owner=cast.mona, due=NOW.date())
    subscribe(cast.mona)
    send()
    html = mail.outbox[0].alternatives[0].content
    assert "Call them" in html
    assert not re.search(r"<[^>]+\s(style|src|background|on\w+)\s*=", html, re.IGNORECASE)
    assert not re.search(r"<(link|script|img|iframe|object|form)\b|@import|url\(", html, re.IGNORECASE)
    links = re.findall(r'href="([^"]*)"', html)
    assert len(links) > 4
    assert all(link.startswith(f"{settings.SITE_URL}/") for link in links)


def test_what_people_wrote_is_escaped_in_html_and_plain_in_text(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    make_risk("Prices <b>fall</b> & rise", levels=(4, 4), at=NOW)
    subscribe(cast.max)
    send()
    [message] = mail.outbox
    assert "Prices &lt;b&gt;fall&lt;/b&gt; &amp; rise" in message.alternatives[0].content
    assert "Prices <b>fall</b> & rise" in message.body


def test_a_digest_of_an_empty_register_is_a_digest(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    assert send() == ["sent"]
    assert "No risk is assessed yet." in mail.outbox[0].body
    assert mail.outbox[0].extra_headers["Auto-Submitted"] == "auto-generated"


# --- digests: how many statements --------------------------------------------------------------------------


def test_the_statements_do_not_grow_with_the_risks_it_tells_of(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    category = make_risk("First", levels=(4, 4), at=NOW - 100 * DAY).category
    subscribe(cast.max, hour=8)

    def grow_to(risks: int) -> None:
        new = Risk.objects.bulk_create(
            Risk(title=f"Risk {n}", category=category, team=cast.accounts, owner=cast.max)
            for n in range(risks - Risk.objects.count())
        )
        assess_risks(
            judgements=[Judgement(risk.pk, 4, {"financial": 4}, "expert", "", NOW.date() - 100 * DAY) for risk in new],
            by=None,
            at=NOW - DAY,
            cause=Cause.JUDGEMENT,
        )
        for risk in new:
            response = Response.objects.create(risk=risk, kind="preventive", title="r")
            Action.objects.create(response=response, title="Call them", owner=cast.max, due=NOW.date())
            DriftFlag.objects.create(
                risk=risk, raised_at=NOW, since=NOW.date(), before=1, after=2, strength=5, from_entry=1
            )

    def statements(now: dt.datetime) -> int:
        queue_due_digests(now=now)
        job = Job.objects.get(kind="monitoring.tasks.send_digest", state="ready")
        held = jobs.claim(job.pk, now_fn=lambda: now)
        with CaptureQueriesContext(connection) as captured:
            outcome = digests.send_digest(held, user_id=cast.max.pk, period=job.payload["period"])
        assert outcome == "sent"
        jobs.run(job.pk, now_fn=lambda: now + HOUR)
        return len([q for q in captured if not q["sql"].startswith(("SAVEPOINT", "RELEASE"))])

    grow_to(5)
    statements(NOW)  # the first has nothing to compare with
    grow_to(10)
    few = statements(NOW + DAY)
    grow_to(50)
    assert statements(NOW + 2 * DAY) == few
    assert few <= 15 + 4  # the subscription, two fences and the note that it went
    assert len(re.findall(r"^\d+\. ", mail.outbox[-1].body, re.MULTILINE)) == 50
