"""Fault 5: the supervisor of the one-command mode is killed in the middle of its work, and started again."""

from __future__ import annotations

from tests.faults.harness import (
    Counts,
    done,
    free_port,
    processes_of,
    put_in_rescores,
    report,
    rescored,
    stand,
    unfinished,
)

PATIENCE = 60.0  # seconds for the last orphan to go


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=False) as made:
        put_in_rescores(size)
        serve = made.whole(free_port())
        made.start(serve)
        made.until(lambda: done() >= size / 4, what="a quarter done")
        made.stop(serve)
        left = unfinished()
        try:
            made.until(lambda: not processes_of(made.var), what="no orphans", seconds=PATIENCE)
        except TimeoutError:
            orphans = len(processes_of(made.var))
        else:
            orphans = 0
        made.start(serve)
        made.until(lambda: not unfinished(), what="all done")
        counts = {"orphans": orphans, **rescored(size)}
    ok = counts == {"orphans": 0, "lost": 0, "doubled": 0, "dead": 0} and left > 0
    return {"left_by_the_kill": left, **counts}, ok


if __name__ == "__main__":
    report("supervisor killed", work, size=1000)
