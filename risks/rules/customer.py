"""Rules about customers: satisfaction, silence, orders, tickets, payment, dependence, renewal, contacts. Plain.

Their subjects are customers, and all but the renewal's and the payment's money is what the customer brings: trailing
revenue, and what is open where the catalogue says so.
"""

from __future__ import annotations

import numpy as np

from risks.rules.arrays import (
    EITHER_OR,
    YEAR,
    ages,
    between,
    counts,
    customers_of,
    day_gaps,
    fall,
    families,
    findings,
    greatest,
    latest,
    least,
    medians,
    open_amounts,
    outstanding,
    per_tier,
    severity,
    share,
    sums,
    taken,
    times,
    together,
    trailing_revenue,
    worse,
)
from risks.rules.facts import OPEN, Facts, Numbers, Rows, Scores, Truths
from risks.rules.rule import RULES, Findings, Parameter, Settings, rule

MONTH = 30


def _when(fires: Truths, values: Numbers) -> Numbers:
    return np.where(fires, values, np.nan)


# C1


def _earlier_mean(scores: Scores, scales: Numbers, newest: Rows, there: Truths, many: int) -> Numbers:
    """Per customer the mean of so many scores before the newest of the same question, as shares of the scale.

    NaN with fewer: three answers to one question are a habit, an answer to another question is none.
    """
    size = len(newest)
    places = np.flatnonzero(there)
    order = places[np.lexsort((scores.day[places], scores.customer[places]))]  # stable, as ``latest`` is
    last = newest[scores.customer[order]]
    same = (scales[order] == scales[last]) & (scores.is_nps[order] == scores.is_nps[last])
    order = order[same & (order != last)]
    # Counted from each customer's end, so that the last ``many`` have the numbers 0 up to many - 1.
    of = scores.customer[order]
    ends = np.cumsum(np.bincount(of, minlength=size))
    recent = ends[of] - 1 - np.arange(len(of)) < many
    value = scores.value[order] / scales[order]
    mean = share(sums(of, value, size, recent), counts(of, size, recent))
    return np.where(counts(of, size) >= many, mean, np.nan)


@rule(
    "C1",
    category="customer",
    subject="customer",
    needs=("satisfaction.customer", "satisfaction.value", "satisfaction.at"),
    likelihood=4,
    basis="trailing",
    parameters=(
        Parameter("fall", 0.20, 0.02, 1, "share"),
        Parameter("earlier_scores", 3, 1, 20, "count"),
        Parameter("detractor", 6, 0, 10),
        Parameter("low", 0.60, 0.05, 1, "share"),
        Parameter("valid_days", 365, 30, 3650, "days"),
    ),
)
def satisfaction_fell(facts: Facts, settings: Settings) -> Findings:
    """The latest score against the three before it to the same question, or low by itself.

    "The last 3" are those before the latest, which would else be compared with itself; all three must be there. A
    score older than a year says nothing of today. Low scores are measured by how far they are from the best answer, as
    against how far the limit is.
    """
    scores, size = facts.scores, len(facts.customers)
    age = ages(facts.today, scores.day)
    scales = np.where(scores.is_nps, 10, scores.scale)
    there = (scores.customer >= 0) & ~np.isnan(scores.value) & (scales > 0) & (age >= 0)
    newest = latest(scores.customer, scores.day, size, there)
    value, scale = taken(scores.value, newest, np.nan), taken(scales, newest, np.nan)
    level, nps = share(value, scale), taken(scores.is_nps, newest, False)
    days = taken(age, newest, np.nan)

    mean = _earlier_mean(scores, scales, newest, there, int(settings["earlier_scores"]))
    fell = times(mean - level, settings["fall"])
    low = np.where(nps, settings["detractor"], settings["low"] * scale)
    from_best = times(scale - value, scale - low)
    # 6 of 10 is a detractor, 3 of 5 is not yet low.
    is_low = np.where(nps, from_best >= 1, from_best > 1)
    fires = (days < settings["valid_days"]) & ((fell >= 1) | is_low)
    return findings(
        fires,
        facts.customers.ids,
        worse(_when(fell >= 1, fell), _when(is_low, from_best)),
        together(trailing_revenue(facts), open_amounts(facts)),
        score=value,
        scale=scale,
        is_nps=nps,
        usual=mean * scale,
        day=taken(scores.day, newest, np.nan),
        days=days,
    )


# C2


