"""Work that must not be lost: one row for each job, and one for each job that comes back."""

from __future__ import annotations

import datetime as dt

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class JobQuerySet(models.QuerySet["Job"]):
    def due(self, now: dt.datetime) -> JobQuerySet:
        """Jobs whose time has come, and those whose worker let its lease run out."""
        return self.filter(Q(state=Job.State.READY, run_at__lte=now) | Q(state=Job.State.LEASED, lease_until__lt=now))

    def unfinished(self) -> JobQuerySet:
        """Jobs waiting or being worked on."""
        return self.filter(state__in=[Job.State.READY, Job.State.LEASED])

    def dead(self) -> JobQuerySet:
        """Jobs given up; an administrator may start them again (actions.retry)."""
        return self.filter(state=Job.State.DEAD)


class Job(models.Model):
    """A promise to call ``kind``. Written only by actions.py; everything else reads.

    ``done`` of ``total`` is progress in the units of the job (risks, people, rows). It is also where a job that
    was broken off goes on, because it moves in the same transaction as the effects (actions.Claim.fenced).
    """

    class State(models.TextChoices):
        READY = "ready", _("Waiting")
        LEASED = "leased", _("Running")
        DONE = "done", _("Done")
        DEAD = "dead", _("Given up")

    kind = models.CharField(_("kind"), max_length=200)
    payload = models.JSONField(_("payload"), default=dict, blank=True)
    key = models.CharField(_("key"), max_length=200, unique=True, null=True, blank=True)
    state = models.CharField(_("state"), max_length=6, choices=State, default=State.READY)
    run_at = models.DateTimeField(_("not before"), default=timezone.now)
    attempts = models.PositiveSmallIntegerField(_("attempts"), default=0)
    max_attempts = models.PositiveSmallIntegerField(_("most attempts"), default=5)
    lease_until = models.DateTimeField(_("lease until"), null=True, blank=True)
    token = models.UUIDField(_("token"), null=True, blank=True, editable=False)
    error = models.TextField(_("last error"), blank=True, default="")
    done = models.PositiveIntegerField(_("units done"), default=0)
    total = models.PositiveIntegerField(_("units in all"), null=True, blank=True)
    result = models.JSONField(_("result"), null=True, blank=True)
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)
    started_at = models.DateTimeField(_("started"), null=True, blank=True)
    finished_at = models.DateTimeField(_("finished"), null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("started by"),
    )

    objects = JobQuerySet.as_manager()

    class Meta:
        verbose_name = _("job")
        verbose_name_plural = _("jobs")
        ordering = ["-id"]
        indexes = [models.Index(fields=["state", "run_at"], name="job_state_run_at")]
        constraints = [
            models.CheckConstraint(condition=Q(state__in=["ready", "leased", "done", "dead"]), name="job_state_known"),
            models.CheckConstraint(
                condition=Q(state="leased", token__isnull=False, lease_until__isnull=False)
                | (~Q(state="leased") & Q(token__isnull=True, lease_until__isnull=True)),
                name="job_lease_only_while_leased",
            ),
            models.CheckConstraint(
                condition=Q(state__in=["done", "dead"], finished_at__isnull=False)
                | (~Q(state__in=["done", "dead"]) & Q(finished_at__isnull=True)),
                name="job_finished_at_when_finished",
            ),
            models.CheckConstraint(
                condition=Q(max_attempts__gte=1, attempts__lte=F("max_attempts")), name="job_attempts_within_limit"
            ),
            models.CheckConstraint(condition=~Q(key=""), name="job_key_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} #{self.pk}"

    @property
    def is_finished(self) -> bool:
        return self.state in {self.State.DONE, self.State.DEAD}

    @property
    def is_dead(self) -> bool:
        return self.state == self.State.DEAD

    @property
    def took(self) -> dt.timedelta | None:
        """From the first start to the end, pauses between attempts included; None while it is not over."""
        return self.finished_at - self.started_at if self.finished_at and self.started_at else None

    @property
    def reason(self) -> str:
        """The last line of the error, which names it; empty when nothing went wrong."""
        return self.error.strip().rpartition("\n")[2].strip()

    @property
    def percent(self) -> int | None:
        """Progress from 0 to 100, or None while nobody knows how much there is."""
        if self.state == self.State.DONE:
            return 100
        return min(100, self.done * 100 // self.total) if self.total else None


class Schedule(models.Model):
    """When an entry of the timetable (riskreg/celery.py) is next due. Moved on only by scheduling.py."""

    name = models.CharField(_("name"), max_length=100, unique=True)
    next_due = models.DateTimeField(_("next due"))
    last_due = models.DateTimeField(_("last due"), null=True, blank=True)

    class Meta:
        verbose_name = _("schedule")
        verbose_name_plural = _("schedules")
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Heartbeat(models.Model):
    """The last sign of life of a process that works in the background. Written only by heartbeats.py."""

    class Role(models.TextChoices):
        SCHEDULER = "scheduler", _("Scheduler")
        WORKER = "worker", _("Worker")

    role = models.CharField(_("role"), max_length=9, choices=Role)
    process = models.CharField(_("process"), max_length=200)  # its machine and number
    seen_at = models.DateTimeField(_("last seen"))

    class Meta:
        verbose_name = _("heartbeat")
        verbose_name_plural = _("heartbeats")
        ordering = ["role", "process"]
        constraints = [
            models.UniqueConstraint(fields=["role", "process"], name="one_heartbeat_per_process"),
            models.CheckConstraint(condition=Q(role__in=["scheduler", "worker"]), name="heartbeat_role_known"),
        ]

    def __str__(self) -> str:
        return f"{self.role} {self.process}"
