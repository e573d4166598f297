from __future__ import annotations

import datetime as dt

import pytest
import time_machine
from django.core.mail import EmailMessage, EmailMultiAlternatives, get_connection, send_mail

from riskreg.mail.backend import LocalInboxBackend
from riskreg.mail.models import LocalMessage

pytestmark = pytest.mark.django_db
AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)


@pytest.fixture
def backend(settings: object) -> LocalInboxBackend:
    settings.EMAIL_BACKEND = "riskreg.mail.backend.LocalInboxBackend"
    return get_connection()


def mail(*to: str, message_id: str | None = "<1@here>", **fields: object) -> EmailMultiAlternatives:
    headers = {"Message-ID": message_id} if message_id else {}
    return EmailMultiAlternatives(**{"subject": "Digest", "body": "text", "to": list(to), "headers": headers, **fields})


@time_machine.travel(AT, tick=False)
def test_keeps_what_would_be_sent(backend: LocalInboxBackend) -> None:
    message = mail("max@example.com")
    message.attach_alternative("<p>html</p>", "text/html")
    assert backend.send_messages([message]) == 1
    kept = LocalMessage.objects.get()
    assert (kept.to, kept.subject, kept.text, kept.html) == ("max@example.com", "Digest", "text", "<p>html</p>")
    assert (kept.message_id, kept.at, kept.read_at) == ("<1@here>", AT, None)


def test_every_recipient_gets_one(backend: LocalInboxBackend) -> None:
    message = mail("a@example.com", "Bo B <B@Example.com>", cc=["c@example.com"], bcc=["d@example.com"])
    assert backend.send_messages([message]) == 1
    assert sorted(LocalMessage.objects.values_list("to", flat=True)) == [f"{who}@example.com" for who in "abcd"]


def test_a_repeat_is_the_same_mail(backend: LocalInboxBackend) -> None:
    backend.send_messages([mail("max@example.com"), mail("max@example.com")])
    assert backend.send_messages([mail("MAX@example.com")]) == 1
    assert LocalMessage.objects.count() == 1


def test_the_same_mail_to_another_person_is_another(backend: LocalInboxBackend) -> None:
    backend.send_messages([mail("max@example.com"), mail("mona@example.com")])
    assert LocalMessage.objects.count() == 2


def test_mails_without_an_id_of_their_own_are_different(backend: LocalInboxBackend) -> None:
    backend.send_messages([mail("max@example.com", message_id=None), mail("max@example.com", message_id=None)])
    assert LocalMessage.objects.values("message_id").distinct().count() == 2


def test_a_mail_without_html_has_none(backend: LocalInboxBackend) -> None:
    calendar = mail("max@example.com", message_id="<2@here>")
    calendar.attach_alternative("BEGIN:VCALENDAR", "text/calendar")
    backend.send_messages([EmailMessage("Plain", "text", to=["max@example.com"]), calendar])
    assert list(LocalMessage.objects.order_by("pk").values_list("subject", "html")) == [("Plain", ""), ("Digest", "")]


def test_a_mail_to_nobody_is_kept_nowhere(backend: LocalInboxBackend) -> None:
    assert backend.send_messages([mail()]) == 1
    assert not LocalMessage.objects.exists()
    assert backend.send_messages([]) == 0


def test_djangos_own_mails_go_there_too(backend: LocalInboxBackend) -> None:
    assert send_mail("New password", "text", None, ["max@example.com"], html_message="<b>html</b>") == 1
    assert LocalMessage.objects.get().html == "<b>html</b>"
