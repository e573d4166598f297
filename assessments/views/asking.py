"""Asking several people for their opinion: the request, the blind answer, what they come to together."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from assessments import elicitation as actions
from assessments import pooling, scoring
from assessments.actions import Number
from assessments.axis import axis_for
from assessments.forms import AskForm, OpinionForm, as_typed, money_text, share_text
from assessments.method import MethodSpec
from assessments.models import Assessment, Elicitation, Opinion
from assessments.queries import active_method, running_elicitation
from assessments.views.judging import open_risk, quantities
from risks import access


def ask(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = open_risk(request, risk_id)
    if running := running_elicitation(risk):
        return redirect("assessments:elicitation", running.pk)
    now = timezone.now()
    form = AskForm(request.POST or None, people=access.people_who_may_edit(risk), asker=request.user, now=now)
    if request.method == "POST" and form.is_valid():
        try:
            asked = actions.ask(risk=risk, by=request.user, at=now, **form.cleaned_data)
        except actions.AlreadyAsked:
            messages.info(request, _("Somebody asked about this risk a moment ago."))
            return redirect("risks:show", risk.pk)
        messages.success(request, _("They are asked. Each of them gets a mail."))
        return redirect("assessments:elicitation", asked.pk)
    return render(request, "assessments/ask.html", {"risk": risk, "form": form})


def elicitation(request: HttpRequest, pk: int) -> HttpResponse:
    """The request, and for an invited person her answer; everybody's opinions once nobody answers blindly any more."""
    asked = _elicitation(request, pk)
    now = timezone.now()
    may_edit = access.may(request.user, "edit", asked.risk)
    mine = next((opinion for opinion in asked.opinions.all() if opinion.assessor_id == request.user.pk), None)
    is_blind = asked.is_blind(now)
    may_answer = mine is not None and may_edit and asked.is_running and asked.risk.is_open and is_blind
    context = {"asked": asked, "risk": asked.risk, "mine": mine, "may_edit": may_edit, "is_blind": is_blind}
    if may_answer:
        spec = active_method().spec
        form = OpinionForm(request.POST or None, spec=spec, initial=_initial(mine, spec))
        if request.method == "POST" and form.is_valid():
            return _answer(request, asked, form, at=now)
        context |= {"form": form, **quantities(form)}
    elif request.method == "POST":
        return _refuse(request, asked, was_asked=mine is not None and may_edit)
    if not is_blind and (pooled := actions.pooled_answers(asked)):
        context |= _as_shown(pooled)
    return render(request, "assessments/elicitation.html", context)


def _elicitation(request: HttpRequest, pk: int) -> Elicitation:
    visible = Elicitation.objects.filter(risk__in=access.visible_risks(request.user))
    found = visible.select_related("risk", "asked_by").prefetch_related("opinions__assessor").filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def _answer(request: HttpRequest, asked: Elicitation, form: OpinionForm, *, at: dt.datetime) -> HttpResponse:
    given = form.cleaned_data
    try:
        actions.answer(
            elicitation=asked,
            by=request.user,
            likelihood=given["likelihood"],
            money=given["money"] or given[form.spec.primary.key],
            because=given["because"],
            at=at,
        )
    except actions.TooLate:
        return _refuse(request, asked, was_asked=True)
    messages.success(request, _("Your answer is kept."))
    return redirect("assessments:elicitation", asked.pk)


def _refuse(request: HttpRequest, asked: Elicitation, *, was_asked: bool) -> HttpResponse:
    if not was_asked:
        raise Http404
    messages.error(request, _("It is too late for an answer."))
    return redirect("assessments:elicitation", asked.pk)


def _initial(mine: Opinion | None, spec: MethodSpec) -> dict[str, Any]:
    """A person's own answer once more; nothing before the first, since even the last assessment would be a hint."""
    if mine is None or mine.answered_at is None:
        return {}
    initial: dict[str, Any] = {"because": mine.because}
    initial |= _once_more("likelihood", mine, "likelihood", spec.likelihood, share_text)
    return initial | _once_more("money", mine, spec.primary.key, spec.primary.levels, money_text)


