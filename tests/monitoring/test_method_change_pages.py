"""The pages around a change of the scoring method: what it would change, putting it in force, what is left to do."""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from assessments import versions
from assessments.actions import Judgement, assess_risk
from assessments.default_method import DEFAULT_METHOD
from assessments.models import Method
from monitoring.models import Subscription
from riskreg.accounts.models import User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks import scores
from risks.models import CoverSheet, Risk
from tests.conftest import assess

MakeRisk = Callable[..., Risk]

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
ROUTES = {"what_if": "get", "what_if_changes": "get", "schedule_method": "post", "unschedule_method": "post"}


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def ada(cast: SimpleNamespace, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(cast.ada)


def definition(**other: Any) -> dict[str, Any]:
    return copy.deepcopy(DEFAULT_METHOD) | other


def two_bands() -> dict[str, Any]:
    bands = DEFAULT_METHOD["bands"]
    grave = bands[3] | {"threshold": 40, "label": {"en": "Grave", "zh": "严重"}}
    return definition(bands=[bands[0] | {"label": {"en": "Harmless", "zh": "无害"}}, grave])


def draft(definition_: Any = None, *, note: str = "") -> Method:
    method = versions.draft_from(source=Method.objects.get(state="active"), by=None, at=NOW)
    definition_ = two_bands() if definition_ is None else definition_
    versions.save_draft(method=method, definition=definition_, note=note, at=NOW, seen=NOW)
    return method


def address(name: str, method: Method | int) -> str:
    return reverse(f"monitoring:{name}", args=[method if isinstance(method, int) else method.pk])


def text_of(response: Any) -> str:
    page = re.sub(r"<head>.*?</head>|<nav.*?</nav>|<aside.*?</aside>", " ", response.content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


def fresh(method: Method) -> Method:
    return Method.objects.get(pk=method.pk)


def work(method: Method, *, at: dt.datetime = NOW) -> None:
    job = fresh(method).job
    assert job is not None
    assert jobs.run(job, now_fn=lambda: at)


def put_in_force(method: Method) -> None:
    versions.schedule(method=method, when=None, by=None, at=NOW)
    work(method)


# --- for whom ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mona", "max", "vera", "hana", "nobody"])
@pytest.mark.parametrize("route", ROUTES)
def test_only_administrators_change_the_method(
    route: str, name: str, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    method = draft()
    client = sign_in(getattr(cast, name))
    for pk in (method.pk, 999_999):
        response = getattr(client, ROUTES[route])(address(route, pk), {"at": "now"})
        assert response.status_code == 403
    assert (fresh(method).is_editable, Job.objects.count()) == (True, 0)


@pytest.mark.parametrize("route", ROUTES)
def test_what_is_not_there_is_not_found(route: str, ada: Client) -> None:
    assert getattr(ada, ROUTES[route])(address(route, 999_999)).status_code == 404


@pytest.mark.parametrize("route", ["what_if", "schedule_method"])
def test_a_retired_version_is_not_found(route: str, ada: Client) -> None:
    put_in_force(draft())
    first = Method.objects.get(version=1)
    assert getattr(ada, ROUTES[route])(address(route, first), {"at": "now"}).status_code == 404
    assert fresh(first).state == "retired"


def test_the_version_in_force_cannot_be_scheduled(ada: Client) -> None:
    assert ada.post(address("schedule_method", Method.objects.get(version=1)), {"at": "now"}).status_code == 404


@pytest.mark.parametrize("version", [1, 2], ids=["retired", "active"])
def test_what_came_into_force_while_its_page_was_open_renews_the_page(
    ada: Client, make_risk: MakeRisk, version: int
) -> None:
    make_risk(levels=(3, 3), at=NOW)
    put_in_force(draft())
    response = ada.get(address("what_if_changes", Method.objects.get(version=version)))
    assert (response.status_code, response.headers["HX-Refresh"]) == (200, "true")
    assert "Open risks compared" not in text_of(response)


# --- the comparison ----------------------------------------------------------------------------------------


def test_the_page_fetches_the_comparison_and_offers_what_can_be_done(ada: Client) -> None:
    method = draft(note="Sales asked for fewer bands")
    response = ada.get(address("what_if", method))
    page = response.content.decode()
    assert f'hx-get="{address("what_if_changes", method)}"' in page
    assert f'action="{address("schedule_method", method)}"' in page
    assert f'action="{reverse("assessments:discard_method", args=[method.pk])}"' in page
    assert f'href="{reverse("assessments:edit_method", args=[method.pk])}"' in page
    assert address("unschedule_method", method) not in page
    assert "Sales asked for fewer bands" in page
    assert "Version 2: what would change" in text_of(response)


def test_the_comparison_tells_what_would_change(ada: Client, make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    for n, levels in enumerate([(1, 1), (3, 3), (5, 5), (2, 4), (4, 2)]):
        make_risk(f"Risk number {n}", levels=levels, at=NOW)
    Subscription.objects.create(user=cast.max, scope="mine")
    response = ada.get(address("what_if_changes", draft(definition(formula="product"))))
    text = text_of(response)
    assert response.status_code == 200
    found = response.context["changes"]
    assert f"Open risks compared {found.risks} " in text
    assert f"Change band {found.total.changed} " in text
    assert f"Beyond appetite {found.intolerable_before} → {found.intolerable_after}" in text
    assert "To assess again 0" in text
    assert "Judgements are carried over" not in text
    assert found.total.changed > 0
    for transition in found.transitions:
        assert f"{transition.before.label.en} {transition.after.label.en} {transition.risks}" in text
    for n in range(5):
        assert f"Risk number {n}" in text
    for name in ("Competitor", "Accounts"):
        assert name in text


def test_places_are_shown_with_the_bands_of_each_version(ada: Client, make_risk: MakeRisk) -> None:
    risk = make_risk("The great one", levels=(5, 5), at=NOW)
    unplaced = make_risk("Of another dimension", at=NOW)
    judgement = Judgement(unplaced.pk, 5, {"market_share": 5}, "expert", "", NOW.date())
    assess_risk(risk=unplaced, by=None, judgement=judgement, at=NOW)
    new = two_bands()
    new["dimensions"] = new["dimensions"][:2]
    response = ada.get(address("what_if_changes", draft(new)))
    rows = re.findall(r"<tr>.*?</tr>", response.content.decode(), re.DOTALL)
    [great] = [text_of(SimpleNamespace(content=row.encode())) for row in rows if "The great one" in row]
    [other] = [text_of(SimpleNamespace(content=row.encode())) for row in rows if "Of another dimension" in row]
    assert re.search(r"^ ?1 .*100 Critical .*100 Grave ?$", great)
    assert re.search(r"leaves \(2\) .*Critical .*Not assessed ?$", other)
    text = text_of(response)
    assert "To assess again 1" in text
    assert "Judgements are carried over by their probability and money" in text
    assert "Critical Not assessed 1" in text
    assert CoverSheet.objects.get(risk=risk).band == 4


def test_digests_that_would_differ_are_named(ada: Client, make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    for title, reputation in (("First", 3), ("Second", 4)):
        assess(make_risk(title, at=NOW), 3, 2, reputation=reputation, at=NOW)
    Subscription.objects.create(user=cast.max, scope="mine", top=1)
    Subscription.objects.create(user=cast.vera, scope="all", top=2)
    Subscription.objects.create(user=cast.hana, scope="all", top=2)
    text = text_of(ada.get(address("what_if_changes", draft(definition(combination="worst")))))
    assert "The top risks of 2 of 3 digests would be others, or in another order:" in text
    assert "Max 1 in, 1 out" in text
    assert "Vera another order" in text
    assert "Hana" not in text


def test_nothing_to_compare_and_nothing_that_changes_are_said(ada: Client, make_risk: MakeRisk) -> None:
    same = draft(definition())
    assert "There are no open risks to compare." in text_of(ada.get(address("what_if_changes", same)))
    make_risk(levels=(3, 3), at=NOW)
    text = text_of(ada.get(address("what_if_changes", same)))
    assert "No risk would change its band." in text
    assert "No digest would list other top risks." in text


@pytest.mark.parametrize("unusable", [{}, {"bands": []}, {"formula": "matrix", "matrix": [[1]]}], ids=str)
def test_a_draft_that_cannot_score_says_so_everywhere(ada: Client, make_risk: MakeRisk, unusable: Any) -> None:
    make_risk(levels=(3, 3), at=NOW)
    method = draft(definition(**unusable) if unusable else {})
    page = ada.get(address("what_if", method))
    assert (page.status_code, "This draft cannot score yet." in text_of(page)) == (200, True)
    assert address("schedule_method", method) not in page.content.decode()
    assert address("what_if_changes", method) not in page.content.decode()
    assert reverse("assessments:edit_method", args=[method.pk]) in page.content.decode()
    assert "This draft cannot score yet." in text_of(ada.get(address("what_if_changes", method)))
    refused = ada.post(address("schedule_method", method), {"at": "now"})
    assert (refused.status_code, "This draft cannot score yet." in text_of(refused)) == (422, True)
    assert (fresh(method).is_editable, Job.objects.count()) == (True, 0)


def test_the_comparison_writes_nothing(ada: Client, make_risk: MakeRisk) -> None:
    make_risk(levels=(3, 3), at=NOW)
    method = draft()
    sheets = list(CoverSheet.objects.values())
    with CaptureQueriesContext(connection) as captured:
        for route in ("what_if", "what_if_changes"):
            assert ada.get(address(route, method)).status_code == 200
    assert [q["sql"] for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert list(CoverSheet.objects.values()) == sheets


# --- putting it in force -----------------------------------------------------------------------------------


def test_at_once_it_is_a_job_and_the_page_shows_how_far_it_is(
    ada: Client, cast: SimpleNamespace, make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 2)
    for n in range(4):
        make_risk(f"Risk {n}", levels=(3, 3), at=NOW)
    method = draft()
    response = ada.post(address("schedule_method", method), {"at": "now"}, follow=True)
    assert response.redirect_chain == [(address("what_if", method), 302)]
    assert "Version 2 comes into force." in text_of(response)
    kept = fresh(method)
    assert (kept.scheduled_for, kept.activated_by) == (NOW, cast.ada)
    assert Job.objects.get(pk=kept.job).created_by == cast.ada

    seen: list[str] = []

    def look(seconds: float) -> None:
        seen.append(text_of(ada.get(address("what_if", method))))
        seen.append(ada.get(reverse("assessments:rescoring")).content.decode())

    monkeypatch.setattr(versions, "pause_between_chunks", look)
    work(method)
    assert "Version 2 is in force" in seen[0]
    assert "2 of 4" in seen[0]
    assert "Until its turn comes, a risk shows the score and band of the version before." in seen[0]
    assert 'value="50"' in seen[1]
    done = text_of(ada.get(address("what_if", method)))
    assert "In force since 2 Mar 2026, 09:00. Every open risk is scored with it." in done
    assert "2 of 4" not in done
    page = ada.get(address("what_if", method)).content.decode()
    assert reverse("assessments:to_reassess") in page
    assert address("schedule_method", method) not in page


def test_a_time_that_is_not_asked_for_does_not_count(ada: Client) -> None:
    method = draft()
    ada.post(address("schedule_method", method), {"at": "now", "when": "2026-01-01T08:00"})
    assert fresh(method).scheduled_for == NOW


@pytest.mark.parametrize(
    ("when", "error"),
    [
        ("2026-03-02T08:59", "This time has passed."),
        ("2026-03-02T09:00", "This time has passed."),
        ("2020-01-01T00:00", "This time has passed."),
        ("", "Choose a day and a time."),
        ("soon", "Enter a valid date/time."),
        ("2026-02-30T10:00", "Enter a valid date/time."),
    ],
)
def test_a_time_that_cannot_be_is_said_at_its_field(ada: Client, when: str, error: str) -> None:
    method = draft()
    response = ada.post(address("schedule_method", method), {"at": "later", "when": when})
    assert response.status_code == 422
    page = response.content.decode()
    assert re.search(r'<input[^>]*name="when"[^>]*is-invalid|<input[^>]*is-invalid[^>]*name="when"', page)
    assert re.search(
        rf'<(?:span|div)[^>]*id="[^"]*when[^"]*"[^>]*class="invalid-feedback"[^>]*>.*?{re.escape(error)}', page, re.S
    )
    assert re.search(r'value="later" checked', page)
    assert not when or f'value="{when}"' in page
    assert (fresh(method).is_editable, Job.objects.count()) == (True, 0)


@pytest.mark.parametrize(
    ("zone", "typed", "meant"),
    [
        ("UTC", "2026-03-02T09:01", "2026-03-02T09:01"),
        ("Asia/Shanghai", "2026-03-02T17:01", "2026-03-02T09:01"),
        ("Asia/Shanghai", "2026-03-03T02:15", "2026-03-02T18:15"),
        ("America/New_York", "2026-03-02T04:30", "2026-03-02T09:30"),
        ("America/New_York", "2026-03-09T04:30", "2026-03-09T08:30"),  # summer time since the eighth
        ("Europe/Berlin", "2026-03-29T03:00", "2026-03-29T01:00"),
    ],
)
def test_later_is_by_the_persons_own_clock(
    ada: Client, cast: SimpleNamespace, zone: str, typed: str, meant: str
) -> None:
    User.objects.filter(pk=cast.ada.pk).update(time_zone=zone)
    method = draft()
    response = ada.post(address("schedule_method", method), {"at": "later", "when": typed}, follow=True)
    text = text_of(response)
    at = dt.datetime.fromisoformat(f"{meant}+00:00")
    kept = fresh(method)
    assert (kept.scheduled_for, kept.state, Job.objects.get(pk=kept.job).run_at) == (at, "draft", at)
    assert "Version 2 will come into force then." in text
    day = dt.datetime.fromisoformat(typed)
    assert f"It comes into force on {day.day} Mar 2026, {day:%H:%M}." in text
    assert not jobs.run(kept.job, now_fn=lambda: at - dt.timedelta(seconds=1))
    assert jobs.run(kept.job, now_fn=lambda: at)
    assert fresh(method).state == "active"


def test_a_time_that_has_passed_on_her_clock_is_refused_though_it_has_not_in_utc(
    ada: Client, cast: SimpleNamespace
) -> None:
    User.objects.filter(pk=cast.ada.pk).update(time_zone="Asia/Shanghai")
    response = ada.post(address("schedule_method", draft()), {"at": "later", "when": "2026-03-02T12:00"})
    assert (response.status_code, "This time has passed." in text_of(response)) == (422, True)


@pytest.mark.parametrize("when", ["2026-03-29T02:30", "2026-10-25T02:30"], ids=["never", "twice"])
def test_an_hour_that_is_not_there_or_there_twice_is_refused(ada: Client, cast: SimpleNamespace, when: str) -> None:
    User.objects.filter(pk=cast.ada.pk).update(time_zone="Europe/Berlin")
    method = draft()
    response = ada.post(address("schedule_method", method), {"at": "later", "when": when})
    assert (response.status_code, fresh(method).scheduled_for) == (422, None)


def test_scheduled_it_can_only_be_made_a_draft_again(ada: Client) -> None:
    method = draft()
    versions.schedule(method=method, when=NOW + DAY, by=None, at=NOW)
    page = ada.get(address("what_if", method)).content.decode()
    assert f'action="{address("unschedule_method", method)}"' in page
    assert address("what_if_changes", method) in page
    for other in (
        address("schedule_method", method),
        reverse("assessments:edit_method", args=[method.pk]),
        reverse("assessments:discard_method", args=[method.pk]),
    ):
        assert other not in page
    response = ada.post(address("unschedule_method", method), follow=True)
    assert "Version 2 is a draft again." in text_of(response)
    assert response.redirect_chain == [(address("what_if", method), 302)]
    assert (fresh(method).is_editable, fresh(method).job) == (True, None)


def test_of_two_who_put_it_in_force_the_second_is_told(ada: Client) -> None:
    method = draft()
    ada.post(address("schedule_method", method), {"at": "now"})
    response = ada.post(address("schedule_method", method), {"at": "now"}, follow=True)
    assert "Somebody else has scheduled or discarded this version meanwhile." in text_of(response)
    assert response.redirect_chain == [(reverse("assessments:methods"), 302)]
    assert Job.objects.count() == 1


def test_too_late_to_take_it_back_is_said(ada: Client) -> None:
    method = draft()
    put_in_force(method)
    response = ada.post(address("unschedule_method", method), follow=True)
    assert (response.status_code, fresh(method).state) == (200, "active")
    assert "It is too late: the version is in force." in text_of(response)


def test_a_draft_that_was_never_scheduled_is_not_said_to_be_in_force(ada: Client) -> None:
    """Two administrators take it back at once: the second must not read that it is too late."""
    response = ada.post(address("unschedule_method", draft()), follow=True)
    assert response.status_code == 200
    assert "the version is in force" not in text_of(response)


def test_taking_back_a_version_that_is_retired_by_now_leads_somewhere(ada: Client) -> None:
    method = draft()
    put_in_force(method)
    put_in_force(draft())
    assert ada.post(address("unschedule_method", method), follow=True).status_code == 200


def test_what_is_put_in_force_is_what_was_compared(ada: Client) -> None:
    """Somebody edits the draft between the comparison and the click."""
    method = draft()
    page = ada.get(address("what_if", method)).content.decode()
    fields = dict(re.findall(r'<input type="hidden" name="([\w-]+)" value="([^"]*)"', page))
    versions.save_draft(
        method=method, definition=definition(formula="product"), note="", at=NOW + HOUR, seen=method.edited_at
    )
    ada.post(address("schedule_method", method), {**fields, "at": "now"})
    assert (fresh(method).is_editable, Job.objects.count()) == (True, 0)


# --- while the register is re-scored -----------------------------------------------------------------------


def test_the_notice_goes_by_itself_and_renews_the_page(
    cast: SimpleNamespace, sign_in: Callable[[User], Client], make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 1)
    for n in range(4):
        make_risk(f"Risk {n}", levels=(3, 3), at=NOW)
    client = sign_in(cast.max)
    before = client.get(reverse("assessments:rescoring"))
    assert (before.status_code, before.headers["HX-Refresh"], before.content.strip()) == (200, "true", b"")
    seen: list[Any] = []

    def look(seconds: float) -> None:
        seen.append(client.get(reverse("assessments:rescoring")))
        seen.append(client.get(reverse("risks:register")))

    monkeypatch.setattr(versions, "pause_between_chunks", look)
    put_in_force(draft())
    notices, pages = seen[::2], seen[1::2]
    assert [re.search(r'value="(\d+)"', n.content.decode()).group(1) for n in notices] == ["25", "50", "75", "100"]
    for notice in notices:
        assert "HX-Refresh" not in notice.headers
        assert f'hx-get="{reverse("assessments:rescoring")}"' in notice.content.decode()
        assert "Version 2 of the scoring method is in force." in text_of(notice)
    for page in pages:
        assert "The register is being re-scored" in text_of(page)
    after = client.get(reverse("assessments:rescoring"))
    assert (after.headers["HX-Refresh"], after.content.strip()) == ("true", b"")
    assert "being re-scored" not in text_of(client.get(reverse("risks:register")))


# --- what is left to assess again --------------------------------------------------------------------------


def beyond(make_risk: MakeRisk, title: str, **fields: Any) -> Risk:
    return make_risk(title, levels=(3, 5), at=NOW, **fields)


def narrower() -> Method:
    """Money up to a million only: what was judged severe has no place any more."""
    new = definition()
    for dimension in new["dimensions"]:
        dimension["levels"] = dimension["levels"][:4]
    return draft(new)


def test_those_that_have_no_place_are_listed_the_greatest_first(ada: Client, make_risk: MakeRisk) -> None:
    make_risk("Has its place", levels=(3, 3), at=NOW)
    beyond(make_risk, "Has none")
    assess(make_risk("Has none and is worse", at=NOW), 5, 5, at=NOW)
    empty = text_of(ada.get(reverse("assessments:to_reassess")))
    assert "No risk needs assessing again" in empty
    put_in_force(narrower())
    response = ada.get(reverse("assessments:to_reassess"))
    assert [risk.title for risk in response.context["rows"]] == ["Has none and is worse", "Has none"]
    text = text_of(response)
    assert "version 2 cannot place the judgement" in text
    assert "Has its place" not in text
    by_title = ada.get(reverse("assessments:to_reassess") + "?sort=title").context["rows"]
    assert [risk.title for risk in by_title] == ["Has none", "Has none and is worse"]


def test_assessed_anew_it_leaves_the_list(ada: Client, make_risk: MakeRisk) -> None:
    risk = beyond(make_risk, "Has none")
    put_in_force(narrower())
    page = ada.get(reverse("assessments:to_reassess")).content.decode()
    assert f'href="{reverse("assessments:assess", args=[risk.pk])}"' in page
    assess(risk, 3, 4, at=NOW + HOUR)
    assert list(ada.get(reverse("assessments:to_reassess")).context["rows"]) == []


@pytest.mark.parametrize(
    ("name", "seen", "editable"),
    [
        ("mona", {"above", "accounts", "secret"}, None),
        ("max", {"accounts"}, None),
        ("vera", {"above", "accounts"}, set()),
        ("hana", {"hengyue", "owned"}, None),
        ("nobody", {"owned"}, None),
        ("ada", {"above", "accounts", "secret", "hengyue", "owned"}, None),
    ],
)
def test_each_person_sees_her_own_and_assesses_what_she_may(
    make_risk: MakeRisk, cast: SimpleNamespace, name: str, seen: set[str], editable: set[str] | None
) -> None:
    risks = {
        "above": beyond(make_risk, "above", team=cast.northfield, owner=None),
        "accounts": beyond(make_risk, "accounts", owner=None),
        "secret": beyond(make_risk, "secret", owner=None, confidential=True),
        "hengyue": beyond(make_risk, "hengyue", team=cast.hengyue, owner=None),
        "owned": beyond(make_risk, "owned", team=cast.hengyue, owner=cast.nobody, confidential=True),
    }
    put_in_force(narrower())
    client = Client()
    client.force_login(getattr(cast, name))
    response = client.get(reverse("assessments:to_reassess"))
    assert {risk.title for risk in response.context["rows"]} == seen
    page = response.content.decode()
    links = {t for t, risk in risks.items() if reverse("assessments:assess", args=[risk.pk]) in page}
    assert links == (seen if editable is None else editable)


def test_the_list_has_pages_of_25(ada: Client, make_risk: MakeRisk) -> None:
    for n in range(26):
        beyond(make_risk, f"Risk {n}")
    put_in_force(narrower())
    pages = [ada.get(f"{reverse('assessments:to_reassess')}?page={n}").context["rows"] for n in (1, 2)]
    assert [len(rows) for rows in pages] == [25, 1]
    assert len({risk.pk for rows in pages for risk in rows}) == 26


def test_until_its_turn_comes_a_listed_risk_has_the_band_of_the_version_before(
    ada: Client, make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 1)
    for n in range(2):
        beyond(make_risk, f"Risk {n}")
    new = two_bands()
    for dimension in new["dimensions"]:
        dimension["levels"] = dimension["levels"][:4]
    seen: list[str] = []
    monkeypatch.setattr(
        versions,
        "pause_between_chunks",
        lambda seconds: seen.append(text_of(ada.get(reverse("assessments:to_reassess") + "?sort=title"))),
    )
    put_in_force(draft(new))
    assert re.search(r"Risk 0 .*Grave.* Risk 1 .*Critical", seen[0])
    assert re.search(r"Risk 0 .*Grave.* Risk 1 .*Grave", seen[1])
