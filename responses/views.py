from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Prefetch, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from responses import actions
from responses.forms import AcceptForm, ActionFormSet, ResponseForm, StatusForm, owners_for
from responses.models import Acceptance, Action, Kind, Playbook, Response
from risks import access
from risks.models import Risk


@require_safe
def panel(request: HttpRequest, risk_id: int) -> HttpResponse:
    """The responses and acceptance of a risk, for its page."""
    risk = access.get_risk(request.user, risk_id)
    responses = risk.responses.prefetch_related(Prefetch("actions", Action.objects.select_related("owner")))
    context = {
        "risk": risk,
        "responses": [r for r in responses if r.withdrawn_at is None],
        "withdrawn": [r for r in responses if r.withdrawn_at is not None],
        "acceptance": risk.acceptances.filter(revoked_on=None).select_related("accepted_by").first(),
        "statuses": Action.Status.choices,
        "may_edit": access.may(request.user, "edit", risk),
        "me": request.user,
    }
    return render(request, "responses/_panel.html", context)


def new(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = _open_risk(request, risk_id)
    kind = request.GET.get("kind")
    response = Response(risk=risk, created_by=request.user, kind=kind if kind in Kind.values else Kind.PREVENTIVE)
    return _form(request, response)


def edit(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, _editable(request, pk))


def _open_risk(request: HttpRequest, risk_id: int) -> Risk:
    risk = access.get_risk(request.user, risk_id, "edit")
    if not risk.is_open:
        raise Http404
    return risk


def _editable(request: HttpRequest, pk: int) -> Response:
    """A response on a risk the person may work on, or 404."""
    risks = access.editable_risks(request.user)
    return get_object_or_404(Response.objects.select_related("risk__team"), pk=pk, risk__in=risks)


def _form(request: HttpRequest, response: Response) -> HttpResponse:
    owners = owners_for(response.risk)
    form = ResponseForm(request.POST or None, instance=response)
    formset = ActionFormSet(request.POST or None, instance=response, prefix="actions", form_kwargs={"owners": owners})
    if request.method == "POST" and form.is_valid() and formset.is_valid():
        saved = form.save(commit=False)
        kept = [f.save(commit=False) for f in formset.forms if _is_filled(f) and f not in formset.deleted_forms]
        removed = [f.instance for f in formset.deleted_forms if f.instance.pk]
        actions.save_response(response=saved, actions=kept, removed=removed, at=timezone.now())
        messages.success(request, _("The response is saved and the score follows."))
        return redirect("risks:show", response.risk_id)
    context = {"risk": response.risk, "response": response, "form": form, "formset": formset}
    return render(request, "responses/form.html", context)


def _is_filled(form: Any) -> bool:
    return bool(form.has_changed() and form.cleaned_data.get("title"))


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    response = _editable(request, pk)
    actions.withdraw_response(response=response, at=timezone.now())
    messages.success(request, _("“%(title)s” is withdrawn; it can be put back below.") % {"title": response.title})
    return redirect("risks:show", response.risk_id)


@require_POST
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    response = _editable(request, pk)
    actions.restore_response(response=response, at=timezone.now())
    messages.success(request, _("“%(title)s” is in force again.") % {"title": response.title})
    return redirect("risks:show", response.risk_id)


@require_POST
def set_status(request: HttpRequest, pk: int) -> HttpResponse:
    """An action's owner moves it on, and so does whoever may work on the risk."""
    mine = Q(owner=request.user, response__risk__in=access.visible_risks(request.user))
    editable = Q(response__risk__in=access.editable_risks(request.user))
    action = get_object_or_404(Action.objects.filter(mine | editable).select_related("response"), pk=pk)
    form = StatusForm(request.POST)
    if form.is_valid():
        actions.set_action_status(action=action, status=form.cleaned_data["status"], at=timezone.now())
        messages.success(
            request,
            _("“%(title)s” is now: %(status)s.") % {"title": action.title, "status": action.get_status_display()},
        )
    if request.POST.get("next") == "today":
        return redirect("monitoring:today")
    return redirect("risks:show", action.response.risk_id)


@require_safe
def playbooks(request: HttpRequest, risk_id: int) -> HttpResponse:
    """The library for the risk's category; with ?all=1 for every category."""
    risk = _open_risk(request, risk_id)
    found = Playbook.objects.select_related("category")
    everything = "all" in request.GET
    if not everything:
        found = found.filter(category=risk.category_id)
    return render(request, "responses/playbooks.html", {"risk": risk, "playbooks": found, "everything": everything})


@require_POST
def use_playbook(request: HttpRequest, risk_id: int, pk: int) -> HttpResponse:
    risk = _open_risk(request, risk_id)
    response = actions.use_playbook(
        playbook=get_object_or_404(Playbook, pk=pk),
        risk=risk,
        by=request.user,
        at=timezone.now(),
        today=timezone.localdate(),
    )
    messages.success(request, _("“%(title)s” is added. Fit it to this risk.") % {"title": response.title})
    return redirect("responses:edit", response.pk)


def accept(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = _open_risk(request, risk_id)
    form = AcceptForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actions.accept_risk(
            risk=risk,
            by=request.user,
            reason=form.cleaned_data["reason"],
            on=timezone.localdate(),
            until=form.cleaned_data["until"],
        )
        messages.success(request, _("%(reference)s is accepted.") % {"reference": risk.reference})
        return redirect("risks:show", risk.pk)
    return render(request, "responses/accept.html", {"risk": risk, "form": form})


@require_POST
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    risks = access.editable_risks(request.user)
    acceptance = get_object_or_404(Acceptance, pk=pk, risk__in=risks, revoked_on=None)
    actions.revoke_acceptance(acceptance=acceptance, on=timezone.localdate())
    messages.success(request, _("The acceptance has ended."))
    return redirect("risks:show", acceptance.risk_id)
