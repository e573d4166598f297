from __future__ import annotations

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from crm.models.fact import Fact


class Stage(models.Model):
    """A stage of a pipeline: where it lies between the first (0) and the last (1), and what it means."""

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        WON = "won", _("Won")
        LOST = "lost", _("Lost")

    connection = models.ForeignKey("crm.Connection", on_delete=models.CASCADE, related_name="stages")
    pipeline = models.CharField(_("pipeline"), max_length=200, blank=True)
    name = models.CharField(_("stage"), max_length=200)
    place = models.FloatField(null=True)
    state = models.CharField(_("state"), max_length=4, choices=State, default=State.OPEN)

    class Meta:
        verbose_name = _("stage")
        verbose_name_plural = _("stages")
        ordering = ["pipeline", "place", "pk"]
        constraints = [models.UniqueConstraint("connection", "pipeline", "name", name="one_stage_of_a_name")]

    def __str__(self) -> str:
        return self.name


class Deal(Fact):
    """An opportunity: what may be sold to whom, by when, and how far it is."""

    State = Stage.State

    name = models.CharField(_("name"), max_length=300)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    customer = models.ForeignKey(
        "crm.Customer",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deals",
        verbose_name=_("customer"),
    )
    owner = models.ForeignKey(
        "crm.Person", on_delete=models.SET_NULL, null=True, blank=True, related_name="deals", verbose_name=_("owner")
    )
    pipeline = models.CharField(_("pipeline"), max_length=200, blank=True)
    stage = models.CharField(_("stage"), max_length=200, blank=True)
    state = models.CharField(_("state"), max_length=4, choices=State, default=State.OPEN)
    amount = models.DecimalField(_("amount"), max_digits=20, decimal_places=2, null=True, blank=True)
    currency = models.CharField(_("currency"), max_length=3, blank=True)
    probability = models.DecimalField(
        _("probability"),
        max_digits=5,
        decimal_places=2,
        null=True,
        blank=True,
        validators=[MinValueValidator(0), MaxValueValidator(100)],
        help_text=_("Percent."),
    )
    created_at = models.DateTimeField(_("created"), null=True, blank=True)
    close_date = models.DateField(_("expected close"), null=True, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    stage_since = models.DateTimeField(_("in this stage since"), null=True, blank=True)
    next_step = models.CharField(_("next step"), max_length=500, blank=True)
    next_step_since = models.DateTimeField(null=True, editable=False)
    discount = models.DecimalField(
        _("discount"), max_digits=7, decimal_places=2, null=True, blank=True, help_text=_("Percent.")
    )
    contacts = models.PositiveIntegerField(_("contacts"), null=True, blank=True)
    product = models.CharField(_("product"), max_length=200, blank=True)
    source = models.CharField(_("source"), max_length=200, blank=True)
    loss_reason = models.CharField(_("reason for the loss"), max_length=300, blank=True)
    competitor = models.ForeignKey(
        "crm.Competitor",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deals",
        verbose_name=_("competitor"),
    )

    changed_by = models.ForeignKey("crm.Person", on_delete=models.SET_NULL, null=True, editable=False, related_name="+")

    class Meta(Fact.Meta):
        verbose_name = _("deal")
        verbose_name_plural = _("deals")
        ordering = ["-pk"]
        indexes = [models.Index(fields=["customer"], name="deal_of_customer")]

    def __str__(self) -> str:
        return self.name


class DealSnapshot(models.Model):
    """How a deal stood from a moment on; only what rules look back at, and only when it changed."""

    deal = models.ForeignKey(Deal, on_delete=models.CASCADE, related_name="snapshots")
    at = models.DateTimeField()  # the source's time of change, or when we saw it
    stage = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=4, choices=Stage.State)
    amount = models.DecimalField(max_digits=20, decimal_places=2, null=True)
    close_date = models.DateField(null=True)
    owner = models.ForeignKey("crm.Person", on_delete=models.SET_NULL, null=True, related_name="+")
    by = models.ForeignKey("crm.Person", on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("snapshot of a deal")
        verbose_name_plural = _("snapshots of deals")
        ordering = ["deal", "at", "pk"]
        indexes = [models.Index(fields=["deal", "at"], name="snapshot_of_deal")]

    def __str__(self) -> str:
        return f"{self.deal_id} {self.at:%Y-%m-%d}"
