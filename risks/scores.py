"""The one way for every score, of one risk or of a million.

Risks become columns, each stage of settings.SCORE_STAGES contributes in lifecycle order, and what differs
from the cover sheet is written there and to the append-only ledger. Nothing else writes either of them.

Who scores a risk holds the lock of its cover sheet from before he reads until he has written, so of two at once the
second sees what the first did. A run over the register looks without locks first and locks what differs.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from django.conf import settings
from django.db import connection, models, transaction
from django.utils.module_loading import import_string
from numpy.typing import NDArray

from riskreg import arrays
from riskreg.arrays import Kind
from risks.models import Cause, CoverSheet, Risk, ScoreEntry

# Risks looked at in one go, and those scored in one go where most change: about a second of row locks on PostgreSQL,
# some 50 ms of SQLite's one lock for all writers.
LOOK = {"postgresql": 100_000, "sqlite": 5_000}
CHUNKS = {"postgresql": 20_000, "sqlite": 1_000}
_NAMED = 500  # risks up to which a query names them; beyond, it asks for the span and drops the others
_MOST_ODDS = 500.0  # log-odds beyond which exp() would overflow

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]
Columns = tuple[Integers, Floats]
Op = Literal["odds", "rate", "impact"]

# Cover-sheet columns that are numbers; the rest are dates and are compared apart.
_NUMBERS = (
    "score",
    "band",
    "exposure",
    "inherent",
    "residual",
    "target",
    "likelihood_level",
    "impact_level",
    "method_version",
)
_WATCHED = ("score", "band", "method_version")
_LEDGER = tuple(name for name in _NUMBERS if name not in ("likelihood_level", "impact_level"))


@dataclass
class Steps:
    """A stage's changes to risks: for each entry the row of the sheet it belongs to, and an amount.

    ``odds`` adds to the log-odds of the probability; ``rate`` and ``impact`` multiply the yearly rate and the
    money. Planned steps count towards the target only. ``refs`` are what a step links to, ``sources`` what it came
    from; ``labels`` gives the words of all sources, asked only when there are steps that go into the ledger.
    """

    kind: str
    op: Op
    rows: Integers
    amounts: Floats
    refs: Integers
    sources: Integers
    labels: Callable[[], Mapping[int, str]]
    planned: bool = False


@dataclass(frozen=True)
class Span:
    """Risks by id: after one up to and including another; just the named ones of them where there are few."""

    after: int
    last: int
    ids: tuple[int, ...] | None = None

    def of(self, rows: models.QuerySet[Any, Any], risk: str) -> models.QuerySet[Any, Any]:
        """The rows of a queryset that belong to these risks, ``risk`` being the name of its risk's id."""
        if self.ids is not None:
            return rows.filter(**{f"{risk}__in": self.ids})
        return rows.filter(**{f"{risk}__gt": self.after, f"{risk}__lte": self.last})


@dataclass
class Sheet:
    """Columns of n risks on their way through the stages. NaN and NaT mean: nobody has judged it."""

    risk_ids: Integers  # ascending
    horizon_months: Floats
    span: Span  # at least these risks
    at: dt.datetime
    method: Any  # as settings.SCORE_METHOD gives it
    judgement: Integers = field(init=False)  # id of the assessment, 0 for none
    probability: Floats = field(init=False)  # a year, as judged
    impact: Floats = field(init=False)  # money, as judged
    reviewed_on: NDArray[np.datetime64] = field(init=False)  # last looked at, in days
    review_by: NDArray[np.datetime64] = field(init=False)  # something calls for a review until then, before its turn
    steps: list[Steps] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.risk_ids)
        self.judgement = np.zeros(n, dtype=np.int64)
        self.probability = np.full(n, np.nan)
        self.impact = np.full(n, np.nan)
        self.reviewed_on = np.full(n, np.datetime64("NaT"), dtype="datetime64[D]")
        self.review_by = self.reviewed_on.copy()

    def read(
        self, rows: models.QuerySet[Any, Any], *kinds: Kind, risk: str = "risk", filled: bool = False
    ) -> tuple[Any, ...]:
        """Columns of the rows that belong to risks of this sheet; the first, the risk's id, comes as its row here.

        ``rows`` is a ``values_list`` queryset whose first column is the risk's id, ``kinds`` are those of the others.
        """
        ids, *columns = arrays.read(self.span.of(rows, risk), "int", *kinds, filled=filled)
        if len(ids) == len(self.risk_ids) and (ids == self.risk_ids).all():
            return np.arange(len(ids)), *columns
        places = np.minimum(np.searchsorted(self.risk_ids, ids), len(self.risk_ids) - 1)
        here = self.risk_ids[places] == ids
        if here.all():
            return places, *columns
        return places[here], *(column[here] for column in columns)


