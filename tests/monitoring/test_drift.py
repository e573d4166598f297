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


def slow_clipped(x: list[float]) -> tuple[list[float], float] | None:
    """B4, step 1: y, and the module's floor under its noise."""
    c = statistics.median(x)
    s = max(1.4826 * statistics.median([abs(value - c) for value in x]), statistics.pstdev(x) / 2)
    if s == 0:
        return None
    y = [min(max(value - c, -3 * s), 3 * s) for value in x]
    mean = sum(y) / len(y)
    return y, 1e-9 * sum((value - mean) ** 2 for value in y)


def two_means(y: list[float], j: int) -> tuple[float, float]:
    return sum(y[:j]) / j, sum(y[j:]) / (len(y) - j)


def residuals(y: list[float], j: int) -> list[float]:
    before, after = two_means(y, j)
    return [value - before for value in y[:j]] + [value - after for value in y[j:]]


def slow_autocorrelation(y: list[float], floor: float) -> tuple[float, float]:
    """B4, step 2: r1, corrected, and the points it is worth."""
    m = len(y)
    gains = []
    for j in range(2, m - 1):
        before, after = two_means(y, j)
        gains.append((before - after) ** 2 * j * (m - j) / m)
    e = residuals(y, 2 + first_largest(gains))
    within = sum(value**2 for value in e)
    r1 = sum(e[i] * e[i + 1] for i in range(m - 1)) / max(within, floor)
    worth = min(m, 3 * within**2 / sum(value**4 for value in e)) if within > floor else 0
    return r1 + (2 + 4 * r1) / m, worth


def slow_strength(x: list[float], phi_prior: float, weight: float) -> tuple[float, int, int] | None:
    """B4, step by step: z, split and direction. The floor under the noise and the rule for ties are the module's."""
    m = len(x)
    clipped = slow_clipped(x)
    if clipped is None:
        return None
    y, floor = clipped
    splits = list(range(2, m - 1))
    r1, worth = slow_autocorrelation(y, floor)
    phi = min(max((worth * r1 + weight * phi_prior) / (worth + weight), 0), 0.9) if worth + weight else 0

    def f(q: int) -> float:
        return (1 + phi) / (1 - phi) - 2 * phi * (1 - phi**q) / (q * (1 - phi) ** 2)

    zs = []
    for j in splits:
        before, after = two_means(y, j)
        v = max(sum(value**2 for value in residuals(y, j)), floor) / (m - f(j) - f(m - j))
        t = abs(before - after) / math.sqrt(v * (f(j) / j + f(m - j) / (m - j)))
        df = max(2, m * (1 - phi) / (1 + phi) - 2)
        zs.append((8 * df + 1) / (8 * df + 3) * math.sqrt(df * math.log(1 + t**2 / df)))
    best = splits[first_largest(zs)]
    before, after = two_means(y, best)
    return zs[best - 2], best, 1 if after >= before else -1


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape)


def strongest(series: object, **kwargs: float) -> Drift:
    found = detect(series, **kwargs)
    assert found is not None
    return found


@settings(max_examples=150, deadline=None)
@given(histories, st.sampled_from([(0.6, 8.0), (0.0, 0.0), (0.7, 60.0)]))
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


# Series as they come: any level, any spread, sticky or not, sometimes with a step.
@st.composite
def noises(draw: st.DrawFn, most: int = 200) -> np.ndarray:
    points = draw(st.integers(8, most))
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    drawn = random.standard_t(draw(st.sampled_from([3, 30])), size=points)
    phi = draw(st.sampled_from([0.0, 0.6]))
    for now in range(1, points):
        drawn[now] += phi * drawn[now - 1]
    drawn[draw(st.integers(0, points - 1)) :] += draw(st.sampled_from([0.0, 2.0]))
    return random.uniform(-20, 20) + random.uniform(0.1, 5) * drawn


BORROWED = st.tuples(st.floats(0, 0.9), st.floats(0, 200))


