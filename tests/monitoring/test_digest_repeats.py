"""A digest that is broken off anywhere is sent again as the very same mail, and never otherwise."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail

from monitoring import digests
from monitoring.digests import queue_due_digests
from monitoring.models import Digest
from riskreg.jobs import actions as jobs
from riskreg.mail.models import LocalMessage
from risks.models import Risk
from tests.conftest import assess
from tests.monitoring.sending import break_at, send, subscribe, work
from tests.monitoring.times import DAY, HOUR, MINUTE, NOW

MakeRisk = Callable[..., Risk]
pytestmark = pytest.mark.usefixtures("monday_morning")


def test_killed_between_sending_and_noting_it_repeats_the_very_same_mail(
    make_risk: MakeRisk, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    risk = make_risk("Price war in pumps", levels=(4, 4), at=NOW - DAY)
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    break_at(monkeypatch, 2)
    assert work() == ["ready"]
    assert len(mail.outbox) == 1
    assert Digest.objects.get().sent_at is None
    # Meanwhile the register moves on.
    Risk.objects.update(title="Another title")
    assess(risk, 1, 1, at=NOW + MINUTE)
    make_risk("A new one", levels=(5, 5), at=NOW)
    later = NOW + HOUR
    assert work(later) == ["sent"]
    first, second = mail.outbox
    assert first.message()["Message-ID"] == second.message()["Message-ID"] == Digest.objects.get().message_id
    assert "Price war in pumps" in second.body
    assert (first.to, first.subject, first.body) == (second.to, second.subject, second.body)
    assert first.alternatives == second.alternatives
    assert Digest.objects.get().sent_at == later


def test_the_local_inbox_folds_the_repeat_into_one(
    cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.EMAIL_BACKEND = "riskreg.mail.backend.LocalInboxBackend"
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    break_at(monkeypatch, 2)
    assert [work(), work(NOW + HOUR)] == [["ready"], ["sent"]]
    kept = LocalMessage.objects.get()
    assert (kept.to, kept.message_id) == ("max@example.com", Digest.objects.get().message_id)


def test_killed_before_it_was_written_it_is_sent_once(cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    break_at(monkeypatch, 1)
    assert [work(), work(NOW + HOUR)] == [["ready"], ["sent"]]
    assert len(mail.outbox) == 1


def test_killed_before_sending_it_is_sent_once(
    make_risk: MakeRisk, cast: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_risk("Price war in pumps", levels=(4, 4), at=NOW - DAY)
    subscribe(cast.max)
    queue_due_digests(now=NOW)
    deliver = digests.deliver

    def unreachable(written: Digest) -> None:
        raise ConnectionRefusedError("no mail server")

    monkeypatch.setattr(digests, "deliver", unreachable)
    assert work() == ["ready"]
    assert mail.outbox == []
    written = Digest.objects.values("pk", "message_id", "text", "html", "created_at").get()
    monkeypatch.setattr(digests, "deliver", deliver)
    assert work(NOW + HOUR) == ["sent"]
    assert work(NOW + 2 * HOUR) == []
    [message] = mail.outbox
    assert message.body == written["text"]
    assert Digest.objects.values("pk", "message_id", "text", "html", "created_at").get() == written


def test_of_two_runs_of_one_period_the_second_finds_it_sent(cast: SimpleNamespace) -> None:
    subscribe(cast.max)
    assert send() == ["sent"]
    again = jobs.enqueue("monitoring.tasks.send_digest", payload={"user": cast.max.pk, "period": "2026-03-02"})
    assert jobs.run(again.pk, now_fn=lambda: NOW)
    again.refresh_from_db()
    assert again.result == {"outcome": "was sent"}
    assert len(mail.outbox) == 1
