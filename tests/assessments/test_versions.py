"""Versions of the scoring method: drafts, schedules, and the activation that re-scores the register."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import time_machine
from django.db import DatabaseError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assessments import restating, scoring, versions
from assessments.actions import Judgement, Number, assess_risk, assess_risks
from assessments.default_method import DEFAULT_METHOD
from assessments.method import BadMethod, read_method
from assessments.models import Assessment, Method
from assessments.queries import activation_under_way, active_method, scoring_method, to_reassess
from monitoring import drift
from monitoring.models import DriftFlag, MonitoringSettings
from responses.models import Action, Response
from riskreg.jobs import actions as jobs
from riskreg.jobs.actions import Claim
from riskreg.jobs.models import Job
from risks import access, imports, scores
from risks.actions import close_risk, link_observation
from risks.models import CoverSheet, Observation, Risk, ScoreEntry
from tests.assessments.random_methods import definitions, judged_levels, moneys
from tests.conftest import assess
from tests.risks.test_imports import planned
from tests.risks.test_imports import sheet as csv_of

MakeRisk = Callable[..., Risk]

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NOTHING = {"scored": 0, "changed": 0}


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def definition(**other: Any) -> dict[str, Any]:
    return copy.deepcopy(DEFAULT_METHOD) | other


def first() -> Method:
    return Method.objects.get(version=1)


def draft(definition_: dict[str, Any] | None = None, *, at: dt.datetime = NOW) -> Method:
    method = versions.draft_from(source=Method.objects.get(state="active"), by=None, at=at)
    if definition_ is not None:
        versions.save_draft(method=method, definition=definition_, note="why", at=at, seen=method.edited_at)
    return method


def run(job: int | None, *, at: dt.datetime = NOW) -> Job:
    """Let a worker do the job, as far as it comes."""
    assert job is not None
    jobs.run(job, now_fn=lambda: at)
    return Job.objects.get(pk=job)


def put_in_force(definition_: dict[str, Any], *, at: dt.datetime = NOW) -> Method:
    method = draft(definition_, at=at)
    versions.schedule(method=method, when=at, by=None, at=at)
    assert run(method.job, at=at).state == "done"
    method.refresh_from_db()
    return method


def sheet_of(risk: Risk) -> CoverSheet:
    return CoverSheet.objects.get(risk=risk)


def of_run(job: int | None) -> list[int]:
    """The risks that a run wrote a ledger row for, once for each row."""
    return sorted(ScoreEntry.objects.filter(run=job).values_list("risk", flat=True))


def active_version() -> int:
    return Method.objects.get(state="active").version


# --- drafts ------------------------------------------------------------------------------------------------


def test_a_draft_is_a_copy_under_the_next_number(cast: SimpleNamespace) -> None:
    made = versions.draft_from(source=first(), by=cast.ada, at=NOW)
    kept = Method.objects.get(pk=made.pk)
    assert (kept.version, kept.state, kept.definition, kept.note) == (2, "draft", first().definition, "")
    assert (kept.created_by, kept.edited_at, kept.is_editable) == (cast.ada, NOW, True)
    assert (kept.scheduled_for, kept.activated_at, kept.job, kept.rescored_at) == (None, None, None, None)
    assert active_version() == 1


def test_a_draft_may_be_made_of_any_version(db: None) -> None:
    put_in_force(definition(combination="worst"))
    assert versions.draft_from(source=first(), by=None, at=NOW).definition == first().definition
    assert draft().definition["combination"] == "worst"


def test_two_drafts_stand_beside_each_other(db: None) -> None:
    one, other = draft(definition(combination="worst")), draft(definition(combination="weighted"))
    assert (one.version, other.version) == (2, 3)
    versions.save_draft(method=one, definition=definition(), note="", at=NOW + HOUR, seen=one.edited_at)
    other.refresh_from_db()
    assert (other.definition["combination"], other.edited_at) == ("weighted", NOW)
    put = put_in_force(definition(formula="product"))
    one.refresh_from_db()
    assert (put.version, one.state, one.is_editable, active_version()) == (4, "draft", True, 4)


@pytest.mark.parametrize("unfinished", [{}, {"likelihood": []}, {"bands": "what?"}, []])
def test_an_unfinished_draft_is_kept_as_it_is(db: None, unfinished: Any) -> None:
    method = draft()
    versions.save_draft(method=method, definition=unfinished, note="later", at=NOW + HOUR, seen=NOW)
    for kept in (method, Method.objects.get(pk=method.pk)):
        assert (kept.definition, kept.note, kept.edited_at) == (unfinished, "later", NOW + HOUR)


def test_of_two_who_save_at_once_the_second_is_told(db: None) -> None:
    method = draft()
    second = Method.objects.get(pk=method.pk)
    versions.save_draft(method=method, definition=definition(combination="worst"), note="1", at=NOW + HOUR, seen=NOW)
    with pytest.raises(versions.EditedMeanwhile):
        versions.save_draft(method=second, definition=definition(), note="2", at=NOW + 2 * HOUR, seen=NOW)
    kept = Method.objects.get(pk=method.pk)
    assert (kept.definition["combination"], kept.note, kept.edited_at) == ("worst", "1", NOW + HOUR)
    versions.save_draft(method=second, definition=definition(), note="2", at=NOW + 2 * HOUR, seen=kept.edited_at)
    assert Method.objects.get(pk=method.pk).note == "2"


def test_saving_after_saving_needs_no_reading_in_between(db: None) -> None:
    method = draft()
    for n in range(3):
        at = NOW + n * HOUR + dt.timedelta(microseconds=n)
        versions.save_draft(method=method, definition=definition(), note=str(n), at=at, seen=method.edited_at)
    assert Method.objects.get(pk=method.pk).note == "2"


def no_draft(how: str) -> Method:
    """A version that is no draft, or none any more, with the object that was read while it was."""
    method = draft(definition(combination="worst"))
    seen = Method.objects.get(pk=method.pk)
    if how == "discarded":
        versions.discard(method=method)
        return seen
    versions.schedule(method=method, when=NOW + DAY if how == "scheduled" else None, by=None, at=NOW)
    if how != "scheduled":
        run(method.job)
    if how == "retired":
        put_in_force(definition(), at=NOW + HOUR)
    return seen


@pytest.mark.parametrize("how", ["scheduled", "active", "retired", "discarded"])
def test_what_is_no_draft_cannot_be_saved_or_scheduled(db: None, how: str) -> None:
    method = no_draft(how)
    before, queued = list(Method.objects.order_by("pk").values()), Job.objects.count()
    with pytest.raises(versions.NotADraft):
        versions.save_draft(method=method, definition=definition(), note="", at=NOW, seen=method.edited_at)
    with pytest.raises(versions.NotADraft):
        versions.schedule(method=method, when=None, by=None, at=NOW)
    assert list(Method.objects.order_by("pk").values()) == before
    assert Job.objects.count() == queued


@pytest.mark.parametrize("how", ["active", "retired", "discarded"])
def test_what_is_no_draft_cannot_be_discarded(db: None, how: str) -> None:
    method = no_draft(how)
    kept = Method.objects.count()
    with pytest.raises(versions.NotADraft):
        versions.discard(method=method)
    assert Method.objects.count() == kept


def test_the_number_of_a_discarded_draft_is_used_again(db: None) -> None:
    gone = draft()
    versions.discard(method=gone)
    again = draft()
    assert (again.version, again.pk != gone.pk) == (2, True)
    draft()
    versions.discard(method=again)
    assert draft().version == 4  # after the newest that is left


# --- what was active never changes -------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["active", "retired"])
@pytest.mark.parametrize(
    "update", [{"definition": {}}, {"version": 77}, {"definition": DEFAULT_METHOD | {"formula": "product"}}], ids=str
)
def test_the_database_refuses_to_change_what_a_version_says(db: None, how: str, update: dict[str, Any]) -> None:
    method = no_draft(how)
    before = Method.objects.filter(pk=method.pk).values().get()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Method.objects.filter(pk=method.pk).update(**update)
    changed = Method.objects.get(pk=method.pk)
    for name, value in update.items():
        setattr(changed, name, value)
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        changed.save()
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Method.objects.filter(pk=method.pk).update(state="draft", **update)
    assert Method.objects.filter(pk=method.pk).values().get() == before


def test_the_database_refuses_a_raw_update(db: None) -> None:
    said = "UPDATE assessments_method SET definition = %s WHERE version = 1"
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(said, ['{"bands": []}'])
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE assessments_method SET version = 9 WHERE version = 1")
    assert first().definition == DEFAULT_METHOD


def test_the_database_refuses_to_make_an_active_version_a_draft_again(db: None) -> None:
    """Or it could be changed in two steps."""
    with pytest.raises(DatabaseError), transaction.atomic():
        Method.objects.filter(version=1).update(state="draft")
    assert first().state == "active"


def test_the_rest_of_an_active_version_can_be_written(db: None) -> None:
    method = put_in_force(definition())
    Method.objects.filter(pk=method.pk).update(note="typo", rescored_at=NOW, definition=method.definition)
    method.refresh_from_db()
    method.save()  # writes the definition again, as it is
    assert Method.objects.get(pk=method.pk).note == "typo"


def test_there_is_one_active_version_at_most(db: None) -> None:
    with pytest.raises(DatabaseError), transaction.atomic():
        Method.objects.create(version=2, state="active", definition=definition())


# --- scheduling --------------------------------------------------------------------------------------------


def test_at_once_is_a_job_that_may_run_at_once(cast: SimpleNamespace) -> None:
    method = draft()
    versions.schedule(method=method, when=None, by=cast.ada, at=NOW)
    job = Job.objects.get(pk=method.job)
    assert (method.state, method.scheduled_for, method.activated_by) == ("draft", NOW, cast.ada)
    assert (method.is_editable, active_version()) == (False, 1)
    assert (job.kind, job.payload, job.run_at, job.created_by) == (
        "assessments.tasks.activate_method", {"method": method.pk}, NOW, cast.ada,
    )  # fmt: skip
    assert run(job.pk).result == NOTHING
    assert active_version() == 2


def test_later_is_a_job_that_waits(db: None) -> None:
    method = draft()
    versions.schedule(method=method, when=NOW + DAY, by=None, at=NOW)
    assert (method.scheduled_for, Job.objects.get(pk=method.job).run_at) == (NOW + DAY, NOW + DAY)
    assert run(method.job, at=NOW + DAY - HOUR).state == "ready"
    assert active_version() == 1
    assert run(method.job, at=NOW + DAY).state == "done"
    method.refresh_from_db()
    assert (method.state, method.activated_at, method.scheduled_for) == ("active", NOW + DAY, None)


@pytest.mark.parametrize("broken", [{}, {"formula": "magic"}, {"bands": []}, {"likelihood": [{"label": None}] * 3}])
def test_what_cannot_score_is_not_scheduled(db: None, broken: dict[str, Any]) -> None:
    method = draft(definition(**broken) if broken else {})
    with pytest.raises(BadMethod):
        versions.schedule(method=method, when=None, by=None, at=NOW)
    method.refresh_from_db()
    assert (method.is_editable, method.job, Job.objects.count()) == (True, None, 0)


def test_what_counts_is_the_draft_that_stands_and_not_the_one_that_was_read(db: None) -> None:
    """Somebody saves something unfinished between the other's page and her click: it must not come into force."""
    method = draft()
    read_before = Method.objects.get(pk=method.pk)
    versions.save_draft(method=method, definition={}, note="", at=NOW + HOUR, seen=NOW)
    with pytest.raises((BadMethod, versions.NotADraft)):
        versions.schedule(method=read_before, when=None, by=None, at=NOW + HOUR)
    assert Job.objects.count() == 0


