"""Fault 14: webhooks whose targets hang, answer 10 GB, lead inward, or lie inward; one that is well goes on."""

from __future__ import annotations

from tests.faults.harness import Counts, report, stand
from tests.faults.target import MUCH, Target
from tests.faults.visitor import administrator

BAD = ("hang", "flood", "inward", "private")


def work(size: int) -> tuple[Counts, bool]:
    inner = Target()  # what must never be reached
    target = Target(secret=f"http://127.0.0.1:{inner.port}/secret")
    lease, allowed = "30", f"127.0.0.1:{target.port}"
    with stand(team=False, OUTSIDE_ALLOWED_HOSTS=allowed, FAULTS_LEASE=lease) as made:
        from django.utils import timezone

        from monitoring import deliveries, notices
        from monitoring.models import Delivery, Notice, Webhook
        from riskreg.jobs.models import Job

        admin = administrator()
        addresses = {name: f"http://127.0.0.1:{target.port}/{name}" for name in ("well", *BAD)}
        addresses["private"] = f"http://127.0.0.1:{inner.port}/private"
        # Of a target that hangs each call takes ten seconds; so a few went before.
        before = {"hang": deliveries.MOST_FAILURES - (1 if size < 1000 else deliveries.MOST_FAILURES)}
        hooks = {
            name: Webhook.objects.create(
                name=name, url=url, secret=deliveries.new_secret(), failures=before.get(name, 0)
            )
            for name, url in addresses.items()
        }
        news = [
            notices.Happening(
                kind="job", key=f"fault:{n}", to=frozenset([admin.pk]), details={"job": "x", "reason": ""}
            )
            for n in range(size)
        ]
        notices.tell(news, at=timezone.now())
        delivering = Job.objects.filter(kind="monitoring.tasks.deliver")
        made.start(made.worker, made.beat)
        made.until(lambda: not delivering.unfinished().exists(), what="all delivered or given up")
        told = Notice.objects.filter(event__kind="address", user=admin)
        well = Delivery.objects.filter(webhook=hooks["well"], event__key__startswith="fault:")
        counts = {
            "missing": size - well.exclude(sent_at=None).count(),
            "not_taken": size - sum(f"evt_{pk}" in target.ids for pk in well.values_list("event", flat=True)),
            "reached_inside": inner.calls.total(),
            "flood_read_whole": int(target.sent["/flood"] >= MUCH),
            "not_switched_off": Webhook.objects.filter(name__in=BAD, disabled_at=None).count(),
            "switched_off_unsaid": len(BAD) - told.count(),
        }
        calls = {f"calls_of_{name}": target.calls[f"/{name}"] for name in ("well", "hang", "flood", "inward")}
        megabytes = target.sent["/flood"] // 1024**2
    target.close()
    inner.close()
    return {**calls, "flood_megabytes_sent": megabytes, **counts}, not any(counts.values())


if __name__ == "__main__":
    report("webhook misbehaves", work, size=1000)
