"""Querysets as columns of numbers, and columns back into tables: what bulk work reads and writes.

On PostgreSQL both go through COPY, on SQLite through one prepared statement. No Python object is made per row on the
way in, so a million rows cost the database's time plus little.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from numpy.typing import NDArray

Kind = Literal["int", "float", "day", "moment"]
Column = NDArray[Any]

# What stands for NULL: 0, NaN, NaT, NaT.
_DTYPES: dict[Kind, str] = {"int": "int64", "float": "float64", "day": "datetime64[D]", "moment": "datetime64[us]"}
# As PostgreSQL sends them: big-endian, days and microseconds from the year 2000.
_WIRE: dict[Kind, str] = {"int": ">i8", "float": ">f8", "day": ">i4", "moment": ">i8"}
_NOT_NULL: dict[Kind, str] = {
    "int": "COALESCE({0}::int8, 0)",
    "float": "COALESCE({0}::float8, 'NaN')",
    "day": "COALESCE({0}, '-infinity'::date)",
    "moment": "COALESCE({0}, '-infinity'::timestamptz)",
}
_EPOCH = np.datetime64("2000-01-01")
_HEADER, _TRAILER = 19, 2  # bytes around the rows of a binary COPY
_NULL = r"\N"
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_BLOCK = 1 << 20
_FEW = 500  # rows up to which a temporary table is not worth its making


def read(rows: QuerySet[Any, Any], *kinds: Kind) -> tuple[Column, ...]:
    """The columns of a ``values_list`` queryset as arrays, one per kind: int64, float64, datetime64[D] or [us] (UTC).

    NULL reads as 0, NaN and NaT. Every column must be of the kind that is said.
    """
    try:
        sql, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return tuple(np.array([], dtype=_DTYPES[kind]) for kind in kinds)
    if connection.vendor == "postgresql":
        return _copy_out(sql, parameters, kinds)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found = cursor.fetchall()
    columns = zip(*found, strict=True) if found else [()] * len(kinds)
    return tuple(_column(values, kind) for values, kind in zip(columns, kinds, strict=True))


def _column(values: Sequence[Any], kind: Kind) -> Column:
    null: Any = {"int": 0, "float": np.nan}.get(kind, "NaT")
    return np.array([null if value is None else value for value in values], dtype=_DTYPES[kind])


def _copy_out(sql: str, parameters: Sequence[Any], kinds: Sequence[Kind]) -> tuple[Column, ...]:
    names = [f"c{place}" for place in range(len(kinds))]
    wanted = ", ".join(_NOT_NULL[kind].format(name) for name, kind in zip(names, kinds, strict=True))
    buffer = io.BytesIO()
    with connection.cursor() as cursor, connection.wrap_database_errors:
        inner = cursor.mogrify(sql, parameters).decode()
        cursor.copy_expert(
            f"COPY (SELECT {wanted} FROM ({inner}) AS t({', '.join(names)})) TO STDOUT (FORMAT binary)",  # noqa: S608
            buffer,
        )
    # Without NULLs every row is as wide as the next: a count, and a length before each value.
    fields = [("count", ">i2")]
    for name, kind in zip(names, kinds, strict=True):
        fields += [(f"length_{name}", ">i4"), (name, _WIRE[kind])]
    data = buffer.getbuffer()[_HEADER:-_TRAILER]
    table = np.frombuffer(data, dtype=np.dtype(fields))
    return tuple(_from_wire(table[name], kind) for name, kind in zip(names, kinds, strict=True))


def _from_wire(values: Column, kind: Kind) -> Column:
    if kind in ("int", "float"):
        return values.astype(_DTYPES[kind])
    null = values == np.iinfo(values.dtype).min
    unit = "D" if kind == "day" else "us"
    moments = _EPOCH.astype(_DTYPES[kind]) + np.where(null, 0, values).astype(f"timedelta64[{unit}]")
    return np.where(null, np.datetime64("NaT", unit), moments)


def lock(rows: QuerySet[Any, Any]) -> None:
    """Take the row locks of a ``values_list`` queryset until the end of the transaction, in its order.

    On SQLite the transaction itself is the lock.
    """
    if connection.vendor == "postgresql":
        # no_key lets foreign keys through.
        len(rows.select_for_update(no_key=True))


def append(model: type[Model], columns: Mapping[str, Any]) -> None:
    """Insert rows given as columns by field name: arrays, lists, or one value for all rows (the first is no such)."""
    names = [model._meta.get_field(name).column for name in columns]
    values = _spread(list(columns.values()))
    table = model._meta.db_table
    if not values[0]:
        return
    if connection.vendor == "postgresql":
        _copy_in(table, names, values)
        return
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(names))
        cursor.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608
            zip(*values, strict=True),
        )


def update(model: type[Model], columns: Mapping[str, Any]) -> None:
    """Update rows given as columns by field name; the first is their whole-number key, ascending.

    Many rows on PostgreSQL go through a temporary table, which lives until the end of the transaction.
    """
    fields = [model._meta.get_field(name) for name in columns]
    key, *others = [field.column for field in fields]
    table = model._meta.db_table
    values = _spread(list(columns.values()))
    if not values[0]:
        return
    if connection.vendor != "postgresql":
        sets = ", ".join(f"{name} = %s" for name in others)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {table} SET {sets} WHERE {key} = %s",  # noqa: S608
                zip(*values[1:], values[0], strict=True),
            )
        return
    types = {field.column: field.db_type(connection) for field in fields}
    sets = ", ".join(f"{name} = changed.{name}::{types[name]}" for name in others)
    with connection.cursor() as cursor:
        if len(values[0]) <= _FEW:
            row = f"({', '.join(['%s'] * len(fields))})"
            cursor.execute(
                f"UPDATE {table} SET {sets} FROM (VALUES {', '.join([row] * len(values[0]))}) "  # noqa: S608
                f"AS changed({', '.join(types)}) WHERE {table}.{key} = changed.{key}",
                [value for row_values in zip(*values, strict=True) for value in row_values],
            )
            return
        typed = ", ".join(f"{name} {kind}" for name, kind in types.items())
        cursor.execute(f"CREATE TEMPORARY TABLE IF NOT EXISTS changed_{table} ({typed}) ON COMMIT DROP")
        cursor.execute(f"TRUNCATE changed_{table}")
        _copy_in(f"changed_{table}", list(types), values)
        # The bounds keep the planner from reading the whole table for every chunk of it.
        cursor.execute(
            f"UPDATE {table} SET {sets} FROM changed_{table} AS changed "  # noqa: S608
            f"WHERE {table}.{key} = changed.{key} AND {table}.{key} BETWEEN %s AND %s",
            [values[0][0], values[0][-1]],
        )


def _spread(columns: Sequence[Any]) -> list[list[Any]]:
    """Columns as lists of what the database takes, one value for all rows repeated."""
    size = len(columns[0])
    adapt = connection.ops.adapt_unknown_value
    return [_values(c) if isinstance(c, np.ndarray | list) else [adapt(c)] * size for c in columns]


def _values(column: Column | list[Any]) -> list[Any]:
    adapt = connection.ops.adapt_unknown_value
    if isinstance(column, list):
        sample = next((value for value in column if value is not None), None)
        return [adapt(value) for value in column] if isinstance(sample, dt.date) else column
    if column.dtype == "datetime64[D]":
        return [None if text == "NaT" else text for text in np.datetime_as_string(column).tolist()]
    if column.dtype.kind == "M":
        moments = column.astype("datetime64[us]").tolist()
        return [value and adapt(value.replace(tzinfo=dt.UTC)) for value in moments]
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN


def _copy_in(table: str, names: Sequence[str], columns: Sequence[Sequence[Any]]) -> None:
    lines = "".join("\t".join(row) + "\n" for row in zip(*(map(_text, c) for c in columns), strict=True))
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {table} ({', '.join(names)}) FROM STDIN", io.StringIO(lines), _BLOCK)


def _text(value: Any) -> str:
    """A value in the text format of COPY."""
    if isinstance(value, float):
        return repr(value)
    if value is None:
        return _NULL
    return value.translate(_ESCAPED) if isinstance(value, str) else str(value)