@rule(
    "C2",
    category="customer",
    subject="customer",
    needs=("activity.at", "activity.customer"),
    or_needs=[("customer.last_touched_at",)],
    likelihood=3,
    basis="trailing",
    parameters=(
        Parameter("quiet_days_key", 14, 1, 730, "days"),
        Parameter("quiet_days_mid", 30, 1, 730, "days"),
        Parameter("quiet_days_small", 60, 1, 730, "days"),
        Parameter("fall", 0.50, 0.05, 1, "share"),
        Parameter("least_earlier", 10, 1, 1000, "count"),
    ),
)
def gone_quiet(facts: Facts, settings: Settings) -> Findings:
    """No contact for longer than the tier allows, or half as much in 30 days as in the three months before.

    Where no activity says whether the customer took part, each counts as contact; mass mail never does. What was
    planned counts once its day has come: nobody says whether it took place. A customer nobody ever talked to is not one
    that went quiet, unless the CRM says when it was last touched at all: no contact can be later. Nor is one with whom
    we have neither revenue nor an open deal. Half as much is only said of customers with ten activities or more in
    those three months, else it is chance.
    """
    customers, size = facts.customers, len(facts.customers)
    activities = facts.activities
    of = customers_of(activities.customer, activities.deal, facts.deals)
    age = ages(facts.today, activities.day)
    happened = (age >= 0) & ~activities.is_marketing
    contact = happened & activities.two_way if "activity.two_way" in facts.known else happened
    last = greatest(of, activities.day, size, contact)
    if "customer.last_touched_at" in facts.known:
        last = np.where(np.isnan(last), customers.touched, last)
    quiet, limit = ages(facts.today, last), per_tier(customers.tier, settings, "quiet_days")

    recent = counts(of, size, happened & between(age, 0, MONTH))
    before = counts(of, size, happened & between(age, MONTH, 4 * MONTH))
    fell = np.where(before >= settings["least_earlier"], fall(recent, before / 3), np.nan)
    silent, fewer = times(quiet, limit), times(fell, settings["fall"])
    revenue = trailing_revenue(facts)
    ours = ~(revenue == 0) | (counts(facts.deals.customer, size, facts.deals.state == OPEN) > 0)
    fires = ours & ((silent >= 1) | (fewer >= 1))
    whose, gap = day_gaps(of, activities.day, contact & between(age, 0, YEAR) & taken(fires, of, False))
    return findings(
        fires,
        customers.ids,
        worse(_when(silent >= 1, silent), _when(fewer >= 1, fewer)),
        revenue,
        day=last,
        days=quiet,
        limit_days=limit,
        usual_days=medians(whose, gap, size),
        recent=recent,
        usual=before / 3,
        fall=fell,
    )


# C3


@rule(
    "C3",
    category="customer",
    subject="customer",
    needs=("order.customer", "order.ordered_on", "order.amount"),
    likelihood=3,
    basis="trailing",
    parameters=(
        Parameter("gaps", 1.5, 1, 10, "times"),
        Parameter("least_orders", 4, 2, 100, "count"),
        Parameter("value_days", 90, 7, 365, "days"),
        Parameter("fall", 0.50, 0.05, 1, "share"),
        Parameter("lost_days", 365, 90, 3650, "days"),
    ),
)
def buying_less_often(facts: Facts, settings: Settings) -> Findings:
    """Waiting for the next order for longer than usual, or half the value of the period before.

    Orders of one day are one. Four are needed for the gap, and four in the two periods for the value. Who has not
    ordered for a year is lost, not slowing down. The drop is that of the frequency, usual gap over days waited, or that
    of the value, whichever is the greater.
    """
    orders, size = facts.orders, len(facts.customers)
    of = customers_of(orders.customer, orders.deal, facts.deals)
    age = ages(facts.today, orders.day)
    past = age >= 0
    whose, gap = day_gaps(of, orders.day, past)
    waited = least(of, age, size, past)
    usual = np.where(counts(whose, size) + 1 >= settings["least_orders"], medians(whose, gap, size), np.nan)
    late = times(waited, settings["gaps"] * usual)

    days = settings["value_days"]
    both = counts(of, size, between(age, 0, 2 * days))
    recent = sums(of, orders.amount, size, between(age, 0, days))
    before = sums(of, orders.amount, size, between(age, days, 2 * days))
    fell = np.where(both >= settings["least_orders"], fall(recent, before), np.nan)
    fewer = times(fell, settings["fall"])

    ratio = worse(_when(late > 1, late), _when(fewer >= 1, fewer))
    drop = worse(_when(late > 1, fall(usual, waited)), _when(fewer >= 1, fell))
    return findings(
        ~np.isnan(ratio) & (waited < settings["lost_days"]),
        facts.customers.ids,
        ratio,
        trailing_revenue(facts) * drop,
        day=np.floor(facts.today) - waited,
        days=waited,
        usual_days=usual,
        recent=recent,
        earlier=before,
        drop=drop,
    )


