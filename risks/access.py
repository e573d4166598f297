"""Who may see and do what. Every view, export, task and digest asks here, and nowhere else.

A role in a team holds for all teams below it. Viewers look; members also work on risks; managers also see
confidential ones and may delete. Whoever owns a risk sees it and works on it, wherever it is.
A risk that may not be seen answers like one that does not exist.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import numpy as np
from django.contrib.auth.models import AnonymousUser
from django.db.models import Q, QuerySet
from django.http import Http404
from numpy.typing import NDArray

from crm.models import Customer
from riskreg.accounts import reach
from riskreg.accounts.models import Membership, Team, User
from risks.models import ImportBatch, Observation, Risk, SavedView, Suggestion
from risks.models.observation import ObservationQuerySet
from risks.models.risk import RiskQuerySet
from risks.models.suggestion import SuggestionQuerySet

Person = User | AnonymousUser
Deed = Literal["view", "edit", "delete"]


def visible_risks(user: Person) -> RiskQuerySet:
    """The live risks a person may see: the one queryset behind every page, export, total and mail."""
    risks: RiskQuerySet = Risk.objects.live()
    mine = reach.of(user)
    if mine.everything:
        return risks
    if not user.is_authenticated:
        return risks.none()
    return risks.filter(Q(team__in=mine.manager) | Q(team__in=mine.viewer, confidential=False) | Q(owner=user))


def visible_rows(
    user: Person, *, team: NDArray[np.int64], owner: NDArray[np.int64], confidential: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """Which of n live risks, given as columns, a person may see; the same rules as visible_risks, for many people."""
    mine = reach.of(user)
    if mine.everything:
        return np.ones(len(team), dtype=bool)
    if not user.is_authenticated:
        return np.zeros(len(team), dtype=bool)
    managed, seen = np.isin(team, list(mine.manager)), np.isin(team, list(mine.viewer))
    return np.asarray(managed | (seen & ~confidential) | (owner == user.pk))


def may(user: Person, deed: Deed, risk: Risk) -> bool:
    """Whether a person may do this to a risk she sees; the same rules as visible_risks, for one risk."""
    mine = reach.of(user)
    owner = user.is_authenticated and risk.owner_id == user.pk
    manager = mine.everything or risk.team_id in mine.manager
    if deed == "view":
        return owner or manager or (risk.team_id in mine.viewer and not risk.confidential)
    if deed == "edit":
        return owner or manager or (risk.team_id in mine.member and not risk.confidential)
    return manager


def get_risk(user: Person, pk: int, deed: Deed = "view", *, queryset: QuerySet[Risk] | None = None) -> Risk:
    """The risk, or Http404 both when it is not there and when the person may not do this to it."""
    risk = (visible_risks(user) if queryset is None else queryset).select_related("sheet", "team").filter(pk=pk).first()
    if risk is None or not may(user, deed, risk):
        raise Http404
    return risk


def editable_risks(user: Person) -> RiskQuerySet:
    """The live risks a person may work on."""
    mine = reach.of(user)
    risks = visible_risks(user)
    if mine.everything or not user.is_authenticated:
        return risks
    return risks.filter(Q(team__in=mine.manager) | Q(team__in=mine.member, confidential=False) | Q(owner=user))


def deletable_risks(user: Person) -> RiskQuerySet:
    """Risks in the bin included: a deletion can be undone by whoever might do it."""
    mine = reach.of(user)
    kept: RiskQuerySet = Risk.objects.exclude(state=Risk.State.STAGED)
    return kept if mine.everything else kept.filter(team__in=mine.manager)


def people_who_may_edit(risk: Risk) -> QuerySet[User]:
    """Active people who may work on a risk, and so can be asked to judge it; the same rules as may, for one risk."""
    above = [int(part) for part in risk.team.path.strip("/").split("/")]
    roles = [Membership.Role.MANAGER] if risk.confidential else [Membership.Role.MEMBER, Membership.Role.MANAGER]
    working = Q(is_admin=True) | Q(pk=risk.owner_id) | Q(memberships__team__in=above, memberships__role__in=roles)
    return User.objects.filter(working, is_active=True).distinct()


def teams_seen(user: Person) -> QuerySet[Team]:
    return Team.objects.filter(pk__in=reach.of(user).viewer)


def may_see_totals(user: Person, team_id: int | None) -> bool:
    """Whether a person may see what the risks of a team and those below come to; None is everything.

    Totals roll up what is confidential; names and single numbers do not (visible_risks).
    """
    mine = reach.of(user)
    return mine.everything or team_id in mine.viewer


def teams_worked_in(user: Person) -> QuerySet[Team]:
    """Teams a person may add risks, observations and imports to."""
    return Team.objects.filter(pk__in=reach.of(user).member)


def worked_in(user: Person, teams: Iterable[Team]) -> list[Team]:
    """Of teams that are loaded already, those a person may add risks to."""
    ids = reach.of(user).member
    return [team for team in teams if team.pk in ids]


def may_capture(user: Person) -> bool:
    return bool(reach.of(user).member)


def visible_customers(user: Person) -> QuerySet[Customer]:
    return Customer.objects.filter(team__in=reach.of(user).viewer)


def get_customer(user: Person, pk: int) -> Customer:
    """One customer of a team a person works in, or Http404."""
    found = Customer.objects.filter(pk=pk, team__in=reach.of(user).member).first()
    if found is None:
        raise Http404
    return found


def saved_views(user: Person) -> QuerySet[SavedView]:
    """A person's own views of the register and those others share."""
    return SavedView.objects.filter(Q(user=user.pk) | Q(shared=True))


