"""Reviews: they renew themselves by band, events pull them forward, and one sentence answers them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from crm.models import Customer
from monitoring import indicators, matters, queries, reviews
from monitoring.indicators import Measured
from monitoring.models import Event, Indicator, MonitoringSettings, Reading, Review, ReviewReason
from monitoring.reviews import TooLate, confirm_review, move_review, pull_reviews
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.actions import Claim
from risks.actions import close_risk
from risks.models import Cause, CoverSheet, Risk, ScoreEntry
from tests.conftest import assess
from tests.monitoring.ledger import look, step_series, tell
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")

TODAY = NOW.date()


def due(risk: Risk) -> dt.date | None:
    return CoverSheet.objects.get(risk=risk).review_due


def reasons(risk: Risk) -> list[tuple[str, dt.date]]:
    """What calls for a review before its turn and was not answered."""
    return list(queries.waiting_reasons(risk).values_list("kind", "due_on"))


def confirm(risk: Risk, by: User, *, at: dt.datetime = NOW) -> Review:
    return confirm_review(risk=risk, because="nothing has changed", by=by, on=at.date(), at=at)


def claimed(now: dt.datetime) -> Claim:
    held = jobs.claim(jobs.enqueue("monitoring.tasks.pull_reviews", run_at=now).pk, now_fn=lambda: now)
    assert held is not None
    return held


def pull(now: dt.datetime = NOW) -> int:
    """The night's look at the calendar; how many risks it called up."""
    return pull_reviews(claimed(now), today=now.date())


def configure(**fields: Any) -> None:
    off = {"renewal_lead_days": None, "quarter_end_lead_days": None}
    MonitoringSettings.objects.update_or_create(pk=1, defaults=off | fields)


# --- by themselves -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("levels", "days"), [((1, 1), 180), ((3, 3), 90), ((3, 4), 30), ((5, 5), 14)])
def test_the_band_says_when_the_next_one_is_due(
    make_risk: MakeRisk, cast: SimpleNamespace, levels: tuple[int, int], days: int
) -> None:
    risk = make_risk(levels=levels, at=NOW - 5 * DAY)
    assert due(risk) == TODAY + (days - 5) * DAY
    confirm(risk, cast.max)
    assert due(risk) == TODAY + days * DAY
    confirm(risk, cast.max, at=NOW + 3 * DAY)
    assert due(risk) == TODAY + (days + 3) * DAY


def test_another_band_is_another_day_from_the_last_look_on(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 10 * DAY)
    confirm(risk, cast.max)
    assess(risk, 5, 5, at=NOW + DAY)
    assert due(risk) == TODAY + DAY + 14 * DAY


def test_a_review_is_added_with_its_reason(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 60 * DAY)
    for n in (1, 2):
        review = confirm_review(risk=risk, because=f"look {n}", by=cast.max, on=NOW.date(), at=NOW)
        assert (review.because, review.reviewed_by, review.reviewed_on) == (f"look {n}", cast.max, NOW.date())
    assert risk.reviews.count() == 2
    assert CoverSheet.objects.get(risk=risk).review_due == NOW.date() + 90 * DAY
    assert ScoreEntry.objects.filter(risk=risk).count() == 1


