from __future__ import annotations

import datetime as dt
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risks.rules.arrays import pairs
from risks.rules.facts import (
    Activities,
    Contacts,
    Contracts,
    Customers,
    Deals,
    Facts,
    Orders,
    People,
    PrivacyRequests,
    Quotes,
    Receivables,
    Snapshots,
    Targets,
)
from risks.rules.rule import RULES
from tests.risks.rules.making import TODAY, facts, found

NAN = float("nan")
CUSTOMERS = Customers.of(2, ids=[5, 6])

# L1


def order(**columns: Any) -> Orders:
    """Number 7 of customer 5 on the first deal, worth 1 000, delivered four days ago."""
    return Orders.of(1, **{"ids": 7, "customer": 0, "deal": 0, "amount": 1000, "delivered": TODAY - 4, **columns})


def ordered(orders: Orders, **tables: Any) -> Facts:
    return facts(customers=CUSTOMERS, deals=Deals.of(2, customer=0), orders=orders, **tables)


def test_an_order_may_be_delivered_for_three_days_without_contract_or_approval() -> None:
    assert found("L1", ordered(order(delivered=TODAY - 3))) == {}
    assert found("L1", ordered(order())) == {
        7: {"ratio": pytest.approx(4 / 3), "money": 1000, "likelihood": 4, "days": 4, "moved": TODAY - 4}
    }
    assert found("L1", ordered(order(delivered=TODAY - 6)))[7]["likelihood"] == 5


@pytest.mark.parametrize(
    ("delivered", "invoiced", "days"),
    [
        (TODAY - 4, TODAY - 9, 9),
        (TODAY - 9, TODAY - 4, 9),
        (NAN, TODAY - 5, 5),
        (TODAY + 9, TODAY - 5, 5),
        (NAN, NAN, None),
        (TODAY + 1, TODAY - 3, None),
        (TODAY - 365, NAN, 365),
        (TODAY - 366, NAN, None),
    ],
)
def test_delivery_or_invoice_counts_whichever_was_first(delivered: float, invoiced: float, days: float | None) -> None:
    fired = found("L1", ordered(order(delivered=delivered, invoiced=invoiced)))
    assert [row["days"] for row in fired.values()] == ([days] if days else [])


def test_an_invoice_that_is_not_mapped_is_not_looked_at() -> None:
    given = ordered(order(delivered=NAN, invoiced=TODAY - 9), without=["order.invoiced_on"])
    assert found("L1", given) == {}


@pytest.mark.parametrize(("approved", "fires"), [(TODAY - 99, False), (TODAY, False), (TODAY + 1, True), (NAN, True)])
def test_an_approval_clears_an_order_however_late(approved: float, fires: bool) -> None:
    assert bool(found("L1", ordered(order(approved=approved)))) is fires
    for deal, same in ((0, True), (1, False), (-1, False)):
        quotes = Quotes.of(2, deal=deal, approved=[NAN, approved])
        assert bool(found("L1", ordered(order(), quotes=quotes))) is (fires or not same)
        assert found("L1", ordered(order(), quotes=quotes, without=["quote.approved_on"]))


@pytest.mark.parametrize(
    ("contract", "fires"),
    [
        ({"starts": TODAY - 90, "ends": TODAY + 90}, False),
        ({"starts": TODAY - 1, "ends": TODAY + 90}, False),
        ({"starts": TODAY, "ends": TODAY + 90}, True),
        ({"starts": TODAY - 90, "ends": TODAY - 4}, False),
        ({"starts": TODAY - 90, "ends": TODAY - 5}, True),
        ({"starts": TODAY - 90, "ends": TODAY - 1, "active": False}, False),
        ({"starts": TODAY - 90, "ends": TODAY + 90, "active": False}, True),
        ({"active": True}, False),
        ({"active": False}, True),
        ({"customer": 1}, True),
        ({"customer": -1}, True),
    ],
)
def test_a_contract_of_the_customer_has_to_hold_by_the_third_day(contract: dict[str, Any], fires: bool) -> None:
    contracts = Contracts.of(1, **{"customer": 0, "active": True, **contract})
    assert bool(found("L1", ordered(order(), contracts=contracts))) is fires
    by_deal = found("L1", ordered(order(customer=-1), contracts=contracts))
    assert bool(by_deal) is fires


def test_where_nobody_says_which_contracts_are_active_their_days_do() -> None:
    contracts = Contracts.of(1, customer=0, starts=TODAY - 90)
    assert found("L1", ordered(order(), contracts=contracts)) != {}
    assert found("L1", ordered(order(), contracts=contracts, without=["contract.active"])) == {}


