"""A suggestion and what a person makes of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.http import Http404

from crm.models import Customer
from risks import access, suggestions
from risks.models import Observation, Risk, Suggestion
from risks.suggestions import DecidedMeanwhile

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
MakeRisk = Callable[..., Risk]
FACTS = "No answer for 42 days; usual are 14."


@pytest.fixture
def suggest(cast: SimpleNamespace) -> Callable[..., Suggestion]:
    def make(**fields: Any) -> Suggestion:
        customer = Customer.objects.get_or_create(name="Calder", team=cast.accounts)[0]
        given = {
            "rule": "C2", "subject": "customer", "key": str(customer.pk), "name": "Calder", "team": cast.accounts,
            "customer": customer, "likelihood": 3, "ratio": 1.5, "first_seen_at": NOW, "last_seen_at": NOW,
        }  # fmt: skip
        return Suggestion.objects.create(**{**given, **fields})

    return make


def test_an_accepted_one_is_a_risk_with_its_facts_as_evidence(
    suggest: Callable[..., Suggestion], cast: SimpleNamespace
) -> None:
    suggestion = suggest()
    risk = suggestions.accept(suggestion=suggestion, by=cast.max, title="Calder has gone quiet", facts=FACTS, at=NOW)
    assert (risk.title, risk.category.key, risk.team, risk.owner) == (
        "Calder has gone quiet", "customer", cast.accounts, cast.max,
    )  # fmt: skip
    assert risk.customer == suggestion.customer
    evidence = Observation.objects.get(risk=risk)
    assert (evidence.text, evidence.kind, evidence.bearing, evidence.created_by) == (FACTS, "customer", 0, cast.max)
    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.risk, suggestion.decided_by) == ("accepted", risk, cast.max)


def test_a_merged_one_makes_its_risk_more_likely(
    suggest: Callable[..., Suggestion], make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    risk = make_risk(levels=(3, 3), at=NOW - dt.timedelta(days=9))
    before = Risk.objects.select_related("sheet").get(pk=risk.pk).sheet.score
    suggestions.merge(suggestion=suggest(), risk=risk, by=cast.max, facts=FACTS, at=NOW)
    after = Risk.objects.select_related("sheet").get(pk=risk.pk).sheet.score
    assert before is not None
    assert after is not None
    assert after > before
    assert Suggestion.objects.get().state == "merged"
    assert Risk.objects.count() == 1


def test_what_somebody_else_decided_meanwhile_is_not_decided_again(
    suggest: Callable[..., Suggestion], make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    suggestion, risk = suggest(), make_risk()
    suggestions.dismiss(suggestions=[suggestion], by=cast.mona, reason="Known", at=NOW)
    with pytest.raises(DecidedMeanwhile):
        suggestions.accept(suggestion=suggestion, by=cast.max, title="Again", facts=FACTS, at=NOW)
    with pytest.raises(DecidedMeanwhile):
        suggestions.merge(suggestion=suggestion, risk=risk, by=cast.max, facts=FACTS, at=NOW)
    assert Risk.objects.count() == 1
    assert Observation.objects.count() == 0


def test_many_are_dismissed_at_once_with_the_reason_and_one_is_taken_back(
    suggest: Callable[..., Suggestion], cast: SimpleNamespace
) -> None:
    several = [suggest(key=str(n)) for n in range(3)]
    assert suggestions.dismiss(suggestions=several, by=cast.max, reason="Summer break", at=NOW) == 3
    assert suggestions.dismiss(suggestions=several, by=cast.max, reason="Twice", at=NOW) == 0
    one = Suggestion.objects.get(pk=several[0].pk)
    assert (one.state, one.reason, one.decided_by) == ("dismissed", "Summer break", cast.max)
    suggestions.take_back(suggestion=one)
    one.refresh_from_db()
    assert (one.state, one.reason, one.decided_at) == ("open", "", None)


def test_what_was_suggested_anew_is_not_taken_back(suggest: Callable[..., Suggestion], cast: SimpleNamespace) -> None:
    old = suggest(state="dismissed", decided_at=NOW)
    suggest()
    with pytest.raises(DecidedMeanwhile):
        suggestions.take_back(suggestion=old)


def test_one_put_off_is_still_open(suggest: Callable[..., Suggestion]) -> None:
    suggestion, until = suggest(), NOW + dt.timedelta(days=7)
    assert suggestions.snooze(suggestions=[suggestion], until=until) == 1
    suggestion.refresh_from_db()
    assert (suggestion.state, suggestion.snoozed_until) == ("open", until)


@pytest.mark.parametrize(
    ("who", "sees"), [("max", True), ("mona", True), ("vera", True), ("hana", False), ("nobody", False), ("ada", True)]
)
def test_a_suggestion_is_seen_where_its_team_is(
    suggest: Callable[..., Suggestion], cast: SimpleNamespace, who: str, sees: bool
) -> None:
    suggest()
    assert access.visible_suggestions(getattr(cast, who)).exists() is sees


@pytest.mark.parametrize(("who", "sees"), [("max", False), ("vera", False), ("mona", True), ("ada", True)])
def test_a_confidential_one_is_for_managers(
    suggest: Callable[..., Suggestion], cast: SimpleNamespace, who: str, sees: bool
) -> None:
    suggest(rule="L4", confidential=True)
    assert access.visible_suggestions(getattr(cast, who)).exists() is sees


def test_who_only_looks_decides_nothing(suggest: Callable[..., Suggestion], cast: SimpleNamespace) -> None:
    suggestion = suggest()
    assert access.get_suggestion(cast.max, suggestion.pk) == suggestion
    with pytest.raises(Http404):
        access.get_suggestion(cast.vera, suggestion.pk)
