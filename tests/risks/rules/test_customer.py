from __future__ import annotations

from itertools import pairwise
from math import isnan
from statistics import median
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.rules.facts import (
    LOST,
    OPEN,
    WON,
    Activities,
    Contacts,
    Contracts,
    Customers,
    Deals,
    Facts,
    Orders,
    Receivables,
    Scores,
    Tickets,
)
from tests.risks.rules.making import TODAY, facts, found, table

NAN = float("nan")


def one(**columns: Any) -> Customers:
    """Customer number 5."""
    return Customers.of(1, **{"ids": 5, **columns})


def bought(amount: float, ago: float = 100) -> Orders:
    return Orders.of(1, customer=0, day=TODAY - ago, amount=amount)


# C1


def scored(*values: float, scale: float = 5, ago: float = 0, **columns: Any) -> Scores:
    """Of customer 0, a week between one and the next, the last so many days ago."""
    days = [TODAY - ago - 7 * (len(values) - 1 - number) for number in range(len(values))]
    return Scores.of(len(values), **{"customer": 0, "value": values, "scale": scale, "day": days, **columns})


def satisfaction(scores: Scores, **more: Any) -> dict[Any, dict[str, Any]]:
    return found("C1", facts(customers=one(), scores=scores, **more))


def test_a_score_a_fifth_of_the_scale_below_the_three_before_fires_with_what_the_customer_brings() -> None:
    deals = Deals.of(3, customer=0, amount=[40, 500, 9], state=[OPEN, WON, LOST], closed=TODAY - 364)
    assert satisfaction(scored(1, 5, 4, 3, 3), deals=deals, orders=bought(300)) == {
        5: {
            "ratio": 1,
            "money": 540,
            "likelihood": 3,
            "score": 3,
            "scale": 5,
            "is_nps": False,
            "usual": pytest.approx(4),
            "day": TODAY,
            "days": 0,
        }
    }


@pytest.mark.parametrize(
    ("values", "fires"),
    [
        ((4, 4, 4, 3), True),
        ((4, 4, 4, 3.1), False),
        ((4, 4, 3), False),
        ((5, 5, 5, 3), True),
        ((4, 4, 4, 3, 4), False),
        ((3,), False),
        ((2.9,), True),
    ],
)
def test_a_drop_needs_three_scores_before_it_and_below_three_of_five_needs_none(
    values: tuple[float, ...], fires: bool
) -> None:
    assert bool(satisfaction(scored(*values))) is fires


@pytest.mark.parametrize(("value", "ratio"), [(7, None), (6, 1), (4, 1.5), (2, 2), (0, 2.5)])
def test_a_detractor_is_6_of_10_and_lower_whatever_the_scale_says(value: float, ratio: float | None) -> None:
    result = satisfaction(scored(value, scale=5, is_nps=True))
    assert (result[5]["ratio"] if result else None) == ratio


@pytest.mark.parametrize(
    ("scale", "value", "fires"), [(10, 5.9, True), (10, 6, False), (100, 59, True), (NAN, 1, False)]
)
def test_low_is_low_on_any_scale_but_an_unknown_one(scale: float, value: float, fires: bool) -> None:
    assert bool(satisfaction(scored(value, scale=scale))) is fires


def test_scores_of_another_question_are_not_compared() -> None:
    other = Scores.of(
        4, customer=0, day=[TODAY - 3, TODAY - 2, TODAY - 1, TODAY], value=[10, 10, 10, 3.5], scale=[10, 10, 10, 5]
    )
    assert satisfaction(other) == {}


def test_a_score_of_a_year_ago_says_nothing_and_one_of_tomorrow_nothing_yet() -> None:
    assert set(satisfaction(scored(1, ago=364))) == {5}
    assert satisfaction(scored(1, ago=365)) == {}
    assert satisfaction(scored(1, ago=-1)) == {}


def test_of_two_scores_on_one_moment_the_last_counts() -> None:
    assert satisfaction(scored(1, 4, day=TODAY)) == {}
    assert set(satisfaction(scored(4, 1, day=TODAY))) == {5}