def test_each_order_is_held_against_all_contracts_of_its_customer() -> None:
    orders = Orders.of(5, ids=range(5), customer=[0, 1, 0, 1, -1], delivered=[TODAY - ago for ago in (9, 9, 99, 99, 9)])
    contracts = Contracts.of(
        3, customer=[1, 0, 1], active=True, starts=[TODAY - 120, TODAY - 20, TODAY - 10], ends=[TODAY - 90, NAN, TODAY]
    )
    assert list(found("L1", ordered(orders, contracts=contracts))) == [2, 4]


@given(left=st.lists(st.integers(-1, 3)), right=st.lists(st.integers(-1, 3)))
def test_pairs_are_all_that_have_the_same_key(left: list[int], right: list[int]) -> None:
    one, other = pairs(np.array(left, dtype=np.int64), np.array(right, dtype=np.int64))
    expected = [(a, b) for a, x in enumerate(left) for b, y in enumerate(right) if x == y >= 0]
    assert list(zip(one.tolist(), other.tolist(), strict=True)) == expected


# L2


def owed(*amounts: float, due: float = NAN, paid: float = NAN, limit: float = 1000, **tables: Any) -> Facts:
    customers = Customers.of(2, ids=[5, 6], credit_limit=[limit, NAN])
    receivables = Receivables.of(len(amounts), customer=0, amount=list(amounts), due=due, paid=paid)
    return facts(customers=customers, receivables=receivables, **tables)


def test_more_than_the_limit_is_too_much() -> None:
    assert found("L2", owed(700, 300)) == {}
    fired = found("L2", owed(700, 301))[5]
    assert (fired["ratio"], fired["likelihood"]) == (pytest.approx(1.001), 2)
    # 1 too much, and all that is owed.
    assert (fired["money"], fired["outstanding"], fired["limit"]) == (1002, 1001, 1000)
    assert found("L2", owed(2000))[5]["likelihood"] == 4
    assert found("L2", owed(1500, paid=400))[5]["money"] == 1200


def test_open_orders_count_unless_they_were_invoiced() -> None:
    orders = Orders.of(
        5,
        customer=[0, 0, 0, 1, 0],
        amount=[300, 5000, 5000, 5000, NAN],
        is_open=[True, False, True, True, True],
        invoiced=[TODAY + 5, NAN, TODAY, NAN, NAN],
    )
    assert found("L2", owed(700, orders=orders)) == {}
    fired = found("L2", owed(800, orders=orders))[5]
    assert (fired["ordered"], fired["outstanding"], fired["money"]) == (300, 800, 900)
    assert found("L2", owed(800, orders=orders, without=["order.is_open"])) == {}


@pytest.mark.parametrize("limit", [NAN, 5000])
def test_without_a_limit_or_below_it_nothing_is_too_much(limit: float) -> None:
    assert found("L2", owed(4999, limit=limit)) == {}
    assert found("L2", owed(9000, limit=limit, without=["customer.credit_limit"])) == {}


def test_no_credit_is_a_limit_too() -> None:
    assert found("L2", owed(0, limit=0)) == {}
    assert found("L2", owed(1, limit=0))[5]["ratio"] == 100


@pytest.mark.parametrize(
    ("due", "ordered_ago", "paid", "ratio"),
    [
        (60, 0, 0, None),
        (61, 0, 0, 61 / 60),
        (90, 30, 0, None),
        (90, 29, 0, 61 / 60),
        (120, 0, 0, 2),
        (500, 30, 0, None),
        (90, 0, 100, None),
        (90, 0, 99, 1.5),
        (90, -1, 0, None),
    ],
)
def test_ordering_anew_while_over_sixty_days_past_due_fires(
    due: float, ordered_ago: float, paid: float, ratio: float | None
) -> None:
    orders = Orders.of(2, customer=[0, 1], day=TODAY - ordered_ago, amount=50)
    given = owed(100, due=TODAY - due, paid=paid, limit=NAN, orders=orders)
    fired = found("L2", given)
    assert {key: row["ratio"] for key, row in fired.items()} == ({5: pytest.approx(ratio)} if ratio else {})
    assert all(row["money"] == 100 - paid for row in fired.values())


# L3


def request(**columns: Any) -> PrivacyRequests:
    return PrivacyRequests.of(1, **{"customer": 0, "opened": TODAY - 21, **columns})


