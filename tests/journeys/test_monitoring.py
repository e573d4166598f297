"""A reading arrives, the score moves, it is flagged, somebody adjusts, and the digest tells it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable

import pytest

from tests.journeys.conftest import Person, Stack

INDICATOR, RISK = "Tickets open at Harrow", "Harrow Dairy Group lets its service contract lapse"


@pytest.mark.browser
def test_from_a_reading_to_the_digest(embedded: Stack, visit: Callable[..., Person]) -> None:
    person = visit(embedded, "maria")
    page = person.page

    # What is measured, and which risk it speaks for.
    person.go(f"/risks/?q={RISK}")
    page.click(f'a.risk-title:has-text("{RISK}")')
    page.wait_for_url("**/risks/*/")
    risk = person.at()
    person.go("/indicators/new/")
    page.fill("#id_name", INDICATOR)
    page.select_option("#id_team", label="Key Accounts")
    page.select_option("#id_direction", "higher")
    page.fill("#id_warning", "6")
    page.fill("#id_limit", "10")
    page.click("button.btn-primary:visible")
    page.wait_for_url(lambda url: re.search(r"/indicators/\d+/$", url) is not None)
    indicator = person.at()
    page.fill("#id_risk", "R-" + risk.split("/")[2])
    page.select_option("#id_ratio", "4")
    page.click('button:has-text("Let it speak")')
    page.wait_for_selector(".alert-success")

    # Readings arrive, and at once the score of the risk they speak for moves.
    today = dt.date.today()  # noqa: DTZ011  the browser's own calendar
    person.go(risk)
    before = person.score()
    for days_ago, tickets in zip(range(12, 0, -1), [5] * 6 + [11] * 6, strict=True):
        person.go(indicator)
        page.fill("#id_value", str(tickets))
        page.fill("#id_at", f"{today - dt.timedelta(days=days_ago)}T10:00")
        page.click('button:has-text("Note it")')
        page.wait_for_selector(".alert-success")
    assert page.locator('.badge:has-text("Beyond the limit")').count() == 1
    person.go(risk)
    assert person.score() > before
    assert INDICATOR in page.inner_text(".waterfall")

    # The limit was told at once, by itself.
    person.go("/alerts/")
    assert INDICATOR in page.inner_text("#table")

    # The look for drift flags the risk, and the flag says what moved.
    visit(embedded, "admin").run_now("drift")
    person.reload_until(f'a:has-text("{RISK}")', "/flags/")
    page.click(f'.list-group-item:has-text("{RISK}") a:has-text("Answer")')
    page.wait_for_url("**/flags/*/")
    flag = person.at()
    assert f"{INDICATOR}: 11, × " in page.inner_text("section[aria-labelledby=moved-h]")

    # Adjusted from there: the contingency armed and the review moved forward, both on the flag's own record.
    page.click('button:has-text("Arm it")')
    page.wait_for_url(f"**{flag}")
    page.fill("#id_to", (today + dt.timedelta(days=2)).isoformat())
    page.fill("#id_note", "Look again after their board meets")
    page.click('button:has-text("Move it forward")')
    page.wait_for_url(f"**{flag}")
    done = page.inner_text("section[aria-labelledby=done-h]")
    assert "Contingency armed: Bridge extension of three months" in done
    assert "Review moved: Look again after their board meets" in done
    page.fill("#note", "Their tickets wait for weeks")
    page.click('button[value="confirmed"]')
    page.wait_for_selector(".alert-success")
    person.go("/flags/")
    assert RISK not in page.inner_text("#table")

    # The digest tells that it moved, and why.
    digest = 'tbody tr:has(a:has-text("Sales risks: "))'
    person.go("/inbox/")
    arrived = page.locator(digest).count()
    person.go("/digest/")
    page.click('form[action="/digest/now/"] button')
    page.wait_for_selector(".alert-success")
    person.reload_until(f"{digest} >> nth={arrived}", "/inbox/")
    page.click(f"{digest} >> nth=0 >> a")
    page.wait_for_selector("iframe.mail")
    mail = page.frame_locator("iframe.mail").locator("body").inner_text()
    assert RISK in mail
    assert f"{INDICATOR}: 11, × " in mail
