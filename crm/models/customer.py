from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _

from crm.models.fact import Fact


class Customer(Fact):
    """A customer as a neutral fact: typed by hand, imported, or later synchronised from a CRM."""

    class Tier(models.TextChoices):
        KEY = "key", _("Key account")
        MID = "mid", _("Middle")
        SMALL = "small", _("Small")

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

    segment = models.CharField(_("segment"), max_length=100, blank=True)
    industry = models.CharField(_("industry"), max_length=100, blank=True)
    region = models.CharField(_("region"), max_length=100, blank=True)
    tier = models.CharField(_("size"), max_length=5, choices=Tier, blank=True)
    parent = models.ForeignKey(
        "self",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="affiliates",
        verbose_name=_("belongs to"),
    )
    owner = models.ForeignKey(
        "crm.Person",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="customers",
        verbose_name=_("owner"),
    )
    credit_limit = models.DecimalField(
        _("credit limit"),
        max_digits=14,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0)],
    )
    last_touched_at = models.DateTimeField(null=True, editable=False)  # as the source says

    renews_on = models.DateField(
        _("contract renewal"),
        null=True,
        blank=True,
        help_text=_("Its risks fall due for review in good time before."),
    )

    class Meta(Fact.Meta):
        verbose_name = _("customer")
        verbose_name_plural = _("customers")
        ordering = ["name"]
        constraints = [
            *Fact.Meta.constraints,
            models.UniqueConstraint(
                Lower("name"),
                "team",
                condition=models.Q(external_id=None),  # a CRM may have two of a name
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
