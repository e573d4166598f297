"""The one score pipeline: stage by stage against a hand calculation, and what it writes, when and how often."""

from __future__ import annotations

import datetime as dt
import math
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from assessments.actions import Judgement, assess_risks
from assessments.models import Assessment, Method
from assessments.queries import active_method
from monitoring.actions import rescore_register
from monitoring.models import MonitoringSettings, Review
from monitoring.queries import heat_map
from monitoring.reviews import confirm_review
from responses.actions import restore_response, save_response, set_action_status, withdraw_response
from responses.models import Action, Response
from riskreg.jobs import actions as jobs
from risks import scores
from risks.actions import close_risk, edit_risk, link_observation, reopen_risk
from risks.models import Category, Cause, CoverSheet, Observation, Risk, ScoreEntry
from tests.conftest import assess

MakeRisk = Callable[..., Risk]

START = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
NUMBERS = (
    "score",
    "band",
    "exposure",
    "inherent",
    "residual",
    "target",
    "likelihood_level",
    "impact_level",
    "method_version",
)
IN_LEDGER = ("score", "band", "exposure", "inherent", "residual", "target", "method_version")


def sheet_of(risk: Risk) -> CoverSheet:
    return CoverSheet.objects.get(risk=risk)


def numbers(holder: CoverSheet | ScoreEntry, names: tuple[str, ...] = IN_LEDGER) -> dict[str, Any]:
    return {name: getattr(holder, name) for name in names}


def causes(risk: Risk) -> list[str]:
    return list(ScoreEntry.objects.filter(risk=risk).order_by("pk").values_list("cause", flat=True))


def last_entry(risk: Risk) -> ScoreEntry:
    return ScoreEntry.objects.filter(risk=risk).order_by("pk").last()


def respond(
    risk: Risk, kind: str, *effects: tuple[int, str], confidence: int = 80, at: dt.datetime = START
) -> Response:
    """A response with one action for each (effect, status)."""
    response = Response(risk=risk, kind=kind, title=kind, confidence=confidence)
    steps = [Action(title=f"{kind} {n}", effect=effect, status=status) for n, (effect, status) in enumerate(effects)]
    return save_response(response=response, actions=steps, at=at)


def observe(risk: Risk, bearing: int, *, at: dt.datetime, text: str = "heard at the fair") -> Observation:
    observation = Observation.objects.create(kind="market", text=text, team=risk.team)
    link_observation(observation=observation, risk=risk, bearing=bearing, at=at)
    return observation


def by_hand(
    probability: float, money: float, *, months: int = 12, odds: float = 1.0, rate: float = 1.0, loss: float = 1.0
) -> float:
    """Exposure over the horizon (docs/decisions.md, Scores), without NumPy and without the product's functions."""
    ratio = probability / (1 - probability) * odds
    yearly_rate = -math.log(1 - ratio / (1 + ratio)) * rate
    return (1 - math.exp(-yearly_rate * months / 12)) * money * loss


def score_by_hand(exposure: float) -> float:
    """On the logarithmic axis from Rare x Negligible to Almost certain x Severe of the default method."""
    low = math.log(math.sqrt(0.01 * 0.03) * math.sqrt(2_000 * 10_000))
    high = math.log(math.sqrt(0.6 * 0.95) * math.sqrt(1_000_000 * 5_000_000))
    return min(max((math.log(exposure) - low) / (high - low), 0), 1) * 100


LIKELY, MAJOR = math.sqrt(0.3 * 0.6), 500_000.0


# --- the shared formulas, plain ----------------------------------------------------------------------------


def test_shifting_the_odds_multiplies_them() -> None:
    assert scores.shift_odds(np.array([0.2, 0.5]), np.log([2.0, 4.0])) == pytest.approx([1 / 3, 0.8], rel=1e-14)


def test_lowering_the_rate_keeps_a_power_of_the_chance_to_escape() -> None:
    assert scores.lower_rate(np.array([0.75, 0.75, 0.75]), np.array([1.0, 0.5, 0.0])) == pytest.approx(
        [0.75, 0.5, 0.0], rel=1e-14
    )


# --- stage by stage ----------------------------------------------------------------------------------------


