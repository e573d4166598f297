"""Mails as a real mail server gets them over the wire, and what a mail program then does with them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from email.message import EmailMessage
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from monitoring import notices
from monitoring.models import Delivery, Digest, Preference, Review, Severity, Subscription
from monitoring.notices import Happening
from riskreg.accounts.models import User
from risks.models import Risk
from tests.monitoring.mail_server import MailServer
from tests.monitoring.sending import deliver, send, subscribe, work
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
pytestmark = [pytest.mark.usefixtures("monday_morning"), pytest.mark.once]

FLAG = {"flag": 1, "before": 40.0, "after": 55.0, "since": "2026-02-20"}
ONE_CLICK = {"List-Unsubscribe": "One-Click"}


class Shown(HTMLParser):
    """What a mail program would fetch by itself, where it would lead, and what it says."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if tag in ("img", "link", "script", "iframe", "object", "embed", "video", "audio", "source", "form"):
            self.fetched.append(tag)
        self.fetched += [f"{tag} {name}" for name in ("src", "srcset", "background", "poster") if name in named]
        if tag == "a":
            self.links.append(named["href"])

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def parts(message: EmailMessage) -> tuple[str, str]:
    """The text and the HTML of a mail; there is nothing else in it."""
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert (text.get_content_type(), html.get_content_type()) == ("text/plain", "text/html")
    return text.get_content(), html.get_content()


def unsubscribe_link(message: EmailMessage) -> str:
    """The path of the one-click link, as RFC 8058 has a mail program find it."""
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    found = re.fullmatch(r"<(https?://[^<>\s]+)>", message["List-Unsubscribe"].strip())
    assert found
    return urlsplit(found[1]).path


@pytest.fixture
def digest(make_risk: MakeRisk, cast: SimpleNamespace, mail_server: MailServer) -> EmailMessage:
    """Max's digest over a few risks, one of them due for review, as his mail program reads it."""
    for n in range(5):
        make_risk(f"价格战 <b>{n}</b> & more", levels=(3, 3), at=NOW - 100 * DAY)
    subscribe(cast.max)
    assert send() == ["sent"]
    [taken] = mail_server.taken
    assert taken.to == ["max@example.com"]
    return taken.read()


@pytest.fixture
def notice(make_risk: MakeRisk, cast: SimpleNamespace, mail_server: MailServer) -> EmailMessage:
    """The mail of a flag on a risk with a Chinese title, to Max, who reads Chinese."""
    User.objects.filter(pk=cast.max.pk).update(language="zh-hans")
    tell(make_risk("华东地区水泵价格战"), cast.max)
    assert deliver() == ["sent"]
    [taken] = mail_server.taken
    assert taken.to == ["max@example.com"]
    return taken.read()


def tell(risk: Risk, user: User, key: str = "flag:1") -> None:
    happening = Happening("flag", key, frozenset([user.pk]), Severity.HIGH, risk.pk, details=FLAG)
    notices.tell([happening], at=NOW)


MAILS = ["digest", "notice"]


@pytest.fixture
def message(request: pytest.FixtureRequest) -> EmailMessage:
    found = request.getfixturevalue(request.param)
    assert isinstance(found, EmailMessage)
    return found


each_mail = pytest.mark.parametrize("message", MAILS, indirect=True)


# --- what arrives ------------------------------------------------------------------------------------------


@each_mail
def test_arrives_whole_as_text_and_as_html(message: EmailMessage, mail_server: MailServer) -> None:
    text, html = parts(message)
    [taken] = mail_server.taken
    assert max(len(line) for line in taken.raw.split(b"\r\n")) <= 998  # what RFC 5322 lets a line be
    assert html.rstrip().endswith("</html>")
    assert message.defects == []
    assert (message["From"], message["To"]) == ("Sales risk register <riskreg@localhost>", "max@example.com")
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime.replace(tzinfo=dt.UTC) == NOW
    assert text.strip()


def test_the_html_says_what_the_text_says(digest: EmailMessage) -> None:
    text, html = parts(digest)
    words = "".join(Shown(html).words)
    for n in range(5):
        title = f"价格战 <b>{n}</b> & more"
        assert title in text
        assert title in words


@each_mail
def test_fetches_nothing_and_leads_nowhere_else(message: EmailMessage, settings: Any) -> None:
    text, html = parts(message)
    shown = Shown(html)
    assert shown.fetched == []
    assert not re.search(r"url\(|@import|@font-face", html, re.IGNORECASE)
    assert shown.links
    everywhere = [*shown.links, *re.findall(r"https?://\S+", text)]
    assert {f"{urlsplit(link).scheme}://{urlsplit(link).netloc}" for link in everywhere} == {settings.SITE_URL}


def test_a_chinese_subject_and_text_arrive_as_they_were_written(notice: EmailMessage, mail_server: MailServer) -> None:
    subject = str(notice["Subject"]).strip()
    assert "“华东地区水泵价格战”" in subject
    assert "�" not in subject
    header = re.search(rb"^Subject:.*?(?=^\S)", mail_server.taken[0].raw, re.MULTILINE | re.DOTALL)
    assert header
    assert header[0].isascii()  # encoded as RFC 2047 wants it, not raw
    text, html = parts(notice)
    assert subject in text
    assert subject in "".join(Shown(html).words)