def test_unscheduled_it_is_a_draft_again_and_its_job_does_nothing(cast: SimpleNamespace) -> None:
    method = draft()
    versions.schedule(method=method, when=NOW + DAY, by=cast.ada, at=NOW)
    old_job = method.job
    versions.unschedule(method=method)
    assert (method.is_editable, method.scheduled_for, method.activated_by, method.job) == (True, None, None, None)
    assert run(old_job, at=NOW + DAY).result == NOTHING
    assert active_version() == 1
    versions.save_draft(method=method, definition=definition(combination="worst"), note="", at=NOW, seen=NOW)


def test_scheduled_anew_only_the_new_job_counts(make_risk: MakeRisk) -> None:
    make_risk(levels=(3, 3), at=NOW)
    method = draft()
    versions.schedule(method=method, when=NOW + HOUR, by=None, at=NOW)
    old_job = method.job
    versions.unschedule(method=method)
    versions.schedule(method=method, when=NOW + DAY, by=None, at=NOW)
    assert method.job != old_job
    assert run(old_job, at=NOW + HOUR).result == NOTHING
    assert active_version() == 1
    assert run(method.job, at=NOW + DAY).result == {"scored": 1, "changed": 1}


@pytest.mark.parametrize("how", ["active", "retired", "discarded"])
def test_what_is_not_scheduled_cannot_be_unscheduled(db: None, how: str) -> None:
    with pytest.raises(versions.NotADraft):
        versions.unschedule(method=no_draft(how))
    with pytest.raises(versions.NotADraft):
        versions.unschedule(method=draft())


