from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class ObservationQuerySet(models.QuerySet["Observation"]):
    def waiting(self) -> ObservationQuerySet:
        """Neither turned into a risk, nor linked to one, nor dismissed."""
        return self.filter(risk__isnull=True, dismissed_at__isnull=True)

    def bearing(self) -> ObservationQuerySet:
        """Linked observations that make their risk more or less likely."""
        return self.filter(risk__isnull=False).exclude(bearing=Observation.Bearing.NEUTRAL)


class Observation(models.Model):
    """Something somebody noticed: a market note, a customer's word, a competitor's move, a finding."""

    class Kind(models.TextChoices):
        MARKET = "market", _("Market note")
        CUSTOMER = "customer", _("Customer feedback")
        COMPETITOR = "competitor", _("Competitor's move")
        PROCESS = "process", _("Process finding")
        COMPLIANCE = "compliance", _("Compliance finding")

    class Bearing(models.IntegerChoices):
        MUCH_LESS = -2, _("Makes it much less likely")
        LESS = -1, _("Makes it less likely")
        NEUTRAL = 0, _("Says nothing about its likelihood")
        MORE = 1, _("Makes it more likely")
        MUCH_MORE = 2, _("Makes it much more likely")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    text = models.TextField(_("what was noticed"), max_length=5000)
    source = models.CharField(_("source"), max_length=200, blank=True)
    link = models.URLField(_("link"), blank=True, max_length=500)
    observed_on = models.DateField(_("observed on"), default=timezone.localdate)
    customer = models.ForeignKey(
        "crm.Customer", on_delete=models.SET_NULL, null=True, blank=True, related_name="+", verbose_name=_("customer")
    )
    team = models.ForeignKey(
        "accounts.Team", on_delete=models.PROTECT, related_name="observations", verbose_name=_("team")
    )
    risk = models.ForeignKey(
        "risks.Risk", on_delete=models.PROTECT, null=True, related_name="observations", verbose_name=_("risk")
    )
    bearing = models.SmallIntegerField(_("bearing"), choices=Bearing, default=Bearing.NEUTRAL)
    linked_at = models.DateTimeField(null=True)
    dismissed_at = models.DateTimeField(null=True)
    dismissed_reason = models.CharField(_("reason"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    objects = ObservationQuerySet.as_manager()

    class Meta:
        verbose_name = _("observation")
        verbose_name_plural = _("observations")
        ordering = ["-observed_on", "-pk"]
        indexes = [models.Index(fields=["team", "risk"], name="observation_inbox")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(risk__isnull=True) | models.Q(dismissed_at__isnull=True),
                name="observation_linked_or_dismissed",
            ),
            models.CheckConstraint(
                condition=models.Q(risk__isnull=True, linked_at__isnull=True)
                | models.Q(risk__isnull=False, linked_at__isnull=False),
                name="observation_link_has_time",
            ),
        ]

    def __str__(self) -> str:
        return self.text[:80]