def _once_more(name: str, mine: Opinion, level: str, levels: Any, show: Callable[[float], str]) -> dict[str, Any]:
    low, middle, high = (getattr(mine, f"{name}_{point}") for point in ("low", "middle", "high"))
    by = getattr(mine, f"{name}_by")
    if by == Assessment.Given.LEVEL:
        return {level: scoring.level_of(levels, middle)}
    is_range = by == Assessment.Given.RANGE
    return as_typed(name, Number(middle, low if is_range else None, high if is_range else None), show)


@require_POST
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    asked = _to_decide_on(request, pk)
    try:
        actions.withdraw(elicitation=asked, at=timezone.now())
        messages.success(request, _("The request is withdrawn."))
    except actions.TooLate:
        messages.info(request, _("The request was over already."))
    return redirect("assessments:elicitation", asked.pk)


@require_POST
def pool(request: HttpRequest, pk: int) -> HttpResponse:
    asked = _to_decide_on(request, pk)
    try:
        actions.pool(elicitation=asked, by=request.user, on=timezone.localdate(), at=timezone.now())
    except actions.StillBlind:
        messages.error(request, _("Not everybody has answered yet, and there is still time to."))
    except actions.TooLate:
        messages.info(request, _("There is nothing to make an assessment of (any more)."))
    else:
        messages.success(request, _("The pooled opinion is now the assessment, and the score is up to date."))
        return redirect("risks:show", asked.risk_id)
    return redirect("assessments:elicitation", asked.pk)


def _to_decide_on(request: HttpRequest, pk: int) -> Elicitation:
    asked = _elicitation(request, pk)
    if not access.may(request.user, "edit", asked.risk):
        raise Http404
    return asked


# --- the opinions side by side ---------------------------------------------------------------------------


def _as_shown(pooled: actions.Pooled) -> dict[str, Any]:
    likely, amount = pooling.dissenters(pooled.likelihood), pooling.dissenters(pooled.money)
    rows = list(enumerate(pooled.opinions))
    weights = pooled.likelihood.weights
    return {
        "charts": [
            {"kind": "share", **_chart(pooled.opinions, pooled.likelihood, likely, most_ticks=7)},
            {"kind": "money", **_chart(pooled.opinions, pooled.money, amount, most_ticks=4)},
        ],
        "voices": [
            {
                "opinion": opinion,
                "weight": weights[place],
                "resolved": pooled.resolved[place] if pooled.resolved else None,
                "dissents_on_likelihood": place in likely,
                "dissents_on_money": place in amount,
            }
            for place, opinion in rows
        ],
        "money_label": active_method().spec.primary.label,
        "weighting": _weighting(pooled),
        "fewest_resolved": pooling.MINIMUM_RESOLVED,
    }


def _weighting(pooled: actions.Pooled) -> str:
    """Why the weights are what they are: "record", "few" (nobody has resolved enough), "equal", "single", or "kept"
    where they are equal and what they came from is not known any more."""
    weights = pooled.likelihood.weights
    if len(weights) == 1:
        return "single"
    if max(weights) - min(weights) > 1e-9:
        return "record"
    if not pooled.resolved:
        return "kept"
    return "equal" if max(pooled.resolved) >= pooling.MINIMUM_RESOLVED else "few"


def _chart(opinions: list[Opinion], pooled: pooling.Pool, dissenting: list[int], *, most_ticks: int) -> dict[str, Any]:
    """Everybody's points and the pool's on one axis; places in percent of its width, with a margin for the dots."""
    low, high = pooled.interval
    together = pooling.Opinion(low, pooled.quantile(0.5), high)
    ends = [value for one in (*pooled.opinions, together) for value in (one.low, one.high)]
    axis = axis_for(ends, most_ticks=most_ticks)

    def place(value: float) -> str:
        return f"{5 + 0.9 * axis.place(value):.2f}%"

    def row(one: pooling.Opinion) -> dict[str, Any]:
        points = [one.middle] if one.low == one.high else [one.low, one.middle, one.high]
        return {"points": points, "low": place(one.low), "middle": place(one.middle), "high": place(one.high)}

    return {
        "rows": [
            {"opinion": opinion, "dissents": number in dissenting, **row(one)}
            for number, (opinion, one) in enumerate(zip(opinions, pooled.opinions, strict=True))
        ],
        "pool": row(together),
        "mean": pooled.mean,
        "ticks": [{"x": place(value), "value": value} for value in axis.ticks],
        "spread": pooled.spread,
    }
