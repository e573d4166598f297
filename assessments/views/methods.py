"""Versions of the scoring method: their list, their pages, and the editor of a draft. For administrators."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from assessments import scoring, versions
from assessments.method import BAND_COLOURS, MethodSpec
from assessments.method_changes import Definition, rebuilt
from assessments.method_checks import Problem, check, readable
from assessments.method_forms import Editor, definition_of
from assessments.models import Method
from crm.spreadsheets import cells
from riskreg.accounts.permissions import admin_only
from riskreg.ui.htmx import wants_fragment
from riskreg.ui.listing import list_page
from risks.models import Category

_LONGEST_NOTE = 500
_LONGEST_ID = 18


@admin_only
@require_safe
def methods(request: HttpRequest) -> HttpResponse:
    versions_ = Method.objects.select_related("created_by", "activated_by").defer("definition")
    return list_page(
        request,
        queryset=versions_.filter(state=Method.State.RETIRED),
        template="assessments/methods.html",
        orders={"version": "version"},
        default_order="-version",
        context={
            "active": versions_.get(state=Method.State.ACTIVE),
            "drafts": versions_.filter(state=Method.State.DRAFT),
        },
    )


@admin_only
@require_safe
def method(request: HttpRequest, pk: int) -> HttpResponse:
    """A version as it stands, to read."""
    version = get_object_or_404(Method.objects.select_related("created_by", "activated_by"), pk=pk)
    categories = {category.key: category for category in Category.objects.all()}
    if version.state == Method.State.DRAFT:
        spec = readable(version.definition, check(version.definition, categories))
    else:
        spec = version.spec()
    context: dict[str, Any] = {"method": version, "spec": spec}
    if spec:
        context |= {"bands": spec.bands, "matrix": _matrix(spec)}
        context["tolerable"] = [band for band in spec.bands if band.position <= spec.tolerable]
        context["appetite"] = [
            (categories.get(key, key), spec.band(highest) if highest else None)
            for key, highest in spec.appetite.items()
        ]
    return render(request, "assessments/method.html", context)


def _matrix(spec: MethodSpec, problems: list[Problem] | None = None) -> list[dict[str, Any]]:
    """The matrix that results, the likeliest row on top, with the cells that problems name."""
    named = {problem.place[1:] for problem in problems or [] if problem.place[0] == "cell"}
    rows = [
        {
            "label": level.label,
            "cells": [
                {"band": spec.band(band), "is_named": (row, column) in named} for column, band in enumerate(line, 1)
            ],
        }
        for row, (level, line) in enumerate(zip(spec.likelihood, scoring.matrix_bands(spec), strict=True), 1)
    ]
    return rows[::-1]


@admin_only
@require_POST
def new(request: HttpRequest) -> HttpResponse:
    source = request.POST.get("source", "")
    if not source.isdecimal() or len(source) > _LONGEST_ID:
        raise Http404
    draft = versions.draft_from(source=get_object_or_404(Method, pk=int(source)), by=request.user, at=timezone.now())
    messages.success(
        request,
        _("Version %(version)d is a draft. Nothing changes until it is activated.") % {"version": draft.version},
    )
    return redirect("assessments:edit_method", draft.pk)


@admin_only
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The editor. Its buttons for rows post the whole form and get it back changed, saving nothing."""
    draft = _draft(pk)
    if request.method != "POST":
        return _editor(request, draft, definition=draft.definition, note=draft.note, is_saved=True)
    typed = {"definition": definition_of(request.POST), "note": _note(request)}
    change = request.POST.get("do", "save")
    if change not in ("save", "what-if"):
        typed["definition"], focus = rebuilt(typed["definition"], change)
        return _editor(request, draft, **typed, focus=focus)
    try:
        versions.save_draft(method=draft, **typed, at=timezone.now(), seen=_seen(request))
    except versions.EditedMeanwhile:
        return _editor(request, draft, **typed, conflict=_draft(pk), status=409)
    except versions.NotADraft as gone:
        raise Http404 from gone
    messages.success(request, _("The draft is saved."))
    return redirect(
        "monitoring:what_if" if change == "what-if" and versions.is_usable(draft) else "assessments:edit_method", pk
    )


