from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from math import isnan
from statistics import median
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risks.rules.facts import (
    LOST,
    OPEN,
    WON,
    Activities,
    Contacts,
    Customers,
    Deals,
    Facts,
    People,
    Quotes,
    Snapshots,
    Targets,
)
from tests.risks.rules.making import TODAY, facts, found, table

NAN = float("nan")


def one_deal(**columns: Any) -> Deals:
    """Number 7, open, worth 1 000 at 40 %: weighted 400."""
    return Deals.of(1, **{"ids": 7, "amount": 1000, "probability": 0.4, **columns})


def seen(*rows: tuple[float, dict[str, Any]], deal: int = 0) -> Snapshots:
    """Snapshots of a deal, each so many days ago."""
    names = {name for _, columns in rows for name in columns}
    unknown = {"stage": "", "owner": -1}
    return Snapshots.of(
        len(rows),
        deal=deal,
        day=[TODAY - ago for ago, _ in rows],
        **{name: [columns.get(name, unknown.get(name, NAN)) for _, columns in rows] for name in names},
    )


def dates(*days: float) -> Snapshots:
    """A close date seen on one day after the other, the last one yesterday."""
    return seen(*((len(days) - number, {"close_date": day}) for number, day in enumerate(days)))


# P1


@pytest.mark.parametrize(
    ("tier", "place", "limit"),
    [
        ("small", 0.0, 14),
        ("mid", 0.0, 30),
        ("key", 0.0, 60),
        ("small", 1.0, 7),
        ("mid", 1.0, 14),
        ("key", 1.0, 28),
        ("", 0.49, 30),
        ("", 0.5, 14),
        ("", NAN, 30),
        ("another", 1.0, 14),
    ],
)
def test_silence_is_allowed_for_as_long_as_tier_and_stage_say(tier: str, place: float, limit: float) -> None:
    def fires(days: float) -> dict[Any, Any]:
        last = Activities.of(2, deal=0, day=[TODAY - days - 5, TODAY - days])
        return found(
            "P1", facts(customers=Customers.of(1, tier=tier), deals=one_deal(customer=0, place=place), activities=last)
        )

    assert fires(limit - 1) == {}
    assert fires(limit)[7] == {
        "ratio": 1,
        "money": 400,
        "likelihood": 2,
        "days": limit,
        "limit": limit,
        "last": TODAY - limit,
    }
    assert fires(2 * limit)[7]["likelihood"] == 4


def test_a_deal_nobody_ever_worked_is_silent_since_it_was_made() -> None:
    assert found("P1", facts(deals=one_deal(created=TODAY - 29))) == {}
    assert found("P1", facts(deals=one_deal(created=TODAY - 30)))[7]["days"] == 30
    assert found("P1", facts(deals=one_deal())) == {}


def test_making_a_deal_is_an_activity() -> None:
    given = facts(deals=one_deal(created=TODAY - 5), activities=Activities.of(1, deal=0, day=TODAY - 50))
    assert found("P1", given) == {}


@pytest.mark.parametrize(
    "other", [{"deal": -1}, {"deal": 1}, {"is_marketing": True}, {"day": TODAY + 1, "planned": True}, {"day": NAN}]
)
def test_what_is_not_work_on_the_deal_does_not_break_its_silence(other: dict[str, Any]) -> None:
    deals = Deals.of(2, ids=[7, 8], state=[OPEN, WON], created=TODAY - 40)
    activities = Activities.of(1, **{"deal": 0, "day": TODAY - 1, **other})
    assert list(found("P1", facts(deals=deals, activities=activities))) == [7]


def test_what_was_planned_counts_from_its_day_on() -> None:
    planned = Activities.of(1, deal=0, day=TODAY + 0.6, planned=True)
    assert found("P1", facts(deals=one_deal(created=TODAY - 40), activities=planned)) == {}


@pytest.mark.parametrize("state", [WON, LOST])
@pytest.mark.parametrize("code", ["P1", "P3", "P6"])
def test_a_closed_deal_needs_nothing(code: str, state: int) -> None:
    deals = one_deal(created=TODAY - 400, close_date=TODAY - 100)
    assert 7 in found(code, facts(deals=deals))
    deals.state[:] = state
    assert found(code, facts(deals=deals)) == {}


def test_without_a_probability_nobody_says_what_is_at_risk() -> None:
    deals = Deals.of(2, ids=[7, 8], amount=[100, NAN], probability=[NAN, 0.5], close_date=TODAY - 3)
    assert np.isnan([row["money"] for row in found("P3", facts(deals=deals)).values()]).all()


def test_an_administrator_may_allow_another_silence() -> None:
    given = facts(deals=one_deal(created=TODAY - 10))
    assert found("P1", given, early_mid=11) == {}
    assert found("P1", given, early_mid=10)[7]["limit"] == 10