def test_a_long_subject_on_several_lines_is_one_again(
    make_risk: MakeRisk, cast: SimpleNamespace, mail_server: MailServer
) -> None:
    title = "水泵价格战与渠道冲突 " * 12
    tell(make_risk(title.strip()), cast.max)
    deliver()
    subject = str(mail_server.taken[0].read()["Subject"]).strip()
    assert subject.startswith("“" + title[:100])
    assert "\n" not in subject


def test_no_title_can_put_in_a_header(make_risk: MakeRisk, cast: SimpleNamespace, mail_server: MailServer) -> None:
    tell(make_risk("Prices\r\nBcc: everybody@example.com\r\n\r\nfall"), cast.max)
    assert deliver() == ["sent"]
    [taken] = mail_server.taken
    message = taken.read()
    assert (taken.to, message["Bcc"]) == (["max@example.com"], None)
    assert "Prices Bcc: everybody@example.com fall" in str(message["Subject"])


# --- as the same -------------------------------------------------------------------------------------------


def test_each_mail_has_its_own_message_id(digest: EmailMessage, cast: SimpleNamespace, mail_server: MailServer) -> None:
    assert digest["Message-ID"] == Digest.objects.get().message_id == f"<digest.{cast.max.pk}.2026-03-02@127.0.0.1>"
    tell(Risk.objects.all()[0], cast.max)
    deliver()
    assert mail_server.taken[1].read()["Message-ID"] == f"<notice.{Delivery.objects.get().pk}@127.0.0.1>"


def test_a_server_that_is_busy_gets_the_same_mail_later(cast: SimpleNamespace, mail_server: MailServer) -> None:
    mail_server.answers = ["451 Try again later"]
    subscribe(cast.max)
    assert send() == ["ready"]
    assert mail_server.taken == []
    assert Digest.objects.get().sent_at is None
    assert work(NOW + HOUR) == ["sent"]
    [taken] = mail_server.taken
    assert taken.read()["Message-ID"] == Digest.objects.get().message_id


def test_a_mail_that_was_taken_is_not_sent_again(digest: EmailMessage, mail_server: MailServer) -> None:
    assert send(NOW + HOUR) == []
    assert len(mail_server.taken) == 1


# --- one click ---------------------------------------------------------------------------------------------


def press(client: Client, link: str) -> int:
    """What a mail program does when its own button is pressed: RFC 8058, without cookies and without our form."""
    return client.post(link, ONE_CLICK).status_code


def test_following_the_link_of_a_digest_stops_nothing(digest: EmailMessage) -> None:
    """Mail scanners follow every link, even in the text."""
    client = Client(enforce_csrf_checks=True)
    text, html = parts(digest)
    everywhere = [*Shown(html).links, *re.findall(r"https?://\S+", text)]
    assert any(unsubscribe_link(digest) in link for link in everywhere)
    for link in [unsubscribe_link(digest), *(urlsplit(link).path for link in everywhere)]:
        for method in (client.get, client.head):
            assert method(link).status_code in (200, 302)  # 302 to the log-in
    assert Subscription.objects.get().active
    assert not Review.objects.exists()


def test_pressing_the_button_of_a_digest_stops_it(digest: EmailMessage, mail_server: MailServer) -> None:
    assert press(Client(enforce_csrf_checks=True), unsubscribe_link(digest)) == 200
    assert not Subscription.objects.get().active
    assert send(NOW + DAY) == []
    assert len(mail_server.taken) == 1


def test_following_the_link_of_a_notice_stops_nothing(notice: EmailMessage) -> None:
    client = Client(enforce_csrf_checks=True)
    answer = client.get(unsubscribe_link(notice))
    assert answer.status_code == 200
    assert not Preference.objects.exists()


def test_pressing_the_button_of_a_notice_stops_mails_of_its_kind_alone(
    notice: EmailMessage, cast: SimpleNamespace, mail_server: MailServer
) -> None:
    Subscription.objects.create(user=cast.max)
    assert press(Client(enforce_csrf_checks=True), unsubscribe_link(notice)) == 200
    risk = Risk.objects.get()
    tell(risk, cast.max, key="flag:2")
    beyond = Happening(
        "appetite", "appetite:1", frozenset([cast.max.pk]), Severity.URGENT, risk.pk, details={"score": 80.0}
    )
    notices.tell([beyond], at=NOW)
    assert deliver() == ["sent"]
    assert "华东地区水泵价格战" in str(mail_server.taken[1].read()["Subject"])
    assert Delivery.objects.order_by("-pk")[0].event.kind == "appetite"
    assert Subscription.objects.get().active


def test_pressing_twice_is_as_pressing_once(digest: EmailMessage) -> None:
    client = Client(enforce_csrf_checks=True)
    assert [press(client, unsubscribe_link(digest)) for _ in range(2)] == [200, 200]
    assert not Subscription.objects.get().active
