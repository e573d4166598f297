"""Likelihood and money as a level, a number or a 90 % range: what is read, what it counts as, what is refused."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assessments import scoring
from assessments.actions import Judgement, Number, assess_risk
from assessments.forms import AssessForm, money_text, share_text
from assessments.models import Assessment, Method
from assessments.queries import active_method
from assessments.ranges import money_range, probability_range
from assessments.templatetags.judgement_tags import chance, money_given, share_given
from risks.models import Risk
from tests.conftest import assess

MakeRisk = Callable[..., Risk]
SignIn = Callable[..., Client]

WHOLE = {"basis": "expert", "evidence": "", "assessed_on": "2026-03-02"}
BY_LEVEL = {"likelihood": "3", "financial": "4"}
LIKELIHOOD_RANGE = {"likelihood_by": "range", "likelihood_low": "5", "likelihood_high": "20 %"}
MONEY_RANGE = {"money_by": "range", "money_low": "50k", "money_high": "0,4m"}

pytestmark = pytest.mark.django_db


def form(**data: str) -> AssessForm:
    return AssessForm({**WHOLE, **BY_LEVEL, **data}, spec=active_method().spec)


def given(**data: str) -> tuple[Any, Any, dict[str, int]]:
    filled = form(**data)
    assert filled.is_valid(), filled.errors
    return filled.cleaned_data["likelihood"], filled.cleaned_data["money"], filled.impacts


# --- what is read ----------------------------------------------------------------------------------------


def test_levels_are_what_counts_unless_another_way_is_chosen() -> None:
    typed = {"likelihood_number": "no number", "money_low": "9", "money_high": "1"}
    assert given() == given(likelihood_by="level", money_by="level", **typed) == (3, None, {"financial": 4})


@pytest.mark.parametrize(
    ("typed", "probability"),
    [("15", 0.15), ("15%", 0.15), (" 15 % ", 0.15), ("１５％", 0.15), ("7,5", 0.075), ("0.5", 0.005), ("99.9", 0.999)],
)
def test_a_likelihood_is_typed_in_percent(typed: str, probability: float) -> None:
    likelihood, money, impacts = given(likelihood_by="number", likelihood_number=typed)
    assert likelihood == Number(pytest.approx(probability))
    assert (money, impacts) == (None, {"financial": 4})


@pytest.mark.parametrize(
    ("typed", "amount"),
    [("50k", 5e4), ("1,2m", 1.2e6), ("1,200,000", 1.2e6), ("USD 3,000", 3e3), ("３０００", 3e3), ("5万", 5e4)],
)
def test_money_is_typed_as_people_type_it(typed: str, amount: float) -> None:
    likelihood, money, impacts = given(money_by="number", money_number=typed)
    assert (likelihood, money, impacts) == (3, Number(amount), {})


def test_a_range_counts_as_the_mean_of_its_distribution() -> None:
    likelihood, money, impacts = given(**LIKELIHOOD_RANGE, **MONEY_RANGE, reputation="2")
    assert likelihood == Number(probability_range(0.05, 0.2).mean, 0.05, 0.2)
    assert money == Number(money_range(50_000, 400_000).mean, 50_000, 400_000)
    assert impacts == {"reputation": 2}


# --- what is refused, and where --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "typed", "error"),
    [
        ("likelihood_number", "", "This field is required."),
        ("likelihood_number", "maybe", "This is not a number."),
        ("likelihood_number", "-", "This is not a number."),
        ("likelihood_number", "0", "A probability lies above 0 % and below 100 %."),
        ("likelihood_number", "0 %", "A probability lies above 0 % and below 100 %."),
        ("likelihood_number", "100", "A probability lies above 0 % and below 100 %."),
        ("likelihood_number", "-5", "A probability lies above 0 % and below 100 %."),
        ("likelihood_number", "50k", "A probability lies above 0 % and below 100 %."),
        ("likelihood_number", "$ 5", "This is not a number."),
        ("likelihood_number", "0.00001", "Nobody can tell this from 0 or 100 %."),
        ("likelihood_number", "99.999999", "Nobody can tell this from 0 or 100 %."),
        ("money_number", "", "This field is required."),
        ("money_number", "a lot", "This is not a number."),
        ("money_number", "15 %", "Give an amount of money, not a share."),
        ("money_number", "0", "The amount must be above 0."),
        ("money_number", "(500)", "The amount must be above 0."),
        ("money_number", "1e30", "The amount is too large."),
        ("money_number", "9" * 70, "This is not a number."),
    ],
)
def test_what_cannot_be_a_number_is_said_at_its_field(field: str, typed: str, error: str) -> None:
    filled = form(**{field.replace("number", "by"): "number", field: typed})
    assert filled.errors == {field: [error]}


@pytest.mark.parametrize(
    ("low", "high", "errors"),
    [
        ("20", "5", {"likelihood_high": ["The upper end must lie above the lower end."]}),
        ("5", "5 %", {"likelihood_high": ["The upper end must lie above the lower end."]}),
        ("0", "5", {"likelihood_low": ["A probability lies above 0 % and below 100 %."]}),
        ("5", "100", {"likelihood_high": ["A probability lies above 0 % and below 100 %."]}),
        ("5", "", {"likelihood_high": ["This field is required."]}),
        ("", "", {"likelihood_low": ["This field is required."], "likelihood_high": ["This field is required."]}),
    ],
)
def test_a_range_that_is_none_is_said_at_its_end(low: str, high: str, errors: dict[str, list[str]]) -> None:
    assert form(likelihood_by="range", likelihood_low=low, likelihood_high=high).errors == errors


def test_a_level_is_needed_where_levels_are_chosen() -> None:
    required = ["This field is required."]
    assert form(likelihood="", financial="").errors == {"likelihood": required, "financial": required}


def test_a_way_of_giving_it_that_is_none_is_refused() -> None:
    assert "likelihood_by" in form(likelihood_by="pooled").errors


# --- the page --------------------------------------------------------------------------------------------


def post(client: Client, risk: Risk, name: str = "assessments:assess", **data: str) -> Any:
    on = timezone.localdate().isoformat()
    return client.post(reverse(name, args=[risk.pk]), {**WHOLE, "assessed_on": on, **BY_LEVEL, **data})


def test_numbers_and_ranges_are_kept_as_given_and_scored(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk = make_risk()
    response = post(sign_in(cast.max), risk, **LIKELIHOOD_RANGE, money_by="number", money_number="1,2m", reputation="2")
    assert response.status_code == 302
    kept = Assessment.objects.get(risk=risk)
    assert (kept.likelihood_by, kept.likelihood_low, kept.likelihood_high) == ("range", 0.05, 0.2)
    assert kept.probability == probability_range(0.05, 0.2).mean
    assert (kept.money_by, kept.money, kept.money_low, kept.money_high) == ("number", 1.2e6, None, None)
    assert (kept.likelihood_level, kept.impact_levels) == (3, {"financial": 5, "reputation": 2})
    # Hybrid: the mean of level 5 (weight .5) and 2 (.25) is 4, so the financial dimension counts as that level.
    assert (kept.impact, kept.decided_by) == (500_000, "financial")
    risk.refresh_from_db()
    assert risk.sheet.inherent == pytest.approx(kept.probability * 500_000)


def test_what_is_wrong_comes_back_with_what_was_typed(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk = make_risk()
    data = {"likelihood_by": "number", "likelihood_number": "100", **MONEY_RANGE, "money_high": "20k"}
    html = post(sign_in(cast.max), risk, **data).content.decode()
    assert Assessment.objects.count() == 0
    assert 'value="100"' in html
    assert 'id="id_likelihood_number-wrong">A probability lies above 0 % and below 100 %.' in html
    assert 'id="id_money_high-wrong">The upper end must lie above the lower end.' in html
    assert re.search(r'name="likelihood_by" id="\w+" value="number" checked', html)
    assert re.search(r'name="money_by" id="\w+" value="range" checked', html)


def initial(client: Client, risk: Risk) -> dict[str, Any]:
    return client.get(reverse("assessments:assess", args=[risk.pk])).context["form"].initial


def test_a_new_assessment_begins_as_the_last_was_given(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    assert initial(client, risk) == {"basis": "expert"}
    assess(risk, 2, 4, reputation=3)
    levels = {"likelihood": 2, "financial": 4, "reputation": 3, "basis": "expert"}
    assert initial(client, risk) == levels
    post(client, risk, **LIKELIHOOD_RANGE, **MONEY_RANGE)
    assert initial(client, risk) == {
        "basis": "expert", "likelihood": 3, "financial": 3,
        "likelihood_by": "range", "likelihood_low": "5", "likelihood_high": "20",
        "money_by": "range", "money_low": "50,000", "money_high": "400,000",
    }  # fmt: skip
    post(client, risk, likelihood_by="number", likelihood_number="7.5", money_by="number", money_number="1234.5")
    assert initial(client, risk) == {
        "basis": "expert", "likelihood": 2, "financial": 1,
        "likelihood_by": "number", "likelihood_number": "7.5", "money_by": "number", "money_number": "1,234.50",
    }  # fmt: skip


def test_what_was_pooled_begins_as_the_number_it_counts_as(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk, now = make_risk(), timezone.now()
    several = Number(0.12, 0.01, 0.4, pooled=True)
    judgement = Judgement(risk.pk, several, {}, "expert", "", now.date(), money=Number(9e4, 1e4, 5e5, pooled=True))
    assess_risk(risk=risk, by=cast.max, judgement=judgement, at=now)
    found = initial(sign_in(cast.max), risk)
    assert (found["likelihood_by"], found["likelihood_number"]) == ("number", "12")
    assert (found["money_by"], found["money_number"]) == ("number", "90,000")


def test_money_of_a_dimension_that_is_no_longer_the_primary_one_is_not_offered(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    post(client, risk, money_by="number", money_number="60k")
    old = Method.objects.get(state="active")
    turned = {**old.definition, "dimensions": old.definition["dimensions"][::-1]}
    Method.objects.filter(pk=old.pk).update(state="retired")
    Method.objects.create(version=2, state="active", definition=turned)
    assert initial(client, risk) == {"likelihood": 3, "financial": 3, "basis": "expert"}


@pytest.mark.parametrize("number", [0.15, 0.005, 0.075, 0.999, 0.3, 0.07])
def test_what_is_offered_again_is_what_was_meant(number: float) -> None:
    assert form(likelihood_by="number", likelihood_number=share_text(number)).data["likelihood_number"]
    assert given(likelihood_by="number", likelihood_number=share_text(number))[0].value == pytest.approx(number)
    amount = number * 1e6
    assert given(money_by="number", money_number=money_text(amount))[1].value == pytest.approx(amount)


# --- the live preview ------------------------------------------------------------------------------------


def previewed(client: Client, risk: Risk, **data: str) -> str:
    response = post(client, risk, "assessments:preview", **data)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def test_the_preview_says_what_a_range_counts_as(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    html = previewed(client, risk, **LIKELIHOOD_RANGE, **MONEY_RANGE)
    assert "Likelihood: 5 – 20 %, counts as 11.1 %" in html
    assert "Financial: USD 50k – USD 400k, counts as USD 173k" in html
    assert "more than a thousandfold" not in html
    post(client, risk, **LIKELIHOOD_RANGE, **MONEY_RANGE)
    entry = Risk.objects.get(pk=risk.pk).scores.get()
    assert f"<strong>{entry.score:.0f}</strong>" in html


def test_the_preview_takes_numbers_and_levels_side_by_side(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk = make_risk(horizon_months=12)
    html = previewed(sign_in(cast.max), risk, likelihood_by="number", likelihood_number="20", financial="4")
    assert "Likelihood: 20 %" in html
    assert "<dd>USD 500k</dd>" in html
    assert '<dd class="fw-bold">USD 100k</dd>' in html


@pytest.mark.parametrize(
    ("data", "warned"),
    [
        ({"money_by": "range", "money_low": "1k", "money_high": "1m"}, False),
        ({"money_by": "range", "money_low": "1k", "money_high": "1.001m"}, True),
        ({"likelihood_by": "range", "likelihood_low": "0.01", "likelihood_high": "50"}, True),
    ],
)
def test_a_very_wide_range_is_warned_about_and_taken(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn, data: dict[str, str], warned: bool
) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    assert ("more than a thousandfold" in previewed(client, risk, **data)) is warned
    assert post(client, risk, **data).status_code == 302


def test_the_preview_says_what_is_wrong_but_not_what_is_only_missing(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    missing = previewed(client, risk, likelihood_by="range", likelihood_low="5")
    assert "Choose a likelihood and an impact" in missing
    assert "required" not in missing
    wrong = previewed(client, risk, likelihood_by="range", likelihood_low="5", likelihood_high="3")
    assert '<p class="text-danger small mt-2 mb-0">The upper end must lie above the lower end.</p>' in wrong
    assert "band-" not in wrong


# --- how it was given, afterwards ------------------------------------------------------------------------


def test_the_panel_says_how_it_was_given(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    post(client, risk, **LIKELIHOOD_RANGE, **MONEY_RANGE)
    post(client, risk, likelihood_by="number", likelihood_number="15")
    html = " ".join(client.get(reverse("assessments:panel", args=[risk.pk])).content.decode().split())
    assert "<strong>Possible</strong> (5 – 20 %, counts as 11.1 %) · Financial: Moderate" in html
    assert "Moderate (USD 50k – USD 400k, counts as USD 173k)" in html
    assert "<strong>Possible</strong> (15 %) · Financial: Major <span" in html


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.05, "5 %"), (0.1061, "10.6 %"), (0.9995, "99.95 %"), (0.3, "30 %"), (0.00012, "0.012 %"), (0.29, "29 %")],
)
def test_a_probability_is_said_with_the_digits_that_tell(probability: float, words: str) -> None:
    assert chance(probability) == words


def test_what_was_given_is_said_with_what_it_counts_as() -> None:
    assert share_given(Number(0.15)) == "15 %"
    assert share_given(Number(0.1, 0.05, 0.2)) == "5 – 20 %, counts as 10 %"
    assert money_given(Number(1.2e6)) == "USD 1.2M"
    assert money_given(Number(9e4, 1e4, 5e5, pooled=True)) == (
        "several opinions: USD 10k – USD 500k, counts as USD 90k"
    )


def test_the_level_shown_is_the_one_that_holds_the_number(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk, spec = make_risk(), active_method().spec
    judgement = Judgement(risk.pk, Number(0.3), {}, "expert", "", dt.date(2026, 3, 2), money=Number(9e9))
    made = assess_risk(risk=risk, by=cast.max, judgement=judgement, at=timezone.now())
    assert made.likelihood_level == scoring.level_of(spec.likelihood, 0.3) == 4
    assert (made.impact_levels, made.impact) == ({"financial": 5}, 9e9)
