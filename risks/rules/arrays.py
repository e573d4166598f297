"""Arithmetic over columns that rules share: per customer or deal sums, medians, the latest; money; times. Plain.

``rows`` says to which of ``size`` things each value belongs, -1 for none, which is left out. Unknown values (NaN) are
left out too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from risks.rules.facts import OPEN, WON, Customers, Days, Deals, Facts, Numbers, Receivables, Rows, Texts, Truths
from risks.rules.rule import Findings, Settings

YEAR = 365
# The ratio of what is either so or not, such as an owner who left: it moves no likelihood.
EITHER_OR = 1.5
_MOST = 100.0  # times a threshold: what is stored must be finite


# How long ago


def ages(today: float, days: Days) -> Numbers:
    """Whole days from each day to today: 0 today, negative in the future, whatever the hour."""
    whole: Numbers = np.floor(today) - np.floor(days)
    return whole


def between(ages: Numbers, start: float, end: float) -> Truths:
    """Whether so many days ago or more, and less than ``end``: 0 to 30 is the last 30 days, today among them."""
    return (ages >= start) & (ages < end)


# Per key


def counts(rows: Rows, size: int, where: Truths | None = None) -> Numbers:
    """How many belong to each."""
    chosen = rows >= 0 if where is None else where & (rows >= 0)
    return np.bincount(rows[chosen], minlength=size).astype(np.float64)


def sums(rows: Rows, values: Numbers, size: int, where: Truths | None = None) -> Numbers:
    """The sum of what is known for each: 0 for what has no rows, NaN for what has but none that is known."""
    chosen = rows >= 0 if where is None else where & (rows >= 0)
    known = chosen & ~np.isnan(values)
    total = np.bincount(rows[known], values[known], minlength=size)
    return np.where((counts(rows, size, chosen) > 0) & (counts(rows, size, known) == 0), np.nan, total)


def medians(rows: Rows, values: Numbers, size: int, where: Truths | None = None) -> Numbers:
    """The median of each, NaN without values."""
    chosen = (rows >= 0) & ~np.isnan(values) & (True if where is None else where)
    rows, values = rows[chosen], values[chosen]
    values = values[np.lexsort((values, rows))]
    many = np.bincount(rows, minlength=size)
    first = np.cumsum(many) - many
    found = np.full(size, np.nan)
    some = many > 0
    low, high = first + (many - 1) // 2, first + many // 2
    found[some] = (values[low[some]] + values[high[some]]) / 2
    return found


def greatest(rows: Rows, values: Numbers, size: int, where: Truths | None = None) -> Numbers:
    """The greatest value of each, NaN without values."""
    chosen = (rows >= 0) & ~np.isnan(values) & (True if where is None else where)
    found = np.full(size, -np.inf)
    np.maximum.at(found, rows[chosen], values[chosen])
    return np.where(np.isneginf(found), np.nan, found)


def least(rows: Rows, values: Numbers, size: int, where: Truths | None = None) -> Numbers:
    """The least value of each, NaN without values."""
    return -greatest(rows, -values, size, where)


def latest(rows: Rows, days: Days, size: int, where: Truths | None = None) -> Rows:
    """For each the place of its latest fact, of several on the same moment the last; -1 without one."""
    chosen = (rows >= 0) & ~np.isnan(days) & (True if where is None else where)
    last = greatest(rows, days, size, chosen)
    places = np.flatnonzero(chosen)
    places = places[days[places] == last[rows[places]]]
    found = np.full(size, -1, dtype=np.int64)
    np.maximum.at(found, rows[places], places)
    return found


def distinct(numbers: Rows) -> Rows:
    """Each number once, in order. Sorting beats the hash table of np.unique where most are distinct."""
    ordered = np.sort(numbers)
    return ordered[np.append(True, ordered[1:] != ordered[:-1])] if len(ordered) else ordered


def day_gaps(rows: Rows, days: Days, where: Truths) -> tuple[Rows, Numbers]:
    """Between one day with a fact and the next of the same thing: whose, and how many days.

    Several facts on one day are one, so that no gap is 0.
    """
    chosen = where & (rows >= 0) & ~np.isnan(days)
    if not chosen.any():
        return np.empty(0, dtype=np.int64), np.empty(0)
    whole = np.floor(days[chosen]).astype(np.int64)
    start, span = whole.min(), whole.max() - whole.min() + 1
    # One number for thing and day: sorting those is many times faster than sorting pairs.
    both = distinct(rows[chosen] * span + (whole - start))
    of, day = both // span, both % span
    same = of[1:] == of[:-1]
    return of[1:][same], np.diff(day)[same].astype(np.float64)


# From one table to another


def taken(values: NDArray[Any], rows: Rows, unknown: Any) -> NDArray[Any]:
    """``values`` at ``rows``, and ``unknown`` where there is no row."""
    if not len(values):
        return np.full(len(rows), unknown, dtype=values.dtype)
    found = values[rows]
    found[rows < 0] = unknown
    return found


def customers_of(customer: Rows, deal: Rows, deals: Deals) -> Rows:
    """Whose each fact is: as it says itself, or else as its deal says."""
    return np.where(customer >= 0, customer, taken(deals.customer, deal, -1))


def codes(texts: Texts) -> tuple[Rows, Texts]:
    """Each text as a number, -1 for an empty one, and what the numbers stand for, in order of appearance."""
    listed = texts.tolist()
    numbers = {text: number for number, text in enumerate(text for text in dict.fromkeys(listed) if text)}
    names = np.empty(len(numbers), dtype=object)
    names[:] = list(numbers)
    numbers[""] = -1
    return np.fromiter(map(numbers.__getitem__, listed), dtype=np.int64, count=len(listed)), names


# Money


def together(*amounts: Numbers) -> Numbers:
    """The sum of those amounts that are known, NaN where none is."""
    listed = np.array(amounts)
    return np.where(np.isnan(listed).all(axis=0), np.nan, np.nansum(listed, axis=0))


def weighted(deals: Deals) -> Numbers:
    """Of each deal its amount times its probability."""
    return deals.amount * deals.probability


def outstanding(receivables: Receivables) -> Numbers:
    """What is not paid yet, to the cent. Where nobody says what was paid, nothing was."""
    return np.maximum(np.round(receivables.amount - np.nan_to_num(receivables.paid), 2), 0)


def open_amounts(facts: Facts) -> Numbers:
    """Per customer the amounts of the open deals. NaN where amounts are not known."""
    if not {"deal.state", "deal.customer", "deal.amount"} <= facts.known:
        return np.full(len(facts.customers), np.nan)
    return sums(facts.deals.customer, facts.deals.amount, len(facts.customers), facts.deals.state == OPEN)


def trailing_revenue(facts: Facts) -> Numbers:
    """Per customer what was ordered or won in the last twelve months, without affiliates. NaN where neither is known.

    An order often is a won deal seen again, and neither list need be complete: the greater of the two sums counts.
    """
    size, deals, orders = len(facts.customers), facts.deals, facts.orders
    ordered = won = np.full(size, np.nan)
    if "order.amount" in facts.known:
        customer = customers_of(orders.customer, orders.deal, deals)
        ordered = sums(customer, orders.amount, size, between(ages(facts.today, orders.day), 0, YEAR))
    if {"deal.state", "deal.customer", "deal.amount", "deal.closed_on"} <= facts.known:
        recent = (deals.state == WON) & between(ages(facts.today, deals.closed), 0, YEAR)
        won = sums(deals.customer, deals.amount, size, recent)
    revenue: Numbers = np.fmax(ordered, won)
    return revenue


def families(customers: Customers) -> Rows:
    """For each customer the row of the head of its group: the one without a parent, itself if it is alone."""
    size = len(customers)
    child = np.flatnonzero(customers.parent >= 0)
    links = coo_matrix((np.ones(len(child)), (child, customers.parent[child])), shape=(size, size))
    many, group = connected_components(links, directed=False)
    heads = np.full(many, size, dtype=np.int64)
    # A parent's parent may be the child by mistake: then the first of them stands for all.
    np.minimum.at(heads, group, np.where(customers.parent < 0, np.arange(size), size))
    first = np.full(many, size, dtype=np.int64)
    np.minimum.at(first, group, np.arange(size))
    found: Rows = np.where(heads < size, heads, first)[group]
    return found


# Measures


def share(part: Any, whole: Any) -> Numbers:
    """What part of the whole, NaN where there is no whole."""
    part, whole = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    found: Numbers = np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
    return found


def fall(now: Any, before: Any) -> Numbers:
    """By what part something fell: 0.3 from 10 to 7, negative if it rose, NaN where there was nothing."""
    return 1 - share(now, before)


def per_tier(tier: Texts, settings: Settings, name: str) -> Numbers:
    """The setting for each customer's tier: ``name_key``, ``name_small``, and ``name_mid`` for all that is neither."""
    others = np.where(tier == "small", settings[f"{name}_small"], settings[f"{name}_mid"])
    return np.where(tier == "key", settings[f"{name}_key"], others)


