"""Rules about competitors: on our deals, below our price, winning more, inside our customers. Plain."""

from __future__ import annotations

import numpy as np

from risks.rules.arrays import (
    EITHER_OR,
    ages,
    between,
    counts,
    customers_of,
    distinct,
    fall,
    findings,
    latest,
    share,
    sums,
    taken,
    times,
    trailing_revenue,
    weighted,
)
from risks.rules.facts import LOST, OPEN, Days, Facts, Numbers, Rows, Truths
from risks.rules.rule import Findings, Parameter, Settings, rule


def _past(facts: Facts) -> Truths:
    return ages(facts.today, facts.moves.day) >= 0


def _present(facts: Facts) -> tuple[Rows, Rows]:
    """Each competitor on each deal once: deal and competitor, whether the deal says so or a move."""
    deals, moves, many = facts.deals, facts.moves, max(len(facts.competitors), 1)
    named = np.flatnonzero(deals.competitor >= 0)
    moved = _past(facts) & (moves.deal >= 0) & (moves.competitor >= 0)
    both = distinct(
        np.concatenate([named * many + deals.competitor[named], moves.deal[moved] * many + moves.competitor[moved]])
    )
    return both // many, both % many


def _lost_to(facts: Facts) -> Rows:
    """Of each deal the competitor it was lost to, as it says itself or as a recorded win says; -1 for none."""
    deals, moves = facts.deals, facts.moves
    win = latest(moves.deal, moves.day, len(deals), _past(facts) & (moves.move == "win") & (moves.competitor >= 0))
    named = np.where(deals.competitor >= 0, deals.competitor, taken(moves.competitor, win, -1))
    return np.where(deals.state == LOST, named, -1)


# K1


@rule(
    "K1",
    category="competitor",
    subject="deal",
    needs=("deal.state", "deal.stage", "competitor_move.deal"),
    or_needs=[("deal.state", "deal.stage", "deal.competitor")],
    likelihood=3,
    basis="open",
    parameters=(Parameter("from_place", 0.33, 0, 1, "share"),),
)
def competitor_on_deal(facts: Facts, settings: Settings) -> Findings:
    """A competitor on an open deal that is past the first third of its stages; one level more for several."""
    deals, size = facts.deals, len(facts.deals)
    deal, competitor = _present(facts)
    many = counts(deal, size)
    first = latest(deal, -competitor.astype(np.float64), size)
    return findings(
        (deals.state == OPEN) & (deals.place >= settings["from_place"]) & (many > 0),
        deals.ids,
        np.full(size, EITHER_OR),
        deals.amount,
        np.where(many > 1, 4.0, np.nan),
        competitor=taken(facts.competitors.name, taken(competitor, first, -1), ""),
        competitors=many,
        stage=deals.stage,
    )


# K2


def _lowest_prices(facts: Facts) -> tuple[Rows, Numbers]:
    """Of each deal the competitor whose latest price is the lowest, and that price; -1 and NaN for none."""
    moves, size, many = facts.moves, len(facts.deals), max(len(facts.competitors), 1)
    priced = _past(facts) & (moves.deal >= 0) & (moves.competitor >= 0) & (moves.price > 0)
    rows = np.flatnonzero(priced)
    _, pair = np.unique(moves.deal[rows] * many + moves.competitor[rows], return_inverse=True)
    rows = rows[latest(pair, moves.day[rows], int(pair.max(initial=-1)) + 1)]
    lowest = latest(moves.deal[rows], -moves.price[rows], size)
    row = taken(rows, lowest, -1)
    return taken(moves.competitor, row, -1), taken(moves.price, row, np.nan)


