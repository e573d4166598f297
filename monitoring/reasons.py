"""Why a score moved: what differs between two rows of the ledger. Plain.

A row keeps its factors: the judgement, then each step with its amount and the exposure after it (risks/scores.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

Factors = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class Reason:
    """One thing that moved. ``change`` is what it did to the exposure's natural logarithm; None where there was no
    exposure before or after."""

    kind: str  # judgement, or the kind of a step
    ref: int
    label: str
    change: float | None

    @property
    def factor(self) -> float | None:
        """By how much it multiplied the exposure."""
        return None if self.change is None else math.exp(self.change)


def between(before: Factors, after: Factors) -> list[Reason]:
    """What moved from one row's factors to another's, the strongest first; nothing for two alike."""
    if not before or not after:
        known = [*after, *before]
        return [Reason("judgement", known[0]["ref"], "", None)] if known else []
    earlier, later = _shares(before), _shares(after)
    moved = [
        Reason(kind, ref, label, _share(later, kind, ref) - _share(earlier, kind, ref))
        for (kind, ref), (_, amounts, label) in {**earlier, **later}.items()
        if amounts != earlier.get((kind, ref), _NOTHING)[1] or amounts != later.get((kind, ref), _NOTHING)[1]
    ]
    judged = _judged(before, after)
    return sorted([*judged, *moved], key=lambda reason: -abs(reason.change or 0.0))


def as_rows(reasons: Sequence[Reason]) -> list[dict[str, Any]]:
    """As kept with a flag."""
    return [asdict(reason) for reason in reasons]


_Share = tuple[float, tuple[float, ...], str]
_NOTHING: _Share = (0.0, (), "")


def _shares(factors: Factors) -> dict[tuple[str, int], _Share]:
    """Of each source: what its steps together do to the exposure's logarithm, their amounts, and its last words."""
    shares: dict[tuple[str, int], _Share] = {}
    exposure = factors[0]["exposure"]
    for step in factors[1:]:
        key = (step["kind"], step["ref"])
        share, amounts, _ = shares.get(key, _NOTHING)
        shares[key] = (
            share + _log_ratio(step["exposure"], exposure),
            (*amounts, step.get("amount", 0.0)),
            step["label"],
        )
        exposure = step["exposure"]
    return shares


def _share(shares: Mapping[tuple[str, int], _Share], kind: str, ref: int) -> float:
    return shares.get((kind, ref), _NOTHING)[0]


def _judged(before: Factors, after: Factors) -> list[Reason]:
    old, new = before[0], after[0]
    if old["exposure"] == new["exposure"] and old["ref"] == new["ref"]:
        return []
    return [Reason("judgement", new["ref"], "", _log_ratio(new["exposure"], old["exposure"]))]


def _log_ratio(new: float, old: float) -> float:
    return math.log(new / old) if new > 0 and old > 0 else 0.0