# C4


@rule(
    "C4",
    category="customer",
    subject="customer",
    needs=("ticket.customer", "ticket.opened_at"),
    likelihood=4,
    basis="trailing",
    parameters=(
        Parameter("times", 3, 1.1, 20, "times"),
        Parameter("least_tickets", 3, 1, 1000, "count"),
        Parameter("open_days", 3, 0, 90, "days"),
    ),
)
def tickets_surging(facts: Facts, settings: Settings) -> Findings:
    """Many more tickets in 30 days than in a usual month, or one of top priority open too long.

    A usual month is the mean of the whole months before, twelve at most, as far back as anybody's tickets go; without
    one there is nothing usual to compare with. A ticket of top priority is known to be open only where closing is
    mapped.
    """
    tickets, size = facts.tickets, len(facts.customers)
    age = ages(facts.today, tickets.opened)
    past = age >= 0
    oldest = float(age[past].max()) if past.any() else 0.0
    months = min((oldest + 1) // MONTH - 1, 12)
    recent = counts(tickets.customer, size, between(age, 0, MONTH))
    usual = np.full(size, np.nan)
    if months >= 1:
        usual = counts(tickets.customer, size, between(age, MONTH, MONTH * (1 + months))) / months
    surge = times(recent, np.maximum(settings["times"] * usual, settings["least_tickets"]))

    waiting = np.full(size, np.nan)
    if {"ticket.is_top_priority", "ticket.closed_at"} <= facts.known:
        still_open = past & tickets.is_top & ~(ages(facts.today, tickets.closed) >= 0)
        waiting = greatest(tickets.customer, age, size, still_open)
    long = waiting > settings["open_days"]
    return findings(
        (surge >= 1) | long,
        facts.customers.ids,
        worse(_when(surge >= 1, surge), _when(long, times(waiting, settings["open_days"]))),
        together(trailing_revenue(facts), open_amounts(facts)),
        recent=recent,
        usual=usual,
        top_open_days=waiting,
    )


# C5


@rule(
    "C5",
    category="customer",
    subject="customer",
    needs=("receivable.customer", "receivable.due_on", "receivable.amount", "receivable.paid"),
    likelihood=2,
    basis="outstanding",
    parameters=(
        Parameter("from_days", 1, 1, 365, "days"),
        Parameter("level_3_days", 31, 2, 365, "days"),
        Parameter("level_4_days", 61, 3, 730, "days"),
        Parameter("level_5_days", 91, 4, 1095, "days"),
        Parameter("share", 0.20, 0.01, 1, "share"),
    ),
)
def payment_overdue(facts: Facts, settings: Settings) -> Findings:
    """Bills past due; the level is that of the oldest, the money what is overdue, not what is not due yet.

    As long as one day is late, the share of the balance can fire nothing that is not late already. It matters once an
    administrator allows some days: a customer who is late with more than a fifth of all is told of nevertheless.
    """
    bills, size = facts.receivables, len(facts.customers)
    unpaid, age = outstanding(bills), ages(facts.today, bills.due)
    late = (unpaid > 0) & (age >= 1)
    days = greatest(bills.customer, age, size, late)
    overdue, balance = sums(bills.customer, unpaid, size, late), sums(bills.customer, unpaid, size)
    part = share(overdue, balance)
    aged, much = times(days, settings["from_days"]), times(part, settings["share"])
    steps = sum((days >= settings[f"level_{level}_days"]).astype(np.float64) for level in (3, 4, 5))
    return findings(
        (aged >= 1) | (much > 1),
        facts.customers.ids,
        worse(_when(aged >= 1, aged), _when(much > 1, much)),
        overdue,
        2 + steps,
        days=days,
        overdue=overdue,
        balance=balance,
        share=part,
        bills=counts(bills.customer, size, late),
    )


# C6


def _troubled(facts: Facts) -> Truths:
    """Customers whose satisfaction fell, who went quiet or pay late, as those rules find by themselves."""
    troubled = np.zeros(len(facts.customers), dtype=bool)
    for each in (RULES["C1"], RULES["C2"], RULES["C5"]):
        if not each.missing(facts):
            troubled |= np.isin(facts.customers.ids, each.find(facts, each.settings()).keys)
    return troubled


@rule(
    "C6",
    category="customer",
    subject="customer",
    needs=("deal.state", "deal.customer", "deal.amount"),
    or_needs=[("order.customer", "order.amount", "order.ordered_on")],
    likelihood=2,
    basis="trailing",
    parameters=(Parameter("share", 0.10, 0.01, 1, "share"), Parameter("severe_share", 0.25, 0.02, 1, "share")),
)
def depending_on_one(facts: Facts, settings: Settings) -> Findings:
    """A customer and its affiliates that are much of the revenue or of what is open; named by the head of the group.

    The ratio is 1 at the threshold and 2 where it is severe. One level more if satisfaction, silence or payment is a
    worry with any of the group, by the default settings of those rules.
    """
    customers, size = facts.customers, len(facts.customers)
    head = families(customers)
    revenue, opened = sums(head, trailing_revenue(facts), size), sums(head, open_amounts(facts), size)
    of_revenue, of_open = share(revenue, np.nansum(revenue)), share(opened, np.nansum(opened))
    part = worse(of_revenue, of_open)
    ratio = severity(part, settings["share"], settings["severe_share"])
    fires = ratio >= 1
    troubled = counts(head, size, _troubled(facts)) > 0 if fires.any() else fires
    moved = 3 + (ratio >= 2).astype(np.float64) - (ratio <= 1.1)
    return findings(
        fires,
        customers.ids,
        ratio,
        revenue,
        _when(troubled, moved),
        revenue_share=of_revenue,
        open_share=of_open,
        revenue=revenue,
        open=opened,
        customers=counts(head, size),
        troubled=troubled,
    )


# C7


@rule(
    "C7",
    category="customer",
    subject="customer",
    needs=("contract.customer", "contract.ends_on", "deal.customer", "deal.state", "activity.at", "activity.customer"),
    likelihood=3,
    basis="trailing",
    parameters=(
        Parameter("notice_days", 90, 2, 730, "days"),
        Parameter("severe_days", 30, 1, 365, "days"),
        Parameter("activity_days", 30, 1, 365, "days"),
    ),
)
def renewal_not_started(facts: Facts, settings: Settings) -> Findings:
    """A contract about to end at a customer with no open deal, no activity lately and no contract to follow.

    Nothing tells a renewal from another deal, so any open one counts as motion, and so does a planned activity. A
    contract follows if it starts at most 30 days before the end. The ratio is 1 at the threshold, 2 where it is severe.
    """
    contracts, deals, activities, size = facts.contracts, facts.deals, facts.activities, len(facts.customers)
    left = -ages(facts.today, contracts.ends)
    ending = (contracts.customer >= 0) & between(left, 0, settings["notice_days"] + 1)
    if "contract.active" in facts.known:
        ending &= contracts.active
    newest = taken(greatest(contracts.customer, contracts.starts, size), contracts.customer, np.nan)
    ending &= ~(~(newest <= contracts.starts) & (newest >= contracts.ends - MONTH))

    of = customers_of(activities.customer, activities.deal, deals)
    recent = ~activities.is_marketing & (ages(facts.today, activities.day) < settings["activity_days"])
    motion = counts(of, size, recent)
    motion += counts(deals.customer, size, deals.state == OPEN)
    days = least(contracts.customer, left, size, ending)
    return findings(
        ~np.isnan(days) & (motion == 0),
        facts.customers.ids,
        severity(-days, -settings["notice_days"], -settings["severe_days"]),
        sums(contracts.customer, contracts.yearly, size, ending),
        day=np.floor(facts.today) + days,
        days=days,
        contracts=counts(contracts.customer, size, ending),
    )


# C8


@rule(
    "C8",
    category="customer",
    subject="customer",
    needs=("contact.customer", "contact.is_key", "contact.active"),
    likelihood=3,
    basis="trailing",
    parameters=(Parameter("recent_days", 90, 1, 730, "days"),),
)
def key_contact_left(facts: Facts, settings: Settings) -> Findings:
    """A key contact became inactive lately, or of the key contacts on file none is active any more.

    Whoever was inactive when first seen left nobody knows when, and counts for the second only. A customer for whom no
    key contact was ever named has lost none. There is no number here, so the likelihood stays the default.
    """
    contacts, size = facts.contacts, len(facts.customers)
    of = customers_of(contacts.customer, contacts.deal, facts.deals)
    gone = contacts.is_key & ~contacts.active
    lately = gone & between(ages(facts.today, contacts.changed), 0, settings["recent_days"])
    remaining = counts(of, size, contacts.is_key & contacts.active)
    left = counts(of, size, lately)
    last = latest(of, np.nan_to_num(contacts.changed), size, gone)
    return findings(
        (left > 0) | ((counts(of, size, gone) > 0) & (remaining == 0)),
        facts.customers.ids,
        np.full(size, EITHER_OR),
        together(trailing_revenue(facts), open_amounts(facts)),
        contact=taken(contacts.name, last, ""),
        day=taken(contacts.changed, last, np.nan),
        left=left,
        remaining=remaining,
    )
