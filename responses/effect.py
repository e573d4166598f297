"""What actions take off a risk (docs/decisions.md, Scores). Plain: numbers in and out."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Percent = TypeVar("Percent", float, NDArray[np.float64])


def kept(effect_percent: Percent, confidence_percent: Percent) -> Percent:
    """Share of the rate (preventive) or of the loss (contingency) that remains: 1 - q e, with e and q in percent.

    Numbers or columns of them. Raises ValueError outside 0..100 percent.
    """
    for percent in (effect_percent, confidence_percent):
        if not np.all((np.asarray(percent) >= 0) & (np.asarray(percent) <= 100)):
            raise ValueError("effect and confidence are percentages from 0 to 100")
    return 1.0 - effect_percent * confidence_percent / 10_000.0
