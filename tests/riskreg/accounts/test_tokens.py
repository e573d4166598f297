from __future__ import annotations

import datetime as dt
import hashlib
import json
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import path, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from riskreg.accounts import tokens
from riskreg.accounts.models import ApiToken
from riskreg.accounts.tokens import TokenRefused, create, revoke, token_required, user_of

NOW = dt.datetime(2030, 3, 1, 12, 0, tzinfo=dt.UTC)


@token_required(write=False)
def look(request: HttpRequest) -> HttpResponse:
    at = timezone.localtime(dt.datetime(2030, 3, 1, 23, 30, tzinfo=dt.UTC))
    return JsonResponse({"user": request.user.username, "say": gettext("Monday"), "at": date_format(at, "c")})


@token_required(write=True)
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"user": request.user.username})


urlpatterns = [path("api/look/", look), path("api/change/", change)]


@pytest.fixture
def made(cast: SimpleNamespace) -> tuple[ApiToken, str]:
    return create(user=cast.max, name="Script", may_write=False, days=365, now=NOW)


def refused(header: str, *, write: bool = False, now: dt.datetime = NOW) -> tuple[int, str]:
    with pytest.raises(TokenRefused) as caught:
        user_of(header, write=write, now=now)
    return caught.value.status, caught.value.message


UNKNOWN = (401, "This API token is not known.")
OVER = (401, "This API token is no longer valid.")
NONE = (401, "Send an API token as “Authorization: Bearer …”.")


def test_a_new_token_is_known_by_its_prefix_and_a_hash(made: tuple[ApiToken, str], cast: SimpleNamespace) -> None:
    token, secret = made
    assert re.fullmatch(r"rr_[a-z0-9]{8}_[A-Za-z0-9_-]{43}", secret)
    assert secret.startswith(f"rr_{token.prefix}_")
    token.refresh_from_db()
    assert token.secret_hash == hashlib.sha256(secret[12:].encode()).hexdigest()
    assert (token.user, token.created_at, token.expires_at) == (cast.max, NOW, NOW + dt.timedelta(days=365))
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM accounts_apitoken")
        assert secret[12:] not in repr(cursor.fetchall())


def test_two_tokens_share_nothing(cast: SimpleNamespace) -> None:
    secrets = {create(user=cast.max, name="S", may_write=False, days=1, now=NOW)[1] for _ in range(20)}
    assert len({secret[:11] for secret in secrets}) == len({secret[12:] for secret in secrets}) == 20


def test_the_token_names_its_person(made: tuple[ApiToken, str], cast: SimpleNamespace) -> None:
    for header in (f"Bearer {made[1]}", f"bearer {made[1]}", f"BEARER   {made[1]}"):
        assert user_of(header, write=False, now=NOW) == cast.max


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic bWF4Om1heA==", "Token abc", "Bearer abc", "Bearer rr_short_abc",
     "Bearer rr_ABCDEFGH_abc", "Bearer rr_abcdefgh_", "Bearer rr_abcdefgh_a b", "Bearer rr_abcdefg\x00_abc",
     "rr_abcdefgh_abc"],
)  # fmt: skip
def test_what_is_no_token_is_refused(header: str, made: tuple[ApiToken, str]) -> None:
    assert refused(header) == NONE


def test_a_wrong_secret_tells_no_more_than_a_wrong_prefix(made: tuple[ApiToken, str]) -> None:
    token, secret = made
    assert refused(f"Bearer rr_{token.prefix}_{'x' * 43}") == UNKNOWN
    assert refused(f"Bearer {secret}x") == UNKNOWN
    assert refused(f"Bearer rr_aaaaaaaa_{secret[12:]}") == UNKNOWN
    revoke(token, now=NOW)
    assert refused(f"Bearer rr_{token.prefix}_{'x' * 43}") == UNKNOWN


