"""Views of the register: saved, used, shared, and each reader's own to change."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.test import Client
from django.urls import reverse

from risks.models import Risk, SavedView

pytestmark = pytest.mark.django_db
MakeRisk = Callable[..., Risk]


def signed_in(user: object) -> Client:
    client = Client()
    client.force_login(user)
    return client


def test_what_the_register_asks_for_is_saved_and_nothing_else(cast: SimpleNamespace) -> None:
    query = "?q=%E9%92%A2%E4%BB%B7&state=beyond&sort=-exposure&page=3&status=open&strange=1"
    response = signed_in(cast.max).post(reverse("risks:add_view") + query, {"name": "  Steel   prices "})
    view = SavedView.objects.get()
    assert (view.user, view.name, view.shared) == (cast.max, "Steel prices", False)
    assert view.query == "q=%E9%92%A2%E4%BB%B7&status=open&state=beyond&sort=-exposure"
    assert response.headers["Location"] == f"{reverse('risks:register')}?{view.query}"


def test_the_longest_search_in_chinese_fits(cast: SimpleNamespace) -> None:
    signed_in(cast.max).post(f"{reverse('risks:add_view')}?q={'价' * 500}", {"name": "Long"})
    assert SavedView.objects.get().query == f"q={'%E4%BB%B7' * 200}"


def test_the_register_offers_to_save_a_filter_and_lists_what_was_saved(cast: SimpleNamespace) -> None:
    client = signed_in(cast.max)
    assert "Save as a view" not in client.get(reverse("risks:register")).content.decode()
    filtered = client.get(reverse("risks:register") + "?state=drifting").content.decode()
    assert f'{reverse("risks:add_view")}?state=drifting"' in filtered
    SavedView.objects.create(user=cast.max, name="Drifting now", query="state=drifting")
    page = client.get(reverse("risks:register")).content.decode()
    assert f'href="{reverse("risks:register")}?state=drifting">Drifting now</a>' in page


def test_one_name_stands_for_one_view(cast: SimpleNamespace) -> None:
    client = signed_in(cast.max)
    client.post(reverse("risks:add_view") + "?state=drifting", {"name": "Mine"})
    again = client.post(reverse("risks:add_view") + "?state=beyond", {"name": "Mine"})
    assert "You already have a view of this name." in again.content.decode()
    assert SavedView.objects.get().query == "state=drifting"


def test_a_shared_view_is_for_all_to_use_and_for_its_owner_to_change(cast: SimpleNamespace) -> None:
    view = SavedView.objects.create(user=cast.max, name="Ours", query="owner=me", shared=True)
    SavedView.objects.create(user=cast.max, name="Mine alone", query="owner=me")
    client = signed_in(cast.hana)
    page = client.get(reverse("risks:views")).content.decode()
    assert "Ours" in page
    assert "Mine alone" not in page
    assert client.post(reverse("risks:edit_view", args=[view.pk]), {"name": "Hers"}).status_code == 404
    assert client.post(reverse("risks:delete_view", args=[view.pk])).status_code == 404
    assert SavedView.objects.get(pk=view.pk).name == "Ours"


def test_a_shared_view_shows_each_reader_her_own(cast: SimpleNamespace, make_risk: MakeRisk) -> None:
    make_risk(title="Prices of Accounts", team=cast.accounts)
    make_risk(title="Prices of Hengyue", team=cast.hengyue)
    view = SavedView.objects.create(user=cast.max, name="Prices", query="q=prices", shared=True)
    page = signed_in(cast.hana).get(f"{reverse('risks:register')}?{view.query}").content.decode()
    assert "Prices of Hengyue" in page
    assert "Prices of Accounts" not in page


def test_renaming_keeps_what_a_view_asks_for(cast: SimpleNamespace) -> None:
    view = SavedView.objects.create(user=cast.max, name="Old", query="owner=me&sort=title")
    signed_in(cast.max).post(reverse("risks:edit_view", args=[view.pk]), {"name": "New", "shared": "on"})
    view.refresh_from_db()
    assert (view.name, view.shared, view.query) == ("New", True, "owner=me&sort=title")
