"""Fault 13: the mail server is away, refuses one person, is busy, hangs up after the mail, or says nothing."""

from __future__ import annotations

from tests.faults.harness import (
    Counts,
    fill_register,
    mailed,
    progress,
    queue_digests,
    report,
    stand,
    subscribe,
    unfinished,
)

TREATMENTS = ("well", "busy", "dropped")
SILENT = 2  # people whom the server lets wait; each of them holds a worker


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=False, mail=True) as made:
        from django.utils import timezone

        from riskreg.jobs.models import Job

        fill_register(50)
        names = [f"{TREATMENTS[n % len(TREATMENTS)]}-{n}" for n in range(size)]
        names += [f"silent-{n}" for n in range(SILENT)]
        subscribe(["refused", *names])
        made.stop(made.sink)
        queue_digests(timezone.now())
        made.start(made.worker, made.beat)
        made.until(lambda: progress()[1] >= 2, what="a first attempt without a mail server")
        made.start(made.sink)
        made.until(lambda: not unfinished(), what="all sent or given up")
        digests = Job.objects.filter(kind="monitoring.tasks.send_digest")
        counts = {
            "digests": digests.count(),
            "given_up": digests.dead().count(),
            "sent": digests.filter(state="done").count(),
            "taken_at_first": digests.filter(state="done", attempts=1).count(),
            **mailed(made, names),
        }
    dropped = sum(name.startswith("dropped") for name in names)
    ok = (
        (counts["given_up"], counts["sent"]) == (1, len(names))
        and counts["missing"] == counts["repeats_with_another_id"] == 0
        and counts["repeats"] == dropped
        and counts["taken_at_first"] < size
    )
    return counts, ok


if __name__ == "__main__":
    report("SMTP misbehaves", work, size=600)