def test_a_token_ends_when_its_time_is_over(made: tuple[ApiToken, str], cast: SimpleNamespace) -> None:
    end = NOW + dt.timedelta(days=365)
    assert user_of(f"Bearer {made[1]}", write=False, now=end - dt.timedelta(seconds=1)) == cast.max
    assert refused(f"Bearer {made[1]}", now=end) == OVER


def test_a_revoked_token_ends_at_once(made: tuple[ApiToken, str]) -> None:
    token, secret = made
    assert (revoke(token, now=NOW), revoke(token, now=NOW + dt.timedelta(hours=1))) == (True, False)
    assert refused(f"Bearer {secret}") == OVER
    token.refresh_from_db()
    assert token.revoked_at == NOW


def test_who_is_deactivated_has_no_tokens(made: tuple[ApiToken, str], cast: SimpleNamespace) -> None:
    cast.max.is_active = False
    cast.max.save()
    assert refused(f"Bearer {made[1]}") == OVER


def test_a_token_for_reading_does_not_write(made: tuple[ApiToken, str], cast: SimpleNamespace) -> None:
    assert refused(f"Bearer {made[1]}", write=True) == (403, "This API token may only read.")
    _token, writing = create(user=cast.max, name="Script", may_write=True, days=1, now=NOW)
    assert user_of(f"Bearer {writing}", write=True, now=NOW) == cast.max


def test_its_use_is_noted_once_an_hour(made: tuple[ApiToken, str]) -> None:
    token, secret = made
    minutes = (0, 1, 59, 60, 61, 119, 120)
    noted, statements = [], []
    for minute in minutes:
        with CaptureQueriesContext(connection) as captured:
            user_of(f"Bearer {secret}", write=False, now=NOW + dt.timedelta(minutes=minute))
        token.refresh_from_db()
        noted.append((token.last_used_at - NOW) / dt.timedelta(minutes=1))
        statements.append(len(captured))
    assert noted == [0, 0, 0, 60, 60, 60, 120]
    assert statements == [2, 1, 1, 2, 1, 1, 2]


def test_a_refused_use_is_none(made: tuple[ApiToken, str]) -> None:
    token, secret = made
    refused(f"Bearer {secret}", write=True)
    token.refresh_from_db()
    assert token.last_used_at is None


def test_the_database_refuses_a_token_without_a_future(cast: SimpleNamespace) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        create(user=cast.max, name="Script", may_write=False, days=0, now=NOW)


# --- views of an API ------------------------------------------------------------------------------------


@pytest.fixture
def api(settings: Any, cast: SimpleNamespace) -> Callable[..., HttpResponse]:
    settings.ROOT_URLCONF = "tests.riskreg.accounts.test_tokens"
    _token, secret = create(user=cast.max, name="Script", may_write=False, days=365, now=timezone.now())
    client = Client(enforce_csrf_checks=True)

    def call(method: str, address: str, *, header: str | None = f"Bearer {secret}", signed_in: bool = False) -> Any:
        if signed_in:
            client.force_login(cast.ada)
        return client.generic(method, address, headers={"Authorization": header} if header else {})

    return call


def test_a_view_sees_the_person_in_her_language_and_time_zone(api: Callable[..., Any], cast: SimpleNamespace) -> None:
    cast.max.language, cast.max.time_zone = "zh-hans", "Asia/Shanghai"
    cast.max.save()
    response = api("GET", "/api/look/")
    assert json.loads(response.content) == {"user": "max", "say": "星期一", "at": "2030-03-02T07:30:00+08:00"}
    assert (response.headers["Content-Language"], response.headers["Cache-Control"]) == ("zh-hans", "no-store")


def test_without_a_token_a_view_answers_401_in_json(api: Callable[..., Any]) -> None:
    for signed_in in (False, True):  # a session opens nothing here
        response = api("GET", "/api/look/", header=None, signed_in=signed_in)
        assert (response.status_code, json.loads(response.content)) == (401, {"error": NONE[1]})
        assert response.headers["WWW-Authenticate"] == 'Bearer realm="riskreg", error="invalid_token"'
        assert (response.headers["Content-Type"], response.headers["Cache-Control"]) == ("application/json", "no-store")


