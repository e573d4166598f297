"""Drift on the register: what raises a flag, when it is looked for, and what an answer does."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from monitoring import drift
from monitoring.flags import answer_flag, look_for_drift
from monitoring.models import DriftFlag, MonitoringSettings
from riskreg.jobs import actions as jobs
from risks import scores
from risks.actions import close_risk
from risks.models import CoverSheet, Risk, ScoreEntry
from tests.monitoring.ledger import QUIET, look, step_series, tell
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")


def drifting_since(risk: Risk) -> dt.date | None:
    return CoverSheet.objects.get(risk=risk).drifting_since


def test_a_step_raises_one_flag_that_says_since_when_and_how_far(make_risk: MakeRisk) -> None:
    risk = make_risk()
    first = NOW - 29 * DAY
    entries = tell(risk, step_series(), first=first)
    assert look() == 1
    flag = DriftFlag.objects.get()
    assert (flag.risk, flag.state, flag.raised_at) == (risk, "open", NOW)
    assert flag.since == (first + 20 * DAY).date()
    assert (flag.before, flag.after, flag.is_worse) == (40.0, 55.0, True)
    assert flag.from_entry == entries[20].pk
    assert flag.strength > drift.threshold(365)
    assert drifting_since(risk) == flag.since


def test_a_fall_is_a_flag_as_well(make_risk: MakeRisk) -> None:
    tell(make_risk(), step_series(-15), first=NOW - 29 * DAY)
    assert look() == 1
    flag = DriftFlag.objects.get()
    assert (flag.before, flag.after, flag.is_worse) == (40.0, 25.0, False)


def test_looking_twice_raises_nothing_twice(make_risk: MakeRisk) -> None:
    risk = make_risk()
    tell(risk, step_series(), first=NOW - 29 * DAY)
    assert [look(), look(), look(NOW + DAY)] == [1, 0, 0]
    MonitoringSettings.objects.update(checked_entry=0)  # as if the run had been broken off before it noted that
    assert look() == 0
    tell(risk, [70.0, 71.0], first=NOW)  # still moving, but the flag stands unanswered
    assert look(NOW + 2 * DAY) == 0
    assert DriftFlag.objects.count() == 1


@pytest.mark.parametrize("state", ["confirmed", "false"])
def test_after_the_answer_the_history_begins_at_the_change(
    make_risk: MakeRisk, cast: SimpleNamespace, state: str
) -> None:
    risk = make_risk()
    tell(risk, step_series(), first=NOW - 29 * DAY)
    look()
    flag = DriftFlag.objects.get()
    answer_flag(flag=flag, state=state, note="new competitor", by=cast.mona, at=NOW + HOUR)
    flag.refresh_from_db()
    assert (flag.state, flag.note, flag.answered_by, flag.answered_at) == (
        state,
        "new competitor",
        cast.mona,
        NOW + HOUR,
    )
    assert drifting_since(risk) is None
    # The new level goes on quietly: measured from the change, that is no drift any more.
    tell(risk, [value + 15 for value in QUIET], first=NOW + DAY)
    assert look(NOW + 11 * DAY) == 0
    # A second step is a second flag, from the level of the first.
    tell(risk, [value + 40 for value in QUIET], first=NOW + 11 * DAY)
    assert look(NOW + 21 * DAY) == 1
    second = DriftFlag.objects.get(state="open")
    assert (second.before, second.after) == (55.0, 80.0)
    assert second.since == (NOW + 11 * DAY).date()
    assert drifting_since(risk) == second.since


def test_a_quiet_register_raises_none(make_risk: MakeRisk) -> None:
    """Thirty risks of plain noise, looked at in one go, by who accepts one false flag in ten weeks."""
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 0.1})
    random = np.random.default_rng(20260302)
    for n in range(30):
        tell(make_risk(f"Risk {n}"), list(50 + 3 * random.standard_normal(30)), first=NOW - 29 * DAY)
    assert look() == 0
    assert set(CoverSheet.objects.values_list("drifting_since", flat=True)) == {None}


def test_what_never_varied_or_is_too_short_raises_none(make_risk: MakeRisk) -> None:
    tell(make_risk("Constant"), [40.0] * 30, first=NOW - 29 * DAY)
    tell(make_risk("Short"), [10.0, 10.5, 10.0, 90.0, 90.5, 90.0, 90.0], first=NOW - 29 * DAY)
    assert look() == 0


def test_changed_rules_and_outcomes_are_no_drift(make_risk: MakeRisk) -> None:
    risk = make_risk()
    tell(risk, QUIET * 2, first=NOW - 29 * DAY)
    tell(risk, [value + 15 for value in QUIET], first=NOW - 9 * DAY, cause="rules")
    tell(make_risk("Another"), step_series(), first=NOW - 29 * DAY, cause="outcome")
    assert look() == 0


def test_closed_and_deleted_risks_are_not_looked_at(make_risk: MakeRisk) -> None:
    closed, deleted = make_risk("Closed"), make_risk("Deleted")
    for risk in (closed, deleted):
        tell(risk, step_series(), first=NOW - 29 * DAY)
    close_risk(risk=closed, outcome="occurred", note="", on=NOW.date(), at=NOW)
    Risk.objects.filter(pk=deleted.pk).update(state="bin")
    assert look() == 0


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many series the detector was given, run by run."""
    given: list[int] = []
    detect_many = drift.detect_many

    def spy(series: Sequence[drift.Series], *more: Any) -> list[drift.Drift | None]:
        given.append(len(series))
        return detect_many(series, *more)

    monkeypatch.setattr(drift, "detect_many", spy)
    return given


