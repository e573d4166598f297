from __future__ import annotations

from fractions import Fraction
from math import isnan
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.rules.facts import LOST, OPEN, WON, Competitors, Customers, Deals, Facts, Moves, Orders, Quotes
from tests.risks.rules.making import TODAY, facts, found, table

NAN = float("nan")
RIVALS = Competitors.of(3, ids=[70, 71, 72], name=["Apex", "Bolt", "Core"])


def moves(*rows: dict[str, Any]) -> Moves:
    usual = {"competitor": 0, "customer": -1, "deal": -1, "move": "other", "price": NAN, "day": TODAY - 5}
    return table(Moves, [{**usual, **row} for row in rows])


# K1


def on_deal(*rows: dict[str, Any], **columns: Any) -> dict[Any, dict[str, Any]]:
    deal = Deals.of(2, **{"ids": [8, 9], "amount": 400, "state": OPEN, "place": 0.5, "competitor": -1, **columns})
    return found("K1", facts(deals=deal, competitors=RIVALS, moves=moves(*rows)))


def test_a_competitor_on_a_deal_past_the_first_third_fires_with_its_amount() -> None:
    expected = {"ratio": 1.5, "money": 400, "likelihood": 3, "competitor": "Bolt", "competitors": 1, "stage": "Offer"}
    assert on_deal(competitor=[1, -1], stage="Offer") == {8: expected}
    assert on_deal({"deal": 0, "competitor": 1}, stage="Offer") == {8: expected}
    assert on_deal({"deal": 0, "competitor": 1}, competitor=[1, -1], stage="Offer") == {8: expected}


@pytest.mark.parametrize(("place", "fires"), [(0, False), (0.32, False), (0.33, True), (1, True), (NAN, False)])
def test_the_first_third_of_the_stages_is_too_early(place: float, fires: bool) -> None:
    assert bool(on_deal(competitor=0, place=place)) is fires


def test_the_first_competitor_on_file_counts_by_a_move_of_today() -> None:
    assert on_deal({"deal": 0, "competitor": 0, "day": TODAY})[8]["competitor"] == "Apex"


def test_several_competitors_are_one_level_more() -> None:
    result = on_deal({"deal": 0, "competitor": 2}, {"deal": 0, "competitor": 2}, competitor=[0, 1])
    assert [(row["competitors"], row["likelihood"]) for row in result.values()] == [(2, 4), (1, 3)]


def test_deals_that_are_closed_and_moves_to_come_or_of_nobody_are_left_out() -> None:
    assert on_deal(competitor=0, state=[WON, LOST]) == {}
    assert on_deal({"deal": 0, "day": TODAY + 1}, {"deal": 0, "competitor": -1}, {"customer": 0}) == {}


# K2


def priced(*rows: dict[str, Any], ours: float = 100, **more: Any) -> dict[Any, dict[str, Any]]:
    """Moves on the open deal 8 of 400, for which our latest quote is 100."""
    quotes = Quotes.of(
        3, deal=0, day=[TODAY - 30, TODAY - 9, TODAY + 1], amount=[500, ours, 900], discount=NAN, customer=-1
    )
    deals = Deals.of(1, **{"ids": 8, "amount": 400, "state": OPEN, **more.pop("deal", {})})
    given_moves = moves(*({"deal": 0, "move": "quote", **row} for row in rows))
    return found("K2", facts(deals=deals, competitors=RIVALS, moves=given_moves, quotes=quotes, **more))


def test_a_quote_a_twentieth_below_ours_fires_with_the_amount_of_the_deal() -> None:
    assert priced({"price": 95, "competitor": 2}) == {
        8: {
            "ratio": 1,
            "money": 400,
            "likelihood": 3,
            "competitor": "Core",
            "price": 95,
            "our_price": 100,
            "below": pytest.approx(0.05),
            "objection": False,
        }
    }


@pytest.mark.parametrize(
    ("price", "level"), [(95.01, None), (120, None), (95, 3), (94.5, 3), (94, 4), (90, 5), (0, None)]
)
def test_how_far_below_makes_it_likelier(price: float, level: int | None) -> None:
    result = priced({"price": price})
    assert (result[8]["likelihood"] if result else None) == level


def test_the_latest_price_of_each_counts_and_of_those_the_lowest() -> None:
    rows = [
        {"price": 50, "competitor": 0, "day": TODAY - 20},
        {"price": 99, "competitor": 0, "day": TODAY - 10},
        {"price": 90, "competitor": 1, "day": TODAY - 15},
        {"price": 92, "competitor": 2, "day": TODAY - 1},
        {"price": 10, "competitor": 2, "day": TODAY + 1},
    ]
    result = priced(*rows)[8]
    assert (result["competitor"], result["price"]) == ("Bolt", 90)
    assert priced(*rows[:2]) == {}


