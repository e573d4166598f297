from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from riskreg.accounts.permissions import admin_only
from riskreg.celery import TIMETABLE
from riskreg.jobs import actions, bell, health
from riskreg.jobs.models import Job
from riskreg.jobs.queries import last_runs
from riskreg.ui.listing import list_page

TITLES = {
    "rescore": gettext_lazy("Re-score the register and look for drift"),
    "take_readings": gettext_lazy("Take readings of indicators from the CRM"),
    "drift": gettext_lazy("Look for drift in what has new evidence"),
    "pull_reviews": gettext_lazy("Pull reviews forward for renewals and quarter ends"),
    "matters": gettext_lazy("Tell and remind of what is due"),
    "send_digests": gettext_lazy("Send the digests that are due"),
    "tidy_jobs": gettext_lazy("Tidy up finished jobs"),
}
# What is set off by people and by other jobs.
OTHER_TITLES = {
    "assessments.tasks.activate_method": gettext_lazy("Put a version of the method in force"),
    "assessments.tasks.send_invitation": gettext_lazy("Ask somebody for an opinion"),
    "crm.tasks.sync": gettext_lazy("Synchronise with a CRM"),
    "monitoring.tasks.deliver": gettext_lazy("Send a notice"),
    "monitoring.tasks.run_forecast": gettext_lazy("Simulate a forecast"),
    "monitoring.tasks.send_digest": gettext_lazy("Send a digest"),
    "risks.tasks.apply_import": gettext_lazy("Import a register file"),
}


@admin_only
@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    """The whole page is its own fragment: it asks for itself again every few seconds."""
    only_given_up = request.GET.get("show") == "given-up"
    jobs = Job.objects.select_related("created_by")
    return list_page(
        request,
        queryset=jobs.dead() if only_given_up else jobs,
        template="jobs/operations.html",
        orders={"created": "created_at", "state": "state", "kind": "kind"},
        default_order="-created",
        context={
            "timetable": _timetable(),
            "work": health.look(timezone.now()),
            "bells": bell.waiting_if_known(),
            "only_given_up": only_given_up,
            "titles": OTHER_TITLES | {recurring.kind: _title(name) for name, recurring in TIMETABLE.items()},
        },
    )


def _timetable() -> list[dict[str, Any]]:
    schedules, runs = last_runs()
    return [
        {
            "name": name,
            "title": _title(name),
            "schedule": schedules.get(name),
            "last": runs.get(recurring.kind),
        }
        for name, recurring in TIMETABLE.items()
    ]


def _title(name: str) -> str:
    return str(TITLES.get(name, name))


@admin_only
@require_POST
def run_now(request: HttpRequest, name: str) -> HttpResponse:
    if name not in TIMETABLE:
        raise Http404
    actions.run_now(name, by=request.user, now=timezone.now())
    messages.success(request, _("Started: %(title)s.") % {"title": _title(name)})
    return redirect("jobs:operations")


@admin_only
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    if actions.retry(get_object_or_404(Job, pk=pk), now=timezone.now()):
        messages.success(request, _("The job is tried again."))
    return redirect("jobs:operations")


@require_safe
def progress(request: HttpRequest, pk: int) -> HttpResponse:
    """The progress bar of a job, for whoever started it; it asks again by itself until the job has ended."""
    jobs = Job.objects.all() if request.user.is_admin else Job.objects.filter(created_by=request.user)
    job = get_object_or_404(jobs, pk=pk)
    response = render(request, "jobs/_progress.html", {"job": job})
    if job.is_finished:
        response.headers["HX-Refresh"] = "true"  # the page around it has something new to show
    return response
