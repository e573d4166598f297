"""A digest in its reader's language, day and mail program."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
import time_machine
from django.core import mail

from monitoring.models import Digest
from riskreg.accounts.models import User
from risks.models import CoverSheet, Risk
from tests.monitoring.sending import send, subscribe
from tests.monitoring.times import DAY, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")


@pytest.mark.parametrize(("language", "band"), [("en", "Critical"), ("zh-hans", "极高")])
def test_is_written_in_the_persons_language(
    make_risk: MakeRisk, cast: SimpleNamespace, language: str, band: str
) -> None:
    make_risk(levels=(5, 5), at=NOW)
    User.objects.filter(pk=cast.max.pk).update(language=language)
    subscribe(cast.max)
    send()
    [message] = mail.outbox
    assert band in message.body
    assert f'<html lang="{language}">' in message.alternatives[0].content
    assert band in message.alternatives[0].content


def test_her_day_decides_what_is_due(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    """On Sunday at 17:30 UTC it is Monday in Shanghai: Monday's review is due there, and not yet in Berlin."""
    sunday = NOW.replace(hour=17, minute=30) - DAY
    for owner in (cast.max, cast.mona):
        make_risk(f"Review of {owner}", owner=owner, levels=(3, 3), at=NOW - 90 * DAY)
    assert set(CoverSheet.objects.values_list("review_due", flat=True)) == {NOW.date()}
    subscribe(cast.max, time_zone="Asia/Shanghai", hour=1, scope="mine")
    subscribe(cast.mona, time_zone="Europe/Berlin", hour=1, scope="mine")
    with time_machine.travel(sunday, tick=False):
        assert send(sunday) == ["sent", "sent"]
    bodies = {message.to[0]: message.body for message in mail.outbox}
    assert "DUE FROM YOU" in bodies["max@example.com"]
    assert "DUE FROM YOU" not in bodies["mona@example.com"]
    assert dict(Digest.objects.values_list("user", "period")) == {
        cast.max.pk: "2026-03-02",
        cast.mona.pk: "2026-03-01",
    }


def test_what_people_wrote_is_escaped_in_html_and_plain_in_text(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    make_risk("Prices <b>fall</b> & rise", levels=(4, 4), at=NOW)
    subscribe(cast.max)
    send()
    [message] = mail.outbox
    assert "Prices &lt;b&gt;fall&lt;/b&gt; &amp; rise" in message.alternatives[0].content
    assert "Prices <b>fall</b> & rise" in message.body


def test_a_digest_of_an_empty_register_is_a_digest(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    assert send() == ["sent"]
    assert "No risk is assessed yet." in mail.outbox[0].body
    assert mail.outbox[0].extra_headers["Auto-Submitted"] == "auto-generated"