def test_each_deal_is_compared_with_its_own_prices() -> None:
    rows = [
        {"deal": deal, "price": price, "competitor": who} for deal, price, who in [(0, 80, 2), (1, 70, 0), (2, 90, 1)]
    ]
    quotes = Quotes.of(3, deal=[0, 1, 2], day=TODAY, amount=100)
    result = found("K2", facts(deals=Deals.of(3, ids=[1, 2, 3]), competitors=RIVALS, moves=moves(*rows), quotes=quotes))
    assert [(row["competitor"], row["price"]) for row in result.values()] == [("Core", 80), ("Apex", 70), ("Bolt", 90)]


def test_price_as_an_objection_fires_without_a_figure() -> None:
    result = priced({"move": "price"}, ours=NAN)[8]
    assert (result["likelihood"], result["ratio"], result["objection"]) == (4, 1.5, True)
    assert priced({"move": "promotion"}) == {}
    assert priced({"move": "price", "price": 100}) == {}


def test_a_price_needs_a_quote_of_ours_and_an_open_deal() -> None:
    cheap = {"price": 1}
    assert priced(cheap, deal={"state": LOST}) == {}
    assert priced({"move": "price"}, deal={"state": WON}) == {}
    assert (
        found("K2", facts(deals=Deals.of(1, amount=400), competitors=RIVALS, moves=moves({"deal": 0, **cheap}))) == {}
    )


# K3


def lost(many: int, ago: float, competitor: int = -1) -> list[dict[str, Any]]:
    row = {"state": LOST, "closed": TODAY - ago, "competitor": competitor, "amount": 7, "probability": 0.0}
    return [row] * many


def an_open(amount: float, probability: float, competitor: int = -1) -> dict[str, Any]:
    return {"state": OPEN, "closed": NAN, "competitor": competitor, "amount": amount, "probability": probability}


def losses(*deals: dict[str, Any], **more: Any) -> dict[Any, dict[str, Any]]:
    return found("K3", facts(deals=table(Deals, deals), competitors=RIVALS, **more))


def test_one_and_a_half_times_the_share_of_losses_fires_with_what_is_open_against_that_competitor() -> None:
    deals = [*lost(6, 89, 0), *lost(14, 0), *lost(4, 90, 0), *lost(16, 269, 1)]
    assert losses(*deals, an_open(100, 0.5, 0), an_open(30, 0.5, 0), an_open(1000, 0.5, 1)) == {
        70: {
            "ratio": 1,
            "money": 130,
            "likelihood": 2,
            "losses": 6,
            "earlier_losses": 4,
            "share": 0.3,
            "earlier_share": 0.2,
        }
    }


def test_less_than_one_and_a_half_times_is_silent() -> None:
    assert losses(*lost(6, 89, 0), *lost(15, 0), *lost(4, 90, 0), *lost(16, 269, 1)) == {}


@pytest.mark.parametrize(("lately", "before", "fires"), [(5, 5, True), (4, 5, False), (5, 4, False)])
def test_five_losses_are_needed_to_the_competitor_lately_and_to_anybody_before(
    lately: int, before: int, fires: bool
) -> None:
    assert bool(losses(*lost(lately, 1, 1), *lost(before, 100))) is fires


@pytest.mark.parametrize(("earlier", "ratio"), [(270, None), (269, 100)])
def test_a_newcomer_is_as_bad_as_can_be_but_needs_losses_to_compare_with(earlier: float, ratio: float | None) -> None:
    result = losses(*lost(5, 1, 1), *lost(5, earlier))
    assert (result[71]["ratio"] if result else None) == ratio


def test_where_no_open_deal_names_anybody_the_share_of_all_that_is_weighted_stands_for_it() -> None:
    deals = [*lost(5, 1, 1), *lost(5, 1), *lost(5, 100)]
    assert losses(*deals, an_open(100, 0.5), an_open(1000, 0.2))[71]["money"] == 125
    assert losses(*deals, an_open(100, 0.5), an_open(1000, 0.2, 2))[71]["money"] == 0
    assert isnan(losses(*deals, an_open(100, NAN))[71]["money"])


def test_a_recorded_win_names_who_a_deal_was_lost_to() -> None:
    for rival in (0, 2):
        wins = moves(*({"deal": deal, "move": "win", "competitor": rival} for deal in range(5)))
        assert set(losses(*lost(5, 1), *lost(5, 100), moves=wins)) == {70 + rival}
    others = moves(*({"deal": deal, "move": "quote", "competitor": 2} for deal in range(5)))
    assert losses(*lost(5, 1), *lost(5, 100), moves=others) == {}


_deal = st.tuples(
    st.sampled_from([OPEN, WON, LOST]), st.integers(-1, 2), st.integers(-2, 12), st.integers(0, 9), st.integers(-1, 2)
)


