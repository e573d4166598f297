"""Matters of the calendar: told when they begin, settled when they are over, and nobody told twice in between."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring import matters
from monitoring.indicators import tell_armed
from monitoring.models import Delivery, Event, Notice, Severity
from monitoring.reviews import confirm_review
from responses.actions import (
    accept_risk,
    arm_contingencies,
    disarm_contingency,
    revoke_acceptance,
    set_action_status,
    withdraw_response,
)
from responses.models import Acceptance, Action, Response
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.actions import Claim
from riskreg.jobs.models import Job
from risks.actions import close_risk
from risks.models import Category, CoverSheet, Risk
from tests.conftest import assess
from tests.monitoring.mail_server import MailServer
from tests.monitoring.sending import deliver
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")

TODAY = NOW.date()
NORMAL, HIGH, URGENT = Severity.NORMAL, Severity.HIGH, Severity.URGENT


def claimed(now: dt.datetime) -> Claim:
    held = jobs.claim(jobs.enqueue("monitoring.tasks.look_after_matters", run_at=now).pk, now_fn=lambda: now)
    assert held is not None
    return held


def look(now: dt.datetime = NOW) -> tuple[int, int]:
    """One run of the timetable's job: how many matters it told, and how many it found to be over."""
    done = matters.look_after(claimed(now), today=now.date())
    return done["told"], done["settled"]


def told() -> list[tuple[str, int, str]]:
    """Kind, severity and person of every notice."""
    rows = Notice.objects.order_by("event__key", "user__username")
    return list(rows.values_list("event__kind", "event__severity", "user__username"))


def standing() -> list[str]:
    return list(Event.objects.standing().order_by("key").values_list("key", flat=True))


def action_on(risk: Risk, *, due: dt.date | None, owner: User | None = None, **fields: Any) -> Action:
    response = Response.objects.create(risk=risk, kind="preventive", title="Renegotiate")
    return Action.objects.create(response=response, title="Call them", owner=owner, due=due, **fields)


# --- reviews -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "band", "days", "severity"),
    [((1, 1), 1, 180, NORMAL), ((3, 3), 2, 90, NORMAL), ((3, 4), 3, 30, HIGH), ((5, 5), 4, 14, URGENT)],
)
def test_a_review_is_a_matter_from_its_day_on_the_more_urgent_the_higher_the_band(
    make_risk: MakeRisk, levels: tuple[int, int], band: int, days: int, severity: int
) -> None:
    risk = make_risk(levels=levels, at=NOW - days * DAY)
    sheet = CoverSheet.objects.get(risk=risk)
    assert (sheet.band, sheet.review_due) == (band, TODAY)
    assert look(NOW - DAY) == (0, 0)
    assert look() == (1, 0)
    event = Event.objects.get(kind="review")  # a high score itself was told before
    assert [notice.user.username for notice in event.notices.all()] == ["max"]
    assert event.severity == severity
    assert (event.key, event.risk, event.details) == (f"review:{risk.pk}:{TODAY}", risk, {"due": str(TODAY)})


def test_confirming_it_settles_it_there_and_then(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 100 * DAY)
    look()
    confirm_review(risk=risk, because="nothing changed", by=cast.max, on=TODAY, at=NOW + HOUR)
    assert Event.objects.get().ended_at == NOW + HOUR
    assert look(NOW + 2 * HOUR) == (0, 0)
    assert look(NOW + 90 * DAY) == (1, 0)  # the next one
    assert Event.objects.count() == 2


def test_a_judgement_is_a_review_too(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 100 * DAY)
    look()
    assess(risk, 3, 3, at=NOW + HOUR)
    assert look(NOW + 2 * HOUR) == (0, 1)
    assert standing() == []


def test_a_risk_nobody_owns_is_its_managers_matter(make_risk: MakeRisk) -> None:
    make_risk(levels=(3, 3), at=NOW - 100 * DAY, owner=None)
    look()
    assert told() == [("review", NORMAL, "mona")]


def test_unassessed_closed_and_deleted_risks_have_no_reviews(make_risk: MakeRisk) -> None:
    make_risk("Unassessed", at=NOW - 100 * DAY)
    closed, deleted = (make_risk(title, levels=(3, 3), at=NOW - 100 * DAY) for title in ("Closed", "Deleted"))
    close_risk(risk=closed, outcome="occurred", note="", on=TODAY, at=NOW)
    Risk.objects.filter(pk=deleted.pk).update(state="bin")
    assert look() == (0, 0)


# --- actions -----------------------------------------------------------------------------------------------