@dataclass(frozen=True)
class Results:
    """Columns of n risks, ready for the cover sheet; and what is between them and the judgement."""

    numbers: dict[str, Floats]
    review_due: NDArray[np.datetime64]
    probability: Floats  # a year, after the evidence and before the responses
    kept_rate: Floats  # shares that the responses in place leave
    kept_impact: Floats


@dataclass(frozen=True)
class Stored:
    """What stands on the cover sheets of n risks; ``missing`` where a risk has none yet."""

    numbers: dict[str, Floats]
    review_due: NDArray[np.datetime64]
    missing: Flags


@dataclass(frozen=True)
class Change:
    """What was just written for n risks, for those who watch (settings.SCORE_WATCHERS): columns before and after."""

    risk_ids: Integers
    before: Mapping[str, Floats]  # score, band and method_version; NaN for none
    after: Mapping[str, Floats]
    method: Any
    cause: Cause
    at: dt.datetime


def active_method() -> Any:
    """The scoring method in force, with its bands; from the stage named in settings."""
    return import_string(settings.SCORE_METHOD)()


def bands_of(version: int) -> Sequence[Any]:
    """The bands of a version of the method: what a score that was made with it is shown with."""
    bands: Sequence[Any] = active_method().bands_of(version)
    return bands


def rescore(
    risk_ids: Iterable[int], *, cause: Cause, at: dt.datetime, run: int | None = None, always: bool = False
) -> int:
    """Score open risks anew and write what changed; returns how many ledger rows were written.

    All in one transaction (the caller's, if there is one): for the whole register there is ``walk``.
    ``always`` writes a ledger row even where the number stays: a judgement that confirms is an evaluation, too.
    """
    ids = sorted(set(risk_ids))
    written = 0
    with transaction.atomic():
        for start in range(0, len(ids), _NAMED):
            part = ids[start : start + _NAMED]
            span = Span(part[0] - 1, part[-1], tuple(part))
            written += _rescore(span, cause=cause, at=at, run=run, always=always)
    return written


@dataclass
class Chunk:
    """Some of the open risks on a walk through the register."""

    size: int
    last: int
    _differ: Span | None  # those that differed when looked at without a lock; None for none
    changed: int = 0

    def rescore(self, *, cause: Cause, at: dt.datetime, run: int | None = None) -> int:
        """Score what differs and write it, in the caller's transaction; returns how many ledger rows were written."""
        if self._differ is not None:
            self.changed = _rescore(self._differ, cause=cause, at=at, run=run, always=False)
        return self.changed


def walk(*, after: int = 0, at: dt.datetime, expect_changes: bool = False) -> Iterator[Chunk]:
    """The open risks in ascending chunks, beginning after an id: what a resumable job walks along.

    Each chunk is first looked at without locks, unless most are expected to change (or did in the chunk before).
    """
    method = active_method()
    while (found := next_span(after, size=(CHUNKS if expect_changes else LOOK)[connection.vendor])) is not None:
        whole, risks = found
        size = len(risks[0])
        differ: Span | None = whole
        if not expect_changes:
            sheet, stored = read(whole, method, at=at, risks=risks)
            differs, due_differs = _differences(evaluate(sheet), stored)
            differ = _narrowed(whole, sheet.risk_ids[differs | due_differs | stored.missing])
        chunk = Chunk(size, whole.last, differ)
        yield chunk
        expect_changes = chunk.changed > size / 2
        after = whole.last


def next_span(after: int, *, size: int | None = None) -> tuple[Span, Columns] | None:
    """The next chunk of open risks after an id, with their ids and horizons; None when there are no more."""
    following = Risk.objects.scored().filter(pk__gt=after).order_by("pk").values_list("pk", "horizon_months")
    ids, months = arrays.read(following[: size or LOOK[connection.vendor]], "int", "float")
    return (Span(after, int(ids[-1])), (ids, months)) if len(ids) else None


def _narrowed(span: Span, ids: Integers) -> Span | None:
    """The span with just these risks, as far as naming them pays."""
    if not len(ids):
        return None
    return Span(span.after, span.last, tuple(ids.tolist()) if len(ids) <= _NAMED else None)


