"""Every page renders, in both languages, as the house wants it: one heading, no inline style or script, no dead link.

The pages come from the URL conf by way of the access matrix, so a new page is looked at from its first day.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.db import transaction
from django.http import HttpResponse
from django.test import Client
from django.urls import Resolver404, resolve, reverse

from assessments.models import Method
from crm.models import Customer
from monitoring.models import Digest, Event, Indicator, Webhook
from riskreg.accounts.models import Team, User
from riskreg.jobs.models import Job
from riskreg.mail.models import LocalMessage
from risks.models import ImportBatch, Observation, Risk
from tests.conftest import ledger_unlocked
from tests.test_access_matrix import (
    DATA,
    DRILL_DOWNS,
    POST_ANSWERS_PAGE,
    RULES,
    SIGNED_IN,
    World,
    ask,
    build_world,
    kept_for_module,
    methods_of,
)

LANGUAGES = ["en", "zh-hans"]

# Parts of a page, fetched by HTMX: neither a document nor a heading of their own.
FRAGMENTS = {
    "assessments:base_rate", "assessments:panel", "assessments:preview", "assessments:rescoring", "jobs:progress",
    "monitoring:panel", "monitoring:what_if_changes", "responses:panel", "risks:duplicates", "risks:history",
}  # fmt: skip
FILES = {"risks:export", "health", "health_work"}
MAILS = {"mail:html"}  # a mail brings its own style and policy; test_mail says what it may
PAGES = sorted({name for name, method in RULES if method == "GET"} - FILES - MAILS)
# A form that is sent empty comes back as the page it stands on.
FORMS = sorted(
    {name for name, method in RULES if method == "POST" and "GET" in methods_of(name)}
    # The editor of a method takes what is typed for a draft, and a form without its time for an old one.
    - {"monitoring:my_digest", "assessments:edit_method"}
)


class Page(HTMLParser):
    """What is in a page that the house has rules for."""

    VOID = frozenset(
        ["area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"]
    )

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.ids: list[str] = []
        self.problems: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        self.close()
        self.problems += [f"<{tag}> is not closed" for tag in self._open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if len(named) != len(attrs):
            self.problems.append(f"<{tag}> has an attribute twice: {attrs}")
        self.tags.append((tag, named))
        if "id" in named:
            self.ids.append(named["id"])
        self.problems += [f"<{tag} {name}>" for name in named if name == "style" or name.startswith("on")]
        self.problems += [f"<{tag} {name}> runs script" for name in named if name.startswith(("hx-on", "hx-vals='js"))]
        if tag == "style" or (tag == "script" and not named.get("src")):
            self.problems.append(f"inline <{tag}>")
        if any(value.strip().lower().startswith("javascript:") for value in named.values()):
            self.problems.append(f"<{tag}> with a javascript: address")
        if tag not in self.VOID and tag != "use":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if self._open and self._open[-1] == tag:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        if tag in self.VOID or tag == "use":
            return
        if not self._open or self._open[-1] != tag:
            self.problems.append(f"</{tag}> where <{self._open[-1] if self._open else 'nothing'}> is open")
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def values(self, *names: str) -> list[str]:
        return [attrs[name] for _tag, attrs in self.tags for name in names if name in attrs]

    def count(self, wanted: str) -> int:
        return sum(tag == wanted for tag, _attrs in self.tags)


ADDRESSES = ("href", "src", "action", "formaction", "hx-get", "hx-post", "xlink:href")


def dead_links(page: Page) -> list[str]:
    """Addresses on this site that lead nowhere, and icons that are not drawn."""
    dead = []
    for address in set(page.values(*ADDRESSES)):
        path, _hash, fragment = address.partition("#")
        path = path.partition("?")[0]
        if path.startswith(f"/{settings.STATIC_URL.strip('/')}/"):
            found = finders.find(path.removeprefix("/static/"))
            if found is None or (fragment and f'id="{fragment}"' not in Path(str(found)).read_text()):
                dead.append(address)
        elif path.startswith("/"):
            try:
                resolve(path)
            except Resolver404:
                dead.append(address)
        elif (not path and fragment and fragment not in page.ids) or (
            path and not address.startswith(("https://", "http://", "mailto:", "data:"))
        ):
            dead.append(address)
    return sorted(dead)


def policy_problems(response: HttpResponse) -> list[str]:
    policy = response.headers.get("Content-Security-Policy", "")
    directives = dict(part.strip().partition(" ")[::2] for part in policy.split(";") if part.strip())
    problems = [f"no {name}" for name in ("default-src", "script-src", "style-src") if name not in directives]
    return problems + [word for word in ("unsafe-inline", "unsafe-eval", "unsafe-hashes", "*") if word in policy]


def problems_of(response: HttpResponse, language: str, *, whole: bool = True) -> list[str]:
    page = Page(response.content.decode())
    problems = page.problems + [f"dead: {address}" for address in dead_links(page)] + policy_problems(response)
    problems += [f"id {twice} stands twice" for twice in {i for i in page.ids if page.ids.count(i) > 1}]
    problems += [f"label for {i}, which is not there" for i in page.values("for") if i not in page.ids]
    problems += [
        f"named by {i}, which is not there"
        for i in " ".join(page.values("aria-labelledby", "aria-describedby")).split()
        if i not in page.ids
    ]
    problems += [
        f"left over: {text.strip()[:60]}" for text in page.texts if re.search(r"{[{%#]|[%#}]}|%\(\w+\)s", text)
    ]
    if whole:
        html = [attrs for tag, attrs in page.tags if tag == "html"]
        problems += [f"{page.count('h1')} h1"] if page.count("h1") != 1 else []
        problems += [f"lang is {html}"] if [attrs.get("lang") for attrs in html] != [language] else []
        problems += [f"{page.count('main')} main"] if page.count("main") != 1 else []
        problems += ["no title"] if page.count("title") < 1 else []
    elif page.count("html"):
        problems.append("a whole page instead of a part")
    return problems


@pytest.fixture(scope="module")
def pages_world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with kept_for_module(django_db_blocker):
        with django_db_blocker.unblock():
            world = build_world()
        yield world


@pytest.fixture
def world(pages_world: World, db: None) -> World:
    return pages_world


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest, world: World) -> str:
    User.objects.update(language=request.param)
    chosen: str = request.param
    return chosen


def reader_of(name: str) -> str:
    return "anonymous" if name == "accounts:login" else "ada"


def addresses_of(world: World, name: str, method: str = "GET") -> dict[str, tuple[Any, ...]]:
    """The objects of a route an administrator gets, with the arguments of their addresses."""
    declared = RULES[name, method]
    objects = world.objects(declared.objects, "ada")
    return {object_name: args for object_name, args in objects.items() if object_name in declared.ok["ada"]}


def client_in(world: World, persona: str, language: str) -> Client:
    client = world.client(persona)
    client.cookies[settings.LANGUAGE_COOKIE_NAME] = language  # for who is not signed in
    return client


@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_as_the_house_wants_it(name: str, language: str, world: World) -> None:
    client = client_in(world, reader_of(name), language)
    for object_name, args in addresses_of(world, name).items():
        for query in ["", *DRILL_DOWNS.get(name, [])[:6]]:
            response = client.get(reverse(name, args=args) + query)
            assert (object_name, query, response.status_code) == (object_name, query, 200)
            assert problems_of(response, language, whole=name not in FRAGMENTS) == [], (object_name, query)


@pytest.mark.parametrize("name", FORMS)
def test_a_form_sent_empty_comes_back_with_what_is_wrong(name: str, language: str, world: World) -> None:
    client = client_in(world, reader_of(name), language)
    _name, args = next(iter(addresses_of(world, name, "POST").items()))
    empty = {"actions-TOTAL_FORMS": 0, "actions-INITIAL_FORMS": 0}
    response = client.post(reverse(name, args=args), empty)
    assert response.status_code == 200
    assert problems_of(response, language) == []
    assert 'class="invalid-feedback' in response.content.decode() or 'role="alert"' in response.content.decode()


@pytest.mark.parametrize("name", sorted(POST_ANSWERS_PAGE))
def test_an_answer_to_a_post_is_as_the_house_wants_it(name: str, language: str, world: World) -> None:
    client = client_in(world, "ada", language)
    _name, args = next(iter(addresses_of(world, name, "POST").items()))
    for data in (DATA[name](world, "ada", "") if name in DATA else {}, {}):
        response = client.post(reverse(name, args=args), data)
        assert response.status_code == 200
        # A link to a place leads into the page around the answer.
        problems = problems_of(response, language, whole="GET" in methods_of(name))
        assert [problem for problem in problems if not problem.startswith("dead: #")] == []


@pytest.mark.parametrize(
    "name", sorted(name for name in DRILL_DOWNS if name not in FRAGMENTS | {"monitoring:heat_map"})
)
def test_a_table_asked_for_by_htmx_is_a_part_of_its_page(name: str, language: str, world: World) -> None:
    response = client_in(world, "ada", language).get(reverse(name), headers={"HX-Request": "true"})
    assert response.status_code == 200
    page = Page(response.content.decode())
    assert [page.count("html"), page.count("h1"), page.count("table") + page.count("article") > 0] == [0, 0, True]
    assert problems_of(response, language, whole=False) == []


LESSER = [
    (name, persona)
    for name in PAGES
    for persona in ("vera", "max", "olga", "nobody")
    if name != "accounts:login"
    if RULES[name, "GET"].ok.get(persona)
    if persona not in RULES[name, "GET"].forbidden
]


@pytest.mark.parametrize(("name", "persona"), LESSER)
def test_every_page_is_so_for_people_with_lesser_roles(name: str, persona: str, world: World) -> None:
    declared = RULES[name, "GET"]
    for object_name in sorted(declared.ok[persona] & world.objects(declared.objects, persona).keys()):
        response = world.client(persona).get(reverse(name, args=world.objects(declared.objects, persona)[object_name]))
        assert response.status_code == 200
        assert problems_of(response, "en", whole=name not in FRAGMENTS) == [], object_name


def empty_the_register() -> None:
    with ledger_unlocked():
        for model in (Observation, ImportBatch, Digest, LocalMessage, Job, Event, Risk, Indicator, Webhook, Customer):
            model.objects.all().delete()


@pytest.mark.parametrize("name", [name for name in PAGES if RULES[name, "GET"].objects == "page"])
def test_a_page_with_nothing_to_show_says_so(name: str, language: str, world: World) -> None:
    empty_the_register()
    response = client_in(world, reader_of(name), language).get(reverse(name))
    assert response.status_code == 200
    assert problems_of(response, language, whole=name not in FRAGMENTS) == []


# --- where links and buttons lead ------------------------------------------------------------------------


def offered(world: World, persona: str) -> dict[tuple[str, str], str]:
    """Links and buttons on the pages a person gets, once for each place they lead to, with the page they are on."""
    found: dict[tuple[str, str], str] = {}
    for name in PAGES:
        declared = RULES[name, "GET"]
        for object_name, args in world.objects(declared.objects, persona).items():
            if declared.expects(persona, object_name) != "ok":
                continue
            response = world.client(persona).get(reverse(name, args=args))
            page = Page(response.content.decode())
            for address in page.values("href", "hx-get"):
                if address.startswith("/") and not address.startswith("/static/"):
                    found.setdefault(("GET", address.partition("#")[0]), name)
            for address in page.values("action", "formaction", "hx-post"):
                found.setdefault(("POST", address), name)
    return found


def dead_ends(world: World, persona: str) -> list[str]:
    found = []
    hidden = {"source": Method.objects.get(state="active").pk}  # what a button sends besides its address
    for (method, address), name in offered(world, persona).items():
        with transaction.atomic():
            client = world.client(persona)
            response = client.get(address) if method == "GET" else client.post(address, hidden)
            transaction.set_rollback(True)
        # A conflict is an answer: the editor was posted without the time its draft was read.
        if response.status_code not in (200, 302, 409):
            found.append(f"{name}: {method} {address} answers {response.status_code}")
    return found


@pytest.mark.parametrize("persona", SIGNED_IN)
def test_no_link_or_button_leads_where_its_reader_may_not_go(persona: str, world: World) -> None:
    assert dead_ends(world, persona) == []


@pytest.mark.parametrize("persona", SIGNED_IN)
def test_no_link_or_button_of_an_empty_register_is_a_dead_end(persona: str, world: World) -> None:
    empty_the_register()
    assert dead_ends(world, persona) == []


def test_no_link_or_button_is_a_dead_end_before_there_is_a_team(world: World) -> None:
    empty_the_register()
    for team in Team.objects.order_by("-path"):
        team.delete()
    assert [end for end in dead_ends(world, "ada") if not end.startswith(("risks:new", "risks:import"))] == []


# --- pages that say no -----------------------------------------------------------------------------------


def test_not_found_and_forbidden_are_pages_of_the_house(language: str, world: World) -> None:
    cases = {404: ("ada", reverse("risks:show", args=[999_999])), 403: ("vera", reverse("accounts:people"))}
    for status, (persona, address) in cases.items():
        response = client_in(world, persona, language).get(address)
        assert response.status_code == status
        assert problems_of(response, language) == [], status


def test_an_address_that_is_none_is_not_found_for_anybody(language: str, world: World) -> None:
    for persona in ("anonymous", "nobody", "ada"):
        response = client_in(world, persona, language).get("/no/such/page/")
        assert response.status_code == 404
        assert problems_of(response, language) == [], persona


def test_a_post_without_its_token_gets_a_page_of_the_house(language: str, world: World) -> None:
    client = world.client("ada", csrf=True)
    response = client.post(reverse("risks:capture"), {})
    assert response.status_code == 403
    assert problems_of(response, language) == []


def test_an_error_of_ours_gets_a_page_of_the_house(
    language: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("on purpose")

    monkeypatch.setattr("monitoring.queries.heat_map", broken)
    client = world.client("ada")
    client.raise_request_exception = False
    response = client.get(reverse("monitoring:heat_map"))
    assert response.status_code == 500
    assert "on purpose" not in response.content.decode()
    assert problems_of(response, language) == []


@pytest.mark.parametrize(("name", "method"), sorted(RULES), ids=lambda value: value.replace(":", "."))
def test_every_response_has_a_strict_policy(name: str, method: str, world: World) -> None:
    for persona in ("anonymous", "nobody", "ada"):
        for object_name, args in world.objects(RULES[name, method].objects, persona).items():
            data = DATA[name](world, persona, object_name) if method == "POST" and name in DATA else None
            response = ask(world.client(persona), method, name, args, data=data).response
            problems = policy_problems(response)
            # A mail runs nothing, so its policy names no scripts: default-src 'none' covers them.
            assert problems == (["no script-src"] if name in MAILS and response.status_code == 200 else [])
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            if persona != "anonymous":
                assert response.headers["Cache-Control"].count("no-store") == 1


def test_a_mail_is_shown_without_anything_from_outside(world: World) -> None:
    _name, args = next(iter(addresses_of(world, "mail:html").items()))
    response = world.client("ada").get(reverse("mail:html", args=args))
    assert response.headers["Content-Security-Policy"] == (
        "default-src 'none'; style-src 'none'; frame-ancestors 'self'; "
        "sandbox allow-top-navigation-by-user-activation allow-popups"
    )
    assert response.headers["X-Frame-Options"] == "SAMEORIGIN"