# C2


def talks(*ago: float, **columns: Any) -> Activities:
    return Activities.of(
        len(ago), **{"customer": 0, "day": [TODAY - days for days in ago], "two_way": True, "contact": -1, **columns}
    )


def silence(activities: Activities, customers: Customers | None = None, **more: Any) -> dict[Any, dict[str, Any]]:
    return found(
        "C2", facts(**{"customers": customers or one(), "activities": activities, "orders": bought(700), **more})
    )


@pytest.mark.parametrize(("tier", "limit"), [("key", 14), ("mid", 30), ("", 30), ("small", 60)])
def test_silence_is_allowed_for_as_long_as_the_tier_says(tier: str, limit: float) -> None:
    assert silence(talks(limit - 1, limit + 5), one(tier=tier)) == {}
    result = silence(talks(limit, limit + 5, limit + 15), one(tier=tier))[5]
    assert (result["ratio"], result["money"], result["likelihood"]) == (1, 700, 2)
    assert (result["day"], result["days"], result["limit_days"]) == (TODAY - limit, limit, limit)
    assert result["usual_days"] == 7.5


@pytest.mark.parametrize(
    "columns", [{"two_way": False}, {"is_marketing": True}, {"day": TODAY + 3}], ids=["one way", "mass mail", "to come"]
)
def test_what_is_no_contact_ends_no_silence(columns: dict[str, Any]) -> None:
    last = Activities.of(
        2,
        customer=0,
        contact=-1,
        day=[TODAY - 40, columns.get("day", TODAY - 1)],
        two_way=[True, columns.get("two_way", True)],
        is_marketing=[False, columns.get("is_marketing", False)],
    )
    assert silence(last)[5]["days"] == 40


def test_every_talk_is_contact_where_nobody_says_who_took_part() -> None:
    assert set(silence(talks(40, 1, two_way=[True, False]))) == {5}
    assert silence(talks(40, 1, two_way=[True, False]), without=["activity.two_way"]) == {}


def test_a_customer_who_was_never_talked_to_did_not_go_quiet_unless_touched_long_ago() -> None:
    assert silence(talks()) == {}
    assert silence(talks(), one(touched=TODAY - 45))[5]["days"] == 45
    assert silence(talks(), one(touched=TODAY - 29)) == {}
    assert silence(talks(31), one(touched=TODAY - 1))[5]["days"] == 31


def test_the_usual_silence_is_that_between_talks_of_a_year() -> None:
    activities = talks(40, 50, 364, 365, 390, 45, two_way=[True, True, True, True, True, False])
    assert silence(activities)[5]["usual_days"] == median([10, 314])


def test_a_talk_on_a_deal_is_one_with_its_customer() -> None:
    deals = Deals.of(1, customer=0, state=OPEN)
    assert silence(talks(40, 2, customer=[0, -1], deal=[-1, 0]), deals=deals) == {}


def test_who_brings_nothing_and_has_no_open_deal_is_not_missed() -> None:
    assert silence(talks(400), orders=Orders.of(0)) == {}
    assert set(silence(talks(400), orders=Orders.of(0), deals=Deals.of(1, customer=0, state=OPEN))) == {5}
    unmapped = silence(talks(400), orders=Orders.of(0), without=["order.amount", "deal.amount"])
    assert isnan(unmapped[5]["money"])


