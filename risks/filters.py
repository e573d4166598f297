"""What the register can be filtered by; its export uses the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import django_filters as filters
from django import forms
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q
from django.http import QueryDict
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from riskreg.accounts.models import Team, User
from risks import access, scores
from risks.forms import indented
from risks.models import Category, Risk
from risks.models.category import localised
from risks.models.risk import RiskQuerySet


@dataclass(frozen=True)
class Choices:
    """What can be chosen from, loaded once for the filter and the capture line together."""

    bands: Sequence[Any]
    categories: Sequence[Category]
    teams: Sequence[Team]

    @classmethod
    def of(cls, user: User | AnonymousUser) -> Choices:
        return cls(scores.active_method().bands, list(Category.objects.all()), list(access.teams_seen(user)))


def asked_for(parameters: QueryDict) -> str:
    """Of an address of the register what it filters and sorts by, to be saved; the page it is on is left out."""
    kept = QueryDict(mutable=True)
    for name in (*RegisterFilter.base_filters, "sort"):
        if value := parameters.get(name, ""):
            kept[name] = value[:200]
    return kept.urlencode()


class RegisterFilter(filters.FilterSet):
    q = filters.CharFilter(method="search", label=_("Search"))
    status = filters.ChoiceFilter(
        choices=[("open", _("Open")), ("closed", _("Closed")), ("all", _("Open and closed"))],
        method="by_status",
        label=_("Status"),
        empty_label=None,
    )
    band = filters.ChoiceFilter(method="by_band", label=_("Band"), empty_label=_("All bands"))
    category = filters.ChoiceFilter(field_name="category", label=_("Category"), empty_label=_("All categories"))
    team = filters.ChoiceFilter(method="by_team", label=_("Team"), empty_label=_("All teams"))
    owner = filters.ChoiceFilter(
        choices=[("me", _("Mine")), ("none", _("Without owner"))],
        method="by_owner",
        label=_("Owner"),
        empty_label=_("All owners"),
    )
    state = filters.ChoiceFilter(
        choices=[
            ("drifting", _("Drifting")),
            ("beyond", _("Beyond appetite")),
            ("review", _("Review due")),
            ("unassessed", _("Not assessed")),
        ],
        method="by_state",
        label=_("Needs attention"),
        empty_label=_("Any state"),
    )
    likelihood = filters.NumberFilter(field_name="sheet__likelihood_level", label=_("Likelihood level"))
    impact = filters.NumberFilter(field_name="sheet__impact_level", label=_("Impact level"))
    tag = filters.CharFilter(field_name="tags__name", label=_("Tag"))

    class Meta:
        model = Risk
        fields: list[str] = []

    def __init__(self, data: Any = None, *args: Any, choices: Choices, **kwargs: Any) -> None:
        # An open register is what everybody means by the register.
        data = data.copy() if data is not None else {}
        data.setdefault("status", "open")
        super().__init__(data, *args, **kwargs)
        self.choices = choices
        for name, offered in (
            ("band", [(b.position, localised(b.label.en, b.label.zh)) for b in reversed(choices.bands)]),
            ("category", [(c.pk, str(c)) for c in choices.categories]),
            ("team", [(t.pk, indented(t)) for t in choices.teams]),
        ):
            self.filters[name].extra["choices"] = offered

    @property
    def form(self) -> forms.Form:
        form = super().form
        for name, field in form.fields.items():
            field.widget.attrs.setdefault("class", "form-control" if name == "q" else "form-select")
        return form

    def is_narrowed(self) -> bool:
        """Whether anything but the usual is asked for: an empty list then says so."""
        return (
            any(self.data.get(name) for name in self.filters if name != "status") or self.data.get("status") != "open"
        )

    def search(self, queryset: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        digits = value.strip().upper().removeprefix("R-")
        words = value.replace("\0", " ").split()[:8]
        if digits.isascii() and digits.isdecimal() and len(digits) < 18:
            return queryset.filter(
                Q(pk=int(digits)) | Q(external_ref=value.strip()) | Q(title__icontains=value.strip())
            )
        for word in words:
            queryset = queryset.filter(
                Q(title__icontains=word)
                | Q(cause__icontains=word)
                | Q(event__icontains=word)
                | Q(consequence__icontains=word)
                | Q(external_ref__icontains=word)
                | Q(customer__name__icontains=word)
                | Q(tags__name__icontains=word)
            )
        return queryset.distinct() if words else queryset

    def by_status(self, queryset: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return queryset if value == "all" else queryset.filter(status=value)

    def by_band(self, queryset: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        version = self.choices.bands[0].version
        return queryset.filter(sheet__band=int(value), sheet__method_version=version)

    def by_team(self, queryset: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        """The team and all below it."""
        path = next(team.path for team in self.choices.teams if team.pk == int(value))
        return queryset.filter(team__in=[team.pk for team in self.choices.teams if team.path.startswith(path)])

    def by_owner(self, queryset: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        return queryset.filter(owner=self.request.user) if value == "me" else queryset.filter(owner=None)

    def by_state(self, queryset: RiskQuerySet, name: str, value: str) -> RiskQuerySet:
        if value == "drifting":
            return queryset.filter(sheet__drifting_since__isnull=False)
        if value == "beyond":
            return queryset.filter(scores.active_method().beyond_appetite())
        if value == "review":
            return queryset.filter(sheet__review_due__lte=timezone.localdate())
        return queryset.filter(status=Risk.Status.OPEN).unassessed()
