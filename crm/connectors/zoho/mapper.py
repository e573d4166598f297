"""What Zoho's modules and fields are in our words, as a tenant finds them who changed nothing. Plain.

A tenant's own mapping is kept elsewhere and starts from this one, without the fields she does not have. Nothing in a
tenant who changed nothing says how content a customer is, who competes, or what is under contract.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from crm.connectors.base import Source, SourceField
from crm.kinds import Type

# --- what Zoho does not say in one field -----------------------------------------------------------------

_DONE = frozenset({"paid", "cancelled", "canceled", "void", "closed", "已付款", "已取消", "已作废", "已关闭"})
_CLOSED = frozenset({"closed", "resolved", "已关闭", "已解决"})


@dataclass(frozen=True)
class Derived:
    """A value worked out from fields of the same record, offered under a name of ours with an @ in it."""

    label: str
    needs: tuple[str, ...]
    work: Callable[[Mapping[str, Any]], Any]


def _paid(raw: Mapping[str, Any]) -> Any:
    """An invoice knows no payments, so it is owed as a whole until its status says it is not."""
    return raw.get("Grand_Total") if _word(raw.get("Status")) in _DONE else 0


def _closed_at(raw: Mapping[str, Any]) -> Any:
    """A case keeps no time of its end; its last change is not before that."""
    return raw.get("Modified_Time") if _word(raw.get("Status")) in _CLOSED else None


def _percent(raw: Mapping[str, Any]) -> Any:
    """Zoho keeps a quote's discount as an amount, or as text that ends in a percent sign."""
    said = raw.get("Discount")
    if isinstance(said, str) and said.strip().endswith("%"):
        return said
    try:
        discount, whole = value(said, Type.MONEY), value(raw.get("Sub_Total"), Type.MONEY)
    except ValueError:
        return said
    return round(discount * 100 / whole, 4) if discount is not None and whole else None


def _still_to_come(start: str) -> Callable[[Mapping[str, Any]], Any]:
    def work(raw: Mapping[str, Any]) -> Any:
        try:
            begins, written = value(raw.get(start), Type.MOMENT), value(raw.get("Modified_Time"), Type.MOMENT)
        except ValueError:
            return None
        return None if begins is None or written is None else begins > written

    return work


def _spoken(raw: Mapping[str, Any]) -> Any:
    seconds = raw.get("Call_Duration_in_seconds")
    return None if seconds is None else seconds not in (0, "0", "")


DERIVED: dict[str, dict[str, Derived]] = {
    "Invoices": {"Grand_Total@Paid": Derived("Grand total, once paid", ("Grand_Total", "Status"), _paid)},
    "Cases": {"Modified_Time@Closed": Derived("Modified time, once closed", ("Modified_Time", "Status"), _closed_at)},
    "Quotes": {"Discount@Percent": Derived("Discount in percent", ("Discount", "Sub_Total"), _percent)},
    "Tasks": {
        "Closed_Time@Due": Derived(
            "Closed time, or else due date",
            ("Closed_Time", "Due_Date"),
            lambda raw: raw.get("Closed_Time") or raw.get("Due_Date"),
        )
    },
    "Events": {
        "Start_DateTime@Planned": Derived(
            "Was still to come", ("Start_DateTime", "Modified_Time"), _still_to_come("Start_DateTime")
        )
    },
    "Calls": {
        "Call_Start_Time@Planned": Derived(
            "Was still to come", ("Call_Start_Time", "Modified_Time"), _still_to_come("Call_Start_Time")
        ),
        "Call_Duration_in_seconds@Spoken": Derived("Was spoken", ("Call_Duration_in_seconds",), _spoken),
    },
}

USER_FIELDS = (
    SourceField("full_name", "Full name", "text"),
    SourceField("email", "Email", "email"),
    SourceField("status", "Status", "picklist", (("active", "active"), ("disabled", "disabled"))),
    SourceField("role", "Role", "lookup"),
    SourceField("profile", "Profile", "lookup"),
    SourceField("territories", "Territories", "lookup"),
)

# --- the mapping -----------------------------------------------------------------------------------------

_STATES = {
    "Closed Won": "won",
    "Closed Lost": "lost",
    "Closed Lost to Competition": "lost",
    "Closed-Lost to Competition": "lost",
    **dict.fromkeys(
        (
            "Qualification",
            "Needs Analysis",
            "Value Proposition",
            "Id. Decision Makers",
            "Identify Decision Makers",
            "Proposal/Price Quote",
            "Negotiation/Review",
        ),
        "open",
    ),
}
_ABOUT = {"customer": "What_Id", "deal": "What_Id", "by": "Owner"}

