"""One form per thing a person can do with a risk, an observation, an import or a category."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from typing import Any

from crispy_forms.helper import FormHelper
from crispy_forms.layout import Column, Fieldset, Layout, Row
from django import forms
from django.core.validators import FileExtensionValidator
from django.forms.widgets import DateInput
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from crm.models import Customer
from crm.spreadsheets.cells import FIRST_YEAR, LAST_YEAR
from crm.spreadsheets.unreadable import MAX_BYTES
from riskreg.accounts.models import Team, User
from risks import access
from risks.models import Category, Observation, Risk, SavedView


class DayInput(DateInput):
    """The browser's own date picker."""

    input_type = "date"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(format="%Y-%m-%d", **kwargs)


def in_years(day: dt.date) -> dt.date:
    """The day, if a register file could hold it, too. Raises ValidationError otherwise."""
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise forms.ValidationError(_("The year must lie between 1900 and 2200."))
    return day


class TeamChoice(forms.ModelChoiceField):
    """Teams in the order of the tree, indented by depth."""

    def label_from_instance(self, obj: Any) -> str:
        return indented(obj)


def only_choice(field: forms.ModelChoiceField, queryset: Any) -> None:
    """Offer these; where there is just one, it is chosen already."""
    field.queryset = queryset
    rows = list(queryset[:2])
    if len(rows) == 1:
        field.initial = rows[0]


class CaptureForm(forms.Form):
    """One line and Enter. Categories and teams are given as loaded, since the page around it needs them, too."""

    title = forms.CharField(max_length=200, label=_("What could go wrong?"))

    def __init__(self, *args: Any, categories: Sequence[Category], teams: Sequence[Team], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["category"] = _choice(_("Category"), [c for c in categories if not c.archived], str)
        self.fields["team"] = _choice(_("Team"), teams, indented)


def indented(team: Team) -> str:
    """A team's name, moved in by its depth in the tree."""
    return "\u2003" * team.depth + team.name


def _choice(label: Any, rows: Sequence[Any], name: Callable[[Any], str]) -> forms.TypedChoiceField:
    by_key = {str(row.pk): row for row in rows}
    return forms.TypedChoiceField(
        label=label, choices=[(key, name(row)) for key, row in by_key.items()], coerce=by_key.__getitem__
    )


class RiskForm(forms.ModelForm):
    customer_name = forms.CharField(label=_("Customer"), required=False, max_length=200)
    tag_names = forms.CharField(label=_("Tags"), required=False, max_length=500, help_text=_("Separated by commas."))
    version = forms.IntegerField(widget=forms.HiddenInput, required=False)
    team = TeamChoice(Team.objects.none(), label=_("Team"))

    class Meta:
        model = Risk
        fields = [
            "title",
            "category",
            "cause",
            "event",
            "consequence",
            "source",
            "owner",
            "team",
            "confidential",
            "horizon_months",
            "identified_on",
            "external_ref",
            "notes",
        ]
        widgets = {
            "cause": forms.Textarea(attrs={"rows": 2}),
            "event": forms.Textarea(attrs={"rows": 2}),
            "consequence": forms.Textarea(attrs={"rows": 2}),
            "notes": forms.Textarea(attrs={"rows": 2}),
            "identified_on": DayInput(),
        }

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        risk = self.instance
        teams = access.teams_worked_in(user)
        if risk.pk:
            teams = teams | Team.objects.filter(pk=risk.team_id)
        only_choice(self.fields["team"], teams.distinct().order_by("path"))  # type: ignore[arg-type]
        categories = Category.objects.in_use() | Category.objects.filter(pk=risk.category_id)
        self.fields["category"].queryset = categories.distinct()  # type: ignore[attr-defined]
        self.fields["owner"].queryset = access.possible_owners(user)  # type: ignore[attr-defined]
        if risk.pk:
            self.fields["customer_name"].initial = risk.customer.name if risk.customer else ""
            self.fields["tag_names"].initial = ", ".join(tag.name for tag in risk.tags.all())
            self.fields["version"].initial = risk.version
        else:
            self.fields["owner"].initial = user.pk
        self.fields["customer_name"].widget.attrs["list"] = "customers"
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            "version",
            "title",
            Row(Column("category", css_class="col-sm-6"), Column("team", css_class="col-sm-6")),
            Fieldset(_("Cause, event, consequence"), "cause", "event", "consequence"),
            Row(Column("customer_name", css_class="col-sm-6"), Column("source", css_class="col-sm-6")),
            Row(Column("owner", css_class="col-sm-6"), Column("tag_names", css_class="col-sm-6")),
            Row(
                Column("identified_on", css_class="col-sm-4"),
                Column("horizon_months", css_class="col-sm-4"),
                Column("external_ref", css_class="col-sm-4"),
            ),
            "confidential",
            "notes",
        )

    def clean_identified_on(self) -> dt.date:
        return in_years(self.cleaned_data["identified_on"])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        number, team = cleaned.get("external_ref"), cleaned.get("team")
        if number and team:
            taken = Risk.objects.live().filter(team=team, external_ref=number).exclude(pk=self.instance.pk)
            if taken.exists():
                self.add_error("external_ref", _("This team already has a risk of this number."))
        return cleaned

    def clean_tag_names(self) -> list[str]:
        names = [name.strip() for name in re.split("[,，;；\n]", self.cleaned_data["tag_names"])]
        for name in names:
            if len(name) > 50:
                raise forms.ValidationError(_("A tag has at most 50 characters."))
        return [name for name in names if name]


