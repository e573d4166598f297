from __future__ import annotations

import datetime as dt
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Layout, Row
from django import forms
from django.conf import settings
from django.core.validators import FileExtensionValidator
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from crm.models import Measure, Target
from crm.spreadsheets.unreadable import MAX_BYTES
from monitoring import chat
from monitoring.happenings import KINDS
from monitoring.models import (
    Channel,
    DriftFlag,
    Indicator,
    MonitoringSettings,
    Preference,
    Severity,
    Subscription,
    Tie,
    Webhook,
)
from responses.models import Kind, Response
from riskreg import outside
from riskreg.accounts.forms import TimeZoneField
from riskreg.accounts.models import Team, User
from risks import access
from risks.access import saved_views
from risks.forms import DayInput, TeamChoice, in_years, indented, only_choice
from risks.models import Risk


class TargetForm(forms.ModelForm):
    class Meta:
        model = Target
        fields = ["name", "team", "starts_on", "ends_on", "amount", "expected"]
        widgets = {"starts_on": DayInput(), "ends_on": DayInput()}

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        starts, ends = data.get("starts_on"), data.get("ends_on")
        if starts and ends and ends <= starts:
            self.add_error("ends_on", _("The period must end after it begins."))
        return data


class ForecastForm(forms.Form):
    """What to simulate: whose risks, over which period, and whether risks of a category come together."""

    team = forms.ModelChoiceField(queryset=Team.objects.none(), required=False, label=_("Whose risks"))
    target = forms.ModelChoiceField(
        queryset=Target.objects.none(), required=False, label=_("Against"), empty_label=_("No target")
    )
    months = forms.IntegerField(
        label=_("Months"), min_value=1, max_value=60, initial=12, help_text=_("With a target, its period counts.")
    )
    correlation = forms.TypedChoiceField(
        label=_("Risks of one category"),
        coerce=float,
        choices=[("0", _("happen independently")), ("0.2", _("come together a little")), ("0.5", _("come together"))],
        initial="0",
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        team, target = self.fields["team"], self.fields["target"]
        team.queryset = access.teams_seen(user)
        team.label_from_instance = indented
        everything = access.may_see_totals(user, None)
        team.required = not everything
        team.empty_label = _("All teams") if everything else None
        own = Q(team__in=team.queryset)
        target.queryset = Target.objects.filter(own | Q(team__isnull=True) if everything else own)


class ScheduleForm(forms.Form):
    """When a version comes into force: at once when no time is given. Times are the person's own."""

    when = forms.DateTimeField(
        label=_("Day and time"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, now: dt.datetime | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        asked = self.data.get("at") == "later"
        when = data.get("when")
        if asked and not when and "when" not in self.errors:
            self.add_error("when", _("Choose a day and a time."))
        if asked and when and self.now and when <= self.now:
            self.add_error("when", _("This time has passed."))
        data["when"] = when if asked else None
        return data


class AnswerForm(forms.Form):
    state = forms.ChoiceField(choices=[(DriftFlag.State.CONFIRMED, ""), (DriftFlag.State.FALSE, "")])
    note = forms.CharField(required=False, max_length=2000, label=_("Note"))


class ReviewForm(forms.Form):
    because = forms.CharField(max_length=2000, label=_("Still valid because …"))


class MoveReviewForm(forms.Form):
    to = forms.DateField(label=_("Review by"), widget=DayInput())
    note = forms.CharField(required=False, max_length=500, label=_("Why"))

    def __init__(self, *args: Any, today: dt.date | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.today = today

    def clean_to(self) -> dt.date:
        day: dt.date = self.cleaned_data["to"]
        if self.today and day < self.today:
            raise forms.ValidationError(_("This day has passed."))
        return in_years(day)


class IndicatorForm(forms.ModelForm):
    class Meta:
        model = Indicator
        fields = [
            "name", "measure", "unit", "team", "customer", "owner", "direction", "warning", "limit",
            "stale_after_days", "weekly_rhythm", "from_crm",
        ]  # fmt: skip

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["team"] = TeamChoice(access.teams_worked_in(user), label=_("Team"))
        only_choice(self.fields["team"], access.teams_worked_in(user))
        self.fields["customer"].queryset = access.visible_customers(user).order_by("name")
        self.fields["owner"].queryset = access.possible_owners(user)
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            "name",
            Row(*(Column(name, css_class="col-md-6") for name in ("measure", "unit"))),
            Row(*(Column(name, css_class="col-md-4") for name in ("team", "customer", "owner"))),
            Row(*(Column(name, css_class="col-md-4") for name in ("direction", "warning", "limit"))),
            Row(Column("stale_after_days", css_class="col-md-4")),
            "weekly_rhythm",
            "from_crm",
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        for name in ("warning", "limit"):
            value = data.get(name)
            if value is not None and not abs(value) <= _LARGEST:
                self.add_error(name, _("This number is too large."))
        warning, limit = data.get("warning"), data.get("limit")
        if warning is not None and limit is not None and data.get("direction"):
            higher = data["direction"] == Indicator.Direction.HIGHER
            if limit <= warning if higher else limit >= warning:
                self.add_error("limit", _("The limit must be worse than the warning."))
        if data.get("from_crm") and not data.get("customer"):
            self.add_error("customer", _("Readings from the CRM need a customer."))
        if data.get("from_crm") and data.get("measure") == Measure.OTHER:
            self.add_error("measure", _("Say which of the CRM's measures it is."))
        return data


_LARGEST = 1e12


class ReadingForm(forms.Form):
    """One reading by hand. Times are the person's own."""

    value = forms.FloatField(label=_("Value"), min_value=-_LARGEST, max_value=_LARGEST)
    at = forms.DateTimeField(
        label=_("Measured at"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        required=False,
        help_text=_("Empty: now."),
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=500)

    def __init__(self, *args: Any, now: dt.datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.now = now

    def clean_at(self) -> dt.datetime:
        at = self.cleaned_data["at"] or self.now
        in_years(at.date())
        if at > self.now + dt.timedelta(minutes=5):
            raise forms.ValidationError(_("A reading cannot lie in the future."))
        return at


class TieForm(forms.Form):
    """Which risk an indicator speaks for, by number or title."""

    risk = forms.CharField(label=_("Risk"), max_length=200, help_text=_("Its number (R-12) or the whole title."))
    ratio = forms.TypedChoiceField(label=_("Weight of evidence"), choices=Tie.Ratio.choices, coerce=int)

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.user = user

    def clean_risk(self) -> Risk:
        text = self.cleaned_data["risk"].strip()
        number = text.upper().removeprefix("R-")
        risks = access.editable_risks(self.user).open()
        by_number = number.isascii() and number.isdecimal() and len(number) < 18
        found = list(risks.filter(Q(pk=int(number)) if by_number else Q(title__iexact=text))[:2])
        if not found:
            raise forms.ValidationError(_("There is no such open risk you may work on."))
        if len(found) > 1:
            raise forms.ValidationError(_("Several risks have this title; give the number."))
        return found[0]


class TieIndicatorForm(forms.Form):
    """Which indicator speaks for a risk."""

    indicator = forms.ModelChoiceField(queryset=Indicator.objects.none(), label=_("Indicator"))
    ratio = forms.TypedChoiceField(label=_("Weight of evidence"), choices=Tie.Ratio.choices, coerce=int)

    def __init__(self, *args: Any, indicators: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["indicator"].queryset = indicators


class ArmForm(forms.Form):
    """Which contingency an indicator arms at its limit."""

    response = forms.ModelChoiceField(queryset=Response.objects.none(), label=_("Contingency"))

    def __init__(self, *args: Any, user: User, indicator: Indicator, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["response"].queryset = Response.objects.filter(
            kind=Kind.CONTINGENCY,
            withdrawn_at=None,
            risk__in=access.editable_risks(user).open().filter(ties__indicator=indicator),
        )


class ReadingsFileForm(forms.Form):
    file = forms.FileField(
        label=_("File of readings (CSV or XLSX)"),
        validators=[FileExtensionValidator(["csv", "tsv", "txt", "xlsx", "xlsm"])],
        widget=forms.FileInput(attrs={"accept": ".csv,.tsv,.txt,.xlsx,.xlsm"}),
    )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than 20 MB."))
        return file


class SubscriptionForm(forms.ModelForm):
    time_zone = TimeZoneField()
    hour = forms.TypedChoiceField(choices=[(h, f"{h:02d}:00") for h in range(24)], coerce=int, label=_("At"))

    class Meta:
        model = Subscription
        fields = ["active", "cadence", "hour", "time_zone", "language", "scope", "view", "top", "when_empty"]

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["language"].choices = [("", _("as my pages")), *settings.LANGUAGES]
        self.fields["view"].queryset = saved_views(user)
        self.fields["view"].empty_label = _("everything")


class MonitoringSettingsForm(forms.ModelForm):
    class Meta:
        model = MonitoringSettings
        fields = [
            "false_flags_per_week", "event_review_days", "renewal_lead_days", "quarter_end_lead_days",
            "year_starts_in",
        ]  # fmt: skip


class ChannelForm(forms.ModelForm):
    address = forms.CharField(
        label=_("Webhook address"),
        max_length=1000,
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
        help_text=_("As the chat service shows it for your robot. It is kept encrypted and never shown again."),
    )

    class Meta:
        model = Channel
        fields = ["service", "name", "address"]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        service, address = data.get("service"), data.get("address")
        if service and address:
            try:
                chat.robot(service, address)
            except chat.NotAnAddress:
                example = chat.SERVICES[service].example
                self.add_error(
                    "address",
                    _("This is not an address of this service; it looks like %(example)s") % {"example": example},
                )
        return data


class WebhookForm(forms.ModelForm):
    kinds = forms.MultipleChoiceField(
        label=_("Events"),
        required=False,
        choices=[(kind, about.label) for kind, about in KINDS.items() if not about.admins_only],
        widget=forms.CheckboxSelectMultiple,
        help_text=_("None chosen: all."),
    )

    url = forms.URLField(label=_("Address"), max_length=500, assume_scheme="https")

    class Meta:
        model = Webhook
        fields = ["name", "url", "kinds", "from_severity"]

    def clean_url(self) -> str:
        url: str = self.cleaned_data["url"]
        try:
            outside.check(url, allowed_hosts=settings.OUTSIDE_ALLOWED_HOSTS)
        except (outside.Refused, outside.Failed) as error:
            raise forms.ValidationError(str(error)) from error
        return url


class PreferencesForm(forms.Form):
    """From which severity on a person hears of each kind of event by mail and in her chats."""

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kinds = {k: about for k, about in KINDS.items() if user.is_admin or not about.admins_only}
        choices = [
            (Severity.NORMAL, _("always")),
            (Severity.HIGH, _("when high or urgent")),
            (Severity.URGENT, _("only when urgent")),
            (Preference.NEVER, _("never")),
        ]
        for kind, about in self.kinds.items():
            for medium, default in (("mail", about.mail_from), ("chat", about.chat_from)):
                name = Preference.Medium(medium).label
                field = forms.TypedChoiceField(
                    label=f"{about.label}: {name}", choices=choices, coerce=int, initial=int(default)
                )
                field.widget.attrs["class"] = "form-select form-select-sm"
                self.fields[f"{kind}_{medium}"] = field

    def rows(self) -> list[tuple[Any, Any, Any]]:
        """(label, field by mail, field by chat) of each kind."""
        return [(about.label, self[f"{kind}_mail"], self[f"{kind}_chat"]) for kind, about in self.kinds.items()]

    def wishes(self) -> list[tuple[str, str, int]]:
        return [
            (kind, medium, self.cleaned_data[f"{kind}_{medium}"]) for kind in self.kinds for medium in ("mail", "chat")
        ]
