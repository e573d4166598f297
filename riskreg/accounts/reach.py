"""How far a person's roles reach in the team tree. Asked once per request and kept on the user object."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from django.contrib.auth.models import AnonymousUser

from riskreg.accounts.models import Membership, Team, User

_RANK = {Membership.Role.VIEWER: 1, Membership.Role.MEMBER: 2, Membership.Role.MANAGER: 3}


@dataclass(frozen=True)
class Reach:
    """Team ids by the strongest role held there, inherited down the tree. An administrator reaches all."""

    everything: bool
    viewer: frozenset[int]  # may at least look
    member: frozenset[int]  # may at least work on risks
    manager: frozenset[int]


def of(user: User | AnonymousUser) -> Reach:
    """The reach of a person: two statements the first time, none after. Nobody signed in reaches nothing."""
    if not isinstance(user, User) or not user.is_active:
        return Reach(everything=False, viewer=frozenset(), member=frozenset(), manager=frozenset())
    kept: Reach | None = getattr(user, "_reach", None)
    if kept is None:
        kept = _work_out(user)
        user._reach = kept  # type: ignore[attr-defined]
    return kept


def _work_out(user: User) -> Reach:
    teams = list(Team.objects.values_list("pk", "path"))
    return _reaching(user, teams, [] if user.is_admin else list(user.memberships.values_list("team__path", "role")))


def _reaching(user: User, teams: Sequence[tuple[int, str]], roles: Sequence[tuple[str, str]]) -> Reach:
    if user.is_admin:
        ids = frozenset(pk for pk, _ in teams)
        return Reach(everything=True, viewer=ids, member=ids, manager=ids)

    def reached(at_least: int) -> frozenset[int]:
        paths = tuple(path for path, role in roles if _RANK[Membership.Role(role)] >= at_least)
        return frozenset(pk for pk, path in teams if path.startswith(paths)) if paths else frozenset()

    return Reach(everything=False, viewer=reached(1), member=reached(2), manager=reached(3))


def of_many(users: Sequence[User]) -> None:
    """Work out the reach and the own teams of many people at once: two statements for any number."""
    teams = list(Team.objects.values_list("pk", "path"))
    roles: dict[int, list[tuple[str, str]]] = {user.pk: [] for user in users}
    for user_id, path, role in Membership.objects.filter(user__in=users).values_list("user", "team__path", "role"):
        roles[user_id].append((path, role))
    for user in users:
        user._team_paths = teams  # type: ignore[attr-defined]
        user._reach = _reaching(user, teams, roles[user.pk])  # type: ignore[attr-defined]
        user._own_teams = [  # type: ignore[attr-defined]
            pk for pk, path in teams if path.startswith(tuple(own for own, _ in roles[user.pk]) or ("-",))
        ]


def team_paths(user: User) -> dict[int, str]:
    """The tree paths of the teams a person may look at, by id; no statement after of_many."""
    teams = getattr(user, "_team_paths", None)
    if teams is None:
        teams = list(Team.objects.values_list("pk", "path"))
    seen = of(user).viewer
    return {pk: path for pk, path in teams if pk in seen}


def people_reaching(team: Team) -> Iterable[User]:
    """Active people with any role on the team or above it: who can own a risk there."""
    above = [int(part) for part in team.path.strip("/").split("/")]
    return User.objects.filter(is_active=True, memberships__team__in=above).distinct()


def own_teams(user: User) -> list[int]:
    """Ids of the teams a person has a role in, and of those below; an administrator's reach is not counted."""
    kept: list[int] | None = getattr(user, "_own_teams", None)
    if kept is not None:
        return kept
    paths = list(user.memberships.values_list("team__path", flat=True))
    return list(Team.objects.under(paths).values_list("pk", flat=True)) if paths else []
