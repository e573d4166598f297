"""The one way for every score, of one risk or of a million.

Risks become columns, each stage of settings.SCORE_STAGES contributes in lifecycle order, and what differs
from the cover sheet is written there and to the append-only ledger. Nothing else writes either of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from django.conf import settings
from django.db import models, transaction
from django.utils.module_loading import import_string
from numpy.typing import NDArray

from risks.models import Cause, CoverSheet, Risk, ScoreEntry

CHUNK = 200  # about 50 ms of write lock on SQLite where every risk changes
_MOST_ODDS = 500.0  # log-odds beyond which exp() would overflow

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
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
_WHOLE = {"band", "likelihood_level", "impact_level", "method_version"}


@dataclass
class Steps:
    """A stage's changes to risks: for each entry the row of the sheet it belongs to, and an amount.

    ``odds`` adds to the log-odds of the probability; ``rate`` and ``impact`` multiply the yearly rate and the
    money. Planned steps count towards the target only.
    """

    kind: str
    op: Op
    rows: Integers
    amounts: Floats
    refs: Sequence[int]
    labels: Sequence[str]
    planned: bool = False


@dataclass
class Sheet:
    """Columns of n risks on their way through the stages. NaN and NaT mean: nobody has judged it."""

    risk_ids: Integers
    horizon_months: Floats
    at: dt.datetime
    method: Any  # the active method, as settings.SCORE_METHOD gives it
    probability: Floats = field(init=False)  # a year, as judged
    impact: Floats = field(init=False)  # money, as judged
    reviewed_on: NDArray[np.datetime64] = field(init=False)  # last looked at, in days
    judged_at: NDArray[np.datetime64] = field(init=False)  # when the judgement was entered, UTC
    judged: list[dict[str, Any] | None] = field(init=False)  # what the judgement was, for the waterfall
    steps: list[Steps] = field(default_factory=list)

    def __post_init__(self) -> None:
        n = len(self.risk_ids)
        self.probability = np.full(n, np.nan)
        self.impact = np.full(n, np.nan)
        self.reviewed_on = np.full(n, np.datetime64("NaT"), dtype="datetime64[D]")
        self.judged_at = np.full(n, np.datetime64("NaT"), dtype="datetime64[us]")
        self.judged = [None] * n

    def rows_of(self, risk_ids: Sequence[int]) -> Integers:
        """Rows of the sheet for risk ids that are on it (the sheet is sorted by id)."""
        return np.searchsorted(self.risk_ids, np.asarray(risk_ids, dtype=np.int64))


@dataclass(frozen=True)
class Results:
    """Columns of n risks, ready for the cover sheet."""

    numbers: dict[str, Floats]
    review_due: NDArray[np.datetime64]


def active_method() -> Any:
    """The scoring method in force, with its bands; from the stage named in settings."""
    return import_string(settings.SCORE_METHOD)()


def naive_utc(moment: dt.datetime) -> dt.datetime:
    """As NumPy wants it: in UTC, and without saying so."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None)


def rescore(
    risk_ids: Iterable[int], *, cause: Cause, at: dt.datetime, run: int | None = None, always: bool = False
) -> int:
    """Score open risks anew and write what changed; returns how many ledger rows were written.

    All in one transaction (the caller's, if there is one): call it with a chunk, not with the register.
    ``always`` writes a ledger row even where the number stays: a judgement that confirms is an evaluation, too.
    """
    ids = sorted(set(risk_ids))
    with transaction.atomic():
        method = active_method()
        open_risks = list(
            Risk.objects.filter(pk__in=ids, status=Risk.Status.OPEN)
            .exclude(state=Risk.State.BIN)
            .order_by("pk")
            # Who scores a risk meanwhile waits here and then sees what we did; no_key lets foreign keys through.
            .select_for_update(no_key=True)
            .values_list("pk", "horizon_months")
        )
        if not open_risks:
            return 0
        sheet = Sheet(
            risk_ids=np.array([pk for pk, _ in open_risks], dtype=np.int64),
            horizon_months=np.array([months for _, months in open_risks], dtype=np.float64),
            at=at,
            method=method,
        )
        for stage in settings.SCORE_STAGES:
            import_string(f"{stage}.contribute")(sheet)
        results = _evaluate(sheet)
        return _write(sheet, results, cause=cause, run=run, always=always)


def chunks(risks: models.QuerySet[Risk], *, after: int = 0, size: int = CHUNK) -> Iterator[list[int]]:
    """Ids of the open risks in ascending chunks, beginning after an id: what a resumable job walks along."""
    while ids := list(risks.open().filter(pk__gt=after).order_by("pk").values_list("pk", flat=True)[:size]):  # type: ignore[attr-defined]
        yield ids
        after = ids[-1]


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


def mark_drift(since: dict[int, dt.date | None]) -> None:
    """Write since when each of these risks drifts, or that it no longer does (None): two statements at most a date."""
    by_date: dict[dt.date | None, list[int]] = {}
    for risk_id, date in since.items():
        by_date.setdefault(date, []).append(risk_id)
    for date, ids in by_date.items():
        CoverSheet.objects.filter(risk__in=ids).update(drifting_since=date)


# --- values --------------------------------------------------------------------------------------------


