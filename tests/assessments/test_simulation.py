"""The simulation against closed forms, against the exact distribution (exact_loss.py) and against its own promises.

Seeds are fixed, so a run decides nothing by chance. The bounds on z-scores are such that right code keeps them for
nearly all seeds and a bias of one standard error breaks them.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from assessments import simulation
from assessments.simulation import Alternative, Losses, Portfolio, drops, expected, lognormal_of, simulate, variance
from tests.assessments.exact_loss import exact, spread, z_scores

SEEDS = range(20)
YEARS = 20_000
EVERY_FIELD = ("probability", "mu", "sigma", "probability_after", "kept_loss", "customer", "group")


def portfolio(n: int = 60, *, caps: list[float] | None = None, correlation: float = 0.0, seed: int = 1) -> Portfolio:
    """Risks of all kinds: rare and frequent, sure and unsure of their loss, with and without responses.

    With caps, two risks in three belong to one of so many customers. There are five categories.
    """
    random = np.random.default_rng(seed)
    probability = random.uniform(0.01, 0.7, n)
    answered = random.random(n) < 0.6
    mean = np.exp(random.normal(11, 0.7, n))
    mu, sigma = lognormal_of(mean, mean, mean * random.uniform(1, 15, n))
    customer = random.integers(0, len(caps), n) if caps else np.zeros(n, dtype=np.intp)
    return Portfolio(
        probability=probability,
        mu=mu,
        sigma=sigma,
        probability_after=np.where(answered, probability * random.uniform(0, 1, n), probability),
        kept_loss=np.where(answered, random.uniform(0, 1, n), 1.0),
        customer=np.where(random.random(n) < (2 / 3 if caps else 0), customer, -1),
        caps=np.array(caps or [], dtype=float),
        group=random.integers(0, 5, n),
        correlation=correlation,
    )


def sure_losses(losses: list[float], probability: list[float], **others: Any) -> Portfolio:
    """Risks whose loss is known (sigma 0), without responses, customers or categories unless they are given."""
    n = len(losses)
    values: dict[str, Any] = {
        "probability": np.array(probability),
        "mu": np.log(losses),
        "sigma": np.zeros(n),
        "probability_after": np.array(probability),
        "kept_loss": np.ones(n),
        "customer": np.full(n, -1),
        "caps": np.empty(0),
        "group": np.zeros(n, dtype=int),
    }
    return Portfolio(**values | others)


def only(whole: Portfolio, row: int) -> Portfolio:
    """The portfolio with one risk that can happen."""
    is_row = np.arange(len(whole)) == row
    return replace(whole, probability=whole.probability * is_row, probability_after=whole.probability_after * is_row)


def happened(totals: np.ndarray, risks: int) -> np.ndarray:
    """Which risks happened in which years, (years, risks), when risk i costs 2^i."""
    return (np.rint(totals).astype(int)[:, None] >> np.arange(risks)) & 1 == 1


def coins(probability: list[float], **others: Any) -> Portfolio:
    """Risks of which risk i costs 2^i, so that a year's total tells which happened."""
    return sure_losses([2.0**place for place in range(len(probability))], probability, **others)


# --- the oracle itself -----------------------------------------------------------------------------------


def test_the_oracle_agrees_with_two_coins_worked_out_by_hand() -> None:
    found = exact(sure_losses([3, 5], [0.2, 0.5]), top=16, points=16)
    assert found.mass[[0, 3, 5, 8]] == pytest.approx([0.4, 0.1, 0.4, 0.1], abs=1e-12)
    assert found.mass.sum() == pytest.approx(1, abs=1e-12)
    assert [found.exceeds(amount) for amount in (0, 3, 5, 8)] == pytest.approx([0.6, 0.5, 0.1, 0], abs=1e-12)
    assert found.moment(1) == pytest.approx(3.1)
    assert found.moment(2) == pytest.approx(0.16 * 9 + 0.25 * 25)


