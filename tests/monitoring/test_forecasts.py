"""From the register to a forecast: its totals are the register's, its job may run twice, its target is its period."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assessments import simulation
from crm.models import Customer, Target
from monitoring import curves, portfolio
from monitoring.forecasts import start_forecast
from monitoring.models import Forecast
from responses.models import Action, Response
from riskreg.jobs import actions as jobs
from risks.models import Risk

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
MakeRisk = Callable[..., Risk]


def read(team: Any = None, months: int = 12) -> portfolio.Register:
    return portfolio.read(team=team, months=months, correlation=0.0, at=AT)


def run(**fields: Any) -> Forecast:
    forecast = start_forecast(
        **({"team": None, "target": None, "months": 12, "correlation": 0.0, "by": None} | fields), at=AT
    )
    Forecast.objects.filter(pk=forecast.pk).update(years=500)
    assert jobs.run(forecast.job or 0, now_fn=timezone.now)
    forecast.refresh_from_db()
    return forecast


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("riskreg.jobs.bell.ring", lambda _job_id: True)


def respond(risk: Risk, kind: str, effect: int, cost: int = 0) -> Response:
    response = Response.objects.create(risk=risk, kind=kind, title=kind, confidence=100)
    Action.objects.create(response=response, title="a", status="done", done_on=AT.date(), effect=effect, cost=cost)
    return response


def test_expected_losses_are_the_registers_exposures(make_risk: MakeRisk) -> None:
    risks = [make_risk(f"Risk {n}", levels=(n + 1, 5 - n), at=AT) for n in range(5)]
    make_risk("Not assessed")
    found = read()
    before, after = simulation.expected(found.portfolio)
    assert found.risk_ids.tolist() == [r.pk for r in risks]
    assert before == pytest.approx([r.sheet.exposure for r in risks])
    assert (after == before).all()
    assert found.unassessed == 1


def test_responses_in_place_make_the_difference_and_each_can_be_taken_away(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=AT)
    preventive, contingency = respond(risk, "preventive", 50), respond(risk, "contingency", 40)
    whole = read().portfolio
    rate = -np.log1p(-whole.probability[0])
    assert whole.probability_after[0] == pytest.approx(-np.expm1(-rate / 2))
    assert whole.kept_loss[0] == pytest.approx(0.6)
    without = {m.response: (m.probability_without, m.kept_loss_without) for m in read().measures}
    assert without == {
        preventive.pk: (pytest.approx(whole.probability[0]), pytest.approx(0.6)),
        contingency.pk: (pytest.approx(whole.probability_after[0]), pytest.approx(1.0)),
    }


def test_a_customers_revenue_is_the_most_that_is_lost_there(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    known = Customer.objects.create(name="Known", team=cast.northfield, annual_revenue=60_000)
    unknown = Customer.objects.create(name="Unknown", team=cast.northfield)
    for customer in (known, known, unknown, None):
        make_risk(levels=(5, 5), customer=customer, at=AT)
    found = read(months=6)
    caps = [found.portfolio.caps[c] if c >= 0 else None for c in found.portfolio.customer.tolist()]
    assert caps == [30_000, 30_000, np.inf, None]
    assert found.capped_customers == 1


def test_a_team_is_with_those_below_it_and_no_other(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    ours = make_risk("Ours", levels=(3, 3), at=AT)
    make_risk("Theirs", levels=(3, 3), team=cast.hengyue, at=AT)
    assert read(cast.northfield).risk_ids.tolist() == [ours.pk]
    assert len(read().risk_ids) == 2


def test_a_forecast_runs_once_and_a_repeat_changes_nothing(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=AT)
    respond(risk, "preventive", 50, cost=1000)
    done = run()
    assert done.result["risks"] == 1
    assert done.result["after"]["mean"][0] < done.result["before"]["mean"][0]
    (worth,) = done.result["responses"]
    assert worth["return"] == pytest.approx((worth["drop"] - 1000) / 1000)
    again = jobs.enqueue("monitoring.tasks.run_forecast", payload={"forecast": done.pk}, run_at=AT)
    assert jobs.run(again.pk, now_fn=lambda: AT)
    assert Forecast.objects.get().result == done.result
    assert run().result == done.result  # the same register and seed


def test_an_empty_register_is_nothing_to_simulate(cast: SimpleNamespace) -> None:
    assert run().result == {"risks": 0, "unassessed": 0}


def test_a_target_brings_its_own_risks_and_period(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    make_risk("Theirs", levels=(5, 5), team=cast.hengyue, at=AT)
    target = Target.objects.create(
        name="Half", team=cast.northfield, starts_on=dt.date(2027, 1, 1), ends_on=dt.date(2027, 6, 30), amount=10,
        expected=5,
    )  # fmt: skip
    forecast = run(target=target, team=cast.hengyue, months=12)
    assert (forecast.team, forecast.months, forecast.result["risks"]) == (cast.northfield, 6, 0)
    make_risk("Ours", levels=(1, 1), at=AT)
    assert run(target=target).result["miss_after"] == [1.0, 1.0, 1.0]  # expected less than the target anyway


def test_the_statements_do_not_grow_with_the_risks(make_risk: MakeRisk) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            read()
        return len(captured)

    make_risk(levels=(3, 3), at=AT)
    few = statements()
    for n in range(10):
        make_risk(f"Risk {n}", levels=(3, 3), at=AT)
    assert statements() == few


def test_the_curve_falls_to_the_right_and_its_table_says_what_it_shows() -> None:
    before, after = [[0.0, 0.9], [10.0, 0.5], [40.0, 0.01]], [[0.0, 0.8], [10.0, 0.2], [20.0, 0.01]]
    drawn = curves.exceedance(
        {"before": {"curve": before, "var": {}}, "after": {"curve": after, "var": {"95": [15.0]}}, "target": 90.0,
         "expected": 100.0}
    )  # fmt: skip
    assert drawn["before"] == "M0.0 22.0L150.0 110.0L600.0 217.8"
    assert (drawn["var"], drawn["buffer"]) == (225.0, 150.0)
    assert {row["chance"]: (row["before"], row["after"]) for row in drawn["rows"]}[0.5] == (10.0, 0.0)
