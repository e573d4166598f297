"""Rules L1 to L4: duties by contract and law. Plain.

Days are whole days, whatever the hour. Facts know nothing of consent, of exports, or of which stages need an approval,
so what the catalogue says of those is not looked at.
"""

from __future__ import annotations

import numpy as np

from risks.rules.arrays import (
    EITHER_OR,
    ages,
    between,
    counts,
    customers_of,
    findings,
    greatest,
    least,
    medians,
    outstanding,
    pairs,
    sums,
    taken,
    times,
    worse,
)
from risks.rules.facts import Days, Facts, Numbers, Rows, Truths
from risks.rules.history import steps
from risks.rules.rule import Findings, Parameter, Settings, rule


def _come(facts: Facts, days: Days) -> Days:
    """The days that have come; what is dated later has not happened yet."""
    return np.where(ages(facts.today, days) >= 0, days, np.nan)


def _has_contract(facts: Facts, orders: Rows, moved: Days, within: float) -> Truths:
    """Whether a contract of the customer held when each order moved, or came to hold within so many days.

    One that ran out since did hold, though it is active no longer. A beginning or end that is unknown excludes nothing.
    """
    contracts = facts.contracts
    # What should be running and is not active was never signed, or was ended.
    sound = ages(facts.today, contracts.ends) > 0
    if "contract.active" in facts.known:
        sound |= contracts.active
    else:
        sound[:] = True
    customer = customers_of(facts.orders.customer, facts.orders.deal, facts.deals)[orders]
    order, contract = pairs(customer, np.where(sound, contracts.customer, -1))
    starts, ends = np.floor(contracts.starts[contract]), np.floor(contracts.ends[contract])
    day = np.floor(moved[orders][order])
    held = (np.isnan(starts) | (starts <= day + within)) & (np.isnan(ends) | (ends >= day))
    return np.bincount(order[held], minlength=len(orders)) > 0


@rule(
    "L1",
    category="compliance",
    subject="order",
    needs=("order.delivered_on", "order.approved_on"),
    likelihood=4,
    basis="open",
    parameters=(Parameter("days", 3, 0, 90, "days"), Parameter("recent", 365, 30, 3650, "days")),
)
def without_contract(facts: Facts, settings: Settings) -> Findings:
    """An order was delivered or invoiced, and over 3 days later there is neither an approval nor a contract for it.

    An approval is the order's own or that of a quote on its deal; one that came later than in 3 days clears it too,
    while a contract has to hold from the third day at the latest. What moved over a year ago is history. The subject is
    an order: a won deal without one says nothing of delivery.
    """
    orders, quotes, size = facts.orders, facts.quotes, len(facts.orders)
    moved = _come(facts, orders.delivered)
    if "order.invoiced_on" in facts.known:
        moved = np.fmin(moved, _come(facts, orders.invoiced))
    days = ages(facts.today, moved)
    approved = ~np.isnan(_come(facts, orders.approved))
    if {"quote.approved_on", "quote.deal"} <= facts.known:
        quoted = counts(quotes.deal, len(facts.deals), ~np.isnan(_come(facts, quotes.approved)))
        approved |= taken(quoted, orders.deal, 0) > 0
    fired = (days > settings["days"]) & (days <= settings["recent"]) & ~approved
    if "contract.customer" in facts.known:
        rows = np.flatnonzero(fired)
        fired[rows] = ~_has_contract(facts, rows, moved, settings["days"])
    ratio = times(days, settings["days"]) if settings["days"] else np.full(size, EITHER_OR)
    return findings(fired, orders.ids, ratio, orders.amount, days=days, moved=moved)


