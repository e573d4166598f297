"""The sample register and the playbook library: complete, consistent, and bilingual where they must be."""

import json
from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = json.loads((ROOT / "monitoring" / "sample_register.json").read_text(encoding="utf-8"))
LIBRARY = json.loads((ROOT / "responses" / "playbook_library.json").read_text(encoding="utf-8"))

CATEGORIES = {"market", "customer", "competitor", "process", "compliance"}
TEAMS = {team["key"]: team for team in SAMPLE["teams"]}
PEOPLE = {person["username"]: person for person in SAMPLE["people"]}
CUSTOMERS = {customer["name"]: customer for customer in SAMPLE["customers"]}
RISKS = {risk["key"]: risk for risk in SAMPLE["risks"]}

each_risk = pytest.mark.parametrize("risk", SAMPLE["risks"], ids=lambda risk: risk["key"])
each_observation = pytest.mark.parametrize("observation", SAMPLE["observations"])
each_playbook = pytest.mark.parametrize("playbook", LIBRARY, ids=lambda playbook: playbook["key"])


def line_of(team):
    """A team and the teams above it."""
    while team:
        yield team
        team = TEAMS[team]["parent"]


def root_of(team):
    return list(line_of(team))[-1]


def roles_on(username, team):
    person = PEOPLE[username]
    if person["is_admin"]:
        return {"admin"}
    above = set(line_of(team))
    return {role["role"] for role in person["roles"] if role["team"] in above}


def can_edit(username, team):
    return bool(roles_on(username, team) & {"admin", "manager", "member"})


def has_chinese(text):
    return any("\u4e00" <= character <= "\u9fff" for character in text)


def test_keys_and_titles_are_unique():
    assert len(TEAMS) == len(SAMPLE["teams"])
    assert len(PEOPLE) == len(SAMPLE["people"])
    assert len(CUSTOMERS) == len(SAMPLE["customers"])
    assert len(RISKS) == len(SAMPLE["risks"])
    responses = [response for risk in SAMPLE["risks"] for response in risk["responses"]]
    actions = [action for response in responses for action in response["actions"]]
    for texts in (
        [risk["title"].lower() for risk in SAMPLE["risks"]],
        [response["title"].lower() for response in responses],
        [action["title"].lower() for action in actions],
        [observation["text"].lower() for observation in SAMPLE["observations"]],
    ):
        assert [text for text, times in Counter(texts).items() if times > 1] == []


def test_two_companies_with_their_people():
    roots = [key for key, team in TEAMS.items() if team["parent"] is None]
    assert roots == ["northfield", "hengyue"]
    assert all(team["parent"] is None or team["parent"] in TEAMS for team in SAMPLE["teams"])
    assert 11 <= len(PEOPLE) <= 14
    assert [name for name, person in PEOPLE.items() if person["is_admin"]] == ["admin"]
    for person in SAMPLE["people"]:
        assert person["email"].endswith("@example.com")
        assert person["language"] in {"en", "zh-hans"}
        assert ZoneInfo(person["time_zone"])
        assert {role["role"] for role in person["roles"]} <= {"viewer", "member", "manager"}
        assert {role["team"] for role in person["roles"]} <= set(TEAMS)
    for username, team, role in [
        ("maria", "northfield", "manager"),
        ("tom", "northfield-key-accounts", "member"),
        ("eva", "northfield", "viewer"),
        ("lihua", "hengyue", "manager"),
        ("wei", "hengyue-online", "member"),
    ]:
        assert {"team": team, "role": role} in PEOPLE[username]["roles"]
    assert all(customer["team"] in TEAMS for customer in SAMPLE["customers"])