# Findings


def times(measure: Any, threshold: Any) -> Numbers:
    """How often the threshold fits into the measure, the ``ratio`` of findings; 100 at most.

    "At least" the threshold is ``times(...) >= 1``, "above" it is ``> 1``: rounding forgives what floats do to
    0.8 − 0.6.
    """
    measure, threshold = np.broadcast_arrays(np.asarray(measure, np.float64), np.asarray(threshold, np.float64))
    found = np.where((threshold == 0) & (measure > 0), _MOST, np.nan)
    np.divide(measure, threshold, out=found, where=threshold != 0)
    return np.minimum(np.round(found, 9), _MOST)


def severity(measure: Any, threshold: float, severe: float) -> Numbers:
    """A ratio where the rule says itself what is severe: 1 at the threshold, 2 where it is severe, and straight on."""
    measure = np.asarray(measure, dtype=np.float64)
    if severe <= threshold:  # as an administrator may set it: all that fires is severe
        return np.where(measure >= threshold, 2.0, np.nan)
    found: Numbers = np.minimum(np.round(1 + (measure - threshold) / (severe - threshold), 9), _MOST)
    return found


def worse(*ratios: Numbers) -> Numbers:
    """The greatest ratio of several triggers, of those that are known."""
    worst: Numbers = np.fmax.reduce(ratios)
    return worst


