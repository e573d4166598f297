from __future__ import annotations

from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class Customer(models.Model):
    """A customer as a neutral fact: typed by hand, imported, or later synchronised from a CRM."""

    name = models.CharField(_("name"), max_length=200)
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.PROTECT, related_name="customers", verbose_name=_("team")
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
            )
        ]

    def __str__(self) -> str:
        return self.name
