"""What the open risks together may cost: the register as a portfolio, simulated, and what came out as plain values.

Whose risks they are is given as teams. Totals roll up whatever is confidential; names are for access.py to let through.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from django.db.models import Sum

from assessments import simulation
from assessments.models import Assessment
from assessments.queries import active_method
from assessments.scoring import over_horizon
from assessments.simulation import Alternative, Losses, Portfolio
from assessments.stage import ScoringMethod
from crm.models import Customer
from monitoring.models import Forecast
from responses.models import Action
from riskreg.accounts.models import Team
from risks import scores
from risks.models import Risk
from risks.scores import Floats, Integers, Results, Sheet, lower_rate

LEVELS = (0.90, 0.95, 0.99)
_CURVE = 120  # points kept of each loss exceedance curve
_SIMULATED_RESPONSES = 100  # the dearest by closed form have their effect on the tail simulated


@dataclass(frozen=True)
class Measure:
    """A response in place, and its risk without it."""

    response: int
    row: int
    probability_without: float
    kept_loss_without: float


@dataclass(frozen=True)
class Register:
    """The assessed open risks of some teams, ready to be simulated."""

    risk_ids: Integers
    portfolio: Portfolio
    measures: list[Measure]
    unassessed: int
    capped_customers: int


def simulate(forecast: Forecast, *, at: dt.datetime, progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Run a forecast; ``progress`` is told how many of how many risks are done. The result is fit for JSON."""
    register = read(team=forecast.team, months=forecast.months, correlation=forecast.correlation, at=at)
    n = len(register.risk_ids)
    if not n:
        return {"risks": 0, "unassessed": register.unassessed}
    portfolio = register.portfolio
    found = simulation.simulate(
        portfolio, years=forecast.years, seed=forecast.seed, progress=lambda done: progress(done, n)
    )
    before, after = simulation.expected(portfolio)
    result = {
        "risks": n,
        "unassessed": register.unassessed,
        "capped_customers": register.capped_customers,
        "before": _losses(found.before) | {"closed_form": float(before.sum())},
        "after": _losses(found.after) | {"closed_form": float(after.sum())},
        "shares": [
            [int(register.risk_ids[row]), float(amount)]
            for row, amount in zip(found.shares_after.rows.tolist(), found.shares_after.amounts.tolist(), strict=True)
        ],
        "remainder": found.shares_after.remainder,
        "responses": _worth(register, found, after),
    }
    if forecast.target is not None:
        result |= _against(forecast.target.amount, forecast.target.expected, found)
    return result


def _losses(losses: Losses) -> dict[str, Any]:
    """Estimates as [value, low, high]; the curve as [loss, probability] pairs."""
    amounts, probabilities = losses.curve(_CURVE)
    return {
        "mean": list(losses.mean_interval),
        "sd": losses.sd,
        "var": {f"{100 * q:g}": list(losses.value_at_risk(q)) for q in LEVELS},
        "tvar": {f"{100 * q:g}": list(losses.tail_mean(q)) for q in LEVELS},
        "curve": [list(pair) for pair in zip(amounts.tolist(), probabilities.tolist(), strict=True)],
    }


def _against(target: Decimal, expected: Decimal, found: simulation.Simulation) -> dict[str, Any]:
    """The chance of missing the target: the losses eat up what is expected above it."""
    buffer = float(expected) - float(target)
    return {
        "target": float(target),
        "share_of_target": found.after.value_at_risk(0.95).value / float(target) if target else None,
        "expected": float(expected),
        "miss_before": list(found.before.exceeds(buffer)) if buffer >= 0 else [1.0, 1.0, 1.0],
        "miss_after": list(found.after.exceeds(buffer)) if buffer >= 0 else [1.0, 1.0, 1.0],
    }


def _worth(register: Register, found: simulation.Simulation, after: Floats) -> list[dict[str, float | int | None]]:
    """What each response is worth, the best first: drop in expected loss (closed form, without caps) and in TVaR95,
    and the return on its cost, (drop - cost) / cost, after FAIR."""
    portfolio, measures = register.portfolio, register.measures
    loss = np.exp(portfolio.mu + np.square(portfolio.sigma) / 2)
    drops = [m.probability_without * m.kept_loss_without * loss[m.row] - after[m.row] for m in measures]
    order = sorted(range(len(measures)), key=lambda place: -drops[place])[:_SIMULATED_RESPONSES]
    simulated = simulation.drops(
        portfolio,
        found,
        [Alternative(m.row, m.probability_without, m.kept_loss_without) for m in (measures[place] for place in order)],
    )
    costs = _costs([measures[place].response for place in order])
    rows: list[dict[str, float | int | None]] = []
    for place, drop in zip(order, simulated, strict=True):
        measure, mean = measures[place], float(drops[place])
        cost = costs.get(measure.response, 0.0)
        rows.append(
            {
                "response": measure.response,
                "risk": int(register.risk_ids[measure.row]),
                "drop": mean,
                "tail_drop": drop.tail_mean,
                "cost": cost,
                "return": (mean - cost) / cost if cost else None,
            }
        )
    return rows


def _costs(responses: Sequence[int]) -> dict[int, float]:
    found = Action.objects.filter(response__in=responses, status=Action.Status.DONE).values_list("response")
    return {pk: float(cost) for pk, cost in found.annotate(cost=Sum("cost")).order_by()}


# --- from the register to columns ------------------------------------------------------------------------


