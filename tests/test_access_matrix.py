"""Who may do what, for every route of the URL conf, every kind of person and every kind of object.

RULES is the whole authorisation of the product as one table; a route or method that is not in it fails. What a
person may not see answers exactly like what does not exist, writes nothing, and shows up in no list and no total.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import openpyxl
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.client import ClientHandler
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse
from django.utils import timezone

from assessments import elicitation
from assessments.actions import Judgement, assess_risk
from assessments.models import Elicitation, Method
from assessments.versions import draft_from
from crm.models import Customer, Target
from monitoring import portfolio
from monitoring.deliveries import new_secret
from monitoring.digests import write_digest
from monitoring.happenings import KINDS
from monitoring.models import (
    ArmedBy,
    Channel,
    Digest,
    DriftFlag,
    Event,
    Forecast,
    Indicator,
    LimitAlert,
    Notice,
    Reading,
    Review,
    Subscription,
    Tie,
    Webhook,
)
from responses.models import Acceptance, Action, Playbook, Response
from riskreg.accounts import tokens
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import Membership, Team, User
from riskreg.jobs.models import Job
from riskreg.mail.models import LocalMessage
from risks import access
from risks.actions import capture_risk, delete_risk
from risks.imports import Options
from risks.models import Category, CoverSheet, ImportBatch, ImportRow, Observation, Risk, SavedView, ScoreEntry

# --- the rules -------------------------------------------------------------------------------------------

OUTSIDE = ("anonymous", "deactivated")
SIGNED_IN = ("nobody", "olga", "vera", "max", "mona", "hana", "ada")
PERSONAS = OUTSIDE + SIGNED_IN


@dataclass(frozen=True)
class Rule:
    """Whom a route is for. ``ok`` names the objects a person gets; all others are absent for her."""

    ok: Mapping[str, frozenset[str]]
    objects: str = "page"  # the kind of object in the address; see World.objects
    forbidden: frozenset[str] = frozenset()
    public: bool = False

    def of(self, kind: str) -> Rule:
        return Rule(ok=self.ok, objects=kind, forbidden=self.forbidden, public=self.public)

    def expects(self, persona: str, name: str) -> str:
        if persona in OUTSIDE:
            return "ok" if self.public else "login"
        if persona in self.forbidden:
            return "forbidden"
        return "ok" if name in self.ok.get(persona, ()) else "absent"


def rule(forbidden: tuple[str, ...] = (), public: bool = False, **ok: str) -> Rule:
    return Rule(
        {who: frozenset(names.split()) for who, names in ok.items()}, forbidden=frozenset(forbidden), public=public
    )


def for_all(names: str, **more: Any) -> Rule:
    return rule(**dict.fromkeys(SIGNED_IN, names), **more)


EVERYBODY = for_all("page")
PUBLIC = for_all("page", public=True)
CAPTURERS = rule(forbidden=("nobody", "olga", "vera"), **dict.fromkeys(("max", "mona", "hana", "ada"), "page"))
ADMINS = rule(forbidden=tuple(set(SIGNED_IN) - {"ada"}), ada="page there")

# vera: viewer of Northfield; max: member of Accounts below it; mona: manager of Northfield; hana: manager of
# Hengyue; olga: no role, but owns "accounts" and "hidden". "above" is Northfield's own, "secret" is a confidential
# risk of Accounts and "hidden" one of Hengyue; "binned" was one of Accounts.
_WORKS = {
    "max": "accounts",
    "mona": "accounts above secret",
    "hana": "hengyue hidden",
    "olga": "accounts hidden",
    "ada": "accounts above secret hengyue hidden",
}
SEES = rule(vera="accounts above", **_WORKS)
WORKS = rule(**_WORKS)
ACTS = rule(vera="accounts above", **_WORKS)  # the actions are vera's: she moves on those she sees
DELETES = rule(mona="accounts above secret", hana="hengyue hidden", ada="accounts above secret hengyue hidden")
RESTORES = rule(mona="binned", ada="binned")
TRIAGES = rule(max="accounts", mona="accounts", hana="hengyue", ada="accounts hengyue")
# What a team's risks come to together is for whoever looks at the team, confidential ones included.
TOTALS = rule(vera="accounts northfield", max="accounts", mona="accounts northfield", hana="hengyue",
              ada="accounts northfield hengyue everything")  # fmt: skip
FORECASTERS = rule(forbidden=("nobody", "olga"), **dict.fromkeys(("vera", "max", "mona", "hana", "ada"), "page"))
KEEPS = rule(max="accounts", mona="accounts", hana="hengyue", ada="accounts hengyue")
LOOKS = rule(vera="accounts", max="accounts", mona="accounts", hana="hengyue", ada="accounts hengyue")
MINE = for_all("mine")  # what is addressed to one person is for nobody else, not even for administrators
STARTED = rule(**{**dict.fromkeys(SIGNED_IN, "mine"), "ada": "mine theirs"})
# An import works with the rights of whoever uploaded it, so it ends with them.
IMPORTS = rule(max="mine", mona="mine", hana="mine", ada="mine theirs")

RULES: dict[tuple[str, str], Rule] = {
    ("accounts:login", "GET"): PUBLIC,
    ("accounts:login", "POST"): PUBLIC,
    ("accounts:logout", "POST"): EVERYBODY,
    ("accounts:profile", "GET"): EVERYBODY,
    ("accounts:profile", "POST"): EVERYBODY,
    ("accounts:password", "GET"): EVERYBODY,
    ("accounts:password", "POST"): EVERYBODY,
    ("accounts:password_changed", "GET"): EVERYBODY,
    ("accounts:tokens", "GET"): EVERYBODY,
    ("accounts:add_token", "GET"): EVERYBODY,
    ("accounts:add_token", "POST"): EVERYBODY,
    ("accounts:revoke_token", "POST"): MINE.of("token"),
    ("accounts:people", "GET"): ADMINS,
    ("accounts:add_person", "GET"): ADMINS,
    ("accounts:add_person", "POST"): ADMINS,
    ("accounts:edit_person", "GET"): ADMINS.of("person"),
    ("accounts:edit_person", "POST"): ADMINS.of("person"),
    ("accounts:teams", "GET"): ADMINS,
    ("accounts:add_team", "GET"): ADMINS,
    ("accounts:add_team", "POST"): ADMINS,
    ("accounts:edit_team", "GET"): ADMINS.of("team"),
    ("accounts:edit_team", "POST"): ADMINS.of("team"),
    ("accounts:delete_team", "POST"): ADMINS.of("team"),
    ("accounts:give_role", "POST"): ADMINS.of("team"),
    ("accounts:take_role", "POST"): ADMINS.of("membership"),
    ("assessments:assess", "GET"): WORKS.of("risk"),
    ("assessments:assess", "POST"): WORKS.of("risk"),
    ("assessments:preview", "POST"): WORKS.of("risk"),
    ("assessments:panel", "GET"): SEES.of("risk"),
    ("assessments:base_rate", "GET"): WORKS.of("risk"),
    ("assessments:ask", "GET"): WORKS.of("risk"),
    ("assessments:ask", "POST"): WORKS.of("risk"),
    ("assessments:elicitation", "GET"): SEES.of("elicitation"),
    ("assessments:elicitation", "POST"): WORKS.of("elicitation"),  # all who may work on the risk are asked
    ("assessments:withdraw_elicitation", "POST"): WORKS.of("elicitation"),
    ("assessments:pool_elicitation", "POST"): WORKS.of("answered"),
    ("assessments:methods", "GET"): ADMINS,
    ("assessments:method", "GET"): ADMINS.of("method"),
    ("assessments:new_method", "POST"): ADMINS,
    ("assessments:edit_method", "GET"): ADMINS.of("draft"),
    ("assessments:edit_method", "POST"): ADMINS.of("draft"),
    ("assessments:check_method", "POST"): ADMINS.of("draft"),
    ("assessments:discard_method", "POST"): ADMINS.of("draft"),
    ("assessments:rescoring", "GET"): EVERYBODY,
    ("assessments:to_reassess", "GET"): EVERYBODY,
    ("health", "GET"): PUBLIC,
    ("health_work", "GET"): PUBLIC,
    ("jobs:operations", "GET"): ADMINS,
    ("jobs:run_now", "POST"): ADMINS.of("recurring"),
    ("jobs:retry", "POST"): ADMINS.of("dead_job"),
    ("jobs:progress", "GET"): STARTED.of("job"),
    ("mail:inbox", "GET"): EVERYBODY,
    ("mail:show", "GET"): MINE.of("message"),
    ("mail:html", "GET"): MINE.of("message"),
    ("monitoring:today", "GET"): EVERYBODY,
    ("monitoring:heat_map", "GET"): EVERYBODY,
    ("monitoring:flags", "GET"): EVERYBODY,
    ("monitoring:flag", "GET"): SEES.of("flag"),
    ("monitoring:answer_flag", "POST"): WORKS.of("flag"),
    ("monitoring:alerts", "GET"): EVERYBODY,
    ("monitoring:arm", "POST"): WORKS.of("contingency"),
    ("monitoring:indicators", "GET"): EVERYBODY,
    ("monitoring:add_indicator", "GET"): CAPTURERS,
    ("monitoring:add_indicator", "POST"): CAPTURERS,
    ("monitoring:import_readings", "GET"): CAPTURERS,
    ("monitoring:import_readings", "POST"): CAPTURERS,
    ("monitoring:indicator", "GET"): LOOKS.of("indicator"),
    ("monitoring:edit_indicator", "GET"): KEEPS.of("indicator"),
    ("monitoring:edit_indicator", "POST"): KEEPS.of("indicator"),
    ("monitoring:archive_indicator", "POST"): KEEPS.of("indicator"),
    ("monitoring:add_reading", "POST"): KEEPS.of("indicator"),
    ("monitoring:tie", "POST"): KEEPS.of("indicator"),
    ("monitoring:arm_at_limit", "POST"): KEEPS.of("indicator"),
    ("monitoring:never_arm", "POST"): WORKS.of("arming"),
    ("monitoring:delete_reading", "POST"): KEEPS.of("reading"),
    ("monitoring:tie_risk", "POST"): WORKS.of("risk"),
    ("monitoring:untie", "POST"): WORKS.of("tie"),
    ("monitoring:move_review", "POST"): WORKS.of("risk"),
    ("monitoring:notices", "GET"): EVERYBODY,
    ("monitoring:read_notices", "POST"): EVERYBODY,
    ("monitoring:preferences", "GET"): EVERYBODY,
    ("monitoring:preferences", "POST"): EVERYBODY,
    ("monitoring:add_channel", "POST"): EVERYBODY,
    ("monitoring:try_channel", "POST"): MINE.of("channel"),
    ("monitoring:delete_channel", "POST"): MINE.of("channel"),
    ("monitoring:webhooks", "GET"): ADMINS,
    ("monitoring:add_webhook", "GET"): ADMINS,
    ("monitoring:add_webhook", "POST"): ADMINS,
    ("monitoring:edit_webhook", "GET"): ADMINS.of("webhook"),
    ("monitoring:edit_webhook", "POST"): ADMINS.of("webhook"),
    ("monitoring:try_webhook", "POST"): ADMINS.of("webhook"),
    ("monitoring:delete_webhook", "POST"): ADMINS.of("webhook"),
    ("monitoring:reviews", "GET"): EVERYBODY,
    ("monitoring:confirm_review", "POST"): WORKS.of("risk"),
    ("monitoring:panel", "GET"): SEES.of("risk"),
    ("monitoring:my_digest", "GET"): EVERYBODY,
    ("monitoring:my_digest", "POST"): EVERYBODY,
    ("monitoring:send_digest_now", "POST"): EVERYBODY,
    ("monitoring:digest", "GET"): MINE.of("digest"),
    ("monitoring:what_if", "GET"): ADMINS.of("version"),
    ("monitoring:what_if_changes", "GET"): ADMINS.of("version"),
    ("monitoring:schedule_method", "POST"): ADMINS.of("draft"),
    ("monitoring:unschedule_method", "POST"): ADMINS.of("version"),
    ("monitoring:forecasts", "GET"): EVERYBODY,
    ("monitoring:forecasts", "POST"): FORECASTERS,
    ("monitoring:forecast", "GET"): TOTALS.of("forecast"),
    ("monitoring:targets", "GET"): ADMINS,
    ("monitoring:add_target", "GET"): ADMINS,
    ("monitoring:add_target", "POST"): ADMINS,
    ("monitoring:edit_target", "GET"): ADMINS.of("target"),
    ("monitoring:edit_target", "POST"): ADMINS.of("target"),
    ("monitoring:delete_target", "POST"): ADMINS.of("target"),
    ("monitoring:settings", "GET"): ADMINS,
    ("monitoring:settings", "POST"): ADMINS,
    ("responses:panel", "GET"): SEES.of("risk"),
    ("responses:new", "GET"): WORKS.of("risk"),
    ("responses:new", "POST"): WORKS.of("risk"),
    ("responses:playbooks", "GET"): WORKS.of("risk"),
    ("responses:use_playbook", "POST"): WORKS.of("playbook"),
    ("responses:accept", "GET"): WORKS.of("risk"),
    ("responses:accept", "POST"): WORKS.of("risk"),
    ("responses:edit", "GET"): WORKS.of("response"),
    ("responses:edit", "POST"): WORKS.of("response"),
    ("responses:withdraw", "POST"): WORKS.of("response"),
    ("responses:restore", "POST"): WORKS.of("response"),
    ("responses:set_status", "POST"): ACTS.of("action"),
    ("responses:revoke", "POST"): WORKS.of("acceptance"),
    ("risks:register", "GET"): EVERYBODY,
    ("risks:capture", "POST"): CAPTURERS,
    ("risks:duplicates", "GET"): EVERYBODY,
    ("risks:export", "GET"): for_all("csv xlsx").of("export"),
    ("risks:views", "GET"): EVERYBODY,
    ("risks:add_view", "GET"): EVERYBODY,
    ("risks:add_view", "POST"): EVERYBODY,
    ("risks:edit_view", "GET"): MINE.of("view"),
    ("risks:edit_view", "POST"): MINE.of("view"),
    ("risks:delete_view", "POST"): MINE.of("view"),
    ("risks:new", "GET"): CAPTURERS,
    ("risks:new", "POST"): CAPTURERS,
    ("risks:bin", "GET"): EVERYBODY,
    ("risks:show", "GET"): SEES.of("risk"),
    ("risks:edit", "GET"): WORKS.of("risk"),
    ("risks:edit", "POST"): WORKS.of("risk"),
    ("risks:close", "GET"): WORKS.of("risk"),
    ("risks:close", "POST"): WORKS.of("risk"),
    ("risks:reopen", "POST"): WORKS.of("risk"),
    ("risks:delete", "POST"): DELETES.of("risk"),
    ("risks:restore", "POST"): RESTORES.of("risk"),
    ("risks:history", "GET"): SEES.of("risk"),
    ("risks:inbox", "GET"): EVERYBODY,
    ("risks:new_observation", "GET"): CAPTURERS,
    ("risks:new_observation", "POST"): CAPTURERS,
    ("risks:link", "GET"): TRIAGES.of("waiting"),
    ("risks:link", "POST"): TRIAGES.of("waiting"),
    ("risks:unlink", "POST"): WORKS.of("linked"),
    ("risks:dismiss", "POST"): TRIAGES.of("waiting"),
    ("risks:take_back", "POST"): TRIAGES.of("dismissed"),
    ("risks:import", "GET"): CAPTURERS,
    ("risks:import", "POST"): CAPTURERS,
    ("risks:import_show", "GET"): IMPORTS.of("import"),
    ("risks:import_columns", "GET"): IMPORTS.of("import"),
    ("risks:import_columns", "POST"): IMPORTS.of("import"),
    ("risks:import_apply", "POST"): IMPORTS.of("import"),
    ("risks:import_undo", "POST"): IMPORTS.of("finished_import"),
    ("risks:import_discard", "POST"): IMPORTS.of("import"),
    ("risks:customers", "GET"): EVERYBODY,
    ("risks:edit_customer", "GET"): KEEPS.of("customer"),
    ("risks:edit_customer", "POST"): KEEPS.of("customer"),
    ("risks:categories", "GET"): ADMINS,
    ("risks:add_category", "GET"): ADMINS,
    ("risks:add_category", "POST"): ADMINS,
    ("risks:edit_category", "GET"): ADMINS.of("category"),
    ("risks:edit_category", "POST"): ADMINS.of("category"),
}

# The address or a header of these carries its own permission: tests/monitoring/test_mail_links.py and test_api.py.
BY_TOKEN = {
    "monitoring:answer_review", "monitoring:unsubscribe", "monitoring:api_indicators", "monitoring:api_readings",
}  # fmt: skip
WRITES_ON_GET = {"mail:show"}  # opening a mail marks it as read
POST_ANSWERS_PAGE = {"accounts:add_token", "assessments:preview", "assessments:check_method"}

# --- the world -------------------------------------------------------------------------------------------

# One word per risk stands in the title and in everything that hangs on the risk, so that a leak is a word on a page.
WORDS = {
    "accounts": "amberwing",
    "above": "jonquil",
    "secret": "basaltic",
    "hengyue": "cobaltine",
    "hidden": "doradofish",
    "binned": "embermoss",
}
LEVELS = {"accounts": (3, 3), "above": (2, 4), "secret": (5, 5), "hengyue": (4, 2), "hidden": (1, 5), "binned": (3, 3)}
OBSERVATION_WORDS = {"accounts": "fennelseed", "hengyue": "garnetine"}
OBSERVATIONS_SEEN = {
    "vera": ["accounts"],
    "max": ["accounts"],
    "mona": ["accounts"],
    "hana": ["hengyue"],
    "ada": ["accounts", "hengyue"],
}
FORECASTS = ("accounts", "northfield", "hengyue", "everything")
ABSENT = {"absent": (999_999_999,), "enormous": (10**30,)}


@dataclass
class World:
    """Two companies and one of everything in each; built once for all tests of a module and never committed."""

    people: dict[str, User]
    teams: dict[str, Team]
    risks: dict[str, Risk]
    kinds: dict[str, dict[str, tuple[Any, ...]]]
    own: dict[str, dict[str, tuple[Any, ...]]]  # kind -> persona -> arguments of her own
    category: Category
    sessions: dict[str, str] = field(default_factory=dict)
    handlers: dict[bool, ClientHandler] = field(default_factory=dict)

    def objects(self, kind: str, persona: str) -> dict[str, tuple[Any, ...]]:
        """Names of the objects of a kind, as this person sees them, with the arguments of the address."""
        if kind in self.own:
            own = self.own[kind]
            objects = {"mine": own.get(persona, own["bystander"]), "theirs": own["bystander"], **ABSENT}
        else:
            objects = self.kinds[kind]
        # Where the answer cannot depend on the object, two of them are enough, and one reader for silly ids.
        if persona in OUTSIDE:
            return dict(list(objects.items())[:2])
        return {name: args for name, args in objects.items() if persona == "ada" or name != "enormous"}

    def client(self, persona: str, *, csrf: bool = False) -> Client:
        client = Client()
        # One handler for all clients: setting up the middleware costs more than a request.
        client.handler = self.handlers.setdefault(csrf, ClientHandler(enforce_csrf_checks=csrf))
        if persona in self.sessions:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.sessions[persona]
        return client

    def team_of(self, persona: str) -> Team:
        return self.teams["hengyue" if persona == "hana" else "accounts"]


def build_world() -> World:
    northfield = save_team(name="Northfield", parent=None)
    teams = {
        "northfield": northfield,
        "accounts": save_team(name="Accounts", parent=northfield),
        "hengyue": save_team(name="Hengyue", parent=None),
        "spare": save_team(name="Spare", parent=None),
    }
    names = ("deactivated", *SIGNED_IN, "bystander")
    people = {
        name: User.objects.create_user(
            name, f"{name}@example.com", "password", first_name=name.title(), is_admin=name == "ada"
        )
        for name in names
    }
    set_role(user=people["mona"], team=northfield, role="manager")
    set_role(user=people["vera"], team=northfield, role="viewer")
    set_role(user=people["max"], team=teams["accounts"], role="member")
    set_role(user=people["hana"], team=teams["hengyue"], role="manager")
    set_role(user=people["deactivated"], team=northfield, role="manager")
    spare_role = set_role(user=people["bystander"], team=teams["spare"], role="viewer")

    category = Category.objects.get(key="competitor")
    of_risk = {
        "accounts": (teams["accounts"], people["olga"], False),
        "above": (northfield, None, False),
        "secret": (teams["accounts"], people["mona"], True),
        "hengyue": (teams["hengyue"], people["hana"], False),
        "hidden": (teams["hengyue"], people["olga"], True),
        "binned": (teams["accounts"], people["olga"], False),
    }
    risks = {
        name: _risk(name, team=team, owner=owner, confidential=confidential, category=category)
        for name, (team, owner, confidential) in of_risk.items()
    }
    indicators = {name: _indicator(teams[name], people["ada"]) for name in ("accounts", "hengyue")}
    hangs = {
        name: _hang_on(
            risk,
            WORDS[name],
            doer=people["vera"],
            indicator=indicators["hengyue" if risk.team == teams["hengyue"] else "accounts"],
        )
        for name, risk in risks.items()
    }
    delete_risk(risk=risks["binned"])
    CoverSheet.objects.update(review_due=timezone.localdate() - dt.timedelta(days=3))
    # Unassessed and closed ones, so that totals have something to leave out.
    capture_risk(by=people["max"], team=teams["accounts"], title="Not assessed", category=category, at=timezone.now())
    closed = {"status": "closed", "outcome": "occurred", "closed_on": timezone.localdate()}
    capture_risk(by=people["max"], team=teams["accounts"], title="Over", category=category, at=timezone.now(), **closed)

    active = Method.objects.get(state="active")
    draft = draft_from(source=active, by=people["ada"], at=timezone.now())
    playbook = Playbook.objects.filter(category=category).first()
    assert playbook is not None
    by_risk = {
        kind: {name: (hung[kind].pk,) for name, hung in hangs.items()} | ABSENT
        for kind in ("flag", "response", "action", "acceptance", "linked", "contingency", "arming", "tie")
    }
    asked = {
        kind: {name: (_asked(name, *of_risk[name], category=category, is_over=is_over).pk,) for name in WORDS} | ABSENT
        for kind, is_over in (("elicitation", False), ("answered", True))
    }
    waiting = {team: _observation(teams[team], word) for team, word in OBSERVATION_WORDS.items()}
    dismissed = {
        team: _observation(teams[team], word, dismissed_at=timezone.now()) for team, word in OBSERVATION_WORDS.items()
    }
    world = World(
        people=people,
        teams=teams,
        risks=risks,
        category=category,
        kinds={
            "page": {"page": ()},
            "risk": {name: (risk.pk,) for name, risk in risks.items()} | ABSENT,
            "playbook": {name: (risk.pk, playbook.pk) for name, risk in risks.items()}
            | {"absent": (risks["accounts"].pk, 999_999_999), "enormous": (10**30, playbook.pk)},
            **by_risk,
            **asked,
            "waiting": {team: (o.pk,) for team, o in waiting.items()}
            | {"linked": by_risk["linked"]["accounts"], "dismissed": (dismissed["accounts"].pk,)}
            | ABSENT,
            "dismissed": {team: (o.pk,) for team, o in dismissed.items()}
            | {"waiting": (waiting["accounts"].pk,)}
            | ABSENT,
            "export": {"csv": ("csv",), "xlsx": ("xlsx",), "absent": ("exe",)},
            "forecast": {name: (_forecast(teams.get(name)).pk,) for name in FORECASTS} | ABSENT,
            "indicator": {name: (one.pk,) for name, one in indicators.items()} | ABSENT,
            "reading": {name: (one.readings.get().pk,) for name, one in indicators.items()} | ABSENT,
            "webhook": {
                "there": (Webhook.objects.create(name="Hook", url="https://127.0.0.1/hook", secret=new_secret()).pk,),
                **ABSENT,
            },
            "target": {"there": (_target().pk,), **ABSENT},
            "customer": {
                name: (Customer.objects.create(name=f"Customer of {name}", team=teams[name]).pk,)
                for name in ("accounts", "hengyue")
            }
            | ABSENT,
            "person": {"there": (people["bystander"].pk,), **ABSENT},
            "team": {"there": (teams["spare"].pk,), **ABSENT},
            "membership": {"there": (spare_role.pk,), **ABSENT},
            "category": {"there": (category.pk,), **ABSENT},
            "method": {"there": (active.pk,), **ABSENT},
            "draft": {"there": (draft.pk,), "absent": (active.pk,), "enormous": (10**30,)},
            "version": {"there": (draft.pk,), **ABSENT},
            "recurring": {"there": ("rescore",), "absent": ("nothing",)},
            "dead_job": {"there": (_job(people["bystander"], state="dead", finished_at=timezone.now()).pk,), **ABSENT},
        },
        own={
            kind: {} for kind in ("message", "digest", "job", "import", "finished_import", "token", "channel", "view")
        },
    )
    for name in (*SIGNED_IN, "bystander"):
        _belongings(world, name)
    for name in ("deactivated", *SIGNED_IN):
        client = Client()
        client.force_login(people[name])
        world.sessions[name] = client.cookies[settings.SESSION_COOKIE_NAME].value
    User.objects.filter(username="deactivated").update(is_active=False)
    return world


def _risk(name: str, *, category: Category, **fields: Any) -> Risk:
    word, at = WORDS[name], timezone.now()
    risk = capture_risk(by=None, title=f"The {word} case", category=category, tags=[word], at=at, cause=word, **fields)
    likelihood, financial = LEVELS[name]
    judgement = Judgement(risk.pk, likelihood, {"financial": financial}, "expert", word, at.date())
    assess_risk(risk=risk, by=None, judgement=judgement, at=at)
    return risk


def _asked(
    name: str, team: Team, owner: User | None, confidential: bool, *, category: Category, is_over: bool
) -> Elicitation:
    """A request for opinions on another risk of the kind, to all who may judge it; one has answered."""
    word, now = WORDS[name], timezone.now()
    fields = {"team": team, "owner": owner, "confidential": confidential, "category": category}
    risk = capture_risk(by=None, title=f"The {word} case, asked", at=now, **fields)
    people = list(access.people_who_may_edit(risk))
    asked = elicitation.ask(
        risk=risk, people=people, question=word, answer_by=now + dt.timedelta(days=1), by=people[0], at=now
    )
    elicitation.answer(elicitation=asked, by=people[0], likelihood=3, money=3, because=word, at=now)
    if is_over:
        Elicitation.objects.filter(pk=asked.pk).update(answer_by=now)
    if name == "binned":
        delete_risk(risk=risk)
    return asked


def _indicator(team: Team, owner: User) -> Indicator:
    now = timezone.now()
    made = Indicator.objects.create(
        name=f"Satisfaction of {team}", measure="satisfaction", team=team, owner=owner, warning=4, limit=2,
        current_at=now, current_value=3,
    )  # fmt: skip
    Reading.objects.create(indicator=made, at=now, value=3, recorded_at=now)
    return made


def _hang_on(risk: Risk, word: str, *, doer: User, indicator: Indicator) -> dict[str, Any]:
    now, today = timezone.now(), timezone.localdate()
    entry = ScoreEntry.objects.filter(risk=risk).latest("pk")
    moved = {"since": today, "before": 20, "after": 60, "strength": 12, "risk": risk, "raised_at": now}
    DriftFlag.objects.create(
        from_entry=entry.pk - 1, state="confirmed", note=word, answered_at=now, answered_by=doer, **moved
    )
    Review.objects.create(risk=risk, because=word)
    LimitAlert.objects.get_or_create(risk=risk, defaults={"kind": "appetite", "at": now, "value": 60})
    event = Event.objects.create(
        kind="appetite", key=f"appetite:{word}", severity=3, risk=risk, at=now, details={"score": 60}
    )
    Notice.objects.bulk_create(Notice(event=event, user=user, created_at=now) for user in User.objects.all())
    contingency = Response.objects.create(risk=risk, kind="contingency", title=f"In case of {word}")
    response = Response.objects.create(risk=risk, kind="preventive", title=f"Answer to {word}", trigger=word)
    return {
        "contingency": contingency,
        "arming": ArmedBy.objects.create(response=contingency, indicator=indicator),
        "tie": Tie.objects.create(risk=risk, indicator=indicator),
        "flag": DriftFlag.objects.create(from_entry=entry.pk, **moved),
        "response": response,
        "action": Action.objects.create(response=response, title=f"Do {word}", owner=doer, due=today),
        "acceptance": Acceptance.objects.create(
            risk=risk, reason=word, accepted_on=today, expires_on=today + dt.timedelta(days=5)
        ),
        "linked": _observation(risk.team, word, risk=risk, linked_at=now, bearing=1),
    }


def _observation(team: Team, word: str, **fields: Any) -> Observation:
    return Observation.objects.create(kind="competitor", text=f"Somebody said {word}", team=team, **fields)


def _job(by: User, **fields: Any) -> Job:
    return Job.objects.create(kind="monitoring.tasks.rescore_all", created_by=by, **fields)


def _forecast(team: Team | None) -> Forecast:
    forecast = Forecast(team=team, years=200)
    forecast.result = portfolio.simulate(forecast, at=timezone.now(), progress=lambda done, total: None)
    forecast.save()
    return forecast


def _target() -> Target:
    year = timezone.localdate().year
    return Target.objects.create(
        name="The year", starts_on=dt.date(year, 1, 1), ends_on=dt.date(year, 12, 31), amount=1, expected=2
    )


_SLACK = "https://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


def _belongings(world: World, name: str) -> None:
    user, now = world.people[name], timezone.now()
    mail = {"subject": "Hello", "text": "Hello", "message_id": f"<{name}>"}
    batches = [
        ImportBatch.objects.create(
            filename="risks.csv", team=world.team_of(name), created_by=user, header_row=1,
            table=[["Title"], ["Imported"]], mapping={"0": "title"}, options=Options().__dict__,
            counts={"read": 1, "create": 1, "update": 0, "skip": 0, "error": 0}, **state,
        )
        for state in ({"state": "ready"}, {"state": "done", "finished_at": now})
    ]  # fmt: skip
    ImportRow.objects.create(batch=batches[0], number=2, verdict="create", values={"title": "Imported"})
    made = {
        "message": LocalMessage.objects.create(to=user.email, html="<p>Hello</p>", at=now, **mail),
        "digest": Digest.objects.create(user=user, period="2026-W01", html="<p>Hello</p>", created_at=now, **mail),
        "job": _job(user),
        "channel": Channel.objects.create(user=user, service="slack", name="My chat", address=_SLACK),
        "token": tokens.create(user=user, name="Script", may_write=False, days=30, now=now)[0],
        "view": SavedView.objects.create(user=user, name="Mine", query="owner=me"),
        "import": batches[0],
        "finished_import": batches[1],
    }
    for kind, thing in made.items():
        world.own[kind][name] = (thing.pk,)


@contextmanager
def kept_for_module(blocker: Any) -> Iterator[None]:
    """A transaction around all tests of a module; each test's own is nested in it, and nothing is ever committed."""
    with blocker.unblock():
        around = transaction.atomic()
        around._from_testcase = True  # lets durable blocks be tested, as in Django's own TestCase
        around.__enter__()
    try:
        with blocker.unblock():
            savepoint = transaction.savepoint()
        yield
    finally:
        with blocker.unblock():
            transaction.savepoint_rollback(savepoint)
            transaction.set_rollback(True)
            around.__exit__(None, None, None)


