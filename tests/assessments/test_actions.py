from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from assessments.actions import Judgement, assess_risk, assess_risks
from assessments.models import Assessment
from risks.models import Cause, CoverSheet, Risk, ScoreEntry

MakeRisk = Callable[..., Risk]
AT = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
TODAY = AT.date()
DAY = dt.timedelta(days=1)


def judgement(risk: Risk, likelihood: int = 3, on: dt.date = TODAY, **impacts: int) -> Judgement:
    return Judgement(risk.pk, likelihood, impacts or {"financial": 3}, "expert", "two of three bids lost", on)


def current(risk: Risk) -> Assessment:
    return Assessment.objects.get(risk=risk, is_current=True)


def test_the_judgement_is_kept_with_what_it_was_worth(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(at=AT)
    made = assess_risk(risk=risk, by=cast.max, judgement=judgement(risk, 4, financial=2, reputation=5), at=AT)
    kept = Assessment.objects.get(risk=risk)
    assert kept == made
    assert (kept.likelihood_level, kept.impact_levels) == (4, {"financial": 2, "reputation": 5})
    assert (kept.probability, kept.impact) == (math.sqrt(0.3 * 0.6), 500_000)
    assert (kept.decided_by, kept.basis, kept.evidence) == ("reputation", "expert", "two of three bids lost")
    assert (kept.assessor, kept.assessed_on, kept.created_at) == (cast.max, TODAY, AT)
    assert (kept.method.version, kept.is_current) == (1, True)


def test_the_score_is_there_when_it_returns(make_risk: MakeRisk) -> None:
    risk = make_risk(at=AT)
    assess_risk(risk=risk, by=None, judgement=judgement(risk), at=AT)
    sheet, entry = CoverSheet.objects.get(risk=risk), ScoreEntry.objects.get(risk=risk)
    assert sheet.score is not None
    assert (entry.score, entry.cause, entry.at, entry.run) == (sheet.score, "judgement", AT, None)
    assert entry.factors[0]["ref"] == current(risk).pk


def test_judgements_are_added_and_never_overwritten(make_risk: MakeRisk) -> None:
    risk = make_risk(at=AT)
    first = assess_risk(risk=risk, by=None, judgement=judgement(risk, 2), at=AT)
    second = assess_risk(risk=risk, by=None, judgement=judgement(risk, 5, TODAY + DAY), at=AT + DAY)
    assert list(risk.assessments.values_list("pk", "likelihood_level", "is_current")) == [
        (second.pk, 5, True),
        (first.pk, 2, False),
    ]


def test_of_two_on_one_day_the_later_entered_stands(make_risk: MakeRisk) -> None:
    risk = make_risk(at=AT)
    for likelihood in (2, 4):
        assess_risk(risk=risk, by=None, judgement=judgement(risk, likelihood), at=AT)
    assert current(risk).likelihood_level == 4


def test_one_of_an_earlier_day_is_kept_but_does_not_stand(make_risk: MakeRisk) -> None:
    risk = make_risk(at=AT)
    assess_risk(risk=risk, by=None, judgement=judgement(risk, 4), at=AT)
    late = assess_risk(risk=risk, by=None, judgement=judgement(risk, 1, TODAY - DAY), at=AT + DAY)
    assert not late.is_current
    assert current(risk).likelihood_level == 4
    assert risk.assessments.count() == 2
    assert ScoreEntry.objects.filter(risk=risk).count() == 1


@pytest.mark.parametrize(
    ("likelihood", "impacts", "error"),
    [
        (0, {"financial": 3}, "likelihood: there is no level 0"),
        (6, {"financial": 3}, "likelihood: there is no level 6"),
        (3, {"financial": 6}, "financial: there is no level 6"),
        (3, {}, "no dimension was judged"),
        (3, {"weather": 3}, "weather"),
    ],
)
def test_what_the_method_does_not_know_leaves_nothing_behind(
    make_risk: MakeRisk, likelihood: int, impacts: dict[str, int], error: str
) -> None:
    good, bad = make_risk(at=AT), make_risk("Another", at=AT)
    wrong = Judgement(bad.pk, likelihood, impacts, "expert", "", TODAY)
    with pytest.raises((KeyError, ValueError), match=error):
        assess_risks(judgements=[judgement(good), wrong], by=None, at=AT)
    assert Assessment.objects.count() == 0
    assert ScoreEntry.objects.count() == 0


def test_many_at_once_are_each_scored_under_one_run_and_cause(make_risk: MakeRisk) -> None:
    risks = [make_risk(f"Risk {n}", at=AT) for n in range(5)]
    assess_risks(
        judgements=[judgement(risk, n + 1) for n, risk in enumerate(risks)], by=None, at=AT, run=9, cause=Cause.RULES
    )
    assert [current(risk).likelihood_level for risk in risks] == [1, 2, 3, 4, 5]
    assert set(ScoreEntry.objects.values_list("run", "cause")) == {(9, "rules")}
    scores = [CoverSheet.objects.get(risk=risk).score for risk in risks]
    assert scores == sorted(scores)
    assert len(set(scores)) == 5


def test_the_statements_do_not_depend_on_their_number(make_risk: MakeRisk) -> None:
    risks = [make_risk(f"Risk {n}", at=AT) for n in range(31)]

    def statements(some: list[Risk]) -> int:
        with CaptureQueriesContext(connection) as captured:
            assess_risks(judgements=[judgement(risk) for risk in some], by=None, at=AT)
        return len(captured)

    assert statements(risks[:1]) == statements(risks[1:])
    assert statements(risks[:1]) == statements(risks)  # the second judgement of each
