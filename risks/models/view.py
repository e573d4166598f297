from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils.translation import gettext_lazy as _


class SavedView(models.Model):
    """The register's filters and order under a name, as a person saved them; shared ones everybody may use.

    It holds what was asked for, not what was found: whoever opens it sees what she may see.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saved_views")
    name = models.CharField(_("name"), max_length=100)
    query = models.CharField(max_length=4000)  # of the register's address
    shared = models.BooleanField(_("everybody may use it"), default=False)

    class Meta:
        verbose_name = _("saved view")
        verbose_name_plural = _("saved views")
        ordering = ["name", "pk"]
        constraints = [
            models.UniqueConstraint(
                "user",
                "name",
                name="one_view_per_person_and_name",
                violation_error_message=_("You already have a view of this name."),
            )
        ]

    def __str__(self) -> str:
        return self.name