def test_a_risk_nobody_has_assessed_has_no_review(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk()
    confirm(risk, cast.max)
    assert due(risk) is None


# --- in one click ------------------------------------------------------------------------------------------


def test_one_click_with_a_reason_confirms_it(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 100 * DAY)
    client, url = sign_in(cast.max), reverse("monitoring:confirm_review", args=[risk.pk])
    answer = client.post(url, {"because": " "}, follow=True)
    assert [str(m) for m in answer.context["messages"]] == ["Say why the risk is still valid."]
    assert not Review.objects.exists()
    answer = client.post(url, {"because": "the contract is signed", "next": "risk"}, follow=True)
    assert answer.redirect_chain == [(reverse("risks:show", args=[risk.pk]), 302)]
    assert [str(m) for m in answer.context["messages"]] == [f"{risk.reference} is reviewed."]
    review = Review.objects.get()
    assert (review.because, review.reviewed_by, review.reviewed_on) == ("the contract is signed", cast.max, TODAY)
    assert due(risk) == TODAY + 90 * DAY


def test_the_page_lists_what_is_due_and_forgets_what_is_confirmed(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    risk = make_risk("Long overdue", levels=(3, 3), at=NOW - 100 * DAY)
    make_risk("Not yet", levels=(3, 3), at=NOW - 80 * DAY)
    client, url = sign_in(cast.max), reverse("monitoring:reviews")

    def listed(query: str = "") -> list[str]:
        return [row.title for row in client.get(url + query).context["rows"]]

    assert listed() == ["Long overdue"]
    assert listed("?when=soon") == ["Long overdue", "Not yet"]
    confirm(risk, cast.max)
    assert listed() == []


def test_a_closed_risk_is_not_reviewed(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 100 * DAY)
    close_risk(risk=risk, outcome="occurred", note="", on=TODAY, at=NOW)
    sign_in(cast.max).post(reverse("monitoring:confirm_review", args=[risk.pk]), {"because": "x"})
    sign_in(cast.max).post(reverse("monitoring:move_review", args=[risk.pk]), {"to": TODAY.isoformat()})
    assert not Review.objects.exists()
    assert not ReviewReason.objects.exists()


# --- moved by hand -----------------------------------------------------------------------------------------


def move(risk: Risk, to: dt.date, by: User, *, at: dt.datetime = NOW) -> ReviewReason:
    return move_review(risk=risk, to=to, note="before the fair", by=by, today=at.date(), at=at)


def test_a_review_is_moved_forward_until_somebody_looks(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - DAY)
    reason = move(risk, TODAY + 10 * DAY, cast.mona)
    assert (reason.kind, reason.note, reason.created_by) == ("wish", "before the fair", cast.mona)
    assert due(risk) == TODAY + 10 * DAY
    confirm(risk, cast.max, at=NOW + 9 * DAY)
    assert due(risk) == TODAY + 99 * DAY
    assert reasons(risk) == []


def test_the_wish_of_a_day_is_changed_and_not_added_to(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - DAY)
    for days in (10, 20, 5):
        move(risk, TODAY + days * DAY, cast.mona, at=NOW + days * HOUR / 10)
        assert due(risk) == TODAY + days * DAY
    assert reasons(risk) == [("wish", TODAY + 5 * DAY)]


def test_a_review_is_not_put_off(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - DAY)
    with pytest.raises(TooLate) as late:
        move(risk, TODAY + 90 * DAY, cast.mona)
    assert late.value.due == TODAY + 89 * DAY
    assert not ReviewReason.objects.exists()
    move(risk, TODAY + 10 * DAY, cast.mona)
    with pytest.raises(TooLate):
        move(risk, TODAY + 90 * DAY, cast.mona, at=NOW + HOUR)
    assert due(risk) == TODAY + 10 * DAY  # what was wished before still holds


def test_the_page_says_why_a_day_is_not_taken(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - DAY)
    client, url = sign_in(cast.max), reverse("monitoring:move_review", args=[risk.pk])

    def said(day: dt.date | str) -> list[str]:
        answer = client.post(url, {"to": str(day), "note": "n"}, follow=True)
        return [str(message) for message in answer.context["messages"]]

    assert said(TODAY - DAY) == ["This day has passed."]
    assert said("next week") == ["Enter a valid date."]
    assert said(TODAY + 200 * DAY) == ["The review is due on 30 May 2026 already; a later one is no help."]
    assert due(risk) == TODAY + 89 * DAY
    assert said(TODAY + 7 * DAY) == ["The review is due on 9 Mar 2026."]
    assert due(risk) == TODAY + 7 * DAY


# --- pulled forward by the calendar ------------------------------------------------------------------------


@pytest.fixture
def renewing(make_risk: MakeRisk, cast: SimpleNamespace) -> Risk:
    """A risk of a customer whose contract renews in a hundred days; just looked at, next due in 180."""
    customer = Customer.objects.create(name="Acme", team=cast.accounts, renews_on=TODAY + 100 * DAY)
    configure(renewal_lead_days=60)
    return make_risk("Renewal", levels=(1, 1), at=NOW, customer=customer)


def test_a_renewal_calls_for_a_review_in_good_time(renewing: Risk, cast: SimpleNamespace) -> None:
    assert pull(NOW + 39 * DAY) == 0
    assert pull(NOW + 40 * DAY) == 1
    assert reasons(renewing) == [("renewal", TODAY + 40 * DAY)]
    assert due(renewing) == TODAY + 40 * DAY
    assert [pull(NOW + n * DAY) for n in (40, 41, 100, 101)] == [0] * 4
    confirm(renewing, cast.max, at=NOW + 50 * DAY)
    assert due(renewing) == TODAY + 230 * DAY


def test_a_look_long_before_the_renewal_does_not_answer_it(renewing: Risk, cast: SimpleNamespace) -> None:
    confirm(renewing, cast.max, at=NOW + 39 * DAY)
    pull(NOW + 40 * DAY)
    assert due(renewing) == TODAY + 40 * DAY


def test_a_renewal_that_is_heard_of_late_is_due_at_once(renewing: Risk) -> None:
    Customer.objects.update(renews_on=TODAY + 10 * DAY)
    pull()
    assert reasons(renewing) == []  # today's judgement is no older than the call
    assert due(renewing) == TODAY + 180 * DAY
    Risk.objects.filter(pk=renewing.pk).update(customer=Customer.objects.get())
    Customer.objects.update(renews_on=TODAY + 70 * DAY)
    pull(NOW + 30 * DAY)
    assert due(renewing) == TODAY + 30 * DAY


def test_a_renewal_moved_to_another_day_calls_again(renewing: Risk, cast: SimpleNamespace) -> None:
    pull(NOW + 40 * DAY)
    confirm(renewing, cast.max, at=NOW + 41 * DAY)
    Customer.objects.update(renews_on=TODAY + 465 * DAY)
    assert pull(NOW + 404 * DAY) == 0
    assert pull(NOW + 405 * DAY) == 1
    assert reasons(renewing) == [("renewal", TODAY + 405 * DAY)]


def test_closed_risks_and_other_customers_are_left_alone(
    renewing: Risk, make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    make_risk("Of another", levels=(1, 1), customer=Customer.objects.create(name="Other", team=cast.accounts))
    close_risk(risk=renewing, outcome="averted", note="", on=TODAY, at=NOW)
    assert pull(NOW + 50 * DAY) == 0


def test_renewals_call_nobody_when_that_is_switched_off(renewing: Risk) -> None:
    configure()
    assert pull(NOW + 50 * DAY) == 0


def test_the_end_of_the_quarter_calls_for_what_is_beyond_appetite(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    configure(quarter_end_lead_days=14)  # from 17 March on
    high, low = make_risk("High", levels=(3, 4), at=NOW + 10 * DAY), make_risk("Low", levels=(1, 1), at=NOW)
    end = dt.date(2026, 3, 31)
    assert pull(NOW + 14 * DAY) == 0
    assert pull(NOW + 15 * DAY) == 1
    assert (reasons(high), reasons(low)) == ([("quarter_end", end)], [])
    assert (due(high), due(low)) == (end, TODAY + 180 * DAY)
    assert pull(NOW + 16 * DAY) == 0
    # What goes beyond appetite in those days is called up too, and each quarter anew.
    assess(low, 5, 5, at=NOW + 17 * DAY)
    assert pull(NOW + 17 * DAY) == 1
    confirm(high, cast.max, at=NOW + 18 * DAY)
    assert reasons(high) == []
    assert pull(NOW + 106 * DAY) == 2  # 16 June


def test_the_business_year_says_which_quarter(make_risk: MakeRisk) -> None:
    configure(quarter_end_lead_days=14, year_starts_in=2)
    high = make_risk("High", levels=(3, 4), at=NOW + 30 * DAY)
    assert pull(NOW + 15 * DAY) == 0
    assert pull(NOW + 45 * DAY) == 1  # 16 April
    assert reasons(high) == [("quarter_end", dt.date(2026, 4, 30))]


def test_the_night_job_pulls_and_the_next_one_finds_it_done(renewing: Risk) -> None:
    for expected in (1, 0):
        job = jobs.enqueue("monitoring.tasks.pull_reviews")
        assert jobs.run(job.pk, now_fn=lambda: NOW + 40 * DAY)
        job.refresh_from_db()
        assert job.result == {"reviews": expected}


def test_the_statements_do_not_grow_with_the_risks_called_up(renewing: Risk, make_risk: MakeRisk) -> None:
    def statements(number: int, at: dt.datetime) -> int:
        for n in range(number):
            make_risk(f"Risk {n}", levels=(1, 1), at=NOW, customer=renewing.customer)
        claim = claimed(at)
        with CaptureQueriesContext(connection) as captured:
            assert pull_reviews(claim, today=at.date()) == number
        return len(captured)

    pull(NOW + 40 * DAY)
    assert statements(1, NOW + 41 * DAY) == statements(30, NOW + 42 * DAY)


# --- pulled forward by what happens ------------------------------------------------------------------------


def read(risk: Risk, cast: SimpleNamespace, *values: float, **fields: Any) -> None:
    """Tie an indicator to a risk and take a reading an hour; it warns below 4, its limit is 2."""
    fields = {"direction": "lower", "warning": 4.0, "limit": 2.0} | fields
    indicator = Indicator.objects.create(name="Index", team=cast.accounts, owner=cast.mona, **fields)
    indicators.tie(indicator=indicator, risk=risk, ratio=2, by=cast.mona, now=NOW - DAY)
    for n, value in enumerate(values):
        at = NOW + n * HOUR
        indicators.record([Measured(indicator.pk, at, value)], source=Reading.Source.HAND, by=None, now=at)


def test_an_indicator_at_its_limit_calls_for_a_review_in_a_week(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(1, 1), at=NOW - 2 * DAY)
    read(risk, cast, 5.0, 3.0)
    assert reasons(risk) == []
    later = NOW + 3 * HOUR
    measured = [Measured(Indicator.objects.get().pk, later, 1.0)]
    indicators.record(measured, source=Reading.Source.HAND, by=None, now=later)
    assert reasons(risk) == [("indicator", TODAY + 7 * DAY)]
    assert due(risk) == TODAY + 7 * DAY


def test_a_price_calls_for_a_review_as_soon_as_it_warns(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(1, 1), at=NOW - 2 * DAY)
    configure(event_review_days=3)
    read(risk, cast, 5.0, 3.0, measure="price_index")
    assert reasons(risk) == [("price_change", TODAY + 3 * DAY)]
    assert due(risk) == TODAY + 3 * DAY


def test_a_drift_flag_calls_for_a_review(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(1, 1), at=NOW - 40 * DAY)
    tell(risk, step_series(), first=NOW - 29 * DAY)
    assert look() == 1
    assert reasons(risk) == [("flag", TODAY + 7 * DAY)]
    assert due(risk) == TODAY + 7 * DAY
    confirm(risk, cast.max, at=NOW + DAY)
    assert due(risk) == TODAY + 181 * DAY


def test_an_event_never_puts_off_what_is_due_sooner(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(1, 1), at=NOW - 178 * DAY)
    read(risk, cast, 1.0)
    assert reasons(risk) == [("indicator", TODAY + 7 * DAY)]
    assert due(risk) == TODAY + 2 * DAY


def test_the_earliest_of_several_reasons_counts(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(1, 1), at=NOW - 2 * DAY)
    read(risk, cast, 1.0)
    move(risk, TODAY + 3 * DAY, cast.mona)
    assert due(risk) == TODAY + 3 * DAY
    assert {kind for kind, _ in reasons(risk)} == {"indicator", "wish"}
    confirm(risk, cast.max, at=NOW + DAY)
    assert reasons(risk) == []


def test_the_same_event_calls_once(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(1, 1), at=NOW - 2 * DAY)
    read(risk, cast, 1.0, 5.0, 1.0)  # over its limit twice on one day
    assert reasons(risk) == [("indicator", TODAY + 7 * DAY)]


def test_being_called_up_is_no_evaluation(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    """What only moves a day leaves the score and its ledger as they are: drift must not see it."""
    risk = make_risk(levels=(3, 3), at=NOW - DAY)
    move(risk, TODAY + 10 * DAY, cast.mona)
    assert list(ScoreEntry.objects.filter(risk=risk).values_list("cause", flat=True)) == [Cause.JUDGEMENT]


def test_confirming_settles_the_notice_of_the_review(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 100 * DAY)
    matters.look_after(claimed(NOW), today=TODAY)
    assert Event.objects.standing().filter(kind="review").exists()
    confirm(risk, cast.max)
    assert not Event.objects.standing().exists()


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Shanghai", "UTC"])
@pytest.mark.parametrize("hour", [1, 12, 23])
def test_a_confirmation_answers_what_called_for_it_an_hour_before_wherever_one_sits(
    make_risk: MakeRisk,
    cast: SimpleNamespace,
    sign_in: Callable[[User], Client],
    zone: str,
    hour: int,
) -> None:
    at = NOW.replace(hour=hour)
    risk = make_risk(levels=(1, 1), at=NOW - 10 * DAY)
    today = at.date()
    reviews.call_for_reviews(
        [risk.pk], kind=ReviewReason.Kind.FLAG, ref="1", due=today + 7 * DAY, answered_from=today, at=at - HOUR
    )
    User.objects.filter(pk=cast.max.pk).update(time_zone=zone)
    cast.max.refresh_from_db()
    with time_machine.travel(at, tick=False):
        sign_in(cast.max).post(reverse("monitoring:confirm_review", args=[risk.pk]), {"because": "seen"})
    assert Review.objects.count() == 1
    assert reasons(risk) == []
    assert due(risk) is not None
    assert due(risk) > today + 100 * DAY
