from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Review(models.Model):
    """Somebody looked at a risk and found it still right. Added, never overwritten."""

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="reviews")
    reviewed_on = models.DateField(_("reviewed on"), default=timezone.localdate)
    reviewed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    because = models.TextField(_("still valid because"), max_length=2000)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name = _("review")
        verbose_name_plural = _("reviews")
        ordering = ["-reviewed_on", "-pk"]
        indexes = [models.Index(fields=["risk", "-reviewed_on"], name="review_of_risk")]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.reviewed_on}"


class ReviewReason(models.Model):
    """Something that calls for a review before its turn: an event of the calendar, a flag, a person's wish.

    It counts until a review on or after ``answered_from``: a review long before a renewal is none of it.
    """

    class Kind(models.TextChoices):
        RENEWAL = "renewal", _("Contract renewal")
        QUARTER_END = "quarter_end", _("End of the quarter")
        PRICE_CHANGE = "price_change", _("Price change")
        INDICATOR = "indicator", _("Indicator beyond its limit")
        FLAG = "flag", _("Drift flag")
        WISH = "wish", _("Moved by hand")

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="review_reasons")
    kind = models.CharField(_("reason"), max_length=12, choices=Kind)
    ref = models.CharField(max_length=40)  # the event's own name: a renewal's date, a quarter, a flag's id
    due_on = models.DateField(_("review by"))
    answered_from = models.DateField()
    note = models.CharField(_("note"), max_length=500, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("reason to review")
        verbose_name_plural = _("reasons to review")
        ordering = ["due_on", "pk"]
        constraints = [
            models.UniqueConstraint("risk", "kind", "ref", name="one_reason_per_event"),
            models.CheckConstraint(
                condition=models.Q(answered_from__lte=models.F("due_on")), name="reason_dates_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.kind} {self.due_on}"
