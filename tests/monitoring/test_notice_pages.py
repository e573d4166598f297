"""The inbox, and what a person wants to hear and where."""

from __future__ import annotations

import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from monitoring import notices
from monitoring.digests import unsubscribe_path
from monitoring.happenings import KINDS
from monitoring.models import Channel, Indicator, Notice, Preference, Severity
from monitoring.notices import Happening
from riskreg.accounts.models import Membership, User
from risks.models import Risk
from tests.monitoring.times import DAY, HOUR, NOW

MakeRisk = Callable[..., Risk]
SignIn = Callable[[User], Client]
pytestmark = pytest.mark.usefixtures("monday_morning")

FLAG = {"flag": 1, "before": 40.0, "after": 55.0, "since": "2026-02-20"}
FEISHU = "https://open.feishu.cn/open-apis/bot/v2/hook/abc-1"
INBOX, READ = "/notices/", "/notices/read/"


def tell(risk: Risk, *to: User, key: str = "flag:1", hours: int = 0, severity: int = Severity.HIGH) -> None:
    people = frozenset(user.pk for user in to)
    notices.tell([Happening("flag", key, people, severity, risk.pk, details=FLAG)], at=NOW + hours * HOUR)


def listed(client: Client, query: str = "") -> list[str]:
    return [notice.event.key for notice in client.get(INBOX + query).context["rows"]]


def bell(client: Client) -> int:
    """What the bell in the head of every page says is unread."""
    found = re.search(r'aria-label="Notices: (\d+) unread"', client.get("/").content.decode())
    assert found
    return int(found[1])


# --- the inbox ---------------------------------------------------------------------------------------------


