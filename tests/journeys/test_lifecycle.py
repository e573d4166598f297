"""Identify, assess, respond, monitor: one person's day, through the browser, on both stacks and in both languages."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.journeys.conftest import Person, Stack

TITLE = "Hanjiang Pumps undercuts us in the spring tenders"


def journey(stack: Stack, visit: Callable[..., Person], username: str) -> Person:
    person = visit(stack, username)
    page = person.page
    known = _title_of_a_steady_risk(stack, username)

    # Quick capture: one line, and what sounds alike is shown while typing.
    person.go("/risks/")
    page.keyboard.press("c")
    page.keyboard.type(known[:-3], delay=5)
    page.wait_for_selector("#duplicates a")
    assert known in page.inner_text("#duplicates")
    page.fill("#capture-title", TITLE)
    page.keyboard.press("Enter")
    page.wait_for_url("**/risks/*/")
    risk_path = person.at()
    assert page.locator("h1").inner_text() == TITLE
    assert page.locator(".band-none").count() == 1, "unassessed is not medium"

    # Assess: a click on the matrix shows the score before anything is saved.
    person.go(f"{risk_path}assess/")
    page.click('[data-likelihood="4"][data-impact="4"]')
    page.wait_for_selector("#preview .band-red")
    page.check('input[name="reputation"][value="3"]', force=True)
    page.check('input[name="basis"][value="market_research"]')
    page.fill("[name=evidence]", "Two of three tenders lost on price")
    page.click("button.btn-primary:visible")
    page.wait_for_url(f"**{risk_path}")
    before = person.score()
    assert before > 70
    assert page.locator(".waterfall tbody tr").count() == 2

    # Respond: a done action lowers the residual, a planned one only the target.
    person.go(f"{risk_path}responses/new/")
    page.fill("#id_title", "Value calculator for buyers")
    page.fill("#id_actions-0-title", "Build the calculator")
    page.fill("#id_actions-0-effect", "50")
    page.select_option("#id_actions-0-status", "done")
    page.click("[data-add-row=actions]")
    page.fill("#id_actions-1-title", "Train the team")
    page.fill("#id_actions-1-effect", "30")
    page.click(".card-footer button.btn-primary")
    page.wait_for_url(f"**{risk_path}")
    page.wait_for_selector(".actions li")
    assert page.locator(".actions li").count() == 2
    after = person.score()
    assert after < before
    assert page.locator(".waterfall tbody tr").count() == 3

    # A small team that wants to hear of everything.
    stack.manage(
        "shell", "-c",
        "from monitoring.models import MonitoringSettings as S; S.load(); S.objects.update(false_flags_per_week=100)",
    )  # fmt: skip
    # A risk that was steady for long is judged much worse, again and again.
    person.go(f"/risks/?q={known[:20]}")
    page.click(f'a.risk-title:has-text("{known[:20]}")')
    page.wait_for_url("**/risks/*/")
    drifting = person.at()
    for _ in range(6):
        person.go(f"{drifting}assess/")
        page.click('[data-likelihood="5"][data-impact="5"]')
        page.click("button.btn-primary:visible")
        page.wait_for_url(f"**{drifting}")

    # The night job, started by the administrator from the page, done by the worker.
    admin = visit(stack, "admin")
    admin.run_now("rescore")
    person.reload_until(f'a.risk-title[href="{drifting}"]', "/flags/")
    assert known[:20] in page.inner_text("#table")

    # The digest is due, is written and sent by the worker, and is read in the inbox.
    admin.run_now("send_digests")
    person.reload_until("a.fw-bold", "/inbox/")
    arrived = page.locator("tbody tr").count()
    # That one may have left before the flag was raised, on the timetable; so one more is asked for.
    person.go("/digest/")
    page.click('form[action="/digest/now/"] button')
    page.wait_for_selector(".alert-success")
    person.reload_until(f"tbody tr:nth-child({arrived + 1})", "/inbox/")
    page.click("tbody a >> nth=0")
    page.wait_for_selector("iframe.mail")
    mail = page.frame_locator("iframe.mail")
    mail.locator("h2").first.wait_for()
    assert known[:20] in mail.locator("body").inner_text()
    mail.locator(f'a[href="{stack.url}{drifting}"]').first.click()
    page.wait_for_url(f"**{drifting}")

    # It is real: answered, and the flag is gone from what is open.
    page.wait_for_selector('button[value="confirmed"]')
    page.click('button[value="confirmed"]')
    page.wait_for_selector(".alert-success")
    person.go("/flags/")
    assert page.locator(f'a.risk-title[href="{drifting}"]').count() == 0
    return person


def _title_of_a_steady_risk(stack: Stack, username: str) -> str:
    """The steadiest with a long history that the sample left without a flag."""
    out = stack.manage(
        "shell",
        "-v0",
        "-c",
        "from risks.models import Risk; from django.db.models import Count, Max, Min; "
        f"print(Risk.objects.open().filter(team__path__startswith=__import__('riskreg.accounts.models').accounts.models."
        f"Membership.objects.get(user__username='{username}').team.path, flags=None)"
        ".annotate(n=Count('assessments'), spread=Max('scores__score') - Min('scores__score'))"
        ".filter(n__gte=8).order_by('spread').first().title)",
    )
    return out.strip().splitlines()[-1]


@pytest.mark.browser
def test_a_day_in_the_embedded_mode(embedded: Stack, visit: Callable[..., Person]) -> None:
    person = journey(embedded, visit, "maria")
    assert person.page.get_attribute("html", "lang") == "en"


@pytest.mark.browser
def test_a_day_in_chinese(embedded: Stack, visit: Callable[..., Person]) -> None:
    person = journey(embedded, visit, "lihua")
    assert person.page.get_attribute("html", "lang") == "zh-hans"
    assert "风险" in person.page.inner_text("nav")


@pytest.mark.browser
@pytest.mark.services
def test_a_day_on_postgresql_and_redis(team: Stack, visit: Callable[..., Person]) -> None:
    journey(team, visit, "maria")


@pytest.mark.browser
def test_the_real_register_file_is_imported_and_taken_back(embedded: Stack, visit: Callable[..., Any]) -> None:
    person = visit(embedded, "maria")
    page = person.page
    person.go("/risks/import/")
    page.set_input_files("[name=file]", "tests/data/uwa_tikasathi_register.csv")
    page.select_option("[name=team]", label="Northfield Pumps")
    page.click("form[enctype] button.btn-primary")
    page.wait_for_url("**/columns/")
    assert page.locator("tbody tr").count() == 13
    chosen = page.eval_on_selector_all("tbody select", "found => found.map(select => select.value)")
    assert [key for key in chosen if key] == [
        "external_ref",
        "category",
        "title",
        "consequence",
        "impact.financial",
        "likelihood",
        "score",
        "preventive",
        "status",
        "owner",
        "identified_on",
        "assessed_on",
        "notes",
    ]
    page.click(".card-footer button.btn-primary")
    page.wait_for_url("**/import/*/")
    counts = page.eval_on_selector_all(".nav-pills .badge", "found => found.map(badge => badge.innerText)")
    assert counts == ["25", "23", "0", "2", "0"]
    page.click('form[action$="/apply/"] button')
    page.wait_for_selector('form[action$="/undo/"] button', timeout=60_000)
    person.go("/risks/?q=Android")
    assert "App is incompatible with some commonly used Android versions/devices" in page.inner_text("#table")
    page.go_back()
    page.click('form[action$="/undo/"] button')
    page.wait_for_selector(".alert-info")
    person.go("/risks/?q=Android")
    assert page.locator("a.risk-title").count() == 0


@pytest.mark.browser
def test_a_phone_shows_the_register_without_scrolling_sideways(embedded: Stack, visit: Callable[..., Any]) -> None:
    person = visit(embedded, "maria", width=390)
    for path in (
        "/",
        "/risks/",
        "/risks/3/",
        "/risks/3/assess/",
        "/risks/identify/",
        "/flags/",
        "/heat-map/",
        "/digest/",
    ):
        person.go(path)
        assert person.page.evaluate("document.documentElement.scrollWidth") <= 390, path