class CloseForm(forms.Form):
    outcome = forms.ChoiceField(choices=Risk.Outcome.choices, label=_("What became of it?"), widget=forms.RadioSelect)
    closed_on = forms.DateField(label=_("Closed on"), widget=DayInput(), initial=timezone.localdate)
    note = forms.CharField(
        label=_("What happened"), required=False, max_length=5000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def clean_closed_on(self) -> Any:
        day = self.cleaned_data["closed_on"]
        if day > timezone.localdate():
            raise forms.ValidationError(_("This day is still to come."))
        return in_years(day)


class ObservationForm(forms.ModelForm):
    link = forms.URLField(label=_("Link"), required=False, max_length=500, assume_scheme="https")
    customer_name = forms.CharField(label=_("Customer"), required=False, max_length=200)
    team = TeamChoice(Team.objects.none(), label=_("Team"))

    class Meta:
        model = Observation
        fields = ["kind", "text", "source", "link", "observed_on", "team"]
        widgets = {"text": forms.Textarea(attrs={"rows": 4}), "observed_on": DayInput()}

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        only_choice(self.fields["team"], access.teams_worked_in(user))  # type: ignore[arg-type]
        self.fields["customer_name"].widget.attrs["list"] = "customers"
        self.helper = FormHelper()
        self.helper.form_tag = False
        self.helper.layout = Layout(
            Row(Column("kind", css_class="col-sm-6"), Column("team", css_class="col-sm-6")),
            "text",
            Row(Column("customer_name", css_class="col-sm-6"), Column("observed_on", css_class="col-sm-6")),
            Row(Column("source", css_class="col-sm-6"), Column("link", css_class="col-sm-6")),
        )

    def clean_observed_on(self) -> dt.date:
        return in_years(self.cleaned_data["observed_on"])


class LinkForm(forms.Form):
    """Tie an observation to a risk the person may work on."""

    risk = forms.ModelChoiceField(Risk.objects.none(), label=_("Risk"))
    bearing = forms.TypedChoiceField(
        choices=Observation.Bearing.choices, coerce=int, initial=Observation.Bearing.MORE, label=_("What it means")
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["risk"].queryset = access.editable_risks(user).open().order_by("title")  # type: ignore[attr-defined]


class DismissForm(forms.Form):
    reason = forms.CharField(max_length=500, label=_("Reason"), required=False)


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("Register file (CSV or XLSX)"),
        validators=[FileExtensionValidator(["csv", "tsv", "txt", "xlsx", "xlsm"])],
    )
    team = TeamChoice(Team.objects.none(), label=_("Team for rows that name none"))

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        only_choice(self.fields["team"], access.teams_worked_in(user))  # type: ignore[arg-type]
        self.fields["file"].widget.attrs["accept"] = ".csv,.tsv,.txt,.xlsx,.xlsm"

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > MAX_BYTES:
            raise forms.ValidationError(_("The file is larger than 20 MB."))
        return file


class MappingForm(forms.Form):
    """What each column of the file means, and how to treat what does not fit."""

    date_order = forms.ChoiceField(
        label=_("Dates such as 6/8/2026"),
        choices=[
            ("auto", _("as the column's other dates suggest")),
            ("dmy", _("day, month, year")),
            ("mdy", _("month, day, year")),
        ],
    )
    fallback_category = forms.ModelChoiceField(
        Category.objects.none(), label=_("Unknown categories go to"), to_field_name="key", empty_label=None
    )
    create_categories = forms.BooleanField(label=_("Add unknown categories to the list instead"), required=False)
    all_or_nothing = forms.BooleanField(label=_("Import nothing if any row is wrong"), required=False)

    def __init__(
        self, *args: Any, may_create: bool, choices: list[tuple[str, str]], columns: int, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.fields["fallback_category"].queryset = Category.objects.in_use()  # type: ignore[attr-defined]
        if not may_create:
            del self.fields["create_categories"]
        self.choices = choices
        for index in range(columns):
            self.fields[f"column_{index}"] = forms.ChoiceField(
                choices=[("", _("Leave out")), *choices], required=False, label=_("Meaning")
            )
        self.columns = columns

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        taken: dict[str, str] = {}
        for index in range(self.columns):
            key = cleaned.get(f"column_{index}")
            if not key:
                continue
            if key in taken.values():
                self.add_error(f"column_{index}", _("Another column has this meaning already."))
            taken[str(index)] = key
        if "title" not in taken.values():
            self.add_error(None, _("One column must be the title; without one there is nothing to call a risk."))
        cleaned["mapping"] = taken
        return cleaned


class CategoryForm(forms.ModelForm):
    class Meta:
        model = Category
        fields = ["name_en", "name_zh", "position", "archived"]


class CustomerForm(forms.ModelForm):
    class Meta:
        model = Customer
        fields = ["name", "annual_revenue", "renews_on"]
        widgets = {"renews_on": DayInput()}

    def clean_name(self) -> str:
        name: str = " ".join(self.cleaned_data["name"].split())
        # The team is no field here, so the constraint is not checked by the form itself.
        if Customer.objects.filter(team=self.instance.team, name__iexact=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("This team already has a customer of this name."))
        return name


class SavedViewForm(forms.ModelForm):
    class Meta:
        model = SavedView
        fields = ["name", "shared"]
        help_texts = {"shared": _("Each reader sees of it only the risks that she may see.")}

    def clean_name(self) -> str:
        name: str = " ".join(self.cleaned_data["name"].split())
        # The person is no field here, so the constraint is not checked by the form itself.
        if SavedView.objects.filter(user=self.instance.user, name=name).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(_("You already have a view of this name."))
        return name
