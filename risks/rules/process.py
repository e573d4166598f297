"""Rules P1 to P10: what goes wrong in our own selling. Plain.

Days are whole days, whatever the hour. Money at risk is the deal's amount times its probability unless a rule says
otherwise, and unknown where one of them is: nobody guesses a probability.
"""

from __future__ import annotations

import numpy as np

from risks.rules.arrays import (
    EITHER_OR,
    ages,
    between,
    codes,
    counts,
    findings,
    greatest,
    latest,
    medians,
    severity,
    sums,
    taken,
    times,
    weighted,
    worse,
)
from risks.rules.facts import OPEN, WON, Facts, Ids, Numbers, Rows, Texts, Truths
from risks.rules.history import Stays, first_seen, stage_seen_since, stays, steps
from risks.rules.rule import Findings, Parameter, Settings, rule

_LAST_HALF = 0.5  # the middle stage of an odd number of stages belongs to it


def _tier(facts: Facts) -> Texts:
    """Of each deal's customer; who is of no known tier is treated as of the middle one."""
    return taken(facts.customers.tier, facts.deals.customer, "")


@rule(
    "P1",
    category="process",
    subject="deal",
    needs=("deal.state", "activity.at", "activity.deal"),
    likelihood=3,
    basis="weighted",
    parameters=(
        Parameter("early_small", 14, 1, 365, "days"),
        Parameter("early_mid", 30, 1, 365, "days"),
        Parameter("early_key", 60, 1, 365, "days"),
        Parameter("late_small", 7, 1, 365, "days"),
        Parameter("late_mid", 14, 1, 365, "days"),
        Parameter("late_key", 28, 1, 365, "days"),
    ),
)
def no_activity(facts: Facts, settings: Settings) -> Findings:
    """Nothing was done about an open deal for so many days.

    The catalogue has 14 days in the last half of stages and 30 before, and 14, 30 and 60 by size: 30 is the middle of
    the second as well, so the days by size are those before the last half, and the last half allows half of them.
    A deal whose stage has no known place is judged by the longer time. Making the deal counts as doing something;
    a newsletter does not. Something planned counts once its day has come: nobody says whether it took place.
    """
    deals, activities = facts.deals, facts.activities
    done = ~activities.is_marketing & (ages(facts.today, activities.day) >= 0)
    last = greatest(activities.deal, activities.day, len(deals), done)
    days = ages(facts.today, np.fmax(last, deals.created))
    tier, late = _tier(facts), deals.place >= _LAST_HALF
    limit = np.full(len(deals), np.nan)
    for half, chosen in (("early", ~late), ("late", late)):
        limit[chosen] = settings[f"{half}_mid"]
        for size in ("small", "key"):
            limit[chosen & (tier == size)] = settings[f"{half}_{size}"]
    ratio = times(days, limit)
    fired = (deals.state == OPEN) & (ratio >= 1)
    return findings(fired, deals.ids, ratio, weighted(deals), days=days, limit=limit, last=last)


def _usual_stay(facts: Facts, been: Stays) -> tuple[Numbers, Numbers]:
    """For each deal how long won deals of its pipeline and segment stood in its stage: the median, and of how many.

    What counts is the whole time a won deal stood in the stage, where its beginning and end were seen. A deal whose
    stage is unknown has neither.
    """
    deals = facts.deals
    pipeline, pipelines = codes(deals.pipeline)
    segment, segments = codes(taken(facts.customers.segment, deals.customer, ""))
    stage, stages = codes(np.concatenate([deals.stage, been.stage]))
    kind = (pipeline + 1) * (len(segments) + 1) + segment + 1
    size = (len(pipelines) + 1) * (len(segments) + 1) * len(stages)
    here = np.where(stage[: len(deals)] >= 0, kind * len(stages) + stage[: len(deals)], -1)
    if not size:
        return np.full(len(deals), np.nan), np.zeros(len(deals))

    won = ((deals.state == WON) & (ages(facts.today, deals.closed) >= 0))[been.deal]
    place = kind[been.deal[won]] * len(stages) + stage[len(deals) :][won]
    both, which = np.unique(been.deal[won] * size + place, return_inverse=True)
    # A stay of unknown length makes the whole unknown.
    lengths = np.floor(been.end[won]) - np.floor(been.start[won])
    took = np.bincount(which, lengths, minlength=len(both)).astype(np.float64)
    sound = took >= 0
    usual, many = medians(both % size, took, size, sound), counts(both % size, size, sound)
    return taken(usual, here, np.nan), taken(many, here, 0)


