from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _
from simple_history.models import HistoricalRecords

from risks.models import Category
from risks.models.category import localised


class Kind(models.TextChoices):
    PREVENTIVE = "preventive", _("Preventive")
    CONTINGENCY = "contingency", _("Contingency")


class Response(models.Model):
    """A measure against a risk: preventive makes it less likely, contingency makes it hurt less."""

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="responses")
    kind = models.CharField(_("kind"), max_length=11, choices=Kind)
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), blank=True, max_length=5000)
    trigger = models.CharField(
        _("trigger"), max_length=500, blank=True, help_text=_("What you would see when the contingency must start.")
    )
    confidence = models.PositiveSmallIntegerField(
        _("confidence in %"),
        default=80,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text=_("How sure you are that it works as expected."),
    )
    created_at = models.DateTimeField(auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    withdrawn_at = models.DateTimeField(null=True)
    # A contingency is armed when its trigger is seen: from then on its actions are to be done.
    armed_at = models.DateTimeField(_("armed"), null=True)
    history = HistoricalRecords(excluded_fields=["created_at"])

    class Meta:
        verbose_name = _("response")
        verbose_name_plural = _("responses")
        ordering = ["-kind", "pk"]  # preventive before contingency, as on a bow-tie
        constraints = [
            models.CheckConstraint(
                condition=models.Q(confidence__gte=1, confidence__lte=100), name="response_confidence_range"
            ),
            models.CheckConstraint(
                condition=models.Q(armed_at=None) | models.Q(kind="contingency"), name="response_armed_is_contingency"
            ),
        ]

    def __str__(self) -> str:
        return self.title


class ActionQuerySet(models.QuerySet["Action"]):
    def to_do(self) -> ActionQuerySet:
        return self.filter(status__in=Action.TO_DO, response__withdrawn_at__isnull=True)


class Action(models.Model):
    """One step of a response. What it is expected to achieve counts once it is done."""

    class Status(models.TextChoices):
        PLANNED = "planned", _("Planned")
        IN_PROGRESS = "in_progress", _("In progress")
        DONE = "done", _("Done")
        CANCELLED = "cancelled", _("Cancelled")

    TO_DO = (Status.PLANNED, Status.IN_PROGRESS)

    response = models.ForeignKey(Response, on_delete=models.CASCADE, related_name="actions")
    title = models.CharField(_("action"), max_length=200)
    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="actions",
        verbose_name=_("owner"),
    )
    due = models.DateField(_("due"), null=True, blank=True)
    status = models.CharField(_("status"), max_length=11, choices=Status, default=Status.PLANNED)
    done_on = models.DateField(null=True, editable=False)
    cost = models.DecimalField(_("cost"), max_digits=14, decimal_places=2, default=0, validators=[MinValueValidator(0)])
    effect = models.PositiveSmallIntegerField(
        _("expected effect in %"),
        default=20,
        validators=[MaxValueValidator(95)],
        help_text=_("By how much it lowers the likelihood (preventive) or the impact (contingency)."),
    )

    objects = ActionQuerySet.as_manager()
    history = HistoricalRecords()

    class Meta:
        verbose_name = _("action")
        verbose_name_plural = _("actions")
        ordering = ["pk"]
        indexes = [models.Index(fields=["owner", "status", "due"], name="action_of_owner")]
        constraints = [
            models.CheckConstraint(condition=models.Q(effect__lte=95), name="action_effect_range"),
            models.CheckConstraint(condition=models.Q(cost__gte=0), name="action_cost_not_negative"),
            models.CheckConstraint(
                condition=(models.Q(status="done") & models.Q(done_on__isnull=False))
                | (~models.Q(status="done") & models.Q(done_on__isnull=True)),
                name="action_done_has_date",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Acceptance(models.Model):
    """A risk accepted as it is, by a named person, for a reason, until a date."""

    risk = models.ForeignKey("risks.Risk", on_delete=models.CASCADE, related_name="acceptances")
    reason = models.TextField(_("reason"), max_length=2000)
    accepted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    accepted_on = models.DateField(_("accepted on"))
    expires_on = models.DateField(_("until"))
    revoked_on = models.DateField(null=True)

    class Meta:
        verbose_name = _("acceptance")
        verbose_name_plural = _("acceptances")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                "risk", condition=models.Q(revoked_on__isnull=True), name="one_acceptance_at_a_time"
            ),
            models.CheckConstraint(
                condition=models.Q(expires_on__gte=models.F("accepted_on")), name="acceptance_dates_in_order"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.risk_id} {self.expires_on}"


class Playbook(models.Model):
    """A template of a response, proposed for risks of its category."""

    key = models.SlugField(max_length=80, unique=True)
    category = models.ForeignKey(Category, on_delete=models.CASCADE, related_name="playbooks")
    kind = models.CharField(max_length=11, choices=Kind)
    title_en = models.CharField(max_length=200)
    title_zh = models.CharField(max_length=200, blank=True)
    description_en = models.TextField(blank=True)
    description_zh = models.TextField(blank=True)
    trigger_en = models.CharField(max_length=500, blank=True)
    trigger_zh = models.CharField(max_length=500, blank=True)
    confidence = models.PositiveSmallIntegerField(default=80)
    actions: Any = models.JSONField(default=list)  # [{title_en, title_zh, effect (%), due_days, cost}]

    class Meta:
        verbose_name = _("playbook")
        verbose_name_plural = _("playbooks")
        ordering = ["category", "-kind", "pk"]

    def __str__(self) -> str:
        return self.title

    @property
    def title(self) -> str:
        return localised(self.title_en, self.title_zh)

    @property
    def description(self) -> str:
        return localised(self.description_en, self.description_zh)

    @property
    def trigger(self) -> str:
        return localised(self.trigger_en, self.trigger_zh)
