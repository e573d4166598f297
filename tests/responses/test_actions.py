from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, transaction
from django.utils import translation

from responses.actions import (
    accept_risk,
    restore_response,
    revoke_acceptance,
    save_response,
    set_action_status,
    use_playbook,
    withdraw_response,
)
from responses.models import Acceptance, Action, Playbook, Response
from risks.models import CoverSheet, Risk, ScoreEntry

MakeRisk = Callable[..., Risk]
AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
TODAY = AT.date()
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)


@pytest.fixture
def risk(make_risk: MakeRisk) -> Risk:
    return make_risk(levels=(4, 4), at=AT)


def save(risk: Risk, *actions: Action, at: dt.datetime = AT, **fields: object) -> Response:
    fields = {"kind": "preventive", "title": "Frame contract", "confidence": 100} | fields
    return save_response(response=Response(risk=risk, **fields), actions=actions, at=at)


def step(title: str = "Offer it", **fields: object) -> Action:
    return Action(**{"title": title, "effect": 50, **fields})


def exposures(risk: Risk) -> tuple[float, float]:
    """Residual and target."""
    sheet = CoverSheet.objects.get(risk=risk)
    return sheet.residual, sheet.target


def entries(risk: Risk) -> int:
    return ScoreEntry.objects.filter(risk=risk).count()


def test_a_response_is_saved_with_its_actions(risk: Risk) -> None:
    response = save(risk, step("Offer it"), step("Sign it", status="done"))
    assert list(response.actions.values_list("title", "status", "done_on")) == [
        ("Offer it", "planned", None),
        ("Sign it", "done", TODAY),
    ]
    assert ScoreEntry.objects.filter(risk=risk).last().cause == "response"


def test_saving_again_changes_adds_and_removes(risk: Risk) -> None:
    response = save(risk, step("Offer it"), step("Sign it"))
    first, second = response.actions.all()
    first.title = "Offer it twice"
    save_response(response=response, actions=[first, step("Renew it")], removed=[second], at=AT + HOUR)
    assert list(response.actions.values_list("title", flat=True)) == ["Offer it twice", "Renew it"]


def test_saving_what_stands_scores_nothing_anew(risk: Risk) -> None:
    response = save(risk, step())
    before = entries(risk)
    save_response(response=response, actions=list(response.actions.all()), at=AT + HOUR)
    assert entries(risk) == before


def test_a_response_without_actions_takes_nothing_off(risk: Risk) -> None:
    save(risk)
    assert entries(risk) == 1
    residual, target = exposures(risk)
    assert residual == target


def test_nothing_is_saved_when_an_action_cannot_be(risk: Risk) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        save(risk, step(), step(effect=96))
    assert not Response.objects.exists()
    assert entries(risk) == 1


def test_done_gets_its_date_once_and_loses_it_when_taken_back(risk: Risk) -> None:
    action = save(risk, step()).actions.get()
    for status, at, done_on in [
        ("done", AT + DAY, TODAY + DAY),
        ("done", AT + 2 * DAY, TODAY + DAY),
        ("in_progress", AT + 3 * DAY, None),
        ("done", AT + 4 * DAY, TODAY + 4 * DAY),
        ("cancelled", AT + 5 * DAY, None),
    ]:
        set_action_status(action=action, status=status, at=at)
        action.refresh_from_db()
        assert (action.status, action.done_on) == (status, done_on)


def test_done_twice_counts_once(risk: Risk) -> None:
    action = save(risk, step()).actions.get()
    set_action_status(action=action, status="done", at=AT + HOUR)
    once, written = exposures(risk), entries(risk)
    set_action_status(action=action, status="done", at=AT + 2 * HOUR)
    assert (exposures(risk), entries(risk)) == (once, written)


def test_an_effect_of_nothing_counts_nothing(risk: Risk) -> None:
    save(risk, step(effect=0, status="done"))
    assert entries(risk) == 1


