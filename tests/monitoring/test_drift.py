"""The drift detector against a literal, slow transcription of docs/decisions.md B4, and against what it promises."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring import drift
from monitoring.drift import Drift, detect, detect_many

RARE = drift.threshold(365)

# Eighths over a modest range: coarse enough for ties and for constant stretches, exact under shift and doubling.
levels = st.integers(-160, 160).map(lambda eighths: eighths / 8)
histories = st.one_of(
    st.lists(levels, min_size=8, max_size=60),
    st.lists(st.integers(1, 5).map(float), min_size=8, max_size=60),
)


def first_largest(values: list[float]) -> int:
    return next(place for place, value in enumerate(values) if value >= max(values) * (1 - 1e-9))


def slow_strength(x: list[float], phi_prior: float, weight: float) -> tuple[float, int, int] | None:
    """B4, step by step: z, split and direction. The floor under the noise and the rule for ties are the module's."""
    m = len(x)
    c = statistics.median(x)
    s = max(1.4826 * statistics.median([abs(value - c) for value in x]), statistics.pstdev(x) / 2)
    if s == 0:
        return None
    y = [min(max(value - c, -3 * s), 3 * s) for value in x]
    mean = sum(y) / m
    floor = 1e-9 * sum((value - mean) ** 2 for value in y)
    splits = list(range(2, m - 1))

    def two_means(j: int) -> tuple[float, float]:
        return sum(y[:j]) / j, sum(y[j:]) / (m - j)

    def residuals(j: int) -> list[float]:
        before, after = two_means(j)
        return [value - before for value in y[:j]] + [value - after for value in y[j:]]

    gains = []
    for j in splits:
        before, after = two_means(j)
        gains.append((before - after) ** 2 * j * (m - j) / m)
    e = residuals(splits[first_largest(gains)])
    r1 = sum(e[i] * e[i + 1] for i in range(m - 1)) / max(sum(value**2 for value in e), floor)
    r1 = r1 + (2 + 4 * r1) / m
    phi = min(max((m * r1 + weight * phi_prior) / (m + weight), 0), 0.9)

    def f(q: int) -> float:
        return (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**q) / (q * (1 - phi) ** 2)

    zs = []
    for j in splits:
        before, after = two_means(j)
        v = max(sum(value**2 for value in residuals(j)), floor) / (m - f(j) - f(m - j))
        t = abs(before - after) / math.sqrt(v * (f(j) / j + f(m - j) / (m - j)))
        df = max(2, m * (1 - phi) / (1 + phi) - 2)
        zs.append((8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log(1 + t**2 / df)))
    best = splits[first_largest(zs)]
    before, after = two_means(best)
    return zs[best - 2], best, 1 if after >= before else -1


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def strongest(series: object, **kwargs: float) -> Drift:
    found = detect(series, **kwargs)
    assert found is not None
    return found


@settings(max_examples=150, deadline=None)
@given(histories, st.sampled_from([(0.3, 20.0), (0.0, 0.0), (0.7, 60.0)]))
def test_agrees_with_the_formulas_written_out(history, prior):
    found, expected = detect(history, *prior), slow_strength(history, *prior)
    if expected is None:
        assert found is None
        return
    # Near-perfect steps divide by almost nothing: there the two sums of squares agree to fewer digits.
    assert found.strength == pytest.approx(expected[0], rel=1e-7, abs=1e-7)
    assert found.split == expected[1]
    if found.strength > 1e-6:
        assert found.direction == expected[2]


def test_agrees_with_the_formulas_on_ordinary_noise_to_rounding():
    for seed, points in enumerate((8, 9, 20, 57, 120, 200)):
        history = noise(seed, points).tolist()
        found = strongest(history)
        strength, split, direction = slow_strength(history, 0.3, 20)
        assert found.strength == pytest.approx(strength, rel=1e-11)
        assert (found.split, found.direction) == (split, direction)


