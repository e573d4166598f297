"""What is done to risks and observations. One transaction each; the time is passed in."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from riskreg.accounts.models import Team, User
from risks import scores
from risks.models import Category, Cause, CoverSheet, Observation, Risk, Tag


class EditedMeanwhile(Exception):
    """Somebody saved the risk since the form was opened; ``current`` is what stands there now."""

    def __init__(self, current: Risk) -> None:
        super().__init__(current.pk)
        self.current = current


def capture_risk(
    *,
    by: User | None,
    team: Team,
    title: str,
    category: Category,
    tags: Sequence[str] = (),
    observation: Observation | None = None,
    at: dt.datetime,
    **fields: Any,
) -> Risk:
    """Write down a new risk, unassessed; its reporter owns it unless ``owner`` says otherwise.

    With ``observation`` that observation becomes linked to it.
    """
    fields.setdefault("owner", by)
    with transaction.atomic():
        risk = Risk.objects.create(title=title, category=category, team=team, created_by=by, **fields)
        CoverSheet.objects.create(risk=risk)
        set_tags(risk, tags)
        if observation is not None:
            link_observation(observation=observation, risk=risk, bearing=Observation.Bearing.NEUTRAL, at=at)
    return risk


def edit_risk(*, risk: Risk, version: int, tags: Sequence[str], at: dt.datetime) -> Risk:
    """Save a risk whose fields were changed, if nobody else saved it since ``version`` was read.

    Raises EditedMeanwhile otherwise. A changed horizon changes the exposure, so the risk is scored anew.
    """
    with transaction.atomic():
        # Compare-and-set: of two who save at once one hits no row.
        if not Risk.objects.live().filter(pk=risk.pk, version=version).update(version=F("version") + 1):
            raise EditedMeanwhile(Risk.objects.select_related("sheet").get(pk=risk.pk))
        risk.version = version + 1
        risk.save()
        set_tags(risk, tags)
        scores.rescore([risk.pk], cause=Cause.JUDGEMENT, at=at)
    return risk


def set_tags(risk: Risk, names: Sequence[str]) -> None:
    wanted = {name.strip()[:50] for name in names if name.strip()}
    Tag.objects.bulk_create([Tag(name=name) for name in wanted], ignore_conflicts=True)
    risk.tags.set(Tag.objects.filter(name__in=wanted))


def close_risk(*, risk: Risk, outcome: str, note: str, on: dt.date, at: dt.datetime) -> None:
    """Close a risk with what became of it; it leaves the rankings."""
    with transaction.atomic():
        risk.status, risk.outcome, risk.outcome_note, risk.closed_on = Risk.Status.CLOSED, outcome, note, on
        _next_version(risk)
        risk.save(update_fields=["status", "outcome", "outcome_note", "closed_on", "version", "updated_at"])
        scores.clear([risk.pk], at=at)


def reopen_risk(*, risk: Risk, at: dt.datetime) -> None:
    with transaction.atomic():
        risk.status, risk.outcome, risk.closed_on = Risk.Status.OPEN, "", None
        _next_version(risk)
        risk.save(update_fields=["status", "outcome", "closed_on", "version", "updated_at"])
        scores.rescore([risk.pk], cause=Cause.OUTCOME, at=at)


def _next_version(risk: Risk) -> None:
    """Count from what stands in the database; the copy in hand may be older."""
    Risk.objects.filter(pk=risk.pk).update(version=F("version") + 1)
    risk.version = Risk.objects.values_list("version", flat=True).get(pk=risk.pk)


def delete_risk(*, risk: Risk) -> None:
    """Put a risk in the bin. Nothing is lost: its judgements and ledger stay, and it can be put back."""
    risk.state = Risk.State.BIN
    risk.save(update_fields=["state", "updated_at"])


def restore_risk(*, risk: Risk, at: dt.datetime) -> None:
    """Take a risk out of the bin. Its own number gives way when another live risk took it meanwhile."""
    with transaction.atomic():
        taken = Risk.objects.live().filter(team=risk.team, external_ref=risk.external_ref).exclude(external_ref="")
        if taken.exists():
            risk.external_ref = ""
        risk.state = Risk.State.LIVE
        risk.save(update_fields=["state", "external_ref", "updated_at"])
        scores.rescore([risk.pk], cause=Cause.RULES, at=at)


def link_observation(*, observation: Observation, risk: Risk, bearing: int, at: dt.datetime) -> None:
    """Tie an observation to a risk as evidence; one that bears on its likelihood moves its score at once."""
    with transaction.atomic():
        # As it stands now, not as the form saw it: somebody may have linked it meanwhile.
        before = Observation.objects.select_for_update().values_list("risk", flat=True).get(pk=observation.pk)
        observation.risk, observation.bearing, observation.linked_at = risk, bearing, at
        observation.save(update_fields=["risk", "bearing", "linked_at"])
        scores.rescore({risk.pk, before or risk.pk}, cause=Cause.EVIDENCE, at=at)


def unlink_observation(*, observation: Observation, at: dt.datetime) -> None:
    """Put a linked observation back into the inbox."""
    with transaction.atomic():
        risk_id = observation.risk_id
        observation.risk, observation.bearing, observation.linked_at = None, Observation.Bearing.NEUTRAL, None
        observation.save(update_fields=["risk", "bearing", "linked_at"])
        if risk_id is not None:
            scores.rescore([risk_id], cause=Cause.EVIDENCE, at=at)


def dismiss_observation(*, observation: Observation, reason: str, at: dt.datetime) -> None:
    observation.dismissed_at, observation.dismissed_reason = at, reason
    observation.save(update_fields=["dismissed_at", "dismissed_reason"])


def undo_dismissal(*, observation: Observation) -> None:
    observation.dismissed_at, observation.dismissed_reason = None, ""
    observation.save(update_fields=["dismissed_at", "dismissed_reason"])
