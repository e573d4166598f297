"""Customers as forecasts need them: what can be lost at each. A CRM will keep the same fields."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from riskreg.ui.listing import list_page
from risks import access
from risks.forms import CustomerForm


@require_safe
def customers(request: HttpRequest) -> HttpResponse:
    seen = access.visible_risks(request.user).open()
    return list_page(
        request,
        queryset=access.visible_customers(request.user)
        .select_related("team")
        .annotate(open_risks=Count("risks", filter=Q(risks__in=seen))),
        template="risks/customers.html",
        orders={"name": "name", "revenue": "annual_revenue", "renewal": "renews_on", "risks": "open_risks"},
        default_order="name",
        context={"editable": set(access.teams_worked_in(request.user).values_list("pk", flat=True))},
    )


def edit_customer(request: HttpRequest, pk: int) -> HttpResponse:
    customer = access.get_customer(request.user, pk)
    form = CustomerForm(request.POST or None, instance=customer)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("%(name)s is saved.") % {"name": customer.name})
        return redirect("risks:customers")
    return render(request, "risks/customer_form.html", {"form": form, "customer": customer})
