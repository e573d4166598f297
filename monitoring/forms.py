from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from monitoring.models import DriftFlag, MonitoringSettings, Subscription
from riskreg.accounts.forms import TimeZoneField


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
