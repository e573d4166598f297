"""Every rule has its words, and whatever it finds becomes sentences a person reads. Nothing here needs the database,
and pytest-django sees to it that nothing asks it."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from functools import cache
from typing import Any

import numpy as np
import pytest
from django.utils import translation

from crm.models import Customer, Deal
from riskreg.accounts.models import Team
from risks import rule_words
from risks.models import Risk, Suggestion
from risks.rule_words import figures
from risks.rules.facts import Facts, Targets
from risks.rules.rule import RULES
from tests.risks.rules.test_catalogue import EVERY_RULE, random_facts, random_table

pytestmark = pytest.mark.once

EVERY_LANGUAGE = pytest.mark.parametrize("language", ["en", "zh-hans"])
LEFT_OVER = re.compile(r"None|\bnan\b|%\(|\binf\b|False|True|  |\{|\}")
DAY = (dt.date(2024, 10, 4) - dt.date(1970, 1, 1)).days


@pytest.fixture
def dollars(settings: Any) -> None:
    settings.CURRENCY = "USD"


def suggested(code: str, **given: Any) -> Suggestion:
    """As the detector makes it, but never saved."""
    rule = RULES[code]
    values = {"rule": code, "subject": rule.subject, "key": "7", "name": "Nimbus", "likelihood": 3, "ratio": 1.5}
    details = given.pop("details", {})
    return Suggestion(**{**values, "details": details, **given})


def as_kept(details: dict[str, Any]) -> dict[str, Any]:
    """As they come back from the database: JSON, and nothing for what is no number."""
    known = {name: None if isinstance(v, float) and not math.isfinite(v) else v for name, v in details.items()}
    return json.loads(json.dumps(known))


@cache
def register(seed: int) -> Facts:
    """Small, but for the targets, of which few run at a time."""
    targets = random_table(Targets, 200, np.random.default_rng(seed), {})
    return replace(random_facts(seed, share=0.02), targets=targets)


@cache
def found(code: str) -> tuple[Suggestion, ...]:
    """What a rule finds in registers full of gaps, set loosely and tightly, so that every way of firing is there."""
    rule = RULES[code]
    given = [register(seed) for seed in (1, 2)]
    tight = {parameter.name: parameter.low for parameter in rule.parameters}
    loose = {parameter.name: parameter.high for parameter in rule.parameters}
    made = []
    for seen in given:
        for settings in ({}, tight, loose):
            findings = rule.find(seen, rule.settings(settings))
            for row in range(min(len(findings), 100)):
                money = findings.money[row]
                details = as_kept({name: values.item(row) for name, values in findings.details.items()})
                made.append(
                    suggested(
                        code,
                        key=str(findings.keys[row]),
                        money=None if np.isnan(money) else Decimal(str(round(float(money), 2))),
                        details=details,
                    )
                )
    return tuple(made)


def texts_of(suggestion: Suggestion) -> Iterator[str]:
    yield rule_words.title(suggestion)
    yield rule_words.subject(suggestion)
    yield from rule_words.says(suggestion)


@EVERY_RULE
def test_a_rule_has_a_name_and_an_explanation(code: str) -> None:
    assert 3 < len(str(rule_words.NAMES[code])) <= 40
    assert str(rule_words.EXPLANATIONS[code]).endswith(".")


def test_rules_differ_in_name() -> None:
    assert len({str(name) for name in rule_words.NAMES.values()}) == len(RULES)


def test_every_parameter_is_labelled_and_nothing_else() -> None:
    there = {(code, parameter.name) for code, rule in RULES.items() for parameter in rule.parameters}
    assert set(rule_words.PARAMETERS) == there


@EVERY_RULE
def test_two_parameters_of_a_rule_are_not_called_the_same(code: str) -> None:
    labels = [str(label) for (of, _), label in rule_words.PARAMETERS.items() if of == code]
    assert len(set(labels)) == len(labels) == len(RULES[code].parameters)


@EVERY_RULE
def test_a_rule_proposes_measures_of_both_kinds(code: str) -> None:
    preventive, contingency = rule_words.MEASURES[code]
    titles = [str(title) for title in (*preventive, *contingency)]
    assert preventive
    assert contingency
    assert all(0 < len(title) <= 60 and not title.endswith(".") for title in titles)
    assert len(set(titles)) == len(titles)


def test_the_catalogues_of_words_hold_the_same_rules() -> None:
    for words in (rule_words.NAMES, rule_words.EXPLANATIONS, rule_words.MEASURES):
        assert set(words) == set(RULES)


@EVERY_LANGUAGE
@EVERY_RULE
def test_whatever_a_rule_finds_is_told_in_full(code: str, language: str) -> None:
    assert found(code), "the random register is too small for this rule"
    with translation.override(language):
        for suggestion in found(code):
            texts = list(texts_of(suggestion))
            assert len(rule_words.says(suggestion)) in (1, 2)
            assert all(text.strip() and not LEFT_OVER.search(text) for text in texts), texts


@EVERY_RULE
def test_what_fired_is_told_with_its_figures(code: str) -> None:
    """The words for the settings page stand in where nothing was kept, and only there."""
    in_place = str(rule_words.EXPLANATIONS[code])
    told = sum(rule_words.says(suggestion) != [in_place] for suggestion in found(code))
    assert told >= 0.9 * len(found(code))


class Asked(dict[str, Any]):
    """Details that remember what was asked of them."""

    def __init__(self, details: dict[str, Any]) -> None:
        super().__init__(details)
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        self.names.add(name)
        return super().get(name, default)


@EVERY_RULE
def test_only_figures_that_the_rule_keeps_are_asked_for(code: str) -> None:
    for whole in found(code):
        details = Asked(whole.details)
        list(texts_of(suggested(code, key=whole.key, details=details)))
        assert details.names <= set(details)


@EVERY_LANGUAGE
@EVERY_RULE
@pytest.mark.parametrize("details", [None, {}, [], {"days": "soon", "day": 1e300, "share": None, "of": 3}])
def test_details_that_are_not_there_leave_whole_sentences(code: str, language: str, details: Any) -> None:
    suggestion = suggested(code, details=details)
    with translation.override(language):
        texts = [*texts_of(suggestion), *rule_words.risk_fields(suggestion).values()]
    assert not any(LEFT_OVER.search(text) for text in texts), texts
    assert all(texts[:3])


@EVERY_LANGUAGE
@EVERY_RULE
def test_any_single_detail_may_be_missing(code: str, language: str) -> None:
    whole = found(code)[0]
    with translation.override(language):
        for name in whole.details:
            part = suggested(code, key=whole.key, money=whole.money, details={**whole.details, name: None})
            assert all(text and not LEFT_OVER.search(text) for text in texts_of(part)), (name, list(texts_of(part)))


@EVERY_RULE
def test_a_title_fits_a_risk_however_long_the_names(code: str) -> None:
    whole = found(code)[0]
    details = {**whole.details, "competitor": "C" * 300} if "competitor" in whole.details else whole.details
    suggestion = suggested(code, key=whole.key, name="N" * 300, details=details)
    longest = Risk._meta.get_field("title").max_length
    assert longest is not None
    assert len(rule_words.title(suggestion)) <= longest


@EVERY_RULE
def test_an_accepted_risk_starts_with_what_fired_and_what_may_come_of_it(code: str) -> None:
    suggestion = found(code)[0]
    fields = rule_words.risk_fields(suggestion)
    assert set(fields) == {"cause", "event", "consequence"}
    assert fields["cause"] == " ".join(rule_words.says(suggestion))
    assert fields["event"].endswith(".")
    says_money = (suggestion.money or 0) > 0 or RULES[code].basis == "fixed"
    assert bool(fields["consequence"]) == says_money


@pytest.mark.usefixtures("dollars")
@pytest.mark.parametrize(
    ("code", "details", "told"),
    [
        ("P3", {"days": 97.0, "close_date": DAY - 97.0}, ["It should have closed on 29 Jun 2024, 97 days ago."]),
        ("P3", {"days": 1.0, "close_date": DAY - 1.0}, ["It should have closed on 3 Oct 2024, 1 day ago."]),
        (
            "P2",
            {"days": 21.0, "limit": 4.5, "median": 3.0, "won_deals": 12.0},
            [
                "It has been in its stage for 21 days; the limit is 4.5 days.",
                "Half of the won deals left it within 3 days (12 deals).",
            ],
        ),
        (
            "C5",
            {"overdue": 12_345.0, "share": 0.256, "days": 40.0, "bills": 2.0},
            [
                "USD 12.3k is overdue, 26 % of what the customer owes.",
                "The oldest bill has been overdue for 40 days; overdue bills: 2.",
            ],
        ),
        (
            "P4",
            {"pushes": 1.0, "days": 1200.0, "since": DAY - 1000.0, "close_date": float(DAY)},
            ["Its close date was moved later once since 8 Jan 2022, by 1,200 days.", "It is now 4 Oct 2024."],
        ),
        (
            "P9",
            {"changes": 1.0, "held": 44.0, "usual": 9.5, "overload": True, "inactive": False},
            ["Its owner holds 44 open deals; usual in the team are 9.5."],
        ),
        (
            "P5",
            {"contacts": 1.0, "amount": 95_000.0, "limit": 50_000.0},
            ["Buyer contacts on a deal of USD 95k: 1.", "A deal above USD 50k counts as big."],
        ),
        (
            "P8",
            {"remaining": 1e6, "open": 0.0, "cover": 0.0, "ends": float(DAY), "unpriced": 2.0},
            [
                "USD 1M is still to be sold by 4 Oct 2024; open deals come to USD 0, 0 % of it.",
                "Open deals without an amount: 2.",
            ],
        ),
        ("K2", {"objection": True, "below": None, "competitor": "Vex"}, ["The customer objects to our price."]),
        (
            "K2",
            {"objection": False, "below": 0.1, "competitor": "Vex", "price": 90.0, "our_price": 100.0},
            ["Vex asks USD 90, 10 % less than our USD 100."],
        ),
        (
            "C4",
            {"recent": 3.0, "usual": None, "top_open_days": None},
            ["Tickets in the last 30 days: 3."],
        ),
    ],
)
def test_figures_are_told_as_people_write_them(code: str, details: dict[str, Any], told: list[str]) -> None:
    with translation.override("en"):
        assert rule_words.says(suggested(code, details=details)) == told


@pytest.mark.usefixtures("dollars")
def test_figures_follow_the_language() -> None:
    said = figures.Figures(suggested("C5", details={"day": float(DAY), "overdue": 1_240_000.0}))
    with translation.override("en"):
        assert (said.day("day"), said.money("overdue")) == ("4 Oct 2024", "USD 1.24M")
    with translation.override("zh-hans"):
        assert (said.day("day"), said.money("overdue")) == ("2024-10-04", "USD 124万")


@pytest.mark.parametrize(
    ("code", "key", "title", "heading"),
    [
        ("M1", "industry:Retail", "Win rate in industry “Retail” is falling", "Industry “Retail”"),
        ("M1", "region:North: coast", "Win rate in region “North: coast” is falling", "Region “North: coast”"),
        ("M1", "everything", "Win rate is falling", "All sales"),
        ("M2", "everything", "New demand is shrinking", "All sales"),
        ("M3", "product:GTX", "Discounts on product “GTX” are rising", "Product “GTX”"),
        ("M4", "currency:CNY", "Exposure to currency CNY", "Currency CNY"),
    ],
)
def test_subjects_without_a_record_are_said_in_words(code: str, key: str, title: str, heading: str) -> None:
    suggestion = suggested(code, key=key, name=key)
    assert (rule_words.title(suggestion), rule_words.subject(suggestion)) == (title, heading)


@pytest.mark.parametrize(
    ("details", "title"),
    [
        ({"competitor": "Vex", "competitors": 1.0}, "Vex competes for Nimbus"),
        ({"competitor": "Vex", "competitors": 2.0}, "Competitors on Nimbus"),
        ({"competitor": "", "competitors": 1.0}, "Competitor on Nimbus"),
    ],
)
def test_a_competitor_is_named_where_there_is_one(details: dict[str, Any], title: str) -> None:
    assert rule_words.title(suggested("K1", details=details)) == title


@pytest.mark.parametrize(("contacts", "title"), [(0, "No contact"), (1, "Only one contact"), (2, "Few contacts")])
def test_a_title_does_not_miscount_contacts(contacts: int, title: str) -> None:
    assert rule_words.title(suggested("P5", details={"contacts": float(contacts)})) == f"{title} on Nimbus"


def test_a_percent_sign_in_a_name_is_only_a_sign() -> None:
    assert rule_words.title(suggested("P3", name="100 %(off)s")) == "100 %(off)s is overdue"


def test_a_team_is_named_where_it_was_loaded() -> None:
    loaded = suggested("P8", key="7", name="7", team=Team(pk=7, name="North"))
    assert rule_words.title(loaded) == "The pipeline of North does not cover the target"
    assert rule_words.subject(loaded) == "North"


def test_a_team_that_was_not_loaded_is_not_asked_for() -> None:
    unloaded = suggested("P8", key="7", name="7", team_id=7)
    assert rule_words.title(unloaded) == "The pipeline does not cover the target"


def test_the_target_of_everybody_is_no_teams() -> None:
    everybody = suggested("P8", key="0", name="0", team=Team(pk=1, name="Company"))
    assert rule_words.title(everybody) == "The pipeline does not cover the target"
    assert rule_words.subject(everybody) == "All teams"


def numbered(**deal: Any) -> Deal:
    return Deal(pk=3, external_id="OPP-1", name="OPP-1", **deal)


@pytest.mark.parametrize(
    ("deal", "title"),
    [
        (numbered(customer=Customer(name="Isdom"), product="GTX"), "GTX for Isdom is overdue"),
        (numbered(customer=Customer(name="Isdom")), "Isdom (OPP-1) is overdue"),
        (numbered(product="GTX"), "OPP-1 is overdue"),
        (numbered(customer_id=5, product="GTX"), "OPP-1 is overdue"),
    ],
)
def test_a_deal_with_a_number_for_a_name_is_called_by_what_is_sold_to_whom(deal: Deal, title: str) -> None:
    assert rule_words.title(suggested("P3", name="OPP-1", deal=deal)) == title


def test_the_suggestions_own_customer_does_as_well() -> None:
    suggestion = suggested("P3", name="OPP-1", deal=numbered(product="GTX"), customer=Customer(name="Isdom"))
    assert rule_words.title(suggestion) == "GTX for Isdom is overdue"


def test_a_deal_with_a_name_keeps_it() -> None:
    deal = Deal(external_id="OPP-1", name="Nimbus", customer=Customer(name="Isdom"), product="GTX")
    assert rule_words.title(suggested("P3", deal=deal)) == "Nimbus is overdue"


def test_columns_that_were_left_out_are_not_asked_for() -> None:
    deal = Deal.from_db("default", ["id", "name"], [3, "OPP-1"])
    assert "stage" in deal.get_deferred_fields()
    assert rule_words.title(suggested("P2", name="OPP-1", deal=deal)) == "OPP-1 is stuck in its stage"


def test_a_stage_is_named_where_the_deal_was_loaded() -> None:
    suggestion = suggested("P2", deal=Deal(name="Nimbus", stage="Offer"))
    assert rule_words.title(suggestion) == "Nimbus is stuck in stage “Offer”"


@pytest.mark.usefixtures("dollars")
def test_the_consequence_says_what_the_money_is() -> None:
    def consequence(code: str, money: str | None) -> str:
        made = suggested(code, money=None if money is None else Decimal(money))
        return rule_words.risk_fields(made)["consequence"]

    assert consequence("P3", "350000") == "Sales of USD 350k may be lost."
    assert consequence("C5", "350000") == "USD 350k may not be paid."
    assert consequence("L4", "350000") == "Deals of USD 350k may be misstated."
    assert consequence("P3", None) == ""
    assert consequence("P3", "0") == ""
