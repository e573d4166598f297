from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _


class RuleSetting(models.Model):
    """How a detection rule (risks/rules) is set here, and what its last run came to."""

    code = models.CharField(max_length=3, unique=True)
    on = models.BooleanField(_("on"), default=True)
    parameters: Any = models.JSONField(default=dict)  # only those that differ from the default
    floor = models.DecimalField(
        _("least money at risk"),
        max_digits=14,
        decimal_places=2,
        default=0,
        validators=[MinValueValidator(0)],
        help_text=_("What is worth less is not suggested."),
    )
    cool_down_days = models.PositiveSmallIntegerField(
        _("days of rest"), default=14, help_text=_("So long a dismissed suggestion is not made again, unless it grew.")
    )
    ran_at = models.DateTimeField(null=True, editable=False)
    found = models.PositiveIntegerField(default=0, editable=False)
    missing: Any = models.JSONField(default=list, editable=False)  # what it needs and nobody says: not evaluated

    class Meta:
        verbose_name = _("rule")
        verbose_name_plural = _("rules")
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class SuggestionQuerySet(models.QuerySet["Suggestion"]):
    def waiting(self) -> SuggestionQuerySet:
        return self.filter(state=Suggestion.State.OPEN)


class Suggestion(models.Model):
    """A risk the facts suggest; a person accepts, merges or dismisses it.

    One of a rule and a subject is open at a time. ``details`` are the figures that fired, as the rule gave them.
    """

    class State(models.TextChoices):
        OPEN = "open", _("Open")
        ACCEPTED = "accepted", _("Accepted")
        MERGED = "merged", _("Merged")
        DISMISSED = "dismissed", _("Dismissed")
        CLEARED = "cleared", _("No longer so")

    rule = models.CharField(_("rule"), max_length=3)
    subject = models.CharField(max_length=12)  # as the rule says: deal, customer, segment, …
    key = models.CharField(max_length=200)
    name = models.CharField(max_length=300)  # of the subject, when it was last seen
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    customer = models.ForeignKey("crm.Customer", on_delete=models.SET_NULL, null=True, related_name="suggestions")
    deal = models.ForeignKey("crm.Deal", on_delete=models.SET_NULL, null=True, related_name="suggestions")
    confidential = models.BooleanField(default=False)
    likelihood = models.PositiveSmallIntegerField(_("likelihood"))
    impact = models.PositiveSmallIntegerField(_("impact"), null=True)  # empty: nobody can say, so a person is asked
    money = models.DecimalField(_("money at risk"), max_digits=16, decimal_places=2, null=True)
    ratio = models.FloatField()
    details: Any = models.JSONField(default=dict)
    state = models.CharField(_("state"), max_length=9, choices=State, default=State.OPEN)
    first_seen_at = models.DateTimeField(_("since"))
    last_seen_at = models.DateTimeField()
    clear_runs = models.PositiveSmallIntegerField(default=0)  # in a row that no longer found it
    snoozed_until = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    reason = models.CharField(_("reason"), max_length=500, blank=True)
    risk = models.ForeignKey("risks.Risk", on_delete=models.SET_NULL, null=True, related_name="suggestions")

    objects = SuggestionQuerySet.as_manager()

    class Meta:
        verbose_name = _("suggestion")
        verbose_name_plural = _("suggestions")
        ordering = ["-last_seen_at", "-pk"]
        indexes = [models.Index(fields=["team", "state"], name="suggestion_inbox")]
        constraints = [
            models.UniqueConstraint(
                "rule", "subject", "key", condition=models.Q(state="open"), name="one_open_suggestion_per_subject"
            ),
            models.CheckConstraint(condition=models.Q(likelihood__range=(1, 5)), name="suggestion_likelihood_range"),
            models.CheckConstraint(
                condition=models.Q(impact__isnull=True) | models.Q(impact__range=(1, 5)), name="suggestion_impact_range"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.rule} {self.name}"