tiers = st.sampled_from(["", "small", "mid", "key"])
deal_rows = st.fixed_dictionaries(
    {
        "customer": st.integers(-1, 2),
        "state": st.sampled_from([OPEN, OPEN, WON, LOST]),
        "place": st.sampled_from([NAN, 0.0, 0.25, 0.5, 1.0]),
        "created": st.sampled_from([NAN, *(TODAY - days for days in (1, 7, 13, 14, 29, 30, 59, 60, 61))]),
    }
)
activity_rows = st.fixed_dictionaries(
    {
        "deal": st.integers(-1, 3),
        "day": st.sampled_from([NAN, TODAY + 0.5, *(TODAY - days for days in (-3, 0, 6, 7, 14, 15, 28, 30, 60, 99))]),
        "is_marketing": st.booleans(),
        "planned": st.booleans(),
    }
)


def listed(strategy: st.SearchStrategy[Any], size: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, min_size=size, max_size=size)


@settings(deadline=None)
@given(tiers=listed(tiers, 3), deals=listed(deal_rows, 4), activities=st.lists(activity_rows, max_size=12))
def test_silence_is_what_reading_deal_by_deal_finds(tiers: Any, deals: Any, activities: Any) -> None:
    expected = {}
    for number, deal in enumerate(deals):
        days = [
            activity["day"]
            for activity in activities
            if activity["deal"] == number and not activity["is_marketing"] and activity["day"] < TODAY + 1
        ]
        if not isnan(deal["created"]):
            days.append(deal["created"])
        if deal["state"] != OPEN or not days:
            continue
        silent = int(TODAY) - int(max(days))
        tier = tiers[deal["customer"]] if deal["customer"] >= 0 else ""
        half = "late" if deal["place"] >= 0.5 else "early"
        limit = {
            "early": {"small": 14, "key": 60}.get(tier, 30),
            "late": {"small": 7, "key": 28}.get(tier, 14),
        }[half]
        if silent >= limit:
            expected[number] = (silent, limit)
    for deal_number, deal in enumerate(deals):
        deal["ids"] = deal_number
    got = found(
        "P1",
        facts(
            customers=Customers.of(3, tier=tiers),
            deals=table(Deals, deals),
            activities=table(Activities, activities),
        ),
    )
    assert {key: (row["days"], row["limit"]) for key, row in got.items()} == expected


# P2


def won_before(*days: float, segment: str = "", tier: str = "", here: float = 0.0, **other: Any) -> Facts:
    """Deals that were won after so many days in the stage, and deal 7, which has stood in it for ``here`` days."""
    many = len(days)
    deals = Deals.of(
        many + 1,
        ids=[*range(100, 100 + many), 7],
        customer=[0] * many + [1],
        state=[WON] * many + [OPEN],
        stage=["Won"] * many + ["Offer"],
        amount=1000,
        probability=0.4,
        created=TODAY - 500,
        closed=[TODAY - 300] * many + [NAN],
        stage_since=[NAN] * many + [TODAY - here],
        **other,
    )
    snapshots = Snapshots.of(
        2 * many,
        deal=[deal for deal in range(many) for _ in range(2)],
        day=[day for stay in days for day in (TODAY - 500, TODAY - 500 + stay)],
        stage=["Offer", "Won"] * many,
    )
    customers = Customers.of(2, segment=["Retail", segment or "Retail"], tier=["", tier])
    return facts(customers=customers, deals=deals, snapshots=snapshots)


@pytest.mark.parametrize(("tier", "limit"), [("", 30), ("small", 30), ("mid", 30), ("key", 40)])
def test_a_stage_may_take_so_many_times_what_it_took_when_deals_were_won(tier: str, limit: float) -> None:
    stays = [10] * 4 + [20] * 2 + [90] * 4
    assert found("P2", won_before(*stays, tier=tier, here=limit)) == {}
    fired = found("P2", won_before(*stays, tier=tier, here=limit + 1))
    assert fired == {
        7: {
            "ratio": pytest.approx((limit + 1) / limit),
            "money": 400,
            "likelihood": 2,
            "days": limit + 1,
            "limit": limit,
            "median": 20,
            "won_deals": 10,
        }
    }
    assert found("P2", won_before(*stays, tier=tier, here=2 * limit))[7]["likelihood"] == 4


def test_with_nine_won_deals_there_is_no_history_and_thirty_days_are_allowed() -> None:
    assert found("P2", won_before(*[2] * 9, here=30)) == {}
    fired = found("P2", won_before(*[2] * 9, here=31))[7]
    assert (fired["limit"], fired["won_deals"]) == (30, 9)
    assert np.isnan(fired["median"])
    assert found("P2", won_before(*[2] * 10, here=4))[7]["limit"] == 3


def test_deals_of_another_segment_or_pipeline_are_no_history() -> None:
    assert found("P2", won_before(*[2] * 10, here=4, segment="Energy")) == {}
    assert found("P2", won_before(*[2] * 10, here=4, pipeline=["Sales"] * 10 + ["Service"])) == {}


def test_a_deal_is_no_history_before_the_day_it_was_won() -> None:
    given = won_before(*[2] * 10, here=4)
    given.deals.closed[0] = TODAY
    assert 7 in found("P2", given)
    given.deals.closed[0] = TODAY + 1
    assert found("P2", given) == {}


