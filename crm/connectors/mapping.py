"""From a CRM's row to a neutral fact: the same for every connector. Plain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from crm.connectors.base import Row, Source
from crm.kinds import Field, Kind, Type

Read = Callable[[Any, Type], Any]
ID = "id"  # in a mapping: where a source's rows have their id, if that has to be said
_YES = {"yes": True, "no": False}


@dataclass(frozen=True)
class Mapped:
    """What a row says in our words. ``unread`` names fields whose value could not be read and is left out."""

    values: dict[str, Any]
    unread: dict[str, str] = field(default_factory=dict)


def mapped(kind: Kind, source: Source, row: Row, read: Read) -> Mapped:
    """The neutral values of one row, only those the mapping speaks of; a value that makes no sense is left out.

    ``read`` is the connector's way of reading a raw value. A missing value is None. Choices that the mapping does not
    know are None too, as nothing may be guessed.
    """
    values: dict[str, Any] = {name: _fixed(kind.field(name), value) for name, value in source.fixed.items()}
    unread: dict[str, str] = {}
    for name, theirs in source.fields.items():
        if name == ID:
            continue
        wanted = kind.field(name)
        try:
            values[name] = _value(wanted, row.raw.get(theirs), source, read)
        except ValueError as error:
            unread[name] = str(error)[:200]
    return Mapped(values, unread)


def lacks(kind: Kind, values: dict[str, Any]) -> list[str]:
    """Required fields that say nothing: such a row cannot be kept."""
    return [one.name for one in kind.fields if one.required and values.get(one.name) in (None, "")]


def _fixed(wanted: Field, value: str) -> Any:
    return _YES[value] if wanted.type is Type.YES else value


def _value(wanted: Field, raw: Any, source: Source, read: Read) -> Any:
    words = source.choices.get(wanted.name)
    if words is None and wanted.type is not Type.CHOICE:
        return read(raw, wanted.type)
    said = read(raw, Type.TEXT)
    word = None if said is None else (words or {}).get(said, said if said in wanted.choices else None)
    return _YES.get(word) if wanted.type is Type.YES and word is not None else word
