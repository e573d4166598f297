"""The rules by which other registers call a score changed: each flags where its statistic reaches a limit.

Each takes score histories of shape (rows, points), oldest first, and gives the statistic of every evaluation in the
same shape. The reviewed score is the last one before evaluations begin.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Levels of a 5 x 5 product: 1-4, 5-9, 10-16, 17-25.
BAND_EDGES = np.array([5.0, 10.0, 17.0])
WINDOW = 30


@dataclass(frozen=True)
class Rule:
    """name: as registers say it. field: the limit they use. statistic: of (values, first), see the module."""

    name: str
    field: float
    statistic: Callable[[Floats, int], Floats]


def share_of_reviewed(values: Floats, first: int) -> Floats:
    reviewed = values[:, first - 2, None]
    return np.abs(values - reviewed) / np.abs(reviewed)


def away_from_reviewed(values: Floats, first: int) -> Floats:
    return np.abs(values - values[:, first - 2, None])


def beyond_reviewed_band(values: Floats, first: int) -> Floats:
    """How many points a score lies outside the band it was reviewed in; 0 inside."""
    band = np.searchsorted(BAND_EDGES, values[:, first - 2, None], side="right")
    edges = np.concatenate([[-np.inf], BAND_EDGES, [np.inf]])
    return np.maximum(0, np.maximum(edges[band] - values, values - edges[band + 1]))


def sds_of_the_window(values: Floats, first: int) -> Floats:
    """Distance from the mean of the last WINDOW scores before, in their standard deviations."""
    away = np.zeros_like(values)
    for now in range(first - 1, values.shape[1]):
        window = values[:, max(0, now - WINDOW) : now]
        distance = np.abs(values[:, now] - window.mean(axis=1))
        # Scores that never moved have no spread: then any move is beyond every limit, and none is 0.
        spread = np.maximum(window.std(axis=1, ddof=1), 1e-9)
        away[:, now] = distance / spread
    return away


def away_from_previous(values: Floats, first: int) -> Floats:
    return np.abs(np.diff(values, axis=1, prepend=values[:, :1]))


NAIVE = (
    Rule("20 % from the reviewed score", 0.2, share_of_reviewed),
    Rule("3 points from the reviewed score", 3.0, away_from_reviewed),
    # Any distance at all: the edge itself belongs to the higher band.
    Rule("band crossed", 1e-9, beyond_reviewed_band),
    Rule("3 sd of the last 30", 3.0, sds_of_the_window),
    Rule("3 points from the previous score", 3.0, away_from_previous),
)