def test_a_stage_that_takes_no_time_is_allowed_a_day() -> None:
    assert found("P2", won_before(*[0] * 10, here=1)) == {}
    assert found("P2", won_before(*[0] * 10, here=2))[7]["limit"] == 1


def test_what_was_there_before_it_was_looked_at_is_no_history() -> None:
    given = won_before(*[2] * 10, here=5)
    given.deals.created[:] = TODAY - 501
    assert found("P2", given)[7]["median"] == 3
    given.deals.created[0] = TODAY - 502
    assert found("P2", given) == {}


def test_without_a_day_from_the_crm_it_counts_from_when_the_stage_was_seen() -> None:
    deals = one_deal(stage="Offer")
    snapshots = seen((80, {"stage": "Offer"}), (60, {"stage": "Start"}), (31, {"stage": "Offer"}), (9, {"stage": ""}))
    assert found("P2", facts(deals=deals, snapshots=snapshots))[7]["days"] == 31
    assert found("P2", facts(deals=one_deal(stage="Start"), snapshots=snapshots)) == {}
    assert found("P2", facts(deals=deals)) == {}


@pytest.mark.parametrize("unknown", [{"stage": ""}, {"stage_since": NAN}, {"state": WON}])
def test_a_deal_of_unknown_stage_or_day_is_not_stuck(unknown: dict[str, Any]) -> None:
    known = {"stage": "Offer", "stage_since": TODAY - 100}
    assert 7 in found("P2", facts(deals=one_deal(**known)))
    assert found("P2", facts(deals=one_deal(**{**known, **unknown}))) == {}


@st.composite
def stage_histories(draw: Any) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    deals, snapshots = [], []
    for number in range(draw(st.integers(1, 7))):
        days = sorted(draw(st.lists(st.integers(0, 60), max_size=4)))
        stages = [draw(st.sampled_from(["", "A", "B"])) for _ in days]
        deals.append(
            {
                "ids": number,
                "customer": draw(st.integers(-1, 1)),
                "state": draw(st.sampled_from([OPEN, WON, WON, LOST])),
                "stage": draw(st.sampled_from(["", "A", "B"])),
                "created": draw(st.sampled_from([NAN, *range(0, 60, 3)])),
                "closed": draw(st.sampled_from([NAN, 10, 30, 50, 70])),
                "stage_since": draw(st.sampled_from([NAN, NAN, *range(0, 60, 7)])),
            }
        )
        snapshots += [{"deal": number, "day": day, "stage": stage} for day, stage in zip(days, stages, strict=True)]
    # Only the order within a deal is promised.
    order = draw(st.permutations(range(len(deals))))
    snapshots.sort(key=lambda row: order[row["deal"]])
    return deals, snapshots, draw(listed(st.sampled_from(["", "key"]), 2))


def _runs(snapshots: list[dict[str, Any]], deal: int, today: float) -> list[tuple[str, float]]:
    runs: list[tuple[str, float]] = []
    for row in snapshots:
        if row["deal"] == deal and row["day"] <= today and row["stage"] and (not runs or runs[-1][0] != row["stage"]):
            runs.append((row["stage"], row["day"]))
    return runs


def _took(deal: dict[str, Any], runs: list[tuple[str, float]]) -> dict[str, float]:
    """In each stage altogether; NaN where some of it was not seen."""
    total: dict[str, float] = {}
    for number, (stage, start) in enumerate(runs):
        end = runs[number + 1][1] if number + 1 < len(runs) else deal["closed"]
        begun = start
        if number == 0:
            begun = min(start, deal["created"]) if start - deal["created"] <= 1 else NAN
        total[stage] = total.get(stage, 0) + end - begun
    return total


@settings(deadline=None, max_examples=300)
@given(history=stage_histories())
def test_stuck_is_what_reading_deal_by_deal_finds(history: Any) -> None:
    deals, snapshots, tiers = history
    today = 55.0
    runs = [_runs(snapshots, number, today) for number in range(len(deals))]
    taken: dict[tuple[int, str], list[float]] = {}
    for deal, own in zip(deals, runs, strict=True):
        if deal["state"] == WON and deal["closed"] <= today:
            for stage, days in _took(deal, own).items():
                if days >= 0:
                    taken.setdefault((deal["customer"], stage), []).append(days)
    expected = {}
    for number, deal in enumerate(deals):
        since = deal["stage_since"]
        if isnan(since) and runs[number] and runs[number][-1][0] == deal["stage"]:
            since = runs[number][-1][1]
        if deal["state"] != OPEN or not deal["stage"] or isnan(since):
            continue
        stays = taken.get((deal["customer"], deal["stage"]), [])
        factor = Fraction(2) if deal["customer"] >= 0 and tiers[deal["customer"]] == "key" else Fraction(3, 2)
        limit = max(Fraction(median(stays)) * factor, 1) if len(stays) >= 2 else Fraction(30)
        if today - since > limit:
            expected[number] = (today - since, float(limit), len(stays))
    given = facts(
        today=today,
        customers=Customers.of(2, segment=["Retail", "Energy"], tier=tiers),
        deals=table(Deals, deals),
        snapshots=table(Snapshots, snapshots),
    )
    got = found("P2", given, won_deals=2)
    assert {key: (row["days"], row["limit"], row["won_deals"]) for key, row in got.items()} == expected