def test_discarded_while_scheduled_its_job_does_nothing(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW)
    method = draft()
    versions.schedule(method=method, when=NOW + DAY, by=None, at=NOW)
    job = method.job
    versions.discard(method=method)
    again = draft()  # has the number of the one that is gone
    assert again.version == method.version
    assert run(job, at=NOW + DAY).result == NOTHING
    assert (active_version(), sheet_of(risk).method_version, of_run(job)) == (1, 1, [])


@pytest.mark.parametrize("gone", [True, False], ids=["discarded", "unscheduled"])
def test_withdrawn_in_the_very_moment_the_old_method_stays(
    make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch, gone: bool
) -> None:
    """The job has read its version, and then somebody takes it back."""
    risk = make_risk(levels=(3, 3), at=NOW)
    method = draft()
    versions.schedule(method=method, when=None, by=None, at=NOW)
    job, fenced, called = method.job, Claim.fenced, []

    def meanwhile(claim: Claim, **more: Any) -> AbstractContextManager[None]:
        if not called:
            called.append(1)
            versions.unschedule(method=method)
            if gone:
                versions.discard(method=method)
        return fenced(claim, **more)

    monkeypatch.setattr(Claim, "fenced", meanwhile)
    run(job)
    assert called == [1]
    assert list(Method.objects.filter(state="active").values_list("version", flat=True)) == [1]
    assert (sheet_of(risk).method_version, of_run(job)) == (1, [])


# --- activation --------------------------------------------------------------------------------------------


@pytest.fixture
def register(make_risk: MakeRisk) -> list[Risk]:
    """Seven assessed open risks in chunks of two."""
    levels = [(1, 1), (2, 5), (3, 3), (4, 2), (5, 5), (3, 4), (1, 5)]
    return [make_risk(f"Risk {n}", levels=pair, at=NOW) for n, pair in enumerate(levels)]


@pytest.fixture
def _chunks_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 2)


def other_bands() -> dict[str, Any]:
    """Two bands instead of four, so that a band of one method cannot stand for a score of the other."""
    bands = DEFAULT_METHOD["bands"]
    return definition(formula="product", bands=[bands[0], bands[3] | {"threshold": 10}])


def test_the_old_version_retires_and_the_new_one_is_in_force(cast: SimpleNamespace) -> None:
    method = draft(definition(combination="worst"))
    versions.schedule(method=method, when=None, by=cast.ada, at=NOW)
    at = NOW + HOUR
    assert run(method.job, at=at).result == NOTHING
    method.refresh_from_db()
    old = first()
    assert (old.state, old.retired_at) == ("retired", at)
    assert (method.state, method.activated_at, method.activated_by) == ("active", at, cast.ada)
    assert (method.retired_at, method.scheduled_for, method.rescored_at) == (None, None, at)
    assert active_method().spec.combination == "worst"


@pytest.mark.usefixtures("_chunks_of_two")
def test_each_assessed_open_risk_has_one_ledger_row_of_the_run(register: list[Risk], make_risk: MakeRisk) -> None:
    unassessed, closed = make_risk("Unassessed", at=NOW), make_risk("Closed", levels=(3, 3), at=NOW)
    binned = make_risk("Binned", levels=(3, 3), at=NOW)
    close_risk(risk=closed, outcome="occurred", note="", on=NOW.date(), at=NOW)
    Risk.objects.filter(pk=binned.pk).update(state="bin")
    before = {entry.pk for entry in ScoreEntry.objects.all()}
    method = draft(other_bands())
    versions.schedule(method=method, when=None, by=None, at=NOW)
    at = NOW + HOUR
    assert run(method.job, at=at).result == {"scored": 8, "changed": 7}
    written = ScoreEntry.objects.exclude(pk__in=before)
    assert of_run(method.job) == [risk.pk for risk in register] == sorted(written.values_list("risk", flat=True))
    assert set(written.values_list("cause", "method_version", "at")) == {("rules", 2, at)}
    for risk, (likelihood, impact) in zip(
        register, [(1, 1), (2, 5), (3, 3), (4, 2), (5, 5), (3, 4), (1, 5)], strict=True
    ):
        sheet = sheet_of(risk)
        entry = written.get(risk=risk)
        assert sheet.score == 4.0 * likelihood * impact
        assert (sheet.band, sheet.method_version, sheet.scored_at) == (1 + (likelihood * impact * 4 >= 10), 2, at)
        assert (entry.score, entry.band, entry.exposure) == (sheet.score, sheet.band, sheet.exposure)
        assert entry.factors[0]["ref"] == Assessment.objects.get(risk=risk).pk
    for risk, version in ((unassessed, None), (closed, None), (binned, 1)):
        assert sheet_of(risk).method_version == version
    job = Job.objects.get(pk=method.job)
    assert (job.done, job.total) == (8, 8)