def test_a_risk_is_looked_at_again_only_with_new_evidence(make_risk: MakeRisk, looked_at: list[int]) -> None:
    first, second = make_risk("First"), make_risk("Second")
    for risk in (first, second):
        tell(risk, QUIET, first=NOW - 9 * DAY)
    look()
    assert MonitoringSettings.load().seen_entry == ScoreEntry.objects.order_by("pk").last().pk
    look()  # once more, for rows whose transaction was still open in the look before
    look()
    tell(first, [40.0], first=NOW, cause="rules")
    look()
    look()
    assert looked_at == [2, 2]
    tell(second, [40.0], first=NOW)
    for _ in range(4):
        look()
    assert looked_at == [2, 2, 1, 1]


def test_a_row_committed_after_a_younger_one_is_not_missed(make_risk: MakeRisk) -> None:
    """On PostgreSQL ids are given before the commit: the look in between sees the younger row alone."""
    late, early = make_risk("Late"), make_risk("Early")
    tell(late, step_series(), first=NOW - 29 * DAY)
    tell(early, [40.0], first=NOW)
    newest = ScoreEntry.objects.order_by("pk").last().pk
    # As a look leaves it that saw the newest id while the rows of the other were not committed yet.
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"seen_entry": newest})
    assert look() == 1


def test_a_run_broken_off_looks_at_the_same_risks_again(make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch) -> None:
    tell(make_risk(), step_series(), first=NOW - 29 * DAY)
    mark_drift = scores.mark_drift

    def break_off(since: dict[int, dt.date | None]) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(scores, "mark_drift", break_off)
    with pytest.raises(RuntimeError):
        look()
    assert MonitoringSettings.load().checked_entry == 0
    assert DriftFlag.objects.count() == 0
    monkeypatch.setattr(scores, "mark_drift", mark_drift)
    assert look() == 1


def test_the_statements_do_not_grow_with_the_risks(make_risk: MakeRisk) -> None:
    def statements(risks: int) -> int:
        for n in range(risks):
            tell(make_risk(f"Risk {n}"), step_series(), first=NOW - 29 * DAY)
        job = jobs.enqueue("monitoring.tasks.rescore_all")
        held = jobs.claim(job.pk, now_fn=lambda: NOW)
        with CaptureQueriesContext(connection) as captured:
            assert look_for_drift(held) == risks
        return len(captured)

    MonitoringSettings.load()
    assert statements(1) == statements(30)


def test_more_accepted_false_flags_make_the_detector_keener(make_risk: MakeRisk) -> None:
    tell(make_risk(), [*QUIET, *QUIET, 41.0, 41.5, 42.0, 41.0, 41.5, 41.0], first=NOW - 25 * DAY)
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 0.002})
    assert look() == 0
    MonitoringSettings.objects.update(false_flags_per_week=100, checked_entry=0)
    assert look() == 1


def test_a_small_register_that_accepts_many_false_flags_hears_of_a_steady_risk_judged_anew(
    make_risk: MakeRisk,
) -> None:
    """Three equal judgements and six of two other levels: 2.7, between h(52) and what twice that budget asks for."""
    tell(make_risk(), [61.0, 61.0, 61.0, 80.0, 100.0, 100.0, 80.0, 100.0, 100.0], first=NOW - 8 * DAY)
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 100})
    assert look() == 1
    assert drift.limits(52).usual < DriftFlag.objects.get().strength < drift.threshold(2 * 52)


@pytest.mark.parametrize(("state", "raised"), [("confirmed", 1), ("false", 0)])
def test_a_change_after_a_false_alarm_must_be_the_clearer(
    make_risk: MakeRisk, cast: SimpleNamespace, state: str, raised: int
) -> None:
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 0.1})
    risk = make_risk()
    tell(risk, step_series(), first=NOW - 29 * DAY)
    look()
    answer_flag(flag=DriftFlag.objects.get(), state=state, note="", by=cast.mona, at=NOW + HOUR)
    tell(risk, [value + 16.5 for value in QUIET[:6]], first=NOW + DAY)  # a strength of 3.0, about 1.5 higher
    assert look(NOW + 7 * DAY) == raised


def test_a_false_alarm_asks_for_more_only_while_the_history_begins_with_it(
    make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    MonitoringSettings.objects.update_or_create(pk=1, defaults={"false_flags_per_week": 0.1})
    risk = make_risk()
    tell(risk, step_series(), first=NOW - 219 * DAY)
    look()
    answer_flag(flag=DriftFlag.objects.get(), state="false", note="", by=cast.mona, at=NOW)
    # With the ten since the change 200, the last ten of them .7 higher: a strength of 3.0.
    tell(risk, [value + 15 for value in QUIET * 18], first=NOW - 189 * DAY)
    tell(risk, [value + 15.7 for value in QUIET], first=NOW - 9 * DAY)
    assert look(NOW + HOUR) == 0
    tell(risk, [55.7], first=NOW + HOUR)
    assert look(NOW + DAY) == 1