# P3


@pytest.mark.parametrize(("days", "level"), [(1, 3), (2, 3), (3, 4), (14, 4), (15, 5), (400, 5)])
def test_a_deal_is_overdue_from_the_day_after_its_close_date(days: float, level: int) -> None:
    assert found("P3", facts(deals=one_deal(close_date=TODAY - days))) == {
        7: {
            "ratio": pytest.approx(1 + (days - 1) / 14),
            "money": 400,
            "likelihood": level,
            "days": days,
            "close_date": TODAY - days,
        }
    }


@pytest.mark.parametrize("close_date", [TODAY, TODAY + 1, NAN])
def test_on_the_close_date_a_deal_is_not_overdue(close_date: float) -> None:
    assert found("P3", facts(deals=one_deal(close_date=close_date))) == {}
    assert found("P3", facts(deals=one_deal(close_date=close_date), today=TODAY + 0.9)) == {}


# P4


@pytest.mark.parametrize(
    ("days", "pushes", "total", "level"),
    [
        ((100, 101, 102), 2, 2, 3),
        ((100, 101, 102, 103), 3, 3, 5),
        ((100, 101, 102, 103, 104), 4, 4, 5),
        ((100, 161), 1, 61, 3),
        ((100, 300), 1, 200, 3),
        ((100, NAN, 110, NAN, 120), 2, 20, 3),
        ((100, 140, 105, 130), 2, 65, 3),
    ],
)
def test_every_later_date_is_a_push(days: tuple[float, ...], pushes: int, total: float, level: int) -> None:
    fired = found("P4", facts(deals=one_deal(close_date=days[-1]), snapshots=dates(*days)))
    assert fired == {
        7: {
            "ratio": pytest.approx(max(pushes / 2, total / 60)),
            "money": 400,
            "likelihood": level,
            "pushes": pushes,
            "days": total,
            "since": TODAY - len(days),
            "close_date": days[-1],
        }
    }


@pytest.mark.parametrize("days", [(), (100,), (100, 160), (100, 90, 80, 70), (100, 50, 90), (NAN, 500), (500, NAN)])
def test_one_push_of_sixty_days_is_allowed_and_earlier_dates_are_none(days: tuple[float, ...]) -> None:
    assert found("P4", facts(deals=one_deal(), snapshots=dates(*days))) == {}


def test_pushes_are_counted_only_from_when_the_deal_was_first_seen() -> None:
    snapshots = seen((50, {"stage": "Start"}), (40, {"close_date": 1}), (30, {"close_date": 2}), (3, {"close_date": 3}))
    fired = found("P4", facts(deals=one_deal(created=TODAY - 900), snapshots=snapshots))[7]
    assert (fired["pushes"], fired["since"]) == (2, TODAY - 50)


push_rows = st.fixed_dictionaries(
    {
        "deal": st.integers(-1, 2),
        "day": st.integers(int(TODAY) - 40, int(TODAY) + 2),
        "close_date": st.sampled_from([NAN, 100, 101, 130, 160, 161, 190]),
    }
)


@settings(deadline=None, max_examples=300)
@given(states=listed(st.sampled_from([OPEN, OPEN, WON]), 3), rows=st.lists(push_rows, max_size=14))
def test_pushes_are_what_reading_deal_by_deal_finds(states: Any, rows: Any) -> None:
    rows.sort(key=lambda row: row["day"])
    expected = {}
    for number, state in enumerate(states):
        own = [row for row in rows if row["deal"] == number and row["day"] <= TODAY]
        days = [row["close_date"] for row in own if not isnan(row["close_date"])]
        moves = [after - before for before, after in pairwise(days) if after > before]
        if state == OPEN and (len(moves) >= 2 or sum(moves) > 60):
            expected[number] = (len(moves), sum(moves), own[0]["day"], 5 if len(moves) >= 3 else 3)
    given = facts(deals=Deals.of(3, ids=range(3), state=states), snapshots=table(Snapshots, rows))
    got = {key: (r["pushes"], r["days"], r["since"], r["likelihood"]) for key, r in found("P4", given).items()}
    assert got == expected


# P5


def many_deals(**columns: Any) -> Deals:
    """Deals of 1, 2 … 9: the greatest quarter is what is above 7."""
    return Deals.of(
        9, **{"ids": range(1, 10), "amount": range(1, 10), "probability": 0.5, "place": 0.5, "contacts": 1, **columns}
    )


def test_only_deals_above_the_greatest_quarter_need_several_contacts() -> None:
    fired = found("P5", facts(deals=many_deals()))
    assert sorted(fired) == [8, 9]
    assert fired[8] == {
        "ratio": pytest.approx(8 / 7),
        "money": 4,
        "likelihood": 3,
        "contacts": 1,
        "amount": 8,
        "limit": 7,
    }


