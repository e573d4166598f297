from __future__ import annotations

from fractions import Fraction
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.rules.facts import LOST, OPEN, WON, Customers, Deals, Facts, Leads, Quotes, Rates, Receivables
from tests.risks.rules.making import TODAY, facts, found, table

NAN = float("nan")


def closed(won: int, lost: int, ago: float, customer: int = 0) -> list[dict[str, Any]]:
    row = {"closed": TODAY - ago, "amount": NAN, "customer": customer}
    return [{**row, "state": WON}] * won + [{**row, "state": LOST}] * lost


def an_open(amount: float, customer: int = 0) -> dict[str, Any]:
    return {"state": OPEN, "closed": NAN, "amount": amount, "customer": customer}


# M1


def win_rates(deals: list[dict[str, Any]], without: tuple[str, ...] = ("customer.region",)) -> dict[Any, Any]:
    customers = Customers.of(2, industry=["Pumps", "Valves"], region=["North", ""])
    return found("M1", facts(customers=customers, deals=table(Deals, deals), without=without))


def test_a_win_rate_that_fell_by_three_tenths_fires_with_what_is_open_times_the_fall() -> None:
    deals = [*closed(7, 13, 10), *closed(10, 10, 100), an_open(800), an_open(200), an_open(5000, customer=1)]
    assert win_rates(deals) == {
        "industry:Pumps": {
            "ratio": 1,
            "money": pytest.approx(300),
            "likelihood": 2,
            "of": "industry",
            "name": "Pumps",
            "rate": 0.35,
            "earlier_rate": 0.5,
            "fall": pytest.approx(0.3),
            "closed": 20,
            "earlier_closed": 20,
        }
    }


def test_a_win_rate_that_fell_by_less_is_silent_and_by_twice_as_much_is_likelier() -> None:
    assert win_rates([*closed(36, 64, 10), *closed(10, 10, 100)]) == {}
    assert win_rates([*closed(2, 8, 10), *closed(10, 10, 100)])["industry:Pumps"]["likelihood"] == 4


@pytest.mark.parametrize(("lately", "before", "fires"), [(10, 20, True), (9, 20, False), (10, 19, False)])
def test_win_rates_need_ten_deals_lately_and_twenty_before(lately: int, before: int, fires: bool) -> None:
    assert bool(win_rates([*closed(0, lately, 10), *closed(before, 0, 100)])) is fires


@pytest.mark.parametrize(
    ("recent", "earlier", "fires"),
    [(0, 90, True), (89, 269, True), (90, 100, False), (10, 270, False), (-1, 100, False)],
)
def test_lately_is_ninety_days_with_today_and_before_the_180_before_them(
    recent: float, earlier: float, fires: bool
) -> None:
    assert bool(win_rates([*closed(0, 10, recent), *closed(20, 0, earlier)])) is fires


def test_without_industry_and_region_all_deals_are_one_segment() -> None:
    deals = [*closed(0, 5, 10), *closed(0, 5, 10, customer=1), *closed(20, 0, 100, customer=-1), an_open(70)]
    assert win_rates(deals, without=()) == {}
    everything = win_rates(deals, without=("customer.region", "customer.industry"))
    assert {key: (row["of"], row["money"]) for key, row in everything.items()} == {"everything": ("", 70)}


def test_regions_count_beside_industries_and_an_unknown_one_is_none() -> None:
    deals = [*closed(0, 10, 10), *closed(20, 0, 100), *closed(0, 10, 10, customer=1), *closed(20, 0, 100, customer=1)]
    assert set(win_rates(deals, without=())) == {"industry:Pumps", "industry:Valves", "region:North"}


@given(
    st.lists(
        st.tuples(st.integers(-1, 2), st.sampled_from([OPEN, WON, LOST]), st.integers(-2, 14), st.integers(0, 9)),
        max_size=60,
    )
)
def test_win_rates_are_what_counting_one_by_one_gives(rows: list[tuple[int, int, int, int]]) -> None:
    """Periods of 5 and 7 days and small samples, so that edges come up all the time."""
    industries = ["a", "b", "a"]
    given_deals = [
        {"customer": of, "state": state, "closed": NAN if state == OPEN else TODAY - ago, "amount": amount}
        for of, state, ago, amount in rows
    ]
    expected = {}
    for name in ("a", "b"):
        mine = [row for row in rows if row[0] >= 0 and industries[row[0]] == name]
        lately = [row for row in mine if row[1] != OPEN and 0 <= row[2] < 5]
        before = [row for row in mine if row[1] != OPEN and 5 <= row[2] < 12]
        won = [sum(row[1] == WON for row in period) for period in (lately, before)]
        if len(lately) < 2 or len(before) < 3 or not won[1]:
            continue
        fell = 1 - Fraction(won[0], len(lately)) / Fraction(won[1], len(before))
        if fell >= Fraction(3, 10):
            expected[f"industry:{name}"] = pytest.approx(float(sum(row[3] for row in mine if row[1] == OPEN) * fell))
    customers = Customers.of(3, industry=industries)
    small = {"recent_days": 5, "earlier_days": 7, "least_recent": 2, "least_earlier": 3}
    result = found(
        "M1", facts(customers=customers, deals=table(Deals, given_deals), without=["customer.region"]), **small
    )
    assert {key: row["money"] for key, row in result.items()} == expected


