"""Responding: measures, their actions, and accepting a risk as it is."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from simple_history.utils import bulk_update_with_history

from responses.models import Acceptance, Action, Kind, Playbook, Response
from riskreg.accounts.models import User
from risks import scores
from risks.models import Cause, Risk
from risks.models.category import localised


def save_response(
    *, response: Response, actions: Sequence[Action], removed: Sequence[Action] = (), at: dt.datetime
) -> Response:
    """Save a response with its actions and score its risk anew. Done actions get their date here."""
    with transaction.atomic():
        response.save()
        for action in removed:
            action.delete()
        for action in actions:
            action.response = response
            _date_done(action, at)
            action.save()
        scores.rescore([response.risk_id], cause=Cause.RESPONSE, at=at)
    return response


def set_action_status(*, action: Action, status: str, at: dt.datetime) -> None:
    """Move an action on; what it achieves counts from when it is done."""
    with transaction.atomic():
        action.status = status
        _date_done(action, at)
        action.save(update_fields=["status", "done_on"])
        scores.rescore([action.response.risk_id], cause=Cause.RESPONSE, at=at)


def _date_done(action: Action, at: dt.datetime) -> None:
    if action.status != Action.Status.DONE:
        action.done_on = None
    elif action.done_on is None:
        action.done_on = at.date()


def withdraw_response(*, response: Response, at: dt.datetime) -> None:
    """Take a response out of force; it stays in the history and can be put back."""
    _set_withdrawn(response, at, at=at)


def restore_response(*, response: Response, at: dt.datetime) -> None:
    _set_withdrawn(response, None, at=at)


def _set_withdrawn(response: Response, moment: dt.datetime | None, *, at: dt.datetime) -> None:
    with transaction.atomic():
        response.withdrawn_at = moment
        response.save(update_fields=["withdrawn_at"])
        scores.rescore([response.risk_id], cause=Cause.RESPONSE, at=at)


# What the history says of a response that was armed.
ARMED = "armed"


@dataclass(frozen=True)
class Armed:
    """A contingency that has just been armed, and whose actions wait for these people."""

    response_id: int
    risk_id: int
    title: str
    owners: frozenset[int]


def arm_contingencies(response_ids: Sequence[int], *, at: dt.datetime) -> list[Armed]:
    """Arm those of these contingencies that are in force on open risks and not armed yet. Its planned actions begin."""
    with transaction.atomic():
        waiting = Response.objects.filter(
            pk__in=response_ids,
            kind=Kind.CONTINGENCY,
            armed_at=None,
            withdrawn_at=None,
            risk__in=Risk.objects.open(),
        )
        arming = list(waiting.order_by("pk").select_for_update(no_key=True))
        for response in arming:
            response.armed_at = at
        bulk_update_with_history(arming, Response, ["armed_at"], default_change_reason=ARMED, default_date=at)
        steps = list(Action.objects.filter(response__in=arming, status=Action.Status.PLANNED))
        for step in steps:
            step.status = Action.Status.IN_PROGRESS
        bulk_update_with_history(steps, Action, ["status"], default_date=at)
    owners: dict[int, set[int]] = defaultdict(set)
    for step in steps:
        if step.owner_id is not None:
            owners[step.response_id].add(step.owner_id)
    return [Armed(r.pk, r.risk_id, r.title, frozenset(owners[r.pk])) for r in arming]


def disarm_contingency(*, response: Response) -> None:
    """The trigger has passed. Actions that were begun stay begun."""
    response.armed_at = None
    response.save(update_fields=["armed_at"])


def use_playbook(*, playbook: Playbook, risk: Risk, by: User, at: dt.datetime, today: dt.date) -> Response:
    """Put a playbook's response with its planned actions on a risk, in the language of the page."""
    response = Response(
        risk=risk,
        kind=playbook.kind,
        title=playbook.title,
        description=playbook.description,
        trigger=playbook.trigger,
        confidence=playbook.confidence,
        created_by=by,
    )
    actions: list[Any] = [
        Action(
            title=localised(step["title_en"], step["title_zh"]),
            owner=risk.owner or by,
            due=today + dt.timedelta(days=step["due_days"]),
            cost=step["cost"],
            effect=step["effect"],
        )
        for step in playbook.actions
    ]
    return save_response(response=response, actions=actions, at=at)


def accept_risk(*, risk: Risk, by: User, reason: str, on: dt.date, until: dt.date) -> Acceptance:
    """Accept a risk as it is until a date; an earlier acceptance ends with it."""
    with transaction.atomic():
        Acceptance.objects.filter(risk=risk, revoked_on=None).update(revoked_on=on)
        return Acceptance.objects.create(risk=risk, accepted_by=by, reason=reason, accepted_on=on, expires_on=until)


def revoke_acceptance(*, acceptance: Acceptance, on: dt.date) -> None:
    acceptance.revoked_on = on
    acceptance.save(update_fields=["revoked_on"])
