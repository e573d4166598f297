"""The pages of the scoring method: versions, one version, and the editor of a draft."""

from __future__ import annotations

import copy
import datetime as dt
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from assessments import versions
from assessments.default_method import DEFAULT_METHOD
from assessments.models import Method
from riskreg.accounts.models import User
from risks.models import Category
from tests.assessments.test_method_checks import PAINTED
from tests.assessments.test_method_forms import posted

HTMX = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def active(db: None) -> Method:
    return Method.objects.get(state=Method.State.ACTIVE)


@pytest.fixture
def draft(active: Method, cast: SimpleNamespace) -> Method:
    return versions.draft_from(source=active, by=cast.ada, at=timezone.now())


@pytest.fixture
def ada(cast: SimpleNamespace, sign_in: Callable[[User], Client]) -> Client:
    return sign_in(cast.ada)


def typed(draft: Method, **changed: str) -> dict[str, str]:
    """The editor's form as it was opened, with some fields changed; ``__`` stands for ``-`` in their names."""
    definition = copy.deepcopy(DEFAULT_METHOD) | {"formula": "exposure", "appetite": {}}
    assert draft.edited_at is not None
    form = posted(definition) | {"edited-at": draft.edited_at.isoformat(), "note": draft.note, "do": "save"}
    return form | {name.replace("__", "-"): value for name, value in changed.items()}


def address(name: str, method: Method) -> str:
    return reverse(f"assessments:{name}", args=[method.pk])


