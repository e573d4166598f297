"""A real pipeline, kept in files with all its dirty values, read as it is."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection as database
from django.test.utils import CaptureQueriesContext

from crm import store, sync
from crm.connectors.files import proposed, read_headings
from crm.kinds import KINDS
from crm.models import Connection, Customer, Deal, DealSnapshot, Person, SyncPoint, SyncRun, Upload
from crm.spreadsheets.reading import read_table
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job

pytestmark = pytest.mark.django_db
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
FILES = {"person": "sales_teams.csv", "customer": "accounts.csv", "deal": "sales_pipeline.csv"}
FOLDER = Path(__file__).parents[1] / "data" / "crm_pipeline"


def read(kind: str, name: str, rows: int | None = None) -> Any:
    data = (FOLDER / name).read_bytes()
    if rows is not None:
        data = b"\n".join(data.splitlines()[: rows + 1])
    return read_headings(read_table(data, name).rows, kind)


def files_connection(cast: SimpleNamespace, rows: int | None = None) -> Connection:
    made = Connection.objects.create(kind="files", name="Spreadsheets", team=cast.northfield)
    for kind, name in FILES.items():
        file = read(kind, name, rows)
        Upload.objects.create(connection=made, kind=kind, name=name, header=file.header, rows=file.rows)
        made.mapping[kind] = [asdict(proposed(KINDS[kind], name, file))]
    made.save()
    return made


def synchronise(connection: Connection, now: dt.datetime = NOW) -> Any:
    job = sync.start(connection=connection, by=None, now=now)
    assert jobs.run(job.pk, now_fn=lambda: now), Job.objects.get(pk=job.pk).error
    return Job.objects.get(pk=job.pk).result


def test_the_whole_pipeline_is_read_and_a_second_time_changes_nothing(cast: SimpleNamespace) -> None:
    connection = files_connection(cast)
    counts = synchronise(connection)["counts"]
    assert {kind: one["new"] for kind, one in counts.items()} == {"person": 35, "customer": 85, "deal": 8800}
    assert {state: Deal.objects.filter(state=state).count() for state in ("open", "won", "lost")} == {
        "open": 2089, "won": 4238, "lost": 2473,
    }  # fmt: skip
    deal = Deal.objects.select_related("customer", "owner").get(external_id="Z063OYW0")
    assert (deal.customer and deal.customer.name, deal.owner and deal.owner.name) == ("Isdom", "Darcel Schlecht")
    assert (deal.amount, deal.product, deal.state) == (Decimal(4514), "GTXPro", "won")
    assert (deal.created_at and deal.created_at.date(), deal.closed_on) == (dt.date(2016, 10, 25), dt.date(2017, 3, 11))
    assert Deal.objects.filter(state="open").exclude(closed_on=None).count() == 0
    parents = Customer.objects.exclude(parent=None)
    assert parents.count() == 15
    assert str(parents.get(name="Bluth Company").parent) == "Acme Corporation"
    assert DealSnapshot.objects.count() == 8800
    again = synchronise(connection, NOW + dt.timedelta(days=1))
    assert again["state"] == "done"
    assert {kind: (one["new"], one["changed"]) for kind, one in again["counts"].items()} == dict.fromkeys(FILES, (0, 0))


def test_a_row_that_changed_is_remembered_as_it_was(cast: SimpleNamespace) -> None:
    connection = files_connection(cast, rows=20)
    synchronise(connection)
    upload = Upload.objects.get(kind="deal")
    place = upload.header.index("close_value")
    row = next(row for row in upload.rows if row[0] == "Z063OYW0")
    row[place] = "4.000,50"
    upload.save()
    counts = synchronise(connection, NOW + dt.timedelta(days=1))["counts"]["deal"]
    assert (counts["new"], counts["changed"]) == (0, 1)
    amounts = DealSnapshot.objects.filter(deal__external_id="Z063OYW0").values_list("amount", flat=True)
    assert list(amounts) == [Decimal("4514.00"), Decimal("4000.50")]


def test_what_comes_before_what_it_refers_to_is_linked_when_that_has_come(cast: SimpleNamespace) -> None:
    connection = files_connection(cast, rows=20)
    customers = connection.mapping.pop("customer")
    connection.save()
    synchronise(connection)
    assert Deal.objects.filter(customer=None).count() == 20
    assert Deal.objects.filter(waits_for__customer="Isdom").exists()
    connection.mapping["customer"] = customers
    connection.save()
    synchronise(connection, NOW + dt.timedelta(days=1))
    there = Customer.objects.values_list("name", flat=True)
    assert set(Deal.objects.exclude(customer=None).values_list("customer__name", flat=True)) <= set(there)
    assert Deal.objects.get(external_id="Z063OYW0").waits_for != {"customer": "Isdom"} or "Isdom" not in there


def test_a_killed_run_goes_on_after_its_last_page(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = files_connection(cast, rows=1500)
    keep, pages = store.keep, []

    def dies(*arguments: Any, **named: Any) -> Any:
        if len(pages) == 4:
            raise KeyboardInterrupt  # as a kill: nothing of ours may catch it
        pages.append(1)
        return keep(*arguments, **named)

    monkeypatch.setattr(store, "keep", dies)
    job = sync.start(connection=connection, by=None, now=NOW)
    with pytest.raises(KeyboardInterrupt):
        jobs.run(job.pk, now_fn=lambda: NOW)
    monkeypatch.setattr(store, "keep", keep)
    kept = Deal.objects.count()
    assert 0 < kept < 1500
    later = NOW + dt.timedelta(hours=1)  # the lease has run out
    assert jobs.run(job.pk, now_fn=lambda: later)
    run = SyncRun.objects.get()
    assert (run.state, run.counts["deal"]["new"], run.counts["deal"]["read"]) == ("done", 1500, 1500)
    assert Deal.objects.count() == 1500
    assert SyncPoint.objects.filter(done_in=run).count() == 3


def test_a_second_start_is_the_first(cast: SimpleNamespace) -> None:
    connection = files_connection(cast, rows=5)
    first = sync.start(connection=connection, by=None, now=NOW)
    assert sync.start(connection=connection, by=cast.ada, now=NOW).pk == first.pk


def test_while_one_runs_another_does_nothing(cast: SimpleNamespace) -> None:
    connection = files_connection(cast, rows=5)
    running = jobs.enqueue("crm.tasks.sync", payload={"connection": connection.pk}, run_at=NOW)
    SyncRun.objects.create(connection=connection, job=running.pk, started_at=NOW)
    other = jobs.enqueue("crm.tasks.sync", payload={"connection": connection.pk}, run_at=NOW)
    jobs.run(other.pk, now_fn=lambda: NOW)
    assert Job.objects.get(pk=other.pk).result == {"skipped": "another runs"}
    assert Deal.objects.count() == 0


def test_a_paused_connection_stops_between_pages(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = files_connection(cast, rows=20)
    keep = store.keep

    def pause(*arguments: Any, **named: Any) -> Any:
        Connection.objects.filter(pk=connection.pk).update(paused_at=NOW)
        return keep(*arguments, **named)

    monkeypatch.setattr(store, "keep", pause)
    assert synchronise(connection) == {"stopped": "paused"}
    assert SyncRun.objects.get().state == "stopped"
    assert Person.objects.count() == 20
    assert Customer.objects.count() == 0


def test_a_page_asks_the_same_questions_whatever_its_rows(cast: SimpleNamespace) -> None:
    def questions(rows: int) -> int:
        Deal.objects.all().delete()
        SyncPoint.objects.all().delete()
        connection = Connection.objects.first() or files_connection(cast, rows=450)
        file = read("deal", "sales_pipeline.csv", rows)
        Upload.objects.filter(kind="deal").update(rows=file.rows)
        with CaptureQueriesContext(database) as captured:
            synchronise(connection)
        # How many rows one INSERT may hold is the database's matter.
        return sum(query["sql"].startswith("SELECT") for query in captured)

    questions(5)  # people and customers are there from now on
    assert questions(10) == questions(450)
