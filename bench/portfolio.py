"""The Monte Carlo of a register: its cost, and how far its figures are from exact ones.

1000 risks, .43 events of each a year on average, half of them with a response, half of them at customers with a cap.
What is timed is everything a page shows: before and after, VaR, TVaR, curve, shares in the tail. Three registers more
say what makes it dear: no caps, rare events, and a common factor, which must draw a normal for every risk and year.

The floor of the cost is drawing as many random numbers of the same kinds into one buffer. The exact figures are those
of tests/assessments/exact_loss.py; z is how many standard errors a simulated one is off, the largest of 20 seeds. Of 20
normal scores the largest is below 4 in 789 of 790 cases.

--size: risks. Years are always 100 000.
"""

import time
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from assessments.simulation import Portfolio, Simulation, expected, lognormal_of, simulate
from bench.figures import Figure, figure
from tests.assessments.exact_loss import exact, z_scores

RISKS = 1_000
YEARS = 100_000
SEEDS = 20
TIMES = 3
POINTS = 2**17


def run(size: int | None) -> Iterator[Figure]:
    """CPU seconds, peak memory, largest z-scores."""
    risks = size or RISKS
    whole = register(risks, frequency=0.43)
    seconds = cpu(lambda: everything(whole, seed=1))
    yield figure("simulation with all figures", risks, seconds, "CPU-s", limit=2.5)
    floor = cpu(lambda: random_numbers_alone(whole))
    yield figure("simulation against its random numbers alone", risks, seconds, "CPU-s", floor=floor)
    for name, other, limit in (
        ("no caps", replace(whole, caps=np.full(len(whole.caps), np.inf)), 2.5),
        ("rare events, .0043 a risk", register(risks, frequency=0.0043), 2.5),
        # An option, and dear: shown, not judged.
        ("common factor", replace(whole, correlation=0.2), None),
    ):
        yield figure(
            f"simulation, {name}", risks, cpu(lambda other=other: everything(other, seed=1)), "CPU-s", limit=limit
        )
    yield figure("simulation, peak memory", risks, peak_mib(whole), "MiB", limit=150.0)
    yield from accuracy(whole, risks)


def register(risks: int, frequency: float) -> Portfolio:
    """A register whose risks happen so often on average, between a seventh of that and nearly twice that."""
    random = np.random.default_rng(20_260_101)
    probability = frequency * random.uniform(0.14, 1.86, risks)
    answered = random.random(risks) < 0.5
    mean = np.exp(random.normal(10.8, 0.8, risks))
    mu, sigma = lognormal_of(mean, mean, mean * np.exp(random.uniform(1, 3, risks)))
    customers = risks // 6 + 1
    return Portfolio(
        probability=probability,
        mu=mu,
        sigma=sigma,
        probability_after=np.where(answered, probability * random.uniform(0.2, 1, risks), probability),
        kept_loss=np.where(answered, random.uniform(0.3, 1, risks), 1.0),
        customer=np.where(random.random(risks) < 0.5, random.integers(0, customers, risks), -1),
        caps=np.exp(random.normal(12.5, 0.5, customers)),
        group=random.integers(0, 8, risks),
    )


def everything(whole: Portfolio, seed: int) -> Simulation:
    """Simulate and read off what a page shows; the shares in the tail are the simulation's own."""
    found = simulate(whole, years=YEARS, seed=seed)
    for losses in (found.before, found.after):
        losses.mean_interval  # noqa: B018
        for q in (0.95, 0.99):
            losses.value_at_risk(q)
            losses.tail_mean(q)
        losses.exceeds(1e6)
        losses.curve()
    return found


def random_numbers_alone(whole: Portfolio) -> None:
    """A uniform for every year, or a gap and a uniform for every event, and a normal for every event."""
    random = np.random.Generator(np.random.SFC64(1))
    buffer = np.empty(YEARS)
    for probability in whole.probability.tolist():
        events = buffer[: round(YEARS * probability)]
        if probability < 0.25:
            random.standard_exponential(out=events)
            random.random(out=events)
        else:
            random.random(out=buffer)
        random.standard_normal(out=events)


def accuracy(whole: Portfolio, risks: int) -> Iterator[Figure]:
    """The largest z-score of each figure, before and after."""
    before, _ = expected(whole)
    # Beyond several times the mean and a single loss six sigmas out lies less than one year in 10^8.
    top = 4 * before.sum() + np.exp(whole.mu + 6 * whole.sigma).max()
    truths = [exact(whole, top=top, points=POINTS, after=after) for after in (False, True)]
    worst: dict[str, float] = {}
    for seed in range(SEEDS):
        found = simulate(whole, years=YEARS, seed=seed)
        for part, losses, truth in zip(("before", "after"), (found.before, found.after), truths, strict=True):
            for name, z in z_scores(losses, truth).items():
                worst[f"{name} {part}"] = max(worst.get(f"{name} {part}", 0.0), abs(z))
    for name, z in worst.items():
        yield figure(f"largest z of {SEEDS} seeds, {name}", risks, z, "standard errors", limit=4.0)


def peak_mib(whole: Portfolio) -> float:
    """The most memory that Python and NumPy held beyond what they held before, without the allocator's own slack."""
    tracemalloc.start()
    everything(whole, seed=1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / 2**20


def cpu(function: Callable[[], object]) -> float:
    """CPU seconds of one call, the least of a few."""
    best = float("inf")
    for _ in range(TIMES):
        started = time.process_time()
        function()
        best = min(best, time.process_time() - started)
    return best
