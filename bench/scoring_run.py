"""One register of one size on the database of the environment; prints a figure a line, as JSON (see scoring.py)."""

from __future__ import annotations

import datetime as dt
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "riskreg.settings")

TABLES = ("risks_risk", "risks_coversheet", "risks_scoreentry", "assessments_assessment")


def main(size: int) -> None:
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor == "postgresql":
        name = f"riskreg_bench_{os.getpid()}"
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {name}")
        connection.close()
        connection.settings_dict["NAME"], before = name, connection.settings_dict["NAME"]
    try:
        call_command("migrate", verbosity=0)
        seed(size)
        measure(size)
    finally:
        if connection.vendor == "postgresql":
            connection.close()
            connection.settings_dict["NAME"] = before
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name}")


def seed(size: int) -> None:
    """Risks with one judgement each; every fifth has a response in place, every twentieth evidence, every fiftieth a
    review. Written as columns, as the product itself writes in bulk."""
    import numpy as np
    from django.utils import timezone

    from assessments.models import Assessment, Method
    from crm.models import Customer
    from monitoring.models import Review
    from responses.models import Action, Response
    from riskreg import arrays
    from riskreg.accounts.actions import save_team
    from riskreg.accounts.models import User
    from risks.models import Category, CoverSheet, Observation, Risk

    team = save_team(name="Team", parent=None)
    owner = User.objects.create_user("owner", "owner@example.com", "x")
    customer = Customer.objects.create(name="Customer", team=team)
    categories = np.array(Category.objects.order_by("pk").values_list("pk", flat=True))
    method = Method.objects.get()
    spec = method.spec()
    now = timezone.now()
    today = now.date()
    for start in range(1, size + 1, 50_000):
        ids = np.arange(start, min(start + 50_000, size + 1))
        random = np.random.default_rng(start)
        blank = ("cause", "event", "consequence", "source", "external_ref", "outcome", "outcome_note")
        arrays.append(
            Risk,
            {
                "id": ids, "title": [f"Risk number {n} of the register" for n in ids.tolist()],
                "category": categories[ids % len(categories)], "team": team.pk, "owner": owner.pk,
                "customer": customer.pk, "horizon_months": random.choice([3, 6, 12, 24], len(ids)), "status": "open",
                "state": "live", "confidential": False, "version": 1, "identified_on": today, "created_at": now,
                "updated_at": now, "notes": "What somebody wrote about it, a line or two of text.",
                **dict.fromkeys(blank, ""),
            },
        )  # fmt: skip
        levels = random.integers(1, 6, (len(ids), 2))
        arrays.append(
            Assessment,
            {
                "risk": ids, "method": method.pk, "likelihood_level": levels[:, 0], "impact_code": levels[:, 1],
                "probability": np.array([level.centre for level in spec.likelihood])[levels[:, 0] - 1],
                "impact": np.array([level.centre for level in spec.primary.levels])[levels[:, 1] - 1],
                "decided_by": "financial", "basis": "expert", "evidence": "", "assessed_on": today,
                "created_at": now - dt.timedelta(days=1), "is_current": True, "likelihood_by": "level",
                "money_by": "level",
            },
        )  # fmt: skip
        arrays.append(CoverSheet, {"risk": ids})
        fifth, twentieth, fiftieth = ids[ids % 5 == 0], ids[ids % 20 == 0], ids[ids % 50 == 0]
        arrays.append(
            Response,
            {"id": fifth, "risk": fifth, "kind": "preventive", "title": "Talk to them", "description": "",
             "trigger": "", "confidence": 80, "created_at": now},
        )  # fmt: skip
        arrays.append(
            Action,
            {"response": fifth, "title": "Quarterly meeting", "status": "done", "done_on": today, "cost": 0,
             "effect": 20},
        )  # fmt: skip
        arrays.append(
            Observation,
            {"risk": twentieth, "kind": "market", "text": "A competitor lowers prices", "source": "", "link": "",
             "observed_on": today, "team": team.pk, "bearing": 1, "linked_at": now, "created_at": now,
             "dismissed_reason": ""},
        )  # fmt: skip
        arrays.append(Review, {"risk": fiftieth, "reviewed_on": today, "because": "Still so.", "created_at": now})
    tidy()


def tidy() -> None:
    """As autovacuum leaves a table that has been there for a while."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE" if connection.vendor == "postgresql" else "ANALYZE")


def rescore() -> int:
    """The night's walk, without its job row."""
    from django.db import transaction
    from django.utils import timezone

    from riskreg.jobs.actions import pause_between_chunks
    from risks import scores
    from risks.models import Cause

    changed = 0
    for chunk in scores.walk(at=timezone.now()):
        started = time.perf_counter()
        with transaction.atomic():
            changed += chunk.rescore(cause=Cause.RULES, at=timezone.now())
        pause_between_chunks(time.perf_counter() - started)
    return changed