DEFAULT_MAPPING: dict[str, tuple[Source, ...]] = {
    "person": (
        Source(
            "users",
            {"name": "full_name", "email": "email", "active": "status", "unit": "role"},
            choices={"active": {"active": "yes", "disabled": "no", "inactive": "no", "deleted": "no"}},
        ),
    ),
    "customer": (
        Source(
            "Accounts",
            {
                "name": "Account_Name",
                "segment": "Account_Type",
                "industry": "Industry",
                "region": "Billing_State",
                "parent": "Parent_Account",
                "owner": "Owner",
                "annual_revenue": "Annual_Revenue",
                "last_touched_at": "Last_Activity_Time",
            },
        ),
    ),
    "contact": (
        Source(
            "Contacts",
            {"name": "Full_Name", "customer": "Account_Name", "role": "Title", "opted_out": "Email_Opt_Out"},
        ),
    ),
    "deal": (
        Source(
            "Deals",
            {
                "name": "Deal_Name",
                "customer": "Account_Name",
                "owner": "Owner",
                "pipeline": "Pipeline",
                "stage": "Stage",
                "state": "Stage",
                "amount": "Amount",
                "currency": "Currency",
                "probability": "Probability",
                "created_at": "Created_Time",
                "close_date": "Closing_Date",
                "next_step": "Next_Step",
                "source": "Lead_Source",
                "loss_reason": "Reason_For_Loss__s",
            },
            choices={"state": _STATES},
        ),
    ),
    "activity": (
        Source(
            "Tasks",
            {**_ABOUT, "at": "Closed_Time@Due", "planned": "Status"},
            choices={
                "planned": {
                    "Not Started": "yes",
                    "Deferred": "yes",
                    "In Progress": "yes",
                    "Waiting for input": "yes",
                    "Completed": "no",
                }
            },
            fixed={"kind": "task", "two_way": "no"},
        ),
        Source(
            "Events",
            {**_ABOUT, "at": "Start_DateTime", "planned": "Start_DateTime@Planned"},
            fixed={"kind": "meeting", "two_way": "yes"},
        ),
        Source(
            "Calls",
            {
                **_ABOUT,
                "at": "Call_Start_Time",
                "planned": "Call_Start_Time@Planned",
                "two_way": "Call_Duration_in_seconds@Spoken",
            },
            fixed={"kind": "call"},
        ),
    ),
    "satisfaction": (),
    "competitor": (),
    "competitor_move": (),
    "receivable": (
        Source(
            "Invoices",
            {
                "number": "Invoice_Number",
                "customer": "Account_Name",
                "due_on": "Due_Date",
                "amount": "Grand_Total",
                "paid": "Grand_Total@Paid",
                "currency": "Currency",
            },
        ),
    ),
    "order": (
        Source(
            "Sales_Orders",
            {
                "number": "SO_Number",
                "customer": "Account_Name",
                "deal": "Deal_Name",
                "ordered_on": "Created_Time",
                "amount": "Grand_Total",
                "currency": "Currency",
                "is_open": "Status",
            },
            choices={"is_open": {"Created": "yes", "Approved": "yes", "Delivered": "no", "Cancelled": "no"}},
        ),
    ),
    "contract": (),
    "ticket": (
        Source(
            "Cases",
            {
                "number": "Case_Number",
                "customer": "Account_Name",
                "subject": "Subject",
                "is_top_priority": "Priority",
                "opened_at": "Created_Time",
                "closed_at": "Modified_Time@Closed",
            },
            choices={"is_top_priority": {"High": "yes", "Medium": "no", "Low": "no"}},
        ),
    ),
    "quote": (
        Source(
            "Quotes",
            {
                "number": "Quote_Number",
                "customer": "Account_Name",
                "deal": "Deal_Name",
                "on": "Created_Time",
                "amount": "Grand_Total",
                "currency": "Currency",
                "discount": "Discount@Percent",
            },
        ),
    ),
    "lead": (
        Source(
            "Leads",
            {"name": "Full_Name", "source": "Lead_Source", "created_at": "Created_Time", "owner": "Owner"},
        ),
    ),
    "privacy_request": (
        Source(
            "Data_Subject_Requests",
            {"opened_on": "Requested_Date", "closed_on": "Closed_Date", "about": "Request_Type"},
        ),
    ),
}

