"""Importing a register: upload, columns, preview, progress, undo."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from crm.spreadsheets.unreadable import UnreadableFile
from riskreg.jobs.models import Job
from riskreg.ui.listing import list_page
from risks import access, import_messages, imports, planning, register
from risks.forms import MappingForm, UploadForm
from risks.models import ImportBatch, ImportRow

_SAMPLES = 3


def upload(request: HttpRequest) -> HttpResponse:
    if not access.may_capture(request.user):
        raise PermissionDenied
    form = UploadForm(request.POST or None, request.FILES or None, user=request.user)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            batch = planning.open_import(
                data=file.read(),
                filename=file.name,
                team=form.cleaned_data["team"],
                by=request.user,
                options=planning.Options(),
            )
        except UnreadableFile as error:
            form.add_error("file", import_messages.of_file(error))
        else:
            return redirect("risks:import_columns", batch.pk)
    return list_page(
        request,
        queryset=access.visible_imports(request.user).select_related("team", "created_by").defer("table"),
        template="risks/import_upload.html",
        orders={"uploaded": "created_at", "file": "filename"},
        default_order="-uploaded",
        context={"form": form},
    )


def columns(request: HttpRequest, pk: int) -> HttpResponse:
    """What each column means; proposed, to be confirmed."""
    batch = access.get_import(request.user, pk)
    if batch.state not in (ImportBatch.State.MAPPING, ImportBatch.State.READY):
        return redirect("risks:import_show", batch.pk)
    known = {column.key: column for column in register.columns()}
    choices = [
        (key, str(column.heading) if column.parse else _("%(heading)s: not read") % {"heading": column.heading})
        for key, column in known.items()
    ]
    initial: dict[str, Any] = {f"column_{index}": key for index, key in batch.mapping.items()} | batch.options
    form = MappingForm(
        request.POST or None,
        initial=initial,
        may_create=request.user.is_admin,
        choices=choices,
        columns=len(batch.table[0]),
    )
    if request.method == "POST" and form.is_valid():
        batch.mapping = form.cleaned_data["mapping"]
        batch.options = planning.Options(
            create_categories=form.cleaned_data.get("create_categories", False),
            fallback_category=form.cleaned_data["fallback_category"].key,
            date_order=form.cleaned_data["date_order"],
            all_or_nothing=form.cleaned_data["all_or_nothing"],
        ).__dict__
        planning.plan(batch)
        return redirect("risks:import_show", batch.pk)
    return render(
        request, "risks/import_columns.html", {"batch": batch, "form": form, "columns": _columns(batch, form)}
    )


def _columns(batch: ImportBatch, form: MappingForm) -> list[dict[str, Any]]:
    """Each column that holds anything, with its heading, a few of its cells, and its field of the form."""
    described = []
    for index, heading in enumerate(batch.table[0]):
        filled = [planning.shown(row[index]) for row in batch.table[1:] if index < len(row) and row[index] is not None]
        if heading is not None or filled:
            described.append(
                {
                    "heading": " ".join(planning.shown(heading).split()),
                    "samples": filled[:_SAMPLES],
                    "field": form[f"column_{index}"],
                }
            )
    return described


@require_safe
def show(request: HttpRequest, pk: int) -> HttpResponse:
    """The preview of every row; later the progress; at the end what came of it."""
    batch = access.get_import(request.user, pk)
    if batch.state == ImportBatch.State.MAPPING:
        return redirect("risks:import_columns", batch.pk)
    verdict = request.GET.get("verdict", "")
    rows = batch.rows.select_related("risk")
    if verdict in ImportRow.Verdict.values:
        rows = rows.filter(verdict=verdict)
    headings = {column.key: str(column.heading) for column in register.columns()}
    return list_page(
        request,
        queryset=rows,
        template="risks/import_show.html",
        orders={"row": "number", "verdict": "verdict"},
        default_order="row",
        context={
            "batch": batch,
            "verdict": verdict,
            "verdicts": [(v, label, batch.counts.get(v, 0)) for v, label in ImportRow.Verdict.choices],
            "to_apply": batch.counts.get("create", 0) + batch.counts.get("update", 0),
            "headings": headings,
            "job": Job.objects.filter(pk=batch.job).first() if batch.job else None,
            "stuck": imports.stuck(batch),
        },
    )


@require_POST
def apply(request: HttpRequest, pk: int) -> HttpResponse:
    batch = access.get_import(request.user, pk)
    try:
        imports.start(batch=batch, by=request.user)
    except imports.RowsInError:
        messages.error(request, _("Some rows are wrong, and you asked for all or nothing. Nothing was imported."))
    return redirect("risks:import_show", batch.pk)


@require_POST
def undo(request: HttpRequest, pk: int) -> HttpResponse:
    batch = access.get_import(request.user, pk)
    counts = imports.undo(batch=batch, at=timezone.now())
    if counts:
        undone = ngettext("%(n)d risk was taken back.", "%(n)d risks were taken back.", counts["undone"])
        text = undone % {"n": counts["undone"]}
        if counts["kept"]:
            kept = ngettext("%(n)d was changed since and stays.", "%(n)d were changed since and stay.", counts["kept"])
            text += " " + kept % {"n": counts["kept"]}
        messages.success(request, text)
    return redirect("risks:import_show", batch.pk)


@require_POST
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    batch = access.get_import(request.user, pk)
    if not imports.discard(batch=batch):
        return redirect("risks:import_show", batch.pk)
    messages.success(request, _("The import is discarded; nothing was changed."))
    return redirect("risks:import")