def statements() -> list[tuple[Any, tuple[str, ...]]]:
    """The querysets that scoring reads, over the whole register, and the kinds of their columns."""
    from risks import scores

    seen: list[tuple[Any, tuple[str, ...]]] = []
    from riskreg import arrays

    original = arrays.read

    def recording(rows: Any, *kinds: Any, **more: Any) -> Any:
        seen.append((rows, kinds))
        return original(rows, *kinds, **more)

    arrays.read = recording  # type: ignore[assignment]
    try:
        from django.utils import timezone

        scores.read(scores.Span(0, 2**62), scores.active_method(), at=timezone.now())
    finally:
        arrays.read = original
    return seen


def floor_of_reading(size: int) -> float:
    """Seconds to send every column once, thrown away."""
    from django.db import connection

    reads = [rows.query.sql_with_params() for rows, _ in statements()]

    def bare() -> None:
        with connection.cursor() as cursor:
            for sql, parameters in reads:
                if connection.vendor == "postgresql":
                    whole = cursor.mogrify(sql, parameters).decode()
                    with open(os.devnull, "wb") as sink:
                        cursor.copy_expert(f"COPY ({whole}) TO STDOUT (FORMAT binary)", sink, 1 << 20)
                else:
                    cursor.execute(sql, parameters)
                    while cursor.fetchmany(1000):
                        pass

    return least(bare, 3)


def plain_reading() -> float:
    """Seconds to fetch the same columns with plain SELECTs through the driver, a block at a time, thrown away."""
    from django.db import connection, transaction

    reads = [rows.query.sql_with_params() for rows, _ in statements()]

    def plain() -> None:
        with transaction.atomic():
            for number, (sql, parameters) in enumerate(reads):
                with connection.create_cursor(name=f"plain_{number}") as cursor:
                    cursor.execute(sql, parameters)
                    while cursor.fetchmany(20_000):
                        pass

    return least(plain, 2)


def floor_of_writing(size: int) -> float:
    """Seconds to write every cover sheet and a ledger row for each risk, the rows being ready; rolled back."""
    import io

    from django.db import connection, transaction

    from risks.models import CoverSheet, ScoreEntry

    sheet = [f.column for f in CoverSheet._meta.fields if f.name != "drifting_since"]
    entry = [f.column for f in ScoreEntry._meta.fields if f.name != "id"]
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            rows = {}
            for table, names in (("risks_coversheet", sheet), ("risks_scoreentry", entry)):
                rows[table] = io.BytesIO()
                newest = "" if table == "risks_coversheet" else f" ORDER BY id DESC LIMIT {size}"
                cursor.copy_expert(f"COPY (SELECT {', '.join(names)} FROM {table}{newest}) TO STDOUT", rows[table])
        else:
            cursor.execute(f"SELECT {', '.join(sheet)} FROM risks_coversheet")
            sheets = [(*row[1:], row[0]) for row in cursor.fetchall()]
            cursor.execute(f"SELECT {', '.join(entry)} FROM risks_scoreentry ORDER BY id DESC LIMIT {size}")
            entries = cursor.fetchall()

    class Undo(Exception):
        pass

    def bare() -> None:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                if connection.vendor == "postgresql":
                    cursor.execute(
                        f"CREATE TEMPORARY TABLE new ON COMMIT DROP AS SELECT {', '.join(sheet)} "
                        "FROM risks_coversheet LIMIT 0"
                    )
                    for table, names in (("new", sheet), ("risks_scoreentry", entry)):
                        source = rows["risks_coversheet" if table == "new" else table]
                        source.seek(0)
                        cursor.copy_expert(f"COPY {table} ({', '.join(names)}) FROM STDIN", source, 1 << 20)
                    sets = ", ".join(f"{name} = new.{name}" for name in sheet[1:])
                    cursor.execute(
                        f"UPDATE risks_coversheet SET {sets} FROM new WHERE risks_coversheet.risk_id = new.risk_id"
                    )
                    cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # the checks that a commit makes
                else:
                    sets = ", ".join(f"{name} = %s" for name in sheet[1:])
                    cursor.executemany(f"UPDATE risks_coversheet SET {sets} WHERE risk_id = %s", sheets)
                    marks = ", ".join(["%s"] * len(entry))
                    cursor.executemany(f"INSERT INTO risks_scoreentry ({', '.join(entry)}) VALUES ({marks})", entries)
                raise Undo
        except Undo:
            pass

    seconds = least(bare, 1)
    tidy()
    return seconds


