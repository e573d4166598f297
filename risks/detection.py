"""From findings to suggestions: every rule is run over the facts, and what it finds waits for a person.

Noise is kept down here, the same way for all rules: new deals have a week of grace, small money is left out, one
suggestion of a rule and a subject is open at a time, what was dismissed comes back only when it grew or after a rest,
and what is no longer so goes by itself after two runs that did not find it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F
from django.utils import timezone

from riskreg.accounts.models import Team
from riskreg.jobs.actions import Claim
from risks import facts
from risks.models import Risk, RuleSetting, Suggestion
from risks.rules.facts import WON, Facts
from risks.rules.rule import RULES, Findings, Rule, impact, likelihood

GRACE_DAYS = 7  # of a new deal
CLEAR_RUNS = 2
_AT_ONCE = 500


@dataclass(frozen=True)
class Found:
    """One finding, as a suggestion will say it."""

    key: str
    name: str
    team: int
    customer: int | None
    deal: int | None
    likelihood: int
    impact: int | None
    money: float | None
    ratio: float
    details: dict[str, Any]


def detect(claim: Claim) -> dict[str, int]:
    """Run all rules over every company's facts; returns what came of it. A second run changes nothing."""
    now = claim.now()
    counts = {"new": 0, "cleared": 0}
    RuleSetting.objects.bulk_create([RuleSetting(code=code) for code in RULES], ignore_conflicts=True)
    set_as = {one.code: one for one in RuleSetting.objects.all()}
    missing: dict[str, list[str]] = {}
    found: dict[str, int] = {}
    for company in facts.companies():
        seen = facts.load(today=timezone.localdate(now), home=settings.CURRENCY, company=company)
        for code, rule in RULES.items():
            if not set_as[code].on:
                continue
            if lacking := rule.missing(seen):
                missing.setdefault(code, list(lacking))
                continue
            findings = list(evaluate(rule, set_as[code], seen, company))
            missing.pop(code, None)
            found[code] = found.get(code, 0) + len(findings)
            with claim.fenced():
                new, cleared = _keep(rule, set_as[code], company, findings, now=now)
            counts["new"] += new
            counts["cleared"] += cleared
    for code, one in set_as.items():
        one.ran_at, one.found, one.missing = now, found.get(code, 0), [] if code in found else missing.get(code, [])
    with claim.fenced():
        RuleSetting.objects.bulk_update(set_as.values(), ["ran_at", "found", "missing"])
    return counts


def evaluate(rule: Rule, setting: RuleSetting, seen: Facts, company: Team) -> list[Found]:
    """What a rule finds in one company's facts, after grace and floor, with levels and names."""
    findings = rule.find(seen, rule.settings(setting.parameters))
    subjects = _Subjects(seen, rule.subject, findings, company)
    money = findings.money
    kept = ~(money < float(setting.floor))
    if rule.subject == "deal":
        kept &= ~(seen.deals.created[subjects.rows] > seen.today - GRACE_DAYS)
    probable = likelihood(rule, findings)
    impacts = np.zeros(len(findings), dtype=np.int64)
    if rule.basis != "fixed":
        teams = np.array([subjects.team(row) for row in range(len(findings))], dtype=np.int64)
        for team in np.unique(teams).tolist():
            here = teams == team
            impacts[here] = impact(money[here], yardstick(seen, team))
    impacts[impacts == 0] = rule.fixed_impact or 0
    return [
        Found(
            key=str(findings.keys[row]),
            name=subjects.name(row),
            team=subjects.team(row),
            customer=subjects.customer(row),
            deal=subjects.deal(row),
            likelihood=int(probable[row]),
            impact=int(impacts[row]) or None,
            money=None if np.isnan(money[row]) else round(float(money[row]), 2),
            ratio=float(findings.ratio[row]),
            details={name: _plain(values[row]) for name, values in findings.details.items()},
        )
        for row in np.flatnonzero(kept).tolist()
    ]


def yardstick(seen: Facts, team: int) -> float:
    """What money at risk is measured against: the target of the period, else what was won in twelve months, else NaN.

    A team without a target of its own is measured against its company's (team 0 in the targets).
    """
    targets, today = seen.targets, seen.today
    current = (targets.starts <= today) & (today <= targets.ends)
    for whose in (team, 0):
        if (current & (targets.team == whose)).any():
            return float(targets.amount[current & (targets.team == whose)].sum())
    won = (seen.deals.state == WON) & (seen.deals.closed > today - 365) & ~np.isnan(seen.deals.amount)
    own = won & (seen.deals.team == team)
    sold = float(seen.deals.amount[own if own.any() else won].sum())
    return sold if sold > 0 else float("nan")


def _plain(value: Any) -> Any:
    """A figure as JSON keeps it."""
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not np.isfinite(value) else value


