"""What is done to versions of the scoring method: drafted, edited, discarded, scheduled, activated.

A version that has been active never changes; the database holds that, too. There may be several drafts.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import models, transaction
from django.db.models import Max

from assessments.method import BadMethod
from assessments.method_checks import ERROR, check
from assessments.models import Method
from riskreg.accounts.models import User
from riskreg.jobs.actions import Claim, enqueue, pause_between_chunks
from risks import scores
from risks.models import Category, Cause, Risk


class NotADraft(Exception):
    """The version was activated, scheduled or discarded meanwhile."""


class EditedMeanwhile(Exception):
    """Somebody else saved the draft after it was read."""


def draft_from(*, source: Method, by: User | None, at: dt.datetime) -> Method:
    """Begin a new version as a copy of another."""
    with transaction.atomic():
        # Of two who begin at once the second waits here, and takes the next number.
        Method.objects.select_for_update().get(state=Method.State.ACTIVE)
        newest = Method.objects.aggregate(newest=Max("version"))["newest"] or 0
        return Method.objects.create(
            version=newest + 1, definition=source.definition, note="", created_by=by, edited_at=at
        )


def save_draft(
    *, method: Method, definition: dict[str, Any], note: str, at: dt.datetime, seen: dt.datetime | None
) -> None:
    """Keep a draft as it stands, finished or not, if it was last saved at ``seen``.

    Raises EditedMeanwhile when it was saved since, NotADraft when it is none (any more).
    """
    editable = Method.objects.filter(pk=method.pk, state=Method.State.DRAFT, scheduled_for__isnull=True)
    # Compare-and-set: of two who save at once one hits no row.
    if not editable.filter(edited_at=seen).update(definition=definition, note=note, edited_at=at):
        raise EditedMeanwhile if editable.exists() else NotADraft
    method.definition, method.note, method.edited_at = definition, note, at


def discard(*, method: Method) -> None:
    """Throw a draft away; its version number is used again. Raises NotADraft when it is none (any more)."""
    if not Method.objects.filter(pk=method.pk, state=Method.State.DRAFT).delete()[0]:
        raise NotADraft


def schedule(*, method: Method, when: dt.datetime | None, by: User | None, at: dt.datetime) -> None:
    """Have a draft activated at a time, or at once when there is none. Nobody can edit it from here on.

    Raises NotADraft when it is none (any more) or was saved since it was read, BadMethod when it has errors.
    """
    if not is_usable(method):
        raise BadMethod(f"version {method.version} has errors")
    with transaction.atomic():
        drafts = Method.objects.filter(pk=method.pk, state=Method.State.DRAFT, scheduled_for__isnull=True)
        if not drafts.filter(edited_at=method.edited_at).update(scheduled_for=when or at, activated_by=by):
            raise NotADraft
        job = enqueue("assessments.tasks.activate_method", payload={"method": method.pk}, run_at=when, by=by)
        Method.objects.filter(pk=method.pk).update(job=job.pk)
    method.refresh_from_db()


def is_usable(method: Method) -> bool:
    """Whether a version has no errors, so that it can be put in force."""
    categories = Category.objects.values_list("key", flat=True)
    return not any(problem.severity == ERROR for problem in check(method.definition, categories))


def unschedule(*, method: Method) -> None:
    """Make a scheduled version a draft again; its job will find nothing to do. Raises NotADraft when it is too late."""
    waiting = Method.objects.filter(pk=method.pk, state=Method.State.DRAFT, scheduled_for__isnull=False)
    if not waiting.update(scheduled_for=None, activated_by=None, job=None):
        raise NotADraft
    method.refresh_from_db()


def activate(claim: Claim, *, method_id: int) -> dict[str, int]:
    """Put a scheduled version in force and re-score the register with it, cause *rules*.

    The version is in force at once, so nobody judges by the old one any more; each risk shows the score and band of
    the version it was last scored with until its turn comes. Broken off, it goes on after the last whole chunk.
    """
    ours = Method.objects.filter(pk=method_id, job=claim.job.pk)
    in_force = ours.filter(state=Method.State.ACTIVE, rescored_at__isnull=True)
    if ours.filter(state=Method.State.DRAFT).exists():
        with claim.fenced(total=Risk.objects.scored().count()):
            _put_in_force(ours, at=claim.now())
    method = in_force.first()
    if method is None:
        return {"scored": 0, "changed": 0}
    changed = 0
    for chunk in scores.walk(after=method.rescored_to, at=claim.now(), expect_changes=True):
        started = claim.now()
        with claim.fenced(advance=chunk.size):
            # A version that was overtaken by the next leaves the rest to it.
            if not in_force.update(rescored_to=chunk.last):
                return {"scored": claim.job.done, "changed": changed}
            changed += chunk.rescore(cause=Cause.RULES, at=started, run=claim.job.pk)
        pause_between_chunks((claim.now() - started).total_seconds())
    with claim.fenced():
        in_force.update(rescored_at=claim.now())
    return {"scored": claim.job.done, "changed": changed}


def _put_in_force(scheduled: models.QuerySet[Method], *, at: dt.datetime) -> None:
    """Retire the version in force and put this one in its place; nothing, where it was withdrawn in this moment."""
    if scheduled.filter(state=Method.State.DRAFT, scheduled_for__isnull=False).select_for_update().exists():
        Method.objects.filter(state=Method.State.ACTIVE).update(state=Method.State.RETIRED, retired_at=at)
        scheduled.update(state=Method.State.ACTIVE, scheduled_for=None, activated_at=at)