# --- values ----------------------------------------------------------------------------------------------

_MODULE_OF = {Type.CUSTOMER: "Accounts", Type.DEAL: "Deals"}
_YES = {"true": True, "yes": True, "active": True, "false": False, "no": False, "disabled": False, "inactive": False}


def value(raw: Any, wanted: Type) -> Any:
    """A raw value as ours, None for none. Raises ValueError, without repeating it, for one that cannot be read."""
    if raw is None or raw in ("", [], {}):
        return None
    return _READ[wanted](raw)


def with_module(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What an activity is about names its module beside it; brought inside, it can be told what it refers to."""
    about = raw.get("What_Id")
    if isinstance(about, dict) and "module" not in about and isinstance(raw.get("$se_module"), str):
        return {**raw, "What_Id": {**about, "module": raw["$se_module"]}}
    return dict(raw)


def state_of(stage: Mapping[str, Any]) -> str:
    """Open, won or lost, by the type Zoho gives a stage, or else by its words."""
    said = _word(stage.get("forecast_type"))
    if not said:
        words = f"{_word(stage.get('actual_value'))} {_word(stage.get('display_value'))}"
        said = words if "clos" in words or "关闭" in words or "赢" in words or "输" in words else ""
    if "lost" in said or "输" in said or "丢" in said:
        return "lost"
    return "won" if "won" in said or "赢" in said else "open"


def _word(raw: Any) -> str:
    return raw.strip().casefold() if isinstance(raw, str) else ""


def _text(raw: Any) -> str | None:
    if isinstance(raw, dict):
        raw = raw.get("name") or raw.get("id") or ""
    if isinstance(raw, list):
        return "; ".join(filter(None, map(_text, raw))) or None
    return str(raw).strip() or None


def _decimal(raw: Any) -> Decimal:
    if isinstance(raw, bool | dict | list):
        raise ValueError("no number")
    try:
        found = Decimal(str(raw).strip())
    except InvalidOperation:
        raise ValueError("no number") from None
    if not found.is_finite():
        raise ValueError("no number")
    return found


def _number(raw: Any) -> Decimal:
    return _decimal(raw.strip().removesuffix("%") if isinstance(raw, str) else raw)


def _count(raw: Any) -> int:
    found = _decimal(raw)
    if found != found.to_integral_value() or found < 0 or found.adjusted() > 17:
        raise ValueError("no count")
    return int(found)


def _day(raw: Any) -> dt.date:
    """The day as it was where it was written down: a moment's own offset is the organisation's."""
    if not isinstance(raw, str):
        raise ValueError("no day")
    try:
        return dt.datetime.fromisoformat(raw.strip()).date()
    except ValueError:
        raise ValueError("no day") from None


def _moment(raw: Any) -> dt.datetime:
    """A bare day is its beginning in UTC; a time without an offset could be any."""
    if not isinstance(raw, str):
        raise ValueError("no moment")
    text = raw.strip()
    try:
        found = dt.datetime.fromisoformat(text)
        if found.utcoffset() is None and len(text) == len("2030-01-31"):
            found = found.replace(tzinfo=dt.UTC)
        if found.utcoffset() is None:
            raise ValueError
        return found.astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError("no moment") from None


def _yes(raw: Any) -> bool:
    found = raw if isinstance(raw, bool) else _YES.get(_word(raw))
    if found is None:
        raise ValueError("neither yes nor no")
    return found


def _reference(wanted: Type) -> Callable[[Any], str | None]:
    def read(raw: Any) -> str | None:
        if isinstance(raw, dict):
            module = raw.get("module")
            module = module.get("api_name") if isinstance(module, dict) else module
            if module and wanted in _MODULE_OF and module != _MODULE_OF[wanted]:
                return None
            raw = raw.get("id")
        if not isinstance(raw, str | int) or isinstance(raw, bool) or not str(raw).strip():
            raise ValueError("no reference")
        return str(raw).strip()

    return read


_READ: dict[Type, Callable[[Any], Any]] = {
    Type.TEXT: _text,
    Type.CHOICE: _text,
    Type.NUMBER: _number,
    Type.MONEY: _decimal,
    Type.COUNT: _count,
    Type.DAY: _day,
    Type.MOMENT: _moment,
    Type.YES: _yes,
    **{one: _reference(one) for one in (Type.CUSTOMER, Type.DEAL, Type.PERSON, Type.COMPETITOR)},
}