@pytest.fixture(scope="module")
def module_world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    with kept_for_module(django_db_blocker):
        with django_db_blocker.unblock():
            world = build_world()
        yield world


@pytest.fixture
def world(module_world: World, db: None) -> World:
    return module_world


# --- valid data for every POST ---------------------------------------------------------------------------


def _form(**fields: Any) -> Callable[..., dict[str, Any]]:
    return lambda world, persona, name: dict(fields)


def _risk_fields(world: World, team: Team) -> dict[str, Any]:
    today = timezone.localdate().isoformat()
    return {
        "title": "A new one", "category": world.category.pk, "team": team.pk, "horizon_months": 12,
        "identified_on": today,
    }  # fmt: skip


def _edit_fields(world: World, persona: str, name: str) -> dict[str, Any]:
    risk = world.risks.get(name, world.risks["accounts"])
    return _risk_fields(world, risk.team) | {"version": risk.version}


def _indicator_fields(team: Team) -> dict[str, Any]:
    return {
        "name": "Newest", "measure": "nps", "team": team.pk, "direction": "lower", "warning": 4, "limit": 2,
        "stale_after_days": 30,
    }  # fmt: skip


def _link_fields(world: World, persona: str, name: str) -> dict[str, Any]:
    return {"risk": world.risks["hengyue" if persona == "hana" else "accounts"].pk, "bearing": 1}