def test_a_method_that_changes_no_number_still_says_by_which_version(register: list[Risk]) -> None:
    before = {risk.pk: sheet_of(risk) for risk in register}
    method = put_in_force(definition())
    assert of_run(method.job) == [risk.pk for risk in register]
    for risk in register:
        sheet = sheet_of(risk)
        assert (sheet.score, sheet.band, sheet.exposure) == (
            before[risk.pk].score, before[risk.pk].band, before[risk.pk].exposure,
        )  # fmt: skip
        assert (sheet.method_version, sheet.review_due) == (2, before[risk.pk].review_due)


def test_review_dates_follow_the_bands_of_the_new_version(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW)
    bands = [band | {"review_days": 7 + n} for n, band in enumerate(DEFAULT_METHOD["bands"])]
    put_in_force(definition(bands=bands))
    assert (sheet_of(risk).band, sheet_of(risk).review_due) == (2, NOW.date() + 8 * DAY)


def test_the_job_a_second_time_changes_nothing(register: list[Risk]) -> None:
    method = put_in_force(other_bands())
    sheets, entries = list(CoverSheet.objects.order_by("pk").values()), ScoreEntry.objects.count()
    versions_ = list(Method.objects.order_by("pk").values())
    Job.objects.filter(pk=method.job).update(state="ready", finished_at=None)  # done, but nobody noted it
    assert run(method.job, at=NOW + DAY).result == NOTHING
    assert list(CoverSheet.objects.order_by("pk").values()) == sheets
    assert ScoreEntry.objects.count() == entries
    assert list(Method.objects.order_by("pk").values()) == versions_


def test_the_night_after_has_nothing_left_to_do(register: list[Risk]) -> None:
    put_in_force(other_bands())
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=NOW)
    assert run(job.pk).result == {"scored": 7, "changed": 0, "flags": 0}


def test_old_assessments_keep_the_method_they_were_made_with(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=NOW)
    old = Assessment.objects.filter(risk=risk).values().get()
    put_in_force(definition(formula="product"))
    assert Assessment.objects.filter(risk=risk).values().get() == old
    assess(risk, 4, 4, at=NOW + HOUR)
    assert list(risk.assessments.order_by("pk").values_list("method__version", flat=True)) == [1, 2]


def test_an_old_judgement_counts_by_its_numbers(make_risk: MakeRisk) -> None:
    """Likely (42 % a year) and major (500 000) lie on other levels of the new scales, and stay what they were."""
    risk = make_risk(levels=(4, 4), at=NOW)
    exposure = sheet_of(risk).exposure
    new = definition()
    for level, (low, high) in zip(
        new["likelihood"], [(0.01, 0.1), (0.1, 0.4), (0.4, 0.5), (0.5, 0.6), (0.6, 0.95)], strict=True
    ):
        level["low"], level["high"] = low, high
    for dimension in new["dimensions"]:
        for level, (low, high) in zip(
            dimension["levels"], [(10, 20), (20, 30), (30, 40), (40, 400_000), (400_000, 5e6)], strict=True
        ):
            level["low"], level["high"] = low, high
    put_in_force(new)
    sheet = sheet_of(risk)
    assert sheet.exposure == exposure
    assert (sheet.likelihood_level, sheet.impact_level) == (3, 5)


def test_a_judgement_of_which_no_dimension_is_left_is_none(make_risk: MakeRisk) -> None:
    risk, other = make_risk(levels=(4, 4), at=NOW), make_risk("Another", at=NOW)
    assess(other, 4, 4, reputation=2, at=NOW)
    new = definition()
    new["dimensions"][0]["key"] = "money"
    method = put_in_force(new)
    sheet = sheet_of(risk)
    assert (sheet.score, sheet.band, sheet.exposure, sheet.method_version, sheet.review_due) == (None,) * 5
    assert sheet_of(other).impact_level == 2
    assert of_run(method.job) == [risk.pk, other.pk]
    entry = ScoreEntry.objects.get(run=method.job, risk=risk)
    assert (entry.cause, entry.score, entry.method_version, entry.factors) == ("rules", None, None, [])
    assess_risk(
        risk=risk, by=None, judgement=Judgement(risk.pk, 4, {"money": 4}, "expert", "", NOW.date()), at=NOW + HOUR
    )
    assert sheet_of(risk).method_version == 2


def test_responses_and_evidence_count_under_the_new_method_as_before(make_risk: MakeRisk) -> None:
    risk, bare = make_risk(levels=(4, 4), at=NOW), make_risk("Bare", levels=(4, 4), at=NOW)
    response = Response.objects.create(risk=risk, kind="preventive", title="r", confidence=80)
    Action.objects.create(response=response, title="a", effect=50, status="done", done_on=NOW.date())
    observation = Observation.objects.create(kind="market", text="o", team=risk.team)
    link_observation(observation=observation, risk=risk, bearing=2, at=NOW + HOUR)
    before = sheet_of(risk)
    method = put_in_force(definition(combination="worst"), at=NOW + DAY)
    after = sheet_of(risk)
    assert (after.exposure, after.residual, after.inherent) == (before.exposure, before.residual, before.inherent)
    assert after.exposure != sheet_of(bare).exposure
    entry = ScoreEntry.objects.get(run=method.job, risk=risk)
    assert [step["kind"] for step in entry.factors] == ["judgement", "evidence", "response"]


