"""The page about background work."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone, translation

from riskreg.celery import TIMETABLE
from riskreg.jobs import actions, bell, heartbeats, views
from riskreg.jobs.models import Heartbeat, Job, Schedule
from riskreg.jobs.templatetags.jobs import in_words
from riskreg.ui.templatetags.ui import elapsed
from tests.riskreg.jobs.conftest import Clock

TIDY = "riskreg.jobs.tasks.tidy"
TRACE = 'Traceback (most recent call last):\n  File "x.py", line 1, in y\nRuntimeError: the printer is on fire'


@pytest.fixture
def page(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> Callable[..., str]:
    client = sign_in(cast.ada)

    def get(query: str = "", **headers: str) -> str:
        response = client.get(reverse("jobs:operations") + query, headers=headers)
        assert response.status_code == 200
        return response.content.decode()

    return get


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def row_of(html: str, title: str) -> str:
    """A line of the timetable as its words."""
    rows = html.partition('id="show-all"')[0].split("<tr>")
    return next(words(row) for row in rows if title in row)


def begun(kind: str, **fields: Any) -> Job:
    return Job.objects.create(kind=kind, attempts=1, **fields)


def test_every_job_of_the_timetable_has_a_title() -> None:
    assert TIMETABLE.keys() - views.TITLES.keys() == set()
    assert views.TITLES.keys() - TIMETABLE.keys() == set()


def test_a_job_without_a_title_still_shows(page: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(views.TITLES, "tidy_jobs")
    assert "tidy_jobs" in row_of(page(), "tidy_jobs")


@pytest.mark.parametrize("name", TIMETABLE)
def test_what_a_job_of_the_timetable_came_to_has_words(name: str, cast: SimpleNamespace) -> None:
    """Each of them runs here, on an empty register."""
    job = Job.objects.create(kind=TIMETABLE[name].kind)
    assert actions.run(job.pk, now_fn=timezone.now), Job.objects.get(pk=job.pk).error
    result = Job.objects.get(pk=job.pk).result
    assert result
    assert [key for key in result if f"{key}:" in in_words(result)] == []


def test_results_are_said_in_words() -> None:
    assert in_words({"scored": 1, "changed": 0, "flags": 2}) == "1 risk scored, 0 scores changed, 2 flags raised"
    assert in_words({"outcome": "quiet"}) == "not sent, nothing to say"
    assert in_words({"new_thing": 3, "scored": "many"}) == "new_thing: 3, scored: many"
    assert in_words(None) == ""


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "under 1 s"), (1, "1 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"),
     (2 * 86400 - 1, "47 h"), (2 * 86400, "2 days")],
)  # fmt: skip
def test_a_length_of_time_is_said_in_its_largest_unit(seconds: float, said: str) -> None:
    assert elapsed(dt.timedelta(seconds=seconds)) == said
    assert elapsed(None) == ""


def test_the_last_run_of_each_job_is_shown_in_the_readers_zone(page: Callable[..., str], cast: SimpleNamespace) -> None:
    cast.ada.time_zone = "Asia/Shanghai"
    cast.ada.save()
    start = dt.datetime(2030, 3, 1, 3, 0, tzinfo=dt.UTC)
    Schedule.objects.create(name="tidy_jobs", next_due=dt.datetime(2030, 3, 2, 19, 0, tzinfo=dt.UTC))
    begun(TIDY, state="done", started_at=start - dt.timedelta(days=1), finished_at=start, result={"deleted": 999})
    ended = start + dt.timedelta(minutes=2)
    begun(TIDY, state="done", started_at=start, finished_at=ended, result={"deleted": 12})
    Job.objects.create(kind=TIDY, run_at=start)  # has not begun
    with translation.override("en"):
        line = row_of(page(), "Tidy up finished jobs")
    assert "1 Mar 2030, 11:00" in line
    assert "took 2 min" in line
    assert "Done 12 jobs deleted" in line
    assert "999" not in line
    assert line.split("deleted ")[1].startswith("3 Mar 2030, 03:00 ")


def test_a_failure_shows_its_reason_first_and_all_of_it_on_demand(page: Callable[..., str]) -> None:
    now = timezone.now()
    job = begun(TIDY, state="dead", started_at=now, finished_at=now, error=TRACE)
    html = page()
    for place in ("last", "run"):
        [details] = re.findall(rf'<details class="reason" id="{place}-{job.pk}-error">.*?</details>', html, re.DOTALL)
        assert "<summary>RuntimeError: the printer is on fire</summary>" in details
        assert "Traceback (most recent call last)" in details
    assert "Given up" in row_of(html, "Tidy up finished jobs")


def test_a_job_that_is_tried_again_shows_why_it_has_to(page: Callable[..., str]) -> None:
    Job.objects.create(kind=TIDY, attempts=2, started_at=timezone.now(), error=TRACE)
    line = row_of(page(), "Tidy up finished jobs")
    assert "Waiting 2 attempts RuntimeError: the printer is on fire" in line


def test_only_what_was_given_up_can_be_shown(page: Callable[..., str]) -> None:
    now = timezone.now()
    begun("a.dead", state="dead", finished_at=now, error="gone")
    begun("a.done", state="done", finished_at=now)
    shown = [kind for kind in ("a.dead", "a.done") if f"<code>{kind}</code>" in page("?show=given-up")]
    assert shown == ["a.dead"]
    Job.objects.all().delete()
    assert "No job was given up" in page("?show=given-up")


def test_the_queue_and_the_processes_are_shown(page: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "waiting_if_known", lambda: 1234)
    now = timezone.now()
    text = words(page())
    assert "Scheduler no sign of life never seen Worker no sign of life never seen" in text
    assert "Waiting 0 Running 0 Given up 0 Oldest due since nothing is due Bells waiting 1,234" in text
    heartbeats.note(Heartbeat.Role.SCHEDULER, "here", now - dt.timedelta(minutes=3, seconds=5))
    heartbeats.note(Heartbeat.Role.WORKER, "here", now - dt.timedelta(seconds=90))
    Job.objects.create(kind="x", run_at=now - dt.timedelta(minutes=7, seconds=5))
    text = words(page())
    assert "Scheduler no sign of life 3 min ago Worker alive 1 min ago" in text
    assert "Waiting 1 Running 0 Given up 0 Oldest due since 7 min" in text


def test_a_broker_that_is_away_is_said(page: Callable[..., str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "waiting_if_known", lambda: None)
    assert "Bells waiting the broker does not answer" in words(page())


def test_the_page_asks_for_itself_as_it_is_shown(page: Callable[..., str]) -> None:
    address = f"{reverse('jobs:operations')}?show=given-up&amp;sort=kind"
    asking = f'<div hx-get="{address}" hx-trigger="every 10s" hx-target="#table"></div>'
    fragment = page("?show=given-up&sort=kind", **{"HX-Request": "true"})
    assert asking in page("?show=given-up&sort=kind")
    assert asking in fragment
    assert "<html" not in fragment
    assert "Timetable" in fragment


def test_run_now_and_try_again_do_so(
    cast: SimpleNamespace, sign_in: Callable[..., Client], rung: list[int], clock: Clock
) -> None:
    client = sign_in(cast.ada)
    dead = begun("x", state="dead", finished_at=clock.now, error="gone")
    response = client.post(reverse("jobs:run_now", args=["tidy_jobs"]), follow=True)
    assert "Started: Tidy up finished jobs." in response.content.decode()
    assert Job.objects.get(kind=TIDY).created_by == cast.ada
    client.post(reverse("jobs:retry", args=[dead.pk]))
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("ready", 0)
