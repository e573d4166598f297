"""Mail to one person, as text and HTML, under a Message-ID that is the same when it is repeated."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives


def message_id(name: str) -> str:
    """A Message-ID of this installation."""
    return f"<{name}@{urlsplit(settings.SITE_URL).hostname or 'localhost'}>"


def send(*, to: str, subject: str, text: str, html: str, message_id: str, unsubscribe: str = "") -> None:
    """``unsubscribe`` is an address that a POST alone answers: mail programs show a button for it (RFC 8058)."""
    headers = {"Message-ID": message_id, "Auto-Submitted": "auto-generated"}
    if unsubscribe:
        headers |= {"List-Unsubscribe": f"<{unsubscribe}>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click"}
    message = EmailMultiAlternatives(subject=subject, body=text, to=[to], headers=headers)
    message.attach_alternative(html, "text/html")
    message.send()
