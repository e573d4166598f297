"""Planning an import, applying it whole, and taking it back."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.utils import timezone

from assessments.actions import Judgement, assess_risk
from assessments.models import Assessment
from crm.models import Customer
from responses.actions import save_response
from responses.models import Action, Response
from riskreg.accounts.actions import set_role
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs import bell
from riskreg.jobs.models import Job
from risks import access, import_messages, imports, planning, register
from risks.actions import close_risk, delete_risk, edit_risk
from risks.models import Category, ImportBatch, ImportRow, Risk, ScoreEntry

pytestmark = pytest.mark.django_db

UWA = Path(__file__).parents[1] / "data" / "uwa_tikasathi_register.csv"


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "ring", lambda _job_id: True)


def sheet(*rows: Sequence[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


def planned(cast: SimpleNamespace, data: bytes, *, by: User | None = None, **options: Any) -> ImportBatch:
    batch = planning.open_import(
        data=data,
        filename="register.csv",
        team=cast.accounts,
        by=by or cast.max,
        options=planning.Options(**options),
    )
    planning.plan(batch)
    return batch


def applied(cast: SimpleNamespace, data: bytes, *, by: User | None = None, **options: Any) -> ImportBatch:
    batch = planned(cast, data, by=by, **options)
    imports.start(batch=batch, by=batch.created_by)
    assert jobs.run(batch.job, now_fn=timezone.now)
    batch.refresh_from_db()
    assert batch.state == "done"
    return batch


def taken_back(batch: ImportBatch) -> dict[str, int]:
    return imports.undo(batch=batch, at=timezone.now())


def verdicts(batch: ImportBatch) -> list[tuple[int, str, list[str]]]:
    return [(row.number, row.verdict, [reason[0] for reason in row.reasons]) for row in batch.rows.all()]


def table() -> list[list[Any]]:
    return list(register.rows(Risk.objects.live().order_by("pk")))


def titles(risks: Any = None) -> list[str]:
    risks = Risk.objects.live() if risks is None else risks
    return list(risks.order_by("pk").values_list("title", flat=True))


# --- a register kept by strangers ------------------------------------------------------------------------


def test_the_strangers_columns_are_understood(cast: SimpleNamespace) -> None:
    batch = planned(cast, UWA.read_bytes())
    assert batch.header_row == 19
    assert batch.mapping == {
        "1": "external_ref",
        "2": "category",
        "3": "title",
        "4": "consequence",
        "5": "impact.financial",
        "6": "likelihood",
        "7": "score",
        "8": "preventive",
        "9": "status",
        "10": "owner",
        "11": "identified_on",
        "12": "assessed_on",
        "13": "notes",
    }
    assert batch.counts == {"read": 25, "create": 23, "update": 0, "skip": 2, "error": 0}
    assert [row for row in verdicts(batch) if row[1] == "skip"] == [
        (43, "skip", ["no_title"]),
        (44, "skip", ["no_title"]),
    ]


def test_the_strangers_risks_are_taken_in(cast: SimpleNamespace) -> None:
    batch = applied(cast, UWA.read_bytes())
    assert batch.counts["create"] == 23
    first = access.visible_risks(cast.max).select_related("sheet").get(external_ref="R01")
    assert first.title == "App performs poorly on low-end phones"
    assert first.consequence == "Users experience lag, crashes, or are unable to use the app reliably"
    assert (first.identified_on, first.status, first.owner) == (dt.date(2026, 8, 6), "open", None)
    assert (first.team, first.category.key) == (cast.accounts, "process")
    assert [tag.name for tag in first.tags.all()] == ["Technical"]
    judged = Assessment.objects.get(risk=first)
    assert (judged.likelihood_level, judged.impact_levels, judged.basis) == (2, {"financial": 4}, "expert")
    [measure] = first.responses.all()
    assert (measure.kind, measure.title) == (
        "preventive",
        "Keep app lightweight, test regularly on representative low-end devices.",
    )
    assert first.sheet.score > 0
    assert access.visible_risks(cast.max).count() == 23
    assert access.visible_risks(cast.hana).count() == 0


def test_a_second_time_nothing_is_left_to_do(cast: SimpleNamespace) -> None:
    applied(cast, UWA.read_bytes())
    before = (table(), Risk.history.count(), ScoreEntry.objects.count())
    again = applied(cast, UWA.read_bytes())
    assert again.counts == {"read": 25, "create": 0, "update": 0, "skip": 25, "error": 0}
    assert (table(), Risk.history.count(), ScoreEntry.objects.count()) == before


def test_unknown_categories_are_added_where_that_was_asked_for(cast: SimpleNamespace) -> None:
    applied(cast, UWA.read_bytes(), by=cast.ada, create_categories=True)
    added = Category.objects.filter(name_en__in=["Technical", "Health / Safety", "UI", "Clarity"])
    assert added.count() == 4
    assert Risk.objects.get(external_ref="R04").category.name_en == "Health / Safety"
    assert not Risk.objects.filter(tags__isnull=False).exists()


def test_unknown_categories_go_to_the_one_chosen(cast: SimpleNamespace) -> None:
    applied(cast, UWA.read_bytes(), fallback_category="market")
    assert set(Risk.objects.values_list("category__key", flat=True)) == {"market"}
    assert Category.objects.count() == 5


# --- rows ------------------------------------------------------------------------------------------------

MIXED = sheet(
    ["Title", "Likelihood", "Financial impact", "Horizon in months", "Identified on", "Status"],
    ["Sound", "2", "3", "12", "2026-01-31", "open"],
    ["Too likely", "9", "3", "12", "2026-01-31", "open"],
    ["Too long", "2", "3", "121", "2026-01-31", "open"],
    ["Too early", "2", "3", "12", "0000-00-00", "open"],
    ["What state", "2", "3", "12", "2026-01-31", "perhaps"],
    ["", "2", "3", "12", "2026-01-31", "open"],
    ["Sound, too", "", "", "", "", ""],
)


def test_bad_rows_do_not_stop_good_ones(cast: SimpleNamespace) -> None:
    batch = applied(cast, MIXED)
    assert verdicts(batch) == [
        (2, "create", []),
        (3, "error", ["level"]),
        (4, "error", ["months"]),
        (5, "error", ["year"]),
        (6, "error", ["status"]),
        (7, "skip", ["no_title"]),
        (8, "create", []),
    ]
    assert titles() == ["Sound", "Sound, too"]


def test_all_or_nothing_takes_nothing(cast: SimpleNamespace) -> None:
    batch = planned(cast, MIXED, all_or_nothing=True)
    with pytest.raises(imports.RowsInError):
        imports.start(batch=batch, by=cast.max)
    batch.refresh_from_db()
    assert (batch.state, titles(), Job.objects.count()) == ("ready", [], 0)


def test_all_or_nothing_takes_all(cast: SimpleNamespace) -> None:
    applied(cast, sheet(["Title", "Owner"], ["One", "max"], ["Two", ""]), all_or_nothing=True)
    assert titles() == ["One", "Two"]


@pytest.mark.parametrize(
    ("heading", "cell", "code"),
    [
        ("Likelihood", "-10%", "range"),
        ("Likelihood", "10^400", "level"),
        ("Likelihood", "9" * 400, "level"),
        ("Likelihood", "1e300", "level"),
        ("Likelihood", "0", "level"),
        ("Financial impact", "-5000 USD", "range"),
        ("Financial impact", "30%", "unit"),
        ("Horizon in months", "9" * 400, "number"),
        ("Horizon in months", "10^400", "number"),
        ("Horizon in months", "0", "months"),
        ("Horizon in months", "-1", "months"),
        ("Horizon in months", "1.5", "months"),
        ("Identified on", "0000-00-00", "year"),
        ("Identified on", "0000-01-01", "year"),
        ("Identified on", "99999", "date"),
        ("Identified on", "2026-02-30", "date"),
        ("Identified on", "soon", "date"),
        ("Confidential", "perhaps", "bool"),
        ("Basis", "a hunch", "basis"),
        ("Outcome", "who knows", "outcome"),
        ("Team", "Hengyue", "unknown_team"),
        ("Own number", "n" * 61, "too_long"),
        ("Source", "s" * 201, "too_long"),
        ("Cause", "c" * 5001, "too_long"),
        ("Tags", "t" * 51, "too_long"),
    ],
)
def test_a_wrong_cell_is_said_where_it_stands(cast: SimpleNamespace, heading: str, cell: str, code: str) -> None:
    batch = planned(cast, sheet(["Title", heading], ["A risk", cell], ["Another", ""]))
    wrong, right = batch.rows.all()
    assert (wrong.verdict, [reason[0] for reason in wrong.reasons]) == ("error", [code])
    assert right.verdict == "create"
    headings = {column.key: str(column.heading) for column in register.columns()}
    said = import_messages.of_reasons(wrong.reasons, headings)[0]
    assert said["column"] == heading
    assert cell[:20] in said["text"]


def test_half_a_judgement_leaves_the_risk_unassessed(cast: SimpleNamespace) -> None:
    batch = applied(cast, sheet(["Title", "Likelihood", "Financial impact"], ["One", "3", ""], ["Two", "", "3"]))
    assert verdicts(batch) == [(2, "create", ["half_judged"]), (3, "create", ["half_judged"])]
    assert not Assessment.objects.exists()
    headings = {column.key: str(column.heading) for column in register.columns()}
    said = [import_messages.of_reasons(row.reasons, headings)[0]["column"] for row in batch.rows.all()]
    assert said == ["Likelihood", "Financial impact"]


def test_half_a_judgement_completes_the_one_that_stands(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    risk = make_risk("Price war", levels=(2, 3))
    batch = applied(cast, sheet(["Title", "Likelihood"], ["Price war", "4"]))
    assert verdicts(batch)[0][1] == "update"
    now = Assessment.objects.get(risk=risk, is_current=True)
    assert (now.likelihood_level, now.impact_levels) == (4, {"financial": 3})


def test_a_title_too_long_is_cut_and_kept_as_the_event(cast: SimpleNamespace) -> None:
    applied(cast, sheet(["Title", "Owner"], ["x" * 300, ""]))
    [risk] = Risk.objects.all()
    assert (risk.title, risk.event) == ("x" * 199 + "…", "x" * 300)


def test_an_unknown_owner_is_kept_in_the_notes(cast: SimpleNamespace) -> None:
    batch = applied(
        cast, sheet(["Title", "Owner", "Notes"], ["One", "Jane Doe", "As said"], ["Two", "max@example.com", ""])
    )
    one, two = Risk.objects.order_by("pk")
    assert (one.owner, one.notes) == (None, "As said\nOwner: Jane Doe")
    assert (two.owner, two.notes) == (cast.max, "")
    assert verdicts(batch) == [(2, "create", ["unknown_owner"]), (3, "create", [])]


def test_unknown_names_are_kept_beside_what_stands_there(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    risk = make_risk("As it was", external_ref="A1", notes="keep these notes", tags=["pumps"])
    rows = (["Risk ID", "Title", "Owner", "Category"], ["A1", "As it is", "Stranger", "Weather"])
    batch = applied(cast, sheet(*rows))
    assert batch.counts["update"] == 1
    risk.refresh_from_db()
    assert risk.title == "As it is"
    assert risk.notes == "keep these notes\nOwner: Stranger"
    assert risk.category.key == "competitor"
    assert sorted(tag.name for tag in risk.tags.all()) == ["Weather", "pumps"]
    assert applied(cast, sheet(*rows)).counts["update"] == 0


def test_the_same_risk_twice_in_a_file_is_said(cast: SimpleNamespace) -> None:
    rows = [["Own number", "Title"], ["A1", "One"], ["A1", "Two"], ["", "Three"], ["", "three"]]
    assert verdicts(planned(cast, sheet(*rows))) == [
        (2, "create", []),
        (3, "error", ["twice_in_file"]),
        (4, "create", []),
        (5, "error", ["twice_in_file"]),
    ]


def test_dates_are_read_in_the_order_chosen(cast: SimpleNamespace) -> None:
    data = sheet(["Title", "Identified on"], ["One", "6/8/2026"])
    for order, day in (("auto", "2026-08-06"), ("dmy", "2026-08-06"), ("mdy", "2026-06-08")):
        assert planned(cast, data, date_order=order).rows.get().values["identified_on"] == day


# --- risks that are there already ------------------------------------------------------------------------


def test_a_risk_is_known_by_its_own_number(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    risk = make_risk("Old title", external_ref="A7", notes="kept")
    applied(cast, sheet(["Own number", "Title"], ["A7", "New title"]))
    risk.refresh_from_db()
    assert (risk.title, risk.notes, risk.version, Risk.objects.count()) == ("New title", "kept", 2, 1)


def test_a_risk_is_known_by_its_reference(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    risk, other = make_risk("Old title"), make_risk("New title")
    applied(cast, sheet(["Reference", "Title"], [risk.reference, "New title"]))
    assert titles() == ["New title", "New title"]
    other.refresh_from_db()
    assert other.version == 1


def test_a_risk_is_known_by_its_title_where_nothing_else_tells(
    cast: SimpleNamespace, make_risk: Callable[..., Risk]
) -> None:
    risk = make_risk("Price war")
    applied(cast, sheet(["Title", "Cause"], ["PRICE WAR", "Overcapacity"], ["Price peace", "None"]))
    risk.refresh_from_db()
    assert (risk.title, risk.cause) == ("PRICE WAR", "Overcapacity")
    assert titles() == ["PRICE WAR", "Price peace"]


def test_a_risk_twice_by_reference_is_changed_once(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    risk = make_risk("Old title", external_ref="A7")
    rows = [["Reference", "Own number", "Title"], ["", "A7", "One"], [risk.reference, "A8", "Two"]]
    assert verdicts(planned(cast, sheet(*rows))) == [(2, "update", []), (3, "error", ["twice_in_file"])]


def test_own_numbers_can_be_exchanged(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    one, two = make_risk("One", external_ref="1"), make_risk("Two", external_ref="2")
    rows = [[one.reference, "2", "One"], [two.reference, "1", "Two"], ["", "3", "Three"]]
    before = table()
    batch = applied(cast, sheet(["Reference", "Own number", "Title"], *rows))
    assert list(Risk.objects.order_by("pk").values_list("external_ref", flat=True)) == ["2", "1", "3"]
    taken_back(batch)
    assert table() == before


def test_a_number_that_an_unseen_risk_has_gives_way_without_a_word(
    cast: SimpleNamespace, make_risk: Callable[..., Risk]
) -> None:
    make_risk("Secret", external_ref="1", confidential=True, owner=cast.mona)
    two = make_risk("Two", external_ref="2")
    rows = [["", "1", "One"], [two.reference, "1", "Two again"]]
    batch = applied(cast, sheet(["Reference", "Own number", "Title"], *rows[:1]))
    assert verdicts(batch) == [(2, "create", [])]
    assert verdicts(applied(cast, sheet(["Reference", "Own number", "Title"], *rows[1:]))) == [(2, "update", [])]
    assert sorted(Risk.objects.values_list("title", "external_ref")) == [
        ("One", ""),
        ("Secret", "1"),
        ("Two again", ""),
    ]


def test_the_risks_of_others_are_out_of_reach(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    theirs = make_risk("Merger", team=cast.hengyue, by=cast.hana, external_ref="H1", notes="very secret")
    other = make_risk("Layoffs", team=cast.hengyue, by=cast.hana)
    hidden = make_risk("Lawsuit", by=cast.mona, confidential=True, external_ref="C1", notes="very secret")
    before = [list(Risk.objects.filter(pk=risk.pk).values()) for risk in (theirs, other, hidden)]
    batch = applied(
        cast,
        sheet(
            ["Reference", "Own number", "Title", "Team"],
            [theirs.reference, "", "Taken over", "Hengyue"],
            ["", "H1", "Taken over", "Hengyue"],
            ["", "", "Merger", "Hengyue"],
            [other.reference, "", "Mine 1", ""],
            [hidden.reference, "", "Mine 2", "Northfield / Accounts"],
            ["", "", "Lawsuit", ""],
        ),
    )
    assert verdicts(batch) == [
        *[(number, "error", ["unknown_team"]) for number in (2, 3, 4)],
        *[(number, "create", []) for number in (5, 6, 7)],
    ]
    assert [list(Risk.objects.filter(pk=risk.pk).values()) for risk in (theirs, other, hidden)] == before
    for row in batch.rows.all():
        assert row.risk_id not in (theirs.pk, other.pk, hidden.pk)
        assert row.before is None
        assert "secret" not in str((row.values, row.reasons))
    assert sorted(titles(access.visible_risks(cast.max))) == ["Lawsuit", "Mine 1", "Mine 2"]


def test_a_risk_that_may_only_be_seen_is_an_error(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    set_role(user=cast.max, team=cast.hengyue, role="viewer")
    theirs = make_risk("Merger", team=cast.hengyue, by=cast.hana)
    batch = applied(cast, sheet(["Reference", "Title"], [theirs.reference, "Taken over"]))
    assert verdicts(batch) == [(2, "error", ["may_not_edit"])]
    assert titles() == ["Merger"]


def test_ones_own_risk_in_another_team_comes_back_from_the_export(
    cast: SimpleNamespace, make_risk: Callable[..., Risk]
) -> None:
    mine = make_risk("Merger", team=cast.hengyue, by=cast.hana, owner=cast.max)
    batch = applied(
        cast, sheet(["Reference", "Title", "Team"], [mine.reference, "Take-over", "Hengyue"], ["", "New", "Hengyue"])
    )
    assert verdicts(batch) == [(2, "update", []), (3, "error", ["unknown_team"])]
    assert titles() == ["Take-over"]


# --- whole or not at all ---------------------------------------------------------------------------------

MANY = sheet(
    ["Own number", "Title", "Likelihood", "Financial impact", "Preventive measures"],
    *[[f"N{n}", f"Risk {n}", "3", "3", "Call"] for n in range(25)],
    ["A7", "Changed", "5", "5", "Visit"],
)


class Broken(Exception):
    pass


def breaks_at(monkeypatch: pytest.MonkeyPatch, name: str, call: int, error: BaseException) -> None:
    """Let the work of a function be done at that call, and the worker die right after it."""
    real, calls = getattr(imports, name), []

    def dying(*args: Any, **kwargs: Any) -> Any:
        calls.append(args)
        answer = real(*args, **kwargs)
        if len(calls) == call:
            raise error
        return answer

    monkeypatch.setattr(imports, name, dying)


@pytest.mark.parametrize("error", [Broken("mid-way"), SystemExit(1)], ids=["an error", "a kill"])
@pytest.mark.parametrize("place", [("_create", 2), ("_update", 1), ("_show", 1)], ids=lambda place: place[0])
def test_a_broken_off_import_shows_nothing_and_then_everything_once(
    cast: SimpleNamespace,
    make_risk: Callable[..., Risk],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    place: tuple[str, int],
) -> None:
    make_risk("Old title", external_ref="A7", levels=(2, 2))
    before = table()
    batch = planned(cast, MANY)
    imports.start(batch=batch, by=cast.max)
    monkeypatch.setattr(imports, "CHUNK", 10)
    breaks_at(monkeypatch, *place, error)

    if isinstance(error, SystemExit):
        with pytest.raises(SystemExit):
            jobs.run(batch.job, now_fn=timezone.now)
        assert not jobs.run(batch.job, now_fn=timezone.now)  # the lease of the dead worker still holds
    else:
        assert not jobs.run(batch.job, now_fn=timezone.now)
    batch.refresh_from_db()
    assert batch.state == "running"
    assert Risk.objects.filter(state="staged").exists()
    assert table() == before
    assert [titles(access.visible_risks(user)) for user in (cast.max, cast.mona, cast.ada)] == [["Old title"]] * 3
    assert not access.deletable_risks(cast.ada).filter(state="bin").exists()

    later = timezone.now() + dt.timedelta(hours=1)
    assert jobs.run(batch.job, now_fn=lambda: later)
    batch.refresh_from_db()
    assert batch.state == "done"
    assert titles() == ["Changed", *(f"Risk {n}" for n in range(25))]
    assert Assessment.objects.filter(is_current=True).count() == 26
    assert Response.objects.count() == 26
    assert not Risk.objects.filter(state="staged").exists()
    assert Risk.history.filter(history_type="+").count() == 26
    assert batch.rows.filter(applied=True).count() == 26
    assert Job.objects.get(kind="risks.tasks.apply_import").done == 26


def test_a_double_click_starts_one_job(cast: SimpleNamespace) -> None:
    batch = planned(cast, MIXED)
    stale = ImportBatch.objects.get(pk=batch.pk)
    imports.start(batch=batch, by=cast.max)
    imports.start(batch=stale, by=cast.max)
    assert Job.objects.count() == 1
    assert batch.job == stale.job == Job.objects.get(kind="risks.tasks.apply_import").pk
    assert jobs.run(batch.job, now_fn=timezone.now)
    imports.start(batch=ImportBatch.objects.get(pk=batch.pk), by=cast.max)
    assert Job.objects.count() == 1
    assert titles() == ["Sound", "Sound, too"]


def test_what_was_edited_since_the_preview_is_what_the_undo_brings_back(
    cast: SimpleNamespace, make_risk: Callable[..., Risk]
) -> None:
    risk = make_risk("Price war", external_ref="A7")
    batch = planned(cast, sheet(["Own number", "Title", "Cause"], ["A7", "Price war", "Overcapacity"]))
    risk.title = "Price skirmish"
    edit_risk(risk=risk, version=1, tags=[], at=timezone.now())
    before = table()
    imports.start(batch=batch, by=cast.max)
    assert jobs.run(batch.job, now_fn=timezone.now)
    assert titles() == ["Price war"]
    batch.refresh_from_db()
    assert taken_back(batch) == {"undone": 1, "kept": 0}
    assert table() == before


# --- undo ------------------------------------------------------------------------------------------------


def test_the_undo_leaves_the_register_as_it_was(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    jan = dt.datetime(2026, 1, 10, 9, tzinfo=dt.UTC)
    ajax = Customer.objects.create(name="Ajax", team=cast.accounts)
    risk = make_risk(
        "Price war",
        external_ref="A7",
        levels=(2, 3),
        at=jan,
        customer=ajax,
        tags=["pumps"],
        cause="Over\r\ncapacity",
        horizon_months=6,
    )
    for title in ("Call", "Visit"):
        response = Response(risk=risk, kind="preventive", title=title)
        save_response(response=response, actions=[Action(title="Book", effect=30, status="done")], at=jan)
    closed = make_risk("Strike", external_ref="A8", levels=(4, 4), at=jan)
    close_risk(risk=closed, outcome="occurred", note="In May", on=dt.date(2026, 5, 1), at=jan)
    make_risk("Bare", external_ref="A9")
    before = table()

    header = [
        "Own number", "Title", "Category", "Cause", "Customer", "Owner", "Team", "Confidential", "Horizon in months",
        "Tags", "Status", "Likelihood", "Financial impact", "Reputation impact", "Basis", "Evidence", "Assessed on",
        "Preventive measures", "Contingency measures",
    ]  # fmt: skip
    batch = applied(
        cast,
        sheet(
            header,
            ["A7", "Price peace", "market", "None", "Beta", "mona", "Northfield / Accounts", "yes", "24",
             "valves, pumps", "closed", "5", "5", "2", "historical", "Ten years", "2026-06-01", "Visit\nWrite", "Flee"],
            ["A8", "Strike", "", "", "", "", "", "", "", "", "open", "", "", "", "", "", "", "", ""],
            ["A9", "Bare", "customer", "C", "Beta", "max", "", "", "1", "x", "", "1", "1", "", "", "", "", "Ask", ""],
            ["A10", "New", "", "", "", "", "", "", "", "", "", "3", "3", "", "", "", "", "Call", ""],
        ),
        by=cast.mona,
    )  # fmt: skip
    assert batch.counts == {"read": 4, "create": 1, "update": 3, "skip": 0, "error": 0}
    assert len(table()) == 4
    assert taken_back(batch) == {"undone": 4, "kept": 0}
    assert table() == before
    batch.refresh_from_db()
    assert batch.state == "undone"
    assert (batch.counts["undone"], batch.counts["kept"]) == (4, 0)


def test_a_second_undo_does_nothing(cast: SimpleNamespace) -> None:
    batch = applied(cast, MIXED)
    assert taken_back(batch) == {"undone": 2, "kept": 0}
    assert taken_back(ImportBatch.objects.get(pk=batch.pk)) == {}
    assert titles() == []


def test_an_undone_import_can_be_made_again(cast: SimpleNamespace) -> None:
    first = applied(cast, UWA.read_bytes())
    before = [row[1:] for row in table()]
    taken_back(first)
    applied(cast, UWA.read_bytes())
    assert [row[1:] for row in table()] == before


def test_the_undo_keeps_what_was_worked_on_since(cast: SimpleNamespace, make_risk: Callable[..., Risk]) -> None:
    make_risk("Old 1", external_ref="A1", levels=(1, 1))
    make_risk("Old 2", external_ref="A2", levels=(1, 1))
    make_risk("Old 3", external_ref="A3", levels=(1, 1))
    rows = [[f"A{n}", f"New {n}", "2", "2"] for n in range(1, 7)]
    batch = applied(cast, sheet(["Own number", "Title", "Likelihood", "Financial impact"], *rows))
    now = {risk.external_ref: risk for risk in Risk.objects.live()}
    for number in ("A1", "A4"):  # edited since
        now[number].notes = "worked on"
        edit_risk(risk=now[number], version=now[number].version, tags=[], at=timezone.now())
    for number in ("A2", "A5"):  # judged since
        judgement = Judgement(now[number].pk, 5, {"financial": 5}, "expert", "", timezone.localdate())
        assess_risk(risk=now[number], by=cast.max, judgement=judgement, at=timezone.now())
    assert taken_back(batch) == {"undone": 2, "kept": 4}
    assert sorted(titles()) == ["New 1", "New 2", "New 4", "New 5", "Old 3"]
    assert Assessment.objects.get(risk=now["A2"], is_current=True).likelihood_level == 5
    assert Assessment.objects.get(risk=now["A3"], is_current=True).likelihood_level == 1


def test_an_undo_after_a_deletion_does_not_mind(cast: SimpleNamespace) -> None:
    batch = applied(cast, MIXED)
    delete_risk(risk=Risk.objects.get(title="Sound"))
    assert taken_back(batch) == {"undone": 1, "kept": 0}
    assert titles() == []


# --- discard ---------------------------------------------------------------------------------------------


def test_a_discarded_import_leaves_nothing(cast: SimpleNamespace) -> None:
    imports.discard(batch=planned(cast, MIXED))
    assert [model.objects.count() for model in (ImportBatch, ImportRow, Risk)] == [0, 0, 0]


def test_an_import_that_was_given_up_can_be_discarded(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = planned(cast, MANY)
    imports.start(batch=batch, by=cast.max)
    monkeypatch.setattr(imports, "CHUNK", 10)
    breaks_at(monkeypatch, "_create", 2, Broken("mid-way"))
    assert not jobs.run(batch.job, now_fn=timezone.now)
    batch.refresh_from_db()
    imports.discard(batch=batch)  # it will be tried again, so it cannot be discarded yet
    assert ImportBatch.objects.filter(pk=batch.pk).exists()
    assert not imports.stuck(batch)
    Job.objects.update(state="dead", finished_at=timezone.now())
    assert imports.stuck(batch)
    imports.discard(batch=batch)
    assert [model.objects.count() for model in (ImportBatch, ImportRow)] == [0, 0]
    assert not Risk.objects.exclude(state="staged").exists()
    assert not access.deletable_risks(cast.ada).exists()


def test_an_import_in_force_cannot_be_discarded(cast: SimpleNamespace) -> None:
    batch = applied(cast, MIXED)
    imports.discard(batch=batch)
    assert ImportBatch.objects.filter(pk=batch.pk).exists()
    assert titles() == ["Sound", "Sound, too"]