def test_the_register_has_the_promised_size_and_mix():
    risks = SAMPLE["risks"]
    assert Counter(root_of(risk["team"]) for risk in risks) == {"northfield": 32, "hengyue": 28}
    assert {risk["category"] for risk in risks} == CATEGORIES
    closed = [risk for risk in risks if risk["status"] == "closed"]
    assert 5 <= len(closed) <= 7
    assert {risk["outcome"] for risk in closed} == {"occurred", "did_not_occur", "no_longer_relevant"}
    assert 3 <= sum(risk["confidential"] for risk in risks) <= 5
    assert sum(not risk["assessments"] for risk in risks) == 5
    assert sum(10 <= len(risk["assessments"]) <= 14 for risk in risks) == 6
    assert 38 <= sum(bool(risk["responses"]) for risk in risks) <= 46
    accepted = [risk["acceptance"] for risk in risks if risk["acceptance"]]
    assert len(accepted) == 4
    assert sum(acceptance["expires_in_days"] <= 10 for acceptance in accepted) == 1
    hengyue = [risk for risk in risks if root_of(risk["team"]) == "hengyue"]
    assert 8 <= sum(has_chinese(risk["title"]) for risk in hengyue) <= 11
    per_customer = Counter(risk["customer"] for risk in risks if risk["customer"])
    assert sum(times for times in per_customer.values() if times > 1) >= 12


def test_long_histories_move_or_wobble():
    steps = {}
    for risk in SAMPLE["risks"]:
        if len(risk["assessments"]) >= 10:
            levels = [assessment["likelihood"] for assessment in risk["assessments"]]
            steady = set(levels[:-4])
            steps[risk["key"]] = levels[-1] - levels[0] if len(steady) == 1 else None
    assert sorted(step for step in steps.values() if step is not None and step > 0) == [2, 3, 3]
    assert [step for step in steps.values() if step is not None and step < 0] == [-2]
    assert list(steps.values()).count(None) == 2


def test_actions_are_late_and_soon_due():
    running = [
        action
        for risk in SAMPLE["risks"]
        for response in risk["responses"]
        for action in response["actions"]
        if action["status"] in {"planned", "in_progress"}
    ]
    assert sum(action["due_days"] < 0 for action in running) >= 5
    assert sum(0 <= action["due_days"] <= 14 for action in running) >= 5


@each_risk
def test_risk_fields_and_references(risk):
    assert risk["team"] in TEAMS
    assert risk["category"] in CATEGORIES
    assert len(risk["title"]) <= 110
    assert all(risk[field].strip() for field in ("title", "cause", "event", "consequence", "source"))
    assert risk["horizon_months"] in {3, 6, 12, 24}
    assert risk["tags"]
    assert all(risk["tags"])
    assert can_edit(risk["owner"], risk["team"])
    if risk["customer"] is not None:
        assert root_of(CUSTOMERS[risk["customer"]]["team"]) == root_of(risk["team"])


@each_risk
def test_chinese_risks_are_chinese_throughout(risk):
    texts = [risk[field] for field in ("cause", "event", "consequence", "source")]
    texts += [assessment["evidence"] for assessment in risk["assessments"] if assessment["evidence"]]
    for response in risk["responses"]:
        texts += [response["title"], response["description"]]
        texts += [action["title"] for action in response["actions"]]
    assert {has_chinese(text) for text in texts} == {has_chinese(risk["title"])}


@each_risk
def test_assessments_are_in_range_and_in_order(risk):
    assert 20 <= risk["identified_days_ago"] <= 370
    days = [assessment["days_ago"] for assessment in risk["assessments"]]
    assert days == sorted(set(days), reverse=True)
    assert all(0 <= day <= risk["identified_days_ago"] for day in days)
    for assessment in risk["assessments"]:
        assert can_edit(assessment["by"], risk["team"])
        assert assessment["likelihood"] in range(1, 6)
        assert list(assessment["impacts"]) == ["financial", "reputation", "market_share"]
        assert assessment["impacts"]["financial"] in range(1, 6)
        assert set(assessment["impacts"].values()) <= {None, 1, 2, 3, 4, 5}
        assert assessment["basis"] in {"historical", "market_research", "expert"}


@each_risk
def test_responses_are_complete_and_in_order(risk):
    assert len(risk["responses"]) <= 3
    for response in risk["responses"]:
        assert response["kind"] in {"preventive", "contingency"}
        assert bool(response["trigger"]) == (response["kind"] == "contingency")
        assert response["title"]
        assert response["description"]
        assert 0.5 <= response["confidence"] <= 0.9
        assert 0 <= response["days_ago"] <= risk["identified_days_ago"]
        assert 1 <= len(response["actions"]) <= 4
        for action in response["actions"]:
            assert can_edit(action["owner"], risk["team"])
            assert 0.05 <= action["effect"] <= 0.6
            assert action["cost"] >= 0
            assert action["due_days"] >= -response["days_ago"]
            assert action["status"] in {"planned", "in_progress", "done", "cancelled"}
            assert (action["done_days_ago"] is not None) == (action["status"] == "done")
            if action["status"] == "done":
                assert 0 <= action["done_days_ago"] <= response["days_ago"]


