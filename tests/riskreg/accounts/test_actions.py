from __future__ import annotations

from types import SimpleNamespace

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from riskreg.accounts import reach
from riskreg.accounts.actions import save_team, set_role
from riskreg.accounts.models import Membership, Team, User


def path_of(team: Team) -> str:
    return Team.objects.values_list("path", flat=True).get(pk=team.pk)


@pytest.fixture
def tree(cast: SimpleNamespace) -> SimpleNamespace:
    """Northfield ── Accounts ── East ── Coast, and Hengyue apart."""
    east = save_team(name="East", parent=cast.accounts)
    coast = save_team(name="Coast", parent=east)
    return SimpleNamespace(
        northfield=cast.northfield, accounts=cast.accounts, east=east, coast=coast, hengyue=cast.hengyue
    )


def paths(tree: SimpleNamespace) -> dict[str, str]:
    return {name: path_of(team) for name, team in vars(tree).items()}


def test_a_path_leads_from_the_top_to_the_team(tree: SimpleNamespace) -> None:
    n, a, e, c = tree.northfield.pk, tree.accounts.pk, tree.east.pk, tree.coast.pk
    assert paths(tree) == {
        "northfield": f"/{n}/",
        "accounts": f"/{n}/{a}/",
        "east": f"/{n}/{a}/{e}/",
        "coast": f"/{n}/{a}/{e}/{c}/",
        "hengyue": f"/{tree.hengyue.pk}/",
    }
    assert [team.depth for team in (tree.northfield, tree.accounts, tree.coast)] == [0, 1, 3]


def test_a_moved_team_takes_along_what_is_below_it(tree: SimpleNamespace) -> None:
    before = paths(tree)
    save_team(name="Accounts", parent=tree.hengyue, team=Team.objects.get(pk=tree.accounts.pk))
    h, a, e, c = tree.hengyue.pk, tree.accounts.pk, tree.east.pk, tree.coast.pk
    assert paths(tree) == before | {
        "accounts": f"/{h}/{a}/",
        "east": f"/{h}/{a}/{e}/",
        "coast": f"/{h}/{a}/{e}/{c}/",
    }
    assert Team.objects.get(pk=a).parent == tree.hengyue
    assert Team.objects.get(pk=e).parent == tree.accounts


def test_a_team_can_move_to_the_top_and_back(tree: SimpleNamespace) -> None:
    before = paths(tree)
    save_team(name="East", parent=None, team=tree.east)
    assert (path_of(tree.east), path_of(tree.coast)) == (f"/{tree.east.pk}/", f"/{tree.east.pk}/{tree.coast.pk}/")
    save_team(name="East", parent=Team.objects.get(pk=tree.accounts.pk), team=tree.east)
    assert paths(tree) == before


def test_a_renamed_team_stays_where_it_is(tree: SimpleNamespace) -> None:
    before = paths(tree)
    save_team(name="Key accounts", parent=tree.northfield, team=tree.accounts)
    assert paths(tree) == before
    assert Team.objects.get(pk=tree.accounts.pk).name == "Key accounts"


@pytest.mark.parametrize("parent", ["accounts", "east", "coast"])
def test_a_team_cannot_be_part_of_itself(tree: SimpleNamespace, parent: str) -> None:
    before = paths(tree)
    with pytest.raises(ValidationError, match="cannot be part of itself"):
        save_team(name="Accounts", parent=getattr(tree, parent), team=tree.accounts)
    assert paths(tree) == before


def test_two_teams_of_one_name_need_different_places(tree: SimpleNamespace) -> None:
    save_team(name="East", parent=tree.hengyue)
    for parent in (tree.accounts, None):
        with pytest.raises(IntegrityError), transaction.atomic():
            save_team(name="East" if parent else "Hengyue", parent=parent)
    with pytest.raises(IntegrityError), transaction.atomic():
        save_team(name="Hengyue", parent=None, team=tree.coast)
    assert path_of(tree.coast).startswith(path_of(tree.east))


def test_moving_takes_the_same_statements_for_any_number_below(tree: SimpleNamespace) -> None:
    def statements(team: Team, parent: Team | None) -> int:
        with CaptureQueriesContext(connection) as captured:
            save_team(name=team.name, parent=parent, team=Team.objects.get(pk=team.pk))
        return len(captured)

    few = statements(tree.east, None)
    for n in range(20):
        save_team(name=f"Shop {n}", parent=Team.objects.get(pk=tree.coast.pk))
    assert statements(tree.coast, tree.hengyue) == few
    assert Team.objects.filter(path__startswith=path_of(tree.coast)).count() == 21


def test_roles_follow_a_team_to_its_new_place(tree: SimpleNamespace, cast: SimpleNamespace) -> None:
    save_team(name="Accounts", parent=tree.hengyue, team=tree.accounts)
    moved = {tree.accounts.pk, tree.east.pk, tree.coast.pk}
    assert reach.of(User.objects.get(pk=cast.hana.pk)).manager == {tree.hengyue.pk, *moved}
    assert reach.of(User.objects.get(pk=cast.mona.pk)).manager == {tree.northfield.pk}
    assert reach.of(User.objects.get(pk=cast.max.pk)).member == moved


def test_a_stale_copy_of_a_team_moves_it_just_the_same(tree: SimpleNamespace) -> None:
    """Somebody moved a team above meanwhile: the path is the database's, not the copy's."""
    stale = Team.objects.get(pk=tree.east.pk)
    save_team(name="Accounts", parent=tree.hengyue, team=tree.accounts)
    save_team(name="East", parent=Team.objects.get(pk=tree.northfield.pk), team=stale)
    n, e, c = tree.northfield.pk, tree.east.pk, tree.coast.pk
    assert (path_of(tree.east), path_of(tree.coast)) == (f"/{n}/{e}/", f"/{n}/{e}/{c}/")


def test_a_role_replaces_the_one_held_there(cast: SimpleNamespace) -> None:
    before = Membership.objects.count()
    set_role(user=cast.max, team=cast.accounts, role="manager")
    set_role(user=cast.max, team=cast.accounts, role="manager")
    assert Membership.objects.get(user=cast.max).role == "manager"
    assert Membership.objects.count() == before
    set_role(user=cast.max, team=cast.hengyue, role="viewer")
    assert Membership.objects.filter(user=cast.max).count() == 2


def test_a_role_nobody_knows_is_refused(cast: SimpleNamespace) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        set_role(user=cast.max, team=cast.accounts, role="king")
    assert Membership.objects.get(user=cast.max).role == "member"