def clear(risk_ids: Iterable[int], *, at: dt.datetime) -> None:
    """Closed risks have nothing left to lose: empty their cover sheets, cause *outcome*. Two writes for any number."""
    ids = sorted(set(risk_ids))
    with transaction.atomic():
        scored = CoverSheet.objects.filter(risk__in=ids, score__isnull=False)
        ScoreEntry.objects.bulk_create(
            ScoreEntry(risk_id=pk, at=at, cause=Cause.OUTCOME, method_version=version, factors=[])
            for pk, version in scored.values_list("risk", "method_version")
        )
        CoverSheet.objects.bulk_create(
            [CoverSheet(risk_id=pk, scored_at=at) for pk in ids],
            update_conflicts=True,
            unique_fields=["risk"],
            update_fields=[*_NUMBERS, "review_due", "drifting_since", "scored_at"],
        )
        unknown = np.full(len(ids), np.nan)
        nothing = dict.fromkeys(_WATCHED, unknown)
        _tell(Change(np.array(ids, dtype=np.int64), nothing, nothing, active_method(), Cause.OUTCOME, at))


def mark_drift(since: dict[int, dt.date | None]) -> None:
    """Write since when each of these risks drifts, or that it no longer does (None): two statements at most a date."""
    by_date: dict[dt.date | None, list[int]] = {}
    for risk_id, date in since.items():
        by_date.setdefault(date, []).append(risk_id)
    for date, ids in by_date.items():
        CoverSheet.objects.filter(risk__in=ids).update(drifting_since=date)


# --- reading -------------------------------------------------------------------------------------------


def read(span: Span, method: Any, *, at: dt.datetime, risks: Columns | None = None) -> tuple[Sheet, Stored]:
    """The open risks of a span with all that the stages know of them, and what their cover sheets say now.

    The statements do not depend on the number of risks. ``risks`` saves one where ids and horizons are known.
    """
    if risks is None:
        rows = span.of(Risk.objects.scored().order_by("pk"), "pk").values_list("pk", "horizon_months")
        risks = arrays.read(rows, "int", "float")  # type: ignore[assignment]
    ids, months = risks  # type: ignore[misc]
    sheet = Sheet(risk_ids=ids, horizon_months=months, span=span, at=at, method=method)
    if not len(ids):
        return sheet, Stored({}, np.array([], dtype="datetime64[D]"), np.array([], dtype=bool))
    for stage in settings.SCORE_STAGES:
        import_string(f"{stage}.contribute")(sheet)
    kinds: list[Kind] = ["float"] * len(_NUMBERS)
    scored_sheets = CoverSheet.objects.filter(score__isnull=False).values_list("risk", *_NUMBERS, "review_due")
    rows, *columns, due = sheet.read(scored_sheets, *kinds, "day", filled=True)
    (empty,) = sheet.read(CoverSheet.objects.filter(score__isnull=True).values_list("risk"))
    numbers = {name: _placed(column, rows, len(ids)) for name, column in zip(_NUMBERS, columns, strict=True)}
    review_due = np.full(len(ids), np.datetime64("NaT"), dtype="datetime64[D]")
    review_due[rows] = due
    missing = np.ones(len(ids), dtype=bool)
    missing[rows] = missing[empty] = False
    return sheet, Stored(numbers, review_due, missing)


def _placed(values: Floats, rows: Integers, size: int) -> Floats:
    column = np.full(size, np.nan)
    column[rows] = values
    return column


# --- values --------------------------------------------------------------------------------------------


def evaluate(sheet: Sheet) -> Results:
    """Score a sheet with its method."""
    n = len(sheet.risk_ids)
    odds, rate, impact = np.zeros(n), np.ones(n), np.ones(n)
    target_rate, target_impact = np.ones(n), np.ones(n)
    for steps in sheet.steps:
        if steps.op == "odds":
            np.add.at(odds, steps.rows, steps.amounts)
        else:
            target = target_rate if steps.op == "rate" else target_impact
            np.multiply.at(target, steps.rows, steps.amounts)
            if not steps.planned:
                np.multiply.at(rate if steps.op == "rate" else impact, steps.rows, steps.amounts)
    method = sheet.method
    shifted = shift_odds(sheet.probability, odds)

    def exposure(probability: Floats, kept_rate: Floats, kept_impact: Floats) -> Floats:
        over_horizon = method.over_horizon(lower_rate(probability, kept_rate), sheet.horizon_months)
        return np.asarray(over_horizon * sheet.impact * kept_impact)

    now = method.evaluate(lower_rate(shifted, rate), sheet.impact * impact, sheet.horizon_months)
    days = np.array([0, *(b.review_days for b in method.bands)])[now.band]
    judged = ~np.isnan(now.score)
    none = np.datetime64("NaT", "D")
    return Results(
        numbers={
            "score": now.score,
            "band": _or_nan(now.band),
            "exposure": now.exposure,
            "inherent": exposure(sheet.probability, np.ones(n), np.ones(n)),
            "residual": exposure(sheet.probability, rate, impact),
            "target": exposure(sheet.probability, target_rate, target_impact),
            "likelihood_level": _or_nan(now.likelihood_level),
            "impact_level": _or_nan(now.impact_level),
            "method_version": np.where(judged, float(method.version), np.nan),
        },
        review_due=np.where(judged, np.fmin(sheet.reviewed_on + days.astype("timedelta64[D]"), sheet.review_by), none),
        probability=shifted,
        kept_rate=rate,
        kept_impact=impact,
    )


