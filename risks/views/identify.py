"""The identify inbox: observations waiting to become a risk, to be linked to one, or to be dismissed."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.actions import customer_named
from riskreg.ui.listing import list_page
from risks import access, actions, queries
from risks.forms import DismissForm, LinkForm, ObservationForm
from risks.models import Observation, Risk


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    shown = request.GET.get("show", "waiting")
    observations = access.visible_observations(request.user).select_related("team", "customer", "created_by", "risk")
    if shown == "linked":
        observations = observations.filter(risk__isnull=False)
    elif shown == "dismissed":
        observations = observations.filter(dismissed_at__isnull=False)
    else:
        shown, observations = "waiting", observations.waiting()
    return list_page(
        request,
        queryset=observations,
        template="risks/inbox.html",
        orders={"observed": "observed_on", "kind": "kind"},
        default_order="-observed",
        context={"shown": shown, "may_capture": access.may_capture(request.user)},
        per_page=25,
    )


def new_observation(request: HttpRequest) -> HttpResponse:
    if not access.may_capture(request.user):
        raise PermissionDenied
    form = ObservationForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        observation = form.save(commit=False)
        observation.created_by = request.user
        observation.customer = customer_named(name=form.cleaned_data["customer_name"], team=observation.team)
        observation.save()
        messages.success(request, _("The observation is in the inbox."))
        return redirect("risks:inbox")
    names = access.visible_customers(request.user).order_by("name").values_list("name", flat=True).distinct()
    return render(request, "risks/observation_form.html", {"form": form, "customers": list(names[:500])})


def link(request: HttpRequest, pk: int) -> HttpResponse:
    """Choose the risk an observation belongs to; the likeliest are offered first."""
    observation = access.get_observation(request.user, pk)
    form = LinkForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        risk: Risk = form.cleaned_data["risk"]
        actions.link_observation(
            observation=observation, risk=risk, bearing=form.cleaned_data["bearing"], at=timezone.now()
        )
        messages.success(request, _("The observation is linked to %(reference)s.") % {"reference": risk.reference})
        return redirect("risks:show", risk.pk)
    alike = queries.likely_duplicates(request.user, observation.text)
    return render(request, "risks/link.html", {"observation": observation, "form": form, "alike": alike})


@require_POST
def unlink(request: HttpRequest, pk: int) -> HttpResponse:
    linked = Observation.objects.filter(risk__in=access.editable_risks(request.user)).select_related("risk")
    observation = get_object_or_404(linked, pk=pk)
    risk_id = observation.risk_id
    actions.unlink_observation(observation=observation, at=timezone.now())
    messages.success(request, _("The observation is back in the inbox."))
    return redirect("risks:show", risk_id)


@require_POST
def dismiss(request: HttpRequest, pk: int) -> HttpResponse:
    observation = access.get_observation(request.user, pk)
    form = DismissForm(request.POST)
    if form.is_valid():
        actions.dismiss_observation(observation=observation, reason=form.cleaned_data["reason"], at=timezone.now())
        messages.success(
            request,
            format_html(
                '{} <a class="alert-link" href="{}?show=dismissed">{}</a>',
                _("The observation is dismissed."),
                reverse("risks:inbox"),
                _("Show dismissed"),
            ),
        )
    return redirect("risks:inbox")


@require_POST
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Undo a dismissal."""
    dismissed = Observation.objects.filter(dismissed_at__isnull=False, team__in=access.teams_worked_in(request.user))
    actions.undo_dismissal(observation=get_object_or_404(dismissed, pk=pk))
    messages.success(request, _("The observation is back in the inbox."))
    return redirect("risks:inbox")