@rule(
    "P2",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.stage"),
    likelihood=3,
    basis="weighted",
    parameters=(
        Parameter("times", 1.5, 1, 10, "times"),
        Parameter("times_key", 2, 1, 10, "times"),
        Parameter("won_deals", 10, 3, 1000, "count"),
        Parameter("days", 30, 1, 365, "days"),
    ),
)
def stuck_in_stage(facts: Facts, settings: Settings) -> Findings:
    """A deal stands in its stage longer than deals that were won did, or over so many days where too few were won.

    Where the CRM does not say since when, it counts from when the stage was first seen, which can only be too short.
    Enterprise is the tier "key". The limit is never below a day: a CRM that is looked at daily knows nothing shorter.
    """
    deals, been = facts.deals, stays(facts)
    since = np.where(np.isnan(deals.stage_since), stage_seen_since(facts, been), deals.stage_since)
    days = ages(facts.today, since)
    usual, many = _usual_stay(facts, been)
    factor = np.where(_tier(facts) == "key", settings["times_key"], settings["times"])
    has_history = many >= settings["won_deals"]
    limit = np.where(has_history, np.maximum(usual * factor, 1), settings["days"])
    ratio = times(days, limit)
    fired = (deals.state == OPEN) & (deals.stage != "") & (ratio > 1)
    median = np.where(has_history, usual, np.nan)
    return findings(fired, deals.ids, ratio, weighted(deals), days=days, limit=limit, median=median, won_deals=many)


@rule(
    "P3",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.close_date"),
    likelihood=4,
    basis="weighted",
    parameters=(Parameter("days", 1, 1, 90, "days"), Parameter("severe_days", 14, 1, 365, "days")),
)
def close_date_passed(facts: Facts, settings: Settings) -> Findings:
    """A deal is still open on the day after its close date; severe after, that is on the day after, 14 days."""
    deals = facts.deals
    days = ages(facts.today, deals.close_date)
    fired = (deals.state == OPEN) & (days >= settings["days"])
    ratio = severity(days, settings["days"], max(settings["severe_days"], settings["days"]) + 1)
    return findings(fired, deals.ids, ratio, weighted(deals), days=days, close_date=deals.close_date)


@rule(
    "P4",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.close_date"),
    likelihood=3,
    basis="weighted",
    parameters=(
        Parameter("pushes", 2, 1, 20, "count"),
        Parameter("severe_pushes", 3, 1, 20, "count"),
        Parameter("days", 60, 1, 730, "days"),
    ),
)
def close_date_pushed(facts: Facts, settings: Settings) -> Findings:
    """The close date was moved later again and again, or by over 60 days in all.

    Only what was observed counts, from ``since`` on. The days in all are those of the moves later; a date that was
    moved back in between is not set off against them. A date that was emptied and set again is compared with the one
    before. A level of 3, and of 5 from the third push on, is the catalogue's: the ratio moves neither.
    """
    deals, snapshots = facts.deals, facts.snapshots
    before, after = steps(facts, ~np.isnan(snapshots.close_date))
    later = np.floor(snapshots.close_date[after]) - np.floor(snapshots.close_date[before])
    moved = snapshots.deal[after]
    pushes = counts(moved, len(deals), later > 0)
    total = sums(moved, later, len(deals), later > 0)
    many, far = times(pushes, settings["pushes"]), times(total, settings["days"])
    fired = (deals.state == OPEN) & ((many >= 1) | (far > 1))
    level = np.where(pushes >= settings["severe_pushes"], 5, 3)
    return findings(
        fired,
        deals.ids,
        worse(many, far),
        weighted(deals),
        level,
        pushes=pushes,
        days=total,
        since=first_seen(facts),
        close_date=deals.close_date,
    )


