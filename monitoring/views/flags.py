"""Drift flags and limits that are crossed: their lists, a flag's page, and what is done from it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from assessments.queries import active_method
from monitoring import flags, indicators, queries
from monitoring.forms import AnswerForm, MoveReviewForm
from monitoring.models import DriftFlag, MonitoringSettings
from responses.actions import arm_contingencies, disarm_contingency
from responses.models import Kind, Response
from riskreg.ui.listing import list_page
from risks import access
from risks.models import Risk

_DRAWN = 200


@require_safe
def flags_page(request: HttpRequest) -> HttpResponse:
    found = queries.visible_flags(request.user)
    answered = found.filter(state__in=[DriftFlag.State.CONFIRMED, DriftFlag.State.FALSE])
    total, confirmed = queries.answers(request.user)
    shown = request.GET.get("show", "open")
    if shown == "answered":
        found = answered
    else:
        shown, found = "open", queries.open_flags(request.user).exclude(risk__status=Risk.Status.CLOSED)
    return list_page(
        request,
        queryset=found,
        template="monitoring/flags.html",
        orders={"raised": "raised_at", "strength": "strength"},
        default_order="-raised",
        context={
            "shown": shown,
            "answered_count": total,
            "confirmed_share": confirmed / total if total else None,
            "config": MonitoringSettings.load(),
            "alerts_count": queries.open_alerts(request.user).count(),
        },
        per_page=25,
    )


@require_safe
def alerts(request: HttpRequest) -> HttpResponse:
    """Limits that are crossed now."""
    return list_page(
        request,
        queryset=queries.open_alerts(request.user),
        template="monitoring/alerts.html",
        orders={"since": "at"},
        default_order="-since",
        context={"bands": active_method().bands},
        per_page=25,
    )


@require_safe
def flag(request: HttpRequest, pk: int) -> HttpResponse:
    """One flag: what moved, and everything that can be done about it."""
    found = get_object_or_404(queries.visible_flags(request.user), pk=pk)
    may_edit = queries.editable_flags(request.user).filter(pk=pk).exists()
    context = {"flag": found, "may_edit": may_edit, "done": queries.adjustments(found)}
    if found.risk is not None:
        method = active_method()
        entries = list(found.risk.scores.order_by("-at", "-pk")[:_DRAWN])[::-1]
        responses = found.risk.responses.filter(withdrawn_at=None)
        context |= {
            "risk": found.risk,
            "entries": entries,
            "restated": method.restated(entries),
            "bands": method.bands,
            "responses": [r for r in responses if r.kind == Kind.PREVENTIVE],
            "contingencies": [r for r in responses if r.kind == Kind.CONTINGENCY],
            "move_form": MoveReviewForm(),
        }
    return render(request, "monitoring/flag.html", context)


@require_POST
def answer_flag(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(queries.editable_flags(request.user), pk=pk, state=DriftFlag.State.OPEN)
    form = AnswerForm(request.POST)
    if form.is_valid():
        state, note = form.cleaned_data["state"], form.cleaned_data["note"]
        flags.answer_flag(flag=found, state=state, note=note, by=request.user, at=timezone.now())
        if found.state == DriftFlag.State.CONFIRMED:
            messages.success(request, _("Noted as real. Now adjust: what is done is kept with the flag."))
            return redirect("monitoring:flag", found.pk)
        messages.success(request, _("Noted as a false alarm."))
    return redirect("monitoring:flags")


@require_POST
def arm(request: HttpRequest, response_id: int) -> HttpResponse:
    """Arm a contingency by hand, or disarm it: its trigger was seen, or has passed."""
    response = get_object_or_404(
        Response, pk=response_id, kind=Kind.CONTINGENCY, risk__in=access.editable_risks(request.user).open()
    )
    if response.armed_at is None:
        now = timezone.now()
        indicators.tell_armed(arm_contingencies([response.pk], at=now), now=now)
        messages.success(request, _("“%(title)s” is armed; its actions have begun.") % {"title": response.title})
    else:
        disarm_contingency(response=response)
        messages.success(request, _("“%(title)s” is no longer armed.") % {"title": response.title})
    came_from = request.POST.get("next", "")
    if came_from.isdecimal() and len(came_from) < 18:
        return redirect("monitoring:flag", int(came_from))
    return redirect("risks:show", response.risk_id)
