from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from threading import Barrier, Thread
from typing import Any

import pytest
from django.db import connection

from riskreg.jobs import actions, bell
from tests.riskreg.jobs import handlers


@dataclass
class Clock:
    now: dt.datetime = dt.datetime(2030, 3, 1, 12, 0, tzinfo=dt.UTC)

    def __call__(self) -> dt.datetime:
        return self.now

    def pass_by(self, seconds: float) -> None:
        self.now += dt.timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def known_handlers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(actions, "KIND_PREFIXES", (*actions.KIND_PREFIXES, "tests."))
    handlers.calls.clear()


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Ids of the jobs rung for; nothing goes to a broker."""
    ids: list[int] = []
    monkeypatch.setattr(bell, "ring", lambda job_id: ids.append(job_id) or True)
    monkeypatch.setattr(bell, "waiting", lambda: 0)
    return ids


@pytest.fixture
def at_once(transactional_db: None) -> Callable[[Callable[[], Any], int], list[Any]]:
    """Calls a function in several threads at the same moment, each with its own connection; gives the answers."""
    if connection.vendor == "sqlite" and connection.is_in_memory_db():
        pytest.skip("SQLite in memory does not wait for locks between threads")

    def call(function: Callable[[], Any], threads: int) -> list[Any]:
        barrier, answers = Barrier(threads), []

        def one() -> None:
            try:
                connection.ensure_connection()
                barrier.wait(timeout=20)
                answers.append(function())
            finally:
                connection.close()

        started = [Thread(target=one) for _ in range(threads)]
        for thread in started:
            thread.start()
        for thread in started:
            thread.join(timeout=60)
        return answers

    return call
