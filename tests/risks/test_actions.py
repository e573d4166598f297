from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, transaction

from risks import actions
from risks.actions import EditedMeanwhile
from risks.models import Category, CoverSheet, Observation, Risk, ScoreEntry, Tag

MakeRisk = Callable[..., Risk]
AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


def fresh(risk: Risk) -> Risk:
    """The risk as it stands, as another request reads it."""
    return Risk.objects.get(pk=risk.pk)


def tags_of(risk: Risk) -> list[str]:
    return list(risk.tags.values_list("name", flat=True))


def causes(risk: Risk) -> list[str]:
    return list(ScoreEntry.objects.filter(risk=risk).order_by("pk").values_list("cause", flat=True))


def score(risk: Risk) -> float | None:
    return CoverSheet.objects.get(risk=risk).score


@pytest.fixture
def observation(cast: SimpleNamespace) -> Observation:
    return Observation.objects.create(kind="competitor", text="They hire salesmen", team=cast.accounts)


# --- capturing ---------------------------------------------------------------------------------------------


def test_a_captured_risk_is_unassessed_and_its_reporters(cast: SimpleNamespace) -> None:
    category = Category.objects.get(key="competitor")
    risk = actions.capture_risk(
        by=cast.max,
        team=cast.accounts,
        title="Price war",
        category=category,
        tags=["china", " pumps ", "", "china"],
        cause="overcapacity",
        at=AT,
    )
    kept = fresh(risk)
    assert (kept.title, kept.cause, kept.category, kept.team) == ("Price war", "overcapacity", category, cast.accounts)
    assert (kept.owner, kept.created_by, kept.status, kept.state, kept.version) == (
        cast.max,
        cast.max,
        "open",
        "live",
        1,
    )
    assert tags_of(kept) == ["china", "pumps"]
    assert score(kept) is None
    assert causes(kept) == []
    assert kept.history.count() == 1


