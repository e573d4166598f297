from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class MonitoringSettings(models.Model):
    """The one row of settings of the stage."""

    false_flags_per_week = models.FloatField(
        _("false drift flags a week"),
        default=2,
        validators=[MinValueValidator(0.1), MaxValueValidator(100)],
        help_text=_("How many false alarms over the whole register you accept in a week. Fewer means later flags."),
    )

    renewal_lead_days = models.PositiveSmallIntegerField(
        _("days before a contract's renewal"),
        null=True,
        blank=True,
        default=60,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text=_("The risks of the customer fall due for review so long before. Empty: not at all."),
    )
    quarter_end_lead_days = models.PositiveSmallIntegerField(
        _("days before the end of a quarter"),
        null=True,
        blank=True,
        default=14,
        validators=[MinValueValidator(1), MaxValueValidator(60)],
        help_text=_("Risks beyond appetite fall due for review so long before. Empty: not at all."),
    )
    year_starts_in = models.PositiveSmallIntegerField(
        _("month the business year begins"),
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(12)],
        help_text=_("A number from 1 to 12; quarters are counted from it."),
    )
    event_review_days = models.PositiveSmallIntegerField(
        _("days to review after an event"),
        default=7,
        validators=[MaxValueValidator(90)],
        help_text=_("After a drift flag, a price change or an indicator beyond its limit."),
    )

    # The last ledger row and reading that every run has seen; only what has a newer one is looked at again. ``seen`` is
    # what the last run saw, ``checked`` what the one before it did: a transaction may commit late (drift_watch.py).
    checked_entry = models.BigIntegerField(default=0, editable=False)
    seen_entry = models.BigIntegerField(default=0, editable=False)
    checked_reading = models.BigIntegerField(default=0, editable=False)
    seen_reading = models.BigIntegerField(default=0, editable=False)
    # Autocorrelation borrowed from the whole register, of scores and of indicators; empty while there is too little.
    score_autocorrelation = models.FloatField(null=True, editable=False)
    reading_autocorrelation = models.FloatField(null=True, editable=False)

    class Meta:
        verbose_name = _("monitoring settings")
        constraints = [models.CheckConstraint(condition=models.Q(pk=1), name="one_row_of_monitoring_settings")]

    def __str__(self) -> str:
        return f"{self.false_flags_per_week}"

    @classmethod
    def load(cls) -> MonitoringSettings:
        return cls.objects.get_or_create(pk=1)[0]
