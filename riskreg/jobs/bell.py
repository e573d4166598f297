"""The bell: a message "look at job 17 now" through Celery's broker. Losing one costs seconds, never work."""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from pathlib import Path

from celery import current_app
from kombu.connection import Connection
from kombu.exceptions import ChannelError
from kombu.pools import connections, producers

logger = logging.getLogger(__name__)

EXPIRES = 30  # seconds; after that the sweeper has rung again
QUIET_AFTER_FAILURE = 5.0  # seconds without another try, so a dead broker does not slow every save
# Those who ring stand in somebody's request: one second, where a worker listening may take ten.
_IMPATIENCE = {
    "socket_timeout": 1,
    "socket_connect_timeout": 1,
    "max_retries": 0,
    "interval_start": 0,
    "interval_step": 0,
    "interval_max": 0,
    "retry_on_timeout": False,
}

_quiet_until = 0.0


def ring(job_id: int) -> bool:
    """Ask some worker to look at a job now. Never raises; False when the message could not be sent."""
    global _quiet_until  # noqa: PLW0603 - a breaker is shared by all threads of the process
    if time.monotonic() < _quiet_until:
        return False
    try:
        _publish(job_id)
    except Exception as error:  # noqa: BLE001, RUF100 - whatever the broker has, the job row is safe
        _quiet_until = time.monotonic() + QUIET_AFTER_FAILURE
        logger.warning("The bell for job %s failed, the sweeper will ring again: %s", job_id, error)
        return False
    return True


def waiting() -> int:
    """How many bells nobody has answered yet; 0 as well when the broker cannot say."""
    return waiting_if_known() or 0


def waiting_if_known() -> int | None:
    """How many bells nobody has answered yet; None when the broker cannot say, after a second at most."""
    try:
        queue = current_app.conf.task_default_queue
        with connections[_connection()].acquire(block=True, timeout=1) as connection:
            return int(connection.default_channel.queue_declare(queue=queue, passive=True).message_count)
    except ChannelError:  # no queue yet
        return 0
    except Exception as error:  # noqa: BLE001, RUF100 - as above
        logger.warning("The broker does not say how many bells wait: %s", error)
        return None


def prepare() -> None:
    """Make the folders of the filesystem broker and throw away its outdated messages. Nothing with Redis."""
    options = current_app.conf.broker_transport_options or {}
    if "data_folder_in" not in options:
        return
    _make_folders()
    too_old = time.time() - EXPIRES
    for message in Path(options["data_folder_in"]).glob("*.msg*"):
        try:
            if message.stat().st_mtime < too_old:
                message.unlink()
        except FileNotFoundError:  # a worker was quicker
            continue


def _publish(job_id: int) -> None:
    with producers[_connection()].acquire(block=True, timeout=1) as producer:
        current_app.send_task("jobs.run", kwargs={"job_id": job_id}, expires=EXPIRES, retry=False, producer=producer)


@lru_cache(maxsize=1)
def _connection() -> Connection:
    """The key of this process's pool of impatient connections; opened by the pool when it is first used."""
    _make_folders()
    connection: Connection = current_app.connection_for_write(
        current_app.conf.broker_write_url, transport_options=_IMPATIENCE
    )
    return connection


def _make_folders() -> None:
    options = current_app.conf.broker_transport_options or {}
    for name in ("data_folder_in", "data_folder_out", "control_folder"):
        if name in options:
            Path(options[name]).mkdir(parents=True, exist_ok=True)
