from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from riskreg.accounts.permissions import admin_only
from riskreg.celery import TIMETABLE
from riskreg.jobs import actions
from riskreg.jobs.models import Job, Schedule
from riskreg.ui.listing import list_page

TITLES = {
    "rescore": gettext_lazy("Re-score the register and look for drift"),
    "send_digests": gettext_lazy("Send the digests that are due"),
    "tidy_jobs": gettext_lazy("Tidy up finished jobs"),
}


@admin_only
@require_safe
def operations(request: HttpRequest) -> HttpResponse:
    due = {schedule.name: schedule for schedule in Schedule.objects.all()}
    timetable = [{"name": name, "title": TITLES[name], "schedule": due.get(name)} for name in TIMETABLE]
    return list_page(
        request,
        queryset=Job.objects.select_related("created_by"),
        template="jobs/operations.html",
        orders={"created": "created_at", "state": "state", "kind": "kind"},
        default_order="-created",
        context={"timetable": timetable, "waiting": Job.objects.unfinished().count()},
    )


@admin_only
@require_POST
def run_now(request: HttpRequest, name: str) -> HttpResponse:
    if name not in TIMETABLE:
        raise Http404
    actions.run_now(name, by=request.user, now=timezone.now())
    messages.success(request, _("Started: %(title)s.") % {"title": TITLES[name]})
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
