"""Responses as text in one cell of the register file, and back. Plain.

Each response begins at the left edge with its title; what belongs to it is indented::

    Quarterly business reviews
      confidence: 80 %
      description: With the buyer and her manager
      - Book the dates | done 2026-03-01 | due 2026-02-20 | owner tom | cost 500 | effect 20 %

Text that other registers keep in such a cell is taken line by line: each line is a response without actions.
Only a title with its confidence under it was written by us, so only there a backslash has a meaning.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation

_STATUSES = ("planned", "in_progress", "done", "cancelled")
_DETAIL = re.compile(r"  (confidence|description|trigger): (.*)")
_CONFIDENCE = re.compile(r"  confidence: (\d{1,3}) %")
_BULLET = re.compile(r"^\s*(?:[-–•*·]|\(?\d{1,2}[.)、])\s+")
_TITLE_LIMIT = 200


@dataclass
class Step:
    title: str
    status: str = "planned"
    done_on: dt.date | None = None
    due: dt.date | None = None
    owner: str = ""  # user name
    cost: Decimal = Decimal(0)
    effect: int = 0  # percent


@dataclass
class Measure:
    title: str
    description: str = ""
    trigger: str = ""
    confidence: int = 80  # percent
    steps: list[Step] = field(default_factory=list)


def write(measures: Sequence[Measure]) -> str:
    lines: list[str] = []
    for measure in measures:
        lines += [_escape(measure.title), f"  confidence: {measure.confidence} %"]
        lines += [
            f"  {name}: {_escape(text)}" for name in ("description", "trigger") if (text := getattr(measure, name))
        ]
        lines += [f"  - {_step_line(step)}" for step in measure.steps]
    return "\n".join(lines)


def _step_line(step: Step) -> str:
    status = f"{step.status} {step.done_on.isoformat()}" if step.done_on else step.status
    parts = [
        _escape(step.title),
        status,
        f"due {step.due.isoformat() if step.due else '-'}",
        f"owner {step.owner or '-'}",
        f"cost {step.cost.normalize():f}",
        f"effect {step.effect} %",
    ]
    return " | ".join(parts)


def read(text: str) -> list[Measure]:
    """The measures a cell holds. Never fails: a line of another form is a response of that title."""
    measures: list[Measure] = []
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for line, below in zip(lines, [*lines[1:], ""], strict=True):
        if measures and line.startswith("  - ") and (step := _read_step(line[4:])):
            measures[-1].steps.append(step)
        elif measures and (detail := _DETAIL.fullmatch(line)) and _take(measures[-1], detail[1], detail[2]):
            continue
        elif line.strip():
            measures.append(_read_title(line, ours=bool(_CONFIDENCE.fullmatch(below))))
    return measures


def _read_title(line: str, *, ours: bool) -> Measure:
    title = _unescape(line).strip() if ours else _BULLET.sub("", line).strip()
    title = title or line.strip()
    if len(title) <= _TITLE_LIMIT:
        return Measure(title)
    return Measure(title[: _TITLE_LIMIT - 1] + "…", description=title[:5000])


def _take(measure: Measure, name: str, text: str) -> bool:
    if name != "confidence":
        setattr(measure, name, _unescape(text))
        return True
    digits = re.fullmatch(r"(\d{1,3}) %", text)
    if not digits or not 1 <= int(digits[1]) <= 100:
        return False
    measure.confidence = int(digits[1])
    return True


def _read_step(line: str) -> Step | None:
    parts = line.split(" | ")
    if len(parts) != 6:
        return None
    title, status, due, owner, cost, effect = parts
    word, _, done_on = status.partition(" ")
    try:
        step = Step(
            title=_unescape(title),
            status=word,
            done_on=dt.date.fromisoformat(done_on) if done_on else None,
            due=None if due == "due -" else dt.date.fromisoformat(due.removeprefix("due ")),
            owner="" if owner == "owner -" else owner.removeprefix("owner "),
            cost=round(Decimal(cost.removeprefix("cost ")), 2),
            effect=int(effect.removeprefix("effect ").removesuffix(" %")),
        )
    except (ValueError, InvalidOperation):
        return None
    sound = (
        step.status in _STATUSES
        and (step.status == "done") == (step.done_on is not None)
        and 0 <= step.effect <= 95
        and step.cost.is_finite()
        and 0 <= step.cost < Decimal(10) ** 12
        and 0 < len(step.title) <= _TITLE_LIMIT
    )
    return step if sound else None


def _escape(text: str) -> str:
    """On one line, not to be taken for the marks above, and reversible."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    text = text.replace("\\", "\\\\").replace("\n", "\\n").replace("|", "\\p")
    if text != text.strip() or _BULLET.match(text):
        text = "\\_" + text + "\\_"
    return text


def _unescape(text: str) -> str:
    names = {"\\\\": "\\", "\\n": "\n", "\\p": "|", "\\_": ""}
    return re.sub(r"\\[\\np_]", lambda match: names[match[0]], text)