def test_many_series_of_any_length_give_what_each_gives_alone():
    lengths = np.random.default_rng(3).integers(0, 260, size=700)
    series = [noise(place, length) for place, length in enumerate(lengths)]
    series += [np.round(one) for one in series] + [np.full(30, 4.2)] + [noise(place, 50) for place in range(600)]
    together, alone = detect_many(series), [detect(one) for one in series]
    assert [one is None for one in together] == [one is None for one in alone]
    for many, single in zip(together, alone, strict=True):
        if many is not None:
            assert many.split == single.split
            assert (many.strength, many.before, many.after) == pytest.approx(
                (single.strength, single.before, single.after), abs=1e-9
            )


def test_no_series_at_all_is_no_answer():
    assert detect_many([]) == []


@pytest.mark.parametrize("points", [8, 50, 500])
def test_a_constant_series_has_no_change(points):
    assert detect([0.1] * points) is None


def test_seven_points_are_too_few_and_eight_are_enough():
    assert detect([1, 1, 1, 1, 5, 5, 5]) is None
    assert detect([1, 1, 1, 1, 5, 5, 5, 5]) is not None


@pytest.mark.parametrize("height", [6.0, -6.0])
def test_a_step_is_found_where_it_happened(height):
    history = noise(5, 60)
    history[41:] += height
    found = strongest(history)
    assert found.split == 41
    assert found.direction == math.copysign(1, height)
    assert found.strength > RARE
    assert found.before == np.median(history[:41])
    assert found.after == np.median(history[41:])


def test_a_perfect_step_has_a_finite_strength():
    found = strongest([8.0] * 10 + [12.0] * 5)
    assert RARE < found.strength < 100
    assert (found.split, found.before, found.after) == (10, 8.0, 12.0)


def test_only_the_last_points_count_and_the_split_is_into_the_series_given():
    recent = noise(6, drift.MAX_POINTS)
    recent[150:] += 4
    alone, long = strongest(recent), strongest(np.concatenate([noise(7, 77) * 50, recent]))
    assert long == Drift(alone.strength, alone.split + 77, alone.before, alone.after)


def test_levels_never_contradict_the_direction_when_medians_stay_put():
    found = strongest([8.0, 8, 8, 8, 8, 8, 8, 8, 8, 12, 8, 12, 8, 8, 12])
    assert found.split == 9
    assert found.after > found.before
    assert found.direction == 1


@settings(max_examples=100, deadline=None)
@given(histories, st.integers(-800, 800), st.sampled_from([0.01, 0.5, 3.0, 1000.0]))
def test_shift_and_positive_scale_change_nothing_but_the_levels(history, shift, scale):
    plain, moved = detect(history), detect([(value + shift) * scale for value in history])
    assert (plain is None) == (moved is None)
    if plain is not None:
        assert moved.strength == pytest.approx(plain.strength, rel=1e-6, abs=1e-6)
        assert moved.split == plain.split
        assert moved.before == pytest.approx((plain.before + shift) * scale, rel=1e-6, abs=1e-6)
        assert moved.after == pytest.approx((plain.after + shift) * scale, rel=1e-6, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(histories)
def test_turning_the_series_upside_down_turns_the_direction(history):
    up, down = detect(history), detect([-value for value in history])
    if up is not None and up.strength > 1e-6:
        assert down.strength == pytest.approx(up.strength, rel=1e-9)
        assert (down.split, down.direction) == (up.split, -up.direction)


def test_one_wild_value_is_no_drift_but_a_step_is():
    quiet = [noise(seed, 40) for seed in range(200)]
    quiet = [one for one in quiet if strongest(one).strength < 2]
    wild, stepped = np.array(quiet), np.array(quiet)
    wild[:, 33] += 30
    stepped[:, 33:] += 5
    assert len(quiet) > 50
    assert all(found.strength < RARE for found in detect_many(list(wild)))
    assert all(found.strength >= RARE for found in detect_many(list(stepped)))


def test_quiet_noise_is_flagged_about_as_often_as_promised():
    flags = evaluations = 0
    series = list(noise(8, 100, 200))
    starts = [0] * len(series)
    for now in range(20, 201):
        found = detect_many([one[start:now] for one, start in zip(series, starts, strict=True)])
        for place, change in enumerate(found):
            evaluations += change is not None
            if change is not None and change.strength >= RARE:
                flags += 1
                starts[place] += change.split
    # About 18 000 evaluations at one in 365: 50 expected.
    assert 25 < flags < 90
    assert 17_000 < evaluations <= 100 * 181


def test_sticky_noise_is_forgiven_more_when_the_prior_says_so():
    history = noise(9, 20)
    history[12:] += 2
    assert strongest(history, phi_prior=0.7, prior_weight=60).strength < strongest(history, phi_prior=0).strength


@pytest.mark.parametrize(("count", "height"), drift.THRESHOLDS)
def test_threshold_is_the_table_at_its_nodes(count, height):
    assert drift.threshold(count) == pytest.approx(height, abs=1e-12)


def test_threshold_never_falls_and_stays_at_the_ends_of_the_table():
    heights = [drift.threshold(count) for count in np.geomspace(1, 1e6, 400)]
    assert heights == sorted(heights)
    assert heights[0] == 2.49
    assert heights[-1] == 4.33


def test_threshold_goes_with_the_logarithm_between_nodes():
    assert drift.threshold(math.sqrt(365 * 730)) == pytest.approx(3.30)


@pytest.mark.parametrize("count", [0, -1, math.inf, math.nan])
def test_threshold_refuses_what_is_no_count(count):
    with pytest.raises(ValueError, match="positive and finite"):
        drift.threshold(count)


def test_budget_of_the_register_becomes_evaluations_per_flag():
    assert drift.evaluations_per_false_flag(1000, 7, 2) == 3500
    assert drift.threshold(3500) == pytest.approx(3.85, abs=0.01)
    assert drift.evaluations_per_false_flag(3, 1, 2) == 52
    assert drift.evaluations_per_false_flag(0, 7, 2) == 52


@pytest.mark.parametrize(
    "arguments", [(1, 1, 0), (1, 1, -2), (1, 1, math.nan), (1, math.inf, 1), (1, -1, 1), (-1, 1, 1)]
)
def test_budget_refuses_impossible_wishes(arguments):
    with pytest.raises(ValueError, match="must be"):
        drift.evaluations_per_false_flag(*arguments)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf, 1e200])
