"""What a draft would change, against what really changes when the same draft comes into force."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import time_machine
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, Phase, given, settings

from assessments import versions
from assessments.actions import Judgement, assess_risks
from assessments.default_method import DEFAULT_METHOD
from assessments.models import Method
from assessments.queries import active_method, scoring_method
from assessments.stage import ScoringMethod
from monitoring import changes, queries
from monitoring.changes import Changes
from monitoring.models import Subscription
from monitoring.what_if import Moves, TopChange
from responses.models import Action, Response
from riskreg.accounts import reach
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import Team, User
from riskreg.jobs import actions as jobs
from risks import access, scores
from risks.actions import close_risk, link_observation
from risks.models import Category, CoverSheet, Observation, Risk
from tests.assessments.random_methods import definitions
from tests.conftest import assess

MakeRisk = Callable[..., Risk]

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
TODAY = NOW.date()
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
PERSONAS = ("mona", "max", "vera", "hana", "nobody", "ada", "olga")


@pytest.fixture(autouse=True)
def _monday_morning() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def definition(**other: Any) -> dict[str, Any]:
    return copy.deepcopy(DEFAULT_METHOD) | other


def draft(definition_: dict[str, Any]) -> Method:
    newest = Method.objects.order_by("-version").values_list("version", flat=True)[0]
    return Method.objects.create(version=newest + 1, definition=definition_, edited_at=NOW)


def compared(method: Method) -> Changes:
    return changes.of(scoring_method(method), at=NOW, today=TODAY)


def put_in_force(method: Method) -> None:
    versions.schedule(method=method, when=None, by=None, at=NOW)
    assert method.job is not None
    assert jobs.run(method.job, now_fn=lambda: NOW)


@pytest.fixture
def people(cast: SimpleNamespace) -> SimpleNamespace:
    """The cast, and olga, who has no role but owns risks."""
    cast.olga = User.objects.create_user("olga", "olga@example.com", "password", first_name="Olga")
    return cast


def grow(people: SimpleNamespace, size: int, *, seed: int = 20260302) -> list[Risk]:
    """Random risks of all teams, categories and owners: assessed or not, some with responses and evidence."""
    random = np.random.default_rng(seed)
    kinds, teams = list(Category.objects.all()), [people.northfield, people.accounts, people.hengyue]
    owners = [None, *(getattr(people, name) for name in PERSONAS)]

    def one_of(some: list[Any]) -> Any:
        return some[random.integers(len(some))]

    risks = Risk.objects.bulk_create(
        Risk(
            title=f"Risk {n}", category=one_of(kinds), team=one_of(teams), owner=one_of(owners),
            confidential=bool(random.random() < 0.3), horizon_months=int(one_of([6, 12, 12, 36])),
        )
        for n in range(size)
    )  # fmt: skip
    CoverSheet.objects.bulk_create(CoverSheet(risk=risk) for risk in risks)
    assessed = [risk for risk in risks if random.random() < 0.85]
    assess_risks(
        judgements=[
            Judgement(
                risk.pk,
                int(random.integers(1, 6)),
                {key: int(random.integers(1, 6)) for key in ("financial", "reputation")[: 1 + int(random.integers(2))]},
                "expert",
                "",
                TODAY - int(random.integers(0, 200)) * DAY,
            )
            for risk in assessed
        ],
        by=None,
        at=NOW - DAY,
    )
    touched = assessed[::4]
    for risk in touched:
        response = Response.objects.create(risk=risk, kind="preventive", title="r", confidence=80)
        Action.objects.create(response=response, title="a", effect=40, status="done", done_on=TODAY)
        observation = Observation.objects.create(kind="market", text="o", team=risk.team)
        link_observation(observation=observation, risk=risk, bearing=int(random.integers(-2, 3)), at=NOW - HOUR)
    return risks


@pytest.fixture
def register(people: SimpleNamespace) -> list[Risk]:
    risks = grow(people, 60)
    close_risk(risk=risks[0], outcome="occurred", note="", on=TODAY, at=NOW)
    Risk.objects.filter(pk=risks[1].pk).update(state="bin")
    Risk.objects.filter(pk=risks[2].pk).update(state="staged")
    return risks


def subscribe(people: SimpleNamespace) -> None:
    """Everybody, in every scope by turns, with short and long lists."""
    scopes, tops = itertools.cycle(["mine", "team", "all"]), itertools.cycle([1, 3, 10, 50])
    for name in PERSONAS:
        Subscription.objects.create(user=getattr(people, name), scope=next(scopes), top=next(tops))


def open_sheets() -> dict[int, CoverSheet]:
    return CoverSheet.objects.filter(risk__in=Risk.objects.open()).in_bulk()


def first_of(subscription: Subscription) -> list[int]:
    """The top risks of a digest, as the digest itself looks them up."""
    user = User.objects.get(pk=subscription.user_id)
    return [risk.pk for risk in queries.top_risks(queries.in_scope(user, subscription.scope), subscription.top)]


def all_first() -> dict[int, list[int]]:
    return {subscription.user_id: first_of(subscription) for subscription in Subscription.objects.all()}


# Another combination; a coarser formula; two bands instead of four; a painted matrix; dimensions that are gone; an
# axis on which everything lies lower.
def two_bands() -> dict[str, Any]:
    bands = DEFAULT_METHOD["bands"]
    return definition(bands=[bands[0] | {"review_days": 20}, bands[3] | {"threshold": 40}])


def without_financial() -> dict[str, Any]:
    return definition(dimensions=copy.deepcopy(DEFAULT_METHOD["dimensions"][1:]))


def longer_axis() -> dict[str, Any]:
    new = definition()
    for dimension in new["dimensions"]:
        dimension["levels"][4]["high"] = 5e12
    return new


DRAFTS: dict[str, Callable[[], dict[str, Any]]] = {
    "the same": definition,
    "worst": lambda: definition(combination="worst"),
    "product": lambda: definition(formula="product"),
    "two bands": two_bands,
    "matrix": lambda: definition(
        formula="matrix", matrix=[[1 + max(i, j) * 3 // 4 for j in range(5)] for i in range(5)]
    ),
    "a dimension gone": without_financial,
    "longer axis": longer_axis,
}


# --- what is told is what happens --------------------------------------------------------------------------


@pytest.mark.parametrize("name", DRAFTS)
def test_what_is_told_is_what_happens(register: list[Risk], people: SimpleNamespace, name: str) -> None:
    subscribe(people)
    method = draft(DRAFTS[name]())
    told = compared(method)
    old, new = active_method(), scoring_method(method)
    before, first_before = open_sheets(), all_first()
    put_in_force(method)
    after, first_after = open_sheets(), all_first()

    assert told.risks == len(before) == 57
    assert_transitions(told, before, after, old, new)
    assert_places(told, before, after)
    assert (told.reviews.earlier, told.reviews.later, told.reviews.due_now) == reviews(before, after)
    assert_groups(told, before, after, old, new)
    expected = {
        user: (len(set(first_after[user]) - set(top)), len(set(top) - set(first_after[user])))
        for user, top in first_before.items()
        if top != first_after[user]
    }
    assert {d.user.pk: (d.enters, d.leaves) for d in told.digests} == expected
    assert told.subscribers == len(PERSONAS)
    assert (told.intolerable_before, told.intolerable_after) == (intolerable(before, old), intolerable(after, new))
    if name == "the same":
        assert (told.total, told.transitions) == (Moves(57, 0, 0, 0), [])
    else:
        assert told.total.changed > 5
    # Other bands and another axis leave the order as it is; the rest of the drafts must have something to tell.
    assert bool(expected) == told.top.changed == (name not in ("the same", "two bands", "longer axis"))


def band(sheet: CoverSheet, method: ScoringMethod) -> Any:
    return method.bands[sheet.band - 1] if sheet.band else None


def is_other(one: CoverSheet, other: CoverSheet, old: ScoringMethod, new: ScoringMethod) -> bool:
    """Whether a risk changes its band: by place where there are as many bands, else by name."""
    if len(old.bands) == len(new.bands) or not one.band or not other.band:
        return (one.band or 0) != (other.band or 0)
    return band(one, old).label != band(other, new).label


def assert_transitions(
    told: Changes, before: dict[int, CoverSheet], after: dict[int, CoverSheet], old: ScoringMethod, new: ScoringMethod
) -> None:
    moved = [pk for pk in before if is_other(before[pk], after[pk], old, new)]
    counted = Counter((before[pk].band or 0, after[pk].band or 0) for pk in moved)
    found = {
        (t.before.position if t.before else 0, t.after.position if t.after else 0): t.risks for t in told.transitions
    }
    assert found == counted
    assert len(told.transitions) == len(counted)
    assert [t.risks for t in told.transitions] == sorted(counted.values(), reverse=True)
    for t in told.transitions:
        assert t.before is None or t.before in old.bands
        assert t.after is None or t.after in new.bands


def ranking(sheets: dict[int, CoverSheet]) -> list[int]:
    scored = [sheet for sheet in sheets.values() if sheet.score is not None]
    return [s.risk_id for s in sorted(scored, key=lambda s: (-s.score, -s.exposure, s.risk_id))]


def assert_places(told: Changes, before: dict[int, CoverSheet], after: dict[int, CoverSheet]) -> None:
    first, then = ranking(before)[:10], ranking(after)[:10]
    assert [place.risk.pk for place in told.places] == [*then, *(pk for pk in first if pk not in then)]
    for place in told.places:
        pk = place.risk.pk
        assert place.before == (first.index(pk) + 1 if pk in first else None)
        assert place.after == (then.index(pk) + 1 if pk in then else None)
        assert (place.score_before, place.band_before) == (before[pk].score, before[pk].band)
        if after[pk].score is None:
            assert np.isnan(place.score_after)
            assert place.band_after == 0
        else:
            assert (place.score_after, place.band_after) == (after[pk].score, after[pk].band)
    assert len(told.top.enters) == len(set(then) - set(first))
    assert len(told.top.leaves) == len(set(first) - set(then))
    assert told.top.changed == (first != then)


def reviews(before: dict[int, CoverSheet], after: dict[int, CoverSheet]) -> tuple[int, int, int]:
    pairs = [(before[pk].review_due, after[pk].review_due) for pk in before]
    both = [(old, new) for old, new in pairs if old and new]
    return (
        sum(new < old for old, new in both),
        sum(new > old for old, new in both),
        sum(bool(new and new <= TODAY and not (old and old <= TODAY)) for old, new in pairs),
    )


def assert_groups(
    told: Changes, before: dict[int, CoverSheet], after: dict[int, CoverSheet], old: ScoringMethod, new: ScoringMethod
) -> None:
    risks = Risk.objects.in_bulk(before)
    comparable = len(old.bands) == len(new.bands)

    def counted(ids: list[int]) -> Moves:
        moved = [pk for pk in ids if is_other(before[pk], after[pk], old, new)]
        both = [(before[pk].band, after[pk].band) for pk in moved if comparable and before[pk].band and after[pk].band]
        return Moves(len(ids), len(moved), sum(b < a for b, a in both), sum(b > a for b, a in both))

    assert told.total == counted(list(risks))
    by_category = {c: [pk for pk, r in risks.items() if r.category_id == c.pk] for c in Category.objects.all()}
    assert told.by_category == [
        (c, counted(ids)) for c, ids in sorted(by_category.items(), key=lambda item: item[0].position) if ids
    ]
    by_team = {t: [pk for pk, r in risks.items() if r.team_id == t.pk] for t in Team.objects.order_by("path")}
    assert told.by_team == [(t, counted(ids)) for t, ids in by_team.items() if ids]


def intolerable(sheets: dict[int, CoverSheet], method: ScoringMethod) -> int:
    keys = dict(Risk.objects.values_list("pk", "category__key"))
    return sum(not method.spec.within_appetite(keys[pk], s.band) for pk, s in sheets.items() if s.band)


@given(definitions())
@settings(
    max_examples=6, deadline=None, phases=[Phase.explicit, Phase.generate], suppress_health_check=list(HealthCheck)
)
def test_any_draft_tells_what_evaluating_it_gives(register: list[Risk], new: dict[str, Any]) -> None:
    """Of any method: the columns after are what scoring the register with it makes of it, to the last bit."""
    for dimension, key in zip(new["dimensions"], ("financial", "reputation", "a", "b", "c"), strict=False):
        dimension["key"] = key
    method = draft(new)
    columns = changes.read_columns(scoring_method(method), at=NOW)
    Method.objects.filter(state="active").update(state="retired")
    Method.objects.filter(pk=method.pk).update(state="active")
    scores.rescore([risk.pk for risk in register], cause="rules", at=NOW)
    after = open_sheets()
    Method.objects.filter(pk=method.pk).update(state="retired")
    Method.objects.filter(version=1).update(state="active")
    scores.rescore([risk.pk for risk in register], cause="rules", at=NOW)
    assert columns.risk_ids.tolist() == sorted(after)
    for sheets, told in ((open_sheets(), columns.before), (after, columns.after)):
        expected = [sheets[pk] for pk in columns.risk_ids.tolist()]
        assert [None if np.isnan(s) else s for s in told.score.tolist()] == [s.score for s in expected]
        assert [None if np.isnan(e) else e for e in told.exposure.tolist()] == [s.exposure for s in expected]
        assert [b or None for b in told.band.tolist()] == [s.band for s in expected]
        assert [None if np.isnat(d) else d.item() for d in told.due] == [s.review_due for s in expected]


def test_the_columns_say_whose_each_risk_is(register: list[Risk]) -> None:
    columns = changes.read_columns(active_method(), at=NOW)
    risks = Risk.objects.open().order_by("pk")
    assert list(
        zip(
            columns.risk_ids.tolist(), columns.category.tolist(), columns.team.tolist(), columns.owner.tolist(),
            columns.confidential.tolist(), strict=True,
        )
    ) == [(r.pk, r.category_id, r.team_id, r.owner_id or 0, r.confidential) for r in risks]  # fmt: skip


# --- odd registers -----------------------------------------------------------------------------------------


def test_an_empty_register_has_nothing_to_compare(people: SimpleNamespace) -> None:
    subscribe(people)
    told = compared(draft(definition(combination="worst")))
    assert (told.risks, told.total, told.transitions, told.places) == (0, Moves(0, 0, 0, 0), [], [])
    assert (told.digests, told.by_category, told.by_team) == ([], [], [])
    assert (told.intolerable_before, told.intolerable_after, told.subscribers) == (0, 0, len(PERSONAS))
    assert told.top == TopChange([], [])


def test_a_register_nobody_has_assessed(make_risk: MakeRisk) -> None:
    for n in range(3):
        make_risk(f"Risk {n}", at=NOW)
    told = compared(draft(two_bands()))
    assert (told.risks, told.total.changed, told.transitions, told.places) == (3, 0, [], [])


def test_it_is_the_same_in_one_chunk_or_many(
    register: list[Risk], people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    subscribe(people)
    method = draft(two_bands())
    whole = compared(method)
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 7)
    assert compared(method) == whole


def test_ties_are_broken_by_the_older_risk_even_when_it_was_edited_last(
    make_risk: MakeRisk, people: SimpleNamespace
) -> None:
    teams = [people.hengyue, people.accounts, people.northfield]
    risks = [make_risk(f"Risk {n}", levels=(3, 3), team=teams[n % 3], at=NOW) for n in range(14)]
    subscribe(people)
    for risk in risks[:5]:
        risk.title = f"{risk.title}, edited"
        risk.save()
    told = compared(draft(definition(formula="product")))
    assert [place.risk.pk for place in told.places] == [risk.pk for risk in risks[:10]]
    assert (told.top.changed, told.digests) == (False, [])


def test_a_tie_that_the_draft_breaks_enters_and_leaves(make_risk: MakeRisk, people: SimpleNamespace) -> None:
    """All twelve have one score; by the worst dimension the last two are worse."""
    risks = []
    for n in range(12):
        risk = make_risk(f"Risk {n}", at=NOW)
        assess(risk, 3, 2, reputation=4 if n > 9 else 3, at=NOW)
        risks.append(risk)
    same = {sheet.score for sheet in CoverSheet.objects.all()}
    assert len(same) == 1
    Subscription.objects.create(user=people.max, scope="mine", top=11)
    told = compared(draft(definition(combination="worst")))
    places = [(place.risk.pk, place.before, place.after) for place in told.places]
    assert places[:3] == [(risks[10].pk, None, 1), (risks[11].pk, None, 2), (risks[0].pk, 1, 3)]
    assert [(pk, after) for pk, _, after in places[10:]] == [(risks[8].pk, None), (risks[9].pk, None)]
    assert [(d.user, d.enters, d.leaves) for d in told.digests] == [(people.max, 1, 1)]


def test_bands_with_chinese_names_only_are_told_apart(make_risk: MakeRisk) -> None:
    """Another number of bands is compared by name, and a company may write its names in one language."""
    for levels in ((1, 1), (5, 5)):
        make_risk("A risk", levels=levels, at=NOW)
    bands = [band_ | {"label": {"en": "", "zh": band_["label"]["zh"]}} for band_ in DEFAULT_METHOD["bands"]]
    put_in_force(draft(definition(bands=bands)))
    told = compared(draft(definition(bands=[bands[0], bands[1] | {"threshold": 99}])))
    assert [(t.before.position, t.after.position, t.risks) for t in told.transitions] == [(4, 2, 1)]
    assert told.total == Moves(risks=2, changed=1, tougher=0, milder=0)


def test_the_next_draft_can_be_compared_while_the_register_is_being_rescored(
    register: list[Risk], people: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some risks still have the bands of the version before, of which there were more."""
    subscribe(people)
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 20)
    found: list[Changes] = []

    def look(seconds: float) -> None:
        if not found:
            found.append(compared(draft(definition(combination="worst"))))

    monkeypatch.setattr(versions, "pause_between_chunks", look)
    method = draft(two_bands())
    put_in_force(method)
    method.refresh_from_db()
    assert (len(found), method.rescored_at) == (1, NOW)
    assert found[0].risks == 57


