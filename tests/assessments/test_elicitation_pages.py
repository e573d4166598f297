"""The pages of a request for opinions: who sees what when, and that nobody sees a number too early."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import time_machine
from django.core import mail
from django.core.serializers.json import DjangoJSONEncoder
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from assessments import elicitation, pooling
from assessments.models import Assessment, Elicitation, Opinion
from assessments.views.asking import _weighting
from riskreg.accounts.actions import set_role
from riskreg.accounts.models import Membership, User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks.actions import close_risk
from risks.models import Risk
from tests.test_access_matrix import routes

MakeRisk = Callable[..., Risk]
SignIn = Callable[[User], Client]

NOW = dt.datetime(2026, 3, 2, 9, 0, tzinfo=dt.UTC)
DEADLINE = NOW + dt.timedelta(days=7)
# What Mona answers, in every way it could be written on a page or in a file.
SECRETS = re.compile(r"quincunx|13[.,]37|13[.,]4|0[.,]1337|7[.,]?654[.,]?321|7[.,]65 ?M", re.IGNORECASE)
MONAS = {
    "likelihood_by": "number", "likelihood_number": "13.37", "money_by": "number", "money_number": "7654321",
    "because": "Quincunx",
}  # fmt: skip
MONAS_PROBABILITY = 13.37 / 100
MAXS = {
    "likelihood_by": "range", "likelihood_low": "20", "likelihood_high": "40", "financial": "3", "because": "Two bids",
}  # fmt: skip


@pytest.fixture(autouse=True)
def clock() -> Iterator[time_machine.Traveller]:
    with time_machine.travel(NOW, tick=False) as traveller:
        yield traveller


@pytest.fixture
def asked(make_risk: MakeRisk, cast: SimpleNamespace) -> Elicitation:
    """Max asks Mona, the administrator and himself about an assessed risk."""
    risk = make_risk(levels=(2, 2))
    people = [cast.max, cast.mona, cast.ada]
    return elicitation.ask(risk=risk, people=people, question="How so?", answer_by=DEADLINE, by=cast.max, at=NOW)


def address(asked: Elicitation, name: str = "elicitation") -> str:
    return reverse(f"assessments:{name}", args=[asked.pk])


def text(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def every_address(asked: Elicitation) -> list[str]:
    """Every route that a GET may answer, about this request, its risk, and whatever has a low number."""
    given = {"risk_id": asked.risk_id, "kind": "csv", "name": "rescore", "playbook_id": 1}
    addresses = []
    for name, pattern in routes().items():
        converters = pattern.pattern.converters
        pk = asked.pk if "elicitation" in name else asked.risk_id
        addresses.append(reverse(name, kwargs={key: given.get(key, pk) for key in converters}))
    return addresses


# --- asking ----------------------------------------------------------------------------------------------


def test_asking_makes_the_request_and_leads_to_it(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk, client = make_risk(), sign_in(cast.max)
    data = {"people": [cast.mona.pk, cast.max.pk], "question": "How so?", "answer_by": "2026-03-05T18:00"}
    response = client.post(reverse("assessments:ask", args=[risk.pk]), data)
    made = Elicitation.objects.get()
    assert response.headers["Location"] == address(made)
    assert (made.risk, made.asked_by, made.question, made.asked_at) == (risk, cast.max, "How so?", NOW)
    assert made.answer_by == dt.datetime(2026, 3, 5, 18, tzinfo=dt.UTC)
    assert {opinion.assessor for opinion in made.opinions.all()} == {cast.max, cast.mona}


def test_the_deadline_is_in_a_week_at_six_by_her_own_clock(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller
) -> None:
    risk = make_risk()
    User.objects.filter(pk=cast.max.pk).update(time_zone="Asia/Shanghai")
    clock.move_to(dt.datetime(2026, 3, 2, 17, tzinfo=dt.UTC))  # there it is the next day
    client = sign_in(User.objects.get(pk=cast.max.pk))
    assert 'value="2026-03-10T18:00"' in text(client, reverse("assessments:ask", args=[risk.pk]))
    data = {"people": [cast.mona.pk], "answer_by": "2026-03-10T18:00"}
    client.post(reverse("assessments:ask", args=[risk.pk]), data)
    assert Elicitation.objects.get().answer_by == dt.datetime(2026, 3, 10, 10, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("people", "answer_by", "error"),
    [
        (["max"], "2026-03-05T18:00", "Ask at least one other person."),
        ([], "2026-03-05T18:00", "This field is required."),
        (["vera"], "2026-03-05T18:00", "is not one of the available choices"),
        (["hana", "mona"], "2026-03-05T18:00", "is not one of the available choices"),
        (["mona"], "2026-03-02T09:00", "This time has passed."),
        (["mona"], "2027-03-05T18:00", "A year at most."),
        (["mona"], "soon", "Enter a valid date/time."),
    ],
)
def test_a_request_that_cannot_be_comes_back(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn, *, people: list[str], answer_by: str, error: str
) -> None:
    data = {"people": [getattr(cast, name).pk for name in people], "answer_by": answer_by}
    response = sign_in(cast.max).post(reverse("assessments:ask", args=[make_risk().pk]), data)
    assert response.status_code == 200
    assert error in response.content.decode()
    assert Elicitation.objects.count() == 0


def test_while_one_is_running_asking_leads_to_it(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    client, ask = sign_in(cast.mona), reverse("assessments:ask", args=[asked.risk_id])
    for response in (client.get(ask), client.post(ask, {"people": [cast.max.pk], "answer_by": "2026-03-05T18:00"})):
        assert response.headers["Location"] == address(asked)
    assert Elicitation.objects.count() == 1
    panel = text(client, reverse("assessments:panel", args=[asked.risk_id]))
    assert "0 of 3 answered, until 9 Mar 2026, 09:00" in panel
    assert "Ask others" not in panel


def test_the_panel_offers_to_ask_those_who_may(make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn) -> None:
    risk = make_risk()
    panel = reverse("assessments:panel", args=[risk.pk])
    assert ["Ask others" in text(sign_in(who), panel) for who in (cast.max, cast.vera)] == [True, False]
    close_risk(risk=risk, outcome="occurred", note="", on=NOW.date(), at=NOW)
    assert "Ask others" not in text(sign_in(cast.max), panel)


# --- answering -------------------------------------------------------------------------------------------


def test_who_was_asked_gets_a_form_without_a_hint(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    response = sign_in(cast.mona).get(address(asked))
    assert response.context["form"].initial == {}
    assert "checked" not in re.sub(r'value="level" checked', "", response.content.decode())
    assert "How so?" in response.content.decode()


def test_an_answer_is_kept_and_can_be_changed(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    client = sign_in(cast.max)
    assert client.post(address(asked), MAXS).headers["Location"] == address(asked)
    given = Opinion.objects.get(assessor=cast.max)
    assert (given.likelihood_low, given.likelihood_high, given.because) == (0.2, 0.4, "Two bids")
    form = client.get(address(asked)).context["form"]
    assert form.initial == {
        "likelihood_by": "range", "likelihood_low": "20", "likelihood_high": "40", "financial": 3,
        "because": "Two bids",
    }  # fmt: skip
    client.post(address(asked), {**MAXS, "likelihood_by": "number", "likelihood_number": "25"})
    given.refresh_from_db()
    assert (given.likelihood_by, given.likelihood_low, given.likelihood_high) == ("number", 0.25, 0.25)
    assert client.get(address(asked)).context["form"].initial["likelihood_number"] == "25"


def test_half_an_answer_comes_back(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    response = sign_in(cast.max).post(address(asked), {**MAXS, "because": "", "likelihood_high": "10"})
    assert response.status_code == 200
    assert response.context["form"].errors == {
        "because": ["This field is required."],
        "likelihood_high": ["The upper end must lie above the lower end."],
    }
    assert Opinion.objects.get(assessor=cast.max).answered_at is None


@pytest.mark.parametrize("who", ["vera", "hana", "nobody"])
def test_who_was_not_asked_gives_no_answer(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, who: str
) -> None:
    assert sign_in(getattr(cast, who)).post(address(asked), MAXS).status_code == 404


def test_who_lost_the_role_gives_no_answer(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    Membership.objects.filter(user=cast.mona).delete()
    client = sign_in(cast.mona)
    assert client.get(address(asked)).status_code == 404
    set_role(user=cast.mona, team=cast.northfield, role="viewer")
    client = sign_in(User.objects.get(pk=cast.mona.pk))
    assert "form" not in client.get(address(asked)).context
    assert client.post(address(asked), MONAS).status_code == 404
    assert not Opinion.objects.filter(answered_at__isnull=False).exists()


@pytest.mark.parametrize("why", ["deadline", "withdrawn", "closed", "all answered"])
def test_a_late_answer_is_refused_in_words(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller, why: str
) -> None:
    if why == "deadline":
        clock.move_to(DEADLINE)
    if why == "withdrawn":
        elicitation.withdraw(elicitation=asked, at=NOW)
    if why == "closed":
        close_risk(risk=asked.risk, outcome="occurred", note="", on=NOW.date(), at=NOW)
    if why == "all answered":
        for who in (cast.max, cast.mona, cast.ada):
            sign_in(who).post(address(asked), MAXS)
    before = list(Opinion.objects.values())
    response = sign_in(cast.max).post(address(asked), {**MAXS, "because": "Late"}, follow=True)
    assert "It is too late for an answer." in response.content.decode()
    assert "form" not in response.context
    assert list(Opinion.objects.values()) == before


# --- blindness -------------------------------------------------------------------------------------------


def secrets_told(asked: Elicitation, client: Client) -> dict[str, list[str]]:
    told = {}
    for url in every_address(asked):
        content = client.get(url).content.decode(errors="replace")
        if found := SECRETS.findall(content):
            told[url] = found
    return told


def answer_in_part(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    """Mona and Max have answered, the administrator has not."""
    sign_in(cast.mona).post(address(asked), MONAS)
    sign_in(cast.max).post(address(asked), MAXS)
    assert {o.assessor for o in Opinion.objects.filter(answered_at__isnull=False)} == {cast.mona, cast.max}


EVERYBODY = ["max", "mona", "ada", "vera", "hana", "nobody"]


@pytest.mark.once
@pytest.mark.parametrize("who", EVERYBODY)
def test_while_blind_no_page_tells_anybody_anothers_numbers(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, who: str
) -> None:
    answer_in_part(asked, cast, sign_in)
    told = secrets_told(asked, sign_in(getattr(cast, who)))
    # Her own stand in her form, and nowhere else.
    assert set(told) == ({address(asked)} if who == "mona" else set())


def test_while_blind_neither_jobs_nor_mails_tell(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    answer_in_part(asked, cast, sign_in)
    for job_id in Job.objects.values_list("pk", flat=True):
        jobs.run(job_id, now_fn=timezone.now)
    told = json.dumps(list(Job.objects.values()), cls=DjangoJSONEncoder)
    assert [message.to for message in mail.outbox] == [["ada@example.com"]]  # the others had answered before
    assert SECRETS.findall(told + "".join(message.body + str(message.alternatives) for message in mail.outbox)) == []


@pytest.mark.parametrize("who", ["max", "ada", "vera"])
def test_while_blind_one_sees_who_has_answered(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, who: str
) -> None:
    answer_in_part(asked, cast, sign_in)
    html = re.sub(r"<[^>]+>", " ", text(sign_in(getattr(cast, who)), address(asked)))
    assert re.search(r"Mona\s+has answered", html)
    assert re.search(r"Ada\s+has not answered yet", html)


@pytest.mark.once
@pytest.mark.parametrize("who", EVERYBODY)
def test_withdrawn_while_blind_it_stays_so_for_good(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller, who: str
) -> None:
    answer_in_part(asked, cast, sign_in)
    sign_in(cast.max).post(address(asked, "withdraw_elicitation"))
    clock.move_to(DEADLINE + dt.timedelta(days=30))
    assert secrets_told(asked, sign_in(getattr(cast, who))) == {}


@pytest.mark.parametrize("who", ["max", "ada", "vera"])
def test_from_the_deadline_on_all_who_see_the_risk_see_the_opinions(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller, who: str
) -> None:
    answer_in_part(asked, cast, sign_in)
    clock.move_to(DEADLINE - dt.timedelta(microseconds=1))
    assert not SECRETS.search(text(sign_in(getattr(cast, who)), address(asked)))
    clock.move_to(DEADLINE)
    html = text(sign_in(getattr(cast, who)), address(asked))
    assert "Quincunx" in html
    assert "13.4 %" in html
    assert "USD 7.65M" in html
    assert re.search(r"Ada\s+did not answer", re.sub(r"<[^>]+>", " ", html))


def test_the_last_answer_opens_them(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    answer_in_part(asked, cast, sign_in)
    response = sign_in(cast.ada).post(address(asked), MAXS, follow=True)
    assert "Quincunx" in response.content.decode()


# --- the opinions side by side ---------------------------------------------------------------------------


def opened(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> Any:
    answer_in_part(asked, cast, sign_in)
    other = {**MAXS, "likelihood_low": "15", "likelihood_high": "50", "financial": "4", "because": "I heard"}
    sign_in(cast.ada).post(address(asked), other)
    return sign_in(cast.vera).get(address(asked))


def test_the_chart_shows_everybody_and_the_pool_on_one_axis(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    likelihood, money = opened(asked, cast, sign_in).context["charts"]
    answers = [(0.2, 0.4), (0.15, 0.5)]
    first, third = (pooling.Opinion.of_probability_range(*one) for one in answers)
    together = pooling.pool([first, pooling.Opinion.of_number(MONAS_PROBABILITY), third])
    assert [row["opinion"].assessor for row in likelihood["rows"]] == [cast.max, cast.mona, cast.ada]
    assert [row["points"] for row in likelihood["rows"]] == [
        [0.2, first.middle, 0.4], [MONAS_PROBABILITY], [0.15, third.middle, 0.5],
    ]  # fmt: skip
    assert likelihood["mean"] == together.mean
    assert likelihood["pool"]["points"] == [together.quantile(0.05), together.quantile(0.5), together.quantile(0.95)]
    assert [tick["value"] for tick in likelihood["ticks"]] == [0.1, 0.2, 0.5, 1]
    assert [tick["x"] for tick in likelihood["ticks"]] == ["5.00%", "32.09%", "67.91%", "95.00%"]
    assert likelihood["rows"][0]["low"] == "32.09%"
    assert [row["dissents"] for row in likelihood["rows"]] == [False, True, False]
    assert (likelihood["spread"].lowest, likelihood["spread"].highest) == (MONAS_PROBABILITY, third.middle)
    assert money["rows"][1]["points"] == [7654321]


def test_the_page_says_the_pool_the_spread_who_dissents_and_the_weights(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    response = opened(asked, cast, sign_in)
    html = " ".join(response.content.decode().split())
    mean = response.context["charts"][0]["mean"] * 100
    assert f"Together they count as <strong>{mean:.3g} %</strong>." in html
    assert "The middles lie between 13.4 % and 29.6 %, a factor of 2.2." in html
    mona = html[html.index("<strong>Mona</strong>") :]
    assert "dissents on likelihood" in mona[:200]
    assert "weight 33 % · 0 resolved forecasts" in mona[:400]
    assert "Quincunx" in mona[:500]
    assert "All weigh the same: nobody has 8 resolved forecasts yet." in html
    assert html.count('class="interval"') == 6
    assert html.count('class="interval of-pool"') == 2


def test_one_answer_alone_is_shown_as_such(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller
) -> None:
    sign_in(cast.max).post(address(asked), MAXS)
    clock.move_to(DEADLINE)
    html = text(sign_in(cast.max), address(asked))
    assert "Only one person answered." in html
    assert "The middles" not in html


def test_the_weighting_is_explained() -> None:
    def pooled(weights: list[float], resolved: list[int]) -> elicitation.Pooled:
        together = pooling.pool([pooling.Opinion.of_number(0.1)] * len(weights), weights)
        return elicitation.Pooled([], together, together, resolved)

    assert _weighting(pooled([0.75, 0.25], [8, 8])) == "record"
    assert _weighting(pooled([0.75, 0.25], [])) == "record"
    assert _weighting(pooled([1, 1], [7, 7])) == "few"
    assert _weighting(pooled([1, 1], [8, 0])) == "equal"
    assert _weighting(pooled([1, 1], [])) == "kept"
    assert _weighting(pooled([1], [20])) == "single"


# --- what becomes of it ----------------------------------------------------------------------------------


def test_the_pool_is_made_the_assessment(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    opened(asked, cast, sign_in)
    client = sign_in(cast.mona)
    page = reverse("risks:show", args=[asked.risk_id])
    assert client.post(address(asked, "pool_elicitation")).headers["Location"] == page
    made = Assessment.objects.get(is_current=True)
    assert (made.likelihood_by, made.money_by, made.assessor) == ("pooled", "pooled", cast.mona)
    panel = text(client, reverse("assessments:panel", args=[asked.risk_id]))
    assert "(several opinions: 13.4 – " in panel
    assert f'href="{address(asked)}">the opinions</a>' in panel
    html = text(client, address(asked))
    assert "Made the assessment on 2 Mar 2026." in html
    assert "Make it the assessment" not in html
    again = client.post(address(asked, "pool_elicitation"), follow=True)
    assert "There is nothing to make an assessment of" in again.content.decode()
    assert Assessment.objects.count() == 2


def test_it_is_not_made_the_assessment_while_blind(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    answer_in_part(asked, cast, sign_in)
    client = sign_in(cast.max)
    assert "Make it the assessment" not in text(client, address(asked))
    response = client.post(address(asked, "pool_elicitation"), follow=True)
    assert "Not everybody has answered yet" in response.content.decode()
    assert Assessment.objects.count() == 1


def test_it_is_withdrawn_once(asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn) -> None:
    client = sign_in(cast.mona)
    page = text(client, address(asked))
    assert f'action="{address(asked, "withdraw_elicitation")}" data-confirm="Withdraw the request?' in page
    first = client.post(address(asked, "withdraw_elicitation"), follow=True)
    assert "The request is withdrawn." in first.content.decode()
    assert "so they stay unseen" in first.content.decode()
    second = client.post(address(asked, "withdraw_elicitation"), follow=True)
    assert "The request was over already." in second.content.decode()


@pytest.mark.parametrize("who", ["vera", "hana", "nobody"])
@pytest.mark.parametrize("what", ["withdraw_elicitation", "pool_elicitation"])
def test_deciding_is_for_those_who_may_edit(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, who: str, what: str
) -> None:
    client = sign_in(getattr(cast, who))
    assert client.post(address(asked, what)).status_code == 404
    assert client.get(address(asked, what)).status_code == 405
    if who == "vera":
        assert address(asked, what) not in text(client, address(asked))


def test_when_time_is_up_and_nobody_answered_one_can_ask_anew(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller
) -> None:
    clock.move_to(DEADLINE)
    html = text(sign_in(cast.max), address(asked))
    assert "Time is up and nobody answered." in html
    assert "Make it the assessment" not in html


# --- today -----------------------------------------------------------------------------------------------


def test_today_shows_what_one_is_asked_for(
    asked: Elicitation, cast: SimpleNamespace, sign_in: SignIn, clock: time_machine.Traveller
) -> None:
    today = reverse("monitoring:today")
    assert {who: "Asked for your opinion" in text(sign_in(getattr(cast, who)), today) for who in EVERYBODY} == {
        "max": True, "mona": True, "ada": True, "vera": False, "hana": False, "nobody": False,
    }  # fmt: skip
    assert f'href="{address(asked)}"' in text(sign_in(cast.mona), today)
    sign_in(cast.mona).post(address(asked), MONAS)
    assert "Asked for your opinion" not in text(sign_in(cast.mona), today)
    clock.move_to(DEADLINE)
    assert "Asked for your opinion" not in text(sign_in(cast.ada), today)


def test_today_shows_at_most_eight_the_most_urgent_first(
    make_risk: MakeRisk, cast: SimpleNamespace, sign_in: SignIn
) -> None:
    for hours in range(10, 0, -1):
        elicitation.ask(
            risk=make_risk(f"Risk {hours}"), people=[cast.mona], question="", by=cast.max, at=NOW,
            answer_by=NOW + dt.timedelta(hours=hours),
        )  # fmt: skip
    shown = sign_in(cast.mona).get(reverse("monitoring:today")).context["asked"]
    assert [request.risk.title for request in shown] == [f"Risk {hours}" for hours in range(1, 9)]
