"""The neutral facts of a sale, whatever a CRM calls them: which kinds there are, and what each may say. Plain.

The one list of fields: connectors are mapped onto it, files are read into it, forms ask for it, models store it, and
rules say which of it they need. The models' verbose names are its labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Type(StrEnum):
    """What a value is, once it is read: str, Decimal, Decimal, int, date, aware UTC datetime, bool, external id."""

    TEXT = "text"
    NUMBER = "number"
    MONEY = "money"  # without its currency, which is a field of its own
    COUNT = "count"
    DAY = "day"
    MOMENT = "moment"
    YES = "yes"
    CHOICE = "choice"  # one of a few words of ours; a mapping says which of theirs is which
    CUSTOMER = "customer"  # a reference to another fact of the same source, by its external id
    DEAL = "deal"
    PERSON = "person"
    COMPETITOR = "competitor"


@dataclass(frozen=True)
class Field:
    name: str
    type: Type = Type.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """One kind of fact. ``since`` is the field that says when it was, for what is looked at by time."""

    name: str
    fields: tuple[Field, ...]
    since: str = ""

    def field(self, name: str) -> Field:
        """Raises KeyError for a field it does not have."""
        found = next((field for field in self.fields if field.name == name), None)
        if found is None:
            raise KeyError(f"{self.name} has no {name}")
        return found


_CUSTOMER = Field("customer", Type.CUSTOMER)
_THEIR = Field("customer", Type.CUSTOMER, required=True)
_DEAL = Field("deal", Type.DEAL)
_CURRENCY = Field("currency")

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("person", (Field("name", required=True), Field("email"), Field("active", Type.YES), Field("unit"))),
        Kind(
            "customer",
            (
                Field("name", required=True),
                Field("segment"),
                Field("industry"),
                Field("region"),
                Field("tier", Type.CHOICE, choices=("key", "mid", "small")),
                Field("parent", Type.CUSTOMER),
                Field("owner", Type.PERSON),
                Field("annual_revenue", Type.MONEY),
                Field("credit_limit", Type.MONEY),
                Field("last_touched_at", Type.MOMENT),
            ),
        ),
        Kind(
            "contact",
            (
                Field("name", required=True),
                _THEIR,
                _DEAL,
                Field("role"),
                Field("is_key", Type.YES),
                Field("active", Type.YES),
                Field("opted_out", Type.YES),
            ),
        ),
        Kind(
            "deal",
            (
                Field("name", required=True),
                _CUSTOMER,
                Field("owner", Type.PERSON),
                Field("pipeline"),
                Field("stage"),
                Field("state", Type.CHOICE, choices=("open", "won", "lost")),
                Field("amount", Type.MONEY),
                _CURRENCY,
                Field("probability", Type.NUMBER),  # percent
                Field("created_at", Type.MOMENT),
                Field("close_date", Type.DAY),
                Field("closed_on", Type.DAY),
                Field("stage_since", Type.MOMENT),
                Field("next_step"),
                Field("discount", Type.NUMBER),  # percent
                Field("contacts", Type.COUNT),
                Field("product"),
                Field("source"),
                Field("loss_reason"),
                Field("competitor", Type.COMPETITOR),
                Field("changed_by", Type.PERSON),  # who made the last change
            ),
            since="created_at",
        ),
        Kind(
            "activity",
            (
                _CUSTOMER,
                _DEAL,
                Field("kind"),
                Field("at", Type.MOMENT, required=True),
                Field("two_way", Type.YES),
                Field("planned", Type.YES),  # still to come when it was written down
                Field("by", Type.PERSON),
            ),
            since="at",
        ),
        Kind(
            "satisfaction",
            (
                _THEIR,
                Field("value", Type.NUMBER, required=True),
                Field("scale", Type.NUMBER),  # its highest value; 10 for NPS
                Field("is_nps", Type.YES),
                Field("at", Type.MOMENT, required=True),
                Field("comment"),
            ),
            since="at",
        ),
        Kind("competitor", (Field("name", required=True),)),
        Kind(
            "competitor_move",
            (
                Field("competitor", Type.COMPETITOR, required=True),
                _CUSTOMER,
                _DEAL,
                Field("move", Type.CHOICE, choices=("product", "price", "promotion", "quote", "win", "other")),
                Field("price", Type.MONEY),
                _CURRENCY,
                Field("on", Type.DAY, required=True),
                Field("text"),
            ),
            since="on",
        ),
        Kind(
            "receivable",
            (
                Field("number"),
                _THEIR,
                Field("due_on", Type.DAY, required=True),
                Field("amount", Type.MONEY, required=True),
                Field("paid", Type.MONEY),
                _CURRENCY,
            ),
            since="due_on",
        ),
        Kind(
            "order",
            (
                Field("number"),
                _THEIR,
                _DEAL,
                Field("ordered_on", Type.DAY, required=True),
                Field("amount", Type.MONEY, required=True),
                _CURRENCY,
                Field("is_open", Type.YES),
                Field("delivered_on", Type.DAY),
                Field("invoiced_on", Type.DAY),
                Field("approved_on", Type.DAY),  # of a contract, or of the quote it follows
            ),
            since="ordered_on",
        ),
        Kind(
            "contract",
            (
                Field("number"),
                _THEIR,
                Field("starts_on", Type.DAY),
                Field("ends_on", Type.DAY),
                Field("yearly_value", Type.MONEY),
                _CURRENCY,
                Field("active", Type.YES),
            ),
            since="starts_on",
        ),
        Kind(
            "ticket",
            (
                Field("number"),
                _THEIR,
                Field("subject"),
                Field("is_top_priority", Type.YES),
                Field("opened_at", Type.MOMENT, required=True),
                Field("closed_at", Type.MOMENT),
            ),
            since="opened_at",
        ),
        Kind(
            "quote",
            (
                Field("number"),
                _CUSTOMER,
                _DEAL,
                Field("on", Type.DAY, required=True),
                Field("amount", Type.MONEY),
                _CURRENCY,
                Field("discount", Type.NUMBER),  # percent
                Field("approved_on", Type.DAY),
                Field("product"),
            ),
            since="on",
        ),
        Kind(
            "lead",
            (
                Field("name"),
                Field("source"),
                Field("created_at", Type.MOMENT, required=True),
                Field("owner", Type.PERSON),
            ),
            since="created_at",
        ),
        # Set here, not read from a CRM.
        Kind("target", (Field("amount", Type.MONEY), Field("starts_on", Type.DAY), Field("ends_on", Type.DAY))),
        Kind(
            "privacy_request",
            (_CUSTOMER, Field("opened_on", Type.DAY, required=True), Field("closed_on", Type.DAY), Field("about")),
            since="opened_on",
        ),
    )
}
