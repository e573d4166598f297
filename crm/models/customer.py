from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Customer(models.Model):
    """A customer as a neutral fact: typed by hand, imported, or later synchronised from a CRM."""

    name = models.CharField(_("name"), max_length=200)
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.PROTECT, related_name="customers", verbose_name=_("team")
    )
    annual_revenue = models.DecimalField(
        _("revenue a year"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
        help_text=_("What can be lost at this customer in a year. Several risks on one customer never lose more."),
    )

    renews_on = models.DateField(
        _("contract renewal"),
        null=True,
        blank=True,
        help_text=_("Its risks fall due for review in good time before."),
    )

    class Meta:
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["name"]
        constraints = [
            models.UniqueConstraint(
                Lower("name"),
                "team",
                name="customer_name_unique_in_team",
                violation_error_message=_("This team already has a customer of this name."),
            ),
            models.CheckConstraint(
                condition=models.Q(annual_revenue__isnull=True) | models.Q(annual_revenue__gte=0),
                name="customer_revenue_not_negative",
            ),
        ]

    def __str__(self) -> str:
        return self.name
