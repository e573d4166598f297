"""Who uses the register: people, the team tree, and the role each person has in a team."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models.functions import Lower
from django.utils.translation import gettext_lazy as _


class UserManager(DjangoUserManager["User"]):
    def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **extra: Any
    ) -> User:
        """Django's own command makes the first administrator; here that means ``is_admin``."""
        extra.setdefault("is_admin", True)
        return super().create_superuser(username, email, password, **extra)


class User(AbstractUser):
    class Theme(models.TextChoices):
        AUTO = "auto", _("As the device")
        LIGHT = "light", _("Light")
        DARK = "dark", _("Dark")

    is_admin = models.BooleanField(
        _("administrator"),
        default=False,
        help_text=_("Sees every risk, and configures scales, categories, teams and people."),
    )
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, default="en")
    time_zone = models.CharField(_("time zone"), max_length=60, default="UTC")
    theme = models.CharField(_("theme"), max_length=5, choices=Theme, default=Theme.AUTO)

    objects = UserManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        ordering = ["first_name", "last_name", "username"]
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                condition=~models.Q(email=""),
                name="user_email_unique",
                violation_error_message=_("Another person already has this e-mail address."),
            )
        ]

    def __str__(self) -> str:
        return self.get_full_name() or self.username

    def get_full_name(self) -> str:
        """The name in the order of its script: family name first, and no space, in Chinese."""
        if self.last_name and self.last_name[0] >= "\u4e00":
            return f"{self.last_name}{self.first_name}".strip()
        return super().get_full_name()


class TeamQuerySet(models.QuerySet["Team"]):
    def under(self, paths: list[str]) -> TeamQuerySet:
        """Teams at or below any of the tree paths; none for an empty list."""
        condition = models.Q(pk__in=[])
        for path in paths:
            condition |= models.Q(path__startswith=path)
        return self.filter(condition)


class Team(models.Model):
    """A node of the team tree. ``path`` is written only by actions.save_team: "/1/4/" for team 4 below team 1."""

    name = models.CharField(_("name"), max_length=100)
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="children", verbose_name=_("part of")
    )
    path = models.CharField(max_length=255, unique=True, editable=False)

    objects = TeamQuerySet.as_manager()

    class Meta:
        verbose_name = _("team")
        verbose_name_plural = _("teams")
        ordering = ["path"]
        constraints = [
            models.UniqueConstraint(
                "name",
                "parent",
                name="team_name_unique_in_parent",
                violation_error_message=_("There is already a team of this name here."),
            ),
            # SQLite knows no NULLS NOT DISTINCT, so the tops of the tree have a constraint of their own.
            models.UniqueConstraint(
                "name",
                condition=models.Q(parent__isnull=True),
                name="team_name_unique_on_top",
                violation_error_message=_("There is already a team of this name here."),
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def depth(self) -> int:
        return self.path.count("/") - 2


class Membership(models.Model):
    """A person's role in a team; it holds for every team below it, too."""

    class Role(models.TextChoices):
        VIEWER = "viewer", _("Viewer")
        MEMBER = "member", _("Member")
        MANAGER = "manager", _("Manager")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("person"))
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships", verbose_name=_("team"))
    role = models.CharField(_("role"), max_length=10, choices=Role)

    class Meta:
        verbose_name = _("role")
        verbose_name_plural = _("roles")
        constraints = [
            models.UniqueConstraint(
                "user",
                "team",
                name="one_role_per_person_and_team",
                violation_error_message=_("This person already has a role in this team."),
            ),
            models.CheckConstraint(
                condition=models.Q(role__in=["viewer", "member", "manager"]), name="membership_role_known"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.team} · {self.get_role_display()}"


class ApiToken(models.Model):
    """What a program of a person signs in with. Of the secret only a hash is kept; ``prefix`` tells tokens apart."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_tokens", verbose_name=_("person"))
    name = models.CharField(_("name"), max_length=100)
    prefix = models.CharField(max_length=8, unique=True, editable=False)
    secret_hash = models.CharField(max_length=64, editable=False)  # SHA-256 in hex
    may_write = models.BooleanField(_("may write"), default=False)
    created_at = models.DateTimeField(_("made"), editable=False)
    expires_at = models.DateTimeField(_("valid until"))
    last_used_at = models.DateTimeField(_("last used"), null=True, blank=True, editable=False)
    revoked_at = models.DateTimeField(_("revoked"), null=True, blank=True, editable=False)

    class Meta:
        verbose_name = _("API token")
        verbose_name_plural = _("API tokens")
        ordering = ["-created_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="token_expires_after_it_was_made"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    def is_valid(self, now: dt.datetime) -> bool:
        return self.revoked_at is None and now < self.expires_at
