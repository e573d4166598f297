from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _

from monitoring.models.indicators import Indicator


class DriftFlag(models.Model):
    """A level that moved more than chance would: since when, from what to what, how strongly, and what moved.

    Of a risk's score, or of an indicator's readings.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        CONFIRMED = "confirmed", _("Real")
        FALSE = "false", _("False alarm")
        LAPSED = "lapsed", _("Closed with the risk")

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, null=True, related_name="flags")
    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, null=True, related_name="flags")
    raised_at = models.DateTimeField(_("raised"))
    since = models.DateField(_("since"))
    before = models.FloatField(_("before"))
    after = models.FloatField(_("after"))
    strength = models.FloatField(_("strength"))
    # What moved between the last evaluation before the change and the newest: [{kind, ref, label, change}] with the
    # change of the exposure's logarithm, the strongest first (monitoring/reasons.py).
    moved: Any = models.JSONField(default=list)
    # Id of the ledger row or reading the history restarts at; a run that is repeated raises nothing twice.
    from_entry = models.BigIntegerField()
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.OPEN)
    answered_at = models.DateTimeField(null=True)
    answered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    note = models.TextField(_("note"), blank=True, max_length=2000)

    class Meta:
        verbose_name = _("drift flag")
        verbose_name_plural = _("drift flags")
        ordering = ["-raised_at", "-pk"]
        constraints = [
            models.UniqueConstraint("risk", "from_entry", name="one_flag_per_change"),
            models.UniqueConstraint("risk", condition=models.Q(state="open"), name="one_open_flag_per_risk"),
            models.UniqueConstraint("indicator", "from_entry", name="one_flag_per_change_of_indicator"),
            models.UniqueConstraint("indicator", condition=models.Q(state="open"), name="one_open_flag_per_indicator"),
            models.CheckConstraint(
                condition=models.Q(risk__isnull=True) ^ models.Q(indicator__isnull=True), name="flag_of_one_thing"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.risk_id or self.indicator}: {self.before:.0f} → {self.after:.0f}"

    @property
    def is_open(self) -> bool:
        return self.state == self.State.OPEN

    @property
    def has_risen(self) -> bool:
        return self.after > self.before

    @property
    def is_worse(self) -> bool:
        if self.indicator is not None:
            return self.has_risen == (self.indicator.direction == Indicator.Direction.HIGHER)
        return self.has_risen


class LimitAlert(models.Model):
    """A limit that is crossed: an indicator's warning or limit, or a risk beyond the appetite of its category.

    Raised at once, by the reading or the score itself, and ended when it is back; drift is another matter.
    """

    class Kind(models.TextChoices):
        WARNING = "warning", _("Warning")
        LIMIT = "limit", _("Beyond the limit")
        APPETITE = "appetite", _("Beyond appetite")

    kind = models.CharField(_("kind"), max_length=8, choices=Kind)
    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, null=True, related_name="alerts")
    indicator = models.ForeignKey(Indicator, on_delete=models.CASCADE, null=True, related_name="alerts")
    at = models.DateTimeField(_("since"))
    value = models.FloatField(_("value"))  # the reading, or the score
    ended_at = models.DateTimeField(_("until"), null=True)

    class Meta:
        verbose_name = _("alert")
        verbose_name_plural = _("alerts")
        ordering = ["-at", "-pk"]
        constraints = [
            models.UniqueConstraint("risk", condition=models.Q(ended_at=None), name="one_open_alert_per_risk"),
            models.UniqueConstraint(
                "indicator", condition=models.Q(ended_at=None), name="one_open_alert_per_indicator"
            ),
            models.CheckConstraint(
                condition=models.Q(kind="appetite", risk__isnull=False, indicator__isnull=True)
                | models.Q(kind__in=["warning", "limit"], risk__isnull=True, indicator__isnull=False),
                name="alert_of_one_thing",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.risk_id or self.indicator_id}"
