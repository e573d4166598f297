"""Sending one message: a mail, a line in a chat, a call of another system. Written first; a repeat is the same."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets

from apprise import Apprise
from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.template.loader import render_to_string
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from monitoring import chat, happenings, notices
from monitoring.digests import unsubscribe_path
from monitoring.models import Channel, Delivery, Notice, Severity, Webhook
from monitoring.notices import Happening
from riskreg import outside
from riskreg.accounts.middleware import zone_named
from riskreg.accounts.models import User
from riskreg.jobs.actions import Claim, PermanentFailure
from riskreg.mail import outgoing
from risks.access import visible_risks

# Failures in a row after which an address is switched off, and its owner or the administrators are told.
MOST_FAILURES = 10
_ERROR = 500


class NotDelivered(Exception):
    """It did not get there this time; the job tries again."""


def deliver(claim: Claim, *, delivery_id: int) -> str:
    """Send one delivery, then note that it went."""
    related = (
        "event__risk__team",
        "event__risk__sheet",
        "event__indicator",
        "notice__user",
        "channel__user",
        "webhook",
    )
    delivery = Delivery.objects.select_related(*related).filter(pk=delivery_id).first()
    if delivery is None or not _is_wanted(delivery):
        return "not wanted"
    if delivery.sent_at is not None:
        return "was sent"
    if delivery.webhook is not None:
        _call(delivery, delivery.webhook, now=claim.now())
    elif delivery.channel is not None and delivery.notice is not None:
        _chat(delivery, delivery.notice.user, delivery.channel, now=claim.now())
    elif delivery.notice is not None:
        _mail(delivery, delivery.notice)
    with claim.fenced():
        Delivery.objects.filter(pk=delivery.pk).update(sent_at=claim.now(), error="")
        _note_success(delivery)
    return "sent"


def _is_wanted(delivery: Delivery) -> bool:
    """Whether the person still is one who may know, and the matter, if this is a reminder, is still open."""
    event, notice = delivery.event, delivery.notice
    if notice is None:
        return delivery.webhook is not None and delivery.webhook.disabled_at is None
    if delivery.reminder and event.ended_at is not None:
        return False
    if not notice.user.is_active or (delivery.kind == Delivery.Kind.MAIL and not notice.user.email):
        return False
    if delivery.kind == Delivery.Kind.CHAT and (delivery.channel is None or delivery.channel.disabled_at is not None):
        return False
    return event.risk_id is None or visible_risks(notice.user).filter(pk=event.risk_id).exists()


def _mail(delivery: Delivery, notice: Notice) -> None:
    user = notice.user
    with translation.override(user.language), timezone.override(zone_named(user.time_zone)):
        path = unsubscribe_path(user, f"notice:{delivery.event.kind}", now=delivery.created_at)
        context = {
            "user": user,
            "says": happenings.say(delivery.event),
            "page": settings.SITE_URL + happenings.page(delivery.event),
            "event": delivery.event,
            "notice": notice,
            "reminder": delivery.reminder,
            "site_url": settings.SITE_URL,
            "unsubscribe": path,
            "language": user.language,
        }
        subject = " ".join(render_to_string("emails/notice_subject.txt", context).split())
        text = render_to_string("emails/notice.txt", context)
        html = render_to_string("emails/notice.html", context)
    outgoing.send(
        to=user.email,
        subject=subject,
        text=text,
        html=html,
        message_id=outgoing.message_id(f"notice.{delivery.pk}"),
        unsubscribe=settings.SITE_URL + path,
    )


def _chat(delivery: Delivery, user: User, channel: Channel, *, now: dt.datetime) -> None:
    with translation.override(user.language), timezone.override(zone_named(user.time_zone)):
        says = happenings.say(delivery.event)
        body = f"{says}\n{settings.SITE_URL}{happenings.page(delivery.event)}"
    if not send_chat(channel, body):
        _note_failure(delivery, channel, _("The chat service did not take it."), now=now)


def send_chat(channel: Channel, body: str) -> bool:
    """Whether the chat service took a message."""
    robot = Apprise()
    try:
        robot.add(chat.robot(channel.service, channel.address))
    except chat.NotAnAddress:  # taken when the rules were others
        return False
    return bool(robot.notify(body=body))


# --- webhooks, after the Standard Webhooks specification ---------------------------------------------------


def new_secret() -> str:
    """A signing secret as the specification writes it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """ "v1," and the HMAC-SHA256 of "id.timestamp.body" in base64."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _call(delivery: Delivery, webhook: Webhook, *, now: dt.datetime) -> None:
    try:
        post(webhook, message_id=f"evt_{delivery.event_id}", payload=_payload(delivery), now=now)
    except (outside.Failed, outside.Refused) as error:
        _note_failure(delivery, webhook, str(error), now=now)


def post(webhook: Webhook, *, message_id: str, payload: dict[str, object], now: dt.datetime) -> None:
    """Call a webhook, signed. Raises outside.Refused or outside.Failed unless it answers with a 2xx."""
    body = json.dumps(payload, ensure_ascii=False).encode()
    timestamp = int(now.timestamp())
    answer = outside.post(
        webhook.url,
        body=body,
        headers={
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": signature(webhook.secret, message_id=message_id, timestamp=timestamp, body=body),
        },
        allowed_hosts=settings.OUTSIDE_ALLOWED_HOSTS,
    )
    if not 200 <= answer.status < 300:
        raise outside.Failed(_("It answered with status %(status)s.") % {"status": answer.status})


def _payload(delivery: Delivery) -> dict[str, object]:
    """What another system is told. The name of a confidential risk does not leave this one."""
    event, risk = delivery.event, delivery.event.risk
    with translation.override("en"):
        data: dict[str, object] = {
            "severity": Severity(event.severity).name.lower(),
            "url": settings.SITE_URL + happenings.page(event),
            "details": {key: value for key, value in event.details.items() if key != "title"},
        }
        if risk is not None:
            data["risk"] = {"id": risk.pk, "reference": risk.reference, "team": risk.team.name}
            if not risk.confidential:
                data["risk"] |= {"title": risk.title}  # type: ignore[operator]
                data["text"] = happenings.say(event)
        else:
            data["text"] = happenings.say(event)
        if event.indicator is not None:
            data["indicator"] = {"id": event.indicator.pk, "name": event.indicator.name}
    return {"type": f"risk_register.{event.kind}", "timestamp": event.at.isoformat(), "data": data}


# --- addresses that fail -----------------------------------------------------------------------------------


def _note_success(delivery: Delivery) -> None:
    for address in (delivery.channel, delivery.webhook):
        if address is not None and address.failures:
            type(address).objects.filter(pk=address.pk).update(failures=0)


def _note_failure(delivery: Delivery, address: Channel | Webhook, reason: str, *, now: dt.datetime) -> None:
    """Count it; after too many in a row switch the address off and say so. Raises, so that the job tries again."""
    model = type(address)
    with transaction.atomic():
        Delivery.objects.filter(pk=delivery.pk).update(error=reason[:_ERROR])
        model.objects.filter(pk=address.pk).update(failures=F("failures") + 1)
        switched_off = model.objects.filter(pk=address.pk, failures__gte=MOST_FAILURES, disabled_at=None).update(
            disabled_at=now
        )
        if isinstance(address, Webhook):
            Webhook.objects.filter(pk=address.pk).update(last_error=reason[:_ERROR])
        if switched_off:
            _tell_switched_off(address, reason, now=now)
    if switched_off:
        raise PermanentFailure(reason)
    raise NotDelivered(reason)


def _tell_switched_off(address: Channel | Webhook, reason: str, *, now: dt.datetime) -> None:
    is_webhook = isinstance(address, Webhook)
    to = notices.administrators() if isinstance(address, Webhook) else frozenset([address.user_id])
    notices.tell(
        [
            Happening(
                kind="address",
                key=f"address:{'webhook' if is_webhook else 'chat'}:{address.pk}:{now:%Y%m%dT%H%M%S}",
                to=to,
                details={"name": address.name, "reason": reason[:_ERROR], "is_webhook": is_webhook},
            )
        ],
        at=now,
    )
