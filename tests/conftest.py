"""The cast of the tests, and the fixtures everybody uses.

Two companies, so that "another team" is always there::

    Northfield ── Accounts        Hengyue
    mona  manager of Northfield   hana  manager of Hengyue
    max   member of Accounts      vera  viewer of Northfield
    ada   administrator           nobody  signed in, no role
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from pytest_django.plugin import blocking_manager_key

from assessments.actions import Judgement, assess_risk
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import User
from risks.actions import capture_risk
from risks.models import Category, Risk

_BROUGHT: list[str] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The suite runs on SQLite and then on PostgreSQL; what touches no database is not run a second time."""
    if connection.vendor != "postgresql":
        return
    kept = [item for item in items if _touches_database(item) and not item.get_closest_marker("once")]
    config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
    items[:] = kept


def _touches_database(item: pytest.Item) -> bool:
    # Without one of these, pytest-django refuses every query; tests of services bring their own databases.
    fixtures = {"db", "transactional_db", "live_server"} & set(getattr(item, "fixturenames", ()))
    return bool(fixtures) or any(item.get_closest_marker(name) for name in ("django_db", "services"))


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> None:
    """Remember what our migrations brought: categories, the method, playbooks, settings."""
    with django_db_blocker.unblock():
        rows = json.loads(connection.creation.serialize_db_to_string())
    # Django's own (content types, permissions) come back by themselves with every flush.
    ours = [row for row in rows if row["model"].split(".")[0] not in ("contenttypes", "auth")]
    _BROUGHT.append(json.dumps(ours))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """A test with real transactions empties every table; what migrations brought is put back after it."""
    yield
    if nextitem is None:
        return  # the database itself is gone by now
    marker = item.get_closest_marker("django_db")
    fixtures = getattr(item, "fixturenames", ())
    if "transactional_db" in fixtures or (marker and marker.kwargs.get("transaction")):
        with item.config.stash[blocking_manager_key].unblock():
            connection.creation.deserialize_db_from_string(_BROUGHT[-1])


@contextmanager
def ledger_unlocked() -> Iterator[None]:
    """Lets a test empty the register: on PostgreSQL the database itself refuses to delete a ledger row."""
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET session_replication_role = replica")  # no triggers, for this connection
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SET session_replication_role = origin")


@pytest.fixture
def cast(db: None) -> SimpleNamespace:
    northfield = save_team(name="Northfield", parent=None)
    accounts = save_team(name="Accounts", parent=northfield)
    hengyue = save_team(name="Hengyue", parent=None)

    def person(username: str, **more: Any) -> User:
        return User.objects.create_user(
            username, f"{username}@example.com", "password", first_name=username.title(), **more
        )

    people = {name: person(name) for name in ("mona", "max", "vera", "hana", "nobody")}
    set_role(user=people["mona"], team=northfield, role="manager")
    set_role(user=people["max"], team=accounts, role="member")
    set_role(user=people["vera"], team=northfield, role="viewer")
    set_role(user=people["hana"], team=hengyue, role="manager")
    return SimpleNamespace(
        ada=person("ada", is_admin=True), northfield=northfield, accounts=accounts, hengyue=hengyue, **people
    )


@pytest.fixture
def make_risk(cast: SimpleNamespace) -> Callable[..., Risk]:
    """A risk of the Accounts team; ``levels=(likelihood, financial)`` also assesses it."""

    def make(title: str = "Price war in pumps", *, levels: tuple[int, int] | None = None, **fields: Any) -> Risk:
        at = fields.pop("at", None) or timezone.now()
        fields.setdefault("by", cast.max)
        fields.setdefault("team", cast.accounts)
        fields.setdefault("category", Category.objects.get(key="competitor"))
        risk = capture_risk(title=title, at=at, **fields)
        if levels:
            assess(risk, *levels, at=at)
        return Risk.objects.select_related("sheet").get(pk=risk.pk)

    return make


def assess(risk: Risk, likelihood: int, financial: int, *, at: dt.datetime | None = None, **impacts: int) -> None:
    at = at or timezone.now()
    judgement = Judgement(risk.pk, likelihood, {"financial": financial, **impacts}, "expert", "", at.date())
    assess_risk(risk=risk, by=None, judgement=judgement, at=at)


@pytest.fixture
def sign_in() -> Callable[[User], Client]:
    def as_user(user: User) -> Client:
        client = Client()
        client.force_login(user)
        return client

    return as_user
