from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Forecast(models.Model):
    """One simulation of what the open risks of a team, or all, may cost within a period. Written by its job."""

    team = models.ForeignKey(
        "accounts.Team", on_delete=models.CASCADE, null=True, related_name="+", verbose_name=_("team")
    )
    target = models.ForeignKey(
        "crm.Target", on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("target")
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