def test_an_action_is_overdue_the_day_after_it_was_due(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    action = action_on(make_risk(), due=TODAY, owner=cast.vera)
    assert look() == (0, 0)
    assert look(NOW + DAY) == (1, 0)
    assert told() == [("action", HIGH, "vera")]
    assert Event.objects.get().details == {"title": "Call them", "due": str(TODAY)}
    assert Event.objects.get().key == f"action:{action.pk}:{TODAY}"


@pytest.mark.parametrize("gone", [False, True])
def test_an_action_without_anybody_to_do_it_is_a_matter_of_the_risks_owner(
    make_risk: MakeRisk, cast: SimpleNamespace, gone: bool
) -> None:
    action_on(make_risk(), due=TODAY - DAY, owner=cast.vera if gone else None)
    User.objects.filter(pk=cast.vera.pk).update(is_active=False)
    look()
    assert told() == [("action", HIGH, "max")]


def test_what_is_done_given_up_or_without_a_day_is_not_overdue(make_risk: MakeRisk) -> None:
    action_on(make_risk("Done"), due=TODAY - DAY, status="done", done_on=TODAY)
    action_on(make_risk("Given up"), due=TODAY - DAY, status="cancelled")
    action_on(make_risk("Without a day"), due=None)
    assert look() == (0, 0)


OVER: dict[str, Callable[[Action], object]] = {
    "done": lambda action: set_action_status(action=action, status="done", at=NOW),
    "put off": lambda action: Action.objects.filter(pk=action.pk).update(due=TODAY + 7 * DAY),
    "withdrawn": lambda action: withdraw_response(response=action.response, at=NOW),
    "of a closed risk": lambda action: close_risk(
        risk=action.response.risk, outcome="averted", note="", on=TODAY, at=NOW
    ),
    "deleted": lambda action: action.delete(),
}


@pytest.mark.parametrize("how", OVER)
def test_an_action_that_is_over_is_settled_at_the_next_look(
    make_risk: MakeRisk, cast: SimpleNamespace, how: str
) -> None:
    action = action_on(make_risk(), due=TODAY - DAY, owner=cast.max)
    look()
    OVER[how](action)
    assert look(NOW + HOUR) == (0, 1)
    assert Event.objects.get().ended_at == NOW + HOUR
    assert Notice.objects.get().remind_at is None


def test_an_action_put_off_is_told_again_when_that_day_has_passed(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    action = action_on(make_risk(), due=TODAY - DAY, owner=cast.max)
    look()
    Action.objects.filter(pk=action.pk).update(due=TODAY + DAY)
    assert [look(NOW + n * DAY) for n in (1, 2, 3)] == [(0, 1), (1, 0), (0, 0)]
    assert told() == [("action", HIGH, "max")] * 2


# --- acceptances -------------------------------------------------------------------------------------------


def test_an_acceptance_is_a_matter_two_weeks_before_its_end(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    until = TODAY + 15 * DAY
    accepted = accept_risk(risk=make_risk(), by=cast.mona, reason="small", on=TODAY, until=until)
    assert look() == (0, 0)
    assert look(NOW + DAY) == (1, 0)
    assert told() == [("acceptance", NORMAL, "max")]
    event = Event.objects.get()
    assert (event.key, event.details) == (f"acceptance:{accepted.pk}", {"until": str(until)})
    assert look(NOW + 30 * DAY) == (0, 0)  # it stands until somebody decides


def test_revoking_or_renewing_an_acceptance_settles_it(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    for title in ("Revoked", "Renewed"):
        accept_risk(risk=make_risk(title), by=cast.mona, reason="small", on=TODAY, until=TODAY + 3 * DAY)
    assert look() == (2, 0)
    revoke_acceptance(acceptance=Acceptance.objects.get(risk__title="Revoked"), on=TODAY)
    renewed = Risk.objects.get(title="Renewed")
    accept_risk(risk=renewed, by=cast.mona, reason="still small", on=TODAY, until=TODAY + 90 * DAY)
    assert look(NOW + HOUR) == (0, 2)


# --- jobs --------------------------------------------------------------------------------------------------


def die(job: Job, now: dt.datetime, reason: str = "boom") -> None:
    Job.objects.filter(pk=job.pk).update(
        state="dead", attempts=5, finished_at=now, error=f"Traceback\n  line\nValueError: {reason}"
    )


def test_a_job_given_up_is_a_matter_of_the_administrators(cast: SimpleNamespace) -> None:
    job = jobs.enqueue("monitoring.tasks.run_forecast")
    die(job, NOW, "x" * 500)
    look()
    assert told() == [("job", HIGH, "ada")]
    assert Event.objects.get().details == {
        "job": "monitoring.tasks.run_forecast",
        "reason": f"ValueError: {'x' * 500}"[:200],
    }


def test_a_job_tried_again_is_settled_and_told_anew_when_it_is_given_up_again(cast: SimpleNamespace) -> None:
    job = jobs.enqueue("monitoring.tasks.run_forecast")
    die(job, NOW)
    assert look() == (1, 0)
    jobs.retry(job, now=NOW + HOUR)
    assert look(NOW + HOUR) == (0, 1)
    die(job, NOW + 2 * HOUR)
    assert look(NOW + 2 * HOUR) == (1, 0)
    assert told() == [("job", HIGH, "ada")] * 2


def test_many_jobs_of_a_kind_given_up_on_a_day_are_one_matter(cast: SimpleNamespace) -> None:
    for n in range(3):
        die(jobs.enqueue("monitoring.tasks.send_digest"), NOW + n * HOUR)
        die(jobs.enqueue("monitoring.tasks.run_forecast"), NOW + n * HOUR)
    assert look(NOW + 3 * HOUR) == (2, 0)
    die(jobs.enqueue("monitoring.tasks.send_digest"), NOW + 4 * HOUR)
    assert look(NOW + 4 * HOUR) == (0, 0)
    die(jobs.enqueue("monitoring.tasks.send_digest"), NOW + DAY)
    assert look(NOW + DAY) == (1, 0)


def test_a_mail_server_that_is_away_does_not_multiply_what_is_to_be_mailed(
    cast: SimpleNamespace, mail_server: MailServer
) -> None:
    """That a mail was given up is told by mail as well, to each administrator."""
    mail_server.end()
    User.objects.filter(pk=cast.mona.pk).update(is_admin=True)
    die(jobs.enqueue("monitoring.tasks.run_forecast"), NOW)
    waiting = []
    for n in range(20):
        now = NOW + n * HOUR
        if n % 5 == 0:
            look(now)
            waiting.append(Delivery.objects.filter(sent_at=None).count())
        deliver(now)
    assert waiting == [2, 4, 4, 4]


# --- contingencies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["disarmed", "withdrawn", "closed", None])
def test_an_armed_contingency_stands_while_it_is_armed(
    make_risk: MakeRisk, cast: SimpleNamespace, how: str | None
) -> None:
    risk = make_risk()
    response = Response.objects.create(risk=risk, kind="contingency", title="Second source")
    tell_armed(arm_contingencies([response.pk], at=NOW), now=NOW)
    assert told() == [("armed", HIGH, "max")]
    response.refresh_from_db()
    if how == "disarmed":
        disarm_contingency(response=response)
    elif how == "withdrawn":
        withdraw_response(response=response, at=NOW)
    elif how == "closed":
        close_risk(risk=risk, outcome="occurred", note="", on=TODAY, at=NOW)
    assert look(NOW + HOUR) == ((0, 1) if how else (0, 0))
    assert len(standing()) == (0 if how else 1)


# --- all together ------------------------------------------------------------------------------------------


def test_looking_again_says_nothing_twice_and_reminds_in_its_turn(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    make_risk("Review", levels=(3, 3), at=NOW - 100 * DAY)
    action_on(make_risk("Action"), due=TODAY - DAY, owner=cast.max)
    runs = [matters.look_after(claimed(at), today=at.date()) for at in (NOW, NOW, NOW + HOUR, NOW + 3 * DAY)]
    assert [(run["told"], run["settled"], run["reminded"]) for run in runs] == [
        (2, 0, 0),
        (0, 0, 0),
        (0, 0, 0),
        (0, 0, 1),  # the action, which is high
    ]


def test_a_run_broken_off_is_taken_up_by_the_next(
    make_risk: MakeRisk, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matters, "_CHUNK", 1)
    risks = [make_risk(f"Risk {n}", levels=(3, 3), at=NOW - 100 * DAY) for n in range(3)]
    fenced, times = Claim.fenced, iter(range(10))

    def breaking(self: Claim, *args: Any, **more: Any) -> Any:
        if next(times) == 1:
            raise RuntimeError("killed here")
        return fenced(self, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(Claim, "fenced", breaking)
        with pytest.raises(RuntimeError):
            look()
    assert standing() == [f"review:{risks[0].pk}:{CoverSheet.objects.get(risk=risks[0]).review_due}"]
    assert look(NOW + HOUR) == (2, 0)
    assert Notice.objects.count() == 3


def test_the_timetables_job_does_it(make_risk: MakeRisk) -> None:
    make_risk(levels=(3, 3), at=NOW - 100 * DAY)
    for expected in (1, 0):
        job = jobs.enqueue("monitoring.tasks.look_after_matters")
        assert jobs.run(job.pk, now_fn=lambda: NOW)
        job.refresh_from_db()
        assert job.result == {"told": expected, "settled": 0, "reminded": 0}


def test_the_statements_do_not_grow_with_the_matters(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    """Few enough for SQLite to take them in one INSERT each."""
    category = Category.objects.get(key="competitor")

    def statements(first: int, number: int) -> int:
        for n in range(first, first + number):
            risk = Risk.objects.create(title=f"Risk {n}", category=category, team=cast.accounts, owner=cast.max)
            CoverSheet.objects.create(risk=risk, score=80, band=4, review_due=TODAY - DAY, method_version=1)
            action_on(risk, due=TODAY - DAY, owner=cast.mona)
            accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY, until=TODAY)
        claim = claimed(NOW)
        with CaptureQueriesContext(connection) as captured:
            assert matters.look_after(claim, today=TODAY)["told"] == 3 * number
        return len(captured)

    statements(0, 1)
    assert statements(10, 1) == statements(20, 15)


def test_the_statements_do_not_grow_with_what_is_over(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    def statements(number: int) -> int:
        for n in range(number):
            action_on(make_risk(f"Risk {n}"), due=TODAY - DAY, owner=cast.max)
        look()
        Action.objects.update(status="done", done_on=TODAY)
        claim = claimed(NOW + HOUR)
        with CaptureQueriesContext(connection) as captured:
            assert matters.look_after(claim, today=TODAY)["settled"] == number
        return len(captured)

    assert statements(1) == statements(20)
