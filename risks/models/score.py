"""The cover sheet and the append-only score ledger. Both have one writer: risks/scores.py."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import models
from django.utils.translation import gettext_lazy as _


class Cause(models.TextChoices):
    """Why a score changed. Only the first three can be drift."""

    JUDGEMENT = "judgement", _("Judgement")
    EVIDENCE = "evidence", _("Evidence")
    RESPONSE = "response", _("Response")
    RULES = "rules", _("Scoring rules")
    OUTCOME = "outcome", _("Outcome")


class CoverSheet(models.Model):
    """The few derived numbers the register sorts and filters by, apart from the risk's wide text row.

    Scores run from 0 to 100; exposures are money over the risk's horizon. All are empty while nobody has
    assessed the risk: unassessed is not medium.
    """

    risk = models.OneToOneField("risks.Risk", on_delete=models.CASCADE, primary_key=True, related_name="sheet")
    score = models.FloatField(_("score"), null=True)
    band = models.PositiveSmallIntegerField(_("band"), null=True)  # position in the method's bands, from 1
    exposure = models.FloatField(_("exposure"), null=True)
    inherent = models.FloatField(_("inherent exposure"), null=True)
    residual = models.FloatField(_("residual exposure"), null=True)
    target = models.FloatField(_("target exposure"), null=True)
    # Levels of the method's matrix nearest to the current values: the heat map's cell.
    likelihood_level = models.PositiveSmallIntegerField(null=True)
    impact_level = models.PositiveSmallIntegerField(null=True)
    method_version = models.PositiveIntegerField(null=True)
    review_due = models.DateField(_("review due"), null=True)
    drifting_since = models.DateField(_("drifting since"), null=True)
    scored_at = models.DateTimeField(_("scored"), null=True)

    class Meta:
        verbose_name = _("cover sheet")
        verbose_name_plural = _("cover sheets")
        indexes = [
            models.Index(fields=["-score", "risk"], name="sheet_score"),
            models.Index(fields=["review_due"], name="sheet_review_due"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(score__isnull=True, band__isnull=True, exposure__isnull=True)
                | models.Q(score__gte=0, score__lte=100, band__gte=1, exposure__gte=0),
                name="sheet_whole_or_empty",
            )
        ]

    def __str__(self) -> str:
        return f"{self.risk_id}: {self.score}"


class ScoreEntry(models.Model):
    """One change of a score: what it became, under which version of the method, why, and from which factors."""

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="scores")
    at = models.DateTimeField(_("at"))
    cause = models.CharField(_("cause"), max_length=10, choices=Cause)
    method_version = models.PositiveIntegerField(null=True)
    score = models.FloatField(_("score"), null=True)
    band = models.PositiveSmallIntegerField(null=True)
    exposure = models.FloatField(null=True)
    inherent = models.FloatField(null=True)
    residual = models.FloatField(null=True)
    target = models.FloatField(null=True)
    factors = models.JSONField(default=list)
    run = models.BigIntegerField(null=True)  # the job that wrote it; none for a person's own act

    class Meta:
        verbose_name = _("score change")
        verbose_name_plural = _("score changes")
        ordering = ["at", "pk"]
        indexes = [models.Index(fields=["risk", "at"], name="score_of_risk")]
        constraints = [
            models.UniqueConstraint(
                "run", "risk", condition=models.Q(run__isnull=False), name="one_score_per_run_and_risk"
            )
        ]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.at:%Y-%m-%d}: {self.score}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        if self.pk is not None and not self._state.adding:
            raise TypeError("The score ledger is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> NoReturn:
        raise TypeError("The score ledger is append-only.")
