"""Indicators: their list, each one's page with its readings, and the ways readings come in."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_POST, require_safe

from crm.spreadsheets.reading import read_table
from crm.spreadsheets.unreadable import UnreadableFile
from monitoring import curves, indicators, queries, reading_rows
from monitoring.forms import ArmForm, IndicatorForm, ReadingForm, ReadingsFileForm, TieForm, TieIndicatorForm
from monitoring.models import ArmedBy, Indicator, Reading, Tie
from riskreg.accounts.middleware import zone_named
from riskreg.accounts.tokens import token_required
from riskreg.ui.listing import list_page
from risks import access, import_messages
from risks.models import Risk

_DRAWN = 200
_LISTED = 50


@require_safe
def indicators_page(request: HttpRequest) -> HttpResponse:
    """Every indicator a person may see; the page's filters narrow it by state and words."""
    state, words = request.GET.get("state", ""), request.GET.get("q", "").replace("\0", " ").strip()[:100]
    seen = queries.visible_indicators(request.user)
    found = seen.filter(archived_at__isnull=state != "archived")
    if words:
        found = found.filter(Q(name__icontains=words) | Q(customer__name__icontains=words))
    found = queries.in_state(found, state, now=timezone.now())
    return list_page(
        request,
        queryset=found.select_related("team", "customer", "owner").annotate(
            risks=Count("ties", filter=Q(ties__risk__in=access.visible_risks(request.user).open()))
        ),
        template="monitoring/indicators.html",
        orders={"name": "name", "read": "current_at", "risks": "risks"},
        default_order="name",
        context={"state": state, "words": words, "may_add": access.may_capture(request.user), "now": timezone.now()},
    )


def _seen(request: HttpRequest, pk: int) -> Indicator:
    seen = queries.visible_indicators(request.user).select_related("team", "customer", "owner")
    return get_object_or_404(seen, pk=pk)


def _editable(request: HttpRequest, pk: int) -> Indicator:
    return get_object_or_404(queries.editable_indicators(request.user).select_related("team"), pk=pk)


@require_safe
def indicator(request: HttpRequest, pk: int) -> HttpResponse:
    return _page(request, _seen(request, pk))


def _page(request: HttpRequest, one: Indicator, **forms: Any) -> HttpResponse:
    now, user = timezone.now(), request.user
    may_edit = queries.editable_indicators(user).filter(pk=one.pk).exists()
    drawn = list(one.readings.order_by("-at")[:_DRAWN])[::-1]
    ties = Tie.objects.filter(indicator=one, risk__in=access.visible_risks(user)).select_related("risk__sheet")
    arms = ArmedBy.objects.filter(indicator=one, response__risk__in=access.visible_risks(user))
    context = {
        "indicator": one,
        "now": now,
        "may_edit": may_edit,
        "chart": curves.readings([(r.at.timestamp(), r.value) for r in drawn], warning=one.warning, limit=one.limit),
        "drawn": drawn,
        "readings": list(one.readings.select_related("recorded_by").order_by("-at")[:_LISTED]),
        "count": one.readings.count(),
        "ties": ties,
        "arms": arms.select_related("response__risk"),
        "flags": one.flags.select_related("answered_by")[:10],
        "alerts": one.alerts.all()[:10],
        "reading_form": forms.get("reading_form") or ReadingForm(now=now),
        "tie_form": forms.get("tie_form") or TieForm(user=user),
        "arm_form": forms.get("arm_form") or ArmForm(user=user, indicator=one),
    }
    return render(request, "monitoring/indicator.html", context)


def add_indicator(request: HttpRequest) -> HttpResponse:
    if not access.may_capture(request.user):
        raise PermissionDenied
    return _form(request, Indicator(owner=request.user))


def edit_indicator(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, _editable(request, pk))


def _form(request: HttpRequest, one: Indicator) -> HttpResponse:
    form = IndicatorForm(request.POST or None, instance=one, user=request.user)
    if request.method == "POST" and form.is_valid():
        saved = form.save(commit=False)
        indicators.save(indicator=saved, now=timezone.now())
        messages.success(request, _("“%(name)s” is saved.") % {"name": saved.name})
        return redirect("monitoring:indicator", saved.pk)
    return render(request, "monitoring/indicator_form.html", {"form": form, "indicator": one})