# --- who gets which digest ---------------------------------------------------------------------------------


def test_only_digests_that_are_sent_are_counted(register: list[Risk], people: SimpleNamespace) -> None:
    subscribe(people)
    Subscription.objects.filter(user=people.mona).update(active=False)
    User.objects.filter(pk=people.max.pk).update(email="")
    User.objects.filter(pk=people.hana.pk).update(is_active=False)
    told = compared(draft(two_bands()))
    assert told.subscribers == len(PERSONAS) - 3
    assert not {"mona", "max", "hana"} & {d.user.username for d in told.digests}


def test_an_administrators_team_digest_is_of_the_teams_she_has_a_role_in(
    register: list[Risk], people: SimpleNamespace
) -> None:
    subscription = Subscription.objects.create(user=people.ada, scope="team", top=50)
    for team in (None, people.accounts, people.northfield):
        if team is not None:
            set_role(user=people.ada, team=team, role="viewer")
        before, scope = first_of(subscription), queries.in_scope(User.objects.get(pk=people.ada.pk), "team").open()
        columns = changes.read_columns(active_method(), at=NOW)
        reader = Subscription.objects.select_related("user").get()
        reach.of_many([reader.user])
        seen = columns.risk_ids[changes._in_scope(reader, columns)].tolist()
        assert sorted(seen) == sorted(scope.values_list("pk", flat=True))
        assert set(before) <= set(seen)