def test_the_statements_do_not_depend_on_the_number_of_risks(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    one = make_risk(levels=(5, 5), at=NOW)

    def statements() -> int:
        method = draft(definition(combination="worst"))
        versions.schedule(method=method, when=None, by=None, at=NOW)
        with CaptureQueriesContext(connection) as captured:
            assert run(method.job).result["changed"] == Risk.objects.count()
        return len(captured)

    few = statements()
    risks = Risk.objects.bulk_create(
        Risk(title=f"Risk {n}", category=one.category, team=cast.accounts) for n in range(60)
    )
    judgements = [
        Judgement(r.pk, 1 + n % 5, {"financial": 1 + n % 4, "reputation": 1 + n % 3}, "expert", "", NOW.date())
        for n, r in enumerate(risks)
    ]
    assess_risks(judgements=judgements, by=None, at=NOW)
    assert statements() == few


# --- broken off, and in the middle -------------------------------------------------------------------------


@pytest.mark.usefixtures("_chunks_of_two")
@pytest.mark.parametrize("broken_at", [0, 1, 2, 3])
def test_broken_off_it_goes_on_after_the_last_whole_chunk(
    register: list[Risk], monkeypatch: pytest.MonkeyPatch, broken_at: int
) -> None:
    method = draft(other_bands())
    versions.schedule(method=method, when=None, by=None, at=NOW)
    whole, calls = scores.Chunk.rescore, iter(range(100))

    def breaks(chunk: scores.Chunk, **more: Any) -> int:
        if next(calls) == broken_at:
            whole(chunk, **more)  # even what this chunk wrote is gone
            raise RuntimeError("killed here")
        return whole(chunk, **more)

    monkeypatch.setattr(scores.Chunk, "rescore", breaks)
    job = run(method.job)
    assert (job.state, job.done, job.total) == ("ready", 2 * broken_at, 7)
    method.refresh_from_db()
    ids = [risk.pk for risk in register]
    assert method.rescored_to == ([0, *ids][2 * broken_at])
    assert (method.state, method.rescored_at, active_version()) == ("active", None, 2)
    assert of_run(method.job) == ids[: 2 * broken_at]
    assert activation_under_way() == {"method": method, "percent": 100 * 2 * broken_at // 7}

    monkeypatch.setattr(scores.Chunk, "rescore", whole)
    job = run(method.job, at=NOW + HOUR)
    method.refresh_from_db()
    assert (job.state, job.done, job.total) == ("done", 7, 7)
    assert (method.rescored_to, method.rescored_at, method.activated_at) == (ids[-1], NOW + HOUR, NOW)
    assert of_run(method.job) == ids
    assert set(CoverSheet.objects.values_list("method_version", flat=True)) == {2}
    assert activation_under_way() == {}
    assert first().retired_at == NOW


def test_broken_off_at_the_very_end_it_only_notes_that_it_is_done(
    register: list[Risk], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = draft(other_bands())
    versions.schedule(method=method, when=None, by=None, at=NOW)

    def breaks(seconds: float) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(versions, "pause_between_chunks", breaks)
    assert run(method.job).state == "ready"
    monkeypatch.undo()
    entries = ScoreEntry.objects.count()
    assert run(method.job, at=NOW + HOUR).result == {"scored": 7, "changed": 0}
    method.refresh_from_db()
    assert (method.rescored_at, ScoreEntry.objects.count()) == (NOW + HOUR, entries)


def mixed() -> list[tuple[int, Any, Any, Any]]:
    """Cover sheets whose band is none that their own version gives their score."""
    specs = {method.version: method.spec() for method in Method.objects.all()}
    rows = CoverSheet.objects.values_list("risk", "score", "band", "method_version")
    return [
        (risk, score, band, version)
        for risk, score, band, version in rows
        if (band or 0) != (int(scoring.band_positions(specs[version], np.array([score]))[0]) if version else 0)
    ]


def between_chunks(monkeypatch: pytest.MonkeyPatch, act: Callable[[int], None]) -> None:
    """Do something after each committed chunk, told how many there were."""
    numbers = iter(range(1, 100))
    monkeypatch.setattr(versions, "pause_between_chunks", lambda seconds: act(next(numbers)))


@pytest.mark.usefixtures("_chunks_of_two")
def test_no_risk_ever_shows_a_band_of_one_method_with_a_score_of_another(
    register: list[Risk], monkeypatch: pytest.MonkeyPatch
) -> None:
    method = draft(other_bands())
    versions.schedule(method=method, when=None, by=None, at=NOW)
    ids, seen = [risk.pk for risk in register], []
    assert mixed() == []

    def look(chunk: int) -> None:
        assert mixed() == []
        assert active_version() == 2
        order = CoverSheet.objects.order_by("risk").values_list("method_version", flat=True)
        seen.append(list(order))

    whole = scores.Chunk.rescore

    def rescore(chunk: scores.Chunk, **more: Any) -> int:
        look(0)
        changed = whole(chunk, **more)
        look(0)
        return changed

    monkeypatch.setattr(scores.Chunk, "rescore", rescore)
    between_chunks(monkeypatch, look)
    assert run(method.job).state == "done"
    assert mixed() == []
    # Before the first chunk all are of the old version, after the last all of the new.
    assert [row.count(2) for row in seen] == [0, 2, 2, 2, 4, 4, 4, 6, 6, 6, 7, 7]
    assert {row[n] for row in seen[:1] for n in range(len(ids))} == {1}


@pytest.mark.usefixtures("_chunks_of_two")
def test_in_the_middle_each_risk_is_shown_with_the_bands_of_its_own_version(
    register: list[Risk], cast: SimpleNamespace, sign_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = other_bands()
    names = ({"label": {"en": name, "zh": name}} for name in ("Harmless", "Grave"))
    new["bands"] = [band | name for band, name in zip(new["bands"], names, strict=True)]
    method = draft(new)
    versions.schedule(method=method, when=None, by=None, at=NOW)
    pages: list[str] = []
    client = sign_in(cast.ada)

    def look(chunk: int) -> None:
        if chunk == 2:
            pages.extend(client.get(f"/risks/{risk.pk}/").content.decode() for risk in register)

    between_chunks(monkeypatch, look)
    run(method.job)
    named = [
        [name for name in ("Low", "Moderate", "High", "Critical", "Harmless", "Grave") if f"</strong> {name}" in page]
        for page in pages
    ]
    old = [scoring_method(first()).bands[band - 1].label.en for band in (4, 2, 1)]
    assert [names[:1] for names in named[:4]] == [["Harmless"], ["Grave"], ["Grave"], ["Grave"]]
    assert old
    assert all(names and not {"Harmless", "Grave"} & set(names[:1]) for names in named[4:])


@pytest.mark.usefixtures("_chunks_of_two")
def test_a_judgement_in_the_middle_is_by_the_new_method(register: list[Risk], monkeypatch: pytest.MonkeyPatch) -> None:
    """One of a risk that is through, one of a risk whose turn is still to come."""
    method = draft(other_bands())
    versions.schedule(method=method, when=None, by=None, at=NOW)
    through, to_come = register[0], register[6]

    def act(chunk: int) -> None:
        if chunk == 2:
            for risk in (through, to_come):
                assess(risk, 5, 2, at=NOW + HOUR)

    between_chunks(monkeypatch, act)
    assert run(method.job).result == {"scored": 7, "changed": 6}
    for risk, causes in ((through, ["judgement", "rules", "judgement"]), (to_come, ["judgement", "judgement"])):
        assert risk.assessments.get(is_current=True).method == method
        sheet = sheet_of(risk)
        assert (sheet.score, sheet.band, sheet.method_version) == (40.0, 2, 2)
        rows = ScoreEntry.objects.filter(risk=risk).order_by("pk")
        assert [entry.cause for entry in rows] == causes
        assert [entry.method_version for entry in rows] == [1] + [2] * (len(causes) - 1)
    assert of_run(method.job) == [risk.pk for risk in register[:6]]


@pytest.mark.usefixtures("_chunks_of_two")
def test_a_night_that_began_before_does_not_bring_the_old_method_back(
    register: list[Risk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The night's walk through a large register takes minutes; meanwhile another worker puts a version in force."""
    activated: list[Method] = []

    def meanwhile(seconds: float) -> None:
        if not activated:
            activated.append(put_in_force(other_bands()))

    monkeypatch.setattr("monitoring.actions.pause_between_chunks", meanwhile)
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=NOW)
    assert run(job.pk).state == "done"
    assert len(activated) == 1
    assert set(CoverSheet.objects.values_list("method_version", flat=True)) == {2}
    assert mixed() == []


@pytest.mark.usefixtures("_chunks_of_two")
def test_a_version_that_was_overtaken_does_not_go_on(register: list[Risk], monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off, and before its job is tried again the next version comes into force."""
    overtaken = draft(other_bands())
    versions.schedule(method=overtaken, when=None, by=None, at=NOW)

    def breaks(chunk: scores.Chunk, **more: Any) -> int:
        raise RuntimeError("killed here")

    with monkeypatch.context() as patched:
        patched.setattr(scores.Chunk, "rescore", breaks)
        assert run(overtaken.job).state == "ready"
    latest = draft(definition(combination="worst"))
    versions.schedule(method=latest, when=None, by=None, at=NOW + HOUR)

    def act(chunk: int) -> None:
        if chunk == 1:  # another worker takes the first job up again
            jobs.run(overtaken.job, now_fn=lambda: NOW + HOUR)

    between_chunks(monkeypatch, act)
    assert run(latest.job, at=NOW + HOUR).state == "done"
    assert of_run(overtaken.job) == []
    assert of_run(latest.job) == [risk.pk for risk in register]
    assert active_version() == 3


@pytest.mark.usefixtures("_chunks_of_two")
def test_of_two_activations_at_once_the_later_version_stays(
    register: list[Risk], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next version comes into force, and is through with the register, while the first one is on its way."""
    earlier = draft(other_bands())
    versions.schedule(method=earlier, when=None, by=None, at=NOW)
    later: list[Method] = []

    def meanwhile(seconds: float) -> None:
        if not later:
            later.append(earlier)
            later.append(put_in_force(definition(combination="worst")))

    monkeypatch.setattr(versions, "pause_between_chunks", meanwhile)
    run(earlier.job)
    assert set(CoverSheet.objects.values_list("method_version", flat=True)) == {3}
    assert of_run(later[1].job) == [risk.pk for risk in register]
    assert mixed() == []
    assert active_version() == 3


def test_the_risks_of_an_unfinished_import_come_out_with_the_new_method(
    register: list[Risk], cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are scored when they are staged, and shown when all of them are there; the version comes in between."""
    rows = [["Title", "Likelihood", "Financial impact"], ["Imported", 4, 4], ["Imported, too", 2, 3]]
    batch = planned(cast, csv_of(*rows))
    imports.start(batch=batch, by=cast.max)
    activated: list[Method] = []
    monkeypatch.setattr(imports, "pause_between_chunks", lambda seconds: activated.append(put_in_force(other_bands())))
    assert jobs.run(batch.job, now_fn=lambda: NOW)
    assert len(activated) == 1
    scored = CoverSheet.objects.filter(risk__in=Risk.objects.open(), score__isnull=False)
    assert scored.count() == 9
    assert set(scored.values_list("method_version", flat=True)) == {2}
    assert mixed() == []


# --- what the new method cannot place ----------------------------------------------------------------------


def narrower() -> dict[str, Any]:
    """Likelihood from 3 to 60 %, money from 10 000 to 1 000 000, and no market share any more."""
    new = definition(dimensions=copy.deepcopy(DEFAULT_METHOD["dimensions"][:2]))
    new["likelihood"] = new["likelihood"][1:4]
    for dimension in new["dimensions"]:
        dimension["levels"] = dimension["levels"][1:4]
    return new


PLACED: dict[str, tuple[int | Number, dict[str, int], Number | None]] = {
    "in the middle": (3, {"financial": 3}, None),
    "the lowest that is left": (2, {"financial": 2, "reputation": 2}, None),
    "the highest that is left": (4, {"financial": 4, "reputation": 4}, None),
    "one dimension gone, another left": (3, {"market_share": 3, "reputation": 3}, None),
    "numbers in the middle": (Number(0.2), {"reputation": 3}, Number(60_000)),
    "numbers at the lower ends": (Number(0.03), {}, Number(10_000)),
    "numbers at the upper ends": (Number(0.6), {}, Number(1_000_000)),
}
NOT_PLACED: dict[str, tuple[int | Number, dict[str, int], Number | None]] = {
    "likelihood level below": (1, {"financial": 3}, None),
    "likelihood level above": (5, {"financial": 3}, None),
    "impact level below": (3, {"financial": 1}, None),
    "impact level above": (3, {"financial": 5}, None),
    "second dimension above": (3, {"financial": 3, "reputation": 5}, None),
    "no dimension left": (3, {"market_share": 3}, None),
    "probability below": (Number(0.0299), {"financial": 3}, None),
    "probability above": (Number(0.6001), {"financial": 3}, None),
    "money below": (3, {}, Number(9_999)),
    "money above": (3, {}, Number(1_000_001)),
    "money in the scale, another dimension above": (3, {"reputation": 5}, Number(60_000)),
}


def judge(make_risk: MakeRisk, name: str, case: tuple[int | Number, dict[str, int], Number | None]) -> Risk:
    likelihood, levels, money = case
    risk = make_risk(name, at=NOW)
    judgement = Judgement(risk.pk, likelihood, levels, "expert", "", NOW.date(), money)
    assess_risk(risk=risk, by=None, judgement=judgement, at=NOW)
    return risk


def listed() -> list[str]:
    return sorted(to_reassess(Risk.objects.all(), active_method()).values_list("title", flat=True))


@pytest.mark.parametrize("name", NOT_PLACED)
def test_what_the_new_method_cannot_place_is_listed(make_risk: MakeRisk, name: str) -> None:
    judge(make_risk, name, NOT_PLACED[name])
    put_in_force(narrower())
    assert listed() == [name]


@pytest.mark.parametrize("name", PLACED)
def test_what_has_its_place_is_not_listed(make_risk: MakeRisk, name: str) -> None:
    judge(make_risk, name, PLACED[name])
    put_in_force(narrower())
    assert listed() == []


def reputation_first(*, financial: list[float], reputation: list[float]) -> dict[str, Any]:
    """Another dimension is the primary one now; money that was given is of the one that was."""
    dimensions = copy.deepcopy(DEFAULT_METHOD["dimensions"])[1::-1]
    for dimension, bounds in zip(dimensions, (reputation, financial), strict=True):
        for level, (low, high) in zip(dimension["levels"], itertools.pairwise(bounds), strict=True):
            level["low"], level["high"] = low, high
    return definition(dimensions=dimensions)


WIDE = [2_000.0, 10_000.0, 50_000.0, 250_000.0, 1_000_000.0, 5_000_000.0]
NARROW = [2_000.0, 10_000.0, 50_000.0, 250_000.0, 500_000.0, 800_000.0]


def test_money_is_held_against_the_scale_of_its_own_dimension_where_it_lies_within(make_risk: MakeRisk) -> None:
    judge(make_risk, "900 000 of 5 000 000", (3, {}, Number(900_000)))
    put_in_force(reputation_first(financial=WIDE, reputation=NARROW))
    assert listed() == []


def test_money_is_held_against_the_scale_of_its_own_dimension_where_it_lies_beyond(make_risk: MakeRisk) -> None:
    judge(make_risk, "900 000 of 800 000", (3, {}, Number(900_000)))
    put_in_force(reputation_first(financial=NARROW, reputation=WIDE))
    assert listed() == ["900 000 of 800 000"]


def test_all_reasons_together_and_counted_for_a_draft_as_well(make_risk: MakeRisk) -> None:
    for name, case in {**NOT_PLACED, "in the middle": PLACED["in the middle"]}.items():
        judge(make_risk, name, case)
    make_risk("Unassessed")
    assert to_reassess(Risk.objects.all(), scoring_method(draft(narrower()))).count() == len(NOT_PLACED)
    assert listed() == []
    put_in_force(narrower())
    assert listed() == sorted(NOT_PLACED)


def test_judged_anew_closed_or_in_the_bin_it_is_no_longer_listed(make_risk: MakeRisk) -> None:
    again, closed, binned, stays = (judge(make_risk, n, NOT_PLACED["no dimension left"]) for n in "abcd")
    put_in_force(narrower())
    assert listed() == ["a", "b", "c", "d"]
    assess(again, 1, 1, at=NOW + HOUR)
    close_risk(risk=closed, outcome="occurred", note="", on=NOW.date(), at=NOW)
    Risk.objects.filter(pk=binned.pk).update(state="bin")
    assert listed() == [stays.title]


def test_only_current_judgements_of_older_versions_count(make_risk: MakeRisk) -> None:
    risk = judge(make_risk, "Judged twice", NOT_PLACED["likelihood level below"])
    assess(risk, 3, 3, at=NOW + HOUR)
    put_in_force(narrower())
    assert listed() == []
    judge(make_risk, "By the method in force, beyond its scale", (Number(0.001), {}, Number(10**9)))
    assert listed() == []


def test_judgements_of_several_older_versions_are_told_apart(make_risk: MakeRisk) -> None:
    """Level 1 of the first method is gone, level 1 of the second is not."""
    judge(make_risk, "first", (3, {"financial": 1}, None))
    put_in_force(narrower(), at=NOW)
    judge(make_risk, "second", (1, {"financial": 1}, None))
    put_in_force(narrower() | {"combination": "worst"}, at=NOW)
    assert listed() == ["first"]


def test_each_sees_only_her_own_risks_among_them(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    judge(make_risk, "Of Accounts", NOT_PLACED["impact level above"])
    put_in_force(narrower())
    method = active_method()
    seen = {
        name: to_reassess(access.visible_risks(getattr(cast, name)), method).count()
        for name in ("mona", "max", "vera", "ada", "hana", "nobody")
    }
    assert seen == {"mona": 1, "max": 1, "vera": 1, "ada": 1, "hana": 0, "nobody": 0}


def cannot_place(assessment: Assessment, old: Any, new: Any) -> bool:
    """The same question to the plain functions, of one judgement."""
    restated = restating.restate(old, assessment.impact_code, new, money=assessment.money)
    low = high = assessment.probability
    if assessment.likelihood_by == "level":
        level = old.likelihood[assessment.likelihood_level - 1]
        low, high = level.low, level.high
    return restating.outside(new.likelihood, low, high) or bool(restated.beyond) or not restated.levels


@given(definitions(), definitions(), st.data())
@settings(
    max_examples=15 if connection.vendor == "sqlite" else 5,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_listed_is_what_restating_cannot_place(
    make_risk: MakeRisk, one: dict[str, Any], other: dict[str, Any], data: st.DataObject
) -> None:
    with transaction.atomic():
        Method.objects.filter(state="active").update(state="retired")
        old_method = Method.objects.create(version=2, state="active", definition=one)
        old, new = read_method(one, version=2), read_method(other, version=3)
        likelihoods = st.integers(1, len(old.likelihood)) | st.floats(1e-4, 0.999).map(Number)
        for n in range(8):
            levels, money = data.draw(judged_levels(old)), data.draw(st.none() | moneys.map(Number))
            judge(make_risk, str(n), (data.draw(likelihoods), levels, money))
        expected = {a.risk_id for a in Assessment.objects.filter(method=old_method) if cannot_place(a, old, new)}
        method = scoring_method(Method.objects.create(version=3, definition=other))
        found = set(to_reassess(Risk.objects.all(), method).values_list("pk", flat=True))
        transaction.set_rollback(True)
    assert found == expected


# --- drift -------------------------------------------------------------------------------------------------

PATTERN = [(3, 3), (3, 3), (3, 4), (3, 3), (2, 3), (3, 3), (3, 3), (4, 3), (3, 3), (3, 3)]


def judge_daily(risk: Risk, pattern: list[tuple[int, int]], *, first_day: dt.datetime) -> None:
    for n, levels in enumerate(pattern):
        assess(risk, *levels, at=first_day + n * DAY)


def flags(at: dt.datetime) -> int:
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=at)
    return run(job.pk, at=at).result["flags"]


def shifts_all() -> dict[str, Any]:
    """The axis is twice as long, so every score is another."""
    new = definition()
    for dimension in new["dimensions"]:
        dimension["levels"][4] |= {"high": 5e12}
    return new


@pytest.mark.parametrize("new", [shifts_all(), definition(formula="product")], ids=["axis", "product"])
def test_new_rules_alone_are_no_drift_and_a_level_that_moves_is(make_risk: MakeRisk, new: dict[str, Any]) -> None:
    risk = make_risk(at=NOW)
    judge_daily(risk, PATTERN, first_day=NOW - 40 * DAY)
    assert flags(NOW) == 0
    put_in_force(new, at=NOW)
    judge_daily(risk, PATTERN, first_day=NOW + DAY)
    entries = ScoreEntry.objects.filter(risk=risk, cause="judgement").order_by("at")
    as_stored = drift.detect([entry.score for entry in entries])
    assert as_stored is not None
    assert as_stored.strength > drift.threshold(365)  # taken as they stand, the scores would be a flag
    assert flags(NOW + 12 * DAY) == 0
    assert DriftFlag.objects.count() == 0

    moved = [(min(likelihood + 2, 5), min(impact + 1, 5)) for likelihood, impact in PATTERN]
    judge_daily(risk, moved, first_day=NOW + 13 * DAY)
    assert flags(NOW + 24 * DAY) == 1
    flag = DriftFlag.objects.get()
    assert flag.since == (NOW + 13 * DAY).date()
    # What it says is in the terms of the method in force.
    first_moved = ScoreEntry.objects.get(pk=flag.from_entry)
    assert (first_moved.at, first_moved.method_version) == (NOW + 13 * DAY, 2)
    median = float(np.median([e.score for e in entries.filter(at__gte=NOW + 13 * DAY)]))
    assert flag.after == pytest.approx(median, rel=1e-12)
    assert flag.before < flag.after


def test_a_level_that_moved_across_the_change_is_a_flag(make_risk: MakeRisk) -> None:
    risk = make_risk(at=NOW)
    judge_daily(risk, PATTERN, first_day=NOW - 40 * DAY)
    put_in_force(shifts_all(), at=NOW)
    judge_daily(risk, [(4, 4), (5, 4)] * 5, first_day=NOW + DAY)
    assert flags(NOW + 12 * DAY) == 1
    flag = DriftFlag.objects.get()
    assert (flag.since, flag.is_worse) == ((NOW + DAY).date(), True)
    again = active_method().restated(list(ScoreEntry.objects.filter(risk=risk, cause="judgement").order_by("at")))
    assert flag.before == pytest.approx(float(np.median(again[:10])), rel=1e-12)


def test_evidence_and_responses_before_the_change_are_restated_as_well(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - 40 * DAY)
    for n, bearing in enumerate([1, -1, 1, -1, 1, -1, 1, -1, 1, -1]):
        observation = Observation.objects.create(kind="market", text="o", team=risk.team)
        link_observation(observation=observation, risk=risk, bearing=bearing, at=NOW - (39 - n) * DAY)
    before = list(ScoreEntry.objects.filter(risk=risk).order_by("at"))
    put_in_force(shifts_all(), at=NOW)
    again = active_method().restated(before)
    assert len(again) == 11
    assert again[-1] == sheet_of(risk).score
    assert len(set(again)) == 2
    for n, bearing in enumerate([1, -1, 1, -1, 1, -1, 1, -1, 1, -1]):
        observation = Observation.objects.create(kind="market", text="o", team=risk.team)
        link_observation(observation=observation, risk=risk, bearing=bearing, at=NOW + (1 + n) * DAY)
    MonitoringSettings.load()
    assert flags(NOW + 12 * DAY) == 0


def test_scores_of_the_method_in_force_are_restated_as_they_are(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=NOW)
    entries = list(ScoreEntry.objects.filter(risk=risk))
    with CaptureQueriesContext(connection) as captured:
        method = active_method()
        assert method.restated(entries) == [entries[0].score]
    assert len(captured) <= 2
    assert timezone.now() == NOW
