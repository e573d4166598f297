"""What Fxiaoke's values say: money and numbers are texts, times and days are milliseconds, people are lists. Plain."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from crm.connectors.base import SourceField
from crm.kinds import Type

_NUMBER = re.compile(r"[+-]?[0-9]{1,25}(\.[0-9]{1,20})?")
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FALSE = {"none", "false", "0", ""}
_LABEL = "__r"  # of a field whose stored value is a code or an id: what people read in its place
_HAVE_LABELS = {"select_one", "object_reference", "master_detail", "department", "employee"}


# --- fields ----------------------------------------------------------------------------------------------


def fields(described: Mapping[str, Mapping[str, Any]]) -> dict[str, SourceField]:
    """The fields in use, and beside those that hold codes what people read: ``sales_stage`` and ``sales_stage__r``."""
    found: dict[str, SourceField] = {}
    for name, about in described.items():
        if about.get("is_active") is False:
            continue
        kind, label = str(about.get("type") or ""), str(about.get("label") or name)
        choices = _choices(about.get("options"))
        found[name] = SourceField(name, label, kind, choices)
        if kind in _HAVE_LABELS:
            found[name + _LABEL] = SourceField(name + _LABEL, label, "label", choices)
    return found


def _choices(options: Any) -> tuple[tuple[str, str], ...]:
    options = options if isinstance(options, list) else []
    return tuple(
        (str(one["value"]), str(one.get("label") or one["value"]))
        for one in options
        if isinstance(one, dict) and one.get("value") is not None
    )


def is_label(name: str) -> bool:
    return name.endswith(_LABEL)


def stored_name(name: str) -> str:
    """The field whose label it is: only that can be asked for."""
    return name.removesuffix(_LABEL)


# --- records ---------------------------------------------------------------------------------------------


def is_gone(raw: Mapping[str, Any]) -> bool:
    """Voided, which is its first step of deleting, or deleted."""
    return raw.get("life_status") == "invalid" or str(raw.get("is_deleted")).lower() not in _FALSE


def numbers_of_people(raw: Mapping[str, Any]) -> dict[str, list[str]]:
    """Employees by their number, where the legacy style gives open ids that no other object knows."""
    found = {}
    for name, people in raw.items():
        if name.endswith("__l") and isinstance(people, list):
            numbers = [str(one["id"]) for one in people if isinstance(one, dict) and one.get("id")]
            if numbers and isinstance(raw.get(name.removesuffix("__l")), list):
                found[name.removesuffix("__l")] = numbers
    return found


def milliseconds(moment: dt.datetime) -> str:
    """Rounded down: what changed in the same millisecond is read again rather than missed."""
    return str((moment - _EPOCH) // dt.timedelta(milliseconds=1))


def moment_or_none(raw: Any) -> dt.datetime | None:
    try:
        return _moment(raw)
    except ValueError:
        return None


# --- values ----------------------------------------------------------------------------------------------


def read(raw: Any, wanted: Type, zone: dt.tzinfo) -> Any:
    """A raw value as ours, None for none. Raises ValueError for one that cannot be read."""
    if raw is None or raw in ("", [], {}):
        return None
    if wanted is Type.DAY:
        # It writes a day as its midnight in the tenant's zone: in ours it may be another day.
        return _moment(raw).astimezone(zone).date()
    reader: Callable[[Any], Any] = _READ.get(wanted, _text)
    return reader(raw)


def _decimal(raw: Any) -> Decimal:
    if isinstance(raw, bool | float) or not isinstance(raw, str | int | Decimal):
        raise ValueError(f"{_short(raw)} is no number")
    if isinstance(raw, str) and not _NUMBER.fullmatch(raw):
        raise ValueError(f"{_short(raw)} is no number")
    return Decimal(raw)


def _count(raw: Any) -> int:
    number = _decimal(raw)
    if number != number.to_integral_value() or number < 0:
        raise ValueError(f"{_short(raw)} is no count")
    return int(number)


def _moment(raw: Any) -> dt.datetime:
    is_text = isinstance(raw, str) and raw.isascii() and raw.removeprefix("-").isdigit()
    if isinstance(raw, bool) or not (isinstance(raw, int) or is_text) or len(str(raw)) > 15:
        raise ValueError(f"{_short(raw)} is no time")
    try:
        return _EPOCH + dt.timedelta(milliseconds=int(raw))
    except OverflowError:
        raise ValueError(f"{_short(raw)} is no time") from None


def _yes(raw: Any) -> bool:
    word = str(raw).lower()
    if word in {"true", "1"}:
        return True
    if word in {"false", "0"}:
        return False
    raise ValueError(f"{_short(raw)} is neither yes nor no")


def _reference(raw: Any) -> str | None:
    """An id, also where it is the first of a list (owners), or inside a record."""
    if isinstance(raw, list):
        return _reference(raw[0]) if raw else None
    if isinstance(raw, dict):
        raw = raw.get("_id") or raw.get("id")
    if isinstance(raw, bool) or not isinstance(raw, str | int) or raw == "":
        raise ValueError(f"{_short(raw)} is no reference")
    return str(raw)


def _text(raw: Any) -> str | None:
    if isinstance(raw, bool):
        return "true" if raw else "false"
    if isinstance(raw, list):
        return ", ".join(filter(None, map(_text, raw))) or None
    if isinstance(raw, dict):
        return next((_text(raw[name]) for name in ("name", "deptName", "label") if raw.get(name)), None)
    return str(raw).strip() or None


def _short(raw: Any) -> str:
    return repr(raw)[:60]


_READ: Mapping[Type, Callable[[Any], Any]] = {
    Type.NUMBER: _decimal,
    Type.MONEY: _decimal,
    Type.COUNT: _count,
    Type.MOMENT: _moment,
    Type.YES: _yes,
    Type.CUSTOMER: _reference,
    Type.DEAL: _reference,
    Type.PERSON: _reference,
    Type.COMPETITOR: _reference,
}
