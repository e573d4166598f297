"""One risk through an act of a person, all of them in one go, and what the database keeps: the same numbers, to the
last bit. For methods and judgements Hypothesis makes up, all formulas, under the method of the day and the next."""

from __future__ import annotations

import copy
import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from assessments import scoring
from assessments.actions import Judgement, Number, assess_risk
from assessments.default_method import DEFAULT_METHOD
from assessments.method import FORMULAS, MethodSpec, read_method
from assessments.models import Assessment, Method
from assessments.queries import active_method
from assessments.restating import restate
from responses.actions import save_response
from responses.models import Action, Response
from risks import scores
from risks.actions import link_observation
from risks.models import Cause, CoverSheet, Observation, Risk, ScoreEntry
from tests.assessments.random_methods import definitions, judged_levels, moneys

MakeRisk = Callable[..., Risk]
Numbers = dict[int, tuple[Any, ...]]

AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
NAMES = (
    "score", "band", "exposure", "inherent", "residual", "target", "likelihood_level", "impact_level",
    "method_version", "review_due",
)  # fmt: skip
EMPTY = (None,) * len(NAMES)
# A failing example is shown as it was found: to shrink it takes minutes, as each try is a register. PostgreSQL has to
# show that it keeps what it is given; which methods there are is shown before, on SQLite.
some = settings(
    max_examples=8 if connection.vendor == "sqlite" else 3,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture
def register(make_risk: MakeRisk) -> list[Risk]:
    """Three risks with nothing but their judgement to come, and three with responses and evidence as well."""
    risks = [make_risk(f"Risk {n}", horizon_months=months, at=AT) for n, months in enumerate((1, 12, 37, 12, 120, 7))]
    for n, risk in enumerate(risks[3:]):
        for kind in ("preventive", "contingency"):
            response = Response(risk=risk, kind=kind, title=kind, confidence=60 + 13 * n)
            effects = [(11, "done"), (17 + n, "done"), (23, "planned"), (31, "in_progress"), (47, "cancelled")]
            steps = [Action(title=f"{kind} {effect}", effect=effect, status=status) for effect, status in effects]
            save_response(response=response, actions=steps, at=AT)
        for bearing in (1, 2, -1)[: n + 1]:
            observation = Observation.objects.create(kind="market", text="heard", team=risk.team)
            link_observation(observation=observation, risk=risk, bearing=bearing, at=AT + DAY)
    return risks


def put_in_force(definition: dict[str, Any]) -> MethodSpec:
    version = Method.objects.count() + 1
    Method.objects.filter(state="active").update(state="retired")
    Method.objects.create(version=version, state="active", definition=definition)
    return active_method().spec


def draw_judgement(data: st.DataObject, spec: MethodSpec, risk: Risk) -> Judgement:
    level = st.integers(1, len(spec.likelihood))
    likelihood = data.draw(level | st.floats(1e-6, 0.999).map(Number))
    money = data.draw(st.none() | moneys.map(Number))
    levels = data.draw(judged_levels(spec))
    return Judgement(risk.pk, likelihood, levels, "expert", "", AT.date(), money)


def stored() -> Numbers:
    return {pk: tuple(values) for pk, *values in CoverSheet.objects.values_list("risk", *NAMES)}


def forget() -> None:
    CoverSheet.objects.update(**dict.fromkeys(NAMES))


def rescored(*chunks: Sequence[int]) -> Numbers:
    """What the database holds after these were scored, each chunk in one go."""
    forget()
    for chunk in chunks:
        scores.rescore(chunk, cause=Cause.RULES, at=AT + 2 * DAY)
    return stored()


def evaluated(ids: Sequence[int]) -> Numbers:
    """One evaluation over all of them, which never sees the database's columns of results."""
    sheet, _ = scores.read(scores.Span(min(ids) - 1, max(ids)), active_method(), at=AT + 2 * DAY)
    results = scores.evaluate(sheet)
    columns = [_or_none(results.numbers[name]) for name in NAMES[:-1]]
    due = [None if np.isnat(day) else day.item() for day in results.review_due]
    return {pk: tuple(values) for pk, *values in zip(sheet.risk_ids.tolist(), *columns, due, strict=True)}


def _or_none(column: np.ndarray) -> list[float | None]:
    return [None if np.isnan(value) else value for value in column.tolist()]


def plainly(spec: MethodSpec, risks: Sequence[Risk]) -> list[tuple[Any, ...]]:
    """Score, exposure, band and levels of risks with nothing but a judgement: the plain formula over all of them.

    No evidence and no response is odds and a rate of 1, which are steps of the pipeline as well.
    """
    judged = [Assessment.objects.select_related("method").get(risk=risk, is_current=True) for risk in risks]
    moneys_ = []
    for assessment in judged:
        restated = restate(assessment.method.spec(), assessment.impact_code, spec, money=assessment.money)
        levels = restated.levels
        moneys_.append(scoring.combine(spec, levels, restated.money).money if levels else np.nan)
    probability = np.array([assessment.probability for assessment in judged])
    probability = scores.lower_rate(scores.shift_odds(probability, np.zeros(len(risks))), np.ones(len(risks)))
    months = np.array([float(risk.horizon_months) for risk in risks])
    found = scoring.evaluate(spec, probability, np.array(moneys_), months)
    whole = [found.band, found.likelihood_level, found.impact_level]
    return list(
        zip(
            _or_none(found.score), _or_none(found.exposure), *([n or None for n in c.tolist()] for c in whole),
            strict=True,
        )
    )  # fmt: skip


def of_plain(numbers: Numbers, risks: Sequence[Risk]) -> list[tuple[Any, ...]]:
    chosen = [NAMES.index(name) for name in ("score", "exposure", "band", "likelihood_level", "impact_level")]
    return [tuple(numbers[risk.pk][place] for place in chosen) for risk in risks]


@pytest.mark.parametrize("formula", FORMULAS)
@given(st.data())
@some
def test_one_by_one_all_at_once_and_stored_are_the_same_numbers(
    register: list[Risk], formula: str, data: st.DataObject
) -> None:
    ids = [risk.pk for risk in register]
    with transaction.atomic():
        spec = put_in_force(data.draw(definitions([formula])))
        for risk in register:
            assess_risk(risk=risk, by=None, judgement=draw_judgement(data, spec, risk), at=AT)
        by_acts = stored()
        assert EMPTY not in by_acts.values()
        assert evaluated(ids) == by_acts
        assert rescored(ids) == by_acts
        assert rescored(*([pk] for pk in ids)) == by_acts
        assert plainly(spec, register[:3]) == of_plain(by_acts, register[:3])
        transaction.set_rollback(True)


@pytest.mark.parametrize("formula", FORMULAS)
@given(st.data())
@some
def test_so_they_are_under_the_next_method(register: list[Risk], formula: str, data: st.DataObject) -> None:
    ids = [risk.pk for risk in register]
    with transaction.atomic():
        spec = put_in_force(data.draw(definitions()))
        for risk in register:
            assess_risk(risk=risk, by=None, judgement=draw_judgement(data, spec, risk), at=AT)
        entries = {entry.risk_id: entry for entry in ScoreEntry.objects.order_by("pk")}
        spec = put_in_force(data.draw(definitions([formula])))
        together = rescored(ids)
        assert evaluated(ids) == together
        assert rescored(*([pk] for pk in ids)) == together
        assert plainly(spec, register[:3]) == of_plain(together, register[:3])
        # And so is the history's line of what the scores before would be by this method.
        again = active_method().restated([entries[pk] for pk in ids])
        assert again == [together[pk][0] for pk in ids]
        transaction.set_rollback(True)


@pytest.mark.parametrize("percent", [5, 10, 25, 45, 50, 90])
def test_a_number_on_the_border_of_two_levels_stays_in_the_level_it_was_judged(
    make_risk: MakeRisk, percent: int
) -> None:
    """The preview and the assessment name the upper level; so must the cover sheet, or its cell is another."""
    border = percent / 100
    definition = copy.deepcopy(DEFAULT_METHOD) | {"formula": "product"}
    bounds = [border / 3, border / 2, border, 0.97, 0.98, 0.99]
    for level, (low, high) in zip(definition["likelihood"], itertools.pairwise(bounds), strict=True):
        level["low"], level["high"] = low, high
    put_in_force(definition)
    risk = make_risk(at=AT)
    judgement = Judgement(risk.pk, Number(border), {"financial": 3}, "expert", "", AT.date())
    made = assess_risk(risk=risk, by=None, judgement=judgement, at=AT)
    assert made.likelihood_level == 3
    sheet = CoverSheet.objects.get(risk=risk)
    assert (sheet.likelihood_level, sheet.score) == (3, 36.0)


def test_a_large_array_is_many_small_ones() -> None:
    """A processor may work on eight numbers at a time, or on one."""
    random = np.random.default_rng(20260302)
    spec = read_method(DEFAULT_METHOD, version=1)
    probability, money = random.uniform(1e-6, 0.999, 10_001), np.exp(random.uniform(1, 20, 10_001))
    months = random.integers(1, 121, 10_001).astype(float)
    together = scoring.evaluate(spec, probability, money, months)
    for size in (1, 3, 8, 1000):
        for start in random.integers(0, 9_000, 50).tolist():
            part = slice(start, start + size)
            found = scoring.evaluate(spec, probability[part], money[part], months[part])
            assert found.score.tolist() == together.score[part].tolist()
            assert found.exposure.tolist() == together.exposure[part].tolist()
