"""What follows at once from a changed score, in its transaction: alerts begin and end, flags lapse with their risk."""

from __future__ import annotations

import numpy as np

from monitoring import notices
from monitoring.models import DriftFlag, LimitAlert, Severity
from monitoring.notices import Happening
from risks.models import Cause, Risk
from risks.scores import Change

# New rules are no news of the risk, and a closed one has nothing left to lose.
_NEWS = (Cause.JUDGEMENT, Cause.EVIDENCE, Cause.RESPONSE)


def watch(change: Change) -> None:
    """Called by risks/scores.py with every chunk it has written."""
    if change.cause == Cause.OUTCOME:
        _close(change)
        return
    old, new = (np.nan_to_num(numbers["band"]).astype(np.int64) for numbers in (change.before, change.after))
    moved = (old != new) | (change.before["method_version"] != change.after["method_version"])
    if not moved.any():
        return
    # Alerts are few: asked for by the span of ids, whatever its size.
    standing = dict(
        LimitAlert.objects.filter(
            ended_at=None, risk__gte=int(change.risk_ids[0]), risk__lte=int(change.risk_ids[-1])
        ).values_list("risk", "pk")
    )
    risen = moved & (new > old) if change.cause in _NEWS else np.zeros(len(new), dtype=bool)
    alerted = np.isin(change.risk_ids, list(standing))
    asked = np.flatnonzero((moved & alerted) | (risen & ~alerted & (new > change.method.least_band_borne)))
    if not len(asked):
        return
    bands = dict(zip(change.risk_ids[asked].tolist(), new[asked].tolist(), strict=True))
    beyond = {
        pk
        for pk, category in Risk.objects.open().filter(pk__in=bands).values_list("pk", "category__key")
        if bands[pk] and change.method.is_beyond_appetite(category, bands[pk])
    }
    _end([standing[pk] for pk in bands if pk in standing and pk not in beyond], change)
    scores = dict(zip(change.risk_ids[asked].tolist(), change.after["score"][asked].tolist(), strict=True))
    _begin({pk: scores[pk] for pk in sorted(beyond - standing.keys())}, bands, change)


def _begin(beyond: dict[int, float], bands: dict[int, int], change: Change) -> None:
    if not beyond:
        return
    alerts = LimitAlert.objects.bulk_create(
        LimitAlert(kind=LimitAlert.Kind.APPETITE, risk_id=pk, at=change.at, value=score) for pk, score in beyond.items()
    )
    to = notices.responsible_for(beyond)
    top = len(change.method.bands)
    notices.tell(
        [
            Happening(
                kind="appetite",
                key=f"appetite:{alert.pk}",
                to=to[alert.risk_id],
                severity=Severity.URGENT if bands[alert.risk_id] == top else Severity.HIGH,
                risk_id=alert.risk_id,
                details={"score": alert.value},
            )
            for alert in alerts
            if alert.risk_id is not None
        ],
        at=change.at,
    )


def _end(alerts: list[int], change: Change) -> None:
    if alerts:
        LimitAlert.objects.filter(pk__in=alerts).update(ended_at=change.at)
        notices.settle([f"appetite:{pk}" for pk in alerts], at=change.at)


def _close(change: Change) -> None:
    """A closed risk needs no answer any more."""
    ids = change.risk_ids.tolist()
    _end(list(LimitAlert.objects.filter(ended_at=None, risk__in=ids).values_list("pk", flat=True)), change)
    flags = DriftFlag.objects.filter(risk__in=ids, state=DriftFlag.State.OPEN)
    keys = [f"flag:{pk}" for pk in flags.values_list("pk", flat=True)]
    flags.update(state=DriftFlag.State.LAPSED, answered_at=change.at)
    if keys:
        notices.settle(keys, at=change.at)
