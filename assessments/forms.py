from __future__ import annotations

from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from assessments.method import Level, MethodSpec
from assessments.models import Assessment
from risks.forms import DayInput, in_years
from risks.models.category import localised


def level_choices(levels: tuple[Level, ...]) -> list[tuple[str, str]]:
    return [(str(n), localised(level.label.en, level.label.zh)) for n, level in enumerate(levels, start=1)]


class AssessForm(forms.Form):
    """Likelihood, impact per dimension, and what the judgement rests on. Only the primary dimension is a must."""

    basis = forms.ChoiceField(choices=Assessment.Basis.choices, label=_("Basis"), widget=forms.RadioSelect)
    evidence = forms.CharField(
        label=_("Evidence"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What the judgement rests on: figures, a study, who said so."),
    )
    assessed_on = forms.DateField(label=_("Date"), widget=DayInput(), initial=timezone.localdate)

    def __init__(self, *args: Any, spec: MethodSpec, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        self.fields["likelihood"] = forms.TypedChoiceField(
            choices=level_choices(spec.likelihood), coerce=int, label=_("Likelihood"), widget=forms.RadioSelect
        )
        for dimension in spec.dimensions:
            self.fields[dimension.key] = forms.TypedChoiceField(
                choices=level_choices(dimension.levels),
                coerce=int,
                empty_value=None,
                required=dimension is spec.primary,
                label=localised(dimension.label.en, dimension.label.zh),
                widget=forms.RadioSelect,
            )

    def clean_assessed_on(self) -> Any:
        day = self.cleaned_data["assessed_on"]
        if day > timezone.localdate():
            raise forms.ValidationError(_("This day is still to come."))
        return in_years(day)

    @property
    def impacts(self) -> dict[str, int]:
        """The judged dimensions of a valid form."""
        return {d.key: level for d in self.spec.dimensions if (level := self.cleaned_data.get(d.key))}
