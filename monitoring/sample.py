"""The sample register: two invented companies, lived through day by day with the product's own actions."""

from __future__ import annotations

import copy
import datetime as dt
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from django.db import transaction

from assessments import elicitation
from assessments.actions import Judgement, Number, assess_risk
from assessments.models import Method
from assessments.versions import draft_from, save_draft
from crm.actions import customer_named
from crm.models import Customer, Target
from monitoring import indicators
from monitoring.digests import queue_due_digests
from monitoring.flags import answer_flag
from monitoring.forecasts import start_forecast
from monitoring.models import ArmedBy, Delivery, DriftFlag, Indicator, Notice, Reading, Subscription
from responses.actions import accept_risk, save_response, set_action_status
from responses.models import Action, Response
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import Team, User
from riskreg.jobs import actions as jobs
from riskreg.jobs.models import Job
from risks.actions import capture_risk, close_risk, link_observation
from risks.models import Category, Observation, Risk, SavedView

CONTENT = Path(__file__).with_name("sample_register.json")
PASSWORD = "sample-register"  # noqa: S105  printed at start; the sample refuses to load into a production database

Event = tuple[dt.datetime, Callable[[dt.datetime], None]]


class Sample:
    """Loads the sample so that every date is relative to ``now``."""

    def __init__(self, now: dt.datetime) -> None:
        self.now = now
        self.content: dict[str, Any] = json.loads(CONTENT.read_text(encoding="utf-8"))
        self.teams: dict[str, Team] = {}
        self.people: dict[str, User] = {}
        self.risks: dict[str, Risk] = {}
        self.categories = {category.key: category for category in Category.objects.all()}

    def load(self) -> None:
        with transaction.atomic():
            self._people_and_teams()
        for at, event in sorted(self._events(), key=lambda pair: pair[0]):
            event(at)

    def _ago(self, days: int, hour: int = 9) -> dt.datetime:
        """A working hour of a past day; never in the future."""
        moment = (self.now - dt.timedelta(days=days)).replace(hour=hour, minute=0, second=0, microsecond=0)
        return min(moment, self.now - dt.timedelta(minutes=5))

    def _people_and_teams(self) -> None:
        for item in self.content["teams"]:
            self.teams[item["key"]] = save_team(name=item["name"], parent=self.teams.get(item["parent"]))
        for item in self.content["people"]:
            person = User.objects.create_user(
                item["username"],
                item["email"],
                PASSWORD,
                first_name=item["first_name"],
                last_name=item["last_name"],
                language=item["language"],
                time_zone=item["time_zone"],
                is_admin=item["is_admin"],
            )
            self.people[person.username] = person
            for role in item["roles"]:
                set_role(user=person, team=self.teams[role["team"]], role=role["role"])
            Subscription.objects.create(
                user=person,
                cadence=Subscription.Cadence.WEEKLY
                if item["username"] in ("eva", "admin")
                else Subscription.Cadence.DAILY,
                time_zone=person.time_zone,
                scope=Subscription.Scope.TEAM,
                since=self._ago(8),
            )

    def _events(self) -> Iterator[Event]:
        for item in self.content["risks"]:
            yield from self._risk(item)
        for item in self.content["observations"]:
            yield self._ago(item["days_ago"], 8), lambda at, item=item: self._observe(item, at)
            if item["risk"]:
                yield self._ago(item["days_ago"], 15), lambda at, item=item: self._link(item, at)
        for item in self.content["indicators"]:
            yield from self._indicator(item)
        yield self._ago(95, 22), self._night
        yield self._ago(93, 10), self._answer_flags
        yield self._ago(12, 22), self._night
        yield self._ago(7, 9), self._digests
        yield self._ago(3, 22), self._night
        yield self._ago(2, 22), self._forget_old_news
        yield self.now, self._night
        yield self.now, self._outlook
        yield self._ago(1, 16), self._ask

    def _risk(self, item: dict[str, Any]) -> Iterator[Event]:
        yield self._ago(item["identified_days_ago"], 8), lambda at: self._capture(item, at)
        for assessed in item["assessments"]:
            yield self._ago(assessed["days_ago"], 10), lambda at, assessed=assessed: self._assess(item, assessed, at)
        for planned in item["responses"]:
            yield self._ago(planned["days_ago"], 11), lambda at, planned=planned: self._respond(item, planned, at)
            for number, step in enumerate(planned["actions"]):
                if step["status"] == "done":
                    yield (
                        self._ago(step["done_days_ago"], 14),
                        lambda at, planned=planned, number=number: self._finish(planned, number, at),
                    )
        if item["acceptance"]:
            yield self._ago(item["acceptance"]["days_ago"], 16), lambda at: self._accept(item, at)
        if item["status"] == "closed":
            yield self._ago(item["closed_days_ago"], 17), lambda at: self._close(item, at)

    def _capture(self, item: dict[str, Any], at: dt.datetime) -> None:
        team = self.teams[item["team"]]
        texts = {name: item[name] for name in ("title", "cause", "event", "consequence", "source", "confidential")}
        risk = capture_risk(
            by=self.people[item["owner"]],
            team=team,
            category=self.categories[item["category"]],
            customer=customer_named(name=item["customer"] or "", team=_top(team)),
            horizon_months=item["horizon_months"],
            identified_on=at.date(),
            tags=item["tags"],
            at=at,
            **texts,
        )
        Risk.objects.filter(pk=risk.pk).update(created_at=at)
        risk.history.update(history_date=at, history_user=risk.owner)
        self.risks[item["key"]] = risk

    def _assess(self, item: dict[str, Any], assessed: dict[str, Any], at: dt.datetime) -> None:
        risk = self.risks[item["key"]]
        judgement = Judgement(
            risk_id=risk.pk,
            likelihood=assessed["likelihood"],
            impacts={key: level for key, level in assessed["impacts"].items() if level},
            basis=assessed["basis"],
            evidence=assessed["evidence"],
            on=at.date(),
        )
        assess_risk(risk=risk, by=self.people[assessed["by"]], judgement=judgement, at=at)

    def _respond(self, item: dict[str, Any], planned: dict[str, Any], at: dt.datetime) -> None:
        risk = self.risks[item["key"]]
        response = Response(
            risk=risk,
            kind=planned["kind"],
            title=planned["title"],
            description=planned["description"],
            trigger=planned.get("trigger") or "",
            confidence=round(planned["confidence"] * 100),
            created_by=risk.owner,
            created_at=at,
        )
        steps = [
            Action(
                title=step["title"],
                owner=self.people[step["owner"]],
                due=(self.now + dt.timedelta(days=step["due_days"])).date(),
                status="planned" if step["status"] == "done" else step["status"],
                cost=step["cost"],
                effect=round(step["effect"] * 100),
            )
            for step in planned["actions"]
        ]
        for made in (response, *steps):
            made._history_date, made._history_user = at, risk.owner
        planned["made"] = save_response(response=response, actions=steps, at=at)
        planned["steps"] = steps

    def _finish(self, planned: dict[str, Any], number: int, at: dt.datetime) -> None:
        step = planned["steps"][number]
        step._history_date, step._history_user = at, step.owner
        set_action_status(action=step, status=Action.Status.DONE, at=at)

    def _accept(self, item: dict[str, Any], at: dt.datetime) -> None:
        accepted = item["acceptance"]
        accept_risk(
            risk=self.risks[item["key"]],
            by=self.people[accepted["by"]],
            reason=accepted["reason"],
            on=at.date(),
            until=(self.now + dt.timedelta(days=accepted["expires_in_days"])).date(),
        )

    def _close(self, item: dict[str, Any], at: dt.datetime) -> None:
        risk = Risk.objects.get(pk=self.risks[item["key"]].pk)
        close_risk(risk=risk, outcome=item["outcome"], note="", on=at.date(), at=at)

    def _observe(self, item: dict[str, Any], at: dt.datetime) -> None:
        team = self.teams[item["team"]]
        item["made"] = Observation.objects.create(
            kind=item["kind"],
            text=item["text"],
            source=item["source"],
            link=item["link"],
            observed_on=at.date(),
            customer=customer_named(name=item["customer"] or "", team=_top(team)),
            team=team,
            created_by=self.people[item["by"]],
        )

    def _link(self, item: dict[str, Any], at: dt.datetime) -> None:
        link_observation(observation=item["made"], risk=self.risks[item["risk"]], bearing=item["bearing"], at=at)

    def _indicator(self, item: dict[str, Any]) -> Iterator[Event]:
        """Set up the day before its first reading, tied to risks as they appear, and read in its rhythm."""
        days = [item["since_days"] + n * item["every_days"] for n in reversed(range(len(item["readings"])))]
        identified = {risk["key"]: risk["identified_days_ago"] for risk in self.content["risks"]}
        yield self._ago(days[0] + 1, 9), lambda at: self._set_up(item, at)
        for tied in item["ties"]:
            first = min(days[0], identified[tied["risk"]])
            yield self._ago(first, 13), lambda at, tied=tied: self._tie(item, tied, at)
        if item["arms"]:
            yield self._ago(item["since_days"] + 1, 13), lambda _: self._arm_at_limit(item)
        for day, value in zip(days, item["readings"], strict=True):
            yield self._ago(day, 12), lambda at, value=value: self._read(item, value, at)

    def _set_up(self, item: dict[str, Any], at: dt.datetime) -> None:
        team = self.teams[item["team"]]
        indicator = Indicator(
            team=team,
            customer=customer_named(name=item["customer"] or "", team=_top(team)),
            owner=self.people[item["owner"]],
            created_at=at,
            **{name: item[name] for name in ("name", "measure", "unit", "direction", "warning", "limit")},
            stale_after_days=item["stale_after_days"],
        )
        indicators.save(indicator=indicator, now=at)
        item["made"] = indicator

    def _tie(self, item: dict[str, Any], tied: dict[str, Any], at: dt.datetime) -> None:
        risk = self.risks[tied["risk"]]
        indicators.tie(indicator=item["made"], risk=risk, ratio=tied["ratio"], by=self.people[item["owner"]], now=at)

    def _arm_at_limit(self, item: dict[str, Any]) -> None:
        contingency = self.risks[item["arms"]].responses.get(kind="contingency")
        ArmedBy.objects.create(response=contingency, indicator=item["made"])

    def _read(self, item: dict[str, Any], value: float, at: dt.datetime) -> None:
        measured = indicators.Measured(item["made"].pk, at, value)
        by = self.people[item["owner"]]
        indicators.record([measured], source=Reading.Source.HAND, by=by, now=at)

    def _forget_old_news(self, at: dt.datetime) -> None:
        """What people were told up to here they have read; nobody's first day begins with a year's mail."""
        Notice.objects.update(read_at=at, remind_at=None)
        Job.objects.filter(pk__in=Job.objects.filter(kind="monitoring.tasks.deliver").unfinished()).delete()
        Delivery.objects.update(sent_at=at)

    def _night(self, at: dt.datetime) -> None:
        job = jobs.run_now("rescore", by=None, now=at)
        jobs.run(job.pk, now_fn=lambda: at)

    def _answer_flags(self, at: dt.datetime) -> None:
        for flag in DriftFlag.objects.filter(state=DriftFlag.State.OPEN).select_related("risk__owner"):
            by = (flag.risk.owner if flag.risk is not None else None) or self.people["admin"]
            answer_flag(flag=flag, state=DriftFlag.State.CONFIRMED, note="", by=by, at=at)

    def _digests(self, at: dt.datetime) -> None:
        queue_due_digests(now=at)
        for job_id in Job.objects.filter(kind="monitoring.tasks.send_digest").due(at).values_list("pk", flat=True):
            jobs.run(job_id, now_fn=lambda: at)

    def _ask(self, at: dt.datetime) -> None:
        """Three are asked about one risk; one has not answered yet, so nobody sees the others' numbers."""
        people = [self.people[name] for name in ("tom", "maria", "admin")]
        asked = elicitation.ask(
            risk=self.risks["calder-second-supplier"],
            people=people,
            question="Before we quote for the framework: how likely is the split, and what would it cost us in a year?",
            answer_by=self.now + dt.timedelta(days=5),
            by=self.people["maria"],
            at=at,
        )
        tom, _, admin = people
        elicitation.answer(
            elicitation=asked, by=tom, likelihood=Number(0.62, 0.45, 0.8),
            money=Number(1_900_000, 1_200_000, 2_600_000),
            because="Their asset manager says the board has decided in all but name.", at=at,
        )  # fmt: skip
        elicitation.answer(
            elicitation=asked, by=admin, likelihood=Number(0.35), money=4,
            because="Frameworks of this size are rarely split before the second year.", at=at,
        )  # fmt: skip

    def _outlook(self, at: dt.datetime) -> None:
        """What can be lost at each customer, next year's targets, a forecast against each, and a draft to try."""
        for item in self.content["customers"]:
            company = _top(self.teams[item["team"]])
            renews_on = (at + dt.timedelta(days=item["renews_in_days"])).date() if "renews_in_days" in item else None
            Customer.objects.filter(name=item["name"], team=company).update(
                annual_revenue=item["revenue"], renews_on=renews_on
            )
        year = at.year + 1
        for item in self.content["targets"]:
            target = Target.objects.create(
                name=f"{item['name']} {year}",
                team=self.teams[item["team"]],
                starts_on=dt.date(year, 1, 1),
                ends_on=dt.date(year, 12, 31),
                amount=item["amount"],
                expected=item["expected"],
            )
            forecast = start_forecast(
                team=target.team, target=target, months=12, correlation=0.0, by=self.people["admin"], at=at
            )
            jobs.run(forecast.job or 0, now_fn=lambda: at)
        SavedView.objects.create(
            user=self.people["maria"],
            name="Beyond appetite 超出风险偏好",
            query="status=open&state=beyond",
            shared=True,
        )
        draft = draft_from(source=Method.objects.get(state=Method.State.ACTIVE), by=self.people["admin"], at=at)
        definition = copy.deepcopy(draft.definition)
        definition["bands"][2]["threshold"] = 55
        definition["bands"][3]["review_days"] = 7
        save_draft(
            method=draft,
            definition=definition,
            note="High begins at 55; critical risks weekly",
            at=at,
            seen=draft.edited_at,
        )


def _top(team: Team) -> Team:
    """The company the team belongs to: customers are the company's."""
    return Team.objects.get(pk=int(team.path.strip("/").split("/")[0]))