def test_a_privacy_request_may_be_open_for_twenty_days() -> None:
    assert found("L3", facts(customers=CUSTOMERS, privacy_requests=request(opened=TODAY - 20))) == {}
    fired = found("L3", facts(customers=CUSTOMERS, privacy_requests=request()))
    assert np.isnan(fired[5].pop("money"))
    assert fired == {5: {"ratio": 1.05, "likelihood": 2, "days": 21, "marketing": 0}}
    late = facts(customers=CUSTOMERS, privacy_requests=request(opened=TODAY - 40))
    assert found("L3", late)[5]["likelihood"] == 4
    assert RULES["L3"].fixed_impact == 4


@pytest.mark.parametrize(
    ("other", "fires"),
    [
        ({"closed": TODAY - 1}, False),
        ({"closed": TODAY}, False),
        ({"closed": TODAY + 1}, True),
        ({"opened": NAN}, False),
        ({"customer": -1}, False),
    ],
)
def test_an_answered_request_is_done(other: dict[str, Any], fires: bool) -> None:
    assert bool(found("L3", facts(customers=CUSTOMERS, privacy_requests=request(**other)))) is fires


@pytest.mark.parametrize(
    ("contact", "activity", "fires"),
    [
        ({}, {}, True),
        ({"opted_out": False}, {}, False),
        ({"changed": NAN}, {}, False),
        ({}, {"is_marketing": False}, False),
        ({}, {"contact": -1}, False),
        ({}, {"contact": 1}, False),
        ({}, {"day": TODAY - 100}, False),
        ({}, {"day": TODAY - 99}, False),
        ({}, {"day": TODAY + 1}, False),
        ({"changed": TODAY - 50}, {"day": TODAY - 50 + 0.7}, False),
        ({"changed": TODAY - 50}, {"day": TODAY - 49}, True),
        ({"customer": -1}, {}, False),
    ],
)
def test_marketing_after_an_opt_out_fires_for_ninety_days(
    contact: dict[str, Any], activity: dict[str, Any], fires: bool
) -> None:
    whole = {"customer": 0, "opted_out": True, "changed": TODAY - 100, **contact}
    contacts = Contacts.of(2, **{name: [value, value] for name, value in whole.items()})
    contacts.opted_out[1] = False
    activities = Activities.of(1, **{"contact": 0, "is_marketing": True, "day": TODAY - 89, **activity})
    fired = found("L3", facts(customers=CUSTOMERS, contacts=contacts, activities=activities))
    assert {key: (row["marketing"], row["likelihood"]) for key, row in fired.items()} == ({5: (1, 3)} if fires else {})
    given = facts(customers=CUSTOMERS, contacts=contacts, activities=activities, without=["contact.opted_out"])
    assert found("L3", given) == {}


# L4

PEOPLE = People.of(2, ids=[5, 6])
DEALS = Deals.of(80, amount=[100 * (number + 1) for number in range(80)])


def edited(
    ago: float, *, amounts: tuple[float, float] = (1, 2), dates: tuple[float, float] = (9, 9), **other: Any
) -> Any:
    """What a deal of 100 was, and what person 5 made of it so many days ago."""
    return Snapshots.of(
        2,
        **{
            "deal": 0,
            "day": [TODAY - 999, TODAY - ago],
            "amount": amounts,
            "close_date": dates,
            "by": [-1, 0],
            **other,
        },
    )


def looked_at(snapshots: Snapshots, *, ends: float | None = TODAY - 10, **tables: Any) -> Facts:
    targets = Targets.of(0) if ends is None else Targets.of(2, ends=[ends - 90, ends])
    return facts(people=PEOPLE, deals=DEALS, snapshots=snapshots, **{"targets": targets, **tables})


@pytest.mark.parametrize(("ago", "fires"), [(14, False), (13, True), (10, True), (9, False)])
def test_an_edit_within_three_days_before_the_end_of_a_period_fires(ago: float, fires: bool) -> None:
    fired = found("L4", looked_at(edited(ago)))
    assert list(fired) == ([5] if fires else [])
    for row in fired.values():
        assert (row["edits"], row["deals"], row["money"], row["likelihood"]) == (1, 1, 100, 2)
        assert np.isnan(row["records"])


@pytest.mark.parametrize(
    ("snapshots", "fires"),
    [
        (edited(12, amounts=(2, 1)), True),
        (edited(12, amounts=(1, 1)), False),
        (edited(12, amounts=(1, 1), dates=(9, 8)), True),
        (edited(12, amounts=(NAN, 1)), False),
        (edited(12, amounts=(1, NAN)), False),
        (edited(12, by=-1), False),
        (edited(12, deal=[0, 1]), False),
        (edited(12, deal=-1), False),
    ],
)
def test_only_a_changed_amount_or_date_that_is_somebodys_is_an_edit(snapshots: Snapshots, fires: bool) -> None:
    assert bool(found("L4", looked_at(snapshots))) is fires


