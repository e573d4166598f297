"""The catalogue as a whole: it is complete, it makes sense, and it stands a big register full of gaps."""

from __future__ import annotations

import warnings
from dataclasses import fields
from itertools import chain
from typing import Any

import numpy as np
import pytest

from crm.kinds import KINDS
from risks.rules.facts import (
    Activities,
    Competitors,
    Contacts,
    Contracts,
    Customers,
    Deals,
    Facts,
    Leads,
    Moves,
    Orders,
    People,
    PrivacyRequests,
    Quotes,
    Rates,
    Receivables,
    Scores,
    Snapshots,
    Table,
    Targets,
    Tickets,
)
from risks.rules.rule import RULES, Rule, impact, likelihood
from tests.risks.rules.making import ALL_KNOWN, TODAY, facts

CODES = [f"{letter}{number}" for letter, many in (("M", 4), ("C", 8), ("K", 4), ("P", 10), ("L", 4))
         for number in range(1, many + 1)]  # fmt: skip
CATEGORIES = {"M": "market", "C": "customer", "K": "competitor", "P": "process", "L": "compliance"}
BASES = {"open", "weighted", "trailing", "outstanding", "fixed"}
SUBJECTS_WITH_KEYS = {"deal", "customer", "competitor", "person", "order", "team"}
EVERY_RULE = pytest.mark.parametrize("code", CODES)


def test_importing_the_package_brings_all_thirty_rules() -> None:
    assert sorted(RULES) == sorted(CODES)
    assert len(CODES) == 30


@EVERY_RULE
def test_a_rule_is_what_the_catalogue_knows(code: str) -> None:
    rule = RULES[code]
    assert rule.code == code
    assert rule.category == CATEGORIES[code[0]]
    assert rule.basis in BASES
    assert 1 <= rule.likelihood <= 5
    assert rule.basis != "fixed" or rule.fixed_impact in range(1, 6)
    assert rule.find.__doc__


@EVERY_RULE
def test_what_a_rule_needs_is_something_a_crm_can_say(code: str) -> None:
    assert RULES[code].needs
    for need in chain(RULES[code].needs, *RULES[code].or_needs):
        kind, _, name = need.partition(".")
        KINDS[kind].field(name)


@EVERY_RULE
def test_a_default_is_something_an_administrator_may_set(code: str) -> None:
    parameters = RULES[code].parameters
    assert len({parameter.name for parameter in parameters}) == len(parameters)
    for parameter in parameters:
        assert parameter.low <= parameter.default <= parameter.high
        assert parameter.unit in {"", "days", "share", "times", "count"}
        assert parameter.unit != "share" or parameter.high <= 1


def random_table(kind: type[Table], rows: int, random: np.random.Generator, sizes: dict[str, int]) -> Table:
    """Days about this year, amounts of any size, references to what there is, and every tenth value unknown."""

    def column(name: str, of: str) -> Any:
        if of == "Ids":
            return random.integers(0, 40, rows) if name == "team" else np.arange(1, rows + 1)
        if of == "Rows":
            return random.integers(-1, sizes[name], rows)
        if of == "Truths":
            return random.random(rows) < 0.5
        if of == "States":
            return random.integers(0, 3, rows)
        if of == "Texts":
            return random.choice(np.array(["", *WORDS.get(name, ("A", "B", "C", "D"))], dtype=object), rows)
        if of == "Days":
            values = TODAY + np.floor(random.normal(-90, 150, rows))
        elif name in ("place", "probability", "discount", "filled"):
            values = np.round(random.random(rows), 2)
        elif name in ("contacts", "value", "scale"):
            values = random.integers(0, 11, rows).astype(float)
        else:
            values = random.choice([-5.0, 0.0, 1.0, 1e3, 1e12], rows) * np.round(random.random(rows), 3)
        return np.where(random.random(rows) < 0.1, np.nan, values)

    columns = {each.name: column(each.name, str(each.type)) for each in fields(kind)}
    if kind in (Snapshots, Rates):  # oldest first
        columns["day"] = np.sort(columns["day"])
    return kind.of(rows, **columns)


