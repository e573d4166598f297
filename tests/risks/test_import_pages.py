"""Importing and typing through the pages; wrong input gets a word at its place, and nothing is half written."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assessments.models import Assessment
from crm.models import Customer
from responses.models import Action, Response
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs import bell
from riskreg.jobs.models import Job
from risks.models import Category, ImportBatch, ImportRow, Risk, ScoreEntry, Tag

pytestmark = pytest.mark.django_db

WRITTEN = (Risk, Customer, Tag, Assessment, ScoreEntry, Response, Action, ImportBatch, ImportRow, Job)
ABSURD = ["0", "-1", "1.5", "1e9", "1" + "0" * 400, "10^400", "NaN", "Infinity", "\0", "x" * 5000]
NO_DAYS = ["0000-00-00", "0000-01-01", "2026-02-30", "99999", "99999-01-01", "soon", "\0", "1" * 400]


@pytest.fixture(autouse=True)
def _silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "ring", lambda _job_id: True)


@pytest.fixture
def max_(cast: SimpleNamespace, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(cast.max)


def state() -> list[int]:
    return [model.objects.count() for model in WRITTEN] + [Risk.history.count()]


def content_of(risk: Risk) -> dict[str, Any]:
    return Risk.objects.filter(pk=risk.pk).values().get()


def messages_of(response: HttpResponse) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# --- the way of a file -----------------------------------------------------------------------------------


def sheet(*rows: Sequence[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue().encode()


SMALL = sheet(
    ["Risk", "How likely", "Likelihood", "Impact"],
    ["Price war", "yes", "3", "4"],
    ["Strike", "no", "9", "4"],
    ["", "", "1", "1"],
)
CHOICES = {"date_order": "auto", "fallback_category": "process"}


def upload(client: Client, data: bytes, name: str = "register.csv", **more: Any) -> HttpResponse:
    team = more.pop("team", None) or client.get(reverse("risks:import")).context["form"]["team"].value()
    file = SimpleUploadedFile(name, data)
    return client.post(reverse("risks:import"), {"file": file, "team": team, **more})


def uploaded(client: Client, data: bytes = SMALL) -> ImportBatch:
    upload(client, data)
    return ImportBatch.objects.get()


def choose(client: Client, batch: ImportBatch, **more: str) -> HttpResponse:
    mapping = {f"column_{index}": key for index, key in batch.mapping.items()}
    return client.post(reverse("risks:import_columns", args=[batch.pk]), {**CHOICES, **mapping, **more})


def test_from_the_file_to_the_register_and_back(max_: Client) -> None:
    response = upload(max_, SMALL)
    batch = ImportBatch.objects.get()
    assert response.url == reverse("risks:import_columns", args=[batch.pk])

    page = max_.get(response.url)
    assert [column["heading"] for column in page.context["columns"]] == ["Risk", "How likely", "Likelihood", "Impact"]
    assert [column["field"].value() for column in page.context["columns"]] == [
        "title",
        None,
        "likelihood",
        "impact.financial",
    ]
    assert page.context["columns"][0]["samples"] == ["Price war", "Strike"]

    response = choose(max_, batch)
    show = reverse("risks:import_show", args=[batch.pk])
    assert response.url == show
    page = max_.get(show)
    assert [row.verdict for row in page.context["rows"]] == ["create", "error", "skip"]
    text = page.content.decode()
    assert "“9” is no level of this scale." in text
    assert "No title, so nothing to take in." in text
    assert "Import 1 risk" in text
    assert [row.number for row in max_.get(show, {"verdict": "error"}).context["rows"]] == [3]
    assert not Risk.objects.exists()

    assert max_.post(reverse("risks:import_apply", args=[batch.pk])).url == show
    assert "Importing …" in max_.get(show).content.decode()
    batch.refresh_from_db()
    assert not Risk.objects.exists()
    assert jobs.run(batch.job, now_fn=timezone.now)
    assert "1 risk was added, 0 changed." in max_.get(show).content.decode()
    assert "Price war" in max_.get(reverse("risks:register")).content.decode()

    response = max_.post(reverse("risks:import_undo", args=[batch.pk]), follow=True)
    assert messages_of(response) == ["1 risk was taken back."]
    assert "This import was undone." in response.content.decode()
    assert "Price war" not in max_.get(reverse("risks:register")).content.decode()


def test_the_columns_can_be_chosen_anew_until_it_is_applied(max_: Client) -> None:
    batch = uploaded(max_)
    choose(max_, batch)
    choose(max_, batch, column_2="", column_3="")
    assert [row.verdict for row in batch.rows.all()] == ["create", "create", "skip"]
    max_.post(reverse("risks:import_apply", args=[batch.pk]))
    batch.refresh_from_db()
    jobs.run(batch.job, now_fn=timezone.now)
    response = choose(max_, batch)
    assert response.url == reverse("risks:import_show", args=[batch.pk])
    assert list(Risk.objects.order_by("pk").values_list("title", flat=True)) == ["Price war", "Strike"]


def test_a_double_click_starts_one_job(max_: Client) -> None:
    batch = uploaded(max_)
    choose(max_, batch)
    for _ in range(2):
        assert max_.post(reverse("risks:import_apply", args=[batch.pk])).status_code == 302
    assert Job.objects.count() == 1


def test_all_or_nothing_is_refused_with_a_word(max_: Client) -> None:
    batch = uploaded(max_)
    choose(max_, batch, all_or_nothing="on")
    response = max_.post(reverse("risks:import_apply", args=[batch.pk]), follow=True)
    assert messages_of(response) == ["Some rows are wrong, and you asked for all or nothing. Nothing was imported."]
    assert not Job.objects.exists()


def test_a_discarded_import_is_gone(max_: Client) -> None:
    before = state()
    batch = uploaded(max_)
    choose(max_, batch)
    response = max_.post(reverse("risks:import_discard", args=[batch.pk]), follow=True)
    assert messages_of(response) == ["The import is discarded; nothing was changed."]
    assert state() == before
    assert max_.get(reverse("risks:import_show", args=[batch.pk])).status_code == 404


def test_the_import_of_another_is_not_there(cast: SimpleNamespace, sign_in: Callable[[User], Client]) -> None:
    batch = uploaded(sign_in(cast.max))
    hana = sign_in(cast.hana)
    for name in ("show", "columns"):
        assert hana.get(reverse(f"risks:import_{name}", args=[batch.pk])).status_code == 404
    for name in ("columns", "apply", "undo", "discard"):
        assert hana.post(reverse(f"risks:import_{name}", args=[batch.pk])).status_code == 404
    assert ImportBatch.objects.get().state == "mapping"


def test_whoever_only_looks_cannot_import(cast: SimpleNamespace, sign_in: Callable[[User], Client]) -> None:
    for user in (cast.vera, cast.nobody):
        client = sign_in(user)
        assert client.get(reverse("risks:import")).status_code == 403
        assert upload(client, SMALL, team=cast.accounts.pk).status_code == 403
    assert not ImportBatch.objects.exists()


# --- files that are none ---------------------------------------------------------------------------------

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4
BINARY = "The file is neither CSV text nor an Excel workbook (.xlsx)."


def zipped(**members: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("empty.csv", b"", "The submitted file is empty."),
        ("blank.csv", b" \r\n\t\n,,,\n", "The file has no content."),
        ("commas.csv", b",,,\n,,,\n", "The file has no content."),
        ("picture.csv", PNG, BINARY),
        ("picture.xlsx", PNG, BINARY),
        ("letter.csv", b"%PDF-1.7\n" + bytes(range(256)), BINARY),
        ("archive.xlsx", zipped(letter=b"Dear all"), BINARY),
        ("broken.xlsx", b"PK\x03\x04" + b"\x01" * 500, "The file holds no table that can be read."),
        ("old.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), "This is an old Excel file (.xls)."),
        ("page.csv", b"<html><table><tr><td>A</td></tr></table></html>", "The file holds no table that can be read."),
        ("nul.csv", b"Title,Cause\nPrice\0war,x\n", BINARY),
        ("quote.csv", b'Title,Cause\n"Price war,x\n', "The quotation mark opened in line 2 is never closed properly."),
        ("register.exe", SMALL, "File extension “exe” is not allowed."),
        ("register", SMALL, "File extension “” is not allowed."),
        ("wide.csv", b"Title" + b",x" * 300 + b"\n", "The file has more than 200 columns."),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value[:13] else "",
)  # fmt: skip
def test_a_file_that_is_no_register_is_refused_at_its_field(max_: Client, name: str, data: bytes, said: str) -> None:
    before = state()
    response = upload(max_, data, name)
    assert response.status_code == 200
    [error] = response.context["form"].errors["file"]
    assert error.startswith(said)
    assert state() == before


def test_ten_megabytes_of_junk_are_refused(max_: Client) -> None:
    before = state()
    response = upload(max_, random.Random(7).randbytes(10 * 1024**2))
    assert response.context["form"].errors["file"] == [BINARY]
    assert state() == before


def test_a_file_too_large_is_refused(max_: Client) -> None:
    response = upload(max_, b"Title\n" + b"x" * 20 * 1024**2)
    assert response.context["form"].errors["file"] == ["The file is larger than 20 MB."]
    assert not ImportBatch.objects.exists()


def test_a_team_one_does_not_work_in_is_refused(cast: SimpleNamespace, max_: Client) -> None:
    for team in (cast.hengyue.pk, 10**30, "x", "\0"):
        response = upload(max_, SMALL, team=team)
        assert response.status_code == 200
        assert list(response.context["form"].errors) == ["team"]
    assert not ImportBatch.objects.exists()


def test_without_a_file_the_field_says_so(cast: SimpleNamespace, max_: Client) -> None:
    response = max_.post(reverse("risks:import"), {"team": cast.accounts.pk})
    assert response.context["form"].errors["file"] == ["This field is required."]


# --- columns that do not fit -----------------------------------------------------------------------------


def test_a_file_of_unknown_columns_needs_its_title_named(max_: Client) -> None:
    batch = uploaded(max_, sheet(["Foo", "Bar"], ["1", "2"]))
    assert batch.mapping == {}
    response = choose(max_, batch)
    assert response.status_code == 200
    assert response.context["form"].non_field_errors() == [
        "One column must be the title; without one there is nothing to call a risk."
    ]
    assert ImportBatch.objects.get().state == "mapping"
    assert choose(max_, batch, column_0="title").status_code == 302


@pytest.mark.parametrize("key", ["nonsense", "state", "import_batch", "x" * 5000, "\0"])
def test_a_meaning_that_does_not_exist_is_refused(max_: Client, key: str) -> None:
    batch = uploaded(max_)
    response = choose(max_, batch, column_1=key)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["column_1"]
    assert not ImportRow.objects.exists()


def test_two_columns_of_one_meaning_are_refused(max_: Client) -> None:
    batch = uploaded(max_)
    response = choose(max_, batch, column_1="title")
    assert response.context["form"].errors == {"column_1": ["Another column has this meaning already."]}
    assert "Another column has this meaning already." in response.content.decode()
    assert ImportBatch.objects.get().state == "mapping"


@pytest.mark.parametrize(("field", "value"), [("date_order", "dym"), ("fallback_category", "none"), ("date_order", "")])
def test_a_choice_that_was_not_offered_is_refused(max_: Client, field: str, value: str) -> None:
    batch = uploaded(max_)
    response = choose(max_, batch, **{field: value})
    assert list(response.context["form"].errors) == [field]
    assert not ImportRow.objects.exists()


def test_only_an_administrator_may_add_categories(max_: Client) -> None:
    batch = uploaded(max_, sheet(["Title", "Category"], ["One", "Weather"]))
    choose(max_, batch, create_categories="on")
    assert ImportBatch.objects.get().options["create_categories"] is False


def test_columns_beyond_the_file_are_ignored(max_: Client) -> None:
    batch = uploaded(max_)
    choose(max_, batch, column_99="cause", column_x="cause")
    assert ImportBatch.objects.get().mapping == batch.mapping


# --- typed by hand ---------------------------------------------------------------------------------------


def risk_fields(cast: SimpleNamespace, **more: Any) -> dict[str, Any]:
    return {
        "title": "Price war",
        "category": Category.objects.get(key="competitor").pk,
        "team": cast.accounts.pk,
        "horizon_months": "12",
        "identified_on": "2026-08-01",
        **more,
    }


WRONG_RISKS = [
    *[("horizon_months", value) for value in [*ABSURD, "121", ""]],
    *[("identified_on", value) for value in [*NO_DAYS, ""]],
    *[("title", value) for value in ["", "   ", "Price\0war", "x" * 201, "x" * 10**6]],
    *[("category", value) for value in ["", "0", "-1", "999999", "1" + "0" * 400, "x", "\0"]],
    *[("team", value) for value in ["", "hengyue", "999999", "1" + "0" * 400, "x", "\0"]],
    *[("owner", value) for value in ["hana", "999999", "1" + "0" * 400, "x", "\0"]],
    *[("cause", value) for value in ["c" * 5001, "\0"]],
    ("notes", "n" * 20001),
    ("source", "s" * 201),
    ("external_ref", "n" * 61),
    ("tag_names", "t" * 51),
    ("tag_names", "a, \0"),
    ("customer_name", "c" * 201),
    ("customer_name", "\0"),
]


def shown(value: Any) -> str:
    return ascii(value)[:20]


def with_ids(cast: SimpleNamespace, value: Any) -> Any:
    return getattr(cast, value).pk if value in ("hengyue", "hana") else value


@pytest.mark.parametrize(("field", "value"), WRONG_RISKS, ids=shown)
def test_a_new_risk_with_something_wrong_is_not_written(
    cast: SimpleNamespace, max_: Client, field: str, value: str
) -> None:
    before = state()
    response = max_.post(reverse("risks:new"), risk_fields(cast, **{field: with_ids(cast, value)}))
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert state() == before


@pytest.mark.parametrize(("field", "value"), WRONG_RISKS, ids=shown)
def test_an_edit_with_something_wrong_is_not_written(
    cast: SimpleNamespace, max_: Client, make_risk: Callable[..., Risk], field: str, value: str
) -> None:
    risk = make_risk("As it was")
    before = (state(), content_of(risk))
    fields = risk_fields(cast, version="1") | {field: with_ids(cast, value)}
    response = max_.post(reverse("risks:edit", args=[risk.pk]), fields)
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert (state(), content_of(risk)) == before


@pytest.mark.parametrize("version", ["", "0", "2", "-1", "x", "1" + "0" * 400, "\0"])
def test_an_edit_of_another_version_is_not_written(
    cast: SimpleNamespace, max_: Client, make_risk: Callable[..., Risk], version: str
) -> None:
    risk = make_risk("As it was")
    before = (state(), content_of(risk))
    response = max_.post(reverse("risks:edit", args=[risk.pk]), risk_fields(cast, version=version))
    assert response.status_code in (200, 409)
    assert (state(), content_of(risk)) == before


def test_a_number_the_team_has_already_is_refused(
    cast: SimpleNamespace, max_: Client, make_risk: Callable[..., Risk]
) -> None:
    make_risk(external_ref="A7")
    risk = make_risk("Another")
    before = (state(), content_of(risk))
    for address in (reverse("risks:new"), reverse("risks:edit", args=[risk.pk])):
        response = max_.post(address, risk_fields(cast, external_ref="A7", version="1"))
        assert response.status_code == 200
        assert response.context["form"].errors
    assert (state(), content_of(risk)) == before


@pytest.mark.parametrize("day", ["0001-01-01", "1899-12-31", "2201-01-01", "9999-12-31"])
def test_a_day_no_file_could_bring_back_is_refused(cast: SimpleNamespace, max_: Client, day: str) -> None:
    response = max_.post(reverse("risks:new"), risk_fields(cast, identified_on=day))
    assert response.status_code == 200
    assert list(response.context["form"].errors) == ["identified_on"]
    assert not Risk.objects.exists()


def test_tags_are_divided_as_in_a_file(cast: SimpleNamespace, max_: Client) -> None:
    max_.post(reverse("risks:new"), risk_fields(cast, tag_names="pumps; valves；seals，gaskets, bolts"))
    assert [tag.name for tag in Tag.objects.order_by("name")] == ["bolts", "gaskets", "pumps", "seals", "valves"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("title", value) for value in ["", "  ", "\0", "x" * 201, "x" * 10**6]],
        *[("category", value) for value in ["", "0", "1" + "0" * 400, "x", "\0"]],
        *[("team", value) for value in ["", "hengyue", "1" + "0" * 400, "x", "\0"]],
    ],
    ids=shown,
)
def test_a_capture_with_something_wrong_is_answered_with_a_word(
    cast: SimpleNamespace, max_: Client, field: str, value: str
) -> None:
    before = state()
    wrong = {"title": "Price war", "category": Category.objects.first().pk, "team": cast.accounts.pk}
    response = max_.post(reverse("risks:capture"), wrong | {field: with_ids(cast, value)}, follow=True)
    assert response.redirect_chain == [(reverse("risks:register"), 302)]
    assert len(messages_of(response)) == 1
    assert state() == before


ASSESSED = {"likelihood": "2", "financial": "3", "basis": "expert", "evidence": "", "assessed_on": "2026-08-01"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[(name, value) for name in ("likelihood", "financial") for value in ["", "99", "six", *ABSURD]],
        *[("reputation", value) for value in ["99", *ABSURD]],
        *[("assessed_on", value) for value in ["", "2999-01-01", "1899-12-31", "0001-01-01", *NO_DAYS]],
        *[("basis", value) for value in ["", "a hunch", "\0"]],
        *[("evidence", value) for value in ["e" * 5001, "\0"]],
    ],
    ids=shown,
)
def test_an_assessment_with_something_wrong_is_not_written(
    max_: Client, make_risk: Callable[..., Risk], field: str, value: str
) -> None:
    risk = make_risk()
    before = state()
    response = max_.post(reverse("assessments:assess", args=[risk.pk]), ASSESSED | {field: value})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert state() == before


def test_an_assessment_with_levels_missing_names_them(max_: Client, make_risk: Callable[..., Risk]) -> None:
    response = max_.post(reverse("assessments:assess", args=[make_risk().pk]), {"basis": "expert"})
    assert set(response.context["form"].errors) == {"likelihood", "financial", "assessed_on"}
    assert not Assessment.objects.exists()


RESPONSE = {"kind": "preventive", "title": "Call", "confidence": "80"}
ACTIONS = {
    "actions-TOTAL_FORMS": "1",
    "actions-INITIAL_FORMS": "0",
    "actions-0-title": "Book",
    "actions-0-status": "planned",
    "actions-0-cost": "0",
    "actions-0-effect": "20",
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "magic"),
        *[("title", value) for value in ["", "\0", "x" * 201]],
        *[("confidence", value) for value in ["", "101", "-1", "0", "1e9", "1" + "0" * 400, "NaN", "\0"]],
        *[("description", value) for value in ["d" * 5001, "\0"]],
        ("trigger", "t" * 501),
    ],
    ids=shown,
)
def test_a_response_with_something_wrong_is_not_written(
    max_: Client, make_risk: Callable[..., Risk], field: str, value: str
) -> None:
    risk = make_risk()
    before = state()
    response = max_.post(reverse("responses:new", args=[risk.pk]), RESPONSE | ACTIONS | {field: value})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert state() == before


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("effect", value) for value in ["", "400", "96", "-1", "1" + "0" * 400, "NaN", "x", "\0"]],
        *[("cost", value) for value in ["", "-1", "NaN", "sNaN", "Infinity", "1" + "0" * 400, "1e400", "0.001", "\0"]],
        *[("due", value) for value in NO_DAYS],
        *[("owner", value) for value in ["hana", "1" + "0" * 400, "x", "\0"]],
        *[("status", value) for value in ["", "dreamt"]],
        *[("title", value) for value in ["x" * 201, "Bo\0ok"]],
    ],
    ids=shown,
)
def test_an_action_with_something_wrong_is_not_written(
    cast: SimpleNamespace, max_: Client, make_risk: Callable[..., Risk], field: str, value: str
) -> None:
    risk = make_risk()
    before = state()
    wrong = RESPONSE | ACTIONS | {f"actions-0-{field}": with_ids(cast, value)}
    response = max_.post(reverse("responses:new", args=[risk.pk]), wrong)
    assert response.status_code == 200
    assert [list(errors) for errors in response.context["formset"].errors] == [[field]]
    assert state() == before


@pytest.mark.parametrize(
    "counts",
    [{}, {"actions-TOTAL_FORMS": "x"}, {"actions-TOTAL_FORMS": "60"}, {"actions-INITIAL_FORMS": "5"}],
    ids=str,
)
def test_a_response_whose_rows_are_miscounted_is_no_failure(
    max_: Client, make_risk: Callable[..., Risk], counts: dict[str, str]
) -> None:
    address = reverse("responses:new", args=[make_risk().pk])
    response = max_.post(address, RESPONSE | (ACTIONS | counts if counts else {}))
    assert response.status_code == 200
    assert not Response.objects.exists()


def test_rows_far_beyond_the_most_are_not_even_made(max_: Client, make_risk: Callable[..., Risk]) -> None:
    address = reverse("responses:new", args=[make_risk().pk])
    response = max_.post(address, RESPONSE | ACTIONS | {"actions-TOTAL_FORMS": "100"})
    assert len(response.context["formset"].forms) <= 60


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *[("outcome", value) for value in ["", "who knows", "\0"]],
        *[("closed_on", value) for value in ["", "2999-01-01", *NO_DAYS]],
        *[("note", value) for value in ["n" * 5001, "\0"]],
    ],
    ids=shown,
)
def test_a_risk_is_not_closed_with_something_wrong(
    max_: Client, make_risk: Callable[..., Risk], field: str, value: str
) -> None:
    risk = make_risk(levels=(3, 3))
    before = (state(), content_of(risk))
    closing = {"outcome": "occurred", "closed_on": "2026-08-01", "note": ""}
    response = max_.post(reverse("risks:close", args=[risk.pk]), closing | {field: value})
    assert response.status_code == 200
    assert list(response.context["form"].errors) == [field]
    assert (state(), content_of(risk)) == before


# --- half a pair of surrogates ---------------------------------------------------------------------------


def send_escaped(client: Client, address: str, fields: dict[str, Any]) -> HttpResponse:
    """A charset may be named in which even half a pair of surrogates can be sent."""
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'.encode()
        + str(value).encode("unicode_escape")
        + b"\r\n"
        for name, value in fields.items()
    ]
    body = b"".join([*parts, b"--x--\r\n"])
    return client.generic("POST", address, body, content_type="multipart/form-data; charset=unicode_escape; boundary=x")


def test_bytes_that_are_no_text_are_replaced(max_: Client, cast: SimpleNamespace) -> None:
    fields = "&".join(f"{name}={value}" for name, value in risk_fields(cast).items() if name != "title")
    for title in ("%ED%A0%80", "Price%ED%A0%80war", "%FF%FE"):
        body = f"title={title}&{fields}"
        assert (
            max_.post(reverse("risks:new"), body, content_type="application/x-www-form-urlencoded").status_code == 302
        )
    assert all("\ufffd" in risk.title for risk in Risk.objects.all())
    assert max_.get(reverse("risks:register")).status_code == 200


@pytest.mark.parametrize("field", ["title", "cause", "tag_names", "customer_name", "external_ref", "horizon_months"])
def test_half_a_pair_of_surrogates_is_no_failure(max_: Client, cast: SimpleNamespace, field: str) -> None:
    response = send_escaped(max_, reverse("risks:new"), risk_fields(cast, **{field: "a\ud800b"}))
    assert response.status_code in (200, 400)
    assert not Risk.objects.exists()


def test_addresses_with_absurd_numbers_are_not_there(max_: Client) -> None:
    for number in ("1" + "0" * 30, "1" + "0" * 4000):
        for path in (f"/risks/{number}/", f"/risks/{number}/edit/", f"/risks/import/{number}/"):
            assert max_.get(path).status_code == 404