@rule(
    "L2",
    category="compliance",
    subject="customer",
    needs=("receivable.amount", "receivable.due_on", "order.ordered_on"),
    likelihood=3,
    basis="outstanding",
    parameters=(
        Parameter("limit", 1, 0.1, 10, "times"),
        Parameter("overdue", 60, 1, 365, "days"),
        Parameter("new_order", 30, 1, 365, "days"),
    ),
)
def over_credit_limit(facts: Facts, settings: Settings) -> Findings:
    """A customer owes more than its credit limit, open orders included, or orders anew while over 60 days past due.

    An open order that was invoiced is among what is owed already. An order is new for 30 days; what was due over 60
    days before it and is unpaid to this day was so then. Money at risk is what exceeds the limit, and all that is owed.
    """
    customers, receivables, orders = facts.customers, facts.receivables, facts.orders
    size = len(customers)
    owed = outstanding(receivables)
    total = np.nan_to_num(sums(receivables.customer, owed, size))
    ordered, limit = np.zeros(size), np.full(size, np.nan)
    customer = customers_of(orders.customer, orders.deal, facts.deals)
    if "order.is_open" in facts.known:
        waiting = orders.is_open & np.isnan(_come(facts, orders.invoiced))
        ordered = np.nan_to_num(sums(customer, orders.amount, size, waiting))
    if "customer.credit_limit" in facts.known:
        limit = customers.credit_limit * settings["limit"]
    oldest = least(receivables.customer, np.floor(receivables.due), size, owed > 0)
    new = between(ages(facts.today, orders.day), 0, settings["new_order"])
    last = greatest(customer, np.floor(orders.day), size, new)
    past, much = times(last - oldest, settings["overdue"]), times(total + ordered, limit)
    excess = np.maximum(np.nan_to_num(total + ordered - limit), 0)
    return findings(
        (much > 1) | (past > 1),
        customers.ids,
        worse(much, past),
        excess + total,
        outstanding=total,
        ordered=ordered,
        limit=limit,
        oldest_due=oldest,
        last_order=last,
    )


@rule(
    "L3",
    category="compliance",
    subject="customer",
    needs=("privacy_request.opened_on", "privacy_request.closed_on"),
    likelihood=3,
    basis="fixed",
    fixed_impact=4,
    parameters=(Parameter("days", 20, 1, 90, "days"), Parameter("marketing", 90, 1, 730, "days")),
)
def privacy_duty(facts: Facts, settings: Settings) -> Findings:
    """A privacy request is open over 20 days, or a contact who opted out was sent marketing after that day.

    Marketing counts for 90 days, or no such risk would ever end. When an opt-out that nobody saw happen was made is
    unknown, and so is whether marketing came after it. A request of no customer has no subject here.
    """
    customers, requests, activities, contacts = (
        facts.customers,
        facts.privacy_requests,
        facts.activities,
        facts.contacts,
    )
    size = len(customers)
    unanswered = np.isnan(_come(facts, requests.closed))
    days = greatest(requests.customer, ages(facts.today, requests.opened), size, unanswered)
    late = times(days, settings["days"])
    sent = np.zeros(size)
    if "contact.opted_out" in facts.known:
        out = np.where(contacts.opted_out, np.floor(contacts.changed), np.nan)
        recent = between(ages(facts.today, activities.day), 0, settings["marketing"])
        after = np.floor(activities.day) > taken(out, activities.contact, np.nan)
        whose = taken(contacts.customer, activities.contact, -1)
        sent = counts(whose, size, activities.is_marketing & recent & after)
    ratio = worse(late, np.where(sent > 0, EITHER_OR, np.nan))
    return findings((late > 1) | (sent > 0), customers.ids, ratio, np.full(size, np.nan), days=days, marketing=sent)


