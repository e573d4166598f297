"""What is done to people and teams."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Value
from django.db.models.functions import Concat, Substr
from django.utils.translation import gettext as _

from riskreg.accounts.models import Membership, Team, User


def save_team(*, name: str, parent: Team | None, team: Team | None = None) -> Team:
    """Make a team, or rename or move one together with all below it.

    Raises ValidationError when a team would become part of itself.
    """
    with transaction.atomic():
        if team is None:
            # The path needs the id, so the row is first written under its (unique) parent and name.
            team = Team.objects.create(name=name, parent=parent, path=f"?{parent.pk if parent else ''}?{name}")
            old_path = team.path
        else:
            # Paths as they stand now: another move may have changed them since these copies were read.
            now = dict(Team.objects.select_for_update().order_by("pk").values_list("pk", "path"))
            team.path = old_path = now[team.pk]
            if parent:
                parent.path = now[parent.pk]
            if parent and parent.path.startswith(old_path):
                raise ValidationError({"parent": _("A team cannot be part of itself or of a team below it.")})
        new_path = f"{parent.path if parent else '/'}{team.pk}/"
        team.name, team.parent, team.path = name, parent, new_path
        team.save(update_fields=["name", "parent", "path"])
        if old_path != new_path and old_path.startswith("/"):
            Team.objects.filter(path__startswith=old_path).update(
                path=Concat(Value(new_path), Substr(F("path"), len(old_path) + 1))
            )
    return team


def set_role(*, user: User, team: Team, role: str) -> Membership:
    """Give a person a role in a team, replacing the one held there."""
    membership, _created = Membership.objects.update_or_create(user=user, team=team, defaults={"role": role})
    return membership
