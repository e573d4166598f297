"""Scoring the whole register on PostgreSQL and SQLite: each figure beside the bare SQL that cannot be avoided.

The floor of reading is the same columns out of the same tables, whole, sent as fast as the database can send them, and
thrown away. The floor of writing is that, plus the rows that must be written, ready in memory: COPY into a temporary
table and one UPDATE … FROM for the cover sheets, COPY into the ledger (SQLite: one prepared statement each).
Seconds are of the clock, because the database works in processes of its own.

--size: risks. Without it 1 000, 100 000 and 1 000 000 on PostgreSQL, and all but the last on SQLite.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from bench.figures import Figure, figure

SIZES = (1_000, 100_000, 1_000_000)
MOST_ON_SQLITE = 100_000
POSTGRESQL = os.environ.get("DATABASE_URL") or "postgres://root@127.0.0.1:5432/postgres"


def run(size: int | None) -> Iterator[Figure]:
    """Each size on each database in a process of its own, so that memory is measured from the start."""
    for risks in [size] if size else SIZES:
        for database in ("PostgreSQL", "SQLite"):
            if database == "SQLite" and risks > MOST_ON_SQLITE:
                continue
            with tempfile.TemporaryDirectory() as folder:
                environment = os.environ | {"RISKREG_VAR": folder, "LOG_LEVEL": "WARNING", "SECRET_KEY": "bench"}
                environment.pop("DATABASE_URL", None)
                if database == "PostgreSQL":
                    environment["DATABASE_URL"] = POSTGRESQL
                out = subprocess.run(
                    [sys.executable, "-m", "bench.scoring_run", str(risks)],
                    env=environment, stdout=subprocess.PIPE, check=True, text=True,
                )  # fmt: skip
            for line in out.stdout.splitlines():
                print(line, file=sys.stderr)
                values = json.loads(line)
                yield figure(f"{database}: {values.pop('name')}", risks, **values)
