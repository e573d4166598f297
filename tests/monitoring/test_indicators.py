"""A reading comes in: scores, alerts, contingencies, reviews, notices and drift follow."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext

from crm.models import Customer, Measurement
from monitoring import indicators
from monitoring.flags import answer_flag, look_for_drift
from monitoring.indicators import Measured
from monitoring.models import (
    ArmedBy,
    DriftFlag,
    Event,
    Indicator,
    LimitAlert,
    Notice,
    Reading,
    ReviewReason,
)
from responses.models import Action, Response
from riskreg.jobs import actions as jobs
from risks.models import CoverSheet, Risk, ScoreEntry
from tests.conftest import assess

MakeRisk = Callable[..., Risk]
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
DAY, HOUR = dt.timedelta(days=1), dt.timedelta(hours=1)


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def make_indicator(cast: SimpleNamespace) -> Callable[..., Indicator]:
    def make(name: str = "Satisfaction", **fields: Any) -> Indicator:
        fields = {
            "team": cast.accounts,
            "owner": cast.mona,
            "direction": "lower",
            "warning": 4.0,
            "limit": 2.0,
        } | fields
        return Indicator.objects.create(name=name, created_at=NOW - 400 * DAY, **fields)

    return make


def read(indicator: Indicator, value: float, *, at: dt.datetime = NOW, now: dt.datetime | None = None) -> None:
    measured = [Measured(indicator.pk, at, value)]
    indicators.record(measured, source=Reading.Source.HAND, by=None, now=now or at)


def tied(indicator: Indicator, risk: Risk, cast: SimpleNamespace, ratio: int = 4) -> None:
    indicators.tie(indicator=indicator, risk=risk, ratio=ratio, by=cast.mona, now=NOW - 10 * DAY)


def odds(entry: ScoreEntry) -> float:
    return sum(step["amount"] for step in entry.factors if step["kind"] == "indicator")


def last(risk: Risk) -> ScoreEntry:
    return ScoreEntry.objects.filter(risk=risk).latest("pk")


def test_a_reading_shifts_the_odds_by_how_far_it_went(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    risk, indicator = make_risk(levels=(3, 3), at=NOW - 20 * DAY), make_indicator()
    tied(indicator, risk, cast)
    for n, (value, shift) in enumerate([(4.0, 0.0), (3.0, 0.5), (2.0, 1.0), (0.0, 2.0), (-9.0, 2.0), (9.0, -1.0)]):
        read(indicator, value, at=NOW + n * HOUR)
        assert odds(last(risk)) == pytest.approx(shift * math.log(4))
    read(indicator, 2.0, at=NOW + 10 * HOUR)
    step = last(risk).factors[-1]
    assert (step["kind"], step["ref"], step["label"]) == ("indicator", indicator.pk, "Satisfaction: 2")
    assert last(risk).cause == "evidence"


def test_the_judgement_has_counted_what_was_known_then(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    risk, indicator = make_risk(levels=(3, 3), at=NOW - 20 * DAY), make_indicator(unit="points")
    tied(indicator, risk, cast)
    read(indicator, 3.0, at=NOW - 2 * DAY)
    assess(risk, 3, 3, at=NOW - DAY)
    assert odds(last(risk)) == 0.0
    read(indicator, 2.0, at=NOW)
    assert odds(last(risk)) == pytest.approx(0.5 * math.log(4))
    assert last(risk).factors[-1]["label"] == "Satisfaction: 3 → 2 points"
    # Recorded later though measured before the judgement: nobody knew it then.
    read(indicator, 4.0, at=NOW - 3 * DAY, now=NOW)
    assert odds(last(risk)) == pytest.approx(0.5 * math.log(4))


def test_a_stale_reading_goes_on_counting_as_it_did(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    from monitoring.actions import rescore_register

    risk, indicator = make_risk(levels=(3, 3), at=NOW - 20 * DAY), make_indicator(stale_after_days=10)
    tied(indicator, risk, cast)
    read(indicator, 3.0)
    sheet = CoverSheet.objects.get(risk=risk)
    later = NOW + 11 * DAY
    indicator.refresh_from_db()
    assert [indicator.is_stale(NOW + 9 * DAY), indicator.is_stale(later)] == [False, True]
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=later)
    held = jobs.claim(job.pk, now_fn=lambda: later)
    assert held is not None
    assert rescore_register(held)["changed"] == 0
    assert CoverSheet.objects.get(risk=risk).score == sheet.score


def test_the_same_reading_again_changes_nothing_and_another_corrects_it(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    risk, indicator = make_risk(levels=(3, 3), at=NOW - 20 * DAY), make_indicator()
    tied(indicator, risk, cast)

    def record(value: float) -> indicators.Recorded:
        measured = [Measured(indicator.pk, NOW, value), Measured(indicator.pk, NOW - DAY, 4.0)]
        return indicators.record(measured, source=Reading.Source.FILE, by=None, now=NOW)

    assert record(3.0) == indicators.Recorded(new=2, corrected=0, same=0)
    entries = ScoreEntry.objects.count()
    assert record(3.0) == indicators.Recorded(new=0, corrected=0, same=2)
    assert ScoreEntry.objects.count() == entries
    assert record(2.5) == indicators.Recorded(new=0, corrected=1, same=1)
    assert Indicator.objects.get().current_value == 2.5
    assert odds(last(risk)) == pytest.approx(0.75 * math.log(4))
    indicators.delete_reading(reading=Reading.objects.get(at=NOW), now=NOW)
    assert odds(last(risk)) == 0.0


def test_limits_alert_at_once_and_end_by_themselves(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    risk, indicator = make_risk(levels=(2, 2), at=NOW - 20 * DAY), make_indicator()
    tied(indicator, risk, cast)

    def standing() -> list[str]:
        return list(LimitAlert.objects.filter(indicator=indicator, ended_at=None).values_list("kind", flat=True))

    steps = [(4.5, []), (3.9, ["warning"]), (3.5, ["warning"]), (1.9, ["limit"]), (3.0, ["warning"]), (5.0, [])]
    for n, (value, kinds) in enumerate(steps):
        read(indicator, value, at=NOW + n * HOUR)
        assert standing() == kinds
    # Told when it got worse only: the warning, then the limit; to the indicator's owner and the risk's.
    told = Notice.objects.filter(event__kind="limit").order_by("event__at", "user__username")
    assert [(n.event.details["level"], n.user.username) for n in told] == [
        ("warning", "max"), ("warning", "mona"), ("limit", "max"), ("limit", "mona"),
    ]  # fmt: skip
    assert not Event.objects.standing().filter(kind="limit").exists()


def test_the_limit_arms_the_contingency_and_calls_for_a_review(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    risk, indicator = make_risk(levels=(2, 2), at=NOW - 20 * DAY), make_indicator()
    tied(indicator, risk, cast)
    response = Response.objects.create(risk=risk, kind="contingency", title="Second source")
    action = Action.objects.create(response=response, title="Call them", owner=cast.vera)
    ArmedBy.objects.create(response=response, indicator=indicator)
    read(indicator, 3.0)
    response.refresh_from_db()
    assert response.armed_at is None
    read(indicator, 1.5, at=NOW + HOUR)
    response.refresh_from_db()
    action.refresh_from_db()
    assert (response.armed_at, action.status) == (NOW + HOUR, "in_progress")
    assert [(h.history_change_reason, h.armed_at) for h in response.history.all()[:1]] == [("armed", NOW + HOUR)]
    armed = Notice.objects.filter(event__kind="armed").order_by("user__username")
    assert [n.user.username for n in armed] == ["max", "vera"]
    reason = ReviewReason.objects.get(risk=risk)
    assert (reason.kind, reason.due_on) == ("indicator", NOW.date() + 7 * DAY)
    assert CoverSheet.objects.get(risk=risk).review_due == NOW.date() + 7 * DAY


def test_a_price_calls_for_a_review_at_its_warning(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    risk = make_risk(levels=(2, 2), at=NOW - 20 * DAY)
    indicator = make_indicator("Price index", measure="price_index", direction="higher", warning=105, limit=120)
    tied(indicator, risk, cast)
    read(indicator, 107)
    assert ReviewReason.objects.get(risk=risk).kind == "price_change"


def test_an_indicator_drifts_and_its_flag_is_answered(
    make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    indicator = make_indicator(warning=-100, limit=-200)
    values = [40.0, 41.0, 39.5, 40.5, 39.0, 40.0, 41.5, 40.0, 39.5, 40.5] * 2 + [30.0, 31.0, 29.5, 30.5, 29.0, 30.0]
    first = NOW - len(values) * DAY
    measured = [Measured(indicator.pk, first + n * DAY, value) for n, value in enumerate(values)]
    indicators.record(measured, source=Reading.Source.FILE, by=None, now=NOW)
    job = jobs.enqueue("monitoring.tasks.look_for_drift", run_at=NOW)
    held = jobs.claim(job.pk, now_fn=lambda: NOW)
    assert held is not None
    assert look_for_drift(held) == 1
    flag = DriftFlag.objects.get()
    assert (flag.indicator, flag.since, flag.before, flag.after) == (indicator, (first + 20 * DAY).date(), 40.0, 30.0)
    assert flag.is_worse
    assert [n.user.username for n in Notice.objects.filter(event__kind="flag")] == ["mona"]
    assert look_for_drift(held) == 0
    answer_flag(flag=flag, state="confirmed", note="", by=cast.mona, at=NOW)
    assert Indicator.objects.get().drifting_since is None
    assert not Event.objects.standing().filter(kind="flag").exists()


def test_readings_come_from_the_crm(make_indicator: Callable[..., Indicator], cast: SimpleNamespace) -> None:
    customer = Customer.objects.create(name="Acme", team=cast.accounts)
    indicator = make_indicator(measure="nps", customer=customer, from_crm=True)
    make_indicator("By hand", measure="nps", customer=customer)
    for n in range(3):
        Measurement.objects.create(
            customer=customer, measure="nps", at=NOW - n * DAY, value=5 + n, recorded_at=NOW - HOUR
        )
    assert indicators.take_from_crm(now=NOW) == 3
    assert indicators.take_from_crm(now=NOW + HOUR) == 0
    Measurement.objects.create(customer=customer, measure="nps", at=NOW + DAY, value=1, recorded_at=NOW + DAY)
    assert indicators.take_from_crm(now=NOW + DAY) == 1
    assert list(indicator.readings.values_list("value", "source")) == [(1, "crm"), (5, "crm"), (6, "crm"), (7, "crm")]


def test_the_statements_do_not_grow_with_the_readings(
    make_risk: MakeRisk, make_indicator: Callable[..., Indicator], cast: SimpleNamespace
) -> None:
    many = [make_indicator(f"Indicator {n}") for n in range(20)]
    for n, indicator in enumerate(many):
        tied(indicator, make_risk(f"Risk {n}", levels=(2, 2), at=NOW - 20 * DAY), cast)

    def statements(some: list[Indicator], at: dt.datetime) -> int:
        measured = [Measured(i.pk, at, 1.0) for i in some]
        with CaptureQueriesContext(connection) as captured:
            indicators.record(measured, source=Reading.Source.API, by=None, now=at)
        return len(captured)

    assert statements(many[:1], NOW) == statements(many[1:], NOW + HOUR)
