from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class ImportBatch(models.Model):
    """One uploaded register on its way in: it shows up whole, or not at all, and can be undone."""

    class State(models.TextChoices):
        MAPPING = "mapping", _("Choosing columns")
        READY = "ready", _("Ready to import")
        RUNNING = "running", _("Importing")
        DONE = "done", _("Imported")
        UNDONE = "undone", _("Undone")

    filename = models.CharField(_("file"), max_length=255)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    state = models.CharField(_("state"), max_length=10, choices=State, default=State.MAPPING)
    table: Any = models.JSONField(default=list)  # the file's cells below and including the header, as text
    header_row = models.PositiveIntegerField(default=0)  # in the file, from 1
    mapping: Any = models.JSONField(default=dict)  # column index (as text) -> field key
    options: Any = models.JSONField(default=dict)
    counts: Any = models.JSONField(default=dict)
    job = models.BigIntegerField(null=True)
    created_at = models.DateTimeField(_("uploaded"), auto_now_add=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+", verbose_name=_("by")
    )
    finished_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("import")
        verbose_name_plural = _("imports")
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.filename


class ImportRow(models.Model):
    """One row of an import: what it would do, what it did, and what stood there before."""

    class Verdict(models.TextChoices):
        CREATE = "create", _("New")
        UPDATE = "update", _("Changed")
        SKIP = "skip", _("Skipped")
        ERROR = "error", _("Error")

    batch = models.ForeignKey(ImportBatch, on_delete=models.CASCADE, related_name="rows")
    number = models.PositiveIntegerField()  # line in the file, from 1
    verdict = models.CharField(max_length=6, choices=Verdict)
    values: Any = models.JSONField(default=dict)  # field key -> value, as each stage's columns parsed it
    reasons: Any = models.JSONField(default=list)  # [code, field key, cell] of what was wrong or why it was skipped
    before: Any = models.JSONField(null=True)  # of an updated risk, for the undo
    risk = models.ForeignKey("risks.Risk", on_delete=models.SET_NULL, null=True, related_name="+")
    applied = models.BooleanField(default=False)

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint("batch", "number", name="one_import_row_per_line")]
        indexes = [models.Index(fields=["batch", "verdict", "number"], name="import_rows_by_verdict")]

    def __str__(self) -> str:
        return f"{self.batch_id}:{self.number} {self.verdict}"