def test_the_oracle_caps_two_coins_as_by_hand() -> None:
    both = sure_losses([3, 5], [0.2, 0.5], customer=np.array([0, 0]), caps=np.array([6.0]))
    assert exact(both, top=16, points=16).mass[[0, 3, 5, 6]] == pytest.approx([0.4, 0.1, 0.4, 0.1], abs=1e-12)
    between = replace(both, caps=np.array([6.25]))
    assert exact(between, top=16, points=16).mass[[5, 6, 7]] == pytest.approx([0.4, 0.075, 0.025], abs=1e-12)


def test_the_oracle_leaves_after_what_the_responses_leave() -> None:
    one = sure_losses([8], [0.5], probability_after=np.array([0.1]), kept_loss=np.array([0.5]))
    assert exact(one, top=16, points=16, after=True).mass[[0, 4]] == pytest.approx([0.9, 0.1], abs=1e-12)


def test_the_oracle_knows_the_tail_of_a_single_risk() -> None:
    one = replace(sure_losses([1000], [0.3]), sigma=np.array([0.8]))
    found = exact(one, top=200_000)
    for q in (0.95, 0.99):
        z = stats.norm.ppf(1 - (1 - q) / 0.3)
        assert found.quantile(q) == pytest.approx(1000 * math.exp(0.8 * z), rel=1e-5)
        beyond = 1000 * math.exp(0.32) * stats.norm.cdf(0.8 - z) * 0.3 / (1 - q)
        assert found.tail_mean(q) == pytest.approx(beyond, rel=1e-5)


def test_the_oracle_spreads_a_loss_between_the_places_beside_it() -> None:
    assert spread(math.log(2.25), 0, 1, 1, 4) == pytest.approx([0, 0, 0.75, 0.25], abs=1e-15)


def test_the_oracle_knows_how_often_two_risks_of_a_category_come_together() -> None:
    two = coins([0.2, 0.1], correlation=0.3)
    limits = stats.norm.ppf([0.2, 0.1])
    both = stats.multivariate_normal(cov=[[1, 0.3], [0.3, 1]]).cdf(limits)
    assert exact(two, top=8, points=8).mass[3] == pytest.approx(both, abs=1e-6)
    apart = replace(two, group=np.array([0, 1]))
    assert exact(apart, top=8, points=8).mass[3] == pytest.approx(0.02, abs=1e-12)


def test_the_oracle_says_when_its_grid_is_too_short() -> None:
    with pytest.raises(ValueError, match="beyond the grid"):
        exact(sure_losses([3, 5], [0.2, 0.5]), top=4, points=16)


# --- the simulation against the oracle -------------------------------------------------------------------


CASES = {
    "independent": portfolio(),
    "caps": portfolio(caps=[150_000, 300_000, 500_000, math.inf, 0, 1e9]),
    "common factor": portfolio(correlation=0.25),
}


@pytest.mark.parametrize("case", CASES)
def test_figures_are_as_far_from_exact_as_chance_takes_them(case: str) -> None:
    truths = [exact(CASES[case], top=3e7, after=after) for after in (False, True)]
    found = []
    for seed in SEEDS:
        simulated = simulate(CASES[case], years=YEARS, seed=seed)
        for part, losses, truth in zip(("before", "after"), (simulated.before, simulated.after), truths, strict=True):
            found += [(part, name, z) for name, z in z_scores(losses, truth).items()]
        # No year is worse after the responses, to the last bit.
        assert (simulated.after.totals <= simulated.before.totals).all()
        assert (simulated.after.totals < simulated.before.totals).any()
    for figure in {(part, name) for part, name, _ in found}:
        z = np.array([one[2] for one in found if one[:2] == figure])
        # 20 standard normal scores: their mean has sd 1/sqrt(20), one in 790 sets has a score beyond 4, and their sum
        # of squares is chi-squared, here between its .1 % and its 99.9 % point: the errors are no smaller either.
        assert abs(z.mean()) <= 3 / math.sqrt(len(SEEDS)), (figure, z)
        assert np.abs(z).max() <= 4, (figure, z)
        assert 5.92 < np.square(z).sum() < 45.31, (figure, z)


def test_closed_forms_are_those_of_the_exact_distribution() -> None:
    whole = CASES["independent"]
    for after in (False, True):
        truth = exact(whole, top=3e7, points=2**16, after=after)
        assert expected(whole)[after].sum() == pytest.approx(truth.moment(1), rel=1e-6)
        assert variance(whole)[after].sum() == pytest.approx(truth.moment(2), rel=1e-4)


