"""Links in mails: looking does nothing, they end, and each opens one thing."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring.digests import unsubscribe_path
from monitoring.models import Preference, Review, Subscription
from riskreg.accounts import links
from risks.models import CoverSheet, Risk

MakeRisk = Callable[..., Risk]
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def risk(make_risk: MakeRisk) -> Risk:
    return make_risk("Prices fall", levels=(3, 3), at=NOW - 100 * DAY)


def review_link(risk: Risk, user_id: int) -> str:
    due = CoverSheet.objects.get(risk=risk).review_due
    token = links.make("review", user_id=user_id, subject=f"{risk.pk}:{due}", now=NOW)
    return reverse("monitoring:answer_review", args=[token])


def test_one_post_answers_the_review_and_voids_the_link(risk: Risk, cast: SimpleNamespace) -> None:
    client, link = Client(), review_link(risk, cast.max.pk)
    for method in (client.get, client.head, client.get):
        with CaptureQueriesContext(connection) as captured:
            assert method(link).status_code == 200
        assert [q["sql"] for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert "Prices fall" in client.get(link).content.decode()
    assert client.post(link, {"because": ""}).status_code == 200
    assert Review.objects.count() == 0
    assert client.post(link, {"because": "nothing has changed"}).status_code == 200
    review = Review.objects.get()
    assert (review.risk, review.reviewed_by, review.because) == (risk, cast.max, "nothing has changed")
    assert client.post(link, {"because": "again"}).status_code == 410
    assert Review.objects.count() == 1


def test_a_link_ends_after_two_weeks(risk: Risk, cast: SimpleNamespace) -> None:
    link = review_link(risk, cast.max.pk)
    with time_machine.travel(NOW + 14 * DAY, tick=False):
        assert Client().get(link).status_code == 200
    with time_machine.travel(NOW + 15 * DAY, tick=False):
        assert Client().post(link, {"because": "late"}).status_code == 410
    assert not Review.objects.exists()


@pytest.mark.parametrize("name", ["vera", "hana", "nobody"])
def test_it_gives_no_right_its_reader_does_not_have(risk: Risk, cast: SimpleNamespace, name: str) -> None:
    answer = Client().post(review_link(risk, getattr(cast, name).pk), {"because": "me"})
    assert answer.status_code == 410
    assert "Prices fall" not in answer.content.decode()
    assert not Review.objects.exists()


def test_who_was_deactivated_opens_nothing(risk: Risk, cast: SimpleNamespace) -> None:
    link = review_link(risk, cast.max.pk)
    cast.max.is_active = False
    cast.max.save()
    assert Client().get(link).status_code == 410


def test_a_link_for_one_purpose_opens_no_other(risk: Risk, cast: SimpleNamespace) -> None:
    token = unsubscribe_path(cast.max, "digest", now=NOW).rstrip("/").rsplit("/", 1)[1]
    assert Client().post(reverse("monitoring:answer_review", args=[token]), {"because": "x"}).status_code == 410
    assert Client().get(reverse("monitoring:answer_review", args=["nonsense"])).status_code == 410


def test_one_click_of_the_mail_program_stops_the_digest(cast: SimpleNamespace) -> None:
    """RFC 8058: a POST without cookies and without our form's token; a GET alone stops nothing."""
    Subscription.objects.create(user=cast.max)
    link = unsubscribe_path(cast.max, "digest", now=NOW)
    client = Client(enforce_csrf_checks=True)
    assert client.get(link).status_code == 200
    assert Subscription.objects.get().active
    assert client.post(link, "List-Unsubscribe=One-Click", "application/x-www-form-urlencoded").status_code == 200
    assert not Subscription.objects.get().active


def test_it_stops_the_mails_of_one_kind_of_event(cast: SimpleNamespace) -> None:
    link = unsubscribe_path(cast.max, "notice:flag", now=NOW)
    assert Client().post(link).status_code == 200
    wish = Preference.objects.get()
    assert (wish.user, wish.kind, wish.medium, wish.from_severity) == (cast.max, "flag", "mail", Preference.NEVER)
    assert Client().post(unsubscribe_path(cast.max, "notice:nothing", now=NOW)).status_code == 410
