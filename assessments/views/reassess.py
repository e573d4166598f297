"""After the method changed: how far re-scoring is, and which judgements the new version could not place."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from assessments.queries import activation_under_way, active_method, to_reassess
from riskreg.ui.listing import list_page
from risks import access


@require_safe
def rescoring(request: HttpRequest) -> HttpResponse:
    """The notice's fragment; empty, and the page around it renewed, once the register is re-scored."""
    context = activation_under_way()
    response = render(request, "assessments/_rescoring.html", context)
    if not context:
        response.headers["HX-Refresh"] = "true"
    return response


@require_safe
def reassess(request: HttpRequest) -> HttpResponse:
    method = active_method()
    return list_page(
        request,
        queryset=to_reassess(access.visible_risks(request.user), method).select_related("sheet", "owner", "team"),
        template="assessments/to_reassess.html",
        orders={"score": "sheet__score", "title": "title"},
        default_order="-score",
        context={"method": method, "bands": method.bands},
        per_page=25,
    )