def text_of(response: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", response.content.decode()))


# --- the list --------------------------------------------------------------------------------------------


def test_the_version_in_force_is_on_top_and_without_drafts_the_page_says_so(ada: Client, active: Method) -> None:
    response = ada.get(reverse("assessments:methods"))
    text = text_of(response)
    assert "Version 1 In force" in text
    assert "No draft" in text
    assert "Earlier versions" not in text
    assert address("method", active) in response.content.decode()


def test_drafts_and_earlier_versions_come_newest_first(ada: Client, draft: Method, cast: SimpleNamespace) -> None:
    versions.draft_from(source=draft, by=cast.ada, at=timezone.now())
    for version in (7, 8):
        Method.objects.create(
            version=version, state="retired", definition=DEFAULT_METHOD, note=f"Note {version}",
            activated_at=timezone.now(), activated_by=cast.mona, retired_at=timezone.now(),
        )  # fmt: skip
    text = text_of(ada.get(reverse("assessments:methods")))
    assert re.findall(r"Version (\d+)", text.partition("Earlier versions")[0]) == ["1", "3", "2"]
    assert re.findall(r"Version (\d+)", text.partition("Earlier versions")[2]) == ["8", "7"]
    assert "Activated by Mona" in text
    assert "Note 7" in text
    assert "Begun by Ada" in text


def test_a_scheduled_version_says_when_and_cannot_be_edited(ada: Client, draft: Method, cast: SimpleNamespace) -> None:
    when = timezone.now() + dt.timedelta(days=3)
    versions.schedule(method=draft, when=when, by=cast.ada, at=timezone.now())
    page = ada.get(reverse("assessments:methods"))
    assert "Scheduled" in text_of(page)
    assert "Scheduled by Ada" in text_of(page)
    assert address("edit_method", draft) not in page.content.decode()
    assert address("discard_method", draft) not in page.content.decode()
    assert reverse("monitoring:what_if", args=[draft.pk]) in page.content.decode()


def test_more_versions_need_no_more_statements(ada: Client, active: Method, cast: SimpleNamespace) -> None:
    def make(first: int, n: int, **fields: Any) -> None:
        Method.objects.bulk_create(
            Method(
                version=first + k, definition=active.definition, created_by=person, activated_by=person,
                edited_at=timezone.now(), **fields,
            )
            for k, person in enumerate([cast.mona, cast.max, cast.vera, cast.hana][:n])
        )  # fmt: skip

    def statements() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert ada.get(reverse("assessments:methods")).status_code == 200
        return len(captured)

    make(10, 1, state="draft")
    make(20, 1, state="retired", activated_at=timezone.now(), retired_at=timezone.now())
    few = statements()
    make(30, 4, state="draft")
    make(40, 4, state="retired", activated_at=timezone.now(), retired_at=timezone.now())
    assert statements() == few


# --- one version -----------------------------------------------------------------------------------------


def test_a_version_shows_its_rules(ada: Client, draft: Method) -> None:
    definition = draft.definition | {"formula": "matrix", "matrix": PAINTED, "combination": "worst"}
    Method.objects.filter(pk=draft.pk).update(definition=definition | {"appetite": {"competitor": 1, "process": 0}})
    text = text_of(ada.get(address("method", draft)))
    assert "Version 2 Draft" in text
    assert "The band of the cell; within the band, expected loss." in text
    assert "The worst dimension decides." in text
    assert "Competitors: up to Low" in text
    assert "Internal process: none at all" in text


def test_a_draft_that_cannot_score_yet_leads_to_the_editor(ada: Client, draft: Method) -> None:
    definition = copy.deepcopy(draft.definition)
    definition["likelihood"][0]["low"] = "seldom"
    Method.objects.filter(pk=draft.pk).update(definition=definition)
    response = ada.get(address("method", draft))
    assert "This draft cannot score yet" in text_of(response)
    assert address("edit_method", draft) in response.content.decode()


# --- beginning and discarding ----------------------------------------------------------------------------


def test_a_new_draft_is_a_copy_and_opens_in_the_editor(ada: Client, active: Method, cast: SimpleNamespace) -> None:
    response = ada.post(reverse("assessments:new_method"), {"source": active.pk})
    made = Method.objects.get(version=2)
    assert (made.state, made.definition, made.created_by) == ("draft", active.definition, cast.ada)
    assert response.headers["Location"] == address("edit_method", made)


@pytest.mark.parametrize("source", ["", "x", "999999", "9" * 30])
def test_a_draft_of_nothing_is_not_found(source: str, ada: Client) -> None:
    assert ada.post(reverse("assessments:new_method"), {"source": source}).status_code == 404
    assert Method.objects.count() == 1


def test_a_discarded_draft_is_gone(ada: Client, draft: Method) -> None:
    response = ada.post(address("discard_method", draft))
    assert response.headers["Location"] == reverse("assessments:methods")
    assert not Method.objects.filter(pk=draft.pk).exists()


# --- who and what ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["edit_method", "check_method", "discard_method"])
@pytest.mark.parametrize("state", ["active", "retired", "scheduled"])
def test_only_drafts_are_edited_checked_or_discarded(
    name: str, state: str, ada: Client, draft: Method, cast: SimpleNamespace
) -> None:
    method = Method.objects.get(state="active")
    if state == "retired":
        method = Method.objects.create(version=9, state="retired", definition=DEFAULT_METHOD)
    if state == "scheduled":
        method = draft
        versions.schedule(method=draft, when=timezone.now() + dt.timedelta(days=1), by=cast.ada, at=timezone.now())
    before = Method.objects.filter(pk=method.pk).values().get()
    assert ada.post(address(name, method), typed(draft, note="Changed")).status_code == 404
    assert Method.objects.filter(pk=method.pk).values().get() == before


@pytest.mark.parametrize(
    ("name", "allowed"),
    [
        ("methods", "get"),
        ("method", "get"),
        ("new_method", "post"),
        ("check_method", "post"),
        ("discard_method", "post"),
    ],
)
def test_the_wrong_method_is_refused(name: str, allowed: str, ada: Client, draft: Method) -> None:
    where = reverse(f"assessments:{name}") if name in ("methods", "new_method") else address(name, draft)
    call = ada.post if allowed == "get" else ada.get
    assert call(where).status_code == 405


@pytest.mark.parametrize("name", ["methods", "method", "new_method", "edit_method", "check_method", "discard_method"])
def test_only_administrators_come_in(
    name: str, draft: Method, cast: SimpleNamespace, sign_in: Callable[[User], Client]
) -> None:
    where = reverse(f"assessments:{name}") if name in ("methods", "new_method") else address(name, draft)
    for call in (sign_in(cast.mona).get, sign_in(cast.mona).post):
        assert call(where).status_code == 403
    assert Method.objects.count() == 2


# --- the editor ------------------------------------------------------------------------------------------


def test_what_is_typed_is_kept(ada: Client, draft: Method) -> None:
    form = typed(
        draft, note="Levels\r\nfor enterprise deals", likelihood__0__label__zh="极罕见", likelihood__4__high="99 %",
        dimensions__0__levels__4__high="10m", bands__1__threshold="４０", formula="product", appetite__competitor="1",
    )  # fmt: skip
    response = ada.post(address("edit_method", draft), form)
    assert response.headers["Location"] == address("edit_method", draft)
    before = draft.edited_at
    draft.refresh_from_db()
    assert draft.note == "Levels\nfor enterprise deals"
    assert draft.edited_at is not None
    assert before is not None
    assert draft.edited_at > before
    assert draft.definition["likelihood"][0]["label"] == {"en": "Rare", "zh": "极罕见"}
    assert draft.definition["likelihood"][4]["high"] == 0.99
    assert draft.definition["dimensions"][0]["levels"][4]["high"] == 10_000_000
    assert draft.definition["bands"][1]["threshold"] == 40
    assert (draft.definition["formula"], draft.definition["appetite"]) == ("product", {"competitor": 1})
    assert draft.spec().formula == "product"


def test_a_sound_draft_leads_to_what_would_change(ada: Client, draft: Method) -> None:
    page = ada.get(address("edit_method", draft))
    assert "This version can be activated." in text_of(page)
    assert reverse("monitoring:what_if", args=[draft.pk]) in page.content.decode()
    response = ada.post(address("edit_method", draft), typed(draft, do="what-if", note="On"))
    assert response.headers["Location"] == reverse("monitoring:what_if", args=[draft.pk])
    draft.refresh_from_db()
    assert draft.note == "On"


def test_an_unfinished_draft_is_kept_and_shown_with_its_problems(ada: Client, draft: Method) -> None:
    form = typed(draft, do="what-if", likelihood__2__low="12", dimensions__0__levels__1__high="lots")
    response = ada.post(address("edit_method", draft), form, follow=True)
    assert response.redirect_chain == [(address("edit_method", draft), 302)]
    html = response.content.decode()
    assert 'name="dimensions-0-levels-1-high" value="lots"' in html
    assert "2 things keep this version from being activated" in html
    gap = "Level 3 begins at 12\N{NO-BREAK SPACE}%, but level 2 ends at 10\N{NO-BREAK SPACE}%"
    assert f'<a href="#likelihood-2-low">{gap}' in html
    assert re.search(f'id="likelihood-2-low-notes"><div class="text-danger">{gap}', html)
    assert re.search(r'id="dimensions-0-levels-1-high-notes"><div class="text-danger">“lots” is not a number', html)
    assert 'id="likelihood-2-low" name="likelihood-2-low" value="12"' in html
    assert html.count('aria-invalid="true"') == 2
    assert "can be activated" not in html


def test_the_second_of_two_who_save_does_not_write_over_the_first(ada: Client, draft: Method) -> None:
    first, second = typed(draft, note="First"), typed(draft, note="Second", likelihood__0__label__en="Seldom")
    ada.post(address("edit_method", draft), first)
    response = ada.post(address("edit_method", draft), second)
    assert response.status_code == 409
    html = response.content.decode()
    assert "Somebody saved this draft at" in html
    assert 'value="Seldom"' in html
    assert ">Second</textarea>" in html
    draft.refresh_from_db()
    assert (draft.note, draft.definition["likelihood"][0]["label"]["en"]) == ("First", "Rare")
    # Saving once more is refused alike; only the button that says so writes over the first.
    assert ada.post(address("edit_method", draft), second).status_code == 409
    (stamp,) = re.findall(r'name="save-over" value="([^"]+)"', html)
    assert ada.post(address("edit_method", draft), second | {"save-over": stamp}).status_code == 302
    draft.refresh_from_db()
    assert draft.note == "Second"


@pytest.mark.parametrize("stamp", ["", "yesterday", "2026-99-99T00:00:00Z"])
def test_a_page_that_does_not_say_when_it_was_opened_saves_nothing(stamp: str, ada: Client, draft: Method) -> None:
    assert ada.post(address("edit_method", draft), typed(draft, edited__at=stamp, note="New")).status_code == 409
    draft.refresh_from_db()
    assert draft.note == ""


@pytest.mark.parametrize("headers", [{}, HTMX], ids=["without script", "htmx"])
@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ("add-likelihood-level", ('name="likelihood-5-low" value="95"', 'name="likelihood-6-low"')),
        ("remove-likelihood-level", ('name="likelihood-3-low"', 'name="likelihood-4-low"')),
        (
            "add-impact-level",
            ('name="dimensions-2-levels-5-low" value="5,000,000"', 'name="dimensions-0-levels-6-low"'),
        ),
        ("remove-impact-level", ('name="dimensions-2-levels-3-low"', 'name="dimensions-0-levels-4-low"')),
        ("add-dimension", ('name="dimensions-3-levels-0-low" value="2,000"', 'name="dimensions-4-key"')),
        ("remove-dimension-0", ('name="dimensions-1-key" value="market_share"', 'name="dimensions-2-key"')),
        ("add-band", ('name="bands-4-threshold" value="88"', 'name="bands-5-threshold"')),
        ("remove-band", ('name="bands-2-threshold"', 'name="bands-3-threshold"')),
    ],
)
def test_rows_come_and_go_with_everything_typed_and_nothing_saved(
    change: str, shown: tuple[str, str], headers: dict[str, Any], ada: Client, draft: Method
) -> None:
    before = Method.objects.filter(pk=draft.pk).values().get()
    form = typed(draft, do=change, note="My note", likelihood__0__label__zh="极罕见", bands__0__review_days="monthly")
    response = ada.post(address("edit_method", draft), form, **headers)
    html = response.content.decode()
    assert response.status_code == 200
    there, gone = shown
    assert there in html
    assert gone not in html
    assert 'value="极罕见"' in html
    assert 'value="monthly"' in html
    assert ">My note</textarea>" in html
    assert f'name="edited-at" value="{form["edited-at"]}"' in html
    assert html.lstrip().startswith("<form" if headers else "<!doctype html>")
    assert Method.objects.filter(pk=draft.pk).values().get() == before