@pytest.mark.parametrize("scope", Subscription.Scope.values)
@pytest.mark.parametrize("name", PERSONAS)
def test_the_scope_of_a_digest_is_that_of_the_digest_itself(
    register: list[Risk], people: SimpleNamespace, name: str, scope: str
) -> None:
    Subscription.objects.create(user=getattr(people, name), scope=scope)
    expected = queries.in_scope(User.objects.get(username=name), scope).open().values_list("pk", flat=True)
    columns = changes.read_columns(active_method(), at=NOW)
    subscription = Subscription.objects.select_related("user").get()
    assert sorted(columns.risk_ids[changes._in_scope(subscription, columns)].tolist()) == sorted(expected)


# --- who may see which row ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(4))
def test_the_rows_a_person_may_see_are_the_risks_she_may_see(people: SimpleNamespace, seed: int) -> None:
    random = np.random.default_rng(seed)
    deeper = save_team(name="Key accounts", parent=people.accounts)
    teams = [people.northfield, people.accounts, deeper, people.hengyue]
    extra = User.objects.create_user("eve", "eve@example.com", is_active=False)
    several = User.objects.create_user("sam", "sam@example.com")
    for user, team, role in (
        (extra, people.northfield, "manager"),
        (several, people.northfield, "viewer"),
        (several, deeper, "manager"),
        (several, people.hengyue, "member"),
    ):
        set_role(user=user, team=team, role=role)
    persons = [*(getattr(people, name) for name in PERSONAS), extra, several]
    kind = Category.objects.first()
    Risk.objects.bulk_create(
        Risk(
            title="A risk", category=kind, team=teams[random.integers(4)], confidential=bool(random.random() < 0.4),
            owner=[None, *persons][random.integers(len(persons) + 1)],
        )
        for _ in range(120)
    )  # fmt: skip
    rows = list(Risk.objects.order_by("pk").values_list("pk", "team", "owner", "confidential"))
    ids, team, owner, confidential = (
        np.array(c) for c in zip(*((a, b, c or 0, d) for a, b, c, d in rows), strict=True)
    )
    for person in [*persons, AnonymousUser()]:
        user = person if isinstance(person, AnonymousUser) else User.objects.get(pk=person.pk)
        seen = access.visible_rows(user, team=team, owner=owner, confidential=confidential)
        assert seen.dtype == np.bool_
        assert ids[seen].tolist() == sorted(access.visible_risks(user).values_list("pk", flat=True))
        for row in (0, 50, 119):
            assert access.may(user, "view", Risk.objects.get(pk=int(ids[row]))) == seen[row]