def test_a_token_counts_more_than_a_session(api: Callable[..., Any]) -> None:
    assert json.loads(api("GET", "/api/look/", signed_in=True).content)["user"] == "max"


def test_a_view_that_writes_answers_403_to_a_token_for_reading(api: Callable[..., Any]) -> None:
    response = api("POST", "/api/change/")
    assert (response.status_code, json.loads(response.content)) == (403, {"error": "This API token may only read."})
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="riskreg", error="insufficient_scope"'


def test_a_view_that_writes_needs_no_csrf_token(api: Callable[..., Any], cast: SimpleNamespace) -> None:
    _token, secret = create(user=cast.max, name="Script", may_write=True, days=1, now=timezone.now())
    response = api("POST", "/api/change/", header=f"Bearer {secret}")
    assert (response.status_code, json.loads(response.content)) == (200, {"user": "max"})
    assert api("GET", "/api/change/", header=f"Bearer {secret}").status_code == 405


# --- the pages ------------------------------------------------------------------------------------------


def test_the_secret_is_shown_once(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> None:
    client = sign_in(cast.max)
    response = client.post(reverse("accounts:add_token"), {"name": "Night export", "days": "90", "may_write": "on"})
    [secret] = re.findall(r"rr_[a-z0-9]{8}_[\w-]{43}", response.content.decode())
    assert response.headers["Cache-Control"] == "no-store"
    assert user_of(f"Bearer {secret}", write=True, now=timezone.now()) == cast.max
    token = ApiToken.objects.get()
    assert (token.name, token.expires_at - token.created_at) == ("Night export", dt.timedelta(days=90))
    page = client.get(reverse("accounts:tokens")).content.decode()
    assert f"rr_{token.prefix}" in page
    assert secret[12:] not in page


@pytest.mark.parametrize("wrong", [{"name": "", "days": "30"}, {"name": "S", "days": "36500"}, {"name": "S"}])
def test_a_token_without_a_name_or_an_end_is_not_made(
    wrong: dict[str, str], cast: SimpleNamespace, sign_in: Callable[..., Client]
) -> None:
    response = sign_in(cast.max).post(reverse("accounts:add_token"), wrong)
    assert (response.status_code, ApiToken.objects.count()) == (200, 0)


def test_a_person_sees_and_revokes_her_own_only(
    made: tuple[ApiToken, str], cast: SimpleNamespace, sign_in: Callable[..., Client]
) -> None:
    token, _secret = made
    for other in (cast.mona, cast.ada):
        assert token.prefix not in sign_in(other).get(reverse("accounts:tokens")).content.decode()
        assert sign_in(other).post(reverse("accounts:revoke_token", args=[token.pk])).status_code == 404
    response = sign_in(cast.max).post(reverse("accounts:revoke_token", args=[token.pk]), follow=True)
    assert "The token Script is revoked." in response.content.decode()
    token.refresh_from_db()
    assert token.revoked_at is not None


def test_the_list_says_what_has_ended(cast: SimpleNamespace, sign_in: Callable[..., Client]) -> None:
    long_ago = timezone.now() - dt.timedelta(days=40)
    create(user=cast.max, name="Old", may_write=False, days=30, now=long_ago)
    revoke(create(user=cast.max, name="Gone", may_write=False, days=90, now=long_ago)[0], now=long_ago)
    create(user=cast.max, name="Good", may_write=True, days=90, now=long_ago)
    page = sign_in(cast.max).get(reverse("accounts:tokens")).content.decode()
    assert [page.count(word) for word in ("Expired", "Revoked", 'class="btn btn-sm btn-outline-danger"')] == [1, 1, 1]


def test_hashes_are_sha_256() -> None:
    assert tokens._hash("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