@require_POST
def archive_indicator(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop an indicator, or take it up again."""
    one, now = _editable(request, pk), timezone.now()
    stopping = one.archived_at is None
    again = Indicator.objects.live().filter(team=one.team_id, name=one.name).exists()
    if not stopping and again:
        messages.error(request, _("This team already has an indicator of this name."))
        return redirect("monitoring:indicator", one.pk)
    indicators.archive(indicator=one, at=now if stopping else None, now=now)
    messages.success(
        request,
        _("“%(name)s” is stopped and no longer counts; its readings are kept.") % {"name": one.name}
        if stopping
        else _("“%(name)s” counts again.") % {"name": one.name},
    )
    return redirect("monitoring:indicator", one.pk)


# --- readings --------------------------------------------------------------------------------------------


@require_POST
def add_reading(request: HttpRequest, pk: int) -> HttpResponse:
    one, now = _editable(request, pk), timezone.now()
    form = ReadingForm(request.POST, now=now)
    if not form.is_valid():
        return _page(request, _seen(request, pk), reading_form=form)
    data = form.cleaned_data
    measured = indicators.Measured(one.pk, data["at"], data["value"], data["note"])
    indicators.record([measured], source=Reading.Source.HAND, by=request.user, now=now)
    messages.success(request, _("The reading is noted, and the scores follow."))
    return redirect("monitoring:indicator", one.pk)


@require_POST
def delete_reading(request: HttpRequest, pk: int) -> HttpResponse:
    reading = get_object_or_404(Reading, pk=pk, indicator__in=queries.editable_indicators(request.user))
    indicators.delete_reading(reading=reading, now=timezone.now())
    messages.success(request, _("The reading is taken back."))
    return redirect("monitoring:indicator", reading.indicator_id)


def import_readings(request: HttpRequest) -> HttpResponse:
    """A file of readings of any indicators: all of its rows, or none and what is wrong with each."""
    if not access.may_capture(request.user):
        raise PermissionDenied
    form = ReadingsFileForm(request.POST or None, request.FILES or None)
    problems: list[reading_rows.Problem] = []
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            rows, problems = reading_rows.rows_of_table(read_table(file.read(), file.name).rows)
        except UnreadableFile as error:
            form.add_error("file", import_messages.of_file(error))
        else:
            recorded, wrong = _take(request, rows, Reading.Source.FILE) if not problems else (None, problems)
            problems = wrong
            if recorded is not None:
                messages.success(request, _said(recorded))
                return redirect("monitoring:indicators")
    context = {"form": form, "problems": problems[:200], "problems_count": len(problems)}
    return render(request, "monitoring/import_readings.html", context)


def _take(
    request: HttpRequest, rows: list[reading_rows.Row], source: Reading.Source
) -> tuple[indicators.Recorded | None, list[reading_rows.Problem]]:
    """Record the rows, or nothing and say what is wrong with them."""
    now = timezone.now()
    mine = list(queries.editable_indicators(request.user).live())
    zone = zone_named(request.user.time_zone)
    measured, problems = reading_rows.plan(rows, mine, zone=zone, now=now)
    if problems:
        return None, problems
    return indicators.record(measured, source=source, by=request.user, now=now), []


def _said(recorded: indicators.Recorded) -> str:
    said = ngettext("%(n)d new reading.", "%(n)d new readings.", recorded.new) % {"n": recorded.new}
    if recorded.corrected:
        said += " " + ngettext("%(n)d corrected.", "%(n)d corrected.", recorded.corrected) % {"n": recorded.corrected}
    if recorded.same:
        said += " " + ngettext("%(n)d known already.", "%(n)d known already.", recorded.same) % {"n": recorded.same}
    return said


# --- the API ---------------------------------------------------------------------------------------------


@token_required(write=False)
@require_GET
def api_indicators(request: HttpRequest) -> JsonResponse:
    """The indicators a token's owner may see, so that another system knows their numbers."""
    found = queries.visible_indicators(request.user).live().order_by("pk")
    return JsonResponse({"indicators": [_as_json(one) for one in found.select_related("customer")[:1000]]})


def _as_json(one: Indicator) -> dict[str, Any]:
    return {
        "id": one.pk,
        "name": one.name,
        "measure": one.measure,
        "unit": one.unit,
        "customer": one.customer.name if one.customer else None,
        "value": one.current_value,
        "measured_at": one.current_at.isoformat() if one.current_at else None,
    }


@token_required(write=True)
@require_POST
def api_readings(request: HttpRequest) -> JsonResponse:
    """Readings from another system, all or none: {"readings": [{"indicator": 12, "at": "…", "value": 3.4}]}."""
    try:
        rows = _rows_of(json.loads(request.body))
    except (ValueError, RecursionError):
        return JsonResponse({"error": _("Send JSON: an object with a list “readings”.")}, status=400)
    recorded, problems = _take(request, rows, Reading.Source.API)
    if recorded is None:
        wrong = [{"row": p.row, "field": p.field, "message": p.message} for p in problems[:200]]
        return JsonResponse({"error": _("Nothing was recorded."), "problems": wrong}, status=422)
    return JsonResponse({"new": recorded.new, "corrected": recorded.corrected, "same": recorded.same}, status=201)


def _rows_of(sent: Any) -> list[reading_rows.Row]:
    """Raises ValueError when what was sent has another shape; rows count from 1."""
    listed = sent.get("readings") if isinstance(sent, dict) else None
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise ValueError("no list of readings")
    fields = ("indicator", "at", "value", "note")
    rows = [[one.get(field) for field in fields] for one in listed]
    if not all(value is None or isinstance(value, str | int | float) for row in rows for value in row):
        raise ValueError("a value is neither text nor a number")
    return [reading_rows.Row(number, *row) for number, row in enumerate(rows, start=1)]


# --- what it speaks for ------------------------------------------------------------------------------------


@require_POST
def tie(request: HttpRequest, pk: int) -> HttpResponse:
    """From the indicator's page: which risk it speaks for."""
    one = _editable(request, pk)
    form = TieForm(request.POST, user=request.user)
    if not form.is_valid():
        return _page(request, _seen(request, pk), tie_form=form)
    risk: Risk = form.cleaned_data["risk"]
    indicators.tie(indicator=one, risk=risk, ratio=form.cleaned_data["ratio"], by=request.user, now=timezone.now())
    messages.success(request, _("It now speaks for “%(title)s”.") % {"title": risk.title})
    return redirect("monitoring:indicator", one.pk)


@require_POST
def tie_risk(request: HttpRequest, risk_id: int) -> HttpResponse:
    """From the risk's page: which indicator speaks for it."""
    risk = access.get_risk(request.user, risk_id, "edit")
    form = TieIndicatorForm(request.POST, indicators=queries.visible_indicators(request.user).live())
    if form.is_valid() and risk.is_open:
        one = form.cleaned_data["indicator"]
        indicators.tie(indicator=one, risk=risk, ratio=form.cleaned_data["ratio"], by=request.user, now=timezone.now())
        messages.success(request, _("“%(name)s” now speaks for this risk.") % {"name": one.name})
    else:
        messages.error(request, _("Choose an indicator."))
    return redirect("risks:show", risk.pk)


@require_POST
def untie(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(
        Tie.objects.select_related("indicator"), pk=pk, risk__in=access.editable_risks(request.user)
    )
    indicators.untie(tie=found, now=timezone.now())
    messages.success(request, _("“%(name)s” no longer speaks for it.") % {"name": found.indicator.name})
    if request.POST.get("next") == "risk":
        return redirect("risks:show", found.risk_id)
    return redirect("monitoring:indicator", found.indicator_id)


@require_POST
def arm_at_limit(request: HttpRequest, pk: int) -> HttpResponse:
    """Let an indicator arm a contingency of a risk it speaks for."""
    one = _editable(request, pk)
    form = ArmForm(request.POST, user=request.user, indicator=one)
    if not form.is_valid():
        return _page(request, _seen(request, pk), arm_form=form)
    ArmedBy.objects.update_or_create(response=form.cleaned_data["response"], defaults={"indicator": one})
    messages.success(request, _("“%(title)s” arms itself at the limit.") % {"title": form.cleaned_data["response"]})
    return redirect("monitoring:indicator", one.pk)


@require_POST
def never_arm(request: HttpRequest, pk: int) -> HttpResponse:
    found = get_object_or_404(ArmedBy, pk=pk, response__risk__in=access.editable_risks(request.user))
    found.delete()
    messages.success(request, _("It no longer arms itself."))
    return redirect("monitoring:indicator", found.indicator_id)
