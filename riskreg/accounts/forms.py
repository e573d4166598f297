from __future__ import annotations

import zoneinfo
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import BaseUserCreationForm
from django.utils.translation import gettext_lazy as _

from riskreg.accounts.models import Membership, Team, User


def time_zone_choices() -> list[tuple[str, str]]:
    """Zones as the continents name them; aliases such as "GMT0" only confuse."""
    named = sorted(
        z for z in zoneinfo.available_timezones() if "/" in z and not z.startswith(("Etc/", "SystemV/", "US/"))
    )
    return [(zone, zone.replace("_", " ")) for zone in ["UTC", *named]]


class TimeZoneField(forms.ChoiceField):
    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("label", _("Time zone"))
        super().__init__(choices=time_zone_choices, **kwargs)


class ProfileForm(forms.ModelForm):
    time_zone = TimeZoneField()

    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "language", "time_zone", "theme"]


class PersonForm(forms.ModelForm):
    time_zone = TimeZoneField()

    class Meta:
        model = User
        fields = ["username", "first_name", "last_name", "email", "language", "time_zone", "is_admin", "is_active"]


class NewPersonForm(BaseUserCreationForm):
    time_zone = TimeZoneField(initial=settings.DEFAULT_USER_TIME_ZONE)

    class Meta(BaseUserCreationForm.Meta):
        model = User
        fields = ["username", "first_name", "last_name", "email", "language", "time_zone", "is_admin"]


class TeamForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    parent = forms.ModelChoiceField(
        Team.objects.all(), label=_("Part of"), required=False, empty_label=_("No other team: it stands on top")
    )

    def __init__(self, *args: Any, team: Team | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.team = team
        if team is not None:
            parent = self.fields["parent"]
            assert isinstance(parent, forms.ModelChoiceField)  # noqa: S101  for the type checker
            parent.queryset = Team.objects.exclude(path__startswith=team.path)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        same = Team.objects.filter(name=cleaned.get("name"), parent=cleaned.get("parent"))
        if same.exclude(pk=self.team.pk if self.team else None).exists():
            self.add_error("name", _("There is already a team of this name here."))
        return cleaned


class RoleForm(forms.Form):
    user = forms.ModelChoiceField(User.objects.filter(is_active=True), label=_("Person"))
    role = forms.ChoiceField(choices=Membership.Role.choices, label=_("Role"), initial=Membership.Role.MEMBER)


class TokenForm(forms.Form):
    name = forms.CharField(
        label=_("Name"), max_length=100, help_text=_("What uses it, so that you know later what to revoke.")
    )
    may_write = forms.BooleanField(label=_("May also change data"), required=False)
    days = forms.TypedChoiceField(
        label=_("Valid for"),
        coerce=int,
        initial=365,
        choices=[(30, _("30 days")), (90, _("90 days")), (365, _("1 year"))],
    )
