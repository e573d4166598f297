"""The one place where all workers of a connection find its access token."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager

from django.db.models import Q
from django.utils import timezone

from crm.connectors.base import Token, Unavailable
from crm.models import AccessToken, Connection

_HELD = dt.timedelta(seconds=30)  # longer than getting a token may take
_PATIENCE = 60.0  # seconds
_LOOK_AGAIN = 0.05


class SharedTokens:
    """Kept in the database, sealed. The lock is a row's own column: no transaction is held open over a call."""

    def __init__(self, connection: Connection) -> None:
        self._row = AccessToken.objects.get_or_create(connection=connection)[0].pk

    def get(self) -> Token | None:
        row = AccessToken.objects.get(pk=self._row)
        if not row.value or row.expires_at is None:
            return None
        return Token(row.value, row.expires_at, json.loads(row.details or "{}"))

    def put(self, token: Token) -> None:
        AccessToken.objects.filter(pk=self._row).update(
            value=token.value, details=json.dumps(dict(token.details)), expires_at=token.expires_at
        )

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Raises Unavailable when another worker holds it for longer than anybody should."""
        until = self._take()
        try:
            yield
        finally:
            AccessToken.objects.filter(pk=self._row, locked_until=until).update(locked_until=None)

    def _take(self) -> dt.datetime:
        deadline = time.monotonic() + _PATIENCE
        while True:
            now = timezone.now()
            free = AccessToken.objects.filter(pk=self._row).filter(Q(locked_until=None) | Q(locked_until__lt=now))
            if free.update(locked_until=now + _HELD):
                return now + _HELD
            if time.monotonic() > deadline:
                raise Unavailable("Another worker is getting a token and does not come back.")
            time.sleep(_LOOK_AGAIN)
