from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


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
