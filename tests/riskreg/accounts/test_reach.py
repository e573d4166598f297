from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.test.utils import CaptureQueriesContext

from riskreg.accounts import reach
from riskreg.accounts.actions import set_role
from riskreg.accounts.models import Membership, Team, User
from riskreg.accounts.reach import Reach

NOTHING = Reach(everything=False, viewer=frozenset(), member=frozenset(), manager=frozenset())


def again(user: User) -> User:
    """The person as the next request reads her: nothing kept."""
    return User.objects.get(pk=user.pk)


def test_a_role_holds_for_every_team_below(cast: SimpleNamespace) -> None:
    both = frozenset({cast.northfield.pk, cast.accounts.pk})
    assert reach.of(cast.mona) == Reach(everything=False, viewer=both, member=both, manager=both)
    assert reach.of(cast.vera) == Reach(everything=False, viewer=both, member=frozenset(), manager=frozenset())


def test_a_role_does_not_reach_up_or_aside(cast: SimpleNamespace) -> None:
    own = frozenset({cast.accounts.pk})
    assert reach.of(cast.max) == Reach(everything=False, viewer=own, member=own, manager=frozenset())
    assert reach.of(cast.hana).viewer == {cast.hengyue.pk}


def test_the_strongest_of_two_roles_counts(cast: SimpleNamespace) -> None:
    set_role(user=cast.vera, team=cast.accounts, role="manager")
    mine = reach.of(again(cast.vera))
    assert mine.viewer == {cast.northfield.pk, cast.accounts.pk}
    assert mine.member == mine.manager == {cast.accounts.pk}


def test_a_weaker_role_below_takes_nothing_away(cast: SimpleNamespace) -> None:
    set_role(user=cast.mona, team=cast.accounts, role="viewer")
    assert cast.accounts.pk in reach.of(again(cast.mona)).manager


def test_a_team_whose_number_begins_alike_is_not_below(cast: SimpleNamespace) -> None:
    """Team 9001 must not reach team 90010."""
    for pk in (9001, 90010):
        Team.objects.create(pk=pk, name=f"Team {pk}", path=f"/{pk}/")
    set_role(user=cast.nobody, team=Team.objects.get(pk=9001), role="manager")
    assert reach.of(again(cast.nobody)).manager == {9001}
    assert reach.own_teams(cast.nobody) == [9001]


def test_an_administrator_reaches_everything(cast: SimpleNamespace) -> None:
    every = frozenset({cast.northfield.pk, cast.accounts.pk, cast.hengyue.pk})
    assert reach.of(cast.ada) == Reach(everything=True, viewer=every, member=every, manager=every)


def test_no_role_no_account_and_no_longer_active_reach_nothing(cast: SimpleNamespace) -> None:
    assert reach.of(cast.nobody) == NOTHING
    assert reach.of(AnonymousUser()) == NOTHING
    for user in (cast.mona, cast.ada):
        user.is_active = False
        assert reach.of(user) == NOTHING


def test_is_asked_once_and_then_kept(cast: SimpleNamespace) -> None:
    max_ = again(cast.max)
    with CaptureQueriesContext(connection) as captured:
        first = reach.of(max_)
    assert len(captured) == 2
    with CaptureQueriesContext(connection) as captured:
        assert reach.of(max_) is first
    assert len(captured) == 0


def test_a_role_taken_is_gone_with_the_next_request(cast: SimpleNamespace) -> None:
    assert reach.of(again(cast.max)).member
    Membership.objects.filter(user=cast.max).delete()
    assert reach.of(again(cast.max)) == NOTHING


def test_people_reaching_a_team_hold_a_role_there_or_above(cast: SimpleNamespace) -> None:
    assert set(reach.people_reaching(cast.accounts)) == {cast.mona, cast.max, cast.vera}
    assert set(reach.people_reaching(cast.northfield)) == {cast.mona, cast.vera}
    set_role(user=cast.mona, team=cast.accounts, role="viewer")
    User.objects.filter(pk=cast.vera.pk).update(is_active=False)
    assert sorted(person.username for person in reach.people_reaching(cast.accounts)) == ["max", "mona"]


@pytest.mark.parametrize(
    ("name", "teams"),
    [("mona", ["Northfield", "Accounts"]), ("max", ["Accounts"]), ("ada", []), ("nobody", [])],
)
def test_own_teams_are_those_of_a_role_and_below(cast: SimpleNamespace, name: str, teams: list[str]) -> None:
    ids = {team.name: team.pk for team in (cast.northfield, cast.accounts, cast.hengyue)}
    assert sorted(reach.own_teams(getattr(cast, name))) == sorted(ids[team] for team in teams)