# M2


def created(*numbers: tuple[int, float], amount: float = NAN, source: str = "") -> Deals:
    days = [TODAY - ago for many, ago in numbers for _ in range(many)]
    return Deals.of(len(days), created=days, amount=amount, source=source)


def test_new_demand_that_fell_by_three_tenths_fires_with_the_amount_that_is_missing() -> None:
    assert found("M2", facts(deals=created((14, 29), (60, 30), amount=10))) == {
        "everything": {
            "ratio": 1,
            "money": pytest.approx(60),
            "likelihood": 2,
            "recent": 14,
            "usual": 20,
            "fall": pytest.approx(0.3),
            "source": "",
            "source_recent": pytest.approx(NAN, nan_ok=True),
            "source_usual": pytest.approx(NAN, nan_ok=True),
        }
    }


@pytest.mark.parametrize(
    ("numbers", "fires"),
    [
        ([(14, 0), (60, 119)], True),
        ([(15, 0), (60, 119)], False),
        ([(0, 0), (59, 119)], False),
        ([(14, 0), (60, 120)], False),
        ([(14, 0), (1, -3), (60, 119)], True),
    ],
)
def test_demand_needs_twenty_a_period_before_and_counts_four_periods(
    numbers: list[tuple[int, float]], fires: bool
) -> None:
    assert bool(found("M2", facts(deals=created(*numbers)))) is fires


def test_leads_count_where_they_are_known_and_the_source_that_lacks_most_is_named() -> None:
    leads = Leads.of(75, created=TODAY - 40, source=["web"] * 45 + ["fair"] * 30)
    deals = created((12, 3), source="web")
    result = found("M2", facts(deals=deals, leads=leads))["everything"]
    assert (result["recent"], result["usual"]) == (12, 25)
    assert (result["source"], result["source_recent"], result["source_usual"]) == ("fair", 0, 10)
    assert found("M2", facts(deals=deals, leads=leads, without=["lead.created_at"])) == {}


def test_the_money_of_demand_is_unknown_where_no_amount_is() -> None:
    assert isnan(found("M2", facts(deals=created((0, 0), (60, 40))))["everything"]["money"])


# M3


def sold(discount: float, many: int, ago: float, **columns: Any) -> list[dict[str, Any]]:
    row = {"state": WON, "discount": discount, "closed": TODAY - ago, "product": "GTX", "amount": 100}
    return [{**row, **columns}] * many


def test_a_median_discount_five_points_deeper_fires_with_the_revenue_of_the_line_times_the_rise() -> None:
    deals = table(Deals, [*sold(0.15, 15, 10), *sold(0.10, 15, 100), *sold(0.3, 5, 364), *sold(0.3, 9, 365)])
    assert found("M3", facts(deals=deals)) == {
        "product:GTX": {
            "ratio": 1,
            "money": pytest.approx(3500 * 0.05),
            "likelihood": 2,
            "of": "product",
            "name": "GTX",
            "discount": 0.15,
            "earlier_discount": 0.1,
            "rise": pytest.approx(0.05),
            "deals": 15,
            "earlier_deals": 15,
        }
    }


@pytest.mark.parametrize(
    ("lately", "before", "discount", "fires"),
    [(15, 15, 0.15, True), (14, 15, 0.3, False), (15, 14, 0.3, False), (15, 15, 0.149, False)],
)
def test_discounts_need_fifteen_deals_each_and_five_points(
    lately: int, before: int, discount: float, fires: bool
) -> None:
    deals = table(Deals, [*sold(discount, lately, 89), *sold(0.1, before, 269)])
    assert bool(found("M3", facts(deals=deals))) is fires


def test_a_deal_that_was_quoted_counts_once_with_its_latest_quote_unless_it_was_won() -> None:
    before = sold(0.1, 15, 100)
    lost = sold(NAN, 15, 5, state=LOST)
    deals = table(Deals, [*before, *lost])
    twice = [
        {"deal": 15 + row, "day": TODAY - ago, "discount": discount}
        for row in range(15)
        for ago, discount in ((20, 0.9), (10, 0.2))
    ]
    late = [{"deal": row, "day": TODAY - 1, "discount": 0.9} for row in range(15)]
    result = found("M3", facts(deals=deals, quotes=table(Quotes, [*twice, *late])))
    assert {key: (row["discount"], row["deals"]) for key, row in result.items()} == {"product:GTX": (0.2, 15)}


def test_a_quote_of_today_counts_and_neither_one_to_come_nor_one_without_a_discount() -> None:
    open_deals = sold(NAN, 15, NAN, state=OPEN)
    rows = [(0, 0.2), (0, NAN), (-1, 0.9)]
    quotes = [
        {"deal": row, "day": TODAY - ago, "discount": discount, "product": "MG"}
        for row in range(15)
        for ago, discount in rows
    ]
    deals = table(Deals, [*open_deals, *sold(0.1, 15, 100), *sold(0.9, 15, NAN), *sold(0.9, 15, 10, state=LOST)])
    result = found("M3", facts(deals=deals, quotes=table(Quotes, quotes)))
    assert {key: (row["discount"], row["deals"]) for key, row in result.items()} == {"product:GTX": (0.2, 15)}


