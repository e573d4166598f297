"""What came true: how often risks of a kind happened, and how each person's judgements did.

Reads over the whole register that tell no name. A risk is resolved when it was closed with the outcome *it happened*
or *it did not happen*. *No longer relevant* settles nothing, but the time such a risk was open is time in which it
did not happen.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from django.db.models import Aggregate, Count, DateField, FloatField, Func, Q, Sum, Value
from django.db.models.functions import Coalesce, Greatest, Least

from assessments import base_rates, pooling, scoring
from assessments.models import Assessment, Opinion
from risks import access
from risks.models import Risk
from risks.models.risk import RiskQuerySet

RESOLVED = (Risk.Outcome.OCCURRED, Risk.Outcome.DID_NOT_OCCUR)
DAYS_A_YEAR = 365.25
# So many hidden risks may be told of together; what became of fewer could be told from the difference they make.
FEWEST_HIDDEN = 3

_POOLED = Assessment.Given.POOLED


# --- how often it happened -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Log:
    """What the register saw of some risks within a period.

    risks: open at some time of it. resolved: of these, closed within it with an outcome. events: of these, happened.
    years: risk-years for which they were open within it, first and last day included.
    """

    risks: int
    resolved: int
    events: int
    years: float


@dataclass(frozen=True)
class BaseRate:
    """How often risks of a kind happen: events in a risk-year, and the share of resolved ones that happened.

    only_seen: counted over the risks the reader may see, because the hidden ones are too few to be told of.
    """

    log: Log
    rate: base_rates.Rate
    share: base_rates.Share
    rate_prior: base_rates.RatePrior
    share_prior: base_rates.SharePrior
    only_seen: bool


def kinds_of(risk: Risk) -> dict[str, Q]:
    """The kinds a risk belongs to, by name, as conditions on risks; a team stands for those below it, too."""
    kinds = {
        "category": Q(category=risk.category_id),
        "team": Q(category=risk.category_id, team__path__startswith=risk.team.path),
    }
    if risk.customer_id is not None:
        kinds["customer"] = Q(customer=risk.customer_id)
    return kinds | {"all": Q()}


def base_rate(user: access.Person, risk: Risk, *, kind: str, months: int | None, today: dt.date) -> BaseRate | None:
    """How often risks of this one's kind happened in the last ``months``, or ever; None where none was resolved.

    Counted over the whole register, because experience is to be shared; but over the risks the reader may see for a
    customer, and wherever the hidden ones are fewer than FEWEST_HIDDEN. The prior is how the categories of the whole
    register differ. All risks together are what it would be learnt from, so for them it is Jeffreys'.
    Three statements, whatever the size of the register. Raises KeyError for a kind the risk does not belong to.
    """
    condition = kinds_of(risk)[kind]
    start = None if months is None else today - dt.timedelta(days=round(DAYS_A_YEAR * months / 12) - 1)
    figures = _figures(start, today)
    everything = _open_within(Risk.objects.live(), start, today)
    categories = [_log(row) for row in everything.values("category").order_by().annotate(**figures)]
    whole = _log(everything.filter(condition).aggregate(**figures))
    seen = _log(_open_within(access.visible_risks(user), start, today).filter(condition).aggregate(**figures))
    hidden = {whole.risks - seen.risks, whole.resolved - seen.resolved}
    only_seen = kind == "customer" or any(0 < number < FEWEST_HIDDEN for number in hidden)
    log = seen if only_seen else whole
    if not log.resolved:
        return None
    rate_prior, share_prior = base_rates.JEFFREYS_RATE, base_rates.JEFFREYS_SHARE
    if kind != "all":
        events = [one.events for one in categories]
        rate_prior = base_rates.fit_gamma_prior(events, [one.years for one in categories])
        share_prior = base_rates.fit_beta_prior(events, [one.resolved for one in categories])
    return BaseRate(
        log=log,
        rate=base_rates.gamma_poisson(log.events, log.years, rate_prior),
        share=base_rates.beta_binomial(log.events, log.resolved, share_prior),
        rate_prior=rate_prior,
        share_prior=share_prior,
        only_seen=only_seen and whole.risks > seen.risks,
    )


class _DayNumber(Func):
    """A date as a number of days, so that the database can subtract and add up, on SQLite without calling Python."""

    output_field = FloatField()
    template = "(%(expressions)s - DATE '2000-01-01')"

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, template="julianday(%(expressions)s)", **context)


def _open_within(risks: RiskQuerySet, start: dt.date | None, today: dt.date) -> RiskQuerySet:
    """Risks that were open on some day from ``start``, or ever, to today."""
    begun = risks.filter(Q(identified_on__lte=today) | Q(closed_on__lte=today))
    return begun if start is None else begun.filter(Q(closed_on=None) | Q(closed_on__gte=start))


def _figures(start: dt.date | None, today: dt.date) -> dict[str, Aggregate]:
    """The aggregates of a Log, of risks open within the period; ``days`` instead of years."""
    now = Value(today, output_field=DateField())
    until = Least(Coalesce("closed_on", now), now)
    since: Func = Least("identified_on", until)  # a day of closing before that of identifying is a slip of somebody's
    if start is not None:
        since = Greatest(since, Value(start, output_field=DateField()))
    resolved = Q(status=Risk.Status.CLOSED, outcome__in=RESOLVED, closed_on__lte=today)
    return {
        "risks_": Count("pk"),
        "resolved": Count("pk", filter=resolved),
        "events": Count("pk", filter=resolved & Q(outcome=Risk.Outcome.OCCURRED)),
        "days": Sum(_DayNumber(until) - _DayNumber(since) + 1.0),
    }


def _log(row: Mapping[str, Any]) -> Log:
    return Log(row["risks_"], row["resolved"], row["events"], float(row["days"] or 0.0) / DAYS_A_YEAR)


# --- whose judgements came true --------------------------------------------------------------------------


def forecasts(people: Iterable[int]) -> dict[int, list[tuple[float, bool]]]:
    """The resolved forecasts of people, by user id: a probability, and whether it happened. Two statements.

    A forecast is a person's newest judgement of a risk entered before the day it was closed: an assessment of her own
    (not one made of several opinions) or her answer to a request for opinions. It is read as the probability that the
    risk happens within its horizon, counted from that judgement, and it happened if it was closed as *it happened* by
    then. The window is thus fixed by the judgement. Were it to end with the closing, every early hit would look like
    a bad forecast, since little is ever likely within a few weeks.
    """
    asked = list(people)
    own = Assessment.objects.filter(_resolved("risk__"), assessor__in=asked).exclude(likelihood_by=_POOLED).order_by()
    answers = Opinion.objects.filter(
        _resolved("elicitation__risk__"), assessor__in=asked, answered_at__isnull=False, elicitation__withdrawn_at=None
    ).order_by()
    points = ("likelihood_low", "likelihood_middle", "likelihood_high")
    judged = [
        *((_Judged(*row), p) for *row, p in own.values_list(*_judged("created_at", "risk__"), "probability")),
        *(
            (_Judged(*row[:-3]), pooling.pool([pooling.Opinion(*row[-3:])]).mean)
            for row in answers.values_list(*_judged("answered_at", "elicitation__risk__"), *points)
        ),
    ]
    newest = {
        (one.person, one.risk): (one, p)
        for one, p in sorted(judged, key=lambda pair: pair[0].at)
        if one.at.astimezone(dt.UTC).date() < one.closed_on
    }
    found: dict[int, list[tuple[float, bool]]] = {person: [] for person in asked}
    for one, p in newest.values():
        over_horizon = scoring.over_horizon(np.array([p]), np.array([float(one.months)]))
        found[one.person].append((float(over_horizon[0]), one.happened_within_horizon))
    return found


class _Judged(NamedTuple):
    """A judgement of a resolved risk."""

    person: int
    at: dt.datetime
    risk: int
    closed_on: dt.date
    outcome: str
    months: int

    @property
    def happened_within_horizon(self) -> bool:
        end = self.at.astimezone(dt.UTC).date() + dt.timedelta(days=DAYS_A_YEAR * self.months / 12)
        return self.outcome == Risk.Outcome.OCCURRED and self.closed_on <= end


def _judged(at: str, risk: str) -> list[str]:
    """Where a _Judged is found, from an assessment or an opinion."""
    return ["assessor", at, f"{risk}id", f"{risk}closed_on", f"{risk}outcome", f"{risk}horizon_months"]


def _resolved(risk: str) -> Q:
    return Q(
        **{
            f"{risk}state": Risk.State.LIVE,
            f"{risk}status": Risk.Status.CLOSED,
            f"{risk}outcome__in": RESOLVED,
        }
    )
