"""How a loss exceedance curve and an indicator's readings are drawn. Plain: numbers in, coordinates out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

WIDTH, HEIGHT = 600.0, 220.0
_QUANTILE = 0.999  # the chart ends where a year in a thousand lies; beyond it is a thin tail of single years


def exceedance(result: Mapping[str, Any]) -> dict[str, Any]:
    """Paths of both curves on a grid of 600 x 220: loss to the right, probability of losing more upwards."""
    before, after = result["before"]["curve"], result["after"]["curve"]
    greatest = max(_reaching(before), _reaching(after)) or 1.0
    target = result.get("target")
    buffer = result["expected"] - target if target is not None else None
    if buffer is not None and 0 <= buffer < 4 * greatest:
        greatest = max(greatest, 1.05 * buffer)
    marks = [0.25, 0.5, 0.75, 1.0]
    return {
        "before": _path(before, greatest),
        "after": _path(after, greatest),
        "var": round(WIDTH * result["after"]["var"]["95"][0] / greatest, 1),
        "buffer": round(WIDTH * buffer / greatest, 1) if buffer is not None and 0 <= buffer <= greatest else None,
        "losses": [{"x": round(WIDTH * mark, 1), "amount": greatest * mark} for mark in marks],
        "chances": [{"y": round(HEIGHT * (1 - mark), 1), "chance": mark} for mark in marks],
        "rows": _rows(before, after),
    }


def _reaching(curve: Sequence[Sequence[float]]) -> float:
    return max((loss for loss, chance in curve if chance >= 1 - _QUANTILE), default=0.0)


def _path(curve: Sequence[Sequence[float]], greatest: float) -> str:
    points = [(WIDTH * loss / greatest, HEIGHT * (1 - chance)) for loss, chance in curve if loss <= greatest]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _rows(before: Sequence[Sequence[float]], after: Sequence[Sequence[float]]) -> list[dict[str, float]]:
    """The curve as a table: what is lost at least with these chances."""
    return [
        {"chance": chance, "before": _at(before, chance), "after": _at(after, chance)}
        for chance in (0.9, 0.75, 0.5, 0.25, 0.1, 0.05, 0.01)
    ]


def _at(curve: Sequence[Sequence[float]], chance: float) -> float:
    """The greatest loss on the curve that is exceeded with at least this chance."""
    return max((loss for loss, exceeded in curve if exceeded >= chance), default=0.0)


LOW_WIDTH, LOW_HEIGHT = 600.0, 120.0


def readings(points: Sequence[tuple[float, float]], *, warning: float, limit: float) -> dict[str, Any]:
    """A line through (time, value) on a grid of 600 x 120 with the two thresholds; empty for no reading."""
    if not points:
        return {}
    times, values = [t for t, _ in points], [v for _, v in points]
    low, high = min(*values, warning, limit), max(*values, warning, limit)
    margin = (high - low) * 0.08 or 1.0
    low, high = low - margin, high + margin
    span = (times[-1] - times[0]) or 1.0

    def x(time: float) -> float:
        return round(6 + (LOW_WIDTH - 12) * (time - times[0]) / span, 1) if len(points) > 1 else LOW_WIDTH / 2

    def y(value: float) -> float:
        return round(LOW_HEIGHT * (high - value) / (high - low), 1)

    return {
        "path": "M" + "L".join(f"{x(time)} {y(value)}" for time, value in points),
        "dots": [{"x": x(time), "y": y(value)} for time, value in points] if len(points) <= 40 else [],
        "warning": y(warning),
        "limit": y(limit),
        # Beyond the limit, whichever side that is.
        "beyond": (0.0, y(limit)) if limit > warning else (y(limit), LOW_HEIGHT - y(limit)),
    }
