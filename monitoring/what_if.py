"""What a draft of the scoring method would change, from columns before and after. Plain.

Before is what stands on the cover sheets, after is what the draft makes of the same judgements, responses and evidence.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Days = NDArray[np.datetime64]


@dataclass(frozen=True)
class Scores:
    """Columns of n risks: score and exposure (NaN for unassessed), band from 1 (0 for unassessed), review due (NaT)."""

    score: Floats
    exposure: Floats
    band: Integers
    due: Days

    def ranking(self) -> Integers:
        """Rows of the assessed risks, the greatest score first, then the greatest exposure, then the oldest risk."""
        order = np.lexsort((-self.exposure, -self.score))
        return order[: int((~np.isnan(self.score)).sum())]


@dataclass(frozen=True)
class Columns:
    """The open register, ascending by id: whose each risk is, and its scores before and after."""

    risk_ids: Integers
    category: Integers
    team: Integers
    owner: Integers  # 0 for none
    confidential: Flags
    before: Scores
    after: Scores


@dataclass(frozen=True)
class Moves:
    """How many risks of a group change band; tougher and milder where both methods have the same bands."""

    risks: int
    changed: int
    tougher: int
    milder: int


@dataclass(frozen=True)
class Reviews:
    earlier: int
    later: int
    due_now: int  # due by today after, and not before


@dataclass(frozen=True)
class TopChange:
    """Rows of a ranking's first places, and who enters and leaves them."""

    before: list[int]
    after: list[int]
    enters: list[int] = field(init=False)
    leaves: list[int] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "enters", [row for row in self.after if row not in self.before])
        object.__setattr__(self, "leaves", [row for row in self.before if row not in self.after])

    @property
    def changed(self) -> bool:
        return self.before != self.after


def transitions(columns: Columns, *, before: int, after: int) -> Integers:
    """Counts of risks by band, shape (before + 1, after + 1): from the row to the column, 0 being unassessed."""
    cells = columns.before.band * (after + 1) + columns.after.band
    counted = np.bincount(cells, minlength=(before + 1) * (after + 1))
    return counted.reshape(before + 1, after + 1)


def same_bands(before: Sequence[str], after: Sequence[str]) -> Flags:
    """Which band before is which after, shape (b + 1, a + 1): by place where there are as many, else by name."""
    if len(before) == len(after):
        return np.eye(len(before) + 1, dtype=bool)
    same = np.zeros((len(before) + 1, len(after) + 1), dtype=bool)
    same[0, 0] = True  # unassessed is no band, not even one without a name
    same[1:, 1:] = np.array(before)[:, None] == np.array(after)[None, :]
    return same


def moves(columns: Columns, rows: Integers | Flags, same: Flags) -> Moves:
    """The moves of some of the risks."""
    band_before, band_after = columns.before.band[rows], columns.after.band[rows]
    changed = ~same[band_before, band_after]
    comparable = changed & (band_before > 0) & (band_after > 0) & (same.shape[0] == same.shape[1])
    return Moves(
        risks=len(band_before),
        changed=int(changed.sum()),
        tougher=int((comparable & (band_after > band_before)).sum()),
        milder=int((comparable & (band_after < band_before)).sum()),
    )


def moves_by(columns: Columns, groups: Integers, same: Flags) -> dict[int, Moves]:
    """The moves of each group of risks, by the group's id."""
    return {int(group): moves(columns, groups == group, same) for group in np.unique(groups)}


def reviews(columns: Columns, *, today: np.datetime64) -> Reviews:
    before, after = columns.before.due, columns.after.due
    return Reviews(
        earlier=int((after < before).sum()),
        later=int((after > before).sum()),
        due_now=int(((after <= today) & ~(before <= today)).sum()),
    )


def top(ranking: Integers, number: int, seen: Flags | None = None) -> list[int]:
    """The first rows of a ranking, of those that are seen. Looks no further down than it must."""
    if seen is None:
        return ranking[:number].tolist()
    looked = max(4 * number, 256)
    while True:
        first = ranking[:looked]
        found = first[seen[first]][:number]
        if len(found) == number or looked >= len(ranking):
            return [int(row) for row in found]
        looked *= 4
