"""Forecasts of what the open risks may cost together, and the targets they are held against."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.models import Target
from monitoring import curves
from monitoring.forecasts import start_forecast
from monitoring.forms import ForecastForm, TargetForm
from monitoring.models import Forecast
from responses.models import Response
from riskreg.accounts.permissions import admin_only
from riskreg.jobs.models import Job
from riskreg.ui.listing import list_page
from risks import access

_SHARES, _RESPONSES = 12, 20  # rows shown


def _forecasts(request: HttpRequest) -> QuerySet[Forecast]:
    """Those of teams whose totals the person may see."""
    found = Forecast.objects.select_related("team", "target", "created_by")
    if access.may_see_totals(request.user, None):
        return found
    return found.filter(team__in=access.teams_seen(request.user))


def forecasts(request: HttpRequest) -> HttpResponse:
    may_forecast = access.teams_seen(request.user).exists()
    if request.method == "POST" and not may_forecast:
        raise PermissionDenied
    form = ForecastForm(request.POST or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        made = start_forecast(
            team=form.cleaned_data["team"],
            target=form.cleaned_data["target"],
            months=form.cleaned_data["months"],
            correlation=form.cleaned_data["correlation"],
            by=request.user,
            at=timezone.now(),
        )
        return redirect("monitoring:forecast", made.pk)
    return list_page(
        request,
        queryset=_forecasts(request).defer("result"),
        template="monitoring/forecasts.html",
        orders={"asked": "created_at"},
        default_order="-asked",
        context={"form": form, "may_forecast": may_forecast},
        per_page=20,
    )


@require_safe
def forecast(request: HttpRequest, pk: int) -> HttpResponse:
    found = _forecasts(request).filter(pk=pk).first()
    if found is None:
        raise Http404
    context: dict[str, Any] = {"forecast": found, "result": found.result}
    if found.result is None:
        context["job"] = Job.objects.filter(pk=found.job).first()
    elif found.result["risks"]:
        context |= _names(request, found.result) | {"chart": curves.exceedance(found.result)}
    return render(request, "monitoring/forecast.html", context)


def _names(request: HttpRequest, result: dict[str, Any]) -> dict[str, Any]:
    """The rows of the tables, with the names this person may see; the others only add up."""
    pks = {pk for pk, _ in result["shares"]} | {row["risk"] for row in result["responses"]}
    risks = access.visible_risks(request.user).in_bulk(pks)
    shares = [(risks[pk], amount) for pk, amount in result["shares"] if pk in risks][:_SHARES]
    total = result["after"]["tvar"]["95"][0]
    measures = [row for row in result["responses"] if row["risk"] in risks][:_RESPONSES]
    titles = Response.objects.in_bulk([row["response"] for row in measures])
    return {
        "shares": [(risk, amount, amount / total if total else 0.0) for risk, amount in shares],
        "quantiles": [
            {
                "name": name % {"share": level},
                "before": result["before"][key][level],
                "after": result["after"][key][level],
            }
            for key, name in (("var", _("Quantile %(share)s %%")), ("tvar", _("Mean beyond %(share)s %%")))
            for level in result["after"][key]
        ],
        "others": total - sum(amount for _, amount in shares),
        "measures": [
            row | {"risk": risks[row["risk"]], "response": titles[row["response"]], "return_rate": row["return"]}
            for row in measures
            if row["response"] in titles
        ],
    }


@admin_only
@require_safe
def targets(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=Target.objects.select_related("team"),
        template="monitoring/targets.html",
        orders={"ends": "ends_on", "name": "name", "amount": "amount"},
        default_order="-ends",
    )


@admin_only
def add_target(request: HttpRequest) -> HttpResponse:
    return _target_form(request, Target())


@admin_only
def edit_target(request: HttpRequest, pk: int) -> HttpResponse:
    return _target_form(request, get_object_or_404(Target, pk=pk))


def _target_form(request: HttpRequest, target: Target) -> HttpResponse:
    form = TargetForm(request.POST or None, instance=target)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The target is saved."))
        return redirect("monitoring:targets")
    return render(request, "monitoring/target_form.html", {"form": form, "target": target})


@admin_only
@require_POST
def delete_target(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(Target, pk=pk).delete()
    messages.success(request, _("The target is deleted. Forecasts made against it keep their figures."))
    return redirect("monitoring:targets")
