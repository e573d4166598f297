"""Saved views of the register: its filters and order under a name."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from riskreg.ui.listing import list_page
from risks import access
from risks.filters import asked_for
from risks.forms import SavedViewForm
from risks.models import SavedView


@require_safe
def views(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=access.saved_views(request.user).select_related("user"),
        template="risks/views.html",
        orders={"name": "name"},
        default_order="name",
    )


def add_view(request: HttpRequest) -> HttpResponse:
    """Keep what the address asks for, as the register's own address does."""
    view = SavedView(user=request.user, query=asked_for(request.GET))
    return _edit(request, view)


def edit_view(request: HttpRequest, pk: int) -> HttpResponse:
    return _edit(request, access.get_own_view(request.user, pk))


def _edit(request: HttpRequest, view: SavedView) -> HttpResponse:
    form = SavedViewForm(request.POST or None, instance=view)
    shown = f"{reverse('risks:register')}?{view.query}"
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("The view %(name)s is saved.") % {"name": view.name})
        return redirect(shown)
    return render(request, "risks/view_form.html", {"form": form, "view": view, "shown": shown})


@require_POST
def delete_view(request: HttpRequest, pk: int) -> HttpResponse:
    view = access.get_own_view(request.user, pk)
    view.delete()
    messages.success(request, _("The view %(name)s is deleted.") % {"name": view.name})
    return redirect("risks:views")
