"""Celery's scheduler, which also leaves a sign of life. It is named in the settings."""

from __future__ import annotations

import logging
import os
import socket
import time
from typing import Any

from celery.beat import PersistentScheduler
from django.db import DatabaseError, close_old_connections, connection
from django.utils import timezone

from riskreg.jobs import heartbeats
from riskreg.jobs.models import Heartbeat

logger = logging.getLogger(__name__)


class Scheduler(PersistentScheduler):
    """Notes a heartbeat between two turns of its loop: a scheduler that hangs notes none."""

    _note_at = 0.0  # on the monotonic clock

    def tick(self, *args: Any, **kwargs: Any) -> float:
        seconds: float = super().tick(*args, **kwargs)
        if time.monotonic() >= self._note_at:
            self._note_at = time.monotonic() + heartbeats.EVERY.total_seconds()
            _note()
        return seconds


def _note() -> None:
    if not connection.in_atomic_block:  # a test's transaction must survive it
        close_old_connections()
    try:
        heartbeats.note(Heartbeat.Role.SCHEDULER, f"{socket.gethostname()}:{os.getpid()}", timezone.now())
    except DatabaseError as error:
        # Ringing goes on: a worker may reach the database before this process does.
        logger.warning("The scheduler's heartbeat could not be noted: %s", error)
