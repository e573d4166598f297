"""Keeping what a source told: new rows, changed rows, rows that are gone. Statements do not grow with a page's rows."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import models, transaction
from django.db.models.functions import Lower

from crm.connectors.base import Row
from crm.kinds import KINDS, Kind, Type
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
    Fact,
    Lead,
    Order,
    Person,
    PrivacyRequest,
    Quote,
    Receivable,
    SatisfactionScore,
    Ticket,
)
from riskreg.accounts.models import User

MODELS: dict[str, Any] = {
    "person": Person,
    "competitor": Competitor,
    "customer": Customer,
    "deal": Deal,
    "contact": Contact,
    "activity": Activity,
    "satisfaction": SatisfactionScore,
    "competitor_move": CompetitorMove,
    "receivable": Receivable,
    "order": Order,
    "contract": Contract,
    "ticket": Ticket,
    "quote": Quote,
    "lead": Lead,
    "privacy_request": PrivacyRequest,
}
# In this order, so that what is referred to has come before.
ORDER = tuple(MODELS)
_REFERRED: dict[Type, Any] = {
    Type.PERSON: Person,
    Type.COMPETITOR: Competitor,
    Type.CUSTOMER: Customer,
    Type.DEAL: Deal,
}
_OF_A_TEAM = (Customer, Deal, CompetitorMove, Lead)
_AT_ONCE = 500  # rows in one statement, well below what SQLite can bind


@dataclass
class Counts:
    """What became of a page's rows."""

    read: int = 0
    new: int = 0
    changed: int = 0
    gone: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.read + other.read, self.new + other.new, self.changed + other.changed, self.gone + other.gone
        )


Neutral = tuple[Row, Mapping[str, Any]]


def keep(
    connection: Connection, kind: str, rows: Sequence[Neutral], *, now: dt.datetime, force: bool = False
) -> Counts:
    """Keep a page of neutral rows; one that is older than what is kept changes nothing.

    ``force`` takes rows although their time of change is known: after the mapping was changed.
    """
    model, about = MODELS[kind], KINDS[kind]
    newest: dict[str, Neutral] = {}
    for row, values in rows:
        there = newest.get(row.external_id)
        if there is None or _time(row) >= _time(there[0]):
            newest[row.external_id] = (row, values)
    with transaction.atomic():
        known = _known(model, connection, newest)
        wanted = [
            (row, values)
            for row, values in newest.values()
            if not row.gone and _is_news(row, known.get(row.external_id), force=force)
        ]
        page = _Page(connection, about, model, known, _referred(connection, about, wanted), now)
        facts = [page.fact(row, values) for row, values in wanted]
        _write(model, facts)
        if model is Deal:
            _take_snapshots([f for f in facts if isinstance(f, Deal)], known, now=now)
        gone = mark_gone(connection, kind, [row.external_id for row, _ in newest.values() if row.gone], now=now)
    new = sum(row.external_id not in known for row, _ in wanted)
    return Counts(read=len(rows), new=new, changed=len(wanted) - new, gone=gone)


def mark_gone(connection: Connection, kind: str, external_ids: Iterable[str], *, now: dt.datetime) -> int:
    """These are no longer there; returns how many that is news of. They stay, so that what refers to them does."""
    ids, marked = list(external_ids), 0
    for start in range(0, len(ids), _AT_ONCE):
        there = MODELS[kind]._default_manager.filter(connection=connection, gone_at=None)
        marked += there.filter(external_id__in=ids[start : start + _AT_ONCE]).update(gone_at=now)
    return marked


def vanished(connection: Connection, kind: str, there: set[str]) -> list[str]:
    """External ids we keep and the source no longer has."""
    kept = MODELS[kind]._default_manager.filter(connection=connection, gone_at=None)
    return [pk for pk in kept.values_list("external_id", flat=True) if pk not in there]


