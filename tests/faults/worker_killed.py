"""Fault 1: the worker with all its processes is killed every two seconds."""

from __future__ import annotations

from tests.faults.harness import Counts, put_in_rescores, report, rescored, stand, until_all_is_done


def work(size: int, *, team: bool) -> tuple[Counts, bool]:
    with stand(team=team) as made:
        put_in_rescores(size)
        made.start(made.worker, made.beat)
        kills = until_all_is_done(made, lambda: made.kill(made.worker), size=size)
        counts = rescored(size)
    return {"kills": kills, **counts}, counts == {"lost": 0, "doubled": 0, "dead": 0} and kills > 0


if __name__ == "__main__":
    report("worker killed", work, size=1000, either=True)
