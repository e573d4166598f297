"""The facts of a sale as columns, for rules that look at a hundred thousand deals at once. Plain.

One array a column, one row a fact. A day is a float, days since 1970-01-01, NaN where unknown; so is an amount, in the
home currency unless its name says otherwise. A reference is the row in the other table, -1 for none. Text is an array
of objects, "" for unknown. Comparisons with NaN are false, so what is unknown never fires a rule.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

Days = NDArray[np.float64]
Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]  # rows of another table, -1 for none
Ids = NDArray[np.int64]  # primary keys
Texts = NDArray[np.object_]
Truths = NDArray[np.bool_]
States = NDArray[np.int8]

OPEN, WON, LOST = 0, 1, 2


_UNKNOWN: dict[str, Any] = {
    "Days": np.nan,
    "Numbers": np.nan,
    "Rows": -1,
    "Ids": 0,
    "Texts": "",
    "Truths": False,
    "States": OPEN,
}
_DTYPES: dict[str, Any] = {
    "Days": np.float64,
    "Numbers": np.float64,
    "Rows": np.int64,
    "Ids": np.int64,
    "Texts": object,
    "Truths": np.bool_,
    "States": np.int8,
}


class Table:
    """Columns of one length."""

    def __len__(self) -> int:
        return len(getattr(self, fields(self)[0].name))  # type: ignore[arg-type]

    @classmethod
    def of(cls, rows: int, **columns: Any) -> Self:
        """So many rows, each of ``columns`` as given (an array, a list, or one value for all) and unknown otherwise.

        Raises ValueError for a column of another length, TypeError for one the table does not have.
        """
        kinds = {column.name: str(column.type) for column in fields(cls)}  # type: ignore[arg-type]
        if unknown := columns.keys() - kinds.keys():
            raise TypeError(f"{cls.__name__} has no {', '.join(sorted(unknown))}")
        made = {}
        for name, kind in kinds.items():
            array = np.empty(rows, dtype=_DTYPES[kind])
            array[:] = columns.get(name, _UNKNOWN[kind])
            made[name] = array
        return cls(**made)


@dataclass(frozen=True)
class People(Table):
    ids: Ids
    name: Texts
    active: Truths
    unit: Texts


@dataclass(frozen=True)
class Customers(Table):
    ids: Ids
    name: Texts
    team: Ids
    segment: Texts
    industry: Texts
    region: Texts
    tier: Texts  # key, mid, small
    parent: Rows
    owner: Rows
    credit_limit: Numbers
    touched: Days  # as the CRM says, an upper bound


@dataclass(frozen=True)
class Contacts(Table):
    customer: Rows
    deal: Rows
    name: Texts
    is_key: Truths
    active: Truths
    opted_out: Truths
    changed: Days  # when its state was last seen to change


@dataclass(frozen=True)
class Deals(Table):
    ids: Ids
    name: Texts
    customer: Rows
    owner: Rows
    team: Ids
    pipeline: Texts
    stage: Texts
    place: Numbers  # of its stage among those of the pipeline, 0 for the first, 1 for the last
    state: States  # OPEN, WON, LOST
    amount: Numbers
    currency: Texts
    probability: Numbers  # 0..1
    created: Days
    close_date: Days  # expected
    closed: Days
    stage_since: Days
    next_step: Truths
    next_step_since: Days
    discount: Numbers  # 0..1
    contacts: Numbers
    product: Texts
    source: Texts
    competitor: Rows
    changed: Days  # last modified
    filled: Numbers  # share of the mandatory fields that say something, 0..1


@dataclass(frozen=True)
class Snapshots(Table):
    """How a deal stood from a day on, oldest first within each deal; the first is how it was first seen."""

    deal: Rows
    day: Days
    stage: Texts
    amount: Numbers
    close_date: Days
    owner: Rows
    by: Rows  # who made the change, where the CRM says


@dataclass(frozen=True)
class Activities(Table):
    customer: Rows
    deal: Rows
    day: Days
    two_way: Truths
    planned: Truths
    is_marketing: Truths
    contact: Rows


@dataclass(frozen=True)
class Scores(Table):
    customer: Rows
    day: Days
    value: Numbers
    scale: Numbers  # its highest value
    is_nps: Truths


@dataclass(frozen=True)
class Competitors(Table):
    ids: Ids
    name: Texts


@dataclass(frozen=True)
class Moves(Table):
    competitor: Rows
    customer: Rows
    deal: Rows
    move: Texts  # product, price, promotion, quote, win, other
    price: Numbers
    day: Days


@dataclass(frozen=True)
class Receivables(Table):
    customer: Rows
    due: Days
    amount: Numbers
    paid: Numbers
    currency: Texts


@dataclass(frozen=True)
class Orders(Table):
    ids: Ids
    number: Texts
    customer: Rows
    deal: Rows
    day: Days
    amount: Numbers
    is_open: Truths
    delivered: Days
    invoiced: Days
    approved: Days


@dataclass(frozen=True)
class Contracts(Table):
    customer: Rows
    starts: Days
    ends: Days
    yearly: Numbers
    active: Truths


@dataclass(frozen=True)
class Tickets(Table):
    customer: Rows
    opened: Days
    closed: Days
    is_top: Truths


@dataclass(frozen=True)
class Quotes(Table):
    customer: Rows
    deal: Rows
    day: Days
    amount: Numbers
    discount: Numbers
    approved: Days
    product: Texts


@dataclass(frozen=True)
class Leads(Table):
    created: Days
    source: Texts


@dataclass(frozen=True)
class PrivacyRequests(Table):
    customer: Rows
    opened: Days
    closed: Days


@dataclass(frozen=True)
class Targets(Table):
    """What a team, or everybody (team 0), should sell in a period."""

    team: Ids
    starts: Days
    ends: Days
    amount: Numbers


@dataclass(frozen=True)
class Rates(Table):
    """What one unit of a currency was worth in the home currency, oldest first within each currency."""

    currency: Texts
    day: Days
    rate: Numbers


@dataclass(frozen=True)
class Facts:
    """All there is to look at. ``known`` names what is mapped at all, as "deal.close_date"; see crm/kinds.py.

    ``home`` is the home currency. ``today`` is a day like the others, in the company's own time zone.
    """

    today: float
    known: frozenset[str]
    home: str = ""
    people: People = field(default_factory=lambda: People.of(0))
    customers: Customers = field(default_factory=lambda: Customers.of(0))
    contacts: Contacts = field(default_factory=lambda: Contacts.of(0))
    deals: Deals = field(default_factory=lambda: Deals.of(0))
    snapshots: Snapshots = field(default_factory=lambda: Snapshots.of(0))
    activities: Activities = field(default_factory=lambda: Activities.of(0))
    scores: Scores = field(default_factory=lambda: Scores.of(0))
    competitors: Competitors = field(default_factory=lambda: Competitors.of(0))
    moves: Moves = field(default_factory=lambda: Moves.of(0))
    receivables: Receivables = field(default_factory=lambda: Receivables.of(0))
    orders: Orders = field(default_factory=lambda: Orders.of(0))
    contracts: Contracts = field(default_factory=lambda: Contracts.of(0))
    tickets: Tickets = field(default_factory=lambda: Tickets.of(0))
    quotes: Quotes = field(default_factory=lambda: Quotes.of(0))
    leads: Leads = field(default_factory=lambda: Leads.of(0))
    privacy_requests: PrivacyRequests = field(default_factory=lambda: PrivacyRequests.of(0))
    targets: Targets = field(default_factory=lambda: Targets.of(0))
    rates: Rates = field(default_factory=lambda: Rates.of(0))
