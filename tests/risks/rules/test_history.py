from __future__ import annotations

import numpy as np

from risks.rules.facts import Deals, Snapshots
from risks.rules.history import first_seen, in_order, stage_seen_since, stays, steps
from tests.risks.rules.making import TODAY, facts

NAN = float("nan")
# Two deals whose snapshots lie between each other; one is of no deal, one of tomorrow, one says no stage.
SNAPSHOTS = Snapshots.of(
    8,
    deal=[1, 0, 1, -1, 0, 1, 1, 0],
    day=[1, 2, 3, 3, 4, 5, 6, TODAY + 1],
    stage=["A", "A", "B", "A", "B", "", "A", "C"],
)
GIVEN = facts(
    deals=Deals.of(3, created=[1, NAN, NAN], closed=[NAN, 9, NAN], stage=["B", "B", "A"]), snapshots=SNAPSHOTS
)


def test_snapshots_stand_in_order_of_their_deals() -> None:
    assert in_order(GIVEN).tolist() == [1, 4, 0, 2, 5, 6]
    assert in_order(facts(snapshots=SNAPSHOTS, today=4.0)).tolist() == [1, 4, 0, 2]


def test_a_step_is_between_snapshots_that_say_something() -> None:
    before, after = steps(GIVEN, SNAPSHOTS.stage != "")
    assert list(zip(before.tolist(), after.tolist(), strict=True)) == [(1, 4), (0, 2), (2, 6)]


def test_a_deal_is_observed_since_its_first_snapshot() -> None:
    np.testing.assert_equal(first_seen(GIVEN), [2, 1, NAN])


def test_a_stay_ends_with_the_next_and_begins_where_that_was_seen() -> None:
    been = stays(GIVEN)
    assert been.deal.tolist() == [0, 0, 1, 1, 1]
    assert been.stage.tolist() == ["A", "B", "A", "B", "A"]
    np.testing.assert_equal(been.seen, [2, 4, 1, 3, 6])
    np.testing.assert_equal(been.start, [1, 4, NAN, 3, 6])
    np.testing.assert_equal(been.end, [4, NAN, 3, 6, 9])


def test_a_stage_is_seen_since_the_last_change_to_it() -> None:
    np.testing.assert_equal(stage_seen_since(GIVEN, stays(GIVEN)), [4, NAN, NAN])
