"""How people judge: each of likelihood and money as a level, a number or a 90 % range."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from assessments import ranges
from assessments.actions import Number
from assessments.method import Level, MethodSpec
from assessments.models import Assessment
from crm.spreadsheets import cells
from riskreg.accounts.models import User
from risks.forms import DayInput, in_years
from risks.models.category import localised

Given = Assessment.Given

# A cent, and more than any register adds up to; nearer to 0 and 100 % nobody can judge.
_LEAST_MONEY, _MOST_MONEY = 0.01, 1e15
_LEAST_PROBABILITY, _MOST_PROBABILITY = 1e-6, 1 - 1e-6
_LONGEST_REQUEST = dt.timedelta(days=366)


def level_choices(levels: tuple[Level, ...]) -> list[tuple[str, str]]:
    return [(str(n), localised(level.label.en, level.label.zh)) for n, level in enumerate(levels, start=1)]


def probability_of(typed: str) -> float:
    """The probability somebody wrote in percent, with or without the sign. Raises ValidationError."""
    probability = _number(typed if _has_percent(typed) else f"{typed}%")
    if not 0 < probability < 1:
        raise forms.ValidationError(_("A probability lies above 0 % and below 100 %."))
    if not _LEAST_PROBABILITY <= round(probability, 12) <= _MOST_PROBABILITY:
        raise forms.ValidationError(_("Nobody can tell this from 0 or 100 %."))
    return probability


def money_of(typed: str) -> float:
    """The amount somebody wrote: "50k", "1,2m", "USD 3,000". Raises ValidationError."""
    if _has_percent(typed):
        raise forms.ValidationError(_("Give an amount of money, not a share."))
    amount = _number(typed)
    if amount < _LEAST_MONEY:
        raise forms.ValidationError(_("The amount must be above 0."))
    if amount > _MOST_MONEY:
        raise forms.ValidationError(_("The amount is too large."))
    return amount


def _has_percent(typed: str) -> bool:
    return "%" in typed or "％" in typed


def _number(typed: str) -> float:
    try:
        number = cells.parse_number(typed)
    except cells.BadCell:
        number = None
    if number is None:
        raise forms.ValidationError(_("This is not a number."))
    return number


def share_text(probability: float) -> str:
    """A probability as people type it, in percent."""
    return f"{probability * 100:.6g}"


def money_text(amount: float) -> str:
    return f"{amount:,.2f}".removesuffix(".00")


def as_typed(name: str, given: Number, show: Callable[[float], str]) -> dict[str, str]:
    """The fields of a quantity filled in the way it was given; ``show`` is share_text or money_text.

    What was pooled becomes a number: nobody could give it as a range that is worth as much.
    """
    if given.by == Given.RANGE and given.low is not None and given.high is not None:
        return {f"{name}_by": Given.RANGE, f"{name}_low": show(given.low), f"{name}_high": show(given.high)}
    return {f"{name}_by": Given.NUMBER, f"{name}_number": show(given.value)}


class JudgementForm(forms.Form):
    """How likely, and how bad in the method's primary dimension.

    Once valid, ``likelihood`` is a level or a Number, and ``money`` a Number or None; then the level counts that
    stands under the dimension's key. What was typed where the person chose another way of giving it is not looked at.
    """

    def __init__(self, *args: Any, spec: MethodSpec, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.spec = spec
        self._add("likelihood", "likelihood", spec.likelihood, gettext_lazy("Likelihood"))
        label = spec.primary.label
        self._add("money", spec.primary.key, spec.primary.levels, localised(label.en, label.zh))

    def _add(self, name: str, level: str, levels: tuple[Level, ...], label: Any) -> None:
        """The fields of one quantity; ``level`` is the name of the one for its level."""
        ways = [(way.value, way.label) for way in (Given.LEVEL, Given.NUMBER, Given.RANGE)]
        # Which of them are needed depends on the way that was chosen.
        self.fields[f"{name}_by"] = forms.ChoiceField(
            choices=ways, required=False, initial=Given.LEVEL, widget=forms.RadioSelect
        )
        self.fields[level] = forms.TypedChoiceField(
            choices=level_choices(levels), coerce=int, empty_value=None, required=False, label=label,
            widget=forms.RadioSelect,
        )  # fmt: skip
        for part, part_label in (
            ("number", gettext_lazy("Number")),
            ("low", gettext_lazy("From")),
            ("high", gettext_lazy("To")),
        ):
            self.fields[f"{name}_{part}"] = forms.CharField(required=False, label=part_label)

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or self.cleaned_data
        data["likelihood"] = self._given(
            "likelihood", "likelihood", probability_of, lambda low, high: ranges.probability_range(low, high).mean
        )
        money = self._given(
            "money", self.spec.primary.key, money_of, lambda low, high: ranges.money_range(low, high).mean
        )
        data["money"] = money if isinstance(money, Number) else None
        return data

    def _given(
        self, name: str, level: str, parse: Callable[[str], float], mean: Callable[[float, float], float]
    ) -> int | Number | None:
        """A level or a Number; None, with what is wrong said at the field, where there is neither."""
        by = self.cleaned_data.get(f"{name}_by", "") or Given.LEVEL
        if by == Given.LEVEL:
            if self.cleaned_data.get(level) is None and level not in self.errors:
                self.add_error(level, forms.Field.default_error_messages["required"])
            chosen: int | None = self.cleaned_data.get(level)
            return chosen
        if by == Given.NUMBER:
            number = self._parsed(f"{name}_number", parse)
            return None if number is None else Number(number)
        low, high = self._parsed(f"{name}_low", parse), self._parsed(f"{name}_high", parse)
        if low is None or high is None:
            return None
        if low >= high:
            self.add_error(f"{name}_high", _("The upper end must lie above the lower end."))
            return None
        return Number(mean(low, high), low, high)

    def _parsed(self, field: str, parse: Callable[[str], float]) -> float | None:
        typed = self.cleaned_data.get(field, "")
        try:
            if not typed:
                raise forms.ValidationError(forms.Field.default_error_messages["required"])
            return parse(typed)
        except forms.ValidationError as error:
            self.add_error(field, error)
            return None

    @property
    def impacts(self) -> dict[str, int]:
        """The dimensions of a valid form that were judged by level."""
        by_number = {self.spec.primary.key} if self.cleaned_data.get("money") else set()
        judged = ((d.key, self.cleaned_data.get(d.key)) for d in self.spec.dimensions if d.key not in by_number)
        return {key: level for key, level in judged if level}


class AssessForm(JudgementForm):
    """Likelihood, impact per dimension, and what the judgement rests on. Only the primary dimension is a must."""

    basis = forms.ChoiceField(choices=Assessment.Basis.choices, label=gettext_lazy("Basis"), widget=forms.RadioSelect)
    evidence = forms.CharField(
        label=gettext_lazy("Evidence"),
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("What the judgement rests on: figures, a study, who said so."),
    )
    assessed_on = forms.DateField(label=gettext_lazy("Date"), widget=DayInput(), initial=timezone.localdate)

    def __init__(self, *args: Any, spec: MethodSpec, **kwargs: Any) -> None:
        super().__init__(*args, spec=spec, **kwargs)
        for dimension in spec.dimensions[1:]:
            self.fields[dimension.key] = forms.TypedChoiceField(
                choices=level_choices(dimension.levels),
                coerce=int,
                empty_value=None,
                required=False,
                label=localised(dimension.label.en, dimension.label.zh),
                widget=forms.RadioSelect,
            )

    def clean_assessed_on(self) -> Any:
        day = self.cleaned_data["assessed_on"]
        if day > timezone.localdate():
            raise forms.ValidationError(_("This day is still to come."))
        return in_years(day)


class OpinionForm(JudgementForm):
    """One person's answer to a request for opinions."""

    because = forms.CharField(
        label=gettext_lazy("Why"),
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("It is kept with your name, also where you differ from the others."),
    )


