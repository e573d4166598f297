"""The drift detector: its cost, its false flags on seven kinds of noise, how soon it sees a change, its restarts.

Every series has 200 evaluations around a level of 7 to 15 with noise of sd .5 to 2, both unknown to the detector; a
sticky ordinal one is the product of two levels 1..5, each judged anew with probability .3. A series is evaluated after
each new point from the 20th on. Changes begin with the 51st point.

How the register is modelled. *By itself*: each risk is judged with the prior of `detect_many`. *Borrowed*: a register
holds one kind of noise, and its autocorrelation was learnt from as many older series of that kind. A *mixed* register
holds all kinds in equal parts and lends nothing, so there the detector is the one by itself. The product borrows where
the register lends; so both have the limits. *Borrowed at any spread* is what the product does not do: about the median
of the mixed register, at a weight of 60 points.

To the first flag: once flagged, a series is no longer counted, as h(N) was calibrated. *Equal mixed false alarms*: the
limit of a rule is set so that its false flags, averaged over the seven kinds, are 1 per 365; *equal on normal noise*:
so that they are on that kind alone. The delay is that of series without a flag before the change, in evaluations, the
first changed point being 1; a miss counts as 150.

With restarts: the register as the product watches it, at `limits(N)`. Every flag is false there, and nobody confirms
one. The delay at 1 in N is what that costs, on series that never restart.

The naive rules (bench/naive_rules.py) are measured on the same series: as they are used in the field, and tuned to 1
false flag per 365 on normal noise.

--size: series of each kind. The cost is always measured on 10 000 series.
"""

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, figure
from bench.naive_rules import NAIVE
from monitoring.drift import (
    BORROWED_WEIGHT,
    PHI_PRIOR,
    PRIOR_WEIGHT,
    Limits,
    detect_many,
    limits,
    register_autocorrelation,
    threshold,
    without_weekday_rhythm,
)

SERIES = 1000
POINTS = 200
FIRST = 20
CHANGE_AT = 50
BUDGET = 365
STICKY = "sticky ordinal"
KINDS = ("normal", "Student t3", "2% outliers of +6 sd", "AR .3", "AR .5", "rounded", STICKY)
CHANGES = (("step of 1 sd", 18.0), ("step of 2 sd", 5.0), ("step of 3 sd", 3.0), ("ramp of .1 sd", 16.0))
BY_ITSELF = (PHI_PRIOR, PRIOR_WEIGHT)
AT_ANY_SPREAD = (0.1, 60.0)
PROMISES = (100, 365, 1000, 3500)
REGISTERS = 20
REGISTER_SERIES = 60
RHYTHM = 1.5

Floats = NDArray[np.float64]
Prior = tuple[float, float]
# What flags where it reaches a limit, shape (rows, POINTS), by the name of its series.
Statistics = Mapping[str, Floats]


def run(size: int | None) -> Iterator[Figure]:
    """CPU seconds, false flags against what was promised, evaluations from a change to the flag."""
    rows = size or SERIES
    random = np.random.default_rng(20_240_229)
    yield cost(random)
    quiet = {kind: scores(random, kind, rows) for kind in KINDS}
    lent = {kind: borrowed(scores(random, kind, rows)) for kind in KINDS}
    changed = {name: scores(random, "normal", rows, change(name)) for name, _ in CHANGES}
    detectors = {
        "by itself": dict.fromkeys(KINDS, BY_ITSELF),
        "borrowed": lent,
        "borrowed at any spread": dict.fromkeys(KINDS, AT_ANY_SPREAD),
    }
    for name, priors in detectors.items():
        of_quiet = {kind: strengths(values, priors[kind]) for kind, values in quiet.items()}
        of_changed = {what: strengths(values, priors["normal"]) for what, values in changed.items()}
        judged = priors is not detectors["borrowed at any spread"]
        yield from false_flag_figures(name, of_quiet, threshold(BUDGET), judged=judged)
        yield from delay_figures(name, of_quiet, of_changed, judged=judged)
        if name == "by itself":
            yield from price_figures(of_changed)
    for rule in NAIVE:
        of_quiet = {kind: rule.statistic(values, FIRST) for kind, values in quiet.items()}
        of_changed = {what: rule.statistic(values, FIRST) for what, values in changed.items()}
        tuned = limit_for([of_quiet["normal"]])
        yield from false_flag_figures(f"{rule.name}, in the field", of_quiet, rule.field, judged=False)
        yield from false_flag_figures(f"{rule.name}, tuned", of_quiet, tuned, judged=False)
        yield from delay_figures(rule.name, of_quiet, of_changed, judged=False)
    yield from lending_figures(random)
    yield from restart_figures(random, 3 * rows, lent)
    yield from rhythm_figures(random, rows)


# --- series --------------------------------------------------------------------------------------------------