@rule(
    "P5",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.stage", "deal.amount", "deal.contacts"),
    likelihood=3,
    basis="weighted",
    parameters=(
        Parameter("contacts", 1, 0, 20, "count"),
        Parameter("hint_contacts", 2, 0, 20, "count"),
        Parameter("top_share", 0.25, 0.01, 1, "share"),
        Parameter("amount", 0, 0, 1e12),
    ),
)
def single_threaded(facts: Facts, settings: Settings) -> Findings:
    """One buyer contact or none on a big deal past the first stage; with two the level is one lower, a hint.

    Big is above ``amount``, or with 0 above the least of the greatest quarter of the open amounts. Where a deal says
    no number of contacts, those that are entered with it count, if there are any.
    """
    deals, contacts = facts.deals, facts.contacts
    is_open = deals.state == OPEN
    known = is_open & ~np.isnan(deals.amount)
    limit = settings["amount"]
    if not limit and known.any():
        limit = float(np.quantile(deals.amount[known], 1 - settings["top_share"]))
    people = deals.contacts
    if "contact.deal" in facts.known:
        entered = counts(contacts.deal, len(deals), contacts.active)
        people = np.where(np.isnan(people) & (entered > 0), entered, people)
    ratio = times(deals.amount, limit)
    few, hint = people <= settings["contacts"], people <= settings["hint_contacts"]
    fired = known & (ratio > 1) & (deals.place > 0) & (few | hint)
    level = np.where(few, 3, 2)
    limits = np.full(len(deals), limit)
    return findings(fired, deals.ids, ratio, weighted(deals), level, contacts=people, amount=deals.amount, limit=limits)


@rule(
    "P6",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.next_step", "activity.at", "activity.deal"),
    likelihood=2,
    basis="weighted",
    parameters=(Parameter("days", 14, 1, 365, "days"),),
)
def no_next_step(facts: Facts, settings: Settings) -> Findings:
    """Nothing is planned, and the next step has been empty, or has said the same, for 14 days.

    A step that is empty, nobody knows since when, has been so since the deal was made. What is planned for today
    is still to come.
    """
    deals, activities = facts.deals, facts.activities
    age = ages(facts.today, activities.day)
    planned = counts(activities.deal, len(deals), (activities.planned & (age <= 0)) | (age < 0))
    always = ~deals.next_step & np.isnan(deals.next_step_since)
    since = np.where(always, deals.created, deals.next_step_since)
    days = ages(facts.today, since)
    ratio = times(days, settings["days"])
    fired = (deals.state == OPEN) & (planned == 0) & (ratio >= 1)
    return findings(fired, deals.ids, ratio, weighted(deals), days=days, has_step=deals.next_step)


def _discounts(facts: Facts) -> Numbers:
    """Of each deal, as it says itself, or else as its latest quote says."""
    deals, quotes = facts.deals, facts.quotes
    discount = deals.discount if "deal.discount" in facts.known else np.full(len(deals), np.nan)
    if {"quote.deal", "quote.discount"} <= facts.known:
        said = ~np.isnan(quotes.discount) & (ages(facts.today, quotes.day) >= 0)
        quoted = taken(quotes.discount, latest(quotes.deal, quotes.day, len(deals), said), np.nan)
        discount = np.where(np.isnan(discount), quoted, discount)
    return discount


@rule(
    "P7",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.amount"),
    likelihood=3,
    basis="weighted",
    parameters=(Parameter("shrunk", 0.2, 0.01, 1, "share"), Parameter("discount", 0.2, 0.01, 1, "share")),
)
def losing_value(facts: Facts, settings: Settings) -> Findings:
    """The amount is at least 20 % under the highest that was seen, or the discount above 20 %.

    There is no price book among the facts, so one limit of discounts holds for all products. Money at risk is what
    the amount lost since its highest, nothing where it lost none, and half of what the deal is expected to bring.
    """
    deals, snapshots = facts.deals, facts.snapshots
    highest = greatest(snapshots.deal, snapshots.amount, len(deals), ages(facts.today, snapshots.day) >= 0)
    lost = np.where(highest > deals.amount, highest - deals.amount, 0)
    shrunk = np.where(highest > 0, lost / np.where(highest > 0, highest, 1), np.nan)
    discount = _discounts(facts)
    less, deep = times(shrunk, settings["shrunk"]), times(discount, settings["discount"])
    fired = (deals.state == OPEN) & ((less >= 1) | (deep > 1))
    money = lost + 0.5 * weighted(deals)
    return findings(
        fired,
        deals.ids,
        worse(less, deep),
        money,
        shrunk=shrunk,
        highest=highest,
        amount=deals.amount,
        discount=discount,
    )


