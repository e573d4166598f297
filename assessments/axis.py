"""A logarithmic axis that opinions are drawn on, so that 1 % and 2 % stand as far apart as 20 % and 40 %. Plain."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

_STEPS = (1, 2, 5)


@dataclass(frozen=True)
class Axis:
    """From ``low`` to ``high``, both above 0, with ``ticks`` at round values, the lowest first."""

    low: float
    high: float
    ticks: tuple[float, ...]

    def place(self, value: float) -> float:
        """Where a value above 0 lies, in percent of the way from low to high; values beyond lie at the ends."""
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return 100 * min(max(share, 0.0), 1.0)


def axis_for(values: Iterable[float], *, most_ticks: int) -> Axis:
    """The narrowest axis between two round values (1, 2 or 5 times a power of ten) with all values inside it.

    values: one or more, above 0. most_ticks: 2 or more; where there are more round values some are left out.
    """
    values = sorted(values)
    first, last = _place_below(values[0]), _place_above(values[-1])
    stride = math.ceil((last - first) / (most_ticks - 1))
    return Axis(_round(first), _round(last), tuple(_round(place) for place in range(first, last + 1, stride)))


def _round(place: int) -> float:
    """The round values in their order: place 0 is 1, 1 is 2, 2 is 5, 3 is 10."""
    return float(f"{_STEPS[place % 3]}e{place // 3}")


def _place_below(value: float) -> int:
    place = 3 * (math.floor(math.log10(value)) + 1)
    while _round(place) >= value:
        place -= 1
    return place


def _place_above(value: float) -> int:
    place = _place_below(value) + 1
    while _round(place) <= value:
        place += 1
    return place
