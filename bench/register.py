"""The register on SQLite: its page and the import, each beside the least the database could do."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator

from bench.figures import Figure, figure

SIZE = 10_000
_BATCH = 1000


def run(size: int | None) -> Iterator[Figure]:
    """Seeds ``size`` assessed risks in a database of its own below a temporary folder."""
    size = size or SIZE
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RISKREG_VAR"] = folder
        os.environ.setdefault("LOG_LEVEL", "WARNING")
        os.environ["DJANGO_SETTINGS_MODULE"] = "riskreg.settings"
        import django

        django.setup()
        from django.core.management import call_command

        call_command("migrate", verbosity=0)
        _seed(size)
        yield from _page(size)
        yield from _import(min(size, 2000))


def _seed(size: int) -> None:
    from django.utils import timezone

    from assessments.actions import Judgement, assess_risks
    from riskreg.accounts.actions import save_team, set_role
    from riskreg.accounts.models import User
    from risks.models import Category, CoverSheet, Risk

    team = save_team(name="Team", parent=None)
    manager = User.objects.create_user("manager", "manager@example.com", "x")
    set_role(user=manager, team=team, role="manager")
    categories = list(Category.objects.all())
    for start in range(0, size, _BATCH):
        risks = Risk.objects.bulk_create(
            Risk(title=f"Risk number {n}", category=categories[n % 5], team=team, owner=manager)
            for n in range(start, min(start + _BATCH, size))
        )
        CoverSheet.objects.bulk_create(CoverSheet(risk=risk) for risk in risks)
        judgements = [
            Judgement(r.pk, r.pk % 5 + 1, {"financial": r.pk % 4 + 1}, "expert", "", timezone.localdate())
            for r in risks
        ]
        assess_risks(judgements=judgements, by=manager, at=timezone.now())


def _page(size: int) -> Iterator[Figure]:
    from django.conf import settings
    from django.db import connection
    from django.test import Client
    from django.test.utils import CaptureQueriesContext

    from riskreg.accounts.models import User

    settings.ALLOWED_HOSTS = ["testserver"]
    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    client = Client()
    client.force_login(User.objects.get())
    client.get("/risks/")
    with CaptureQueriesContext(connection) as captured:
        client.get("/risks/?page=100")
    yield figure("register page: statements", size, len(captured), "statements", limit=12)
    statements = [q["sql"] for q in captured.captured_queries]

    def bare() -> None:
        with connection.cursor() as cursor:
            for sql in statements:
                if sql.startswith("SELECT"):
                    cursor.execute(sql.replace("%", "%%") if "%" in sql else sql)
                    cursor.fetchall()

    yield figure(
        "register page against its statements alone", size, _cpu(lambda: client.get("/risks/?page=100"), 10) * 1000,
        "ms", floor=_cpu(bare, 10) * 1000,
    )  # fmt: skip


def _import(size: int) -> Iterator[Figure]:
    from django.utils import timezone

    from crm.spreadsheets.reading import read_table
    from riskreg.accounts.models import Team
    from riskreg.jobs import actions as jobs
    from risks import imports, planning

    lines = ["Risk ID,Title,Category,Likelihood,Impact,Mitigation"]
    lines += [f"N{n},Imported risk {n},market,{n % 5 + 1},{n % 5 + 1},Talk to the customer" for n in range(size)]
    data = "\n".join(lines).encode()
    batches = []

    def whole() -> None:
        batch = planning.open_import(
            data=data, filename="x.csv", team=Team.objects.get(), by=None, options=planning.Options()
        )
        planning.plan(batch)
        imports.start(batch=batch, by=None)
        jobs.run(batch.job, now_fn=timezone.now)
        batches.append(batch)

    seconds = _cpu(whole, 1)
    yield figure(
        "import: a row planned, assessed and written, against reading the file", size, seconds / size * 1e6,
        "CPU-µs", floor=_cpu(lambda: read_table(data, "x.csv"), 1) / size * 1e6,
    )  # fmt: skip


def _cpu(function, times: int) -> float:  # type: ignore[no-untyped-def]
    """CPU seconds of one call, the least of a few."""
    best = float("inf")
    for _ in range(times):
        started = time.process_time()
        function()
        best = min(best, time.process_time() - started)
    return best
