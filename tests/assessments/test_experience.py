"""How often it happened, and whose forecasts came true: exact counts, what is hidden, and what counts as a forecast."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assessments import base_rates, experience, pooling
from assessments.actions import Judgement, Number, assess_risk
from assessments.experience import BaseRate, Log
from assessments.models import Elicitation, Opinion
from crm.models import Customer
from risks.models import Category, Risk

TODAY = dt.date(2026, 3, 2)
YEAR = 365.25

MakeRisk = Callable[..., Risk]
SignIn = Callable[..., Client]


def day(ago: int) -> dt.date:
    return TODAY - dt.timedelta(days=ago)


@pytest.fixture
def make(cast: SimpleNamespace) -> Callable[..., Risk]:
    """A risk that was open from so many days ago; ``closed`` days ago with an outcome, or still open."""

    def made(since: int, closed: int | None = None, outcome: str = "", **fields: Any) -> Risk:
        fields.setdefault("category", Category.objects.get(key="competitor"))
        fields.setdefault("team", cast.accounts)
        ending = {} if closed is None else {"status": "closed", "outcome": outcome, "closed_on": day(closed)}
        return Risk.objects.create(title="A risk", identified_on=day(since), **ending, **fields)

    return made


def found(reader: Any, risk: Risk, kind: str = "category", months: int | None = None) -> BaseRate:
    rate = experience.base_rate(reader, risk, kind=kind, months=months, today=TODAY)
    assert rate is not None
    return rate


# --- counting --------------------------------------------------------------------------------------------


def test_k_of_n_and_the_years_they_were_open(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(99)  # open for 100 days, today included
    make(199, 100, "occurred")  # 100 days
    make(299, 200, "did_not_occur")  # 100
    make(149, 50, "no_longer_relevant")  # 100: not counted, and yet it did not happen for so long
    make(49, 0, "occurred")  # 50
    assert found(cast.ada, risk).log == Log(risks=5, resolved=3, events=2, years=pytest.approx(450 / YEAR))


def test_the_period_cuts_exposure_and_what_was_closed_before_it(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(1000)  # 365 days of the last twelve months
    make(900, 364, "occurred")  # closed on the first day of it: one day
    make(900, 365, "occurred")  # the day before
    make(400, 100, "did_not_occur")  # 265 days
    assert found(cast.ada, risk, months=12).log == Log(3, 2, 1, pytest.approx((365 + 1 + 265) / YEAR))
    assert found(cast.ada, risk, months=24).log.resolved == 3
    assert found(cast.ada, risk, months=None).log.years == pytest.approx((1001 + 537 + 536 + 301) / YEAR)


def test_slips_with_dates_do_not_break_it(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(9)
    make(-20)  # noticed in the future
    make(3, 5, "occurred")  # closed before it was noticed: the day of closing counts
    make(5, -3, "occurred")  # to be closed in three days: still open
    assert found(cast.ada, risk).log == Log(3, 1, 1, pytest.approx((10 + 1 + 6) / YEAR))


def test_the_bin_and_unfinished_imports_do_not_count(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(9)
    make(20, 10, "occurred")
    for state in ("bin", "staged"):
        make(20, 10, "occurred", state=state)
    assert found(cast.ada, risk).log.resolved == 1


def test_nothing_resolved_is_nothing_to_tell(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(9)
    make(20, 10, "no_longer_relevant")
    make(900, 800, "occurred")
    assert experience.base_rate(cast.ada, risk, kind="category", months=12, today=TODAY) is None


def test_kinds_are_the_category_its_team_the_customer_and_all(make: MakeRisk, cast: SimpleNamespace) -> None:
    pumps = Customer.objects.create(name="Pumps", team=cast.northfield)
    other = Category.objects.get(key="process")
    risk = make(9, customer=pumps, team=cast.northfield)
    make(20, 10, "occurred")  # of the team below, and so of the team
    make(20, 10, "occurred", team=cast.hengyue)
    make(20, 10, "occurred", team=cast.hengyue, category=other)
    make(20, 10, "did_not_occur", category=other, customer=pumps)
    counted = {kind: found(cast.ada, risk, kind).log.resolved for kind in experience.kinds_of(risk)}
    assert counted == {"category": 2, "team": 1, "customer": 1, "all": 4}


def test_a_risk_without_a_customer_has_no_such_kind(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(9)
    assert list(experience.kinds_of(risk)) == ["category", "team", "all"]
    with pytest.raises(KeyError):
        experience.base_rate(cast.ada, risk, kind="customer", months=12, today=TODAY)


# --- what it comes to ------------------------------------------------------------------------------------


def test_without_other_categories_nothing_is_known_beforehand(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(364)
    make(364, 0, "occurred")
    rate = found(cast.ada, risk)
    assert rate.rate_prior == base_rates.JEFFREYS_RATE
    assert rate.share_prior == base_rates.JEFFREYS_SHARE
    assert rate.rate == base_rates.Rate(1.5, pytest.approx(730 / YEAR))
    assert rate.share == base_rates.Share(1.5, 0.5)


def four_categories(make: MakeRisk) -> tuple[list[int], list[int], list[float]]:
    """Risks of four categories; gives events, resolved ones and risk-years by category."""
    events, resolved = [1, 4, 2, 0], [5, 6, 5, 4]
    for category, k, n in zip(Category.objects.order_by("pk")[:4], events, resolved, strict=True):
        for number in range(n):
            make(364, 0, "occurred" if number < k else "did_not_occur", category=category)
    return events, resolved, [365 * n / YEAR for n in resolved]


def test_the_prior_is_learnt_from_how_the_categories_differ(make: MakeRisk, cast: SimpleNamespace) -> None:
    events, resolved, years = four_categories(make)
    risk = Risk.objects.filter(category=Category.objects.order_by("pk")[1]).first()
    assert risk is not None
    rate = found(cast.ada, risk)
    assert rate.rate_prior.source == "fitted"
    assert rate.rate_prior == base_rates.fit_gamma_prior(events, years)
    assert rate.share_prior == base_rates.fit_beta_prior(events, resolved)
    assert rate.rate == base_rates.gamma_poisson(4, years[1], rate.rate_prior)
    assert rate.share == base_rates.beta_binomial(4, 6, rate.share_prior)


def test_all_risks_together_are_not_their_own_prior(make: MakeRisk, cast: SimpleNamespace) -> None:
    four_categories(make)
    rate = found(cast.ada, Risk.objects.all()[0], "all")
    assert (rate.log.events, rate.log.resolved) == (7, 20)
    assert (rate.rate_prior, rate.share_prior) == (base_rates.JEFFREYS_RATE, base_rates.JEFFREYS_SHARE)


def test_the_statements_do_not_grow(make: MakeRisk, cast: SimpleNamespace) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            experience.base_rate(cast.mona, risk, kind="category", months=36, today=TODAY)
        return len(captured)

    risk = make(9)
    make(20, 10, "occurred")
    statements()  # the reach of a person is asked for once
    assert statements() == 3
    four_categories(make)
    assert statements() == 3


# --- what must not be told -------------------------------------------------------------------------------


@pytest.mark.parametrize(("hidden", "counted"), [(0, 2), (1, 2), (2, 2), (3, 5)])
def test_fewer_than_three_hidden_risks_are_left_out(
    make: MakeRisk, cast: SimpleNamespace, hidden: int, counted: int
) -> None:
    risk = make(9)
    make(20, 10, "occurred")
    make(20, 10, "did_not_occur")
    for _ in range(hidden):
        make(20, 10, "occurred", team=cast.hengyue)
    rate = found(cast.max, risk)
    assert (rate.log.resolved, rate.only_seen) == (counted, 0 < hidden < 3)
    assert rate.log.events == (1 if counted == 2 else 4)
    assert found(cast.ada, risk).log.resolved == 2 + hidden


def test_one_hidden_among_many_that_are_still_open_is_left_out(make: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make(9)
    make(20, 10, "occurred")
    for _ in range(5):
        make(20, team=cast.hengyue)
    assert found(cast.max, risk).log == Log(7, 1, 1, pytest.approx((10 + 11 + 5 * 21) / YEAR))
    make(20, 10, "occurred", team=cast.accounts, confidential=True)
    assert found(cast.max, risk).log == Log(2, 1, 1, pytest.approx(21 / YEAR))
    assert found(cast.mona, risk).log.resolved == 2  # a manager sees the confidential one; only open ones are hidden


def test_a_customers_risks_are_only_those_one_sees(make: MakeRisk, cast: SimpleNamespace) -> None:
    pumps = Customer.objects.create(name="Pumps", team=cast.northfield)
    risk = make(9, customer=pumps)
    make(20, 10, "occurred", customer=pumps)
    for _ in range(4):
        make(20, 10, "did_not_occur", customer=pumps, confidential=True)
    seen = found(cast.max, risk, "customer")
    assert (seen.log.resolved, seen.only_seen) == (1, True)
    everything = found(cast.mona, risk, "customer")
    assert (everything.log.resolved, everything.only_seen) == (5, False)


# --- the panel -------------------------------------------------------------------------------------------


def panel(client: Client, risk: Risk, query: str = "") -> str:
    response = client.get(reverse("assessments:base_rate", args=[risk.pk]) + query)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


@pytest.fixture
def recently(make: MakeRisk) -> Callable[..., Risk]:
    """As ``make``, counted from the real today, which a page looks at."""
    shift = (TODAY - timezone.localdate()).days

    def made(since: int, closed: int | None = None, outcome: str = "", **fields: Any) -> Risk:
        return make(since + shift, None if closed is None else closed + shift, outcome, **fields)

    return made


def test_the_panel_says_both_figures_with_their_intervals(
    recently: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk = recently(99)
    recently(199, 100, "occurred")
    for _ in range(3):
        recently(364, 0, "did_not_occur")
    rate = base_rates.gamma_poisson(1, (100 + 100 + 3 * 365) / YEAR)
    low, high = rate.probability_interval()
    share = base_rates.beta_binomial(1, 4)
    html = panel(sign_in(cast.max), risk)
    assert "<dt>1 of 4 closed risks happened</dt>" in html
    assert f"{share.mean:.0%}".replace("%", " %") + " of them" in html
    assert "<dt>1 in 3.5 risk-years</dt>" in html
    assert f"about {rate.probability() * 100:.2g} % a year (90 %: {low * 100:.2g} % – {high * 100:.2g} %)" in html
    assert f'data-fill="likelihood" data-value="{rate.probability() * 100:.3g}"' in html
    assert "nothing yet" in html
    assert "you may see" not in html


def test_the_panel_says_so_when_there_is_nothing_to_count(
    recently: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    html = panel(sign_in(cast.max), recently(9))
    assert "there is nothing to count yet" in html
    assert "data-fill" not in html


def test_the_panel_keeps_to_what_it_offers(recently: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk, client = recently(9), sign_in(cast.max)
    recently(900, 800, "occurred")
    chosen = panel(client, risk, "?of=all&period=all")
    assert '<option value="all" selected>All risks</option>' in chosen
    assert '<option value="all" selected>All years</option>' in chosen
    assert "1 of 1 closed risk happened" in chosen
    silly = panel(client, risk, "?of=customer&period=7000000000000000000000")
    assert '<option value="category" selected>' in silly
    assert '<option value="36" selected>' in silly


def test_the_panel_is_for_those_who_may_judge(recently: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk, closed = recently(9), recently(9, 2, "occurred")
    address = reverse("assessments:base_rate", args=[risk.pk])
    assert [sign_in(one).get(address).status_code for one in (cast.max, cast.vera, cast.hana)] == [200, 404, 404]
    assert sign_in(cast.max).get(reverse("assessments:base_rate", args=[closed.pk])).status_code == 404


# --- forecasts -------------------------------------------------------------------------------------------

NOON = dt.datetime(2026, 3, 2, 12, tzinfo=dt.UTC)


def at(ago: int) -> dt.datetime:
    return NOON - dt.timedelta(days=ago)


def judge(risk: Risk, by: Any, probability: float, *, ago: int, pooled: bool = False) -> None:
    given = Number(probability, probability / 2, min(probability * 2, 0.99), pooled) if pooled else Number(probability)
    judgement = Judgement(risk.pk, given, {"financial": 3}, "expert", "", at(ago).date())
    assess_risk(risk=risk, by=by, judgement=judgement, at=at(ago))


def resolve(risk: Risk, outcome: str, *, ago: int) -> None:
    Risk.objects.filter(pk=risk.pk).update(status="closed", outcome=outcome, closed_on=at(ago).date())


def test_the_newest_judgement_before_the_closing_is_the_forecast(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(horizon_months=12)
    for ago, probability in ((300, 0.1), (200, 0.2), (100, 0.9), (50, 0.99)):
        judge(risk, cast.max, probability, ago=ago)
    judge(risk, cast.mona, 0.4, ago=250)
    resolve(risk, "occurred", ago=100)
    assert experience.forecasts([cast.max.pk, cast.mona.pk, cast.hana.pk]) == {
        cast.max.pk: [(pytest.approx(0.2), True)],  # on the day of closing it may be hindsight
        cast.mona.pk: [(pytest.approx(0.4), True)],
        cast.hana.pk: [],
    }


@pytest.mark.parametrize(
    ("months", "outcome", "closed_after", "forecast"),
    [
        (12, "did_not_occur", 30, (0.3, False)),
        (12, "occurred", 30, (0.3, True)),
        (12, "occurred", 365, (0.3, True)),
        (12, "occurred", 366, (0.3, False)),
        (6, "occurred", 182, (1 - 0.7**0.5, True)),
        (6, "occurred", 183, (1 - 0.7**0.5, False)),
        (24, "did_not_occur", 900, (1 - 0.7**2, False)),
    ],
)
def test_a_forecast_is_about_the_horizon_whenever_the_risk_was_closed(
    make_risk: MakeRisk,
    cast: SimpleNamespace,
    *,
    months: int,
    outcome: str,
    closed_after: int,
    forecast: tuple[float, bool],
) -> None:
    risk = make_risk(horizon_months=months)
    judge(risk, cast.max, 0.3, ago=1000)
    resolve(risk, outcome, ago=1000 - closed_after)
    probability, happened = forecast
    assert experience.forecasts([cast.max.pk])[cast.max.pk] == [(pytest.approx(probability), happened)]


@pytest.mark.parametrize("why_not", ["open", "no longer relevant", "no outcome", "binned", "pooled", "entered later"])
def test_what_is_no_resolved_forecast(make_risk: MakeRisk, cast: SimpleNamespace, why_not: str) -> None:
    risk = make_risk()
    judge(risk, cast.max, 0.3, ago=1 if why_not == "entered later" else 100, pooled=why_not == "pooled")
    outcome = {"no longer relevant": "no_longer_relevant", "no outcome": ""}.get(why_not, "occurred")
    if why_not != "open":
        resolve(risk, outcome, ago=50)
    if why_not == "binned":
        Risk.objects.filter(pk=risk.pk).update(state="bin")
    assert experience.forecasts([cast.max.pk]) == {cast.max.pk: []}


@pytest.mark.parametrize(("ago", "withdrawn", "counts"), [(80, False, True), (120, False, False), (80, True, False)])
def test_an_opinion_is_a_forecast_too(
    make_risk: MakeRisk, cast: SimpleNamespace, ago: int, withdrawn: bool, counts: bool
) -> None:
    risk = make_risk()
    judge(risk, cast.max, 0.3, ago=100)
    asked = Elicitation.objects.create(risk=risk, answer_by=NOON, withdrawn_at=NOON if withdrawn else None)
    points = pooling.Opinion.of_probability_range(0.05, 0.2)
    Opinion.objects.create(
        elicitation=asked, assessor=cast.max, answered_at=at(ago), likelihood_by="range", likelihood_low=points.low,
        likelihood_middle=points.middle, likelihood_high=points.high, money_middle=1,
    )  # fmt: skip
    resolve(risk, "did_not_occur", ago=50)
    expected = pooling.pool([points]).mean if counts else 0.3
    assert experience.forecasts([cast.max.pk])[cast.max.pk] == [(pytest.approx(expected), False)]


def test_forecasts_need_two_statements_for_any_number(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            experience.forecasts([cast.max.pk, cast.mona.pk])
        return len(captured)

    for _ in range(3):
        risk = make_risk()
        judge(risk, cast.max, 0.3, ago=100)
        judge(risk, cast.mona, 0.3, ago=100)
        resolve(risk, "occurred", ago=50)
        assert statements() == 2
