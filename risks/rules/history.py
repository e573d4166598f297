"""What became of deals, from the snapshots that were seen of them. Plain.

Nobody saw what was before the first snapshot, so nothing is counted from before it; and what is dated after today, as
in a dry run over the past, has not happened yet.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from risks.rules.arrays import ages, greatest, least
from risks.rules.facts import Days, Facts, Rows, Texts, Truths

# A deal that a nightly run sees within a day of its making was seen from the beginning.
_SEEN_AT_ONCE = 1.0


@dataclass(frozen=True)
class Stays:
    """Deals in their stages, one row for each time a deal came to one, in order.

    seen: since when it is known to have stood there. start, end: from when until when it really did, NaN where that was
    not seen: the start of a deal that was there before anybody looked, the end of a stage in which it still stands.
    """

    deal: Rows
    stage: Texts
    seen: Days
    start: Days
    end: Days


def in_order(facts: Facts, known: Truths | None = None) -> Rows:
    """The snapshots up to today by deal, oldest first; of ``known`` only those."""
    snapshots = facts.snapshots
    there = (snapshots.deal >= 0) & (ages(facts.today, snapshots.day) >= 0)
    rows = np.flatnonzero(there if known is None else there & known)
    deals = snapshots.deal[rows]
    if np.any(deals[1:] < deals[:-1]):
        rows = rows[np.argsort(deals, kind="stable")]
    return rows


def steps(facts: Facts, known: Truths | None = None) -> tuple[Rows, Rows]:
    """Each snapshot and the one after it of the same deal, among those where something is known."""
    rows = in_order(facts, known)
    same = facts.snapshots.deal[rows[1:]] == facts.snapshots.deal[rows[:-1]]
    return rows[:-1][same], rows[1:][same]


def first_seen(facts: Facts) -> Days:
    """Since when each deal is observed."""
    snapshots = facts.snapshots
    return least(snapshots.deal, snapshots.day, len(facts.deals), ages(facts.today, snapshots.day) >= 0)


def stays(facts: Facts) -> Stays:
    """Every stage of every deal. The last one of a closed deal ends on the day on which it was closed."""
    snapshots, deals = facts.snapshots, facts.deals
    rows = in_order(facts, snapshots.stage != "")
    deal, stage, day = snapshots.deal[rows], snapshots.stage[rows], snapshots.day[rows]
    first = np.ones(len(rows), dtype=bool)
    first[1:] = deal[1:] != deal[:-1]
    comes = first.copy()
    comes[1:] |= stage[1:] != stage[:-1]
    first, deal, stage, day = first[comes], deal[comes], stage[comes], day[comes]

    created = deals.created[deal]
    begun = np.where(day - created <= _SEEN_AT_ONCE, np.fmin(day, created), np.nan)
    last, after = np.ones(len(deal), dtype=bool), np.full(len(deal), np.nan)
    last[:-1], after[:-1] = first[1:], day[1:]
    end = np.where(last, deals.closed[deal], after)
    return Stays(deal, stage, day, np.where(first, begun, day), end)


def stage_seen_since(facts: Facts, been: Stays) -> Days:
    """Since when each deal is known to stand in its stage by its ``stays``; it may stand there longer."""
    size = len(facts.deals)
    last = np.ones(len(been.deal), dtype=bool)
    last[:-1] = been.deal[1:] != been.deal[:-1]
    return greatest(been.deal, been.seen, size, last & (been.stage == facts.deals.stage[been.deal]))
