from __future__ import annotations

import datetime as dt
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from responses.models import Action, Kind, Response
from riskreg.accounts import reach
from riskreg.accounts.models import User
from risks.forms import DayInput, in_years
from risks.models import Risk


class ResponseForm(forms.ModelForm):
    kind = forms.ChoiceField(choices=Kind.choices, label=_("Kind"), widget=forms.RadioSelect)

    class Meta:
        model = Response
        fields = ["kind", "title", "description", "trigger", "confidence"]
        widgets = {"description": forms.Textarea(attrs={"rows": 2})}


class ActionForm(forms.ModelForm):
    class Meta:
        model = Action
        fields = ["title", "owner", "due", "status", "cost", "effect"]
        widgets = {"due": DayInput()}
        labels = {"effect": _("Effect in %")}
        help_texts = {"effect": ""}

    def __init__(self, *args: Any, owners: Any = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        owners = User.objects.none() if owners is None else owners
        owner: Any = self.fields["owner"]
        owner.queryset = owners
        # ``owners`` is one queryset for all rows of the formset, so its people are fetched once.
        owner.choices = [("", owner.empty_label), *((person.pk, str(person)) for person in owners)]

    def clean_due(self) -> dt.date | None:
        day = self.cleaned_data["due"]
        return in_years(day) if day else None

    def has_changed(self) -> bool:
        """A row without a title that was never saved is an empty row, whatever its defaults say."""
        return (
            bool(self.instance.pk) or bool(self.data.get(self.add_prefix("title"), "").strip()) or super().has_changed()
        )


ActionFormSet = forms.inlineformset_factory(
    Response, Action, form=ActionForm, extra=1, can_delete=True, max_num=30, absolute_max=40
)


def owners_for(risk: Risk) -> Any:
    """Who can be given an action: those who can see the risk's team."""
    return reach.people_reaching(risk.team)


class AcceptForm(forms.Form):
    reason = forms.CharField(label=_("Why it is accepted"), max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))
    until = forms.DateField(label=_("Until"), widget=DayInput())

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["until"].initial = timezone.localdate() + dt.timedelta(days=180)

    def clean_until(self) -> dt.date:
        day: dt.date = self.cleaned_data["until"]
        today = timezone.localdate()
        if day <= today:
            raise forms.ValidationError(_("The acceptance must end in the future."))
        if day > today + dt.timedelta(days=731):
            raise forms.ValidationError(_("Two years at most; then it is looked at again."))
        return day


class StatusForm(forms.Form):
    status = forms.ChoiceField(choices=Action.Status.choices)
