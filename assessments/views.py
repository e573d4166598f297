from __future__ import annotations

from typing import Any

import numpy as np
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from assessments import scoring
from assessments.actions import Judgement, assess_risk
from assessments.forms import AssessForm
from assessments.method import MethodSpec
from assessments.models import Assessment
from assessments.queries import active_method
from riskreg.accounts.permissions import admin_only
from risks import access
from risks.models import Risk


def assess(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = _open_risk(request, risk_id)
    spec = active_method().spec
    current = risk.assessments.filter(is_current=True).select_related("assessor").first()
    form = AssessForm(request.POST or None, spec=spec, initial=_initial(current))
    if request.method == "POST" and form.is_valid():
        judgement = Judgement(
            risk_id=risk.pk,
            likelihood=form.cleaned_data["likelihood"],
            impacts=form.impacts,
            basis=form.cleaned_data["basis"],
            evidence=form.cleaned_data["evidence"],
            on=form.cleaned_data["assessed_on"],
        )
        made = assess_risk(risk=risk, by=request.user, judgement=judgement, at=timezone.now())
        if made.is_current:
            messages.success(request, _("The assessment is added and the score is up to date."))
        else:
            messages.info(request, _("The assessment is added. A newer one stands, so the score stays."))
        return redirect("risks:show", risk.pk)
    context = {"risk": risk, "form": form, "current": current, **_scales(spec, form)}
    return render(request, "assessments/assess.html", context)


def _open_risk(request: HttpRequest, risk_id: int) -> Risk:
    risk = access.get_risk(request.user, risk_id, "edit")
    if not risk.is_open:
        raise Http404
    return risk


def _initial(current: Assessment | None) -> dict[str, Any]:
    if current is None:
        return {"basis": Assessment.Basis.EXPERT}
    return {"likelihood": current.likelihood_level, "basis": current.basis, **current.impact_levels}


def _scales(spec: MethodSpec, form: AssessForm) -> dict[str, Any]:
    """The scales as the page draws them: radio groups with their ranges, and the matrix, likeliest row first."""
    bands = scoring.matrix_bands(spec)
    rows = [
        {
            "level": level,
            "label": spec.likelihood[level - 1].label,
            "cells": [
                {"impact": impact, "band": spec.band(bands[level - 1][impact - 1]), "label": money.label}
                for impact, money in enumerate(spec.primary.levels, start=1)
            ],
        }
        for level in range(len(spec.likelihood), 0, -1)
    ]
    return {
        "spec": spec,
        "matrix": rows,
        "likelihood_options": list(zip(form["likelihood"], spec.likelihood, strict=True)),
        "dimensions": [
            {"dimension": d, "field": form[d.key], "options": list(zip(_radios(form, d.key), d.levels, strict=True))}
            for d in spec.dimensions
        ],
        "bands": spec.bands,
    }


def _radios(form: AssessForm, key: str) -> list[Any]:
    """The radio buttons of the levels, without the blank one of an optional dimension."""
    return [radio for radio in form[key] if radio.data["value"] != ""]


@require_POST
def preview(request: HttpRequest, risk_id: int) -> HttpResponse:
    """What the chosen levels come to before responses and evidence; writes nothing."""
    risk = _open_risk(request, risk_id)
    spec = active_method().spec
    form = AssessForm(request.POST, spec=spec)
    form.is_valid()
    context: dict[str, Any] = {"risk": risk, "spec": spec, "bands": spec.bands}
    likelihood = form.cleaned_data.get("likelihood")
    if likelihood and form.cleaned_data.get(spec.primary.key):
        impact = scoring.combine(spec, form.impacts)
        probability = np.array([spec.likelihood[likelihood - 1].centre])
        over = scoring.over_horizon(probability, np.array([float(risk.horizon_months)]))
        exposure = over * impact.money
        score = scoring.score(spec, exposure)
        context |= {
            "probability": float(over[0]),
            "impact": impact,
            "decided_by": spec.dimension(impact.decided_by).label,
            "exposure": float(exposure[0]),
            "score": float(score[0]),
            "band": int(scoring.band_positions(spec, score)[0]),
        }
    return render(request, "assessments/_preview.html", context)


@require_safe
def panel(request: HttpRequest, risk_id: int) -> HttpResponse:
    """All assessments of a risk, newest first, for its page."""
    risk = access.get_risk(request.user, risk_id)
    method = active_method()
    labels = {d.key: d.label for d in method.spec.dimensions}
    assessments = [
        {
            "assessment": a,
            "likelihood": a.method.spec().likelihood[a.likelihood_level - 1].label,
            "impacts": [
                (labels.get(key), a.method.spec().dimension(key).levels[level - 1].label)
                for key, level in a.impact_levels.items()
            ],
        }
        for a in risk.assessments.select_related("assessor", "method")[:50]
    ]
    return render(request, "assessments/_panel.html", {"risk": risk, "assessments": assessments})


@admin_only
@require_safe
def method(request: HttpRequest) -> HttpResponse:
    """The scoring method in force."""
    spec = active_method().spec
    return render(
        request,
        "assessments/method.html",
        {"spec": spec, "bands": spec.bands, "matrix": _plain_matrix(spec)},
    )


def _plain_matrix(spec: MethodSpec) -> list[dict[str, Any]]:
    bands = scoring.matrix_bands(spec)
    return [
        {"label": spec.likelihood[row].label, "bands": [spec.band(band) for band in bands[row]]}
        for row in range(len(spec.likelihood) - 1, -1, -1)
    ]
