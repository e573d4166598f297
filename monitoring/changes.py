"""What a draft of the scoring method would change on the live register. Reads only.

The numbers are counted in what_if.py; here they are read, and put under names that a person may see.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from django.db.models import Case, Value, When

from assessments.method import Band
from assessments.queries import active_method
from assessments.stage import ScoringMethod
from monitoring import what_if
from monitoring.models import Subscription
from monitoring.what_if import Columns, Flags, Integers, Moves, Reviews, Scores, TopChange
from riskreg.accounts import reach
from riskreg.accounts.models import Team, User
from risks import access, scores
from risks.models import Category, Risk

TOP = 10
Group = TypeVar("Group", Category, Team)


@dataclass(frozen=True)
class Transition:
    """So many risks go from one band to another; None is: not assessed."""

    before: Band | None
    after: Band | None
    risks: int


@dataclass(frozen=True)
class Place:
    """A risk in a ranking, with its place before and after (None: not among the first)."""

    risk: Risk
    before: int | None
    after: int | None
    score_before: float
    score_after: float
    band_before: int
    band_after: int


@dataclass(frozen=True)
class DigestChange:
    user: User
    enters: int
    leaves: int


@dataclass(frozen=True)
class Changes:
    """What the page shows."""

    risks: int
    total: Moves
    transitions: list[Transition]
    places: list[Place]
    top: TopChange
    reviews: Reviews
    by_category: list[tuple[Category, Moves]]
    by_team: list[tuple[Team, Moves]]
    digests: list[DigestChange]
    subscribers: int
    intolerable_before: int
    intolerable_after: int


def of(draft: ScoringMethod, *, at: dt.datetime, today: dt.date) -> Changes:
    """Score the whole open register with a draft and compare; the statements grow with the chunks only."""
    active = active_method()
    columns = read_columns(draft, at=at)
    before, after = ([f"{b.label.en}\n{b.label.zh}" for b in method.bands] for method in (active, draft))
    same = what_if.same_bands(before, after)
    rankings = columns.before.ranking(), columns.after.ranking()
    first = TopChange(what_if.top(rankings[0], TOP), what_if.top(rankings[1], TOP))
    categories, teams = Category.objects.in_bulk(), Team.objects.in_bulk()
    subscriptions = list(
        Subscription.objects.filter(active=True, user__is_active=True).exclude(user__email="").select_related("user")
    )
    return Changes(
        risks=len(columns.risk_ids),
        total=what_if.moves(columns, np.arange(len(columns.risk_ids)), same),
        transitions=_transitions(columns, active.bands, draft.bands, same),
        places=_places(columns, first),
        top=first,
        reviews=what_if.reviews(columns, today=np.datetime64(today)),
        by_category=_named(what_if.moves_by(columns, columns.category, same), categories, lambda c: c.position),
        by_team=_named(what_if.moves_by(columns, columns.team, same), teams, lambda t: t.path),
        digests=_digests(columns, rankings, subscriptions),
        subscribers=len(subscriptions),
        intolerable_before=_intolerable(columns.category, columns.before.band, active, categories),
        intolerable_after=_intolerable(columns.category, columns.after.band, draft, categories),
    )


def read_columns(draft: ScoringMethod, *, at: dt.datetime) -> Columns:
    """The open register as it stands and as the draft would have it."""
    active = active_method()
    parts: list[list[np.ndarray]] = []  # type: ignore[type-arg]
    after = 0
    whose = (
        Risk.objects.open()
        .order_by("pk")
        .values_list("pk", "category", "team", "owner", Case(When(confidential=True, then=Value(1)), default=Value(0)))
    )
    while (found := scores.next_span(after)) is not None:
        span = found[0]
        after = span.last
        sheet, stored = scores.read(span, draft, at=at, risks=found[1])
        results = scores.evaluate(sheet)
        stood = _standing(span, sheet, stored, active, at=at)
        rows, *of_risk = sheet.read(whose, "int", "int", "int", "int", risk="pk")
        becomes = [results.numbers["score"], results.numbers["exposure"], _positions(results.numbers["band"])]
        columns = [sheet.risk_ids, *stood, *becomes, results.review_due]
        # Those still waiting for their import to finish are scored, but nobody sees them yet.
        parts.append([column[rows] for column in columns] + of_risk)
    whole = [np.concatenate(column) for column in zip(*parts, strict=True)] if parts else [np.array([])] * 13
    return Columns(
        risk_ids=whole[0].astype(np.int64),
        before=Scores(whole[1], whole[2], whole[3].astype(np.int64), whole[4].astype("datetime64[D]")),
        after=Scores(whole[5], whole[6], whole[7].astype(np.int64), whole[8].astype("datetime64[D]")),
        category=whole[9].astype(np.int64),
        team=whole[10].astype(np.int64),
        owner=whole[11].astype(np.int64),
        confidential=whole[12].astype(bool),
    )


def _standing(
    span: scores.Span, sheet: scores.Sheet, stored: scores.Stored, active: ScoringMethod, *, at: dt.datetime
) -> list[Any]:
    """Score, exposure, band and review as they stand; as they will in a moment where the version before is still on the
    cover sheets, because the register is being re-scored."""
    numbers, due = stored.numbers, stored.review_due
    versions = numbers["method_version"]
    if (~np.isnan(versions) & (versions != active.version)).any():
        again = scores.evaluate(scores.read(span, active, at=at, risks=(sheet.risk_ids, sheet.horizon_months))[0])
        numbers, due = again.numbers, again.review_due
    return [numbers["score"], numbers["exposure"], _positions(numbers["band"]), due]


def _positions(bands: what_if.Floats) -> Integers:
    return np.nan_to_num(bands, nan=0.0).astype(np.int64)


def _transitions(columns: Columns, before: Sequence[Band], after: Sequence[Band], same: Flags) -> list[Transition]:
    """Those that change, the most risks first."""
    counts = what_if.transitions(columns, before=len(before), after=len(after))
    found = [
        Transition(before[row - 1] if row else None, after[column - 1] if column else None, int(counts[row, column]))
        for row, column in np.argwhere((counts > 0) & ~same).tolist()
    ]
    return sorted(found, key=lambda t: -t.risks)


def _places(columns: Columns, first: TopChange) -> list[Place]:
    """The risks among the first before or after, in the order after; those that leave at the end."""
    rows = first.after + first.leaves
    risks = Risk.objects.select_related("category", "team").in_bulk([int(columns.risk_ids[row]) for row in rows])

    def place(row: int, ranking: list[int]) -> int | None:
        return ranking.index(row) + 1 if row in ranking else None

    return [
        Place(
            risk=risks[int(columns.risk_ids[row])],
            before=place(row, first.before),
            after=place(row, first.after),
            score_before=float(columns.before.score[row]),
            score_after=float(columns.after.score[row]),
            band_before=int(columns.before.band[row]),
            band_after=int(columns.after.band[row]),
        )
        for row in rows
    ]


def _named(
    found: dict[int, Moves], names: dict[int, Group], order: Callable[[Group], int | str]
) -> list[tuple[Group, Moves]]:
    return [(name, found[name.pk]) for name in sorted(names.values(), key=order) if name.pk in found]


def _digests(
    columns: Columns, rankings: tuple[Integers, Integers], subscriptions: Sequence[Subscription]
) -> list[DigestChange]:
    """Whose next digest would list other top risks, or in another order, because of the draft alone."""
    reach.of_many([subscription.user for subscription in subscriptions])
    found = []
    for subscription in subscriptions:
        seen = _in_scope(subscription, columns)
        change = TopChange(*(what_if.top(ranking, subscription.top, seen) for ranking in rankings))
        if change.changed:
            found.append(DigestChange(subscription.user, len(change.enters), len(change.leaves)))
    return found


def _in_scope(subscription: Subscription, columns: Columns) -> Flags:
    """Which risks a digest is about; queries.in_scope for columns."""
    user = subscription.user
    seen = access.visible_rows(user, team=columns.team, owner=columns.owner, confidential=columns.confidential)
    if subscription.scope == Subscription.Scope.MINE:
        return np.asarray(seen & (columns.owner == user.pk))
    if subscription.scope == Subscription.Scope.TEAM and (teams := reach.own_teams(user)):
        return np.asarray(seen & np.isin(columns.team, teams))
    return seen


def _intolerable(category: Integers, band: Integers, method: ScoringMethod, categories: dict[int, Category]) -> int:
    """How many risks lie beyond what their category bears."""
    borne = {pk: method.spec.appetite.get(c.key, method.spec.tolerable) for pk, c in categories.items()}
    limit = np.zeros(max(borne, default=0) + 1, dtype=np.int64)
    for pk, position in borne.items():
        limit[pk] = position
    return int((band > limit[category]).sum()) if len(category) else 0
