"""The register page, quick capture, and the register as a file."""

from __future__ import annotations

from functools import partial

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from crm.spreadsheets.writing import write_csv, write_xlsx
from riskreg.ui.listing import list_page
from risks import access, actions, queries, register
from risks.filters import Choices, RegisterFilter
from risks.forms import CaptureForm

ORDERS = {
    "score": "sheet__score",
    "exposure": "sheet__exposure",
    "residual": "sheet__residual",
    "target": "sheet__target",
    "title": "title",
    "owner": "owner__first_name",
    "category": "category__position",
    "review": "sheet__review_due",
    "identified": "identified_on",
    "number": "pk",
}
_VIEWS_IN_MENU = 20  # the page of all views has the rest


@require_safe
def register_page(request: HttpRequest) -> HttpResponse:
    risks = access.visible_risks(request.user).select_related("sheet", "category", "owner", "team", "customer")
    choices = Choices.of(request.user)
    return list_page(
        request,
        queryset=risks,
        template="risks/register.html",
        orders=ORDERS,
        default_order="-score",
        filterset=partial(RegisterFilter, choices=choices),
        context={
            "capture": _capture_form(request, choices) if access.may_capture(request.user) else None,
            "bands": choices.bands,
            "views": access.saved_views(request.user)[:_VIEWS_IN_MENU],
        },
    )


def _capture_form(request: HttpRequest, choices: Choices) -> CaptureForm:
    """The line on top; category and team stay as they were last chosen."""
    return CaptureForm(
        request.POST or None,
        auto_id="capture-%s",  # the filter below has a category and a team, too
        categories=choices.categories,
        teams=access.worked_in(request.user, choices.teams),
        initial=request.session.get("capture", {}),
    )


@require_POST
def capture(request: HttpRequest) -> HttpResponse:
    if not access.may_capture(request.user):
        raise PermissionDenied
    form = _capture_form(request, Choices.of(request.user))
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, " ".join(str(error) for error in errors))
        return redirect("risks:register")
    risk = actions.capture_risk(by=request.user, at=timezone.now(), **form.cleaned_data)
    request.session["capture"] = {"category": risk.category_id, "team": risk.team_id}
    messages.success(
        request,
        format_html(
            '{} <a class="alert-link" href="{}">{}</a>',
            _("%(reference)s is written down.") % {"reference": risk.reference},
            reverse("assessments:assess", args=[risk.pk]),
            _("Assess it now"),
        ),
    )
    return redirect("risks:show", risk.pk)


@require_safe
def duplicates(request: HttpRequest) -> HttpResponse:
    """Risks like the one being typed; nothing at all while there is none."""
    besides = request.GET.get("besides", "")
    found = queries.likely_duplicates(
        request.user, request.GET.get("title", ""), besides=int(besides) if besides.isdecimal() else None
    )
    return render(request, "risks/_duplicates.html", {"duplicates": found})


@require_safe
def export(request: HttpRequest, kind: str) -> HttpResponse:
    """The register as it is shown, filters and order included, as a file that imports back."""
    filters = RegisterFilter(
        request.GET, queryset=access.visible_risks(request.user), request=request, choices=Choices.of(request.user)
    )
    sort = request.GET.get("sort", "-score")
    name = ORDERS.get(sort.lstrip("-"), "sheet__score")
    risks = filters.qs.order_by(f"{'-' if sort.startswith('-') else ''}{name}", "-pk")
    header, rows = register.header(), register.rows(risks)
    day = timezone.localdate().isoformat()
    if kind == "csv":
        response = HttpResponse(write_csv(header, rows), content_type="text/csv; charset=utf-8")
    elif kind == "xlsx":
        response = HttpResponse(
            write_xlsx(header, rows, _("Register")),
            content_type="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        )
    else:
        raise Http404
    response.headers["Content-Disposition"] = f'attachment; filename="risk-register-{day}.{kind}"'
    return response
