"""axe-core finds nothing on any page, in either theme, at either width."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import PASSWORD, ROOT, Stack

AXE = ROOT / "node_modules/axe-core/axe.min.js"

# Routes that are no page of their own: they only take a POST, are a part of a page, a file, or a redirect.
NO_PAGE = {
    "monitoring:arm",
    "monitoring:archive_indicator",
    "monitoring:add_reading",
    "monitoring:tie",
    "monitoring:arm_at_limit",
    "monitoring:never_arm",
    "monitoring:delete_reading",
    "monitoring:tie_risk",
    "monitoring:untie",
    "monitoring:move_review",
    "monitoring:read_notices",
    "monitoring:add_channel",
    "monitoring:try_channel",
    "monitoring:delete_channel",
    "monitoring:try_webhook",
    "monitoring:delete_webhook",
    "monitoring:api_indicators",
    "monitoring:api_readings",
    "monitoring:answer_review",  # these two want a token: tests/monitoring/test_mail_links.py
    "monitoring:unsubscribe",
    "accounts:logout",
    "accounts:login",  # asked for by itself below, as nobody is logged in there
    "accounts:delete_team",
    "accounts:give_role",
    "accounts:take_role",
    "accounts:revoke_token",
    "health",
    "health_work",
    "jobs:run_now",
    "jobs:retry",
    "jobs:progress",
    "mail:html",
    "monitoring:answer_flag",
    "monitoring:confirm_review",
    "monitoring:panel",
    "monitoring:what_if_changes",
    "monitoring:schedule_method",
    "monitoring:unschedule_method",
    "monitoring:delete_target",
    "monitoring:send_digest_now",
    "risks:capture",
    "risks:duplicates",
    "risks:export",
    "risks:reopen",
    "risks:delete",
    "risks:restore",
    "risks:history",
    "risks:unlink",
    "risks:dismiss",
    "risks:take_back",
    "risks:delete_view",
    "risks:import_apply",
    "risks:import_undo",
    "risks:import_discard",
    "assessments:preview",
    "assessments:panel",
    "assessments:base_rate",
    "assessments:withdraw_elicitation",
    "assessments:pool_elicitation",
    "assessments:new_method",
    "assessments:check_method",
    "assessments:discard_method",
    "assessments:rescoring",
    "responses:panel",
    "responses:use_playbook",
    "responses:withdraw",
    "responses:restore",
    "responses:set_status",
    "responses:revoke",
}
ASKED = """
from risks.models import Category, Observation, Risk
from riskreg.accounts.models import Team, User
risk = Risk.objects.open().filter(responses__isnull=False, flags__isnull=False).first()
print(risk.pk, risk.responses.first().pk, Observation.objects.waiting().first().pk, Team.objects.first().pk,
      User.objects.get(username="maria").pk, Category.objects.first().pk)
"""
IMPORTS = """
from risks.models import ImportBatch
done = ImportBatch.objects.first()
waiting = ImportBatch.objects.create(filename="x.csv", team=done.team, table=[["Title"], ["A"]], header_row=1,
                                     mapping={"0": "title"}, options=done.options)
print(done.pk, waiting.pk)
"""
MAIL = """
from django.utils import timezone
from monitoring.models import Digest
from riskreg.accounts.models import User
from riskreg.mail.models import LocalMessage
admin, digest = User.objects.get(username="admin"), Digest.objects.first()
digest.pk, digest.user, digest.message_id, digest.period = None, admin, "<a@b>", "now-1"
digest.save()
message = LocalMessage.objects.create(to=admin.email.lower(), subject=digest.subject, text=digest.text,
                                      html=digest.html, message_id="<a@b>", at=timezone.now())
print(digest.pk, message.pk)
"""
# A draft to compare, and one that shows its matrix and what is wrong with it.
METHODS = """
from django.utils import timezone
from assessments.method_changes import colours_of_exposure
from assessments.models import Method
from assessments.versions import draft_from
active = Method.objects.get(state="active")
sound, painted = (draft_from(source=active, by=None, at=timezone.now()) for _ in range(2))
painted.definition |= {"formula": "matrix", "matrix": colours_of_exposure(painted.definition)}
painted.definition["matrix"][4][4] = 1
painted.definition["bands"][1]["review_days"] = "monthly"
painted.save()
print(sound.pk, painted.pk)
"""
WATCHED = """
import datetime as dt
from django.utils import timezone
from monitoring import indicators
from monitoring.deliveries import new_secret
from monitoring.models import DriftFlag, Indicator, Reading, Webhook
from riskreg.accounts.models import User
from risks.models import Risk
risk, now, maria = Risk.objects.open().first(), timezone.now(), User.objects.get(username="maria")
one = Indicator.objects.create(name="Satisfaction", team=risk.team, owner=maria, warning=4, limit=2, unit="points")
indicators.tie(indicator=one, risk=risk, ratio=4, by=maria, now=now)
for n in range(5):
    measured = [indicators.Measured(one.pk, now - dt.timedelta(days=n), 4 - n / 2)]
    indicators.record(measured, source=Reading.Source.HAND, by=maria, now=now)
