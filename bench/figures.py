"""What a measurement is, the same for every module of the bench."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number.

    name: what was measured. size: how much of it (series, risks, ...). value: the number measured, in `unit`.
    floor: the least possible, or a rival's number, measured in the same run; None when there is nothing to hold it to.
    ratio: value / floor. limit: the most allowed, of the ratio when a floor is given, of the value otherwise.
    at_least: the least allowed, likewise. ok: whether both were kept; None without either.
    """

    name: str
    size: int
    value: float
    unit: str
    floor: float | None
    ratio: float | None
    limit: float | None
    ok: bool | None
    at_least: float | None = None


def figure(
    name: str,
    size: int,
    value: float,
    unit: str,
    *,
    floor: float | None = None,
    limit: float | None = None,
    at_least: float | None = None,
) -> Figure:
    """A Figure with its ratio and verdict worked out. A floor of 0 gives no ratio, so nothing but 0 keeps its limit."""
    # NumPy's numbers and booleans compare well but cannot be written as JSON.
    value = float(value)
    floor = None if floor is None else float(floor)
    ratio = None if not floor else value / floor
    judged = value if floor is None else ratio
    if limit is None and at_least is None:
        ok: bool | None = None
    elif judged is None:
        ok = value == 0
    else:
        ok = (limit is None or judged <= limit) and (at_least is None or judged >= at_least)
    return Figure(name, size, value, unit, floor, ratio, limit, ok, at_least)
