from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Subscription(models.Model):
    """How a person wants her digest: how often, when by her own clock, of what, and how much."""

    class Cadence(models.TextChoices):
        DAILY = "daily", _("Every day")
        WEEKLY = "weekly", _("Every week, on Monday")
        MONTHLY = "monthly", _("Every month, on the first")

    class Scope(models.TextChoices):
        MINE = "mine", _("Risks I own")
        TEAM = "team", _("Risks of my teams")
        ALL = "all", _("All risks I may see")

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digest_subscription")
    active = models.BooleanField(_("send me a digest"), default=True)
    cadence = models.CharField(_("how often"), max_length=10, choices=Cadence, default=Cadence.WEEKLY)
    hour = models.PositiveSmallIntegerField(_("at which hour"), default=8, validators=[MaxValueValidator(23)])
    time_zone = models.CharField(_("time zone"), max_length=60, default="UTC")
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, blank=True)
    scope = models.CharField(_("which risks"), max_length=10, choices=Scope, default=Scope.TEAM)
    top = models.PositiveSmallIntegerField(
        _("how many top risks"), default=10, validators=[MinValueValidator(1), MaxValueValidator(50)]
    )
    view = models.ForeignKey(
        "risks.SavedView",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("saved view"),
        help_text=_("Narrows the digest to what this view of the register shows."),
    )
    when_empty = models.BooleanField(
        _("send it even when nothing happened"),
        default=True,
        help_text=_("A short mail that says so; without it no news means no mail."),
    )
    # The period begins here, so that subscribing on a Wednesday does not send Monday's digest late.
    since = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("digest subscription")
        verbose_name_plural = _("digest subscriptions")
        constraints = [
            models.CheckConstraint(condition=models.Q(hour__lte=23), name="subscription_hour_range"),
            models.CheckConstraint(condition=models.Q(top__gte=1, top__lte=50), name="subscription_top_range"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id} {self.cadence}"


class Digest(models.Model):
    """One digest of one person and period: written before it is sent, so a repeat is the same mail."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="digests")
    period = models.CharField(_("period"), max_length=20)  # "2026-11-23", "2026-W48" or "2026-11"
    message_id = models.CharField(max_length=200, unique=True)
    subject = models.CharField(_("subject"), max_length=300)
    text = models.TextField()
    html = models.TextField()
    address = models.EmailField(_("to"), blank=True)
    # What it told, for the next one to compare with: {"top": [ids], "scores": {id: score}}.
    content: Any = models.JSONField(default=dict)
    is_quiet = models.BooleanField(default=False)  # nothing to tell, and not sent because its reader wants it so
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(_("sent"), null=True)

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint("user", "period", name="one_digest_per_person_and_period")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.period}"