def _per_team(team: Rows, have: Ids, values: Numbers, where: Truths, asked: Ids) -> Numbers:
    """The sum of what is known for each team asked for, of all for team 0.

    ``have`` are the teams there are, ``team`` is the place of each value's among them.
    """
    known = where & ~np.isnan(values)
    total = np.bincount(team[known], values[known], minlength=len(have))
    found = np.where(asked == 0, total.sum(), 0.0)
    if len(have):
        place = np.minimum(np.searchsorted(have, asked), len(have) - 1)
        found = np.where((asked != 0) & (have[place] == asked), total[place], found)
    return found


@rule(
    "P8",
    category="process",
    subject="team",
    needs=("target.amount", "deal.state", "deal.amount", "deal.close_date", "deal.closed_on"),
    likelihood=3,
    basis="open",
    parameters=(Parameter("cover", 3, 0.1, 20, "times"), Parameter("severe_cover", 1, 0.1, 20, "times")),
)
def thin_pipeline(facts: Facts, settings: Settings) -> Findings:
    """The open deals to be closed in a running period are less than 3 times what is still to be sold in it.

    Team 0 is everybody. What is still to be sold is the target less what was won in the period. Of several running
    targets of a team the least covered one counts, of those the one that ends first. Money at risk is the uncovered
    target: what is still to be sold less a third of the open amount, which is what would be sold if 3 times were just
    enough. Deals without an amount count nothing, and the details say how many those are.
    """
    deals, targets, today = facts.deals, facts.targets, np.floor(facts.today)
    running = (np.floor(targets.starts) <= today) & (np.floor(targets.ends) >= today) & (targets.amount > 0)
    rows = np.flatnonzero(running)
    remaining, pipeline, unpriced = (np.zeros(len(rows)) for _ in range(3))
    have, team = np.unique(deals.team, return_inverse=True)
    no_amount = np.isnan(deals.amount).astype(float)
    # Some few periods, however many deals.
    for starts, ends in np.unique(np.stack([targets.starts[rows], targets.ends[rows]], axis=1), axis=0):
        here = (targets.starts[rows] == starts) & (targets.ends[rows] == ends)
        asked = targets.team[rows][here]
        won = (deals.state == WON) & (deals.closed >= starts) & (deals.closed <= ends)
        coming = (deals.state == OPEN) & (deals.close_date >= starts) & (deals.close_date <= ends)
        remaining[here] = targets.amount[rows][here] - _per_team(team, have, deals.amount, won, asked)
        pipeline[here] = _per_team(team, have, deals.amount, coming, asked)
        unpriced[here] = _per_team(team, have, no_amount, coming, asked)
    pipeline = np.maximum(pipeline, 0)  # amounts below 0 are a mistake, and no cover
    left = remaining > 0
    rows, remaining, pipeline, unpriced = rows[left], remaining[left], pipeline[left], unpriced[left]
    cover = pipeline / remaining
    order = np.lexsort((targets.ends[rows], cover, targets.team[rows]))
    _, first = np.unique(targets.team[rows][order], return_index=True)
    chosen = order[first]
    rows, remaining, pipeline, cover = rows[chosen], remaining[chosen], pipeline[chosen], cover[chosen]
    ratio = times(settings["cover"] * remaining, pipeline)
    return findings(
        ratio > 1,
        targets.team[rows],
        ratio,
        remaining - pipeline / settings["cover"],
        np.where(times(settings["severe_cover"] * remaining, pipeline) > 1, 5, 3),
        cover=cover,
        open=pipeline,
        remaining=remaining,
        unpriced=unpriced[chosen],
        starts=targets.starts[rows],
        ends=targets.ends[rows],
    )


