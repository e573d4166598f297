"""Fault 17: everything is asked to end while jobs run and people read; nothing may be cut off."""

from __future__ import annotations

import signal
from collections import Counter
from threading import Event, Thread

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
from tests.faults.visitor import Visitor, administrator

PEOPLE = 2


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=False) as made:
        from riskreg.jobs.models import Job

        port = free_port()
        serve, admin = made.whole(port), administrator()
        visitors, ended = [Visitor(port, admin) for _ in range(PEOPLE)], Event()
        made.start(serve)
        made.until(lambda: visitors[0].read("/jobs/"), what="pages")
        visitors[0].answers.clear()  # before the pages were there
        people = [Thread(target=_read_on, args=(visitor, ended)) for visitor in visitors]
        for person in people:
            person.start()
        made.until(lambda: visitors[0].answers["ok"], what="somebody reading")
        put_in_rescores(size)
        made.until(lambda: done() >= size / 4, what="a quarter done")
        made.running.remove(serve)
        assert serve.process
        serve.process.send_signal(signal.SIGTERM)
        code = serve.process.wait()
        ended.set()
        for person in people:
            person.join()
        left = unfinished()
        counts = {
            "exit_code": code,
            "left_running": Job.objects.filter(state="leased").count(),
            "orphans": len(processes_of(made.var)),
        }
        made.start(made.worker, made.beat)
        made.until(lambda: not unfinished(), what="all done")
        counts |= rescored(size)
    answers = sum((visitor.answers for visitor in visitors), Counter[str]())
    # Whom the closed server had not yet taken in is cut off once, and refused from then on.
    counts |= {"errors": answers["errors"], "cut_off": max(0, answers["broken"] - PEOPLE)}
    informal = {"pages": answers["ok"], "broken": answers["broken"], "left_to_do": left}
    return {**informal, **counts}, not any(counts.values()) and left > 0


def _read_on(visitor: Visitor, ended: Event) -> None:
    while not ended.is_set() and not visitor.answers["refused"]:
        visitor.read("/jobs/")


if __name__ == "__main__":
    report("terminated under load", work, size=1000)