def link_the_waiting(connection: Connection) -> int:
    """Look again for what rows referred to before it came; returns how many were found."""
    found = 0
    for kind, model in MODELS.items():
        references = {f.name: f.type for f in KINDS[kind].fields if f.type in _REFERRED}
        waiting = model._default_manager.filter(connection=connection, waits_for__isnull=False).order_by("pk")
        last = 0
        while rows := list(waiting.filter(pk__gt=last).only("pk", "waits_for")[:_AT_ONCE]):
            last = rows[-1].pk
            places = {
                wanted: _places(
                    model_of, connection, {r.waits_for.get(n) for r in rows for n in _of(references, wanted)}
                )
                for wanted, model_of in _REFERRED.items()
            }
            for row in rows:
                for name in [n for n in row.waits_for if (n in references)]:
                    place = places[references[name]].get(row.waits_for[name])
                    if place is not None:
                        setattr(row, f"{name}_id", place)
                        del row.waits_for[name]
                        found += 1
                row.waits_for = row.waits_for or None
            model._default_manager.bulk_update(rows, [*references, "waits_for"], batch_size=_AT_ONCE)
    return found


def recognise_people(connection: Connection) -> None:
    """Salespeople whose address is that of somebody here are that person, unless an administrator said otherwise."""
    here = User.objects.annotate(address=Lower("email")).filter(address=Lower(models.OuterRef("email")), is_active=True)
    Person.objects.filter(connection=connection, user=None).exclude(email="").update(
        user=models.Subquery(here.order_by("pk").values("pk")[:1])
    )


# --- what is there ---------------------------------------------------------------------------------------


def _time(row: Row) -> dt.datetime:
    return row.modified_at or dt.datetime.min.replace(tzinfo=dt.UTC)


def _known(model: Any, connection: Connection, external_ids: Iterable[str]) -> dict[str, Any]:
    there = model._default_manager.filter(connection=connection, external_id__in=list(external_ids))
    return {fact.external_id or "": fact for fact in there}


def _is_news(row: Row, known: Any, *, force: bool) -> bool:
    if known is None or known.gone_at is not None:
        return True
    if row.modified_at is None or known.modified_at is None:
        return force or bool(known.raw != _as_json(row.raw))
    return bool(row.modified_at >= known.modified_at if force else row.modified_at > known.modified_at)


def _referred(connection: Connection, kind: Kind, rows: Sequence[Neutral]) -> dict[Type, dict[str, Any]]:
    """Primary keys of what the rows refer to, by kind of reference and external id."""
    found: dict[Type, dict[str, Any]] = {}
    for wanted, model in _REFERRED.items():
        names = [f.name for f in kind.fields if f.type is wanted]
        ids = {values.get(name) for _, values in rows for name in names}
        if wanted is Type.COMPETITOR and "competitor" not in connection.mapping:
            _name_competitors(connection, ids)
        found[wanted] = _places(model, connection, ids) if names else {}
    return found


def _places(model: Any, connection: Connection, ids: Iterable[Any]) -> dict[str, int]:
    wanted = [one for one in ids if one]
    if not wanted:
        return {}
    there = model._default_manager.filter(connection=connection, external_id__in=wanted)
    return dict(there.values_list("external_id", "pk"))


def _name_competitors(connection: Connection, names: Iterable[Any]) -> None:
    """Where competitors are no records but a word on a deal, the word is the competitor."""
    Competitor.objects.bulk_create(
        [Competitor(connection=connection, external_id=n, name=n) for n in sorted({n for n in names if n})],
        ignore_conflicts=True,
    )


# --- what is written -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Page:
    """What the rows of one page have in common."""

    connection: Connection
    kind: Kind
    model: Any
    known: Mapping[str, Any]
    referred: Mapping[Type, Mapping[str, int]]
    now: dt.datetime

    def fact(self, row: Row, values: Mapping[str, Any]) -> Any:
        known = self.known.get(row.external_id)
        fact = self.model(
            pk=known.pk if known is not None else None,
            connection=self.connection,
            external_id=row.external_id,
            modified_at=row.modified_at,
            raw=_as_json(row.raw),
        )
        # What the mapping does not speak of stays as somebody here put it.
        for field in [] if known is None else _own_fields(self.model):
            setattr(fact, field.attname, getattr(known, field.attname))
        waits: dict[str, str] = {}
        for name, value in values.items():
            wanted = self.kind.field(name).type
            if wanted in _REFERRED:
                place = self.referred[wanted].get(value) if value else None
                setattr(fact, f"{name}_id", place)
                if value and place is None:
                    waits[name] = value
            else:
                _set(fact, name, value)
        fact.waits_for = waits or None
        if self.model in _OF_A_TEAM and fact.team_id is None:
            fact.team_id = self.connection.team_id
        if follow := _FOLLOW.get(self.model):
            follow(fact, known, row.modified_at or self.now)
        return fact


