"""An administrator changes the scoring rules: draft, what-if, activation with progress, and the mark in the charts."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.journeys.conftest import Person, Stack


@pytest.mark.browser
def test_a_draft_is_edited_compared_activated_and_marked_in_the_charts(
    embedded: Stack, visit: Callable[..., Person]
) -> None:
    admin = visit(embedded, "admin")
    page = admin.page
    admin.go("/risks/")
    shown = page.locator("tbody .band").first.inner_text()
    page.click("tbody a.risk-title >> nth=0")
    page.wait_for_url("**/risks/*/")
    risk = admin.at()
    assert page.locator(".method-change").count() == 0

    # A new draft from the version in force, with a wrong number first: said at its field, and nothing is lost.
    admin.go("/risks/method/")
    page.click("section:first-of-type form button:has-text('New draft')")
    page.wait_for_url("**/edit/")
    draft = admin.at().removesuffix("edit/")
    page.fill("[name=note]", "High begins earlier, the worst dimension decides")
    page.fill("[name='bands-2-threshold']", "20")
    page.click("button.btn-primary:visible:has-text('Save')")
    page.wait_for_selector("[name='bands-2-threshold'].is-invalid")
    assert page.input_value("[name=note]") == "High begins earlier, the worst dimension decides"
    page.fill("[name='bands-2-threshold']", "45")
    page.fill("[name='bands-3-threshold']", "70")
    page.check("[name=combination][value=worst]", force=True)
    page.click("button.btn-primary:visible:has-text('Save')")
    page.wait_for_selector(".alert-success")

    # What would change is there before anything has changed.
    admin.go(draft.replace("/risks/method/", "/method/") + "what-if/")
    page.wait_for_selector("#bands-h")
    changed = int(page.locator(".what-if-facts dd").nth(1).inner_text().split()[0])
    assert changed > 0
    assert page.locator("#places-h").count() == 1
    what_if = admin.at()
    admin.go("/risks/")
    assert page.locator("tbody .band").first.inner_text() == shown

    # In force: progress, then done; the page renews itself.
    admin.go(what_if)
    page.wait_for_selector("#bands-h")
    page.click("form[action$='/schedule/'] button.btn-primary")
    page.wait_for_selector("a[href='/risks/method/to-reassess/']")
    admin.reload_until(".card-body:has-text('Every open risk')", what_if)

    # The risk's chart has a mark and both readings, its ledger a row.
    admin.go(risk)
    assert page.locator(".score-chart .method-change").count() == 1
    assert page.locator(".score-chart .line-again").count() == 1
    page.wait_for_selector("summary:has-text('Score ledger')")
    page.click("summary:has-text('Score ledger')")
    assert "Scoring rules" in page.locator("details[open] tbody tr").first.inner_text()
    admin.go("/flags/")
    assert page.locator(".badge:has-text('Scoring rules')").count() == 0
