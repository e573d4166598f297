"""When a digest is due, and what has changed since the last one. Plain: the clock is passed in.

A person's times are wall times: an hour of her own day, in her zone. A time the spring change skips falls on the
next valid one, a time the autumn change repeats counts once, the first.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

CADENCES = ("daily", "weekly", "monthly")


@dataclass(frozen=True)
class Period:
    """A period's name, unique for a person, and the moment (UTC) from which its digest is due."""

    key: str
    due: dt.datetime


def latest_period(cadence: str, *, hour: int, zone: ZoneInfo, now: dt.datetime) -> Period:
    """The period whose digest fell due last, at or before ``now`` (aware). Raises ValueError for another cadence."""
    today = now.astimezone(zone).date()
    for back in (0, 1):
        day = _day_of(cadence, today, back)
        due = dt.datetime.combine(day, dt.time(hour), tzinfo=zone).astimezone(dt.UTC)
        if due <= now:
            return Period(_key(cadence, day), due)
    raise AssertionError("the period before this one always lies in the past")


def _day_of(cadence: str, today: dt.date, back: int) -> dt.date:
    if cadence == "daily":
        return today - dt.timedelta(days=back)
    if cadence == "weekly":
        return today - dt.timedelta(days=today.weekday() + 7 * back)
    if cadence == "monthly":
        first = today.replace(day=1)
        return first if not back else (first - dt.timedelta(days=1)).replace(day=1)
    raise ValueError(f"{cadence!r} is none of {', '.join(CADENCES)}")


def _key(cadence: str, day: dt.date) -> str:
    if cadence == "daily":
        return day.isoformat()
    if cadence == "weekly":
        year, week, _ = day.isocalendar()
        return f"{year}-W{week:02d}"
    return f"{day:%Y-%m}"


@dataclass(frozen=True)
class Memory:
    """What a digest told of scores: the ids of its top risks in order, and the score of each risk it followed."""

    top: tuple[int, ...]
    scores: Mapping[int, float]

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Memory:
        """As it was kept; an older digest kept only the scores of its top."""
        scores = {int(pk): float(score) for pk, score in content.get("scores", {}).items()}
        return cls(tuple(content.get("top", scores)), scores)

    def as_content(self) -> dict[str, Any]:
        return {"top": list(self.top), "scores": {str(pk): score for pk, score in self.scores.items()}}


@dataclass(frozen=True)
class Moved:
    risk_id: int
    before: float
    after: float

    @property
    def change(self) -> float:
        return self.after - self.before


@dataclass(frozen=True)
class Since:
    """What is different from the last digest: ids of risks that entered or left its top, and scores that moved."""

    entered: tuple[int, ...]
    left: tuple[int, ...]
    moved: tuple[Moved, ...]  # the largest first


# Less than this nobody wants to read about; points of the score.
SMALLEST_MOVE = 0.5


def compare(before: Memory | None, now: Memory) -> Since:
    """What changed since a reader's last digest; nothing for the first one, which has nothing to compare with."""
    if before is None:
        return Since((), (), ())
    moved = [
        Moved(pk, before.scores[pk], score)
        for pk, score in now.scores.items()
        if pk in before.scores and abs(score - before.scores[pk]) >= SMALLEST_MOVE
    ]
    return Since(
        entered=_not_in(now.top, before.top),
        left=_not_in(before.top, now.top),
        moved=tuple(sorted(moved, key=lambda m: (-abs(m.change), m.risk_id))),
    )


def _not_in(these: Sequence[int], those: Sequence[int]) -> tuple[int, ...]:
    others = set(those)
    return tuple(pk for pk in these if pk not in others)
