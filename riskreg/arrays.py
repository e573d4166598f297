"""Querysets as columns of numbers, and columns back into tables: what bulk work reads and writes.

On PostgreSQL both go through COPY, on SQLite through one prepared statement. No Python object is made per row on the
way in, so a million rows cost the database's time plus little.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connection
from django.db.models import Model, QuerySet
from django.db.models.expressions import Col
from django.db.models.sql.constants import LOUTER
from numpy.typing import NDArray

Kind = Literal["int", "float", "day", "moment"]
Column = NDArray[Any]

# What stands for NULL: 0, NaN, NaT, NaT.
_DTYPES: dict[Kind, str] = {"int": "int64", "float": "float64", "day": "datetime64[D]", "moment": "datetime64[us]"}
# As PostgreSQL sends them: big-endian, days and microseconds from the year 2000.
_WIRE = {
    "smallint": ">i2",
    "integer": ">i4",
    "bigint": ">i8",
    "double precision": ">f8",
    "date": ">i4",
    "timestamp with time zone": ">i8",
}
# What a column is asked for as where it may be NULL or is calculated, and what is sent in place of NULL.
_AS: dict[Kind, tuple[str, str]] = {
    "int": ("bigint", "0"),
    "float": ("double precision", "'NaN'"),
    "day": ("date", "'-infinity'"),
    "moment": ("timestamp with time zone", "'-infinity'"),
}
_EPOCH, _EPOCH_UTC = np.datetime64("2000-01-01"), dt.datetime(2000, 1, 1, tzinfo=dt.UTC)
# What goes before and after the rows of a binary COPY.
_SIGNATURE, _END = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
_HEADER, _TRAILER = len(_SIGNATURE), len(_END)
_NULL = r"\N"
_ESCAPED = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})
_BLOCK = 1 << 20
_FEW = 500  # rows up to which a temporary table is not worth its making


def read(rows: QuerySet[Any, Any], *kinds: Kind, filled: bool = False) -> tuple[Column, ...]:
    """The columns of a ``values_list`` queryset as arrays, one per kind: int64, float64, datetime64[D] or [us] (UTC).

    NULL reads as 0, NaN and NaT. Every column must be of the kind that is said. ``filled`` promises that none of
    these rows has a NULL, which saves the database the asking.
    """
    try:
        if connection.vendor == "postgresql":
            found = _copy_out(rows, kinds, lambda column: not filled and _may_be_null(column, rows))
            # A promise, or a constraint, that does not hold.
            return found or _copy_out(rows, kinds, lambda _: True) or ()
        sql, parameters = rows.query.sql_with_params()
    except EmptyResultSet:
        return tuple(np.array([], dtype=_DTYPES[kind]) for kind in kinds)
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        found = cursor.fetchall()
    columns = zip(*found, strict=True) if found else [()] * len(kinds)
    return tuple(_column(values, kind) for values, kind in zip(columns, kinds, strict=True))


def _column(values: Sequence[Any], kind: Kind) -> Column:
    null: Any = {"int": 0, "float": np.nan}.get(kind, "NaT")
    return np.array([null if value is None else value for value in values], dtype=_DTYPES[kind])


def _copy_out(
    rows: QuerySet[Any, Any], kinds: Sequence[Kind], may_be_null: Callable[[Any], bool]
) -> tuple[Column, ...] | None:
    """The columns, or None when there is a NULL in a row that was taken to have none."""
    compiler = rows.query.get_compiler(connection=connection)
    sql, parameters = compiler.as_sql()
    names, wires, columns = [], [], []
    for place, (kind, (expression, _, _)) in enumerate(zip(kinds, compiler.select, strict=True)):
        name = f"c{place}"
        kept = isinstance(expression, Col) and not may_be_null(expression)
        wanted, null = _AS[kind]
        names.append(name)
        wires.append(_WIRE[expression.target.db_type(connection)] if kept else _WIRE[wanted])
        columns.append(name if kept else f"COALESCE({name}::{wanted}, {null})")
    buffer = io.BytesIO()
    with connection.cursor() as cursor, connection.wrap_database_errors:
        query = cursor.mogrify(sql, parameters).decode()
        if columns != names:
            query = f"SELECT {', '.join(columns)} FROM ({query}) AS t({', '.join(names)})"  # noqa: S608
        cursor.copy_expert(f"COPY ({query}) TO STDOUT (FORMAT binary)", buffer)
    # Without NULLs every row is as wide as the next: a count, and a length before each value.
    fields = [("count", ">i2")]
    for name, wire in zip(names, wires, strict=True):
        fields += [(f"length_{name}", ">i4"), (name, wire)]
    data, width = buffer.getbuffer()[_HEADER:-_TRAILER], np.dtype(fields).itemsize
    if len(data) % width:
        return None
    table = np.frombuffer(data, dtype=fields)
    if any((table[f"length_{name}"] < 0).any() for name in names):
        return None
    return tuple(_from_wire(table[name], kind) for name, kind in zip(names, kinds, strict=True))


def _may_be_null(column: Any, rows: QuerySet[Any, Any]) -> bool:
    """Whether a selected column can be NULL: unless it must not be, and no outer join makes it."""
    outer = any(getattr(table, "join_type", None) == LOUTER for table in rows.query.alias_map.values())
    return outer or bool(column.target.null)


def _from_wire(values: Column, kind: Kind) -> Column:
    if kind in ("int", "float"):
        return values.astype(_DTYPES[kind])
    null = values == np.iinfo(values.dtype).min
    unit = "D" if kind == "day" else "us"
    moments: Column = _EPOCH.astype(_DTYPES[kind]) + np.where(null, 0, values).astype(f"timedelta64[{unit}]")
    moments[null] = "NaT"
    return moments


def lock(rows: QuerySet[Any, Any]) -> None:
    """Take the row locks of a ``values_list`` queryset until the end of the transaction, in its order.

    On SQLite the transaction itself is the lock.
    """
    if connection.vendor == "postgresql":
        # no_key lets foreign keys through.
        len(rows.select_for_update(no_key=True))


def append(model: type[Model], columns: Mapping[str, Any]) -> None:
    """Insert rows given as columns by field name: arrays, lists, or one value for all rows (the first is no such)."""
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    size, table = _size(columns), model._meta.db_table
    if not size:
        return
    if connection.vendor == "postgresql":
        _copy_in(table, fields, list(columns.values()), size)
        return
    with connection.cursor() as cursor:
        marks = ", ".join(["%s"] * len(fields))
        cursor.executemany(
            f"INSERT INTO {table} ({_names(fields)}) VALUES ({marks})",  # noqa: S608
            list(zip(*_spread(fields, list(columns.values()), size), strict=True)),
        )


def update(model: type[Model], columns: Mapping[str, Any]) -> None:
    """Update rows given as columns by field name; the first is their whole-number key, ascending.

    Many rows on PostgreSQL go through a temporary table, which lives until the end of the transaction.
    """
    fields: list[Any] = [model._meta.get_field(name) for name in columns]
    key, *others = [field.column for field in fields]
    values, table = list(columns.values()), model._meta.db_table
    size = _size(columns)
    if not size:
        return
    if connection.vendor != "postgresql":
        sets = ", ".join(f"{name} = %s" for name in others)
        keys, *rest = _spread(fields, values, size)
        with connection.cursor() as cursor:
            cursor.executemany(
                f"UPDATE {table} SET {sets} WHERE {key} = %s",  # noqa: S608
                list(zip(*rest, keys, strict=True)),
            )
        return
    types: dict[str, str] = {field.column: field.db_type(connection) for field in fields}
    # Without the length: casting to it would cut what is too long, where assigning refuses it.
    sets = ", ".join(f"{name} = changed.{name}::{types[name].split('(')[0]}" for name in others)
    with connection.cursor() as cursor:
        if size <= _FEW:
            row = f"({', '.join(['%s'] * len(fields))})"
            cursor.execute(
                f"UPDATE {table} SET {sets} FROM (VALUES {', '.join([row] * size)}) "  # noqa: S608
                f"AS changed({', '.join(types)}) WHERE {table}.{key} = changed.{key}",
                [value for row_values in zip(*_spread(fields, values, size), strict=True) for value in row_values],
            )
            return
        typed = ", ".join(f"{name} {kind}" for name, kind in types.items())
        cursor.execute(f"DROP TABLE IF EXISTS changed_{table}")
        cursor.execute(f"CREATE TEMPORARY TABLE changed_{table} ({typed}) ON COMMIT DROP")
        _copy_in(f"changed_{table}", fields, values, size)
        # The bounds keep the planner from reading the whole table for every chunk of it.
        cursor.execute(
            f"UPDATE {table} SET {sets} FROM changed_{table} AS changed "  # noqa: S608
            f"WHERE {table}.{key} = changed.{key} AND {table}.{key} BETWEEN %s AND %s",
            [int(values[0][0]), int(values[0][-1])],
        )


def _size(columns: Mapping[str, Any]) -> int:
    sizes = {len(column) for column in columns.values() if isinstance(column, np.ndarray | list)}
    if len(sizes) != 1:
        raise ValueError("the columns are of unequal length")
    return sizes.pop()


def _names(fields: Sequence[Any]) -> str:
    return ", ".join(field.column for field in fields)


def _spread(fields: Sequence[Any], columns: Sequence[Any], size: int) -> list[list[Any]]:
    """Columns as lists of what the database takes, one value for all rows repeated."""
    adapt = connection.ops.adapt_unknown_value
    return [
        _values(column, field) if isinstance(column, np.ndarray | list) else [adapt(column)] * size
        for field, column in zip(fields, columns, strict=True)
    ]


def _values(column: Column | list[Any], field: Any) -> list[Any]:
    adapt = connection.ops.adapt_unknown_value
    if isinstance(column, list):
        sample = next((value for value in column if value is not None), None)
        return [adapt(value) for value in column] if isinstance(sample, dt.date) else column
    if column.dtype == "datetime64[D]":
        return [None if text == "NaT" else text for text in np.datetime_as_string(column).tolist()]
    if column.dtype.kind == "M":
        moments = column.astype("datetime64[us]").tolist()
        return [value and adapt(value.replace(tzinfo=dt.UTC)) for value in moments]
    if column.dtype.kind == "f" and field.get_internal_type() != "FloatField":
        whole = (None if value != value else value for value in column.tolist())  # noqa: PLR0124 - NaN
        return [int(value) if value is not None and value.is_integer() else value for value in whole]
    return [None if value != value else value for value in column.tolist()]  # noqa: PLR0124 - NaN


def _copy_in(table: str, fields: Sequence[Any], columns: Sequence[Any], size: int) -> None:
    data = _binary(fields, columns, size)
    form = "(FORMAT binary)"
    if data is None:
        rows = zip(*(map(_text, values) for values in _spread(fields, columns, size)), strict=True)
        data, form = "".join("\t".join(row) + "\n" for row in rows).encode(), ""
    with connection.cursor() as cursor, connection.wrap_database_errors:
        cursor.copy_expert(f"COPY {table} ({_names(fields)}) FROM STDIN {form}", io.BytesIO(data), _BLOCK)


def _binary(fields: Sequence[Any], columns: Sequence[Any], size: int) -> bytes | None:
    """Rows in the binary format of COPY, made column by column; None where the text format has to do.

    It needs rows of one width: arrays without NULLs, and one value for all rows. A list of texts may come last.
    """
    *fixed, last = columns if isinstance(columns[-1], list) else (*columns, None)
    dtype, parts = [("count", ">i2")], []
    for place, (field, column) in enumerate(zip(fields, fixed, strict=False)):
        part = _part(field, column)
        if part is None:
            return None
        width, values = part
        dtype.append((f"length_{place}", ">i4"))
        if width:
            dtype.append((f"c{place}", width))
        parts.append((place, np.dtype(width).itemsize if width else -1, values))
    if last is not None:
        dtype.append(("length_last", ">i4"))
    table = np.zeros(size, dtype=dtype)
    table["count"] = len(columns)
    for place, length, values in parts:
        table[f"length_{place}"] = length
        if length >= 0:
            table[f"c{place}"] = values
    if last is None:
        return _SIGNATURE + table.tobytes() + _END
    if any(text is None or not isinstance(text, str) for text in last):
        return None
    mark = b"\x01" if fields[-1].db_type(connection) == "jsonb" else b""  # the version of its format
    texts = [mark + text.encode() for text in last]
    table["length_last"] = [len(text) for text in texts]
    whole, step = table.tobytes(), table.dtype.itemsize
    rows = (piece for n, text in enumerate(texts) for piece in (whole[n * step : (n + 1) * step], text))
    return _SIGNATURE + b"".join(rows) + _END


def _part(field: Any, column: Any) -> tuple[str, Any] | None:
    """The wire type and values of a column or of one value for all rows; "" for NULL, None where there is no way."""
    kind = field.db_type(connection).split("(")[0]
    if column is None:
        return "", None
    if isinstance(column, str):
        data = column.encode()
        # An array of bytes forgets zeros at its end, and cannot be empty.
        plain = kind in ("varchar", "text") and data and not data.endswith(b"\0")
        return (f"S{len(data)}", data) if plain else None
    values = _numbers(column, "D" if kind == "date" else "us") if kind in _WIRE else None
    # What does not fit is for the database to refuse, not for NumPy to bend.
    with np.errstate(invalid="ignore"):
        fits = values is not None and np.all(np.asarray(values) == np.asarray(values).astype(_WIRE[kind]))
    return (_WIRE[kind], values) if fits else None


def _numbers(column: Any, unit: str) -> Any:
    """An array or one value as numbers on the wire; None where it has NULLs or is of another kind."""
    if isinstance(column, dt.datetime):
        return (column - _EPOCH_UTC) // dt.timedelta(microseconds=1)
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return None if np.isnat(column).any() else (column - _EPOCH).astype(f"timedelta64[{unit}]").astype(np.int64)
    if isinstance(column, np.ndarray) and column.dtype.kind in "iuf":
        return None if np.isnan(column).any() else column
    return column if isinstance(column, int | float) and not isinstance(column, bool) else None


def _text(value: Any) -> str:
    """A value in the text format of COPY."""
    if isinstance(value, float):
        return repr(value)
    if value is None:
        return _NULL
    return value.translate(_ESCAPED) if isinstance(value, str) else str(value)
