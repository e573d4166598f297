"""What needs somebody: today, the heat map, reviews, and the stage's panel on a risk's page."""

from __future__ import annotations

from collections.abc import Sequence

from django.contrib import messages
from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from assessments.method import Band
from assessments.queries import active_method, asked_of
from monitoring import queries, reviews
from monitoring.forms import MonitoringSettingsForm, MoveReviewForm, ReviewForm, TieIndicatorForm
from monitoring.models import MonitoringSettings
from riskreg.accounts import reach
from riskreg.accounts.models import Team, User
from riskreg.accounts.permissions import admin_only
from riskreg.ui.listing import list_page
from risks import access
from risks.models import Risk
from risks.models.risk import RiskQuerySet

_SHOWN = 8


@require_safe
def today(request: HttpRequest) -> HttpResponse:
    """What needs me, and how the register stands."""
    user, day = request.user, timezone.localdate()
    risks = access.visible_risks(user)
    spec = active_method().spec
    context = {
        "asked": asked_of(user, now=timezone.now())[:_SHOWN],
        "flags": queries.open_flags(user)[:_SHOWN],
        "flags_count": queries.open_flags(user).count(),
        "alerts": queries.open_alerts(user)[:_SHOWN],
        "stale": queries.stale_indicators(user, now=timezone.now())[:_SHOWN],
        "reviews": queries.reviews_due(user, by=day)[:_SHOWN],
        "reviews_count": queries.reviews_due(user, by=day).count(),
        "actions": queries.actions_of(user, by=day + queries.SOON)[:_SHOWN],
        "acceptances": queries.acceptances_ending(user, today=day)[:_SHOWN],
        "waiting": access.visible_observations(user).waiting().count(),
        "mine_unassessed": risks.open().unassessed().filter(owner=user).order_by("-pk")[:_SHOWN],
        "totals": risks.open().aggregate(
            risks=Count("pk"), assessed=Count("sheet__score"), exposure=Sum("sheet__exposure"),
            residual=Sum("sheet__residual"), target=Sum("sheet__target"),
        ),
        "by_band": _by_band(risks, spec.bands),
        "top": queries.top_risks(risks, _SHOWN),
        "map": queries.heat_map(risks, spec),
        "spec": spec,
        "bands": spec.bands,
        "today": day,
    }  # fmt: skip
    return render(request, "monitoring/today.html", context)


def _by_band(risks: RiskQuerySet, bands: Sequence[Band]) -> list[tuple[Band, int]]:
    counted = dict(
        risks.open()
        .filter(sheet__band__isnull=False, sheet__method_version=bands[0].version)
        .order_by()
        .values_list("sheet__band")
        .annotate(n=Count("pk"))
    )
    return [(band, counted.get(band.position, 0)) for band in reversed(bands)]


@require_safe
def heat_map(request: HttpRequest) -> HttpResponse:
    risks = access.visible_risks(request.user)
    teams = access.teams_seen(request.user)
    chosen = request.GET.get("team", "")
    team = teams.filter(pk=int(chosen)).first() if chosen.isdecimal() and len(chosen) < 18 else None
    if team is not None:
        risks = risks.filter(team__path__startswith=team.path)
    spec = active_method().spec
    context = {
        "map": queries.heat_map(risks, spec),
        "spec": spec,
        "bands": spec.bands,
        "teams": teams,
        "team": team,
        "unassessed": risks.open().unassessed().count(),
    }
    return render(request, "monitoring/heat_map.html", context)


@require_safe
def reviews_page(request: HttpRequest) -> HttpResponse:
    when = request.GET.get("when", "due")
    day = timezone.localdate()
    by = day if when == "due" else day + queries.SOON * 2
    return list_page(
        request,
        queryset=queries.reviews_due(request.user, by=by).prefetch_related("review_reasons"),
        template="monitoring/reviews.html",
        orders={"due": "sheet__review_due", "score": "sheet__score", "title": "title"},
        default_order="due",
        context={"when": when if when == "due" else "soon", "form": ReviewForm(), "bands": active_method().bands},
        per_page=25,
    )