class AskForm(forms.Form):
    """Whom to ask for an opinion, what to consider, and until when."""

    people = forms.ModelMultipleChoiceField(
        User.objects.none(), label=gettext_lazy("Whom to ask"), widget=forms.CheckboxSelectMultiple
    )
    question = forms.CharField(
        label=gettext_lazy("What to consider"),
        required=False,
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    answer_by = forms.DateTimeField(
        label=gettext_lazy("Answer by"),
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, people: QuerySet[User], asker: User, now: dt.datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.asker, self.now = asker, now
        self.fields["people"].queryset = people  # type: ignore[attr-defined]
        self.fields["answer_by"].initial = _next_week(now)

    def clean_people(self) -> Iterable[User]:
        people: Iterable[User] = self.cleaned_data["people"]
        if not any(person != self.asker for person in people):
            raise forms.ValidationError(_("Ask at least one other person."))
        return people

    def clean_answer_by(self) -> dt.datetime:
        answer_by: dt.datetime = self.cleaned_data["answer_by"]
        if answer_by <= self.now:
            raise forms.ValidationError(_("This time has passed."))
        if answer_by > self.now + _LONGEST_REQUEST:
            raise forms.ValidationError(_("A year at most."))
        return answer_by


def _next_week(now: dt.datetime) -> dt.datetime:
    """In seven days at six in the evening, by the clock of the person who looks at the page."""
    day = timezone.localdate(now) + dt.timedelta(days=7)
    return timezone.make_aware(dt.datetime.combine(day, dt.time(18)))