def get_own_view(user: Person, pk: int) -> SavedView:
    """A view a person saved herself, or Http404; those shared with her she may use but not change."""
    found = SavedView.objects.filter(pk=pk, user=user.pk).first()
    if found is None:
        raise Http404
    return found


def visible_suggestions(user: Person) -> SuggestionQuerySet:
    """Suggestions of the teams a person works in; confidential ones are for those teams' managers."""
    teams = reach.of(user)
    seen: SuggestionQuerySet = Suggestion.objects.filter(team__in=teams.viewer)
    return seen.filter(Q(confidential=False) | Q(team__in=teams.manager))


def get_suggestion(user: Person, pk: int) -> Suggestion:
    """An open suggestion a person may decide on, or Http404."""
    found = visible_suggestions(user).waiting().filter(pk=pk, team__in=reach.of(user).member)
    suggestion = found.select_related("team", "customer", "deal").first()
    if suggestion is None:
        raise Http404
    return suggestion


def visible_observations(user: Person) -> ObservationQuerySet:
    """Observations of a person's teams; one linked to a risk is seen only with that risk."""
    seen: ObservationQuerySet = Observation.objects.filter(team__in=reach.of(user).viewer)
    return seen.filter(Q(risk__isnull=True) | Q(risk__in=visible_risks(user)))


def get_observation(user: Person, pk: int) -> Observation:
    """One waiting observation a person may triage, or Http404."""
    found = Observation.objects.waiting().filter(pk=pk, team__in=reach.of(user).member).first()
    if found is None:
        raise Http404
    return found


def visible_imports(user: Person) -> QuerySet[ImportBatch]:
    """A person's own imports; an administrator sees all."""
    batches = ImportBatch.objects.all()
    return batches if reach.of(user).everything else batches.filter(created_by=user.pk, team__in=reach.of(user).member)


def get_import(user: Person, pk: int) -> ImportBatch:
    found = visible_imports(user).filter(pk=pk).select_related("team").first()
    if found is None:
        raise Http404
    return found


def possible_owners(user: Person) -> QuerySet[User]:
    """Active people with a role in, above or below the teams a person reaches, and administrators."""
    mine = reach.of(user)
    people = User.objects.filter(is_active=True)
    if mine.everything:
        return people
    paths = list(Team.objects.filter(pk__in=mine.viewer).values_list("path", flat=True))
    around = {int(part) for path in paths for part in path.strip("/").split("/")}
    return people.filter(Q(memberships__team__in=around) | Q(pk=user.pk)).distinct()
