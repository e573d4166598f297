from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class Target(models.Model):
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
