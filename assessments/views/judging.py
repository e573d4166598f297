"""Judging a risk: the form, what it comes to while one types, how often it happened, and all judgements so far."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST, require_safe

from assessments import experience, queries, ranges, scoring
from assessments.actions import Judgement, Number, assess_risk, judged
from assessments.forms import AssessForm, JudgementForm, as_typed, money_text, share_text
from assessments.method import MethodSpec
from assessments.models import Assessment
from assessments.queries import active_method
from risks import access
from risks.models import Risk

KINDS = {
    "category": gettext_lazy("This category"),
    "team": gettext_lazy("This category in this team"),
    "customer": gettext_lazy("This customer"),
    "all": gettext_lazy("All risks"),
}
PERIODS = {
    "12": gettext_lazy("Last 12 months"),
    "24": gettext_lazy("Last 24 months"),
    "36": gettext_lazy("Last 36 months"),
    "all": gettext_lazy("All years"),
}
DEFAULT_PERIOD = "36"


def assess(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = open_risk(request, risk_id)
    spec = active_method().spec
    current = risk.assessments.filter(is_current=True).select_related("assessor", "method").first()
    form = AssessForm(request.POST or None, spec=spec, initial=_initial(current))
    if request.method == "POST" and form.is_valid():
        judgement = Judgement(
            risk_id=risk.pk,
            likelihood=form.cleaned_data["likelihood"],
            impacts=form.impacts,
            money=form.cleaned_data["money"],
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
    context = {"risk": risk, "form": form, "current": current, "matrix": _matrix(spec), **quantities(form)}
    context["dimensions"] = [
        {"dimension": d, "field": form[d.key], "options": list(zip(form[d.key], d.levels, strict=True))}
        for d in spec.dimensions[1:]
    ]
    return render(request, "assessments/assess.html", context)


def open_risk(request: HttpRequest, risk_id: int) -> Risk:
    """The risk, if the person may judge it; Http404 otherwise, and once it is closed."""
    risk = access.get_risk(request.user, risk_id, "edit")
    if not risk.is_open:
        raise Http404
    return risk


def _initial(current: Assessment | None) -> dict[str, Any]:
    """The last judgement once more, given the way it was, on the scales of the method in force."""
    if current is None:
        return {"basis": Assessment.Basis.EXPERT}
    method = active_method()
    likelihood, impacts = method.levels(current)
    initial = {"likelihood": likelihood, "basis": current.basis, **impacts}
    if given := Number.of_likelihood(current):
        initial |= as_typed("likelihood", given, share_text)
    same_dimension = current.method.spec().primary.key == method.spec.primary.key
    if same_dimension and (given := Number.of_money(current)):
        initial |= as_typed("money", given, money_text)
    return initial


def quantities(form: JudgementForm) -> dict[str, Any]:
    """Likelihood and money as the page draws them: three ways each, and the levels with their ranges."""
    spec = form.spec

    def drawn(name: str, level: str, levels: Any) -> dict[str, Any]:
        parts = {part: form[f"{name}_{part}"] for part in ("by", "number", "low", "high")}
        options = list(zip(form[level], levels, strict=True))
        return {"name": name, "level": form[level], "options": options, **parts}

    return {
        "spec": spec,
        "bands": spec.bands,
        "quantities": {
            "likelihood": drawn("likelihood", "likelihood", spec.likelihood),
            "money": drawn("money", spec.primary.key, spec.primary.levels),
        },
    }


def _matrix(spec: MethodSpec) -> list[dict[str, Any]]:
    """The matrix to pick a cell of, the likeliest row first."""
    bands = scoring.matrix_bands(spec)
    return [
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


@require_POST
def preview(request: HttpRequest, risk_id: int) -> HttpResponse:
    """What the judgement comes to before responses and evidence; writes nothing."""
    risk = open_risk(request, risk_id)
    spec = active_method().spec
    form = AssessForm(request.POST, spec=spec)
    form.is_valid()
    likelihood, money = form.cleaned_data.get("likelihood"), form.cleaned_data.get("money")
    context: dict[str, Any] = {
        "risk": risk,
        "spec": spec,
        "bands": spec.bands,
        "share": likelihood if isinstance(likelihood, Number) else None,
        "money": money,
        "is_wide": any(_is_wide(given) for given in (likelihood, money)),
        "problems": _problems(form),
    }
    if likelihood and (money or form.cleaned_data.get(spec.primary.key)):
        worth = judged(spec, likelihood, form.impacts, money)
        probability, months = np.array([worth.probability]), np.array([float(risk.horizon_months)])
        scored = scoring.evaluate(spec, probability, np.array([worth.impact.money]), months)
        context |= {
            "probability": float(scoring.over_horizon(probability, months)[0]),
            "impact": worth.impact,
            "decided_by": spec.dimension(worth.impact.decided_by).label,
            "exposure": float(scored.exposure[0]),
            "score": float(scored.score[0]),
            "band": int(scored.band[0]),
        }
    return render(request, "assessments/_preview.html", context)


def _is_wide(given: int | Number | None) -> bool:
    """Whether a range is so wide that the few largest values rule its mean."""
    ranged = isinstance(given, Number) and given.low is not None and given.high is not None
    return ranged and given.high / given.low > ranges.WIDE_RATIO


def _problems(form: JudgementForm) -> list[str]:
    """What is wrong with what was typed as a number or range; what is only missing yet is not told."""
    fields = [f"{name}_{part}" for name in ("likelihood", "money") for part in ("number", "low", "high")]
    return [error for field in fields if form.data.get(field, "").strip() for error in form.errors.get(field, [])]


@require_safe
def base_rate(request: HttpRequest, risk_id: int) -> HttpResponse:
    """How often risks like this one happened, to hold beside one's own judgement."""
    risk = open_risk(request, risk_id)
    kinds = [(kind, KINDS[kind]) for kind in experience.kinds_of(risk)]
    kind = request.GET.get("of", "")
    if kind not in dict(kinds):
        kind = kinds[0][0]
    period = request.GET.get("period", "")
    if period not in PERIODS:
        period = DEFAULT_PERIOD
    found = experience.base_rate(
        request.user, risk, kind=kind, months=int(period) if period != "all" else None, today=timezone.localdate()
    )
    context = {"risk": risk, "kinds": kinds, "kind": kind, "periods": PERIODS.items(), "period": period, "found": found}
    if found:
        chance = found.rate.probability()
        context |= {"chance": chance, "interval": found.rate.probability_interval(), "typed": f"{chance * 100:.3g}"}
    return render(request, "assessments/_base_rate.html", context)


@require_safe
def panel(request: HttpRequest, risk_id: int) -> HttpResponse:
    """All assessments of a risk, newest first, and opinions that are being asked for, for its page."""
    risk = access.get_risk(request.user, risk_id)
    found = list(risk.assessments.select_related("assessor", "method", "elicitation")[:50])
    specs = {a.method_id: a.method.spec() for a in found}
    context = {
        "risk": risk,
        "assessments": [_as_shown(a, specs[a.method_id]) for a in found],
        "may_edit": access.may(request.user, "edit", risk),
        "asked": queries.running_elicitation(risk),
    }
    return render(request, "assessments/_panel.html", context)


def _as_shown(assessment: Assessment, spec: MethodSpec) -> dict[str, Any]:
    impacts = [
        (dimension.label, dimension.levels[level - 1].label, dimension is spec.primary)
        for key, level in spec.decode(assessment.impact_code).items()
        for dimension in (spec.dimension(key),)
    ]
    return {
        "assessment": assessment,
        "likelihood": spec.likelihood[assessment.likelihood_level - 1].label,
        "share": Number.of_likelihood(assessment),
        "impacts": impacts,
        "money": Number.of_money(assessment),
    }