@pytest.mark.parametrize(("contacts", "level"), [(0, 3), (1, 3), (2, 2)])
def test_two_contacts_are_a_weaker_hint(contacts: float, level: int) -> None:
    assert found("P5", facts(deals=many_deals(contacts=contacts)))[9]["likelihood"] == level


@pytest.mark.parametrize("other", [{"contacts": 3}, {"contacts": NAN}, {"place": 0}, {"place": NAN}, {"amount": 5}])
def test_three_contacts_a_first_stage_or_nothing_big_is_fine(other: dict[str, Any]) -> None:
    assert found("P5", facts(deals=many_deals(**other))) == {}


def test_the_limit_is_of_known_open_amounts_alone() -> None:
    deals = many_deals(state=[OPEN] * 5 + [WON] * 4, amount=[1, 2, 3, 4, NAN, 90, 90, 90, 90])
    fired = found("P5", facts(deals=deals))
    assert {key: row["limit"] for key, row in fired.items()} == {4: 3.25}
    assert found("P5", facts(deals=many_deals(amount=NAN))) == {}


def test_an_amount_may_be_the_limit() -> None:
    assert sorted(found("P5", facts(deals=many_deals()), amount=5)) == [6, 7, 8, 9]


def test_where_a_deal_says_no_number_its_active_contacts_are_counted() -> None:
    contacts = Contacts.of(4, deal=[8, 8, 7, 7], active=[True, False, True, True])
    deals = many_deals(contacts=NAN)
    fired = found("P5", facts(deals=deals, contacts=contacts))
    assert {key: (row["contacts"], row["likelihood"]) for key, row in fired.items()} == {8: (2, 2), 9: (1, 3)}
    assert found("P5", facts(deals=deals, contacts=contacts, without=["contact.deal"])) == {}


# P6


@pytest.mark.parametrize(
    ("columns", "days"),
    [
        ({"next_step": True, "next_step_since": TODAY - 14}, 14),
        ({"next_step": False, "next_step_since": TODAY - 14}, 14),
        ({"next_step": False, "created": TODAY - 28}, 28),
        ({"next_step": True, "next_step_since": TODAY - 13}, None),
        ({"next_step": False, "next_step_since": TODAY - 13, "created": TODAY - 90}, None),
        ({"next_step": False, "created": TODAY - 13}, None),
        ({"next_step": True, "created": TODAY - 90}, None),
        ({"next_step": False}, None),
    ],
)
def test_a_next_step_may_be_missing_or_the_same_for_under_fourteen_days(
    columns: dict[str, Any], days: float | None
) -> None:
    fired = found("P6", facts(deals=one_deal(**columns)))
    expected = {
        "ratio": (days or 0) / 14,
        "money": 400,
        "likelihood": 3 if days == 28 else 1,
        "days": days,
        "has_step": columns["next_step"],
    }
    assert fired == ({7: expected} if days else {})


@pytest.mark.parametrize(
    ("activity", "fires"),
    [
        ({"day": TODAY, "planned": True}, False),
        ({"day": TODAY + 30, "planned": True}, False),
        ({"day": TODAY + 1}, False),
        ({"day": TODAY}, True),
        ({"day": TODAY + 0.9}, True),
        ({"day": TODAY - 1, "planned": True}, True),
        ({"day": TODAY + 1, "deal": -1}, True),
    ],
)
def test_what_is_still_to_come_is_a_next_step(activity: dict[str, Any], fires: bool) -> None:
    activities = Activities.of(1, **{"deal": 0, **activity})
    assert bool(found("P6", facts(deals=one_deal(created=TODAY - 90), activities=activities))) is fires


# P7


def test_a_fifth_less_than_the_highest_fires() -> None:
    snapshots = seen((9, {"amount": 900}), (8, {"amount": 1250}), (7, {"amount": NAN}), (6, {"amount": 1100}))
    assert found("P7", facts(deals=one_deal(amount=1000.01), snapshots=snapshots)) == {}
    fired = found("P7", facts(deals=one_deal(), snapshots=snapshots))[7]
    assert np.isnan(fired.pop("discount"))
    # 250 lost, and half of the 400 that are expected.
    assert fired == {"ratio": 1, "money": 450, "likelihood": 2, "shrunk": 0.2, "highest": 1250, "amount": 1000}
    assert found("P7", facts(deals=one_deal(amount=750), snapshots=snapshots))[7]["likelihood"] == 4


def test_a_discount_above_a_fifth_fires_and_loses_nothing_by_itself() -> None:
    assert found("P7", facts(deals=one_deal(discount=0.2))) == {}
    fired = found("P7", facts(deals=one_deal(discount=0.3)))[7]
    assert (fired["ratio"], fired["money"], fired["likelihood"], fired["discount"]) == (1.5, 200, 3, 0.3)