class _Subjects:
    """Who the findings are about."""

    def __init__(self, seen: Facts, subject: str, findings: Findings, company: Team) -> None:
        self.seen, self.subject, self.findings, self.company = seen, subject, findings, company
        tables: dict[str, Any] = {
            "deal": seen.deals,
            "customer": seen.customers,
            "person": seen.people,
            "competitor": seen.competitors,
            "order": seen.orders,
        }
        self.table: Any = tables.get(subject)
        keys = findings.keys
        self.rows: Any = np.full(len(keys), -1)
        if self.table is not None:
            self.rows = np.searchsorted(self.table.ids, keys)

    def name(self, row: int) -> str:
        if self.table is None:
            return str(self.findings.keys[row])[:300]
        names = self.table.number if self.subject == "order" else self.table.name
        return str(names[self.rows[row]])[:300]

    def _customer_row(self, row: int) -> int:
        if self.subject == "customer":
            return int(self.rows[row])
        return int(self.table.customer[self.rows[row]]) if self.subject in ("deal", "order") else -1

    def customer(self, row: int) -> int | None:
        place = self._customer_row(row)
        return int(self.seen.customers.ids[place]) if place >= 0 else None

    def deal(self, row: int) -> int | None:
        return int(self.findings.keys[row]) if self.subject == "deal" else None

    def team(self, row: int) -> int:
        if self.subject == "deal":
            return int(self.seen.deals.team[self.rows[row]])
        if self.subject == "team":
            return int(self.findings.keys[row]) or self.company.pk
        place = self._customer_row(row)
        return int(self.seen.customers.team[place]) if place >= 0 else self.company.pk


# --- keeping ---------------------------------------------------------------------------------------------


def _keep(
    rule: Rule, setting: RuleSetting, company: Team, findings: list[Found], *, now: dt.datetime
) -> tuple[int, int]:
    """Bring a rule's suggestions in a company up to what it found; returns how many are new and how many went."""
    wanted = {found.key: found for found in findings}
    last = _last(rule, company)
    fresh, again = [], []
    for key, found in wanted.items():
        standing = last.get(key)
        if standing is not None and standing.state == Suggestion.State.OPEN:
            _tell(standing, found, now=now)
            again.append(standing)
        elif standing is None or _is_news(standing, found, setting, now=now):
            suggestion = Suggestion(
                rule=rule.code, subject=rule.subject, key=key, first_seen_at=now, confidential=rule.confidential
            )
            _tell(suggestion, found, now=now)
            fresh.append(suggestion)
    Suggestion.objects.bulk_create(fresh, batch_size=_AT_ONCE)
    names = ["name", "team", "customer", "deal", "likelihood", "impact", "money", "ratio", "details"]
    Suggestion.objects.bulk_update(again, [*names, "last_seen_at", "clear_runs"], batch_size=_AT_ONCE)
    not_found = [s.pk for key, s in last.items() if key not in wanted and s.state == Suggestion.State.OPEN]
    return len(fresh), _let_go(not_found, now=now)


def _last(rule: Rule, company: Team) -> Mapping[str, Suggestion]:
    """The newest suggestion of each subject."""
    rows = Suggestion.objects.filter(rule=rule.code, team__path__startswith=company.path).order_by("pk")
    return {one.key: one for one in rows.select_related("risk").defer("details")}


def _tell(suggestion: Suggestion, found: Found, *, now: dt.datetime) -> None:
    suggestion.name, suggestion.team_id = found.name, found.team
    suggestion.customer_id, suggestion.deal_id = found.customer, found.deal
    suggestion.likelihood, suggestion.impact = found.likelihood, found.impact
    suggestion.money = None if found.money is None else Decimal(str(found.money))
    suggestion.ratio, suggestion.details = found.ratio, found.details
    suggestion.last_seen_at, suggestion.clear_runs = now, 0


def _is_news(standing: Suggestion, found: Found, setting: RuleSetting, *, now: dt.datetime) -> bool:
    """Whether what was decided once is to be suggested again."""
    if standing.state == Suggestion.State.CLEARED:
        return True
    if standing.state in (Suggestion.State.ACCEPTED, Suggestion.State.MERGED):
        # It is in the register; only when that risk is closed or gone is it news again.
        return standing.risk is None or standing.risk.status == Risk.Status.CLOSED
    grew = found.likelihood > standing.likelihood or (found.impact or 0) > (standing.impact or 0)
    rest = dt.timedelta(days=setting.cool_down_days)
    return grew or standing.decided_at is None or now - standing.decided_at >= rest


def _let_go(suggestions: list[int], *, now: dt.datetime) -> int:
    """These were not found this time; those not found twice in a row are no longer so."""
    gone = 0
    for start in range(0, len(suggestions), _AT_ONCE):
        chosen = Suggestion.objects.filter(pk__in=suggestions[start : start + _AT_ONCE])
        chosen.update(clear_runs=F("clear_runs") + 1)
        ended = chosen.filter(clear_runs__gte=CLEAR_RUNS)
        gone += ended.update(state=Suggestion.State.CLEARED, decided_at=now)
    return gone