def test_the_hand_calculation_is_on_the_cover_sheet_and_in_the_ledger(make_risk: MakeRisk) -> None:
    risk = make_risk(horizon_months=18, at=START)
    assess(risk, 4, 4, at=START)
    inherent = by_hand(LIKELY, MAJOR, months=18)
    assert sheet_of(risk).exposure == pytest.approx(inherent, rel=1e-12)

    respond(risk, "preventive", (50, "done"), (30, "planned"), at=START + HOUR)  # keeps .6, would keep .76
    respond(risk, "contingency", (40, "done"), (90, "cancelled"), confidence=50, at=START + 2 * HOUR)  # keeps .8
    observe(risk, 1, at=START + 3 * HOUR)
    observe(risk, 2, at=START + 4 * HOUR)
    observe(risk, 0, at=START + 5 * HOUR)
    observe(risk, -1, at=START + 6 * HOUR)  # twice, four times, half: odds times 4 in all

    current = by_hand(LIKELY, MAJOR, months=18, odds=4, rate=0.6, loss=0.8)
    residual = by_hand(LIKELY, MAJOR, months=18, rate=0.6, loss=0.8)
    target = by_hand(LIKELY, MAJOR, months=18, rate=0.6 * 0.76, loss=0.8)
    sheet = sheet_of(risk)
    assert sheet.inherent == pytest.approx(inherent, rel=1e-12)
    assert sheet.residual == pytest.approx(residual, rel=1e-12)
    assert sheet.target == pytest.approx(target, rel=1e-12)
    assert sheet.exposure == pytest.approx(current, rel=1e-12)
    assert sheet.score == pytest.approx(score_by_hand(current), rel=1e-12)
    assert score_by_hand(current) > 75
    # Yearly: 4 x the odds of .424 are .747, and 1-(1-.747)^.6 = .561 is "likely"; 400 000 is "major".
    assert (sheet.band, sheet.likelihood_level, sheet.impact_level) == (4, 4, 4)
    assert sheet.method_version == 1
    assert sheet.review_due == START.date() + dt.timedelta(days=14)
    assert sheet.scored_at == START + 6 * HOUR
    assert numbers(last_entry(risk)) == numbers(sheet)