def findings(
    fired: Truths, keys: Any, ratio: Numbers, money: Numbers, level: Numbers | float = np.nan, **details: Any
) -> Findings:
    """Of one row a subject those that fired. Every column is as long as ``fired``; a level may be one for all."""
    levels = np.broadcast_to(np.asarray(level, dtype=np.float64), fired.shape)
    return Findings(
        keys[fired],
        ratio[fired],
        money[fired],
        levels[fired],
        {name: values[fired] for name, values in details.items()},
    )


def joined(*several: Findings) -> Findings:
    """The findings of several kinds of subject, or triggers, one after the other; a detail one lacks is NaN there."""
    if not several:
        return Findings(np.empty(0, dtype=object), np.empty(0), np.empty(0), np.empty(0))
    names = list(dict.fromkeys(name for each in several for name in each.details))
    return Findings(
        np.concatenate([each.keys for each in several]),
        np.concatenate([each.ratio for each in several]),
        np.concatenate([each.money for each in several]),
        np.concatenate([each.level for each in several]),
        {
            name: np.concatenate([each.details.get(name, np.full(len(each), np.nan)) for each in several])
            for name in names
        },
    )


def pairs(left: Rows, right: Rows) -> tuple[Rows, Rows]:
    """Where the one and where the other have the same key: every two positions that meet."""
    order = np.argsort(right, kind="stable")
    ordered = right[order]
    begin, end = np.searchsorted(ordered, left, side="left"), np.searchsorted(ordered, left, side="right")
    met = np.where(left >= 0, end - begin, 0)
    ours = np.repeat(np.arange(len(left)), met)
    theirs = np.arange(len(ours)) - np.repeat(np.cumsum(met) - met, met) + np.repeat(begin, met)
    return ours, order[theirs]
