"""What the links of our mails open, without a log-in. Mail scanners follow links, so only POST does anything."""

from __future__ import annotations

import datetime as dt

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone, translation
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from monitoring import reviews
from monitoring.forms import ReviewForm
from monitoring.happenings import KINDS
from monitoring.models import Preference, Subscription
from riskreg.accounts import links
from riskreg.accounts.models import User
from risks import access
from risks.models import Risk

_REVIEW_WITHIN = dt.timedelta(days=14)
_UNSUBSCRIBE_WITHIN = dt.timedelta(days=365)


class _Void(Exception):
    """The link opens nothing (any more); the word says why."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def answer_review(request: HttpRequest, token: str) -> HttpResponse:
    """“Still valid because …” from the mail: for one person, one risk and one review; once answered it is void."""
    now = timezone.now()
    try:
        user, risk = _review(token, now)
    except _Void as void:
        return _closed(request, void)
    with translation.override(user.language):
        form = ReviewForm(request.POST or None)
        if request.method == "POST" and form.is_valid():
            because = form.cleaned_data["because"]
            reviews.confirm_review(risk=risk, because=because, by=user, on=timezone.localdate(), at=now)
            return _done(request, "review", risk)
        context = {"risk": risk, "person": user, "form": form, "bands": None, "language": user.language}
        return render(request, "monitoring/mail_review.html", context)


def _review(token: str, now: dt.datetime) -> tuple[User, Risk]:
    """Raises _Void for a link that is too old, answered already, or of somebody who may not do this any more."""
    opened = _open("review", token, _REVIEW_WITHIN, now)
    user = User.objects.filter(pk=opened.user_id, is_active=True).first()
    if user is None:
        raise _Void("invalid")
    risk_id, _, due = opened.subject.partition(":")
    risk = access.editable_risks(user).open().select_related("sheet", "team").filter(pk=int(risk_id)).first()
    if risk is None:
        raise _Void("invalid")
    if str(risk.sheet.review_due) != due:
        raise _Void("answered")
    return user, risk


def _open(purpose: str, token: str, max_age: dt.timedelta, now: dt.datetime) -> links.Opened:
    try:
        return links.read(purpose, token, max_age=max_age, now=now)
    except links.LinkExpired as error:
        raise _Void("expired") from error
    except links.LinkInvalid as error:
        raise _Void("invalid") from error


@csrf_exempt  # the mail program presses the button, without our cookies (RFC 8058); the token is the permission
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    """Stop the digest, or the mails of one kind of event."""
    try:
        opened = _open("unsubscribe", token, _UNSUBSCRIBE_WITHIN, timezone.now())
    except _Void as void:
        return _closed(request, void)
    user = User.objects.filter(pk=opened.user_id).first()
    what, _, kind = opened.subject.partition(":")
    if user is None or (what == "notice" and kind not in KINDS):
        return _closed(request, _Void("invalid"))
    with translation.override(user.language):
        if request.method != "POST":
            label = KINDS[kind].label if what == "notice" else None
            return render(request, "monitoring/mail_unsubscribe.html", {"label": label, "language": user.language})
        if what == "digest":
            Subscription.objects.filter(user=user).update(active=False)
        else:
            Preference.objects.update_or_create(
                user=user, kind=kind, medium="mail", defaults={"from_severity": Preference.NEVER}
            )
        return _done(request, "unsubscribe", None)


def _done(request: HttpRequest, what: str, risk: Risk | None) -> HttpResponse:
    return render(request, "monitoring/mail_done.html", {"what": what, "risk": risk})


def _closed(request: HttpRequest, void: _Void) -> HttpResponse:
    return render(request, "monitoring/mail_void.html", {"why": void.why}, status=410)
