"""Webhooks and mails on their way, to servers of this machine: signed, repeated under the same id, given up in time."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail

from monitoring import deliveries, notices
from monitoring.models import Delivery, Event, Indicator, Notice, Severity, Webhook
from monitoring.notices import Happening
from riskreg import outside
from riskreg.accounts.models import Membership, User
from riskreg.jobs.models import Job
from risks.models import Risk
from tests.monitoring.sending import break_at, deliver
from tests.monitoring.times import DAY, HOUR, NOW
from tests.riskreg.test_outside import Server

MakeRisk = Callable[..., Risk]
Serve = Callable[..., Server]
pytestmark = pytest.mark.usefixtures("monday_morning")

FLAG = {"flag": 1, "before": 40.0, "after": 55.0, "since": "2026-02-20"}
URGENT = Severity.URGENT


@pytest.fixture(autouse=True)
def allowed(settings: Any) -> None:
    """As an administrator does for a system in the house."""
    settings.OUTSIDE_ALLOWED_HOSTS = ["127.0.0.1"]


@pytest.fixture
def risk(make_risk: MakeRisk) -> Risk:
    return make_risk("Prices fall")


def hook_at(server: Server, **fields: Any) -> Webhook:
    fields = {"name": "ERP", "url": f"http://127.0.0.1:{server.port}/hook", "secret": deliveries.new_secret()} | fields
    return Webhook.objects.create(**fields)


def flag_on(risk: Risk, *to: User, key: str = "flag:1", severity: int = URGENT, at: dt.datetime = NOW) -> Event:
    """Tell of a flag; the event of it."""
    happening = Happening("flag", key, frozenset(user.pk for user in to), severity, risk.pk, details=FLAG)
    notices.tell([happening], at=at)
    return Event.objects.get(key=key)


def attempts(times: int, *, since: dt.datetime = NOW) -> list[str]:
    """Let a worker look every hour, which is longer than any pause between two attempts."""
    return [outcome for n in range(times) for outcome in deliver(since + n * HOUR)]


def called(server: Server) -> list[str]:
    """The ids under which a webhook was called."""
    return [headers["webhook-id"] for _path, headers, _body in server.seen]


# --- signed ------------------------------------------------------------------------------------------------


def test_a_call_is_signed_after_the_standard_webhooks_specification(risk: Risk, serve: Serve) -> None:
    server = serve()
    hook = hook_at(server)
    event = flag_on(risk)
    assert deliver() == ["sent"]
    [(path, headers, body)] = server.seen
    assert (path, headers["Content-Type"]) == ("/hook", "application/json")
    assert headers["webhook-id"] == f"evt_{event.pk}"
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    # Worked out here by hand, as a receiver does.
    prefix, secret = hook.secret.split("_")
    assert prefix == "whsec"
    signed = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
    expected = base64.b64encode(hmac.digest(base64.b64decode(secret), signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.once
def test_the_specifications_own_example_comes_out() -> None:
    signature = deliveries.signature(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        message_id="msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp=1614265330,
        body=b'{"test": 2432232314}',
    )
    assert signature == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@pytest.mark.once
def test_every_secret_is_another_of_256_bits() -> None:
    secrets = {deliveries.new_secret() for _ in range(10)}
    assert len(secrets) == 10
    assert {len(base64.b64decode(secret.removeprefix("whsec_"))) for secret in secrets} == {32}


def test_says_what_happened_to_which_risk_and_where_to_look(risk: Risk, serve: Serve, settings: Any) -> None:
    server = serve()
    hook_at(server)
    event = flag_on(risk)
    deliver()
    assert json.loads(server.seen[0][2]) == {
        "type": "risk_register.flag",
        "timestamp": NOW.isoformat(),
        "data": {
            "severity": "urgent",
            "url": f"{settings.SITE_URL}/flags/1/",
            "details": FLAG,
            "risk": {"id": risk.pk, "reference": risk.reference, "team": "Accounts", "title": "Prices fall"},
            "text": "“Prices fall” drifts: about 40 until 20 Feb 2026, 55 since.",
        },
    }
    assert event.kind == "flag"


def test_the_name_of_a_confidential_risk_does_not_leave(make_risk: MakeRisk, serve: Serve) -> None:
    server = serve()
    hook_at(server)
    hidden = make_risk("Secret takeover", confidential=True)
    flag_on(hidden)
    deliver()
    body = server.seen[0][2].decode()
    assert "takeover" not in body
    assert json.loads(body)["data"]["risk"] == {"id": hidden.pk, "reference": hidden.reference, "team": "Accounts"}


def test_the_title_of_an_action_against_a_confidential_risk_does_not_leave(make_risk: MakeRisk, serve: Serve) -> None:
    server = serve()
    hook_at(server)
    details = {"title": "Stop the secret takeover", "due": "2026-03-01"}
    risk = make_risk("Another", confidential=True)
    notices.tell([Happening("action", "action:1", frozenset(), URGENT, risk.pk, details=details)], at=NOW)
    deliver()
    assert "takeover" not in server.seen[0][2].decode()


def test_tells_of_an_indicator_by_name(cast: SimpleNamespace, serve: Serve) -> None:
    server = serve()
    hook_at(server)
    indicator = Indicator.objects.create(name="满意度", team=cast.accounts, warning=4, limit=2)
    details = {"level": "limit", "value": 1.5, "unit": "points"}
    notices.tell(
        [Happening("limit", "limit:1", frozenset(), URGENT, indicator_id=indicator.pk, details=details)], at=NOW
    )
    deliver()
    data = json.loads(server.seen[0][2])["data"]
    assert data["indicator"] == {"id": indicator.pk, "name": "满意度"}
    assert data["text"] == "“满意度” is beyond its limit: 1.5 points."


# --- again, as the same ------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 307, 400, 401, 404, 410, 429, 500, 503])
def test_what_is_not_taken_is_tried_again_under_the_same_id(risk: Risk, serve: Serve, status: int) -> None:
    server = serve(status)
    hook = hook_at(server)
    event = flag_on(risk)
    assert deliver() == ["ready"]
    delivery = Delivery.objects.get()
    assert (delivery.sent_at, delivery.error) == (None, f"It answered with status {status}.")
    assert deliver(NOW + HOUR) == ["sent"]
    delivery.refresh_from_db()
    assert (delivery.sent_at, delivery.error) == (NOW + HOUR, "")
    assert called(server) == [f"evt_{event.pk}"] * 2
    assert [headers["webhook-timestamp"] for _, headers, _ in server.seen] == [
        str(int(at.timestamp())) for at in (NOW, NOW + HOUR)
    ]
    assert server.seen[0][2] == server.seen[1][2]
    hook.refresh_from_db()
    assert hook.failures == 0


def test_no_answer_in_time_is_tried_again(risk: Risk, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(outside.post.__kwdefaults__, "limits", outside.Limits(connect=0.3, total=0.3))

    def hang(request: BaseHTTPRequestHandler) -> None:
        request.stop.wait(8)  # type: ignore[attr-defined]

    server = serve(hang)
    hook_at(server)
    event = flag_on(risk)
    assert deliver() == ["ready"]
    assert Delivery.objects.get().error == "No whole answer within 0.3 seconds."
    assert deliver(NOW + HOUR) == ["sent"]
    assert called(server) == [f"evt_{event.pk}"] * 2


def test_nobody_there_is_tried_again(risk: Risk, serve: Serve) -> None:
    gone = serve()
    hook_at(gone)
    gone.end()
    flag_on(risk)
    assert deliver() == ["ready"]
    assert Delivery.objects.get().error == "The connection failed: Connection refused."


def test_killed_after_the_call_it_repeats_the_same_id(
    risk: Risk, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve()
    hook_at(server)
    event = flag_on(risk)
    break_at(monkeypatch, 1)
    assert [deliver(), deliver(NOW + HOUR)] == [["ready"], ["sent"]]
    assert called(server) == [f"evt_{event.pk}"] * 2


def test_what_was_sent_is_not_sent_again(risk: Risk, serve: Serve) -> None:
    server = serve()
    hook_at(server)
    flag_on(risk)
    assert deliver() == ["sent"]
    Job.objects.update(state="ready", finished_at=None, result=None)
    assert deliver(NOW + HOUR) == ["was sent"]
    assert len(server.seen) == 1


def test_each_webhook_is_called_for_itself(risk: Risk, serve: Serve) -> None:
    well, ill = serve(), serve(500)
    hook_at(well)
    hook_at(ill)
    flag_on(risk)
    assert sorted(deliver()) == ["ready", "sent"]
    assert deliver(NOW + HOUR) == ["sent"]
    assert (len(well.seen), len(ill.seen)) == (1, 2)


# --- given up in time --------------------------------------------------------------------------------------


def test_after_ten_failures_in_a_row_it_is_switched_off_and_administrators_are_told(
    risk: Risk, cast: SimpleNamespace, serve: Serve
) -> None:
    server = serve(*[500] * 20)
    hook = hook_at(server)
    for n in range(3):
        flag_on(risk, key=f"flag:{n}")
    assert attempts(5) == ["ready"] * 9 + ["dead", "not wanted", "not wanted"] + ["sent"]  # the mail to ada
    hook.refresh_from_db()
    assert (len(server.seen), hook.failures) == (10, 10)
    assert hook.disabled_at is not None
    assert hook.last_error == "It answered with status 500."
    [notice] = Notice.objects.all()
    assert (notice.user, notice.event.kind) == (cast.ada, "address")
    assert notice.event.details == {"name": "ERP", "reason": "It answered with status 500.", "is_webhook": True}
    [message] = mail.outbox
    assert message.to == ["ada@example.com"]
    assert "“ERP” was switched off" in message.subject
    assert "/webhooks/" in message.body
    # The attempt that switched it off was the last of its job, and says why; nothing new is put in.
    assert Job.objects.dead().get().error == "It answered with status 500."
    flag_on(risk, key="flag:9")
    assert attempts(6, since=NOW + DAY) == []


def test_a_success_begins_the_count_anew(risk: Risk, serve: Serve) -> None:
    hook = hook_at(serve(500, 500, 204, 500), failures=7)
    flag_on(risk)
    counts = []
    for n in range(3):
        deliver(NOW + n * HOUR)
        hook.refresh_from_db()
        counts.append(hook.failures)
    flag_on(risk, key="flag:2", at=NOW + DAY)
    deliver(NOW + DAY)
    hook.refresh_from_db()
    assert [*counts, hook.failures] == [8, 9, 0, 1]
    assert hook.disabled_at is None


def test_two_who_fail_at_once_switch_it_off_once(risk: Risk, cast: SimpleNamespace, serve: Serve) -> None:
    hook = hook_at(serve(500, 500), failures=9)
    first, second = (flag_on(risk, key=f"flag:{n}") for n in (1, 2))
    both = list(Delivery.objects.select_related("webhook", "event__risk__team").order_by("pk"))
    for delivery, event in zip(both, (first, second), strict=True):
        assert delivery.event == event
        with pytest.raises((deliveries.NotDelivered, deliveries.PermanentFailure)):
            deliveries._call(delivery, delivery.webhook, now=NOW)  # as two workers that looked before it was off
    hook.refresh_from_db()
    assert hook.disabled_at == NOW
    assert Notice.objects.filter(event__kind="address").count() == 1


# --- where it may not go -----------------------------------------------------------------------------------


def test_a_private_address_nobody_allowed_is_not_called(risk: Risk, serve: Serve, settings: Any) -> None:
    settings.OUTSIDE_ALLOWED_HOSTS = []
    server = serve()
    hook_at(server, url=f"http://127.0.0.1:{server.port}/")
    hook_at(server, url="http://127.0.0.1/")
    flag_on(risk)
    assert deliver() == ["ready", "ready"]
    assert server.seen == []
    assert sorted(Delivery.objects.values_list("error", flat=True)) == [
        "127.0.0.1 is not a public address. An administrator can allow it.",
        "Only the ports 80 and 443 may be called.",
    ]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(risk: Risk, serve: Serve, status: int) -> None:
    inner = serve()

    def redirect(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        request.send_header("Location", f"http://127.0.0.1:{inner.port}/secret")
        request.send_header("Content-Length", "0")
        request.end_headers()

    outer = serve(redirect)
    hook_at(outer)
    flag_on(risk)
    assert deliver() == ["ready"]
    assert (len(outer.seen), inner.seen) == (1, [])


# --- mail --------------------------------------------------------------------------------------------------


def test_a_mail_says_it_in_one_sentence_and_links_to_where_it_can_be_answered(
    risk: Risk, cast: SimpleNamespace, settings: Any
) -> None:
    event = flag_on(risk, cast.max)
    assert deliver() == ["sent"]
    [message] = mail.outbox
    says = "“Prices fall” drifts: about 40 until 20 Feb 2026, 55 since."
    assert (message.to, message.subject) == (["max@example.com"], says)
    delivery = Delivery.objects.get()
    assert message.extra_headers["Message-ID"] == f"<notice.{delivery.pk}@127.0.0.1>"
    html = message.alternatives[0].content
    assert says in message.body
    assert says in html
    assert f"{settings.SITE_URL}/flags/1/" in message.body
    assert f'href="{settings.SITE_URL}/flags/1/"' in html
    assert event.pk == delivery.event_id


def test_a_mail_is_in_her_language_and_with_her_dates(risk: Risk, cast: SimpleNamespace) -> None:
    User.objects.filter(pk=cast.max.pk).update(language="zh-hans")
    flag_on(risk, cast.max, cast.mona)
    deliver()
    by_address = {message.to[0]: message for message in mail.outbox}
    assert "drifts" in by_address["mona@example.com"].body
    hers = by_address["max@example.com"]
    assert "Prices fall" in hers.subject
    assert "drifts" not in hers.subject + hers.body
    assert re.search(r"[一-鿿]", hers.subject)
    assert '<html lang="zh-hans">' in hers.alternatives[0].content


def test_reminders_and_what_is_passed_on_say_so(risk: Risk, cast: SimpleNamespace) -> None:
    flag_on(risk, cast.max)
    subjects = []
    for n in range(4):
        notices.remind(now=NOW + n * DAY)
        deliver(NOW + n * DAY)
        subjects.append((mail.outbox[-1].to[0], mail.outbox[-1].subject.split(" ")[0]))
    assert subjects == [
        ("max@example.com", "“Prices"),
        ("max@example.com", "Reminder:"),
        ("max@example.com", "Reminder:"),
        ("mona@example.com", "Passed"),
    ]
    assert "You hear of it because Max did not answer." in mail.outbox[-1].body
    assert len({message.extra_headers["Message-ID"] for message in mail.outbox}) == 4


def test_a_mail_broken_off_after_sending_is_repeated_as_the_same(
    risk: Risk, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    flag_on(risk, cast.max)
    break_at(monkeypatch, 1)
    assert [deliver(), deliver(NOW + HOUR)] == [["ready"], ["sent"]]
    first, second = mail.outbox
    assert (first.to, first.subject, first.body) == (second.to, second.subject, second.body)
    assert (first.extra_headers, first.alternatives) == (second.extra_headers, second.alternatives)


UNWANTED: dict[str, Callable[[User, Risk], object]] = {
    "she is no longer here": lambda user, risk: User.objects.filter(pk=user.pk).update(is_active=False),
    "she has no address": lambda user, risk: User.objects.filter(pk=user.pk).update(email=""),
    "she may not see it": lambda user, risk: Membership.objects.filter(user=user).delete(),
    "the risk is in the bin": lambda user, risk: Risk.objects.filter(pk=risk.pk).update(state="bin"),
}


@pytest.mark.parametrize("reason", UNWANTED)
def test_what_became_unwanted_on_its_way_is_not_sent(risk: Risk, cast: SimpleNamespace, reason: str) -> None:
    flag_on(risk, cast.vera)
    UNWANTED[reason](cast.vera, risk)
    assert deliver() == ["not wanted"]
    assert mail.outbox == []


def test_a_reminder_of_what_was_settled_meanwhile_is_not_sent(risk: Risk, cast: SimpleNamespace) -> None:
    flag_on(risk, cast.max)
    assert deliver() == ["sent"]
    notices.remind(now=NOW + DAY)
    notices.settle(["flag:1"], at=NOW + DAY)
    assert deliver(NOW + DAY) == ["not wanted"]
    assert len(mail.outbox) == 1


def test_the_first_word_is_sent_even_when_it_is_settled_already(risk: Risk, cast: SimpleNamespace) -> None:
    flag_on(risk, cast.max)
    notices.settle(["flag:1"], at=NOW)
    assert deliver() == ["sent"]


def test_a_delivery_that_is_gone_is_no_failure(risk: Risk, cast: SimpleNamespace) -> None:
    flag_on(risk, cast.max)
    Delivery.objects.all().delete()
    assert deliver() == ["not wanted"]