def _evaluate(sheet: Sheet) -> Results:
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

    current = exposure(shifted, rate, impact)
    score = method.score(current)
    band = method.band_positions(score)
    days = np.array([0, *(b.review_days for b in method.bands)])[band]
    judged = ~np.isnan(score)
    none = np.datetime64("NaT", "D")
    return Results(
        numbers={
            "score": score,
            "band": _or_nan(band),
            "exposure": current,
            "inherent": exposure(sheet.probability, np.ones(n), np.ones(n)),
            "residual": exposure(sheet.probability, rate, impact),
            "target": exposure(sheet.probability, target_rate, target_impact),
            "likelihood_level": _or_nan(method.likelihood_levels(lower_rate(shifted, rate))),
            "impact_level": _or_nan(method.impact_levels(sheet.impact * impact)),
            "method_version": np.where(judged, float(method.version), np.nan),
        },
        review_due=np.where(judged, sheet.reviewed_on + days.astype("timedelta64[D]"), none),
    )


def shift_odds(probability: Floats, log_odds: Floats) -> Floats:
    """Probabilities after their log-odds were shifted."""
    shifted = 1.0 / (1.0 + (1.0 - probability) / probability * np.exp(-np.clip(log_odds, -_MOST_ODDS, _MOST_ODDS)))
    return np.asarray(np.minimum(shifted, 1.0 - 1e-12))  # never certain: the rate of 1 is infinite


def lower_rate(probability: Floats, kept: Floats) -> Floats:
    """Probabilities a year after the yearly rate -ln(1-p) was multiplied by ``kept``."""
    return np.asarray(-np.expm1(np.log1p(-probability) * kept))


def _or_nan(whole: Integers) -> Floats:
    return np.where(whole > 0, whole.astype(np.float64), np.nan)


def _waterfalls(sheet: Sheet, wanted: NDArray[np.bool_]) -> dict[int, list[dict[str, Any]]]:
    """For the wanted rows: the exposure after the judgement and after each step, in the order they count."""
    falls: dict[int, list[dict[str, Any]]] = {}
    state: dict[int, tuple[float, float, float]] = {}  # row -> log-odds added, rate kept, impact kept
    method = sheet.method

    def add(row: int, kind: str, ref: int, label: str) -> None:
        odds, rate, kept = state[row]
        one = slice(row, row + 1)
        probability = lower_rate(shift_odds(sheet.probability[one], np.array([odds])), np.array([rate]))
        over = method.over_horizon(probability, sheet.horizon_months[one])[0]
        exposure = float(over * sheet.impact[row] * kept)
        falls[row].append({"kind": kind, "ref": ref, "label": label, "exposure": exposure})

    for row in np.flatnonzero(wanted & ~np.isnan(sheet.probability)).tolist():
        judged = sheet.judged[row] or {"ref": 0, "label": ""}
        falls[row] = []
        state[row] = (0.0, 1.0, 1.0)
        add(row, "judgement", judged["ref"], judged["label"])
    # Evidence moves the judged probability before responses take their share of it.
    for steps in sorted((s for s in sheet.steps if not s.planned), key=lambda s: s.op != "odds"):
        for row, amount, ref, label in zip(
            steps.rows.tolist(), steps.amounts.tolist(), steps.refs, steps.labels, strict=True
        ):
            if row not in falls:
                continue
            odds, rate, kept = state[row]
            if steps.op == "odds":
                odds += amount
            elif steps.op == "rate":
                rate *= amount
            else:
                kept *= amount
            state[row] = (odds, rate, kept)
            add(row, steps.kind, ref, label)
    return falls


# --- writing -------------------------------------------------------------------------------------------


def _write(sheet: Sheet, results: Results, *, cause: Cause, run: int | None, always: bool) -> int:
    ids = sheet.risk_ids.tolist()
    stored = {s.risk_id: s for s in CoverSheet.objects.filter(risk__in=ids)}
    n = len(ids)
    old = {
        name: np.array(
            [np.nan if (s := stored.get(i)) is None or (v := getattr(s, name)) is None else v for i in ids],
            dtype=np.float64,
        )
        for name in _NUMBERS
    }
    old_due = np.array([s.review_due if (s := stored.get(i)) else None for i in ids], dtype="datetime64[D]")
    missing = np.array([i not in stored for i in ids])

    differs = np.zeros(n, dtype=bool)
    for name in _NUMBERS:
        differs |= ~np.isclose(results.numbers[name], old[name], rtol=1e-12, atol=0.0, equal_nan=True)
    due_differs = ~((results.review_due == old_due) | (np.isnat(results.review_due) & np.isnat(old_due)))
    # A review that moved is no change of the score, so it goes to the cover sheet but not to the ledger.
    to_sheet = differs | due_differs | missing
    to_ledger = (differs & ~(missing & np.isnan(results.numbers["score"]))) | (
        ~np.isnan(results.numbers["score"]) if always else np.zeros(n, dtype=bool)
    )

    def value(name: str, row: int) -> float | int | None:
        number = results.numbers[name][row]
        if np.isnan(number):
            return None
        return int(number) if name in _WHOLE else float(number)

    rows = np.flatnonzero(to_sheet | to_ledger).tolist()
    CoverSheet.objects.bulk_create(
        [
            CoverSheet(
                risk_id=ids[row],
                review_due=None if np.isnat(results.review_due[row]) else results.review_due[row].item(),
                scored_at=sheet.at,
                **{name: value(name, row) for name in _NUMBERS},
            )
            for row in rows
        ],
        update_conflicts=True,
        unique_fields=["risk"],
        update_fields=[*_NUMBERS, "review_due", "scored_at"],
    )
    falls = _waterfalls(sheet, to_ledger)
    entries = [
        ScoreEntry(
            risk_id=ids[row],
            at=sheet.at,
            cause=cause,
            run=run,
            factors=falls.get(row, []),
            **{name: value(name, row) for name in _NUMBERS if name not in ("likelihood_level", "impact_level")},
        )
        for row in np.flatnonzero(to_ledger).tolist()
    ]
    ScoreEntry.objects.bulk_create(entries)
    return len(entries)