def read(*, team: Team | None, months: int, correlation: float, at: dt.datetime) -> Register:
    """The assessed open risks of a team and those below it (or all) over so many months, on their own numbers."""
    method = active_method()
    teams = None if team is None else np.array(Team.objects.under([team.path]).values_list("pk", flat=True))
    whose = Risk.objects.open().order_by("pk").values_list("pk", "category", "team", "customer")
    parts, measures = [], []
    after = size = unassessed = 0
    while (found := scores.next_span(after)) is not None:
        after = found[0].last
        sheet, _ = scores.read(found[0], method, at=at, risks=found[1])
        results = scores.evaluate(sheet)
        rows, category, teams_of, customer = sheet.read(whose, "int", "int", "int", risk="pk")
        chosen = np.ones(len(rows), dtype=bool) if teams is None else np.isin(teams_of, teams)
        judged = chosen & ~np.isnan(sheet.impact[rows])
        unassessed += int((chosen & ~judged).sum())
        kept = rows[judged]
        low, high = _ranges(sheet, method)
        parts.append(
            [
                sheet.risk_ids[kept], results.probability[kept], results.kept_rate[kept], results.kept_impact[kept],
                sheet.impact[kept], low[kept], high[kept], category[judged], customer[judged],
            ]
        )  # fmt: skip
        place = np.full(len(sheet.risk_ids), -1)
        place[kept] = size + np.arange(len(kept))
        measures += _measures(sheet, results, place, months)
        size += len(kept)
    if not size:
        return Register(np.array([], dtype=np.int64), _nothing(), [], unassessed, 0)
    ids, yearly, rate, impact, money, low, high, category, customer = (
        np.concatenate(column) for column in zip(*parts, strict=True)
    )
    mu, sigma = simulation.lognormal_of(money, low, high)
    customers, caps = _caps(customer, months)
    span = np.full(size, float(months))
    portfolio = Portfolio(
        probability=over_horizon(yearly, span),
        mu=mu,
        sigma=sigma,
        probability_after=over_horizon(lower_rate(yearly, rate), span),
        kept_loss=impact,
        customer=customers,
        caps=caps,
        group=np.unique(category, return_inverse=True)[1],
        correlation=correlation,
    )
    return Register(ids, portfolio, measures, unassessed, int(np.isfinite(caps).sum()))


def _ranges(sheet: Sheet, method: ScoringMethod) -> tuple[Floats, Floats]:
    """90 % ranges of the money: as given; of the level it falls into where judged by level; none for a number."""
    given = Assessment.objects.filter(is_current=True).exclude(money_by=Assessment.Given.LEVEL)
    scale = method.spec.primary.levels
    lows, highs = np.array([level.low for level in scale]), np.array([level.high for level in scale])
    level = np.clip(np.searchsorted(highs, sheet.impact, side="right"), 0, len(scale) - 1)
    low, high = lows[level], highs[level]
    rows, money_low, money_high = sheet.read(given.values_list("risk", "money_low", "money_high"), "float", "float")
    low[rows] = np.where(np.isnan(money_low), sheet.impact[rows], money_low)
    high[rows] = np.where(np.isnan(money_high), sheet.impact[rows], money_high)
    return low, high


def _measures(sheet: Sheet, results: Results, place: Integers, months: int) -> list[Measure]:
    """Each response in place on the risks that have a place in the portfolio, with the risk as it were without it."""
    kept: dict[tuple[int, int], list[float]] = {}  # (response, row of the sheet) -> rate and loss it leaves
    for steps in sheet.steps:
        if steps.kind != "response" or steps.planned:
            continue
        for row, ref, amount in zip(steps.rows.tolist(), steps.refs.tolist(), steps.amounts.tolist(), strict=True):
            if place[row] >= 0:
                pair = kept.setdefault((ref, row), [1.0, 1.0])
                pair[0 if steps.op == "rate" else 1] *= amount
    if not kept:
        return []
    rows = np.array([row for _, row in kept])
    rate, loss = np.array(list(kept.values())).T
    yearly = lower_rate(results.probability[rows], results.kept_rate[rows] / rate)
    without = over_horizon(yearly, np.full(len(rows), float(months)))
    bound = over_horizon(results.probability[rows], np.full(len(rows), float(months)))
    return [
        Measure(ref, int(place[row]), probability, share)
        for (ref, row), probability, share in zip(
            kept, np.minimum(without, bound).tolist(), np.minimum(results.kept_impact[rows] / loss, 1.0).tolist(),
            strict=True,
        )
    ]  # fmt: skip


def _caps(customer: Integers, months: int) -> tuple[Integers, Floats]:
    """Each risk's customer as an index into the caps, -1 for none, and what can be lost there within the months."""
    ids = np.unique(customer[customer > 0])
    revenue: Mapping[int, Decimal | None] = dict(
        Customer.objects.filter(annual_revenue__isnull=False).values_list("pk", "annual_revenue")
    )
    caps = np.array([float(r) * months / 12 if (r := revenue.get(pk)) is not None else np.inf for pk in ids.tolist()])
    index = np.searchsorted(ids, customer)
    return np.where(customer > 0, np.minimum(index, max(len(ids) - 1, 0)), -1).astype(np.int64), caps


def _nothing() -> Portfolio:
    none, whole = np.array([]), np.array([], dtype=np.int64)
    return Portfolio(none, none, none, none, none, whole, none, whole)
