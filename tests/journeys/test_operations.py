"""The page about background work, and a token that is shown once, in a browser."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Callable

import pytest

from tests.journeys.conftest import Person, Stack

pytestmark = pytest.mark.browser

FAILED = """
from django.utils import timezone
from riskreg.jobs.models import Job
job = Job.objects.create(kind="risks.tasks.apply_import", state="dead", attempts=5, finished_at=timezone.now(),
                         error="Traceback (most recent call last):\\nRuntimeError: the printer is on fire")
print(job.pk)
"""


def test_what_was_opened_stays_open_while_the_page_keeps_itself_up_to_date(
    embedded: Stack, visit: Callable[..., Person]
) -> None:
    pk = embedded.manage("shell", "-v0", "-c", FAILED).split()[-1]
    page = visit(embedded, "admin").page
    page.goto(f"{embedded.url}/jobs/?show=given-up")
    page.click("summary:has-text('RuntimeError: the printer is on fire')")
    page.focus("#run-tidy_jobs")
    page.evaluate("document.querySelector('#table > *').dataset.old = 'yes'")
    page.wait_for_selector("#table > :not([data-old]):first-child", state="attached", timeout=20_000)
    assert page.locator(f"#run-{pk}-error").get_attribute("open") is not None
    assert page.evaluate("document.activeElement.id") == "run-tidy_jobs"
    assert page.url == f"{embedded.url}/jobs/?show=given-up"
    page.click(f"#retry-{pk}")
    page.get_by_text("The job is tried again.").wait_for()


def test_a_token_is_made_copied_and_revoked(embedded: Stack, visit: Callable[..., Person]) -> None:
    page = visit(embedded, "tom", width=390).page
    page.goto(f"{embedded.url}/accounts/tokens/")
    page.click("text=New token >> nth=0")
    page.fill("[name=name]", "Night export")
    page.click("text=Make the token")
    secret = page.inner_text("code")
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    page.click("text=I have copied it")
    assert page.inner_text("td code") == secret[:11]
    assert secret[12:] not in page.content()
    page.click("button:has-text('Revoke')")  # the question is answered with yes
    page.get_by_text("The token Night export is revoked.").wait_for()
    assert page.locator("button:has-text('Revoke')").count() == 0


def test_the_probes_answer_without_a_log_in(embedded: Stack) -> None:
    with urllib.request.urlopen(f"{embedded.url}/health/", timeout=20) as answer:
        assert (answer.status, json.load(answer), answer.headers["Set-Cookie"]) == (200, {"status": "ok"}, None)
