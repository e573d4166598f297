"""What would change, counted from columns: against counting one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring import what_if
from monitoring.what_if import Columns, Moves, Reviews, Scores, TopChange

NAN, NAT = float("nan"), "NaT"
TODAY = np.datetime64("2026-03-02")


def scores_of(
    score: list[float], exposure: list[float] | None = None, band: list[int] | None = None, due: list[str] | None = None
) -> Scores:
    n = len(score)
    return Scores(
        score=np.array(score, dtype=float),
        exposure=np.array(score if exposure is None else exposure, dtype=float),
        band=np.array([0 if value != value else 1 for value in score] if band is None else band, dtype=np.int64),  # noqa: PLR0124
        due=np.array([NAT] * n if due is None else due, dtype="datetime64[D]"),
    )


def columns(before: Scores, after: Scores, *, category: list[int] | None = None) -> Columns:
    n = len(before.score)
    return Columns(
        risk_ids=np.arange(101, 101 + n),
        category=np.ones(n, dtype=np.int64) if category is None else np.array(category),
        team=np.ones(n, dtype=np.int64),
        owner=np.zeros(n, dtype=np.int64),
        confidential=np.zeros(n, dtype=bool),
        before=before,
        after=after,
    )


def by_bands(before: list[int], after: list[int], **more: Any) -> Columns:
    def made(band: list[int]) -> Scores:
        return scores_of([NAN if b == 0 else float(b) for b in band], band=band)

    return columns(made(before), made(after), **more)


def pairs(most_before: int, most_after: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    return st.lists(st.tuples(st.integers(0, most_before), st.integers(0, most_after)), max_size=40)


# --- ranking -----------------------------------------------------------------------------------------------


def test_the_greatest_score_is_first_then_the_greatest_exposure_then_the_oldest() -> None:
    ranked = scores_of([50, 70, 50, 50, 70, NAN, 0], [1.0, 2.0, 3.0, 1.0, 2.0, NAN, 0.0]).ranking()
    assert ranked.tolist() == [1, 4, 2, 0, 3, 6]


def test_unassessed_risks_are_in_no_ranking() -> None:
    assert scores_of([NAN, NAN]).ranking().tolist() == []
    assert scores_of([]).ranking().tolist() == []
    assert scores_of([NAN, 0.0, NAN]).ranking().tolist() == [1]


@given(
    st.lists(st.tuples(st.sampled_from([0.0, 12.5, 50.0, 100.0, NAN]), st.sampled_from([0.0, 1.0, 2e6])), max_size=50)
)
def test_the_ranking_is_that_of_sorting_by_hand(rows: list[tuple[float, float]]) -> None:
    score, exposure = [s for s, _ in rows], [NAN if np.isnan(s) else e for s, e in rows]
    assessed = [row for row, value in enumerate(score) if not np.isnan(value)]
    expected = sorted(assessed, key=lambda row: (-score[row], -exposure[row], row))
    assert scores_of(score, exposure).ranking().tolist() == expected


# --- bands -------------------------------------------------------------------------------------------------


def test_transitions_count_from_the_row_to_the_column() -> None:
    found = what_if.transitions(by_bands([0, 1, 1, 2, 2, 2], [0, 1, 3, 2, 3, 0]), before=2, after=3)
    assert found.tolist() == [[1, 0, 0, 0], [0, 1, 0, 1], [1, 0, 1, 1]]


def test_transitions_of_no_risks_are_zeros() -> None:
    assert what_if.transitions(by_bands([], []), before=4, after=2).tolist() == [[0, 0, 0]] * 5


@given(st.integers(2, 8), st.integers(2, 8), st.data())
def test_transitions_are_counted_one_by_one(before: int, after: int, data: st.DataObject) -> None:
    rows = data.draw(pairs(before, after))
    found = what_if.transitions(by_bands([b for b, _ in rows], [a for _, a in rows]), before=before, after=after)
    assert found.shape == (before + 1, after + 1)
    assert found.sum() == len(rows)
    for row in range(before + 1):
        for column in range(after + 1):
            assert found[row, column] == rows.count((row, column))


def test_as_many_bands_are_the_same_by_place_whatever_their_names() -> None:
    assert what_if.same_bands(["Low", "High"], ["High", "Grave"]).tolist() == np.eye(3).astype(bool).tolist()


def test_other_numbers_of_bands_are_the_same_by_name() -> None:
    found = what_if.same_bands(["Low", "Moderate", "High"], ["Low", "High"])
    assert found.tolist() == [
        [True, False, False],  # not assessed
        [False, True, False],
        [False, False, False],
        [False, False, True],
    ]


def test_a_band_without_a_name_is_not_the_unassessed_one() -> None:
    found = what_if.same_bands(["", "High"], ["", "Low", "High"])
    assert found[0].tolist() == [True, False, False, False]
    assert found[:, 0].tolist() == [True, False, False]


def test_moves_are_tougher_or_milder_where_bands_compare() -> None:
    found = by_bands([1, 2, 3, 0, 2, 3], [2, 2, 1, 1, 0, 3])
    same = what_if.same_bands(["a", "b", "c"], ["a", "b", "c"])
    every = np.arange(6)
    # Assessed before and not after, or the other way round, is a change and neither.
    assert what_if.moves(found, every, same) == Moves(risks=6, changed=4, tougher=1, milder=1)
    assert what_if.moves(found, np.array([0, 1]), same) == Moves(risks=2, changed=1, tougher=1, milder=0)
    assert what_if.moves(found, every > 5, same) == Moves(risks=0, changed=0, tougher=0, milder=0)


def test_other_numbers_of_bands_are_neither_tougher_nor_milder() -> None:
    found = by_bands([1, 2, 3], [1, 1, 2])
    same = what_if.same_bands(["Low", "Moderate", "High"], ["Low", "High"])
    assert what_if.moves(found, np.arange(3), same) == Moves(risks=3, changed=1, tougher=0, milder=0)


@given(st.integers(2, 5), st.integers(2, 5), st.data())
def test_moves_by_group_add_up_to_the_moves_of_all(before: int, after: int, data: st.DataObject) -> None:
    rows = data.draw(pairs(before, after))
    group = data.draw(st.lists(st.sampled_from([3, 7, 11]), min_size=len(rows), max_size=len(rows)))
    found = by_bands([b for b, _ in rows], [a for _, a in rows], category=group)
    same = what_if.same_bands([f"b{n}" for n in range(before)], [f"b{n}" for n in range(after)])
    by_group = what_if.moves_by(found, found.category, same)
    assert set(by_group) == set(group)
    total = what_if.moves(found, np.arange(len(rows)), same)
    for name in ("risks", "changed", "tougher", "milder"):
        assert sum(getattr(moves, name) for moves in by_group.values()) == getattr(total, name)
    assert total.changed == sum(b != a for b, a in rows)
    if before == after:
        assert total.tougher == sum(0 < b < a for b, a in rows)
        assert total.milder == sum(b > a > 0 for b, a in rows)
    for key, moves in by_group.items():
        assert moves.risks == group.count(key)


# --- reviews -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "counted"),
    [
        ("2026-04-01", "2026-03-20", (1, 0, 0)),
        ("2026-04-01", "2026-03-02", (1, 0, 1)),  # due by today counts as due
        ("2026-03-03", "2026-03-02", (1, 0, 1)),
        ("2026-03-02", "2026-02-01", (1, 0, 0)),  # was due already
        ("2026-03-02", "2026-03-03", (0, 1, 0)),
        ("2026-02-01", "2026-03-02", (0, 1, 0)),
        ("2026-03-02", "2026-03-02", (0, 0, 0)),
        (NAT, "2026-03-02", (0, 0, 1)),
        (NAT, "2026-03-03", (0, 0, 0)),
        ("2026-03-01", NAT, (0, 0, 0)),
        (NAT, NAT, (0, 0, 0)),
    ],
)
def test_reviews_come_earlier_or_later_or_fall_due(before: str, after: str, counted: tuple[int, int, int]) -> None:
    found = columns(scores_of([1.0], due=[before]), scores_of([1.0], due=[after]))
    assert what_if.reviews(found, today=TODAY) == Reviews(*counted)


# --- the first places --------------------------------------------------------------------------------------


def test_who_enters_and_who_leaves() -> None:
    change = TopChange([4, 2, 9], [9, 7, 4])
    assert (change.enters, change.leaves, change.changed) == ([7], [2], True)
    assert TopChange([4, 2], [2, 4]) == TopChange([4, 2], [2, 4])
    swapped = TopChange([4, 2], [2, 4])
    assert (swapped.enters, swapped.leaves, swapped.changed) == ([], [], True)
    assert not TopChange([4, 2], [4, 2]).changed
    assert (TopChange([], [1]).enters, TopChange([1], []).leaves) == ([1], [1])


def test_fewer_than_asked_for_are_all_there_are() -> None:
    assert what_if.top(np.array([3, 1]), 10) == [3, 1]
    assert what_if.top(np.array([], dtype=np.int64), 10) == []
    assert what_if.top(np.array([3, 1]), 10, np.zeros(4, dtype=bool)) == []


@given(st.integers(0, 3000), st.integers(1, 50), st.floats(0, 1), st.integers(0, 2**32))
@settings(deadline=None)
def test_the_first_that_are_seen_however_far_down_they_are(size: int, number: int, share: float, seed: int) -> None:
    random = np.random.default_rng(seed)
    ranking, seen = random.permutation(size), random.random(size) < share**4
    assert what_if.top(ranking, number, seen) == [row for row in ranking.tolist() if seen[row]][:number]
    assert what_if.top(ranking, number) == ranking.tolist()[:number]
