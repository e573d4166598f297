"""Signs of life of the processes that work in the background, so that pages can say whether anybody does."""

from __future__ import annotations

import datetime as dt

from riskreg.jobs.models import Heartbeat

EVERY = dt.timedelta(seconds=30)
FORGET_AFTER = dt.timedelta(days=1)


def note(role: Heartbeat.Role, process: str, now: dt.datetime) -> None:
    """The process lives. Written at most every 30 seconds; rows of processes long gone are taken away."""
    row, is_new = Heartbeat.objects.get_or_create(role=role, process=process, defaults={"seen_at": now})
    if is_new or now - row.seen_at >= EVERY:
        Heartbeat.objects.filter(pk=row.pk).update(seen_at=now)
        Heartbeat.objects.filter(seen_at__lt=now - FORGET_AFTER).delete()
