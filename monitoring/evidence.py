"""What an observation or a reading is worth as evidence: a shift of the log-odds. Plain.

The weight of evidence is the logarithm of the likelihood ratio (I. J. Good, 1950): an observation twice as
probable if the risk is coming than if it is not multiplies the odds by two.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

# Bearing -> likelihood ratio. "More likely" doubles the odds, "much more likely" makes them fourfold.
_RATIOS = {-2: 1 / 4, -1: 1 / 2, 0: 1.0, 1: 2.0, 2: 4.0}


def weight(bearing: int) -> float:
    """Shift of the log-odds for a bearing of -2..2. Raises KeyError for another."""
    return math.log(_RATIOS[bearing])


# How far a reading counts: as much against the risk as for it up to the mirror image of the limit, and twice as much
# as at the limit beyond it.
_LEAST, _MOST = -1.0, 2.0


def position(
    value: NDArray[np.float64], warning: NDArray[np.float64], limit: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Where readings lie between warning (0) and limit (1), from -1 to 2; NaN for no reading. Shape (n,).

    Linear, because of two normal distributions of one spread, readings when the risk is coming and when it is not, the
    weight of evidence is linear in the reading, and nothing midway between them. Which way is worse is in the order
    of the two thresholds; they must differ.
    """
    return np.clip((value - warning) / (limit - warning), _LEAST, _MOST)


def shift(
    now: NDArray[np.float64],
    then: NDArray[np.float64],
    *,
    warning: NDArray[np.float64],
    limit: NDArray[np.float64],
    ratio: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Shift of the log-odds by readings, each of shape (n,).

    ``then`` is the reading that was known when the risk was judged: the judgement has counted it already. Where there
    was none (NaN) the reading counts in full. ``ratio`` is the likelihood ratio at the limit, above 1.
    """
    known = position(then, warning, limit)
    return np.log(ratio) * (position(now, warning, limit) - np.where(np.isnan(known), 0.0, known))
