from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class MonitoringSettings(models.Model):
    """The one row of settings of the stage."""

    false_flags_per_week = models.FloatField(
        _("false drift flags a week"),
        default=2,
        validators=[MinValueValidator(0.1), MaxValueValidator(100)],
        help_text=_("How many false alarms over the whole register you accept in a week. Fewer means later flags."),
    )

    # The last ledger row the detector has seen; only risks with a newer one are looked at again.
    checked_entry = models.BigIntegerField(default=0, editable=False)

    class Meta:
        verbose_name = _("monitoring settings")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_row_of_monitoring_settings")]

    def __str__(self) -> str:
        return f"{self.false_flags_per_week}"

    @classmethod
    def load(cls) -> MonitoringSettings:
        return cls.objects.get_or_create(pk=1)[0]


class DriftFlag(models.Model):
    """A score that moved more than chance would: since when, from what to what, how strongly."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        CONFIRMED = "confirmed", _("Real")
        FALSE = "false", _("False alarm")

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="flags")
    raised_at = models.DateTimeField(_("raised"))
    since = models.DateField(_("since"))
    before = models.FloatField(_("before"))
    after = models.FloatField(_("after"))
    strength = models.FloatField(_("strength"))
    # Id of the ledger row the history restarts at; a run that is repeated raises nothing twice.
    from_entry = models.BigIntegerField()
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    note = models.TextField(_("note"), blank=True, max_length=2000)

    class Meta:
        verbose_name = _("drift flag")
        verbose_name_plural = _("drift flags")
        ordering = ["-raised_at", "-pk"]
        constraints = [
            models.UniqueConstraint("risk", "from_entry", name="one_flag_per_change"),
            models.UniqueConstraint("risk", condition=models.Q(state="open"), name="one_open_flag_per_risk"),
        ]

    def __str__(self) -> str:
        return f"{self.risk_id}: {self.before:.0f} → {self.after:.0f}"

    @property
    def is_worse(self) -> bool:
        return self.after > self.before


class Review(models.Model):
    """Somebody looked at a risk and found it still right. Added, never overwritten."""

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="reviews")
    reviewed_on = models.DateField(_("reviewed on"), default=timezone.localdate)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    because = models.TextField(_("still valid because"), max_length=2000)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-reviewed_on", "-pk"]
        indexes = [models.Index(fields=["risk", "-reviewed_on"], name="review_of_risk")]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.reviewed_on}"


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
    scope = models.CharField(_("which risks"), max_length=10, choices=Scope, default=Scope.TEAM)
    top = models.PositiveSmallIntegerField(
        _("how many top risks"), default=10, validators=[MinValueValidator(1), MaxValueValidator(50)]
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
    content: Any = models.JSONField(default=dict)  # the ids and numbers it told, for the next one's comparison
    created_at = models.DateTimeField()
    sent_at = models.DateTimeField(_("sent"), null=True)

    class Meta:
        verbose_name = _("digest")
        verbose_name_plural = _("digests")
        ordering = ["-created_at", "-pk"]
        constraints = [models.UniqueConstraint("user", "period", name="one_digest_per_person_and_period")]

    def __str__(self) -> str:
        return f"{self.user_id} {self.period}"


class RevenueTarget(models.Model):
    """What the whole register's sales, or a team's, should come to in a period, and what is expected without losses."""

    name = models.CharField(_("name"), max_length=100)
    team = models.ForeignKey(
        "accounts.Team",
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("team"),
        help_text=_("With the teams below it; empty for everything."),
    )
    starts_on = models.DateField(_("from"))
    ends_on = models.DateField(_("until"))
    amount = models.DecimalField(_("target"), max_digits=16, decimal_places=2, validators=[MinValueValidator(0)])
    expected = models.DecimalField(
        _("expected revenue"),
        max_digits=16,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text=_("What you would sell in the period if none of the risks happened."),
    )

    class Meta:
        verbose_name = _("revenue target")
        verbose_name_plural = _("revenue targets")
        ordering = ["-ends_on", "name"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_on__gt=models.F("starts_on")), name="target_dates_in_order"),
            models.CheckConstraint(condition=models.Q(amount__gte=0, expected__gte=0), name="target_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def months(self) -> int:
        """Its period in whole months, as long as a forecast can be."""
        days = (self.ends_on - self.starts_on).days + 1
        return max(1, min(60, round(days / (365.25 / 12))))


class Forecast(models.Model):
    """One simulation of what the open risks of a team, or all, may cost within a period. Written by its job."""

    team = models.ForeignKey(
        "accounts.Team", on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("team")
    )
    target = models.ForeignKey(
        RevenueTarget, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("target")
    )
    months = models.PositiveSmallIntegerField(
        _("months"), default=12, validators=[MinValueValidator(1), MaxValueValidator(60)]
    )
    years = models.PositiveIntegerField(default=100_000)  # simulated
    seed = models.PositiveIntegerField(default=1)
    correlation = models.FloatField(_("common factor"), default=0.0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    job = models.BigIntegerField(null=True)
    result: Any = models.JSONField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("forecast")
        verbose_name_plural = _("forecasts")
        ordering = ["-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(correlation__gte=0, correlation__lt=1), name="forecast_correlation_range"
            ),
            models.CheckConstraint(condition=models.Q(months__gte=1, months__lte=60), name="forecast_months_range"),
        ]

    def __str__(self) -> str:
        return f"{self.created_at:%Y-%m-%d}"