@each_risk
def test_closing_and_acceptance_come_last(risk):
    if risk["status"] == "closed":
        assert risk["outcome"] in {"occurred", "did_not_occur", "no_longer_relevant"}
        assert all(0 <= risk["closed_days_ago"] < assessment["days_ago"] for assessment in risk["assessments"])
        for response in risk["responses"]:
            assert response["days_ago"] >= risk["closed_days_ago"]
            for action in response["actions"]:
                assert action["status"] in {"done", "cancelled"}
                assert action["done_days_ago"] is None or action["done_days_ago"] >= risk["closed_days_ago"]
    else:
        assert risk["status"] == "open"
        assert risk["outcome"] is None
        assert risk["closed_days_ago"] is None
    if risk["acceptance"]:
        assert risk["status"] == "open"
        assert "manager" in roles_on(risk["acceptance"]["by"], risk["team"])
        assert risk["acceptance"]["reason"]
        assert risk["acceptance"]["days_ago"] <= risk["assessments"][0]["days_ago"]
        assert risk["acceptance"]["expires_in_days"] > 0


@each_observation
def test_observation_references(observation):
    assert observation["kind"] in CATEGORIES
    assert observation["text"]
    assert observation["source"]
    assert observation["link"] == "" or observation["link"].startswith("https://example.com/")
    assert roles_on(observation["by"], observation["team"])
    assert observation["days_ago"] >= 0
    assert observation["bearing"] in range(-2, 3)
    if observation["customer"] is not None:
        assert root_of(CUSTOMERS[observation["customer"]]["team"]) == root_of(observation["team"])
    if observation["risk"] is None:
        assert observation["bearing"] == 0
    else:
        risk = RISKS[observation["risk"]]
        assert root_of(risk["team"]) == root_of(observation["team"])
        assert observation["days_ago"] <= risk["identified_days_ago"]


def test_observations_carry_fresh_evidence():
    observations = SAMPLE["observations"]
    assert 22 <= len(observations) <= 27
    linked = [observation for observation in observations if observation["risk"]]
    assert 8 <= len(linked) <= 10
    fresh = {
        observation["risk"]
        for observation in linked
        if observation["bearing"] != 0
        and observation["days_ago"] < RISKS[observation["risk"]]["assessments"][-1]["days_ago"]
    }
    assert 5 <= len(fresh) <= 6


def test_the_library_covers_every_category():
    counts = Counter((playbook["category"], playbook["kind"]) for playbook in LIBRARY)
    for category in CATEGORIES:
        larger = category in {"customer", "process"}
        assert counts[category, "preventive"] >= (6 if larger else 5)
        assert counts[category, "contingency"] >= (4 if larger else 3)
    for field in ("key", "title_en", "title_zh", "description_en", "description_zh"):
        values = [playbook[field] for playbook in LIBRARY]
        assert len(values) == len(set(values))


@each_playbook
def test_playbook_is_complete_in_both_languages(playbook):
    assert playbook["category"] in CATEGORIES
    assert playbook["kind"] in {"preventive", "contingency"}
    assert 0.5 <= playbook["confidence"] <= 0.9
    assert 1 <= len(playbook["actions"]) <= 4
    contingency = playbook["kind"] == "contingency"
    assert bool(playbook["trigger_en"]) == bool(playbook["trigger_zh"]) == contingency
    assert max(len(playbook["title_en"]), len(playbook["title_zh"])) <= 80
    english = [playbook[field] for field in ("title_en", "description_en", "trigger_en")]
    chinese = [playbook[field] for field in ("title_zh", "description_zh")]
    chinese += [playbook["trigger_zh"]] if contingency else []
    for action in playbook["actions"]:
        english.append(action["title_en"])
        chinese.append(action["title_zh"])
        assert 0.05 <= action["effect"] <= 0.6
        assert action["due_days"] > 0
        assert action["cost"] >= 0
    assert not any(has_chinese(text) for text in english)
    assert all(has_chinese(text) for text in chinese)
