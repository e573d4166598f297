"""What happens between us and a customer: talks, orders, bills, contracts, complaints, offers."""

from __future__ import annotations

from typing import Any

from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.fact import Fact


def _customer(*, required: bool = True, name: str = "%(class)ss") -> models.ForeignKey:  # type: ignore[type-arg]
    # A record whose customer has not come yet is kept without one until it has.
    return models.ForeignKey(
        "crm.Customer",
        on_delete=models.CASCADE,
        null=True,
        blank=not required,
        related_name=name,
        verbose_name=_("customer"),
    )


def _deal() -> models.ForeignKey:  # type: ignore[type-arg]
    return models.ForeignKey(
        "crm.Deal", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("deal")
    )


def _money(label: Any, *, required: bool = False) -> models.DecimalField:  # type: ignore[type-arg]
    return models.DecimalField(label, max_digits=20, decimal_places=2, null=not required, blank=not required)


def _currency() -> models.CharField:  # type: ignore[type-arg]
    return models.CharField(_("currency"), max_length=3, blank=True)


class Contact(Fact):
    """Somebody at the customer's."""

    name = models.CharField(_("name"), max_length=200)
    customer = _customer(name="contacts")
    deal = _deal()
    role = models.CharField(_("role"), max_length=100, blank=True)
    is_key = models.BooleanField(_("key contact"), default=False)
    active = models.BooleanField(_("active"), default=True)
    opted_out = models.BooleanField(_("opted out of marketing"), default=False)
    changed_at = models.DateTimeField(null=True, editable=False)  # when active or key was last seen to change

    class Meta(Fact.Meta):
        verbose_name = _("contact")
        verbose_name_plural = _("contacts")
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name


class Activity(Fact):
    """A talk, a mail, a visit; one that is planned still has to happen."""

    customer = _customer(required=False, name="activities")
    deal = _deal()
    kind = models.CharField(_("kind"), max_length=50, blank=True)
    at = models.DateTimeField(_("at"))
    two_way = models.BooleanField(_("the customer took part"), default=False)
    planned = models.BooleanField(_("still to come"), default=False)
    by = models.ForeignKey(
        "crm.Person", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("by")
    )

    class Meta(Fact.Meta):
        verbose_name = _("activity")
        verbose_name_plural = _("activities")
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.kind} {self.at:%Y-%m-%d}"


class SatisfactionScore(Fact):
    """What a customer answered when asked how satisfied he is, or whether he would recommend us."""

    customer = _customer(name="satisfaction_scores")
    value = models.DecimalField(_("value"), max_digits=8, decimal_places=2)
    scale = models.DecimalField(
        _("highest value"), max_digits=8, decimal_places=2, default=5, validators=[MinValueValidator(1)]
    )
    is_nps = models.BooleanField(_("net promoter question (0 to 10)"), default=False)
    at = models.DateTimeField(_("at"))
    comment = models.TextField(_("comment"), max_length=5000, blank=True)

    class Meta(Fact.Meta):
        verbose_name = _("satisfaction score")
        verbose_name_plural = _("satisfaction scores")
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.customer_id} {self.value}"


class Receivable(Fact):
    """What a customer owes, and until when."""

    number = models.CharField(_("number"), max_length=100, blank=True)
    customer = _customer(name="receivables")
    due_on = models.DateField(_("due on"))
    amount = _money(_("amount"), required=True)
    paid = models.DecimalField(_("paid"), max_digits=20, decimal_places=2, default=0)
    currency = _currency()

    class Meta(Fact.Meta):
        verbose_name = _("receivable")
        verbose_name_plural = _("receivables")
        ordering = ["due_on", "pk"]

    def __str__(self) -> str:
        return self.number or str(self.pk)


class Order(Fact):
    """What a customer ordered."""

    number = models.CharField(_("number"), max_length=100, blank=True)
    customer = _customer(name="orders")
    deal = _deal()
    ordered_on = models.DateField(_("ordered on"))
    amount = _money(_("amount"), required=True)
    currency = _currency()
    is_open = models.BooleanField(_("not yet fulfilled"), default=False)
    delivered_on = models.DateField(_("delivered on"), null=True, blank=True)
    invoiced_on = models.DateField(_("invoiced on"), null=True, blank=True)
    approved_on = models.DateField(_("contract or quote approved on"), null=True, blank=True)

    class Meta(Fact.Meta):
        verbose_name = _("order")
        verbose_name_plural = _("orders")
        ordering = ["-ordered_on", "-pk"]

    def __str__(self) -> str:
        return self.number or str(self.pk)


class Contract(Fact):
    """What is agreed with a customer, and how long."""

    number = models.CharField(_("number"), max_length=100, blank=True)
    customer = _customer(name="contracts")
    starts_on = models.DateField(_("from"), null=True, blank=True)
    ends_on = models.DateField(_("until"), null=True, blank=True)
    yearly_value = _money(_("value a year"))
    currency = _currency()
    active = models.BooleanField(_("active"), default=True)

    class Meta(Fact.Meta):
        verbose_name = _("contract")
        verbose_name_plural = _("contracts")
        ordering = ["ends_on", "pk"]

    def __str__(self) -> str:
        return self.number or str(self.pk)


class Ticket(Fact):
    """A complaint, or another call for service."""

    number = models.CharField(_("number"), max_length=100, blank=True)
    customer = _customer(name="tickets")
    subject = models.CharField(_("subject"), max_length=300, blank=True)
    is_top_priority = models.BooleanField(_("top priority"), default=False)
    opened_at = models.DateTimeField(_("opened"))
    closed_at = models.DateTimeField(_("closed"), null=True, blank=True)

    class Meta(Fact.Meta):
        verbose_name = _("ticket")
        verbose_name_plural = _("tickets")
        ordering = ["-opened_at", "-pk"]

    def __str__(self) -> str:
        return self.number or self.subject


class Quote(Fact):
    """An offer that was made."""

    number = models.CharField(_("number"), max_length=100, blank=True)
    customer = _customer(required=False, name="quotes")
    deal = _deal()
    on = models.DateField(_("made on"))
    amount = _money(_("amount"))
    currency = _currency()
    discount = models.DecimalField(
        _("discount"), max_digits=7, decimal_places=2, null=True, blank=True, help_text=_("Percent.")
    )
    approved_on = models.DateField(_("approved on"), null=True, blank=True)
    product = models.CharField(_("product"), max_length=200, blank=True)

    class Meta(Fact.Meta):
        verbose_name = _("quote")
        verbose_name_plural = _("quotes")
        ordering = ["-on", "-pk"]

    def __str__(self) -> str:
        return self.number or str(self.pk)


class PrivacyRequest(Fact):
    """Somebody asked what we know of him, or to forget it."""

    customer = _customer(required=False, name="privacy_requests")
    opened_on = models.DateField(_("asked on"))
    closed_on = models.DateField(_("answered on"), null=True, blank=True)
    about = models.CharField(_("about"), max_length=300, blank=True)

    class Meta(Fact.Meta):
        verbose_name = _("privacy request")
        verbose_name_plural = _("privacy requests")
        ordering = ["-opened_on", "-pk"]

    def __str__(self) -> str:
        return self.about or str(self.pk)