@pytest.mark.parametrize(
    ("approved", "fires"), [(TODAY - 26, False), (TODAY - 27, True), (TODAY, False), (TODAY + 1, True), (NAN, True)]
)
def test_an_approved_quote_allows_an_edit(approved: float, fires: bool) -> None:
    quotes = Quotes.of(1, deal=0, approved=approved)
    assert bool(found("L4", looked_at(edited(12), quotes=quotes))) is fires
    elsewhere = Quotes.of(1, deal=1, approved=approved)
    assert 5 in found("L4", looked_at(edited(12), quotes=elsewhere))


def test_where_no_approvals_are_mapped_nothing_is_said_of_edits() -> None:
    assert found("L4", looked_at(edited(12), without=["quote.approved_on"])) == {}


def test_edits_count_for_ninety_days() -> None:
    assert 5 in found("L4", looked_at(edited(89), ends=TODAY - 89))
    assert found("L4", looked_at(edited(90), ends=TODAY - 89)) == {}


@pytest.mark.parametrize(
    ("month", "day", "fires"),
    [(3, 28, True), (3, 27, False), (4, 1, False), (6, 30, True), (6, 26, False), (12, 31, True), (11, 30, False)],
)
def test_without_targets_a_quarter_is_a_period(month: int, day: int, fires: bool) -> None:
    today = (dt.date(2024, month, day) - dt.date(1970, 1, 1)).days
    snapshots = edited(0, day=[1, today])
    given = facts(people=PEOPLE, deals=DEALS, snapshots=snapshots, today=today)
    assert bool(found("L4", given)) is fires


def changes(*many: int, by: int = 0, twice: bool = False) -> Snapshots:
    """Deals that were all seen long ago, so many of which somebody changed each day, the last day today."""
    deal, day, person = list(range(80)), [TODAY - 500] * 80, [by] * 80
    for ago, number in zip(range(len(many) - 1, -1, -1), many, strict=True):
        changed = [*range(number)] * (2 if twice else 1)
        deal += changed
        day += [TODAY - ago] * len(changed)
        person += [by] * len(changed)
    return Snapshots.of(len(deal), deal=deal, day=day, by=person)


def test_over_five_times_the_usual_and_twenty_at_least_is_irregular() -> None:
    assert found("L4", looked_at(changes(4, 4, 4, 4, 20))) == {}
    assert found("L4", looked_at(changes(1, 1, 1, 1, 19))) == {}
    fired = found("L4", looked_at(changes(4, 4, 4, 4, 21)))[5]
    # The first 21 deals, worth 100, 200 … 2 100.
    assert (fired["money"], fired["deals"], fired["edits"]) == (23_100, 21, 0)
    assert (fired["records"], fired["usual"], fired["ratio"]) == (21, 4, 1.05)
    assert (fired["likelihood"], found("L4", looked_at(changes(4, 4, 4, 4, 40)))[5]["likelihood"]) == (1, 3)


def test_a_deal_changed_twice_is_one_record() -> None:
    assert found("L4", looked_at(changes(1, 1, 1, 1, 19, twice=True))) == {}
    assert found("L4", looked_at(changes(1, 1, 1, 1, 20, twice=True)))[5]["records"] == 20


def test_four_days_say_nothing_of_what_is_usual() -> None:
    assert found("L4", looked_at(changes(1, 1, 1, 70))) == {}
    assert 5 in found("L4", looked_at(changes(1, 1, 1, 1, 70)))


def test_what_nobody_is_known_to_have_changed_is_nobodys() -> None:
    assert found("L4", looked_at(changes(1, 1, 1, 1, 70, by=-1))) == {}


def test_a_day_counts_for_ninety_days() -> None:
    assert 5 in found("L4", looked_at(changes(1, 1, 1, 1, 70, *[0] * 89)))
    assert found("L4", looked_at(changes(1, 1, 1, 1, 70, *[0] * 90))) == {}


def test_a_deal_is_worth_once_what_it_is_however_often_it_was_changed() -> None:
    snapshots = changes(1, 1, 1, 1, 30)
    snapshots.amount[:] = np.arange(len(snapshots))
    fired = found("L4", looked_at(snapshots, ends=TODAY))[5]
    assert (fired["deals"], fired["money"], fired["edits"]) == (30, 46_500, 33)


def test_only_risk_managers_see_irregular_changes() -> None:
    assert [code for code, rule in RULES.items() if rule.confidential] == ["L4"]