@pytest.mark.parametrize("points", [3, 20, 300])
def test_values_that_are_no_numbers_are_refused(bad, points):
    history = [1.0, 2.0, *[3.0] * (points - 2)]
    history[0] = bad
    with pytest.raises(ValueError, match="finite numbers"):
        detect(history)
    with pytest.raises(ValueError, match="finite numbers"):
        drift.register_autocorrelation([history])


def test_tables_are_not_series():
    with pytest.raises(ValueError, match="one-dimensional"):
        detect([[1.0] * 10] * 10)


@pytest.mark.parametrize("prior", [(-0.1, 20), (0.95, 20), (math.nan, 20), (0.3, -1), (0.3, math.inf), (0.3, math.nan)])
def test_impossible_priors_are_refused(prior):
    with pytest.raises(ValueError, match="prior"):
        detect([1.0, 2.0] * 10, *prior)


def autoregressive(seed: int, rows: int, points: int, phi: float) -> list[np.ndarray]:
    drawn = noise(seed, rows, points)
    for now in range(1, points):
        drawn[:, now] = phi * drawn[:, now - 1] + math.sqrt(1 - phi**2) * drawn[:, now]
    return list(drawn)


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_register_autocorrelation_is_learnt_from_many_series(phi):
    found = drift.register_autocorrelation(autoregressive(10, 400, 60, phi))
    # The best split takes some of the stickiness for a change, so strong autocorrelation is estimated a little low.
    assert found == pytest.approx(phi, abs=0.1)


def test_register_autocorrelation_is_the_median_of_single_estimates_within_bounds():
    alternating = [np.array([1.0, -1.0] * 20) + 0.01 * one for one in noise(12, 25, 40)]
    assert drift.register_autocorrelation(alternating) == 0


def test_register_autocorrelation_needs_twenty_long_series_that_vary():
    enough = autoregressive(11, 20, 30, 0.3)
    assert drift.register_autocorrelation(enough) is not None
    assert drift.register_autocorrelation([*enough[:19], enough[19][:29]]) is None
    assert drift.register_autocorrelation([*enough[:19], np.ones(30)]) is None
    assert drift.register_autocorrelation([]) is None
