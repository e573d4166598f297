"""What may a register lose in one period? A Monte Carlo of its risks, before and after their responses.

Plain NumPy. The model: a risk happens at most once in a simulated year, with its probability p, and then costs a
lognormal amount, so its expected loss is its exposure. Losses at one customer count up to a cap together: revenue is
lost once. Risks of one category may share a common factor (Gaussian copula, one factor per category).

Before and after share their random numbers. Every event carries a latent value; it happens when that is below the limit
of p, and still happens after the responses when it is below the limit of the smaller p. So the difference is not buried
in noise, and no simulated year is worse after than before.

Events are drawn, not risks x years. Every risk has a random stream of its own, so its draws can be made again alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.intp]

# The worst 5 % of the years: whose shares are told, and what `drops` measures.
TAIL = 0.95
# Risks whose share of the tail is told one by one; the others are one remainder. Knowing a share takes drawing the risk
# again once the tail is known, so all of 1000 would double the cost. Ranked by their part of the variance.
NAMED_RISKS = 100

# Below this probability gaps between events are cheaper to draw than one uniform for every year (measured, break-even
# near .3: an exponential costs 7 ns and its cumulative sum 3, a uniform 2).
_SPARSE = 0.25
_STANDARD_NORMAL = NormalDist()
# Of a 95 % interval.
_Z = 1.96
# The width of a 90 % interval in standard deviations, 2 x 1.64485.
_RANGE_IN_SIGMAS = 3.2897
# Within these bounds no loss and no mean square, exp(2 mu + 2 sigma^2), leaves the floating-point numbers. A sigma of
# 10 is a 90 % range over fourteen orders of magnitude.
_LARGEST_MU, _LARGEST_SIGMA = 200.0, 10.0

# Of the stream of random numbers: what the first number of its key says it is for.
_RISK, _FACTOR = 0, 1


@dataclass(frozen=True, eq=False)
class Portfolio:
    """The risks of a register over one period; n risks, c customers. Money is in any one currency.

    probability, probability_after: (n,) of the event within the period, without and with the responses;
        0 <= probability_after <= probability < 1. mu, sigma: (n,) of ln(loss in money), -200..200 and 0..10.
    kept_loss: (n,) share of the loss that contingency leaves, 0..1. customer: (n,) index into caps, or -1 for none.
    caps: (c,) the most that can be lost at a customer in the period; inf for no cap.
    group: (n,) category, from 0. correlation: share r of the common factor in a risk's latent normal, 0 <= r < 1.
    Raises ValueError for arrays that do not match, and for values outside these bounds.
    """

    probability: Floats
    mu: Floats
    sigma: Floats
    probability_after: Floats
    kept_loss: Floats
    customer: Integers
    caps: Floats
    group: Integers
    correlation: float = 0.0

    def __post_init__(self) -> None:
        rows = ("mu", "sigma", "probability_after", "kept_loss", "customer", "group")
        if self.probability.ndim != 1 or self.caps.ndim != 1:
            raise ValueError("probability and caps must be one-dimensional")
        for name in rows:
            if getattr(self, name).shape != self.probability.shape:
                raise ValueError(f"{name} must have one value for each of the {len(self)} probabilities")
        for name in ("customer", "group"):
            if not np.issubdtype(getattr(self, name).dtype, np.integer):
                raise ValueError(f"{name} must hold whole numbers")
        # A comparison with NaN is false, so these refuse NaN as well.
        bounds = {
            "probability must be at least 0 and below 1": (self.probability >= 0) & (self.probability < 1),
            "probability_after must be between 0 and probability": (self.probability_after >= 0)
            & (self.probability_after <= self.probability),
            "kept_loss must be between 0 and 1": (self.kept_loss >= 0) & (self.kept_loss <= 1),
            "mu must be between -200 and 200": np.abs(self.mu) <= _LARGEST_MU,
            "sigma must be between 0 and 10": (self.sigma >= 0) & (self.sigma <= _LARGEST_SIGMA),
            "customer must be an index into caps, or -1": (self.customer >= -1) & (self.customer < len(self.caps)),
            "caps must not be negative": self.caps >= 0,
            "group must not be negative": self.group >= 0,
        }
        for rule, kept in bounds.items():
            if not kept.all():
                raise ValueError(rule)
        if not 0 <= self.correlation < 1:
            raise ValueError("correlation must be at least 0 and below 1")

    def __len__(self) -> int:
        return len(self.probability)


class Estimate(NamedTuple):
    """A simulated value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, eq=False)