def test_the_cursor_goes_to_the_new_row(ada: Client, draft: Method) -> None:
    html = ada.post(address("edit_method", draft), typed(draft, do="add-band"), **HTMX).content.decode()
    assert re.findall(r'<input[^>]*name="([^"]+)"[^>]* autofocus', html) == ["bands-4-label-en"]
    html = ada.post(address("edit_method", draft), typed(draft, do="remove-band"), **HTMX).content.decode()
    assert re.findall(r'<button[^>]*value="([^"]+)"[^>]* autofocus', html) == ["remove-band"]


def test_choosing_a_matrix_brings_a_cell_for_every_pair_of_levels(ada: Client, draft: Method) -> None:
    form = typed(draft, do="show", formula="matrix")
    html = ada.post(address("edit_method", draft), form, **HTMX).content.decode()
    chosen = re.findall(r'name="cell-(\d)-(\d)".*?value="(\d)" class="band-\w+" selected', html, re.DOTALL)
    assert len(chosen) == 25
    assert {(int(row), int(column)): int(band) for row, column, band in chosen} == {
        (row, column): band for row, line in enumerate(PAINTED, 1) for column, band in enumerate(line, 1)
    }


def test_a_painted_matrix_is_kept_under_another_formula(ada: Client, draft: Method) -> None:
    cells = {f"cell-{row}-{column}": "2" for row in range(1, 6) for column in range(1, 6)}
    ada.post(address("edit_method", draft), typed(draft, formula="exposure") | cells)
    draft.refresh_from_db()
    assert draft.definition["matrix"] == [[2] * 5] * 5
    html = ada.get(address("edit_method", draft)).content.decode()
    assert '<input type="hidden" name="cell-5-5" value="2">' in html


