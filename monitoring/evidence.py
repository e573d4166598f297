"""What an observation is worth as evidence: a shift of the log-odds. Plain.

The weight of evidence is the logarithm of the likelihood ratio (I. J. Good, 1950): an observation twice as
probable if the risk is coming than if it is not multiplies the odds by two.
"""

from __future__ import annotations

import math

# Bearing -> likelihood ratio. "More likely" doubles the odds, "much more likely" makes them fourfold.
_RATIOS = {-2: 1 / 4, -1: 1 / 2, 0: 1.0, 1: 2.0, 2: 4.0}


def weight(bearing: int) -> float:
    """Shift of the log-odds for a bearing of -2..2. Raises KeyError for another."""
    return math.log(_RATIOS[bearing])
