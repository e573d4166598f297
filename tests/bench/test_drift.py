"""How the bench counts false flags and delays."""

import numpy as np
import pytest

from bench import drift as bench
from bench.naive_rules import away_from_previous, away_from_reviewed, beyond_reviewed_band, sds_of_the_window

EVALUATIONS = bench.POINTS - bench.FIRST + 1


def quiet(rows: int) -> np.ndarray:
    return np.zeros((rows, bench.POINTS))


def test_a_series_counts_up_to_its_first_flag():
    statistic = quiet(2)
    statistic[0, bench.FIRST - 1 + 9] = 5  # its tenth evaluation; what comes later no longer counts
    statistic[0, -1] = 9
    assert bench.false_flags(statistic, 5) == pytest.approx(365 / (10 + EVALUATIONS))
    assert bench.false_flags(statistic, 5.1) == pytest.approx(365 / (2 * EVALUATIONS))
    assert bench.false_flags(statistic, 10) == 0


def test_the_limit_of_a_rule_is_where_false_flags_are_as_promised():
    statistics = np.random.default_rng(1).normal(size=(400, bench.POINTS))
    limit = bench.limit_for([statistics])
    assert bench.false_flags(statistics, limit) <= 1 < bench.false_flags(statistics, limit - 1e-9)
    assert bench.limit_for([statistics, quiet(400)]) < limit


def test_delay_counts_from_the_first_changed_point_and_leaves_out_who_was_flagged_before():
    statistic = quiet(4)
    statistic[0, bench.CHANGE_AT] = 5
    statistic[1, bench.CHANGE_AT + 6] = 5
    statistic[2, bench.CHANGE_AT - 1] = 5
    assert bench.delays(statistic, 5).tolist() == [1, 7, 150]


def test_after_a_flag_the_history_restarts_under_the_other_limit():
    """Series that step at 30, 60, 90, ...: each step is a flag, under whichever limit it comes."""
    values = np.random.default_rng(3).normal(size=(2, bench.POINTS)) + 20 * (np.arange(bench.POINTS) // 30 % 2)
    both = bench.Limits(usual=4, restarted=4)
    assert bench.flags_with_restarts(values, [bench.BY_ITSELF], both) == (2, 10, 2 * EVALUATIONS)
    once = bench.Limits(usual=4, restarted=1e6)
    assert bench.flags_with_restarts(values, [bench.BY_ITSELF], once) == (2, 0, 2 * EVALUATIONS)
    never = bench.Limits(usual=1e6, restarted=0)
    assert bench.flags_with_restarts(values, [bench.BY_ITSELF], never) == (0, 0, 2 * EVALUATIONS)


def test_changes_begin_with_the_fifty_first_point():
    assert bench.change("step of 2 sd")[49:52].tolist() == [0, 2, 2]
    assert bench.change("ramp of .1 sd")[49:53] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_naive_rules_compare_with_what_they_say():
    values = np.array([[8.0, 9.0, 6.0, 12.0, 4.0]])
    assert away_from_reviewed(values, first=3)[0].tolist() == [1, 0, 3, 3, 5]
    assert away_from_previous(values, first=3)[0].tolist() == [0, 1, 3, 6, 8]
    # Reviewed at 9, in the band from 5 to below 10.
    assert beyond_reviewed_band(values, first=3)[0].tolist() == [0, 0, 0, 2, 1]
    assert sds_of_the_window(values, first=3)[0, 2:4] == pytest.approx([2.5 / np.sqrt(0.5), (12 - 23 / 3) / 1.5275252])


@pytest.mark.parametrize("kind", bench.KINDS)
def test_every_kind_of_noise_has_the_shape_and_range_it_says(kind):
    values = bench.scores(np.random.default_rng(2), kind, 50)
    assert values.shape == (50, bench.POINTS)
    if kind == bench.STICKY:
        assert set(np.unique(values)) <= {a * b for a in range(1, 6) for b in range(1, 6)}
    assert (np.round(values) == values).all() == (kind in (bench.STICKY, "rounded"))