@pytest.mark.parametrize(
    ("recent", "before", "fires"), [(2, 12, True), (3, 12, False), (0, 10, True), (0, 9, False), (3, 18, True)]
)
def test_half_as_many_activities_as_in_three_months_fires_from_ten_on(recent: int, before: int, fires: bool) -> None:
    activities = talks(
        *[1] * min(recent, 1), *[29] * max(recent - 1, 0), *[30] * (before // 2), *[119] * (before - before // 2)
    )
    result = silence(activities, one(tier="small"))
    assert bool(result) is fires
    if fires:
        assert result[5]["ratio"] == pytest.approx((1 - recent / (before / 3)) / 0.5)


def test_the_fourth_month_back_does_not_count_and_today_does() -> None:
    assert silence(talks(0, *[120] * 30), one(tier="small")) == {}
    assert silence(talks(0, 0, 0, *[40] * 10), one(tier="small")) == {}


_talk = st.tuples(st.integers(-1, 2), st.integers(-1, 2), st.integers(-3, 40), st.booleans(), st.booleans())


@given(
    st.lists(_talk, max_size=40),
    st.lists(st.sampled_from(["key", "mid", "small", ""]), min_size=3, max_size=3),
    st.lists(st.sampled_from([NAN, 3.0, 12.0]), min_size=3, max_size=3),
)
def test_silence_is_what_looking_at_one_customer_after_the_other_gives(
    rows: list[tuple[int, int, int, bool, bool]], tiers: list[str], touched: list[float]
) -> None:
    of_deal = [0, 2, -1]
    limits = {"key": 4, "mid": 9, "small": 15, "": 9}
    expected = {}
    for customer in range(3):
        mine = []
        for of, deal, ago, two_way, marketing in rows:
            whose = of if of >= 0 else (of_deal[deal] if deal >= 0 else -1)
            if whose == customer and ago >= 0 and not marketing:
                mine.append((ago, two_way))
        contacts = [ago for ago, two_way in mine if two_way]
        days = min(contacts) if contacts else touched[customer]
        recent, before = (sum(low <= ago < high for ago, _ in mine) for low, high in ((0, 30), (30, 120)))
        fewer = before >= 2 and recent <= before / 3 / 2
        if days >= limits[tiers[customer]] or fewer:
            expected[customer] = days
    activities = Activities.of(
        len(rows),
        customer=[row[0] for row in rows],
        deal=[row[1] for row in rows],
        day=[TODAY - row[2] for row in rows],
        two_way=[row[3] for row in rows],
        is_marketing=[row[4] for row in rows],
        contact=-1,
    )
    customers = Customers.of(3, ids=[0, 1, 2], tier=tiers, touched=[TODAY - days for days in touched])
    given_facts = facts(
        customers=customers,
        activities=activities,
        deals=Deals.of(3, customer=of_deal, state=LOST),
        without=["order.amount", "deal.amount"],
    )
    short = {"quiet_days_key": 4, "quiet_days_mid": 9, "quiet_days_small": 15, "least_earlier": 2}
    result = {key: row["days"] for key, row in found("C2", given_facts, **short).items()}
    assert result == pytest.approx(expected, nan_ok=True)


# C3


def ordered(*rows: tuple[float, float]) -> Orders:
    """Of customer 0: how long ago, and how much."""
    return Orders.of(len(rows), customer=0, day=[TODAY - ago for ago, _ in rows], amount=[amount for _, amount in rows])


def orders_of(*rows: tuple[float, float], **more: Any) -> dict[Any, dict[str, Any]]:
    return found("C3", facts(customers=one(), orders=ordered(*rows), **more))


def test_waiting_above_one_and_a_half_usual_gaps_fires_with_the_revenue_that_would_be_missing() -> None:
    assert orders_of((30, 100), (50, 100), (70, 100), (90, 100)) == {}
    assert orders_of((32, 100), (52, 100), (72, 100), (92, 100)) == {
        5: {
            "ratio": pytest.approx(1.6 / 1.5),
            "money": pytest.approx(400 * (1 - 20 / 32)),
            "likelihood": 2,
            "day": TODAY - 32,
            "days": 32,
            "usual_days": 20,
            "recent": 300,
            "earlier": 100,
            "drop": pytest.approx(1 - 20 / 32),
        }
    }


def test_three_orders_are_no_habit_and_neither_are_four_on_three_days() -> None:
    assert orders_of((50, 1), (60, 1), (70, 1)) == {}
    assert orders_of((50, 1), (60, 1), (60, 1), (70, 1)) == {}
    assert set(orders_of((50, 1), (60, 1), (70, 1), (80, 1))) == {5}


@pytest.mark.parametrize(("recent", "fires"), [(100, True), (101, False)])
def test_half_the_value_of_the_ninety_days_before_fires(recent: float, fires: bool) -> None:
    result = orders_of((0, recent), (90, 100), (100, 50), (179, 50))
    assert bool(result) is fires
    if fires:
        assert (result[5]["drop"], result[5]["money"], result[5]["ratio"]) == (0.5, 150, 1)


def test_the_value_of_fewer_than_four_orders_in_both_periods_says_nothing() -> None:
    assert orders_of((0, 1), (90, 100), (179, 50), (180, 50), (270, 50)) == {}


def test_who_has_not_ordered_for_a_year_is_lost_and_orders_to_come_are_none() -> None:
    assert set(orders_of((364, 1), (374, 1), (384, 1), (394, 1))) == {5}
    assert orders_of((365, 1), (375, 1), (385, 1), (395, 1)) == {}
    assert set(orders_of((-2, 1), (64, 1), (74, 1), (84, 1), (94, 1))) == {5}


@given(st.lists(st.tuples(st.integers(-1, 1), st.integers(-2, 30), st.integers(0, 6)), max_size=40))
def test_slowing_down_is_what_looking_at_one_customer_after_the_other_gives(rows: list[tuple[int, int, int]]) -> None:
    """Periods of 7 days and a memory of 25."""
    expected = {}
    for customer in range(2):
        mine = [(ago, amount) for of, ago, amount in rows if of == customer and ago >= 0]
        if not mine:
            continue
        days = sorted({ago for ago, _ in mine})
        drops = []
        if len(days) >= 3:
            usual = median([late - early for early, late in pairwise(days)])
            if days[0] > 1.5 * usual:
                drops.append(1 - usual / days[0])
        recent, before = ([amount for ago, amount in mine if low <= ago < low + 7] for low in (0, 7))
        if len(recent) + len(before) >= 3 and sum(before) and 2 * sum(recent) <= sum(before):
            drops.append(1 - sum(recent) / sum(before))
        if drops and days[0] < 25:
            expected[customer] = (max(drops), sum(amount for _, amount in mine) * max(drops))
    orders = Orders.of(
        len(rows),
        customer=[row[0] for row in rows],
        deal=-1,
        day=[TODAY - row[1] for row in rows],
        amount=[row[2] for row in rows],
    )
    short = {"least_orders": 3, "value_days": 7, "lost_days": 25}
    result = found("C3", facts(customers=Customers.of(2, ids=[0, 1]), orders=orders), **short)
    assert {key: row["drop"] for key, row in result.items()} == pytest.approx(
        {key: drop for key, (drop, _) in expected.items()}
    )
    assert {key: row["money"] for key, row in result.items()} == pytest.approx(
        {key: money for key, (_, money) in expected.items()}
    )


# C4


def complained(*ago: float, **columns: Any) -> list[dict[str, Any]]:
    row = {"customer": 0, "closed": TODAY, "is_top": False}
    return [{**row, "opened": TODAY - days, **columns} for days in ago]


_LONG_AGO = complained(389, customer=1)  # so that twelve months before these are known


def tickets(rows: list[dict[str, Any]], **more: Any) -> dict[Any, dict[str, Any]]:
    customers = Customers.of(2, ids=[5, 6])
    return found("C4", facts(customers=customers, tickets=table(Tickets, rows), orders=bought(700), **more))


@pytest.mark.parametrize(
    ("recent", "before", "fires"), [(3, 12, True), (2, 0, False), (3, 13, False), (6, 24, True), (5, 24, False)]
)
def test_three_times_a_usual_months_tickets_fire_from_three_on(recent: int, before: int, fires: bool) -> None:
    rows = [*_LONG_AGO, *complained(*[29] * recent, *[30] * before)]
    result = tickets(rows)
    assert bool(result) is fires
    if fires:
        assert (result[5]["ratio"], result[5]["money"], result[5]["usual"]) == (1, 700, before / 12)


def test_a_usual_month_goes_back_no_further_than_anybodys_tickets() -> None:
    assert tickets(complained(1, 1, 1, 59))[5]["usual"] == 1
    assert tickets(complained(1, 1, 1, 58)) == {}
    assert tickets([*complained(1, 1, 1, 59), *complained(89, customer=1)])[5]["usual"] == 0.5


def test_a_top_ticket_open_for_over_three_days_fires() -> None:
    still_open = {"is_top": True, "closed": NAN}
    assert tickets(complained(3, **still_open)) == {}
    result = tickets(complained(4, **still_open))[5]
    assert (result["ratio"], result["top_open_days"], result["likelihood"]) == (pytest.approx(4 / 3), 4, 4)
    assert tickets(complained(4, **{**still_open, "is_top": False})) == {}
    assert tickets(complained(4, **{**still_open, "closed": TODAY + 0.5})) == {}


@pytest.mark.parametrize("name", ["ticket.closed_at", "ticket.is_top_priority"])
def test_nobody_knows_which_top_tickets_are_open_where_that_is_not_mapped(name: str) -> None:
    assert tickets(complained(4, is_top=True, closed=NAN), without=[name]) == {}


# C5


def owed(*rows: tuple[float, float, float], **settings: float) -> dict[Any, dict[str, Any]]:
    """So many days past due, of such an amount, so much of it paid."""
    bills = Receivables.of(
        len(rows),
        customer=0,
        due=[TODAY - ago for ago, _, _ in rows],
        amount=[amount for _, amount, _ in rows],
        paid=[paid for _, _, paid in rows],
    )
    return found("C5", facts(customers=one(), receivables=bills), **settings)


@pytest.mark.parametrize(
    ("days", "level"), [(0, None), (1, 2), (30, 2), (31, 3), (60, 3), (61, 4), (90, 4), (91, 5), (1000, 5)]
)
def test_the_level_is_that_of_the_oldest_bill(days: float, level: int | None) -> None:
    result = owed((days, 100, 0), (-5, 100, 0), (400, 50, 50))
    assert (result[5]["likelihood"] if result else None) == level


def test_the_money_is_what_is_late_and_not_yet_paid() -> None:
    result = owed((10, 100, 25), (40, 50, NAN), (-5, 500, 0), (0, 375, 0))[5]
    assert (result["money"], result["balance"], result["share"]) == (125, 1000, 0.125)
    assert (result["days"], result["bills"]) == (40, 2)


def test_what_is_paid_to_the_cent_is_paid() -> None:
    assert owed((10, 0.3, 0.1 + 0.2)) == {}
    assert owed((10, 100, 120)) == {}


@pytest.mark.parametrize(("late", "fires"), [(20, False), (21, True)])
def test_where_some_days_are_allowed_more_than_a_fifth_of_the_balance_is_not(late: float, fires: bool) -> None:
    result = owed((10, late, 0), (-1, 100 - late, 0), from_days=15)
    assert bool(result) is fires
    if fires:
        assert (result[5]["likelihood"], result[5]["ratio"]) == (2, pytest.approx(1.05))


def test_a_bill_as_late_as_is_allowed_fires_however_small_a_share() -> None:
    result = owed((15, 1, 0), (-1, 99, 0), from_days=15)[5]
    assert (result["ratio"], result["likelihood"]) == (1, 2)
    assert owed((14, 1, 0), (-1, 99, 0), from_days=15) == {}


# C6


def dependence(amounts: list[float], customers: Customers | None = None, **more: Any) -> dict[Any, dict[str, Any]]:
    customers = customers or Customers.of(len(amounts), ids=range(len(amounts)))
    orders = Orders.of(len(amounts), customer=range(len(amounts)), day=TODAY - 10, amount=amounts)
    return found("C6", facts(**{"customers": customers, "orders": orders, **more}))


@pytest.mark.parametrize(("amount", "level"), [(99, None), (100, 1), (115, 1), (116, 2), (249, 2), (250, 3), (900, 3)])
def test_a_tenth_of_the_revenue_is_much_and_a_quarter_severe(amount: float, level: int | None) -> None:
    result = dependence([amount, *[(1000 - amount) / 18] * 18])
    assert (result[0]["likelihood"] if 0 in result else None) == level
    if level:
        assert (result[0]["money"], result[0]["revenue_share"]) == (amount, pytest.approx(amount / 1000))


def test_affiliates_count_with_the_head_of_their_group() -> None:
    customers = Customers.of(13, ids=range(13), parent=[1, 2, -1, *[-1] * 10])
    result = dependence([50, 40, 30, *[88] * 10], customers)
    assert set(result) == {2}
    assert (result[2]["money"], result[2]["customers"]) == (120, 3)


def test_customers_that_are_each_others_parent_are_one_group() -> None:
    customers = Customers.of(12, ids=range(12), parent=[1, 0, *[-1] * 10])
    assert dependence([50, 50, *[90] * 10], customers)[0]["money"] == 100


def test_much_of_what_is_open_is_dependence_too() -> None:
    deals = Deals.of(3, customer=[0, 1, 1], amount=[10, 80, 500], state=[OPEN, OPEN, LOST])
    result = dependence([1, *[99] * 11], deals=deals)
    assert set(result) == {0, 1}
    assert (result[0]["open_share"], result[0]["money"]) == (pytest.approx(1 / 9), 1)


def test_a_worry_with_any_of_the_group_is_one_level_more() -> None:
    customers = Customers.of(12, ids=range(12), parent=[-1, 0, *[-1] * 10])
    amounts = [100.0, 50, *[85] * 10]
    assert dependence(amounts, customers)[0]["likelihood"] == 2
    unhappy = Scores.of(1, customer=1, value=1, scale=5, day=TODAY)
    late = Receivables.of(1, customer=1, amount=5, paid=0, due=TODAY - 3)
    quiet = Activities.of(1, customer=1, day=TODAY - 50, two_way=True, contact=-1)
    for more in ({"scores": unhappy}, {"receivables": late}, {"activities": quiet}):
        result = dependence(amounts, customers, **more)[0]
        assert (result["likelihood"], result["troubled"]) == (3, True)
    assert dependence(amounts, customers, receivables=late, without=["receivable.paid"])[0]["likelihood"] == 2


@pytest.mark.parametrize(("amount", "level"), [(115, 2), (116, 3), (249, 3), (250, 4)])
def test_a_worry_adds_to_what_the_share_says(amount: float, level: int) -> None:
    late = Receivables.of(1, customer=0, amount=5, paid=0, due=TODAY - 3)
    assert dependence([amount, *[(1000 - amount) / 18] * 18], receivables=late)[0]["likelihood"] == level


# C7


def contracts_of(*ends: float, **more: Any) -> dict[Any, dict[str, Any]]:
    """Contracts of customer 0 that end in so many days, each of 100 a year and a year long."""
    contracts = Contracts.of(
        len(ends),
        customer=0,
        starts=[TODAY + days - 365 for days in ends],
        ends=[TODAY + days for days in ends],
        yearly=100,
        active=True,
    )
    return found("C7", facts(**{"customers": one(), "contracts": contracts, **more}))


@pytest.mark.parametrize(
    ("days", "ratio", "level"),
    [(91, None, None), (90, 1, 2), (60, 1.5, 3), (31, 1.983333333, 3), (30, 2, 4), (0, 2.5, 4), (-1, None, None)],
)
def test_a_contract_that_ends_in_ninety_days_fires_and_in_thirty_is_severe(
    days: float, ratio: float | None, level: int | None
) -> None:
    result = contracts_of(days)
    assert (result[5]["ratio"] if result else None) == ratio
    assert (result[5]["likelihood"] if result else None) == level


def test_several_contracts_that_end_are_one_finding_with_all_their_value() -> None:
    result = contracts_of(50, 50, 40, 300)[5]
    assert (result["money"], result["contracts"], result["days"], result["day"]) == (300, 3, 40, TODAY + 40)


def test_an_open_deal_is_motion_and_a_lost_one_is_none() -> None:
    assert contracts_of(50, deals=Deals.of(1, customer=0, state=OPEN)) == {}
    assert set(contracts_of(50, deals=Deals.of(1, customer=0, state=LOST))) == {5}


@pytest.mark.parametrize(("ago", "fires"), [(29, False), (30, True), (-10, False)])
def test_activity_of_thirty_days_or_to_come_is_motion(ago: float, fires: bool) -> None:
    assert bool(contracts_of(50, activities=talks(ago))) is fires
    assert set(contracts_of(50, activities=talks(ago, is_marketing=True))) == {5}


@pytest.mark.parametrize(("starts", "fires"), [(50, False), (20, False), (19, True), (NAN, True)])
def test_a_contract_that_starts_when_this_one_ends_is_the_renewal(starts: float, fires: bool) -> None:
    contracts = Contracts.of(
        2, customer=0, starts=[NAN, TODAY + starts], ends=[TODAY + 50, TODAY + 900], yearly=100, active=True
    )
    assert bool(contracts_of(contracts=contracts)) is fires


def test_a_short_contract_is_not_its_own_renewal() -> None:
    short = Contracts.of(1, customer=0, starts=TODAY - 5, ends=TODAY + 15, yearly=100, active=True)
    assert set(contracts_of(contracts=short)) == {5}


def test_a_contract_that_is_not_active_needs_no_renewal() -> None:
    ended = Contracts.of(1, customer=0, ends=TODAY + 50, yearly=100, active=False)
    assert contracts_of(contracts=ended) == {}
    assert set(contracts_of(contracts=ended, without=["contract.active"])) == {5}


# C8


def people(*rows: tuple[bool, bool, float], **more: Any) -> dict[Any, dict[str, Any]]:
    """Contacts of customer 0: in a key role or not, active or not, changed so long ago."""
    contacts = Contacts.of(
        len(rows),
        customer=0,
        deal=-1,
        name=[f"contact {number}" for number in range(len(rows))],
        is_key=[row[0] for row in rows],
        active=[row[1] for row in rows],
        changed=[TODAY - row[2] for row in rows],
    )
    return found("C8", facts(customers=one(), contacts=contacts, orders=bought(700), **more))


def test_a_key_contact_who_left_lately_fires_though_another_remains() -> None:
    deals = Deals.of(1, customer=0, amount=50, state=OPEN)
    assert people((True, True, NAN), (True, False, 89), (True, False, 300), deals=deals) == {
        5: {
            "ratio": 1.5,
            "money": 750,
            "likelihood": 3,
            "contact": "contact 1",
            "day": TODAY - 89,
            "left": 1,
            "remaining": 1,
        }
    }


@pytest.mark.parametrize(
    ("rows", "fires"),
    [
        ([(True, True, 5), (True, False, 90)], False),
        ([(True, True, 5), (True, False, NAN)], False),
        ([(True, True, 5), (False, False, 5)], False),
        ([(True, False, 90)], True),
        ([(True, False, NAN), (False, True, 5)], True),
        ([(False, True, 5)], False),
        ([(False, False, 5)], False),
    ],
)
def test_long_gone_counts_only_where_no_key_contact_remains(rows: list[tuple[bool, bool, float]], fires: bool) -> None:
    assert bool(people(*rows)) is fires


# All


@pytest.mark.parametrize("code", ["C1", "C2", "C3", "C4", "C5", "C6", "C7", "C8"])
def test_what_is_unknown_fires_nothing(code: str) -> None:
    unknown: Facts = facts(
        customers=Customers.of(3),
        deals=Deals.of(5),
        scores=Scores.of(2, customer=0),
        activities=Activities.of(2, customer=0, two_way=True),
        orders=Orders.of(5, customer=0),
        contracts=Contracts.of(2, customer=0, active=True),
        tickets=Tickets.of(5, customer=0, is_top=True),
        receivables=Receivables.of(2, customer=0),
        contacts=Contacts.of(2, is_key=True),
    )
    assert found(code, unknown) == {}
    assert found(code, facts()) == {}