WORDS = {
    "tier": ("key", "mid", "small"),
    "currency": ("EUR", "USD", "CNY"),
    "move": ("product", "price", "promotion", "quote", "win", "other"),
    "stage": ("Start", "Offer", "Contract", "Won"),
    "region": ("North", "South", "East", "West"),
}
TABLES: dict[str, tuple[type[Table], int]] = {
    "people": (People, 300),
    "customers": (Customers, 20_000),
    "contacts": (Contacts, 50_000),
    "deals": (Deals, 100_000),
    "snapshots": (Snapshots, 400_000),
    "activities": (Activities, 300_000),
    "scores": (Scores, 20_000),
    "competitors": (Competitors, 50),
    "moves": (Moves, 20_000),
    "receivables": (Receivables, 50_000),
    "orders": (Orders, 50_000),
    "contracts": (Contracts, 20_000),
    "tickets": (Tickets, 50_000),
    "quotes": (Quotes, 100_000),
    "leads": (Leads, 20_000),
    "privacy_requests": (PrivacyRequests, 2_000),
    "targets": (Targets, 200),
    "rates": (Rates, 2_000),
}


def random_facts(seed: int, share: float = 1.0) -> Facts:
    """``share`` of the rows of a register of 100 000 deals."""
    random = np.random.default_rng(seed)
    rows = {name: int(many * share) for name, (_, many) in TABLES.items()}
    sizes = {
        "customer": rows["customers"],
        "parent": rows["customers"],
        "deal": rows["deals"],
        "owner": rows["people"],
        "by": rows["people"],
        "contact": rows["contacts"],
        "competitor": rows["competitors"],
    }
    return facts(**{name: random_table(kind, rows[name], random, sizes) for name, (kind, _) in TABLES.items()})


@pytest.fixture(scope="module")
def register() -> Facts:
    return random_facts(seed=5)


def assert_sound(rule: Rule, given: Facts) -> int:
    """A rule finds without a warning what can be kept and shown; gives how many."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        findings = rule.find(given, rule.settings())
        levels = likelihood(rule, findings)
        impacts = impact(findings.money, 1e6)
    many = len(findings)
    for column in (findings.ratio, findings.money, findings.level, *findings.details.values()):
        assert isinstance(column, np.ndarray)
        assert column.shape == (many,)
    for column in (findings.ratio, findings.money, findings.level):
        assert not np.isinf(column).any()
    assert np.isfinite(findings.ratio).all()
    assert (findings.ratio >= 1).all()
    assert len(set(findings.keys.tolist())) == many
    if rule.subject in SUBJECTS_WITH_KEYS:
        assert findings.keys.dtype == np.int64
        assert findings.keys.tolist() == sorted(findings.keys.tolist())
    else:
        assert all(isinstance(key, str) and key for key in findings.keys.tolist())
    assert set(levels.tolist()) <= {1, 2, 3, 4, 5}
    assert set(impacts.tolist()) <= {0, 1, 2, 3, 4, 5}
    return many


@EVERY_RULE
def test_a_rule_stands_a_hundred_thousand_deals_full_of_gaps(code: str, register: Facts) -> None:
    assert_sound(RULES[code], register)


@EVERY_RULE
def test_a_rule_finds_nothing_where_there_is_nothing(code: str) -> None:
    assert assert_sound(RULES[code], Facts(today=TODAY, known=ALL_KNOWN)) == 0


@EVERY_RULE
def test_a_rule_finds_nothing_where_everything_is_unknown(code: str) -> None:
    tables = {name: kind.of(5) for name, (kind, _) in TABLES.items()}
    assert assert_sound(RULES[code], facts(**tables)) == 0


@EVERY_RULE
def test_what_a_rule_needs_is_enough_for_it_to_run(code: str) -> None:
    given = random_facts(seed=6, share=0.01)
    for needs in (RULES[code].needs, *RULES[code].or_needs):
        narrow = Facts(**{**vars(given), "known": frozenset(needs)})
        assert RULES[code].missing(narrow) == ()
        assert_sound(RULES[code], narrow)


@pytest.mark.parametrize("seed", range(10))
def test_a_small_register_stands_every_rule(seed: int) -> None:
    given = random_facts(seed, share=0.0005)
    for rule in RULES.values():
        assert_sound(rule, given)


def test_rules_leave_the_facts_as_they_are() -> None:
    given, before = random_facts(seed=7, share=0.01), random_facts(seed=7, share=0.01)
    for rule in RULES.values():
        rule.find(given, rule.settings())
    for name in TABLES:
        for each in fields(getattr(given, name)):
            np.testing.assert_array_equal(
                getattr(getattr(given, name), each.name), getattr(getattr(before, name), each.name)
            )
