"""The drift detector: its cost, its false flags on six kinds of noise, and how soon it sees a step.

Every series has 200 evaluations around a level of 7 to 15 with noise of sd .5 to 2, both unknown to the detector. It
is evaluated after each new point from the 20th on; after a flag its history restarts at the change, and it is not
evaluated again before it has 8 points. The rival in the floor column of the false flags is the naive rule "the score is
more than 20 % away from the reviewed score", a flag being a new review; it is looked at after the same points.

--size: series of each kind. The cost is always measured on 10 000 series.
"""

import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bench.figures import Figure, figure
from monitoring.drift import MIN_POINTS, detect_many, threshold

SERIES = 600
POINTS = 200
FIRST = 20
STEP_AT = 50
BUDGET = 365
NAIVE_SHARE = 0.2
KINDS = ("normal", "Student t3", "2% outliers of +6 sd", "AR .3", "AR .5", "rounded")

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


def run(size: int | None) -> Iterator[Figure]:
    """CPU seconds, false flags per 365 evaluations, evaluations from a 2-sd step to the flag."""
    rows = size or SERIES
    random = np.random.default_rng(20_240_229)

    series = list(random.normal(size=(10_000, POINTS)))
    detect_many(series[:600])
    started = time.process_time()
    detect_many(series)
    yield figure("detect_many, series of 200", len(series), time.process_time() - started, "CPU-s", limit=3.0)

    for kind in KINDS:
        quiet = scores(random, kind, rows, step=0)
        flags, evaluations = watched(quiet)
        naive = naively_watched(quiet)
        # What h(N) is calibrated for: once flagged, a series is no longer counted.
        yield figure(
            f"false flags per {BUDGET} evaluations to the first flag, {kind}",
            rows,
            BUDGET * flags.any(axis=1).sum() / evaluations_to_first(flags),
            "flags",
            limit=2.5,
        )
        yield figure(
            f"false flags per {BUDGET} evaluations, {kind}",
            rows,
            BUDGET * flags.sum() / evaluations,
            "flags",
            floor=BUDGET * naive.sum() / (rows * (POINTS - FIRST + 1)),
            limit=0.5,
        )

    stepped = scores(random, "normal", rows, step=2)
    flags, _ = watched(stepped)
    # A false flag shortly before the step leaves almost no history to compare with, and a few misses rule the mean.
    unflagged = flags[~flags[:, :STEP_AT].any(axis=1)]
    if len(unflagged):
        yield figure(
            "delay of a 2-sd step, no flag before it", len(unflagged), mean_delay(unflagged), "evaluations", limit=6.0
        )
    yield figure("delay of a 2-sd step, all series", rows, mean_delay(flags), "evaluations")
    # No rival for the delay: a rule that keeps flagging quiet risks is soon right by accident. Shown for the record.
    yield figure("delay of a 2-sd step, naive rule", rows, mean_delay(naively_watched(stepped)), "evaluations")


def scores(random: np.random.Generator, kind: str, rows: int, step: float) -> Floats:
    """Score histories, shape (rows, POINTS), with a step of so many sd from point STEP_AT on."""
    noise = random.normal(size=(rows, POINTS))
    if kind == "Student t3":
        noise = random.standard_t(3, size=noise.shape) / np.sqrt(3)
    elif kind.startswith("2% outliers"):
        noise = noise + 6 * (random.random(noise.shape) < 0.02)
    elif kind.startswith("AR"):
        phi = float(kind.split()[1])
        for now in range(1, POINTS):
            noise[:, now] = phi * noise[:, now - 1] + np.sqrt(1 - phi**2) * noise[:, now]
    noise[:, STEP_AT:] += step
    spread = random.uniform(0.5, 2, size=(rows, 1))
    values = random.uniform(7, 15, size=(rows, 1)) + spread * noise
    return np.round(values) if kind == "rounded" else values


def watched(values: Floats) -> tuple[Flags, int]:
    """Flags of the detector, shape (rows, POINTS), and how many evaluations it took part in."""
    limit = threshold(BUDGET)
    flags = np.zeros(values.shape, dtype=bool)
    starts = [0] * len(values)
    evaluations = 0
    for now in range(FIRST, POINTS + 1):
        found = detect_many([row[start:now] for row, start in zip(values, starts, strict=True)])
        for place, change in enumerate(found):
            evaluations += now - starts[place] >= MIN_POINTS
            if change is not None and change.strength >= limit:
                flags[place, now - 1] = True
                starts[place] += change.split
    return flags, evaluations


def naively_watched(values: Floats) -> Flags:
    """Flags of the naive rule, shape (rows, POINTS): the first review is the point before the first evaluation."""
    flags = np.zeros(values.shape, dtype=bool)
    reviewed = values[:, FIRST - 2].copy()
    for now in range(FIRST - 1, POINTS):
        flags[:, now] = np.abs(values[:, now] - reviewed) > NAIVE_SHARE * np.abs(reviewed)
        reviewed = np.where(flags[:, now], values[:, now], reviewed)
    return flags


def evaluations_to_first(flags: Flags) -> int:
    """Evaluations of all series together up to and including each one's first flag, or to the end without one."""
    first = np.where(flags.any(axis=1), flags.argmax(axis=1), POINTS - 1)
    return int((first - FIRST + 2).sum())


def mean_delay(flags: Flags) -> float:
    """Evaluations from the step to the first flag, counting the first changed point as 1; a miss counts as 150."""
    after = flags[:, STEP_AT:]
    return float(np.where(after.any(axis=1), after.argmax(axis=1) + 1, after.shape[1]).mean())
