"""Fault 8: PostgreSQL crashes and recovers six times under jobs and readers, twice at a small size.

The cluster is the script's own.
"""

from __future__ import annotations

from tests.faults.cluster import cluster
from tests.faults.harness import FULL, Counts, progress, put_in_rescores, report, rescored, stand, unfinished
from tests.faults.visitor import Visitor, administrator

WEB_THREADS = 2 * 4  # processes and threads of the web server, as the harness starts it


def work(size: int) -> tuple[Counts, bool]:
    crashes = 6 if size >= FULL else 2
    with cluster() as server, stand(team=True, server=server.url) as made:
        put_in_rescores(size)
        visitor, failed = Visitor(made.port, administrator()), 0
        made.pages()
        for _ in range(WEB_THREADS):
            visitor.read("/jobs/")
        made.start(made.worker, made.beat)
        for number in range(1, crashes + 1):
            begun = min(size, size * number // (crashes + 2))
            made.until(lambda begun=begun: progress()[1] >= begun, what="jobs begun")
            _forget_connection()
            server.crash()
            failed = max(failed, _failures_until_well(visitor))
        made.until(lambda: not unfinished(), what="all done")
        counts = rescored(size)
        _forget_connection()
    most = {"crashes": crashes, "most_failed_pages_after_a_crash": failed}
    return {**most, **counts}, counts == {"lost": 0, "doubled": 0, "dead": 0} and failed <= WEB_THREADS


def _failures_until_well(visitor: Visitor) -> int:
    """Pages that failed before as many as there are threads were shown one after the other."""
    failed = well = 0
    while well < WEB_THREADS:
        if visitor.read("/jobs/"):
            well += 1
        else:
            failed, well = failed + 1, 0
    return failed


def _forget_connection() -> None:
    """The script's own connection is no part of what is shown."""
    from django.db import connection

    connection.close()


if __name__ == "__main__":
    report("PostgreSQL crashed", work, size=600)
