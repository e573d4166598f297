"""The one list page: filter, sort, paginate; the whole page or just its table for HTMX."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.core.paginator import Paginator
from django.db.models import F, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django_filters import FilterSet

from riskreg.ui.htmx import wants_fragment

PER_PAGE = 50


def list_page(
    request: HttpRequest,
    *,
    queryset: QuerySet[Any],
    template: str,
    orders: Mapping[str, str],
    default_order: str,
    filterset: Callable[..., FilterSet] | None = None,
    context: Mapping[str, Any] | None = None,
    per_page: int = PER_PAGE,
) -> HttpResponse:
    """Answer with ``template``, or with its partial ``#table`` when HTMX asks.

    ``orders`` maps the names in ?sort= to fields; a leading minus turns either round. Empty values come last
    whichever way the list is sorted, and the primary key breaks ties, so that pages never overlap.
    """
    filters = filterset(request.GET, queryset=queryset, request=request) if filterset else None
    rows = filters.qs if filters is not None else queryset
    sort = request.GET.get("sort", "")
    if sort.lstrip("-") not in orders:
        sort = default_order
    name = orders[sort.lstrip("-")]
    descending = sort.startswith("-") != name.startswith("-")
    field = F(name.lstrip("-"))
    rows = rows.order_by(field.desc(nulls_last=True) if descending else field.asc(nulls_last=True), "-pk")
    page = Paginator(rows, per_page).get_page(request.GET.get("page"))
    shown = {"page": page, "rows": page.object_list, "filters": filters, "sort": sort, **(context or {})}
    response = render(request, f"{template}#table" if wants_fragment(request) else template, shown)
    response.headers["Vary"] = "HX-Request"
    return response