@settings(max_examples=50, deadline=None)
@given(noises(), st.one_of(st.just((drift.PHI_PRIOR, drift.PRIOR_WEIGHT)), BORROWED))
def test_agrees_with_the_formulas_on_ordinary_noise_to_rounding(history, prior):
    found = strongest(history, phi_prior=prior[0], prior_weight=prior[1])
    strength, split, direction = slow_strength(history.tolist(), *prior)
    assert found.strength == pytest.approx(strength, rel=1e-9, abs=1e-9)
    assert (found.split, found.direction) == (split, direction)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(noises(most=60), min_size=1, max_size=6),
    BORROWED,
    st.floats(-1e3, 1e3),
    st.floats(1e-2, 1e3),
)
def test_neighbours_shift_and_scale_change_nothing(histories, prior, shift, scale):
    first = histories[0]
    alone = detect(first, *prior)
    together = detect_many([*histories, *(history[:8] for history in histories), (first + shift) * scale], *prior)
    for found, unit, zero in ((together[0], 1.0, 0.0), (together[-1], scale, shift)):
        assert found.split == alone.split
        assert found.strength == pytest.approx(alone.strength, rel=1e-9)
        assert found.before / unit - zero == pytest.approx(alone.before, abs=1e-9)
        assert found.after / unit - zero == pytest.approx(alone.after, abs=1e-9)


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


def test_a_quiet_register_of_heavy_and_sticky_noise_keeps_its_promise_with_restarts():
    drawn = np.random.default_rng(8).standard_t(3, size=(140, 200))
    sticky = drawn[70:]
    for now in range(1, 200):
        sticky[:, now] = 0.5 * sticky[:, now - 1] + math.sqrt(0.75) * sticky[:, now]
    held, flags = drift.limits(365), 0
    starts = [0] * len(drawn)
    for now in range(20, 201):
        found = detect_many([one[start:now] for one, start in zip(drawn, starts, strict=True)])
        for place, change in enumerate(found):
            if change is not None and change.strength >= (held.restarted if starts[place] else held.usual):
                flags += 1
                starts[place] += change.split
    # 140 x 181 evaluations at one in 365: 69 promised. With h(365) for every history there are 153.
    assert 0.7 * 69 <= flags <= 1.6 * 69


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
    assert drift.evaluations_per_false_flag(3, 1, 2) == 1.5
    assert drift.evaluations_per_false_flag(0, 7, 2) == 1


def test_who_accepts_many_false_flags_gets_the_lowest_limit_of_the_table():
    assert drift.limits(1) == drift.Limits(usual=2.49, restarted=2.49)
    assert drift.limits(52).usual == 2.49
    assert drift.limits(100).usual == 2.75


def test_limits_are_those_of_rarer_noise_the_further_out_and_after_a_flag_nobody_confirmed():
    assert drift.limits(1000).usual == pytest.approx(drift.threshold(1000 * 10**0.4))
    assert drift.limits(200).restarted == pytest.approx(drift.threshold(8 * 200 * 2**0.4))
    for count in np.geomspace(7, 20_000, 50):
        held = drift.limits(count)
        assert drift.threshold(count) <= held.usual <= held.restarted


@pytest.mark.parametrize("count", [0, -1, math.inf, math.nan])
def test_limits_refuse_what_is_no_count(count):
    with pytest.raises(ValueError, match="positive and finite"):
        drift.limits(count)


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


def pooled(register: float) -> float:
    """20 points of what the register says, 8 of what is believed without it."""
    return (20 * register + 8 * 0.6) / 28


@pytest.mark.parametrize("phi", [0.0, 0.3, 0.6])
def test_register_autocorrelation_is_learnt_from_many_series(phi):
    found = drift.register_autocorrelation(autoregressive(10, 400, 60, phi))
    # The best split takes some of the stickiness for a change, so strong autocorrelation is estimated a little low.
    assert found == pytest.approx(pooled(phi), abs=0.08)


