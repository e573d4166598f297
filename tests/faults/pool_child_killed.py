"""Fault 2: single pool processes are killed, each second one."""

from __future__ import annotations

import os
import random
import signal

from tests.faults.harness import (
    Counts,
    Stand,
    children_of,
    put_in_rescores,
    report,
    rescored,
    stand,
    until_all_is_done,
)


def kill_a_child(made: Stand) -> None:
    process = made.worker.process
    children = children_of(process.pid) if process else []
    if children:  # none while the worker starts
        os.kill(random.choice(children), signal.SIGKILL)


def work(size: int, *, team: bool) -> tuple[Counts, bool]:
    with stand(team=team) as made:
        put_in_rescores(size)
        made.start(made.worker, made.beat)
        kills = until_all_is_done(made, lambda: kill_a_child(made), size=size, every=1.0)
        counts = rescored(size)
    return {"kills": kills, **counts}, counts == {"lost": 0, "doubled": 0, "dead": 0} and kills > 0


if __name__ == "__main__":
    report("pool child killed", work, size=1000, either=True)