def shift_odds(probability: Floats, log_odds: Floats) -> Floats:
    """Probabilities after their log-odds were shifted."""
    shifted = 1.0 / (1.0 + (1.0 - probability) / probability * np.exp(-np.clip(log_odds, -_MOST_ODDS, _MOST_ODDS)))
    # Never certain: the rate of 1 is infinite. And where nothing shifts, to the last bit what was judged.
    return np.where(log_odds == 0.0, probability, np.minimum(shifted, 1.0 - 1e-12))


def lower_rate(probability: Floats, kept: Floats) -> Floats:
    """Probabilities a year after the yearly rate -ln(1-p) was multiplied by ``kept``."""
    return np.where(kept == 1.0, probability, -np.expm1(np.log1p(-probability) * kept))


def _or_nan(whole: Integers) -> Floats:
    return np.where(whole > 0, whole.astype(np.float64), np.nan)


def _differences(results: Results, stored: Stored) -> tuple[Flags, Flags]:
    """Where the numbers differ from the cover sheet's, and where the review's day does."""
    differs = np.zeros(len(results.review_due), dtype=bool)
    for name, old in stored.numbers.items():
        new = results.numbers[name]
        same = (new == old) | (np.isnan(new) & np.isnan(old))
        if not same.all():
            # Another processor may round another way.
            same |= np.isclose(new, old, rtol=1e-12, atol=0.0)
        differs |= ~same
    due, old_due = results.review_due, stored.review_due
    return differs, ~((due == old_due) | (np.isnat(due) & np.isnat(old_due)))


# --- the ledger's factors ------------------------------------------------------------------------------
#
# A ledger row keeps the judgement it rests on (ref), the horizon in months and each step with its amount, so that the
# row can be worked out again under another method.


def _factors(sheet: Sheet, wanted: Integers) -> list[str]:
    """For the wanted rows, as JSON: the exposure after the judgement and after each step, in the order they count."""
    falls: dict[int, list[tuple[Steps, int]]] = {}
    # Evidence moves the judged probability before responses take their share of it.
    ordered = sorted((steps for steps in sheet.steps if not steps.planned), key=lambda steps: steps.op != "odds")
    chosen = np.zeros(len(sheet.risk_ids), dtype=bool)
    chosen[wanted] = True
    for steps in ordered:
        for place in np.flatnonzero(chosen[steps.rows]).tolist():
            falls.setdefault(int(steps.rows[place]), []).append((steps, place))
    labels = {id(steps): steps.labels() for steps in ordered if chosen[steps.rows].any()}
    rows, odds, rates, kept = _running(falls)
    probability = lower_rate(shift_odds(sheet.probability[rows], odds), rates)
    method, months = sheet.method, sheet.horizon_months
    exposures = iter((method.over_horizon(probability, months[rows]) * sheet.impact[rows] * kept).tolist())
    after = {row: [next(exposures) for _ in steps] for row, steps in falls.items()}
    judged = method.over_horizon(sheet.probability[wanted], months[wanted]) * sheet.impact[wanted]
    columns = (wanted.tolist(), sheet.judgement[wanted].tolist(), months[wanted].tolist(), judged.tolist())
    made = []
    for row, ref, horizon, exposure in zip(*columns, strict=True):
        if exposure != exposure:  # noqa: PLR0124 - NaN: nobody has judged it
            made.append("[]")
            continue
        steps_json = "".join(
            ", "
            + json.dumps(
                {
                    "kind": steps.kind,
                    "ref": int(steps.refs[place]),
                    "label": labels[id(steps)].get(int(steps.sources[place]), ""),
                    "op": steps.op,
                    "amount": float(steps.amounts[place]),
                    "exposure": then,
                },
                ensure_ascii=False,
            )
            for (steps, place), then in zip(falls.get(row, ()), after.get(row, ()), strict=True)
        )
        made.append(
            f'[{{"kind": "judgement", "ref": {ref}, "months": {horizon:g}, "exposure": {exposure!r}}}{steps_json}]'
        )
    return made


