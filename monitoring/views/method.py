"""What a version of the scoring method would change, and putting it in force."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from assessments import versions
from assessments.models import Method
from assessments.queries import active_method, scoring_method, to_reassess
from monitoring import changes
from monitoring.forms import ScheduleForm
from riskreg.accounts.permissions import admin_only
from riskreg.jobs.models import Job
from risks import access


@admin_only
@require_safe
def what_if(request: HttpRequest, pk: int) -> HttpResponse:
    """The page around the comparison: what can be done with the version now."""
    method = get_object_or_404(Method.objects.exclude(state=Method.State.RETIRED), pk=pk)
    return render(request, "monitoring/what_if.html", _page(method, ScheduleForm()))


def _page(method: Method, form: ScheduleForm) -> dict[str, Any]:
    return {
        "method": method,
        # Its time has come, even if the worker has not begun yet.
        "begun": method.state == Method.State.ACTIVE
        or (method.scheduled_for is not None and method.scheduled_for <= timezone.now()),
        "usable": versions.is_usable(method),
        "form": form,
        "job": Job.objects.filter(pk=method.job).first() if method.job else None,
    }


@admin_only
@require_safe
def what_if_changes(request: HttpRequest, pk: int) -> HttpResponse:
    """The comparison itself, fetched by the page because it takes a while on a large register. Writes nothing."""
    method = get_object_or_404(Method, pk=pk)
    if method.state != Method.State.DRAFT or not versions.is_usable(method):
        # It came into force while the page was open, so the page has something else to show.
        response = render(request, "monitoring/_what_if.html", {"method": method})
        if method.state != Method.State.DRAFT:
            response.headers["HX-Refresh"] = "true"
        return response
    draft = scoring_method(method)
    now = timezone.now()
    context = {
        "method": method,
        "changes": changes.of(draft, at=now, today=timezone.localdate()),
        "unmapped": to_reassess(access.visible_risks(request.user), draft).count(),
        "bands_before": active_method().bands,
        "bands_after": draft.bands,
    }
    return render(request, "monitoring/_what_if.html", context)


@admin_only
@require_POST
def schedule(request: HttpRequest, pk: int) -> HttpResponse:
    """Put a draft in force at once, or at a time."""
    method = get_object_or_404(Method, pk=pk, state=Method.State.DRAFT)
    now = timezone.now()
    form = ScheduleForm(request.POST, now=now)
    seen = request.POST.get("seen")
    if seen is not None and (method.edited_at is None or seen != method.edited_at.isoformat()):
        messages.error(request, _("The draft was changed after you compared it. Look again what would change."))
        return redirect("monitoring:what_if", pk)
    if not form.is_valid() or not versions.is_usable(method):
        return render(request, "monitoring/what_if.html", _page(method, form), status=422)
    try:
        versions.schedule(method=method, when=form.cleaned_data["when"], by=request.user, at=now)
    except versions.NotADraft:
        messages.error(request, _("Somebody else has scheduled or discarded this version meanwhile."))
        return redirect("assessments:methods")
    if form.cleaned_data["when"]:
        messages.success(request, _("Version %(version)s will come into force then.") % {"version": method.version})
    else:
        messages.success(request, _("Version %(version)s comes into force.") % {"version": method.version})
    return redirect("monitoring:what_if", pk)


@admin_only
@require_POST
def unschedule(request: HttpRequest, pk: int) -> HttpResponse:
    method = get_object_or_404(Method, pk=pk)
    try:
        versions.unschedule(method=method)
        messages.success(request, _("Version %(version)s is a draft again.") % {"version": method.version})
    except versions.NotADraft:
        method.refresh_from_db()
        if method.state != Method.State.DRAFT:
            messages.error(request, _("It is too late: the version is in force."))
        if method.state == Method.State.RETIRED:
            return redirect("assessments:methods")
    return redirect("monitoring:what_if", pk)