def _observation_fields(world: World, persona: str, name: str) -> dict[str, Any]:
    today = timezone.localdate().isoformat()
    return {"kind": "market", "text": "Heard", "observed_on": today, "team": world.team_of(persona).pk}


def _upload_fields(world: World, persona: str, name: str) -> dict[str, Any]:
    return {"file": SimpleUploadedFile("r.csv", b"Title,Owner\nA risk,\n"), "team": world.team_of(persona).pk}


def _assessment(world: World, persona: str, name: str) -> dict[str, Any]:
    return {"likelihood": 2, "financial": 2, "basis": "expert", "assessed_on": timezone.localdate().isoformat()}


def _opinion(world: World, persona: str, name: str) -> dict[str, Any]:
    return {"likelihood": 2, "financial": 2, "because": "So I heard"}


def _ask_fields(world: World, persona: str, name: str) -> dict[str, Any]:
    tomorrow = (timezone.now() + dt.timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    other = {"accounts": "olga", "hengyue": "hana", "hidden": "olga"}.get(name, "mona") if persona == "ada" else "ada"
    return {"people": [world.people[other].pk], "answer_by": tomorrow}


def _draft_fields(world: World, persona: str, name: str) -> dict[str, Any]:
    edited_at = Method.objects.values_list("edited_at", flat=True).get(state="draft")
    return {"edited-at": str(edited_at), "note": "Not finished"}


_PROFILE = {"email": "", "language": "en", "time_zone": "UTC", "theme": "auto"}
_PASSWORDS = {"password1": "Kingfisher-Lagoon-42", "password2": "Kingfisher-Lagoon-42"}
_RESPONSE = {
    "kind": "preventive", "title": "A measure", "confidence": 80,
    "actions-TOTAL_FORMS": 0, "actions-INITIAL_FORMS": 0,
}  # fmt: skip
_ACTION = {
    "actions-TOTAL_FORMS": 1, "actions-0-title": "Do", "actions-0-status": "planned", "actions-0-cost": 0,
    "actions-0-effect": 20,
}  # fmt: skip
DATA: dict[str, Callable[[World, str, str], dict[str, Any]]] = {
    "accounts:login": _form(username="max", password="password"),
    "accounts:profile": _form(**_PROFILE),
    "accounts:password": _form(
        old_password="password", new_password1="Kingfisher-Lagoon-42", new_password2="Kingfisher-Lagoon-42"
    ),
    "accounts:add_token": _form(name="Script", days=30),
    "accounts:add_person": _form(username="newcomer", language="en", time_zone="UTC", **_PASSWORDS),
    "accounts:edit_person": _form(username="changed", language="en", time_zone="UTC", is_active="on"),
    "accounts:add_team": _form(name="Newest"),
    "accounts:edit_team": _form(name="Renamed"),
    "accounts:give_role": lambda world, persona, name: {"user": world.people["nobody"].pk, "role": "member"},
    "assessments:assess": _assessment,
    "assessments:preview": _assessment,
    "assessments:ask": _ask_fields,
    "assessments:elicitation": _opinion,
    "assessments:new_method": lambda world, persona, name: {"source": Method.objects.get(state="active").pk},
    "assessments:edit_method": _draft_fields,
    "monitoring:answer_flag": _form(state="false", note=""),
    "monitoring:confirm_review": _form(because="It is"),
    "monitoring:move_review": lambda world, persona, name: {"to": timezone.localdate().isoformat()},
    "monitoring:add_indicator": lambda world, persona, name: _indicator_fields(world.team_of(persona)),
    "monitoring:edit_indicator": lambda world, persona, name: _indicator_fields(
        world.teams.get(name, world.teams["accounts"])
    ),
    "monitoring:add_reading": _form(value="3.5"),
    "monitoring:tie": lambda world, persona, name: {
        "risk": world.risks["hengyue" if name == "hengyue" else "accounts"].reference, "ratio": 4,
    },
    "monitoring:tie_risk": lambda world, persona, name: {
        "indicator": world.kinds["indicator"]["hengyue" if persona == "hana" else "accounts"][0], "ratio": 4,
    },
    "monitoring:arm_at_limit": lambda world, persona, name: {
        "response": world.kinds["contingency"]["hengyue" if name == "hengyue" else "accounts"][0],
    },
    "monitoring:import_readings": lambda world, persona, name: {
        "file": SimpleUploadedFile(
            "r.csv",
            b"indicator,date,value\n%d,2026-01-05,4\n"
            % world.kinds["indicator"]["hengyue" if persona == "hana" else "accounts"][0],
        )
    },
    "monitoring:preferences": lambda world, persona, name: {
        f"{kind}_{medium}": 2 for kind in KINDS for medium in ("mail", "chat")
    },
    "monitoring:add_channel": _form(service="slack", name="Another", address=_SLACK),
    "monitoring:add_webhook": _form(name="Hook", url="https://93.184.215.14/hook", from_severity=2),
    "monitoring:edit_webhook": _form(name="Hook", url="https://93.184.215.14/hook", from_severity=2),
    "monitoring:my_digest": _form(active="on", cadence="weekly", hour=8, time_zone="UTC", scope="team", top=10),
    "monitoring:schedule_method": _form(at="now"),
    "monitoring:forecasts": lambda world, persona, name: {
        "team": world.team_of(persona).pk, "months": 12, "correlation": "0",
    },
    "monitoring:add_target": _form(name="T", starts_on="2027-01-01", ends_on="2027-12-31", amount=1, expected=2),
    "monitoring:edit_target": _form(name="T", starts_on="2027-01-01", ends_on="2027-12-31", amount=1, expected=2),
    "monitoring:settings": _form(false_flags_per_week=3, event_review_days=7, year_starts_in=1),
    "responses:new": _form(**_RESPONSE),
    "responses:edit": _form(**_RESPONSE),
    "responses:accept": lambda world, persona, name: {
        "reason": "Cheap",
        "until": (timezone.localdate() + dt.timedelta(days=30)).isoformat(),
    },
    "responses:set_status": _form(status="done"),
    "risks:capture": lambda world, persona, name: {
        "title": "A line", "category": world.category.pk, "team": world.team_of(persona).pk,
    },
    "risks:new": lambda world, persona, name: _risk_fields(world, world.team_of(persona)),
    "risks:edit": _edit_fields,
    "risks:close": lambda world, persona, name: {"outcome": "occurred", "closed_on": timezone.localdate().isoformat()},
    "risks:new_observation": _observation_fields,
    "risks:link": _link_fields,
    "risks:dismiss": _form(reason="Old"),
    "risks:import": _upload_fields,
    "risks:import_columns": _form(date_order="auto", fallback_category="process", column_0="title"),
    "risks:add_view": _form(name="Another view"),
    "risks:edit_view": _form(name="Another name"),
    "risks:edit_customer": _form(name="Another name", annual_revenue=5),
    "risks:add_category": _form(name_en="Newest", position=9),
    "risks:edit_category": _form(name_en="Renamed", position=9),
}  # fmt: skip
_NOTHING = _form()


@pytest.fixture(autouse=True)
def _no_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing leaves this machine; tests/monitoring/test_deliveries.py sends for real, to itself."""
    monkeypatch.setattr("monitoring.deliveries.send_chat", lambda channel, body: True)


# --- asking ----------------------------------------------------------------------------------------------


def routes() -> dict[str, URLPattern]:
    """Every route of the URL conf by its full name."""

    def walk(patterns: list[Any], namespace: str) -> Iterator[tuple[str, URLPattern]]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(
                    pattern.url_patterns, f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
                )
            else:
                yield f"{namespace}{pattern.name}", pattern

    return dict(walk(get_resolver().url_patterns, ""))


def methods_of(name: str) -> list[str]:
    return [method for method in ("GET", "POST") if (name, method) in RULES]


@dataclass
class Answer:
    response: HttpResponse
    writes: list[str]

    @property
    def outcome(self) -> str:
        status, to = self.response.status_code, self.response.headers.get("Location", "")
        if status == 302 and to.startswith(reverse("accounts:login") + "?next="):
            return "login"
        names = {200: "ok", 302: "ok", 409: "ok", 403: "forbidden", 404: "absent"}
        names[503] = "ok"  # a probe that says no is an answer
        return names.get(status, str(status))

    @property
    def text(self) -> str:
        """The page without what differs from one request to the next."""
        token = re.compile(r'(name="csrfmiddlewaretoken" value|name="csrf-token" content)="\w+"')
        return token.sub(r'\1=""', self.response.content.decode(errors="replace"))


def ask(
    client: Client, method: str, name: str, args: tuple[Any, ...] = (), *, data: Any = None, query: str = ""
) -> Answer:
    """One request whose effects are undone."""
    with transaction.atomic(), CaptureQueriesContext(connection) as captured:
        call = client.get if method == "GET" else client.post
        response = call(reverse(name, args=args) + query, data=data)
        transaction.set_rollback(True)
    writes = [q["sql"] for q in captured if q["sql"].startswith(("INSERT", "UPDATE", "DELETE", "REPLACE"))]
    return Answer(response, writes)


def words_seen(persona: str) -> set[str]:
    seen = {WORDS[name] for name in SEES.ok.get(persona, ())}
    return seen | {OBSERVATION_WORDS[team] for team in OBSERVATIONS_SEEN.get(persona, ())}


def leaked(text: str, persona: str, route: str = "") -> set[str]:
    """Words of risks and observations on a page whose reader may not see them. The bin shows what was deleted."""
    hidden = {*WORDS.values(), *OBSERVATION_WORDS.values()} - words_seen(persona)
    if route == "risks:bin" and "binned" in RESTORES.ok.get(persona, ()):
        hidden -= {WORDS["binned"]}
    return {word for word in hidden if word in text.lower()}


# --- the matrix ------------------------------------------------------------------------------------------


def test_every_route_declares_its_rule() -> None:
    assert {name for name, _method in RULES} | BY_TOKEN == set(routes())


def test_every_kind_of_post_has_its_data_and_no_other() -> None:
    assert {name for name in DATA if (name, "POST") not in RULES} == set()


@pytest.mark.parametrize("name", sorted(set(routes()) - BY_TOKEN))
def test_a_method_without_a_rule_is_not_allowed(name: str, world: World) -> None:
    rules = [RULES[name, method] for method in methods_of(name)]
    args = next(
        args
        for object_name, args in world.objects(rules[0].objects, "ada").items()
        if object_name in rules[0].ok["ada"]
    )
    for method in {"GET", "POST"} - set(methods_of(name)):
        answer = ask(world.client("ada"), method, name, args)
        assert (answer.response.status_code, answer.writes) == (405, [])


@pytest.mark.parametrize("persona", PERSONAS)
@pytest.mark.parametrize(("name", "method"), sorted(RULES), ids=lambda value: value.replace(":", "."))
def test_everybody_gets_what_the_rule_says(name: str, method: str, persona: str, world: World) -> None:
    declared = RULES[name, method]
    wrong, absent = [], []
    for object_name, args in world.objects(declared.objects, persona).items():
        data = DATA.get(name, _NOTHING)(world, persona, object_name) if method == "POST" else None
        answer = ask(world.client(persona), method, name, args, data=data)
        expected = declared.expects(persona, object_name)
        if answer.outcome != expected:
            wrong.append(f"{object_name}: {answer.response.status_code}, expected {expected}")
        elif expected == "ok":
            if method == "POST" and answer.response.status_code != 302 and name not in POST_ANSWERS_PAGE:
                wrong.append(f"{object_name}: the data of this test is refused")
            if words := leaked(answer.text, persona, name):
                wrong.append(f"{object_name}: shows {words}")
        if answer.writes and (expected != "ok" or (method == "GET" and name not in WRITES_ON_GET)):
            wrong.append(f"{object_name}: {expected}, and yet it wrote {answer.writes[0][:100]}")
        if answer.outcome == "absent":
            absent.append((object_name, answer))
    # Not to be seen and not to be there must be the same answer.
    for object_name, answer in absent[1:]:
        if answer.text != absent[0][1].text or answer.response.headers.keys() != absent[0][1].response.headers.keys():
            wrong.append(f"{object_name}: the page tells it from {absent[0][0]}")
    assert wrong == []


@pytest.mark.parametrize("name", sorted(name for name, method in RULES if method == "POST"))
def test_a_post_without_its_token_is_refused(name: str, world: World) -> None:
    declared = RULES[name, "POST"]
    for object_name, args in world.objects(declared.objects, "ada").items():
        client = world.client("ada", csrf=True)
        answer = ask(client, "POST", name, args, data=DATA.get(name, _NOTHING)(world, "ada", object_name))
        assert (object_name, answer.response.status_code, answer.writes) == (object_name, 403, [])


def test_a_post_with_its_token_is_taken(world: World) -> None:
    client = world.client("max", csrf=True)
    client.get(reverse("risks:register"))
    data = DATA["risks:capture"](world, "max", "page") | {"csrfmiddlewaretoken": client.cookies["csrftoken"].value}
    assert ask(client, "POST", "risks:capture", data=data).response.status_code == 302


# --- ids in the form instead of the address --------------------------------------------------------------


def _smuggled(world: World) -> dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]]:
    accounts, hengyue = world.risks["accounts"], world.teams["hengyue"]
    hana, waiting = world.people["hana"], world.kinds["waiting"]["accounts"]
    mine = _risk_fields(world, world.teams["accounts"])
    edit = _edit_fields(world, "max", "accounts")
    response = world.kinds["response"]["accounts"]
    cases: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
        "capture into another team": ("risks:capture", (), DATA["risks:capture"](world, "hana", "page")),
        "new risk in another team": ("risks:new", (), mine | {"team": hengyue.pk}),
        "new risk in the team above": ("risks:new", (), mine | {"team": world.teams["northfield"].pk}),
        "new risk of a stranger": ("risks:new", (), mine | {"owner": hana.pk}),
        "move to another team": ("risks:edit", (accounts.pk,), edit | {"team": hengyue.pk}),
        "give to a stranger": ("risks:edit", (accounts.pk,), edit | {"owner": hana.pk}),
        "observation in another team": ("risks:new_observation", (), _observation_fields(world, "hana", "page")),
        "import into another team": ("risks:import", (), _upload_fields(world, "hana", "page")),
        "action of a stranger": ("responses:edit", response, {**_RESPONSE, **_ACTION, "actions-0-owner": hana.pk}),
    }
    for name in ("above", "secret", "hengyue", "hidden", "binned"):
        cases[f"link to the {name} risk"] = ("risks:link", waiting, {"risk": world.risks[name].pk, "bearing": 1})
    return cases


SMUGGLED = [
    "capture into another team", "new risk in another team", "new risk in the team above", "new risk of a stranger",
    "move to another team", "give to a stranger", "observation in another team", "import into another team",
    "action of a stranger", "link to the above risk", "link to the secret risk", "link to the hengyue risk",
    "link to the hidden risk", "link to the binned risk",
]  # fmt: skip


@pytest.mark.parametrize("case", SMUGGLED)
def test_an_id_out_of_reach_in_a_form_is_refused(case: str, world: World) -> None:
    cases = _smuggled(world)
    assert sorted(cases) == sorted(SMUGGLED)
    name, args, data = cases[case]
    answer = ask(world.client("max"), "POST", name, args, data=data)
    assert (answer.writes, answer.response.status_code) == ([], 302 if name == "risks:capture" else 200)
    assert leaked(answer.text, "max") == set()


@pytest.mark.parametrize("more", [{}, {"actions-0-DELETE": "on"}], ids=["changed", "deleted"])
@pytest.mark.parametrize("risk", ["above", "secret", "hengyue", "hidden", "binned"])
def test_an_action_of_another_risk_is_not_touched_through_ones_own_response(
    risk: str, more: dict[str, str], world: World
) -> None:
    actions = Action.objects.filter(pk=world.kinds["action"][risk][0])
    before = actions.values().get()
    row = {**_RESPONSE, **_ACTION, **more, "actions-INITIAL_FORMS": 1, "actions-0-id": before["id"]}
    (response,) = world.kinds["response"]["accounts"]
    world.client("max").post(reverse("responses:edit", args=[response]), row)
    assert actions.values().get() == before


@pytest.mark.parametrize("persona", ["max", "mona", "vera", "olga", "nobody"])
def test_an_observation_out_of_reach_cannot_be_made_a_risk(persona: str, world: World) -> None:
    (pk,) = world.kinds["waiting"]["hengyue"]
    answer = ask(world.client(persona), "GET", "risks:new", query=f"?observation={pk}")
    absent = ask(world.client(persona), "GET", "risks:new", query="?observation=999999999")
    assert answer.outcome == RULES["risks:new", "GET"].expects(persona, "nothing")
    assert answer.text == absent.text


def test_nobody_makes_herself_an_administrator(world: World) -> None:
    max_ = world.people["max"]
    with transaction.atomic():
        more = {"is_admin": "on", "is_staff": "on", "is_superuser": "on", "username": "root"}
        world.client("max").post(reverse("accounts:profile"), {**_PROFILE, "first_name": "Changed", **more})
        changed = User.objects.get(pk=max_.pk)
        assert (changed.first_name, changed.username) == ("Changed", "max")
        assert (changed.is_admin, changed.is_staff, changed.is_superuser) == (False, False, False)
        transaction.set_rollback(True)


def test_only_administrators_let_an_import_make_categories(world: World) -> None:
    (pk,) = world.own["import"]["max"]
    data = {**DATA["risks:import_columns"](world, "max", "mine"), "create_categories": "on"}
    world.client("max").post(reverse("risks:import_columns", args=[pk]), data)
    assert ImportBatch.objects.get(pk=pk).options["create_categories"] is False


def test_a_role_taken_away_holds_from_the_next_request(world: World) -> None:
    address = reverse("risks:show", args=[world.risks["accounts"].pk])
    client = world.client("max")
    assert client.get(address).status_code == 200
    Membership.objects.filter(user=world.people["max"]).delete()
    assert client.get(address).status_code == 404


# --- lists, totals and drill-downs -----------------------------------------------------------------------

DRILL_DOWNS: dict[str, list[str]] = {
    "risks:register": ["?status=all", "?status=closed", "?state=drifting", "?state=review", "?state=unassessed"]
    + ["?owner=me", "?owner=none", "?band=1", "?sort=title", "?sort=-number", "?page=2"]
    + [f"?q={word}&status=all" for word in WORDS.values()]
    + [f"?tag={word}" for word in WORDS.values()]
    + [f"?likelihood={likelihood}&impact={impact}" for likelihood, impact in LEVELS.values()],
    "risks:duplicates": [f"?title=The+{word}+case" for word in WORDS.values()],
    "risks:inbox": ["?show=waiting", "?show=linked", "?show=dismissed"],
    "monitoring:flags": ["?show=open", "?show=answered"],
    "monitoring:reviews": ["?when=due", "?when=soon"],
    "monitoring:heat_map": ["?team=1", "?team=2", "?team=3"],
}


def _exported(world: World, persona: str, query: str = "") -> list[list[str]]:
    response = world.client(persona).get(reverse("risks:export", args=["xlsx"]) + query)
    sheet = openpyxl.load_workbook(io.BytesIO(response.content)).worksheets[0]
    return [["" if cell is None else str(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]


@pytest.mark.parametrize("persona", SIGNED_IN)
@pytest.mark.parametrize("name", sorted(DRILL_DOWNS))
def test_no_list_tells_of_a_risk_one_may_not_see(name: str, persona: str, world: World) -> None:
    found = {}
    for query in DRILL_DOWNS[name]:
        response = world.client(persona).get(reverse(name) + query)
        text = response.content.decode()
        # What was typed may stand in its field again.
        typed = {word for word in (*WORDS.values(), *OBSERVATION_WORDS.values()) if word in query}
        text = (
            text
            if not typed
            else re.sub(r'value="[^"]*"|href="\?[^"]*"|hx-get="\?[^"]*"|export/\w+/\?[^"]*|views/new/\?[^"]*', "", text)
        )
        if words := leaked(text, persona):
            found[query] = words
    assert found == {}


@pytest.mark.parametrize("persona", SIGNED_IN)
def test_the_exports_hold_what_the_register_shows(persona: str, world: World) -> None:
    csv = world.client(persona).get(reverse("risks:export", args=["csv"]) + "?status=all").content.decode("utf-8-sig")
    xlsx = "\n".join("\t".join(row) for row in _exported(world, persona, "?status=all"))
    risk_words = {WORDS[name] for name in SEES.ok.get(persona, ())}
    for text in (csv, xlsx):
        assert leaked(text, persona) == set()
        assert {word for word in risk_words if f"The {word} case" in text} == risk_words


@pytest.mark.parametrize("persona", SIGNED_IN)
def test_the_register_shows_every_risk_one_may_see(persona: str, world: World) -> None:
    text = world.client(persona).get(reverse("risks:register")).content.decode()
    assert {name for name, word in WORDS.items() if word in text} == set(SEES.ok.get(persona, ()))


@pytest.mark.parametrize("team", ["", "northfield", "accounts", "hengyue"])
@pytest.mark.parametrize("persona", SIGNED_IN)
def test_totals_and_drill_downs_agree_with_the_register(persona: str, team: str, world: World) -> None:
    client = world.client(persona)
    narrowed = f"&team={world.teams[team].pk}" if team else ""

    def count(query: str) -> int:
        return client.get(f"{reverse('risks:register')}?{query}{narrowed}").context["page"].paginator.count

    heat = client.get(f"{reverse('monitoring:heat_map')}?{narrowed}").context
    cells = [cell for row in heat["map"] for cell in row]
    assert sum(cell.risks for cell in cells) == count("") - count("state=unassessed")
    assert heat["unassessed"] == count("state=unassessed")
    for cell in cells:
        if cell.risks or cell.likelihood == cell.impact:
            assert cell.risks == count(f"likelihood={cell.likelihood}&impact={cell.impact}")
    if not team:
        today = client.get(reverse("monitoring:today")).context
        assert today["totals"]["risks"] == count("")
        assert today["totals"]["assessed"] == sum(cell.risks for cell in cells)
        assert {band.position: n for band, n in today["by_band"]} == {
            band.position: count(f"band={band.position}") for band in today["bands"]
        }
        visible = Risk.objects.filter(pk__in=[world.risks[name].pk for name in SEES.ok.get(persona, ())])
        exposures = visible.values_list("sheet__exposure", flat=True)
        assert (today["totals"]["exposure"] or 0) == pytest.approx(sum(exposures))
        assert sum(cell.exposure for cell in cells) == pytest.approx(sum(exposures))


@pytest.mark.parametrize("persona", SIGNED_IN)
def test_the_number_of_flags_and_reviews_is_that_of_the_lists(persona: str, world: World) -> None:
    client = world.client(persona)
    today = client.get(reverse("monitoring:today"))
    seen = len(SEES.ok.get(persona, ()))
    assert len(today.context["flags"]) == seen
    assert client.get(reverse("monitoring:flags")).context["page"].paginator.count == seen
    assert today.context["reviews_count"] == client.get(reverse("monitoring:reviews")).context["page"].paginator.count
    inbox = client.get(reverse("risks:inbox")).context["page"].paginator.count
    assert today.context["waiting"] == inbox == len(OBSERVATIONS_SEEN.get(persona, ()))


@pytest.mark.parametrize("scope", Subscription.Scope.values)
@pytest.mark.parametrize("persona", SIGNED_IN)
def test_a_digest_tells_only_of_risks_its_reader_may_see(persona: str, scope: str, world: World) -> None:
    user = User.objects.get(pk=world.people[persona].pk)
    subscription = Subscription(user=user, time_zone="UTC", scope=scope, top=50)
    written = write_digest(subscription=subscription, period="2026-W30", now=timezone.now())
    assert leaked(written.subject + written.text + written.html, persona) == set()
