"""A person's digest: its settings, its history, and each as it was sent."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from monitoring import digests
from monitoring.forms import SubscriptionForm
from monitoring.models import Digest, Subscription
from riskreg.ui.listing import list_page


def my_digest(request: HttpRequest) -> HttpResponse:
    subscription = Subscription.objects.filter(user=request.user).first() or Subscription(
        user=request.user, time_zone=request.user.time_zone, active=False
    )
    form = SubscriptionForm(request.POST or None, instance=subscription, user=request.user)
    if request.method == "POST" and form.is_valid():
        saved = form.save(commit=False)
        if form.has_changed() and {"active", "cadence", "hour", "time_zone"} & set(form.changed_data):
            saved.since = timezone.now()
        saved.save()
        messages.success(request, _("Your digest settings are saved."))
        return redirect("monitoring:my_digest")
    return list_page(
        request,
        queryset=Digest.objects.filter(user=request.user, is_quiet=False).defer("text", "html"),
        template="monitoring/my_digest.html",
        orders={"sent": "created_at"},
        default_order="-sent",
        context={"form": form},
        per_page=20,
    )


@require_POST
def send_digest_now(request: HttpRequest) -> HttpResponse:
    Subscription.objects.get_or_create(
        user=request.user, defaults={"active": False, "time_zone": request.user.time_zone}
    )
    if request.user.email:
        digests.queue_digest_now(user=request.user, now=timezone.now())
        messages.success(request, _("A digest is on its way to %(address)s.") % {"address": request.user.email})
    else:
        messages.error(request, _("You have no e-mail address yet; add one in your settings."))
    return redirect("monitoring:my_digest")


@require_safe
def digest(request: HttpRequest, pk: int) -> HttpResponse:
    """A digest exactly as it was sent."""
    return render(
        request,
        "monitoring/digest.html",
        {"digest": get_object_or_404(Digest, pk=pk, user=request.user, is_quiet=False)},
    )
