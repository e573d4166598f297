"""Drift flags: raised where a level has settled elsewhere, answered by a person, and what was done about them.

Looked at is only what has new evidence since the last look: an evaluation is a judgement, a measurement or a response's
progress, never the tick of a clock.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Count, Max, QuerySet
from numpy.typing import NDArray

from assessments.queries import active_method
from assessments.stage import ScoringMethod
from monitoring import drift, notices, reasons, reviews
from monitoring.models import DriftFlag, Indicator, MonitoringSettings, Reading, ReviewReason, Severity
from monitoring.notices import Happening
from riskreg import arrays
from riskreg.accounts.models import User
from riskreg.jobs.actions import Claim
from risks import scores
from risks.models import Cause, CoverSheet, Risk, ScoreEntry

# The causes whose ledger rows are evaluations; changed rules and outcomes are no drift.
DRIFT_CAUSES = (Cause.JUDGEMENT, Cause.EVIDENCE, Cause.RESPONSE)
_CHUNK = 500
_BORROWED_FROM = 2000  # series at most; the median of so many is as good as that of all
_WEEKS = 4

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class History:
    """The evaluations of one risk or indicator since its last flag, oldest first."""

    owner: int
    entries: Integers  # ids of ledger rows or readings
    at: NDArray[np.datetime64]
    values: NDArray[np.float64]
    after_doubt: bool  # begins at a flag that nobody confirmed


def look_for_drift(claim: Claim) -> int:
    """Raise flags for what has new evidence; returns how many. A second run raises nothing twice."""
    config = MonitoringSettings.load()
    entry = ScoreEntry.objects.aggregate(newest=Max("pk"))["newest"] or 0
    reading = Reading.objects.aggregate(newest=Max("pk"))["newest"] or 0
    if (entry, reading) == (config.seen_entry, config.seen_reading) == (config.checked_entry, config.checked_reading):
        return 0
    limits = drift.limits(_evaluations_per_false_flag(config, now=claim.now()))
    moved = ScoreEntry.objects.filter(cause__in=DRIFT_CAUSES, pk__gt=config.checked_entry).values("risk")
    risks = list(Risk.objects.open().filter(pk__in=moved).order_by("pk").values_list("pk", flat=True))
    read = Reading.objects.filter(pk__gt=config.checked_reading).values("indicator")
    indicators = list(Indicator.objects.live().filter(pk__in=read).order_by("pk").values_list("pk", flat=True))
    method = active_method()
    raised = 0
    for start in range(0, len(risks), _CHUNK):
        with claim.fenced():
            raised += _flag_risks(risks[start : start + _CHUNK], method, config, limits=limits, at=claim.now())
    for start in range(0, len(indicators), _CHUNK):
        with claim.fenced():
            raised += _flag_indicators(indicators[start : start + _CHUNK], config, limits=limits, at=claim.now())
    with claim.fenced():
        # One look late: a row whose transaction was still open in this look has a smaller id than the newest. And only
        # now, so that a run that was broken off looks at the same again.
        MonitoringSettings.objects.filter(pk=config.pk).update(
            checked_entry=config.seen_entry, seen_entry=entry, checked_reading=config.seen_reading, seen_reading=reading
        )
    return raised


def borrow_autocorrelation(*, method: ScoringMethod) -> None:
    """Learn from all long histories how much noise remembers of its last value; for scores and indicators apart."""
    same_rules = ScoreEntry.objects.filter(cause__in=DRIFT_CAUSES, score__isnull=False, method_version=method.version)
    MonitoringSettings.objects.update(
        score_autocorrelation=_autocorrelation(same_rules, "risk", "score"),
        reading_autocorrelation=_autocorrelation(Reading.objects.all(), "indicator", "value"),
    )


def _autocorrelation(rows: QuerySet[Any], owner: str, value: str) -> float | None:
    long = (
        rows.order_by()
        .values(owner)
        .annotate(n=Count("pk"))
        .filter(n__gte=drift.BORROWED_MIN_POINTS)
        .order_by(f"-{owner}")
        .values_list(owner, flat=True)[:_BORROWED_FROM]
    )
    owners = list(long)
    if len(owners) < drift.BORROWED_MIN_SERIES:
        return None
    ids, values = arrays.read(
        rows.filter(**{f"{owner}__in": owners}).order_by(owner, "at", "pk").values_list(owner, value), "int", "float"
    )
    _, starts = np.unique(ids, return_index=True)
    return drift.register_autocorrelation(np.split(values, starts[1:]))


def _evaluations_per_false_flag(config: MonitoringSettings, *, now: dt.datetime) -> float:
    """N from the budget: evaluations a week of all scores and indicators, over the accepted flags a week."""
    since = now - dt.timedelta(weeks=_WEEKS)
    scored = ScoreEntry.objects.filter(cause__in=DRIFT_CAUSES, at__gt=since, risk__in=Risk.objects.open()).count()
    read = Reading.objects.filter(at__gt=since, indicator__in=Indicator.objects.live()).count()
    a_week = max((scored + read) / _WEEKS, 1.0)
    return drift.evaluations_per_false_flag(1, a_week, config.false_flags_per_week)


# --- raising ---------------------------------------------------------------------------------------------


def _flag_risks(
    risk_ids: Sequence[int], method: ScoringMethod, config: MonitoringSettings, *, limits: drift.Limits, at: dt.datetime
) -> int:
    """Detect and flag one chunk: the statements do not depend on its size.

    Scores of other versions of the method are restated by the one in force, so that a change of rules is no drift.
    """
    points = ScoreEntry.objects.filter(risk__in=risk_ids, cause__in=DRIFT_CAUSES, score__isnull=False)
    owners, pks, moments, values, versions = arrays.read(
        points.order_by("risk", "at", "pk").values_list("risk", "pk", "at", "score", "method_version"),
        "int", "int", "moment", "float", "int",
    )  # fmt: skip
    older = pks[(versions != 0) & (versions != method.version)]
    if len(older):
        rows = list(ScoreEntry.objects.filter(pk__in=older.tolist()))
        again = {row.pk: score for row, score in zip(rows, method.restated(rows), strict=True)}
        places = np.flatnonzero(np.isin(pks, older))
        values[places] = [np.nan if (score := again[pk]) is None else score for pk in pks[places].tolist()]
    past = DriftFlag.objects.filter(risk__in=risk_ids).values_list("risk", "from_entry", "state")
    histories = _histories(owners, pks, moments, values, list(past))
    changes = _changes(histories, [h.values for h in histories], config.score_autocorrelation, limits)
    drifting = [histories[place] for place, _ in changes]
    flags = [_flag(history, change, at=at) for history, (_, change) in zip(drifting, changes, strict=True)]
    for flag, history in zip(flags, drifting, strict=True):
        flag.risk_id = history.owner
    _explain(flags, drifting)
    DriftFlag.objects.bulk_create(flags)
    scores.mark_drift({flag.risk_id: flag.since for flag in flags if flag.risk_id is not None})
    _tell_of_risks(flags, method, config, at=at)
    return len(flags)


def _flag_indicators(
    indicator_ids: Sequence[int], config: MonitoringSettings, *, limits: drift.Limits, at: dt.datetime
) -> int:
    points = Reading.objects.filter(indicator__in=indicator_ids).order_by("indicator", "at", "pk")
    owners, pks, moments, values = arrays.read(
        points.values_list("indicator", "pk", "at", "value"), "int", "int", "moment", "float"
    )
    past = DriftFlag.objects.filter(indicator__in=indicator_ids).values_list("indicator", "from_entry", "state")
    histories = _histories(owners, pks, moments, values, list(past))
    indicators = Indicator.objects.select_for_update(no_key=True).in_bulk(indicator_ids)
    series = [
        drift.without_weekday_rhythm(h.values, _weekdays(h.at)) if indicators[h.owner].weekly_rhythm else h.values
        for h in histories
    ]
    flags = []
    for place, change in _changes(histories, series, config.reading_autocorrelation, limits):
        history = histories[place]
        flag = _flag(history, change, at=at)
        indicator = indicators[history.owner]
        flag.indicator = indicator
        if indicator.weekly_rhythm:  # told in its own numbers
            flag.before = float(np.median(history.values[: change.split]))
            flag.after = float(np.median(history.values[change.split :]))
        indicator.drifting_since = flag.since
        flags.append(flag)
    DriftFlag.objects.bulk_create(flags)
    Indicator.objects.bulk_update([f.indicator for f in flags if f.indicator is not None], ["drifting_since"])
    _tell_of_indicators(flags, at=at)
    return len(flags)


def _weekdays(at: NDArray[np.datetime64]) -> Integers:
    return (at.astype("datetime64[D]").astype(np.int64) + 3) % 7  # 1 January 1970 was a Thursday


def _histories(
    owners: Integers,
    entries: Integers,
    at: NDArray[np.datetime64],
    values: NDArray[np.float64],
    past: Sequence[tuple[int, int, str]],
) -> list[History]:
    """Rows in the order of owner and time as one history each, from the change of the last flag on.

    None for an owner whose flag stands unanswered. ``past`` holds (owner, entry, state) of all its flags.
    """
    restarts: dict[int, tuple[int, bool]] = {}
    still_open: set[int] = set()
    for owner, entry, state in past:
        restarts[owner] = max((entry, state != DriftFlag.State.CONFIRMED), restarts.get(owner, (0, False)))
        if state == DriftFlag.State.OPEN:
            still_open.add(owner)
    found, starts = np.unique(owners, return_index=True)
    ends = [*starts[1:].tolist(), len(owners)]
    histories = []
    for owner, start, end in zip(found.tolist(), starts.tolist(), ends, strict=True):
        if owner in still_open:
            continue
        span = slice(start, end)
        since, doubted = restarts.get(owner, (0, False))
        kept = np.flatnonzero((entries[span] >= since) & ~np.isnan(values[span]))
        # Once the stretch that raised the flag has left the history, it troubles it no more.
        after_doubt = doubted and len(kept) <= drift.MAX_POINTS
        kept = kept[-drift.MAX_POINTS :]
        histories.append(History(owner, entries[span][kept], at[span][kept], values[span][kept], after_doubt))
    return histories


def _changes(
    histories: Sequence[History],
    series: Sequence[NDArray[np.float64]],
    borrowed: float | None,
    limits: drift.Limits,
) -> list[tuple[int, drift.Drift]]:
    """The places of the histories that drift, and how. ``series`` holds their values, without a weekly rhythm."""
    prior = (drift.PHI_PRIOR, drift.PRIOR_WEIGHT) if borrowed is None else (borrowed, drift.BORROWED_WEIGHT)
    found = drift.detect_many(series, *prior)
    return [
        (place, change)
        for place, (history, change) in enumerate(zip(histories, found, strict=True))
        if change is not None and change.strength >= (limits.restarted if history.after_doubt else limits.usual)
    ]


def _flag(history: History, change: drift.Drift, *, at: dt.datetime) -> DriftFlag:
    return DriftFlag(
        raised_at=at,
        since=history.at[change.split].astype("datetime64[D]").astype(dt.date),
        before=change.before,
        after=change.after,
        strength=change.strength,
        from_entry=int(history.entries[change.split]),
    )


def _explain(flags: Sequence[DriftFlag], histories: Sequence[History]) -> None:
    """Note what moved between the last evaluation before the change and the newest one."""
    ends = {}
    for flag, history in zip(flags, histories, strict=True):
        place = int(np.flatnonzero(history.entries == flag.from_entry)[0])
        ends[flag.from_entry] = (int(history.entries[place - 1]), int(history.entries[-1]))
    wanted = {pk for pair in ends.values() for pk in pair}
    factors = dict(ScoreEntry.objects.filter(pk__in=wanted).values_list("pk", "factors")) if wanted else {}
    for flag in flags:
        before, after = ends[flag.from_entry]
        flag.moved = reasons.as_rows(reasons.between(factors[before], factors[after]))


# --- telling ---------------------------------------------------------------------------------------------


def _tell_of_risks(
    flags: Sequence[DriftFlag], method: ScoringMethod, config: MonitoringSettings, *, at: dt.datetime
) -> None:
    if not flags:
        return
    ids = [flag.risk_id for flag in flags if flag.risk_id is not None]
    bands = dict(CoverSheet.objects.filter(risk__in=ids).values_list("risk", "band"))
    to = notices.responsible_for(ids)
    notices.tell(
        [
            _happening(f, to[f.risk_id], _severity(f, bands.get(f.risk_id), method))
            for f in flags
            if f.risk_id is not None
        ],
        at=at,
    )
    today = at.date()
    due = today + dt.timedelta(days=config.event_review_days)
    reviews.call_for_reviews(
        ids, kind=ReviewReason.Kind.FLAG, ref=f"{today:%Y-%m-%d}", due=due, answered_from=today, at=at
    )


def _severity(flag: DriftFlag, band: int | None, method: ScoringMethod) -> int:
    if not flag.is_worse or not band:
        return Severity.NORMAL
    return Severity.URGENT if band == len(method.bands) else Severity.HIGH


def _tell_of_indicators(flags: Sequence[DriftFlag], *, at: dt.datetime) -> None:
    to = notices.responsible_for_indicators([f.indicator for f in flags if f.indicator is not None])
    notices.tell([_happening(f, to[f.indicator_id], Severity.NORMAL) for f in flags if f.indicator_id in to], at=at)


def _happening(flag: DriftFlag, to: frozenset[int], severity: int) -> Happening:
    return Happening(
        kind="flag",
        key=f"flag:{flag.pk}",
        to=to,
        severity=severity,
        risk_id=flag.risk_id,
        indicator_id=flag.indicator_id,
        details={
            "flag": flag.pk,
            "before": flag.before,
            "after": flag.after,
            "since": flag.since.isoformat(),
        },
    )


# --- answering -------------------------------------------------------------------------------------------


def answer_flag(*, flag: DriftFlag, state: str, note: str, by: User, at: dt.datetime) -> None:
    """Say whether a flag is real. Either way it no longer counts as drifting."""
    with transaction.atomic():
        flag.state, flag.note, flag.answered_by, flag.answered_at = state, note, by, at
        flag.save(update_fields=["state", "note", "answered_by", "answered_at"])
        if flag.risk_id is not None:
            scores.mark_drift({flag.risk_id: None})
        if flag.indicator_id is not None:
            Indicator.objects.filter(pk=flag.indicator_id).update(drifting_since=None)
        notices.settle([f"flag:{flag.pk}"], at=at)
