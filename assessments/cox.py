"""Cox's three requirements of a risk matrix, judged on any grid of bands. Plain.

Source: Cox 2008, "What's wrong with risk matrices?", Risk Analysis 28 (quant.md A1). A matrix that breaks one of them
can rank a smaller risk above a greater one.

Which risks stand for a cell depends on the requirement. *Weak consistency* is about every point of a cell: whoever
picks a level says no more than that the truth lies somewhere in its range, so the least risk of a highest-band cell
(its lower corner) has to outweigh the greatest risk of a lowest-band cell (its upper corner). Centres would pass
matrices in which a red risk is smaller than a green one. *Consistent colouring* asks for no more than a grid can give,
and neighbouring cells overlap always when compared by their corners; there the centre stands for the cell, and only
what is clearly smaller counts. Bounds are the declared ones: what lies beyond a scale is no point of the grid.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Cell = tuple[int, int]  # likelihood level, impact level, both from 1
Range = tuple[float, float]

# A judge of levels cannot tell risks apart that differ by less than this factor.
CLEARLY = 2.0
FEWEST_BANDS = 3
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Finding:
    """The worst cell that breaks a requirement, the cell it is held against, and how many cells break it.

    ``risk`` and ``other_risk`` are the yearly losses in money that were compared, 0 where none were.
    """

    code: str
    cell: Cell
    other: Cell
    count: int
    risk: float = 0.0
    other_risk: float = 0.0


class Grid:
    """Bands of the cells (a row per likelihood level, band numbers from 1) with the ranges of the levels."""

    def __init__(self, bands: Sequence[Sequence[int]], likelihood: Sequence[Range], money: Sequence[Range]) -> None:
        self.likelihood, self.money = likelihood, money
        self.bands = {(row, column): band for row, line in enumerate(bands, 1) for column, band in enumerate(line, 1)}
        self.mildest, self.highest = min(self.bands.values()), max(self.bands.values())
        self.occurring = len(set(self.bands.values()))
        # Geometric, as the method values a level.
        self.centre = {cell: math.sqrt(self.least(cell) * self.greatest(cell)) for cell in self.bands}

    def of_band(self, band: int) -> list[Cell]:
        return [cell for cell, its in self.bands.items() if its == band]

    def least(self, cell: Cell) -> float:
        return self.likelihood[cell[0] - 1][0] * self.money[cell[1] - 1][0]

    def greatest(self, cell: Cell) -> float:
        return self.likelihood[cell[0] - 1][1] * self.money[cell[1] - 1][1]

    def upwards(self, cell: Cell, *, diagonal: bool) -> Iterable[Cell]:
        """The neighbours with a higher likelihood, a higher impact, or (diagonal) both."""
        row, column = cell
        steps = [(row + 1, column), (row, column + 1), (row + 1, column + 1)]
        return (step for step in steps[: 3 if diagonal else 2] if step in self.bands)


def judge(grid: Grid) -> list[Finding]:
    """What the grid breaks, at most one finding a requirement: the worst cell and how many there are.

    Codes: *milder* (a likelier or worse cell in a milder band), *outweighed* (weak consistency), *step* and *edge*
    (betweenness), *colouring* (consistent colouring; not looked for where *milder* says the same more simply).
    Betweenness also needs ``grid.occurring`` to be 3 at least; with fewer the lowest band must touch the highest, and
    only *milder* is looked for.
    """
    disorder = milder(grid)
    found = [disorder]
    if grid.occurring >= FEWEST_BANDS:
        found += [outweighed(grid), step(grid), edge(grid), None if disorder else colouring(grid)]
    return [finding for finding in found if finding]


def milder(grid: Grid) -> Finding | None:
    """Likelier or worse must never be milder. Worst: the greatest fall in bands."""
    falls = [
        (grid.bands[cell] - grid.bands[above], above, cell)
        for cell in grid.bands
        for above in grid.upwards(cell, diagonal=False)
        if grid.bands[above] < grid.bands[cell]
    ]
    if not falls:
        return None
    _depth, cell, other = max(falls, key=lambda fall: fall[0])
    return Finding("milder", cell, other, len({above for _, above, _ in falls}))


def outweighed(grid: Grid) -> Finding | None:
    """Weak consistency: every risk of the highest band outweighs every risk of the lowest, corner against corner."""
    greatest = max(grid.of_band(grid.mildest), key=grid.greatest)
    ceiling = grid.greatest(greatest)
    offending = [cell for cell in grid.of_band(grid.highest) if grid.least(cell) < ceiling * (1 - _ROUNDING)]
    if not offending:
        return None
    worst = min(offending, key=grid.least)
    return Finding("outweighed", worst, greatest, len(offending), grid.least(worst), ceiling)


def step(grid: Grid) -> Finding | None:
    """Betweenness: no step upwards or slantwise from the lowest band straight into the highest."""
    steps = [
        (above, cell)
        for cell in grid.of_band(grid.mildest)
        for above in grid.upwards(cell, diagonal=True)
        if grid.bands[above] == grid.highest
    ]
    return Finding("step", *steps[0], len({above for above, _ in steps})) if steps else None


def edge(grid: Grid) -> Finding | None:
    """Betweenness: the rarest row and the mildest column begin next to nothing and are never in the highest band."""
    offending = [cell for cell in grid.of_band(grid.highest) if 1 in cell]
    if not offending:
        return None
    worst = min(offending, key=lambda cell: grid.centre[cell])
    return Finding("edge", worst, worst, len(offending))


def colouring(grid: Grid) -> Finding | None:
    """Consistent colouring: no cell stands above one whose risk is clearly greater, centre against centre."""
    inverted = [
        (grid.centre[other] / grid.centre[cell], cell, other)
        for cell, other in itertools.permutations(grid.bands, 2)
        if grid.bands[cell] > grid.bands[other] and grid.centre[other] > CLEARLY * grid.centre[cell]
    ]
    if not inverted:
        return None
    _ratio, cell, other = max(inverted)
    return Finding("colouring", cell, other, len({c for _, c, _ in inverted}), grid.centre[cell], grid.centre[other])