@given(st.lists(_deal, max_size=50))
def test_shares_of_losses_are_what_counting_one_by_one_gives(rows: list[tuple[int, int, int, int, int]]) -> None:
    """Periods of 4 and 6 days and two losses; the last number is who won it or is on it by the log, if anybody."""
    to = [(named if named >= 0 else logged) if state == LOST else -1 for state, named, _, _, logged in rows]
    ago = [row[2] for row in rows]
    lately = [to[n] for n, row in enumerate(rows) if row[0] == LOST and 0 <= ago[n] < 4]
    before = [to[n] for n, row in enumerate(rows) if row[0] == LOST and 4 <= ago[n] < 10]
    present = [(row[3], {row[1], row[4]}) for row in rows if row[0] == OPEN]
    expected = {}
    for rival in range(3):
        if lately.count(rival) < 2 or len(before) < 2:
            continue
        part, was = Fraction(lately.count(rival), len(lately)), Fraction(before.count(rival), len(before))
        if part >= Fraction(3, 2) * was:
            money = sum(amount for amount, names in present if rival in names)
            if not any(names - {-1} for _, names in present):
                money = sum(amount for amount, _ in present) / 2 * part
            expected[70 + rival] = pytest.approx(float(money))
    deals = Deals.of(
        len(rows),
        state=[row[0] for row in rows],
        competitor=[row[1] for row in rows],
        closed=[NAN if row[0] == OPEN else TODAY - row[2] for row in rows],
        amount=[row[3] for row in rows],
        probability=0.5,
    )
    logged_moves = moves(
        *({"deal": n, "competitor": row[4], "move": "win"} for n, row in enumerate(rows) if row[4] >= 0)
    )
    short = {"recent_days": 4, "earlier_days": 6, "least_losses": 2}
    result = found("K3", facts(deals=deals, competitors=RIVALS, moves=logged_moves), **short)
    assert {key: row["money"] for key, row in result.items()} == expected


# K4


def inside(deals: Deals | None = None, *rows: dict[str, Any], revenue: float = 500, **more: Any) -> dict[Any, Any]:
    """At customers 5 and 6, of whom the first ordered for so much."""
    orders = Orders.of(1, customer=0, day=TODAY - 50, amount=revenue)
    given_facts = facts(
        customers=Customers.of(2, ids=[5, 6]),
        competitors=RIVALS,
        deals=deals if deals is not None else Deals.of(0),
        moves=moves(*rows),
        orders=orders,
        **more,
    )
    return found("K4", given_facts)


def lost_at_ours(ago: float, **columns: Any) -> Deals:
    return Deals.of(1, **{"customer": 0, "state": LOST, "closed": TODAY - ago, "competitor": 1, **columns})


def test_a_deal_lost_to_a_competitor_at_a_customer_who_brings_revenue_fires() -> None:
    expected = {"ratio": 1.5, "money": 500, "likelihood": 4, "competitor": "Bolt", "day": TODAY - 89}
    assert inside(lost_at_ours(89)) == {5: expected}
    assert inside(lost_at_ours(90)) == {}
    assert inside(lost_at_ours(5, competitor=0))[5]["competitor"] == "Apex"


@pytest.mark.parametrize(
    "columns", [{"state": WON}, {"state": OPEN}, {"competitor": -1}, {"customer": 1}, {"closed": NAN}, {"customer": -1}]
)
def test_other_deals_are_no_entry(columns: dict[str, Any]) -> None:
    assert inside(lost_at_ours(5, **columns)) == {}


def test_a_recorded_win_at_the_customer_or_on_its_deal_fires_and_the_latest_is_named() -> None:
    assert inside(None, {"customer": 0, "move": "win", "competitor": 2})[5]["competitor"] == "Core"
    assert inside(None, {"customer": 0, "move": "quote"}) == {}
    result = inside(lost_at_ours(20), {"deal": 0, "move": "win", "competitor": 0, "day": TODAY - 3})[5]
    assert (result["competitor"], result["day"]) == ("Apex", TODAY - 3)


def test_a_customer_without_revenue_or_of_unknown_revenue_has_nothing_to_enter() -> None:
    assert inside(lost_at_ours(5), revenue=0) == {}
    assert inside(lost_at_ours(5), revenue=NAN) == {}


@pytest.mark.parametrize("code", ["K1", "K2", "K3", "K4"])
def test_what_is_unknown_fires_nothing(code: str) -> None:
    unknown: Facts = facts(
        customers=Customers.of(3), deals=Deals.of(5), moves=Moves.of(3), competitors=RIVALS, orders=Orders.of(1)
    )
    assert found(code, unknown) == {}
    assert found(code, facts()) == {}
