from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from assessments.models.assessment import Assessment


class Elicitation(models.Model):
    """Several people asked to judge one risk, each without seeing the others until all answered or time is up."""

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="elicitations")
    question = models.TextField(_("what to consider"), blank=True, max_length=2000)
    answer_by = models.DateTimeField(_("answer by"))
    asked_at = models.DateTimeField(default=timezone.now)
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)
    pooled_at = models.DateTimeField(null=True)
    # The assessment made of the pooled opinions.
    assessment = models.OneToOneField(
        Assessment, on_delete=models.SET_NULL, null=True, related_name="elicitation", verbose_name=_("assessment")
    )

    class Meta:
        verbose_name = _("request for opinions")
        verbose_name_plural = _("requests for opinions")
        ordering = ["-asked_at", "-pk"]
        constraints = [
            models.UniqueConstraint(
                "risk",
                condition=models.Q(pooled_at__isnull=True, withdrawn_at__isnull=True),
                name="one_elicitation_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.asked_at:%Y-%m-%d}"

    @property
    def is_running(self) -> bool:
        return self.pooled_at is None and self.withdrawn_at is None

    def is_blind(self, now: dt.datetime) -> bool:
        """Until everybody answered or the deadline passed nobody sees another's opinion; what was withdrawn before
        that stays unseen for good."""
        if self.pooled_at is not None or (self.withdrawn_at or now) >= self.answer_by:
            return False
        return any(opinion.answered_at is None for opinion in self.opinions.all())


class Opinion(models.Model):
    """One person's answer: 5 %, middle and 95 % points of the probability a year and of the money."""

    elicitation = models.ForeignKey(Elicitation, on_delete=models.CASCADE, related_name="opinions")
    assessor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="opinions")
    answered_at = models.DateTimeField(null=True)
    likelihood_by = models.CharField(max_length=6, choices=Assessment.Given, default=Assessment.Given.LEVEL)
    likelihood_low = models.FloatField(null=True)
    likelihood_middle = models.FloatField(null=True)
    likelihood_high = models.FloatField(null=True)
    money_by = models.CharField(max_length=6, choices=Assessment.Given, default=Assessment.Given.LEVEL)
    money_low = models.FloatField(null=True)
    money_middle = models.FloatField(null=True)
    money_high = models.FloatField(null=True)
    because = models.TextField(_("because"), blank=True, max_length=2000)
    weight = models.FloatField(null=True)  # as it was pooled

    class Meta:
        verbose_name = _("opinion")
        verbose_name_plural = _("opinions")
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint("elicitation", "assessor", name="one_opinion_per_assessor"),
            models.CheckConstraint(
                condition=models.Q(answered_at__isnull=True)
                | models.Q(likelihood_middle__gt=0, likelihood_middle__lt=1, money_middle__gt=0),
                name="opinion_answered_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.elicitation_id} {self.assessor_id}"