def test_register_autocorrelation_is_the_median_of_single_estimates():
    series = [row[: 40 + place] for place, row in enumerate(autoregressive(13, 25, 80, 0.4))]
    single = [slow_autocorrelation(*slow_clipped(row.tolist()))[0] for row in series]
    assert drift.register_autocorrelation(series) == pytest.approx(pooled(statistics.median(single)), abs=1e-12)


def test_register_autocorrelation_is_never_below_none():
    alternating = [np.array([1.0, -1.0] * 20) + 0.01 * one for one in noise(12, 25, 40)]
    assert drift.register_autocorrelation(alternating) == pytest.approx(pooled(0.0), abs=1e-12)


@pytest.mark.parametrize("points", [30, 200])
def test_a_register_of_two_kinds_of_noise_lends_no_autocorrelation(points):
    independent, sticky = autoregressive(14, 60, points, 0.0), autoregressive(15, 60, points, 0.6)
    assert drift.register_autocorrelation(independent) is not None
    assert drift.register_autocorrelation(sticky) is not None
    assert drift.register_autocorrelation([*independent, *sticky]) is None
    assert drift.register_autocorrelation([*independent, *sticky[:6]]) is None


def test_register_autocorrelation_needs_twenty_long_series_that_vary():
    enough = autoregressive(11, 20, 30, 0.0)
    assert drift.register_autocorrelation(enough) is not None
    assert drift.register_autocorrelation([*enough[:19], enough[19][:29]]) is None
    assert drift.register_autocorrelation([*enough[:19], np.ones(30)]) is None
    assert drift.register_autocorrelation([]) is None


DAYS = np.arange(56) % 7
RHYTHM = np.array([0.0, 4, 1, 5, 2, 9, -6])


def test_a_weekday_rhythm_is_taken_off_and_the_level_stays():
    values = 10 + RHYTHM[DAYS]
    assert drift.without_weekday_rhythm(values, DAYS).tolist() == [12.0] * 56


def test_what_is_usual_for_a_weekday_is_its_median():
    values = np.zeros(28)
    values[[0, 7]] = 8, 2  # Mondays: 8, 2, 0, 0
    assert drift.without_weekday_rhythm(values, DAYS[:28])[[0, 7, 14, 1]].tolist() == [7.0, 1.0, -1.0, 0.0]


def test_too_few_points_or_weeks_keep_their_rhythm():
    values = 10 + RHYTHM[DAYS]
    assert drift.without_weekday_rhythm(values[:27], DAYS[:27]).tolist() == values[:27].tolist()
    assert drift.without_weekday_rhythm(values[:0], DAYS[:0]).tolist() == []
    two_sundays = np.flatnonzero((DAYS != 6) | (np.arange(56) < 14))
    assert drift.without_weekday_rhythm(values[two_sundays], DAYS[two_sundays]).tolist() == values[two_sundays].tolist()
    three_sundays = np.flatnonzero((DAYS != 6) | (np.arange(56) < 21))
    assert len(set(drift.without_weekday_rhythm(values[three_sundays], DAYS[three_sundays]))) == 1


def test_a_series_of_working_days_has_a_rhythm_too():
    working = DAYS < 5
    assert set(drift.without_weekday_rhythm(10 + RHYTHM[DAYS[working]], DAYS[working])) == {12.0}


def test_the_rhythm_of_many_series_is_that_of_each():
    values = noise(16, 5, 56) + RHYTHM[DAYS]
    together = drift.without_weekday_rhythm(values, DAYS)
    assert together.tolist() == [drift.without_weekday_rhythm(row, DAYS).tolist() for row in values]


def test_a_step_under_a_rhythm_is_found_only_without_it():
    values = noise(17, 56) + 3 * RHYTHM[DAYS]
    values[40:] += 4
    assert strongest(values).strength < RARE
    found = strongest(drift.without_weekday_rhythm(values, DAYS))
    assert (found.strength > RARE, found.split, found.direction) == (True, 40, 1)
