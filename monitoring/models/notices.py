from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from monitoring.models.indicators import Indicator
from riskreg.sealed import SealedTextField


class Severity(models.IntegerChoices):
    NORMAL = 1, _("normal")
    HIGH = 2, _("high")
    URGENT = 3, _("urgent")


class EventQuerySet(models.QuerySet["Event"]):
    def standing(self) -> EventQuerySet:
        """Those whose matter is not settled yet."""
        return self.filter(ended_at=None)


class Event(models.Model):
    """Something happened that people are told of. Its words come from monitoring/happenings.py, in each one's language.

    ``key`` names the matter (flag:17, review:5:2026-12-01), so it is told once; it stands until the matter is settled.
    """

    kind = models.CharField(_("kind"), max_length=30)
    key = models.CharField(max_length=100, unique=True)
    severity = models.PositiveSmallIntegerField(_("severity"), choices=Severity, default=Severity.NORMAL)
    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, null=True, related_name="+")
    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, null=True, related_name="+")
    details: Any = models.JSONField(default=dict)
    at = models.DateTimeField(_("at"))
    ended_at = models.DateTimeField(null=True)

    objects = EventQuerySet.as_manager()

    class Meta:
        verbose_name = _("event")
        verbose_name_plural = _("events")
        ordering = ["-at", "-pk"]
        indexes = [
            models.Index(fields=["kind"], condition=Q(ended_at=None), name="standing_event"),
            models.Index(fields=["at"], name="event_at"),
        ]

    def __str__(self) -> str:
        return self.key


class Notice(models.Model):
    """An event as one person sees it: read or not, and when she is reminded of it."""

    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="notices")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    created_at = models.DateTimeField(_("at"))
    read_at = models.DateTimeField(null=True)
    reminders = models.PositiveSmallIntegerField(default=0)
    remind_at = models.DateTimeField(null=True)  # empty: nothing more is to be said
    passed_on_by = models.ForeignKey(  # whose silence brought it here
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )

    class Meta:
        verbose_name = _("notice")
        verbose_name_plural = _("notices")
        ordering = ["-created_at", "-pk"]
        indexes = [
            models.Index(fields=["user", "-created_at"], name="notice_of_user"),
            models.Index(fields=["remind_at"], condition=Q(remind_at__isnull=False), name="notice_to_remind"),
        ]
        constraints = [models.UniqueConstraint("event", "user", name="one_notice_per_person_and_event")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.event_id}"


class Preference(models.Model):
    """From which severity on a person wants to hear of a kind of event by mail, and in her chat channels."""

    class Medium(models.TextChoices):
        MAIL = "mail", _("E-mail")
        CHAT = "chat", _("Chat")

    NEVER = 9

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notice_preferences")
    kind = models.CharField(max_length=30)
    medium = models.CharField(max_length=4, choices=Medium)
    from_severity = models.PositiveSmallIntegerField()

    class Meta:
        verbose_name = _("preference")
        verbose_name_plural = _("preferences")
        constraints = [models.UniqueConstraint("user", "kind", "medium", name="one_preference_per_kind_and_medium")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.kind} {self.medium}: {self.from_severity}"


class Channel(models.Model):
    """A person's chat: the address its robot gave her, kept sealed."""

    class Service(models.TextChoices):
        FEISHU = "feishu", _("Feishu")
        DINGTALK = "dingtalk", _("DingTalk")
        WECOM = "wecom", _("WeCom")
        SLACK = "slack", _("Slack")
        TEAMS = "teams", _("Microsoft Teams")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="channels")
    service = models.CharField(_("service"), max_length=10, choices=Service)
    name = models.CharField(_("name"), max_length=100)
    address = SealedTextField(_("webhook address"))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failures = models.PositiveSmallIntegerField(default=0)
    disabled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("chat channel")
        verbose_name_plural = _("chat channels")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Webhook(models.Model):
    """An address of another system that is told of events, signed after the Standard Webhooks specification."""

    name = models.CharField(_("name"), max_length=100)
    url = models.URLField(_("address"), max_length=500)
    secret = SealedTextField(_("signing secret"))
    kinds: Any = models.JSONField(_("events"), default=list)  # empty: all
    from_severity = models.PositiveSmallIntegerField(_("from severity"), choices=Severity, default=Severity.NORMAL)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    failures = models.PositiveSmallIntegerField(default=0)  # in a row
    last_error = models.CharField(max_length=500, blank=True)
    disabled_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("webhook")
        verbose_name_plural = _("webhooks")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Delivery(models.Model):
    """One message on its way: written before it is sent, and the same when it is repeated."""

    class Kind(models.TextChoices):
        MAIL = "mail", _("E-mail")
        CHAT = "chat", _("Chat")
        WEBHOOK = "webhook", _("Webhook")

    kind = models.CharField(max_length=7, choices=Kind)
    event = models.ForeignKey(Event, on_delete=models.CASCADE, related_name="deliveries")
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, null=True, related_name="deliveries")
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, null=True, related_name="+")
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, null=True, related_name="deliveries")
    reminder = models.PositiveSmallIntegerField(default=0)  # which repetition it is, 0 for the first word
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=500, blank=True)

    class Meta:
        verbose_name = _("delivery")
        verbose_name_plural = _("deliveries")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint("notice", "reminder", condition=Q(kind="mail"), name="one_mail_per_notice"),
            models.UniqueConstraint("notice", "channel", "reminder", name="one_message_per_notice_and_channel"),
            models.UniqueConstraint("event", "webhook", name="one_delivery_per_webhook_and_event"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.event_id}"