def test_without_a_discount_of_its_own_the_latest_quote_says_it() -> None:
    quotes = Quotes.of(
        4, deal=[0, 0, 0, -1], day=[TODAY - 3, TODAY - 2, TODAY - 1, TODAY], discount=[0.5, 0.25, NAN, 0.9]
    )
    assert found("P7", facts(deals=one_deal(), quotes=quotes))[7]["discount"] == 0.25
    assert found("P7", facts(deals=one_deal(discount=0.1), quotes=quotes)) == {}
    assert found("P7", facts(deals=one_deal(), quotes=quotes, without=["quote.discount"])) == {}
    assert found("P7", facts(deals=one_deal(discount=0.9), without=["deal.discount"])) == {}


@pytest.mark.parametrize("amounts", [(NAN, 100), (100, NAN), (0, 0), (-5, -5)])
def test_unknown_amounts_do_not_shrink(amounts: tuple[float, float]) -> None:
    highest, amount = amounts
    assert found("P7", facts(deals=one_deal(amount=amount), snapshots=seen((9, {"amount": highest})))) == {}


value_deals = st.fixed_dictionaries(
    {
        "state": st.sampled_from([OPEN, OPEN, LOST]),
        "amount": st.one_of(st.just(NAN), st.integers(0, 50)),
        "discount": st.sampled_from([NAN, NAN, 0, 0.2, 0.21, 0.5]),
        "probability": st.sampled_from([0, 0.5, 1]),
    }
)
value_rows = st.fixed_dictionaries(
    {
        "deal": st.integers(-1, 2),
        "day": st.integers(int(TODAY) - 5, int(TODAY) + 2),
        "amount": st.one_of(st.just(NAN), st.integers(0, 50)),
    }
)


@settings(deadline=None, max_examples=300)
@given(deals=listed(value_deals, 3), rows=st.lists(value_rows, max_size=10))
def test_lost_value_is_what_reading_deal_by_deal_finds(deals: Any, rows: Any) -> None:
    expected = {}
    for number, deal in enumerate(deals):
        deal["ids"] = number
        amount, discount = deal["amount"], deal["discount"]
        seen_amounts = [r["amount"] for r in rows if r["deal"] == number and r["day"] <= TODAY]
        highest = max((value for value in seen_amounts if not isnan(value)), default=0)
        shrunk = highest > 0 and (highest - amount) * 5 >= highest
        if deal["state"] == OPEN and (shrunk or discount > 0.2):
            lost = max(highest - amount, 0)
            expected[number] = pytest.approx(lost + amount * deal["probability"] / 2, nan_ok=True)
    rows.sort(key=lambda row: row["day"])
    got = found("P7", facts(deals=table(Deals, deals), snapshots=table(Snapshots, rows)))
    assert {key: row["money"] for key, row in got.items()} == expected


# P8

QUARTER = {"starts": TODAY - 30, "ends": TODAY + 60}


def covered(pipeline: float, won: float = 0, **target: Any) -> Facts:
    """What team 3 has in the quarter, among deals of another team, time or state."""
    deals = Deals.of(
        8,
        ids=range(8),
        team=[3, 3, 3, 4, 3, 3, 3, 3],
        state=[OPEN, WON, OPEN, OPEN, LOST, OPEN, WON, WON],
        amount=[pipeline, won, *[9999] * 6],
        close_date=[TODAY + 60, NAN, TODAY + 61, TODAY, TODAY, TODAY - 31, TODAY, TODAY],
        closed=[NAN, TODAY - 30, NAN, NAN, TODAY, NAN, TODAY - 31, TODAY + 61],
    )
    return facts(deals=deals, targets=Targets.of(1, **{"team": 3, "amount": 100, **QUARTER, **target}))


@pytest.mark.parametrize(
    ("pipeline", "won", "level", "money"),
    [
        (299, 0, 3, 100 - 299 / 3),
        (100, 0, 3, 100 - 100 / 3),
        (99, 0, 5, 67),
        (0, 0, 5, 100),
        (-50, 0, 5, 100),
        (149, 50, 3, 1 / 3),
    ],
)
def test_open_deals_of_under_three_times_what_is_left_are_thin(
    pipeline: float, won: float, level: int, money: float
) -> None:
    left, given = 100 - won, covered(pipeline, won)
    pipeline = max(pipeline, 0)
    assert found("P8", given) == {
        3: {
            "ratio": pytest.approx(3 * left / pipeline if pipeline else 100),
            "money": pytest.approx(money),
            "likelihood": level,
            "cover": pipeline / left,
            "open": pipeline,
            "remaining": left,
            "unpriced": 0,
            **QUARTER,
        }
    }


@pytest.mark.parametrize(("pipeline", "won"), [(300, 0), (1000, 0), (150, 50), (0, 100), (0, 120)])
def test_three_times_is_enough_and_a_target_that_is_met_needs_nothing(pipeline: float, won: float) -> None:
    assert found("P8", covered(pipeline, won)) == {}


@pytest.mark.parametrize(
    "other", [{"starts": TODAY + 1}, {"ends": TODAY - 1}, {"amount": NAN}, {"amount": 0}, {"starts": NAN}]
)
def test_a_target_of_another_time_or_of_nothing_is_not_looked_at(other: dict[str, Any]) -> None:
    assert found("P8", covered(0, **other)) == {}
    assert found("P8", covered(0, starts=TODAY, ends=TODAY)) != {}