def test_what_is_open_stands_there_newest_first_and_the_rest_under_all(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    for n in range(3):
        tell(risk, cast.max, key=f"flag:{n}", hours=n)
    notices.settle(["flag:1"], at=NOW + 5 * HOUR)
    assert listed(client) == ["flag:2", "flag:0"]
    assert listed(client, "?show=all") == ["flag:2", "flag:1", "flag:0"]
    assert listed(client, "?show=nonsense") == ["flag:2", "flag:0"]


def test_each_says_it_in_one_sentence_with_a_link_to_where_it_is_answered(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    tell(make_risk("Prices <b>fall</b>"), cast.max)
    html = sign_in(cast.max).get(INBOX).content.decode()
    says = "“Prices &lt;b&gt;fall&lt;/b&gt;” drifts: about 40 until 20 Feb 2026, 55 since."
    assert f'<a href="/flags/1/">{says}</a>' in html


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_event_has_its_words_and_its_page(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn, kind: str
) -> None:
    """From what is kept with the event alone; an event without its indicator is one of a risk."""
    risk = make_risk("Prices fall")
    details = {
        **FLAG, "level": "limit", "value": 1.5, "unit": "%", "score": 80.2, "due": "2026-03-01", "title": "Call them",
        "until": "2026-03-09", "job": "x.y", "reason": "boom", "name": "ERP", "is_webhook": True,
    }  # fmt: skip
    fields: dict[str, Any] = {"risk_id": risk.pk}
    if kind == "limit":
        indicator = Indicator.objects.create(name="NPS", team=cast.accounts, warning=4, limit=2)
        fields = {"indicator_id": indicator.pk}
    if kind in ("job", "address"):
        fields = {}
    notices.tell([Happening(kind, f"{kind}:1", frozenset([cast.ada.pk]), details=details, **fields)], at=NOW)
    client = sign_in(cast.ada)
    answer = client.get(INBOX)
    [(page, says)] = re.findall(r'<div class="flex-fill"><a href="([^"]*)">(.*?)</a>', answer.content.decode())
    assert len(says) > 20
    assert "None" not in says
    if kind != "flag":  # of which there is none
        assert client.get(page).status_code == 200


def test_shows_what_is_hers_and_what_she_may_still_see(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    tell(make_risk(), cast.max, cast.vera)
    tell(make_risk(owner=cast.mona), cast.mona, key="flag:2")
    clients = {name: sign_in(getattr(cast, name)) for name in ("max", "vera", "mona", "ada")}
    assert {name: listed(client) for name, client in clients.items()} == {
        "max": ["flag:1"],
        "vera": ["flag:1"],
        "mona": ["flag:2"],
        "ada": [],  # she may see everything, but was told of nothing
    }
    Membership.objects.filter(user=cast.vera).delete()
    assert listed(clients["vera"], "?show=all") == []
    assert bell(clients["vera"]) == 0


def test_reading_one_leaves_the_others(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    for n in range(3):
        tell(risk, cast.max, key=f"flag:{n}", hours=n)
    assert bell(client) == 3
    one = Notice.objects.get(event__key="flag:1")
    answer = client.post(READ, {"notice": one.pk})
    assert (answer.status_code, answer["Location"]) == (302, INBOX)
    assert list(Notice.objects.filter(read_at=NOW)) == [one]
    assert bell(client) == 2
    assert len(listed(client)) == 3  # read is not settled


def test_all_read_reads_all_of_hers_and_nobody_elses(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    tell(make_risk(), cast.max, cast.mona)
    tell(make_risk(), cast.max, cast.mona, key="flag:2")
    client = sign_in(cast.max)
    client.post(READ)
    assert set(Notice.objects.filter(read_at=NOW).values_list("user__username", flat=True)) == {"max"}
    assert bell(client) == 0
    assert "All read" not in client.get(INBOX).content.decode()


def test_somebody_elses_notice_is_not_read(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    tell(make_risk(), cast.mona)
    tell(make_risk(), cast.max, key="flag:2")
    sign_in(cast.max).post(READ, {"notice": Notice.objects.get(user=cast.mona).pk})
    assert not Notice.objects.exclude(read_at=None).exists()


@pytest.mark.parametrize("pk", ["x", "-1", "1e3", "9" * 30])
def test_a_notice_that_is_none_reads_nothing(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn, pk: str
) -> None:
    tell(make_risk(), cast.max)
    assert sign_in(cast.max).post(READ, {"notice": pk}).status_code == 302
    assert Notice.objects.get().read_at is None


def test_when_it_was_read_stays_as_it_was(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    tell(make_risk(), cast.max)
    Notice.objects.update(read_at=NOW - DAY)
    sign_in(cast.max).post(READ)
    assert Notice.objects.get().read_at == NOW - DAY


def test_looking_reads_nothing(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    tell(make_risk(), cast.max)
    client = sign_in(cast.max)
    client.get(INBOX)
    assert client.get(READ).status_code == 405
    assert Notice.objects.get().read_at is None


def test_says_that_it_was_passed_on_and_how_often_it_was_said(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    tell(make_risk(), cast.max, severity=Severity.URGENT)
    for n in range(1, 4):
        notices.remind(now=NOW + n * DAY)
    assert "reminded 2 times" in sign_in(cast.max).get(INBOX).content.decode()
    assert "passed on, because Max did not answer" in sign_in(cast.mona).get(INBOX).content.decode()


def test_more_notices_cost_no_more_statements(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    client = sign_in(cast.max)

    def statements(first: int, number: int) -> int:
        for n in range(first, first + number):
            tell(make_risk(f"Risk {n}"), cast.max, key=f"flag:{n}")
        client.get(INBOX)
        with CaptureQueriesContext(connection) as captured:
            client.get(INBOX)
        return len(captured)

    assert statements(0, 1) == statements(10, 20)


# --- what she wants to hear --------------------------------------------------------------------------------


def wishes(client: Client) -> dict[str, int]:
    """What the form shows."""
    form = client.get(reverse("monitoring:preferences")).context["form"]
    return {name: int(form[name].value()) for name in form.fields}


def test_before_anything_is_said_the_usual_is_shown(cast: SimpleNamespace, sign_in: SignIn) -> None:
    shown = wishes(sign_in(cast.max))
    assert shown["flag_mail"] == Severity.HIGH
    assert shown["review_mail"] == Severity.URGENT
    assert shown["address_chat"] == Preference.NEVER
    assert set(shown) == {f"{kind}_{medium}" for kind in KINDS if kind != "job" for medium in ("mail", "chat")}


def test_administrators_also_choose_what_only_they_hear(cast: SimpleNamespace, sign_in: SignIn) -> None:
    assert {"job_mail", "job_chat"} <= set(wishes(sign_in(cast.ada)))


def test_wishes_are_saved_and_changed(cast: SimpleNamespace, sign_in: SignIn) -> None:
    client, url = sign_in(cast.max), reverse("monitoring:preferences")
    Preference.objects.create(user=cast.mona, kind="flag", medium="mail", from_severity=Severity.NORMAL)
    usual = wishes(client)
    for changed in ({"flag_mail": Preference.NEVER, "limit_chat": Severity.NORMAL}, {"flag_mail": Severity.URGENT}):
        answer = client.post(url, usual | changed, follow=True)
        assert [str(message) for message in answer.context["messages"]] == ["Your wishes are saved."]
        assert wishes(client) == usual | changed
    assert Preference.objects.filter(user=cast.max).count() == len(usual)
    assert Preference.objects.get(user=cast.mona).from_severity == Severity.NORMAL


@pytest.mark.parametrize("wrong", ["7", "x", "", None])
def test_a_wish_that_is_none_is_an_error_at_its_place_and_nothing_is_saved(
    cast: SimpleNamespace, sign_in: SignIn, wrong: str | None
) -> None:
    client = sign_in(cast.max)
    sent = {name: str(value) for name, value in wishes(client).items()}
    del sent["flag_mail"]
    answer = client.post(reverse("monitoring:preferences"), sent if wrong is None else sent | {"flag_mail": wrong})
    assert answer.status_code == 200
    assert list(answer.context["form"].errors) == ["flag_mail"]
    assert not Preference.objects.exists()


def test_what_a_mails_own_link_stopped_is_shown_as_never(cast: SimpleNamespace, sign_in: SignIn) -> None:
    Client().post(unsubscribe_path(cast.max, "notice:flag", now=NOW))
    shown = wishes(sign_in(cast.max))
    assert (shown["flag_mail"], shown["flag_chat"]) == (Preference.NEVER, Severity.HIGH)


# --- her chats ---------------------------------------------------------------------------------------------


def test_a_chats_address_is_kept_sealed_and_never_shown(cast: SimpleNamespace, sign_in: SignIn) -> None:
    client = sign_in(cast.max)
    fields = {"service": "feishu", "name": "The team", "address": FEISHU}
    answer = client.post(reverse("monitoring:add_channel"), fields, follow=True)
    assert [str(message) for message in answer.context["messages"]] == ["“The team” is added. Try it out."]
    assert "The team" in answer.content.decode()
    assert "abc-1" not in answer.content.decode()
    channel = Channel.objects.get()
    assert (channel.user, channel.service, channel.address) == (cast.max, "feishu", FEISHU)
    with connection.cursor() as cursor:
        cursor.execute("SELECT address FROM monitoring_channel")
        assert "abc-1" not in cursor.fetchone()[0]


def test_an_address_of_another_service_is_an_error_at_its_field(cast: SimpleNamespace, sign_in: SignIn) -> None:
    fields = {"service": "slack", "name": "The team", "address": FEISHU}
    answer = sign_in(cast.max).post(reverse("monitoring:add_channel"), fields)
    assert answer.status_code == 200
    assert answer.context["channel_form"].errors == {
        "address": ["This is not an address of this service; it looks like https://hooks.slack.com/services/…"]
    }
    assert not Channel.objects.exists()


def test_a_wrong_address_leaves_her_wishes_as_they_are(cast: SimpleNamespace, sign_in: SignIn) -> None:
    """The page it comes back on shows them too, and the next press on Save would keep what it shows."""
    Preference.objects.create(user=cast.max, kind="flag", medium="mail", from_severity=Preference.NEVER)
    fields = {"service": "slack", "name": "The team", "address": "nonsense"}
    answer = sign_in(cast.max).post(reverse("monitoring:add_channel"), fields)
    assert int(answer.context["form"]["flag_mail"].value()) == Preference.NEVER


def test_a_chat_is_deleted(cast: SimpleNamespace, sign_in: SignIn) -> None:
    kept = Channel.objects.create(user=cast.max, service="feishu", name="Kept", address=FEISHU)
    channel = Channel.objects.create(user=cast.max, service="feishu", name="Old", address=FEISHU)
    sign_in(cast.max).post(reverse("monitoring:delete_channel", args=[channel.pk]))
    assert list(Channel.objects.all()) == [kept]