def _running(falls: Mapping[int, Sequence[tuple[Steps, int]]]) -> tuple[Integers, Floats, Floats, Floats]:
    """For every step: its row, and the log-odds added, rate kept and impact kept after it."""
    states: list[tuple[int, float, float, float]] = []
    for row, steps_of_row in falls.items():
        state = (0.0, 1.0, 1.0)
        for steps, place in steps_of_row:
            state = _after(state, steps.op, float(steps.amounts[place]))
            states.append((row, *state))
    table = np.array(states, dtype=np.float64).reshape(-1, 4)
    return table[:, 0].astype(np.int64), table[:, 1], table[:, 2], table[:, 3]


def _after(state: tuple[float, float, float], op: str, amount: float) -> tuple[float, float, float]:
    odds, rate, impact = state
    if op == "odds":
        return odds + amount, rate, impact
    return (odds, rate * amount, impact) if op == "rate" else (odds, rate, impact * amount)


def replayed(
    method: Any, factors: Sequence[Sequence[Mapping[str, Any]]], judged: Sequence[tuple[float, float]]
) -> Floats:
    """Scores under a method of ledger rows: each one's factors, and its judgement's probability a year and money.

    NaN for a row written before rows kept their amounts.
    """
    states = []
    for row in factors:
        state = (0.0, 1.0, 1.0)
        for step in row[1:]:
            state = _after(state, step.get("op", ""), step.get("amount", np.nan))
        states.append((*state, row[0].get("months", np.nan)))
    odds, rate, kept, months = np.array(states).T
    probability, money = np.array(judged).T
    now = method.evaluate(lower_rate(shift_odds(probability, odds), rate), money * kept, months)
    return np.asarray(now.score)


# --- writing -------------------------------------------------------------------------------------------


def _rescore(span: Span, *, cause: Cause, at: dt.datetime, run: int | None, always: bool) -> int:
    sheets = span.of(CoverSheet.objects.order_by("risk"), "risk")
    # The lock comes in a statement of its own: what is read after it is what the one before us has left.
    arrays.lock(sheets.values_list("risk"))
    # So is the method: another version may have come into force while we waited.
    sheet, stored = read(span, active_method(), at=at)
    if not len(sheet.risk_ids):
        return 0
    results = evaluate(sheet)
    differs, due_differs = _differences(results, stored)
    judged = ~np.isnan(results.numbers["score"])
    # A review that moved is no change of the score, so it goes to the cover sheet but not to the ledger.
    to_ledger = np.flatnonzero((differs & ~(stored.missing & ~judged)) | (judged if always else False))
    to_sheet = np.flatnonzero(differs | due_differs | stored.missing | (judged if always else False))
    CoverSheet.objects.bulk_create(
        [CoverSheet(risk_id=pk) for pk in sheet.risk_ids[stored.missing].tolist()], ignore_conflicts=True
    )
    arrays.update(
        CoverSheet,
        {
            "risk": sheet.risk_ids[to_sheet],
            **{name: results.numbers[name][to_sheet] for name in _NUMBERS},
            "review_due": results.review_due[to_sheet],
            "scored_at": at,
        },
    )
    arrays.append(
        ScoreEntry,
        {
            "risk": sheet.risk_ids[to_ledger],
            "at": at,
            "cause": str(cause),
            "run": run,
            **{name: results.numbers[name][to_ledger] for name in _LEDGER},
            "factors": _factors(sheet, to_ledger),
        },
    )
    if len(to_ledger):
        before = {name: stored.numbers[name][to_ledger] for name in _WATCHED}
        after = {name: results.numbers[name][to_ledger] for name in _WATCHED}
        _tell(Change(sheet.risk_ids[to_ledger], before, after, sheet.method, cause, at))
    return len(to_ledger)


def _tell(change: Change) -> None:
    """Let later stages see to what follows at once, in the same transaction."""
    for watcher in settings.SCORE_WATCHERS:
        import_string(watcher)(change)