def test_everybody_is_team_0_and_the_least_covered_target_counts() -> None:
    deals = Deals.of(3, team=[3, 4, 0], amount=[100, 50, NAN], close_date=[TODAY, TODAY + 50, TODAY])
    targets = Targets.of(
        5,
        team=[0, 3, 3, 4, 9],
        starts=TODAY - 5,
        ends=[TODAY + 60, TODAY + 60, TODAY + 10, TODAY + 10, TODAY + 10],
        amount=[1000, 80, 40, 10, 10],
    )
    fired = found("P8", facts(deals=deals, targets=targets))
    assert {key: (row["open"], row["remaining"], row["unpriced"]) for key, row in fired.items()} == {
        0: (150, 1000, 1),
        3: (100, 80, 0),
        4: (0, 10, 0),
        9: (0, 10, 0),
    }


def test_without_any_deals_a_target_is_uncovered() -> None:
    targets = Targets.of(2, team=[0, 3], starts=TODAY, ends=TODAY, amount=10)
    assert sorted(found("P8", facts(targets=targets))) == [0, 3]
    assert found("P8", facts()) == {}


# P9


def owners(*people: int, ago: tuple[float, ...] = ()) -> Snapshots:
    return seen(*((ago[number] if ago else 50 - number, {"owner": person}) for number, person in enumerate(people)))


PEOPLE = People.of(4, ids=[1, 2, 3, 4], active=True)


@pytest.mark.parametrize(
    ("people", "ago", "changes"),
    [
        ((0, 1, 0), (300, 89, 10), 2),
        ((0, 1, 0, 2, 0), (300, 80, 70, 60, 0), 4),
        ((0, -1, 1, -1, 2), (300, 80, 70, 60, 0), 2),
        ((0, 1, 0), (300, 90, 10), None),
        ((0, 1), (), None),
        ((0, 0, 0, 0), (), None),
        ((-1, 0, -1, 0), (), None),
        ((), (), None),
    ],
)
def test_two_owners_in_ninety_days_are_one_too_many(
    people: tuple[int, ...], ago: tuple[float, ...], changes: int | None
) -> None:
    fired = found("P9", facts(people=PEOPLE, deals=one_deal(owner=0), snapshots=owners(*people, ago=ago)))
    expected = {
        "ratio": (changes or 0) / 2,
        "money": 400,
        "likelihood": 4 if changes == 4 else 2,
        "changes": changes,
        "held": 1,
        "usual": 1,
        "overload": False,
        "inactive": False,
    }
    assert fired == ({7: expected} if changes else {})


def test_a_deal_of_an_inactive_owner_fires_at_the_level_of_the_rule() -> None:
    people = People.of(2, ids=[1, 2], active=[False, True])
    deals = Deals.of(4, ids=[1, 2, 3, 4], owner=[0, 1, -1, 0], state=[OPEN, OPEN, OPEN, WON])
    fired = found("P9", facts(people=people, deals=deals))
    assert {key: (row["inactive"], row["likelihood"]) for key, row in fired.items()} == {1: (True, 3)}
    assert found("P9", facts(people=people, deals=deals, without=["person.active"])) == {}


def desks(*held: int, team: int = 1) -> Deals:
    """So many open deals for each owner, each a day younger than the one before it."""
    owner = [person for person, many in enumerate(held) for _ in range(many)]
    return Deals.of(
        len(owner), ids=range(len(owner)), owner=owner, team=team, created=[TODAY - 500 + n for n in range(len(owner))]
    )


def test_of_an_owner_with_over_twice_the_usual_the_latest_deals_are_too_many() -> None:
    assert found("P9", facts(people=PEOPLE, deals=desks(6, 5, 6, 12))) == {}
    fired = found("P9", facts(people=PEOPLE, deals=desks(6, 5, 6, 14)))
    assert sorted(fired) == [29, 30]
    assert fired[30]["overload"]
    assert (fired[30]["held"], fired[30]["usual"]) == (14, 6)
    assert fired[30]["ratio"] == pytest.approx(14 / 12)


def test_what_an_owner_may_hold_is_exact() -> None:
    """1.15 times 20 is a breath below 23."""
    assert found("P9", facts(people=PEOPLE, deals=desks(20, 20, 23)), times=1.15) == {}
    assert list(found("P9", facts(people=PEOPLE, deals=desks(20, 20, 24)), times=1.15)) == [63]


def test_an_owner_of_nine_deals_or_of_another_team_does_not_hold_too_many() -> None:
    assert found("P9", facts(people=PEOPLE, deals=desks(1, 1, 1, 9))) == {}
    assert sorted(found("P9", facts(people=PEOPLE, deals=desks(1, 1, 1, 10)))) == [5, 6, 7, 8, 9, 10, 11, 12]
    deals = desks(1, 1, 1, 10)
    deals.team[-10:] = 2
    assert found("P9", facts(people=PEOPLE, deals=deals)) == {}


