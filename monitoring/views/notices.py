"""A person's notices, by which ways she wants them, and the addresses of other systems."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from monitoring import deliveries, queries
from monitoring.forms import ChannelForm, PreferencesForm, WebhookForm
from monitoring.models import Channel, Notice, Preference, Webhook
from riskreg import outside
from riskreg.accounts.permissions import admin_only
from riskreg.sealed import seal, unseal
from riskreg.ui.listing import list_page

_SHOWN_ONCE = "new_webhook_secret"  # sealed: sessions lie in the database as they are


@require_safe
def notices_page(request: HttpRequest) -> HttpResponse:
    """A person's inbox: what happened, newest first. What she may no longer see is not there."""
    shown = "all" if request.GET.get("show") == "all" else "open"
    found = queries.visible_notices(request.user)
    if shown == "open":
        found = found.filter(event__ended_at=None)
    return list_page(
        request,
        queryset=found,
        template="monitoring/notices.html",
        orders={"at": "created_at"},
        default_order="-at",
        context={"shown": shown, "unread": queries.unread(request.user)},
        per_page=25,
    )


@require_POST
def read_notices(request: HttpRequest) -> HttpResponse:
    """Mark one notice as read, or all of them."""
    mine = Notice.objects.filter(user=request.user, read_at=None)
    pk = request.POST.get("notice")
    if pk is not None:
        mine = mine.filter(pk=int(pk)) if pk.isdecimal() and len(pk) < 18 else mine.none()
    mine.update(read_at=timezone.now())
    return redirect("monitoring:notices")


def preferences(request: HttpRequest) -> HttpResponse:
    form = _preferences_form(request, request.POST or None)
    if request.method == "POST" and form.is_valid():
        Preference.objects.bulk_create(
            [
                Preference(user=request.user, kind=kind, medium=medium, from_severity=severity)
                for kind, medium, severity in form.wishes()
            ],
            update_conflicts=True,
            unique_fields=["user", "kind", "medium"],
            update_fields=["from_severity"],
        )
        messages.success(request, _("Your wishes are saved."))
        return redirect("monitoring:preferences")
    return _preferences_page(request, form=form, channel_form=ChannelForm())


def _preferences_form(request: HttpRequest, data: QueryDict | None = None) -> PreferencesForm:
    wishes = Preference.objects.filter(user=request.user)
    initial = {f"{wish.kind}_{wish.medium}": wish.from_severity for wish in wishes}
    return PreferencesForm(data, initial=initial, user=request.user)


def _preferences_page(request: HttpRequest, *, form: PreferencesForm, channel_form: ChannelForm) -> HttpResponse:
    context = {
        "form": form,
        "channel_form": channel_form,
        "channels": Channel.objects.filter(user=request.user).defer("address"),
    }
    return render(request, "monitoring/preferences.html", context)


@require_POST
def add_channel(request: HttpRequest) -> HttpResponse:
    form = ChannelForm(request.POST, instance=Channel(user=request.user))
    if not form.is_valid():
        return _preferences_page(request, form=_preferences_form(request), channel_form=form)
    form.save()
    messages.success(request, _("“%(name)s” is added. Try it out.") % {"name": form.instance.name})
    return redirect("monitoring:preferences")


@require_POST
def try_channel(request: HttpRequest, pk: int) -> HttpResponse:
    channel = get_object_or_404(Channel, pk=pk, user=request.user)
    if deliveries.send_chat(channel, _("This is a test of your sales risk register.")):
        Channel.objects.filter(pk=pk).update(failures=0, disabled_at=None)
        messages.success(request, _("A test message is on its way."))
    else:
        messages.error(request, _("The chat service did not take it."))
    return redirect("monitoring:preferences")


@require_POST
def delete_channel(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(Channel, pk=pk, user=request.user).delete()
    messages.success(request, _("The chat channel is deleted."))
    return redirect("monitoring:preferences")


# --- webhooks --------------------------------------------------------------------------------------------


def _new_secret(request: HttpRequest) -> str | None:
    """The secret of a webhook made a moment ago: shown once."""
    sealed = request.session.pop(_SHOWN_ONCE, None)
    return unseal(sealed) if sealed else None


@admin_only
@require_safe
def webhooks(request: HttpRequest) -> HttpResponse:
    return list_page(
        request,
        queryset=Webhook.objects.defer("secret"),
        template="monitoring/webhooks.html",
        orders={"name": "name"},
        default_order="name",
        context={"secret": _new_secret(request)},
    )


@admin_only
def add_webhook(request: HttpRequest) -> HttpResponse:
    return _webhook_form(request, Webhook())


@admin_only
def edit_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    return _webhook_form(request, get_object_or_404(Webhook.objects.defer("secret"), pk=pk))


def _webhook_form(request: HttpRequest, webhook: Webhook) -> HttpResponse:
    is_new = webhook.pk is None
    form = WebhookForm(request.POST or None, instance=webhook, initial={"kinds": webhook.kinds})
    if request.method == "POST" and form.is_valid():
        if is_new:
            form.instance.secret = deliveries.new_secret()
            request.session[_SHOWN_ONCE] = seal(form.instance.secret)
        form.save()
        messages.success(request, _("“%(name)s” is saved.") % {"name": webhook.name})
        return redirect("monitoring:webhooks")
    return render(request, "monitoring/webhook_form.html", {"form": form, "webhook": webhook})


@admin_only
@require_POST
def try_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    """Call it once with a test; when that works it is switched on again."""
    webhook, now = get_object_or_404(Webhook, pk=pk), timezone.now()
    payload: dict[str, object] = {"type": "risk_register.test", "timestamp": now.isoformat(), "data": {}}
    try:
        deliveries.post(webhook, message_id=f"test_{webhook.pk}_{now:%Y%m%dT%H%M%S}", payload=payload, now=now)
    except (outside.Failed, outside.Refused) as error:
        messages.error(request, _("It did not work: %(reason)s") % {"reason": error})
    else:
        Webhook.objects.filter(pk=pk).update(failures=0, last_error="", disabled_at=None)
        messages.success(request, _("The address took the test."))
    return redirect("monitoring:webhooks")


@admin_only
@require_POST
def delete_webhook(request: HttpRequest, pk: int) -> HttpResponse:
    get_object_or_404(Webhook.objects.defer("secret"), pk=pk).delete()
    messages.success(request, _("The webhook is deleted."))
    return redirect("monitoring:webhooks")