@rule(
    "K2",
    category="competitor",
    subject="deal",
    needs=("deal.state", "competitor_move.deal", "competitor_move.move"),
    likelihood=4,
    basis="open",
    parameters=(Parameter("below", 0.05, 0.005, 1, "share"),),
)
def undercut(facts: Facts, settings: Settings) -> Findings:
    """A competitor's latest price on an open deal well below our latest quote, or price as an objection.

    The objection is what is recorded as a price move on the deal without a figure. What the deal itself says it is
    worth is no quote of ours.
    """
    deals, moves, quotes, size = facts.deals, facts.moves, facts.quotes, len(facts.deals)
    past = _past(facts)
    competitor, price = _lowest_prices(facts)
    offered = (ages(facts.today, quotes.day) >= 0) & (quotes.amount > 0)
    ours = taken(quotes.amount, latest(quotes.deal, quotes.day, size, offered), np.nan)
    below = fall(price, ours)
    ratio = times(below, settings["below"])
    objection = latest(moves.deal, moves.day, size, past & (moves.move == "price") & np.isnan(moves.price))
    cheaper = ratio >= 1
    return findings(
        (deals.state == OPEN) & (cheaper | (objection >= 0)),
        deals.ids,
        np.where(cheaper, ratio, EITHER_OR),
        deals.amount,
        competitor=taken(
            facts.competitors.name, np.where(cheaper, competitor, taken(moves.competitor, objection, -1)), ""
        ),
        price=price,
        our_price=ours,
        below=below,
        objection=objection >= 0,
    )


# K3


@rule(
    "K3",
    category="competitor",
    subject="competitor",
    needs=("deal.state", "deal.closed_on", "deal.competitor"),
    likelihood=3,
    basis="open",
    parameters=(
        Parameter("recent_days", 90, 7, 730, "days"),
        Parameter("earlier_days", 180, 7, 1460, "days"),
        Parameter("times", 1.5, 1.05, 10, "times"),
        Parameter("least_losses", 5, 1, 1000, "count"),
    ),
)
def losing_more_to_one(facts: Facts, settings: Settings) -> Findings:
    """The share of all losses that name one competitor, lately against before.

    Five losses are those to that competitor, lately, and before as many to anybody: a share of fewer is chance. Where
    no open deal names any competitor, presence is not recorded before the end, and the share of all that is weighted
    stands for it.
    """
    deals, size = facts.deals, len(facts.competitors)
    age, start = ages(facts.today, deals.closed), settings["recent_days"]
    lost = deals.state == LOST
    lately, before = lost & between(age, 0, start), lost & between(age, start, start + settings["earlier_days"])
    to = _lost_to(facts)
    losses, earlier = counts(to, size, lately), counts(to, size, before)
    part, was = share(losses, lately.sum()), share(earlier, before.sum())
    ratio = times(part, settings["times"] * was)
    enough = (losses >= settings["least_losses"]) & (before.sum() >= settings["least_losses"])

    is_open = deals.state == OPEN
    deal, competitor = _present(facts)
    deal, competitor = deal[is_open[deal]], competitor[is_open[deal]]
    if len(deal):
        money = sums(competitor, deals.amount[deal], size)
    else:
        money = sums(np.zeros(len(deals), dtype=np.int64), weighted(deals), 1, is_open) * part
    return findings(
        enough & (ratio >= 1),
        facts.competitors.ids,
        ratio,
        money,
        losses=losses,
        earlier_losses=earlier,
        share=part,
        earlier_share=was,
    )


# K4


@rule(
    "K4",
    category="competitor",
    subject="customer",
    needs=("competitor_move.move", "deal.state", "deal.customer", "deal.amount", "deal.closed_on"),
    or_needs=[("deal.competitor", "deal.state", "deal.customer", "order.amount", "order.customer", "order.ordered_on")],
    likelihood=4,
    basis="trailing",
    parameters=(Parameter("recent_days", 90, 1, 730, "days"),),
)
def competitor_inside(facts: Facts, settings: Settings) -> Findings:
    """A deal lost to a competitor, or its win on record, lately, at a customer who brings revenue."""
    deals, moves, size = facts.deals, facts.moves, len(facts.customers)
    to = _lost_to(facts)
    lost = np.flatnonzero(to >= 0)
    won = np.flatnonzero((moves.move == "win") & (moves.competitor >= 0))
    of = np.concatenate([deals.customer[lost], customers_of(moves.customer, moves.deal, deals)[won]])
    by = np.concatenate([to[lost], moves.competitor[won]])
    days: Days = np.concatenate([deals.closed[lost], moves.day[won]])
    lately = between(ages(facts.today, days), 0, settings["recent_days"])
    last = latest(of, days, size, lately)
    revenue = trailing_revenue(facts)
    return findings(
        (last >= 0) & (revenue > 0),
        facts.customers.ids,
        np.full(size, EITHER_OR),
        revenue,
        competitor=taken(facts.competitors.name, taken(by, last, -1), ""),
        day=taken(days, last, np.nan),
    )
