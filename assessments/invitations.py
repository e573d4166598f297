"""The mail that asks a person for her opinion."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.template.loader import render_to_string
from django.utils import timezone, translation

from assessments.models import Opinion
from riskreg.accounts.middleware import zone_named
from riskreg.mail import outgoing
from risks import access


def send(*, opinion_id: int, now: dt.datetime) -> str:
    """Send one person's invitation, if she can still answer; a repeat carries the same Message-ID."""
    related = ("assessor", "elicitation__risk", "elicitation__asked_by")
    opinion = Opinion.objects.select_related(*related).filter(pk=opinion_id).first()
    if opinion is None or not _is_wanted(opinion, now):
        return "not wanted"
    person = opinion.assessor
    context = {"user": person, "asked": opinion.elicitation, "site_url": settings.SITE_URL, "language": person.language}
    with translation.override(person.language), timezone.override(zone_named(person.time_zone)):
        subject = " ".join(render_to_string("emails/invitation_subject.txt", context).split())
        text = render_to_string("emails/invitation.txt", context)
        html = render_to_string("emails/invitation.html", context)
    name = outgoing.message_id(f"invitation.{opinion.pk}")
    outgoing.send(to=person.email, subject=subject, text=text, html=html, message_id=name)
    return "sent"


def _is_wanted(opinion: Opinion, now: dt.datetime) -> bool:
    asked, person = opinion.elicitation, opinion.assessor
    waiting = asked.is_running and now < asked.answer_by and opinion.answered_at is None
    may_answer = access.editable_risks(person).open().filter(pk=asked.risk_id).exists()
    return waiting and person.is_active and bool(person.email) and may_answer