@require_POST
def confirm_review(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = access.get_risk(request.user, risk_id, "edit")
    form = ReviewForm(request.POST)
    if form.is_valid() and risk.is_open:
        reviews.confirm_review(
            risk=risk, because=form.cleaned_data["because"], by=request.user, on=timezone.localdate(), at=timezone.now()
        )
        messages.success(request, _("%(reference)s is reviewed.") % {"reference": risk.reference})
    else:
        messages.error(request, _("Say why the risk is still valid."))
    return _back(request, risk)


@require_POST
def move_review(request: HttpRequest, risk_id: int) -> HttpResponse:
    risk = access.get_risk(request.user, risk_id, "edit")
    today = timezone.localdate()
    form = MoveReviewForm(request.POST, today=today)
    if not risk.is_open or not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(str(error) for error in errors))
        return _back(request, risk)
    try:
        reviews.move_review(
            risk=risk,
            to=form.cleaned_data["to"],
            note=form.cleaned_data["note"],
            by=request.user,
            today=today,
            at=timezone.now(),
        )
    except reviews.TooLate as late:
        day = date_format(late.due, "SHORT_DATE_FORMAT")
        messages.error(request, _("The review is due on %(day)s already; a later one is no help.") % {"day": day})
    else:
        day = date_format(form.cleaned_data["to"], "SHORT_DATE_FORMAT")
        messages.success(request, _("The review is due on %(day)s.") % {"day": day})
    return _back(request, risk)


def _back(request: HttpRequest, risk: Risk) -> HttpResponse:
    """To the page the form stood on: a flag's, the risk's, or the reviews."""
    came_from = request.POST.get("next", "")
    if came_from == "risk":
        return redirect("risks:show", risk.pk)
    if came_from.isdecimal() and len(came_from) < 18:
        return redirect("monitoring:flag", int(came_from))
    return redirect("monitoring:reviews")


@require_safe
def panel(request: HttpRequest, risk_id: int) -> HttpResponse:
    """Indicators, flags, reviews and the score ledger of a risk, for its page."""
    risk = access.get_risk(request.user, risk_id)
    method = active_method()
    entries = list(risk.scores.order_by("-at", "-pk")[:50])
    may_edit = access.may(request.user, "edit", risk)
    ties = list(risk.ties.select_related("indicator").order_by("indicator__name"))
    others = queries.visible_indicators(request.user).live().exclude(pk__in=[tie.indicator_id for tie in ties])
    context = {
        "risk": risk,
        "ties": ties,
        "seen": reach.of(request.user).viewer,
        "tie_form": TieIndicatorForm(indicators=others) if may_edit and risk.is_open else None,
        "flags": risk.flags.select_related("answered_by")[:20],
        "alert": risk.alerts.filter(ended_at=None).first(),
        "reasons": queries.waiting_reasons(risk),
        "reviews": risk.reviews.select_related("reviewed_by")[:20],
        "entries": list(zip(entries, method.restated(entries), strict=True)),
        "versions": {entry.method_version for entry in entries} - {None},
        "may_edit": may_edit,
        "bands": method.bands,
        "now": timezone.now(),
    }
    return render(request, "monitoring/_panel.html", context)


@admin_only
def settings_page(request: HttpRequest) -> HttpResponse:
    config = MonitoringSettings.load()
    form = MonitoringSettingsForm(request.POST or None, instance=config)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The settings are saved."))
        return redirect("monitoring:settings")
    counts = {
        "people": User.objects.filter(is_active=True).count(),
        "teams": Team.objects.count(),
        "risks": Risk.objects.open().count(),
    }
    return render(request, "monitoring/settings.html", {"form": form, "counts": counts})
