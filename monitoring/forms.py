from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from monitoring.models import DriftFlag, MonitoringSettings, RevenueTarget, Subscription
from riskreg.accounts.forms import TimeZoneField
from riskreg.accounts.models import Team, User
from risks import access
from risks.forms import DayInput, indented


class TargetForm(forms.ModelForm):
    class Meta:
        model = RevenueTarget
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
        queryset=RevenueTarget.objects.none(), required=False, label=_("Against"), empty_label=_("No target")
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
        target.queryset = RevenueTarget.objects.filter(own | Q(team__isnull=True) if everything else own)


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


class SubscriptionForm(forms.ModelForm):
    time_zone = TimeZoneField()
    hour = forms.TypedChoiceField(choices=[(h, f"{h:02d}:00") for h in range(24)], coerce=int, label=_("At"))

    class Meta:
        model = Subscription
        fields = ["active", "cadence", "hour", "time_zone", "scope", "top"]


class MonitoringSettingsForm(forms.ModelForm):
    class Meta:
        model = MonitoringSettings
        fields = ["false_flags_per_week"]