def _own_fields(model: Any) -> list[Any]:
    shared = {field.name for field in Fact._meta.get_fields()} | {"id"}
    return [field for field in model._meta.concrete_fields if field.name not in shared]


def _set(fact: Any, name: str, value: Any) -> None:
    """A value where the model has room for it: too long a text is cut, a number too large is none."""
    field = fact._meta.get_field(name)
    if value is None:
        value = None if field.null else field.get_default()
    elif isinstance(field, models.CharField):
        value = str(value)[: field.max_length]
    elif isinstance(field, models.DecimalField) and isinstance(value, Decimal):
        places = Decimal(1).scaleb(-(field.decimal_places or 0))
        room = Decimal(10) ** ((field.max_digits or 0) - (field.decimal_places or 0))
        value = value.quantize(places) if abs(value) < room else (None if field.null else field.get_default())
    setattr(fact, name, value)


def _as_json(raw: Any) -> Any:
    """The record as it came, with numbers that JSON cannot hold exactly as text."""
    if isinstance(raw, Mapping):
        return {str(key): _as_json(value) for key, value in raw.items()}
    if isinstance(raw, list | tuple):
        return [_as_json(value) for value in raw]
    return raw if isinstance(raw, bool | int | str | None) else str(raw)


def _write(model: Any, facts: Sequence[Any]) -> None:
    new = [fact for fact in facts if fact.pk is None]
    old = [fact for fact in facts if fact.pk is not None]
    model._default_manager.bulk_create(new, batch_size=_AT_ONCE)
    if old:
        names = [field.name for field in model._meta.concrete_fields if not field.primary_key]
        model._default_manager.bulk_create(
            old, batch_size=_AT_ONCE, update_conflicts=True, unique_fields=["pk"], update_fields=names
        )


# --- what is remembered of a change ----------------------------------------------------------------------


def _follow_deal(deal: Deal, known: Deal | None, at: dt.datetime) -> None:
    if known is None or known.next_step != deal.next_step:
        deal.next_step_since = at
    if known is not None and known.stage != deal.stage and known.stage_since == deal.stage_since:
        deal.stage_since = at  # the source does not tell, but we saw it move
    if deal.state == Deal.State.OPEN:
        deal.closed_on = None
    elif deal.closed_on is None:
        deal.closed_on = deal.close_date or at.date()


def _follow_contact(contact: Contact, known: Contact | None, at: dt.datetime) -> None:
    if known is None or (known.active, known.is_key) != (contact.active, contact.is_key):
        contact.changed_at = at


_FOLLOW: dict[Any, Callable[[Any, Any, dt.datetime], None]] = {
    Deal: _follow_deal,
    Contact: _follow_contact,
}


def _stand(deal: Deal) -> tuple[Any, ...]:
    return deal.stage, deal.state, deal.amount, deal.close_date, deal.owner_id


def _take_snapshots(deals: Sequence[Deal], known: Mapping[str, Deal], *, now: dt.datetime) -> None:
    moved = [d for d in deals if (k := known.get(d.external_id or "")) is None or _stand(k) != _stand(d)]
    DealSnapshot.objects.bulk_create(
        [
            DealSnapshot(
                deal=deal,
                at=deal.modified_at or now,
                stage=deal.stage,
                state=deal.state,
                amount=deal.amount,
                close_date=deal.close_date,
                owner_id=deal.owner_id,
                by_id=deal.changed_by_id,
            )
            for deal in moved
        ],
        batch_size=_AT_ONCE,
    )


def _of(references: Mapping[str, Type], wanted: Type) -> list[str]:
    return [name for name, one in references.items() if one is wanted]