def test_an_owner_can_be_named_or_left_out(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    assert make_risk(owner=cast.mona).owner == cast.mona
    assert make_risk(owner=None).owner is None


def test_a_risk_captured_from_an_observation_is_linked_to_it(make_risk: MakeRisk, observation: Observation) -> None:
    risk = make_risk(observation=observation, at=AT)
    observation.refresh_from_db()
    assert (observation.risk, observation.bearing, observation.linked_at) == (risk, 0, AT)
    assert not Observation.objects.waiting().exists()


def test_a_capture_that_fails_leaves_nothing(make_risk: MakeRisk, observation: Observation) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_risk(observation=observation, horizon_months=0)
    assert not Risk.objects.exists()
    assert Observation.objects.waiting().get() == observation


def test_two_live_risks_of_a_team_cannot_have_one_number(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    make_risk(external_ref="17")
    make_risk(external_ref="17", team=cast.hengyue)
    make_risk(external_ref="")
    make_risk(external_ref="")
    with pytest.raises(IntegrityError), transaction.atomic():
        make_risk(external_ref="17")


# --- editing -----------------------------------------------------------------------------------------------


def test_an_edit_saves_all_fields_and_counts_the_version(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    risk.title, risk.notes = "Price war in valves", "asked Mona"
    edited = actions.edit_risk(risk=risk, version=1, tags=["valves"], at=AT + HOUR)
    assert edited.version == 2
    kept = fresh(risk)
    assert (kept.title, kept.notes, kept.version, tags_of(kept)) == ("Price war in valves", "asked Mona", 2, ["valves"])
    assert list(kept.history.values_list("title", flat=True)) == ["Price war in valves", "Price war in pumps"]
    assert causes(risk) == ["judgement"]


def test_tags_are_replaced_and_shared(make_risk: MakeRisk) -> None:
    risk = make_risk(tags=["china", "pumps"])
    make_risk("Another", tags=["pumps"])
    actions.edit_risk(risk=risk, version=1, tags=["valves", "pumps", "x" * 60], at=AT)
    assert tags_of(risk) == ["pumps", "valves", "x" * 50]
    assert Tag.objects.count() == 4


def test_of_two_who_edit_the_second_is_told_and_nothing_is_lost(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), tags=["china"], at=AT)
    mine, yours = fresh(risk), fresh(risk)
    mine.title = "Mine"
    actions.edit_risk(risk=mine, version=1, tags=["mine"], at=AT + HOUR)
    before = Risk.objects.values().get(pk=risk.pk)
    history, ledger = risk.history.count(), causes(risk)
    yours.title, yours.horizon_months = "Yours", 60
    with pytest.raises(EditedMeanwhile) as conflict:
        actions.edit_risk(risk=yours, version=1, tags=["yours"], at=AT + 2 * HOUR)
    assert conflict.value.current.title == "Mine"
    assert conflict.value.current.sheet.score == score(risk)
    assert Risk.objects.values().get(pk=risk.pk) == before
    assert (tags_of(risk), risk.history.count(), causes(risk)) == (["mine"], history, ledger)
    assert (yours.title, yours.horizon_months) == ("Yours", 60)  # still there to be offered again
    actions.edit_risk(risk=yours, version=conflict.value.current.version, tags=["yours"], at=AT + 3 * HOUR)
    assert (fresh(risk).title, fresh(risk).version) == ("Yours", 3)


@pytest.mark.parametrize("version", [0, 2, 99])
def test_a_version_that_never_was_is_a_conflict(make_risk: MakeRisk, version: int) -> None:
    with pytest.raises(EditedMeanwhile):
        actions.edit_risk(risk=make_risk(), version=version, tags=[], at=AT)


def test_an_edit_does_not_reopen_what_was_closed_meanwhile(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    form = fresh(risk)
    actions.close_risk(risk=fresh(risk), outcome="occurred", note="", on=AT.date(), at=AT)
    with pytest.raises(EditedMeanwhile):
        actions.edit_risk(risk=form, version=1, tags=[], at=AT)
    assert fresh(risk).status == "closed"


def test_an_edit_does_not_take_a_risk_out_of_the_bin(make_risk: MakeRisk) -> None:
    risk = make_risk()
    form = fresh(risk)
    actions.delete_risk(risk=fresh(risk))
    with pytest.raises(EditedMeanwhile):
        actions.edit_risk(risk=form, version=1, tags=[], at=AT)
    assert fresh(risk).state == "bin"


def test_closing_after_somebodys_edit_does_not_turn_the_version_back(make_risk: MakeRisk) -> None:
    """Else a third person's form of the edited version would pass for fresh."""
    risk = make_risk()
    stale, edit = fresh(risk), fresh(risk)
    actions.edit_risk(risk=edit, version=1, tags=[], at=AT)
    actions.close_risk(risk=stale, outcome="occurred", note="", on=AT.date(), at=AT)
    assert fresh(risk).version == 3


# --- closing and the bin -----------------------------------------------------------------------------------


def test_closing_says_what_became_of_it(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    actions.close_risk(risk=risk, outcome="occurred", note="lost 40 000", on=AT.date(), at=AT + DAY)
    kept = fresh(risk)
    assert (kept.status, kept.outcome, kept.outcome_note, kept.closed_on, kept.version) == (
        "closed",
        "occurred",
        "lost 40 000",
        AT.date(),
        2,
    )
    assert score(risk) is None
    assert causes(risk) == ["judgement", "outcome"]
    assert not Risk.objects.open().exists()


def test_closing_twice_leaves_one_row(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    for _ in range(2):
        actions.close_risk(risk=risk, outcome="occurred", note="", on=AT.date(), at=AT)
    assert causes(risk) == ["judgement", "outcome"]


def test_closing_an_unassessed_risk_writes_no_ledger_row(make_risk: MakeRisk) -> None:
    risk = make_risk()
    actions.close_risk(risk=risk, outcome="no_longer_relevant", note="", on=AT.date(), at=AT)
    assert causes(risk) == []


def test_reopened_it_has_its_score_back(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    before = score(risk)
    actions.close_risk(risk=risk, outcome="occurred", note="lost", on=AT.date(), at=AT)
    actions.reopen_risk(risk=risk, at=AT + DAY)
    kept = fresh(risk)
    assert (kept.status, kept.outcome, kept.closed_on, kept.version) == ("open", "", None, 3)
    assert score(risk) == before
    assert causes(risk) == ["judgement", "outcome", "outcome"]


def test_the_bin_keeps_everything(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), tags=["china"], at=AT)
    before = score(risk)
    actions.delete_risk(risk=risk)
    actions.delete_risk(risk=risk)
    assert not Risk.objects.live().exists()
    assert (fresh(risk).state, score(risk), causes(risk)) == ("bin", before, ["judgement"])
    actions.restore_risk(risk=risk, at=AT + DAY)
    assert (fresh(risk).state, score(risk), causes(risk), tags_of(risk)) == ("live", before, ["judgement"], ["china"])


def test_a_restored_risk_keeps_its_number_when_it_is_free(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(external_ref="17")
    make_risk(external_ref="17", team=cast.hengyue)
    actions.delete_risk(risk=risk)
    actions.restore_risk(risk=risk, at=AT)
    assert fresh(risk).external_ref == "17"


def test_a_number_taken_meanwhile_stays_with_who_took_it(make_risk: MakeRisk) -> None:
    risk = make_risk(external_ref="17")
    actions.delete_risk(risk=risk)
    taker = make_risk("Another", external_ref="17")
    actions.restore_risk(risk=risk, at=AT)
    assert (fresh(risk).state, fresh(risk).external_ref, fresh(taker).external_ref) == ("live", "", "17")


def test_a_restored_risk_is_scored_by_what_happened_meanwhile(make_risk: MakeRisk, observation: Observation) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    before = score(risk)
    actions.delete_risk(risk=risk)
    actions.link_observation(observation=observation, risk=risk, bearing=2, at=AT + HOUR)
    assert score(risk) == before
    actions.restore_risk(risk=risk, at=AT + DAY)
    assert score(risk) > before
    assert causes(risk) == ["judgement", "rules"]


def test_a_closed_risk_comes_back_closed(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    actions.close_risk(risk=risk, outcome="occurred", note="", on=AT.date(), at=AT)
    actions.delete_risk(risk=risk)
    actions.restore_risk(risk=risk, at=AT)
    assert (fresh(risk).status, score(risk)) == ("closed", None)


# --- observations ------------------------------------------------------------------------------------------


def test_a_linked_observation_moves_the_score_at_once(make_risk: MakeRisk, observation: Observation) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    before = score(risk)
    actions.link_observation(observation=observation, risk=risk, bearing=1, at=AT + HOUR)
    assert score(risk) > before
    assert causes(risk) == ["judgement", "evidence"]


def test_a_neutral_observation_moves_nothing(make_risk: MakeRisk, observation: Observation) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    actions.link_observation(observation=observation, risk=risk, bearing=0, at=AT + HOUR)
    assert causes(risk) == ["judgement"]


def test_unlinked_it_waits_again_and_counts_no_more(make_risk: MakeRisk, observation: Observation) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    before = score(risk)
    actions.link_observation(observation=observation, risk=risk, bearing=2, at=AT + HOUR)
    actions.unlink_observation(observation=observation, at=AT + 2 * HOUR)
    observation.refresh_from_db()
    assert (observation.risk, observation.bearing, observation.linked_at) == (None, 0, None)
    assert Observation.objects.waiting().get() == observation
    assert score(risk) == before
    assert causes(risk) == ["judgement", "evidence", "evidence"]
    actions.unlink_observation(observation=observation, at=AT + 3 * HOUR)
    assert len(causes(risk)) == 3


def test_linked_elsewhere_it_counts_there_and_no_longer_here(make_risk: MakeRisk, observation: Observation) -> None:
    """Two people triage one observation: the second's word stands, and the first risk must not keep its share."""
    here, there = make_risk(levels=(3, 3), at=AT), make_risk("Another", levels=(3, 3), at=AT)
    before = score(here)
    actions.link_observation(observation=observation, risk=here, bearing=2, at=AT + HOUR)
    moved = score(here)
    actions.link_observation(observation=observation, risk=there, bearing=2, at=AT + HOUR)
    assert score(there) == moved
    assert score(here) == before


def test_dismissed_and_brought_back(observation: Observation) -> None:
    actions.dismiss_observation(observation=observation, reason="old news", at=AT)
    observation.refresh_from_db()
    assert (observation.dismissed_at, observation.dismissed_reason) == (AT, "old news")
    assert not Observation.objects.waiting().exists()
    actions.undo_dismissal(observation=observation)
    observation.refresh_from_db()
    assert (observation.dismissed_at, observation.dismissed_reason) == (None, "")
    assert Observation.objects.waiting().get() == observation


def test_what_is_linked_cannot_be_dismissed_too(make_risk: MakeRisk, observation: Observation) -> None:
    risk = make_risk(levels=(3, 3), at=AT)
    actions.link_observation(observation=observation, risk=risk, bearing=1, at=AT + HOUR)
    with pytest.raises(IntegrityError), transaction.atomic():
        actions.dismiss_observation(observation=observation, reason="", at=AT)
    observation.refresh_from_db()
    assert (observation.risk, observation.dismissed_at) == (risk, None)
