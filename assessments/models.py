from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from assessments.method import BadMethod, MethodSpec, read_method


class Method(models.Model):
    """One version of the scoring rules. What a version says never changes once it has been active."""

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")

    version = models.PositiveIntegerField(_("version"), unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    definition: Any = models.JSONField(_("definition"))
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    activated_at = models.DateTimeField(_("active since"), null=True, blank=True)

    class Meta:
        verbose_name = _("scoring method")
        verbose_name_plural = _("scoring methods")
        ordering = ["-version"]
        constraints = [models.UniqueConstraint("state", condition=models.Q(state="active"), name="one_active_method")]

    def __str__(self) -> str:
        return f"v{self.version}"

    def clean(self) -> None:
        try:
            self.spec()
        except BadMethod as error:
            raise ValidationError({"definition": str(error)}) from error

    def spec(self) -> MethodSpec:
        """The definition as values to calculate with."""
        return read_method(self.definition, version=self.version)


class Assessment(models.Model):
    """A judgement of likelihood and impact. Added, never overwritten; it keeps the method it was made with."""

    class Basis(models.TextChoices):
        HISTORICAL = "historical", _("Historical data")
        MARKET_RESEARCH = "market_research", _("Market research")
        EXPERT = "expert", _("Expert opinion")

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="assessments")
    method = models.ForeignKey(Method, on_delete=models.PROTECT, related_name="assessments")
    likelihood_level = models.PositiveSmallIntegerField(_("likelihood"))
    impact_levels: Any = models.JSONField(_("impact"))  # dimension key -> level, only what was judged
    # What the levels were worth under the method of the day: the stage reads these two, not the levels.
    probability = models.FloatField(_("probability a year"))
    impact = models.FloatField(_("impact in money"))
    decided_by = models.CharField(max_length=50)  # the dimension that decided the impact
    basis = models.CharField(_("basis"), max_length=20, choices=Basis)
    evidence = models.TextField(_("evidence"), blank=True, max_length=5000)
    assessed_on = models.DateField(_("assessed on"), default=timezone.localdate)
    assessor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("assessor")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    # Latest by date, then by entry. Written only by actions.assess_risks, so a chunk of risks loads by one index.
    is_current = models.BooleanField(default=False, editable=False)

    class Meta:
        verbose_name = _("assessment")
        verbose_name_plural = _("assessments")
        ordering = ["-assessed_on", "-pk"]
        indexes = [models.Index(fields=["risk", "-assessed_on"], name="assessment_of_risk")]
        constraints = [
            models.UniqueConstraint("risk", condition=models.Q(is_current=True), name="one_current_assessment"),
            models.CheckConstraint(
                condition=models.Q(probability__gt=0, probability__lt=1), name="assessment_probability_range"
            ),
            models.CheckConstraint(condition=models.Q(impact__gt=0), name="assessment_impact_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.assessed_on}"
