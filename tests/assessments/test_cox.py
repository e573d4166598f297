"""Cox's requirements on small grids whose findings can be read off."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assessments import cox
from assessments.cox import Finding, Grid

# Every level is worth ten times the one before, so the size of a risk is the sum of its two levels.
LIKELIHOOD = [(0.0001, 0.001), (0.001, 0.01), (0.01, 0.1), (0.1, 0.9)]
MONEY = [(1.0, 10.0), (10.0, 100.0), (100.0, 1_000.0), (1_000.0, 10_000.0)]


def grid(*lines: str) -> Grid:
    """A grid written as people look at it: the likeliest row first, a digit a cell."""
    bands = [[int(band) for band in line] for line in reversed(lines)]
    return Grid(bands, LIKELIHOOD[: len(lines)], MONEY[: len(lines[0])])


def test_a_sound_matrix_breaks_nothing() -> None:
    assert cox.judge(grid("2233", "1223", "1122", "1112")) == []


@pytest.mark.parametrize(
    ("requirement", "matrix", "finding"),
    [
        # The worst cell of all fell from 3 to 1, below both its neighbours.
        (cox.milder, grid("2231", "1223", "1122", "1112"), Finding("milder", (4, 4), (3, 4), 1)),
        (cox.milder, grid("123", "111", "212"), Finding("milder", (2, 1), (1, 1), 3)),
        # 0.01 x 1 is the least of the red; 0.001 x 100 and 0.01 x 10 are the greatest of the green.
        (cox.outweighed, grid("333", "123", "112"), Finding("outweighed", (3, 1), (1, 2), 1, 0.01, 0.1)),
        (cox.step, grid("333", "123", "112"), Finding("step", (2, 3), (1, 2), 3)),
        (cox.edge, grid("333", "322", "122"), Finding("edge", (2, 1), (2, 1), 2)),
        # Level 2 x 1 stands above 1 x 4, whose risk is a hundred times as great; 2 x 2 and 3 x 1 do so by ten.
        (cox.colouring, grid("2333", "2233", "2223", "1111"), Finding("colouring", (2, 1), (1, 4), 3, 0.01, 1.0)),
    ],
)
def test_names_the_worst_cell_and_counts(
    requirement: Callable[[Grid], Finding | None], matrix: Grid, finding: Finding
) -> None:
    found = requirement(matrix)
    assert found is not None
    assert (found.code, found.cell, found.other, found.count) == (
        finding.code,
        finding.cell,
        finding.other,
        finding.count,
    )
    assert (found.risk, found.other_risk) == pytest.approx((finding.risk, finding.other_risk))
    assert found in cox.judge(matrix)


def test_cells_that_touch_at_a_corner_are_told_apart_by_their_corners() -> None:
    matrix = grid("333", "233", "123")
    assert cox.outweighed(matrix) is None
    assert cox.step(matrix) == Finding("step", (2, 2), (1, 1), 1)


def test_centres_would_have_passed_what_corners_refuse() -> None:
    matrix = grid("233", "113", "112")
    assert min(matrix.centre[cell] for cell in matrix.of_band(3)) > max(
        matrix.centre[cell] for cell in matrix.of_band(1)
    )
    assert cox.outweighed(matrix) == Finding("outweighed", (2, 3), (2, 2), 2, pytest.approx(0.1), pytest.approx(1.0))


def test_what_is_less_than_twice_as_great_is_no_inversion() -> None:
    narrow = [(1.0, 1.5), (1.5, 2.25), (2.25, 3.375)]
    assert cox.colouring(Grid([[1, 1, 1], [1, 1, 1], [3, 2, 3]], narrow, narrow)) is None
    assert cox.colouring(Grid([[1, 1, 1], [1, 1, 1], [3, 2, 1]], narrow, narrow)) == Finding(
        "colouring", (3, 1), (3, 3), 1, pytest.approx(3.375), pytest.approx(7.59375)
    )


def test_with_two_bands_only_the_order_is_judged() -> None:
    assert cox.judge(grid("222", "122", "112")) == []
    assert [finding.code for finding in cox.judge(grid("221", "122", "112"))] == ["milder"]


@given(st.lists(st.floats(1e-5, 1e4), min_size=1, max_size=5))
def test_bands_by_expected_loss_are_consistent(thresholds: list[float]) -> None:
    plain = grid("1111", "1111", "1111", "1111")
    bands = [
        [1 + sum(threshold <= plain.centre[row, column] for threshold in thresholds) for column in range(1, 5)]
        for row in range(1, 5)
    ]
    by_loss = Grid(bands, LIKELIHOOD, MONEY)
    assert cox.milder(by_loss) is None
    assert cox.colouring(by_loss) is None