def test_closed_forms_by_hand() -> None:
    one = sure_losses([8, 10], [0.5, 0.2], probability_after=np.array([0.1, 0.2]), kept_loss=np.array([0.5, 1]))
    assert [part.tolist() for part in expected(one)] == [pytest.approx([4, 2]), pytest.approx([0.4, 2])]
    assert [part.tolist() for part in variance(one)] == [pytest.approx([16, 16]), pytest.approx([1.44, 16])]


def test_intervals_hold_the_truth_nineteen_times_in_twenty() -> None:
    whole = portfolio(10)
    truth = exact(whole, top=2e7)
    edge = truth.quantile(0.95)
    missed = np.zeros(4, dtype=int)
    for seed in range(200):
        losses = simulate(whole, years=4_000, seed=seed).before
        for place, (estimate, true) in enumerate(
            [
                (losses.mean_interval, truth.moment(1)),
                (losses.value_at_risk(0.95), edge),
                (losses.tail_mean(0.95), truth.tail_mean(0.95)),
                (losses.exceeds(edge), 0.05),
            ]
        ):
            assert estimate.low <= estimate.value <= estimate.high
            missed[place] += not estimate.low <= true <= estimate.high
    # Binomial(200, .05) is 1 to 20 but for one time in 400.
    assert (missed >= 1).all()
    assert (missed <= 20).all()


# --- events ----------------------------------------------------------------------------------------------


CHANCES = [1e-4, 0.003, 0.05, 0.2, 0.2499, 0.25, 0.5, 0.9, 0.99999]


@pytest.mark.parametrize("correlation", [0.0, 0.4])
def test_events_are_as_frequent_as_they_should_be_before_and_after(correlation: float) -> None:
    chances = np.array(CHANCES)
    # Each category holds one risk, so that the common factor leaves the risks independent of each other.
    whole = coins(CHANCES, probability_after=chances * 0.3, group=np.arange(len(CHANCES)), correlation=correlation)
    simulated = simulate(whole, years=200_000, seed=3)
    for losses, expects in ((simulated.before, chances), (simulated.after, chances * 0.3)):
        seen = happened(losses.totals, len(CHANCES)).sum(axis=0)
        error = np.sqrt(200_000 * expects * (1 - expects))
        assert (np.abs(seen - 200_000 * expects) <= 3.5 * error).all()


def test_years_know_nothing_of_each_other() -> None:
    """As many events follow an event at once as chance would have it, whichever way events are drawn."""
    seen = happened(simulate(coins(CHANCES), years=200_000, seed=4).before.totals, len(CHANCES))
    p = seen.mean(axis=0)
    pairs = (seen[1:] & seen[:-1]).mean(axis=0)
    # The variance of the lag-1 autocorrelation of independent values is 1/N.
    assert (np.abs(pairs - p**2) <= 3.5 * p * (1 - p) / math.sqrt(200_000) + 1e-5).all()


def test_responses_only_ever_prevent_and_soften() -> None:
    chances = np.array([0.01, 0.2, 0.4, 0.8])
    for correlation in (0.0, 0.5):
        simulated = simulate(
            coins(chances.tolist(), probability_after=chances / 2, correlation=correlation), years=YEARS, seed=1
        )
        before, after = happened(simulated.before.totals, 4), happened(simulated.after.totals, 4)
        assert not (after & ~before).any()
        assert before.sum() > after.sum() > 0


def test_without_responses_after_is_before() -> None:
    whole = CASES["caps"]
    whole = replace(whole, probability_after=whole.probability, kept_loss=np.ones(len(whole)))
    simulated = simulate(whole, years=1_000, seed=1)
    assert (simulated.after.totals == simulated.before.totals).all()


def test_the_difference_is_far_less_noisy_than_its_ends() -> None:
    whole = replace(
        CASES["independent"], kept_loss=np.full(60, 0.9), probability_after=CASES["independent"].probability
    )
    simulated = simulate(whole, years=YEARS, seed=1)
    assert (simulated.before.totals - simulated.after.totals).std() == pytest.approx(0.1 * simulated.before.sd)


