from __future__ import annotations

from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models.customer import Customer


class Measure(models.TextChoices):
    """What is measured of a customer or a market, whatever it is called in a CRM."""

    SATISFACTION = "satisfaction", _("Customer satisfaction")
    NPS = "nps", _("Net promoter score")
    WIN_RATE = "win_rate", _("Win rate")
    PIPELINE_COVERAGE = "pipeline_coverage", _("Pipeline coverage")
    PRICE_INDEX = "price_index", _("Price index")
    DAYS_SINCE_CONTACT = "days_since_contact", _("Days since last contact")
    OVERDUE_RECEIVABLES = "overdue_receivables", _("Overdue receivables")
    OTHER = "other", _("Something else")


class Measurement(models.Model):
    """A number a CRM, or whoever speaks for it, reported of a customer. Indicators take their readings from it."""

    customer = models.ForeignKey(Customer, on_delete=models.CASCADE, related_name="measurements")
    measure = models.CharField(_("what is measured"), max_length=20, choices=Measure)
    at = models.DateTimeField(_("measured at"))
    value = models.FloatField(_("value"))
    recorded_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("measurement")
        verbose_name_plural = _("measurements")
        ordering = ["-at"]
        constraints = [
            models.UniqueConstraint("customer", "measure", "at", name="one_measurement_per_moment"),
            models.CheckConstraint(condition=~models.Q(measure="other"), name="measurement_of_something"),
        ]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.measure} {self.at:%Y-%m-%d}: {self.value}"
