"""Facts for tests of rules, and what a rule found in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from crm.kinds import KINDS
from risks.rules.facts import Facts, Table
from risks.rules.rule import RULES, likelihood

T = TypeVar("T", bound=Table)

TODAY = 20_000.0
ALL_KNOWN = frozenset(f"{kind.name}.{field.name}" for kind in KINDS.values() for field in kind.fields)


def facts(*, without: Sequence[str] = (), today: float = TODAY, **tables: Table) -> Facts:
    """Everything is mapped but ``without``."""
    return Facts(today=today, known=ALL_KNOWN - set(without), home="EUR", **tables)


def table(kind: type[T], rows: Sequence[dict[str, Any]]) -> T:
    """Of rows that all say the same columns."""
    return kind.of(len(rows), **{name: [row[name] for row in rows] for name in (rows[0] if rows else {})})


def found(code: str, given: Facts, **settings: float) -> dict[Any, dict[str, Any]]:
    """By key what fired: ratio, money, level as it would be suggested, and the details."""
    rule = RULES[code]
    assert not rule.missing(given)
    findings = rule.find(given, rule.settings(settings))
    columns = {
        "ratio": findings.ratio,
        "money": findings.money,
        "likelihood": likelihood(rule, findings),
        **findings.details,
    }
    keys = findings.keys.tolist()
    assert len(set(keys)) == len(keys)
    assert all(len(column) == len(keys) for column in columns.values())
    return {key: {name: column.tolist()[row] for name, column in columns.items()} for row, key in enumerate(keys)}