def test_of_no_rows_nobody_sees_any(people: SimpleNamespace) -> None:
    none = np.array([], dtype=np.int64)
    for name in PERSONAS:
        seen = access.visible_rows(getattr(people, name), team=none, owner=none, confidential=none.astype(bool))
        assert (seen.shape, seen.dtype) == ((0,), np.bool_)


def test_the_reach_of_many_is_the_reach_of_each(people: SimpleNamespace) -> None:
    deeper = save_team(name="Key accounts", parent=people.accounts)
    save_team(name="Elsewhere", parent=None)
    set_role(user=people.vera, team=deeper, role="manager")
    set_role(user=people.ada, team=people.accounts, role="viewer")
    eve = User.objects.create_user("eve", "eve@example.com", is_active=False)
    set_role(user=eve, team=people.northfield, role="manager")
    names = [*PERSONAS, "eve"]
    one_by_one = [User.objects.get(username=name) for name in names]
    expected = [(reach.of(user), sorted(reach.own_teams(user))) for user in one_by_one]
    many = [User.objects.get(username=name) for name in names]
    with CaptureQueriesContext(connection) as captured:
        reach.of_many(many)
        found = [(reach.of(user), sorted(reach.own_teams(user))) for user in many]
    assert found == expected
    assert len(captured) == 2
    reach.of_many([])


