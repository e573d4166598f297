"""Rules about the market: win rates, demand, discounts, currencies and regions. Plain.

What they look at are groups, not single deals: an industry, a region, a product, a currency. Their keys say which
("industry:Retail"), because two kinds of group may share a name; details give the two apart as ``of`` and ``name``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from risks.rules.arrays import (
    YEAR,
    ages,
    between,
    codes,
    counts,
    fall,
    findings,
    joined,
    latest,
    medians,
    outstanding,
    share,
    sums,
    taken,
    times,
    weighted,
)
from risks.rules.facts import OPEN, WON, Days, Facts, Numbers, Rows, Texts
from risks.rules.rule import Findings, Parameter, Settings, rule

EVERYTHING = "everything"


def _texts(*values: str) -> Texts:
    made = np.empty(len(values), dtype=object)
    made[:] = values
    return made


def _keys(of: str, names: Texts) -> Texts:
    return _texts(*(f"{of}:{name}" if of else name for name in names))


def _groups(of: str, names: Texts) -> dict[str, Any]:
    return {"of": _texts(*([of] * len(names))), "name": names}


def _all_one(size: int) -> tuple[Rows, Texts]:
    return np.zeros(size, dtype=np.int64), _texts(EVERYTHING)


# M1


def _segments(facts: Facts) -> Iterator[tuple[str, Rows, Texts]]:
    """By industry and by region: of which each deal is, and their names. All are one where nobody says either."""
    found = False
    for of, texts in (("industry", facts.customers.industry), ("region", facts.customers.region)):
        if {f"customer.{of}", "deal.customer"} <= facts.known:
            found = True
            number, names = codes(texts)
            yield of, taken(number, facts.deals.customer, -1), names
    if not found:
        yield "", *_all_one(len(facts.deals))


@rule(
    "M1",
    category="market",
    subject="segment",
    needs=("deal.state", "deal.closed_on"),
    likelihood=3,
    basis="open",
    parameters=(
        Parameter("recent_days", 90, 7, 730, "days"),
        Parameter("earlier_days", 180, 7, 1460, "days"),
        Parameter("fall", 0.30, 0.01, 1, "share"),
        Parameter("least_recent", 10, 1, 1000, "count"),
        Parameter("least_earlier", 20, 1, 1000, "count"),
    ),
)
def win_rate_falling(facts: Facts, settings: Settings) -> Findings:
    """Won of closed, lately against before, in each industry and each region; in all where neither is mapped."""
    deals = facts.deals
    age = ages(facts.today, deals.closed)
    start, won = settings["recent_days"], deals.state == WON
    lately = (deals.state != OPEN) & between(age, 0, start)
    before = (deals.state != OPEN) & between(age, start, start + settings["earlier_days"])

    def look(of: str, number: Rows, names: Texts) -> Findings:
        size = len(names)
        closed, earlier = counts(number, size, lately), counts(number, size, before)
        rate, was = (
            share(counts(number, size, lately & won), closed),
            share(counts(number, size, before & won), earlier),
        )
        fell = fall(rate, was)
        ratio = times(fell, settings["fall"])
        enough = (closed >= settings["least_recent"]) & (earlier >= settings["least_earlier"])
        return findings(
            enough & (ratio >= 1),
            _keys(of, names),
            ratio,
            sums(number, deals.amount, size, deals.state == OPEN) * fell,
            **_groups(of, names),
            rate=rate,
            earlier_rate=was,
            fall=fell,
            closed=closed,
            earlier_closed=earlier,
        )

    return joined(*(look(*segment) for segment in _segments(facts)))


# M2


@rule(
    "M2",
    category="market",
    subject=EVERYTHING,
    needs=("deal.created_at",),
    likelihood=3,
    basis="open",
    parameters=(
        Parameter("period_days", 30, 7, 365, "days"),
        Parameter("periods", 3, 1, 12, "count"),
        Parameter("fall", 0.30, 0.01, 1, "share"),
        Parameter("least_usual", 20, 1, 10000, "count"),
    ),
)
def demand_drying_up(facts: Facts, settings: Settings) -> Findings:
    """New deals, and leads where they are known, of one period against the mean of those before it.

    Details name the source that lacks most. The money is of deals alone; a lead has no amount yet.
    """
    deals, leads = facts.deals, facts.leads
    days, source = deals.created, deals.source
    if "lead.created_at" in facts.known:
        days, source = np.concatenate([days, leads.created]), np.concatenate([source, leads.source])
    period, periods = settings["period_days"], settings["periods"]

    def new(number: Rows, size: int) -> tuple[Numbers, Numbers]:
        age = ages(facts.today, days)
        before = between(age, period, period * (1 + periods))
        return counts(number, size, between(age, 0, period)), counts(number, size, before) / periods

    everything, keys = _all_one(len(days))
    recent, usual = new(everything, 1)
    fell = fall(recent, usual)
    ratio = times(fell, settings["fall"])
    before = between(ages(facts.today, deals.created), period, period * (1 + periods))
    usual_amount = sums(everything[: len(deals)], deals.amount, 1, before) / periods

    number, names = codes(source)
    by_source = [_texts(""), np.full(1, np.nan), np.full(1, np.nan)]
    if len(names):
        of_recent, of_usual = new(number, len(names))
        worst = np.argmax(of_usual - of_recent, keepdims=True)
        by_source = [names[worst], of_recent[worst], of_usual[worst]]
    return findings(
        (ratio >= 1) & (usual >= settings["least_usual"]),
        keys,
        ratio,
        usual_amount * fell,
        recent=recent,
        usual=usual,
        fall=fell,
        source=by_source[0],
        source_recent=by_source[1],
        source_usual=by_source[2],
    )


# M3


def _discounts(facts: Facts) -> tuple[Days, Numbers, Texts]:
    """When each discount was given, how much, and on which product: one a deal, and one for each quote without a deal.

    A won deal counts with its own discount on the day it was won, any other with that of its latest quote.
    """
    deals, quotes = facts.deals, facts.quotes
    own = (deals.state == WON) & ~np.isnan(deals.discount) & ~np.isnan(deals.closed)
    if not {"deal.discount", "deal.state", "deal.closed_on"} <= facts.known:
        own[:] = False
    there = ~np.isnan(quotes.discount) & (ages(facts.today, quotes.day) >= 0)
    quote = latest(quotes.deal, quotes.day, len(deals), there)
    quote[own] = -1
    quoted = quote >= 0
    alone = np.flatnonzero(there & (quotes.deal < 0))
    product = np.where(deals.product == "", taken(quotes.product, quote, ""), deals.product)
    return (
        np.concatenate([deals.closed[own], quotes.day[quote[quoted]], quotes.day[alone]]),
        np.concatenate([deals.discount[own], quotes.discount[quote[quoted]], quotes.discount[alone]]),
        np.concatenate([product[own], product[quoted], quotes.product[alone]]),
    )


@rule(
    "M3",
    category="market",
    subject="product",
    needs=("deal.discount", "deal.state", "deal.closed_on"),
    or_needs=[("quote.discount", "quote.on")],
    likelihood=3,
    basis="trailing",
    parameters=(
        Parameter("recent_days", 90, 7, 730, "days"),
        Parameter("earlier_days", 180, 7, 1460, "days"),
        Parameter("rise", 0.05, 0.005, 1, "share"),
        Parameter("least", 15, 1, 1000, "count"),
    ),
)
def price_erosion(facts: Facts, settings: Settings) -> Findings:
    """The median discount lately against before, on each product; on all where no product is mapped.

    The revenue of a line is what was won of it in twelve months: orders do not say of what.
    """
    deals = facts.deals
    days, discount, product = _discounts(facts)
    if {"deal.product", "quote.product"} & facts.known:
        of = "product"
        number, names = codes(np.concatenate([product, deals.product]))
    else:
        of = ""
        number, names = _all_one(len(days) + len(deals))
    number, line, size = number[: len(days)], number[len(days) :], len(names)
    age, start = ages(facts.today, days), settings["recent_days"]
    lately, before = between(age, 0, start), between(age, start, start + settings["earlier_days"])
    many, earlier = counts(number, size, lately), counts(number, size, before)
    median, was = medians(number, discount, size, lately), medians(number, discount, size, before)
    rise = median - was
    ratio = times(rise, settings["rise"])
    won = (deals.state == WON) & between(ages(facts.today, deals.closed), 0, YEAR)
    return findings(
        (many >= settings["least"]) & (earlier >= settings["least"]) & (ratio >= 1),
        _keys(of, names),
        ratio,
        sums(line, deals.amount, size, won) * rise,
        **_groups(of, names),
        discount=median,
        earlier_discount=was,
        rise=rise,
        deals=many,
        earlier_deals=earlier,
    )


# M4


def _currencies(facts: Facts, settings: Settings) -> Findings:
    """Foreign currencies that are much of what is open or unpaid, and worth less at home than they were."""
    deals, bills, rates = facts.deals, facts.receivables, facts.rates
    is_open = deals.state == OPEN
    currency, amount = deals.currency[is_open], deals.amount[is_open]
    if {"receivable.amount", "receivable.currency"} <= facts.known:
        currency, amount = np.concatenate([currency, bills.currency]), np.concatenate([amount, outstanding(bills)])
    number, names = codes(np.concatenate([currency, rates.currency]))
    of_rate, size = number[len(currency) :], len(names)
    exposed = sums(number[: len(currency)], amount, size)
    part = share(exposed, np.nansum(amount))
    age = ages(facts.today, rates.day)
    now = taken(rates.rate, latest(of_rate, rates.day, size, age >= 0), np.nan)
    then = taken(rates.rate, latest(of_rate, rates.day, size, age >= settings["move_days"]), np.nan)
    move = fall(now, then)
    heavy, moved = times(part, settings["currency_share"]), times(move, settings["move"])
    return findings(
        (heavy > 1) & (moved >= 1) & (names != facts.home),
        _keys("currency", names),
        np.minimum(heavy, moved),
        exposed * move,
        **_groups("currency", names),
        exposed=exposed,
        share=part,
        move=move,
        rate=now,
        earlier_rate=then,
    )


def _regions(facts: Facts, settings: Settings) -> Findings:
    """A region that holds more than half of the open amount; deals of no known region are in the whole only."""
    deals = facts.deals
    number, names = codes(facts.customers.region)
    region, size, is_open = taken(number, deals.customer, -1), len(names), deals.state == OPEN
    amount = sums(region, deals.amount, size, is_open)
    part = share(amount, np.nansum(deals.amount[is_open]))
    ratio = times(part, settings["region_share"])
    money = sums(region, weighted(deals), size, is_open) * settings["region_loss"]
    return findings(
        ratio > 1, _keys("region", names), ratio, money, **_groups("region", names), exposed=amount, share=part
    )


@rule(
    "M4",
    category="market",
    subject="exposure",
    needs=("deal.state", "deal.amount", "deal.customer", "customer.region"),
    or_needs=[("deal.state", "deal.amount", "deal.currency")],
    likelihood=2,
    basis="open",
    parameters=(
        Parameter("currency_share", 0.10, 0.01, 1, "share"),
        Parameter("move", 0.05, 0.005, 1, "share"),
        Parameter("move_days", 90, 7, 730, "days"),
        Parameter("region_share", 0.50, 0.05, 1, "share"),
        Parameter("region_loss", 0.20, 0.01, 1, "share"),
    ),
)
def exposed_to_currency_or_region(facts: Facts, settings: Settings) -> Findings:
    """Currencies where amounts, currencies and rates are known, regions where customers' regions are.

    The home total is all that is open or unpaid, in home currency. Against us means worth less at home: we are to be
    paid in it. The ratio of a currency is that of the weaker of its two conditions.
    """
    found = []
    if {"deal.state", "deal.amount", "deal.currency"} <= facts.known and facts.home:
        found.append(_currencies(facts, settings))
    if {"deal.state", "deal.amount", "deal.customer", "customer.region"} <= facts.known:
        found.append(_regions(facts, settings))
    return joined(*found)
