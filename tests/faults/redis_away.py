"""Fault 7: Redis is absent, then full, then slow; people go on saving what needs a job."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from redis import Redis

from tests.faults.harness import Counts, Stand, report, stand
from tests.faults.visitor import Visitor, administrator

ABSENT_SECONDS = 60
SLOW_MILLISECONDS = 2000


@contextlib.contextmanager
def absent(made: Stand, seconds: float) -> Iterator[None]:
    made.stop(made.redis)
    yield
    made.watch(seconds)
    made.start(made.redis)


@contextlib.contextmanager
def full(made: Stand, _seconds: float) -> Iterator[None]:
    made.until(lambda: _told(made, "PING"), what="Redis")
    _told(made, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    _told(made, "CONFIG", "SET", "maxmemory", "1mb")
    yield
    _told(made, "CONFIG", "SET", "maxmemory", "0")


@contextlib.contextmanager
def slow(made: Stand, _seconds: float) -> Iterator[None]:
    _told(made, "CLIENT", "PAUSE", str(SLOW_MILLISECONDS), "ALL")
    yield


def _told(made: Stand, *command: str) -> object:
    with contextlib.suppress(OSError, Exception), Redis.from_url(made.redis_url) as client:
        return client.execute_command(*command)
    return None


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=True) as made:
        from riskreg.jobs.models import Job

        visitor = Visitor(made.port, administrator())
        made.pages()
        made.start(made.worker, made.beat)
        seconds = ABSENT_SECONDS if size >= 1000 else size / 20
        phases: list[Callable[[Stand, float], contextlib.AbstractContextManager[None]]] = [absent, full, slow]
        saved = 0
        for phase in phases:
            with phase(made, seconds):
                for _ in range(size // len(phases)):
                    saved += visitor.save("/jobs/run/tidy_jobs/")
                    made.tend()
        jobs = Job.objects.filter(kind="riskreg.jobs.tasks.tidy", key=None)
        made.until(lambda: not jobs.unfinished().exists(), what="jobs done")
        counts = {
            "saved": saved,
            "not_saved": visitor.answers.total() - saved,
            "lost": saved - jobs.filter(state="done").count(),
            "dead": jobs.dead().count(),
        }
    return counts, saved == size // 3 * 3 and counts["lost"] == counts["dead"] == 0


if __name__ == "__main__":
    report("Redis away", work, size=1000)
