from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords


class Tag(models.Model):
    name = models.CharField(_("name"), max_length=50, unique=True)

    class Meta:
        verbose_name = _("tag")
        verbose_name_plural = _("tags")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class RiskQuerySet(models.QuerySet["Risk"]):
    def live(self) -> RiskQuerySet:
        """Neither in the bin nor waiting for an unfinished import."""
        return self.filter(state=Risk.State.LIVE)

    def open(self) -> RiskQuerySet:
        return self.live().filter(status=Risk.Status.OPEN)

    def scored(self) -> RiskQuerySet:
        """Open ones, and those waiting for their import to finish, so that they show up whole."""
        return self.filter(status=Risk.Status.OPEN).exclude(state=Risk.State.BIN)

    def unassessed(self) -> RiskQuerySet:
        return self.filter(sheet__score__isnull=True)

    def owned_by(self, user: models.Model) -> RiskQuerySet:
        return self.filter(owner=user)


class Risk(models.Model):
    """An uncertain event that would cost sales. Its derived numbers live on its cover sheet (CoverSheet)."""

    class Status(models.TextChoices):
        OPEN = "open", _("Open")
        CLOSED = "closed", _("Closed")

    class Outcome(models.TextChoices):
        OCCURRED = "occurred", _("It happened")
        DID_NOT_OCCUR = "did_not_occur", _("It did not happen")
        NO_LONGER_RELEVANT = "no_longer_relevant", _("No longer relevant")

    class State(models.TextChoices):
        STAGED = "staged", _("Waiting for its import to finish")
        LIVE = "live", _("Live")
        BIN = "bin", _("In the bin")

    title = models.CharField(_("title"), max_length=200)
    category = models.ForeignKey(
        "risks.Category", on_delete=models.PROTECT, related_name="risks", verbose_name=_("category")
    )
    cause = models.TextField(_("cause"), blank=True, max_length=5000, help_text=_("Because of …"))
    event = models.TextField(_("event"), blank=True, max_length=5000, help_text=_("… it may happen that …"))
    consequence = models.TextField(
        _("consequence"), blank=True, max_length=5000, help_text=_("… which would lead to …")
    )
    source = models.CharField(_("source"), max_length=200, blank=True, help_text=_("Where it was noticed."))
    notes = models.TextField(_("notes"), blank=True, max_length=20000)
    customer = models.ForeignKey(
        "crm.Customer",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="risks",
        verbose_name=_("customer"),
    )
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="owned_risks",
        verbose_name=_("owner"),
    )
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="risks", verbose_name=_("team"))
    confidential = models.BooleanField(
        _("confidential"),
        default=False,
        help_text=_("Only its owner, the managers of its team and above, and administrators see it."),
    )
    horizon_months = models.PositiveSmallIntegerField(
        _("horizon in months"),
        default=12,
        validators=[MinValueValidator(1), MaxValueValidator(120)],
        help_text=_("How far ahead it is looked at."),
    )
    tags = models.ManyToManyField(Tag, blank=True, related_name="risks", verbose_name=_("tags"))
    external_ref = models.CharField(
        _("own number"), max_length=60, blank=True, help_text=_("Its number in the register it came from.")
    )
    identified_on = models.DateField(_("identified on"), default=timezone.localdate)
    status = models.CharField(_("status"), max_length=10, choices=Status, default=Status.OPEN)
    outcome = models.CharField(_("outcome"), max_length=20, choices=Outcome, blank=True)
    closed_on = models.DateField(_("closed on"), null=True, blank=True)
    outcome_note = models.TextField(_("what happened"), blank=True, max_length=5000)

    state = models.CharField(max_length=6, choices=State, default=State.LIVE, editable=False)
    import_batch = models.ForeignKey(
        "risks.ImportBatch", on_delete=models.SET_NULL, null=True, editable=False, related_name="risks"
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, editable=False, related_name="+"
    )
    updated_at = models.DateTimeField(_("changed"), auto_now=True)

    history = HistoricalRecords(excluded_fields=["state", "import_batch", "updated_at"])
    objects = RiskQuerySet.as_manager()

    class Meta:
        verbose_name = _("risk")
        verbose_name_plural = _("risks")
        indexes = [
            # The register asks for the live, open risks of the teams a person reaches.
            models.Index(fields=["state", "status", "team"], name="risk_register"),
            models.Index(fields=["owner", "status"], name="risk_of_owner"),
        ]
        constraints = [
            models.UniqueConstraint(
                "team",
                "external_ref",
                condition=models.Q(state="live") & ~models.Q(external_ref=""),
                name="risk_external_ref_unique_in_team",
                violation_error_message=_("This team already has a risk of this number."),
            ),
            models.CheckConstraint(
                condition=models.Q(horizon_months__gte=1, horizon_months__lte=120), name="risk_horizon_range"
            ),
            models.CheckConstraint(
                condition=models.Q(status="open", outcome="", closed_on=None)
                | models.Q(status="closed", closed_on__isnull=False),
                name="risk_closed_has_date",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.reference} {self.title}"

    @property
    def reference(self) -> str:
        return f"R-{self.pk}"

    @property
    def is_open(self) -> bool:
        return self.status == self.Status.OPEN
