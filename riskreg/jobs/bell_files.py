"""The broker of the embedded mode: files, as Celery's own transport keeps them, that no kill and no race can spoil.

That transport writes a message where readers see it already; one read too early ended the worker. And a table of
queues that a kill cut off kept every later worker from starting.
"""

from __future__ import annotations

import logging
import time
import uuid
from pathlib import Path
from typing import Any

from kombu.transport import filesystem
from kombu.utils.json import dumps

logger = logging.getLogger(__name__)


class Channel(filesystem.Channel):
    def _put(self, queue: str, payload: Any, **_options: Any) -> None:
        """Under a name that nobody looks for first: a message is there whole or not at all."""
        message = Path(self.data_folder_out) / f"{time.monotonic_ns()}_{uuid.uuid4()}.{queue}.msg"
        draft = message.with_name(f"{message.name}.part")
        draft.write_text(dumps(payload))
        draft.rename(message)

    def _get(self, queue: str) -> Any:
        """What cannot be read is gone by then, and worth no more than a bell that was not heard."""
        while True:
            try:
                return super()._get(queue)
            except ValueError as error:
                logger.warning("A bell was thrown away, because it could not be read: %s", error)

    def get_table(self, exchange: str) -> list[Any]:
        try:
            table: list[Any] = super().get_table(exchange)
        except ValueError:  # written in this moment, or cut off
            return []
        return table

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        try:
            super()._queue_bind(exchange, routing_key, pattern, queue)
        except ValueError:
            self._exchange_file(exchange).unlink(missing_ok=True)
            super()._queue_bind(exchange, routing_key, pattern, queue)


class Transport(filesystem.Transport):
    Channel = Channel
