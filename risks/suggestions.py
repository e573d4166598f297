"""What is done about suggestions: accepted into the register, merged into a risk, dismissed, put off, taken back."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from riskreg.accounts.models import User
from risks import actions
from risks.models import Category, Observation, Risk, Suggestion
from risks.rules.rule import RULES

# Of a finding that a person took for real: it makes its risk more likely, as an observation would.
_BEARING = Observation.Bearing.MORE


class DecidedMeanwhile(Exception):
    """Somebody else decided on the suggestion since the page was opened."""


def accept(*, suggestion: Suggestion, by: User, title: str, facts: str, at: dt.datetime, **fields: Any) -> Risk:
    """Write the suggested risk down, with the facts as its first evidence. Raises DecidedMeanwhile.

    The evidence bears nothing yet: whoever assesses the risk next has seen it.
    """
    rule = RULES[suggestion.rule]
    with transaction.atomic():
        _take(suggestion)
        risk = actions.capture_risk(
            by=by,
            team=suggestion.team,
            title=title[:200],
            category=Category.objects.get(key=rule.category),
            customer=suggestion.customer,
            confidential=suggestion.confidential,
            at=at,
            **fields,
        )
        _note(suggestion, risk, facts, by=by, bearing=Observation.Bearing.NEUTRAL, at=at)
        _decide(suggestion, Suggestion.State.ACCEPTED, by=by, risk=risk, at=at)
    return risk


def merge(*, suggestion: Suggestion, risk: Risk, by: User, facts: str, at: dt.datetime) -> None:
    """The facts become evidence of a risk that is there already. Raises DecidedMeanwhile."""
    with transaction.atomic():
        _take(suggestion)
        _note(suggestion, risk, facts, by=by, bearing=_BEARING, at=at)
        _decide(suggestion, Suggestion.State.MERGED, by=by, risk=risk, at=at)


def dismiss(*, suggestions: Sequence[Suggestion], by: User, reason: str, at: dt.datetime) -> int:
    """Not a risk, or not worth one; returns how many were still open. The rule rests on them for a while."""
    return (
        Suggestion.objects.waiting()
        .filter(pk__in=[s.pk for s in suggestions])
        .update(state=Suggestion.State.DISMISSED, decided_at=at, decided_by=by, reason=reason[:500], snoozed_until=None)
    )


def snooze(*, suggestions: Sequence[Suggestion], until: dt.datetime) -> int:
    """Out of sight until then; it stays open, and goes by itself if it is no longer so."""
    return Suggestion.objects.waiting().filter(pk__in=[s.pk for s in suggestions]).update(snoozed_until=until)


def take_back(*, suggestion: Suggestion) -> None:
    """Undo a dismissal, unless the rule has suggested the same anew."""
    with transaction.atomic():
        same = Suggestion.objects.waiting().filter(rule=suggestion.rule, subject=suggestion.subject, key=suggestion.key)
        if suggestion.state != Suggestion.State.DISMISSED or same.exists():
            raise DecidedMeanwhile
        Suggestion.objects.filter(pk=suggestion.pk).update(
            state=Suggestion.State.OPEN, decided_at=None, decided_by=None, reason=""
        )


def _take(suggestion: Suggestion) -> None:
    """Hold the suggestion to the end of the transaction, if it is still open."""
    open_ones = Suggestion.objects.waiting().filter(pk=suggestion.pk)
    if not open_ones.select_for_update().values_list("pk", flat=True).first():
        raise DecidedMeanwhile


def _decide(suggestion: Suggestion, state: Suggestion.State, *, by: User, risk: Risk, at: dt.datetime) -> None:
    suggestion.state, suggestion.risk = state, risk
    suggestion.decided_at, suggestion.decided_by, suggestion.snoozed_until = at, by, None
    suggestion.save(update_fields=["state", "risk", "decided_at", "decided_by", "snoozed_until"])


def _note(suggestion: Suggestion, risk: Risk, facts: str, *, by: User, bearing: int, at: dt.datetime) -> None:
    category = RULES[suggestion.rule].category
    observation = Observation.objects.create(
        kind=category,
        text=facts[:5000],
        source=f"{suggestion.rule} {suggestion.name}"[:200],
        observed_on=at.date(),
        customer=suggestion.customer,
        team=risk.team,
        created_by=by,
    )
    actions.link_observation(observation=observation, risk=risk, bearing=bearing, at=at)
