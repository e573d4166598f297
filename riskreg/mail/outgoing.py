"""Mail to one person, as text and HTML, under a Message-ID that is the same when it is repeated."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMultiAlternatives


def message_id(name: str) -> str:
    """A Message-ID of this installation."""
    return f"<{name}@{urlsplit(settings.SITE_URL).hostname or 'localhost'}>"


def send(*, to: str, subject: str, text: str, html: str, message_id: str) -> None:
    headers = {"Message-ID": message_id, "Auto-Submitted": "auto-generated"}
    message = EmailMultiAlternatives(subject=subject, body=text, to=[to], headers=headers)
    message.attach_alternative(html, "text/html")
    message.send()