flag = DriftFlag.objects.filter(risk__state="live").last() or DriftFlag.objects.create(
    risk=risk, raised_at=now, since=now.date(), before=20, after=60, strength=5, from_entry=1
)
webhook = Webhook.objects.create(name="Ticket system", url="https://tickets.example.com/hook", secret=new_secret())
print(flag.pk, one.pk, webhook.pk)
"""
OUTLOOK = """
from crm.models import Customer, Target
from monitoring.models import Forecast
print(Forecast.objects.first().pk, Target.objects.first().pk, Customer.objects.first().pk)
"""
VIEWS = """
from riskreg.accounts.models import User
from risks.models import SavedView
print(SavedView.objects.create(user=User.objects.get(username="admin"), name="Mine", query="owner=me").pk)
"""
# Somebody answered and time is up, so the opinions are open.
OPINIONS = """
import datetime as dt
from django.utils import timezone
from assessments.actions import Number
from assessments.elicitation import answer, ask
from assessments.models import Elicitation
from risks import access
from risks.models import Risk
risk, now = Risk.objects.open().filter(confidential=False).last(), timezone.now()
people = list(access.people_who_may_edit(risk))
asked = ask(risk=risk, people=people, question="How?", answer_by=now + dt.timedelta(days=1), by=people[0], at=now)
for person in people[:-1]:
    answer(elicitation=asked, by=person, likelihood=Number(0.1, 0.05, 0.2), money=3, because="So I heard", at=now)
Elicitation.objects.filter(pk=asked.pk).update(answer_by=now)
print(asked.pk)
"""


def _last_words(stack: Stack, code: str) -> list[str]:
    return stack.manage("shell", "-v0", "-c", code).strip().splitlines()[-1].split()


def routes(patterns: list[Any] | None = None, space: str = "", prefix: str = "") -> Iterator[tuple[str, str]]:
    for pattern in get_resolver().url_patterns if patterns is None else patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns, f"{pattern.namespace}:", prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            yield f"{space}{pattern.name}", prefix + str(pattern.pattern)


def pages() -> list[tuple[str, str]]:
    return [(name, path) for name, path in routes() if name not in NO_PAGE]


@pytest.fixture(scope="module")
def ids(embedded: Stack) -> dict[str, str]:
    """What stands for the placeholders in the routes; an import and a mail are made, so that they can be looked at."""
    embedded.manage("import_register", "tests/data/uwa_tikasathi_register.csv", "--team", "Northfield Pumps")
    out = _last_words(embedded, ASKED)
    done, mapping = _last_words(embedded, IMPORTS)
    digest, message = _last_words(embedded, MAIL)
    sound, painted = _last_words(embedded, METHODS)
    (opinions,) = _last_words(embedded, OPINIONS)
    forecast, target, customer = _last_words(embedded, OUTLOOK)
    flag, indicator, webhook = _last_words(embedded, WATCHED)
    (view,) = _last_words(embedded, VIEWS)
    return {
        "monitoring:flag": flag,
        "monitoring:indicator": indicator,
        "monitoring:edit_indicator": indicator,
        "monitoring:edit_webhook": webhook,
        "risk_id": out[0],
        "risks": out[0],
        "responses:edit": out[1],
        "risks:link": out[2],
        "accounts:edit_team": out[3],
        "accounts:edit_person": out[4],
        "risks:edit_category": out[5],
        "assessments:elicitation": opinions,
        "monitoring:forecast": forecast,
        "monitoring:edit_target": target,
        "risks:edit_customer": customer,
        "risks:edit_view": view,
        "assessments:method": sound,
        "assessments:edit_method": painted,
        "monitoring:what_if": sound,
        "risks:import_show": done,
        "risks:import_columns": mapping,
        "monitoring:digest": digest,
        "mail:show": message,
    }


def address(name: str, path: str, ids: dict[str, str]) -> str:
    key = ids.get(name) or ids["risks"]
    return "/" + path.replace("<int:risk_id>", ids["risk_id"]).replace("<int:pk>", key)


def violations(page: Page) -> list[str]:
    if not page.evaluate("typeof window.axe !== 'undefined'"):
        page.add_script_tag(path=str(AXE))
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{v['id']}: {v['nodes'][0]['html'][:150]} {v['nodes'][0]['failureSummary'][:200]}" for v in found["violations"]
    ]


LOOKS: list[tuple[Any, int]] = [("light", 1440), ("dark", 1440), ("dark", 390), ("light", 390)]


def looks(page: Page, name: str) -> dict[str, list[str]]:
    """What axe finds on the page in every theme and width; the page follows both without being loaded again."""
    found = {}
    for theme, width in LOOKS:
        page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("theme => document.documentElement.dataset.bsTheme === theme", arg=theme)
        sideways = ["scrolls sideways"] if page.evaluate("document.documentElement.scrollWidth") > width else []
        found[f"{name} {theme} {width}"] = violations(page) + sideways
    return found


@pytest.mark.browser
def test_axe_finds_nothing(embedded: Stack, ids: dict[str, str], chromium: Browser) -> None:
    assert Path(AXE).exists(), "npm ci brings axe-core"
    # The page's own policy forbids foreign scripts, axe among them, so it is lifted for axe alone.
    context = chromium.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(f"{embedded.url}/accounts/login/")
    found = looks(page, "accounts:login")
    page.fill("[name=username]", "admin")
    page.fill("[name=password]", PASSWORD)
    page.press("[name=password]", "Enter")
    page.wait_for_url(f"{embedded.url}/")
    for name, path in [*pages(), ("404", "no-such-page/")]:
        answer = page.goto(embedded.url + address(name, path, ids))
        assert answer is not None
        assert answer.status == (404 if name == "404" else 200), name
        page.wait_for_function(
            "!document.querySelector('.htmx-request, [hx-trigger=load]:not(:has(section, .big-score))')"
        )
        page.evaluate("document.querySelectorAll('details').forEach(box => box.open = true)")
        found |= looks(page, name)
    context.close()
    complaints = {name: what for name, what in found.items() if what}
    assert not complaints, json.dumps(complaints, indent=1, ensure_ascii=False)
    assert len(found) > 35 * len(LOOKS)
