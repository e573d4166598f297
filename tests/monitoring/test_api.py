"""Readings through the API and from files: every row is right, or nothing is recorded and each mistake is named."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from monitoring.models import Indicator, Reading
from riskreg.accounts import tokens
from riskreg.accounts.models import User


@pytest.fixture
def indicator(cast: SimpleNamespace) -> Indicator:
    return Indicator.objects.create(name="Win rate", unit="%", team=cast.accounts, warning=30, limit=20)


def call(user: User, body: Any, *, may_write: bool = True) -> Any:
    _, secret = tokens.create(user=user, name="Script", may_write=may_write, days=30, now=timezone.now())
    headers = {"Authorization": f"Bearer {secret}"}
    return Client(enforce_csrf_checks=True).post(
        reverse("monitoring:api_readings"), body, content_type="application/json", headers=headers
    )


def test_readings_are_recorded(indicator: Indicator, cast: SimpleNamespace) -> None:
    rows = [
        {"indicator": indicator.pk, "at": "2026-01-05T08:00:00Z", "value": 25},
        {"indicator": "win rate", "at": "2026-01-12", "value": "22 %", "note": "after the fair"},
    ]
    answer = call(cast.max, {"readings": rows})
    assert (answer.status_code, answer.json()) == (201, {"new": 2, "corrected": 0, "same": 0})
    last, first = Reading.objects.order_by("-at")
    assert (first.value, first.at) == (25, dt.datetime(2026, 1, 5, 8, tzinfo=dt.UTC))
    assert (last.value, last.note, last.source, last.recorded_by) == (22, "after the fair", "api", cast.max)
    assert call(cast.max, {"readings": rows}).json() == {"new": 0, "corrected": 0, "same": 2}


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ({"indicator": "Nothing"}, "indicator"),
        ({"value": "much"}, "value"),
        ({"value": None}, "value"),
        ({"value": 1e300}, "value"),
        ({"at": "soon"}, "at"),
        ({"at": "2999-01-01"}, "at"),
        ({"at": None}, "at"),
        ({"note": "x" * 501}, "note"),
    ],
)
def test_one_wrong_row_keeps_all_out(indicator: Indicator, cast: SimpleNamespace, row: Any, field: str) -> None:
    good = {"indicator": indicator.pk, "at": "2026-01-05", "value": 25}
    answer = call(cast.max, {"readings": [good, {**good, "at": "2026-01-06", **row}]})
    assert answer.status_code == 422
    assert [(p["row"], p["field"]) for p in answer.json()["problems"]] == [(2, field)]
    assert not Reading.objects.exists()


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"readings": 5}', '{"readings": [5]}', '{"readings": [{"at": []}]}'])
def test_another_shape_is_refused(cast: SimpleNamespace, body: str) -> None:
    assert call(cast.max, body).status_code == 400


def test_a_token_gives_its_owners_rights_and_no_more(indicator: Indicator, cast: SimpleNamespace) -> None:
    rows = {"readings": [{"indicator": indicator.pk, "at": "2026-01-05", "value": 25}]}
    assert [call(user, rows).status_code for user in (cast.vera, cast.hana, cast.nobody)] == [422, 422, 422]
    assert call(cast.max, rows, may_write=False).status_code == 403
    assert Client().post(reverse("monitoring:api_readings")).status_code == 401
    assert not Reading.objects.exists()


def test_lists_the_indicators_one_may_see(indicator: Indicator, cast: SimpleNamespace) -> None:
    def names(user: User) -> list[str]:
        _, secret = tokens.create(user=user, name="Script", may_write=False, days=30, now=timezone.now())
        answer = Client().get(reverse("monitoring:api_indicators"), headers={"Authorization": f"Bearer {secret}"})
        return [one["name"] for one in answer.json()["indicators"]]

    assert [names(user) for user in (cast.vera, cast.hana)] == [["Win rate"], []]


def test_a_file_is_taken_whole_or_not_at_all(
    indicator: Indicator, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    def upload(text: str) -> str:
        file = SimpleUploadedFile("readings.csv", text.encode())
        return (
            sign_in(cast.max).post(reverse("monitoring:import_readings"), {"file": file}, follow=True).content.decode()
        )

    page = upload("Indicator;Date;Value\nWin rate;5.1.2026;25\nWin rate;12.1.2026;a lot\n")
    assert "1 row cannot be read" in page
    assert "“a lot” is no number that can be used." in page
    assert not Reading.objects.exists()
    assert "must name the columns" in upload("Name;Wert\nWin rate;1\n")
    assert "2 new readings." in upload("指标,日期,数值\nWin rate,2026-01-05,25\nWin rate,2026-01-12,22\n")
    assert list(Reading.objects.order_by("at").values_list("value", "source")) == [(25, "file"), (22, "file")]
