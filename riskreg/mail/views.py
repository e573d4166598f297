"""The local inbox: what would have been sent to this person, while no mail server is configured."""

from __future__ import annotations

import base64
import hashlib
import re

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from riskreg.mail.models import LocalMessage
from riskreg.ui.listing import list_page

_STYLE = re.compile(r"<style>(.*?)</style>", re.S)


def _messages(request: HttpRequest) -> QuerySet[LocalMessage]:
    address = request.user.email.lower()
    return LocalMessage.objects.filter(to=address) if address else LocalMessage.objects.none()


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=_messages(request).defer("text", "html"),
        template="mail/inbox.html",
        orders={"at": "at", "subject": "subject"},
        default_order="-at",
    )


@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    message = get_object_or_404(_messages(request), pk=pk)
    if message.read_at is None:
        LocalMessage.objects.filter(pk=pk).update(read_at=timezone.now())
    return render(request, "mail/show.html", {"message": message})


@require_safe
@xframe_options_sameorigin
def html(request: HttpRequest, pk: int) -> HttpResponse:
    """The mail as a mail program shows it, for the frame on its page: no script, no outside, its own style only."""
    message = get_object_or_404(_messages(request), pk=pk)
    response = HttpResponse(message.html)
    styles = "".join(
        f" 'sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}'"
        for style in _STYLE.findall(message.html)
    )
    allowed = styles or " 'none'"
    # The middleware leaves a policy alone that a view has set.
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src{allowed}; frame-ancestors 'self'; "
        "sandbox allow-top-navigation-by-user-activation allow-popups"
    )
    return response