def test_what_somebody_judged_stays_inherent(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    respond(risk, "preventive", (50, "done"), at=START + HOUR)
    observe(risk, 2, at=START + 2 * HOUR)
    assert sheet_of(risk).inherent == pytest.approx(by_hand(LIKELY, MAJOR), rel=1e-12)


def test_several_dimensions_are_combined_before_they_are_scored(make_risk: MakeRisk) -> None:
    risk = make_risk(at=START)
    assess(risk, 4, 2, reputation=5, market_share=1, at=START)
    assert sheet_of(risk).exposure == pytest.approx(by_hand(LIKELY, 500_000), rel=1e-12)  # hybrid: 5 - 1


def test_an_unassessed_risk_stays_empty_whatever_else_is_known(make_risk: MakeRisk) -> None:
    risk = make_risk(at=START)
    respond(risk, "preventive", (50, "done"), at=START)
    observe(risk, 2, at=START)
    scores.rescore([risk.pk], cause=Cause.RULES, at=START)
    assert numbers(sheet_of(risk), NUMBERS) == dict.fromkeys(NUMBERS)
    assert sheet_of(risk).review_due is None
    assert causes(risk) == []


def test_a_missing_cover_sheet_is_made(make_risk: MakeRisk) -> None:
    risk, unassessed = make_risk(levels=(3, 3)), make_risk("Another")
    before = numbers(sheet_of(risk), NUMBERS)
    CoverSheet.objects.all().delete()
    assert scores.rescore([risk.pk, unassessed.pk], cause=Cause.RULES, at=timezone.now()) == 1
    assert numbers(sheet_of(risk), NUMBERS) == before
    assert numbers(sheet_of(unassessed), NUMBERS) == dict.fromkeys(NUMBERS)
    assert causes(unassessed) == []


# --- one or all --------------------------------------------------------------------------------------------


@pytest.fixture
def register(make_risk: MakeRisk) -> list[Risk]:
    """Thirty random risks in all conditions, scored by the acts that made them."""
    random = np.random.default_rng(20260302)
    risks = []
    for n in range(30):
        risk = make_risk(f"Risk {n}", horizon_months=int(random.integers(1, 121)), at=START)
        risks.append(risk)
        if random.random() < 0.9:
            assess(risk, int(random.integers(1, 6)), int(random.integers(1, 6)), at=START)
        for kind in ("preventive", "contingency"):
            if random.random() < 0.4:
                effects = [
                    (int(random.integers(0, 96)), str(random.choice(["done", "planned", "in_progress", "cancelled"])))
                    for _ in range(random.integers(1, 4))
                ]
                respond(risk, kind, *effects, confidence=int(random.integers(1, 101)), at=START + HOUR)
        for _ in range(random.integers(0, 4)):
            observe(risk, int(random.integers(-2, 3)), at=START + int(random.integers(-5, 6)) * HOUR)
    return risks


def test_scoring_one_by_one_is_scoring_all(register: list[Risk]) -> None:
    ids = [risk.pk for risk in register]
    acts = {sheet.risk_id: numbers(sheet, NUMBERS) for sheet in CoverSheet.objects.all()}

    def scored(*chunks: list[int]) -> dict[int, dict[str, Any]]:
        CoverSheet.objects.update(**dict.fromkeys([*NUMBERS, "review_due"]))
        for chunk in chunks:
            scores.rescore(chunk, cause=Cause.RULES, at=START + DAY)
        return {sheet.risk_id: numbers(sheet, (*NUMBERS, "review_due")) for sheet in CoverSheet.objects.all()}

    together = scored(ids)
    assert scored(*[[pk] for pk in ids]) == together
    assert scored(ids[::-1][:17], ids[::-1][17:]) == together
    assert {pk: {name: values[name] for name in NUMBERS} for pk, values in together.items()} == acts


def test_the_scalar_formula_is_the_array_result(register: list[Risk]) -> None:
    judged = {a.risk_id: a for a in Assessment.objects.filter(is_current=True)}
    assert len(judged) > 20
    for risk in register:
        sheet = sheet_of(risk)
        if risk.pk not in judged:
            assert sheet.exposure is None
            continue
        odds = rate = loss = target_rate = target_loss = 1.0
        for observation in risk.observations.all():
            if observation.linked_at > judged[risk.pk].created_at:
                odds *= 2.0**observation.bearing
        for action in Action.objects.filter(response__risk=risk).exclude(status="cancelled").select_related("response"):
            kept = 1 - action.effect / 100 * action.response.confidence / 100
            done = action.status == "done"
            if action.response.kind == "preventive":
                rate, target_rate = rate * (kept if done else 1), target_rate * kept
            else:
                loss, target_loss = loss * (kept if done else 1), target_loss * kept
        p, money, months = judged[risk.pk].probability, judged[risk.pk].impact, risk.horizon_months
        current = by_hand(p, money, months=months, odds=odds, rate=rate, loss=loss)
        assert sheet.exposure == pytest.approx(current, rel=1e-9)
        assert sheet.inherent == pytest.approx(by_hand(p, money, months=months), rel=1e-9)
        assert sheet.residual == pytest.approx(by_hand(p, money, months=months, rate=rate, loss=loss), rel=1e-9)
        assert sheet.target == pytest.approx(
            by_hand(p, money, months=months, rate=target_rate, loss=target_loss), rel=1e-9
        )
        assert sheet.score == pytest.approx(score_by_hand(current), rel=1e-9, abs=1e-9)


def test_the_waterfall_ends_at_the_stored_exposure(register: list[Risk]) -> None:
    entries = [last_entry(risk) for risk in register if sheet_of(risk).score is not None]
    assert max(len(entry.factors) for entry in entries) >= 3
    for entry in entries:
        assert entry.factors[0]["kind"] == "judgement"
        assert entry.factors[0]["exposure"] == pytest.approx(entry.inherent, rel=1e-9)
        assert entry.factors[-1]["exposure"] == pytest.approx(entry.exposure, rel=1e-9)


def test_the_waterfall_tells_each_step_in_the_order_it_counts(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    response = respond(risk, "preventive", (50, "done"), (10, "planned"), confidence=100, at=START + HOUR)
    heard = observe(risk, 1, at=START + 2 * HOUR, text="They hire salesmen")
    judgement = Assessment.objects.get(risk=risk)
    factors = last_entry(risk).factors
    assert [(f["kind"], f["ref"], f.get("label")) for f in factors] == [
        ("judgement", judgement.pk, None),
        ("evidence", heard.pk, "They hire salesmen"),
        ("response", response.pk, "preventive 0"),
    ]
    assert [f["exposure"] for f in factors] == pytest.approx(
        [by_hand(LIKELY, MAJOR), by_hand(LIKELY, MAJOR, odds=2), by_hand(LIKELY, MAJOR, odds=2, rate=0.5)], rel=1e-12
    )


def test_the_waterfall_ends_at_the_stored_exposure_however_much_was_observed(
    make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    """Thirty quadruplings reach a probability that is 1 in floating point; what then speaks against it must count."""
    risk = make_risk(levels=(3, 3), at=START)
    Observation.objects.bulk_create(
        Observation(kind="market", text="o", team=cast.accounts, risk=risk, bearing=bearing, linked_at=START + n * HOUR)
        for n, bearing in enumerate([2] * 30 + [-2] * 30, start=1)
    )
    with np.errstate(divide="ignore"):
        scores.rescore([risk.pk], cause=Cause.EVIDENCE, at=START + DAY, always=True)
    assert sheet_of(risk).exposure == pytest.approx(sheet_of(risk).inherent, rel=1e-9)
    assert last_entry(risk).factors[-1]["exposure"] == pytest.approx(sheet_of(risk).exposure, rel=1e-9)


def test_much_evidence_one_way_stays_a_probability(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    likely, unlikely = make_risk(levels=(5, 5), at=START), make_risk("Another", levels=(1, 1), at=START)
    for risk, bearing in ((likely, 2), (unlikely, -2)):
        Observation.objects.bulk_create(
            Observation(
                kind="market", text="again", team=cast.accounts, risk=risk, bearing=bearing, linked_at=START + HOUR
            )
            for _ in range(40)
        )
    scores.rescore([likely.pk, unlikely.pk], cause=Cause.EVIDENCE, at=START + DAY)
    severe = math.sqrt(1_000_000 * 5_000_000)
    assert sheet_of(likely).exposure == pytest.approx(severe, rel=1e-9)
    assert (sheet_of(likely).score, sheet_of(likely).likelihood_level) == (100.0, 5)
    assert sheet_of(unlikely).exposure == pytest.approx(0, abs=1e-9)
    assert (sheet_of(unlikely).score, sheet_of(unlikely).band) == (0.0, 1)


# --- responses ---------------------------------------------------------------------------------------------


def test_a_planned_action_moves_the_target_only_and_a_done_one_the_residual(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    full = by_hand(LIKELY, MAJOR)
    lowered = by_hand(LIKELY, MAJOR, rate=0.5)
    response = respond(risk, "preventive", (50, "planned"), confidence=100, at=START + HOUR)
    sheet = sheet_of(risk)
    assert [sheet.exposure, sheet.residual, sheet.target] == pytest.approx([full, full, lowered], rel=1e-12)

    set_action_status(action=response.actions.get(), status="in_progress", at=START + 2 * HOUR)
    assert numbers(sheet_of(risk), NUMBERS) == numbers(sheet, NUMBERS)

    set_action_status(action=response.actions.get(), status="done", at=START + 3 * HOUR)
    sheet = sheet_of(risk)
    assert [sheet.exposure, sheet.residual, sheet.target] == pytest.approx([lowered, lowered, lowered], rel=1e-12)
    assert causes(risk) == ["judgement", "response", "response"]

    set_action_status(action=response.actions.get(), status="cancelled", at=START + 4 * HOUR)
    sheet = sheet_of(risk)
    assert [sheet.exposure, sheet.residual, sheet.target] == pytest.approx([full, full, full], rel=1e-12)


def test_a_contingency_lowers_the_loss_and_not_the_probability(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    respond(risk, "contingency", (75, "done"), confidence=80, at=START + HOUR)
    sheet = sheet_of(risk)
    assert sheet.exposure == pytest.approx(by_hand(LIKELY, MAJOR, loss=0.4), rel=1e-12)
    assert (sheet.likelihood_level, sheet.impact_level) == (4, 3)  # 200 000 is moderate


def test_a_withdrawn_response_counts_no_more_until_it_is_restored(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    alone = numbers(sheet_of(risk), NUMBERS)
    response = respond(risk, "preventive", (50, "done"), (20, "planned"), at=START + HOUR)
    with_response = numbers(sheet_of(risk), NUMBERS)
    assert with_response != alone
    withdraw_response(response=response, at=START + 2 * HOUR)
    assert numbers(sheet_of(risk), NUMBERS) == alone
    restore_response(response=response, at=START + 3 * HOUR)
    assert numbers(sheet_of(risk), NUMBERS) == with_response
    assert causes(risk) == ["judgement", "response", "response", "response"]


# --- evidence ----------------------------------------------------------------------------------------------


def test_evidence_counts_only_when_linked_after_the_judgement(make_risk: MakeRisk) -> None:
    risk = make_risk(at=START)
    observe(risk, 2, at=START)
    assess(risk, 4, 4, at=START + HOUR)
    assert sheet_of(risk).exposure == pytest.approx(by_hand(LIKELY, MAJOR), rel=1e-12)
    observe(risk, 1, at=START + HOUR)  # at the very moment of the judgement: it may have been known
    assert sheet_of(risk).exposure == pytest.approx(by_hand(LIKELY, MAJOR), rel=1e-12)
    observe(risk, 1, at=START + HOUR + dt.timedelta(microseconds=1))
    assert sheet_of(risk).exposure == pytest.approx(by_hand(LIKELY, MAJOR, odds=2), rel=1e-12)
    assert causes(risk) == ["judgement", "evidence"]


def test_the_next_judgement_absorbs_the_evidence(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    observe(risk, 2, at=START + HOUR)
    assess(risk, 5, 4, at=START + 2 * HOUR)
    assert sheet_of(risk).exposure == pytest.approx(by_hand(math.sqrt(0.6 * 0.95), MAJOR), rel=1e-12)
    observe(risk, -1, at=START + 3 * HOUR)
    assert sheet_of(risk).exposure == pytest.approx(by_hand(math.sqrt(0.6 * 0.95), MAJOR, odds=0.5), rel=1e-12)


def test_a_judgement_of_an_earlier_day_entered_late_changes_nothing(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    observe(risk, 1, at=START + HOUR)
    before = numbers(sheet_of(risk), NUMBERS)
    judgement = Judgement(risk.pk, 1, {"financial": 1}, "expert", "", START.date() - DAY)
    assess_risks(judgements=[judgement], by=None, at=START + DAY)
    assert numbers(sheet_of(risk), NUMBERS) == before
    assert len(causes(risk)) == 2


# --- what is written, when ---------------------------------------------------------------------------------


def test_nothing_changed_means_no_write_and_no_ledger_row(register: list[Risk]) -> None:
    before = list(CoverSheet.objects.order_by("pk").values())
    entries = ScoreEntry.objects.count()
    with CaptureQueriesContext(connection) as captured:
        assert scores.rescore([risk.pk for risk in register], cause=Cause.RULES, at=START + DAY) == 0
    assert [q["sql"] for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert list(CoverSheet.objects.order_by("pk").values()) == before
    assert ScoreEntry.objects.count() == entries


def test_a_judgement_that_confirms_is_in_the_ledger_as_well(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=START)
    assess(risk, 3, 3, at=START + DAY)
    first, second = ScoreEntry.objects.filter(risk=risk).order_by("pk")
    assert numbers(first) == numbers(second)
    assert (first.at, second.at) == (START, START + DAY)


def test_a_confirmed_review_moves_its_date_only(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(levels=(3, 3), at=START)
    before = sheet_of(risk)
    assert (before.band, before.review_due) == (2, START.date() + dt.timedelta(days=90))
    on = START.date() + dt.timedelta(days=40)
    confirm_review(risk=risk, because="still two bidders", by=cast.max, on=on, at=START + 40 * DAY)
    after = sheet_of(risk)
    assert after.review_due == on + dt.timedelta(days=90)
    assert numbers(after, NUMBERS) == numbers(before, NUMBERS)
    assert causes(risk) == ["judgement"]
    assert Review.objects.get(risk=risk).reviewed_by == cast.max


def test_a_review_before_the_judgement_does_not_pull_the_next_one_closer(
    make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    risk = make_risk(levels=(3, 3), at=START)
    confirm_review(risk=risk, because="-", by=cast.max, on=START.date() - DAY, at=START + DAY)
    assert sheet_of(risk).review_due == START.date() + dt.timedelta(days=90)


def test_a_review_of_an_unassessed_risk_is_due_never(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk(at=START)
    confirm_review(risk=risk, because="-", by=cast.max, on=START.date(), at=START)
    assert sheet_of(risk).review_due is None


def test_another_horizon_is_another_score(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    risk.horizon_months = 24
    edit_risk(risk=risk, version=risk.version, tags=[], at=START + HOUR)
    assert sheet_of(risk).exposure == pytest.approx(by_hand(LIKELY, MAJOR, months=24), rel=1e-12)
    assert causes(risk) == ["judgement", "judgement"]
    risk.title = "Another title"
    edit_risk(risk=risk, version=risk.version, tags=[], at=START + 2 * HOUR)
    assert len(causes(risk)) == 2


def test_new_rules_are_the_cause_of_what_they_change(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(4, 4), at=START)
    method = Method.objects.get(state="active")
    definition = dict(method.definition, bands=[b | {"review_days": 7} for b in method.definition["bands"]])
    Method.objects.update(state="retired")
    Method.objects.create(version=2, state="active", definition=definition)
    assert scores.rescore([risk.pk], cause=Cause.RULES, at=START + DAY) == 1
    assert (sheet_of(risk).method_version, sheet_of(risk).review_due) == (2, START.date() + dt.timedelta(days=7))
    assert causes(risk) == ["judgement", "rules"]
    assert last_entry(risk).method_version == 2


def test_a_run_is_on_each_of_its_ledger_rows_and_scores_a_risk_once(make_risk: MakeRisk) -> None:
    risk = make_risk(at=START)
    judgement = Judgement(risk.pk, 3, {"financial": 3}, "expert", "", START.date())
    assess_risks(judgements=[judgement], by=None, at=START, run=77)
    assert last_entry(risk).run == 77
    with pytest.raises(DatabaseError), transaction.atomic():
        assess_risks(judgements=[judgement], by=None, at=START, run=77)
    assert len(causes(risk)) == 1


# --- closed, deleted, waiting ------------------------------------------------------------------------------


def test_a_closed_risk_is_cleared_and_leaves_the_heat_map(make_risk: MakeRisk) -> None:
    risk, other = make_risk(levels=(4, 4), at=START), make_risk("Another", levels=(4, 4), at=START)
    spec = active_method().spec

    def on_the_map() -> int:
        return sum(cell.risks for row in heat_map(Risk.objects.live(), spec) for cell in row)

    assert on_the_map() == 2
    before = numbers(sheet_of(risk), NUMBERS)
    close_risk(risk=risk, outcome="did_not_occur", note="", on=START.date(), at=START + DAY)
    assert on_the_map() == 1
    sheet = sheet_of(risk)
    assert numbers(sheet, NUMBERS) == dict.fromkeys(NUMBERS)
    assert (sheet.review_due, sheet.scored_at) == (None, START + DAY)
    entry = last_entry(risk)
    assert (entry.cause, entry.score, entry.exposure, entry.at) == ("outcome", None, None, START + DAY)

    scores.rescore([risk.pk, other.pk], cause=Cause.RULES, at=START + 2 * DAY)
    assert sheet_of(risk).score is None

    reopen_risk(risk=risk, at=START + 3 * DAY)
    assert numbers(sheet_of(risk), NUMBERS) == before
    assert causes(risk) == ["judgement", "outcome", "outcome"]
    assert on_the_map() == 2


def test_clearing_what_is_clear_leaves_no_second_row(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3), at=START)
    scores.clear([risk.pk], at=START + DAY)
    scores.clear([risk.pk], at=START + DAY)
    assert causes(risk) == ["judgement", "outcome"]


@pytest.mark.parametrize("state", ["bin", "staged"])
def test_a_risk_in_the_bin_waits_and_a_staged_one_is_scored(make_risk: MakeRisk, state: str) -> None:
    risk = make_risk(levels=(3, 3), at=START)
    Risk.objects.update(state=state)
    assess(risk, 5, 5, at=START + DAY)
    assert sheet_of(risk).band == (2 if state == "bin" else 4)
    assert [chunk.size for chunk in scores.walk(at=START)] == ([] if state == "bin" else [1])


def test_no_risks_is_no_work(db: None) -> None:
    assert scores.rescore([], cause=Cause.RULES, at=START) == 0
    assert scores.rescore([12345], cause=Cause.RULES, at=START) == 0


def test_a_walk_takes_the_open_register_in_order_from_where_it_is_told(
    make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 2)
    ids = [make_risk(f"Risk {n}").pk for n in range(7)]
    close_risk(risk=Risk.objects.get(pk=ids[2]), outcome="occurred", note="", on=START.date(), at=START)
    Risk.objects.filter(pk=ids[5]).update(state="bin")
    assert [(c.size, c.last) for c in scores.walk(at=START)] == [(2, ids[1]), (2, ids[4]), (1, ids[6])]
    assert [(c.size, c.last) for c in scores.walk(after=ids[3], at=START)] == [(2, ids[6])]


@pytest.mark.parametrize("expect_changes", [False, True])
def test_a_walk_writes_only_what_differs(
    make_risk: MakeRisk, monkeypatch: pytest.MonkeyPatch, expect_changes: bool
) -> None:
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 4)
    risks = [make_risk(f"Risk {n}", levels=(n % 5 + 1, 3), at=START) for n in range(11)]
    Risk.objects.filter(pk__in=[r.pk for r in risks[:6]]).update(horizon_months=3)
    walked = [
        chunk.rescore(cause=Cause.RULES, at=START + DAY, run=7)
        for chunk in scores.walk(at=START, expect_changes=expect_changes)
    ]
    assert walked == [4, 2, 0]
    written = ScoreEntry.objects.filter(run=7)
    assert sorted(written.values_list("risk", flat=True)) == [r.pk for r in risks[:6]]
    assert {entry.factors[0]["months"] for entry in written} == {3}
    assert [sheet_of(r).scored_at for r in risks] == [START + DAY] * 6 + [START] * 5


def test_drift_marks_are_set_and_taken_away(make_risk: MakeRisk) -> None:
    first, second = make_risk(levels=(3, 3)), make_risk("Another")
    scores.mark_drift({first.pk: START.date(), second.pk: START.date()})
    scores.mark_drift({second.pk: None})
    assert [sheet_of(risk).drifting_since for risk in (first, second)] == [START.date(), None]
    scores.rescore([first.pk], cause=Cause.RULES, at=START, always=True)
    assert sheet_of(first).drifting_since == START.date()


# --- the night job -----------------------------------------------------------------------------------------


def night(at: dt.datetime) -> dict[str, int]:
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=at)
    assert jobs.run(job.pk, now_fn=lambda: at)
    job.refresh_from_db()
    return job.result


def test_the_second_night_changes_nothing(register: list[Risk], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring.actions.pause_between_chunks", lambda seconds: None)
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 12)
    CoverSheet.objects.filter(risk__in=[r.pk for r in register[:10]]).update(score=None, band=None, exposure=None)
    assessed = CoverSheet.objects.filter(risk__in=[r.pk for r in register[:10]], inherent__isnull=False).count()
    at = timezone.now() + DAY
    assert night(at) == {"scored": 30, "changed": assessed, "flags": 0}
    sheets, entries = list(CoverSheet.objects.order_by("pk").values()), ScoreEntry.objects.count()
    assert night(at) == {"scored": 30, "changed": 0, "flags": 0}
    assert night(at + DAY) == {"scored": 30, "changed": 0, "flags": 0}
    assert list(CoverSheet.objects.order_by("pk").values()) == sheets
    assert ScoreEntry.objects.count() == entries


def test_a_night_broken_off_begins_again_and_counts_right(
    register: list[Risk], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring.actions.pause_between_chunks", lambda seconds: None)
    for sizes in (scores.CHUNKS, scores.LOOK):
        monkeypatch.setitem(sizes, connection.vendor, 12)
    at = timezone.now() + DAY
    job = jobs.enqueue("monitoring.tasks.rescore_all", run_at=at)
    held = jobs.claim(job.pk, now_fn=lambda: at)
    whole = scores.Chunk.rescore

    def breaks(chunk: scores.Chunk, **more: Any) -> int:
        if chunk.last == register[23].pk:
            raise RuntimeError("killed here")
        return whole(chunk, **more)

    monkeypatch.setattr(scores.Chunk, "rescore", breaks)
    with pytest.raises(RuntimeError):
        rescore_register(held)
    monkeypatch.setattr(scores.Chunk, "rescore", whole)
    held.job.refresh_from_db()
    assert held.job.done == 12
    rescore_register(held)
    held.job.refresh_from_db()
    assert (held.job.done, held.job.total) == (30, 30)
    assert MonitoringSettings.load().seen_entry == ScoreEntry.objects.order_by("pk").last().pk


# --- the ledger is append-only -----------------------------------------------------------------------------


def test_python_refuses_to_change_or_delete_a_ledger_row(make_risk: MakeRisk) -> None:
    entry = last_entry(make_risk(levels=(3, 3)))
    entry.score = 1.0
    with pytest.raises(TypeError, match="append-only"):
        entry.save()
    with pytest.raises(TypeError, match="append-only"):
        entry.delete()
    with pytest.raises(TypeError, match="append-only"):
        ScoreEntry.objects.get(pk=entry.pk).save(update_fields=["score"])


def test_the_database_refuses_the_orms_update(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3))
    before = ScoreEntry.objects.values().get(risk=risk)
    for update in ({"score": 1.0}, {"cause": "rules"}, {"factors": []}, {"score": F("score")}):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            ScoreEntry.objects.filter(risk=risk).update(**update)
    entry = ScoreEntry.objects.get(risk=risk)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ScoreEntry.objects.bulk_update([entry], ["score"])
    assert ScoreEntry.objects.values().get(risk=risk) == before


def test_the_database_refuses_a_raw_update(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3))
    before = ScoreEntry.objects.values().get(risk=risk)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE risks_scoreentry SET score = 1 WHERE risk_id = %s", [risk.pk])
    assert ScoreEntry.objects.values().get(risk=risk) == before


@pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite's trigger minds changes only")
def test_the_database_refuses_to_delete_a_ledger_row(make_risk: MakeRisk) -> None:
    risk = make_risk(levels=(3, 3))
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        ScoreEntry.objects.filter(risk=risk).delete()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM risks_scoreentry WHERE risk_id = %s", [risk.pk])
    assert len(causes(risk)) == 1


# --- how many statements -----------------------------------------------------------------------------------


def test_the_number_of_statements_does_not_depend_on_the_number_of_risks(
    make_risk: MakeRisk, cast: SimpleNamespace
) -> None:
    first = make_risk(levels=(4, 4), at=START)
    risks = Risk.objects.bulk_create(
        Risk(title=f"Risk {n}", category=first.category, team=cast.accounts) for n in range(199)
    )
    ids = [first.pk, *(risk.pk for risk in risks)]
    judgements = [Judgement(pk, 4, {"financial": 4}, "expert", "", START.date()) for pk in ids]
    assess_risks(judgements=judgements, by=None, at=START)
    for n, pk in enumerate(ids):
        response = Response.objects.create(risk_id=pk, kind="preventive" if n % 2 else "contingency", title="r")
        Action.objects.create(response=response, title="a", effect=20, status="done", done_on=START.date())
        Action.objects.create(response=response, title="b", effect=20)
    Observation.objects.bulk_create(
        Observation(kind="market", text="o", team=cast.accounts, risk_id=pk, bearing=1, linked_at=START + HOUR)
        for pk in ids
    )
    Review.objects.bulk_create(Review(risk_id=pk, reviewed_on=START.date(), because="b") for pk in ids)

    def statements(some: list[int]) -> int:
        CoverSheet.objects.update(**dict.fromkeys([*NUMBERS, "review_due"]))
        with CaptureQueriesContext(connection) as captured:
            assert scores.rescore(some, cause=Cause.RULES, at=START + DAY) == len(some)
        return len(captured)

    few, many = statements(ids[:1]), statements(ids)
    assert few == many
    assert few <= 19
    CoverSheet.objects.filter(risk=ids[0]).update(score=None, band=None, exposure=None)
    with CaptureQueriesContext(connection) as captured:
        assert scores.rescore(ids, cause=Cause.RULES, at=START + DAY) == 1
    assert len(captured) == few


def test_clearing_many_takes_as_many_statements_as_clearing_one(make_risk: MakeRisk) -> None:
    ids = [make_risk(f"Risk {n}", levels=(3, 3), at=START).pk for n in range(20)]
    with CaptureQueriesContext(connection) as one:
        scores.clear(ids[:1], at=START + DAY)
    with CaptureQueriesContext(connection) as many:
        scores.clear(ids[1:], at=START + DAY)
    assert len(one) == len(many)
    assert set(CoverSheet.objects.filter(risk__in=ids).values_list("score", "band", "review_due")) == {
        (None, None, None)
    }
    assert ScoreEntry.objects.filter(risk__in=ids, cause=Cause.OUTCOME, score=None).count() == 20


# --- two at once -------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one writer in at a time")
def test_two_who_score_one_risk_at_once_both_count(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    """The second waits for the first and sees what it did: no evidence is lost from the cover sheet."""
    risk = make_risk(levels=(3, 3), at=START)
    first, second = (Observation.objects.create(kind="market", text="o", team=cast.accounts) for _ in range(2))

    def link_the_second() -> None:
        try:
            link_observation(observation=second, risk=risk, bearing=1, at=START + 2 * HOUR)
        finally:
            connection.close()

    other = threading.Thread(target=link_the_second)
    with transaction.atomic():
        link_observation(observation=first, risk=risk, bearing=1, at=START + HOUR)
        other.start()
        with connection.cursor() as cursor:
            for _ in range(100):
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone()[0]:
                    break
                other.join(timeout=0.05)
    other.join(timeout=20)
    assert sheet_of(risk).exposure == pytest.approx(by_hand(math.sqrt(0.03), math.sqrt(50_000 * 250_000), odds=4))


# --- appetite ------------------------------------------------------------------------------------------------


def test_the_register_shows_what_lies_beyond_the_appetite_of_its_category(
    make_risk: MakeRisk, sign_in: Callable[..., Any], cast: SimpleNamespace
) -> None:
    method = Method.objects.get(state="active")
    definition = {**method.definition, "appetite": {"compliance": 1, "market": 4}}
    Method.objects.filter(pk=method.pk).update(state="retired")
    Method.objects.create(version=2, definition=definition, state="active")

    def of(category: str, levels: tuple[int, int]) -> Risk:
        return make_risk(f"{category} {levels}", levels=levels, category=Category.objects.get(key=category))

    borne = [of("compliance", (1, 1)), of("market", (5, 5)), of("process", (3, 3))]
    beyond = [of("compliance", (3, 3)), of("process", (5, 5))]
    assert {sheet_of(r).band for r in borne} == {1, 4, 2}
    found = Risk.objects.filter(scores.active_method().beyond_appetite())
    assert sorted(found.values_list("pk", flat=True)) == sorted(r.pk for r in beyond)
    client = sign_in(cast.max)
    listed = client.get("/risks/?state=beyond").content.decode()
    assert [r.title in listed for r in beyond + borne] == [True, True, False, False, False]
    assert "beyond appetite" in client.get(f"/risks/{beyond[0].pk}/").content.decode()
    assert "beyond appetite" not in client.get(f"/risks/{borne[1].pk}/").content.decode()
