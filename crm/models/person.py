from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.fact import Fact


class Person(Fact):
    """A salesperson as the source knows her; ``user`` and ``team`` say who that is here."""

    name = models.CharField(_("name"), max_length=200)
    email = models.EmailField(_("e-mail"), blank=True)
    active = models.BooleanField(_("active"), default=True)
    unit = models.CharField(_("unit"), max_length=200, blank=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("person here"),
    )
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("team")
    )

    class Meta(Fact.Meta):
        verbose_name = _("salesperson")
        verbose_name_plural = _("salespeople")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name
