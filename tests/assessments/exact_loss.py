"""What `assessments.simulation` estimates, without noise: the distribution of a register's loss on a grid, by FFT.

Every loss is spread over the grid so that its mean is kept (local moments; Klugman, Panjer & Willmot, Loss Models); its
transform is phi. The total has the transform prod(1 - p + p phi). A customer's losses are brought back from their
transforms, capped, and transformed again. With a common factor M the product is an average over M of products with the
probabilities that M leaves. Transforms are twice as long as the grid, so a total beyond the grid is seen, not wrapped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from assessments.simulation import Losses, Portfolio

Floats = NDArray[np.float64]
Complex = NDArray[np.complex128]

# Nodes of the average over the common factor.
NODES = 100
# Probability that may lie beyond the grid.
LOST = 1e-8


@dataclass(frozen=True, eq=False)
class Exact:
    """Probabilities of the losses 0, step, 2 step, ..."""

    step: float
    mass: Floats

    @property
    def grid(self) -> Floats:
        return self.step * np.arange(len(self.mass))

    def moment(self, power: int) -> float:
        """Central moment; for power 1 the mean itself."""
        mean = self._mean_of(self.grid)
        return mean if power == 1 else self._mean_of((self.grid - mean) ** power)

    def exceeds(self, amount: float) -> float:
        return float(self.mass[self.grid > amount + self.step * 1e-6].sum())

    def quantile(self, q: float) -> float:
        """VaR_q, for a loss without atoms: each probability is thought spread half a step to both sides."""
        return float(np.interp(q, self.mass.cumsum(), self.grid + self.step / 2))

    def density(self, amount: float) -> float:
        away = math.sqrt(self.moment(2)) / 50
        below = np.interp([amount - away, amount + away], self.grid + self.step / 2, self.mass.cumsum())
        return float(below[1] - below[0]) / (2 * away)

    def tail_mean(self, q: float) -> float:
        """TVaR_q = VaR + E[(S - VaR)+] / (1 - q)."""
        edge = self.quantile(q)
        return edge + self._mean_of(np.maximum(self.grid - edge, 0)) / (1 - q)

    def tail_error(self, years: int, q: float) -> float:
        """Standard error of a simulated TVaR_q: (variance in the tail + q (TVaR - VaR)^2) / (N (1 - q))."""
        edge, mean = self.quantile(q), self.tail_mean(q)
        second = self._mean_of(np.maximum(self.grid - edge, 0) ** 2) / (1 - q)
        return math.sqrt((second - (mean - edge) ** 2 + q * (mean - edge) ** 2) / (years * (1 - q)))

    def _mean_of(self, values: Floats) -> float:
        # A matrix product would start BLAS's threads, which wait for each other on a busy machine.
        return float((values * self.mass).sum())


def z_scores(losses: Losses, exact: Exact) -> dict[str, float]:
    """How many standard errors each simulated figure is above the exact one; the errors are the exact ones as well."""
    years = len(losses.totals)
    second, fourth = exact.moment(2), exact.moment(4)
    found = {
        "mean": (losses.mean - exact.moment(1)) / math.sqrt(second / years),
        "sd": (losses.sd - math.sqrt(second)) / math.sqrt((fourth - second**2) / (4 * second * years)),
    }
    for q in (0.95, 0.99):
        edge = exact.quantile(q)
        error = math.sqrt(q * (1 - q) / years) / exact.density(edge)
        found[f"VaR{q:.0%}"] = (losses.value_at_risk(q).value - edge) / error
    found["TVaR95%"] = (losses.tail_mean(0.95).value - exact.tail_mean(0.95)) / exact.tail_error(years, 0.95)
    return found


def exact(portfolio: Portfolio, *, top: float, points: int = 2**14, after: bool = False) -> Exact:
    """The total of a portfolio before or after the responses, on so many points up to `top`.

    Raises ValueError where more than LOST lies beyond the grid, and for a common factor together with caps.
    """
    step = top / points
    probability = portfolio.probability_after if after else portfolio.probability
    kept = portfolio.kept_loss if after else np.ones(len(portfolio))
    losses = (
        spread(mu, sigma, k, step, points) for mu, sigma, k in zip(portfolio.mu, portfolio.sigma, kept, strict=True)
    )
    transforms = (np.fft.rfft(one, 2 * points) for one in losses)
    if portfolio.correlation:
        if np.isfinite(portfolio.caps).any():
            raise ValueError("a common factor and caps are not both done")
        total = _dependent(portfolio, probability, transforms, points)
    else:
        total = _independent(portfolio, probability, transforms, step, points)
    return Exact(step, _mass(total, points))


def spread(mu: float, sigma: float, kept: float, step: float, points: int) -> Floats:
    """Probabilities on the grid of kept x lognormal(mu, sigma), mean kept; what is beyond the grid is left out."""
    places = step * np.arange(points + 1)
    mean_below = _limited_mean(mu + math.log(kept), sigma, places) if kept else np.zeros(points + 1)
    slopes = np.diff(mean_below) / step
    return np.concatenate(([1.0], slopes[:-1])) - slopes


def _limited_mean(mu: float, sigma: float, places: Floats) -> Floats:
    """E[min(X, x)] of a lognormal X."""
    if sigma == 0:
        return np.minimum(places, math.exp(mu))
    with np.errstate(divide="ignore"):
        z = (np.log(places) - mu) / sigma
    return math.exp(mu + sigma**2 / 2) * special.ndtr(z - sigma) + places * special.ndtr(-z)


def _independent(portfolio: Portfolio, probability: Floats, transforms, step: float, points: int) -> Complex:
    total = np.ones(points + 1, dtype=complex)
    customers: dict[int, Complex] = {}
    for p, customer, phi in zip(probability, portfolio.customer, transforms, strict=True):
        one = 1 - p + p * phi
        if customer >= 0 and math.isfinite(portfolio.caps[customer]):
            customers[customer] = customers.get(customer, 1) * one
        else:
            total *= one
    for customer, together in customers.items():
        total *= np.fft.rfft(_capped(_mass(together, points), portfolio.caps[customer] / step), 2 * points)
    return total


def _capped(mass: Floats, cap: float) -> Floats:
    """min(loss, cap), the cap in steps: what is above goes to the two places beside the cap, mean kept."""
    low = math.floor(cap)
    if low + 1 >= len(mass):
        return mass
    above = mass[low + 1 :].sum()
    capped = np.zeros_like(mass)
    capped[: low + 1] = mass[: low + 1]
    capped[low] += above * (low + 1 - cap)
    capped[low + 1] += above * (cap - low)
    return capped


def _dependent(portfolio: Portfolio, probability: Floats, transforms, points: int) -> Complex:
    factors, weights = np.polynomial.hermite_e.hermegauss(NODES)
    r = portfolio.correlation
    groups: dict[int, Complex] = {}
    for p, group, phi in zip(probability, portfolio.group, transforms, strict=True):
        p_given = special.ndtr((special.ndtri(p) - math.sqrt(r) * factors) / math.sqrt(1 - r))[:, None]
        groups[group] = groups.get(group, 1) * (1 - p_given + p_given * phi)
    total = np.ones(points + 1, dtype=complex)
    for products in groups.values():
        total *= np.average(products, axis=0, weights=weights)
    return total


def _mass(transform: Complex, points: int) -> Floats:
    """The probabilities behind a transform, +- 1e-16 each; a ValueError where the grid is too short for them."""
    mass = np.fft.irfft(transform, 2 * points)[:points]
    if not abs(1 - mass.sum()) < LOST:
        raise ValueError(f"{1 - mass.sum():.1e} lies beyond the grid")
    return mass
