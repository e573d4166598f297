"""Administration of the categories."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from riskreg.accounts.permissions import admin_only
from riskreg.ui.listing import list_page
from risks.forms import CategoryForm
from risks.models import Category


@admin_only
@require_safe
def categories(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=Category.objects.annotate(risk_count=Count("risks", filter=Q(risks__state="live"))),
        template="risks/categories.html",
        orders={"position": "position", "name": "name_en", "risks": "risk_count"},
        default_order="position",
    )


@admin_only
def add_category(request: HttpRequest) -> HttpResponse:
    return _form(request, Category())


@admin_only
def edit_category(request: HttpRequest, pk: int) -> HttpResponse:
    return _form(request, get_object_or_404(Category, pk=pk))


def _form(request: HttpRequest, category: Category) -> HttpResponse:
    form = CategoryForm(request.POST or None, instance=category)
    if request.method == "POST" and form.is_valid():
        saved = form.save(commit=False)
        if not saved.key:
            key = slugify(saved.name_en)[:40] or "category"
            taken = Category.objects.filter(key__startswith=key).count()
            saved.key = f"{key}-{taken + 1}" if taken else key
        saved.save()
        messages.success(request, _("The category %(name)s is saved.") % {"name": saved})
        return redirect("risks:categories")
    return render(request, "risks/category_form.html", {"form": form, "category": category})