def test_quotes_without_a_deal_count_with_their_own_product() -> None:
    rows = [(0.1, 100)] * 15 + [(0.2, 10)] * 15
    quotes = Quotes.of(
        30, deal=-1, product="MG", discount=[row[0] for row in rows], day=[TODAY - row[1] for row in rows]
    )
    result = found("M3", facts(quotes=quotes))
    assert {key: row["money"] for key, row in result.items()} == {"product:MG": 0}


def test_without_products_all_discounts_are_one_line() -> None:
    deals = table(Deals, [*sold(0.2, 15, 10, product=""), *sold(0.1, 15, 100, product="")])
    assert found("M3", facts(deals=deals)) == {}
    assert set(found("M3", facts(deals=deals, without=["deal.product", "quote.product"]))) == {"everything"}


# M4


def exposure(
    dollars: float, rate: float, earlier: float = 1.0, bills: float = 0, **more: Any
) -> dict[Any, dict[str, Any]]:
    """So much open in dollars of 1 000 in all, at such rates."""
    deals = Deals.of(
        3, amount=[dollars, 1000 - dollars - bills, 77], state=[OPEN, OPEN, WON], currency=["USD", "", "USD"]
    )
    rates = Rates.of(3, currency="USD", day=[TODAY - 90, TODAY - 89, TODAY], rate=[earlier, 5, rate])
    owed = Receivables.of(2, currency=["USD", "USD"], amount=[bills + 50, 30], paid=[50, 30])
    return found("M4", facts(**{"deals": deals, "rates": rates, "receivables": owed, **more}))


def test_a_currency_that_is_a_tenth_and_more_and_fell_by_a_twentieth_fires_with_amount_times_move() -> None:
    assert exposure(150, 0.95, bills=50) == {
        "currency:USD": {
            "ratio": 1,
            "money": pytest.approx(10),
            "likelihood": 1,
            "of": "currency",
            "name": "USD",
            "exposed": 200,
            "share": 0.2,
            "move": pytest.approx(0.05),
            "rate": 0.95,
            "earlier_rate": 1,
        }
    }


@pytest.mark.parametrize(
    ("dollars", "rate", "fires"),
    [(101, 0.95, True), (100, 0.5, False), (500, 0.951, False), (500, 1.5, False)],
)
def test_a_currency_must_be_above_a_tenth_and_must_have_moved_against_us(
    dollars: float, rate: float, fires: bool
) -> None:
    assert bool(exposure(dollars, rate)) is fires


def test_the_ratio_of_a_currency_is_that_of_its_weaker_condition() -> None:
    assert exposure(800, 0.92)["currency:USD"]["ratio"] == pytest.approx(1.6)
    assert exposure(150, 0.5)["currency:USD"]["ratio"] == pytest.approx(1.5)


def test_a_currency_without_a_rate_of_then_is_silent_and_so_is_our_own() -> None:
    assert exposure(800, 0.5, rates=Rates.of(2, currency="USD", day=[TODAY - 89, TODAY], rate=[1, 0.5])) == {}
    assert exposure(800, 0.5, deals=Deals.of(1, amount=800, currency="EUR")) == {}


def regions(north: float, south: float, elsewhere: float = 0, **columns: Any) -> dict[Any, dict[str, Any]]:
    customers = Customers.of(2, region=["North", "South"])
    amounts = [north, south, elsewhere, 1_000_000]
    deals = Deals.of(
        4,
        customer=[0, 1, -1, 0],
        amount=amounts,
        state=[OPEN, OPEN, OPEN, LOST],
        **{"probability": [0.5, 0.5, 0.5, 1], **columns},
    )
    return found("M4", facts(customers=customers, deals=deals))


def test_a_region_above_half_of_what_is_open_fires_with_a_fifth_of_its_weighted_amount() -> None:
    result = regions(600, 400)
    assert set(result) == {"region:North"}
    assert result["region:North"]["money"] == pytest.approx(60)
    assert (result["region:North"]["share"], result["region:North"]["likelihood"]) == (0.6, 2)


def test_half_is_not_above_half_and_deals_of_no_region_are_in_the_whole() -> None:
    assert regions(500, 500) == {}
    assert regions(600, 200, elsewhere=400) == {}


def test_a_regions_money_is_unknown_without_probabilities() -> None:
    assert isnan(regions(600, 400, probability=NAN)["region:North"]["money"])


@pytest.mark.parametrize("code", ["M1", "M2", "M3", "M4"])
def test_what_is_unknown_fires_nothing(code: str) -> None:
    empty: Facts = facts(customers=Customers.of(3), deals=Deals.of(5), quotes=Quotes.of(2), leads=Leads.of(2))
    assert found(code, empty) == {}
    assert found(code, facts()) == {}
