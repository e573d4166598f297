from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils.translation import gettext_lazy as _

from assessments.method import BadMethod, MethodSpec, read_method


class Method(models.Model):
    """One version of the scoring rules. What a version says never changes once it has been active.

    Written only by assessments/versions.py. A scheduled version is a draft with a day; while the register is being
    re-scored after an activation, ``rescored_to`` is how far that got and ``rescored_at`` is empty.
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("Draft")
        ACTIVE = "active", _("Active")
        RETIRED = "retired", _("Retired")

    version = models.PositiveIntegerField(_("version"), unique=True)
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.DRAFT)
    definition: Any = models.JSONField(_("definition"))
    note = models.CharField(_("what changes and why"), max_length=500, blank=True)
    created_at = models.DateTimeField(_("created"), auto_now_add=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    edited_at = models.DateTimeField(_("edited"), null=True)
    scheduled_for = models.DateTimeField(_("scheduled for"), null=True)
    activated_at = models.DateTimeField(_("active since"), null=True, blank=True)
    activated_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    retired_at = models.DateTimeField(_("retired"), null=True)
    job = models.BigIntegerField(null=True)  # the job that activates it
    rescored_to = models.BigIntegerField(default=0)  # id of the last risk re-scored by the activation
    rescored_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("scoring method")
        verbose_name_plural = _("scoring methods")
        ordering = ["-version"]
        constraints = [
            models.UniqueConstraint("state", condition=models.Q(state="active"), name="one_active_method"),
            models.CheckConstraint(
                condition=models.Q(state="draft") | models.Q(scheduled_for__isnull=True),
                name="method_scheduled_only_as_draft",
            ),
        ]

    def __str__(self) -> str:
        return f"v{self.version}"

    def clean(self) -> None:
        try:
            self.spec()
        except BadMethod as error:
            raise ValidationError({"definition": str(error)}) from error

    def spec(self) -> MethodSpec:
        """The definition as values to calculate with. Raises BadMethod for a draft that cannot score yet."""
        return read_method(self.definition, version=self.version)

    @property
    def is_editable(self) -> bool:
        return self.state == self.State.DRAFT and self.scheduled_for is None