def _period_end(facts: Facts, days: Days) -> Days:
    """The end of the period each day lies in: of a target's, or of a quarter where there are no targets."""
    ends = np.unique(np.floor(facts.targets.ends))
    ends = ends[~np.isnan(ends)]
    if not len(ends):
        months = np.floor(days).astype("int64").astype("datetime64[D]").astype("datetime64[M]").astype("int64")
        following = (months // 3 * 3 + 3).astype("datetime64[M]").astype("datetime64[D]")
        return following.astype("int64").astype(float) - 1
    return np.append(ends, np.nan)[np.searchsorted(ends, np.floor(days))]


def _late_edits(facts: Facts, settings: Settings) -> Rows:
    """Snapshots that changed an amount or a close date just before the end of a period, without an approval."""
    if not {"quote.approved_on", "quote.deal"} <= facts.known:
        return np.empty(0, dtype=np.int64)
    snapshots, quotes = facts.snapshots, facts.quotes
    edited = np.zeros(len(snapshots), dtype=bool)
    for values in (snapshots.amount, snapshots.close_date):
        before, after = steps(facts, ~np.isnan(values))
        edited[after[values[before] != values[after]]] = True
    rows = np.flatnonzero(edited)
    day = np.floor(snapshots.day[rows])
    approved = greatest(quotes.deal, np.floor(_come(facts, quotes.approved)), len(facts.deals))[snapshots.deal[rows]]
    allowed = approved >= day - settings["approval"]
    recent = between(ages(facts.today, day), 0, settings["recent"])
    late: Truths = recent & ~allowed & (_period_end(facts, day) - day <= settings["days"])
    return rows[late]


def _busy_days(facts: Facts, settings: Settings) -> tuple[Rows, Rows, Numbers, Numbers]:
    """Who changed far more deals in a day than they do on their days: person, deal; and per person how many at most on
    such a day, and the median of their days.

    A deal changed twice is one record. The first snapshot of a deal is its making, which is no change. The median is of
    the days on which they changed anything, that day among them.
    """
    snapshots, size = facts.snapshots, len(facts.people)
    _, after = steps(facts)
    after = after[snapshots.by[after] >= 0]
    if not len(after):
        return after, after, np.full(size, np.nan), np.full(size, np.nan)
    day = np.floor(snapshots.day[after]).astype(np.int64)
    first, span, deals = day.min(), day.max() - day.min() + 1, len(facts.deals)
    changes = np.sort((snapshots.by[after] * span + day - first) * deals + snapshots.deal[after])
    records = changes[np.append(True, changes[1:] != changes[:-1])]  # faster than unique on so many
    days, which, many = np.unique(records // deals, return_inverse=True, return_counts=True)
    person = days // span
    usual = medians(person, many.astype(float), size)
    enough = counts(person, size) >= settings["least_days"]
    busy = enough[person] & (many >= settings["records"]) & (times(many, usual[person] * settings["times"]) > 1)
    busy &= between(ages(facts.today, (days % span + first).astype(float)), 0, settings["recent"])
    chosen = busy[which]
    return person[which[chosen]], records[chosen] % deals, greatest(person, many.astype(float), size, busy), usual


@rule(
    "L4",
    category="compliance",
    subject="person",
    needs=("deal.amount", "deal.close_date", "deal.changed_by"),
    likelihood=2,
    basis="open",
    confidential=True,
    parameters=(
        Parameter("days", 3, 0, 31, "days"),
        Parameter("approval", 14, 0, 365, "days"),
        Parameter("times", 5, 1.5, 100, "times"),
        Parameter("records", 20, 2, 10000, "count"),
        Parameter("least_days", 5, 2, 365, "count"),
        Parameter("recent", 90, 7, 365, "days"),
    ),
)
def irregular_changes(facts: Facts, settings: Settings) -> Findings:
    """Somebody edits amounts or close dates within 3 days before a period's end without approval, or changes over 5
    times as many deals in a day as they usually do, 20 at least.

    The day the period ends is among the 3 days before it. An edit is approved by a quote of the deal approved from 14
    days before it on; where approvals of quotes are not mapped nothing is said of edits. A usual day takes 5 days to
    know. Only what is known to be of somebody, and of the last 90 days, counts. Money at risk are the deals so changed,
    each once.
    """
    snapshots, people = facts.snapshots, facts.people
    size, deals = len(people), max(len(facts.deals), 1)
    late = _late_edits(facts, settings)
    late = late[snapshots.by[late] >= 0]
    person, deal, most, usual = _busy_days(facts, settings)
    editor = snapshots.by[late]
    touched = np.unique(np.concatenate([editor * deals + snapshots.deal[late], person * deals + deal]))
    money = sums(touched // deals, facts.deals.amount[touched % deals], size)
    edits = counts(editor, size)
    ratio = worse(times(most, usual * settings["times"]), np.where(edits > 0, EITHER_OR, np.nan))
    return findings(
        (edits > 0) | ~np.isnan(most),
        people.ids,
        ratio,
        money,
        edits=edits,
        records=most,
        usual=usual,
        deals=counts(touched // deals, size),
    )