@pytest.mark.parametrize("case", CASES)
def test_the_same_seed_gives_the_same_numbers_and_another_seed_others(case: str) -> None:
    first, again, other = (simulate(CASES[case], years=1_000, seed=seed) for seed in (7, 7, 8))
    assert (first.before.totals == again.before.totals).all()
    assert (first.after.totals == again.after.totals).all()
    assert (first.shares_after.amounts == again.shares_after.amounts).all()
    assert not (first.before.totals == other.before.totals).any()


@pytest.mark.parametrize("correlation", [0.0, 0.3])
def test_a_risk_draws_the_same_numbers_whatever_the_others_do(correlation: float) -> None:
    whole = portfolio(12, correlation=correlation)
    together = simulate(whole, years=500, seed=5).before.totals
    alone = sum(simulate(only(whole, row), years=500, seed=5).before.totals for row in range(12))
    assert alone == pytest.approx(together, rel=1e-12)


def test_gaps_that_fall_short_are_followed_by_more() -> None:
    class EveryTrial:
        def standard_exponential(self, count: int) -> np.ndarray:
            return np.zeros(count)

    assert simulation._successes(EveryTrial(), 0.01, 1_000).tolist() == list(range(1_000))  # type: ignore[arg-type]


def test_a_probability_of_next_to_nothing_or_nothing_makes_no_event() -> None:
    whole = coins([0.0, 5e-324, 1e-300])
    for correlation in (0.0, 0.5):
        simulated = simulate(replace(whole, correlation=correlation), years=1_000, seed=1)
        assert simulated.before.totals.tolist() == [0.0] * 1_000


# --- caps and the common factor --------------------------------------------------------------------------


def test_a_customer_never_loses_more_than_its_cap() -> None:
    one = replace(portfolio(20), customer=np.zeros(20, dtype=int), caps=np.array([300_000.0]))
    capped = simulate(one, years=YEARS, seed=2)
    free = simulate(replace(one, caps=np.array([math.inf])), years=YEARS, seed=2)
    for with_cap, without in ((capped.before, free.before), (capped.after, free.after)):
        assert with_cap.totals == pytest.approx(np.minimum(without.totals, 300_000), rel=1e-12)
        assert with_cap.totals.max() == 300_000


def test_the_cap_holds_for_a_single_risk_too() -> None:
    one = replace(portfolio(1), probability=np.array([0.5]), probability_after=np.array([0.5]))
    one = replace(one, customer=np.array([0]), caps=np.array([1_000.0]), kept_loss=np.array([1e-9]))
    simulated = simulate(one, years=1_000, seed=2)
    assert set(simulated.before.totals.tolist()) == {0.0, 1_000.0}
    assert 0 < simulated.after.totals.max() < 1


def test_a_cap_that_cannot_be_reached_changes_nothing() -> None:
    whole = portfolio(caps=[math.inf] * 4)
    free = simulate(whole, years=1_000, seed=2)
    none = simulate(replace(whole, customer=np.full(60, -1)), years=1_000, seed=2)
    high = simulate(replace(whole, caps=np.full(4, 1e12)), years=1_000, seed=2)
    assert (free.before.totals == none.before.totals).all()
    assert high.before.totals == pytest.approx(none.before.totals, rel=1e-12)
    assert high.after.totals == pytest.approx(none.after.totals, rel=1e-12)


def test_a_common_factor_makes_bad_years_worse_and_the_mean_no_different() -> None:
    alone, joined = (simulate(portfolio(correlation=r), years=50_000, seed=6).before for r in (0.0, 0.4))
    assert joined.value_at_risk(0.99).low > 1.1 * alone.value_at_risk(0.99).high
    assert joined.mean_interval.low < expected(portfolio())[0].sum() < joined.mean_interval.high


