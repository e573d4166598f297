"""Answers for load balancers and monitoring: no log-in, no cookies, nothing that is anybody's business."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from riskreg.jobs import health

RETRY_AFTER = 30  # seconds


@login_not_required
@require_safe
def web(request: HttpRequest) -> JsonResponse:
    """200 while the database answers."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()
    except DatabaseError:
        return _answer(False)
    return _answer(True)


@login_not_required
@require_safe
def work(request: HttpRequest) -> JsonResponse:
    """200 while background work moves, with the ages (seconds) that decide it."""
    try:
        state = health.look(timezone.now())
    except DatabaseError:
        return _answer(False, oldest_due_seconds=None, scheduler_seconds=None)
    return _answer(
        state.moves, oldest_due_seconds=_seconds(state.oldest_due), scheduler_seconds=_seconds(state.scheduler)
    )


def _answer(is_well: bool, **more: Any) -> JsonResponse:
    response = JsonResponse({"status": "ok" if is_well else "unavailable", **more}, status=200 if is_well else 503)
    response.headers["Cache-Control"] = "no-store"
    if not is_well:
        response.headers["Retry-After"] = str(RETRY_AFTER)
        # Django's mark on what it need not log: the answer is no fault of the page, and comes every few seconds.
        response._has_been_logged = True  # type: ignore[attr-defined]
    return response


def _seconds(age: dt.timedelta | None) -> int | None:
    return None if age is None else int(age.total_seconds())
