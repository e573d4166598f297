"""What a detection rule is: what it needs, what can be set, and what it finds. Plain.

A rule is one function over the facts. It never pretends: where something it needs is not mapped it is "not evaluated",
which is not "no risk". What it finds is a suggestion; a person decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from risks.rules.facts import Facts, Numbers

Settings = Mapping[str, float]


@dataclass(frozen=True)
class Parameter:
    """Something an administrator may set. Shares are 0..1, times are days."""

    name: str
    default: float
    low: float
    high: float
    unit: str = ""  # "", "days", "share", "times", "count"


@dataclass(frozen=True)
class Findings:
    """What a rule found, one row a subject, in the order of the subjects.

    ratio: the measure over its threshold, 1 where it just fires; moves the likelihood (docs of ``likelihood``).
    level: a likelihood the rule gives by itself, NaN where it is the default moved by the ratio.
    money: at risk, home currency, NaN where it cannot be said. details: the figures that fired, by name, each an
    array as long as the keys; days are days since 1970-01-01.
    """

    keys: Any  # primary keys, int64, or texts for subjects without one (a segment, a currency)
    ratio: Numbers
    money: Numbers
    level: Numbers
    details: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True)
class Rule:
    """One rule of the catalogue.

    subject: what its keys are: deal, customer, competitor, person, order, team, or a text such as segment, product,
    currency, region, everything. needs: what must be mapped, as "deal.close_date"; or_needs: other sets of facts that
    do as well. likelihood: its default, 1..5.
    basis: what the money is: open, weighted, trailing, outstanding, or fixed where impact is a level by itself.
    """

    code: str
    category: str  # market, customer, competitor, process, compliance
    subject: str
    needs: tuple[str, ...]
    likelihood: int
    basis: str
    parameters: tuple[Parameter, ...]
    find: Callable[[Facts, Settings], Findings]
    fixed_impact: int | None = None
    confidential: bool = False
    or_needs: tuple[tuple[str, ...], ...] = ()

    def settings(self, given: Mapping[str, float] | None = None) -> dict[str, float]:
        """Its parameters, with what an administrator set. Raises KeyError for a name it does not have."""
        settings = {parameter.name: parameter.default for parameter in self.parameters}
        for name, value in (given or {}).items():
            if name not in settings:
                raise KeyError(name)
            settings[name] = value
        return settings

    def missing(self, facts: Facts) -> tuple[str, ...]:
        """What it needs and nobody says: not evaluated, if there is any."""
        if any(facts.known.issuperset(needs) for needs in self.or_needs):
            return ()
        return tuple(need for need in self.needs if need not in facts.known)


RULES: dict[str, Rule] = {}


def rule(
    code: str,
    *,
    category: str,
    subject: str,
    needs: Sequence[str],
    likelihood: int,
    basis: str,
    parameters: Sequence[Parameter] = (),
    fixed_impact: int | None = None,
    confidential: bool = False,
    or_needs: Sequence[Sequence[str]] = (),
) -> Callable[[Callable[[Facts, Settings], Findings]], Callable[[Facts, Settings], Findings]]:
    """Enter a function in the catalogue."""

    def enter(find: Callable[[Facts, Settings], Findings]) -> Callable[[Facts, Settings], Findings]:
        if code in RULES:
            raise ValueError(f"There are two rules {code}.")
        RULES[code] = Rule(
            code,
            category,
            subject,
            tuple(needs),
            likelihood,
            basis,
            tuple(parameters),
            find,
            fixed_impact,
            confidential,
            tuple(tuple(one) for one in or_needs),
        )
        return find

    return enter


def likelihood(rule: Rule, findings: Findings) -> Any:
    """Levels 1..5, shape (n,): the default, one more from twice the threshold on, one less within a tenth of it."""
    moved = rule.likelihood + (findings.ratio >= 2).astype(np.int64) - (findings.ratio <= 1.1).astype(np.int64)
    own = ~np.isnan(findings.level)
    moved = np.where(own, np.where(own, findings.level, 0).astype(np.int64), moved)
    return np.clip(moved, 1, 5)


# Money at risk over the sales target of the period: from each share on one level more. The top line follows the
# 10 % customer disclosure of ASC 280-10-50-42.
_SHARES = (0.005, 0.02, 0.05, 0.10)


def impact(money: Numbers, target: float) -> Any:
    """Levels 1..5 by the share of the target, 0 where money or target is not known: then a person is asked."""
    if not target > 0:
        return np.zeros(len(money), dtype=np.int64)
    levels = 1 + np.searchsorted(_SHARES, money / target, side="right")
    return np.where(np.isnan(money), 0, levels)