def _draft(pk: int) -> Method:
    draft = get_object_or_404(Method, pk=pk)
    if not draft.is_editable:
        raise Http404
    return draft


def _note(request: HttpRequest) -> str:
    return cells.text(request.POST.get("note", ""))[:_LONGEST_NOTE]


def _seen(request: HttpRequest) -> dt.datetime | None:
    """When the draft was last saved as far as this page knows; saving over somebody's names her time, too."""
    stamp = request.POST.get("save-over") or request.POST.get("edited-at", "")
    try:
        return parse_datetime(stamp)
    except ValueError:
        return None


def _editor(
    request: HttpRequest,
    draft: Method,
    *,
    definition: Definition,
    note: str,
    focus: str = "",
    is_saved: bool = False,
    conflict: Method | None = None,
    status: int = 200,
) -> HttpResponse:
    context = _checked(definition) | {
        "method": draft,
        "note": note,
        "edited_at": draft.edited_at.isoformat() if is_saved and draft.edited_at else request.POST.get("edited-at", ""),
        "focus": focus,
        "is_saved": is_saved,
        "conflict": conflict,
        "colours": _colours(),
        "combinations": _combinations(),
        "formulas": _formulas(),
    }
    template = "assessments/edit_method.html"
    return render(request, f"{template}#form" if wants_fragment(request) else template, context, status=status)


@admin_only
@require_POST
def check_typed(request: HttpRequest, pk: int) -> HttpResponse:
    """What is wrong with what is typed, and the matrix it makes; writes nothing."""
    draft = _draft(pk)
    return render(request, "assessments/_method_check.html", _checked(definition_of(request.POST)) | {"method": draft})


def _checked(definition: Definition) -> dict[str, Any]:
    categories = list(Category.objects.all())
    named = definition.get("appetite", {})
    problems = check(definition, [category.key for category in categories])
    offered = {category.key: str(category) for category in categories if not category.archived or category.key in named}
    spec = readable(definition, problems)
    return {
        "editor": Editor(definition, problems, offered),
        "spec": spec,
        "matrix": _matrix(spec, problems) if spec else [],
    }


def _colours() -> list[tuple[str, str]]:
    names = {
        "green": _("Green"), "lime": _("Lime"), "yellow": _("Yellow"), "orange": _("Orange"), "red": _("Red"),
        "purple": _("Purple"), "azure": _("Light blue"), "blue": _("Blue"),
    }  # fmt: skip
    return [(colour, names[colour]) for colour in BAND_COLOURS]


def _combinations() -> list[tuple[str, str, str]]:
    return [
        ("worst", _("The worst decides"), _("One unbearable dimension suffices, whatever the others say.")),
        ("hybrid", _("Softened worst"), _("The others can lower the worst dimension by one level, never more.")),
        ("weighted", _("Weighted mean"), _("Dimensions make up for one another by their weights; a bad one can hide.")),
    ]


def _formulas() -> list[tuple[str, str, str]]:
    return [
        ("exposure", _("Expected loss"), _("Probability times money, on a scale from 0 to 100. Ranks most truly.")),
        ("product", _("Likelihood × impact"), _("The product of the two levels, as many registers do it. Coarse.")),
        ("matrix", _("A matrix you paint"), _("You choose the band of every cell; money ranks within a band.")),
    ]


@admin_only
@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    draft = _draft(pk)
    try:
        versions.discard(method=draft)
    except versions.NotADraft as gone:
        raise Http404 from gone
    messages.success(request, _("The draft of version %(version)d is discarded.") % {"version": draft.version})
    return redirect("assessments:methods")