def test_risks_come_together_within_a_category_only() -> None:
    whole = coins([0.2, 0.1, 0.2], group=np.array([0, 0, 3]), correlation=0.3)
    seen = happened(simulate(whole, years=200_000, seed=9).before.totals, 3)
    both = stats.multivariate_normal(cov=[[1, 0.3], [0.3, 1]]).cdf(stats.norm.ppf([0.2, 0.1]))
    assert (seen[:, 0] & seen[:, 1]).mean() == pytest.approx(both, abs=3 * math.sqrt(both / 200_000))
    assert (seen[:, 2] & seen[:, 1]).mean() == pytest.approx(0.02, abs=3 * math.sqrt(0.02 / 200_000))


# --- shares of the tail ----------------------------------------------------------------------------------


def worst(losses: Losses) -> np.ndarray:
    """The worst 5 % of the years; no two years cost the same."""
    return np.argsort(losses.totals)[-len(losses.totals) // 20 :]


def test_a_share_is_what_the_risk_costs_in_the_worst_years() -> None:
    whole = portfolio(20)
    simulated = simulate(whole, years=2_000, seed=1)
    alone = [simulate(only(whole, row), years=2_000, seed=1) for row in range(len(whole))]
    for shares, losses, singles in (
        (simulated.shares_before, simulated.before, [one.before for one in alone]),
        (simulated.shares_after, simulated.after, [one.after for one in alone]),
    ):
        tail = worst(losses)
        told = dict(zip(shares.rows.tolist(), shares.amounts.tolist(), strict=True))
        assert told == pytest.approx({row: one.totals[tail].mean() for row, one in enumerate(singles)})
        assert shares.amounts.tolist() == sorted(shares.amounts, reverse=True)


def test_a_cap_takes_from_all_risks_of_its_customer_alike() -> None:
    whole = replace(portfolio(8), customer=np.array([0, 0, 0, 0, -1, -1, -1, -1]), caps=np.array([100_000.0]))
    simulated = simulate(whole, years=2_000, seed=1)
    free = replace(whole, caps=np.array([math.inf]))
    tail = worst(simulated.before)
    alone = np.array([simulate(only(free, row), years=2_000, seed=1).before.totals[tail] for row in range(8)])
    alone[:4] *= np.minimum(1, 100_000 / np.maximum(alone[:4].sum(axis=0), 1))
    shares = simulated.shares_before
    assert shares.amounts == pytest.approx(alone.mean(axis=1)[shares.rows])


@pytest.mark.parametrize("n", [1, 60, 250])
@pytest.mark.parametrize("caps", [None, [200_000.0] * 40])
def test_shares_and_remainder_are_the_tail_mean(n: int, caps: list[float] | None) -> None:
    simulated = simulate(portfolio(n, caps=caps), years=2_000, seed=1)
    for shares, losses in ((simulated.shares_before, simulated.before), (simulated.shares_after, simulated.after)):
        tail_mean = losses.tail_mean(0.95).value
        assert shares.amounts.sum() + shares.remainder == pytest.approx(tail_mean, rel=1e-12)
        assert len(set(shares.rows.tolist())) == len(shares.rows)
        if n <= 100:
            assert len(shares.rows) == n
            assert shares.remainder == pytest.approx(0, abs=1e-9 * tail_mean)
        else:
            assert 100 <= len(shares.rows) < 120
            assert shares.remainder > 0


def test_the_named_risks_are_those_with_the_most_variance_before_or_after() -> None:
    """109 great risks are gone after the responses, so one of the 41 small ones that stay is the greatest then."""
    n = 150
    money = np.where(np.arange(n) < 109, 10_000.0, 10.0)
    money[5], money[120] = 1e5, 1_000
    kept = np.where(money >= 10_000, 0.0, 1.0)
    whole = replace(sure_losses([1.0] * n, [0.1] * n), mu=np.log(money), kept_loss=kept)
    simulated = simulate(whole, years=200, seed=1)
    assert simulated.shares_before.rows[0] == 5
    assert simulated.shares_after.rows[0] == 120
    # One small risk is named, and all others are great ones.
    assert (simulated.shares_before.rows < 109).sum() == 99


def test_years_that_tie_at_the_edge_of_the_tail_count_in_part() -> None:
    """Two equal coins: the tail holds all years with both and a part of those with one, whichever one it was."""
    coins = sure_losses([100, 100], [0.02, 0.1])
    simulated = simulate(coins, years=YEARS, seed=1)
    first, second = (simulate(only(coins, row), years=YEARS, seed=1).before.totals > 0 for row in (0, 1))
    both, one = (first & second).sum(), (first ^ second).sum()
    assert 0 < both < 1_000 < one
    assert simulated.before.tail_mean(0.95).value == pytest.approx(100 + both / 10)
    part = (1_000 - both) / one
    shares = dict(zip(simulated.shares_before.rows.tolist(), simulated.shares_before.amounts.tolist(), strict=True))
    assert shares == pytest.approx(
        {
            row: (both + part * (only_it & ~other).sum()) / 10
            for row, only_it, other in ((0, first, second), (1, second, first))
        }
    )


# --- what is read off the years --------------------------------------------------------------------------


HUNDRED = Losses(np.random.default_rng(1).permutation(np.arange(1.0, 101)))


def test_figures_of_a_hundred_years_by_hand() -> None:
    assert HUNDRED.mean == 50.5
    assert HUNDRED.sd == pytest.approx(math.sqrt(9999 / 12))
    assert HUNDRED.mean_interval == pytest.approx((50.5, 50.5 - 0.196 * HUNDRED.sd, 50.5 + 0.196 * HUNDRED.sd))
    # Ranks 95 and 95 +- 1.96 sqrt(4.75) = 90.7, 99.3.
    assert HUNDRED.value_at_risk(0.95) == (95, 90, 100)
    assert HUNDRED.value_at_risk(0.07).value == 7
    assert HUNDRED.value_at_risk(0.001) == (1, 1, 1)
    assert HUNDRED.value_at_risk(0.995) == (100, 98, 100)
    assert HUNDRED.tail_mean(0.95).value == pytest.approx(98)
    # The variance of 96..100 is 2, and 98 is 3 beyond VaR.
    assert HUNDRED.tail_error(0.95) == pytest.approx(math.sqrt((2 + 0.95 * 9) / 5))
    assert HUNDRED.tail_mean(0.95).high == pytest.approx(98 + 1.96 * math.sqrt((2 + 0.95 * 9) / 5))
    # Half of year 96 and the four beyond it.
    assert HUNDRED.tail_mean(0.955).value == pytest.approx((48 + 97 + 98 + 99 + 100) / 4.5)
    assert HUNDRED.tail_mean(0.999).value == pytest.approx(100)


def test_wilson_interval_of_five_in_a_hundred_and_of_none() -> None:
    assert HUNDRED.exceeds(95) == pytest.approx((0.05, 0.02154, 0.11175), abs=1e-5)
    assert HUNDRED.exceeds(94.5).value == 0.06
    # 1.96^2 / (100 + 1.96^2).
    assert HUNDRED.exceeds(100) == pytest.approx((0, 0, 0.036995), abs=1e-6)
    assert HUNDRED.exceeds(-1) == pytest.approx((1, 0.963005, 1), abs=1e-6)


def test_one_year_is_enough_to_read_from() -> None:
    one = Losses(np.array([5.0]))
    assert (one.mean, one.sd) == (5, 0)
    assert one.value_at_risk(0.95) == (5, 5, 5)
    assert one.tail_mean(0.95) == pytest.approx((5, 5, 5))
    assert [values.tolist() for values in one.curve()] == [[0, 5], [1, 0]]


@pytest.mark.parametrize("q", [0, 1, -0.1, 1.1, math.nan])
def test_a_share_of_years_is_between_none_and_all(q: float) -> None:
    for read in (HUNDRED.value_at_risk, HUNDRED.tail_mean, HUNDRED.tail_error):
        with pytest.raises(ValueError, match="q must be between 0 and 1"):
            read(q)


@given(st.lists(st.integers(0, 20), min_size=1, max_size=300), st.integers(3, 40))
def test_a_curve_falls_and_each_point_of_it_is_true(totals: list[int], points: int) -> None:
    losses = Losses(np.array(totals, dtype=float))
    amounts, chances = losses.curve(points)
    assert 1 <= len(amounts) == len(chances) <= points
    assert amounts[0] == 0
    assert (np.diff(amounts) > 0).all()
    assert (np.diff(chances) < 0).all()
    assert chances.tolist() == [losses.exceeds(amount).value for amount in amounts]


def test_a_curve_goes_from_all_years_to_the_worst_but_one() -> None:
    losses = simulate(CASES["independent"], years=YEARS, seed=1).before
    amounts, chances = losses.curve()
    assert 180 <= len(amounts) <= 200
    assert amounts[-1] == losses.ordered[-2]
    assert (chances[0], chances[-1]) == (1, 1 / YEARS)
    # No gap between neighbours is wider than the even half makes it.
    assert max(high - low for low, high in pairwise(chances[::-1].tolist())) < 0.0101


def test_a_curve_needs_three_points() -> None:
    with pytest.raises(ValueError, match="3 points"):
        HUNDRED.curve(2)


# --- drops -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", CASES)
def test_a_drop_is_the_difference_of_two_whole_simulations(case: str) -> None:
    whole = CASES[case]
    simulated = simulate(whole, years=1_000, seed=11)
    alternatives = [Alternative(row, float(whole.probability[row]), 1.0) for row in reversed(range(0, 60, 3))]
    alternatives += [Alternative(7, float(whole.probability[7]), 0.2), Alternative(12, 0.0, 1.0)]
    found = drops(whole, simulated, alternatives)
    assert len(found) == 22
    for one, drop in zip(alternatives, found, strict=True):
        chance, kept = whole.probability_after.copy(), whole.kept_loss.copy()
        chance[one.row], kept[one.row] = one.probability_after, one.kept_loss
        again = simulate(replace(whole, probability_after=chance, kept_loss=kept), years=1_000, seed=11).after
        tail_mean = simulated.after.tail_mean(0.95).value
        assert drop.mean == pytest.approx(again.mean - simulated.after.mean, abs=1e-10 * tail_mean)
        assert drop.tail_mean == pytest.approx(again.tail_mean(0.95).value - tail_mean, abs=1e-10 * tail_mean)


def test_the_register_without_a_response_loses_more() -> None:
    whole = CASES["caps"]
    answered = np.flatnonzero((whole.probability_after < whole.probability) & (whole.customer == -1)).tolist()
    simulated = simulate(whole, years=4_000, seed=1)
    found = drops(whole, simulated, [Alternative(row, float(whole.probability[row]), 1.0) for row in answered])
    assert len(found) > 5
    assert min(one.mean for one in found) > 0
    assert min(one.tail_mean for one in found) >= 0


def test_what_changes_nothing_drops_nothing() -> None:
    whole = CASES["caps"]
    simulated = simulate(whole, years=1_000, seed=1)
    same = [Alternative(row, float(whole.probability_after[row]), float(whole.kept_loss[row])) for row in range(60)]
    assert [one.mean for one in drops(whole, simulated, same)] == [0] * 60
    assert drops(whole, simulated, []) == []


@pytest.mark.parametrize(
    ("row", "probability_after", "kept_loss"),
    [(-1, 0.1, 1), (2, 0.1, 1), (0, 0.6, 1), (0, -0.1, 1), (0, math.nan, 1), (0, 0.1, 1.1), (0, 0.1, -0.1)],
)
def test_an_alternative_must_fit_the_portfolio(row: int, probability_after: float, kept_loss: float) -> None:
    whole = sure_losses([1, 2], [0.5, 0.5])
    with pytest.raises(ValueError, match=r"no risk in row|out of bounds"):
        drops(whole, simulate(whole, years=10, seed=1), [Alternative(row, probability_after, kept_loss)])


# --- progress, empty registers and bad input -------------------------------------------------------------


@pytest.mark.parametrize(("n", "calls"), [(0, 1), (1, 1), (7, 7), (60, 20), (250, 20)])
def test_progress_is_told_every_twentieth_and_ends_with_all(n: int, calls: int) -> None:
    told: list[int] = []
    simulate(portfolio(n), years=10, seed=1, progress=told.append)
    assert told[-1] == n
    assert len(told) == pytest.approx(calls, abs=2 if n > 20 else 0)
    assert all(earlier < later for earlier, later in pairwise(told))


def test_progress_may_stop_the_simulation() -> None:
    class Stopped(Exception):
        pass

    def stop(done: int) -> None:
        raise Stopped

    with pytest.raises(Stopped):
        simulate(portfolio(), years=10, seed=1, progress=stop)


def test_a_register_without_risks_loses_nothing() -> None:
    simulated = simulate(sure_losses([], []), years=100, seed=1)
    assert simulated.before.totals.tolist() == [0.0] * 100
    assert (len(simulated.shares_after.rows), simulated.shares_after.remainder) == (0, 0)
    assert simulated.after.exceeds(0).value == 0


def test_lognormal_keeps_the_mean_and_the_width_of_the_range() -> None:
    mean, low, high = np.array([100.0, 50.0]), np.array([20.0, 70.0]), np.array([400.0, 70.0])
    mu, sigma = lognormal_of(mean, low, high)
    assert np.exp(mu + sigma**2 / 2) == pytest.approx(mean)
    assert sigma == pytest.approx([math.log(20) / 3.2897, 0])
    ends = stats.lognorm(sigma[0], scale=math.exp(mu[0])).ppf([0.05, 0.95])
    assert ends[1] / ends[0] == pytest.approx(20, rel=1e-4)


@pytest.mark.parametrize(
    ("mean", "low", "high"),
    [
        (0, 1, 2),
        (-1, 1, 2),
        (1, 0, 2),
        (1, 3, 2),
        (math.nan, 1, 2),
        (1, math.nan, 2),
        (1, 1, math.inf),
        (math.inf, 1, 2),
    ],
)
def test_lognormal_refuses_what_is_no_range(mean: float, low: float, high: float) -> None:
    with pytest.raises(ValueError, match="mean and range"):
        lognormal_of(np.array([1.0, mean]), np.array([1.0, low]), np.array([1.0, high]))


@pytest.mark.parametrize(
    ("field", "bad"),
    [
        ("probability", 1.0), ("probability", -0.1), ("probability", math.nan),
        ("probability_after", 0.6), ("probability_after", -0.1), ("probability_after", math.nan),
        ("mu", math.inf), ("mu", math.nan), ("mu", 201.0), ("sigma", -0.1), ("sigma", 11.0), ("sigma", math.nan),
        ("kept_loss", 1.1), ("kept_loss", -0.1), ("kept_loss", math.nan),
        ("customer", 1), ("customer", -2), ("group", -1), ("caps", -1.0), ("caps", math.nan),
    ],
)  # fmt: skip
def test_a_portfolio_refuses_values_out_of_bounds(field: str, bad: float) -> None:
    good = sure_losses([1, 2], [0.5, 0.5], caps=np.array([5.0]))
    values = getattr(good, field).copy()
    values[-1] = bad
    with pytest.raises(ValueError, match=f"{field} must"):
        replace(good, **{field: values})


@pytest.mark.parametrize("field", EVERY_FIELD)
def test_a_portfolio_refuses_arrays_that_do_not_match(field: str) -> None:
    good = sure_losses([1, 2], [0.5, 0.5])
    for values in (getattr(good, field)[:1], getattr(good, field)[:, None]):
        with pytest.raises(ValueError, match=r"one value for each|one-dimensional"):
            replace(good, **{field: values})


def test_a_portfolio_refuses_numbers_that_count_nothing() -> None:
    good = sure_losses([1, 2], [0.5, 0.5])
    for field in ("customer", "group"):
        with pytest.raises(ValueError, match="whole numbers"):
            replace(good, **{field: np.zeros(2)})
    for r in (-0.1, 1.0, math.nan):
        with pytest.raises(ValueError, match="correlation"):
            replace(good, correlation=r)


def test_a_simulation_needs_a_year_and_a_seed_from_0() -> None:
    good = sure_losses([1, 2], [0.5, 0.5])
    for years in (0, -1):
        with pytest.raises(ValueError, match="years must be at least 1"):
            simulate(good, years=years, seed=1)
    with pytest.raises(ValueError, match="non-negative"):
        simulate(good, years=1, seed=-1)
