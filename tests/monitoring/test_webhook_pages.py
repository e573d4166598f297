"""Webhooks as administrators keep them: wrong addresses are refused at their field, secrets shown once."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from monitoring import deliveries
from monitoring.models import Severity, Webhook
from riskreg.accounts.models import User
from tests.monitoring.times import NOW
from tests.riskreg.test_outside import Server

SignIn = Callable[[User], Client]
Serve = Callable[..., Server]
pytestmark = [pytest.mark.usefixtures("monday_morning"), pytest.mark.once]

PUBLIC = "https://93.184.216.34/hook"


@pytest.fixture
def ada(cast: SimpleNamespace, sign_in: SignIn) -> Client:
    return sign_in(cast.ada)


def add(client: Client, **fields: Any) -> HttpResponse:
    fields = {"name": "ERP", "url": PUBLIC, "from_severity": Severity.HIGH} | fields
    answer: HttpResponse = client.post(reverse("monitoring:add_webhook"), fields)
    return answer


def kept(**fields: Any) -> Webhook:
    fields = {"name": "ERP", "url": PUBLIC, "secret": deliveries.new_secret()} | fields
    return Webhook.objects.create(**fields)


def said(answer: HttpResponse) -> list[str]:
    return [str(message) for message in answer.context["messages"]]


def test_the_secret_is_shown_once_after_it_was_made(ada: Client) -> None:
    answer = add(ada, kinds=["flag", "limit"])
    assert (answer.status_code, answer["Location"]) == (302, reverse("monitoring:webhooks"))
    hook = Webhook.objects.get()
    assert (hook.name, hook.url, hook.kinds, hook.from_severity) == ("ERP", PUBLIC, ["flag", "limit"], Severity.HIGH)
    assert hook.secret.startswith("whsec_")
    pages = [ada.get(reverse("monitoring:webhooks")).content.decode() for _ in range(2)]
    assert [hook.secret in page for page in pages] == [True, False]
    assert "ERP" in pages[1]


def test_the_secret_is_kept_sealed(ada: Client) -> None:
    add(ada)
    secret = Webhook.objects.get().secret
    with connection.cursor() as cursor:
        cursor.execute("SELECT secret FROM monitoring_webhook")
        stored = cursor.fetchone()[0]
    assert secret.removeprefix("whsec_") not in stored


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://127.0.0.1/", "127.0.0.1 is not a public address. An administrator can allow it."),
        ("http://[::1]/", "::1 is not a public address. An administrator can allow it."),
        ("http://169.254.169.254/latest/meta-data", "169.254.169.254 is not a public address."),
        ("http://10.1.2.3/hook", "10.1.2.3 is not a public address."),
        ("https://93.184.216.34:8443/hook", "Only the ports 80 and 443 may be called."),
        ("https://max:secret@93.184.216.34/hook", "The address may hold no user name and no password."),
        ("https://93.184.216.34/hook#part", "The address may hold no part after #."),
        ("ftp://93.184.216.34/hook", "The address must begin with https:// or http://."),
        ("nonsense", "Enter a valid URL."),
        ("", "This field is required."),
    ],
)
def test_a_wrong_address_is_an_error_at_its_field(ada: Client, url: str, error: str) -> None:
    answer = add(ada, url=url)
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["url"]
    assert answer.context["form"].errors["url"][0].startswith(error)
    assert not Webhook.objects.exists()
    assert "new_webhook_secret" not in ada.session


def test_an_inner_address_is_taken_once_the_settings_allow_it(ada: Client, settings: Any) -> None:
    settings.OUTSIDE_ALLOWED_HOSTS = ["127.0.0.1:8081"]
    assert add(ada, url="http://127.0.0.1:8081/hook").status_code == 302
    assert add(ada, url="http://127.0.0.1:8082/hook").status_code == 200
    assert Webhook.objects.get().url == "http://127.0.0.1:8081/hook"


def test_editing_keeps_the_secret_and_does_not_show_it(ada: Client) -> None:
    hook = kept(kinds=["flag"], failures=3)
    url = reverse("monitoring:edit_webhook", args=[hook.pk])
    page = ada.get(url)
    assert page.context["form"]["kinds"].value() == ["flag"]
    assert hook.secret not in page.content.decode()
    answer = ada.post(url, {"name": "CRM", "url": PUBLIC + "2", "from_severity": Severity.NORMAL}, follow=True)
    assert said(answer) == ["“CRM” is saved."]
    assert hook.secret not in answer.content.decode()
    after = Webhook.objects.get()
    assert (after.name, after.url, after.kinds, after.failures) == ("CRM", PUBLIC + "2", [], 3)
    assert after.secret == hook.secret


def test_what_only_administrators_hear_cannot_be_chosen(ada: Client) -> None:
    answer = add(ada, kinds=["job"])
    assert list(answer.context["form"].errors) == ["kinds"]


def test_a_test_call_is_signed_and_switches_it_on_again(ada: Client, serve: Serve, settings: Any) -> None:
    settings.OUTSIDE_ALLOWED_HOSTS = ["127.0.0.1"]
    server = serve()
    hook = kept(url=f"http://127.0.0.1:{server.port}/", failures=10, last_error="boom", disabled_at=NOW)
    answer = ada.post(reverse("monitoring:try_webhook", args=[hook.pk]), follow=True)
    assert said(answer) == ["The address took the test."]
    [(_path, headers, body)] = server.seen
    assert json.loads(body) == {"type": "risk_register.test", "timestamp": NOW.isoformat(), "data": {}}
    assert headers["webhook-signature"] == deliveries.signature(
        hook.secret, message_id=headers["webhook-id"], timestamp=int(NOW.timestamp()), body=body
    )
    hook.refresh_from_db()
    assert (hook.failures, hook.last_error, hook.disabled_at) == (0, "", None)


def test_a_test_that_fails_says_why_and_changes_nothing(ada: Client, serve: Serve, settings: Any) -> None:
    settings.OUTSIDE_ALLOWED_HOSTS = ["127.0.0.1"]
    server = serve(503)
    hook = kept(url=f"http://127.0.0.1:{server.port}/", failures=10, disabled_at=NOW)
    answer = ada.post(reverse("monitoring:try_webhook", args=[hook.pk]), follow=True)
    assert said(answer) == ["It did not work: It answered with status 503."]
    hook.refresh_from_db()
    assert (hook.failures, hook.disabled_at) == (10, NOW)


def test_a_test_goes_nowhere_a_delivery_may_not_go(ada: Client, serve: Serve) -> None:
    server = serve()
    hook = kept(url=f"http://127.0.0.1:{server.port}/")
    answer = ada.post(reverse("monitoring:try_webhook", args=[hook.pk]), follow=True)
    assert said(answer) == ["It did not work: Only the ports 80 and 443 may be called."]
    assert server.seen == []


def test_the_list_says_how_it_is_with_each(ada: Client) -> None:
    kept(name="Well")
    kept(name="Ill", failures=3, last_error="No whole answer.")
    kept(name="Off", failures=10, last_error="Gone away.", disabled_at=NOW)
    page = ada.get(reverse("monitoring:webhooks")).content.decode()
    assert "3 failures in a row: No whole answer." in page
    assert "switched off after too many failures: Gone away." in page


def test_a_webhook_is_deleted(ada: Client) -> None:
    hook, other = kept(), kept(name="Other")
    answer = ada.post(reverse("monitoring:delete_webhook", args=[hook.pk]), follow=True)
    assert said(answer) == ["The webhook is deleted."]
    assert list(Webhook.objects.all()) == [other]
