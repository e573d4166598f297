from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from assessments.models.method import Method


class Assessment(models.Model):
    """A judgement of likelihood and impact. Added, never overwritten; it keeps the method it was made with."""

    class Basis(models.TextChoices):
        HISTORICAL = "historical", _("Historical data")
        MARKET_RESEARCH = "market_research", _("Market research")
        EXPERT = "expert", _("Expert opinion")

    class Given(models.TextChoices):
        """How a quantity was judged."""

        LEVEL = "level", _("Level")
        NUMBER = "number", _("Number")
        RANGE = "range", _("90 % range")
        POOLED = "pooled", _("Several opinions")

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="assessments")
    method = models.ForeignKey(Method, on_delete=models.PROTECT, related_name="assessments")
    likelihood_level = models.PositiveSmallIntegerField(_("likelihood"))
    likelihood_by = models.CharField(max_length=6, choices=Given, default=Given.LEVEL)
    likelihood_low = models.FloatField(null=True)  # 90 % range of the probability, where one was given
    likelihood_high = models.FloatField(null=True)
    # The judged levels of the method's dimensions (MethodSpec.encode): a number, so that a million read as a column.
    impact_code = models.BigIntegerField()
    money_by = models.CharField(max_length=6, choices=Given, default=Given.LEVEL)
    money = models.FloatField(null=True)  # of the primary dimension, where it was not judged by level
    money_low = models.FloatField(null=True)
    money_high = models.FloatField(null=True)
    # What the judgement was worth under the method of the day. The probability is a fact of the judgement; the
    # impact is combined anew under another method (assessments/restating.py).
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
            models.CheckConstraint(condition=models.Q(impact_code__gt=0), name="assessment_impact_judged"),
            models.CheckConstraint(
                condition=models.Q(money__isnull=True, money_by="level")
                | (models.Q(money__gt=0) & ~models.Q(money_by="level")),
                name="assessment_money_unless_level",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.assessed_on}"

    @property
    def impact_levels(self) -> dict[str, int]:
        """The judged levels by dimension key, in the method of the day."""
        return self.method.spec().decode(self.impact_code)