def _held(facts: Facts) -> tuple[Numbers, Numbers, Rows]:
    """Of each open deal how many its owner holds in its team, what owners there hold (median), and its place among
    those of its owner, 0 for the oldest. NaN, NaN and -1 for a deal without an owner, or that is closed.
    """
    deals = facts.deals
    held, usual = np.full(len(deals), np.nan), np.full(len(deals), np.nan)
    place = np.full(len(deals), -1, dtype=np.int64)
    rows = np.flatnonzero((deals.state == OPEN) & (deals.owner >= 0))
    teams, team = np.unique(deals.team[rows], return_inverse=True)
    people = max(len(facts.people), 1)
    pairs, pair, many = np.unique(team * people + deals.owner[rows], return_inverse=True, return_counts=True)
    held[rows] = many[pair]
    usual[rows] = medians(pairs // people, many.astype(float), len(teams))[team]
    order = np.lexsort((np.nan_to_num(deals.created[rows], nan=-np.inf), pair))
    place[rows[order]] = np.arange(len(rows)) - np.repeat(np.cumsum(many) - many, many)
    return held, usual, place


@rule(
    "P9",
    category="process",
    subject="deal",
    needs=("deal.state", "deal.owner"),
    likelihood=3,
    basis="weighted",
    parameters=(
        Parameter("changes", 2, 1, 20, "count"),
        Parameter("days", 90, 1, 365, "days"),
        Parameter("times", 2, 1, 20, "times"),
        Parameter("least_deals", 10, 1, 1000, "count"),
    ),
)
def unstable_owner(facts: Facts, settings: Settings) -> Findings:
    """A deal changed its owner twice in 90 days, its owner is inactive, or holds over twice what is usual in the team.

    The subject is a deal. Of an owner who holds too many, those fire that are too many, the latest: all of them would
    say one thing a hundred times. Somebody with fewer than 10 deals does not hold too many. Facts know no earlier
    owners of a customer, so its changes are seen in its deals alone.
    """
    deals, snapshots = facts.deals, facts.snapshots
    before, after = steps(facts, snapshots.owner >= 0)
    recent = between(ages(facts.today, snapshots.day[after]), 0, settings["days"])
    other = snapshots.owner[before] != snapshots.owner[after]
    changes = counts(snapshots.deal[after], len(deals), recent & other)
    held, usual, place = _held(facts)
    much = times(held, usual * settings["times"])
    # Whoever holds no more than the limit has no deal in a place beyond it.
    limit = np.floor(np.round(usual * settings["times"], 9))
    spare = (held >= settings["least_deals"]) & (place >= limit)
    gone = np.zeros(len(deals), dtype=bool)
    if "person.active" in facts.known:
        gone = taken(~facts.people.active, deals.owner, unknown=False)
    often = times(changes, settings["changes"])
    fired = (deals.state == OPEN) & ((often >= 1) | spare | gone)
    ratio = worse(often, np.where(spare, much, np.nan), np.where(gone, EITHER_OR, np.nan))
    return findings(
        fired, deals.ids, ratio, weighted(deals), changes=changes, held=held, usual=usual, overload=spare, inactive=gone
    )


@rule(
    "P10",
    category="process",
    subject="team",
    needs=("deal.state",),
    likelihood=4,
    basis="weighted",
    fixed_impact=2,
    parameters=(
        Parameter("filled", 0.8, 0.05, 1, "share"),
        Parameter("stale", 0.25, 0.01, 1, "share"),
        Parameter("days", 60, 1, 730, "days"),
        Parameter("least_deals", 5, 1, 1000, "count"),
        Parameter("haircut", 0.1, 0, 1, "share"),
    ),
)
def unreliable_data(facts: Facts, settings: Settings) -> Findings:
    """Less than 80 % of the mandatory fields of a team's open deals are filled, or over 25 % saw no change for 60 days.

    Each share is of the deals of which it is known, and of 5 at least. Team 0 are the deals of no team. Money at risk
    is a tenth of what is expected of the team's deals; where that is unknown, the impact is 2.
    """
    deals = facts.deals
    is_open = deals.state == OPEN
    teams, team = np.unique(deals.team, return_inverse=True)
    size = len(teams)
    age = ages(facts.today, deals.changed)

    def mean(values: Numbers) -> Numbers:
        known = is_open & ~np.isnan(values)
        many = counts(team, size, known)
        enough = many >= settings["least_deals"]
        return np.where(enough, sums(team, values, size, known) / np.where(enough, many, 1), np.nan)

    filled = mean(deals.filled)
    stale = mean(np.where(np.isnan(age), np.nan, age >= settings["days"]))
    empty, old = times(settings["filled"], filled), times(stale, settings["stale"])
    money = settings["haircut"] * sums(team, weighted(deals), size, is_open)
    return findings(
        (empty > 1) | (old > 1),
        teams,
        worse(empty, old),
        money,
        filled=filled,
        stale=stale,
        deals=counts(team, size, is_open),
    )
