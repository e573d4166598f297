"""Keeps mail in a table instead of sending it, while no mail server is configured."""

from __future__ import annotations

from collections.abc import Sequence
from email.utils import parseaddr

from django.core.mail import EmailMessage, EmailMultiAlternatives
from django.core.mail.backends.base import BaseEmailBackend
from django.core.mail.message import make_msgid
from django.utils import timezone

from riskreg.mail.models import LocalMessage


class LocalInboxBackend(BaseEmailBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        for message in email_messages:
            html = ""
            if isinstance(message, EmailMultiAlternatives):
                html = next((str(a.content) for a in message.alternatives if a.mimetype == "text/html"), "")
            message_id = message.extra_headers.get("Message-ID") or make_msgid()
            LocalMessage.objects.bulk_create(
                [
                    LocalMessage(
                        to=parseaddr(recipient)[1].lower(),
                        subject=message.subject,
                        text=message.body,
                        html=html,
                        message_id=message_id,
                        at=timezone.now(),
                    )
                    for recipient in message.recipients()
                ],
                ignore_conflicts=True,
            )
        return len(email_messages)
