"""One risk: its page, its form, closing and deleting it."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.actions import customer_named
from riskreg.ui.listing import list_page
from risks import access, actions, scores
from risks.forms import CloseForm, RiskForm
from risks.models import Observation, Risk

_HISTORY_SHOWN = 100


@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    risk = access.get_risk(request.user, pk)
    entries = list(risk.scores.order_by("-at", "-pk")[:_HISTORY_SHOWN])[::-1]
    method = scores.active_method()
    context = {
        "risk": risk,
        "entries": entries,
        "last_entry": next((e for e in reversed(entries) if e.factors), None),
        "observations": risk.observations.select_related("created_by").order_by("-linked_at"),
        "bands": method.bands,
        "restated": method.restated(entries),
        "beyond_appetite": risk.sheet.method_version == method.version
        and method.is_beyond_appetite(risk.category.key, risk.sheet.band),
        "tags": risk.tags.all(),
    }
    return render(request, "risks/show.html", context)


@require_safe
def history(request: HttpRequest, pk: int) -> HttpResponse:
    """Who changed what when: the audit trail of the risk's own fields."""
    risk = access.get_risk(request.user, pk)
    versions = list(risk.history.select_related("history_user").order_by("-history_date", "-history_id")[:50])
    names = _names_in(versions)
    changes = []
    for newer, older in zip(versions, [*versions[1:], None], strict=True):
        fields = [] if older is None else _differences(newer, older, names)
        if older is None or fields:
            changes.append({"version": newer, "fields": fields, "first": older is None and len(versions) < 50})
    return render(request, "risks/_history.html", {"risk": risk, "changes": changes})


def _names_in(versions: list[Any]) -> dict[str, dict[int, str]]:
    """What the ids in these versions stand for, by field: a statement per relation, not per version."""
    names = {}
    for field in ("category", "customer", "owner", "team"):
        model: Any = Risk._meta.get_field(field).related_model
        ids = {getattr(version, f"{field}_id") for version in versions} - {None}
        names[field] = {pk: str(row) for pk, row in model.objects.in_bulk(ids).items()}
    return names


def _differences(newer: Any, older: Any, names: dict[str, dict[int, str]]) -> list[dict[str, Any]]:
    def said(field: str, value: Any) -> Any:
        return names[field].get(value, value) if field in names else value

    delta = newer.diff_against(older, excluded_fields=["version"], foreign_keys_are_objs=False)
    return [
        {
            "name": Risk._meta.get_field(c.field).verbose_name,
            "old": said(c.field, c.old),
            "new": said(c.field, c.new),
        }
        for c in delta.changes
    ]


def new(request: HttpRequest) -> HttpResponse:
    if not access.may_capture(request.user):
        raise PermissionDenied
    observation = _observation_of(request)
    form = RiskForm(request.POST or None, user=request.user, initial=_initial(observation, request))
    if request.method == "POST" and form.is_valid():
        fields = {name: form.cleaned_data[name] for name in RiskForm.Meta.fields}
        risk = actions.capture_risk(
            by=request.user,
            tags=form.cleaned_data["tag_names"],
            customer=customer_named(name=form.cleaned_data["customer_name"], team=fields["team"]),
            observation=observation,
            at=timezone.now(),
            **fields,
        )
        messages.success(request, _("%(reference)s is written down.") % {"reference": risk.reference})
        return redirect("assessments:assess", risk.pk) if "assess" in request.POST else redirect("risks:show", risk.pk)
    return render(request, "risks/form.html", _form_context(request, form) | {"observation": observation})


def _observation_of(request: HttpRequest) -> Observation | None:
    pk = request.GET.get("observation", "")
    return access.get_observation(request.user, int(pk)) if pk.isdecimal() else None


def _initial(observation: Observation | None, request: HttpRequest) -> dict[str, Any]:
    if observation is None:
        return {"title": request.GET.get("title", "")[:200], **request.session.get("capture", {})}
    first_sentence = observation.text.split("\n")[0].split("。")[0][:200]
    category = {c.key: c.pk for c in RiskForm.base_fields["category"].queryset}.get(observation.kind)  # type: ignore[attr-defined]
    return {
        "title": first_sentence,
        "category": category,
        "cause": observation.text,
        "source": observation.source or observation.get_kind_display(),
        "team": observation.team_id,
        "customer_name": observation.customer.name if observation.customer else "",
    }


def _form_context(request: HttpRequest, form: RiskForm) -> dict[str, Any]:
    names = access.visible_customers(request.user).order_by("name").values_list("name", flat=True).distinct()
    return {"form": form, "customers": list(names[:500])}


def edit(request: HttpRequest, pk: int) -> HttpResponse:
    risk = access.get_risk(request.user, pk, "edit")
    form = RiskForm(request.POST or None, instance=risk, user=request.user)
    if request.method == "POST" and form.is_valid():
        changed = form.save(commit=False)
        changed.customer = customer_named(name=form.cleaned_data["customer_name"], team=changed.team)
        version = form.cleaned_data["version"] or 0
        try:
            actions.edit_risk(risk=changed, version=version, tags=form.cleaned_data["tag_names"], at=timezone.now())
        except actions.EditedMeanwhile as conflict:
            context = _form_context(request, form) | {"risk": risk, "conflict": conflict.current}
            return render(request, "risks/form.html", context, status=409)
        messages.success(request, _("%(reference)s is saved.") % {"reference": risk.reference})
        return redirect("risks:show", risk.pk)
    return render(request, "risks/form.html", _form_context(request, form) | {"risk": risk})


def close(request: HttpRequest, pk: int) -> HttpResponse:
    risk = access.get_risk(request.user, pk, "edit")
    if not risk.is_open:
        raise Http404
    form = CloseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actions.close_risk(
            risk=risk,
            outcome=form.cleaned_data["outcome"],
            note=form.cleaned_data["note"],
            on=form.cleaned_data["closed_on"],
            at=timezone.now(),
        )
        messages.success(request, _("%(reference)s is closed.") % {"reference": risk.reference})
        return redirect("risks:show", risk.pk)
    return render(request, "risks/close.html", {"risk": risk, "form": form})


@require_POST
def reopen(request: HttpRequest, pk: int) -> HttpResponse:
    risk = access.get_risk(request.user, pk, "edit")
    if not risk.is_open:
        actions.reopen_risk(risk=risk, at=timezone.now())
        messages.success(request, _("%(reference)s is open again.") % {"reference": risk.reference})
    return redirect("risks:show", risk.pk)


@require_POST
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    risk = access.get_risk(request.user, pk, "delete")
    actions.delete_risk(risk=risk)
    messages.success(
        request,
        format_html(
            '{} <a class="alert-link" href="{}">{}</a>',
            _("%(reference)s is in the bin.") % {"reference": risk.reference},
            reverse("risks:bin"),
            _("Open the bin"),
        ),
    )
    return redirect("risks:register")


@require_safe
def bin_page(request: HttpRequest) -> HttpResponse:
    deleted = access.deletable_risks(request.user).filter(state=Risk.State.BIN)
    return list_page(
        request,
        queryset=deleted.select_related("team", "owner", "category"),
        template="risks/bin.html",
        orders={"title": "title", "deleted": "updated_at"},
        default_order="-deleted",
    )


@require_POST
def restore(request: HttpRequest, pk: int) -> HttpResponse:
    risk = get_object_or_404(access.deletable_risks(request.user), pk=pk, state=Risk.State.BIN)
    actions.restore_risk(risk=risk, at=timezone.now())
    messages.success(request, _("%(reference)s is back in the register.") % {"reference": risk.reference})
    return redirect("risks:show", risk.pk)
