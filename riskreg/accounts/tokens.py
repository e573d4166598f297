"""API tokens: what a program signs in with, in the name of a person and with no more rights than she has."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import secrets
import string
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.db.models import Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.utils.translation import gettext as _
from django.views.decorators.csrf import csrf_exempt

from riskreg import logs
from riskreg.accounts.middleware import as_for
from riskreg.accounts.models import ApiToken, User

LEAD = "rr"  # tokens that leak into a text can be found by it
PREFIX_LENGTH = 8
SECRET_BYTES = 32
LAST_USED_EVERY = dt.timedelta(hours=1)
_PREFIX_LETTERS = string.ascii_lowercase + string.digits
_HEADER = re.compile(rf"(?i:bearer) +{LEAD}_([a-z0-9]{{{PREFIX_LENGTH}}})_([A-Za-z0-9_-]+)")

View = Callable[..., HttpResponse]


class TokenRefused(Exception):
    """No access with this token: ``status`` 401 when nobody is known by it, 403 when it does not reach so far."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


def create(*, user: User, name: str, may_write: bool, days: int, now: dt.datetime) -> tuple[ApiToken, str]:
    """A token valid for so many days, and the text to send it as, which is never known again."""
    prefix = "".join(secrets.choice(_PREFIX_LETTERS) for _ in range(PREFIX_LENGTH))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    token = ApiToken.objects.create(
        user=user,
        name=name,
        prefix=prefix,
        secret_hash=_hash(secret),
        may_write=may_write,
        created_at=now,
        expires_at=now + dt.timedelta(days=days),
    )
    return token, f"{LEAD}_{prefix}_{secret}"


def revoke(token: ApiToken, *, now: dt.datetime) -> bool:
    """End a token at once. False when it was revoked before."""
    return bool(ApiToken.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now))


def user_of(header: str, *, write: bool, now: dt.datetime) -> User:
    """Whose token an Authorization header holds ("Bearer rr_…"). Raises TokenRefused."""
    sent = _HEADER.fullmatch(header)
    if sent is None:
        raise TokenRefused(401, _("Send an API token as “Authorization: Bearer …”."))
    prefix, secret = sent.groups()
    token = ApiToken.objects.select_related("user").filter(prefix=prefix).first()
    # Compared first: only who has the secret learns what became of the token.
    if token is None or not constant_time_compare(token.secret_hash, _hash(secret)):
        raise TokenRefused(401, _("This API token is not known."))
    if not token.is_valid(now) or not token.user.is_active:
        raise TokenRefused(401, _("This API token is no longer valid."))
    if write and not token.may_write:
        raise TokenRefused(403, _("This API token may only read."))
    _note_use(token, now)
    return token.user


def token_required(*, write: bool) -> Callable[[View], View]:
    """For views of the API: the person of the token instead of one of a session. Refusals are JSON, {"error": …}.

    Without cookies there is nothing a foreign page could make a browser send, hence no CSRF token.
    """

    def decorate(view: View) -> View:
        @csrf_exempt
        @login_not_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            try:
                user = user_of(request.headers.get("Authorization", ""), write=write, now=timezone.now())
            except TokenRefused as refused:
                response: HttpResponse = _refusal(refused)
            else:
                request.user = user
                logs.note(user_id=user.pk)
                with as_for(user):
                    response = view(request, *args, **kwargs)
                response.headers["Content-Language"] = user.language
            response.headers["Cache-Control"] = "no-store"
            return response

        return guarded

    return decorate


def _refusal(refused: TokenRefused) -> JsonResponse:
    response = JsonResponse({"error": refused.message}, status=refused.status)
    error = "invalid_token" if refused.status == 401 else "insufficient_scope"
    response.headers["WWW-Authenticate"] = f'Bearer realm="riskreg", error="{error}"'
    return response


def _note_use(token: ApiToken, now: dt.datetime) -> None:
    """At most once an hour, so that reading through the API does not write at every request."""
    before = now - LAST_USED_EVERY
    if token.last_used_at is None or token.last_used_at <= before:
        unseen = Q(last_used_at=None) | Q(last_used_at__lte=before)
        ApiToken.objects.filter(unseen, pk=token.pk).update(last_used_at=now)


def _hash(secret: str) -> str:
    # Fast on purpose: 256 random bits need no slow hash.
    return hashlib.sha256(secret.encode()).hexdigest()
