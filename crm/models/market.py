"""What is known of the market: competitors and their moves, demand, exchange rates."""

from __future__ import annotations

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.fact import Fact


class Competitor(Fact):
    """Another company that sells to our customers; everybody here may know it."""

    name = models.CharField(_("name"), max_length=200)
    website = models.URLField(_("website"), blank=True, max_length=500)
    strengths = models.TextField(_("strengths"), max_length=5000, blank=True)
    weaknesses = models.TextField(_("weaknesses"), max_length=5000, blank=True)

    class Meta(Fact.Meta):
        verbose_name = _("competitor")
        verbose_name_plural = _("competitors")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class CompetitorMove(Fact):
    """Something a competitor did, in the market or on one of our deals."""

    class Move(models.TextChoices):
        PRODUCT = "product", _("Product")
        PRICE = "price", _("Price")
        PROMOTION = "promotion", _("Promotion")
        QUOTE = "quote", _("Quote on a deal")
        WIN = "win", _("Won a deal")
        OTHER = "other", _("Something else")

    competitor = models.ForeignKey(
        Competitor, on_delete=models.CASCADE, null=True, related_name="moves", verbose_name=_("competitor")
    )
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("customer")
    )
    deal = models.ForeignKey(
        "crm.Deal", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("deal")
    )
    move = models.CharField(_("what"), max_length=10, choices=Move, default=Move.OTHER)
    price = models.DecimalField(_("their price"), max_digits=20, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    on = models.DateField(_("on"))
    text = models.TextField(_("what happened"), max_length=5000, blank=True)
    link = models.URLField(_("link"), blank=True, max_length=500)

    class Meta(Fact.Meta):
        verbose_name = _("competitor's move")
        verbose_name_plural = _("competitors' moves")
        ordering = ["-on", "-pk"]

    def __str__(self) -> str:
        return f"{self.competitor_id} {self.move} {self.on}"


class Lead(Fact):
    """Somebody who may become a customer."""

    name = models.CharField(_("name"), max_length=300, blank=True)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    source = models.CharField(_("source"), max_length=200, blank=True)
    created_at = models.DateTimeField(_("created"))
    owner = models.ForeignKey(
        "crm.Person", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("owner")
    )

    class Meta(Fact.Meta):
        verbose_name = _("lead")
        verbose_name_plural = _("leads")
        ordering = ["-created_at", "-pk"]

    def __str__(self) -> str:
        return self.name


class ExchangeRate(models.Model):
    """What one unit of a currency is worth in the home currency from a day on."""

    currency = models.CharField(_("currency"), max_length=3)
    on = models.DateField(_("from"))
    rate = models.DecimalField(
        _("rate"),
        max_digits=20,
        decimal_places=8,
        validators=[MinValueValidator(0)],
        help_text=_("Home currency for 1."),
    )

    class Meta:
        verbose_name = _("exchange rate")
        verbose_name_plural = _("exchange rates")
        ordering = ["currency", "-on"]
        constraints = [
            models.UniqueConstraint(
                "currency",
                "on",
                name="one_rate_per_day",
                violation_error_message=_("There is a rate of this currency and day already."),
            ),
            models.CheckConstraint(condition=models.Q(rate__gt=0), name="rate_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.on}"
