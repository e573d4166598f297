"""Asking, answering blindly, pooling: each act done, done twice, done too late."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from django.core import mail

from assessments import experience, pooling, tasks
from assessments.actions import Judgement, Number, assess_risk
from assessments.elicitation import (
    AlreadyAsked,
    StillBlind,
    TooLate,
    answer,
    ask,
    likelihood_points,
    money_points,
    pool,
    pooled_answers,
    withdraw,
)
from assessments.models import Assessment, Elicitation, Opinion
from assessments.queries import active_method, asked_of, running_elicitation
from riskreg.accounts.actions import set_role
from riskreg.accounts.models import Membership, User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks import access
from risks.actions import close_risk
from risks.models import CoverSheet, Risk, ScoreEntry
from tests.conftest import assess

MakeRisk = Callable[..., Risk]
NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
HOUR, DAY = dt.timedelta(hours=1), dt.timedelta(days=1)
DEADLINE = NOW + 7 * DAY


@pytest.fixture
def asked(make_risk: MakeRisk, cast: SimpleNamespace) -> Elicitation:
    """Max asks himself and Mona."""
    return ask(
        risk=make_risk(at=NOW), people=[cast.max, cast.mona], question="Why?", answer_by=DEADLINE, by=cast.max, at=NOW
    )


def say(
    asked: Elicitation,
    who: User,
    likelihood: int | Number = 3,
    money: int | Number = 3,
    *,
    because: str = "so",
    at: dt.datetime = NOW + HOUR,
) -> Opinion:
    return answer(elicitation=asked, by=who, likelihood=likelihood, money=money, because=because, at=at)


def again(asked: Elicitation) -> Elicitation:
    return Elicitation.objects.get(pk=asked.pk)


# --- asking ----------------------------------------------------------------------------------------------


def test_everybody_asked_has_an_opinion_to_give_and_a_mail_to_get(asked: Elicitation, cast: SimpleNamespace) -> None:
    assert (asked.asked_by, asked.asked_at, asked.answer_by, asked.question) == (cast.max, NOW, DEADLINE, "Why?")
    opinions = list(asked.opinions.all())
    assert [(o.assessor, o.answered_at) for o in opinions] == [(cast.max, None), (cast.mona, None)]
    queued = Job.objects.order_by("pk").values_list("kind", "payload", "key")
    assert sorted(queued, key=lambda job: job[2]) == [
        ("assessments.tasks.send_invitation", {"opinion": o.pk}, f"invitation:{o.pk}") for o in opinions
    ]


def test_one_request_at_a_time(asked: Elicitation, cast: SimpleNamespace) -> None:
    more = {"people": [cast.mona], "question": "", "answer_by": DEADLINE, "by": cast.ada, "at": NOW}
    with pytest.raises(AlreadyAsked):
        ask(risk=asked.risk, **more)
    assert (Elicitation.objects.count(), Opinion.objects.count(), Job.objects.count()) == (1, 2, 2)
    withdraw(elicitation=asked, at=NOW)
    assert ask(risk=asked.risk, **more).opinions.get().assessor == cast.mona


# --- answering -------------------------------------------------------------------------------------------


def test_an_answer_is_kept_as_points(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max, Number(0.1, 0.05, 0.2), Number(7e4), because="they said so")
    given = Opinion.objects.get(assessor=cast.max)
    points = pooling.Opinion.of_probability_range(0.05, 0.2)
    assert (given.likelihood_low, given.likelihood_middle, given.likelihood_high) == (0.05, points.middle, 0.2)
    assert (given.money_low, given.money_middle, given.money_high) == (7e4, 7e4, 7e4)
    assert (given.likelihood_by, given.money_by) == ("range", "number")
    assert (given.because, given.answered_at, given.weight) == ("they said so", NOW + HOUR, None)
    assert Opinion.objects.get(assessor=cast.mona).answered_at is None


def test_a_level_counts_as_its_declared_range(cast: SimpleNamespace) -> None:
    spec = active_method().spec
    assert likelihood_points(spec, 3) == pooling.Opinion.of_probability_range(0.1, 0.3)
    assert money_points(spec, 2) == pooling.Opinion.of_money_range(10_000, 50_000)
    assert likelihood_points(spec, Number(0.2)) == pooling.Opinion.of_number(0.2)
    assert money_points(spec, Number(1, 5, 9)) == pooling.Opinion.of_money_range(5, 9)


@pytest.mark.parametrize("level", [0, 6])
def test_a_level_that_is_none_leaves_no_answer(asked: Elicitation, cast: SimpleNamespace, level: int) -> None:
    with pytest.raises(ValueError, match=f"there is no level {level}"):
        say(asked, cast.max, level)
    with pytest.raises(ValueError, match=f"there is no level {level}"):
        say(asked, cast.max, 3, level)
    assert Opinion.objects.filter(answered_at=None).count() == 2


def test_an_answer_can_be_changed_while_nobody_has_seen_it(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max, 2, Number(1e5, 5e4, 2e5), because="first")
    say(asked, cast.max, Number(0.4), 5, because="second", at=NOW + 2 * HOUR)
    given = Opinion.objects.get(assessor=cast.max)
    assert (given.likelihood_by, given.likelihood_middle, given.money_by) == ("number", 0.4, "level")
    assert (given.money_low, given.money_high) == (1_000_000, 5_000_000)
    assert (given.because, given.answered_at) == ("second", NOW + 2 * HOUR)


def test_who_was_not_asked_cannot_answer(asked: Elicitation, cast: SimpleNamespace) -> None:
    with pytest.raises(Opinion.DoesNotExist):
        say(asked, cast.ada)


@pytest.mark.parametrize("why", ["all answered", "deadline", "withdrawn", "risk closed", "pooled"])
def test_it_can_be_too_late(asked: Elicitation, cast: SimpleNamespace, why: str) -> None:
    say(asked, cast.max, because="first")
    at = NOW + 2 * HOUR
    if why in ("all answered", "pooled"):
        say(asked, cast.mona)
    if why == "pooled":
        pool(elicitation=asked, by=cast.max, on=NOW.date(), at=at)
    if why == "deadline":
        at = DEADLINE
    if why == "withdrawn":
        withdraw(elicitation=asked, at=NOW)
    if why == "risk closed":
        close_risk(risk=asked.risk, outcome="occurred", note="", on=NOW.date(), at=NOW)
    for who in (cast.max, cast.mona):
        with pytest.raises(TooLate):
            say(asked, who, because="late", at=at)
    assert not Opinion.objects.filter(because="late").exists()


def test_a_moment_before_the_deadline_is_early_enough(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max, at=DEADLINE - dt.timedelta(microseconds=1))
    assert Opinion.objects.filter(answered_at__isnull=False).count() == 1


# --- blindness -------------------------------------------------------------------------------------------


def test_it_is_blind_until_all_answered(asked: Elicitation, cast: SimpleNamespace) -> None:
    assert asked.is_blind(NOW)
    say(asked, cast.max)
    assert again(asked).is_blind(NOW + HOUR)
    say(asked, cast.mona)
    assert not again(asked).is_blind(NOW + HOUR)


def test_it_is_blind_until_the_deadline(asked: Elicitation) -> None:
    assert asked.is_blind(DEADLINE - dt.timedelta(microseconds=1))
    assert not asked.is_blind(DEADLINE)


def test_what_was_withdrawn_while_blind_stays_so(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max)
    withdraw(elicitation=asked, at=NOW + 2 * HOUR)
    assert again(asked).is_blind(DEADLINE + 99 * DAY)


def test_what_was_open_stays_open_when_it_is_withdrawn(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max)
    withdraw(elicitation=asked, at=DEADLINE + DAY)
    assert not again(asked).is_blind(DEADLINE + 2 * DAY)


def test_it_is_withdrawn_once(asked: Elicitation) -> None:
    withdraw(elicitation=asked, at=NOW)
    with pytest.raises(TooLate):
        withdraw(elicitation=asked, at=NOW + HOUR)
    assert again(asked).withdrawn_at == NOW


# --- pooling ---------------------------------------------------------------------------------------------


def test_the_pool_becomes_the_assessment(asked: Elicitation, cast: SimpleNamespace) -> None:
    assess(asked.risk, 2, 5, at=NOW, reputation=2)
    say(asked, cast.max, Number(0.1, 0.05, 0.2), 3, because="two bids lost")
    say(asked, cast.mona, Number(0.4), Number(1.5e6), because="I know the buyer")
    made = pool(elicitation=asked, by=cast.mona, on=NOW.date() + DAY, at=NOW + DAY)
    likely = pooling.pool([pooling.Opinion.of_probability_range(0.05, 0.2), pooling.Opinion.of_number(0.4)])
    worth = pooling.pool(
        [pooling.Opinion.of_money_range(50_000, 250_000), pooling.Opinion.of_number(1.5e6)], scale="log"
    )
    assert (made.likelihood_by, made.money_by) == ("pooled", "pooled")
    assert (made.probability, made.likelihood_low, made.likelihood_high) == (likely.mean, *likely.interval)
    assert (made.money, made.money_low, made.money_high) == (worth.mean, *worth.interval)
    assert made.impact_levels == {"financial": 4, "reputation": 2}
    assert (made.basis, made.evidence) == ("expert", "Max: two bids lost\nMona: I know the buyer")
    assert (made.assessor, made.assessed_on, made.created_at) == (cast.mona, NOW.date() + DAY, NOW + DAY)
    assert Assessment.objects.get(risk=asked.risk, is_current=True) == made
    done = again(asked)
    assert (done.assessment, done.pooled_at, done.is_running) == (made, NOW + DAY, False)
    assert [opinion.weight for opinion in done.opinions.all()] == [0.5, 0.5]
    entry, sheet = ScoreEntry.objects.filter(risk=asked.risk).latest("pk"), CoverSheet.objects.get(risk=asked.risk)
    assert (entry.cause, entry.score, sheet.score) == ("judgement", sheet.score, pytest.approx(entry.score))


def test_without_an_assessment_before_there_is_the_one_dimension(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max, 2, 2)
    made = pool(elicitation=asked, by=cast.max, on=DEADLINE.date(), at=DEADLINE)
    assert made.impact_levels == {"financial": 2}
    assert made.evidence == "Max: so"
    assert [opinion.weight for opinion in again(asked).opinions.all()] == [1.0, None]


def test_not_before_the_opinions_are_open(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max)
    with pytest.raises(StillBlind):
        pool(elicitation=asked, by=cast.max, on=NOW.date(), at=DEADLINE - HOUR)
    assert Assessment.objects.count() == 0


def test_only_once(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max)
    made = pool(elicitation=asked, by=cast.max, on=DEADLINE.date(), at=DEADLINE)
    with pytest.raises(TooLate):
        pool(elicitation=asked, by=cast.mona, on=DEADLINE.date(), at=DEADLINE)
    with pytest.raises(TooLate):
        withdraw(elicitation=asked, at=DEADLINE)
    assert Assessment.objects.get() == made


@pytest.mark.parametrize("why", ["nobody answered", "withdrawn", "risk closed"])
def test_there_can_be_nothing_to_pool(asked: Elicitation, cast: SimpleNamespace, why: str) -> None:
    if why != "nobody answered":
        say(asked, cast.max)
    if why == "withdrawn":
        withdraw(elicitation=asked, at=DEADLINE)
    if why == "risk closed":
        close_risk(risk=asked.risk, outcome="occurred", note="", on=NOW.date(), at=NOW)
    with pytest.raises(TooLate):
        pool(elicitation=asked, by=cast.max, on=DEADLINE.date(), at=DEADLINE)
    assert Assessment.objects.count() == 0


def test_long_reasons_fit_into_the_evidence(asked: Elicitation, cast: SimpleNamespace) -> None:
    for who in (cast.max, cast.mona):
        say(asked, who, because="x" * 2000)
    risk = asked.risk
    made = pool(elicitation=asked, by=cast.max, on=NOW.date(), at=NOW + DAY)
    assert len(made.evidence) == 2000 * 2 + len("Max: \nMona: ")
    three = ask(risk=risk, people=[cast.max, cast.mona, cast.ada], question="", answer_by=DEADLINE, by=cast.max, at=NOW)
    for who in (cast.max, cast.mona, cast.ada):
        say(three, who, because="x" * 2000)
    assert len(pool(elicitation=three, by=cast.max, on=NOW.date(), at=NOW + DAY).evidence) == 5000


# --- weights ---------------------------------------------------------------------------------------------


def foretold(make_risk: MakeRisk, who: User, probability: float, outcomes: str) -> None:
    """Resolved forecasts of a person, one for each letter: "y" happened."""
    for outcome in outcomes:
        risk = make_risk(at=NOW - 200 * DAY)
        at = NOW - 100 * DAY
        judgement = Judgement(risk.pk, Number(probability), {"financial": 3}, "expert", "", at.date())
        assess_risk(risk=risk, by=who, judgement=judgement, at=at)
        happened = "occurred" if outcome == "y" else "did_not_occur"
        Risk.objects.filter(pk=risk.pk).update(status="closed", outcome=happened, closed_on=(NOW - 50 * DAY).date())


def test_records_weigh_from_eight_resolved_forecasts_on(
    make_risk: MakeRisk, asked: Elicitation, cast: SimpleNamespace
) -> None:
    foretold(make_risk, cast.max, 0.9, "yyyyyyy")
    foretold(make_risk, cast.mona, 0.9, "nnnnnnnn")
    say(asked, cast.max, Number(0.2))
    say(asked, cast.mona, Number(0.6))
    too_few = pooled_answers(asked)
    assert too_few is not None
    assert (too_few.resolved, too_few.likelihood.weights) == ([7, 8], (0.5, 0.5))
    foretold(make_risk, cast.max, 0.9, "y")
    enough = pooled_answers(asked)
    assert enough is not None
    records = experience.forecasts([cast.max.pk, cast.mona.pk])
    weights = pooling.weights([records[cast.max.pk], records[cast.mona.pk]])
    assert weights == (0.75, 0.25)
    assert (enough.resolved, enough.likelihood.weights, enough.money.weights) == ([8, 8], weights, weights)
    assert enough.likelihood.mean == pytest.approx(0.75 * 0.2 + 0.25 * 0.6)


def test_weights_stay_as_they_were_pooled(make_risk: MakeRisk, asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max, Number(0.2))
    say(asked, cast.mona, Number(0.6))
    pool(elicitation=asked, by=cast.max, on=NOW.date(), at=NOW + DAY)
    foretold(make_risk, cast.max, 0.9, "y" * 8)
    foretold(make_risk, cast.mona, 0.9, "n" * 8)
    kept = pooled_answers(again(asked))
    assert kept is not None
    assert (kept.likelihood.weights, kept.resolved) == ((0.5, 0.5), [])


# --- what waits for whom ---------------------------------------------------------------------------------


def test_a_request_waits_for_those_who_have_not_answered(asked: Elicitation, cast: SimpleNamespace) -> None:
    say(asked, cast.max)
    assert {who: list(asked_of(getattr(cast, who), now=NOW)) for who in ("max", "mona", "vera", "ada")} == {
        "max": [], "mona": [asked], "vera": [], "ada": [],
    }  # fmt: skip
    assert not asked_of(cast.mona, now=DEADLINE)
    running = running_elicitation(asked.risk)
    assert running is not None
    assert (running, running.answered, running.asked) == (asked, 1, 2)  # type: ignore[attr-defined]


@pytest.mark.parametrize("why", ["withdrawn", "closed", "binned", "role taken away", "only a viewer"])
def test_what_cannot_be_answered_any_more_does_not_wait(asked: Elicitation, cast: SimpleNamespace, why: str) -> None:
    if why == "withdrawn":
        withdraw(elicitation=asked, at=NOW)
        assert running_elicitation(asked.risk) is None
    if why == "closed":
        close_risk(risk=asked.risk, outcome="occurred", note="", on=NOW.date(), at=NOW)
    if why == "binned":
        Risk.objects.filter(pk=asked.risk.pk).update(state="bin")
    if why in ("role taken away", "only a viewer"):
        Membership.objects.filter(user=cast.mona).delete()
    if why == "only a viewer":
        set_role(user=cast.mona, team=cast.northfield, role="viewer")
    assert not asked_of(User.objects.get(pk=cast.mona.pk), now=NOW)


@pytest.mark.parametrize("confidential", [False, True])
@pytest.mark.parametrize("owner", ["max", "hana", "nobody", None])
@pytest.mark.parametrize("team", ["northfield", "accounts", "hengyue"])
def test_those_who_may_edit_are_those_whom_access_lets(
    make_risk: MakeRisk, cast: SimpleNamespace, team: str, owner: str | None, confidential: bool
) -> None:
    set_role(user=cast.vera, team=cast.accounts, role="member")  # two roles on one path must not make two of her
    User.objects.create_user("gone", "gone@example.com", is_admin=True, is_active=False)
    risk = make_risk(team=getattr(cast, team), owner=owner and getattr(cast, owner), confidential=confidential)
    found = list(access.people_who_may_edit(risk))
    everybody = User.objects.filter(is_active=True)
    assert sorted(person.username for person in found) == sorted(
        person.username for person in everybody if access.may(person, "edit", risk)
    )


# --- the mail --------------------------------------------------------------------------------------------


def send(opinion: Opinion, *, at: dt.datetime = NOW) -> Any:
    job = Job.objects.get(key=f"invitation:{opinion.pk}")
    Job.objects.filter(pk=job.pk).update(run_at=NOW - DAY)
    held = jobs.claim(job.pk, now_fn=lambda: at)
    assert held is not None
    return tasks.send_invitation(held)


def test_the_invitation_says_who_asks_what_until_when(asked: Elicitation, cast: SimpleNamespace) -> None:
    assert send(asked.opinions.get(assessor=cast.mona)) == {"outcome": "sent"}
    (message,) = mail.outbox
    (html, kind) = message.alternatives[0]
    address = f"http://127.0.0.1:8000/risks/elicitations/{asked.pk}/"
    assert (message.to, message.subject) == (["mona@example.com"], "Your opinion is asked for: Price war in pumps")
    assert kind == "text/html"
    for text in (message.body, html):
        for words in ("Good day Mona,", "Max asks for your opinion", "Why?", "9 Mar 2026, 09:00", "(UTC)", address):
            assert words in text


def test_the_invitation_is_in_her_language_and_by_her_clock(asked: Elicitation, cast: SimpleNamespace) -> None:
    User.objects.filter(pk=cast.mona.pk).update(language="zh-hans", time_zone="Asia/Shanghai")
    send(asked.opinions.get(assessor=cast.mona))
    (message,) = mail.outbox
    assert "17:00" in message.body
    assert "（Asia/Shanghai）" in message.body
    assert 'lang="zh-hans"' in message.alternatives[0][0]


def test_a_repeat_carries_the_same_message_id(asked: Elicitation, cast: SimpleNamespace) -> None:
    mona, max_ = asked.opinions.get(assessor=cast.mona), asked.opinions.get(assessor=cast.max)
    send(mona)
    Job.objects.update(state="ready", token=None, lease_until=None)
    send(mona)
    send(max_)
    ids = [message.extra_headers["Message-ID"] for message in mail.outbox]
    assert ids == [f"<invitation.{opinion.pk}@127.0.0.1>" for opinion in (mona, mona, max_)]


@pytest.mark.parametrize(
    "why", ["answered", "withdrawn", "too late", "no address", "deactivated", "role taken away", "closed", "gone"]
)
def test_what_cannot_be_answered_is_not_mailed_for(asked: Elicitation, cast: SimpleNamespace, why: str) -> None:
    opinion, at = asked.opinions.get(assessor=cast.mona), NOW
    mona = User.objects.filter(pk=cast.mona.pk)
    if why == "answered":
        say(asked, cast.mona)
    if why == "withdrawn":
        withdraw(elicitation=asked, at=NOW)
    if why == "too late":
        at = DEADLINE
    if why == "no address":
        mona.update(email="")
    if why == "deactivated":
        mona.update(is_active=False)
    if why == "role taken away":
        Membership.objects.filter(user=cast.mona).delete()
    if why == "closed":
        close_risk(risk=asked.risk, outcome="occurred", note="", on=NOW.date(), at=NOW)
    if why == "gone":
        Opinion.objects.filter(pk=opinion.pk).delete()
    assert send(opinion, at=at) == {"outcome": "not wanted"}
    assert mail.outbox == []


def test_what_people_wrote_is_escaped_in_the_html(make_risk: MakeRisk, cast: SimpleNamespace) -> None:
    risk = make_risk("Pumps & <b>valves</b>", at=NOW)
    asked = ask(risk=risk, people=[cast.mona], question="<i>?", answer_by=DEADLINE, by=cast.max, at=NOW)
    send(asked.opinions.get())
    (message,) = mail.outbox
    assert message.subject == "Your opinion is asked for: Pumps & <b>valves</b>"
    assert "Pumps & <b>valves</b>" in message.body
    assert "<b>" not in message.alternatives[0][0]
    assert "&lt;i&gt;?" in message.alternatives[0][0]