def test_withdrawn_and_put_back(risk: Risk) -> None:
    before = exposures(risk)
    response = save(risk, step(status="done"))
    lowered = exposures(risk)
    withdraw_response(response=response, at=AT + HOUR)
    response.refresh_from_db()
    assert response.withdrawn_at == AT + HOUR
    assert exposures(risk) == before
    assert not Action.objects.to_do().exists()
    restore_response(response=response, at=AT + 2 * HOUR)
    response.refresh_from_db()
    assert response.withdrawn_at is None
    assert exposures(risk) == lowered


def test_withdrawing_twice_changes_nothing_more(risk: Risk) -> None:
    response = save(risk, step(status="done"))
    withdraw_response(response=response, at=AT + HOUR)
    before, written = exposures(risk), entries(risk)
    withdraw_response(response=response, at=AT + 2 * HOUR)
    assert (exposures(risk), entries(risk)) == (before, written)


def test_an_action_of_a_withdrawn_response_moves_no_score(risk: Risk) -> None:
    response = save(risk, step())
    withdraw_response(response=response, at=AT + HOUR)
    written = entries(risk)
    set_action_status(action=response.actions.get(), status="done", at=AT + 2 * HOUR)
    assert entries(risk) == written


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_a_playbook_becomes_a_planned_response_in_the_language_of_the_page(
    risk: Risk, cast: SimpleNamespace, language: str
) -> None:
    playbook = Playbook.objects.exclude(actions=[]).first()
    with translation.override(language):
        response = use_playbook(playbook=playbook, risk=risk, by=cast.mona, at=AT, today=TODAY)
    chinese = language == "zh-hans"
    assert response.title == (playbook.title_zh if chinese else playbook.title_en)
    assert (response.kind, response.confidence, response.created_by) == (playbook.kind, playbook.confidence, cast.mona)
    assert [(a.title, a.due, a.cost, a.effect, a.status, a.owner) for a in response.actions.all()] == [
        (
            planned["title_zh" if chinese else "title_en"],
            TODAY + dt.timedelta(days=planned["due_days"]),
            planned["cost"],
            planned["effect"],
            "planned",
            cast.max,  # who owns the risk
        )
        for planned in playbook.actions
    ]
    residual, target = exposures(risk)
    assert target < residual


def test_a_playbook_on_a_risk_nobody_owns_is_for_who_used_it(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(owner=None)
    response = use_playbook(
        playbook=Playbook.objects.exclude(actions=[]).first(), risk=risk, by=cast.mona, at=AT, today=TODAY
    )
    assert {action.owner for action in response.actions.all()} == {cast.mona}


def test_accepting_ends_the_acceptance_before(risk: Risk, cast: SimpleNamespace) -> None:
    first = accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY, until=TODAY + 30 * DAY)
    second = accept_risk(risk=risk, by=cast.ada, reason="still small", on=TODAY + DAY, until=TODAY + 90 * DAY)
    assert list(risk.acceptances.values_list("pk", "accepted_by", "accepted_on", "expires_on", "revoked_on")) == [
        (second.pk, cast.ada.pk, TODAY + DAY, TODAY + 90 * DAY, None),
        (first.pk, cast.mona.pk, TODAY, TODAY + 30 * DAY, TODAY + DAY),
    ]


def test_an_acceptance_until_before_it_began_leaves_the_old_one(risk: Risk, cast: SimpleNamespace) -> None:
    first = accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY, until=TODAY + 30 * DAY)
    with pytest.raises(IntegrityError), transaction.atomic():
        accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY, until=TODAY - DAY)
    assert list(Acceptance.objects.values_list("pk", "revoked_on")) == [(first.pk, None)]


def test_revoking_leaves_room_for_another(risk: Risk, cast: SimpleNamespace) -> None:
    first = accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY, until=TODAY + 30 * DAY)
    revoke_acceptance(acceptance=first, on=TODAY + DAY)
    first.refresh_from_db()
    assert first.revoked_on == TODAY + DAY
    accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY + 2 * DAY, until=TODAY + 30 * DAY)
    first.refresh_from_db()
    assert first.revoked_on == TODAY + DAY


def test_accepting_moves_no_score(risk: Risk, cast: SimpleNamespace) -> None:
    before = entries(risk)
    accept_risk(risk=risk, by=cast.mona, reason="small", on=TODAY, until=TODAY)
    assert entries(risk) == before
