"""Fault 6: Redis, which keeps nothing on disk, is killed again and again; pages are asked for while it is away."""

from __future__ import annotations

from tests.faults.harness import Counts, Stand, put_in_rescores, report, rescored, stand, until_all_is_done
from tests.faults.visitor import Visitor, administrator


def kill(made: Stand, visitor: Visitor) -> None:
    made.kill(made.redis)
    visitor.read("/jobs/")


def work(size: int) -> tuple[Counts, bool]:
    with stand(team=True) as made:
        put_in_rescores(size)
        visitor = Visitor(made.port, administrator())
        made.pages()
        made.start(made.worker, made.beat)
        kills = until_all_is_done(made, lambda: kill(made, visitor), size=size)
        counts = rescored(size)
    pages = {"pages": visitor.answers["ok"], "pages_failed": visitor.answers.total() - visitor.answers["ok"]}
    ok = counts == {"lost": 0, "doubled": 0, "dead": 0} and 0 < kills == pages["pages"] and not pages["pages_failed"]
    return {"kills": kills, **pages, **counts}, ok


if __name__ == "__main__":
    report("Redis killed", work, size=1000)