# --- reads only, and few -----------------------------------------------------------------------------------


def counts() -> dict[str, int]:
    return {model._meta.label: model.objects.count() for model in apps.get_models() if model._meta.managed}


def test_it_writes_nothing(register: list[Risk], people: SimpleNamespace) -> None:
    subscribe(people)
    method = draft(two_bands())
    before, sheets = counts(), list(CoverSheet.objects.order_by("pk").values())
    with CaptureQueriesContext(connection) as captured:
        compared(method)
    said = [query["sql"] for query in captured]
    assert len(said) > 5
    assert [sql for sql in said if not sql.startswith("SELECT") and not re.match(r"COPY .* TO STDOUT", sql, re.S)] == []
    assert counts() == before
    assert list(CoverSheet.objects.order_by("pk").values()) == sheets
    assert Method.objects.get(pk=method.pk).state == "draft"


def statements(method: Method) -> int:
    with CaptureQueriesContext(connection) as captured:
        compared(method)
    return len(captured)


def test_the_statements_do_not_grow_with_the_risks(people: SimpleNamespace) -> None:
    subscribe(people)
    method = draft(two_bands())
    grow(people, 25)
    few = statements(method)
    grow(people, 300, seed=7)
    assert statements(method) == few
    assert few <= 25


def test_the_statements_do_not_grow_with_the_subscribers(register: list[Risk], people: SimpleNamespace) -> None:
    method = draft(two_bands())
    Subscription.objects.create(user=people.max, scope="team")
    few = statements(method)
    Subscription.objects.all().delete()
    subscribe(people)
    for n in range(30):
        user = User.objects.create_user(f"reader{n}", f"reader{n}@example.com", is_admin=n % 10 == 0)
        set_role(user=user, team=[people.northfield, people.accounts, people.hengyue][n % 3], role="viewer")
        Subscription.objects.create(user=user, scope=["mine", "team", "all"][n % 3])
    assert statements(method) == few