class Losses:
    """The losses of N simulated years: totals, (N,), in the order they were simulated."""

    totals: Floats

    @cached_property
    def ordered(self) -> Floats:
        """The totals from the best to the worst year, (N,)."""
        return np.sort(self.totals)

    @property
    def mean(self) -> float:
        """Mean loss of a year."""
        return float(self.totals.mean())

    @property
    def sd(self) -> float:
        """Standard deviation of a year's loss (divided by N)."""
        return float(self.totals.std())

    @property
    def mean_interval(self) -> Estimate:
        """The mean +- 1.96 sd / sqrt(N)."""
        return _around(self.mean, self.sd / math.sqrt(len(self.totals)))

    def value_at_risk(self, q: float) -> Estimate:
        """VaR_q, the order statistic ceil(qN); its interval: the ranks Nq +- 1.96 sqrt(N q (1 - q)), within 1..N.

        Raises ValueError unless 0 < q < 1, as all that take a q do.
        """
        years = len(self.ordered)
        rank = _rank(years, q)
        away = _Z * math.sqrt(years * q * (1 - q))
        low, high = max(math.floor(years * q - away), 1), min(math.ceil(years * q + away), years)
        return Estimate(*(float(self.ordered[place - 1]) for place in (rank, low, high)))

    def tail_mean(self, q: float) -> Estimate:
        """TVaR_q, the mean of the worst (1 - q) share of the years, +- 1.96 `tail_error`.

        Where (1 - q) N is no whole number, the year at the edge counts in part (Acerbi & Tasche 2002).
        """
        return _around(_tail_mean(self.ordered, q), self.tail_error(q))

    def tail_error(self, q: float) -> float:
        """Standard error of TVaR_q (Manistre & Hancock 2005).

        sqrt((variance in the tail + q (TVaR - VaR)^2) / (N (1 - q))); too small when the tail is a few years only.
        """
        years, rank = len(self.ordered), _rank(len(self.ordered), q)
        tail = self.ordered[min(rank, years - 1) :]
        beyond = _tail_mean(self.ordered, q) - float(self.ordered[rank - 1])
        return math.sqrt((float(tail.var()) + q * beyond**2) / (years * (1 - q)))

    def exceeds(self, amount: float) -> Estimate:
        """Probability that a year's loss is greater than `amount`, with its Wilson interval."""
        years = len(self.ordered)
        share = float(years - np.searchsorted(self.ordered, amount, side="right")) / years
        weight = _Z**2 / years
        centre = (share + weight / 2) / (1 + weight)
        away = _Z * math.sqrt(share * (1 - share) / years + weight / (4 * years)) / (1 + weight)
        return Estimate(share, min(max(centre - away, 0.0), share), max(min(centre + away, 1.0), share))

    def curve(self, points: int = 200) -> tuple[Floats, Floats]:
        """The loss exceedance curve: losses, rising, and the probability that a year is worse, falling; equal lengths.

        It begins at a loss of 0 and ends at the worst year but one, so that no probability is 0 unless the worst years
        cost the same. Half of the points are even in probability, half crowd geometrically towards the worst years.
        Fewer than `points` come back where years cost the same. Raises ValueError for fewer than 3 points.
        """
        if points < 3:
            raise ValueError("a curve needs 3 points")
        years = len(self.ordered)
        even = np.linspace(1, 0, points // 2, endpoint=False)
        crowded = np.geomspace(1, 1 / years, points - len(even) - 1)
        worse = np.ceil(np.concatenate((even, crowded)) * years).astype(np.intp)
        places = np.maximum(years - 1 - worse, 0)
        losses = np.unique(np.concatenate(((0.0,), self.ordered[places])))
        return losses, (years - np.searchsorted(self.ordered, losses, side="right")) / years


@dataclass(frozen=True, eq=False)
class TailShares:
    """Who is in the tail: E[loss of a risk | the year is among the worst 5 %], the greatest first; adds up to TVaR_95.

    rows: (k,) risks. amounts: (k,) money; what a customer's cap takes away, it takes from its risks in proportion to
    their losses. remainder: of all other risks together.
    """

    rows: Integers
    amounts: Floats
    remainder: float


@dataclass(frozen=True, eq=False)
class Simulation:
    """Simulated years before and after the responses, year by year with the same random numbers."""

    seed: int
    before: Losses
    after: Losses
    shares_before: TailShares
    shares_after: TailShares


@dataclass(frozen=True)
class Alternative:
    """Another way one risk could be responded to: its row, and what would replace its values in the portfolio."""

    row: int
    probability_after: float
    kept_loss: float


@dataclass(frozen=True)
class Drop:
    """By how much the register as it is loses less than with an alternative: in the mean and in TVaR_95."""

    mean: float
    tail_mean: float


def lognormal_of(mean: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """mu and sigma of a lognormal loss with this mean and the spread of a 90 % range, all (n,).

    sigma = (ln high - ln low) / 3.2897 (Hubbard's 90 % interval), mu = ln mean - sigma^2 / 2: the range says how unsure
    the loss is, the mean ties the expected loss with the exposure. With low = high the loss is always the mean.
    Raises ValueError unless mean > 0, 0 < low <= high, all finite.
    """
    if not (np.isfinite(mean).all() and np.isfinite(high).all()):
        raise ValueError("mean and range must be finite")
    if not ((mean > 0).all() and (low > 0).all() and (low <= high).all()):
        raise ValueError("mean and range must be positive, and low not above high")
    sigma = (np.log(high) - np.log(low)) / _RANGE_IN_SIGMAS
    return np.log(mean) - np.square(sigma) / 2, sigma


def expected(portfolio: Portfolio) -> tuple[Floats, Floats]:
    """Mean loss of each risk before and after, (n,) both: p E[X]. Without caps."""
    loss = np.exp(portfolio.mu + np.square(portfolio.sigma) / 2)
    return portfolio.probability * loss, portfolio.probability_after * portfolio.kept_loss * loss


def variance(portfolio: Portfolio) -> tuple[Floats, Floats]:
    """Variance of the loss of each risk before and after, (n,) both: p E[X^2] - p^2 E[X]^2.

    Without caps. The sum is the variance of the total where risks are independent, that is, with a correlation of 0.
    """
    square = np.exp(2 * portfolio.mu + 2 * np.square(portfolio.sigma))
    before, after = expected(portfolio)
    return (
        portfolio.probability * square - np.square(before),
        portfolio.probability_after * np.square(portfolio.kept_loss) * square - np.square(after),
    )


def simulate(
    portfolio: Portfolio, *, years: int, seed: int, progress: Callable[[int], None] | None = None
) -> Simulation:
    """Simulate so many years; the same seed gives the same numbers.

    progress: called with the number of risks done after every twentieth of them, and once all is done. It may raise to
    stop. Memory is about 100 bytes a year, and 8 more for every category when there is a correlation.
    Raises ValueError for years < 1 or a negative seed.
    """
    if years < 1:
        raise ValueError("years must be at least 1")
    draws = _Draws(portfolio, years, seed)
    blocks = _blocks(portfolio)
    before, after = Losses(np.zeros(years)), Losses(np.zeros(years))
    together = np.empty(years), np.empty(years)
    done = reported = 0
    for block in blocks:
        _add(draws, block, (before.totals, after.totals), together)
        done += len(block.rows)
        if progress and done < len(portfolio) and done - reported >= len(portfolio) / 20:
            progress(done)
            reported = done
    shares_before, shares_after = _tail_shares(draws, blocks, before, after)
    if progress:
        progress(len(portfolio))
    return Simulation(seed, before, after, shares_before, shares_after)


def drops(portfolio: Portfolio, simulation: Simulation, alternatives: Sequence[Alternative]) -> list[Drop]:
    """What each alternative would cost: mean and TVaR_95 after with it in place of the risk's own, less those as it is.

    With the same random numbers as the simulation, which must be of this portfolio; only the risk in question is drawn
    again, and with a cap its customer's other risks. An alternative without a response therefore tells what the
    response is worth. Raises ValueError for a row that is not there, a probability above the one before, a kept loss
    outside 0..1.
    """
    wanted: dict[int, list[int]] = {}
    for place, one in enumerate(alternatives):
        if not 0 <= one.row < len(portfolio):
            raise ValueError(f"there is no risk in row {one.row}")
        if not (0 <= one.probability_after <= portfolio.probability[one.row] and 0 <= one.kept_loss <= 1):
            raise ValueError(f"row {one.row}: probability_after or kept_loss is out of bounds")
        wanted.setdefault(one.row, []).append(place)
    draws = _Draws(portfolio, len(simulation.after.totals), simulation.seed)
    tail_mean = simulation.after.tail_mean(TAIL).value
    found: dict[int, Drop] = {}
    for block in _blocks(portfolio):
        places = [place for row in block.rows for place in wanted.get(row, ())]
        together = _together_after(draws, block) if places and math.isfinite(block.cap) else None
        for place in places:
            years, more = _change(draws, alternatives[place], block.cap, together)
            totals = simulation.after.totals.copy()
            totals[years] += more
            totals.partition(_rank(len(totals), TAIL) - 1)
            found[place] = Drop(float(more.sum() / len(totals)), _tail_mean(totals, TAIL) - tail_mean)
    return [found[place] for place in range(len(alternatives))]


class _Block(NamedTuple):
    """Risks whose losses are capped together, or one risk alone."""

    rows: list[int]
    cap: float


class _Events(NamedTuple):
    """When one risk happened: years, rising and never twice the same, the loss, and the latent value; (k,) each."""

    years: Integers
    loss: Floats
    latent: Floats


class _Draws:
    """The random numbers of every risk, the same whenever they are asked for.

    Big arrays are made once and used for every risk: getting fresh memory costs as much as filling it.
    """

    def __init__(self, portfolio: Portfolio, years: int, seed: int) -> None:
        self.portfolio = portfolio
        self.years = years
        self._seed = seed
        self._is_dependent = portfolio.correlation > 0
        self._everywhere = np.empty(years)
        self._below = np.empty(years, dtype=np.bool_)
        self._latent = np.empty(years)
        self._loss = np.empty(years)
        self._left = np.empty(years)
        self._factors: dict[int, Floats] = {}
        if self._is_dependent:
            scale = math.sqrt(portfolio.correlation / (1 - portfolio.correlation))
            for group in np.unique(portfolio.group).tolist():
                self._factors[group] = scale * self._stream(_FACTOR, group).standard_normal(years)

    def events(self, row: int) -> _Events:
        """The events of a risk before the responses. The next call overwrites loss and latent values."""
        random = self._stream(_RISK, row)
        probability = float(self.portfolio.probability[row])
        if probability < _SPARSE and not self._is_dependent:
            years = _successes(random, probability, self.years)
            latent = random.random(out=self._latent[: len(years)])
            latent *= probability
        else:
            everywhere = self._latent_values(random, row)
            years = np.flatnonzero(np.less(everywhere, self._limit(probability), out=self._below))
            # With the mode "raise", take would go through a buffer of its own.
            latent = np.take(everywhere, years, out=self._latent[: len(years)], mode="clip")
        return _Events(years, self._losses(random, row, len(years)), latent)

    def after(self, events: _Events, probability_after: float, kept_loss: float) -> Floats:
        """What the responses leave of the losses, (k,); 0 where they prevent the event. The next call overwrites it."""
        count = len(events.years)
        below = np.less(events.latent, self._limit(probability_after), out=self._below[:count])
        left = np.multiply(events.loss, below, out=self._left[:count])
        left *= kept_loss
        return left

    def both(self, row: int) -> tuple[Integers, Floats, Floats]:
        """Years, losses before and losses after of one risk, (k,) each."""
        events = self.events(row)
        portfolio = self.portfolio
        after = self.after(events, float(portfolio.probability_after[row]), float(portfolio.kept_loss[row]))
        return events.years, events.loss, after

    def _stream(self, *key: int) -> np.random.Generator:
        return np.random.Generator(np.random.SFC64(np.random.SeedSequence(self._seed, spawn_key=key)))

    def _latent_values(self, random: np.random.Generator, row: int) -> Floats:
        """A value for every year, (years,); an event is where it is below the limit.

        With a common factor M it is Z / sqrt(1 - r) of Z = sqrt(r) M + sqrt(1 - r) e, without one it is uniform.
        """
        if not self._is_dependent:
            return random.random(out=self._everywhere)
        random.standard_normal(out=self._everywhere)
        self._everywhere += self._factors[int(self.portfolio.group[row])]
        return self._everywhere

    def _limit(self, probability: float) -> float:
        """The limit that latent values are below with this probability."""
        if not self._is_dependent:
            return probability
        if probability == 0:
            return -math.inf
        return _STANDARD_NORMAL.inv_cdf(probability) / math.sqrt(1 - self.portfolio.correlation)

    def _losses(self, random: np.random.Generator, row: int, count: int) -> Floats:
        """Lognormal losses, (count,). Twice as fast as Generator.lognormal."""
        loss = self._loss[:count]
        mu, sigma = float(self.portfolio.mu[row]), float(self.portfolio.sigma[row])
        if sigma == 0:
            loss.fill(math.exp(mu))
            return loss
        random.standard_normal(out=loss)
        loss *= sigma
        loss += mu
        return np.exp(loss, out=loss)


def _successes(random: np.random.Generator, probability: float, trials: int) -> Integers:
    """Which of so many independent trials succeed, rising.

    Gaps between successes are geometric: floor(Exp(1) / rate) + 1 with rate = -ln(1 - p) (inversion; Devroye 1986,
    Non-Uniform Random Variate Generation, X.2).
    """
    if probability == 0:
        return np.empty(0, dtype=np.intp)
    rate = -math.log1p(-probability)
    # Enough for all but one risk in a billion; the loop is for that one.
    count = int(trials * probability + 6 * math.sqrt(trials * probability)) + 20
    last, found = -1.0, []
    while last < trials:
        gaps = random.standard_exponential(count)
        # Beyond the last trial nothing matters, and a tiny rate could overflow.
        np.minimum(gaps, rate * trials, out=gaps)
        gaps /= rate
        np.floor(gaps, out=gaps)
        gaps += 1
        places = np.cumsum(gaps, out=gaps)
        places += last
        last = float(places[-1])
        found.append(places[: np.searchsorted(places, trials)].astype(np.intp))
    return np.concatenate(found)


def _blocks(portfolio: Portfolio) -> list[_Block]:
    """The risks of each customer with a cap, and every other risk alone."""
    shared: dict[int, _Block] = {}
    blocks = []
    for row, customer in enumerate(portfolio.customer.tolist()):
        if customer in shared:
            shared[customer].rows.append(row)
            continue
        block = _Block([row], float(portfolio.caps[customer]) if customer >= 0 else math.inf)
        if math.isfinite(block.cap):
            shared[customer] = block
        blocks.append(block)
    return blocks


def _add(draws: _Draws, block: _Block, totals: tuple[Floats, Floats], together: tuple[Floats, Floats]) -> None:
    """Add a block's losses before and after to the totals of the years; together is space for such two, (years,) each.

    A risk happens at most once a year, so no year is named twice and each gets its loss.
    """
    if len(block.rows) == 1:
        years, *both = draws.both(block.rows[0])
        for total, loss in zip(totals, both, strict=True):
            total[years] += np.minimum(loss, block.cap, out=loss)
        return
    for one in together:
        one.fill(0)
    for row in block.rows:
        years, *both = draws.both(row)
        for one, loss in zip(together, both, strict=True):
            one[years] += loss
    for total, one in zip(totals, together, strict=True):
        np.add(total, np.minimum(one, block.cap, out=one), out=total)


def _together_after(draws: _Draws, block: _Block) -> Floats:
    """What a block's risks lose after their responses in each year before the cap, (years,)."""
    together = np.zeros(draws.years)
    for row in block.rows:
        years, _, left = draws.both(row)
        together[years] += left
    return together


def _change(draws: _Draws, alternative: Alternative, cap: float, together: Floats | None) -> tuple[Integers, Floats]:
    """In which years the alternative changes what is lost after, and by how much.

    together: (years,) losses of all risks under the cap, before it bites; None without a cap.
    """
    portfolio, row = draws.portfolio, alternative.row
    events = draws.events(row)
    more = draws.after(events, alternative.probability_after, alternative.kept_loss).copy()
    more -= draws.after(events, float(portfolio.probability_after[row]), float(portfolio.kept_loss[row]))
    if together is None:
        return events.years, more
    now = together[events.years]
    return events.years, np.minimum(now + more, cap) - np.minimum(now, cap)


class _Tail(NamedTuple):
    """The years of a tail and their weights in its mean, (k,) both."""

    years: Integers
    weights: Floats


def _tail(losses: Losses) -> _Tail:
    """The worst years. Where several cost exactly VaR, each of them counts in part, so none is picked by chance."""
    edge = losses.value_at_risk(TAIL).value
    size = len(losses.totals) * (1 - TAIL)
    worse = losses.totals > edge
    # Years without any loss have no shares to tell, and there may be many of them.
    level = (losses.totals == edge) & (edge > 0)
    weights = worse / size
    if level.any():
        weights[level] = (1 - weights.sum()) / level.sum()
    years = np.flatnonzero(weights)
    return _Tail(years, weights[years])


def _tail_shares(draws: _Draws, blocks: list[_Block], before: Losses, after: Losses) -> tuple[TailShares, TailShares]:
    """Shares in the tail before and after, of the risks worth naming."""
    tails = _tail(before), _tail(after)
    rows: list[int] = []
    amounts: tuple[list[Floats], list[Floats]] = [], []
    for block in _named(draws.portfolio, blocks):
        rows += block.rows
        for kept, one in zip(amounts, _block_shares(draws, block, tails), strict=True):
            kept.append(one)
    return _shares(rows, amounts[0], before), _shares(rows, amounts[1], after)


def _named(portfolio: Portfolio, blocks: list[_Block]) -> list[_Block]:
    """The blocks of the risks with the greatest part of the variance, before or after, until enough are named."""
    if not blocks:
        return []
    parts = [one / max(one.sum(), math.ulp(0)) for one in variance(portfolio)]
    part = np.maximum(*parts)
    ranked = sorted(blocks, key=lambda block: -part[block.rows].max())
    sizes = np.cumsum([len(block.rows) for block in ranked])
    return ranked[: int(np.searchsorted(sizes, NAMED_RISKS)) + 1]


def _block_shares(draws: _Draws, block: _Block, tails: tuple[_Tail, _Tail]) -> list[Floats]:
    """Mean loss of each risk of a block in the tails before and after, (rows,) both."""
    losses = [np.empty((len(block.rows), len(tail.years))) for tail in tails]
    every_year = np.zeros(draws.years)
    for place, row in enumerate(block.rows):
        years, *both = draws.both(row)
        for table, tail, loss in zip(losses, tails, both, strict=True):
            every_year[years] = loss
            table[place] = every_year[tail.years]
        every_year[years] = 0
    # A matrix product would start BLAS's threads, which wait for each other on a busy machine.
    return [(_capped(table, block.cap) * tail.weights).sum(axis=1) for table, tail in zip(losses, tails, strict=True)]


def _capped(losses: Floats, cap: float) -> Floats:
    """Losses, (rows, years), scaled down in place where they exceed the cap together."""
    together = losses.sum(axis=0)
    losses *= np.divide(cap, together, out=np.ones_like(together), where=together > cap)
    return losses


def _shares(rows: list[int], amounts: list[Floats], losses: Losses) -> TailShares:
    """Shares of the named rows, the greatest first, and what is left of TVaR."""
    found = np.concatenate(amounts) if amounts else np.empty(0)
    order = np.argsort(-found, kind="stable")
    remainder = losses.tail_mean(TAIL).value - float(found.sum())
    return TailShares(np.array(rows, dtype=np.intp)[order], found[order], remainder)


def _rank(years: int, q: float) -> int:
    """ceil(qN), counted from 1. Raises ValueError unless 0 < q < 1."""
    if not 0 < q < 1:
        raise ValueError("q must be between 0 and 1")
    # 0.07 x 100 is a little more than 7.
    return max(math.ceil(round(q * years, 6)), 1)


def _tail_mean(partitioned: Floats, q: float) -> float:
    """TVaR_q of losses of which the one at `_rank` is in its place and none after it is smaller."""
    years = len(partitioned)
    rank = _rank(years, q)
    in_part = (rank - q * years) * float(partitioned[rank - 1])
    return (float(partitioned[rank:].sum()) + in_part) / (years * (1 - q))


def _around(value: float, error: float) -> Estimate:
    return Estimate(value, value - _Z * error, value + _Z * error)
