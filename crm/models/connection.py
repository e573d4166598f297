from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from riskreg.sealed import SealedTextField


class Connection(models.Model):
    """A source of facts: a CRM with its credentials, or a set of files. What it brought belongs to its team.

    ``mapping`` says for each kind of fact which object and which fields are read (crm/connectors/base.py, Source).
    """

    class Kind(models.TextChoices):
        ZOHO = "zoho", "Zoho CRM"
        FXIAOKE = "fxiaoke", _("Fxiaoke")
        FILES = "files", _("Files")

    kind = models.CharField(_("kind"), max_length=10, choices=Kind)
    name = models.CharField(_("name"), max_length=100)
    team = models.ForeignKey("accounts.Team", on_delete=models.PROTECT, related_name="+", verbose_name=_("team"))
    options: Any = models.JSONField(default=dict, editable=False)  # data centre and what else is no secret
    secrets = SealedTextField(blank=True, editable=False)  # JSON
    mapping: Any = models.JSONField(default=dict, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    paused_at = models.DateTimeField(null=True, editable=False)
    ended_at = models.DateTimeField(null=True, editable=False)  # disconnected: its facts stay

    class Meta:
        verbose_name = _("connection")
        verbose_name_plural = _("connections")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                "name",
                name="connection_name_unique",
                violation_error_message=_("There is a connection of this name already."),
            )
        ]

    def __str__(self) -> str:
        return self.name


class SyncPoint(models.Model):
    """How far a connection has read one object: the watermark, and inside a run the page it goes on after."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="points")
    kind = models.CharField(max_length=20)  # of fact
    source = models.CharField(max_length=100)  # the CRM's object
    # Largest time of change seen in the data of a whole pass, never our own clock.
    watermark = models.DateTimeField(null=True)
    seen_until = models.DateTimeField(null=True)  # the same of the pass under way
    # When that pass began: what changes meanwhile, on a page that was read already, is younger.
    began_at = models.DateTimeField(null=True)
    cursor = models.TextField(blank=True)
    run = models.ForeignKey("crm.SyncRun", on_delete=models.SET_NULL, null=True, related_name="+")  # whose cursor it is
    done_in = models.ForeignKey("crm.SyncRun", on_delete=models.SET_NULL, null=True, related_name="+")
    swept_at = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("synchronisation point")
        verbose_name_plural = _("synchronisation points")
        constraints = [models.UniqueConstraint("connection", "kind", "source", name="one_point_per_source")]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.source}"


class SyncRun(models.Model):
    """What one synchronisation did, for the person who wonders."""

    class State(models.TextChoices):
        RUNNING = "running", _("Running")
        DONE = "done", _("Done")
        PARTLY = "partly", _("Done in part")
        FAILED = "failed", _("Failed")
        STOPPED = "stopped", _("Stopped")

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="runs")
    job = models.BigIntegerField(null=True)
    state = models.CharField(_("state"), max_length=7, choices=State, default=State.RUNNING)
    started_at = models.DateTimeField(_("started"))
    finished_at = models.DateTimeField(_("finished"), null=True)
    # By kind of fact: {"deal": {"read": 1, "new": 1, "changed": 0, "gone": 0}}
    counts: Any = models.JSONField(default=dict)
    calls = models.PositiveIntegerField(_("calls"), default=0)
    retries = models.PositiveIntegerField(_("retries"), default=0)
    tokens = models.PositiveIntegerField(default=0)
    credits_left = models.BigIntegerField(null=True)
    problems: Any = models.JSONField(default=list)  # [{"kind": …, "code": …, "message": …}], the first and the last

    class Meta:
        verbose_name = _("synchronisation")
        verbose_name_plural = _("synchronisations")
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint("connection", condition=models.Q(state="running"), name="one_run_per_connection")
        ]

    def __str__(self) -> str:
        return f"{self.connection_id} {self.started_at:%Y-%m-%d %H:%M}"


class AccessToken(models.Model):
    """The short-lived token all workers of a connection share, and which of them is getting a new one."""

    connection = models.OneToOneField(Connection, on_delete=models.CASCADE, related_name="access_token")
    value = SealedTextField(blank=True)
    details = SealedTextField(blank=True)  # JSON
    expires_at = models.DateTimeField(null=True)
    locked_until = models.DateTimeField(null=True)

    class Meta:
        verbose_name = _("access token")
        verbose_name_plural = _("access tokens")

    def __str__(self) -> str:
        return str(self.connection_id)


class Upload(models.Model):
    """A file as it was read: the newest of a name is what a connection of files reads."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="uploads")
    kind = models.CharField(max_length=20)  # of fact
    name = models.CharField(max_length=100)  # of the file, and so of the object
    header: Any = models.JSONField()
    rows: Any = models.JSONField()
    uploaded_at = models.DateTimeField(default=timezone.now, editable=False)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        verbose_name = _("file")
        verbose_name_plural = _("files")
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint("connection", "name", name="one_file_of_a_name")]

    def __str__(self) -> str:
        return self.name
