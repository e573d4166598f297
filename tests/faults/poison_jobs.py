"""Fault 15: jobs that hang, crash their process, raise, or eat memory, among good ones."""

from __future__ import annotations

from tests.faults.harness import (
    FULL,
    KINDS,
    RISKS_EACH,
    Counts,
    payloads,
    put_in_rescores,
    report,
    rescored,
    stand,
    unfinished,
)

POISON = ("hang", "crash", "fail", "eat_memory")
ATTEMPTS = 3


def work(size: int, *, team: bool) -> tuple[Counts, bool]:
    of_each = 2 if size >= FULL else 1
    bad = len(POISON) * of_each
    with stand(team=team, WORKER_MEMORY_MB="512") as made:
        from riskreg.jobs.actions import enqueue_many
        from riskreg.jobs.models import Job

        put_in_rescores(size, risks=(size + bad) * RISKS_EACH)
        for number, kind in enumerate(POISON):
            first = size + number * of_each
            enqueue_many(f"{KINDS}.{kind}", payloads(first, first + of_each))
        poison = Job.objects.exclude(kind=f"{KINDS}.rescore").filter(kind__startswith=KINDS)
        poison.update(max_attempts=ATTEMPTS)
        made.start(made.worker, made.beat)
        made.until(lambda: not unfinished(), what="all done or dead")
        counts = rescored(size + poison.count())
        good = Job.objects.filter(kind=f"{KINDS}.rescore")
        counts |= {
            "good_done": good.filter(state="done").count(),
            "poison_dead": poison.dead().filter(attempts=ATTEMPTS).count(),
            "worker_restarts": made.restarts,
        }
        memory = Job.objects.filter(kind=f"{KINDS}.eat_memory", error__contains="MemoryError").count()
    ok = (
        (counts["lost"], counts["doubled"], counts["good_done"]) == (0, 0, size)
        and counts["dead"] == counts["poison_dead"] == bad
        and memory == of_each
    )
    return {**counts, "memory_errors": memory}, ok


if __name__ == "__main__":
    report("poison jobs", work, size=1000, either=True)