def scores(random: np.random.Generator, kind: str, rows: int, added: Floats | float = 0.0) -> Floats:
    """Score histories, shape (rows, POINTS), with so many sd added to the noise of each point."""
    if kind == STICKY:
        return sticky_level(random, rows) * sticky_level(random, rows)
    noise = random.normal(size=(rows, POINTS))
    if kind == "Student t3":
        noise = random.standard_t(3, size=noise.shape) / np.sqrt(3)
    elif kind.startswith("2% outliers"):
        noise = noise + 6 * (random.random(noise.shape) < 0.02)
    elif kind.startswith("AR"):
        phi = float(kind.split()[1])
        for now in range(1, POINTS):
            noise[:, now] = phi * noise[:, now - 1] + np.sqrt(1 - phi**2) * noise[:, now]
    values = random.uniform(7, 15, size=(rows, 1)) + random.uniform(0.5, 2, size=(rows, 1)) * (noise + added)
    return np.round(values) if kind == "rounded" else values


def sticky_level(random: np.random.Generator, rows: int) -> Floats:
    """Levels 1..5, each judged anew with probability .3 and else kept, shape (rows, POINTS)."""
    levels = random.integers(1, 6, size=(rows, POINTS)).astype(np.float64)
    kept = random.random(levels.shape) >= 0.3
    for now in range(1, POINTS):
        levels[:, now] = np.where(kept[:, now], levels[:, now - 1], levels[:, now])
    return levels


def change(name: str) -> Floats:
    """What a change adds to each point, in sd: "step of 2 sd" stays, "ramp of .1 sd" grows by that each evaluation."""
    size = float(name.split()[2])
    since = np.maximum(0, np.arange(POINTS) - CHANGE_AT + 1)
    return size * since if name.startswith("ramp") else size * (since > 0)