def test_the_check_says_what_is_wrong_and_writes_nothing(ada: Client, draft: Method) -> None:
    before = Method.objects.filter(pk=draft.pk).values().get()
    html = ada.post(address("check_method", draft), typed(draft, bands__3__threshold="40")).content.decode()
    assert '<a href="#bands-3-threshold">A band must begin above the one before it, which begins at 58.</a>' in html
    assert "It appears once the numbers fit together." in html
    assert Method.objects.filter(pk=draft.pk).values().get() == before


def test_the_check_shows_the_matrix_with_the_cell_that_offends(ada: Client, draft: Method) -> None:
    html = ada.post(address("check_method", draft), typed(draft, formula="product")).content.decode()
    assert "“Almost certain × Minor” is rated Moderate at about" in html
    cells = re.findall(r'<span class="cell band-(\w+)( named)?"', html)
    assert len(cells) == 25
    assert [place for place, cell in enumerate(cells) if cell[1]] == [1]  # the likeliest row is on top
    assert "Nothing keeps this version from being activated." in html


def test_words_are_in_the_language_of_the_page(ada: Client, draft: Method, cast: SimpleNamespace) -> None:
    User.objects.filter(pk=cast.ada.pk).update(language="zh-hans")
    page = ada.get(address("edit_method", draft)).content.decode()
    assert 'aria-label="几乎肯定' not in page
    assert ">几乎肯定<" in page
    assert 'value="Almost certain"' in page
    assert 'value="几乎肯定"' in page


def test_an_archived_category_keeps_its_appetite(ada: Client, draft: Method) -> None:
    Category.objects.filter(key__in=["competitor", "process"]).update(archived=True)
    Method.objects.filter(pk=draft.pk).update(definition=draft.definition | {"appetite": {"competitor": 1}})
    html = ada.get(address("edit_method", draft)).content.decode()
    assert 'name="appetite-competitor"' in html
    assert 'name="appetite-process"' not in html
    assert "can be activated" in html


def test_what_is_typed_is_no_markup(ada: Client, draft: Method) -> None:
    form = typed(
        draft, do="show", likelihood__0__label__en='"><script>alert(1)</script>', likelihood__0__low="<b>1</b>"
    )
    html = ada.post(address("edit_method", draft), form, **HTMX).content.decode()
    assert "<script>alert" not in html
    assert "<b>1</b>" not in html
    assert "&lt;b&gt;1&lt;/b&gt;" in html