owned_deals = st.fixed_dictionaries(
    {
        "owner": st.integers(-1, 3),
        "team": st.integers(0, 1),
        "state": st.sampled_from([OPEN, OPEN, OPEN, WON]),
        "created": st.sampled_from([NAN, 1, 2, 3, 4]),
    }
)
owner_rows = st.fixed_dictionaries(
    {"deal": st.integers(-1, 5), "day": st.integers(int(TODAY) - 95, int(TODAY) + 2), "owner": st.integers(-1, 2)}
)


def _too_many(deals: list[dict[str, Any]], number: int, least: int) -> bool:
    deal = deals[number]
    desk: dict[int, list[int]] = {}
    for other, row in enumerate(deals):
        if row["state"] == OPEN and row["owner"] >= 0 and row["team"] == deal["team"]:
            desk.setdefault(row["owner"], []).append(other)
    if deal["state"] != OPEN or deal["owner"] < 0:
        return False
    own = desk[deal["owner"]]
    limit = 2 * median(len(rows) for rows in desk.values())
    own.sort(key=lambda row: (-1 if isnan(deals[row]["created"]) else deals[row]["created"], row))
    return len(own) >= least and len(own) > limit and own.index(number) >= int(limit)


@settings(deadline=None, max_examples=300)
@given(
    active=listed(st.sampled_from([True, True, False]), 4),
    deals=st.lists(owned_deals, min_size=6, max_size=24),
    rows=st.lists(owner_rows, max_size=14),
)
def test_unstable_owners_are_what_reading_deal_by_deal_finds(active: Any, deals: Any, rows: Any) -> None:
    rows.sort(key=lambda row: row["day"])
    expected = {}
    for number, deal in enumerate(deals):
        deal["ids"] = number
        own = [r for r in rows if r["deal"] == number and r["owner"] >= 0 and r["day"] <= TODAY]
        changes = sum(
            before["owner"] != after["owner"] and TODAY - after["day"] < 90 for before, after in pairwise(own)
        )
        many = _too_many(deals, number, least=3)
        gone = deal["owner"] >= 0 and not active[deal["owner"]]
        if deal["state"] == OPEN and (changes >= 2 or many or gone):
            expected[number] = (changes, many, gone)
    given = facts(people=People.of(4, active=active), deals=table(Deals, deals), snapshots=table(Snapshots, rows))
    got = found("P9", given, least_deals=3)
    assert {key: (row["changes"], row["overload"], row["inactive"]) for key, row in got.items()} == expected


# P10


def team_of(*rows: dict[str, Any], **columns: Any) -> Facts:
    """Deals of team 3, each worth 1 000 at 50 %."""
    whole = {"team": 3, "amount": 1000, "probability": 0.5, "filled": 1.0, "changed": TODAY, "state": OPEN, **columns}
    return facts(deals=table(Deals, [{**whole, **row} for row in rows]))


def test_under_four_fifths_of_the_fields_is_too_little() -> None:
    assert found("P10", team_of(*[{"filled": share} for share in (1, 1, 1, 1, 0)])) == {}
    fired = found("P10", team_of(*[{"filled": share} for share in (1, 1, 1, 0.95, 0)]))
    assert fired == {
        3: {
            "ratio": pytest.approx(0.8 / 0.79),
            "money": 250,
            "likelihood": 3,
            "filled": pytest.approx(0.79),
            "stale": 0,
            "deals": 5,
        }
    }
    assert found("P10", team_of(*[{"filled": 0}] * 5))[3]["likelihood"] == 5


def test_over_a_quarter_without_change_for_sixty_days_is_too_much() -> None:
    old, young = {"changed": TODAY - 60}, {"changed": TODAY - 59}
    assert found("P10", team_of(*[old] * 2, *[young] * 6)) == {}
    fired = found("P10", team_of(*[old] * 3, *[young] * 5))[3]
    assert (fired["stale"], fired["ratio"], fired["likelihood"]) == (0.375, 1.5, 4)


@pytest.mark.parametrize("other", [{"filled": NAN, "changed": NAN}, {"state": WON}, {"state": LOST}])
def test_shares_are_of_open_deals_of_which_they_are_known(other: dict[str, Any]) -> None:
    bad = {"filled": 0, "changed": TODAY - 99}
    assert found("P10", team_of(*[{**bad, **other}] * 9)) == {}
    assert found("P10", team_of(*[bad] * 4, *[{**bad, **other}] * 9)) == {}
    assert found("P10", team_of(*[bad] * 5, *[{**bad, **other}] * 9))[3]["filled"] == 0


def test_each_team_is_judged_by_itself_and_without_amounts_the_impact_is_the_rules_own() -> None:
    rows = [{"team": team, "filled": filled, "amount": NAN} for team, filled in ((0, 0.5), (3, 0.9), (4, 0.1))]
    fired = found("P10", team_of(*rows * 5))
    assert list(fired) == [0, 4]
    assert np.isnan(fired[4]["money"])
