"""Facts from the database as columns (risks/rules/facts.py): a constant number of statements, whatever there is."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from django.db.models import CharField, Count, FloatField, IntegerField, Q, QuerySet, TextField
from django.db.models.functions import Cast
from numpy.typing import NDArray

from crm.kinds import KINDS
from crm.models import (
    Activity,
    Competitor,
    CompetitorMove,
    Connection,
    Contact,
    Contract,
    Customer,
    Deal,
    DealSnapshot,
    ExchangeRate,
    Lead,
    Order,
    Person,
    PrivacyRequest,
    Quote,
    Receivable,
    SatisfactionScore,
    Stage,
    Target,
    Ticket,
)
from crm.store import MODELS
from riskreg import arrays
from riskreg.accounts.models import Team
from risks.rules import facts as tables
from risks.rules.facts import Facts

_STATES: dict[str, int] = {Deal.State.OPEN: tables.OPEN, Deal.State.WON: tables.WON, Deal.State.LOST: tables.LOST}
_NAMES: dict[type[Any], str] = {Person: "person", Customer: "customer", Deal: "deal", Competitor: "competitor"}

Kind = Literal["id", "ref", "number", "percent", "day", "moment", "yes", "text"]
Array = NDArray[Any]


@dataclass(frozen=True)
class _Column:
    """Where a column comes from. ``to`` is the table a reference goes to."""

    field: str
    kind: Kind
    to: type[Any] | None = None


def _ref(field: str, to: type[Any]) -> _Column:
    return _Column(field, "ref", to)


_WHOSE = {"customer": _ref("customer", Customer)}
_OF_A_DEAL = _WHOSE | {"deal": _ref("deal", Deal)}
_DEALS = {
    "ids": _Column("pk", "id"),
    "name": _Column("name", "text"),
    "customer": _ref("customer", Customer),
    "owner": _ref("owner", Person),
    "team": _Column("team", "id"),
    "pipeline": _Column("pipeline", "text"),
    "stage": _Column("stage", "text"),
    "state": _Column("state", "text"),
    "amount": _Column("amount", "number"),
    "currency": _Column("currency", "text"),
    "probability": _Column("probability", "percent"),
    "created": _Column("created_at", "moment"),
    "close_date": _Column("close_date", "day"),
    "closed": _Column("closed_on", "day"),
    "stage_since": _Column("stage_since", "moment"),
    "next_step": _Column("next_step", "text"),
    "next_step_since": _Column("next_step_since", "moment"),
    "discount": _Column("discount", "percent"),
    "contacts": _Column("contacts", "number"),
    "product": _Column("product", "text"),
    "source": _Column("source", "text"),
    "competitor": _ref("competitor", Competitor),
    "changed": _Column("modified_at", "moment"),
    "connection": _Column("connection", "id"),
}
_PEOPLE = {
    "ids": _Column("pk", "id"),
    "name": _Column("name", "text"),
    "active": _Column("active", "yes"),
    "unit": _Column("unit", "text"),
}
_CUSTOMERS = {
    "ids": _Column("pk", "id"),
    "name": _Column("name", "text"),
    "team": _Column("team", "id"),
    "segment": _Column("segment", "text"),
    "industry": _Column("industry", "text"),
    "region": _Column("region", "text"),
    "tier": _Column("tier", "text"),
    "parent": _ref("parent", Customer),
    "owner": _ref("owner", Person),
    "credit_limit": _Column("credit_limit", "number"),
    "touched": _Column("last_touched_at", "moment"),
}
_CONTACTS = _OF_A_DEAL | {
    "name": _Column("name", "text"),
    "is_key": _Column("is_key", "yes"),
    "active": _Column("active", "yes"),
    "opted_out": _Column("opted_out", "yes"),
    "changed": _Column("changed_at", "moment"),
}
_SNAPSHOTS = {
    "deal": _ref("deal", Deal),
    "day": _Column("at", "moment"),
    "stage": _Column("stage", "text"),
    "amount": _Column("amount", "number"),
    "close_date": _Column("close_date", "day"),
    "owner": _ref("owner", Person),
    "by": _ref("by", Person),
}
_ACTIVITIES = _OF_A_DEAL | {
    "day": _Column("at", "moment"),
    "two_way": _Column("two_way", "yes"),
    "planned": _Column("planned", "yes"),
}
_SCORES = _WHOSE | {
    "day": _Column("at", "moment"),
    "value": _Column("value", "number"),
    "scale": _Column("scale", "number"),
    "is_nps": _Column("is_nps", "yes"),
}
_MOVES = _OF_A_DEAL | {
    "competitor": _ref("competitor", Competitor),
    "move": _Column("move", "text"),
    "price": _Column("price", "number"),
    "currency": _Column("currency", "text"),
    "day": _Column("on", "day"),
}
_RECEIVABLES = _WHOSE | {
    "due": _Column("due_on", "day"),
    "amount": _Column("amount", "number"),
    "paid": _Column("paid", "number"),
    "currency": _Column("currency", "text"),
}
_ORDERS = _OF_A_DEAL | {
    "ids": _Column("pk", "id"),
    "number": _Column("number", "text"),
    "day": _Column("ordered_on", "day"),
    "amount": _Column("amount", "number"),
    "currency": _Column("currency", "text"),
    "is_open": _Column("is_open", "yes"),
    "delivered": _Column("delivered_on", "day"),
    "invoiced": _Column("invoiced_on", "day"),
    "approved": _Column("approved_on", "day"),
}
_CONTRACTS = _WHOSE | {
    "starts": _Column("starts_on", "day"),
    "ends": _Column("ends_on", "day"),
    "yearly": _Column("yearly_value", "number"),
    "currency": _Column("currency", "text"),
    "active": _Column("active", "yes"),
}
_TICKETS = _WHOSE | {
    "opened": _Column("opened_at", "moment"),
    "closed": _Column("closed_at", "moment"),
    "is_top": _Column("is_top_priority", "yes"),
}
_QUOTES = _OF_A_DEAL | {
    "day": _Column("on", "day"),
    "amount": _Column("amount", "number"),
    "currency": _Column("currency", "text"),
    "discount": _Column("discount", "percent"),
    "approved": _Column("approved_on", "day"),
    "product": _Column("product", "text"),
}
_LEADS = {"created": _Column("created_at", "moment"), "source": _Column("source", "text")}
_TARGETS = {
    "team": _Column("team", "id"),
    "starts": _Column("starts_on", "day"),
    "ends": _Column("ends_on", "day"),
    "amount": _Column("amount", "number"),
}
_PRIVACY_REQUESTS = _WHOSE | {"opened": _Column("opened_on", "day"), "closed": _Column("closed_on", "day")}


def load(*, today: dt.date, home: str, company: Team) -> Facts:
    """Everything the rules look at in a company, a team with all below it; what is gone is left out.

    Amounts in other currencies are turned into ``home`` by the latest rate of ``today``; without one they are unknown.
    """
    return _Loader(today, home, company).facts()


def companies() -> list[Team]:
    """Teams with none above them: what is one market, with rules and averages of its own."""
    return [team for team in Team.objects.order_by("path") if team.path.count("/") == 2]


def known(company: Team) -> frozenset[str]:
    """What somebody tells at all, as "deal.close_date": mapped by a connection, or said by hand or by a file."""
    told: set[str] = set()
    mappings = Connection.objects.filter(team__path__startswith=company.path, ended_at=None)
    for mapping in mappings.values_list("mapping", flat=True):
        for kind, sources in mapping.items():
            told |= {f"{kind}.{name}" for source in sources for name in (*source["fields"], *source.get("fixed", ()))}
    for kind, model in MODELS.items():
        said = {field.name: _is_said(model, field.name) for field in KINDS[kind].fields}
        by_hand = _of(model, company).filter(connection=None)
        told |= {f"{kind}.{name}" for name, many in by_hand.aggregate(**said).items() if many}
    if Target.objects.filter(_whose_target(company)).exists():
        told |= {"target.amount", "target.starts_on", "target.ends_on"}
    return frozenset(told | _implied(told))


def _implied(told: set[str]) -> set[str]:
    """What follows from what is told: a closed deal closed by its close date, contacts of a deal can be counted."""
    implied = set()
    if {"deal.state", "deal.close_date"} <= told:
        implied.add("deal.closed_on")
    if "contact.deal" in told:
        implied.add("deal.contacts")
    return implied


def _whose_target(company: Team) -> Q:
    return Q(team=None) | Q(team__path__startswith=company.path)


def _is_said(model: Any, name: str) -> Count:
    says = Q(**{f"{name}__isnull": False})
    if isinstance(model._meta.get_field(name), CharField | TextField):
        says &= ~Q(**{name: ""})
    return Count("pk", filter=says)


def _of(model: Any, company: Team) -> QuerySet[Any]:
    """The facts of one company: of its connections, or about its customers."""
    rows: QuerySet[Any] = model.objects.filter(gone_at=None)
    if model is Competitor:  # known to all
        return rows
    whose = Q(connection__team__path__startswith=company.path)
    names = {field.name for field in model._meta.get_fields()}
    owner = "team__path" if "team" in names and model is not Person else "customer__team__path"
    if "customer" in names or owner == "team__path":
        whose |= Q(connection=None, **{f"{owner}__startswith": company.path})
    return rows.filter(whose)


class _Loader:
    def __init__(self, today: dt.date, home: str, company: Team) -> None:
        self.today, self.home, self.company = today, home, company
        self.ids: dict[type[Any], Array] = {}
        self.deal_worth: Array = np.empty(0)
        rates = ExchangeRate.objects.filter(on__lte=today).order_by("currency", "on")
        self.rates = self._columns(
            rates,
            {
                "currency": _Column("currency", "text"),
                "day": _Column("on", "day"),
                "rate": _Column("rate", "number"),
            },
        )
        # The last one of each currency stands: they come in the order of their days.
        self.worth = dict(zip(self.rates["currency"].tolist(), self.rates["rate"].tolist(), strict=True))
        self.worth |= {home: 1.0, "": 1.0}

    def facts(self) -> Facts:
        people = self._table(Person, tables.People, _PEOPLE)
        customers = self._table(Customer, tables.Customers, _CUSTOMERS)
        competitors = self._table(Competitor, tables.Competitors, {k: _PEOPLE[k] for k in ("ids", "name")})
        deals, contacts = self._deals(), self._table(Contact, tables.Contacts, _CONTACTS)
        if len(contacts) and np.isnan(deals.contacts).all():
            counted = np.bincount(contacts.deal[contacts.deal >= 0], minlength=len(deals)).astype(np.float64)
            deals = replace(deals, contacts=counted)
        return Facts(
            today=float((self.today - dt.date(1970, 1, 1)).days),
            known=known(self.company),
            home=self.home,
            people=people,
            customers=customers,
            competitors=competitors,
            deals=deals,
            contacts=contacts,
            snapshots=self._snapshots(),
            activities=self._table(Activity, tables.Activities, _ACTIVITIES),
            scores=self._table(SatisfactionScore, tables.Scores, _SCORES),
            moves=self._table(CompetitorMove, tables.Moves, _MOVES),
            receivables=self._table(Receivable, tables.Receivables, _RECEIVABLES),
            orders=self._table(Order, tables.Orders, _ORDERS),
            contracts=self._table(Contract, tables.Contracts, _CONTRACTS),
            tickets=self._table(Ticket, tables.Tickets, _TICKETS),
            quotes=self._table(Quote, tables.Quotes, _QUOTES),
            leads=self._table(Lead, tables.Leads, _LEADS),
            privacy_requests=self._table(PrivacyRequest, tables.PrivacyRequests, _PRIVACY_REQUESTS),
            targets=self._targets(),
            rates=tables.Rates.of(len(self.rates["day"]), **self.rates),
        )

    def _table(self, model: Any, table: Any, spec: Mapping[str, _Column]) -> Any:
        columns = self._columns(_of(model, self.company).order_by("pk"), spec)
        if "ids" in columns:
            self.ids[model] = columns["ids"]
            columns = self._refer_to_itself(model, columns, spec)
        return self._made(table, columns)

    def _made(self, table: Any, columns: dict[str, Array]) -> Any:
        if "currency" in columns:
            self._at_home(columns)
        there = {name: columns[name] for name in table.__dataclass_fields__ if name in columns}
        return table.of(len(next(iter(columns.values()))), **there)

    def _deals(self) -> Any:
        rows = _of(Deal, self.company).order_by("pk")
        columns = self._columns(rows, _DEALS)
        self.ids[Deal] = columns["ids"]
        columns["state"] = np.array([_STATES[state] for state in columns["state"].tolist()], dtype=np.int8)
        columns["next_step"] = columns["next_step"] != ""
        columns["place"] = self._places(columns)
        self.deal_worth = self._worth(columns["currency"])
        says = [columns["customer"] >= 0, columns["owner"] >= 0, columns["stage"] != ""]
        says += [~np.isnan(columns["amount"]), ~np.isnan(columns["close_date"])]
        columns["filled"] = np.mean(says, axis=0) if len(columns["ids"]) else np.empty(0)
        return self._made(tables.Deals, columns)

    def _places(self, deals: Mapping[str, Array]) -> Array:
        """Where each deal's stage lies in its pipeline; NaN where nobody said."""
        stages = Stage.objects.values_list("connection", "pipeline", "name", "place")
        there = {(connection, pipeline, name): place for connection, pipeline, name, place in stages}
        keys = zip(*(deals[name].tolist() for name in ("connection", "pipeline", "stage")), strict=True)
        return np.array([np.nan if (place := there.get(key)) is None else place for key in keys], dtype=np.float64)

    def _snapshots(self) -> Any:
        rows = DealSnapshot.objects.filter(deal__in=_of(Deal, self.company)).order_by("deal", "at", "pk")
        columns = self._columns(rows, _SNAPSHOTS)
        if len(columns["deal"]):  # an amount is in the currency of its deal
            columns["amount"] = columns["amount"] * self.deal_worth[columns["deal"]]
        return self._made(tables.Snapshots, columns)

    def _targets(self) -> Any:
        """Those of the company's teams; the whole company's count as everybody's."""
        columns = self._columns(Target.objects.filter(_whose_target(self.company)).order_by("pk"), _TARGETS)
        columns["team"][columns["team"] == self.company.pk] = 0
        return self._made(tables.Targets, columns)

    def _worth(self, currencies: Array) -> Array:
        return np.array([self.worth.get(one, np.nan) for one in currencies.tolist()], dtype=np.float64)

    def _at_home(self, columns: dict[str, Array]) -> None:
        rate = self._worth(columns["currency"])
        for name in ("amount", "paid", "price", "yearly"):
            if name in columns:
                columns[name] = columns[name] * rate

    def _refer_to_itself(self, model: Any, columns: dict[str, Array], spec: Mapping[str, _Column]) -> dict[str, Array]:
        return {name: self._rows(model, a) if spec[name].to is model else a for name, a in columns.items()}

    def _columns(self, rows: QuerySet[Any], spec: Mapping[str, _Column]) -> dict[str, Array]:
        """Two statements: one for all numbers, one for all texts, both in the order of ``rows``."""
        numbers = {name: column for name, column in spec.items() if column.kind != "text"}
        texts = [name for name, column in spec.items() if column.kind == "text"]
        found: dict[str, Array] = {}
        if numbers:
            asked = [_asked(column) for column in numbers.values()]
            read = arrays.read(rows.values_list(*(one for one, _ in asked)), *(kind for _, kind in asked))
            for (name, column), values in zip(numbers.items(), read, strict=True):
                found[name] = self._turned(column, values)
        if texts:
            said = list(rows.values_list(*(spec[name].field for name in texts)))
            for place, name in enumerate(texts):
                found[name] = np.array([row[place] for row in said], dtype=object)
        return {name: found[name] for name in spec}

    def _turned(self, column: _Column, values: Array) -> Array:
        if column.kind == "ref":
            return values if column.to not in self.ids else self._rows(column.to, values)
        if column.kind in ("day", "moment"):
            unit = np.timedelta64(1, "D") if column.kind == "day" else np.timedelta64(86_400_000_000, "us")
            since = values - np.datetime64("1970-01-01").astype(values.dtype)
            days: Array = since / unit
            return days
        if column.kind == "percent":
            return values / 100
        return values.astype(np.bool_) if column.kind == "yes" else values

    def _rows(self, to: Any, ids: Array) -> Array:
        """The rows that primary keys stand in, -1 for none (0) and for what is gone."""
        there = self.ids[to]
        if not len(there):
            return np.full(len(ids), -1, dtype=np.int64)
        places = np.minimum(np.searchsorted(there, ids), len(there) - 1)
        found: Array = np.where(there[places] == ids, places, -1)
        return found


def _asked(column: _Column) -> tuple[Any, arrays.Kind]:
    """How a column is asked for, and as what it is read."""
    if column.kind in ("number", "percent"):
        return Cast(column.field, FloatField()), "float"
    if column.kind == "yes":
        return Cast(column.field, IntegerField()), "int"
    if column.kind in ("day", "moment"):
        return column.field, column.kind
    return column.field, "int"