def mixed(random: np.random.Generator, rows: int) -> Floats:
    """A register of all kinds in equal parts, of about so many series."""
    return np.concatenate([scores(random, kind, -(-rows // len(KINDS))) for kind in KINDS])


def borrowed(register: Floats) -> Prior:
    """The prior the product takes in such a register."""
    learnt = register_autocorrelation(list(register))
    return BY_ITSELF if learnt is None else (learnt, BORROWED_WEIGHT)


# --- rules over series ---------------------------------------------------------------------------------------


def strengths(values: Floats, prior: Prior) -> Floats:
    """The detector's strength after each point of series that are never restarted; 0 before the first evaluation."""
    found = np.zeros(values.shape)
    for now in range(FIRST, POINTS + 1):
        found[:, now - 1] = [0 if one is None else one.strength for one in detect_many(list(values[:, :now]), *prior)]
    return found


def false_flags(statistic: Floats, limit: float) -> float:
    """False flags per BUDGET evaluations to the first flag of each series."""
    flags = statistic[:, FIRST - 1 :] >= limit
    evaluations = np.where(flags.any(axis=1), flags.argmax(axis=1) + 1, flags.shape[1])
    return float(BUDGET * flags.any(axis=1).sum() / evaluations.sum())


def limit_for(statistics: Sequence[Floats]) -> float:
    """The limit at which false flags, averaged over the kinds, are 1 per BUDGET."""
    low, high = 0.0, 1.0 + max(float(one.max()) for one in statistics)
    for _ in range(50):
        middle = (low + high) / 2
        often = float(np.mean([false_flags(one, middle) for one in statistics])) > 1
        low, high = (middle, high) if often else (low, middle)
    return high


def delays(statistic: Floats, limit: float) -> NDArray[np.intp]:
    """Evaluations from the change to the flag, of series without a flag before it; a miss counts as 150."""
    flags = statistic >= limit
    after = flags[~flags[:, FIRST - 1 : CHANGE_AT].any(axis=1), CHANGE_AT:]
    return np.where(after.any(axis=1), after.argmax(axis=1) + 1, POINTS - CHANGE_AT)


def flags_with_restarts(values: Floats, priors: Sequence[Prior], limit: Limits) -> tuple[int, int, int]:
    """First flags, later flags and evaluations of registers, one for each prior.

    After a flag a history restarts at the change, and as every flag here is false, nobody confirmed it.
    """
    first = later = evaluations = 0
    for register, prior in zip(np.array_split(values, len(priors)), priors, strict=True):
        starts = [0] * len(register)
        for now in range(FIRST, POINTS + 1):
            found = detect_many([row[start:now] for row, start in zip(register, starts, strict=True)], *prior)
            for place, one in enumerate(found):
                if one is not None and one.strength >= (limit.restarted if starts[place] else limit.usual):
                    first += starts[place] == 0
                    later += starts[place] > 0
                    starts[place] += one.split
        # Too short a history after a restart is an evaluation too: the register counts what it is given.
        evaluations += len(register) * (POINTS - FIRST + 1)
    return first, later, evaluations


# --- figures -------------------------------------------------------------------------------------------------


def cost(random: np.random.Generator) -> Figure:
    series = list(random.normal(size=(10_000, POINTS)))
    detect_many(series[:600])
    started = time.process_time()
    detect_many(series)
    return figure("detect_many, series of 200", len(series), time.process_time() - started, "CPU-s", limit=3.0)


def false_flag_figures(name: str, quiet: Statistics, limit: float, *, judged: bool) -> Iterator[Figure]:
    for kind, statistic in quiet.items():
        most, least = (2.5, None) if kind == STICKY else (1.6, 0.7)
        yield figure(
            f"false flags per {BUDGET} to the first, {kind}: {name}",
            len(statistic),
            false_flags(statistic, limit),
            "flags",
            limit=most if judged else None,
            at_least=least if judged else None,
        )


def delay_figures(name: str, quiet: Statistics, changed: Statistics, *, judged: bool) -> Iterator[Figure]:
    for what, most in CHANGES:
        found = delays(changed[what], limit_for(list(quiet.values())))
        yield figure(
            f"delay at equal mixed false alarms, {what}: {name}",
            len(found),
            found.mean(),
            "evaluations",
            limit=most if judged else None,
        )
        found = delays(changed[what], limit_for([quiet["normal"]]))
        yield figure(f"delay at equal on normal noise, {what}: {name}", len(found), found.mean(), "evaluations")


def lending_figures(random: np.random.Generator) -> Iterator[Figure]:
    """Whether registers of one kind lend their autocorrelation, and mixed ones keep theirs."""
    lend = [borrowed(scores(random, kind, REGISTER_SERIES)) != BY_ITSELF for kind in KINDS for _ in range(REGISTERS)]
    yield figure("registers of one kind that lend", len(lend), 100 * np.mean(lend), "%", at_least=95)
    lend = [borrowed(mixed(random, REGISTER_SERIES)) != BY_ITSELF for _ in range(REGISTERS)]
    yield figure("mixed registers that lend", len(lend), 100 * np.mean(lend), "%", limit=0)


def restart_figures(random: np.random.Generator, rows: int, lent: dict[str, Prior]) -> Iterator[Figure]:
    """False flags of a whole register against the promise of 1 in N, histories restarting.

    At the limits of the product; and, unjudged, at h(N) as it was measured on first flags of normal noise.
    """
    # In the order of KINDS, so that each part of it is also a register of one kind.
    register = mixed(random, rows)
    for name, priors in (("mixed", [borrowed(register)]), ("one kind each", list(lent.values()))):
        for promised in PROMISES:
            plain = Limits(usual=threshold(promised), restarted=threshold(promised))
            held = [("", limits(promised)), (", at h(N) alone", plain)]
            for how, limit in held if name == "mixed" else held[:1]:
                first, later, evaluations = flags_with_restarts(register, priors, limit)
                title = f"false flags with restarts against 1 in {promised}, {name}{how}"
                yield figure(
                    title,
                    len(register),
                    (first + later) * promised / evaluations,
                    "of the promise",
                    limit=None if how else 1.6,
                    at_least=None if how else 0.7,
                )
                yield figure(f"{title}: after a flag", later, later * promised / evaluations, "of the promise")


def price_figures(changed: Statistics) -> Iterator[Figure]:
    """What keeping the promise costs: the delay at the limits of the product, beside that at h(N) alone."""
    for promised in PROMISES:
        held = limits(promised)
        for how, limit in (
            ("h(N) alone", threshold(promised)),
            ("usual", held.usual),
            ("after a flag nobody confirmed", held.restarted),
        ):
            for what, _ in CHANGES:
                found = delays(changed[what], limit)
                yield figure(f"delay at 1 in {promised}, {what}: {how}", len(found), found.mean(), "evaluations")


def rhythm_figures(random: np.random.Generator, rows: int) -> Iterator[Figure]:
    """Daily values with a weekly rhythm, with and without taking it off; and the same values without a rhythm."""
    weekdays = np.arange(POINTS) % 7
    rhythm = RHYTHM * np.sin(2 * np.pi * weekdays / 7)
    limit = threshold(BUDGET)
    for name, added, watched in (
        ("taken off", rhythm, rhythmless),
        ("left on", rhythm, strengths),
        ("not there", 0.0, strengths),
    ):
        quiet = watched(scores(random, "normal", rows, added), BY_ITSELF)
        judged = name == "taken off"
        yield figure(
            f"weekly rhythm {name}: false flags per {BUDGET} to the first",
            rows,
            false_flags(quiet, limit),
            "flags",
            limit=1.6 if judged else None,
            at_least=0.7 if judged else None,
        )
        found = delays(watched(scores(random, "normal", rows, added + change("step of 2 sd")), BY_ITSELF), limit)
        yield figure(
            f"weekly rhythm {name}: delay of a step of 2 sd",
            len(found),
            found.mean(),
            "evaluations",
            limit=5.0 if judged else None,
        )


def rhythmless(values: Floats, prior: Prior) -> Floats:
    """As `strengths`, the weekly rhythm taken off what is known after each point."""
    weekdays = np.arange(POINTS) % 7
    found = np.zeros(values.shape)
    for now in range(FIRST, POINTS + 1):
        plain = without_weekday_rhythm(values[:, :now], weekdays[:now])
        found[:, now - 1] = [0 if one is None else one.strength for one in detect_many(list(plain), *prior)]
    return found
