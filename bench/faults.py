"""Jobs under faults: what was lost, done twice, or sent again, by the scripts in tests/faults at their full size.

Counts alone are judged. Everything a script needs it starts itself, on PostgreSQL and Redis where it says *team*.
--size: jobs, mails or saves of each script, and risks of the one that kills halfway.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator

from bench.figures import Figure, figure

SCRIPTS = (
    ("under_fire",),
    ("worker_killed",),
    ("worker_killed", "--team"),
    ("pool_child_killed",),
    ("pool_child_killed", "--team"),
    ("web_killed",),
    ("web_killed", "--team"),
    ("scheduler_killed",),
    ("supervisor_killed",),
    ("redis_killed",),
    ("redis_away",),
    ("postgres_crashed",),
    ("killed_halfway",),
    ("killed_halfway", "--team"),
    ("smtp_misbehaves",),
    ("webhook_misbehaves",),
    ("poison_jobs",),
    ("poison_jobs", "--team"),
    ("clock_jumps",),
    ("terminated_under_load",),
)
NONE_OF = ("lost", "doubled", "missing", "digests_missing")
FEW_OF = {"repeats": 2, "digests_repeats": 1}  # under fire; the first are of half as many mails


def run(size: int | None) -> Iterator[Figure]:
    """One script after the other, each in a process of its own."""
    for name, *mode in SCRIPTS:
        sized = ["--size", str(size)] if size else []
        out = subprocess.run(
            [sys.executable, "-m", f"tests.faults.{name}", *mode, *sized],
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
        # A script that came to no end said nothing.
        line = json.loads(out.stdout or json.dumps({"fault": name, "size": size or 0, "ok": False}))
        print(out.stdout, end="", file=sys.stderr)
        what, many = line["fault"] + (" (team)" if mode else ""), line["size"]
        for count in NONE_OF:
            if count in line:
                yield figure(f"{what}: {count}", many, line[count], "", limit=0)
        for count, part in FEW_OF.items():
            if name == "under_fire" and count in line:
                yield figure(f"{what}: {count}", many, 100 * part * line[count] / many, "%", limit=1)
        if "statements" in line:
            yield figure("statements of a digest", line["risks"], line["statements"], "statements", limit=15)
            by_risks = line["statements_by_risks"]
            yield figure("statements of a digest: more for more risks", line["risks"], by_risks, "statements", limit=0)
        yield figure(f"{what}: a count is wrong", many, int(not line["ok"]), "", limit=0)
