"""What actions take off a risk (docs/decisions.md, Scores). Plain: numbers in and out."""

from __future__ import annotations


def kept(effect_percent: float, confidence_percent: float) -> float:
    """Share of the rate (preventive) or of the loss (contingency) that remains: 1 - q e, with e and q in percent.

    Raises ValueError outside 0..100 percent.
    """
    if not (0 <= effect_percent <= 100 and 0 <= confidence_percent <= 100):
        raise ValueError("effect and confidence are percentages from 0 to 100")
    return 1.0 - effect_percent * confidence_percent / 10_000.0