def measure(size: int) -> None:
    from django.db import connection

    from risks.models import Risk, ScoreEntry

    _clock(rescore)  # the first scores
    tidy()
    reading = floor_of_reading(size)
    nothing = least(rescore, 3)
    if connection.vendor == "postgresql":
        say("re-score, nothing changed, against plain reading", nothing, "s", floor=plain_reading(),
            limit=limit(size, 1.5))  # fmt: skip
    # A stricter floor than anybody reads by: no value is ever made of a byte.
    say("re-score, nothing changed, against the bytes read", nothing, "s", floor=reading)
    Risk.objects.filter(pk__in=range(1, size, 100)).update(horizon_months=5) if size < 30_000 else _every_hundredth()
    tidy()
    one_percent = _clock(rescore)
    say("re-score, 1 % changed, against the bytes read", one_percent, "s", floor=reading)
    everything = []
    for months in (7, 9):
        Risk.objects.update(horizon_months=months)
        tidy()
        entries = ScoreEntry.objects.count()
        everything.append(_clock(rescore))
        if ScoreEntry.objects.count() - entries != size:
            raise SystemExit("not every risk changed")
        tidy()
    writing = floor_of_writing(size)
    reading = floor_of_reading(size)
    say("re-score, all changed, against reading and writing", min(everything), "s", floor=reading + writing,
        limit=limit(size, 2.0) if connection.vendor == "postgresql" else None)  # fmt: skip
    say("re-score, all changed", size / min(everything), "risks/s")
    say("least of 10 000 risks/s over what was reached", 10_000 * min(everything) / size, "", limit=limit(size, 1.0))
    if connection.vendor == "postgresql":
        say("largest memory of the process that re-scores", worker_memory(), "MiB", limit=400)
    what_if(size)
    if connection.vendor == "sqlite":
        beside(size)


def what_if(size: int) -> None:
    """A draft compared with the whole register: seconds, and what it wrote."""
    import copy

    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from assessments import versions
    from assessments.models import Method
    from assessments.queries import scoring_method
    from monitoring import changes

    draft = versions.draft_from(source=Method.objects.get(), by=None, at=timezone.now())
    definition = copy.deepcopy(draft.definition)
    definition["combination"], definition["bands"][2]["threshold"] = "worst", 50
    versions.save_draft(method=draft, definition=definition, note="", at=timezone.now(), seen=draft.edited_at)
    method = scoring_method(draft)
    with CaptureQueriesContext(connection) as captured:
        found = changes.of(method, at=timezone.now(), today=timezone.localdate())
    if not found.total.changed:
        raise SystemExit("the draft changes nothing")
    writes = [q for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    say("what-if: rows written", len(writes), "statements", limit=0)
    seconds = least(lambda: changes.of(method, at=timezone.now(), today=timezone.localdate()), 2)
    say("what-if", seconds, "s", limit=3.0 if size == 100_000 else None)
    say("what-if, against reading", seconds, "s", floor=floor_of_reading(size))


def limit(size: int, value: float) -> float | None:
    """Below 100 000 risks a run lasts so short that fixed costs rule: shown, not judged."""
    return value if size >= 100_000 else None


def worker_memory() -> float:
    """MiB at most in a fresh process that only re-scores everything once."""
    import subprocess

    from django.db import connection

    from risks.models import Risk

    Risk.objects.update(horizon_months=11)
    tidy()
    settings = connection.settings_dict
    code = (
        "import os, re, django; django.setup();"
        "from django.db import connection; connection.settings_dict['NAME'] = os.environ['BENCH_NAME'];"
        "from bench.scoring_run import rescore; rescore();"
        # Not ru_maxrss: a child begins with its parent's.
        "print(int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]) / 1024)"
    )
    out = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"BENCH_NAME": settings["NAME"]}, check=True,
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    return float(out.stdout)


def beside(size: int) -> None:
    """People at work while SQLite re-scores: pages read and saves made meanwhile, and what became of them."""
    from django.db import connection

    from risks.models import Risk

    Risk.objects.update(horizon_months=8)
    waits: list[float] = []
    failures: list[str] = []
    done = threading.Event()

    def person() -> None:
        from django.utils import timezone

        from risks import actions

        while not done.is_set():
            started = time.perf_counter()
            try:
                risk = Risk.objects.get(pk=1 + len(waits) % size)
                actions.edit_risk(risk=risk, version=risk.version, tags=(), at=timezone.now())
            except Exception as error:
                failures.append(repr(error))
            waits.append(time.perf_counter() - started)
        connection.close()

    thread = threading.Thread(target=person)
    thread.start()
    rescore()
    done.set()
    thread.join()
    waits.sort()
    say("saves meanwhile that failed", len(failures), "saves", limit=0)
    say("a save meanwhile, 95th percentile", waits[int(0.95 * (len(waits) - 1))], "s", limit=2.0)
    for failure in failures[:3]:
        print(failure, file=sys.stderr)


def _every_hundredth() -> None:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE risks_risk SET horizon_months = 5 WHERE id % 100 = 0")


def least(function: Callable[[], Any], times: int) -> float:
    return min(_clock(function) for _ in range(times))


def _clock(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def say(name: str, value: float, unit: str, **more: Any) -> None:
    print(json.dumps({"name": name, "value": value, "unit": unit, **more}), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]))
